// SPDX-License-Identifier: GPL-2.0-or-later
/* Options of the xt targets, after iptables' extensions/lib{xt,ipt,ip6t}_*.c. */
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_synproxy.h>
#include <linux/netfilter/xt_AUDIT.h>
#include <linux/netfilter/xt_CLASSIFY.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_DSCP.h>
#include <linux/netfilter/xt_IDLETIMER.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_TEE.h>
#include <linux/netfilter/xt_TPROXY.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter_ipv4/ipt_ECN.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv6/ip6t_REJECT.h>

#include "model/xt_text.h"

/* ---- NAT ---- */

/* One form for all revisions; base is 0 before revision 2. */
static struct nf_nat_range2 range_of(const struct ep_xt_text *t)
{
	const struct nf_nat_ipv4_multi_range_compat *v4 = t->info;
	struct nf_nat_range2 r = {};

	if (t->rev == 0 && !t->v6) {
		r.flags = v4->range[0].flags;
		r.min_addr.ip = v4->range[0].min_ip;
		r.max_addr.ip = v4->range[0].max_ip;
		r.min_proto = v4->range[0].min;
		r.max_proto = v4->range[0].max;
	} else {
		memcpy(&r, t->info,
		       t->rev >= 2 ? sizeof(r) : offsetof(struct nf_nat_range2, base_proto));
	}
	return r;
}

static void put_nat_ports(struct ep_buf *b, const struct nf_nat_range2 *r)
{
	ep_xt_put_range(b, ntohs(r->min_proto.all), ntohs(r->max_proto.all), "-");
	if (r->flags & NF_NAT_RANGE_PROTO_OFFSET)
		ep_buf_printf(b, "/%u", ntohs(r->base_proto.all));
}

static void put_nat_flags(struct ep_buf *b, unsigned flags)
{
	if (flags & NF_NAT_RANGE_PROTO_RANDOM)
		ep_buf_puts(b, " --random");
	if (flags & NF_NAT_RANGE_PROTO_RANDOM_FULLY)
		ep_buf_puts(b, " --random-fully");
	if (flags & NF_NAT_RANGE_PERSISTENT)
		ep_buf_puts(b, " --persistent");
}

static void put_nat(const struct ep_xt_text *t, const char *option)
{
	struct nf_nat_range2 r = range_of(t);
	bool port = r.flags & NF_NAT_RANGE_PROTO_SPECIFIED, bracket = t->v6 && port;

	ep_buf_printf(t->b, " %s ", option);
	if (r.flags & NF_NAT_RANGE_MAP_IPS) {
		ep_buf_puts(t->b, bracket ? "[" : "");
		ep_xt_put_addr(t->b, &r.min_addr, t->v6);
		if (memcmp(&r.min_addr, &r.max_addr, t->v6 ? 16 : 4)) {
			ep_buf_puts(t->b, "-");
			ep_xt_put_addr(t->b, &r.max_addr, t->v6);
		}
		ep_buf_puts(t->b, bracket ? "]" : "");
	}
	if (port) {
		ep_buf_puts(t->b, ":");
		put_nat_ports(t->b, &r);
	}
	put_nat_flags(t->b, r.flags);
}

static void dnat(const struct ep_xt_text *t)
{
	put_nat(t, "--to-destination");
}

static void snat(const struct ep_xt_text *t)
{
	put_nat(t, "--to-source");
}

static void to_ports(const struct ep_xt_text *t)
{
	struct nf_nat_range2 r = range_of(t);

	if (r.flags & NF_NAT_RANGE_PROTO_SPECIFIED) {
		ep_buf_puts(t->b, " --to-ports ");
		put_nat_ports(t->b, &r);
	}
	put_nat_flags(t->b, r.flags);
}

static void netmap(const struct ep_xt_text *t)
{
	struct nf_nat_range2 r = range_of(t);
	union nf_inet_addr mask = {};

	for (int i = 0; i < 4; i++)
		mask.all[i] = ~(r.min_addr.all[i] ^ r.max_addr.all[i]);
	ep_buf_puts(t->b, " --to ");
	ep_xt_put_net(t->b, &r.min_addr, &mask, t->v6);
}

static void tproxy(const struct ep_xt_text *t)
{
	const struct xt_tproxy_target_info *v0 = t->info;
	const struct xt_tproxy_target_info_v1 *v1 = t->info;

	ep_buf_printf(t->b, " --on-port %u --on-ip ", ntohs(t->rev ? v1->lport : v0->lport));
	ep_xt_put_addr(t->b, t->rev ? (const void *)&v1->laddr : &v0->laddr, t->rev && t->v6);
	ep_buf_printf(t->b, " --tproxy-mark 0x%x/0x%x", v1->mark_value, v1->mark_mask);
}

