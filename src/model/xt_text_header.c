// SPDX-License-Identifier: GPL-2.0-or-later
/* Options of the xt matches on headers: of other transports than TCP and UDP, and IPv6's own. */
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_dccp.h>
#include <linux/netfilter/xt_esp.h>
#include <linux/netfilter/xt_ipcomp.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter_ipv4/ipt_ah.h>
#include <linux/netfilter_ipv6/ip6t_ah.h>
#include <linux/netfilter_ipv6/ip6t_frag.h>
#include <linux/netfilter_ipv6/ip6t_ipv6header.h>
#include <linux/netfilter_ipv6/ip6t_mh.h>
#include <linux/netfilter_ipv6/ip6t_opts.h>
#include <linux/netfilter_ipv6/ip6t_rt.h>
#include <linux/netfilter_ipv6/ip6t_srh.h>

#include "model/xt_text.h"

static void put_between(struct ep_buf *b, const char *option, const __u32 v[2], bool invert)
{
	if (v[0] == 0 && v[1] == UINT32_MAX)
		return;
	ep_xt_put_not(b, invert);
	ep_buf_printf(b, " --%s ", option);
	ep_xt_put_range(b, v[0], v[1], ":");
}

static void put_length(struct ep_buf *b, const char *option, unsigned len, bool invert)
{
	ep_xt_put_not(b, invert);
	ep_buf_printf(b, " --%s %u", option, len);
}

/* ---- IPsec ---- */

static void ah4(const struct ep_xt_text *t)
{
	const struct ipt_ah *i = t->info;

	put_between(t->b, "ahspi", i->spis, i->invflags & IPT_AH_INV_SPI);
}

static void ah6(const struct ep_xt_text *t)
{
	const struct ip6t_ah *i = t->info;

	put_between(t->b, "ahspi", i->spis, i->invflags & IP6T_AH_INV_SPI);
	if (i->hdrlen || i->invflags & IP6T_AH_INV_LEN)
		put_length(t->b, "ahlen", i->hdrlen, i->invflags & IP6T_AH_INV_LEN);
	if (i->hdrres)
		ep_buf_puts(t->b, " --ahres");
}

static void esp(const struct ep_xt_text *t)
{
	const struct xt_esp *i = t->info;

	put_between(t->b, "espspi", i->spis, i->invflags & XT_ESP_INV_SPI);
}

static void ipcomp(const struct ep_xt_text *t)
{
	const struct xt_ipcomp *i = t->info;

	put_between(t->b, "ipcompspi", i->spis, i->invflags & XT_IPCOMP_INV_SPI);
	if (i->hdrres)
		ep_buf_puts(t->b, " --compres");
}

/* ---- SCTP and DCCP ---- */

static void put_ports(struct ep_buf *b, const char *option, const __u16 p[2], bool invert)
{
	ep_xt_put_not(b, invert);
	ep_buf_printf(b, " --%s ", option);
	ep_xt_put_range(b, p[0], p[1], ":");
}

/* RFC 9260, 5061, 8260; flags: of the chunk's bits, the highest first. */
static const struct chunk {
	uint8_t type;
	const char *name, *flags;
} chunks[] = {
	{0, "DATA", "----IUBE"},
	{1, "INIT", ""},
	{2, "INIT_ACK", ""},
	{3, "SACK", ""},
	{4, "HEARTBEAT", ""},
	{5, "HEARTBEAT_ACK", ""},
	{6, "ABORT", "-------T"},
	{7, "SHUTDOWN", ""},
	{8, "SHUTDOWN_ACK", ""},
	{9, "ERROR", ""},
	{10, "COOKIE_ECHO", ""},
	{11, "COOKIE_ACK", ""},
	{12, "ECN_ECNE", ""},
	{13, "ECN_CWR", ""},
	{14, "SHUTDOWN_COMPLETE", "-------T"},
	{64, "I_DATA", "----IUBE"},
	{128, "ASCONF_ACK", ""},
	{130, "RE_CONFIG", ""},
	{132, "PAD", ""},
	{192, "FORWARD_TSN", ""},
	{193, "ASCONF", ""},
	{194, "I_FORWARD_TSN", ""},
};

