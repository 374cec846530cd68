// SPDX-License-Identifier: GPL-2.0-or-later
/* Expressions that load a register; some of them store one into the packet instead. */
#include "model/nft_text.h"

#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* Linux 6.2. */
#define EP_NFT_PAYLOAD_TUN_HEADER 4

struct key {
	const char *text;
	enum ep_nft_type type;
	uint8_t len;
	bool big_endian; /* though a number of the kernel's own */
};

/* ---- payload ---- */

uint16_t ep_text_proto_of(const struct ep_nft_text *t, uint8_t base)
{
	uint8_t family = t->chain->table ? t->chain->table->family : NFPROTO_UNSPEC;

	switch (base) {
	case NFT_PAYLOAD_LL_HEADER: /* inet sees packets of all kinds of links */
		return t->ether || (family != NFPROTO_INET && family != NFPROTO_IPV4 &&
				    family != NFPROTO_IPV6) ?
			       EP_LL_ETHER :
			       0;
	case NFT_PAYLOAD_NETWORK_HEADER:
		return t->l3;
	case NFT_PAYLOAD_TRANSPORT_HEADER:
		return t->l4 >= 0 ? (uint16_t)t->l4 : UINT16_MAX;
	}
	return 0;
}

static void drop(struct ep_nft_text *t, int *piece)
{
	if (*piece >= 0)
		t->pieces.v[*piece] = NULL;
	*piece = -1;
}

bool ep_text_many_families(const struct ep_nft_text *t)
{
	uint8_t family = t->chain->table ? t->chain->table->family : NFPROTO_UNSPEC;

	return family == NFPROTO_INET || family == NFPROTO_BRIDGE || family == NFPROTO_NETDEV;
}

void ep_text_acted(struct ep_nft_text *t)
{
	t->l3_piece = t->l4_piece = t->ll_piece = t->icmp_type_piece = -1;
}

void ep_text_drop_implied(struct ep_nft_text *t, uint8_t base)
{
	switch (base) {
	case NFT_PAYLOAD_LL_HEADER:
		drop(t, &t->ll_piece);
		break;
	case NFT_PAYLOAD_NETWORK_HEADER:
	case EP_FIELD_EXTHDR + NFT_EXTHDR_OP_IPV6:
	case EP_FIELD_EXTHDR + NFT_EXTHDR_OP_IPV4:
		drop(t, &t->l3_piece);
		break;
	case NFT_PAYLOAD_TRANSPORT_HEADER:
		/* "ip protocol tcp" also says that it is IPv4. */
		if (t->l4_is_field && ep_text_many_families(t))
			break;
		drop(t, &t->l4_piece);
		break;
	case EP_FIELD_EXTHDR + NFT_EXTHDR_OP_TCPOPT:
		drop(t, &t->l4_piece);
		break;
	}
}

void ep_text_learn_l4(struct ep_nft_text *t, bool is_field, uint8_t proto, int piece)
{
	bool fits = ep_text_many_families(t) ?
			    (t->l3 == NFPROTO_IPV4 && proto == IPPROTO_ICMP) ||
				    (t->l3 == NFPROTO_IPV6 && proto == IPPROTO_ICMPV6) :
			    t->chain->table && t->l3 == t->chain->table->family;

	if (!is_field && fits)
		drop(t, &t->l3_piece);
	t->l4 = proto;
	t->l4_piece = piece;
	t->l4_is_field = is_field;
}

/* A field that only one type of ICMP message has tells the type. */
static void drop_icmp_type(struct ep_nft_text *t, const struct ep_field *f)
{
	if (f->icmp && f->icmp == t->icmp_type)
		drop(t, &t->icmp_type_piece);
}

/* The fields that the loaded bits are, one after another; false if they are not whole fields. */
static bool split_fields(struct ep_load *l, uint16_t proto, uint32_t offset, uint32_t bits,
			 int icmp_type)
{
	struct ep_part whole = l->parts[0];
	unsigned n = 0;

	while (bits) {
		const struct ep_field *f = NULL;

		for (uint32_t want = bits; want >= 8 && !f; want -= 8)
			f = ep_field_find(l->base, proto, offset, want, false, icmp_type);
		if (!f || n == EP_TEXT_PARTS) {
			l->parts[0] = whole;
			return false;
		}
		l->parts[n++] = (struct ep_part){.text = f->text,
						 .type = f->type,
						 .len = (uint8_t)(f->bits / 8),
						 .full_len = (uint8_t)(f->bits / 8)};
		offset += f->bits;
		bits -= f->bits;
	}
	l->n_parts = (uint8_t)n;
	return true;
}