/* ---- marks and conntrack ---- */

static void mark(const struct ep_xt_text *t)
{
	const struct xt_mark_tginfo2 *i = t->info;

	ep_buf_printf(t->b, " --set-xmark 0x%x/0x%x", i->mark, i->mask);
}

static void connmark(const struct ep_xt_text *t)
{
	const struct xt_connmark_tginfo1 *v1 = t->info;
	const struct xt_connmark_tginfo2 *i = t->info;
	unsigned mode = t->rev < 2 ? v1->mode : i->mode;

	if (mode == XT_CONNMARK_SET)
		ep_buf_printf(t->b, " --set-xmark 0x%x/0x%x", i->ctmark, i->ctmask);
	else
		ep_buf_printf(t->b, " --%s-mark --nfmask 0x%x --ctmask 0x%x",
			      mode == XT_CONNMARK_SAVE ? "save" : "restore", i->nfmask, i->ctmask);
	if (t->rev >= 2 && i->shift_bits)
		ep_buf_printf(t->b, " --%s-shift-mark %u",
			      i->shift_dir == D_SHIFT_LEFT ? "left" : "right", i->shift_bits);
}

static void ct(const struct ep_xt_text *t)
{
	static const struct ep_xt_word ct_events[] = {{1 << IPCT_NEW, "new"},
						      {1 << IPCT_RELATED, "related"},
						      {1 << IPCT_DESTROY, "destroy"},
						      {1 << IPCT_REPLY, "reply"},
						      {1 << IPCT_ASSURED, "assured"},
						      {1 << IPCT_PROTOINFO, "protoinfo"},
						      {1 << IPCT_HELPER, "helper"},
						      {1 << IPCT_MARK, "mark"},
						      {1 << IPCT_NATSEQADJ, "natseqinfo"},
						      {1 << IPCT_SECMARK, "secmark"},
						      {0, NULL}};
	static const struct ep_xt_word expect_events[] = {{1 << IPEXP_NEW, "new"}, {0, NULL}};
	const struct xt_ct_target_info_v1 *i = t->info;
	const char *zone = i->flags & XT_CT_ZONE_DIR_ORIG ? "--zone-orig" :
			   i->flags & XT_CT_ZONE_DIR_REPL ? "--zone-reply" :
							    "--zone";

	if ((i->flags & (XT_CT_NOTRACK | XT_CT_NOTRACK_ALIAS)) == XT_CT_NOTRACK)
		ep_buf_puts(t->b, " --notrack");
	if (i->helper[0]) {
		ep_buf_puts(t->b, " --helper");
		ep_xt_put_quoted(t->b, i->helper, sizeof(i->helper));
	}
	if (t->rev >= 1 && i->timeout[0]) {
		ep_buf_puts(t->b, " --timeout");
		ep_xt_put_quoted(t->b, i->timeout, sizeof(i->timeout));
	}
	if (i->ct_events) {
		ep_buf_puts(t->b, " --ctevents");
		ep_xt_put_bits(t->b, i->ct_events, ct_events);
	}
	if (i->exp_events) {
		ep_buf_puts(t->b, " --expevents");
		ep_xt_put_bits(t->b, i->exp_events, expect_events);
	}
	if (i->flags & XT_CT_ZONE_MARK)
		ep_buf_printf(t->b, " %s mark", zone);
	else if (i->zone)
		ep_buf_printf(t->b, " %s %u", zone, i->zone);
}

static void classify(const struct ep_xt_text *t)
{
	const struct xt_classify_target_info *i = t->info;

	ep_buf_printf(t->b, " --set-class %04x:%04x", i->priority >> 16, i->priority & 0xffff);
}

/* ---- verdicts ---- */

static void reject4(const struct ep_xt_text *t)
{
	static const char *const names[] = {
		[IPT_ICMP_NET_UNREACHABLE] = "icmp-net-unreachable",
		[IPT_ICMP_HOST_UNREACHABLE] = "icmp-host-unreachable",
		[IPT_ICMP_PROT_UNREACHABLE] = "icmp-proto-unreachable",
		[IPT_ICMP_PORT_UNREACHABLE] = "icmp-port-unreachable",
		[IPT_ICMP_ECHOREPLY] = "echo-reply",
		[IPT_ICMP_NET_PROHIBITED] = "icmp-net-prohibited",
		[IPT_ICMP_HOST_PROHIBITED] = "icmp-host-prohibited",
		[IPT_TCP_RESET] = "tcp-reset",
		[IPT_ICMP_ADMIN_PROHIBITED] = "icmp-admin-prohibited",
	};
	uint32_t with = *(const uint32_t *)t->info;

	ep_buf_printf(t->b, " --reject-with %s", with < EP_ARRAY_SIZE(names) ? names[with] : "?");
}