static void put_chunk_flags(struct ep_buf *b, const struct chunk *c, unsigned mask, unsigned flags)
{
	if (mask)
		ep_buf_puts(b, ":");
	for (int bit = 7; bit >= 0; bit--) {
		char name = c->flags[0] ? c->flags[7 - bit] : '-';

		if (mask & 1u << bit)
			ep_buf_printf(b, "%c", flags & 1u << bit ? name : tolower(name));
	}
}

static void put_chunk(struct ep_buf *b, const struct xt_sctp_info *i, const struct chunk *c)
{
	ep_buf_puts(b, c->name);
	for (int k = 0; k < i->flag_count && k < XT_NUM_SCTP_FLAGS; k++)
		if (i->flag_info[k].chunktype == c->type)
			put_chunk_flags(b, c, i->flag_info[k].flag_mask, i->flag_info[k].flag);
}

static void put_chunks(struct ep_buf *b, const struct xt_sctp_info *i)
{
	static const char *const kinds[] = {[SCTP_CHUNK_MATCH_ANY] = "any",
					    [SCTP_CHUNK_MATCH_ALL] = "all",
					    [SCTP_CHUNK_MATCH_ONLY] = "only"};
	unsigned set = 0;
	const char *sep = " ";

	ep_buf_printf(b, " --chunk-types %s",
		      i->chunk_match_type < EP_ARRAY_SIZE(kinds) && kinds[i->chunk_match_type] ?
			      kinds[i->chunk_match_type] :
			      "?");
	for (unsigned k = 0; k < 256; k++)
		set += SCTP_CHUNKMAP_IS_SET(i->chunkmap, k) ? 1 : 0;
	if (!set || set == 256) {
		ep_buf_puts(b, set ? " ALL" : " NONE");
		return;
	}
	for (size_t k = 0; k < EP_ARRAY_SIZE(chunks); k++)
		if (SCTP_CHUNKMAP_IS_SET(i->chunkmap, chunks[k].type)) {
			ep_buf_puts(b, sep);
			put_chunk(b, i, &chunks[k]);
			sep = ",";
		}
}

static void sctp(const struct ep_xt_text *t)
{
	const struct xt_sctp_info *i = t->info;

	if (i->flags & XT_SCTP_SRC_PORTS)
		put_ports(t->b, "sport", i->spts, i->invflags & XT_SCTP_SRC_PORTS);
	if (i->flags & XT_SCTP_DEST_PORTS)
		put_ports(t->b, "dport", i->dpts, i->invflags & XT_SCTP_DEST_PORTS);
	if (i->flags & XT_SCTP_CHUNK_TYPES) {
		ep_xt_put_not(t->b, i->invflags & XT_SCTP_CHUNK_TYPES);
		put_chunks(t->b, i);
	}
}

static void dccp(const struct ep_xt_text *t)
{
	static const struct ep_xt_word types[] = {
		{1 << 0, "REQUEST"}, {1 << 1, "RESPONSE"}, {1 << 2, "DATA"},     {1 << 3, "ACK"},
		{1 << 4, "DATAACK"}, {1 << 5, "CLOSEREQ"}, {1 << 6, "CLOSE"},    {1 << 7, "RESET"},
		{1 << 8, "SYNC"},    {1 << 9, "SYNCACK"},  {1 << 10, "INVALID"}, {0, NULL}};
	const struct xt_dccp_info *i = t->info;

	if (i->flags & XT_DCCP_SRC_PORTS)
		put_ports(t->b, "sport", i->spts, i->invflags & XT_DCCP_SRC_PORTS);
	if (i->flags & XT_DCCP_DEST_PORTS)
		put_ports(t->b, "dport", i->dpts, i->invflags & XT_DCCP_DEST_PORTS);
	if (i->flags & XT_DCCP_TYPE) {
		ep_xt_put_not(t->b, i->invflags & XT_DCCP_TYPE);
		ep_buf_puts(t->b, " --dccp-types");
		ep_xt_put_bits(t->b, i->typemask, types);
	}
	if (i->flags & XT_DCCP_OPTION)
		put_length(t->b, "dccp-option", i->option, i->invflags & XT_DCCP_OPTION);
}

/* ---- IPv6 ---- */

