// SPDX-License-Identifier: GPL-2.0-or-later
/* Bytes of the packet into registers and back: net/netfilter/nft_payload.c, nft_exthdr.c. */
#include <netinet/in.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "walk/bytes.h"
#include "walk/nft.h"

/* Behind the TCP header (NFT_PAYLOAD_INNER_HEADER) a SYN has nothing. */
static bool base_of(uint64_t base, enum ep_at *ret)
{
	switch (base) {
	case NFT_PAYLOAD_LL_HEADER:
		*ret = EP_AT_LINK;
		return true;
	case NFT_PAYLOAD_NETWORK_HEADER:
		*ret = EP_AT_NET;
		return true;
	case NFT_PAYLOAD_TRANSPORT_HEADER:
		*ret = EP_AT_TCP;
		return true;
	}
	return false;
}

static enum ep_nft_next write_payload(struct ep_nft_vm *vm, const struct ep_expr *e, enum ep_at at,
				      unsigned off, unsigned len)
{
	struct ep_byte *s = ep_reg(&vm->regs, ep_attr_num(e, NFTA_PAYLOAD_SREG, ~0ull), len);
	struct ep_byte had[EP_NFT_REGBYTES];

	if (!s || !ep_bytes_defined(s, len))
		return ep_nft_bad(vm, e);
	if (!ep_pkt_bytes(vm->w, at, off, len, had))
		return EP_NFT_BREAK;
	for (unsigned i = 0; i < len; i++) {
		if (!memcmp(&had[i], &s[i], sizeof(had[i])))
			continue;
		if (!ep_pkt_write(vm->w, at, off + i, s[i]))
			return ep_nft_unknown(vm, "the rule rewrites the packet's header");
		vm->action = "rewrite";
	}
	return EP_NFT_NEXT;
}

enum ep_nft_next ep_nft_eval_payload(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint64_t off = ep_attr_num(e, NFTA_PAYLOAD_OFFSET, 0);
	uint64_t len = ep_attr_num(e, NFTA_PAYLOAD_LEN, 0);
	struct ep_byte bytes[EP_NFT_REGBYTES], *d;
	enum ep_at at;

	if (!len || len > EP_NFT_REGBYTES || off > UINT16_MAX)
		return ep_nft_bad(vm, e);
	if (!base_of(ep_attr_num(e, NFTA_PAYLOAD_BASE, ~0ull), &at))
		return EP_NFT_BREAK;
	if (ep_attr_has(e, NFTA_PAYLOAD_SREG))
		return write_payload(vm, e, at, (unsigned)off, (unsigned)len);
	d = ep_reg(&vm->regs, ep_attr_num(e, NFTA_PAYLOAD_DREG, ~0ull), len);
	if (!d)
		return ep_nft_bad(vm, e);
	if (!ep_pkt_bytes(vm->w, at, (unsigned)off, (unsigned)len, bytes))
		return EP_NFT_BREAK;
	for (unsigned i = 0; i < (len + 3u) / 4 * 4 && d + i < vm->regs.b + EP_NFT_REGBYTES; i++)
		d[i] = i < len ? bytes[i] : (struct ep_byte){.kind = EP_BYTE_CONST};
	return EP_NFT_NEXT;
}

/* ---- extension headers and options ---- */

/* nft_exthdr_tcp_set_eval(), nft_exthdr_tcp_strip_eval(): a missing option is no reason to stop. */
static enum ep_nft_next change_option(struct ep_nft_vm *vm, const struct ep_expr *e, unsigned type)
{
	if (!ep_pkt_option(vm->w, type))
		return EP_NFT_NEXT;
	if (ep_attr_has(e, NFTA_EXTHDR_SREG))
		ep_pkt_option_changed(vm->w, type);
	else
		ep_pkt_option_gone(vm->w, type);
	return EP_NFT_NEXT;
}

static enum ep_nft_next tcp_option(struct ep_nft_vm *vm, const struct ep_expr *e, unsigned type,
				   uint64_t dreg)
{
	unsigned off = (unsigned)ep_attr_num(e, NFTA_EXTHDR_OFFSET, 0);
	unsigned len = (unsigned)ep_attr_num(e, NFTA_EXTHDR_LEN, 1);
	bool there = ep_pkt_option(vm->w, type);
	struct ep_byte *d = ep_reg(&vm->regs, dreg, len), bytes[EP_NFT_REGBYTES] = {};

	if (!d || !len || len > EP_NFT_REGBYTES || off > 255)
		return ep_nft_bad(vm, e);
	for (unsigned i = 0; there && i < len; i++)
		there = ep_pkt_option_byte(vm->w, type, off + i, &bytes[i]);
	if (ep_attr_num(e, NFTA_EXTHDR_FLAGS, 0) & NFT_EXTHDR_F_PRESENT)
		return ep_nft_stored(vm, e, ep_reg_u8(&vm->regs, dreg, there));
	if (!there)
		return EP_NFT_BREAK;
	for (unsigned i = 0; i < (len + 3u) / 4 * 4 && d + i < vm->regs.b + EP_NFT_REGBYTES; i++)
		d[i] = i < len ? bytes[i] : (struct ep_byte){.kind = EP_BYTE_CONST};
	return EP_NFT_NEXT;
}

/* The packet has neither IPv4 options nor IPv6 extension headers. */
enum ep_nft_next ep_nft_eval_exthdr(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint64_t op = ep_attr_num(e, NFTA_EXTHDR_OP, NFT_EXTHDR_OP_IPV6);
	uint64_t dreg = ep_attr_num(e, NFTA_EXTHDR_DREG, ~0ull);
	unsigned type = (unsigned)ep_attr_num(e, NFTA_EXTHDR_TYPE, 0);
	bool mine = op == (vm->w->p.alen == 4 ? NFT_EXTHDR_OP_IPV4 : NFT_EXTHDR_OP_IPV6);

	if (op == NFT_EXTHDR_OP_TCPOPT && !ep_attr_has(e, NFTA_EXTHDR_DREG))
		return change_option(vm, e, type);
	if (op == NFT_EXTHDR_OP_TCPOPT)
		return tcp_option(vm, e, type, dreg);
	if (mine && ep_attr_num(e, NFTA_EXTHDR_FLAGS, 0) & NFT_EXTHDR_F_PRESENT)
		return ep_nft_stored(vm, e, ep_reg_u8(&vm->regs, dreg, 0));
	return EP_NFT_BREAK;
}
