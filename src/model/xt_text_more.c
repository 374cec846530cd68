// SPDX-License-Identifier: GPL-2.0-or-later
/* Options of the less usual xt matches, after iptables' extensions/lib{xt,ipt,ip6t}_*.c. */
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_cgroup.h>
#include <linux/netfilter/xt_connbytes.h>
#include <linux/netfilter/xt_connlabel.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_cpu.h>
#include <linux/netfilter/xt_devgroup.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_helper.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_policy.h>
#include <linux/netfilter/xt_quota.h>
#include <linux/netfilter/xt_realm.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_rpfilter.h>
#include <linux/netfilter/xt_socket.h>
#include <linux/netfilter/xt_string.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter/xt_time.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>

#include "model/xt_text.h"

/* ---- rates ---- */

/* "3/min": as libxt_limit's print_rate(), period in 1/scale of a second. */
static void put_rate(struct ep_buf *b, uint64_t period, uint64_t scale)
{
	const struct {
		const char *name;
		uint64_t mult;
	} rates[] = {{"day", 86400 * scale},
		     {"hour", 3600 * scale},
		     {"min", 60 * scale},
		     {"sec", scale}};
	unsigned i;

	if (!period) {
		ep_buf_puts(b, " inf");
		return;
	}
	for (i = 1; i < EP_ARRAY_SIZE(rates); i++)
		if (period > rates[i].mult || rates[i].mult / period < rates[i].mult % period)
			break;
	ep_buf_printf(b, " %llu/%s", (unsigned long long)(rates[i - 1].mult / period),
		      rates[i - 1].name);
}

static void limit(const struct ep_xt_text *t)
{
	const struct xt_rateinfo *i = t->info;

	ep_buf_puts(t->b, " --limit");
	put_rate(t->b, i->avg, XT_LIMIT_SCALE);
	if (i->burst != 5) /* the default */
		ep_buf_printf(t->b, " --limit-burst %u", i->burst);
}

struct hashlimit {
	unsigned mode;
	uint64_t avg, burst, scale;
	unsigned srcmask, dstmask;
	const char *name;
	size_t name_len;
};

static struct hashlimit hashlimit_of(const struct ep_xt_text *t)
{
	const struct xt_hashlimit_mtinfo1 *v1 = t->info;
	const struct xt_hashlimit_mtinfo2 *v2 = t->info;
	const struct xt_hashlimit_mtinfo3 *v3 = t->info;

#define HASHLIMIT(v, s)                                                                         \
	((struct hashlimit){(v)->cfg.mode, (v)->cfg.avg, (v)->cfg.burst, (s), (v)->cfg.srcmask, \
			    (v)->cfg.dstmask, (v)->name, sizeof((v)->name)})
	return t->rev == 1 ? HASHLIMIT(v1, XT_HASHLIMIT_SCALE) :
	       t->rev == 2 ? HASHLIMIT(v2, XT_HASHLIMIT_SCALE_v2) :
			     HASHLIMIT(v3, XT_HASHLIMIT_SCALE_v2);
}

static void hashlimit(const struct ep_xt_text *t)
{
	static const struct ep_xt_word modes[] = {{XT_HASHLIMIT_HASH_SIP, "srcip"},
						  {XT_HASHLIMIT_HASH_SPT, "srcport"},
						  {XT_HASHLIMIT_HASH_DIP, "dstip"},
						  {XT_HASHLIMIT_HASH_DPT, "dstport"},
						  {0, NULL}};
	struct hashlimit h = hashlimit_of(t);
	unsigned full = t->v6 ? 128 : 32;

	ep_buf_printf(t->b, " --hashlimit-%s", h.mode & XT_HASHLIMIT_INVERT ? "above" : "upto");
	if (h.mode & (XT_HASHLIMIT_BYTES | XT_HASHLIMIT_RATE_MATCH))
		ep_buf_puts(t->b, " [bytes]");
	else
		put_rate(t->b, h.avg, h.scale);
	ep_buf_printf(t->b, " --hashlimit-burst %llu", (unsigned long long)h.burst);
	if (h.mode & (XT_HASHLIMIT_HASH_SIP | XT_HASHLIMIT_HASH_SPT | XT_HASHLIMIT_HASH_DIP |
		      XT_HASHLIMIT_HASH_DPT)) {
		ep_buf_puts(t->b, " --hashlimit-mode");
		ep_xt_put_bits(t->b, h.mode, modes);
	}
	ep_buf_puts(t->b, " --hashlimit-name");
	ep_xt_put_quoted(t->b, h.name, h.name_len);
	if (h.srcmask != full)
		ep_buf_printf(t->b, " --hashlimit-srcmask %u", h.srcmask);
	if (h.dstmask != full)
		ep_buf_printf(t->b, " --hashlimit-dstmask %u", h.dstmask);
}

