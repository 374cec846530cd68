// SPDX-License-Identifier: GPL-2.0-or-later
/* Statements: verdicts, NAT, reject, log, limits, and extensions of xtables. */
#include "model/nft_text.h"

#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_log.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_synproxy.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <string.h>

struct flag {
	uint64_t bit;
	const char *text;
};

static const char *flags_text(struct ep_arena *a, uint64_t flags, const struct flag *names,
			      size_t n, const char *before, const char *between)
{
	const char *text = "";

	for (size_t i = 0; i < n; i++) {
		if (flags & names[i].bit)
			text = ep_sprintf(a, "%s%s%s", text, *text ? between : before,
					  names[i].text);
	}
	return text;
}

/* ---- verdicts ---- */

static const struct {
	int32_t code;
	const char *name;
} verdicts[] = {
	{NF_ACCEPT, "accept"},      {NF_DROP, "drop"},    {NF_QUEUE, "queue"},
	{NFT_RETURN, "return"},     {NFT_JUMP, "jump"},   {NFT_GOTO, "goto"},
	{NFT_CONTINUE, "continue"}, {NFT_BREAK, "break"},
};

void ep_text_put_verdict(struct ep_buf *out, const struct ep_verdict *v)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(verdicts); i++) {
		if (verdicts[i].code != (v->code < 0 ? v->code : v->code & NF_VERDICT_MASK))
			continue;
		ep_buf_puts(out, verdicts[i].name);
		if (v->chain) {
			ep_buf_puts(out, " ");
			ep_buf_put_escaped(out, v->chain, strlen(v->chain));
		}
		return;
	}
	ep_buf_printf(out, "[verdict %d]", v->code);
}

void ep_text_verdict(struct ep_nft_text *t, const struct ep_verdict *v)
{
	struct ep_buf b = {0};

	ep_text_put_verdict(&b, v);
	ep_text_add_buf(t, &b);
}

/* ---- NAT ---- */

static const char *nat_flags(struct ep_arena *a, uint64_t flags)
{
	static const struct flag names[] = {
		{NF_NAT_RANGE_PROTO_RANDOM, "random"},
		{NF_NAT_RANGE_PROTO_RANDOM_FULLY, "fully-random"},
		{NF_NAT_RANGE_PERSISTENT, "persistent"},
	};

	return flags_text(a, flags, names, EP_ARRAY_SIZE(names), " ", ",");
}

/* A constant is shown as type; what is computed, as its expression. */
static const char *reg_text(struct ep_nft_text *t, uint64_t reg, enum ep_nft_type type)
{
	struct ep_load *l = ep_text_at(t, reg);

	if (!l)
		return NULL;
	if (l->imm) {
		l->parts[0].type = type;
		l->parts[0].host = false;
	}
	return ep_text_of(t, l);
}

/* "a" or "a-b" of two register attributes; NULL if there is none of its own. */
static const char *range_text(struct ep_nft_text *t, const struct ep_expr *e, uint16_t min,
			      uint16_t max, enum ep_nft_type type)
{
	uint64_t lo = ep_attr_num(e, min, 0), hi = ep_attr_num(e, max, lo);
	const char *text = reg_text(t, lo, type), *end;

	if (!text || hi == lo)
		return text;
	end = reg_text(t, hi, type);
	return end && strcmp(end, text) ? ep_sprintf(t->a, "%s-%s", text, end) : text;
}

/* The protocol is said before a port that is looked up, though a field of it is the key. */
static void undo_drop(struct ep_nft_text *t, uint64_t reg)
{
	const struct ep_load *l = ep_text_at(t, reg);

	if (l && l->undo && !l->imm && !t->pieces.v[l->undo_piece])
		t->pieces.v[l->undo_piece] = l->undo;
}

/* " to ADDR:PORT"; either may be missing. */
static const char *to_text(struct ep_nft_text *t, const char *addr, const char *port, bool v6)
{
	const char *dash = addr && v6 ? strchr(addr, '-') : NULL;

	if (dash && port && !strchr(addr, ' '))
		return ep_sprintf(t->a, " to [%.*s]-[%s]:%s", (int)(dash - addr), addr, dash + 1,
				  port);
	if (addr && port && v6 && strchr(addr, ':') && !strchr(addr, ' '))
		return ep_sprintf(t->a, " to [%s]:%s", addr, port);
	if (addr && port)
		return ep_sprintf(t->a, " to %s:%s", addr, port);
	if (addr)
		return ep_sprintf(t->a, " to %s", addr);
	return port ? ep_sprintf(t->a, " to :%s", port) : "";
}

