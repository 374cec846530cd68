// SPDX-License-Identifier: GPL-2.0-or-later
/* Routing: policy rules, then the longest prefix of each table, as fib_rules.c and fib_trie.c do. */
#include <netinet/in.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "walk/engine.h"

#define EP_MAX_POLICY_STEPS 1000

static uint8_t af_of(uint8_t alen)
{
	return alen == 4 ? AF_INET : AF_INET6;
}

/* ---- one table ---- */

static bool hop_usable(const struct ep_nexthop *h, const struct ep_flow *f)
{
	return !(h->flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) && (!f->oif || h->ifindex == f->oif);
}

static bool route_usable(const struct ep_route *r, const struct ep_flow *f)
{
	if (r->type != RTN_UNICAST && r->type != RTN_LOCAL)
		return true;
	ep_each(h, &r->hops)
		if (hop_usable(h, f))
			return true;
	return !r->hops.n && !f->oif;
}

static bool better(const struct ep_route *x, const struct ep_route *y)
{
	if (x->dst_len != y->dst_len)
		return x->dst_len > y->dst_len;
	if (x->src_len != y->src_len)
		return x->src_len > y->src_len;
	return x->metric < y->metric;
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
	mask = ~(ep_u128)0 << (bits - r->src_len);
	return ep_w_val_masked(w, &f->src, bits, mask, ep_addr_num(&r->src) & mask);
}

static const struct ep_route *table_lookup(struct ep_walk *w, const struct ep_netns *ns,
					   uint32_t table, const struct ep_flow *f)
{
	uint8_t af = af_of(f->dst.len);
	const struct ep_route *best = NULL;

	ep_each(r, &ns->routes) {
		if (r->table != table || r->family != af || r->tos ||
		    (r->dst_len && !ep_addr_in(&f->dst, &r->dst, r->dst_len)))
			continue;
		if ((!best || better(r, best)) && route_usable(r, f) && source_fits(w, r, f))
			best = r;
	}
	return best;
}

/* ---- policy rules ---- */

static bool prefix_fits(struct ep_walk *w, const struct ep_val *v, const struct ep_addr *net,
			uint8_t plen)
{
	unsigned bits = net->len * 8u;
	ep_u128 mask = plen ? ~(ep_u128)0 << (bits - plen) : 0;

	return ep_w_val_masked(w, v, bits, mask, ep_addr_num(net) & mask);
}

static bool dev_is(const struct ep_netns *ns, uint32_t ifindex, const char *name)
{
	const struct ep_link *l = ep_link_by_index(ns, ifindex);

	return l && !strcmp(l->name, name);
}

static const struct ep_link *vrf_of(const struct ep_netns *ns, uint32_t ifindex)
{
	const struct ep_link *l = ep_link_by_index(ns, ifindex);

	if (l && l->master && strcmp(l->kind, "vrf"))
		l = ep_link_by_index(ns, l->master);
	return l && !strcmp(l->kind, "vrf") ? l : NULL;
}

static bool ports_fit(struct ep_walk *w, const struct ep_policy *p, const struct ep_flow *f)
{
	if (p->dport_hi && (f->dport < p->dport_lo || f->dport > p->dport_hi))
		return false;
	return !p->sport_hi || ep_w_val_range(w, &f->sport, p->sport_lo, p->sport_hi);
}

static bool selects(struct ep_walk *w, const struct ep_netns *ns, const struct ep_policy *p,
		    const struct ep_flow *f)
{
	if ((p->iif && !dev_is(ns, f->iif, p->iif)) || (p->oif && !dev_is(ns, f->oif, p->oif)) ||
	    ((f->mark ^ p->fwmark) & p->fwmask) || (p->ip_proto && p->ip_proto != IPPROTO_TCP) ||
	    (p->dst_len && !ep_addr_in(&f->dst, &p->dst, p->dst_len)) || p->tos)
		return false;
	if (p->l3mdev && !vrf_of(ns, f->oif ? f->oif : f->iif))
		return false;
	if (p->has_uid && (p->uid_lo || p->uid_hi != UINT32_MAX) &&
	    !(f->output &&
	      ep_w_unknown(w, "routing rule %u asks for the sender's uid", p->priority)))
		return false;
	if (p->src_len && (f->no_src || !prefix_fits(w, &f->src, &p->src, p->src_len)))
		return false;
	return ports_fit(w, p, f);
}

