// SPDX-License-Identifier: GPL-2.0-or-later
/* Text in columns: widths, wrapping, colour. */
#include <string.h>

#include "render/render_i.h"

#define EP_MIN_TEXT 16 /* columns that a paragraph has at least, however deep it is indented */

unsigned ep_text_width(const char *s)
{
	unsigned n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* Bytes of the first n code points. */
static size_t bytes_of(const char *s, unsigned n)
{
	size_t i = 0;

	while (s[i]) {
		if (((unsigned char)s[i] & 0xc0) != 0x80 && !n--)
			break;
		i++;
	}
	return i;
}

static const char *escape_code(enum ep_paint p)
{
	static const char *const codes[] = {
		[EP_PLAIN] = "",      [EP_BOLD] = "1",   [EP_DIM] = "2",        [EP_RED] = "1;31",
		[EP_YELLOW] = "1;33", [EP_GREEN] = "32", [EP_MAGENTA] = "1;35",
	};

	return codes[p];
}

const char *ep_text_paint(struct ep_text *t, const char *s, enum ep_paint p)
{
	if (!t->style->colour || p == EP_PLAIN || !*s)
		return s;
	return ep_sprintf(t->a, "\033[%sm%s\033[0m", escape_code(p), s);
}

void ep_text_cell(struct ep_text *t, const char *s, unsigned width, enum ep_paint p)
{
	unsigned w = ep_text_width(s);

	ep_buf_puts(t->out, ep_text_paint(t, s, p));
	while (w++ < width)
		ep_buf_puts(t->out, " ");
}

void ep_text_newline(struct ep_text *t)
{
	struct ep_buf *b = t->out;

	while (b->len && b->s[b->len - 1] == ' ')
		b->s[--b->len] = '\0';
	ep_buf_puts(b, "\n");
}

/* Length in bytes of the line that s begins with, and where the next one starts. */
static size_t line_end(const char *s, unsigned width, size_t *ret_next)
{
	size_t fits = bytes_of(s, width), end = fits;

	if (!s[fits]) {
		*ret_next = fits;
		return fits;
	}
	while (end && s[end] != ' ')
		end--;
	if (!end) { /* one word wider than the line */
		*ret_next = fits;
		return fits;
	}
	*ret_next = end + strspn(s + end, " ");
	while (end && s[end - 1] == ' ')
		end--;
	return end;
}

ep_strs ep_text_lines(struct ep_arena *a, const char *s, unsigned width)
{
	ep_strs out = {};

	if (width < EP_MIN_TEXT)
		width = EP_MIN_TEXT;
	s += strspn(s, " ");
	do {
		size_t next, n = line_end(s, width, &next);

		*ep_push(a, &out) = ep_strndup(a, s, n);
		s += next;
	} while (*s);
	return out;
}

void ep_text_wrap(struct ep_text *t, const char *first, const char *rest, const char *s)
{
	unsigned indent = ep_text_width(first), other = ep_text_width(rest);
	ep_strs lines;

	if (other > indent)
		indent = other;
	lines = ep_text_lines(t->a, s, t->style->width > indent ? t->style->width - indent : 0);
	ep_each(l, &lines) {
		ep_buf_printf(t->out, "%s%s", l == lines.v ? first : rest, *l);
		ep_text_newline(t);
	}
}

void ep_text_command(struct ep_text *t, const char *indent, const char *s)
{
	unsigned in = ep_text_width(indent) + 2 + 2; /* continued lines are indented by 2 more */
	ep_strs lines = ep_text_lines(t->a, s, t->style->width > in ? t->style->width - in : 0);

	for (size_t i = 0; i < lines.n; i++)
		ep_buf_printf(t->out, "%s%s%s%s\n", i ? "  " : "", i ? indent : "", lines.v[i],
			      i + 1 < lines.n ? " \\" : "");
}

const char *ep_text_escape(struct ep_text *t, const char *s)
{
	return s ? ep_escape(t->a, s, strlen(s)) : "";
}

const char *ep_text_cut(struct ep_text *t, const char *s, unsigned width)
{
	const char *dots = t->style->utf8 ? "…" : "...";
	unsigned d = ep_text_width(dots);

	if (ep_text_width(s) <= width || width <= d)
		return s;
	return ep_sprintf(t->a, "%.*s%s", (int)bytes_of(s, width - d), s, dots);
}

const char *ep_text_join(struct ep_arena *a, const ep_strs *l, const char *sep)
{
	struct ep_buf b = {};
	char *out;

	ep_each(s, l)
		ep_buf_printf(&b, "%s%s", s == l->v ? "" : sep, *s);
	out = ep_strdup(a, ep_buf_str(&b));
	ep_buf_free(&b);
	return out;
}

const char *ep_text_share(struct ep_text *t, double p)
{
	double percent = p * 100;

	if (percent > 0 && percent < 1)
		return "under 1 %";
	return ep_sprintf(t->a, "%.0f %%", percent);
}
