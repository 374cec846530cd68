// SPDX-License-Identifier: GPL-2.0-or-later
/* Extensions of ebtables inside rules of the bridge family: net/bridge/netfilter/ebt_*.c. */
#include <netinet/in.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter_bridge/ebt_ip.h>
#include <linux/netfilter_bridge/ebt_ip6.h>
#include <linux/netfilter_bridge/ebt_mark_m.h>
#include <linux/netfilter_bridge/ebt_mark_t.h>
#include <linux/netfilter_bridge/ebt_pkttype.h>
#include <linux/netfilter_bridge/ebt_redirect.h>
#include <linux/netfilter_bridge/ebt_vlan.h>
#include <string.h>

#include "walk/link.h"
#include "walk/xt.h"

/* uapi linux/netfilter_bridge/ebt_nat.h, and of ebtables.h what a target returns */
struct nat_info {
	unsigned char mac[ETH_ALEN];
	int target;
};

enum { RETURNS_ACCEPT = -1, RETURNS_DROP = -2, RETURNS_CONTINUE = -3, RETURNS_RETURN = -4 };

#define VERDICT_BITS 0xf

/* ---- matches ---- */

/* An address under a mask that may have holes. */
static bool masked(struct ep_xt_and *a, const struct ep_val *v, const void *want, const void *mask,
		   bool invert)
{
	bool v6 = a->w->p.alen == 16;

	return ep_xt_need_masked(a, v, a->w->p.alen * 8u, ep_xt_num(mask, v6),
				 ep_xt_num(want, v6) & ep_xt_num(mask, v6), invert);
}

struct ports {
	uint8_t bits, inv, protocol, proto_bit, sport_bit, dport_bit, icmp_bits;
	const uint16_t *sport, *dport;
};

static bool transport(struct ep_xt_and *a, const struct ports *p)
{
	const struct ep_val dport = {.var = -1, .c = a->w->p.dport};

	if (!(p->bits & p->proto_bit))
		return true;
	if (!ep_xt_need(a, p->protocol == IPPROTO_TCP, p->inv & p->proto_bit))
		return false;
	if (p->bits & p->icmp_bits)
		return false; /* a TCP packet is none of these */
	if (p->bits & p->dport_bit &&
	    !ep_xt_need_range(a, &dport, p->dport[0], p->dport[1], p->inv & p->dport_bit))
		return false;
	return !(p->bits & p->sport_bit) ||
	       ep_xt_need_range(a, &a->w->p.sport, p->sport[0], p->sport[1], p->inv & p->sport_bit);
}

static struct ep_val daddr(const struct ep_walk *w)
{
	return (struct ep_val){.var = -1, .c = ep_addr_num(&w->p.daddr)};
}

static bool match_ip(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct ebt_ip_info *i = in->info;
	struct ep_val d = daddr(a->w);
	struct ports p = {i->bitmask,
			  i->invflags,
			  i->protocol,
			  EBT_IP_PROTO,
			  EBT_IP_SPORT,
			  EBT_IP_DPORT,
			  EBT_IP_ICMP | EBT_IP_IGMP,
			  i->sport,
			  i->dport};

	if (in->v6)
		return false;
	if (i->bitmask & EBT_IP_TOS)
		return ep_xt_need_unknown(a, "depends on the packet's TOS");
	if (i->bitmask & EBT_IP_SOURCE &&
	    !masked(a, &a->w->p.saddr, &i->saddr, &i->smsk, i->invflags & EBT_IP_SOURCE))
		return false;
	if (i->bitmask & EBT_IP_DEST &&
	    !masked(a, &d, &i->daddr, &i->dmsk, i->invflags & EBT_IP_DEST))
		return false;
	return transport(a, &p);
}

static bool match_ip6(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct ebt_ip6_info *i = in->info;
	struct ep_val d = daddr(a->w);
	struct ports p = {i->bitmask,    i->invflags,   i->protocol, EBT_IP6_PROTO, EBT_IP6_SPORT,
			  EBT_IP6_DPORT, EBT_IP6_ICMP6, i->sport,    i->dport};

	if (!in->v6)
		return false;
	if (i->bitmask & EBT_IP6_TCLASS)
		return ep_xt_need_unknown(a, "depends on the packet's traffic class");
	if (i->bitmask & EBT_IP6_SOURCE &&
	    !masked(a, &a->w->p.saddr, &i->saddr, &i->smsk, i->invflags & EBT_IP6_SOURCE))
		return false;
	if (i->bitmask & EBT_IP6_DEST &&
	    !masked(a, &d, &i->daddr, &i->dmsk, i->invflags & EBT_IP6_DEST))
		return false;
	return transport(a, &p);
}

