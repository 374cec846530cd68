// SPDX-License-Identifier: GPL-2.0-or-later
/* What in a snapshot is more than a plain field: expressions, set elements, and references. */
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "model/fields.h"

#define EP_MAX_KEY    64 /* bytes of the nft register file */
#define EP_MAX_STATES 16 /* expressions of one element; the kernel allows two */

/* ---- expressions: by the attribute rows ---- */

static json_t *save_verdict(const struct ep_verdict *v)
{
	json_t *j = json_pack("{s:i}", "code", v->code);

	if (v->chain)
		json_object_set_new(j, "chain", ep_save_str(v->chain));
	return j;
}

static bool load_verdict(struct ep_loader *l, const json_t *j, const struct ep_verdict **ret)
{
	struct ep_verdict *v = ep_alloc(l->arena, sizeof(*v));
	const json_t *code = json_object_get(j, "code"), *chain = json_object_get(j, "chain");

	if (!json_is_integer(code))
		return ep_load_fail(l, "a verdict without code");
	v->code = (int32_t)json_integer_value(code);
	if ((v->code == NFT_JUMP || v->code == NFT_GOTO) && !chain)
		return ep_load_fail(l, "a jump to no chain");
	*ret = v;
	return !chain || ep_load_str(l, chain, &v->chain);
}

static json_t *save_attr(const struct ep_attr *at)
{
	switch ((enum ep_attr_kind)at->kind) {
	case EP_ATTR_NUM:
		if (at->num > INT64_MAX) {
			struct ep_buf b = {};
			json_t *j;

			ep_buf_printf(&b, "%llu", (unsigned long long)at->num);
			j = json_string(ep_buf_str(&b));
			ep_buf_free(&b);
			return j;
		}
		return json_integer((json_int_t)at->num);
	case EP_ATTR_BYTES:
		return ep_save_hex(at->bytes, at->len);
	case EP_ATTR_STR:
		return ep_save_str(at->str);
	case EP_ATTR_VERDICT:
		return save_verdict(at->verdict);
	}
	return NULL;
}

static const struct ep_attr_type *attr_type(const struct ep_expr *e, uint16_t nla)
{
	const struct ep_expr_type *t = e->opaque ? NULL : ep_expr_type_find(e->name);

	for (const struct ep_attr_type *a = t ? t->attrs : NULL; a && a->name; a++)
		if (a->nla == nla)
			return a;
	return NULL;
}

json_t *ep_save_attrs(const void *expr)
{
	const struct ep_expr *e = expr;
	json_t *j = json_object();

	ep_each(at, &e->attrs) {
		const struct ep_attr_type *t = attr_type(e, at->nla);

		if (t || !at->nla)
			json_object_set_new(j, t ? t->name : "raw", save_attr(at));
	}
	return j;
}

static bool load_attr(struct ep_loader *l, const struct ep_attr_type *t, const json_t *j,
		      struct ep_attr *at)
{
	size_t n = 0;

	at->nla = t->nla;
	at->kind = t->kind;
	if (t->kind == EP_ATTR_NUM)
		return ep_load_num(l, j, t->width >= 8 ? UINT64_MAX : (1ull << t->width * 8) - 1,
				   &at->num);
	if (t->kind == EP_ATTR_STR)
		return ep_load_str(l, j, &at->str);
	if (json_is_object(j) && t->nested_data) {
		at->kind = EP_ATTR_VERDICT;
		return load_verdict(l, j, &at->verdict);
	}
	if (!ep_load_hex(l, j, &at->bytes, &n))
		return false;
	if (n > t->max)
		return ep_load_fail(l, "longer than %u bytes", t->max);
	at->len = (uint32_t)n;
	return true;
}

bool ep_load_attrs(struct ep_loader *l, void *expr, const json_t *j)
{
	static const struct ep_attr_type raw = {.name = "raw", .kind = EP_ATTR_BYTES, .max = 65535};
	struct ep_expr *e = expr;
	const struct ep_expr_type *t;

	if (!e->name || !json_is_object(j))
		return ep_load_fail(l, "not the attributes of an expression");
	t = e->opaque ? NULL : ep_expr_type_find(e->name);
	if (!t) {
		const json_t *v = json_object_get(j, "raw");

		e->opaque = true;
		return !v || load_attr(l, &raw, v, ep_push(l->arena, &e->attrs));
	}
	for (const struct ep_attr_type *a = t->attrs; a->name; a++) {
		const json_t *v = json_object_get(j, a->name);

		if (v && !load_attr(l, a, v, ep_push(l->arena, &e->attrs)))
			return false;
	}
	return true;
}