static void connlimit(const struct ep_xt_text *t)
{
	const struct xt_connlimit_info *i = t->info;
	const uint8_t *m = (const uint8_t *)&i->mask;
	unsigned plen = 0;

	while (plen < (t->v6 ? 128 : 32) && m[plen / 8] & 0x80 >> plen % 8)
		plen++;
	ep_buf_printf(t->b, " --connlimit-%s %u --connlimit-mask %u --connlimit-%s",
		      i->flags & XT_CONNLIMIT_INVERT ? "upto" : "above", i->limit, plen,
		      i->flags & XT_CONNLIMIT_DADDR ? "daddr" : "saddr");
}

static void quota(const struct ep_xt_text *t)
{
	const struct xt_quota_info *i = t->info;

	ep_xt_put_not(t->b, i->flags & XT_QUOTA_INVERT);
	ep_buf_printf(t->b, " --quota %llu", (unsigned long long)i->quota);
}

static void recent(const struct ep_xt_text *t)
{
	static const struct ep_xt_word modes[] = {{XT_RECENT_SET, "--set"},
						  {XT_RECENT_CHECK, "--rcheck"},
						  {XT_RECENT_UPDATE, "--update"},
						  {XT_RECENT_REMOVE, "--remove"},
						  {0, NULL}};
	const struct xt_recent_mtinfo_v1 *i = t->info;

	ep_xt_put_not(t->b, i->invert);
	for (const struct ep_xt_word *w = modes; w->name; w++)
		if (i->check_set & w->value)
			ep_buf_printf(t->b, " %s", w->name);
	if (i->seconds)
		ep_buf_printf(t->b, " --seconds %u", i->seconds);
	if (i->check_set & XT_RECENT_REAP)
		ep_buf_puts(t->b, " --reap");
	if (i->hit_count)
		ep_buf_printf(t->b, " --hitcount %u", i->hit_count);
	if (i->check_set & XT_RECENT_TTL)
		ep_buf_puts(t->b, " --rttl");
	ep_buf_puts(t->b, " --name ");
	ep_buf_put_escaped(t->b, i->name, strnlen(i->name, sizeof(i->name)));
	if (t->rev >= 1) {
		ep_buf_puts(t->b, " --mask ");
		ep_xt_put_addr(t->b, &i->mask, t->v6);
	}
	ep_buf_puts(t->b, i->side == XT_RECENT_SOURCE ? " --rsource" : " --rdest");
}

static void connbytes(const struct ep_xt_text *t)
{
	static const char *const modes[] = {"packets", "bytes", "avgpkt"};
	static const char *const dirs[] = {"original", "reply", "both"};
	const struct xt_connbytes_info *i = t->info;
	bool invert = i->count.to < i->count.from;
	unsigned long long from = i->count.from, to = i->count.to;

	ep_xt_put_not(t->b, invert);
	ep_buf_printf(t->b, " --connbytes %llu", invert ? to : from);
	if (to && to != UINT64_MAX)
		ep_buf_printf(t->b, ":%llu", invert ? from : to);
	if (i->what < 3 && i->direction < 3)
		ep_buf_printf(t->b, " --connbytes-mode %s --connbytes-dir %s", modes[i->what],
			      dirs[i->direction]);
}

/* ---- devices and sockets ---- */

static void mac(const struct ep_xt_text *t)
{
	const struct xt_mac_info *i = t->info;
	const unsigned char *m = i->srcaddr;

	ep_xt_put_not(t->b, i->invert);
	ep_buf_printf(t->b, " --mac-source %02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
		      m[4], m[5]);
}

static void pkttype(const struct ep_xt_text *t)
{
	static const char *const types[] = {"unicast", "broadcast", "multicast"};
	const struct xt_pkttype_info *i = t->info;

	ep_xt_put_not(t->b, i->invert);
	if (i->pkttype >= 0 && i->pkttype < 3)
		ep_buf_printf(t->b, " --pkt-type %s", types[i->pkttype]);
	else
		ep_buf_printf(t->b, " --pkt-type %d", i->pkttype);
}

