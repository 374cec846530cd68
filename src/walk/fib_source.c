// SPDX-License-Identifier: GPL-2.0-or-later
/* Kinds of addresses, and which sources the kernel accepts on a device. */
#include <netinet/in.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "walk/engine.h"

static ep_u128 prefix_hi(ep_u128 lo, unsigned bits, unsigned plen)
{
	unsigned host = bits - plen;

	return host >= 128 ? ~(ep_u128)0 : lo | (((ep_u128)1 << host) - 1);
}

static struct ep_ivset prefix_set(struct ep_walk *w, const struct ep_addr *net, unsigned plen,
				  uint8_t alen)
{
	ep_u128 lo = plen ? ep_addr_num(net) : 0;

	return ep_iv_range(w->arena, lo, prefix_hi(lo, alen * 8u, plen));
}

static struct ep_ivset v4_range(struct ep_walk *w, uint32_t lo, uint32_t hi)
{
	return ep_iv_range(w->arena, lo, hi);
}

static struct ep_ivset v4_multicast(struct ep_walk *w)
{
	return v4_range(w, 0xe0000000u, 0xefffffffu);
}

static struct ep_ivset v4_special_broadcast(struct ep_walk *w)
{
	return ep_iv_or(w->arena, v4_range(w, 0xffffffffu, 0xffffffffu), v4_range(w, 0, 0));
}

static struct ep_ivset v6_multicast(struct ep_walk *w)
{
	ep_u128 lo = (ep_u128)0xff << 120;

	return ep_iv_range(w->arena, lo, prefix_hi(lo, 128, 8));
}

static bool through_dev(const struct ep_route *r, uint32_t dev)
{
	if (!dev)
		return true;
	ep_each(h, &r->hops)
		if (h->ifindex == dev)
			return true;
	return false;
}

/* Paints the routes of the local table, the more specific over the less. */
static struct ep_ivset local_table_set(struct ep_walk *w, const struct ep_netns *ns, uint8_t type,
				       uint32_t dev)
{
	struct ep_ivset set = {};

	for (unsigned plen = 0; plen <= 32; plen++)
		ep_each(r, &ns->routes) {
			struct ep_ivset one;

			if (r->family != AF_INET || r->table != RT_TABLE_LOCAL ||
			    r->dst_len != plen)
				continue;
			one = prefix_set(w, &r->dst, plen, 4);
			set = r->type == type && through_dev(r, dev) ?
				      ep_iv_or(w->arena, set, one) :
				      ep_iv_minus(w->arena, set, one);
		}
	return set;
}

static struct ep_ivset v6_local_set(struct ep_walk *w, const struct ep_netns *ns, uint32_t dev)
{
	struct ep_ivset set = {};

	ep_each(i, &ns->addrs)
		if (i->addr.len == 16 && (!dev || i->ifindex == dev))
			set = ep_iv_or(w->arena, set, prefix_set(w, &i->addr, 128, 16));
	ep_each(r, &ns->routes)
		if (r->family == AF_INET6 && r->table == RT_TABLE_LOCAL && r->type == RTN_LOCAL &&
		    through_dev(r, dev))
			set = ep_iv_or(w->arena, set, prefix_set(w, &r->dst, r->dst_len, 16));
	return set;
}

static struct ep_ivset type_set(struct ep_walk *w, struct ep_netns *ns, uint8_t alen, uint8_t type,
				uint32_t dev)
{
	struct ep_arena *a = w->arena;
	struct ep_ivset taken, set;

	if (alen == 16) {
		if (type == RTN_MULTICAST)
			return v6_multicast(w);
		return type == RTN_LOCAL ? v6_local_set(w, ns, dev) : (struct ep_ivset){};
	}
	if (type == RTN_MULTICAST)
		return v4_multicast(w);
	taken = ep_iv_or(a, v4_multicast(w), v4_special_broadcast(w));
	set = local_table_set(w, ns, type, dev);
	set = ep_iv_minus(a, set, taken);
	return type == RTN_BROADCAST ? ep_iv_or(a, set, v4_special_broadcast(w)) : set;
}

/* All but unicast, which is what is left. */
static const uint8_t special_types[] = {RTN_LOCAL,     RTN_BROADCAST,   RTN_MULTICAST, RTN_ANYCAST,
					RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT};

struct ep_ivset ep_fib_type_set(struct ep_walk *w, struct ep_netns *ns, uint8_t alen, uint8_t type,
				uint32_t dev)
{
	struct ep_ivset set;

	if (type != RTN_UNICAST)
		return type_set(w, ns, alen, type, dev);
	set = ep_iv_full(w->arena, alen * 8u);
	for (size_t i = 0; i < EP_ARRAY_SIZE(special_types); i++)
		set = ep_iv_minus(w->arena, set, type_set(w, ns, alen, special_types[i], dev));
	return set;
}

uint8_t ep_fib_addr_type(struct ep_walk *w, struct ep_netns *ns, const struct ep_addr *addr,
			 uint32_t dev)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(special_types); i++)
		if (ep_iv_has(type_set(w, ns, addr->len, special_types[i], dev), ep_addr_num(addr)))
			return special_types[i];
	return RTN_UNICAST;
}

