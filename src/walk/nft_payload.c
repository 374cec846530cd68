// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The packet's headers byte by byte, as nft_payload.c reads them: RFC 791, 8200 and 9293. What a
 * client's SYN fixes is constant; what nobody told us (TTL, lengths, sequence number) is open.
 */
#include <netinet/in.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "walk/nft.h"

enum field_source { F_CONST, F_OPEN, F_SADDR, F_DADDR, F_SPORT, F_DPORT, F_SMAC, F_DMAC };

struct field {
	uint8_t off, len;
	enum field_source source;
	uint8_t value[2]; /* F_CONST, up to two bytes */
	const char *what; /* F_OPEN */
};

static const struct field ipv4[] = {
	{0, 1, F_CONST, {0x45}, NULL},       {1, 1, F_OPEN, {}, "ip tos"},
	{2, 2, F_OPEN, {}, "packet length"}, {4, 2, F_OPEN, {}, "ip id"},
	{6, 2, F_CONST, {0x40}, NULL}, /* don't fragment, offset 0: as TCP with path MTU discovery */
	{8, 1, F_OPEN, {}, "ip ttl"},        {9, 1, F_CONST, {IPPROTO_TCP}, NULL},
	{10, 2, F_OPEN, {}, "ip checksum"},  {12, 4, F_SADDR, {}, NULL},
	{16, 4, F_DADDR, {}, NULL},          {}};

static const struct field ipv6[] = {{0, 1, F_CONST, {0x60}, NULL},
				    {1, 3, F_OPEN, {}, "ip6 flowlabel"},
				    {4, 2, F_OPEN, {}, "ip6 payload length"},
				    {6, 1, F_CONST, {IPPROTO_TCP}, NULL},
				    {7, 1, F_OPEN, {}, "ip6 hoplimit"},
				    {8, 16, F_SADDR, {}, NULL},
				    {24, 16, F_DADDR, {}, NULL},
				    {}};

static const struct field tcp[] = {
	{0, 2, F_SPORT, {}, NULL},          {2, 2, F_DPORT, {}, NULL},
	{4, 4, F_OPEN, {}, "tcp sequence"}, {8, 2, F_CONST, {}, NULL},
	{10, 2, F_CONST, {}, NULL},                                         /* acknowledgement 0 */
	{12, 1, F_OPEN, {}, "tcp doff"},    {13, 1, F_CONST, {0x02}, NULL}, /* SYN alone */
	{14, 2, F_OPEN, {}, "tcp window"},  {16, 2, F_OPEN, {}, "tcp checksum"},
	{18, 2, F_CONST, {}, NULL},         {}};

static const struct field ether[] = {{0, 6, F_DMAC, {}, NULL}, {6, 6, F_SMAC, {}, NULL}, {}};

static const struct field *find(const struct field *h, unsigned off)
{
	for (; h->len; h++)
		if (off >= h->off && off < h->off + h->len)
			return h;
	return NULL;
}

static struct ep_byte load_byte(struct ep_walk *w, const struct field *f, unsigned i)
{
	struct ep_byte b = {.kind = EP_BYTE_CONST};
	struct ep_val v;

	switch (f->source) {
	case F_SADDR:
		return ep_byte_of(&w->p.saddr, f->len, i);
	case F_SPORT:
		return ep_byte_of(&w->p.sport, f->len, i);
	case F_SMAC:
		return ep_byte_of(&w->p.smac, f->len, i);
	case F_DMAC:
		return ep_byte_of(&w->p.dmac, f->len, i);
	case F_OPEN:
		v = ep_w_unknown_val(w, f->what, f->len * 8u);
		return ep_byte_of(&v, f->len, i);
	case F_DADDR:
		b.c = w->p.daddr.b[i];
		return b;
	case F_DPORT:
		b.c = (uint8_t)(i ? w->p.dport : w->p.dport >> 8);
		return b;
	case F_CONST:
		b.c = i < sizeof(f->value) ? f->value[i] : 0;
	}
	return b;
}

