// SPDX-License-Identifier: GPL-2.0-or-later
/* Options of xt matches with a language of their own: programs, rates, policies, strings. */
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/xt_cluster.h>
#include <linux/netfilter/xt_ipvs.h>
#include <linux/netfilter/xt_nfacct.h>
#include <linux/netfilter/xt_osf.h>
#include <linux/netfilter/xt_policy.h>
#include <linux/netfilter/xt_rateest.h>
#include <linux/netfilter/xt_string.h>
#include <linux/netfilter/xt_time.h>
#include <linux/netfilter/xt_u32.h>

#include "model/xt_text.h"

static void put_name(struct ep_buf *b, const char *option, const char *name, size_t size)
{
	ep_buf_printf(b, " %s ", option);
	ep_buf_put_escaped(b, name, strnlen(name, size));
}

/* ---- programs ---- */

static void put_bytecode(struct ep_buf *b, const struct sock_filter *f, unsigned n, unsigned max)
{
	ep_buf_printf(b, " --bytecode \"%u,", n);
	for (unsigned i = 0; i < n && i < max; i++)
		ep_buf_printf(b, "%u %u %u %u%s", f[i].code, f[i].jt, f[i].jf, f[i].k,
			      i + 1 < n ? "," : "\"");
}

static void bpf0(const struct ep_xt_text *t)
{
	const struct xt_bpf_info *i = t->info;

	put_bytecode(t->b, i->bpf_program, i->bpf_program_num_elem, XT_BPF_MAX_NUM_INSTR);
}

static void bpf1(const struct ep_xt_text *t)
{
	const struct xt_bpf_info_v1 *i = t->info;

	if (i->mode == XT_BPF_MODE_BYTECODE)
		put_bytecode(t->b, i->bpf_program, i->bpf_program_num_elem, XT_BPF_MAX_NUM_INSTR);
	else
		put_name(t->b, "--object-pinned", i->path, sizeof(i->path));
}

static void put_u32_test(struct ep_buf *b, const struct xt_u32_test *test)
{
	static const char *const ops[] = {
		[XT_U32_AND] = "&", [XT_U32_LEFTSH] = "<<", [XT_U32_RIGHTSH] = ">>", [XT_U32_AT] = "@"};

	ep_buf_printf(b, "0x%x", test->location[0].number);
	for (unsigned k = 1; k < test->nnums && k < EP_ARRAY_SIZE(test->location); k++)
		ep_buf_printf(b, "%s0x%x",
			      test->location[k].nextop < EP_ARRAY_SIZE(ops) ?
				      ops[test->location[k].nextop] :
				      "?",
			      test->location[k].number);
	ep_buf_puts(b, "=");
	for (unsigned k = 0; k < test->nvalues && k < EP_ARRAY_SIZE(test->value); k++) {
		ep_buf_printf(b, "%s0x%x", k ? "," : "", test->value[k].min);
		if (test->value[k].min != test->value[k].max)
			ep_buf_printf(b, ":0x%x", test->value[k].max);
	}
}

static void u32(const struct ep_xt_text *t)
{
	const struct xt_u32 *i = t->info;

	ep_xt_put_not(t->b, i->invert);
	ep_buf_puts(t->b, " --u32 \"");
	for (unsigned k = 0; k < i->ntests && k < EP_ARRAY_SIZE(i->tests); k++) {
		ep_buf_puts(t->b, k ? "&&" : "");
		put_u32_test(t->b, &i->tests[k]);
	}
	ep_buf_puts(t->b, "\"");
}

/* ---- rates ---- */

static void put_bits_per_second(struct ep_buf *b, uint32_t bytes)
{
	double bits = (double)bytes * 8;

	if (bits >= 1e9)
		ep_buf_printf(b, " %.0fMbit", bits / 1e6);
	else if (bits >= 1e6)
		ep_buf_printf(b, " %.0fKbit", bits / 1e3);
	else
		ep_buf_printf(b, " %.0fbit", bits);
}