/* The kernel's own rules, where none were read. */
static const struct ep_policy default_policies[] = {
	{.table = RT_TABLE_LOCAL,
	 .action = FR_ACT_TO_TBL,
	 .suppress_prefixlen = -1,
	 .suppress_ifgroup = -1},
	{.table = RT_TABLE_MAIN,
	 .action = FR_ACT_TO_TBL,
	 .priority = 32766,
	 .suppress_prefixlen = -1,
	 .suppress_ifgroup = -1},
	{.table = RT_TABLE_DEFAULT,
	 .action = FR_ACT_TO_TBL,
	 .priority = 32767,
	 .suppress_prefixlen = -1,
	 .suppress_ifgroup = -1},
};

static size_t policies_of(struct ep_walk *w, const struct ep_netns *ns, uint8_t alen,
			  const struct ep_policy ***ret)
{
	size_t n = 0, max = ns->policies.n + EP_ARRAY_SIZE(default_policies);
	const struct ep_policy **v = ep_alloc(w->arena, max * sizeof(*v));

	ep_each(p, &ns->policies) {
		size_t i = n++;

		if (p->family != af_of(alen)) {
			n--;
			continue;
		}
		for (; i && v[i - 1]->priority > p->priority; i--)
			v[i] = v[i - 1];
		v[i] = p;
	}
	for (size_t i = 0; !n && i < EP_ARRAY_SIZE(default_policies); i++)
		v[i] = &default_policies[i];
	*ret = v;
	return n ? n : EP_ARRAY_SIZE(default_policies);
}

/* Picks among equal next hops by weight; which one, a hash of the flow decides. */
static const struct ep_nexthop *pick_hop(struct ep_walk *w, const struct ep_route *r,
					 const struct ep_flow *f)
{
	const struct ep_nexthop *last = NULL;
	uint32_t total = 0;

	ep_each(h, &r->hops)
		if (hop_usable(h, f))
			total += h->weight ? h->weight : 1;
	ep_each(h, &r->hops) {
		uint32_t weight = h->weight ? h->weight : 1;

		if (!hop_usable(h, f))
			continue;
		last = h;
		if (ep_w_chance(w, (double)weight / total, "multipath route"))
			return h;
		total -= weight;
	}
	return last;
}

static void fill(struct ep_walk *w, const struct ep_netns *ns, const struct ep_flow *f,
		 const struct ep_route *r, struct ep_fib *ret)
{
	const struct ep_nexthop *h = pick_hop(w, r, f);

	*ret = (struct ep_fib){.type = r->type, .route = r, .gw = f->dst, .prefsrc = r->prefsrc};
	if (!h)
		return;
	ret->out = ep_link_by_index(ns, h->ifindex);
	if (h->gw.len)
		ret->gw = h->gw;
}

/* One rule: true if it decided. */
static bool apply(struct ep_walk *w, const struct ep_netns *ns, const struct ep_policy *p,
		  const struct ep_flow *f, struct ep_fib *ret)
{
	const struct ep_route *r;
	uint32_t table = p->table;

	switch (p->action) {
	case FR_ACT_BLACKHOLE:
		ret->type = RTN_BLACKHOLE;
		return true;
	case FR_ACT_UNREACHABLE:
		ret->type = RTN_UNREACHABLE;
		return true;
	case FR_ACT_PROHIBIT:
		ret->type = RTN_PROHIBIT;
		return true;
	case FR_ACT_TO_TBL:
		break;
	default:
		return false;
	}
	if (p->l3mdev)
		table = vrf_of(ns, f->oif ? f->oif : f->iif)->vrf_table;
	r = table_lookup(w, ns, table, f);
	if (!r || r->type == RTN_THROW ||
	    (p->suppress_prefixlen >= 0 && r->dst_len <= p->suppress_prefixlen))
		return false;
	fill(w, ns, f, r, ret);
	return true;
}

void ep_fib_lookup(struct ep_walk *w, struct ep_netns *ns, const struct ep_flow *f,
		   struct ep_fib *ret)
{
	const struct ep_policy **v;
	size_t n = policies_of(w, ns, f->dst.len, &v), steps = 0;

	*ret = (struct ep_fib){.type = RTN_UNREACHABLE, .gw = f->dst};
	for (size_t i = 0; i < n && steps++ < EP_MAX_POLICY_STEPS;) {
		const struct ep_policy *p = v[i++];

		if (selects(w, ns, p, f) == p->invert)
			continue;
		if (p->action == FR_ACT_GOTO) {
			while (i < n && v[i]->priority < p->target)
				i++;
			continue;
		}
		if (apply(w, ns, p, f, ret))
			return;
	}
}