static const char *family_word(const struct ep_nft_text *t, uint64_t family)
{
	if (t->chain->table && t->chain->table->family != NFPROTO_INET)
		return "";
	return family == NFPROTO_IPV4 ? " ip" : family == NFPROTO_IPV6 ? " ip6" : "";
}

static void text_nat(struct ep_nft_text *t, const struct ep_expr *e)
{
	bool v6 = ep_attr_num(e, NFTA_NAT_FAMILY, 0) == NFPROTO_IPV6;
	uint64_t flags = ep_attr_num(e, NFTA_NAT_FLAGS, 0);
	const char *addr = range_text(t, e, NFTA_NAT_REG_ADDR_MIN, NFTA_NAT_REG_ADDR_MAX,
				      v6 ? EP_NFT_IP6ADDR : EP_NFT_IPADDR);
	const char *port =
		range_text(t, e, NFTA_NAT_REG_PROTO_MIN, NFTA_NAT_REG_PROTO_MAX, EP_NFT_SERVICE);

	const struct ep_load *l = ep_text_at(t, ep_attr_num(e, NFTA_NAT_REG_ADDR_MIN, 0));
	bool more = l && l->len > (v6 ? 16 : 4); /* a map to addresses with ports, or to ranges */

	undo_drop(t, ep_attr_num(e, NFTA_NAT_REG_PROTO_MIN, 0));
	ep_text_add(t, "%s%s%s%s%s",
		    ep_attr_num(e, NFTA_NAT_TYPE, 0) == NFT_NAT_SNAT ? "snat" : "dnat",
		    more ? v6 ? " ip6" : " ip" :
		    addr ? family_word(t, v6 ? NFPROTO_IPV6 : NFPROTO_IPV4) :
			   "",
		    flags & NF_NAT_RANGE_NETMAP ? " prefix" : "", to_text(t, addr, port, v6),
		    nat_flags(t->a, flags));
}

static void text_masq(struct ep_nft_text *t, const struct ep_expr *e)
{
	const char *port =
		range_text(t, e, NFTA_MASQ_REG_PROTO_MIN, NFTA_MASQ_REG_PROTO_MAX, EP_NFT_SERVICE);

	undo_drop(t, ep_attr_num(e, NFTA_MASQ_REG_PROTO_MIN, 0));
	ep_text_add(t, "masquerade%s%s", to_text(t, NULL, port, false),
		    nat_flags(t->a, ep_attr_num(e, NFTA_MASQ_FLAGS, 0)));
}

static void text_redir(struct ep_nft_text *t, const struct ep_expr *e)
{
	const char *port = range_text(t, e, NFTA_REDIR_REG_PROTO_MIN, NFTA_REDIR_REG_PROTO_MAX,
				      EP_NFT_SERVICE);

	undo_drop(t, ep_attr_num(e, NFTA_REDIR_REG_PROTO_MIN, 0));
	ep_text_add(t, "redirect%s%s", to_text(t, NULL, port, false),
		    nat_flags(t->a, ep_attr_num(e, NFTA_REDIR_FLAGS, 0)));
}

static void text_tproxy(struct ep_nft_text *t, const struct ep_expr *e)
{
	uint64_t family = ep_attr_num(e, NFTA_TPROXY_FAMILY, 0);
	uint64_t reg = ep_attr_num(e, NFTA_TPROXY_REG_ADDR, 0);
	struct ep_load *l = ep_text_at(t, reg);
	bool v6 = l && l->imm && l->len == 16;
	const char *addr = reg_text(t, reg, v6 ? EP_NFT_IP6ADDR : EP_NFT_IPADDR);
	const char *port = reg_text(t, ep_attr_num(e, NFTA_TPROXY_REG_PORT, 0), EP_NFT_SERVICE);

	ep_text_add(t, "tproxy%s%s", family_word(t, family), to_text(t, addr, port, v6));
}

/* ---- answers ---- */

