// SPDX-License-Identifier: GPL-2.0-or-later
/* Kinds of addresses: inet_dev_addr_type(), and for IPv6 what nft_fib_ipv6.c and xt_addrtype.c ask. */
#include <netinet/in.h>
#include <linux/rtnetlink.h>

#include "walk/fib.h"

struct wanted {
	uint8_t type;
	uint32_t dev;
};

static struct ep_ivset range(struct ep_walk *w, ep_u128 lo, ep_u128 hi)
{
	return ep_iv_range(w->arena, lo, hi);
}

/* ---- IPv4 ---- */

static struct ep_ivset v4_multicast(struct ep_walk *w)
{
	return range(w, 0xe0000000u, 0xefffffffu);
}

static struct ep_ivset v4_broadcast(struct ep_walk *w)
{
	return ep_iv_or(w->arena, range(w, 0xffffffffu, 0xffffffffu), range(w, 0, 0));
}

static uint32_t v4_table(const struct ep_netns *ns, uint32_t dev)
{
	const struct ep_link *vrf = dev ? ep_fib_vrf(ns, dev) : NULL;

	if (vrf)
		return vrf->vrf_table;
	return ep_fib_custom_rules(ns, AF_INET) ? RT_TABLE_LOCAL : EP_TABLE_MERGED;
}

/* What a route found in the table makes of the address; dev: only on that one. */
static uint8_t v4_route_type(const struct ep_route *r, uint32_t dev)
{
	bool refused = r->type == RTN_BLACKHOLE || r->type == RTN_UNREACHABLE ||
		       r->type == RTN_PROHIBIT || r->type == RTN_THROW;

	if (refused || (dev && (!r->hops.n || r->hops.v[0].ifindex != dev)))
		return RTN_UNICAST;
	return r->type;
}

static uint8_t v4_type(struct ep_walk *w, struct ep_netns *ns, const struct ep_addr *a,
		       uint32_t dev)
{
	struct ep_flow f = {.dst = *a, .no_src = true, EP_FLOW_NO_PORTS};
	const struct ep_route *r;

	if (ep_iv_has(v4_broadcast(w), ep_addr_num(a)))
		return RTN_BROADCAST;
	if (ep_iv_has(v4_multicast(w), ep_addr_num(a)))
		return RTN_MULTICAST;
	r = ep_fib_table_lookup(w, ep_fib_table(w->s, ns, AF_INET, v4_table(ns, dev)), &f);
	return r ? v4_route_type(r, dev) : RTN_UNICAST;
}

static bool is_v4_type(const struct ep_route *r, uint8_t type, void *ctx)
{
	const struct wanted *want = ctx;

	(void)type;
	return v4_route_type(r, want->dev) == want->type;
}

/* Addresses of a type that is not unicast. */
static struct ep_ivset v4_special(struct ep_walk *w, struct ep_netns *ns, uint8_t type,
				  uint32_t dev)
{
	struct ep_ivset always = ep_iv_or(w->arena, v4_multicast(w), v4_broadcast(w)), set;
	struct ep_flow f = {.dst = {.len = 4}, .no_src = true, EP_FLOW_NO_PORTS};
	struct wanted want = {type, dev};

	if (type == RTN_MULTICAST)
		return v4_multicast(w);
	set = ep_fib_table_set(w, ns, v4_table(ns, dev), &f,
			       ep_iv_minus(w->arena, ep_iv_full(w->arena, 32), always), is_v4_type,
			       &want);
	return type == RTN_BROADCAST ? ep_iv_or(w->arena, set, v4_broadcast(w)) : set;
}

static struct ep_ivset v4_set(struct ep_walk *w, struct ep_netns *ns, uint8_t type, uint32_t dev)
{
	static const uint8_t special[] = {RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST, RTN_ANYCAST};
	struct ep_ivset set;

	for (size_t i = 0; i < EP_ARRAY_SIZE(special); i++)
		if (type == special[i])
			return v4_special(w, ns, type, dev);
	if (type != RTN_UNICAST)
		return (struct ep_ivset){};
	set = ep_iv_full(w->arena, 32);
	for (size_t i = 0; i < EP_ARRAY_SIZE(special); i++)
		set = ep_iv_minus(w->arena, set, v4_special(w, ns, special[i], dev));
	return set;
}

/* ---- IPv6: the whole lookup of a local sender decides ---- */

static struct ep_ivset v6_multicast(struct ep_walk *w)
{
	return range(w, (ep_u128)0xff << 120, ~(ep_u128)0);
}

/* ipv6_addr_type(): neither unicast nor multicast: ::, and IPv4-mapped ones. */
static struct ep_ivset v6_neither(struct ep_walk *w)
{
	ep_u128 mapped = (ep_u128)0xffff << 32;

