// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Matches on marks and conntrack: net/netfilter/xt_conntrack.c, xt_state.c, xt_mark.c,
 * xt_connmark.c, xt_connbytes.c, xt_connlabel.c, xt_helper.c. The packet opens the connection:
 * its entry is new, in the original direction, and nothing has come back.
 */
#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_connbytes.h>
#include <linux/netfilter/xt_connlabel.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_helper.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_state.h>
#include <netinet/in.h>
#include <string.h>

#include "walk/bytes.h"
#include "walk/xt.h"

static bool has_ct(const struct ep_walk *w)
{
	return w->p.ct == EP_CT_NEW;
}

static bool need_state(struct ep_xt_and *a, const struct xt_conntrack_mtinfo3 *i, unsigned mask)
{
	const struct ep_pkt *p = &a->w->p;
	unsigned bits = XT_CONNTRACK_STATE_INVALID;

	if (p->ct == EP_CT_NEW)
		bits = XT_CONNTRACK_STATE_BIT(IP_CT_NEW) |
		       (p->src_nat ? XT_CONNTRACK_STATE_SNAT : 0) |
		       (p->dst_nat ? XT_CONNTRACK_STATE_DNAT : 0);
	else if (p->ct == EP_CT_UNTRACKED)
		bits = XT_CONNTRACK_STATE_UNTRACKED;
	return ep_xt_need(a, mask & bits, i->invert_flags & XT_CONNTRACK_STATE);
}

/* A packet that comes back through the loopback device has been confirmed on its way out. */
static unsigned status_of(const struct ep_pkt *p)
{
	unsigned s = (p->src_nat ? IPS_SRC_NAT : 0) | (p->dst_nat ? IPS_DST_NAT : 0) |
		     (p->snat_done ? IPS_SRC_NAT_DONE : 0) | (p->dnat_done ? IPS_DST_NAT_DONE : 0);

	if (p->in && p->in->flags & IFF_LOOPBACK)
		s |= IPS_CONFIRMED;
	return s;
}

static bool need_addr(struct ep_xt_and *a, const struct xt_conntrack_mtinfo3 *i, unsigned flag,
		      const struct ep_val *v, const void *addr, const void *mask)
{
	bool v6 = a->w->p.alen == 16;
	ep_u128 m = ep_xt_num(mask, v6);

	if (!(i->match_flags & flag))
		return true;
	return ep_xt_need_masked(a, v, ep_xt_bits(a->w), m, ep_xt_num(addr, v6) & m,
				 i->invert_flags & flag);
}

/* Revisions 1 and 2 have one port in network order, revision 3 a range in host order. */
static bool need_ctport(struct ep_xt_and *a, const struct ep_xt_in *in, unsigned flag,
			const struct ep_val *v, uint16_t lo, uint16_t hi)
{
	const struct xt_conntrack_mtinfo3 *i = in->info;

	if (!(i->match_flags & flag))
		return true;
	if (in->rev < 3)
		lo = hi = ntohs(lo);
	return ep_xt_need_range(a, v, lo, hi, i->invert_flags & flag);
}

static struct ep_val constant(ep_u128 c)
{
	return (struct ep_val){.var = -1, .c = c};
}

static bool need_tuples(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_conntrack_mtinfo3 *i = in->info;
	const struct ep_pkt *p = &a->w->p;
	struct ep_val odst = constant(ep_addr_num(&p->o_daddr)), odport = constant(p->o_dport);
	struct ep_val dst = constant(ep_addr_num(&p->daddr)), dport = constant(p->dport);

	return need_addr(a, i, XT_CONNTRACK_ORIGDST, &odst, &i->origdst_addr, &i->origdst_mask) &&
	       need_addr(a, i, XT_CONNTRACK_REPLSRC, &dst, &i->replsrc_addr, &i->replsrc_mask) &&
	       need_ctport(a, in, XT_CONNTRACK_ORIGDST_PORT, &odport, i->origdst_port,
			   i->origdst_port_high) &&
	       need_ctport(a, in, XT_CONNTRACK_REPLSRC_PORT, &dport, i->replsrc_port,
			   i->replsrc_port_high) &&
	       need_addr(a, i, XT_CONNTRACK_ORIGSRC, &p->o_saddr, &i->origsrc_addr,
			 &i->origsrc_mask) &&
	       need_addr(a, i, XT_CONNTRACK_REPLDST, &p->saddr, &i->repldst_addr,
			 &i->repldst_mask) &&
	       need_ctport(a, in, XT_CONNTRACK_ORIGSRC_PORT, &p->o_sport, i->origsrc_port,
			   i->origsrc_port_high) &&
	       need_ctport(a, in, XT_CONNTRACK_REPLDST_PORT, &p->sport, i->repldst_port,
			   i->repldst_port_high);
}

