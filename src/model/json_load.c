// SPDX-License-Identifier: GPL-2.0-or-later
/* A saved snapshot, read by the field tables. The text is hostile until proven otherwise. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/fields.h"

#define EP_MAX_TEXT  (256u << 20)
#define EP_MAX_ITEMS (4u << 20)

struct any_vec {
	void *v;
	size_t n, cap;
};

bool ep_load_fail(struct ep_loader *l, const char *fmt, ...)
{
	char msg[256];
	va_list ap;

	if (!l->err_len || *l->err)
		return false;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	snprintf(l->err, l->err_len, "%s: %s", *l->path ? l->path : "snapshot", msg);
	return false;
}

static size_t path_push(struct ep_loader *l, const char *dot, const char *name)
{
	size_t n = strlen(l->path);

	snprintf(l->path + n, sizeof(l->path) - n, "%s%s", n ? dot : "", name);
	return n;
}

bool ep_load_num(struct ep_loader *l, const json_t *j, uint64_t max, uint64_t *ret)
{
	json_int_t i;

	if (json_is_string(j)) {
		if (!ep_parse_u64(json_string_value(j), max, ret))
			return ep_load_fail(l, "not a number up to %llu", (unsigned long long)max);
		return true;
	}
	i = json_integer_value(j);
	if (!json_is_integer(j) || i < 0 || (uint64_t)i > max)
		return ep_load_fail(l, "not a number from 0 to %llu", (unsigned long long)max);
	*ret = (uint64_t)i;
	return true;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ep_load_hex(struct ep_loader *l, const json_t *j, const uint8_t **ret, size_t *ret_len)
{
	const char *s = json_string_value(j);
	size_t n = json_string_length(j);
	uint8_t *p;

	if (!s || n % 2)
		return ep_load_fail(l, "not a string of hexadecimal bytes");
	p = ep_alloc(l->arena, n / 2 + 1);
	for (size_t i = 0; i < n; i += 2) {
		int hi = hex_digit(s[i]), lo = hex_digit(s[i + 1]);

		if (hi < 0 || lo < 0)
			return ep_load_fail(l, "not a string of hexadecimal bytes");
		p[i / 2] = (uint8_t)(hi << 4 | lo);
	}
	*ret = p;
	*ret_len = n / 2;
	return true;
}

bool ep_load_str(struct ep_loader *l, const json_t *j, const char **ret)
{
	const json_t *hex = json_object_get(j, "hex");
	const uint8_t *p;
	size_t n;

	if (json_is_string(j)) {
		if (strlen(json_string_value(j)) != json_string_length(j))
			return ep_load_fail(l, "the text holds a NUL");
		*ret = ep_strdup(l->arena, json_string_value(j));
		return true;
	}
	if (!hex)
		return ep_load_fail(l, "not a text");
	if (!ep_load_hex(l, hex, &p, &n))
		return false;
	if (memchr(p, 0, n))
		return ep_load_fail(l, "the text holds a NUL");
	*ret = (const char *)p;
	return true;
}

static bool load_addr(struct ep_loader *l, const json_t *j, struct ep_addr *ret)
{
	if (!json_is_string(j) || !ep_addr_parse(json_string_value(j), ret))
		return ep_load_fail(l, "not an address");
	return true;
}

static bool load_name(struct ep_loader *l, const struct ep_field *f, const json_t *j, uint32_t *ret)
{
	const char *s = json_string_value(j);

	for (uint32_t i = 0; s && f->names[i]; i++)
		if (!strcmp(f->names[i], s)) {
			*ret = i;
			return true;
		}
	return ep_load_fail(l, "not one of the words that stand here");
}

static bool load_int(struct ep_loader *l, const json_t *j, int *ret)
{
	json_int_t i = json_integer_value(j);

	if (!json_is_integer(j) || i < INT32_MIN || i > INT32_MAX)
		return ep_load_fail(l, "not a number of 32 bits");
	*ret = (int)i;
	return true;
}

static bool load_strs(struct ep_loader *l, const json_t *j, ep_strs *v)
{
	if (!json_is_array(j) || json_array_size(j) > 65536)
		return ep_load_fail(l, "not a list of texts");
	for (size_t i = 0; i < json_array_size(j); i++) {
		const char *s;

		if (!ep_load_str(l, json_array_get(j, i), &s))
			return false;
		*ep_push(l->arena, v) = s;
	}
	return true;
}

static bool load_vec(struct ep_loader *l, const struct ep_field *f, const json_t *j,
		     struct any_vec *v)
{
	size_t n = json_array_size(j), elem = f->kind == EP_F_PVEC ? sizeof(void *) : f->rec->size;

	if (!json_is_array(j) || n > EP_MAX_ITEMS)
		return ep_load_fail(l, "not a list, or too long");
	v->v = ep_alloc(l->arena, n * elem);
	v->cap = n;
	for (size_t i = 0; i < n; i++) {
		void *obj = f->kind == EP_F_PVEC ? ep_alloc(l->arena, f->rec->size) :
						   (char *)v->v + i * elem;
		char at[32];
		size_t back;

		if (f->kind == EP_F_PVEC)
			((void **)v->v)[i] = obj;
		snprintf(at, sizeof(at), "[%zu]", i);
		back = path_push(l, "", at);
		if (!ep_load_rec(l, f->rec, obj, json_array_get(j, i)))
			return false;
		l->path[back] = '\0';
		v->n = i + 1;
	}
	return true;
}

static bool load_chars(struct ep_loader *l, const struct ep_field *f, const json_t *j, char *p)
{
	const char *s;

	if (!ep_load_str(l, j, &s))
		return false;
	if (strlen(s) >= f->size)
		return ep_load_fail(l, "longer than %zu bytes", f->size - 1);
	memcpy(p, s, strlen(s));
	return true;
}

static bool load_fixed(struct ep_loader *l, const struct ep_field *f, const json_t *j, char *p)
{
	const uint8_t *b;
	size_t n;

	if (!ep_load_hex(l, j, &b, &n))
		return false;
	if (n != f->size)
		return ep_load_fail(l, "not %zu bytes", f->size);
	memcpy(p, b, n);
	return true;
}

static bool load_blob(struct ep_loader *l, const json_t *j, char *p, char *len)
{
	size_t n;

	if (!ep_load_hex(l, j, (const uint8_t **)p, &n))
		return false;
	*(uint32_t *)len = (uint32_t)n;
	return true;
}

static bool load_field(struct ep_loader *l, const struct ep_field *f, void *owner, const json_t *j)
{
	char *p = (char *)owner + f->off;
	uint64_t n = 0;

	switch (f->kind) {
	case EP_F_BOOL:
		*(bool *)p = json_is_true(j);
		return json_is_boolean(j) || ep_load_fail(l, "not true or false");
	case EP_F_U8:
		if (!ep_load_num(l, j, UINT8_MAX, &n))
			return false;
		*(uint8_t *)p = (uint8_t)n;
		return true;
	case EP_F_U16:
		if (!ep_load_num(l, j, UINT16_MAX, &n))
			return false;
		*(uint16_t *)p = (uint16_t)n;
		return true;
	case EP_F_U32:
		if (!ep_load_num(l, j, UINT32_MAX, &n))
			return false;
		*(uint32_t *)p = (uint32_t)n;
		return true;
	case EP_F_U64:
		return ep_load_num(l, j, UINT64_MAX, (uint64_t *)p);
	case EP_F_INT:
		return load_int(l, j, (int *)p);
	case EP_F_ENUM:
		return load_name(l, f, j, (uint32_t *)p);
	case EP_F_STR:
		return ep_load_str(l, j, (const char **)p);
	case EP_F_CHARS:
		return load_chars(l, f, j, p);
	case EP_F_FIXED:
		return load_fixed(l, f, j, p);
	case EP_F_BLOB:
		return load_blob(l, j, p, (char *)owner + f->off2);
	case EP_F_ADDR:
		return load_addr(l, j, (struct ep_addr *)p);
	case EP_F_STRS:
		return load_strs(l, j, (ep_strs *)p);
	case EP_F_REC:
		return ep_load_rec(l, f->rec, p, j);
	case EP_F_VEC:
	case EP_F_PVEC:
		return load_vec(l, f, j, (struct any_vec *)p);
	case EP_F_CUSTOM:
		return f->load(l, owner, j);
	}
	return false;
}

/* Keys that this version does not know are passed over: they come from a newer one. */
bool ep_load_rec(struct ep_loader *l, const struct ep_rec *r, void *obj, const json_t *j)
{
	if (!json_is_object(j))
		return ep_load_fail(l, "not an object");
	for (const struct ep_field *f = r->fields; f->name; f++) {
		const json_t *v = json_object_get(j, f->name);
		size_t back;

		if (!v)
			continue;
		back = path_push(l, ".", f->name);
		if (!load_field(l, f, obj, v))
			return false;
		l->path[back] = '\0';
	}
	return true;
}