static const char *raw_payload(struct ep_arena *a, uint8_t base, uint32_t offset, uint32_t bits)
{
	static const char *const names[] = {"ll", "nh", "th", "ih"};

	return ep_sprintf(a, "@%s,%u,%u", base < EP_ARRAY_SIZE(names) ? names[base] : "?", offset,
			  bits);
}

static void payload_load(struct ep_nft_text *t, const struct ep_expr *e, uint8_t base,
			 uint32_t offset, uint32_t len)
{
	uint16_t proto = ep_text_proto_of(t, base);
	const struct ep_field *f = ep_field_find(base, proto, offset, len * 8, true, t->icmp_type);
	struct ep_load *l = ep_text_load(t, ep_attr_num(e, NFTA_PAYLOAD_DREG, 0), len,
					 raw_payload(t->a, base, offset, len * 8), EP_NFT_NONE);

	if (!l)
		return;
	l->is_payload = true;
	l->base = base;
	l->offset = (uint16_t)offset;
	if (f) {
		l->parts[0].text = f->text;
		l->parts[0].type = f->type;
		l->parts[0].full_len = (uint8_t)(f->bits / 8);
		l->is_l4 = f->type == EP_NFT_PROTO;
		l->is_l3 = f->type == EP_NFT_ETHERTYPE && base == NFT_PAYLOAD_LL_HEADER;
	}
	if (!f && !split_fields(l, proto, offset, len * 8, t->icmp_type))
		return;
	l->undo_piece = t->l4_piece;
	l->undo = t->l4_piece >= 0 ? t->pieces.v[t->l4_piece] : NULL;
	ep_text_drop_implied(t, base);
	if (f)
		drop_icmp_type(t, f);
}

/* "ip dscp set 0x12": the bits that change, of the bytes that are written back for the checksum. */
static void payload_store(struct ep_nft_text *t, const struct ep_expr *e, uint8_t base,
			  uint32_t offset, uint32_t len)
{
	const struct ep_load *l = ep_text_at(t, ep_attr_num(e, NFTA_PAYLOAD_SREG, 0));
	const struct ep_field *f = NULL;
	uint8_t changed[EP_TEXT_REGS * 4];
	struct ep_buf b = {0};
	unsigned first, bits;

	if (!l || l->len != len) {
		ep_text_unknown(t, e);
		return;
	}
	for (unsigned i = 0; i < len; i++)
		changed[i] = l->mask ? (uint8_t)~l->mask[i] : 0xff;
	if (ep_text_mask_run(changed, len, &first, &bits))
		f = ep_field_find(base, ep_text_proto_of(t, base), offset + first, bits, false,
				  t->icmp_type);
	if (f && l->imm && !l->mask && bits == len * 8) {
		ep_buf_printf(&b, "%s set ", f->text);
		ep_nft_put_value(&b, f->type, l->imm, len, false);
	} else if (!f || len > 8 || (!l->mask && !l->imm)) {
		ep_buf_printf(&b, "%s set %s",
			      f ? f->text : raw_payload(t->a, base, offset, len * 8),
			      ep_text_of(t, l));
	} else {
		const uint8_t *set = l->mask ? l->xor : l->imm;
		uint64_t v = ep_nft_value_num(set, len, false) >> (len * 8 - first - bits);
		uint8_t be[8];

		for (int i = 7; i >= 0; i--, v >>= 8)
			be[i] = (uint8_t)v;
		ep_buf_printf(&b, "%s set ", f->text);
		bits = (bits + 7) / 8;
		ep_nft_put_value(&b, f->type, be + 8 - bits, bits, false);
	}
	ep_text_drop_implied(t, base);
	ep_text_add_buf(t, &b);
}

void ep_text_payload(struct ep_nft_text *t, const struct ep_expr *e)
{
	uint64_t base = ep_attr_num(e, NFTA_PAYLOAD_BASE, UINT8_MAX);
	uint64_t offset = ep_attr_num(e, NFTA_PAYLOAD_OFFSET, UINT16_MAX);
	uint64_t len = ep_attr_num(e, NFTA_PAYLOAD_LEN, 0);

	if (base > EP_NFT_PAYLOAD_TUN_HEADER || offset > UINT16_MAX / 8 || !len ||
	    len > EP_TEXT_REGS * 4)
		ep_text_unknown(t, e);
	else if (ep_attr_has(e, NFTA_PAYLOAD_SREG))
		payload_store(t, e, (uint8_t)base, (uint32_t)offset * 8, (uint32_t)len);
	else
		payload_load(t, e, (uint8_t)base, (uint32_t)offset * 8, (uint32_t)len);
}