static const char *icmp_code(uint64_t type, uint8_t l3, uint64_t code)
{
	static const char *const v4[] = {
		"net-unreachable",         "host-unreachable",     "prot-unreachable",
		"port-unreachable",        [9] = "net-prohibited", [10] = "host-prohibited",
		[13] = "admin-prohibited",
	};
	static const char *const v6[] = {
		"no-route",         "admin-prohibited", NULL,           "addr-unreachable",
		"port-unreachable", "policy-fail",      "reject-route",
	};
	static const char *const any[] = {
		[NFT_REJECT_ICMPX_NO_ROUTE] = "no-route",
		[NFT_REJECT_ICMPX_PORT_UNREACH] = "port-unreachable",
		[NFT_REJECT_ICMPX_HOST_UNREACH] = "host-unreachable",
		[NFT_REJECT_ICMPX_ADMIN_PROHIBITED] = "admin-prohibited",
	};

	if (type == NFT_REJECT_ICMPX_UNREACH)
		return code < EP_ARRAY_SIZE(any) ? any[code] : NULL;
	if (l3 == NFPROTO_IPV6)
		return code < EP_ARRAY_SIZE(v6) ? v6[code] : NULL;
	return code < EP_ARRAY_SIZE(v4) ? v4[code] : NULL;
}

static void text_reject(struct ep_nft_text *t, const struct ep_expr *e)
{
	uint64_t type = ep_attr_num(e, NFTA_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH);
	uint64_t code = ep_attr_num(e, NFTA_REJECT_ICMP_CODE, 0);
	const char *name = icmp_code(type, t->l3, code);

	if (type == NFT_REJECT_ICMP_UNREACH)
		ep_text_drop_implied(t, NFT_PAYLOAD_NETWORK_HEADER);
	if (type == NFT_REJECT_TCP_RST)
		ep_text_add(t, "reject with tcp reset");
	else if (name && !strcmp(name, "port-unreachable") &&
		 (type == NFT_REJECT_ICMPX_UNREACH || !ep_text_many_families(t)))
		ep_text_add(t, "reject");
	else
		ep_text_add(t, "reject with %s %s",
			    type == NFT_REJECT_ICMPX_UNREACH ? "icmpx" :
			    t->l3 == NFPROTO_IPV6            ? "icmpv6" :
							       "icmp",
			    name ? name : ep_sprintf(t->a, "%u", (unsigned)code));
}

static void text_synproxy(struct ep_nft_text *t, const struct ep_expr *e)
{
	uint64_t flags = ep_attr_num(e, NFTA_SYNPROXY_FLAGS, 0);

	ep_text_add(t, "synproxy");
	if (flags & NF_SYNPROXY_OPT_MSS)
		ep_text_add(t, "mss %u", (unsigned)ep_attr_num(e, NFTA_SYNPROXY_MSS, 0));
	if (flags & NF_SYNPROXY_OPT_WSCALE)
		ep_text_add(t, "wscale %u", (unsigned)ep_attr_num(e, NFTA_SYNPROXY_WSCALE, 0));
	if (flags & NF_SYNPROXY_OPT_TIMESTAMP)
		ep_text_add(t, "timestamp");
	if (flags & NF_SYNPROXY_OPT_SACK_PERM)
		ep_text_add(t, "sack-perm");
}

static void text_queue(struct ep_nft_text *t, const struct ep_expr *e)
{
	static const struct flag names[] = {
		{NFT_QUEUE_FLAG_BYPASS, "bypass"},
		{NFT_QUEUE_FLAG_CPU_FANOUT, "fanout"},
	};
	unsigned num = (unsigned)ep_attr_num(e, NFTA_QUEUE_NUM, 0);
	unsigned total = (unsigned)ep_attr_num(e, NFTA_QUEUE_TOTAL, 1);
	const char *flags = flags_text(t->a, ep_attr_num(e, NFTA_QUEUE_FLAGS, 0), names,
				       EP_ARRAY_SIZE(names), " flags ", ",");

	if (ep_attr_has(e, NFTA_QUEUE_SREG_QNUM))
		ep_text_unknown(t, e);
	else if (total > 1)
		ep_text_add(t, "queue%s to %u-%u", flags, num, num + total - 1);
	else
		ep_text_add(t, "queue%s to %u", flags, num);
}

/* ---- log and limits ---- */

