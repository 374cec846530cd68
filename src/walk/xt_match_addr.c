// SPDX-License-Identifier: GPL-2.0-or-later
/* Matches on addresses: net/netfilter/xt_addrtype.c, xt_iprange.c, net/ipv[46]/netfilter/
 * ip[t6t]_rpfilter.c. */
#include <string.h>
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_rpfilter.h>
#include <linux/rtnetlink.h>

#include "walk/xt.h"

#define V4_TYPES 0x0fff /* 1 << RTN_*: all that XT_ADDRTYPE_* can ask for */

/* ---- addrtype ---- */

/* IPv6 types that need a route: the bits of mask that it may have. */
static unsigned v6_route_types(unsigned mask)
{
	unsigned types = mask & (XT_ADDRTYPE_LOCAL | XT_ADDRTYPE_ANYCAST | XT_ADDRTYPE_UNREACHABLE);

	if (types & XT_ADDRTYPE_UNREACHABLE) /* RTF_REJECT */
		types |= XT_ADDRTYPE_BLACKHOLE | XT_ADDRTYPE_PROHIBIT | XT_ADDRTYPE_THROW;
	return types;
}

static bool is_multicast(const struct ep_addr *a)
{
	return a->b[0] == 0xff;
}

static bool is_mapped(const struct ep_addr *a)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(a->b, prefix, sizeof(prefix));
}

/* match_type6(): every class that is asked for must hold. */
static bool v6_const_type(struct ep_walk *w, const struct ep_addr *addr, unsigned mask,
			  uint32_t dev)
{
	bool any = ep_addr_is_any(addr), multicast = is_multicast(addr);
	unsigned types = v6_route_types(mask);

	if (mask & XT_ADDRTYPE_MULTICAST && !multicast)
		return false;
	if (mask & XT_ADDRTYPE_UNICAST && (multicast || any || is_mapped(addr)))
		return false;
	if (mask & XT_ADDRTYPE_UNSPEC && !any)
		return false;
	return !types || types & 1u << ep_fib_addr_type(w, w->ns, addr, dev, NULL);
}

static struct ep_ivset union_of_types(struct ep_walk *w, unsigned types, uint32_t dev)
{
	struct ep_ivset set = {};

	for (uint8_t t = 0; t < 16; t++)
		if (types & 1u << t)
			set = ep_iv_or(w->arena, set,
				       ep_fib_type_set(w, w->ns, w->p.alen, t, dev, NULL));
	return set;
}

static struct ep_ivset v6_type_set(struct ep_walk *w, unsigned mask, uint32_t dev)
{
	struct ep_arena *m = w->arena;
	struct ep_ivset set = ep_iv_full(m, 128), any = ep_iv_range(m, 0, 0);
	struct ep_ivset multicast = ep_iv_range(m, (ep_u128)0xff << 120, ~(ep_u128)0);
	struct ep_ivset mapped =
		ep_iv_range(m, (ep_u128)0xffff << 32, ((ep_u128)0xffff << 32) + UINT32_MAX);
	unsigned types = v6_route_types(mask);

	if (mask & XT_ADDRTYPE_MULTICAST)
		set = ep_iv_and(m, set, multicast);
	if (mask & XT_ADDRTYPE_UNICAST)
		set = ep_iv_minus(m, set, ep_iv_or(m, ep_iv_or(m, multicast, any), mapped));
	if (mask & XT_ADDRTYPE_UNSPEC)
		set = ep_iv_and(m, set, any);
	if (types)
		set = ep_iv_and(m, set, union_of_types(w, types, dev));
	return set;
}

static bool need_src_type(struct ep_xt_and *a, unsigned mask, uint32_t dev, bool invert)
{
	struct ep_walk *w = a->w;
	struct ep_addr addr;

	if (w->p.saddr.var >= 0)
		return ep_xt_need_in(a, &w->p.saddr,
				     w->p.alen == 16 ? v6_type_set(w, mask, dev) :
						       union_of_types(w, mask & V4_TYPES, dev),
				     invert);
	addr = ep_addr_from_num(w->p.saddr.c, w->p.alen);
	if (w->p.alen == 16)
		return v6_const_type(w, &addr, mask, dev) != invert;
	return !!(mask & 1u << ep_fib_addr_type(w, w->ns, &addr, dev, NULL)) != invert;
}

static bool need_dst_type(struct ep_xt_and *a, unsigned mask, uint32_t dev, bool invert)
{
	struct ep_walk *w = a->w;

	if (w->p.alen == 16)
		return v6_const_type(w, &w->p.daddr, mask, dev) != invert;
	return !!(mask & 1u << ep_fib_addr_type(w, w->ns, &w->p.daddr, dev, NULL)) != invert;
}