static void reject6(const struct ep_xt_text *t)
{
	static const char *const names[] = {
		[IP6T_ICMP6_NO_ROUTE] = "icmp6-no-route",
		[IP6T_ICMP6_ADM_PROHIBITED] = "icmp6-adm-prohibited",
		[IP6T_ICMP6_NOT_NEIGHBOUR] = "icmp6-not-neighbour",
		[IP6T_ICMP6_ADDR_UNREACH] = "icmp6-addr-unreachable",
		[IP6T_ICMP6_PORT_UNREACH] = "icmp6-port-unreachable",
		[IP6T_ICMP6_ECHOREPLY] = "icmp6-echoreply",
		[IP6T_TCP_RESET] = "tcp-reset",
		[IP6T_ICMP6_POLICY_FAIL] = "icmp6-policy-fail",
		[IP6T_ICMP6_REJECT_ROUTE] = "icmp6-reject-route",
	};
	const struct ip6t_reject_info *i = t->info;

	ep_buf_printf(t->b, " --reject-with %s",
		      i->with < EP_ARRAY_SIZE(names) ? names[i->with] : "?");
}

static void nfqueue(const struct ep_xt_text *t)
{
	const struct xt_NFQ_info_v3 *i = t->info;

	if (t->rev >= 1 && i->queues_total > 1)
		ep_buf_printf(t->b, " --queue-balance %u:%u", i->queuenum,
			      i->queuenum + i->queues_total - 1);
	else
		ep_buf_printf(t->b, " --queue-num %u", i->queuenum);
	if (t->rev >= 2 && i->flags & NFQ_FLAG_BYPASS)
		ep_buf_puts(t->b, " --queue-bypass");
	if (t->rev >= 3 && i->flags & NFQ_FLAG_CPU_FANOUT)
		ep_buf_puts(t->b, " --queue-cpu-fanout");
}

/* ---- logs and header fields ---- */

static void put_log(const struct ep_xt_text *t)
{
	static const struct ep_xt_word flags[] = {
		{XT_LOG_TCPSEQ, "--log-tcp-sequence"}, {XT_LOG_TCPOPT, "--log-tcp-options"},
		{XT_LOG_IPOPT, "--log-ip-options"},    {XT_LOG_UID, "--log-uid"},
		{XT_LOG_MACDECODE, "--log-macdecode"}, {0, NULL}};
	const struct xt_log_info *i = t->info;

	if (i->prefix[0]) {
		ep_buf_puts(t->b, " --log-prefix");
		ep_xt_put_quoted(t->b, i->prefix, sizeof(i->prefix));
	}
	if (i->level != 4) /* the default, LOG_WARNING */
		ep_buf_printf(t->b, " --log-level %u", i->level);
	for (const struct ep_xt_word *w = flags; w->name; w++)
		if (i->logflags & w->value)
			ep_buf_printf(t->b, " %s", w->name);
}

static void put_nflog(const struct ep_xt_text *t, size_t prefix_size)
{
	const struct ep_xt_nflog *i = t->info; /* begins as struct xt_nflog_info */

	if (i->prefix[0]) {
		ep_buf_puts(t->b, " --nflog-prefix");
		ep_xt_put_quoted(t->b, i->prefix, prefix_size);
	}
	if (i->group)
		ep_buf_printf(t->b, " --nflog-group %u", i->group);
	if (i->flags & XT_NFLOG_F_COPY_LEN)
		ep_buf_printf(t->b, " --nflog-size %u", i->len);
	else if (i->len)
		ep_buf_printf(t->b, " --nflog-range %u", i->len);
	if (i->threshold != XT_NFLOG_DEFAULT_THRESHOLD)
		ep_buf_printf(t->b, " --nflog-threshold %u", i->threshold);
}

static void nflog(const struct ep_xt_text *t)
{
	put_nflog(t, sizeof(((struct xt_nflog_info *)NULL)->prefix));
}

static void nflog_nft(const struct ep_xt_text *t)
{
	put_nflog(t, sizeof(((struct ep_xt_nflog *)NULL)->prefix));
}

static void audit(const struct ep_xt_text *t)
{
	static const char *const types[] = {"accept", "drop", "reject"};
	const struct xt_audit_info *i = t->info;

	if (i->type < EP_ARRAY_SIZE(types))
		ep_buf_printf(t->b, " --type %s", types[i->type]);
}

