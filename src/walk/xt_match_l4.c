// SPDX-License-Identifier: GPL-2.0-or-later
/* Matches on the IP and TCP headers: net/netfilter/xt_tcpudp.c, xt_multiport.c, xt_length.c,
 * xt_hl.c, xt_dscp.c, xt_ecn.c, xt_tcpmss.c, net/ipv6/netfilter/ip6t_ipv6header.c. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>
#include <linux/netfilter_ipv6/ip6t_ipv6header.h>

#include "walk/xt.h"

#define TCP_SYN       0x02
#define TCP_ECN_FLAGS 0xc0 /* ECE and CWR, which a SYN carries if its sender wants ECN */

static bool need_port(struct ep_xt_and *a, const struct ep_val *v, const __u16 range[2],
		      bool invert)
{
	return ep_xt_need_range(a, v, range[0], range[1], invert);
}

static bool need_flags(struct ep_xt_and *a, const struct xt_tcp *t)
{
	bool invert = t->invflags & XT_TCP_INV_FLAGS;

	if (t->flg_mask & TCP_ECN_FLAGS)
		return ep_xt_need_unknown(a, "depends on the SYN's ECN flags");
	return ((TCP_SYN & t->flg_mask) == t->flg_cmp) != invert;
}

bool ep_xt_tcp(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_tcp *t = in->info;
	const struct ep_pkt *p = &a->w->p;

	if ((p->dport >= t->dpts[0] && p->dport <= t->dpts[1]) ==
	    !!(t->invflags & XT_TCP_INV_DSTPT))
		return false;
	if (!need_flags(a, t))
		return false;
	if (!need_port(a, &p->sport, t->spts, t->invflags & XT_TCP_INV_SRCPT))
		return false;
	if (t->option)
		return ep_xt_need_unknown(a, "depends on the SYN having TCP option %u", t->option);
	return true;
}

/* Revision 0 has neither ranges nor inversion. */
static unsigned multiport_ranges(const struct ep_xt_in *in, struct ep_iv *ret)
{
	const struct xt_multiport_v1 *m = in->info;
	unsigned n = 0;

	for (unsigned i = 0; i < m->count && i < XT_MULTI_PORTS; i++) {
		__u16 lo = m->ports[i], hi = lo;

		if (in->rev >= 1 && m->pflags[i] && i + 1 < XT_MULTI_PORTS)
			hi = m->ports[++i];
		if (lo <= hi)
			ret[n++] = (struct ep_iv){lo, hi};
	}
	return n;
}

bool ep_xt_multiport(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_multiport_v1 *m = in->info;
	const struct ep_pkt *p = &a->w->p;
	struct ep_iv v[XT_MULTI_PORTS];
	unsigned n = multiport_ranges(in, v);
	bool invert = in->rev >= 1 && m->invert, dst = false;

	if (m->flags > XT_MULTIPORT_EITHER)
		return invert;
	for (unsigned i = 0; i < n; i++)
		dst |= p->dport >= v[i].lo && p->dport <= v[i].hi;
	if (m->flags == XT_MULTIPORT_DESTINATION || (dst && m->flags == XT_MULTIPORT_EITHER))
		return dst != invert;
	return ep_xt_need_in(a, &p->sport, ep_iv_of(a->w->arena, v, n), invert);
}

bool ep_xt_length(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_length_info *l = in->info;

	return ep_xt_need_field(a, "packet length", 16, 0xffff, l->min, l->max, l->invert);
}

/* The kernel lowers it between routing and the forward hook. */
static const char *ttl_name(struct ep_walk *w, bool v6)
{
	const char *name = v6 ? "ip6 hoplimit" : "ip ttl";
	bool lowered = !w->p.local_out &&
		       (w->hooknum == NF_INET_FORWARD || w->hooknum == NF_INET_POST_ROUTING);

	if (!w->hops && !lowered)
		return name;
	return ep_w_sprintf(w, "%s after %u hops", name, w->hops + lowered);
}

bool ep_xt_ttl(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct ipt_ttl_info *t = in->info;
	const char *name = ttl_name(a->w, in->v6);

	if (ep_xt_is_rewritten(a->w, "ttl"))
		return ep_xt_need_unknown(a, "depends on %s, which a rule rewrote", name);
	switch (t->mode) {
	case IPT_TTL_EQ:
	case IPT_TTL_NE:
		return ep_xt_need_field(a, name, 8, 0xff, t->ttl, t->ttl, t->mode == IPT_TTL_NE);
	case IPT_TTL_LT:
		return t->ttl && ep_xt_need_field(a, name, 8, 0xff, 0, t->ttl - 1u, false);
	case IPT_TTL_GT:
		return t->ttl < 255 && ep_xt_need_field(a, name, 8, 0xff, t->ttl + 1u, 255, false);
	}
	return false;
}

bool ep_xt_dscp(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_dscp_info *d = in->info;

	if (d->dscp > XT_DSCP_MAX)
		return d->invert;
	return ep_xt_need_field(a, "ip tos", 8, XT_DSCP_MASK, d->dscp << XT_DSCP_SHIFT,
				d->dscp << XT_DSCP_SHIFT, d->invert);
}

bool ep_xt_tos(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_tos_match_info *t = in->info;

	if (t->tos_value & ~t->tos_mask)
		return t->invert;
	return ep_xt_need_field(a, "ip tos", 8, t->tos_mask, t->tos_value, t->tos_value, t->invert);
}

static bool need_ecn_flag(struct ep_xt_and *a, const struct xt_ecn_info *e, unsigned op,
			  unsigned flag)
{
	if (!(e->operation & op))
		return true;
	return ep_xt_need_field(a, "tcp ecn flags", 8, flag, flag, flag, e->invert & op);
}

bool ep_xt_ecn(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_ecn_info *e = in->info;

	if (e->operation & XT_ECN_OP_MATCH_IP) {
		unsigned mask = XT_ECN_IP_MASK & 0xff;
		bool invert = e->invert & XT_ECN_OP_MATCH_IP;

		if (e->ip_ect & ~mask) {
			if (!invert)
				return false;
		} else if (!ep_xt_need_field(a, "ip tos", 8, mask, e->ip_ect, e->ip_ect, invert)) {
			return false;
		}
	}
	return need_ecn_flag(a, e, XT_ECN_OP_MATCH_ECE, 0x40) &&
	       need_ecn_flag(a, e, XT_ECN_OP_MATCH_CWR, 0x80);
}

bool ep_xt_tcpmss(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_tcpmss_match_info *m = in->info;

	return ep_xt_need_field(a, "tcp mss", 16, 0xffff, m->mss_min, m->mss_max, m->invert);
}

/* The packet has no extension headers: the only one found is TCP itself. */
bool ep_xt_ipv6header(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct ip6t_ipv6header_info *i = in->info;
	unsigned found = MASK_PROTO;

	(void)a;
	if (i->modeflag)
		return !((found ^ i->matchflags ^ i->invflags) & i->matchflags);
	return (found == i->matchflags) != !!i->invflags;
}
