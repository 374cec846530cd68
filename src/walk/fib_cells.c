// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What routing says about every source at once. Between two edges where no route and no policy rule
 * begins or ends, one address answers for all: so each such cell is asked for its first.
 */
#include <netinet/in.h>
#include <stdlib.h>

#include "walk/engine.h"

#define EP_MAX_CELLS 4096

struct cells {
	EP_VEC(ep_u128) first; /* of each cell */
};

static int num_cmp(const void *p, const void *q)
{
	const ep_u128 *x = p, *y = q;

	return *x < *y ? -1 : *x > *y;
}

static void add_prefix(struct ep_walk *w, struct cells *c, const struct ep_addr *net, unsigned plen)
{
	unsigned bits = w->p.alen * 8u;
	ep_u128 span, lo;

	if (net->len != w->p.alen || !plen || plen > bits)
		return;
	span = (ep_u128)1 << (bits - plen);
	lo = ep_addr_num(net) & ~(span - 1);
	*ep_push(w->arena, &c->first) = lo;
	if (lo + span && (bits == 128 || lo + span < (ep_u128)1 << bits))
		*ep_push(w->arena, &c->first) = lo + span;
}

/* False if one lookup can't stand for a cell, or there are too many. */
static bool find_cells(struct ep_walk *w, struct cells *c)
{
	static const struct ep_addr link_local = {.len = 16, .b = {0xfe, 0x80}};
	uint8_t family = w->p.alen == 4 ? AF_INET : AF_INET6;

	*ep_push(w->arena, &c->first) = 0;
	*ep_push(w->arena, &c->first) = 1; /* 0.0.0.0 and :: are special everywhere */
	add_prefix(w, c, &link_local, 10);
	ep_each(r, &w->ns->routes) {
		if (r->family != family)
			continue;
		if ((family == AF_INET6 && r->hops.n > 1) || r->src_len ||
		    c->first.n > EP_MAX_CELLS)
			return false;
		add_prefix(w, c, &r->dst, r->dst_len);
	}
	ep_each(p, &w->ns->policies) {
		if (p->family == family)
			add_prefix(w, c, &p->dst, p->dst_len);
	}
	qsort(c->first.v, c->first.n, sizeof(*c->first.v), num_cmp);
	return true;
}

bool ep_fib_sources(struct ep_walk *w, ep_source_test test, void *ctx, struct ep_ivset *ret)
{
	ep_u128 last = ep_iv_full(w->arena, w->p.alen * 8u).v[0].hi;
	EP_VEC(struct ep_iv) ok = {};
	struct cells c = {};

	if (!find_cells(w, &c))
		return false;
	for (size_t i = 0; i < c.first.n; i++) {
		bool end = i + 1 == c.first.n;

		if (!end && c.first.v[i + 1] == c.first.v[i])
			continue;
		if (test(w, c.first.v[i], ctx))
			*ep_push(w->arena, &ok) =
				(struct ep_iv){c.first.v[i], end ? last : c.first.v[i + 1] - 1};
	}
	*ret = ep_iv_of(w->arena, ok.v, ok.n);
	return true;
}
