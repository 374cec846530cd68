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

#include "walk/bytes.h"
#include "walk/xt.h"

static bool need_port(struct ep_xt_and *a, const struct ep_val *v, const __u16 range[2],
		      bool invert)
{
	return ep_xt_need_range(a, v, range[0], range[1], invert);
}

static bool need_flags(struct ep_xt_and *a, const struct xt_tcp *t)
{
	struct ep_byte b;

	if (!ep_pkt_byte(a->w, EP_AT_TCP, 13, &b))
		return false;
	b = ep_byte_and_xor(b, t->flg_mask, 0);
	return ep_xt_need_bytes(a, &b, &t->flg_cmp, &t->flg_cmp, 1, t->invflags & XT_TCP_INV_FLAGS);
}

/* tcp_mt() looks for the option's number alone. */
static bool has_option(struct ep_walk *w, const void *info)
{
	const struct xt_tcp *t = info;

	return ep_pkt_option(w, t->option) != !!(t->invflags & XT_TCP_INV_OPTION);
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
	return !t->option || ep_xt_need_test(a, has_option, t, sizeof(*t));
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
	struct ep_val v = ep_pkt_len(a->w);

	return ep_xt_need_range(a, &v, l->min, l->max, l->invert);
}

static bool ttl_between(struct ep_xt_and *a, const struct ep_xt_in *in, unsigned lo, unsigned hi,
			bool invert)
{
	uint8_t x = (uint8_t)lo, y = (uint8_t)hi;
	struct ep_byte b;

	return ep_pkt_byte(a->w, EP_AT_NET, in->v6 ? 7 : 8, &b) &&
	       ep_xt_need_bytes(a, &b, &x, &y, 1, invert);
}

bool ep_xt_ttl(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct ipt_ttl_info *t = in->info;

	switch (t->mode) {
	case IPT_TTL_EQ:
	case IPT_TTL_NE:
		return ttl_between(a, in, t->ttl, t->ttl, t->mode == IPT_TTL_NE);
	case IPT_TTL_LT:
		return t->ttl && ttl_between(a, in, 0, t->ttl - 1u, false);
	case IPT_TTL_GT:
		return t->ttl < 255 && ttl_between(a, in, t->ttl + 1u, 255, false);
	}
	return false;
}

/* IPv4's TOS, or IPv6's traffic class between version and flow label. */
static bool need_tos(struct ep_xt_and *a, const struct ep_xt_in *in, uint8_t mask, uint8_t want,
		     bool invert)
{
	uint8_t x[2] = {want >> 4, (uint8_t)(want << 4)};
	struct ep_byte b[2];

	if (want & ~mask)
		return invert;
	if (!in->v6) {
		if (!ep_pkt_byte(a->w, EP_AT_NET, 1, b))
			return false;
		b[0] = ep_byte_and_xor(b[0], mask, 0);
		return ep_xt_need_bytes(a, b, &want, &want, 1, invert);
	}
	if (!ep_pkt_bytes(a->w, EP_AT_NET, 0, 2, b))
		return false;
	b[0] = ep_byte_and_xor(b[0], mask >> 4, 0);
	b[1] = ep_byte_and_xor(b[1], (uint8_t)(mask << 4), 0);
	return ep_xt_need_bytes(a, b, x, x, 2, invert);
}

bool ep_xt_dscp(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_dscp_info *d = in->info;

	if (d->dscp > XT_DSCP_MAX)
		return d->invert;
	return need_tos(a, in, XT_DSCP_MASK, (uint8_t)(d->dscp << XT_DSCP_SHIFT), d->invert);
}

bool ep_xt_tos(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_tos_match_info *t = in->info;

	return need_tos(a, in, t->tos_mask, t->tos_value, t->invert);
}

static bool need_ecn_flag(struct ep_xt_and *a, const struct xt_ecn_info *e, unsigned op,
			  uint8_t flag)
{
	struct ep_byte b;

	if (!(e->operation & op))
		return true;
	if (!ep_pkt_byte(a->w, EP_AT_TCP, 13, &b))
		return false;
	b = ep_byte_and_xor(b, flag, 0);
	return ep_xt_need_bytes(a, &b, &flag, &flag, 1, e->invert & op);
}

bool ep_xt_ecn(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_ecn_info *e = in->info;

	if (e->operation & XT_ECN_OP_MATCH_IP &&
	    !need_tos(a, in, XT_ECN_IP_MASK & 0xff, e->ip_ect, e->invert & XT_ECN_OP_MATCH_IP))
		return false;
	return need_ecn_flag(a, e, XT_ECN_OP_MATCH_ECE, 0x40) &&
	       need_ecn_flag(a, e, XT_ECN_OP_MATCH_CWR, 0x80);
}

/* Without the option (tcpmss_mt()) it does not match, inverted or not. */
static bool has_mss(struct ep_walk *w, const void *info)
{
	const struct xt_tcpmss_match_info *m = info;
	uint8_t lo[2] = {m->mss_min >> 8, m->mss_min & 0xff};
	uint8_t hi[2] = {m->mss_max >> 8, m->mss_max & 0xff};
	struct ep_byte b[2];

	if (!ep_pkt_option(w, 2) || !ep_pkt_option_byte(w, 2, 2, &b[0]) ||
	    !ep_pkt_option_byte(w, 2, 3, &b[1]))
		return false;
	return ep_bytes_between(w, b, lo, hi, 2) != !!m->invert;
}

bool ep_xt_tcpmss(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	return ep_xt_need_test(a, has_mss, in->info, sizeof(struct xt_tcpmss_match_info));
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