static void devgroup(const struct ep_xt_text *t)
{
	const struct xt_devgroup_info *i = t->info;

	if (i->flags & XT_DEVGROUP_MATCH_SRC) {
		ep_xt_put_not(t->b, i->flags & XT_DEVGROUP_INVERT_SRC);
		ep_xt_put_mark(t->b, "--src-group", i->src_group, i->src_mask);
	}
	if (i->flags & XT_DEVGROUP_MATCH_DST) {
		ep_xt_put_not(t->b, i->flags & XT_DEVGROUP_INVERT_DST);
		ep_xt_put_mark(t->b, "--dst-group", i->dst_group, i->dst_mask);
	}
}

static void put_flags(struct ep_buf *b, unsigned flags, const struct ep_xt_word *words)
{
	for (; words->name; words++)
		if (flags & words->value)
			ep_buf_printf(b, " --%s", words->name);
}

static void rpfilter(const struct ep_xt_text *t)
{
	static const struct ep_xt_word words[] = {{XT_RPFILTER_LOOSE, "loose"},
						  {XT_RPFILTER_VALID_MARK, "validmark"},
						  {XT_RPFILTER_ACCEPT_LOCAL, "accept-local"},
						  {XT_RPFILTER_INVERT, "invert"},
						  {0, NULL}};

	put_flags(t->b, ((const struct xt_rpfilter_info *)t->info)->flags, words);
}

static void put_socket(const struct ep_xt_text *t)
{
	static const struct ep_xt_word words[] = {{XT_SOCKET_TRANSPARENT, "transparent"},
						  {XT_SOCKET_NOWILDCARD, "nowildcard"},
						  {XT_SOCKET_RESTORESKMARK, "restore-skmark"},
						  {0, NULL}};

	put_flags(t->b, ((const struct xt_socket_mtinfo1 *)t->info)->flags, words);
}

static void cgroup0(const struct ep_xt_text *t)
{
	const struct xt_cgroup_info_v0 *i = t->info;

	ep_xt_put_not(t->b, i->invert);
	ep_buf_printf(t->b, " --cgroup %u", i->id);
}

static void cgroup2(const struct ep_xt_text *t)
{
	const struct xt_cgroup_info_v2 *i = t->info;

	if (i->has_path) {
		ep_xt_put_not(t->b, i->invert_path);
		ep_buf_puts(t->b, " --path");
		ep_xt_put_quoted(t->b, i->path, sizeof(i->path));
	} else {
		ep_xt_put_not(t->b, i->invert_classid);
		ep_buf_printf(t->b, " --cgroup %u", i->classid);
	}
}

static void policy(const struct ep_xt_text *t)
{
	const struct xt_policy_info *i = t->info;

	ep_buf_printf(t->b, " --dir %s --pol %s", i->flags & XT_POLICY_MATCH_IN ? "in" : "out",
		      i->flags & XT_POLICY_MATCH_NONE ? "none" : "ipsec");
	if (i->flags & XT_POLICY_MATCH_STRICT)
		ep_buf_puts(t->b, " --strict");
	for (unsigned k = 0; k < i->len && k < XT_POLICY_MAX_ELEM; k++) {
		const struct xt_policy_elem *e = &i->pol[k];

		if (e->match.reqid) {
			ep_xt_put_not(t->b, e->invert.reqid);
			ep_buf_printf(t->b, " --reqid %u", e->reqid);
		}
		if (e->match.proto) {
			ep_xt_put_not(t->b, e->invert.proto);
			ep_buf_printf(t->b, " --proto %s",
				      e->proto == IPPROTO_ESP ? "esp" :
				      e->proto == IPPROTO_AH  ? "ah" :
								"ipcomp");
		}
		if (e->match.mode) {
			ep_xt_put_not(t->b, e->invert.mode);
			ep_buf_printf(t->b, " --mode %s",
				      e->mode == XT_POLICY_MODE_TUNNEL ? "tunnel" : "transport");
		}
	}
}

/* ---- header fields ---- */

static void length(const struct ep_xt_text *t)
{
	const struct xt_length_info *i = t->info;

	ep_xt_put_not(t->b, i->invert);
	ep_buf_puts(t->b, " --length ");
	ep_xt_put_range(t->b, i->min, i->max, ":");
}

static void ttl(const struct ep_xt_text *t)
{
	static const char *const modes[] = {"eq", "eq", "lt", "gt"};
	const struct ipt_ttl_info *i = t->info;

	ep_xt_put_not(t->b, i->mode == IPT_TTL_NE);
	if (i->mode < EP_ARRAY_SIZE(modes))
		ep_buf_printf(t->b, " --%s-%s %u", t->v6 ? "hl" : "ttl", modes[i->mode], i->ttl);
}

