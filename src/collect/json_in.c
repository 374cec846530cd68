// SPDX-License-Identifier: GPL-2.0-or-later
/* JSON that others wrote: bounded files, and long arrays of which one element is in memory. */
#include "collect/owners_i.h"

#include <errno.h>
#include <string.h>

const char *ep_json_str(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

char *ep_json_dup(struct ep_arena *a, const json_t *o, const char *key)
{
	const char *s = ep_json_str(o, key);

	return s && *s ? ep_strdup(a, s) : NULL;
}

json_t *ep_json_file(const char *path, size_t max, int *ret_err)
{
	struct ep_arena *tmp = ep_arena_new();
	json_t *j = NULL;
	size_t len;
	char *text;
	int r;

	r = ep_read_file(tmp, path, max, &text, &len);
	if (r == 0) {
		j = json_loadb(text, len, 0, NULL);
		if (!j)
			r = -EBADMSG;
	}
	ep_arena_free(tmp);
	*ret_err = r;
	return j;
}

static void finish_element(struct ep_json_each *j)
{
	json_t *o;

	if (!j->elem.len)
		return;
	o = json_loadb(j->elem.s, j->elem.len, JSON_DECODE_ANY, NULL);
	j->n++;
	if (!o || !j->each(j->ctx, o))
		j->n_bad++;
	json_decref(o);
	j->elem.len = 0;
}

/* Whether the character belongs to the element in progress; ends the element or the array. */
static bool in_element(struct ep_json_each *j, char c)
{
	if (j->in_string) {
		if (j->escaped)
			j->escaped = false;
		else if (c == '\\')
			j->escaped = true;
		else if (c == '"')
			j->in_string = false;
		return true;
	}
	if (j->depth == 1 && (c == ',' || c == ']')) {
		finish_element(j);
		j->ended = c == ']';
		return false;
	}
	if (c == '"')
		j->in_string = true;
	else if (c == '[' || c == '{')
		j->depth++;
	else if ((c == ']' || c == '}') && j->depth > 1)
		j->depth--;
	else if (j->depth == 1 && !j->elem.len && strchr(" \t\r\n", c))
		return false;
	return true;
}

/* How many bytes from data on are the inside of a string, up to its next quote or backslash. */
static size_t plain(const struct ep_json_each *j, const char *data, size_t n)
{
	size_t i = 0;

	if (!j->in_string || j->escaped)
		return 0;
	while (i < n && data[i] != '"' && data[i] != '\\')
		i++;
	return i;
}

int ep_json_each_feed(struct ep_json_each *j, const char *data, size_t n)
{
	size_t run;

	for (size_t i = 0; i < n; i += run) {
		char c = data[i];

		run = plain(j, data + i, n - i);
		if (!run) {
			run = 1;
			if (!j->started || j->ended) {
				if (c && strchr(" \t\r\n", c))
					continue;
				if (j->ended || c != '[')
					return -EBADMSG;
				j->started = true;
				j->depth = 1;
				continue;
			}
			if (!in_element(j, c))
				continue;
		}
		if (j->elem.len + run > EP_JSON_ELEM_MAX)
			return -EFBIG;
		ep_buf_putn(&j->elem, data + i, run);
	}
	return 0;
}

int ep_json_each_end(struct ep_json_each *j)
{
	ep_buf_free(&j->elem);
	return j->ended ? 0 : -EBADMSG;
}
