// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Extension headers of IPv6, options of IPv4 and TCP, chunks of SCTP (RFC 8200, 791, 9293, 7323,
 * 8684, 9260); IPsec states and fingerprints of the sender's system.
 */
#include "model/nft_text.h"

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#define BASE(op) (EP_FIELD_EXTHDR + NFT_EXTHDR_OP_##op)
#define EXT6(type, off, bits, text, t)                  \
	{                                               \
		BASE(IPV6), type, off, bits, text, t, 0 \
	}
#define NUM6(type, off, bits, text) EXT6(type, off, bits, text, EP_NFT_INTEGER)
#define OPT4(type, off, bits, text, t)                  \
	{                                               \
		BASE(IPV4), type, off, bits, text, t, 0 \
	}
#define TCP(type, off, bits, text)                                     \
	{                                                              \
		BASE(TCPOPT), type, off, bits, text, EP_NFT_INTEGER, 0 \
	}
#define KIND_LENGTH(type, name) TCP(type, 0, 8, name " kind"), TCP(type, 8, 8, name " length")
#define CHUNK(type, off, bits, text)                                 \
	{                                                            \
		BASE(SCTP), type, off, bits, text, EP_NFT_INTEGER, 0 \
	}
#define CHUNK_COMMON(type, name)                                           \
	CHUNK(type, 0, 8, name " type"), CHUNK(type, 8, 8, name " flags"), \
		CHUNK(type, 16, 16, name " length")
#define CHUNK_INIT(type, name)                                           \
	CHUNK_COMMON(type, name), CHUNK(type, 32, 32, name " init-tag"), \
		CHUNK(type, 64, 32, name " a-rwnd"),                     \
		CHUNK(type, 96, 16, name " num-outbound-streams"),       \
		CHUNK(type, 112, 16, name " num-inbound-streams"),       \
		CHUNK(type, 128, 32, name " initial-tsn")

