// SPDX-License-Identifier: GPL-2.0-or-later
/* Expressions that move and compare register data, look it up, and give verdicts. */
#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "walk/nft.h"

static enum ep_nft_next eval_immediate(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	const struct ep_attr *data = ep_attr_get(e, NFTA_IMMEDIATE_DATA);
	uint64_t dreg = ep_attr_num(e, NFTA_IMMEDIATE_DREG, ~0ull);

	if (!data)
		return ep_nft_bad(vm, e);
	if (data->kind == EP_ATTR_VERDICT) {
		vm->verdict = *data->verdict;
		return EP_NFT_VERDICT;
	}
	if (data->kind != EP_ATTR_BYTES || !ep_reg_const(&vm->regs, dreg, data->bytes, data->len))
		return ep_nft_bad(vm, e);
	return EP_NFT_NEXT;
}

static bool defined(struct ep_nft_vm *vm, const struct ep_byte *b, size_t len)
{
	return b && ep_bytes_defined(b, len) && vm;
}

static enum ep_nft_next yes_no(bool yes)
{
	return yes ? EP_NFT_NEXT : EP_NFT_BREAK;
}

/* nft_cmp_eval(): memcmp of the register with the data. */
static enum ep_nft_next eval_cmp(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint32_t len = 0;
	const uint8_t *data = ep_attr_bytes(e, NFTA_CMP_DATA, &len);
	uint8_t zero[EP_NFT_REGBYTES] = {}, ones[EP_NFT_REGBYTES];
	struct ep_byte *b;

	if (!data || !len || len > EP_NFT_REGBYTES)
		return ep_nft_bad(vm, e);
	b = ep_reg(&vm->regs, ep_attr_num(e, NFTA_CMP_SREG, ~0ull), len);
	if (!defined(vm, b, len))
		return ep_nft_bad(vm, e);
	memset(ones, 0xff, sizeof(ones));
	switch (ep_attr_num(e, NFTA_CMP_OP, ~0ull)) {
	case NFT_CMP_EQ:
		return yes_no(ep_bytes_equal(vm->w, b, data, len));
	case NFT_CMP_NEQ:
		return yes_no(!ep_bytes_equal(vm->w, b, data, len));
	case NFT_CMP_LT:
		return yes_no(!ep_bytes_between(vm->w, b, data, ones, len));
	case NFT_CMP_LTE:
		return yes_no(ep_bytes_between(vm->w, b, zero, data, len));
	case NFT_CMP_GT:
		return yes_no(!ep_bytes_between(vm->w, b, zero, data, len));
	case NFT_CMP_GTE:
		return yes_no(ep_bytes_between(vm->w, b, data, ones, len));
	}
	return ep_nft_bad(vm, e);
}

static enum ep_nft_next eval_range(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint32_t from_len = 0, to_len = 0;
	const uint8_t *from = ep_attr_bytes(e, NFTA_RANGE_FROM_DATA, &from_len);
	const uint8_t *to = ep_attr_bytes(e, NFTA_RANGE_TO_DATA, &to_len);
	struct ep_byte *b = ep_reg(&vm->regs, ep_attr_num(e, NFTA_RANGE_SREG, ~0ull), from_len);
	bool in;

	if (!from || !to || !from_len || from_len != to_len || !defined(vm, b, from_len))
		return ep_nft_bad(vm, e);
	in = ep_bytes_between(vm->w, b, from, to, from_len);
	return yes_no(ep_attr_num(e, NFTA_RANGE_OP, 0) == NFT_RANGE_EQ ? in : !in);
}

static enum ep_nft_next shift(struct ep_nft_vm *vm, const struct ep_expr *e, struct ep_byte *s,
			      struct ep_byte *d, uint32_t len)
{
	uint32_t n_len = 0, bits;
	const uint8_t *n = ep_attr_bytes(e, NFTA_BITWISE_DATA, &n_len);
	bool left = ep_attr_num(e, NFTA_BITWISE_OP, 0) == NFT_BITWISE_LSHIFT;
	uint8_t x[EP_NFT_REGBYTES], y[EP_NFT_REGBYTES] = {};

