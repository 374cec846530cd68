// SPDX-License-Identifier: GPL-2.0-or-later
/* Options of the xt matches that everyday rulesets use, after iptables' extensions/lib{xt,ipt,ip6t}_*.c;
 * the rest is in xt_text_more.c. */
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_owner.h>
#include <linux/netfilter/xt_physdev.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_tcpudp.h>

#include "model/xt_text.h"

/* ---- ports ---- */

static void put_ports(struct ep_buf *b, const char *option, const __u16 p[2], bool invert)
{
	if (p[0] == 0 && p[1] == 0xffff && !invert)
		return;
	ep_xt_put_not(b, invert);
	ep_buf_printf(b, " --%s ", option);
	ep_xt_put_range(b, p[0], p[1], ":");
}

static void put_tcp_flags(struct ep_buf *b, unsigned flags)
{
	static const struct ep_xt_word names[] = {{0x01, "FIN"}, {0x02, "SYN"}, {0x04, "RST"},
						  {0x08, "PSH"}, {0x10, "ACK"}, {0x20, "URG"},
						  {0, NULL}};

	if (flags & 0x3f)
		ep_xt_put_bits(b, flags, names);
	else
		ep_buf_puts(b, " NONE");
}

static void tcp(const struct ep_xt_text *t)
{
	const struct xt_tcp *i = t->info;
	bool inv_option = i->invflags & XT_TCP_INV_OPTION;

	put_ports(t->b, "sport", i->spts, i->invflags & XT_TCP_INV_SRCPT);
	put_ports(t->b, "dport", i->dpts, i->invflags & XT_TCP_INV_DSTPT);
	if (i->option || inv_option) {
		ep_xt_put_not(t->b, inv_option);
		ep_buf_printf(t->b, " --tcp-option %u", i->option);
	}
	if (i->flg_mask || i->invflags & XT_TCP_INV_FLAGS) {
		ep_xt_put_not(t->b, i->invflags & XT_TCP_INV_FLAGS);
		ep_buf_puts(t->b, " --tcp-flags");
		put_tcp_flags(t->b, i->flg_mask);
		put_tcp_flags(t->b, i->flg_cmp);
	}
}

static void udp(const struct ep_xt_text *t)
{
	const struct xt_udp *i = t->info;

	put_ports(t->b, "sport", i->spts, i->invflags & XT_UDP_INV_SRCPT);
	put_ports(t->b, "dport", i->dpts, i->invflags & XT_UDP_INV_DSTPT);
}

static void icmp(const struct ep_xt_text *t)
{
	const struct ep_xt_icmp *i = t->info;

	ep_xt_put_not(t->b, i->invflags & 1);
	ep_buf_printf(t->b, " --%s", t->v6 ? "icmpv6-type" : "icmp-type");
	if (!t->v6 && i->type == 0xff)
		ep_buf_puts(t->b, " any");
	else
		ep_buf_printf(t->b, " %u", i->type);
	if (i->type != 0xff && (i->code[0] || i->code[1] != 0xff))
		ep_buf_printf(t->b, "/%u", i->code[0]);
}

static void multiport(const struct ep_xt_text *t)
{
	static const char *const options[] = {"sports", "dports", "ports"};
	const struct xt_multiport_v1 *i = t->info;

	ep_xt_put_not(t->b, t->rev >= 1 && i->invert);
	ep_buf_printf(t->b, " --%s ", i->flags < EP_ARRAY_SIZE(options) ? options[i->flags] : "?");
	for (unsigned k = 0; k < i->count && k < XT_MULTI_PORTS; k++) {
		ep_buf_printf(t->b, "%s%u", k ? "," : "", i->ports[k]);
		if (t->rev >= 1 && i->pflags[k] && k + 1 < XT_MULTI_PORTS)
			ep_buf_printf(t->b, ":%u", i->ports[++k]);
	}
}

/* ---- addresses ---- */