const struct ep_field ep_exthdr_fields[] = {
	EXT6(IPPROTO_HOPOPTS, 0, 8, "hbh nexthdr", EP_NFT_PROTO),
	NUM6(IPPROTO_HOPOPTS, 8, 8, "hbh hdrlength"),
	EXT6(IPPROTO_ROUTING, 0, 8, "rt nexthdr", EP_NFT_PROTO),
	NUM6(IPPROTO_ROUTING, 8, 8, "rt hdrlength"),
	NUM6(IPPROTO_ROUTING, 16, 8, "rt type"),
	NUM6(IPPROTO_ROUTING, 24, 8, "rt seg-left"),
	/* RFC 6275, 8754: of other types of routing header */
	NUM6(IPPROTO_ROUTING, 32, 8, "srh last-entry"),
	NUM6(IPPROTO_ROUTING, 40, 8, "srh flags"),
	NUM6(IPPROTO_ROUTING, 48, 16, "srh tag"),
	EXT6(IPPROTO_ROUTING, 64, 128, "srh sid[1]", EP_NFT_IP6ADDR),
	EXT6(IPPROTO_ROUTING, 192, 128, "srh sid[2]", EP_NFT_IP6ADDR),
	NUM6(IPPROTO_ROUTING, 32, 32, "rt0 reserved"),
	EXT6(IPPROTO_FRAGMENT, 0, 8, "frag nexthdr", EP_NFT_PROTO),
	NUM6(IPPROTO_FRAGMENT, 8, 8, "frag reserved"),
	NUM6(IPPROTO_FRAGMENT, 16, 13, "frag frag-off"),
	NUM6(IPPROTO_FRAGMENT, 29, 2, "frag reserved2"),
	NUM6(IPPROTO_FRAGMENT, 31, 1, "frag more-fragments"),
	NUM6(IPPROTO_FRAGMENT, 32, 32, "frag id"),
	EXT6(IPPROTO_DSTOPTS, 0, 8, "dst nexthdr", EP_NFT_PROTO),
	NUM6(IPPROTO_DSTOPTS, 8, 8, "dst hdrlength"),
	EXT6(IPPROTO_MH, 0, 8, "mh nexthdr", EP_NFT_PROTO),
	NUM6(IPPROTO_MH, 8, 8, "mh hdrlength"),
	EXT6(IPPROTO_MH, 16, 8, "mh type", EP_NFT_MH_TYPE),
	NUM6(IPPROTO_MH, 24, 8, "mh reserved"),
	NUM6(IPPROTO_MH, 32, 16, "mh checksum"),

	OPT4(131, 0, 8, "ip option lsrr type", EP_NFT_INTEGER),
	OPT4(131, 8, 8, "ip option lsrr length", EP_NFT_INTEGER),
	OPT4(131, 16, 8, "ip option lsrr ptr", EP_NFT_INTEGER),
	OPT4(131, 24, 32, "ip option lsrr addr", EP_NFT_INTEGER),
	OPT4(7, 0, 8, "ip option rr type", EP_NFT_INTEGER),
	OPT4(7, 8, 8, "ip option rr length", EP_NFT_INTEGER),
	OPT4(7, 16, 8, "ip option rr ptr", EP_NFT_INTEGER),
	OPT4(7, 24, 32, "ip option rr addr", EP_NFT_INTEGER),
	OPT4(137, 0, 8, "ip option ssrr type", EP_NFT_INTEGER),
	OPT4(137, 8, 8, "ip option ssrr length", EP_NFT_INTEGER),
	OPT4(137, 16, 8, "ip option ssrr ptr", EP_NFT_INTEGER),
	OPT4(137, 24, 32, "ip option ssrr addr", EP_NFT_INTEGER),
	OPT4(148, 0, 8, "ip option ra type", EP_NFT_INTEGER),
	OPT4(148, 8, 8, "ip option ra length", EP_NFT_INTEGER),
	OPT4(148, 16, 16, "ip option ra value", EP_NFT_INTEGER),

	TCP(0, 0, 8, "tcp option eol kind"),
	TCP(1, 0, 8, "tcp option nop kind"),
	KIND_LENGTH(2, "tcp option maxseg"),
	TCP(2, 16, 16, "tcp option maxseg size"),
	KIND_LENGTH(3, "tcp option window"),
	TCP(3, 16, 8, "tcp option window count"),
	KIND_LENGTH(4, "tcp option sack-perm"),
	KIND_LENGTH(5, "tcp option sack"),
	TCP(5, 16, 32, "tcp option sack left"),
	TCP(5, 48, 32, "tcp option sack right"),
	TCP(5, 80, 32, "tcp option sack1 left"),
	TCP(5, 112, 32, "tcp option sack1 right"),
	TCP(5, 144, 32, "tcp option sack2 left"),
	TCP(5, 176, 32, "tcp option sack2 right"),
	TCP(5, 208, 32, "tcp option sack3 left"),
	TCP(5, 240, 32, "tcp option sack3 right"),
	KIND_LENGTH(8, "tcp option timestamp"),
	TCP(8, 16, 32, "tcp option timestamp tsval"),
	TCP(8, 48, 32, "tcp option timestamp tsecr"),
	KIND_LENGTH(19, "tcp option md5sig"),
	KIND_LENGTH(30, "tcp option mptcp"),
	TCP(30, 16, 4, "tcp option mptcp subtype"),
	KIND_LENGTH(34, "tcp option fastopen"),

	CHUNK_COMMON(0, "sctp chunk data"),
	CHUNK(0, 32, 32, "sctp chunk data tsn"),
	CHUNK(0, 64, 16, "sctp chunk data stream"),
	CHUNK(0, 80, 16, "sctp chunk data ssn"),
	CHUNK(0, 96, 32, "sctp chunk data ppid"),
	CHUNK_INIT(1, "sctp chunk init"),
	CHUNK_INIT(2, "sctp chunk init-ack"),
	CHUNK_COMMON(3, "sctp chunk sack"),
	CHUNK(3, 32, 32, "sctp chunk sack cum-tsn-ack"),
	CHUNK(3, 64, 32, "sctp chunk sack a-rwnd"),
	CHUNK(3, 96, 16, "sctp chunk sack num-gap-ack-blocks"),
	CHUNK(3, 112, 16, "sctp chunk sack num-dup-tsns"),
	CHUNK_COMMON(4, "sctp chunk heartbeat"),
	CHUNK_COMMON(5, "sctp chunk heartbeat-ack"),
	CHUNK_COMMON(6, "sctp chunk abort"),
	CHUNK_COMMON(7, "sctp chunk shutdown"),
	CHUNK(7, 32, 32, "sctp chunk shutdown cum-tsn-ack"),
	CHUNK_COMMON(8, "sctp chunk shutdown-ack"),
	CHUNK_COMMON(9, "sctp chunk error"),
	CHUNK_COMMON(10, "sctp chunk cookie-echo"),
	CHUNK_COMMON(11, "sctp chunk cookie-ack"),
	CHUNK_COMMON(12, "sctp chunk ecne"),
	CHUNK(12, 32, 32, "sctp chunk ecne lowest-tsn"),
	CHUNK_COMMON(13, "sctp chunk cwr"),
	CHUNK(13, 32, 32, "sctp chunk cwr lowest-tsn"),
	CHUNK_COMMON(14, "sctp chunk shutdown-complete"),
	CHUNK_COMMON(128, "sctp chunk asconf-ack"),
	CHUNK(128, 32, 32, "sctp chunk asconf-ack seqno"),
	CHUNK_COMMON(192, "sctp chunk forward-tsn"),
	CHUNK(192, 32, 32, "sctp chunk forward-tsn new-cum-tsn"),
	CHUNK_COMMON(193, "sctp chunk asconf"),
	CHUNK(193, 32, 32, "sctp chunk asconf seqno"),
	{0, 0, 0, 0, NULL, EP_NFT_NONE, 0},
};