static void put_options6(const struct ep_xt_text *t, const char *name)
{
	const struct ip6t_opts *i = t->info;

	if (i->flags & IP6T_OPTS_LEN) {
		ep_xt_put_not(t->b, i->invflags & IP6T_OPTS_INV_LEN);
		ep_buf_printf(t->b, " --%s-len %u", name, i->hdrlen);
	}
	if (i->flags & IP6T_OPTS_OPTS)
		ep_buf_printf(t->b, " --%s-opts", name);
	for (unsigned k = 0; k < i->optsnr && k < IP6T_OPTS_OPTSNR; k++) {
		ep_buf_printf(t->b, "%s%u", k ? "," : " ", i->opts[k] >> 8);
		if ((i->opts[k] & 0xff) != 0xff)
			ep_buf_printf(t->b, ":%u", i->opts[k] & 0xff);
	}
}

static void hbh(const struct ep_xt_text *t)
{
	put_options6(t, "hbh");
}

static void dst(const struct ep_xt_text *t)
{
	put_options6(t, "dst");
}

static void frag(const struct ep_xt_text *t)
{
	const struct ip6t_frag *i = t->info;

	put_between(t->b, "fragid", i->ids, i->invflags & IP6T_FRAG_INV_IDS);
	if (i->flags & IP6T_FRAG_LEN)
		put_length(t->b, "fraglen", i->hdrlen, i->invflags & IP6T_FRAG_INV_LEN);
	if (i->flags & IP6T_FRAG_RES)
		ep_buf_puts(t->b, " --fragres");
	if (i->flags & IP6T_FRAG_FST)
		ep_buf_puts(t->b, " --fragfirst");
	if (i->flags & IP6T_FRAG_MF)
		ep_buf_puts(t->b, " --fragmore");
	if (i->flags & IP6T_FRAG_NMF)
		ep_buf_puts(t->b, " --fraglast");
}

static void ipv6header(const struct ep_xt_text *t)
{
	static const struct ep_xt_word names[] = {{MASK_HOPOPTS, "hop-by-hop"},
						  {MASK_DSTOPTS, "ipv6-opts"},
						  {MASK_ROUTING, "ipv6-route"},
						  {MASK_FRAGMENT, "ipv6-frag"},
						  {MASK_AH, "ah"},
						  {MASK_ESP, "esp"},
						  {MASK_NONE, "ipv6-nonxt"},
						  {MASK_PROTO, "proto"},
						  {0, NULL}};
	const struct ip6t_ipv6header_info *i = t->info;

	ep_xt_put_not(t->b, i->invflags);
	ep_buf_puts(t->b, " --header");
	if (i->matchflags)
		ep_xt_put_bits(t->b, i->matchflags, names);
	else
		ep_buf_puts(t->b, " NONE");
	if (i->modeflag)
		ep_buf_puts(t->b, " --soft");
}

static void mh(const struct ep_xt_text *t)
{
	const struct ip6t_mh *i = t->info;

	if (i->types[0] == 0 && i->types[1] == 0xff)
		return;
	ep_xt_put_not(t->b, i->invflags & IP6T_MH_INV_TYPE);
	ep_buf_puts(t->b, " --mh-type ");
	ep_xt_put_range(t->b, i->types[0], i->types[1], ":");
}

static void rt(const struct ep_xt_text *t)
{
	const struct ip6t_rt *i = t->info;

	if (i->flags & IP6T_RT_TYP)
		put_length(t->b, "rt-type", i->rt_type, i->invflags & IP6T_RT_INV_TYP);
	put_between(t->b, "rt-segsleft", i->segsleft, i->invflags & IP6T_RT_INV_SGS);
	if (i->flags & IP6T_RT_LEN)
		put_length(t->b, "rt-len", i->hdrlen, i->invflags & IP6T_RT_INV_LEN);
	if (i->flags & IP6T_RT_RES)
		ep_buf_puts(t->b, " --rt-0-res");
	if (i->flags & IP6T_RT_FST)
		ep_buf_puts(t->b, " --rt-0-addrs");
	for (unsigned k = 0; k < i->addrnr && k < IP6T_RT_HOPS; k++) {
		ep_buf_puts(t->b, k ? "," : " ");
		ep_xt_put_addr(t->b, &i->addrs[k], true);
	}
	if (i->flags & IP6T_RT_FST_NSTRICT)
		ep_buf_puts(t->b, " --rt-0-not-strict");
}