/* ---- source validation: ip_route_input_slow(), fib_validate_source() ---- */

static bool martian(struct ep_walk *w, const char **why, const char *text)
{
	w->martian = true;
	*why = text;
	return false;
}

static bool custom_policies(const struct ep_netns *ns)
{
	ep_each(p, &ns->policies)
		if (p->family == AF_INET && (p->priority || p->table != RT_TABLE_LOCAL) &&
		    p->priority != 32766 && p->priority != 32767)
			return true;
	return false;
}

/* Sources that have a route at all (loose), or one through the device (strict). */
static struct ep_ivset reverse_set(struct ep_walk *w, const struct ep_netns *ns, bool strict)
{
	struct ep_ivset set = {};

	for (unsigned plen = 0; plen <= 32; plen++)
		ep_each(r, &ns->routes) {
			struct ep_ivset one;
			bool ok = r->type == RTN_UNICAST &&
				  (!strict || through_dev(r, w->p.in->ifindex));

			if (r->family != AF_INET || r->dst_len != plen ||
			    (r->table != RT_TABLE_MAIN && r->table != RT_TABLE_DEFAULT))
				continue;
			one = prefix_set(w, &r->dst, plen, 4);
			set = ok ? ep_iv_or(w->arena, set, one) : ep_iv_minus(w->arena, set, one);
		}
	return set;
}

static bool reverse_path_ok(struct ep_walk *w, int mode)
{
	struct ep_flow f = {.iif = w->p.in->ifindex, .no_src = true, .dport = 0};
	struct ep_fib fib;

	if (w->p.saddr.var >= 0) {
		if (custom_policies(w->ns))
			return !ep_w_unknown(w,
					     "rp_filter with routing rules, for an open source") ||
			       ep_w_in(w, w->p.saddr.var, reverse_set(w, w->ns, mode == 1));
		return ep_w_in(w, w->p.saddr.var, reverse_set(w, w->ns, mode == 1));
	}
	f.dst = ep_addr_from_num(w->p.saddr.c, 4);
	f.mark = w->p.in->src_valid_mark > 0 ? w->p.mark : 0;
	ep_fib_lookup(w, w->ns, &f, &fib);
	if (fib.type != RTN_UNICAST)
		return false;
	return mode == 2 || !fib.route || through_dev(fib.route, w->p.in->ifindex);
}

static bool source_ok_v4(struct ep_walk *w, const char **why)
{
	const struct ep_link *in = w->p.in;
	int accept_local = in->accept_local > 0 || w->ns->accept_local_all > 0;
	int localnet = in->route_localnet > 0 || w->ns->route_localnet_all > 0;
	int rp = in->rp_filter > w->ns->rp_filter_all ? in->rp_filter : w->ns->rp_filter_all;
	struct ep_ivset bad = ep_iv_or(w->arena, v4_multicast(w), v4_special_broadcast(w));
	struct ep_val *src = &w->p.saddr;

	if (ep_w_val_in(w, src, bad))
		return martian(w, why, "martian source: multicast, broadcast or 0.0.0.0");
	if (!localnet && w->p.daddr.b[0] == 127) {
		*why = ep_w_sprintf(w, "martian destination 127.0.0.0/8: route_localnet is 0 on %s",
				    in->name);
		return false;
	}
	if (!localnet && ep_w_val_range(w, src, 0x7f000000u, 0x7fffffffu))
		return martian(w, why, "martian source: 127.0.0.0/8");
	if (!accept_local && ep_w_val_in(w, src, ep_fib_type_set(w, w->ns, 4, RTN_LOCAL, 0)))
		return martian(w, why, "martian source: this host's own address");
	if (ep_w_val_in(w, src, ep_fib_type_set(w, w->ns, 4, RTN_BROADCAST, 0)) && rp > 0)
		return martian(w, why, "martian source: broadcast");
	if (rp > 0 && !reverse_path_ok(w, rp)) {
		*why = ep_w_sprintf(w, "rp_filter on %s: the way back does not lead there",
				    in->name);
		return false;
	}
	return true;
}

/* ip6_rcv_core(): no reverse path filter, but these sources are refused. */
static bool source_ok_v6(struct ep_walk *w, const char **why)
{
	if (ep_w_val_in(w, &w->p.saddr, v6_multicast(w)))
		return martian(w, why, "martian source: multicast");
	if (ep_w_val_range(w, &w->p.saddr, 1, 1))
		return martian(w, why, "martian source: ::1");
	if (ep_addr_num(&w->p.daddr) == 1) { /* rt6_need_strict(): its route is lo's alone */
		*why = ep_w_sprintf(w, "no packet from %s is routed to ::1", w->p.in->name);
		return false;
	}
	return true;
}

bool ep_fib_source_ok(struct ep_walk *w, const char **why)
{
	return w->p.alen == 4 ? source_ok_v4(w, why) : source_ok_v6(w, why);
}