/* Names that the rest of the program takes for granted. */
static bool check(struct ep_loader *l, struct ep_snapshot *s)
{
	s->hostname = s->hostname ? s->hostname : "";
	s->kernel = s->kernel ? s->kernel : "";
	s->boot_id = s->boot_id ? s->boot_id : "";
	ep_each(n, &s->netns) {
		ep_each(k, &(*n)->links) {
			if (!k->name)
				return ep_load_fail(l, "a link has no name");
			k->kind = k->kind ? k->kind : "";
			k->master_kind = k->master_kind ? k->master_kind : "";
		}
		ep_each(h, &(*n)->hooks) {
			h->kind = h->kind ? h->kind : "";
			h->name = h->name ? h->name : "";
		}
		ep_each(v, &(*n)->ipvs) {
			v->sched = v->sched ? v->sched : "";
			if (!v->fwmark && !v->addr.len)
				return ep_load_fail(l, "an IPVS service has no address");
			ep_each(d, &v->dests)
				if (!d->addr.len)
					return ep_load_fail(l, "an IPVS server has no address");
		}
		ep_each(i, &(*n)->ipsets) {
			(*i)->name = (*i)->name ? (*i)->name : "";
			(*i)->type = (*i)->type ? (*i)->type : "";
		}
		ep_each(i, &(*n)->recents)
			(*i)->name = (*i)->name ? (*i)->name : "";
		ep_each(i, &(*n)->hashlimits)
			(*i)->name = (*i)->name ? (*i)->name : "";
		ep_each(i, &(*n)->accts)
			(*i)->name = (*i)->name ? (*i)->name : "";
	}
	ep_each(p, &s->procs) {
		(*p)->comm = (*p)->comm ? (*p)->comm : "";
		(*p)->cgroup = (*p)->cgroup ? (*p)->cgroup : "";
	}
	ep_each(c, &s->containers) {
		if (!(*c)->runtime || !(*c)->id)
			return ep_load_fail(l, "a container has no runtime or id");
	}
	ep_each(i, &s->listeners) {
		if (!i->addr.len)
			return ep_load_fail(l, "a listener has no address");
	}
	return true;
}

