// SPDX-License-Identifier: GPL-2.0-or-later
/* Routing: policy rules, and the tables that they name, as fib_rules.c, fib_trie.c and ip6_fib.c do. */
#include <netinet/in.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "walk/bytes.h"
#include "walk/fib.h"

#define EP_MAX_POLICY_STEPS 1000

/* ---- policy rules ---- */

static const struct {
	uint32_t priority, table;
} default_rules[] = {
	{0, RT_TABLE_LOCAL},
	{32766, RT_TABLE_MAIN},
	{32767, RT_TABLE_DEFAULT},
};

#define TO_TABLE(f, p, t)                                                              \
	{                                                                              \
		.family = (f), .priority = (p), .table = (t), .action = FR_ACT_TO_TBL, \
		.suppress_prefixlen = -1, .suppress_ifgroup = -1                       \
	}

/* What the kernel does where nobody made rules. */
static const struct ep_policy no_rules4[] = {TO_TABLE(AF_INET, 0, EP_TABLE_MERGED),
					     TO_TABLE(AF_INET, 32767, RT_TABLE_DEFAULT)};
static const struct ep_policy no_rules6[] = {TO_TABLE(AF_INET6, 0, RT_TABLE_LOCAL),
					     TO_TABLE(AF_INET6, 32766, RT_TABLE_MAIN)};

static bool is_default(const struct ep_policy *p)
{
	bool plain = p->action == FR_ACT_TO_TBL && !p->invert && !p->src_len && !p->dst_len &&
		     !p->tos && !p->tos_mask && !p->ip_proto && !p->iif && !p->oif && !p->fwmask &&
		     !p->l3mdev && !p->has_uid && !p->sport_hi && !p->dport_hi &&
		     p->suppress_prefixlen < 0 && p->suppress_ifgroup < 0;

	for (size_t i = 0; i < EP_ARRAY_SIZE(default_rules) && plain; i++)
		if (p->priority == default_rules[i].priority && p->table == default_rules[i].table)
			return true;
	return false;
}

bool ep_fib_custom_rules(const struct ep_netns *ns, uint8_t family)
{
	bool local = false, main = false, any = false;

	ep_each(p, &ns->policies) {
		if (p->family != family)
			continue;
		if (!is_default(p))
			return true;
		any = true;
		local |= p->table == RT_TABLE_LOCAL;
		main |= p->table == RT_TABLE_MAIN;
	}
	return any && !(local && main);
}

static size_t plain_policies(struct ep_walk *w, uint8_t family, const struct ep_policy ***ret)
{
	const struct ep_policy *from = family == AF_INET ? no_rules4 : no_rules6;
	size_t n = family == AF_INET ? EP_ARRAY_SIZE(no_rules4) : EP_ARRAY_SIZE(no_rules6);

	*ret = ep_alloc(w->arena, n * sizeof(**ret));
	for (size_t i = 0; i < n; i++)
		(*ret)[i] = &from[i];
	return n;
}

size_t ep_fib_policies(struct ep_walk *w, const struct ep_netns *ns, uint8_t family,
		       const struct ep_policy ***ret)
{
	const struct ep_policy **v;
	size_t n = 0;

	if (!ep_fib_custom_rules(ns, family))
		return plain_policies(w, family, ret);
	v = ep_alloc(w->arena, ns->policies.n * sizeof(*v));
	ep_each(p, &ns->policies) {
		size_t i = n;

		if (p->family != family)
			continue;
		for (; i && v[i - 1]->priority > p->priority; i--)
			v[i] = v[i - 1];
		v[i] = p;
		n++;
	}
	*ret = v;
	return n;
}

static bool prefix_fits(struct ep_walk *w, const struct ep_val *v, const struct ep_addr *net,
			uint8_t plen)
{
	unsigned bits = net->len * 8u;
	ep_u128 all = bits >= 128 ? ~(ep_u128)0 : ((ep_u128)1 << bits) - 1;
	ep_u128 mask = plen == bits ? all : plen ? all & ~(all >> plen) : 0;

	return ep_w_val_masked(w, v, bits, mask, ep_addr_num(net) & mask);
}

static bool dev_is(const struct ep_netns *ns, uint32_t ifindex, const char *name)
{
	const struct ep_link *l = ep_link_by_index(ns, ifindex);

	return l && !strcmp(l->name, name);
}

const struct ep_link *ep_fib_vrf(const struct ep_netns *ns, uint32_t ifindex)
{
	const struct ep_link *l = ep_link_by_index(ns, ifindex);

	if (l && l->master && strcmp(l->kind, "vrf"))
		l = ep_link_by_index(ns, l->master);
	return l && !strcmp(l->kind, "vrf") ? l : NULL;
}