/* ---- expressions inside of something else ---- */

static json_t *save_exprs(const struct ep_exprs *list)
{
	json_t *j = list ? json_array() : NULL;

	for (size_t i = 0; list && i < list->n; i++)
		json_array_append_new(j, ep_save_rec(&ep_rec_expr, &list->v[i]));
	return j;
}

static bool load_exprs(struct ep_loader *l, const json_t *j, const struct ep_exprs **ret)
{
	struct ep_exprs *list = ep_alloc(l->arena, sizeof(*list));
	const json_t *v;
	size_t i;

	if (!json_is_array(j) || json_array_size(j) > EP_MAX_STATES)
		return ep_load_fail(l, "not a list of a few expressions");
	json_array_foreach(j, i, v)
	{
		/* One inside of another would have no end. */
		if (json_object_get(v, "sub"))
			return ep_load_fail(l, "expressions are nested too deep");
		if (!ep_load_rec(l, &ep_rec_expr, ep_push(l->arena, list), v))
			return false;
		if (!list->v[i].name)
			return ep_load_fail(l, "an expression has no name");
	}
	*ret = list->n ? list : NULL;
	return true;
}

json_t *ep_save_expr_sub(const void *expr)
{
	return save_exprs(((const struct ep_expr *)expr)->sub);
}

bool ep_load_expr_sub(struct ep_loader *l, void *expr, const json_t *j)
{
	return load_exprs(l, j, &((struct ep_expr *)expr)->sub);
}

json_t *ep_save_set_exprs(const void *set)
{
	return save_exprs(((const struct ep_nft_set *)set)->exprs);
}

bool ep_load_set_exprs(struct ep_loader *l, void *set, const json_t *j)
{
	return load_exprs(l, j, &((struct ep_nft_set *)set)->exprs);
}

json_t *ep_save_obj_exprs(const void *obj)
{
	return save_exprs(((const struct ep_nft_obj *)obj)->exprs);
}

bool ep_load_obj_exprs(struct ep_loader *l, void *obj, const json_t *j)
{
	return load_exprs(l, j, &((struct ep_nft_obj *)obj)->exprs);
}

/* ---- sets ---- */

json_t *ep_save_set_fields(const void *set)
{
	const struct ep_nft_set *s = set;

	return s->n_fields ? ep_save_hex(s->fields, s->n_fields) : NULL;
}