/* The header or option itself: a field's name without the field; "exthdr frag" for IPv6. */
static const char *header_name(struct ep_nft_text *t, uint8_t base, uint64_t type)
{
	for (const struct ep_field *f = ep_exthdr_fields; f->text; f++) {
		if (f->base != base || f->proto != type)
			continue;
		return ep_sprintf(t->a, "%s%.*s", base == BASE(IPV6) ? "exthdr " : "",
				  (int)(strrchr(f->text, ' ') - f->text), f->text);
	}
	if (base == BASE(TCPOPT))
		return ep_sprintf(t->a, "tcp option %u", (unsigned)type);
	return ep_sprintf(t->a, "exthdr %u", (unsigned)type);
}

static const char *field_name(struct ep_nft_text *t, uint8_t base, uint64_t type, uint64_t offset,
			      uint64_t bits, const struct ep_field *f)
{
	if (f)
		return f->text;
	if (base == BASE(TCPOPT))
		return ep_sprintf(t->a, "tcp option @%u,%u,%u", (unsigned)type, (unsigned)offset,
				  (unsigned)bits);
	return ep_sprintf(t->a, "[exthdr %u,%u,%u]", (unsigned)type, (unsigned)offset,
			  (unsigned)bits);
}

static void exthdr_load(struct ep_nft_text *t, const struct ep_expr *e, uint8_t base, uint64_t type,
			uint32_t len)
{
	bool present = ep_attr_num(e, NFTA_EXTHDR_FLAGS, 0) & NFT_EXTHDR_F_PRESENT;
	uint64_t offset = ep_attr_num(e, NFTA_EXTHDR_OFFSET, 0) * 8;
	const struct ep_field *f =
		present ? NULL :
			  ep_field_find(base, (uint16_t)type, (uint32_t)offset, len * 8, false, -1);
	struct ep_load *l = ep_text_load(t, ep_attr_num(e, NFTA_EXTHDR_DREG, 0), present ? 1 : len,
					 present ? header_name(t, base, type) :
						   field_name(t, base, type, offset, len * 8, f),
					 present ? EP_NFT_BOOLEAN :
					 f       ? f->type :
						   EP_NFT_INTEGER);

	if (!l)
		return;
	l->is_payload = !present;
	l->base = base;
	l->proto = (uint16_t)type;
	l->offset = (uint16_t)offset;
	ep_text_drop_implied(t, base);
}