static const struct ep_link *vrf_of(const struct ep_netns *ns, const struct ep_flow *f)
{
	return ep_fib_vrf(ns, f->l3mdev ? f->l3mdev : f->oif ? f->oif : f->iif);
}

/* What no socket sends has uid 0 (ip_route_input_slow(), sock_net_uid()). */
static bool uid_fits(struct ep_walk *w, const struct ep_policy *p, const struct ep_flow *f)
{
	struct ep_val uid;

	if (!p->has_uid || (!p->uid_lo && p->uid_hi == UINT32_MAX))
		return true;
	if (!f->socket)
		return !p->uid_lo;
	w->route_open = true;
	uid = ep_w_field(w, "uid of the sending socket", 32, 0);
	return ep_w_val_range(w, &uid, p->uid_lo, p->uid_hi);
}

/* fib_rule_port_match(): a range, or one port under a mask. */
static bool port_fits(struct ep_walk *w, const struct ep_val *port, uint16_t lo, uint16_t hi,
		      uint16_t mask)
{
	if (!hi)
		return true;
	if (mask && mask != UINT16_MAX)
		return ep_w_val_masked(w, port, 16, mask, lo & mask);
	return ep_w_val_range(w, port, lo, hi);
}

/* Are these bits of the packet's byte as wanted? The byte may be open, or a rule may have written it. */
static bool byte_fits(struct ep_walk *w, unsigned off, uint8_t mask, uint8_t want)
{
	struct ep_byte b;

	want &= mask;
	if (!mask || !ep_pkt_byte(w, EP_AT_NET, off, &b))
		return true;
	b = ep_byte_and_xor(b, mask, 0);
	return ep_bytes_equal(w, &b, &want, 1);
}

bool ep_fib_tos_fits(struct ep_walk *w, const struct ep_flow *f, uint8_t mask, uint8_t want)
{
	if (!f->open_tos)
		return !(want & mask);
	w->route_open = true;
	if (w->p.alen == 4)
		return byte_fits(w, 1, mask, want);
	return byte_fits(w, 0, mask >> 4, want >> 4) &&
	       byte_fits(w, 1, (uint8_t)(mask << 4), (uint8_t)(want << 4));
}

static bool flowlabel_fits(struct ep_walk *w, const struct ep_policy *p)
{
	uint32_t mask = p->flowlabel_mask, want = p->flowlabel;

	if (!mask)
		return true;
	w->route_open = true;
	return byte_fits(w, 1, mask >> 16 & 0x0f, want >> 16 & 0x0f) &&
	       byte_fits(w, 2, mask >> 8 & 0xff, want >> 8 & 0xff) &&
	       byte_fits(w, 3, mask & 0xff, want & 0xff);
}

/* A sender without a source has 0.0.0.0 for fib4_rule_match(), and none for fib6_rule_match(). */
static bool source_selects(struct ep_walk *w, const struct ep_policy *p, const struct ep_flow *f)
{
	const struct ep_val none = {.var = -1};

	if (f->no_src && (f->dst.len != 4 || !f->output))
		return false;
	return prefix_fits(w, f->no_src ? &none : &f->src, &p->src, p->src_len);
}

bool ep_fib_policy_selects(struct ep_walk *w, const struct ep_netns *ns, const struct ep_policy *p,
			   const struct ep_flow *f)
{
	if ((p->iif && !dev_is(ns, f->iif, p->iif)) || (p->oif && !dev_is(ns, f->oif, p->oif)) ||
	    ((f->mark ^ p->fwmark) & p->fwmask) ||
	    (p->ip_proto && (f->no_proto || p->ip_proto != IPPROTO_TCP)) ||
	    (p->l3mdev && !vrf_of(ns, f)))
		return false;
	if (p->src_len && !source_selects(w, p, f))
		return false;
	if (!port_fits(w, &f->dport, p->dport_lo, p->dport_hi, p->dport_mask) ||
	    !port_fits(w, &f->sport, p->sport_lo, p->sport_hi, p->sport_mask))
		return false;
	if ((p->tos || p->tos_mask) &&
	    !ep_fib_tos_fits(w, f, p->tos_mask ? p->tos_mask : EP_TOS_LEGACY, p->tos))
		return false;
	return flowlabel_fits(w, p) && uid_fits(w, p, f);
}

uint32_t ep_fib_policy_table(const struct ep_netns *ns, const struct ep_policy *p,
			     const struct ep_flow *f)
{
	const struct ep_link *vrf = p->l3mdev ? vrf_of(ns, f) : NULL;

	return vrf ? vrf->vrf_table : p->table;
}