static void dscp(const struct ep_xt_text *t)
{
	const struct xt_dscp_info *i = t->info;

	ep_xt_put_not(t->b, i->invert);
	ep_buf_printf(t->b, " --dscp 0x%02x", i->dscp);
}

static void tos(const struct ep_xt_text *t)
{
	const struct xt_tos_match_info *i = t->info;

	ep_xt_put_not(t->b, i->invert);
	ep_buf_printf(t->b, " --tos 0x%02x/0x%02x", i->tos_value, i->tos_mask);
}

static void ecn(const struct ep_xt_text *t)
{
	const struct xt_ecn_info *i = t->info;

	if (i->operation & XT_ECN_OP_MATCH_ECE) {
		ep_xt_put_not(t->b, i->invert & XT_ECN_OP_MATCH_ECE);
		ep_buf_puts(t->b, " --ecn-tcp-ece");
	}
	if (i->operation & XT_ECN_OP_MATCH_CWR) {
		ep_xt_put_not(t->b, i->invert & XT_ECN_OP_MATCH_CWR);
		ep_buf_puts(t->b, " --ecn-tcp-cwr");
	}
	if (i->operation & XT_ECN_OP_MATCH_IP) {
		ep_xt_put_not(t->b, i->invert & XT_ECN_OP_MATCH_IP);
		ep_buf_printf(t->b, " --ecn-ip-ect %u", i->ip_ect);
	}
}

static void tcpmss(const struct ep_xt_text *t)
{
	const struct xt_tcpmss_match_info *i = t->info;

	ep_xt_put_not(t->b, i->invert);
	ep_buf_puts(t->b, " --mss ");
	ep_xt_put_range(t->b, i->mss_min, i->mss_max, ":");
}

static void realm(const struct ep_xt_text *t)
{
	const struct xt_realm_info *i = t->info;

	ep_xt_put_not(t->b, i->invert);
	ep_xt_put_mark(t->b, "--realm", i->id, i->mask);
}

static void put_string(const struct ep_xt_text *t)
{
	const struct xt_string_info *i = t->info;
	bool invert = t->rev ? i->u.v1.flags & XT_STRING_FLAG_INVERT : i->u.v0.invert;
	size_t n = i->patlen < sizeof(i->pattern) ? i->patlen : sizeof(i->pattern);
	bool text = true;

	for (size_t k = 0; k < n; k++)
		text &= i->pattern[k] >= 0x20 && i->pattern[k] < 0x7f;
	ep_xt_put_not(t->b, invert);
	if (text) {
		ep_buf_puts(t->b, " --string");
		ep_xt_put_quoted(t->b, i->pattern, n);
	} else {
		ep_buf_puts(t->b, " --hex-string \"|");
		for (size_t k = 0; k < n; k++)
			ep_buf_printf(t->b, "%02x", (unsigned char)i->pattern[k]);
		ep_buf_puts(t->b, "|\"");
	}
	ep_buf_puts(t->b, " --algo ");
	ep_buf_put_escaped(t->b, i->algo, strnlen(i->algo, sizeof(i->algo)));
	if (i->from_offset)
		ep_buf_printf(t->b, " --from %u", i->from_offset);
	if (i->to_offset && i->to_offset != 0xffff)
		ep_buf_printf(t->b, " --to %u", i->to_offset);
	if (t->rev && i->u.v1.flags & XT_STRING_FLAG_IGNORECASE)
		ep_buf_puts(t->b, " --icase");
}

/* ---- others ---- */

static void helper(const struct ep_xt_text *t)
{
	const struct xt_helper_info *i = t->info;

	ep_xt_put_not(t->b, i->invert);
	ep_buf_puts(t->b, " --helper");
	ep_xt_put_quoted(t->b, i->name, sizeof(i->name));
}

static void connlabel(const struct ep_xt_text *t)
{
	const struct xt_connlabel_mtinfo *i = t->info;

	ep_xt_put_not(t->b, i->options & XT_CONNLABEL_OP_INVERT);
	ep_buf_printf(t->b, " --label \"%u\"%s", i->bit,
		      i->options & XT_CONNLABEL_OP_SET ? " --set" : "");
}

static void cpu(const struct ep_xt_text *t)
{
	const struct xt_cpu_info *i = t->info;

	ep_xt_put_not(t->b, i->invert);
	ep_buf_printf(t->b, " --cpu %u", i->cpu);
}

static void put_daytime(struct ep_buf *b, const char *option, unsigned s)
{
	ep_buf_printf(b, " %s %02u:%02u:%02u", option, s / 3600, s / 60 % 60, s % 60);
}

