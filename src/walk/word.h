/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A 32-bit number made of the packet's bits, as u32 and BPF programs compute with it: each bit is
 * constant or one bit of an open variable, perhaps turned round. */
#ifndef EP_WALK_WORD_H
#define EP_WALK_WORD_H

#include "walk/bytes.h"

struct ep_bit {
	int16_t var; /* -1: constant */
	uint8_t idx; /* of the variable: 0 is its least significant bit */
	bool c;      /* constant: its value; variable: the bit is turned round */
};

struct ep_word {
	struct ep_bit b[32]; /* least significant first */
};

struct ep_word ep_word_const(uint32_t v);
/* 1 to 4 bytes in network order. */
struct ep_word ep_word_bytes(const struct ep_walk *w, const struct ep_byte *b, unsigned n);
bool ep_word_is_const(const struct ep_word *x, uint32_t *ret);
struct ep_word ep_word_and(struct ep_word x, uint32_t v);
struct ep_word ep_word_or(struct ep_word x, uint32_t v);
struct ep_word ep_word_xor(struct ep_word x, uint32_t v);
struct ep_word ep_word_shl(struct ep_word x, unsigned n);
struct ep_word ep_word_shr(struct ep_word x, unsigned n);
/* Constants, by asking for the values of variables that have few; false if one has too many. */
bool ep_word_settle(struct ep_walk *w, struct ep_word *x, uint32_t *ret);
/* lo <= x <= hi, by choices. */
bool ep_word_between(struct ep_walk *w, const struct ep_word *x, uint32_t lo, uint32_t hi);
/* Is one of the mask's bits set? */
bool ep_word_any(struct ep_walk *w, const struct ep_word *x, uint32_t mask);

#endif
