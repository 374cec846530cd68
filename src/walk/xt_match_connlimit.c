// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The connlimit match (net/netfilter/xt_connlimit.c): connections of the same (masked) address that
 * came past the rule, this one included. The kernel does not tell how many; but there can't be more than
 * conntrack has, which tells.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_connlimit.h>

#include "walk/xt.h"

/* Connections in which an address takes part. */
struct part {
	ep_u128 addr; /* masked */
	uint32_t n;
};

struct parts {
	struct part *v;
	size_t n, cap;
};

static int by_addr(const void *p, const void *q)
{
	const struct part *x = p, *y = q;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* Every address of every connection, once for each: replies are counted by the address they are for. */
static struct parts parts_of(struct ep_walk *w, const struct ep_conns *conns, ep_u128 mask)
{
	struct parts ret = {};

	ep_each(c, &conns->list) {
		const struct ep_addr *const addrs[] = {&c->src, &c->dst, &c->reply_src,
						       &c->reply_dst};
		ep_u128 seen[4];
		unsigned n = 0;

		for (size_t i = 0; i < EP_ARRAY_SIZE(addrs); i++) {
			ep_u128 addr = ep_addr_num(addrs[i]) & mask;
			bool again = addrs[i]->len != w->p.alen;

			for (unsigned k = 0; k < n; k++)
				again |= seen[k] == addr;
			if (again)
				continue;
			seen[n++] = addr;
			*ep_push(w->arena, &ret) = (struct part){addr, c->n};
		}
	}
	if (ret.n)
		qsort(ret.v, ret.n, sizeof(*ret.v), by_addr);
	return ret;
}

/* Addresses that could have more than the limit; false if the mask is too scattered. */
static bool busy(struct ep_walk *w, const struct ep_conns *conns, ep_u128 mask, uint64_t limit,
		 struct ep_ivset *ret)
{
	struct parts p = parts_of(w, conns, mask);

	*ret = (struct ep_ivset){};
	for (size_t i = 0, next; i < p.n; i = next) {
		struct ep_ivset one;
		uint64_t sum = 0;

		for (next = i; next < p.n && p.v[next].addr == p.v[i].addr; next++)
			sum += p.v[next].n;
		if (sum < limit)
			continue;
		if (!ep_iv_masked(w->arena, w->p.alen * 8u, mask, p.v[i].addr, EP_MAX_SCATTER,
				  &one))
			return false;
		*ret = ep_iv_or(w->arena, *ret, one);
	}
	return true;
}

bool ep_xt_connlimit(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_connlimit_info *i = in->info;
	bool upto = i->flags & XT_CONNLIMIT_INVERT;
	struct ep_walk *w = a->w;
	ep_u128 mask = ep_xt_num(&i->mask, in->v6);
	struct ep_val addr = w->p.saddr;
	const struct ep_conns *conns;
	struct ep_ivset set;
	const char *whose;

	if (!i->limit)
		return !upto;
	if (i->flags & XT_CONNLIMIT_DADDR)
		addr = (struct ep_val){.var = -1, .c = ep_addr_num(&w->p.daddr)};
	conns = ep_conns_need(w->s, w->ns);
	if (conns && conns->total < i->limit) {
		ep_w_now(w, "the namespace has %llu connections", (unsigned long long)conns->total);
		return upto;
	}
	conns = ep_conns_list_need(w->s, w->ns);
	if (conns && busy(w, conns, mask, i->limit, &set)) {
		ep_w_now(w, "the namespace has %llu connections", (unsigned long long)conns->total);
		if (!set.n)
			return upto;
		if (!ep_xt_settle(a))
			return false;
		if (!ep_w_val_in(w, &addr, set))
			return upto;
	}
	whose = ep_xt_whose(a, in);
	return ep_xt_need_state(
		a, upto, ep_w_sprintf(w, "at most %u connections counted by %s", i->limit, whose),
		ep_w_sprintf(w, "more than %u connections counted by %s", i->limit, whose));
}