/* ---- meta ---- */

static const struct key meta_keys[] = {
	[NFT_META_LEN] = {"meta length", EP_NFT_INTEGER, 4},
	[NFT_META_PROTOCOL] = {"meta protocol", EP_NFT_ETHERTYPE, 2},
	[NFT_META_PRIORITY] = {"meta priority", EP_NFT_CLASSID, 4},
	[NFT_META_MARK] = {"meta mark", EP_NFT_MARK, 4},
	[NFT_META_IIF] = {"iif", EP_NFT_IFINDEX, 4},
	[NFT_META_OIF] = {"oif", EP_NFT_IFINDEX, 4},
	[NFT_META_IIFNAME] = {"iifname", EP_NFT_IFNAME, 16},
	[NFT_META_OIFNAME] = {"oifname", EP_NFT_IFNAME, 16},
	[NFT_META_IIFTYPE] = {"meta iiftype", EP_NFT_ARPHRD, 2},
	[NFT_META_OIFTYPE] = {"meta oiftype", EP_NFT_ARPHRD, 2},
	[NFT_META_SKUID] = {"meta skuid", EP_NFT_UID, 4},
	[NFT_META_SKGID] = {"meta skgid", EP_NFT_GID, 4},
	[NFT_META_NFTRACE] = {"meta nftrace", EP_NFT_INTEGER, 1},
	[NFT_META_RTCLASSID] = {"rtclassid", EP_NFT_REALM, 4},
	[NFT_META_SECMARK] = {"meta secmark", EP_NFT_MARK, 4},
	[NFT_META_NFPROTO] = {"meta nfproto", EP_NFT_NFPROTO, 1},
	[NFT_META_L4PROTO] = {"meta l4proto", EP_NFT_PROTO, 1},
	[NFT_META_BRI_IIFNAME] = {"meta ibrname", EP_NFT_IFNAME, 16},
	[NFT_META_BRI_OIFNAME] = {"meta obrname", EP_NFT_IFNAME, 16},
	[NFT_META_PKTTYPE] = {"meta pkttype", EP_NFT_PKTTYPE, 1},
	[NFT_META_CPU] = {"meta cpu", EP_NFT_INTEGER, 4},
	[NFT_META_IIFGROUP] = {"iifgroup", EP_NFT_DEVGROUP, 4},
	[NFT_META_OIFGROUP] = {"oifgroup", EP_NFT_DEVGROUP, 4},
	[NFT_META_CGROUP] = {"meta cgroup", EP_NFT_INTEGER, 4},
	[NFT_META_PRANDOM] = {"meta random", EP_NFT_INTEGER, 4, true},
	[NFT_META_SECPATH] = {"meta ipsec", EP_NFT_BOOLEAN, 1},
	[NFT_META_IIFKIND] = {"meta iifkind", EP_NFT_IFNAME, 16},
	[NFT_META_OIFKIND] = {"meta oifkind", EP_NFT_IFNAME, 16},
	[NFT_META_BRI_IIFPVID] = {"meta ibrpvid", EP_NFT_INTEGER, 2},
	[NFT_META_BRI_IIFVPROTO] = {"meta ibrvproto", EP_NFT_ETHERTYPE, 2},
	[NFT_META_TIME_NS] = {"meta time", EP_NFT_TIME_DATE, 8},
	[NFT_META_TIME_DAY] = {"meta day", EP_NFT_TIME_DAY, 1},
	[NFT_META_TIME_HOUR] = {"meta hour", EP_NFT_TIME_HOUR, 4},
	[NFT_META_SDIF] = {"meta sdif", EP_NFT_IFINDEX, 4},
	[NFT_META_SDIFNAME] = {"meta sdifname", EP_NFT_IFNAME, 16},
};

/* Loads a key, whose numbers are the kernel's own, so in host order. */
static struct ep_load *load_key(struct ep_nft_text *t, uint64_t dreg, const char *text,
				const struct key *k)
{
	struct ep_load *l = ep_text_load(t, dreg, k->len, text, k->type);

	if (l && (k->type == EP_NFT_INTEGER || k->type == EP_NFT_BOOLEAN))
		l->parts[0].host = !k->big_endian;
	return l;
}

/* "KEY set VALUE" of the register sreg. */
static void store_key(struct ep_nft_text *t, const struct ep_expr *e, uint64_t sreg,
		      const char *text, const struct key *k)
{
	struct ep_load *l = ep_text_at(t, sreg);

	if (!l) {
		ep_text_unknown(t, e);
		return;
	}
	if (l->imm) { /* a constant is of the type of what it is stored in */
		l->parts[0].type = k->type;
		l->parts[0].len = k->len < l->len ? k->len : l->len;
		l->parts[0].host = k->type == EP_NFT_INTEGER || ep_nft_type_is_host_order(k->type);
	}
	ep_text_add(t, "%s set %s", text, ep_text_of(t, l));
}

