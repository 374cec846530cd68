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
#include <linux/netfilter/xt_quota.h>
#include <linux/netfilter/xt_realm.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_rpfilter.h>
#include <linux/netfilter/xt_socket.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>

#include "model/xt_text.h"

/* ---- rates ---- */

/* libxt_hashlimit's own defaults: milliseconds, and seconds of rates in bytes. */
#define HASHLIMIT_BYTE_EXPIRE       15
#define HASHLIMIT_BYTE_EXPIRE_BURST 60
#define HASHLIMIT_GC_INTERVAL       1000

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

/* The newest configuration, which the older ones are put into; their fields are the same. */
struct hashlimit {
	struct hashlimit_cfg3 c;
	uint64_t scale;
	const char *name;
	size_t name_len;
};

static struct hashlimit hashlimit_of(const struct ep_xt_text *t)
{
	const struct xt_hashlimit_mtinfo1 *v1 = t->info;
	const struct xt_hashlimit_mtinfo2 *v2 = t->info;
	const struct xt_hashlimit_mtinfo3 *v3 = t->info;
	struct hashlimit h = {.c = v3->cfg,
			      .scale = XT_HASHLIMIT_SCALE_v2,
			      .name = v3->name,
			      .name_len = sizeof(v3->name)};

#define CONFIG(v)                                                     \
	((struct hashlimit_cfg3){.avg = (v)->cfg.avg,                 \
				 .burst = (v)->cfg.burst,             \
				 .mode = (v)->cfg.mode,               \
				 .size = (v)->cfg.size,               \
				 .max = (v)->cfg.max,                 \
				 .gc_interval = (v)->cfg.gc_interval, \
				 .expire = (v)->cfg.expire,           \
				 .srcmask = (v)->cfg.srcmask,         \
				 .dstmask = (v)->cfg.dstmask})
	if (t->rev == 1)
		h = (struct hashlimit){CONFIG(v1), XT_HASHLIMIT_SCALE, v1->name, sizeof(v1->name)};
	else if (t->rev == 2)
		h = (struct hashlimit){CONFIG(v2), h.scale, v2->name, sizeof(v2->name)};
	return h;
}

/* The kernel counts what a unit of 16 bytes costs. */
static void put_byte_rate(struct ep_buf *b, uint64_t cost, uint64_t burst)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = {{"m", 1 << 20}, {"k", 1 << 10}, {"", 1}};
	uint64_t r = ((cost ? UINT32_MAX / cost : UINT32_MAX) - 1) << XT_HASHLIMIT_BYTE_SHIFT;
	unsigned i = 0;

	for (; i + 1 < EP_ARRAY_SIZE(units); i++) {
		uint32_t whole = (uint32_t)((r & ~(units[i].bytes - 1)) >> XT_HASHLIMIT_BYTE_SHIFT);

		if (r >= units[i].bytes && UINT32_MAX / (whole + 1ull) == cost)
			break;
	}
	ep_buf_printf(b, " %llu%sb/s", (unsigned long long)(r / units[i].bytes), units[i].name);
	if (!burst)
		return;
	r *= burst;
	for (i = 0; i + 1 < EP_ARRAY_SIZE(units) && r < units[i].bytes; i++)
		;
	ep_buf_printf(b, " --hashlimit-burst %llu%sb", (unsigned long long)(r / units[i].bytes),
		      units[i].name);
}

/* What iptables sets the expiry to by itself, in milliseconds. */
static uint64_t usual_expiry(const struct hashlimit *h)
{
	uint64_t scale = h->scale, mult[] = {86400 * scale, 3600 * scale, 60 * scale, scale};
	unsigned i;

	if (h->c.mode & XT_HASHLIMIT_BYTES)
		return 1000 * (h->c.burst ? HASHLIMIT_BYTE_EXPIRE_BURST : HASHLIMIT_BYTE_EXPIRE);
	for (i = 1; h->c.avg && i < EP_ARRAY_SIZE(mult); i++)
		if (h->c.avg > mult[i] || mult[i] / h->c.avg < mult[i] % h->c.avg)
			break;
	return h->c.avg ? mult[i - 1] / scale * 1000 : 0;
}

static void put_hashlimit_rate(struct ep_buf *b, const struct hashlimit *h)
{
	if (h->c.mode & XT_HASHLIMIT_BYTES) {
		put_byte_rate(b, h->c.avg, h->c.burst);
	} else {
		put_rate(b, h->c.avg, h->scale);
		ep_buf_printf(b, " --hashlimit-burst %llu", (unsigned long long)h->c.burst);
	}
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

	ep_buf_printf(t->b, " --hashlimit-%s", h.c.mode & XT_HASHLIMIT_INVERT ? "above" : "upto");
	put_hashlimit_rate(t->b, &h);
	if (h.c.mode & (XT_HASHLIMIT_HASH_SIP | XT_HASHLIMIT_HASH_SPT | XT_HASHLIMIT_HASH_DIP |
			XT_HASHLIMIT_HASH_DPT)) {
		ep_buf_puts(t->b, " --hashlimit-mode");
		ep_xt_put_bits(t->b, h.c.mode, modes);
	}
	ep_buf_puts(t->b, " --hashlimit-name ");
	ep_buf_put_escaped(t->b, h.name, strnlen(h.name, h.name_len));
	if (h.c.size)
		ep_buf_printf(t->b, " --hashlimit-htable-size %u", h.c.size);
	if (h.c.max)
		ep_buf_printf(t->b, " --hashlimit-htable-max %u", h.c.max);
	if (h.c.gc_interval != HASHLIMIT_GC_INTERVAL)
		ep_buf_printf(t->b, " --hashlimit-htable-gcinterval %u", h.c.gc_interval);
	if (h.c.expire != usual_expiry(&h))
		ep_buf_printf(t->b, " --hashlimit-htable-expire %u", h.c.expire);
	if (h.c.srcmask != full)
		ep_buf_printf(t->b, " --hashlimit-srcmask %u", h.c.srcmask);
	if (h.c.dstmask != full)
		ep_buf_printf(t->b, " --hashlimit-dstmask %u", h.c.dstmask);
	if (t->rev != 3 || !(h.c.mode & XT_HASHLIMIT_RATE_MATCH))
		return;
	ep_buf_puts(t->b, " --hashlimit-rate-match");
	if (h.c.interval != 1)
		ep_buf_printf(t->b, " --hashlimit-rate-interval %u", h.c.interval);
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
	if ((invert ? from : to) && (invert ? from : to) != UINT64_MAX)
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
	{"length", 0, 0, SIZE(xt_length_info), 0, length},
	{"ttl", 0, 0, SIZE(ipt_ttl_info), 0, ttl},
	{"hl", 0, 0, SIZE(ipt_ttl_info), 0, ttl},
	{"dscp", 0, 0, SIZE(xt_dscp_info), 0, dscp},
	{"tos", 1, 1, SIZE(xt_tos_match_info), 0, tos},
	{"ecn", 0, 0, SIZE(xt_ecn_info), 0, ecn},
	{"tcpmss", 0, 0, SIZE(xt_tcpmss_match_info), 0, tcpmss},
	{"realm", 0, 0, SIZE(xt_realm_info), 0, realm},
	{"helper", 0, 0, SIZE(xt_helper_info), 0, helper},
	{"connlabel", 0, 0, SIZE(xt_connlabel_mtinfo), 0, connlabel},
	{"eui64", 0, 0, 0, 0, NULL},
	{"cpu", 0, 0, SIZE(xt_cpu_info), 0, cpu},
	{NULL, 0, 0, 0, 0, NULL},
};
