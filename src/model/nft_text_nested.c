// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Expressions inside of an expression: what is kept with every element that a rule adds to a set
 * (limit, counter…). They come as the kernel's netlink attributes, which nobody checked yet.
 */
#include "model/nft_text.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <string.h>

#define NESTED_MAX 4 /* the kernel takes two */

struct span {
	const uint8_t *p;
	uint32_t len;
};

/* The next attribute of *from; false at the end, and at one that does not fit. */
static bool next_attr(struct span *from, uint16_t *ret_type, struct span *ret)
{
	struct nlattr nla;
	uint32_t whole;

	if (from->len < sizeof(nla))
		return false;
	memcpy(&nla, from->p, sizeof(nla));
	if (nla.nla_len < sizeof(nla) || nla.nla_len > from->len)
		return false;
	*ret_type = nla.nla_type & NLA_TYPE_MASK;
	*ret = (struct span){from->p + sizeof(nla), nla.nla_len - (uint32_t)sizeof(nla)};
	whole = NLA_ALIGN(nla.nla_len);
	whole = whole < from->len ? whole : from->len;
	from->p += whole;
	from->len -= whole;
	return true;
}

static struct span find(struct span in, uint16_t type)
{
	struct span at;
	uint16_t t;

	while (next_attr(&in, &t, &at)) {
		if (t == type)
			return at;
	}
	return (struct span){NULL, 0};
}

/* Numbers are enough for what may be inside. */
static void take_attrs(struct ep_arena *a, struct ep_expr *e, const struct ep_expr_type *type,
		       struct span data)
{
	struct span at;
	uint16_t nla;

	while (next_attr(&data, &nla, &at)) {
		for (const struct ep_attr_type *row = type->attrs; row->name; row++) {
			if (row->nla != nla || !row->width || row->width != at.len)
				continue;
			*ep_push(a, &e->attrs) =
				(struct ep_attr){.nla = nla,
						 .kind = EP_ATTR_NUM,
						 .num = ep_nft_value_num(at.p, at.len, false)};
		}
	}
}

/* One NFTA_EXPR_NAME with its NFTA_EXPR_DATA. */
static const char *expr_text(struct ep_nft_text *t, struct span in)
{
	struct span name = find(in, NFTA_EXPR_NAME), data = find(in, NFTA_EXPR_DATA);
	const char *s = name.p ? ep_strndup(t->a, (const char *)name.p,
					    strnlen((const char *)name.p, name.len)) :
				 "?";
	const struct ep_expr_type *type = ep_expr_type_find(s);
	struct ep_nft_text inner = {.a = t->a, .chain = t->chain, .l4 = -1};
	struct ep_expr e = {.name = s};

	if (!strcmp(s, "counter") || !strcmp(s, "last"))
		return s;
	if (!type || (strcmp(s, "limit") && strcmp(s, "connlimit") && strcmp(s, "quota")))
		return ep_sprintf(t->a, "[%s]", ep_escape(t->a, s, strlen(s)));
	take_attrs(t->a, &e, type, data);
	for (const struct ep_nft_text_row *row = ep_nft_text_statements; row->name; row++) {
		if (!strcmp(row->name, s))
			row->fn(&inner, &e);
	}
	s = "";
	ep_each(p, &inner.pieces)
		s = ep_sprintf(t->a, "%s%s%s", s, *s ? " " : "", *p);
	return s;
}

const char *ep_text_nested(struct ep_nft_text *t, const struct ep_expr *e)
{
	uint32_t one_len = 0, list_len = 0;
	const uint8_t *one = ep_attr_bytes(e, NFTA_DYNSET_EXPR, &one_len);
	const uint8_t *list = ep_attr_bytes(e, NFTA_DYNSET_EXPRESSIONS, &list_len);
	struct span in = {list, list ? list_len : 0}, at;
	const char *text = "";
	uint16_t type;

	if (one)
		return ep_sprintf(t->a, " %s", expr_text(t, (struct span){one, one_len}));
	for (int n = 0; n < NESTED_MAX && next_attr(&in, &type, &at); n++)
		text = ep_sprintf(t->a, "%s %s", text, expr_text(t, at));
	return text;
}