static void dscp(const struct ep_xt_text *t)
{
	ep_buf_printf(t->b, " --set-dscp 0x%02x", ((const struct xt_DSCP_info *)t->info)->dscp);
}

static void tos(const struct ep_xt_text *t)
{
	const struct xt_tos_target_info *i = t->info;

	ep_buf_printf(t->b, " --set-tos 0x%02x/0x%02x", i->tos_value, i->tos_mask);
}

static void ttl(const struct ep_xt_text *t)
{
	static const char *const modes[] = {"set", "inc", "dec"};
	const struct ep_xt_ttl *i = t->info;

	if (i->mode < EP_ARRAY_SIZE(modes))
		ep_buf_printf(t->b, " --%s-%s %u", t->v6 ? "hl" : "ttl", modes[i->mode], i->ttl);
}

static void tcpmss(const struct ep_xt_text *t)
{
	const struct xt_tcpmss_info *i = t->info;

	if (i->mss == XT_TCPMSS_CLAMP_PMTU)
		ep_buf_puts(t->b, " --clamp-mss-to-pmtu");
	else
		ep_buf_printf(t->b, " --set-mss %u", i->mss);
}

static void checksum(const struct ep_xt_text *t)
{
	ep_buf_puts(t->b, " --checksum-fill");
}

static void tee(const struct ep_xt_text *t)
{
	const struct xt_tee_tginfo *i = t->info;

	ep_buf_puts(t->b, " --gateway ");
	ep_xt_put_addr(t->b, &i->gw, t->v6);
	if (i->oif[0]) {
		ep_buf_puts(t->b, " --oif ");
		ep_buf_put_escaped(t->b, i->oif, strnlen(i->oif, sizeof(i->oif)));
	}
}

static void ecn(const struct ep_xt_text *t)
{
	const struct ipt_ECN_info *i = t->info;
	unsigned tcp = i->operation & (IPT_ECN_OP_SET_ECE | IPT_ECN_OP_SET_CWR);

	if (tcp)
		ep_buf_puts(t->b, " --ecn-tcp-remove");
	if (i->operation & IPT_ECN_OP_SET_IP)
		ep_buf_printf(t->b, " --ecn-ip-ect %u", i->ip_ect);
}

static void idletimer(const struct ep_xt_text *t)
{
	const struct idletimer_tg_info *i = t->info;

	ep_buf_printf(t->b, " --timeout %u --label ", i->timeout);
	ep_buf_put_escaped(t->b, i->label, strnlen(i->label, sizeof(i->label)));
}

static void synproxy(const struct ep_xt_text *t)
{
	const struct nf_synproxy_info *i = t->info;

	if (i->options & NF_SYNPROXY_OPT_SACK_PERM)
		ep_buf_puts(t->b, " --sack-perm");
	if (i->options & NF_SYNPROXY_OPT_TIMESTAMP)
		ep_buf_puts(t->b, " --timestamp");
	if (i->options & NF_SYNPROXY_OPT_WSCALE)
		ep_buf_printf(t->b, " --wscale %u", i->wscale);
	if (i->options & NF_SYNPROXY_OPT_MSS)
		ep_buf_printf(t->b, " --mss %u", i->mss);
	if (i->options & NF_SYNPROXY_OPT_ECN)
		ep_buf_puts(t->b, " --ecn");
}

static void put_change(const struct ep_xt_text *t, const char *option, const struct xt_set_info *s)
{
	if (s->index != IPSET_INVALID_ID)
		ep_xt_put_set(t, option, s->index, s->dim, s->flags);
}

static void set(const struct ep_xt_text *t)
{
	const struct xt_set_info_target_v3 *v3 = t->info;
	const struct xt_set_info_target_v2 *v2 = t->info;

	put_change(t, "--add-set", &v3->add_set);
	if (t->rev >= 2 && (t->rev == 2 ? v2->flags : v3->flags) & IPSET_FLAG_EXIST)
		ep_buf_puts(t->b, " --exist");
	if (t->rev >= 2 && (t->rev == 2 ? v2->timeout : v3->timeout) != UINT32_MAX)
		ep_buf_printf(t->b, " --timeout %u", t->rev == 2 ? v2->timeout : v3->timeout);
	put_change(t, "--del-set", &v3->del_set);
	if (t->rev < 3)
		return;
	put_change(t, "--map-set", &v3->map_set);
	if (v3->flags & IPSET_FLAG_MAP_SKBMARK)
		ep_buf_puts(t->b, " --map-mark");
	if (v3->flags & IPSET_FLAG_MAP_SKBPRIO)
		ep_buf_puts(t->b, " --map-prio");
	if (v3->flags & IPSET_FLAG_MAP_SKBQUEUE)
		ep_buf_puts(t->b, " --map-queue");
}

