// SPDX-License-Identifier: GPL-2.0-or-later
/* The JSON writer (RFC 8259). What is no printable UTF-8 was made \xNN text before it got here. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "render/render_i.h"

static void quote(struct ep_buf *out, const char *s)
{
	struct ep_buf clean = {};

	ep_buf_put_escaped(&clean, s, strlen(s));
	ep_buf_puts(out, "\"");
	for (const char *c = ep_buf_str(&clean); *c; c++) {
		if (*c == '"' || *c == '\\')
			ep_buf_puts(out, "\\");
		ep_buf_putn(out, c, 1);
	}
	ep_buf_puts(out, "\"");
	ep_buf_free(&clean);
}

static void newline(struct ep_writer *w)
{
	if (w->flat)
		return;
	ep_buf_puts(w->out, "\n");
	for (unsigned i = 0; i < w->depth; i++)
		ep_buf_puts(w->out, "  ");
}

static void begin_value(struct ep_writer *w, const char *key)
{
	if (w->depth) {
		if (w->level[w->depth - 1].any)
			ep_buf_puts(w->out, ",");
		w->level[w->depth - 1].any = true;
		newline(w);
	}
	if (key) {
		quote(w->out, key);
		ep_buf_puts(w->out, w->flat ? ":" : ": ");
	}
}

static void open_level(struct ep_writer *w, const char *key, bool array)
{
	begin_value(w, key);
	ep_buf_puts(w->out, array ? "[" : "{");
	if (w->depth == EP_WRITER_DEPTH)
		__builtin_trap();
	w->level[w->depth].array = array;
	w->level[w->depth].any = false;
	w->depth++;
}

static void json_object(struct ep_writer *w, const char *key)
{
	open_level(w, key, false);
}

static void json_array(struct ep_writer *w, const char *key)
{
	open_level(w, key, true);
}

static void json_end(struct ep_writer *w)
{
	bool any = w->level[w->depth - 1].any, array = w->level[w->depth - 1].array;

	w->depth--;
	if (any)
		newline(w);
	ep_buf_puts(w->out, array ? "]" : "}");
	if (!w->depth)
		ep_buf_puts(w->out, "\n");
}

static void json_string(struct ep_writer *w, const char *key, const char *s)
{
	begin_value(w, key);
	if (s)
		quote(w->out, s);
	else
		ep_buf_puts(w->out, "null");
}

static void json_number(struct ep_writer *w, const char *key, int64_t n)
{
	begin_value(w, key);
	ep_buf_printf(w->out, "%" PRId64, n);
}

static void json_real(struct ep_writer *w, const char *key, double d)
{
	char buf[64];

	begin_value(w, key);
	snprintf(buf, sizeof(buf), "%.12g", d);
	for (char *c = buf; *c; c++)
		if (*c == ',') /* a locale's decimal comma */
			*c = '.';
	ep_buf_puts(w->out, buf);
	if (!strpbrk(buf, ".e"))
		ep_buf_puts(w->out, ".0");
}

static void json_boolean(struct ep_writer *w, const char *key, bool b)
{
	begin_value(w, key);
	ep_buf_puts(w->out, b ? "true" : "false");
}

static void json_null(struct ep_writer *w, const char *key)
{
	begin_value(w, key);
	ep_buf_puts(w->out, "null");
}

struct ep_writer ep_json_writer(struct ep_buf *out)
{
	static const struct ep_writer_ops ops = {
		.object = json_object,
		.array = json_array,
		.end = json_end,
		.string = json_string,
		.number = json_number,
		.real = json_real,
		.boolean = json_boolean,
		.null = json_null,
	};

	return (struct ep_writer){.ops = &ops, .out = out};
}