static void put_rateest(const struct ep_xt_text *t, const char *unit, bool packets, uint32_t r1,
			uint32_t r2)
{
	static const char *const modes[] = {[XT_RATEEST_MATCH_EQ] = "eq",
					    [XT_RATEEST_MATCH_LT] = "lt",
					    [XT_RATEEST_MATCH_GT] = "gt"};
	const struct xt_rateest_match_info *i = t->info;
	bool delta = i->flags & XT_RATEEST_MATCH_DELTA;

	if (delta && packets)
		ep_buf_printf(t->b, " --rateest-%s1 %u", unit, r1);
	else if (delta) {
		ep_buf_printf(t->b, " --rateest-%s1", unit);
		put_bits_per_second(t->b, r1);
	}
	ep_xt_put_not(t->b, i->flags & XT_RATEEST_MATCH_INVERT);
	ep_buf_printf(t->b, " --rateest-%s --rateest-%s%s",
		      i->mode < EP_ARRAY_SIZE(modes) && modes[i->mode] ? modes[i->mode] : "?", unit,
		      delta ? "2" : "");
	if (!(i->flags & (XT_RATEEST_MATCH_ABS | XT_RATEEST_MATCH_DELTA)))
		return;
	if (packets)
		ep_buf_printf(t->b, " %u", r2);
	else
		put_bits_per_second(t->b, r2);
}

static void rateest(const struct ep_xt_text *t)
{
	const struct xt_rateest_match_info *i = t->info;
	bool relative = i->flags & XT_RATEEST_MATCH_REL;

	if (i->flags & XT_RATEEST_MATCH_DELTA)
		ep_buf_puts(t->b, " --rateest-delta");
	put_name(t->b, relative ? "--rateest1" : "--rateest", i->name1, sizeof(i->name1));
	if (i->flags & XT_RATEEST_MATCH_BPS)
		put_rateest(t, "bps", false, i->bps1, i->bps2);
	if (i->flags & XT_RATEEST_MATCH_PPS)
		put_rateest(t, "pps", true, i->pps1, i->pps2);
	if (relative)
		put_name(t->b, "--rateest2", i->name2, sizeof(i->name2));
}

static void nfacct(const struct ep_xt_text *t)
{
	const struct xt_nfacct_match_info *i = t->info;

	put_name(t->b, "--nfacct-name", i->name, sizeof(i->name));
}

/* ---- who sends ---- */

static void osf(const struct ep_xt_text *t)
{
	const struct xt_osf_info *i = t->info;

	ep_xt_put_not(t->b, i->flags & XT_OSF_INVERT);
	put_name(t->b, "--genre", i->genre, sizeof(i->genre));
	if (i->flags & XT_OSF_TTL)
		ep_buf_printf(t->b, " --ttl %u", i->ttl);
	if (i->flags & XT_OSF_LOG)
		ep_buf_printf(t->b, " --log %u", i->loglevel);
}

static void cluster(const struct ep_xt_text *t)
{
	const struct xt_cluster_match_info *i = t->info;

	ep_xt_put_not(t->b, i->flags & XT_CLUSTER_F_INV);
	ep_buf_printf(t->b,
		      " --cluster-local-nodemask 0x%08x --cluster-total-nodes %u"
		      " --cluster-hash-seed 0x%08x",
		      i->node_mask, i->total_nodes, i->hash_seed);
}