#define SIZE(T)  sizeof(struct T)
#define V4_RANGE SIZE(nf_nat_ipv4_multi_range_compat)
#define RANGE    SIZE(nf_nat_range)
#define RANGE2   SIZE(nf_nat_range2)

const struct ep_xt_text_row ep_xt_text_targets[] = {
	{"DNAT", 0, 0, V4_RANGE, AF_INET, dnat},
	{"DNAT", 1, 1, RANGE, 0, dnat},
	{"DNAT", 2, 2, RANGE2, 0, dnat},
	{"SNAT", 0, 0, V4_RANGE, AF_INET, snat},
	{"SNAT", 1, 1, RANGE, 0, snat},
	{"SNAT", 2, 2, RANGE2, 0, snat},
	{"REDIRECT", 0, 0, V4_RANGE, AF_INET, to_ports},
	{"REDIRECT", 0, 0, RANGE, AF_INET6, to_ports},
	{"MASQUERADE", 0, 0, V4_RANGE, AF_INET, to_ports},
	{"MASQUERADE", 0, 0, RANGE, AF_INET6, to_ports},
	{"NETMAP", 0, 0, V4_RANGE, AF_INET, netmap},
	{"NETMAP", 0, 0, RANGE, AF_INET6, netmap},
	{"TPROXY", 0, 0, SIZE(xt_tproxy_target_info), AF_INET, tproxy},
	{"TPROXY", 1, 1, SIZE(xt_tproxy_target_info_v1), 0, tproxy},
	{"MARK", 2, 2, SIZE(xt_mark_tginfo2), 0, mark},
	{"CONNMARK", 1, 1, SIZE(xt_connmark_tginfo1), 0, connmark},
	{"CONNMARK", 2, 2, SIZE(xt_connmark_tginfo2), 0, connmark},
	{"CT", 0, 0, SIZE(xt_ct_target_info), 0, ct},
	{"CT", 1, 2, SIZE(xt_ct_target_info_v1), 0, ct},
	{"NOTRACK", 0, 0, 0, 0, NULL},
	{"CLASSIFY", 0, 0, SIZE(xt_classify_target_info), 0, classify},
	{"REJECT", 0, 0, SIZE(ipt_reject_info), AF_INET, reject4},
	{"REJECT", 0, 0, SIZE(ip6t_reject_info), AF_INET6, reject6},
	{"NFQUEUE", 0, 0, SIZE(xt_NFQ_info), 0, nfqueue},
	{"NFQUEUE", 1, 1, SIZE(xt_NFQ_info_v1), 0, nfqueue},
	{"NFQUEUE", 2, 2, SIZE(xt_NFQ_info_v2), 0, nfqueue},
	{"NFQUEUE", 3, 3, SIZE(xt_NFQ_info_v3), 0, nfqueue},
	{"LOG", 0, 0, SIZE(xt_log_info), 0, put_log},
	{"NFLOG", 0, 0, SIZE(xt_nflog_info), 0, nflog},
	{"NFLOG", 0, 0, SIZE(ep_xt_nflog), 0, nflog_nft},
	{"TRACE", 0, 0, 0, 0, NULL},
	{"AUDIT", 0, 0, SIZE(xt_audit_info), 0, audit},
	{"DSCP", 0, 0, SIZE(xt_DSCP_info), 0, dscp},
	{"TOS", 1, 1, SIZE(xt_tos_target_info), 0, tos},
	{"TTL", 0, 0, SIZE(ep_xt_ttl), AF_INET, ttl},
	{"HL", 0, 0, SIZE(ep_xt_ttl), AF_INET6, ttl},
	{"TCPMSS", 0, 0, SIZE(xt_tcpmss_info), 0, tcpmss},
	{"CHECKSUM", 0, 0, 0, 0, checksum},
	{"TEE", 1, 1, SIZE(xt_tee_tginfo), 0, tee},
	{"ECN", 0, 0, SIZE(ipt_ECN_info), AF_INET, ecn},
	{"IDLETIMER", 0, 0, SIZE(idletimer_tg_info), 0, idletimer},
	{"SYNPROXY", 0, 0, SIZE(nf_synproxy_info), 0, synproxy},
	{"SET", 1, 1, SIZE(xt_set_info_target_v1), 0, set},
	{"SET", 2, 2, SIZE(xt_set_info_target_v2), 0, set},
	{"SET", 3, 3, SIZE(xt_set_info_target_v3), 0, set},
	{NULL, 0, 0, 0, 0, NULL},
};