void ep_text_meta(struct ep_nft_text *t, const struct ep_expr *e)
{
	uint64_t key = ep_attr_num(e, NFTA_META_KEY, UINT32_MAX);
	const struct key *k = key < EP_ARRAY_SIZE(meta_keys) ? &meta_keys[key] : NULL;
	struct ep_load *l;

	if (!k || !k->text) {
		ep_text_unknown(t, e);
		return;
	}
	if (ep_attr_has(e, NFTA_META_SREG)) {
		store_key(t, e, ep_attr_num(e, NFTA_META_SREG, 0), k->text, k);
		return;
	}
	l = load_key(t, ep_attr_num(e, NFTA_META_DREG, 0), k->text, k);
	if (l) {
		l->is_l4 = key == NFT_META_L4PROTO;
		l->is_l3 = key == NFT_META_NFPROTO || key == NFT_META_PROTOCOL;
		l->is_ll = key == NFT_META_IIFTYPE;
	}
}

/* ---- ct ---- */

static const struct key ct_keys[] = {
	[NFT_CT_STATE] = {"state", EP_NFT_CT_STATE, 4},
	[NFT_CT_DIRECTION] = {"direction", EP_NFT_CT_DIR, 1},
	[NFT_CT_STATUS] = {"status", EP_NFT_CT_STATUS, 4},
	[NFT_CT_MARK] = {"mark", EP_NFT_MARK, 4},
	[NFT_CT_SECMARK] = {"secmark", EP_NFT_MARK, 4},
	[NFT_CT_EXPIRATION] = {"expiration", EP_NFT_TIME, 4},
	[NFT_CT_HELPER] = {"helper", EP_NFT_STRING, 16},
	[NFT_CT_L3PROTOCOL] = {"l3proto", EP_NFT_NFPROTO, 1},
	[NFT_CT_SRC] = {"saddr", EP_NFT_IPADDR, 16},
	[NFT_CT_DST] = {"daddr", EP_NFT_IPADDR, 16},
	[NFT_CT_PROTOCOL] = {"protocol", EP_NFT_PROTO, 1},
	[NFT_CT_PROTO_SRC] = {"proto-src", EP_NFT_SERVICE, 2},
	[NFT_CT_PROTO_DST] = {"proto-dst", EP_NFT_SERVICE, 2},
	[NFT_CT_LABELS] = {"label", EP_NFT_CT_LABEL, 16},
	[NFT_CT_PKTS] = {"packets", EP_NFT_INTEGER, 8},
	[NFT_CT_BYTES] = {"bytes", EP_NFT_INTEGER, 8},
	[NFT_CT_AVGPKT] = {"avgpkt", EP_NFT_INTEGER, 8},
	[NFT_CT_ZONE] = {"zone", EP_NFT_INTEGER, 2},
	[NFT_CT_EVENTMASK] = {"event", EP_NFT_CT_EVENTBIT, 4},
	[NFT_CT_SRC_IP] = {"ip saddr", EP_NFT_IPADDR, 4},
	[NFT_CT_DST_IP] = {"ip daddr", EP_NFT_IPADDR, 4},
	[NFT_CT_SRC_IP6] = {"ip6 saddr", EP_NFT_IP6ADDR, 16},
	[NFT_CT_DST_IP6] = {"ip6 daddr", EP_NFT_IP6ADDR, 16},
	[NFT_CT_ID] = {"id", EP_NFT_INTEGER, 4, true},
};

static bool is_tuple_addr(uint64_t key)
{
	return key == NFT_CT_SRC || key == NFT_CT_DST;
}

void ep_text_ct(struct ep_nft_text *t, const struct ep_expr *e)
{
	static const char *const directions[] = {"original ", "reply "};
	uint64_t key = ep_attr_num(e, NFTA_CT_KEY, UINT32_MAX);
	uint64_t dir = ep_attr_num(e, NFTA_CT_DIRECTION, UINT8_MAX);
	const char *text;
	struct key k;

	if (key >= EP_ARRAY_SIZE(ct_keys) || !ct_keys[key].text) {
		ep_text_unknown(t, e);
		return;
	}
	k = ct_keys[key];
	if (is_tuple_addr(key) && t->l3 == NFPROTO_IPV6)
		k.type = EP_NFT_IP6ADDR;
	else if (is_tuple_addr(key))
		k.len = 4;
	text = ep_sprintf(t->a, "ct %s%s", dir < 2 ? directions[dir] : "", k.text);
	if (ep_attr_has(e, NFTA_CT_SREG))
		store_key(t, e, ep_attr_num(e, NFTA_CT_SREG, 0), text, &k);
	else
		load_key(t, ep_attr_num(e, NFTA_CT_DREG, 0), text, &k);
}