	if (!n || n_len != sizeof(bits))
		return ep_nft_bad(vm, e);
	memcpy(&bits, n, sizeof(bits));
	if (!ep_bytes_const(s, len, x))
		return ep_nft_unknown(vm, "shift of an open field");
	/* Words are big-endian among each other, each in host order: nft_bitwise_eval_lshift(). */
	for (uint32_t i = 0; i + 4 <= len && bits && bits < 32; i += 4) {
		uint32_t v, o = 0, r;

		memcpy(&v, x + i, 4);
		if (left && i + 8 <= len) {
			memcpy(&o, x + i + 4, 4);
			r = v << bits | o >> (32 - bits);
		} else if (left) {
			r = v << bits;
		} else {
			if (i >= 4)
				memcpy(&o, x + i - 4, 4);
			r = v >> bits | (i >= 4 ? o << (32 - bits) : 0);
		}
		memcpy(y + i, &r, 4);
	}
	for (uint32_t i = 0; i < len; i++)
		d[i] = (struct ep_byte){.kind = EP_BYTE_CONST, .c = bits ? y[i] : x[i]};
	return EP_NFT_NEXT;
}

/* nft_bitwise_eval(): dst = (src & mask) ^ xor */
static enum ep_nft_next eval_bitwise(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint32_t len = (uint32_t)ep_attr_num(e, NFTA_BITWISE_LEN, 0), mlen = 0, xlen = 0;
	struct ep_byte *s = ep_reg(&vm->regs, ep_attr_num(e, NFTA_BITWISE_SREG, ~0ull), len);
	struct ep_byte *d = ep_reg(&vm->regs, ep_attr_num(e, NFTA_BITWISE_DREG, ~0ull), len);
	const uint8_t *mask = ep_attr_bytes(e, NFTA_BITWISE_MASK, &mlen);
	const uint8_t * xor = ep_attr_bytes(e, NFTA_BITWISE_XOR, &xlen);
	uint64_t op = ep_attr_num(e, NFTA_BITWISE_OP, NFT_BITWISE_BOOL);

	if (!len || !d || !defined(vm, s, len))
		return ep_nft_bad(vm, e);
	if (op == NFT_BITWISE_LSHIFT || op == NFT_BITWISE_RSHIFT)
		return shift(vm, e, s, d, len);
	if (op != NFT_BITWISE_BOOL)
		return ep_nft_unknown(vm, "bitwise operation on two registers");
	if (!mask || !xor || mlen != len || xlen != len)
		return ep_nft_bad(vm, e);
	for (uint32_t i = 0; i < len; i++) {
		struct ep_byte b = s[i];

		if (b.kind == EP_BYTE_VAR) {
			b.mask &= mask[i];
			b.c = (b.c & mask[i]) ^ xor[i];
			if (!b.mask)
				b.kind = EP_BYTE_CONST;
		} else {
			b.c = (b.c & mask[i]) ^ xor[i];
		}
		d[i] = b;
	}
	return EP_NFT_NEXT;
}

/* nft_byteorder_eval() on a little-endian machine: each group of `size` bytes is reversed. */
static enum ep_nft_next eval_byteorder(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint32_t len = (uint32_t)ep_attr_num(e, NFTA_BYTEORDER_LEN, 0);
	uint32_t size = (uint32_t)ep_attr_num(e, NFTA_BYTEORDER_SIZE, 0);
	struct ep_byte *s = ep_reg(&vm->regs, ep_attr_num(e, NFTA_BYTEORDER_SREG, ~0ull), len);
	struct ep_byte *d = ep_reg(&vm->regs, ep_attr_num(e, NFTA_BYTEORDER_DREG, ~0ull), len);
	struct ep_byte tmp[EP_NFT_REGBYTES];

	if (!len || !s || !d || (size != 2 && size != 4 && size != 8) || !defined(vm, s, len))
		return ep_nft_bad(vm, e);
	for (uint32_t i = 0; i < len; i++) {
		uint32_t group = i / size * size, last = group + size - 1;

		tmp[i] = htonl(1) == 1 || last >= len ? s[i] : s[last - (i - group)];
	}
	memcpy(d, tmp, len * sizeof(*d));
	return EP_NFT_NEXT;
}

const struct ep_nft_row ep_nft_rows_data[] = {
	{"immediate", eval_immediate},
	{"cmp", eval_cmp},
	{"range", eval_range},
	{"bitwise", eval_bitwise},
	{"byteorder", eval_byteorder},
	{"lookup", ep_nft_eval_lookup},
	{NULL, NULL},
};