static void put_tunnel(const struct ep_xt_text *t, const char *option, const void *addr,
		       const void *mask, bool invert)
{
	static const uint8_t full[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	ep_xt_put_not(t->b, invert);
	ep_buf_printf(t->b, " --tunnel-%s ", option);
	if (memcmp(mask, full, t->v6 ? 16 : 4))
		ep_xt_put_net(t->b, addr, mask, t->v6);
	else
		ep_xt_put_addr(t->b, addr, t->v6);
}

static void put_policy(const struct ep_xt_text *t, const struct xt_policy_elem *e)
{
	if (e->match.reqid) {
		ep_xt_put_not(t->b, e->invert.reqid);
		ep_buf_printf(t->b, " --reqid %u", e->reqid);
	}
	if (e->match.spi) {
		ep_xt_put_not(t->b, e->invert.spi);
		ep_buf_printf(t->b, " --spi 0x%x", e->spi);
	}
	if (e->match.proto) {
		ep_xt_put_not(t->b, e->invert.proto);
		ep_buf_puts(t->b, " --proto ");
		ep_xt_put_protocol(t->b, e->proto);
	}
	if (e->match.mode) {
		ep_xt_put_not(t->b, e->invert.mode);
		ep_buf_printf(t->b, " --mode %s",
			      e->mode == XT_POLICY_MODE_TUNNEL ? "tunnel" : "transport");
	}
	if (e->match.daddr)
		put_tunnel(t, "dst", &e->daddr, &e->dmask, e->invert.daddr);
	if (e->match.saddr)
		put_tunnel(t, "src", &e->saddr, &e->smask, e->invert.saddr);
}

static void policy(const struct ep_xt_text *t)
{
	const struct xt_policy_info *i = t->info;

	ep_buf_printf(t->b, " --dir %s --pol %s", i->flags & XT_POLICY_MATCH_IN ? "in" : "out",
		      i->flags & XT_POLICY_MATCH_NONE ? "none" : "ipsec");
	if (i->flags & XT_POLICY_MATCH_STRICT)
		ep_buf_puts(t->b, " --strict");
	for (unsigned k = 0; k < i->len && k < XT_POLICY_MAX_ELEM; k++) {
		ep_buf_puts(t->b, k ? " --next" : "");
		put_policy(t, &i->pol[k]);
	}
}

static void put_ipvs_method(const struct ep_xt_text *t, unsigned method)
{
	static const struct ep_xt_word methods[] = {
		{3, "GATE"}, {2, "IPIP"}, {0, "MASQ"}, {0, NULL}}; /* IP_VS_CONN_F_* */
	const struct ep_xt_word *w = methods;

	while (w->name && w->value != method)
		w++;
	ep_buf_printf(t->b, " --vmethod %s", w->name ? w->name : "UNKNOWN");
}

static void ipvs(const struct ep_xt_text *t)
{
	const struct xt_ipvs_mtinfo *i = t->info;
	unsigned set = i->bitmask, inv = i->invert;

	ep_xt_put_not(t->b, set == XT_IPVS_IPVS_PROPERTY && inv & XT_IPVS_IPVS_PROPERTY);
	if (set == XT_IPVS_IPVS_PROPERTY)
		ep_buf_puts(t->b, " --ipvs");
	ep_xt_put_not(t->b, set & inv & XT_IPVS_PROTO);
	if (set & XT_IPVS_PROTO)
		ep_buf_printf(t->b, " --vproto %u", i->l4proto);
	if (set & XT_IPVS_VADDR) {
		ep_xt_put_not(t->b, inv & XT_IPVS_VADDR);
		ep_buf_puts(t->b, " --vaddr ");
		ep_xt_put_net(t->b, &i->vaddr, &i->vmask, t->v6);
	}
	ep_xt_put_not(t->b, set & inv & XT_IPVS_VPORT);
	if (set & XT_IPVS_VPORT)
		ep_buf_printf(t->b, " --vport %u", ntohs(i->vport));
	if (set & XT_IPVS_DIR)
		ep_buf_printf(t->b, " --vdir %s", inv & XT_IPVS_DIR ? "REPLY" : "ORIGINAL");
	ep_xt_put_not(t->b, set & inv & XT_IPVS_METHOD);
	if (set & XT_IPVS_METHOD)
		put_ipvs_method(t, i->fwd_method);
	ep_xt_put_not(t->b, set & inv & XT_IPVS_VPORTCTL);
	if (set & XT_IPVS_VPORTCTL)
		ep_buf_printf(t->b, " --vportctl %u", ntohs(i->vportctl));
}

/* ---- what and when ---- */

static void put_pattern(struct ep_buf *b, const char *s, size_t n)
{
	ep_buf_puts(b, " --string \"");
	for (size_t k = 0; k < n; k++)
		ep_buf_printf(b, "%s%c", s[k] == '"' || s[k] == '\\' ? "\\" : "", s[k]);
	ep_buf_puts(b, "\"");
}

static void put_string(const struct ep_xt_text *t)
{
	const struct xt_string_info *i = t->info;
	bool invert = t->rev ? i->u.v1.flags & XT_STRING_FLAG_INVERT : i->u.v0.invert;
	size_t n = i->patlen < sizeof(i->pattern) ? i->patlen : sizeof(i->pattern);
	bool hex = n && i->pattern[n - 1] == '\\';

	for (size_t k = 0; k < n; k++)
		hex |= i->pattern[k] < 0x20 || i->pattern[k] >= 0x7f;
	ep_xt_put_not(t->b, invert);
	if (!hex) {
		put_pattern(t->b, i->pattern, n);
	} else {
		ep_buf_puts(t->b, " --hex-string \"|");
		for (size_t k = 0; k < n; k++)
			ep_buf_printf(t->b, "%02x", (unsigned char)i->pattern[k]);
		ep_buf_puts(t->b, "|\"");
	}
	put_name(t->b, "--algo", i->algo, sizeof(i->algo));
	if (i->from_offset)
		ep_buf_printf(t->b, " --from %u", i->from_offset);
	if (i->to_offset != UINT16_MAX)
		ep_buf_printf(t->b, " --to %u", i->to_offset);
	if (t->rev && i->u.v1.flags & XT_STRING_FLAG_IGNORECASE)
		ep_buf_puts(t->b, " --icase");
}

static void put_daytime(struct ep_buf *b, const char *option, unsigned s)
{
	ep_buf_printf(b, " %s %02u:%02u:%02u", option, s / 3600, s / 60 % 60, s % 60);
}

/* In UTC, whatever the packet is compared with. */
static void put_date(struct ep_buf *b, const char *option, uint32_t seconds)
{
	static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	unsigned days = seconds / 86400, s = seconds % 86400, year = 1970, month = 0;

	if (!seconds)
		return;
		/* 2100 is no leap year, and comes within 32 bits. */
#define LEAP(y) ((y) % 4 == 0 && (y) != 2100)
	for (; days >= (LEAP(year) ? 366u : 365u); year++)
		days -= LEAP(year) ? 366 : 365;
	for (unsigned len; (len = lengths[month] + (month == 1 && LEAP(year))) <= days; month++)
		days -= len;
	ep_buf_printf(b, " %s %04u-%02u-%02uT%02u:%02u:%02u", option, year, month + 1, days + 1,
		      s / 3600, s / 60 % 60, s % 60);
}

static void put_time(const struct ep_xt_text *t)
{
	static const struct ep_xt_word days[] = {{1 << 1, "Mon"}, {1 << 2, "Tue"}, {1 << 3, "Wed"},
						 {1 << 4, "Thu"}, {1 << 5, "Fri"}, {1 << 6, "Sat"},
						 {1 << 7, "Sun"}, {0, NULL}};
	const struct xt_time_info *i = t->info;
	const char *sep = " --monthdays ";

	if (i->daytime_start != XT_TIME_MIN_DAYTIME || i->daytime_stop != XT_TIME_MAX_DAYTIME) {
		put_daytime(t->b, "--timestart", i->daytime_start);
		put_daytime(t->b, "--timestop", i->daytime_stop);
	}
	for (unsigned day = 1; day <= 31 && i->monthdays_match != XT_TIME_ALL_MONTHDAYS; day++)
		if (i->monthdays_match & 1u << day) {
			ep_buf_printf(t->b, "%s%u", sep, day);
			sep = ",";
		}
	if (i->weekdays_match != XT_TIME_ALL_WEEKDAYS) {
		ep_buf_puts(t->b, " --weekdays");
		ep_xt_put_bits(t->b, i->weekdays_match, days);
	}
	put_date(t->b, "--datestart", i->date_start);
	put_date(t->b, "--datestop", i->date_stop);
	if (i->flags & XT_TIME_LOCAL_TZ)
		ep_buf_puts(t->b, " --kerneltz");
	if (i->flags & XT_TIME_CONTIGUOUS)
		ep_buf_puts(t->b, " --contiguous");
}

#define SIZE(T) sizeof(struct T)

const struct ep_xt_text_row ep_xt_text_rare[] = {
	{"bpf", 0, 0, SIZE(xt_bpf_info), 0, bpf0},
	{"bpf", 1, 1, SIZE(xt_bpf_info_v1), 0, bpf1},
	{"u32", 0, 0, SIZE(xt_u32), 0, u32},
	{"rateest", 0, 0, SIZE(xt_rateest_match_info), 0, rateest},
	{"nfacct", 0, 0, SIZE(xt_nfacct_match_info), 0, nfacct},
	{"nfacct", 1, 1, SIZE(xt_nfacct_match_info_v1), 0, nfacct},
	{"osf", 0, 0, SIZE(xt_osf_info), 0, osf},
	{"cluster", 0, 0, SIZE(xt_cluster_match_info), 0, cluster},
	{"policy", 0, 0, SIZE(xt_policy_info), 0, policy},
	{"ipvs", 0, 0, SIZE(xt_ipvs_mtinfo), 0, ipvs},
	{"string", 0, 1, SIZE(xt_string_info), 0, put_string},
	{"time", 0, 0, SIZE(xt_time_info), 0, put_time},
	{NULL, 0, 0, 0, 0, NULL},
};