static void text_log(struct ep_nft_text *t, const struct ep_expr *e)
{
	static const char *const levels[] = {"emerg",  "alert", "crit",  "err",  "warn",
					     "notice", "info",  "debug", "audit"};
	static const struct flag names[] = {
		{NF_LOG_IPOPT, "ip options"},
		{NF_LOG_UID, "skuid"},
		{NF_LOG_MACDECODE, "ether"},
	};
	static const struct flag tcp[] = {
		{NF_LOG_TCPSEQ, "sequence"},
		{NF_LOG_TCPOPT, "options"},
	};
	const char *prefix = ep_attr_str(e, NFTA_LOG_PREFIX);
	uint64_t level = ep_attr_num(e, NFTA_LOG_LEVEL, NFT_LOGLEVEL_WARNING);
	uint64_t flags = ep_attr_num(e, NFTA_LOG_FLAGS, 0);
	uint64_t group = ep_attr_num(e, NFTA_LOG_GROUP, 0);
	struct ep_buf b = {0};

	ep_buf_puts(&b, "log");
	if (prefix && *prefix) {
		ep_buf_puts(&b, " prefix ");
		ep_nft_put_quoted(&b, prefix, strlen(prefix));
	}
	if (ep_attr_has(e, NFTA_LOG_GROUP))
		ep_buf_printf(&b, " group %u", (unsigned)group);
	if (ep_attr_num(e, NFTA_LOG_SNAPLEN, 0))
		ep_buf_printf(&b, " snaplen %u", (unsigned)ep_attr_num(e, NFTA_LOG_SNAPLEN, 0));
	if (ep_attr_num(e, NFTA_LOG_QTHRESHOLD, 0))
		ep_buf_printf(&b, " queue-threshold %u",
			      (unsigned)ep_attr_num(e, NFTA_LOG_QTHRESHOLD, 0));
	if (level != NFT_LOGLEVEL_WARNING && level < EP_ARRAY_SIZE(levels))
		ep_buf_printf(&b, " level %s", levels[level]);
	if (flags == NF_LOG_MASK)
		ep_buf_puts(&b, " flags all");
	else
		ep_buf_printf(&b, "%s%s",
			      flags_text(t->a, flags, tcp, EP_ARRAY_SIZE(tcp), " flags tcp ", ","),
			      flags_text(t->a, flags, names, EP_ARRAY_SIZE(names), " flags ",
					 " flags "));
	ep_text_add_buf(t, &b);
}

static const char *time_unit(struct ep_arena *a, uint64_t seconds)
{
	static const struct {
		uint32_t seconds;
		const char *name;
	} units[] = {
		{1, "second"}, {60, "minute"}, {3600, "hour"}, {86400, "day"}, {604800, "week"},
	};

	for (size_t i = 0; i < EP_ARRAY_SIZE(units); i++) {
		if (units[i].seconds == seconds)
			return units[i].name;
	}
	return ep_sprintf(a, "%llu seconds", (unsigned long long)seconds);
}

static const char *bytes_text(struct ep_arena *a, uint64_t n)
{
	static const char *const units[] = {"bytes", "kbytes", "mbytes"};
	size_t i = 0;

	for (; i + 1 < EP_ARRAY_SIZE(units) && n && n % 1024 == 0; i++)
		n /= 1024;
	return ep_sprintf(a, "%llu %s", (unsigned long long)n, units[i]);
}

static void text_limit(struct ep_nft_text *t, const struct ep_expr *e)
{
	bool bytes = ep_attr_num(e, NFTA_LIMIT_TYPE, 0) == NFT_LIMIT_PKT_BYTES;
	bool over = ep_attr_num(e, NFTA_LIMIT_FLAGS, 0) & NFT_LIMIT_F_INV;
	uint64_t rate = ep_attr_num(e, NFTA_LIMIT_RATE, 0);
	uint64_t burst = ep_attr_num(e, NFTA_LIMIT_BURST, 0);
	uint64_t seconds = ep_attr_num(e, NFTA_LIMIT_UNIT, 1);
	const char *unit = time_unit(t->a, seconds);

	ep_text_add(t, "limit rate %s%s/%s", over ? "over " : "",
		    bytes ? bytes_text(t->a, rate) :
			    ep_sprintf(t->a, "%llu", (unsigned long long)rate),
		    unit);
	if (burst && bytes)
		ep_text_add(t, "burst %s", bytes_text(t->a, burst));
	else if (burst && burst != 5) /* what nft takes by itself */
		ep_text_add(t, "burst %llu packets", (unsigned long long)burst);
}

static void text_quota(struct ep_nft_text *t, const struct ep_expr *e)
{
	ep_text_add(t, "quota %s%s",
		    ep_attr_num(e, NFTA_QUOTA_FLAGS, 0) & NFT_QUOTA_F_INV ? "over " : "",
		    bytes_text(t->a, ep_attr_num(e, NFTA_QUOTA_BYTES, 0)));
}