static void put_time(const struct ep_xt_text *t)
{
	static const struct ep_xt_word days[] = {{1 << 1, "Mon"}, {1 << 2, "Tue"}, {1 << 3, "Wed"},
						 {1 << 4, "Thu"}, {1 << 5, "Fri"}, {1 << 6, "Sat"},
						 {1 << 7, "Sun"}, {0, NULL}};
	const struct xt_time_info *i = t->info;

	if (i->daytime_start != XT_TIME_MIN_DAYTIME || i->daytime_stop != XT_TIME_MAX_DAYTIME) {
		put_daytime(t->b, "--timestart", i->daytime_start);
		put_daytime(t->b, "--timestop", i->daytime_stop);
	}
	if (i->monthdays_match != XT_TIME_ALL_MONTHDAYS)
		ep_buf_printf(t->b, " [days of the month 0x%x]", i->monthdays_match);
	if (i->weekdays_match != XT_TIME_ALL_WEEKDAYS) {
		ep_buf_puts(t->b, " --weekdays");
		ep_xt_put_bits(t->b, i->weekdays_match, days);
	}
	if (i->date_start || i->date_stop != INT32_MAX)
		ep_buf_printf(t->b, " [from %u to %u]", i->date_start, i->date_stop);
	if (i->flags & XT_TIME_LOCAL_TZ)
		ep_buf_puts(t->b, " --kerneltz");
	if (i->flags & XT_TIME_CONTIGUOUS)
		ep_buf_puts(t->b, " --contiguous");
}

#define SIZE(T) sizeof(struct T)

const struct ep_xt_text_row ep_xt_text_unusual[] = {
	{"limit", 0, 0, SIZE(xt_rateinfo), 0, limit},
	{"hashlimit", 1, 1, SIZE(xt_hashlimit_mtinfo1), 0, hashlimit},
	{"hashlimit", 2, 2, SIZE(xt_hashlimit_mtinfo2), 0, hashlimit},
	{"hashlimit", 3, 3, SIZE(xt_hashlimit_mtinfo3), 0, hashlimit},
	{"connlimit", 1, 1, SIZE(xt_connlimit_info), 0, connlimit},
	{"quota", 0, 0, SIZE(xt_quota_info), 0, quota},
	{"recent", 0, 0, SIZE(xt_recent_mtinfo), 0, recent},
	{"recent", 1, 1, SIZE(xt_recent_mtinfo_v1), 0, recent},
	{"connbytes", 0, 0, SIZE(xt_connbytes_info), 0, connbytes},
	{"mac", 0, 0, SIZE(xt_mac_info), 0, mac},
	{"pkttype", 0, 0, SIZE(xt_pkttype_info), 0, pkttype},
	{"devgroup", 0, 0, SIZE(xt_devgroup_info), 0, devgroup},
	{"rpfilter", 0, 0, SIZE(xt_rpfilter_info), 0, rpfilter},
	{"socket", 0, 0, 0, 0, NULL},
	{"socket", 1, 3, SIZE(xt_socket_mtinfo1), 0, put_socket},
	{"cgroup", 0, 0, SIZE(xt_cgroup_info_v0), 0, cgroup0},
	{"cgroup", 2, 2, SIZE(xt_cgroup_info_v2), 0, cgroup2},
	{"policy", 0, 0, SIZE(xt_policy_info), 0, policy},
	{"length", 0, 0, SIZE(xt_length_info), 0, length},
	{"ttl", 0, 0, SIZE(ipt_ttl_info), 0, ttl},
	{"hl", 0, 0, SIZE(ipt_ttl_info), 0, ttl},
	{"dscp", 0, 0, SIZE(xt_dscp_info), 0, dscp},
	{"tos", 1, 1, SIZE(xt_tos_match_info), 0, tos},
	{"ecn", 0, 0, SIZE(xt_ecn_info), 0, ecn},
	{"tcpmss", 0, 0, SIZE(xt_tcpmss_match_info), 0, tcpmss},
	{"realm", 0, 0, SIZE(xt_realm_info), 0, realm},
	{"string", 0, 1, SIZE(xt_string_info), 0, put_string},
	{"helper", 0, 0, SIZE(xt_helper_info), 0, helper},
	{"connlabel", 0, 0, SIZE(xt_connlabel_mtinfo), 0, connlabel},
	{"eui64", 0, 0, 0, 0, NULL},
	{"cpu", 0, 0, SIZE(xt_cpu_info), 0, cpu},
	{"time", 0, 0, SIZE(xt_time_info), 0, put_time},
	{NULL, 0, 0, 0, 0, NULL},
};