bool ep_load_set_fields(struct ep_loader *l, void *set, const json_t *j)
{
	struct ep_nft_set *s = set;
	const uint8_t *p;
	unsigned sum = 0;
	size_t n;

	if (!ep_load_hex(l, j, &p, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		sum += (p[i] + 3u) & ~3u;
	if (n > sizeof(s->fields) || sum > EP_MAX_KEY)
		return ep_load_fail(l, "more than a key can hold");
	memcpy(s->fields, p, n);
	s->n_fields = (uint8_t)n;
	return true;
}

static void put(json_t *to, const char *key, json_t *v)
{
	if (v)
		json_object_set_new(to, key, v);
}

json_t *ep_save_elems(const void *set)
{
	const struct ep_nft_set *s = set;
	json_t *list = s->elems.n ? json_array() : NULL;

	ep_each(el, &s->elems) {
		json_t *j = json_object();

		put(j, "lo", el->lo ? ep_save_hex(el->lo, s->key_len) : NULL);
		put(j, "hi", el->hi ? ep_save_hex(el->hi, s->key_len) : NULL);
		put(j, "catchall", el->catchall ? json_true() : NULL);
		put(j, "data", el->data ? ep_save_hex(el->data, s->data_len) : NULL);
		put(j, "verdict", el->verdict ? save_verdict(el->verdict) : NULL);
		put(j, "object", el->object ? ep_save_str(el->object) : NULL);
		put(j, "timeout_ms",
		    el->timeout_ms ? json_integer((json_int_t)el->timeout_ms) : NULL);
		put(j, "comment", el->comment ? ep_save_str(el->comment) : NULL);
		put(j, "expires_ms",
		    el->expires_ms ? json_integer((json_int_t)el->expires_ms) : NULL);
		put(j, "conditional", el->conditional ? json_true() : NULL);
		put(j, "exprs", save_exprs(el->exprs));
		json_array_append_new(list, j);
	}
	return list;
}

static bool load_bytes(struct ep_loader *l, const json_t *j, const char *key, size_t want,
		       const uint8_t **ret)
{
	const json_t *v = json_object_get(j, key);
	size_t n;

	if (!v)
		return true;
	if (!ep_load_hex(l, v, ret, &n))
		return false;
	return n == want || ep_load_fail(l, "%s is not of %zu bytes", key, want);
}

static bool load_elem(struct ep_loader *l, const struct ep_nft_set *s, struct ep_nft_elem *el,
		      const json_t *j)
{
	const json_t *v;

	if (!json_is_object(j))
		return ep_load_fail(l, "not a set element");
	el->catchall = json_is_true(json_object_get(j, "catchall"));
	el->conditional = json_is_true(json_object_get(j, "conditional"));
	if (!load_bytes(l, j, "lo", s->key_len, &el->lo) ||
	    !load_bytes(l, j, "hi", s->key_len, &el->hi) ||
	    !load_bytes(l, j, "data", s->data_len, &el->data))
		return false;
	if (!el->catchall && (!el->lo || !el->hi))
		return ep_load_fail(l, "a set element without its key");
	v = json_object_get(j, "verdict");
	if (v && !load_verdict(l, v, &el->verdict))
		return false;
	v = json_object_get(j, "object");
	if (v && !ep_load_str(l, v, &el->object))
		return false;
	v = json_object_get(j, "comment");
	if (v && !ep_load_str(l, v, &el->comment))
		return false;
	v = json_object_get(j, "exprs");
	if (v && !load_exprs(l, v, &el->exprs))
		return false;
	v = json_object_get(j, "expires_ms");
	if (v && !ep_load_num(l, v, INT64_MAX, &el->expires_ms))
		return false;
	v = json_object_get(j, "timeout_ms");
	return !v || ep_load_num(l, v, INT64_MAX, &el->timeout_ms);
}

bool ep_load_elems(struct ep_loader *l, void *set, const json_t *j)
{
	struct ep_nft_set *s = set;

	if (!json_is_array(j) || s->key_len > EP_MAX_KEY || s->data_len > EP_MAX_KEY)
		return ep_load_fail(l, "not the elements of a set");
	for (size_t i = 0; i < json_array_size(j); i++)
		if (!load_elem(l, s, ep_push(l->arena, &s->elems), json_array_get(j, i)))
			return false;
	return true;
}

/* ---- references ---- */

json_t *ep_save_owners(const void *listener)
{
	const struct ep_listener *i = listener;
	json_t *list = i->procs.n ? json_array() : NULL;

	ep_each(p, &i->procs) {
		json_array_append_new(list, json_integer((*p)->pid));
	}
	return list;
}

bool ep_load_owners(struct ep_loader *l, void *listener, const json_t *j)
{
	struct ep_listener *i = listener;

	if (!json_is_array(j))
		return ep_load_fail(l, "not a list of pids");
	for (size_t k = 0; k < json_array_size(j); k++) {
		const struct ep_proc *p;
		uint64_t pid;

		if (!ep_load_num(l, json_array_get(j, k), INT32_MAX, &pid))
			return false;
		p = ep_proc_find(l->s, (int)pid);
		if (!p)
			return ep_load_fail(l, "no process %llu", (unsigned long long)pid);
		*ep_push(l->arena, &i->procs) = p;
	}
	return true;
}

json_t *ep_save_container(const void *proc)
{
	const struct ep_container *c = ((const struct ep_proc *)proc)->container;

	return c ? json_pack("{s:o,s:o}", "runtime", ep_save_str(c->runtime), "id",
			     ep_save_str(c->id)) :
		   NULL;
}

bool ep_load_container(struct ep_loader *l, void *proc, const json_t *j)
{
	struct ep_proc *p = proc;
	const char *runtime, *id;

	if (!ep_load_str(l, json_object_get(j, "runtime"), &runtime) ||
	    !ep_load_str(l, json_object_get(j, "id"), &id))
		return false;
	ep_each(c, &l->s->containers) {
		if ((*c)->runtime && (*c)->id && !strcmp((*c)->runtime, runtime) &&
		    !strcmp((*c)->id, id)) {
			p->container = *c;
			return true;
		}
	}
	return ep_load_fail(l, "no such container");
}