static bool match_mark(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct ebt_mark_m_info *i = in->info;
	uint32_t mark = a->w->p.mark;

	if (i->bitmask & EBT_MARK_OR)
		return ep_xt_need(a, mark & i->mask, i->invert);
	return ep_xt_need(a, (mark & i->mask) == i->mark, i->invert);
}

static bool match_pkttype(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct ebt_pkttype_info *i = in->info;

	return ep_xt_need(a, a->w->p.pkttype == i->pkt_type, i->invert);
}

/* Frames of other kinds than IP's own: tagged ones, LLC, ARP, spanning tree. */
static bool match_other(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	(void)a;
	(void)in;
	return false;
}

static const struct ep_xt_match_row matches[] = {
	{"ip", 0, 0, sizeof(struct ebt_ip_info), match_ip, NULL},
	{"ip6", 0, 0, sizeof(struct ebt_ip6_info), match_ip6, NULL},
	{"mark_m", 0, 0, sizeof(struct ebt_mark_m_info), match_mark, NULL},
	{"pkttype", 0, 0, sizeof(struct ebt_pkttype_info), match_pkttype, NULL},
	{"vlan", 0, 0, 0, match_other, NULL},
	{"802_3", 0, 0, 0, match_other, NULL},
	{"arp", 0, 0, 0, match_other, NULL},
	{"stp", 0, 0, 0, match_other, NULL},
	{"limit", 0, 0, 0, NULL, "what came before"},
};

const struct ep_xt_match_row *ep_ebt_match_find(const struct ep_xt_ext *m)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(matches); i++)
		if (!strcmp(matches[i].name, m->name) && m->rev == 0)
			return &matches[i];
	return NULL;
}

/* ---- targets ---- */

static enum ep_xt_ret returns(int target)
{
	static const enum ep_xt_ret codes[] = {EP_X_ACCEPT, EP_X_DROP, EP_X_CONTINUE, EP_X_RETURN};
	unsigned i = (unsigned)(-1 - (target | ~VERDICT_BITS));

	return i < EP_ARRAY_SIZE(codes) ? codes[i] : EP_X_DROP;
}

static enum ep_xt_ret target_mark(struct ep_walk *w, struct ep_xt_env *env,
				  const struct ep_xt_in *in)
{
	const struct ebt_mark_t_info *i = in->info;
	uint32_t v = (uint32_t)i->mark;

	switch ((unsigned)i->target & ~VERDICT_BITS) {
	case MARK_SET_VALUE:
		w->p.mark = v;
		break;
	case MARK_OR_VALUE:
		w->p.mark |= v;
		break;
	case MARK_AND_VALUE:
		w->p.mark &= v;
		break;
	default:
		w->p.mark ^= v;
	}
	env->to = ep_w_sprintf(w, "0x%x", w->p.mark);
	return returns(i->target);
}

static enum ep_xt_ret target_dnat(struct ep_walk *w, struct ep_xt_env *env,
				  const struct ep_xt_in *in)
{
	const struct nat_info *i = in->info;

	w->p.dmac = ep_l2_mac(i->mac);
	w->p.remac = true;
	env->to = ep_w_sprintf(w, "%02x:%02x:%02x:%02x:%02x:%02x", i->mac[0], i->mac[1], i->mac[2],
			       i->mac[3], i->mac[4], i->mac[5]);
	return returns(i->target);
}

static enum ep_xt_ret target_snat(struct ep_walk *w, struct ep_xt_env *env,
				  const struct ep_xt_in *in)
{
	const struct nat_info *i = in->info;

	(void)env;
	w->p.smac = ep_l2_mac(i->mac);
	return returns(i->target);
}

/* ebt_redirect_tg(): to the bridge itself. */
static enum ep_xt_ret target_redirect(struct ep_walk *w, struct ep_xt_env *env,
				      const struct ep_xt_in *in)
{
	const struct ebt_redirect_info *i = in->info;

	if (w->bridge) {
		w->p.dmac = ep_l2_mac(w->bridge->mac);
		w->p.remac = true;
		env->to = w->bridge->name;
	}
	w->p.pkttype = PACKET_HOST;
	return returns(i->target);
}

static const struct ep_xt_target_row targets[] = {
	{"mark", 0, 0, sizeof(struct ebt_mark_t_info), 0, target_mark},
	{"dnat", 0, 0, sizeof(struct nat_info), 0, target_dnat},
	{"snat", 0, 0, sizeof(struct nat_info), 0, target_snat},
	{"redirect", 0, 0, sizeof(struct ebt_redirect_info), 0, target_redirect},
};

const struct ep_xt_target_row *ep_ebt_target_find(const struct ep_xt_ext *t)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(targets); i++)
		if (!strcmp(targets[i].name, t->name) && t->rev == 0)
			return &targets[i];
	return NULL;
}
