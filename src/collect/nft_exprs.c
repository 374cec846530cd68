// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Expressions of a rule (NFTA_RULE_EXPRESSIONS) by the rows of ep_expr_types. What no row knows, a
 * whole expression or one attribute of it, leaves the expression opaque, with its bytes.
 */
#include "collect/collect_i.h"
#include "collect/nft.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#define MAX_EXPRS  4096
#define NAME_SIZE  256
#define MAX_OPAQUE 16384
#define MAX_STATES 16 /* expressions of one element; the kernel allows two */

static int decode_verdict(struct ep_arena *a, const struct ep_nla *at,
			  const struct ep_verdict **ret_verdict)
{
	static const struct ep_nla_policy policy[] = {
		[NFTA_VERDICT_CODE] = EP_NLA_NUM(4),
		[NFTA_VERDICT_CHAIN] = EP_NLA_MAX(NAME_SIZE),
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	struct ep_verdict *v;
	int r = ep_nla_table(at->data, at->len, policy, EP_ARRAY_SIZE(tb), tb);

	if (r < 0)
		return r;
	if (!tb[NFTA_VERDICT_CODE].data)
		return -EBADMSG;
	v = ep_alloc(a, sizeof(*v));
	v->code = (int32_t)ep_nla_be(&tb[NFTA_VERDICT_CODE], 0);
	v->chain = ep_nla_str(a, &tb[NFTA_VERDICT_CHAIN]);
	if ((v->code == NFT_JUMP || v->code == NFT_GOTO) && !v->chain)
		return -EBADMSG;
	*ret_verdict = v;
	return 0;
}

int ep_nft_decode_data(struct ep_arena *a, const struct ep_nla *data, uint16_t max,
		       const uint8_t **ret, uint32_t *ret_len,
		       const struct ep_verdict **ret_verdict)
{
	const struct ep_nla_policy policy[] = {
		[NFTA_DATA_VALUE] = EP_NLA_MAX(max),
		[NFTA_DATA_VERDICT] = EP_NLA_NEST,
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	int r = ep_nla_table(data->data, data->len, policy, EP_ARRAY_SIZE(tb), tb);

	if (r < 0)
		return r;
	if (tb[NFTA_DATA_VERDICT].data)
		return decode_verdict(a, &tb[NFTA_DATA_VERDICT], ret_verdict);
	if (!tb[NFTA_DATA_VALUE].data || !tb[NFTA_DATA_VALUE].len)
		return -EBADMSG;
	*ret_len = tb[NFTA_DATA_VALUE].len;
	*ret = ep_memdup(a, tb[NFTA_DATA_VALUE].data, *ret_len);
	return 0;
}

static int decode_attr(struct ep_arena *a, const struct ep_attr_type *t, const struct ep_nla *at,
		       struct ep_attr *ret)
{
	ret->nla = t->nla;
	ret->kind = t->kind;
	if (t->nested_data) {
		int r = ep_nft_decode_data(a, at, t->max, &ret->bytes, &ret->len, &ret->verdict);

		/* bytes and verdict share their place: only a value sets the length */
		if (r == 0 && !ret->len)
			ret->kind = EP_ATTR_VERDICT;
		return r;
	}
	if (t->width ? at->len != t->width : at->len > t->max)
		return -EBADMSG;
	switch (t->kind) {
	case EP_ATTR_NUM:
		ret->num = ep_nla_be(at, 0);
		return 0;
	case EP_ATTR_STR:
		ret->str = ep_nla_str(a, at);
		return 0;
	}
	ret->len = at->len;
	ret->bytes = ep_memdup(a, at->data, at->len);
	return 0;
}

static const struct ep_attr_type *attr_type(const struct ep_expr_type *type, uint16_t nla)
{
	for (const struct ep_attr_type *t = type->attrs; t->name; t++) {
		if (t->nla == nla)
			return t;
	}
	return NULL;
}

/* Counts attributes; false if one is not known (padding apart, which has no payload). */
static bool count_attrs(const struct ep_expr_type *type, const struct ep_nla *data, size_t *ret)
{
	struct ep_nla_iter it = {data->data, data->len};
	struct ep_nla at;

	*ret = 0;
	while (ep_nla_next(&it, &at)) {
		if (attr_type(type, at.type))
			(*ret)++;
		else if (at.len)
			return false;
	}
	return true;
}

static int decode_opaque(struct ep_arena *a, const struct ep_nla *data, struct ep_expr *e)
{
	struct ep_attr *at;

	if (data->len > MAX_OPAQUE)
		return -EBADMSG;
	e->opaque = true;
	e->attrs.v = at = ep_alloc(a, sizeof(*at));
	e->attrs.n = e->attrs.cap = 1;
	at->kind = EP_ATTR_BYTES;
	at->len = data->len;
	at->bytes = ep_memdup(a, data->data, data->len);
	return 0;
}

/* The attributes of an expression whose name is set. */
static int decode_attrs(struct ep_arena *a, const struct ep_nla *data, struct ep_expr *e)
{
	const struct ep_expr_type *type = ep_expr_type_find(e->name);
	struct ep_nla_iter it = {data->data, data->len};
	struct ep_nla at;
	size_t n;
	int r = 0;

	if (!type || !count_attrs(type, data, &n))
		return decode_opaque(a, data, e);
	e->name = type->name;
	e->attrs.v = n ? ep_alloc(a, n * sizeof(*e->attrs.v)) : NULL;
	e->attrs.cap = n;
	while (r == 0 && ep_nla_next(&it, &at)) {
		const struct ep_attr_type *t = attr_type(type, at.type);

		if (t)
			r = decode_attr(a, t, &at, &e->attrs.v[e->attrs.n++]);
	}
	return r < 0 || !it.left ? r : -EBADMSG;
}

int ep_nft_decode_expr(struct ep_arena *a, const struct ep_nla *elem, struct ep_expr *e)
{
	static const struct ep_nla_policy policy[] = {
		[NFTA_EXPR_NAME] = EP_NLA_MAX(64),
		[NFTA_EXPR_DATA] = EP_NLA_NEST,
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	int r = ep_nla_table(elem->data, elem->len, policy, EP_ARRAY_SIZE(tb), tb);

	if (r < 0)
		return r;
	e->name = ep_nla_str(a, &tb[NFTA_EXPR_NAME]);
	if (!e->name || !*e->name)
		return -EBADMSG;
	return decode_attrs(a, &tb[NFTA_EXPR_DATA], e);
}

/* Expressions that only count leave the decision to others. */
static bool only_counts(const struct ep_expr *e)
{
	return !e->opaque && (!strcmp(e->name, "counter") || !strcmp(e->name, "last"));
}

int ep_nft_decode_state(struct ep_arena *a, const struct ep_nla *one, const struct ep_nla *list,
			const struct ep_exprs **ret)
{
	struct ep_exprs *out = ep_alloc(a, sizeof(*out));
	struct ep_nla_iter it = {list->data, list->len};
	bool decides = false;
	struct ep_nla at;
	int r = 0;

	if (one->data)
		r = ep_nft_decode_expr(a, one, ep_push(a, out));
	while (r == 0 && ep_nla_next(&it, &at))
		r = out->n < MAX_STATES ? ep_nft_decode_expr(a, &at, ep_push(a, out)) : -E2BIG;
	if (r < 0 || it.left)
		return r < 0 ? r : -EBADMSG;
	ep_each(e, out)
		decides |= !only_counts(e);
	*ret = decides ? out : NULL;
	return 0;
}

int ep_nft_decode_object(struct ep_arena *a, struct ep_nft_obj *o)
{
	static const struct {
		uint32_t type;
		const char *name;
	} kinds[] = {
		{NFT_OBJECT_QUOTA, "quota"},
		{NFT_OBJECT_LIMIT, "limit"},
		{NFT_OBJECT_CONNLIMIT, "connlimit"},
	};
	struct ep_nla data = {.len = (uint16_t)o->len, .data = o->data};
	struct ep_exprs *out;

	for (size_t i = 0; i < EP_ARRAY_SIZE(kinds); i++) {
		if (kinds[i].type != o->type)
			continue;
		out = ep_alloc(a, sizeof(*out));
		ep_push(a, out)->name = kinds[i].name;
		o->exprs = out;
		return decode_attrs(a, &data, &out->v[0]);
	}
	return 0;
}

/* Expressions inside of a dynset: those that its elements get. */
static int decode_sub(struct ep_arena *a, struct ep_expr *e)
{
	struct ep_nla one = {0}, list = {0};
	uint32_t len = 0;

	if (e->opaque || strcmp(e->name, "dynset"))
		return 0;
	one.data = ep_attr_bytes(e, NFTA_DYNSET_EXPR, &len);
	one.len = (uint16_t)len;
	len = 0;
	list.data = ep_attr_bytes(e, NFTA_DYNSET_EXPRESSIONS, &len);
	list.len = (uint16_t)len;
	return ep_nft_decode_state(a, &one, &list, &e->sub);
}

int ep_nft_decode_exprs(struct ep_arena *a, const void *payload, size_t len, struct ep_nft_rule *r)
{
	struct ep_nla_iter it = {payload, len};
	struct ep_nla at;
	size_t n = 0;

	while (ep_nla_next(&it, &at))
		n += at.type == NFTA_LIST_ELEM;
	if (it.left)
		return -EBADMSG;
	if (n > MAX_EXPRS)
		return -E2BIG;
	r->exprs.v = n ? ep_alloc(a, n * sizeof(*r->exprs.v)) : NULL;
	r->exprs.cap = n;
	r->exprs.n = 0;
	it = (struct ep_nla_iter){payload, len};
	while (ep_nla_next(&it, &at)) {
		struct ep_expr *e;
		int err;

		if (at.type != NFTA_LIST_ELEM)
			continue;
		e = &r->exprs.v[r->exprs.n++];
		err = ep_nft_decode_expr(a, &at, e);
		if (err == 0)
			err = decode_sub(a, e);
		if (err < 0)
			return err;
	}
	return 0;
}