static const struct ep_xt_word addr_types[] = {{XT_ADDRTYPE_UNSPEC, "UNSPEC"},
					       {XT_ADDRTYPE_UNICAST, "UNICAST"},
					       {XT_ADDRTYPE_LOCAL, "LOCAL"},
					       {XT_ADDRTYPE_BROADCAST, "BROADCAST"},
					       {XT_ADDRTYPE_ANYCAST, "ANYCAST"},
					       {XT_ADDRTYPE_MULTICAST, "MULTICAST"},
					       {XT_ADDRTYPE_BLACKHOLE, "BLACKHOLE"},
					       {XT_ADDRTYPE_UNREACHABLE, "UNREACHABLE"},
					       {XT_ADDRTYPE_PROHIBIT, "PROHIBIT"},
					       {XT_ADDRTYPE_THROW, "THROW"},
					       {XT_ADDRTYPE_NAT, "NAT"},
					       {XT_ADDRTYPE_XRESOLVE, "XRESOLVE"},
					       {0, NULL}};

static void put_addr_type(struct ep_buf *b, const char *option, unsigned types, bool invert)
{
	if (!types)
		return;
	ep_xt_put_not(b, invert);
	ep_buf_printf(b, " %s", option);
	ep_xt_put_bits(b, types, addr_types);
}

static void addrtype(const struct ep_xt_text *t)
{
	const struct xt_addrtype_info *v0 = t->info;
	const struct xt_addrtype_info_v1 *i = t->info;
	bool rev1 = t->rev >= 1;

	put_addr_type(t->b, "--src-type", i->source,
		      rev1 ? i->flags & XT_ADDRTYPE_INVERT_SOURCE : v0->invert_source);
	put_addr_type(t->b, "--dst-type", i->dest,
		      rev1 ? i->flags & XT_ADDRTYPE_INVERT_DEST : v0->invert_dest);
	if (rev1 && i->flags & XT_ADDRTYPE_LIMIT_IFACE_IN)
		ep_buf_puts(t->b, " --limit-iface-in");
	if (rev1 && i->flags & XT_ADDRTYPE_LIMIT_IFACE_OUT)
		ep_buf_puts(t->b, " --limit-iface-out");
}

static void put_iprange(const struct ep_xt_text *t, const char *option, const void *min,
			const void *max, bool invert)
{
	ep_xt_put_not(t->b, invert);
	ep_buf_printf(t->b, " %s ", option);
	ep_xt_put_addr(t->b, min, t->v6);
	ep_buf_puts(t->b, "-");
	ep_xt_put_addr(t->b, max, t->v6);
}

static void iprange(const struct ep_xt_text *t)
{
	const struct xt_iprange_mtinfo *i = t->info;

	if (i->flags & IPRANGE_SRC)
		put_iprange(t, "--src-range", &i->src_min, &i->src_max, i->flags & IPRANGE_SRC_INV);
	if (i->flags & IPRANGE_DST)
		put_iprange(t, "--dst-range", &i->dst_min, &i->dst_max, i->flags & IPRANGE_DST_INV);
}

static void put_set(const struct ep_xt_text *t, const struct xt_set_info *s, unsigned flags)
{
	ep_xt_put_not(t->b, s->flags & IPSET_INV_MATCH);
	ep_xt_put_set(t, "--match-set", s->index, s->dim, s->flags);
	if (flags & IPSET_FLAG_RETURN_NOMATCH)
		ep_buf_puts(t->b, " --return-nomatch");
	if (flags & IPSET_FLAG_SKIP_COUNTER_UPDATE)
		ep_buf_puts(t->b, " ! --update-counters");
	if (flags & IPSET_FLAG_SKIP_SUBCOUNTER_UPDATE)
		ep_buf_puts(t->b, " ! --update-subcounters");
}

static void put_set_counter(struct ep_buf *b, const char *what, unsigned op, uint64_t value)
{
	static const char *const ops[] = {NULL, "eq", "eq", "lt", "gt"};

	if (op >= EP_ARRAY_SIZE(ops) || !ops[op])
		return;
	ep_xt_put_not(b, op == IPSET_COUNTER_NE);
	ep_buf_printf(b, " --%s-%s %llu", what, ops[op], (unsigned long long)value);
}