static const struct field *header(const struct ep_walk *w, uint64_t base)
{
	switch (base) {
	case NFT_PAYLOAD_LL_HEADER:
		return w->p.framed ? ether : NULL;
	case NFT_PAYLOAD_NETWORK_HEADER:
		return w->p.alen == 4 ? ipv4 : ipv6;
	case NFT_PAYLOAD_TRANSPORT_HEADER:
		return tcp;
	}
	return NULL;
}

/* A rule that writes into the packet: addresses and the port matter, the rest stays open. */
static enum ep_nft_next write_payload(struct ep_nft_vm *vm, const struct ep_expr *e,
				      const struct field *h, unsigned off, unsigned len)
{
	struct ep_byte *s = ep_reg(&vm->regs, ep_attr_num(e, NFTA_PAYLOAD_SREG, ~0ull), len);

	if (!s || !ep_bytes_defined(s, len))
		return ep_nft_bad(vm, e);
	for (unsigned i = 0; i < len; i++) {
		const struct field *f = find(h, off + i);
		unsigned at = f ? off + i - f->off : 0;
		struct ep_byte had;

		if (!f || f->source == F_OPEN)
			continue;
		had = load_byte(vm->w, f, at);
		if (!memcmp(&had, &s[i], sizeof(had)))
			continue;
		if (s[i].kind != EP_BYTE_CONST || (f->source != F_DADDR && f->source != F_DPORT))
			return ep_nft_unknown(vm, "the rule rewrites the packet's header");
		if (f->source == F_DADDR)
			vm->w->p.daddr.b[at] = s[i].c;
		else
			vm->w->p.dport = (uint16_t)(at ? (vm->w->p.dport & 0xff00) | s[i].c :
							 (vm->w->p.dport & 0xff) | s[i].c << 8);
		vm->action = "rewrite";
	}
	return EP_NFT_NEXT;
}

enum ep_nft_next ep_nft_eval_payload(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint64_t base = ep_attr_num(e, NFTA_PAYLOAD_BASE, ~0ull);
	uint64_t off = ep_attr_num(e, NFTA_PAYLOAD_OFFSET, 0);
	uint64_t len = ep_attr_num(e, NFTA_PAYLOAD_LEN, 0);
	const struct field *h = header(vm->w, base), *f = NULL;
	struct ep_walk *w = vm->w;
	struct ep_byte *d;

	if (!len || len > EP_NFT_REGBYTES || off > 255)
		return ep_nft_bad(vm, e);
	if (!h)
		return EP_NFT_BREAK;
	if (ep_attr_has(e, NFTA_PAYLOAD_SREG))
		return write_payload(vm, e, h, (unsigned)off, (unsigned)len);
	d = ep_reg(&vm->regs, ep_attr_num(e, NFTA_PAYLOAD_DREG, ~0ull), len);
	if (!d)
		return ep_nft_bad(vm, e);
	for (unsigned i = 0; i < (len + 3u) / 4 * 4 && d + i < vm->regs.b + EP_NFT_REGBYTES; i++)
		d[i] = (struct ep_byte){.kind = EP_BYTE_CONST};
	for (unsigned i = 0; i < len; i++) {
		struct ep_val v;

		if (h == ether &&
		    off + i >= ETH_HLEN) { /* without a tag the packet is next to it */
			h = w->p.alen == 4 ? ipv4 : ipv6;
			off -= ETH_HLEN;
			f = NULL;
		}
		if (!f || off + i >= f->off + f->len)
			f = find(h, (unsigned)off + i);
		if (f) {
			d[i] = load_byte(vm->w, f, (unsigned)off + i - f->off);
			continue;
		}
		if (h == ether && off + i >= 12 && off + i < 14) {
			uint16_t type = vm->w->p.alen == 4 ? ETH_P_IP : ETH_P_IPV6;

			d[i].c = (uint8_t)(off + i == 12 ? type >> 8 : type);
			continue;
		}
		v = ep_w_unknown_val(vm->w,
				     ep_w_sprintf(vm->w, "packet byte %u:%u", (unsigned)base,
						  (unsigned)off + i),
				     8);
		d[i] = ep_byte_of(&v, 1, 0);
	}
	return EP_NFT_NEXT;
}
