/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nft registers (net/netfilter/nf_tables_core.c, struct nft_regs), byte by byte: each byte is a
 * constant or one byte of an open variable, masked and xored. Masks, byte swaps, partial and merged
 * loads then need no special cases.
 */
#ifndef EP_WALK_NFT_REGS_H
#define EP_WALK_NFT_REGS_H

#include "walk/engine.h"

#define EP_NFT_REGBYTES 64

enum ep_byte_kind { EP_BYTE_UNDEF, EP_BYTE_CONST, EP_BYTE_VAR };

struct ep_byte {
	uint8_t kind;
	uint8_t idx;  /* of the variable: 0 is its most significant byte */
	uint8_t mask; /* value = (byte & mask) ^ c; constants: value = c */
	uint8_t c;
	int16_t var;
};

struct ep_regs {
	struct ep_byte b[EP_NFT_REGBYTES];
};

/* Bytes of register number reg (NFT_REG_*), len bytes; NULL if that is outside of the file. */
struct ep_byte *ep_reg(struct ep_regs *r, uint64_t reg, size_t len);
/* Stores, and zeroes the rest of the last 32-bit word as the kernel's stores do. */
bool ep_reg_const(struct ep_regs *r, uint64_t reg, const void *p, size_t len);
bool ep_reg_u32(struct ep_regs *r, uint64_t reg, uint32_t v); /* host order */
bool ep_reg_u16(struct ep_regs *r, uint64_t reg, uint16_t v); /* host order */
bool ep_reg_u8(struct ep_regs *r, uint64_t reg, uint8_t v);
bool ep_reg_name(struct ep_regs *r, uint64_t reg, const char *s); /* IFNAMSIZ bytes */
/* A field of `bytes` bytes in network order (or reversed, for host-order numbers). */
bool ep_reg_val(struct ep_regs *r, uint64_t reg, const struct ep_val *v, size_t bytes,
		bool reverse);
/* One byte of a field. */
struct ep_byte ep_byte_of(const struct ep_val *v, size_t bytes, size_t idx);
/* (b & mask) ^ xor */
struct ep_byte ep_byte_and_xor(struct ep_byte b, uint8_t mask, uint8_t xor);
/* All constant? Then copies them out. */
bool ep_bytes_const(const struct ep_byte *b, size_t len, uint8_t *out);
/* Constants, if need be by splitting over the values of one variable that has few of them. */
bool ep_bytes_settle(struct ep_walk *w, struct ep_byte *b, size_t len, uint8_t *out);
/* Does the register hold any byte of an open variable? */
bool ep_bytes_open(const struct ep_byte *b, size_t len);
bool ep_bytes_defined(const struct ep_byte *b, size_t len);

/* Register against data, deciding or splitting. */
bool ep_bytes_equal(struct ep_walk *w, const struct ep_byte *b, const uint8_t *data, size_t len);
/* lo <= b <= hi in byte order (memcmp). */
bool ep_bytes_between(struct ep_walk *w, const struct ep_byte *b, const uint8_t *lo,
		      const uint8_t *hi, size_t len);
/* Values of the single variable for which lo <= b <= hi; false if it is not one variable, or the set
 * can't be told. *ret_never: some constant byte already rules it out. */
bool ep_bytes_preimage(struct ep_walk *w, const struct ep_byte *b, const uint8_t *lo,
		       const uint8_t *hi, size_t len, int *ret_var, struct ep_ivset *ret);

#endif
