// SPDX-License-Identifier: GPL-2.0-or-later
/* The fib expression: net/ipv4/netfilter/nft_fib_ipv4.c, net/ipv6/netfilter/nft_fib_ipv6.c. */
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#include "walk/nft.h"

static uint8_t fib_type(struct ep_nft_vm *vm, bool saddr, uint32_t dev)
{
	static const uint8_t types[] = {RTN_LOCAL,     RTN_MULTICAST,   RTN_BROADCAST, RTN_ANYCAST,
					RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT};
	struct ep_walk *w = vm->w;
	struct ep_val daddr = {.var = -1, .c = ep_addr_num(&w->p.daddr)};
	struct ep_addr a;

	if (!saddr)
		return ep_fib_addr_type(w, w->ns, &w->p.daddr, dev, &w->p.saddr);
	if (w->p.saddr.var < 0) {
		a = ep_addr_from_num(w->p.saddr.c, w->p.alen);
		return ep_fib_addr_type(w, w->ns, &a, dev, &daddr);
	}
	for (size_t i = 0; i < EP_ARRAY_SIZE(types); i++) {
		struct ep_ivset set = ep_fib_type_set(w, w->ns, w->p.alen, types[i], dev, &daddr);

		if (set.n && ep_w_in(w, w->p.saddr.var, set))
			return types[i];
	}
	return RTN_UNICAST;
}

struct reverse {
	const struct ep_link *want; /* it must lead there; NULL: anywhere */
	uint32_t mark, iif;
	struct ep_val src;         /* the packet's other address */
	const struct ep_link *out; /* answer of the last lookup */
};

/* nft_fib4_eval(), nft_fib6_eval(): the device that leads to addr, if that is a unicast route. */
static bool leads_there(struct ep_walk *w, ep_u128 addr, void *ctx)
{
	struct reverse *r = ctx;
	struct ep_flow q = {.mark = r->mark,
			    .src = r->src,
			    .iif = r->iif ? r->iif : 1, /* LOOPBACK_IFINDEX */
			    .output = true,
			    .open_tos = true,
			    .no_proto = w->p.alen == 4,
			    .no_pick = w->p.alen == 4,
			    EP_FLOW_NO_PORTS,
			    .dst = ep_addr_from_num(addr, w->p.alen)};
	struct ep_fib f = {};

	if (w->p.alen == 16 && addr >> 118 == 0x3fa && w->p.in) /* fe80::/10 */
		q.oif = r->want ? r->want->ifindex : w->p.in->ifindex;
	ep_fib_lookup(w, w->ns, &q, &f);
	r->out = f.type == RTN_UNICAST ? f.out : NULL;
	if (!r->want || !r->out)
		return r->out != NULL;
	ep_each(h, &f.route->hops) {
		if (h->ifindex == r->want->ifindex)
			r->out = r->want;
	}
	return r->out == r->want;
}

/* nft_fib_can_skip(): what loops back is taken as it is. */
static bool looped(const struct ep_walk *w)
{
	return w->p.in && w->p.in->flags & IFF_LOOPBACK &&
	       (w->hooknum == NF_INET_PRE_ROUTING || w->hooknum == NF_INET_LOCAL_IN ||
		w->hooknum == NF_INET_INGRESS);
}

/* Which device leads to the address: reverse path filters are written so. */
static enum ep_nft_next fib_oif(struct ep_nft_vm *vm, const struct ep_expr *e, uint64_t flags)
{
	struct ep_walk *w = vm->w;
	uint64_t dreg = ep_attr_num(e, NFTA_FIB_DREG, ~0ull);
	struct reverse r = {.mark = flags & NFTA_FIB_F_MARK ? w->p.mark : 0,
			    .src = {.var = -1, .c = ep_addr_num(&w->p.daddr)},
			    .want = flags & NFTA_FIB_F_IIF ? w->p.in :
				    flags & NFTA_FIB_F_OIF ? w->p.out :
							     NULL};
	struct ep_ivset set;
	bool found;

	if (!(flags & NFTA_FIB_F_SADDR))
		r.src = w->p.saddr;
	else if (w->p.alen == 4 && w->hooknum == NF_INET_FORWARD && flags & NFTA_FIB_F_IIF)
		r.iif = w->p.out ? w->p.out->ifindex : 0;
	if (looped(w)) {
		found = true;
		r.out = w->p.in;
	} else if (!(flags & NFTA_FIB_F_SADDR)) {
		found = leads_there(w, ep_addr_num(&w->p.daddr), &r);
	} else if (w->p.saddr.var < 0) {
		found = leads_there(w, w->p.saddr.c, &r);
	} else if ((r.want || flags & NFTA_FIB_F_PRESENT) &&
		   ep_fib_sources(w, leads_there, &r, &set)) {
		found = ep_w_in(w, w->p.saddr.var, set);
		r.out = r.want;
	} else {
		found = ep_w_unknown(w, "the way back to an open source");
		r.out = w->p.in;
	}
	if (flags & NFTA_FIB_F_PRESENT)
		return ep_nft_stored(vm, e, ep_reg_u8(&vm->regs, dreg, found));
	if (ep_attr_num(e, NFTA_FIB_RESULT, 0) == NFT_FIB_RESULT_OIF)
		return ep_nft_stored(
			vm, e, ep_reg_u32(&vm->regs, dreg, found && r.out ? r.out->ifindex : 0));
	return ep_nft_stored(vm, e,
			     ep_reg_name(&vm->regs, dreg, found && r.out ? r.out->name : ""));
}

enum ep_nft_next ep_nft_eval_fib(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint64_t flags = ep_attr_num(e, NFTA_FIB_FLAGS, 0);
	const struct ep_link *dev = flags & NFTA_FIB_F_IIF ? vm->w->p.in :
				    flags & NFTA_FIB_F_OIF ? vm->w->p.out :
							     NULL;

	if (ep_attr_num(e, NFTA_FIB_RESULT, 0) != NFT_FIB_RESULT_ADDRTYPE)
		return fib_oif(vm, e, flags);
	return ep_nft_stored(
		vm, e,
		ep_reg_u32(&vm->regs, ep_attr_num(e, NFTA_FIB_DREG, ~0ull),
			   fib_type(vm, flags & NFTA_FIB_F_SADDR, dev ? dev->ifindex : 0)));
}
