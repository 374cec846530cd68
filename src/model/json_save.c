// SPDX-License-Identifier: GPL-2.0-or-later
/* The snapshot as JSON, by the field tables; what is zero, empty or NULL is left out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/fields.h"

struct any_vec {
	void *v;
	size_t n, cap;
};

json_t *ep_save_hex(const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	struct ep_buf b = {};
	json_t *j;

	for (size_t i = 0; i < n; i++) {
		char two[2] = {digits[p[i] >> 4], digits[p[i] & 15]};

		ep_buf_putn(&b, two, 2);
	}
	j = json_string(ep_buf_str(&b));
	ep_buf_free(&b);
	return j;
}

json_t *ep_save_str(const char *s)
{
	json_t *j = json_string(s); /* NULL unless it is UTF-8 */

	return j ? j : json_pack("{s:o}", "hex", ep_save_hex((const uint8_t *)s, strlen(s)));
}

static json_t *save_num(uint64_t n)
{
	struct ep_buf b = {};
	json_t *j;

	if (n <= INT64_MAX)
		return n ? json_integer((json_int_t)n) : NULL;
	ep_buf_printf(&b, "%llu", (unsigned long long)n);
	j = json_string(ep_buf_str(&b));
	ep_buf_free(&b);
	return j;
}

static json_t *save_addr(const struct ep_addr *a)
{
	char buf[EP_ADDRSTR];

	return a->len ? json_string(ep_addr_str(a, buf)) : NULL;
}

static json_t *save_strs(const ep_strs *v)
{
	json_t *j = v->n ? json_array() : NULL;

	ep_each(s, v) {
		json_array_append_new(j, ep_save_str(*s));
	}
	return j;
}

static json_t *save_vec(const struct ep_field *f, const struct any_vec *v)
{
	json_t *j = v->n ? json_array() : NULL;

	for (size_t i = 0; i < v->n; i++)
		json_array_append_new(
			j, ep_save_rec(f->rec, f->kind == EP_F_PVEC ?
						       ((void *const *)v->v)[i] :
						       (const char *)v->v + i * f->rec->size));
	return j;
}

static json_t *save_name(const struct ep_field *f, uint32_t value)
{
	for (uint32_t i = 0; f->names[i]; i++)
		if (i == value)
			return value ? json_string(f->names[i]) : NULL;
	return NULL;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static json_t *save_chars(const char *s, size_t n)
{
	char copy[64] = {};

	memcpy(copy, s, strnlen(s, n < sizeof(copy) ? n : sizeof(copy) - 1));
	return *copy ? ep_save_str(copy) : NULL;
}

static json_t *save_blob(const void *p, const void *len)
{
	const uint8_t *bytes = *(const uint8_t *const *)p;
	uint32_t n = *(const uint32_t *)len;

	return bytes && n ? ep_save_hex(bytes, n) : NULL;
}

static json_t *save_rec_field(const struct ep_field *f, const void *p)
{
	json_t *j = ep_save_rec(f->rec, p);

	if (json_object_size(j))
		return j;
	json_decref(j);
	return NULL;
}

static json_t *save_field(const struct ep_field *f, const void *owner)
{
	const char *p = (const char *)owner + f->off;
	int i;

	switch (f->kind) {
	case EP_F_BOOL:
		return *(const bool *)p ? json_true() : NULL;
	case EP_F_U8:
		return save_num(*(const uint8_t *)p);
	case EP_F_U16:
		return save_num(*(const uint16_t *)p);
	case EP_F_U32:
		return save_num(*(const uint32_t *)p);
	case EP_F_U64:
		return save_num(*(const uint64_t *)p);
	case EP_F_INT:
		i = *(const int *)p;
		return i ? json_integer(i) : NULL;
	case EP_F_ENUM:
		return save_name(f, *(const uint32_t *)p);
	case EP_F_STR:
		return *(const char *const *)p ? ep_save_str(*(const char *const *)p) : NULL;
	case EP_F_CHARS:
		return save_chars(p, f->size);
	case EP_F_FIXED:
		return all_zero((const uint8_t *)p, f->size) ?
			       NULL :
			       ep_save_hex((const uint8_t *)p, f->size);
	case EP_F_BLOB:
		return save_blob(p, (const char *)owner + f->off2);
	case EP_F_ADDR:
		return save_addr((const struct ep_addr *)p);
	case EP_F_STRS:
		return save_strs((const ep_strs *)p);
	case EP_F_REC:
		return save_rec_field(f, p);
	case EP_F_VEC:
	case EP_F_PVEC:
		return save_vec(f, (const struct any_vec *)p);
	case EP_F_CUSTOM:
		return f->save(owner);
	}
	return NULL;
}

json_t *ep_save_rec(const struct ep_rec *r, const void *obj)
{
	json_t *j = json_object();

	for (const struct ep_field *f = r->fields; f->name; f++) {
		json_t *v = save_field(f, obj);

		if (v)
			json_object_set_new(j, f->name, v);
	}
	return j;
}

char *ep_snapshot_to_json(const struct ep_snapshot *s)
{
	json_t *j = json_pack("{s:s}", "schema", "edgepath.snapshot/1");
	json_t *body = ep_save_rec(&ep_rec_snapshot, s);
	char *text;

	json_object_update(j, body);
	json_decref(body);
	text = json_dumps(j, JSON_INDENT(1));
	json_decref(j);
	if (!text)
		errno = ENOMEM;
	return text;
}