/* ---- route and socket ---- */

static const char *fib_inputs(struct ep_arena *a, uint64_t flags)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} inputs[] = {
		{NFTA_FIB_F_SADDR, "saddr"}, {NFTA_FIB_F_DADDR, "daddr"}, {NFTA_FIB_F_MARK, "mark"},
		{NFTA_FIB_F_IIF, "iif"},     {NFTA_FIB_F_OIF, "oif"},
	};
	const char *text = "";

	for (size_t i = 0; i < EP_ARRAY_SIZE(inputs); i++) {
		if (flags & inputs[i].flag)
			text = ep_sprintf(a, "%s%s%s", text, *text ? " . " : "", inputs[i].name);
	}
	return text;
}

void ep_text_fib(struct ep_nft_text *t, const struct ep_expr *e)
{
	static const struct key results[] = {
		[NFT_FIB_RESULT_OIF] = {"oif", EP_NFT_IFINDEX, 4},
		[NFT_FIB_RESULT_OIFNAME] = {"oifname", EP_NFT_IFNAME, 16},
		[NFT_FIB_RESULT_ADDRTYPE] = {"type", EP_NFT_FIB_ADDR, 4},
	};
	uint64_t result = ep_attr_num(e, NFTA_FIB_RESULT, UINT32_MAX);
	uint64_t flags = ep_attr_num(e, NFTA_FIB_FLAGS, 0);
	struct key k;

	if (result >= EP_ARRAY_SIZE(results) || !results[result].text) {
		ep_text_unknown(t, e);
		return;
	}
	k = results[result];
	if (flags & NFTA_FIB_F_PRESENT)
		k = (struct key){k.text, EP_NFT_BOOLEAN, 4, false};
	load_key(t, ep_attr_num(e, NFTA_FIB_DREG, 0),
		 ep_sprintf(t->a, "fib %s %s", fib_inputs(t->a, flags), k.text), &k);
}

void ep_text_rt(struct ep_nft_text *t, const struct ep_expr *e)
{
	static const struct key keys[] = {
		[NFT_RT_CLASSID] = {"rt classid", EP_NFT_REALM, 4},
		[NFT_RT_NEXTHOP4] = {"rt ip nexthop", EP_NFT_IPADDR, 4},
		[NFT_RT_NEXTHOP6] = {"rt ip6 nexthop", EP_NFT_IP6ADDR, 16},
		[NFT_RT_TCPMSS] = {"rt mtu", EP_NFT_INTEGER, 2},
		[NFT_RT_XFRM] = {"rt ipsec", EP_NFT_BOOLEAN, 1},
	};
	uint64_t key = ep_attr_num(e, NFTA_RT_KEY, UINT32_MAX);

	if (key >= EP_ARRAY_SIZE(keys) || !keys[key].text)
		ep_text_unknown(t, e);
	else
		load_key(t, ep_attr_num(e, NFTA_RT_DREG, 0), keys[key].text, &keys[key]);
}

void ep_text_socket(struct ep_nft_text *t, const struct ep_expr *e)
{
	static const struct key keys[] = {
		[NFT_SOCKET_TRANSPARENT] = {"socket transparent", EP_NFT_INTEGER, 1},
		[NFT_SOCKET_MARK] = {"socket mark", EP_NFT_MARK, 4},
		[NFT_SOCKET_WILDCARD] = {"socket wildcard", EP_NFT_INTEGER, 1},
		[NFT_SOCKET_CGROUPV2] = {"socket cgroupv2", EP_NFT_CGROUPV2, 8},
	};
	uint64_t key = ep_attr_num(e, NFTA_SOCKET_KEY, UINT32_MAX);
	uint64_t level = ep_attr_num(e, NFTA_SOCKET_LEVEL, 0);
	const char *text;

	if (key >= EP_ARRAY_SIZE(keys)) {
		ep_text_unknown(t, e);
		return;
	}
	text = keys[key].text;
	if (key == NFT_SOCKET_CGROUPV2)
		text = ep_sprintf(t->a, "%s level %llu", text, (unsigned long long)level);
	load_key(t, ep_attr_num(e, NFTA_SOCKET_DREG, 0), text, &keys[key]);
}