/* fib4_rule_suppress(): what the lookup found, but the rule does not want. */
bool ep_fib_suppressed(const struct ep_netns *ns, const struct ep_policy *p,
		       const struct ep_route *r)
{
	const struct ep_link *l;

	if (r->type == RTN_BLACKHOLE || r->type == RTN_UNREACHABLE || r->type == RTN_PROHIBIT)
		return false;
	if (p->suppress_prefixlen >= 0 && r->dst_len <= p->suppress_prefixlen)
		return true;
	l = p->suppress_ifgroup >= 0 && r->hops.n ? ep_link_by_index(ns, r->hops.v[0].ifindex) :
						    NULL;
	return l && l->group == (uint32_t)p->suppress_ifgroup;
}

uint8_t ep_fib_policy_type(const struct ep_policy *p)
{
	static const uint8_t types[] = {[FR_ACT_BLACKHOLE] = RTN_BLACKHOLE,
					[FR_ACT_UNREACHABLE] = RTN_UNREACHABLE,
					[FR_ACT_PROHIBIT] = RTN_PROHIBIT};

	return p->action < EP_ARRAY_SIZE(types) ? types[p->action] : RTN_UNSPEC;
}

size_t ep_fib_goto(const struct ep_policy *const *v, size_t n, size_t i)
{
	for (size_t k = i + 1; k < n; k++)
		if (v[k]->priority == v[i]->target)
			return k;
	return n;
}

/* ---- one lookup ---- */

/* Picks among equal next hops by weight; which one, a hash of the flow decides. */
static const struct ep_nexthop *pick_hop(struct ep_walk *w, const struct ep_route *r,
					 const struct ep_flow *f)
{
	const struct ep_nexthop *last = NULL;
	uint32_t total = 0;

	ep_each(h, &r->hops)
		if (ep_fib_hop_usable(h, f))
			total += h->weight ? h->weight : 1;
	ep_each(h, &r->hops) {
		uint32_t weight = h->weight ? h->weight : 1;

		if (!ep_fib_hop_usable(h, f))
			continue;
		last = h;
		if (f->no_pick || ep_w_chance(w, (double)weight / total, "multipath route"))
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

/*
 * Local and main table are one until somebody makes a rule, and stay apart when it is gone. Where
 * that makes a difference, nobody can tell.
 */
static const struct ep_route *unmerged(struct ep_walk *w, struct ep_netns *ns,
				       const struct ep_flow *f, const struct ep_route *r)
{
	const struct ep_route *local;

	if (!r || r->table == RT_TABLE_LOCAL)
		return r;
	local = ep_fib_table_lookup(w, ep_fib_table(w->s, ns, AF_INET, RT_TABLE_LOCAL), f);
	if (!local)
		return r;
	w->route_open = true;
	if (ep_w_unknown(w, "routing tables local and main both have a route, and might be one"))
		return r;
	return local;
}

/* One rule: true if it decided. */
static bool apply(struct ep_walk *w, struct ep_netns *ns, const struct ep_policy *p,
		  const struct ep_flow *f, struct ep_fib *ret)
{
	uint8_t type = ep_fib_policy_type(p);
	const struct ep_route *r;
	uint32_t table;

	if (type != RTN_UNSPEC) {
		ret->type = type;
		return true;
	}
	if (p->action != FR_ACT_TO_TBL)
		return false;
	table = ep_fib_policy_table(ns, p, f);
	r = ep_fib_table_lookup(w, ep_fib_table(w->s, ns, p->family, table), f);
	if (table == EP_TABLE_MERGED)
		r = unmerged(w, ns, f, r);
	if (!r || r->type == RTN_THROW || ep_fib_suppressed(ns, p, r))
		return false;
	fill(w, ns, f, r, ret);
	return true;
}

void ep_fib_lookup(struct ep_walk *w, struct ep_netns *ns, const struct ep_flow *f,
		   struct ep_fib *ret)
{
	const struct ep_policy **v;
	size_t n = ep_fib_policies(w, ns, f->dst.len == 4 ? AF_INET : AF_INET6, &v), steps = 0;

	*ret = (struct ep_fib){.type = RTN_UNREACHABLE, .gw = f->dst};
	for (size_t i = 0; i < n && steps++ < EP_MAX_POLICY_STEPS; i++) {
		const struct ep_policy *p = v[i];
		bool to = !p->dst_len || ep_addr_in(&f->dst, &p->dst, p->dst_len);

		if ((to && ep_fib_policy_selects(w, ns, p, f)) == p->invert)
			continue;
		if (p->action == FR_ACT_GOTO) {
			size_t k = ep_fib_goto(v, n, i);

			if (k < n)
				i = k - 1;
			continue;
		}
		if (apply(w, ns, p, f, ret))
			return;
	}
}