static void set(const struct ep_xt_text *t)
{
	const struct xt_set_info_match_v3 *v3 = t->info;
	const struct xt_set_info_match_v4 *v4 = t->info;

	if (t->rev < 3)
		put_set(t, &v3->match_set,
			v3->match_set.flags & IPSET_RETURN_NOMATCH ? IPSET_FLAG_RETURN_NOMATCH : 0);
	else
		put_set(t, &v3->match_set, t->rev == 3 ? v3->flags : v4->flags);
	if (t->rev == 3) {
		put_set_counter(t->b, "packets", v3->packets.op, v3->packets.value);
		put_set_counter(t->b, "bytes", v3->bytes.op, v3->bytes.value);
	} else if (t->rev >= 4) {
		put_set_counter(t->b, "packets", v4->packets.op, v4->packets.value);
		put_set_counter(t->b, "bytes", v4->bytes.op, v4->bytes.value);
	}
}

/* ---- conntrack and marks ---- */

static const struct ep_xt_word ct_states[] = {{XT_CONNTRACK_STATE_INVALID, "INVALID"},
					      {XT_CONNTRACK_STATE_BIT(IP_CT_NEW), "NEW"},
					      {XT_CONNTRACK_STATE_BIT(IP_CT_RELATED), "RELATED"},
					      {XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED),
					       "ESTABLISHED"},
					      {XT_CONNTRACK_STATE_UNTRACKED, "UNTRACKED"},
					      {XT_CONNTRACK_STATE_SNAT, "SNAT"},
					      {XT_CONNTRACK_STATE_DNAT, "DNAT"},
					      {0, NULL}};

