// SPDX-License-Identifier: GPL-2.0-or-later
/* One routing table: the longest prefix that has a usable route, as fib_trie.c and ip6_fib.c find it. */
#include <netinet/in.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "walk/fib.h"

/* All tables of a namespace that were asked for, hung onto it. */
struct index {
	const struct ep_route *routes; /* that it was made of */
	size_t n_routes;
	EP_VEC(struct ep_fib_table *) tables;
};

static bool belongs(const struct ep_route *r, uint8_t family, uint32_t id)
{
	if (r->family != family)
		return false;
	if (id == EP_TABLE_MERGED)
		return r->table == RT_TABLE_LOCAL || r->table == RT_TABLE_MAIN;
	return r->table == id;
}

/* fib_find_alias(), fib6_add_rt2node(): which of two routes to one prefix is asked first. */
static int rank(const struct ep_route *x, const struct ep_route *y)
{
	if (x->src_len != y->src_len)
		return x->src_len > y->src_len ? -1 : 1;
	if (x->table != y->table)
		return x->table > y->table ? -1 : 1;
	if (x->tos != y->tos)
		return x->tos > y->tos ? -1 : 1;
	if (x->metric != y->metric)
		return x->metric < y->metric ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int by_plen(const void *p, const void *q)
{
	const struct ep_fib_entry *x = p, *y = q;

	if (x->route->dst_len != y->route->dst_len)
		return x->route->dst_len > y->route->dst_len ? -1 : 1;
	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return rank(x->route, y->route);
}

static int by_addr(const void *p, const void *q)
{
	const struct ep_fib_entry *x = p, *y = q;

	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	if (x->route->dst_len != y->route->dst_len)
		return x->route->dst_len < y->route->dst_len ? -1 : 1;
	return rank(x->route, y->route);
}

static ep_u128 mask_of(unsigned bits, unsigned plen)
{
	ep_u128 all = bits >= 128 ? ~(ep_u128)0 : ((ep_u128)1 << bits) - 1;

	return plen ? all & ~(plen == bits ? 0 : all >> plen) : 0;
}

static void make_groups(struct ep_arena *a, struct ep_fib_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		t->n_groups += !i || t->v[i].route->dst_len != t->v[i - 1].route->dst_len;
	t->groups = ep_alloc(a, t->n_groups * sizeof(*t->groups));
	t->n_groups = 0;
	for (size_t i = 0; i < t->n; i++) {
		unsigned plen = t->v[i].route->dst_len;

		if (!i || plen != t->v[i - 1].route->dst_len)
			t->groups[t->n_groups++] = (struct ep_fib_group){.plen = plen, .from = i};
		t->groups[t->n_groups - 1].to = i + 1;
	}
}

static struct ep_fib_table *make_table(struct ep_arena *a, const struct ep_netns *ns,
				       uint8_t family, uint32_t id)
{
	struct ep_fib_table *t = ep_alloc(a, sizeof(*t));
	unsigned bits = family == AF_INET ? 32 : 128;

	t->family = family;
	t->id = id;
	ep_each(r, &ns->routes)
		t->n += belongs(r, family, id);
	t->v = ep_alloc(a, t->n * sizeof(*t->v));
	t->n = 0;
	ep_each(r, &ns->routes)
		if (belongs(r, family, id))
			t->v[t->n++] = (struct ep_fib_entry){
				.lo = r->dst_len ?
					      ep_addr_num(&r->dst) & mask_of(bits, r->dst_len) :
					      0,
				.route = r};
	qsort(t->v, t->n, sizeof(*t->v), by_plen);
	make_groups(a, t);
	return t;
}

struct ep_fib_table *ep_fib_table(struct ep_snapshot *s, struct ep_netns *ns, uint8_t family,
				  uint32_t id)
{
	struct index *x = ns->fib;
	struct ep_fib_table *t = NULL;

	if (!x || x->routes != ns->routes.v || x->n_routes != ns->routes.n) {
		x = ns->fib = ep_alloc(s->arena, sizeof(*x));
		x->routes = ns->routes.v;
		x->n_routes = ns->routes.n;
	}
	ep_each(i, &x->tables)
		if ((*i)->family == family && (*i)->id == id)
			t = *i;
	if (!t)
		t = *ep_push(s->arena, &x->tables) = make_table(s->arena, ns, family, id);
	return t->n ? t : NULL;
}

const struct ep_fib_entry *ep_fib_by_addr(struct ep_snapshot *s, struct ep_fib_table *t)
{
	if (!t->by_addr) {
		t->by_addr = ep_memdup(s->arena, t->v, t->n * sizeof(*t->v));
		qsort(t->by_addr, t->n, sizeof(*t->v), by_addr);
	}
	return t->by_addr;
}

/* ---- lookup ---- */

/* Next hops whose device is down are DEAD; LINKDOWN alone does not matter, unless the kernel says
 * so by DEAD as well (ignore_routes_with_linkdown, fib_nexthop_info()). */
bool ep_fib_hop_usable(const struct ep_nexthop *h, const struct ep_flow *f)
{
	return !(h->flags & RTNH_F_DEAD) && (!f->oif || h->ifindex == f->oif);
}

/* IPv6 subtrees: routes for some sources only. */
static bool source_fits(struct ep_walk *w, const struct ep_route *r, const struct ep_flow *f)
{
	unsigned bits = r->src.len * 8u;
	ep_u128 mask;

	if (!r->src_len)
		return true;
	if (f->no_src)
		return false;
	mask = mask_of(bits, r->src_len);
	return ep_w_val_masked(w, &f->src, bits, mask, ep_addr_num(&r->src) & mask);
}

/*
 * fib6_node_lookup_1(): where a prefix has routes for some sources, its route for all others is not
 * looked at; a shorter prefix is. At the root there is none, and it counts after all.
 */
bool ep_fib_hidden(const struct ep_route *first, const struct ep_route *r)
{
	return first->src_len && !r->src_len && r->dst_len;
}

bool ep_fib_usable(struct ep_walk *w, const struct ep_route *r, const struct ep_flow *f)
{
	bool hop = !r->hops.n && !f->oif;

	ep_each(h, &r->hops)
		hop |= ep_fib_hop_usable(h, f);
	if (!hop && (r->type == RTN_UNICAST || r->type == RTN_LOCAL || r->type == RTN_ANYCAST ||
		     r->type == RTN_BROADCAST))
		return false;
	return (!r->tos || ep_fib_tos_fits(w, f, EP_TOS_LEGACY, r->tos)) && source_fits(w, r, f);
}

static size_t first_at(const struct ep_fib_table *t, const struct ep_fib_group *g, ep_u128 lo)
{
	size_t from = g->from, to = g->to;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (t->v[mid].lo < lo)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

const struct ep_route *ep_fib_table_lookup(struct ep_walk *w, const struct ep_fib_table *t,
					   const struct ep_flow *f)
{
	ep_u128 dst = ep_addr_num(&f->dst);

	for (size_t k = 0; t && k < t->n_groups; k++) {
		const struct ep_fib_group *g = &t->groups[k];
		ep_u128 lo = dst & mask_of(f->dst.len * 8u, g->plen);

		for (size_t i = first_at(t, g, lo), first = i; i < g->to && t->v[i].lo == lo; i++)
			if (!ep_fib_hidden(t->v[first].route, t->v[i].route) &&
			    ep_fib_usable(w, t->v[i].route, f))
				return t->v[i].route;
	}
	return NULL;
}
