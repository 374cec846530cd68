// SPDX-License-Identifier: GPL-2.0-or-later
/* What the packet's route is like: net/netfilter/nft_rt.c. */
#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "walk/bytes.h"
#include "walk/nft.h"

bool ep_pkt_routed(const struct ep_walk *w)
{
	/* Looped back packets bring their route along. */
	return (w->hooknum != NF_INET_PRE_ROUTING && w->hooknum != NF_INET_INGRESS) ||
	       (w->p.in && w->p.in->flags & IFF_LOOPBACK);
}

static enum ep_nft_next store_nexthop(struct ep_nft_vm *vm, const struct ep_expr *e, uint64_t dreg,
				      uint8_t alen)
{
	const struct ep_pkt *p = &vm->w->p;
	bool on_way_out = vm->w->hooknum == NF_INET_FORWARD ||
			  vm->w->hooknum == NF_INET_LOCAL_OUT ||
			  vm->w->hooknum == NF_INET_POST_ROUTING;
	const struct ep_addr *a = on_way_out && p->gw.len == alen ? &p->gw : &p->daddr;

	if (p->alen != alen)
		return EP_NFT_BREAK;
	return ep_nft_stored(vm, e, ep_reg_const(&vm->regs, dreg, a->b, alen));
}

enum ep_nft_next ep_nft_eval_rt(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint64_t dreg = ep_attr_num(e, NFTA_RT_DREG, ~0ull);
	struct ep_walk *w = vm->w;
	struct ep_val v;

	if (!ep_pkt_routed(w))
		return EP_NFT_BREAK;
	switch (ep_attr_num(e, NFTA_RT_KEY, ~0ull)) {
	case NFT_RT_CLASSID:
		v = ep_pkt_realm(w);
		return ep_nft_stored(vm, e, ep_reg_val(&vm->regs, dreg, &v, 4, true));
	case NFT_RT_NEXTHOP4:
		return store_nexthop(vm, e, dreg, 4);
	case NFT_RT_NEXTHOP6:
		return store_nexthop(vm, e, dreg, 16);
	case NFT_RT_TCPMSS: /* of the way back, which is not walked */
		v = ep_w_field(w, "rt mtu (TCP MSS)", 16, w->p.alen == 4 ? 1460 : 1440);
		return ep_nft_stored(vm, e, ep_reg_val(&vm->regs, dreg, &v, 2, true));
	case NFT_RT_XFRM:
		return ep_nft_stored(vm, e, ep_reg_u8(&vm->regs, dreg, 0));
	}
	v = ep_w_unknown_val(w, "route's properties", 32);
	return ep_nft_stored(vm, e, ep_reg_val(&vm->regs, dreg, &v, 4, true));
}

/* dst->tclassid: 0 where no route and no rule names a realm, and ever for IPv6. */
struct ep_val ep_pkt_realm(struct ep_walk *w)
{
	if (w->p.alen == 16 || !w->ns->realms)
		return (struct ep_val){.var = -1};
	return ep_w_unknown_val(w, "the route's realm", 32);
}