	return ep_iv_or(w->arena, range(w, 0, 0), range(w, mapped, mapped + UINT32_MAX));
}

static bool v6_on_dev(const struct ep_netns *ns, const struct ep_addr *a, uint32_t dev)
{
	ep_each(i, &ns->addrs)
		if (i->ifindex == dev && ep_addr_eq(&i->addr, a) && ep_ifaddr_valid(i))
			return true;
	return false;
}

static bool is_link_local(const struct ep_addr *a)
{
	return a->b[0] == 0xfe && a->b[1] >> 6 == 2;
}

static struct ep_flow v6_flow(const struct ep_walk *w, const struct ep_netns *ns,
			      const struct ep_addr *a, uint32_t dev, const struct ep_val *other)
{
	const struct ep_link *lo = ep_link_by_name(ns, "lo"), *here = w->p.in ? w->p.in : w->p.out;
	struct ep_flow f = {.dst = *a,
			    .no_src = !other,
			    .output = true,
			    .iif = lo ? lo->ifindex : 1,
			    EP_FLOW_NO_PORTS};

	if (other)
		f.src = *other;
	if (is_link_local(a))
		f.oif = dev ? dev : here ? here->ifindex : 0;
	return f;
}

/* A route's part in it; 0: the address itself says the rest. */
static uint8_t v6_route_type(uint8_t type, uint32_t dev)
{
	switch (type) {
	case RTN_LOCAL:
		return dev ? 0 : RTN_LOCAL;
	case RTN_ANYCAST:
	case RTN_BLACKHOLE:
	case RTN_PROHIBIT:
	case RTN_UNREACHABLE:
		return type;
	default:
		return 0;
	}
}

static uint8_t v6_type(struct ep_walk *w, struct ep_netns *ns, const struct ep_addr *a,
		       uint32_t dev, const struct ep_val *other)
{
	struct ep_flow f = v6_flow(w, ns, a, dev, other);
	struct ep_fib fib;
	uint8_t type;

	if (dev && v6_on_dev(ns, a, dev))
		return RTN_LOCAL;
	ep_fib_lookup(w, ns, &f, &fib);
	type = v6_route_type(fib.type, dev);
	if (type)
		return type;
	if (a->b[0] == 0xff)
		return RTN_MULTICAST;
	return ep_iv_has(v6_neither(w), ep_addr_num(a)) ? RTN_UNSPEC : RTN_UNICAST;
}

static bool is_v6_type(const struct ep_route *r, uint8_t type, void *ctx)
{
	const struct wanted *want = ctx;

	(void)r;
	return v6_route_type(type, want->dev) == want->type;
}

static struct ep_ivset v6_set(struct ep_walk *w, struct ep_netns *ns, uint8_t type, uint32_t dev,
			      const struct ep_val *other)
{
	bool plain = type == RTN_UNICAST || type == RTN_MULTICAST || type == RTN_UNSPEC;
	struct wanted want = {plain ? 0 : type, dev};
	struct ep_addr any = {.len = 16};
	struct ep_flow f = v6_flow(w, ns, &any, dev, other);
	struct ep_arena *a = w->arena;
	struct ep_ivset on_dev = {}, set;

	ep_each(i, &ns->addrs)
		if (dev && i->ifindex == dev && i->addr.len == 16 && ep_ifaddr_valid(i))
			on_dev = ep_iv_or(a, on_dev,
					  range(w, ep_addr_num(&i->addr), ep_addr_num(&i->addr)));
	set = ep_iv_minus(a, ep_fib_dst_set(w, ns, &f, ep_iv_full(a, 128), is_v6_type, &want),
			  on_dev);
	if (type == RTN_MULTICAST)
		return ep_iv_and(a, set, v6_multicast(w));
	if (type == RTN_UNSPEC)
		return ep_iv_and(a, set, v6_neither(w));
	if (type == RTN_UNICAST)
		return ep_iv_minus(a, ep_iv_minus(a, set, v6_multicast(w)), v6_neither(w));
	return type == RTN_LOCAL ? ep_iv_or(a, set, on_dev) : set;
}

struct ep_ivset ep_fib_type_set(struct ep_walk *w, struct ep_netns *ns, uint8_t alen, uint8_t type,
				uint32_t dev, const struct ep_val *other)
{
	return alen == 4 ? v4_set(w, ns, type, dev) : v6_set(w, ns, type, dev, other);
}

uint8_t ep_fib_addr_type(struct ep_walk *w, struct ep_netns *ns, const struct ep_addr *addr,
			 uint32_t dev, const struct ep_val *other)
{
	return addr->len == 4 ? v4_type(w, ns, addr, dev) : v6_type(w, ns, addr, dev, other);
}