static bool check_nft(struct ep_loader *l, struct ep_nft *nft)
{
	ep_each(t, &nft->tables) {
		if (!(*t)->name)
			return ep_load_fail(l, "an nft table has no name");
		ep_each(c, &(*t)->chains) {
			(*c)->table = *t;
			if (!(*c)->name)
				return ep_load_fail(l, "an nft chain has no name");
			ep_each(r, &(*c)->rules) {
				ep_each(e, &r->exprs) {
					if (!e->name)
						return ep_load_fail(l, "an expression has no name");
				}
			}
		}
		ep_each(set, &(*t)->sets) {
			(*set)->table = *t;
			if (!(*set)->name)
				return ep_load_fail(l, "an nft set has no name");
		}
		ep_each(o, &(*t)->objs) {
			if (!(*o)->name)
				return ep_load_fail(l, "an nft object has no name");
		}
	}
	return true;
}

static bool check_xt(struct ep_loader *l, struct ep_xt *xt)
{
	ep_each(t, &xt->tables) {
		if (!(*t)->name)
			return ep_load_fail(l, "a legacy table has no name");
		ep_each(c, &(*t)->chains) {
			if (!(*c)->name)
				return ep_load_fail(l, "a legacy chain has no name");
			ep_each(r, &(*c)->rules) {
				bool jump = r->verdict == EP_XT_JUMP || r->verdict == EP_XT_GOTO;

				if ((jump && !r->chain) ||
				    (r->verdict == EP_XT_TARGET && !r->target.name))
					return ep_load_fail(l, "a legacy rule has no target");
				ep_each(m, &r->matches) {
					if (!m->name)
						return ep_load_fail(l, "a match has no name");
				}
			}
		}
	}
	return true;
}

struct ep_snapshot *ep_snapshot_from_json(const char *text, size_t len, char *err, size_t err_len)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct ep_loader l = {.arena = s->arena, .s = s, .err = err, .err_len = err_len};
	json_error_t je;
	json_t *j = NULL;
	bool ok = false;

	if (err_len)
		*err = '\0';
	if (len <= EP_MAX_TEXT)
		j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
	if (!j) {
		if (len > EP_MAX_TEXT)
			ep_load_fail(&l, "larger than %u bytes", EP_MAX_TEXT);
		else
			ep_load_fail(&l, "line %d: %s", je.line, je.text);
	} else if (strcmp(json_string_value(json_object_get(j, "schema")) ?
				  json_string_value(json_object_get(j, "schema")) :
				  "",
			  "edgepath.snapshot/1")) {
		ep_load_fail(&l, "not an edgepath.snapshot/1 document");
	} else {
		ok = ep_load_rec(&l, &ep_rec_snapshot, s, j) && check(&l, s);
		ep_each(n, &s->netns) {
			ok = ok && check_nft(&l, &(*n)->nft) && check_xt(&l, &(*n)->xt);
			ep_netns_own_tables(*n);
		}
		ok = ok && ep_load_check(&l, s);
	}
	json_decref(j);
	if (ok)
		return s;
	ep_snapshot_free(s);
	return NULL;
}