/* The segment routing header; both revisions begin alike. */
static void put_srh(const struct ep_xt_text *t, unsigned flags, unsigned inv)
{
	const struct ip6t_srh1 *i = t->info;
	const struct {
		unsigned flag;
		const char *option;
		unsigned value;
	} options[] = {
		{IP6T_SRH_NEXTHDR, "next-hdr", i->next_hdr},
		{IP6T_SRH_LEN_EQ, "hdr-len-eq", i->hdr_len},
		{IP6T_SRH_LEN_GT, "hdr-len-gt", i->hdr_len},
		{IP6T_SRH_LEN_LT, "hdr-len-lt", i->hdr_len},
		{IP6T_SRH_SEGS_EQ, "segs-left-eq", i->segs_left},
		{IP6T_SRH_SEGS_GT, "segs-left-gt", i->segs_left},
		{IP6T_SRH_SEGS_LT, "segs-left-lt", i->segs_left},
		{IP6T_SRH_LAST_EQ, "last-entry-eq", i->last_entry},
		{IP6T_SRH_LAST_GT, "last-entry-gt", i->last_entry},
		{IP6T_SRH_LAST_LT, "last-entry-lt", i->last_entry},
		{IP6T_SRH_TAG, "tag", i->tag},
	};

	for (size_t k = 0; k < EP_ARRAY_SIZE(options); k++) {
		if (!(flags & options[k].flag))
			continue;
		ep_xt_put_not(t->b, inv & options[k].flag);
		ep_buf_printf(t->b, " --srh-%s %u", options[k].option, options[k].value);
	}
}

static void srh0(const struct ep_xt_text *t)
{
	const struct ip6t_srh *i = t->info;

	put_srh(t, i->mt_flags, i->mt_invflags);
}

static void srh1(const struct ep_xt_text *t)
{
	const struct ip6t_srh1 *i = t->info;
	const struct {
		unsigned flag;
		const char *option;
		const struct in6_addr *addr, *mask;
	} sids[] = {
		{IP6T_SRH_PSID, "psid", &i->psid_addr, &i->psid_msk},
		{IP6T_SRH_NSID, "nsid", &i->nsid_addr, &i->nsid_msk},
		{IP6T_SRH_LSID, "lsid", &i->lsid_addr, &i->lsid_msk},
	};

	put_srh(t, i->mt_flags, i->mt_invflags);
	for (size_t k = 0; k < EP_ARRAY_SIZE(sids); k++) {
		if (!(i->mt_flags & sids[k].flag))
			continue;
		ep_xt_put_not(t->b, i->mt_invflags & sids[k].flag);
		ep_buf_printf(t->b, " --srh-%s ", sids[k].option);
		ep_xt_put_net(t->b, sids[k].addr, sids[k].mask, true);
	}
}

#define SIZE(T) sizeof(struct T)

const struct ep_xt_text_row ep_xt_text_headers[] = {
	{"ah", 0, 0, SIZE(ipt_ah), AF_INET, ah4},
	{"ah", 0, 0, SIZE(ip6t_ah), AF_INET6, ah6},
	{"esp", 0, 0, SIZE(xt_esp), 0, esp},
	{"ipcomp", 0, 0, SIZE(xt_ipcomp), 0, ipcomp},
	{"sctp", 0, 0, SIZE(xt_sctp_info), 0, sctp},
	{"dccp", 0, 0, SIZE(xt_dccp_info), 0, dccp},
	{"hbh", 0, 0, SIZE(ip6t_opts), AF_INET6, hbh},
	{"dst", 0, 0, SIZE(ip6t_opts), AF_INET6, dst},
	{"frag", 0, 0, SIZE(ip6t_frag), AF_INET6, frag},
	{"ipv6header", 0, 0, SIZE(ip6t_ipv6header_info), AF_INET6, ipv6header},
	{"mh", 0, 0, SIZE(ip6t_mh), AF_INET6, mh},
	{"rt", 0, 0, SIZE(ip6t_rt), AF_INET6, rt},
	{"srh", 0, 0, SIZE(ip6t_srh), AF_INET6, srh0},
	{"srh", 1, 1, SIZE(ip6t_srh1), AF_INET6, srh1},
	{NULL, 0, 0, 0, 0, NULL},
};