bool ep_xt_conntrack(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_conntrack_mtinfo3 *i = in->info;
	const struct xt_conntrack_mtinfo1 *v1 = in->info;
	unsigned state = in->rev == 1 ? v1->state_mask : i->state_mask;
	unsigned status = in->rev == 1 ? v1->status_mask : i->status_mask;
	unsigned m = i->match_flags, inv = i->invert_flags;

	if (m & XT_CONNTRACK_STATE && !need_state(a, i, state))
		return false;
	if (!has_ct(a->w))
		return m & XT_CONNTRACK_STATE;
	if (m & XT_CONNTRACK_DIRECTION && inv & XT_CONNTRACK_DIRECTION)
		return false;
	if (m & XT_CONNTRACK_PROTO && (i->l4proto == IPPROTO_TCP) == !!(inv & XT_CONNTRACK_PROTO))
		return false;
	if (m & XT_CONNTRACK_STATUS &&
	    !!(status & status_of(&a->w->p)) == !!(inv & XT_CONNTRACK_STATUS))
		return false;
	if (!need_tuples(a, in))
		return false;
	if (m & XT_CONNTRACK_EXPIRES)
		return ep_xt_need_unknown(a, "depends on a conntrack timeout");
	return true;
}

bool ep_xt_state(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_state_info *i = in->info;
	static const unsigned bits[] = {
		[EP_CT_NONE] = XT_STATE_INVALID,
		[EP_CT_NEW] = XT_STATE_BIT(IP_CT_NEW),
		[EP_CT_UNTRACKED] = XT_STATE_UNTRACKED,
	};

	return i->statemask & bits[a->w->p.ct];
}

bool ep_xt_mark(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_mark_mtinfo1 *i = in->info;

	return ep_xt_need(a, (a->w->p.mark & i->mask) == i->mark, i->invert);
}

bool ep_xt_connmark(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_connmark_mtinfo1 *i = in->info;

	return has_ct(a->w) && ep_xt_need(a, (a->w->p.ctmark & i->mask) == i->mark, i->invert);
}

static bool need_count(struct ep_xt_and *a, const struct xt_connbytes_info *i,
		       const struct ep_val *v)
{
	bool invert = i->count.to < i->count.from;

	return invert ? ep_xt_need_range(a, v, i->count.to, i->count.from, true) :
			ep_xt_need_range(a, v, i->count.from, i->count.to, false);
}

bool ep_xt_connbytes(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_connbytes_info *i = in->info;
	struct ep_val v = constant(i->direction == XT_CONNBYTES_DIR_REPLY ? 0 : 1);

	if (!has_ct(a->w))
		return false;
	if (i->what != XT_CONNBYTES_PKTS && i->direction != XT_CONNBYTES_DIR_REPLY)
		v = ep_pkt_len(a->w);
	return need_count(a, i, &v);
}

bool ep_xt_connlabel(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_connlabel_mtinfo *i = in->info;
	bool invert = i->options & XT_CONNLABEL_OP_INVERT;
	uint32_t word_bits;
	unsigned word;

	if (!has_ct(a->w))
		return invert;
	if (i->bit >= sizeof(a->w->p.labels) * 8)
		return ep_xt_need_unknown(a, "there is no connection label %u", i->bit);
	word = i->bit / 32 * sizeof(word_bits);
	memcpy(&word_bits, a->w->p.labels + word, sizeof(word_bits));
	if (word_bits >> i->bit % 32 & 1)
		return !invert;
	if (!(i->options & XT_CONNLABEL_OP_SET))
		return invert;
	if (!ep_xt_settle(a))
		return false;
	word_bits |= 1u << i->bit % 32;
	memcpy(a->w->p.labels + word, &word_bits, sizeof(word_bits));
	return !invert;
}

bool ep_xt_helper(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_helper_info *i = in->info;

	(void)a;
	return i->invert;
}