static void text_connlimit(struct ep_nft_text *t, const struct ep_expr *e)
{
	ep_text_add(t, "ct count %s%u",
		    ep_attr_num(e, NFTA_CONNLIMIT_FLAGS, 0) & NFT_CONNLIMIT_F_INV ? "over " : "",
		    (unsigned)ep_attr_num(e, NFTA_CONNLIMIT_COUNT, 0));
}

/* ---- the rest ---- */

static void text_nothing(struct ep_nft_text *t, const struct ep_expr *e)
{
	(void)t;
	(void)e;
}

static void text_notrack(struct ep_nft_text *t, const struct ep_expr *e)
{
	(void)e;
	ep_text_add(t, "notrack");
}

static void text_flow(struct ep_nft_text *t, const struct ep_expr *e)
{
	const char *name = ep_attr_str(e, NFTA_FLOW_TABLE_NAME);

	ep_text_add(t, "flow add @%s", name ? ep_escape(t->a, name, strlen(name)) : "?");
}

/* "dup to ADDR device DEV", "fwd to DEV". */
static void copy_to(struct ep_nft_text *t, const char *what, const struct ep_expr *e,
		    uint16_t addr_nla, uint16_t dev_nla)
{
	bool is_fwd = !strcmp(what, "fwd");
	struct ep_load *addr = ep_text_at(t, ep_attr_num(e, addr_nla, 0));
	struct ep_load *dev = ep_text_at(t, ep_attr_num(e, dev_nla, 0));

	if (addr && addr->imm)
		addr->parts[0].type = addr->len == 16 ? EP_NFT_IP6ADDR : EP_NFT_IPADDR;
	if (dev && dev->imm) {
		dev->parts[0].type = EP_NFT_IFINDEX;
		dev->parts[0].host = true;
	}
	ep_text_add(t, "%s%s%s%s%s%s", what, addr && is_fwd ? addr->len == 16 ? " ip6" : " ip" : "",
		    addr ? " to " : "", addr ? ep_text_of(t, addr) : "",
		    !dev ? "" :
		    addr ? " device " :
			   " to ",
		    dev ? ep_text_of(t, dev) : "");
}

static void text_dup(struct ep_nft_text *t, const struct ep_expr *e)
{
	copy_to(t, "dup", e, NFTA_DUP_SREG_ADDR, NFTA_DUP_SREG_DEV);
}

static void text_fwd(struct ep_nft_text *t, const struct ep_expr *e)
{
	copy_to(t, "fwd", e, NFTA_FWD_SREG_ADDR, NFTA_FWD_SREG_DEV);
}

/* ---- xtables ---- */

static void xt_extension(struct ep_nft_text *t, const struct ep_expr *e, bool is_target)
{
	/* NFTA_TARGET_* and NFTA_MATCH_* have the same numbers. */
	struct ep_xt_ext x = {
		.name = ep_attr_str(e, NFTA_MATCH_NAME),
		.rev = (uint8_t)ep_attr_num(e, NFTA_MATCH_REV, 0),
	};
	struct ep_buf b = {0};
	const char *s;

	x.data = ep_attr_bytes(e, NFTA_MATCH_INFO, &x.len);
	if (!x.name || !x.data) {
		ep_text_unknown(t, e);
		return;
	}
	ep_xt_ext_text(&b, &x, is_target,
		       t->chain->table ? t->chain->table->family : NFPROTO_UNSPEC,
		       t->chain->table ? t->chain->table->ns : NULL);
	s = ep_buf_str(&b);
	ep_text_add(t, "%s", s + strspn(s, " "));
	ep_buf_free(&b);
}

static void text_match(struct ep_nft_text *t, const struct ep_expr *e)
{
	xt_extension(t, e, false);
}

static void text_target(struct ep_nft_text *t, const struct ep_expr *e)
{
	xt_extension(t, e, true);
}

const struct ep_nft_text_row ep_nft_text_statements[] = {
	{"counter", text_nothing},
	{"last", text_nothing},
	{"match", text_match},
	{"target", text_target},
	{"nat", text_nat},
	{"masq", text_masq},
	{"redir", text_redir},
	{"tproxy", text_tproxy},
	{"reject", text_reject},
	{"log", text_log},
	{"limit", text_limit},
	{"quota", text_quota},
	{"connlimit", text_connlimit},
	{"queue", text_queue},
	{"notrack", text_notrack},
	{"synproxy", text_synproxy},
	{"flow_offload", text_flow},
	{"dup", text_dup},
	{"fwd", text_fwd},
	{NULL, NULL},
};