static void put_ct_addr(const struct ep_xt_text *t, const char *option, unsigned flag,
			const void *addr, const void *mask)
{
	const struct xt_conntrack_mtinfo3 *i = t->info;
	static const uint8_t full[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	if (!(i->match_flags & flag))
		return;
	ep_xt_put_not(t->b, i->invert_flags & flag);
	ep_buf_printf(t->b, " %s ", option);
	if (memcmp(mask, full, t->v6 ? 16 : 4))
		ep_xt_put_net(t->b, addr, mask, t->v6);
	else
		ep_xt_put_addr(t->b, addr, t->v6);
}

static void put_ct_port(const struct ep_xt_text *t, const char *option, unsigned flag, uint16_t lo,
			uint16_t hi)
{
	const struct xt_conntrack_mtinfo3 *i = t->info;

	if (!(i->match_flags & flag))
		return;
	ep_xt_put_not(t->b, i->invert_flags & flag);
	ep_buf_printf(t->b, " %s ", option);
	if (t->rev < 3)
		lo = hi = ntohs(lo);
	ep_xt_put_range(t->b, lo, hi, ":");
}

static void put_ct_tuples(const struct ep_xt_text *t)
{
	const struct xt_conntrack_mtinfo3 *i = t->info;

	put_ct_addr(t, "--ctorigsrc", XT_CONNTRACK_ORIGSRC, &i->origsrc_addr, &i->origsrc_mask);
	put_ct_addr(t, "--ctorigdst", XT_CONNTRACK_ORIGDST, &i->origdst_addr, &i->origdst_mask);
	put_ct_addr(t, "--ctreplsrc", XT_CONNTRACK_REPLSRC, &i->replsrc_addr, &i->replsrc_mask);
	put_ct_addr(t, "--ctrepldst", XT_CONNTRACK_REPLDST, &i->repldst_addr, &i->repldst_mask);
	put_ct_port(t, "--ctorigsrcport", XT_CONNTRACK_ORIGSRC_PORT, i->origsrc_port,
		    i->origsrc_port_high);
	put_ct_port(t, "--ctorigdstport", XT_CONNTRACK_ORIGDST_PORT, i->origdst_port,
		    i->origdst_port_high);
	put_ct_port(t, "--ctreplsrcport", XT_CONNTRACK_REPLSRC_PORT, i->replsrc_port,
		    i->replsrc_port_high);
	put_ct_port(t, "--ctrepldstport", XT_CONNTRACK_REPLDST_PORT, i->repldst_port,
		    i->repldst_port_high);
}

static void put_ct_status(struct ep_buf *b, unsigned status)
{
	static const struct ep_xt_word words[] = {{IPS_EXPECTED, "EXPECTED"},
						  {IPS_SEEN_REPLY, "SEEN_REPLY"},
						  {IPS_ASSURED, "ASSURED"},
						  {IPS_CONFIRMED, "CONFIRMED"},
						  {0, NULL}};

	ep_buf_puts(b, " --ctstatus");
	if (status)
		ep_xt_put_bits(b, status, words);
	else
		ep_buf_puts(b, " NONE");
}

static void conntrack(const struct ep_xt_text *t)
{
	const struct xt_conntrack_mtinfo1 *v1 = t->info;
	const struct xt_conntrack_mtinfo3 *i = t->info;
	unsigned m = i->match_flags, inv = i->invert_flags;

	if (m & XT_CONNTRACK_STATE) {
		ep_xt_put_not(t->b, inv & XT_CONNTRACK_STATE);
		ep_buf_puts(t->b, m & XT_CONNTRACK_STATE_ALIAS ? " --state" : " --ctstate");
		ep_xt_put_bits(t->b, t->rev == 1 ? v1->state_mask : i->state_mask, ct_states);
	}
	if (m & XT_CONNTRACK_PROTO) {
		ep_xt_put_not(t->b, inv & XT_CONNTRACK_PROTO);
		ep_buf_printf(t->b, " --ctproto %u", i->l4proto);
	}
	put_ct_tuples(t);
	if (m & XT_CONNTRACK_STATUS) {
		ep_xt_put_not(t->b, inv & XT_CONNTRACK_STATUS);
		put_ct_status(t->b, t->rev == 1 ? v1->status_mask : i->status_mask);
	}
	if (m & XT_CONNTRACK_EXPIRES) {
		ep_xt_put_not(t->b, inv & XT_CONNTRACK_EXPIRES);
		ep_buf_puts(t->b, " --ctexpire ");
		ep_xt_put_range(t->b, i->expires_min, i->expires_max, ":");
	}
	if (m & XT_CONNTRACK_DIRECTION)
		ep_buf_printf(t->b, " --ctdir %s",
			      inv & XT_CONNTRACK_DIRECTION ? "REPLY" : "ORIGINAL");
}

static void state(const struct ep_xt_text *t)
{
	static const struct ep_xt_word words[] = {{XT_STATE_INVALID, "INVALID"},
						  {XT_STATE_BIT(IP_CT_NEW), "NEW"},
						  {XT_STATE_BIT(IP_CT_RELATED), "RELATED"},
						  {XT_STATE_BIT(IP_CT_ESTABLISHED), "ESTABLISHED"},
						  {XT_STATE_UNTRACKED, "UNTRACKED"},
						  {0, NULL}};

	ep_buf_puts(t->b, " --state");
	ep_xt_put_bits(t->b, ((const struct xt_state_info *)t->info)->statemask, words);
}

static void mark(const struct ep_xt_text *t)
{
	const struct xt_mark_mtinfo1 *i = t->info;

	ep_xt_put_not(t->b, i->invert);
	ep_xt_put_mark(t->b, "--mark", i->mark, i->mask);
}

/* ---- the rest of what container and cloud tools write ---- */

static void comment(const struct ep_xt_text *t)
{
	ep_buf_puts(t->b, " --comment");
	ep_xt_put_quoted(t->b, t->info, sizeof(struct xt_comment_info));
}

static void statistic(const struct ep_xt_text *t)
{
	const struct xt_statistic_info *i = t->info;
	bool random = i->mode == XT_STATISTIC_MODE_RANDOM;

	ep_buf_printf(t->b, " --mode %s", random ? "random" : "nth");
	ep_xt_put_not(t->b, i->flags & XT_STATISTIC_INVERT);
	if (random)
		ep_buf_printf(t->b, " --probability %.11f",
			      i->u.random.probability / (double)0x80000000u);
	else
		ep_buf_printf(t->b, " --every %llu --packet %u", i->u.nth.every + 1ull,
			      i->u.nth.packet);
}

static void put_id(const struct ep_xt_text *t, const char *option, unsigned flag, unsigned lo,
		   unsigned hi)
{
	const struct xt_owner_match_info *i = t->info;

	if (!(i->match & flag))
		return;
	ep_xt_put_not(t->b, i->invert & flag);
	ep_buf_printf(t->b, " %s ", option);
	ep_xt_put_range(t->b, lo, hi, "-");
}

static void owner(const struct ep_xt_text *t)
{
	const struct xt_owner_match_info *i = t->info;

	if (i->match & XT_OWNER_SOCKET) {
		ep_xt_put_not(t->b, i->invert & XT_OWNER_SOCKET);
		ep_buf_puts(t->b, " --socket-exists");
	}
	put_id(t, "--uid-owner", XT_OWNER_UID, i->uid_min, i->uid_max);
	put_id(t, "--gid-owner", XT_OWNER_GID, i->gid_min, i->gid_max);
	if (i->match & XT_OWNER_SUPPL_GROUPS)
		ep_buf_puts(t->b, " --suppl-groups");
}

static void put_physdev(const struct ep_xt_text *t, unsigned flag, const char *option,
			const char *name, const char *mask)
{
	const struct xt_physdev_info *i = t->info;

	if (!(i->bitmask & flag))
		return;
	ep_xt_put_not(t->b, i->invert & flag);
	ep_buf_printf(t->b, " %s", option);
	if (name)
		ep_xt_put_iface(t->b, name, (const uint8_t *)mask);
}

static void physdev(const struct ep_xt_text *t)
{
	const struct xt_physdev_info *i = t->info;

	put_physdev(t, XT_PHYSDEV_OP_ISIN, "--physdev-is-in", NULL, NULL);
	put_physdev(t, XT_PHYSDEV_OP_IN, "--physdev-in", i->physindev, i->in_mask);
	put_physdev(t, XT_PHYSDEV_OP_ISOUT, "--physdev-is-out", NULL, NULL);
	put_physdev(t, XT_PHYSDEV_OP_OUT, "--physdev-out", i->physoutdev, i->out_mask);
	put_physdev(t, XT_PHYSDEV_OP_BRIDGED, "--physdev-is-bridged", NULL, NULL);
}

#define SIZE(T) sizeof(struct T)

const struct ep_xt_text_row ep_xt_text_usual[] = {
	{"tcp", 0, 0, SIZE(xt_tcp), 0, tcp},
	{"udp", 0, 0, SIZE(xt_udp), 0, udp},
	{"udplite", 0, 0, SIZE(xt_udp), 0, udp},
	{"icmp", 0, 0, SIZE(ep_xt_icmp), 0, icmp},
	{"icmp6", 0, 0, SIZE(ep_xt_icmp), 0, icmp},
	{"multiport", 0, 0, SIZE(xt_multiport), 0, multiport},
	{"multiport", 1, 1, SIZE(xt_multiport_v1), 0, multiport},
	{"comment", 0, 0, SIZE(xt_comment_info), 0, comment},
	{"addrtype", 0, 0, SIZE(xt_addrtype_info), 0, addrtype},
	{"addrtype", 1, 1, SIZE(xt_addrtype_info_v1), 0, addrtype},
	{"conntrack", 1, 1, SIZE(xt_conntrack_mtinfo1), 0, conntrack},
	{"conntrack", 2, 2, SIZE(xt_conntrack_mtinfo2), 0, conntrack},
	{"conntrack", 3, 3, SIZE(xt_conntrack_mtinfo3), 0, conntrack},
	{"state", 0, 0, SIZE(xt_state_info), 0, state},
	{"mark", 1, 1, SIZE(xt_mark_mtinfo1), 0, mark},
	{"connmark", 1, 1, SIZE(xt_connmark_mtinfo1), 0, mark},
	{"statistic", 0, 0, SIZE(xt_statistic_info), 0, statistic},
	{"set", 1, 2, SIZE(xt_set_info_match_v1), 0, set},
	{"set", 3, 3, SIZE(xt_set_info_match_v3), 0, set},
	{"set", 4, 4, SIZE(xt_set_info_match_v4), 0, set},
	{"iprange", 1, 1, SIZE(xt_iprange_mtinfo), 0, iprange},
	{"owner", 1, 1, SIZE(xt_owner_match_info), 0, owner},
	{"physdev", 0, 0, SIZE(xt_physdev_info), 0, physdev},
	{NULL, 0, 0, 0, 0, NULL},
};