void ep_text_exthdr(struct ep_nft_text *t, const struct ep_expr *e)
{
	uint64_t op = ep_attr_num(e, NFTA_EXTHDR_OP, NFT_EXTHDR_OP_IPV6);
	uint64_t type = ep_attr_num(e, NFTA_EXTHDR_TYPE, 0);
	uint64_t len = ep_attr_num(e, NFTA_EXTHDR_LEN, 0);
	uint64_t offset = ep_attr_num(e, NFTA_EXTHDR_OFFSET, 0);
	uint8_t base = (uint8_t)(EP_FIELD_EXTHDR + op);
	const struct ep_load *l;

	if (op > NFT_EXTHDR_OP_SCTP || len > EP_TEXT_REGS * 4 || offset > UINT8_MAX) {
		ep_text_unknown(t, e);
	} else if (ep_attr_has(e, NFTA_EXTHDR_DREG)) {
		exthdr_load(t, e, base, type, (uint32_t)len);
	} else if (ep_attr_has(e, NFTA_EXTHDR_SREG)) {
		l = ep_text_at(t, ep_attr_num(e, NFTA_EXTHDR_SREG, 0));
		ep_text_add(t, "%s set %s",
			    field_name(t, base, type, offset * 8, len * 8,
				       ep_field_find(base, (uint16_t)type, (uint32_t)offset * 8,
						     (uint32_t)len * 8, false, -1)),
			    l ? ep_text_of(t, l) : "[?]");
	} else { /* Linux 5.18: the option is overwritten with nops */
		ep_text_add(t, "reset %s", header_name(t, base, type));
	}
}

/* ---- IPsec, fingerprints ---- */

void ep_text_xfrm(struct ep_nft_text *t, const struct ep_expr *e)
{
	static const struct {
		const char *name;
		enum ep_nft_type type;
		uint8_t len;
	} keys[] = {
		[NFT_XFRM_KEY_DADDR_IP4] = {"ip daddr", EP_NFT_IPADDR, 4},
		[NFT_XFRM_KEY_DADDR_IP6] = {"ip6 daddr", EP_NFT_IP6ADDR, 16},
		[NFT_XFRM_KEY_SADDR_IP4] = {"ip saddr", EP_NFT_IPADDR, 4},
		[NFT_XFRM_KEY_SADDR_IP6] = {"ip6 saddr", EP_NFT_IP6ADDR, 16},
		[NFT_XFRM_KEY_REQID] = {"reqid", EP_NFT_INTEGER, 4},
		[NFT_XFRM_KEY_SPI] = {"spi", EP_NFT_INTEGER, 4},
	};
	uint64_t key = ep_attr_num(e, NFTA_XFRM_KEY, UINT32_MAX);
	unsigned spnum = (unsigned)ep_attr_num(e, NFTA_XFRM_SPNUM, 0);
	struct ep_load *l;

	if (key >= EP_ARRAY_SIZE(keys) || !keys[key].name) {
		ep_text_unknown(t, e);
		return;
	}
	l = ep_text_load(
		t, ep_attr_num(e, NFTA_XFRM_DREG, 0), keys[key].len,
		ep_sprintf(t->a, "ipsec %s%s %s", ep_attr_num(e, NFTA_XFRM_DIR, 0) ? "out" : "in",
			   spnum ? ep_sprintf(t->a, " spnum %u", spnum) : "", keys[key].name),
		keys[key].type);
	if (l)
		l->parts[0].host = key == NFT_XFRM_KEY_REQID;
}

void ep_text_osf(struct ep_nft_text *t, const struct ep_expr *e)
{
	static const char *const ttl[] = {"", "ttl loose ", "ttl skip "};
	uint64_t mode = ep_attr_num(e, NFTA_OSF_TTL, 0);

	ep_text_load(t, ep_attr_num(e, NFTA_OSF_DREG, 0), NFT_OSF_MAXGENRELEN,
		     ep_sprintf(t->a, "osf %s%s", mode < EP_ARRAY_SIZE(ttl) ? ttl[mode] : "",
				ep_attr_num(e, NFTA_OSF_FLAGS, 0) & NFT_OSF_F_VERSION ? "version" :
											"name"),
		     EP_NFT_STRING);
}