bool ep_xt_addrtype(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_addrtype_info_v1 *v1 = in->info;
	const struct xt_addrtype_info *v0 = in->info;
	bool inv_src = in->rev ? v1->flags & XT_ADDRTYPE_INVERT_SOURCE : v0->invert_source;
	bool inv_dst = in->rev ? v1->flags & XT_ADDRTYPE_INVERT_DEST : v0->invert_dest;
	const struct ep_link *dev = NULL;

	if (in->rev && v1->flags & XT_ADDRTYPE_LIMIT_IFACE_IN)
		dev = a->w->p.in;
	else if (in->rev && v1->flags & XT_ADDRTYPE_LIMIT_IFACE_OUT)
		dev = a->w->p.out;
	if (v1->dest && !need_dst_type(a, v1->dest, dev ? dev->ifindex : 0, inv_dst))
		return false;
	return !v1->source || need_src_type(a, v1->source, dev ? dev->ifindex : 0, inv_src);
}

/* ---- iprange ---- */

static bool need_iprange(struct ep_xt_and *a, const struct ep_val *v, const void *min,
			 const void *max, bool invert)
{
	bool v6 = a->w->p.alen == 16;

	return ep_xt_need_range(a, v, ep_xt_num(min, v6), ep_xt_num(max, v6), invert);
}

bool ep_xt_iprange(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_iprange_mtinfo *i = in->info;
	struct ep_val dst = {.var = -1, .c = ep_addr_num(&a->w->p.daddr)};

	if (i->flags & IPRANGE_DST &&
	    !need_iprange(a, &dst, &i->dst_min, &i->dst_max, i->flags & IPRANGE_DST_INV))
		return false;
	return !(i->flags & IPRANGE_SRC) || need_iprange(a, &a->w->p.saddr, &i->src_min,
							 &i->src_max, i->flags & IPRANGE_SRC_INV);
}

/* ---- rpfilter ---- */

static bool uses_dev(const struct ep_fib *fib, const struct ep_link *dev)
{
	if (fib->route)
		ep_each(h, &fib->route->hops)
			if (h->ifindex == dev->ifindex)
				return true;
	return fib->out && (fib->out->ifindex == dev->ifindex ||
			    (dev->master && fib->out->ifindex == dev->master));
}

/* rpfilter_lookup_reverse(), for one source address. */
static bool reverse_ok(struct ep_walk *w, ep_u128 source, unsigned flags)
{
	const struct ep_link *in = w->p.in;
	bool v6 = w->p.alen == 16;
	struct ep_flow f = {
		.dst = ep_addr_from_num(source, w->p.alen),
		.src = {.var = -1, .c = ep_addr_num(&w->p.daddr)},
		.iif = 1, /* LOOPBACK_IFINDEX */
		.mark = flags & XT_RPFILTER_VALID_MARK ? w->p.mark : 0,
		.output = true,
		.open_tos = true,
		.no_proto = !v6,
		.no_pick = !v6,
		EP_FLOW_NO_PORTS,
	};
	struct ep_fib fib;

	if (in->master && in->master_kind && !strcmp(in->master_kind, "vrf"))
		f.oif = in->master;
	if (v6 && (!(flags & XT_RPFILTER_LOOSE) || (source >> 118) == 0x3fa)) /* fe80::/10 */
		f.oif = in->ifindex;
	ep_fib_lookup(w, w->ns, &f, &fib);
	if (fib.type == RTN_LOCAL)
		return flags & XT_RPFILTER_ACCEPT_LOCAL &&
		       (v6 || flags & XT_RPFILTER_LOOSE || uses_dev(&fib, in));
	return fib.type == RTN_UNICAST && (flags & XT_RPFILTER_LOOSE || uses_dev(&fib, in));
}

static bool test_reverse(struct ep_walk *w, ep_u128 source, void *flags)
{
	/* :: is let pass without a lookup */
	return (w->p.alen == 16 && !source) || reverse_ok(w, source, *(unsigned *)flags);
}

static bool need_reverse(struct ep_xt_and *a, unsigned flags, bool invert)
{
	struct ep_walk *w = a->w;
	struct ep_ivset ok;

	if (w->p.saddr.var < 0)
		return test_reverse(w, w->p.saddr.c, &flags) != invert;
	if (!ep_fib_sources(w, test_reverse, &flags, &ok))
		return ep_xt_need_unknown(a, "depends on the route back to the source");
	return ep_xt_need_in(a, &w->p.saddr, ok, invert);
}

bool ep_xt_rpfilter(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_rpfilter_info *i = in->info;
	const struct ep_link *dev = a->w->p.in;
	bool invert = i->flags & XT_RPFILTER_INVERT;

	if (!dev)
		return ep_xt_need_unknown(a, "match rpfilter without an input device");
	if (dev->flags & IFF_LOOPBACK || a->w->p.pkttype == PACKET_LOOPBACK)
		return !invert;
	return need_reverse(a, i->flags, invert);
}
