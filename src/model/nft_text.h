/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_text's inside: a rule's expressions are read once, in order. What loads a register leaves
 * there its name in nft's language; what compares or acts takes these names and adds a piece of text.
 */
#ifndef EP_NFT_TEXT_H
#define EP_NFT_TEXT_H

#include "edgepath/model.h"
#include "model/nft_types.h"

#define EP_TEXT_REGS  16 /* of 4 bytes each */
#define EP_TEXT_PARTS 4

/* One value in a register: a field, a key or a constant. */
struct ep_part {
	const char *text;
	enum ep_nft_type type;
	uint8_t len;      /* bytes in the register */
	uint8_t full_len; /* of the field, if only its first bytes were loaded; else len */
	bool host;        /* in host order */
	uint8_t shift;    /* of a field below which there are others: bits to the right of it */
	uint8_t bits;     /* of such a field */
};

/* What one load left in the registers; it is found at its first register. */
struct ep_load {
	struct ep_part parts[EP_TEXT_PARTS]; /* several: neighbouring fields, loaded at once */
	uint8_t n_parts;                     /* 0: nothing that we know */
	uint8_t len;
	uint8_t regs;         /* how many registers it fills; 0 in the others of a load */
	const uint8_t *imm;   /* immediate data */
	const uint8_t *mask;  /* a bitwise operation that is still to be written out */
	const uint8_t * xor ; /* same length as mask */
	uint8_t base;         /* payload */
	uint16_t offset;      /* payload: bits */
	uint16_t proto; /* of a load with a base of EP_FIELD_EXTHDR: type of header or option */
	bool is_payload, is_l4, is_l3, is_ll;
	/* A piece that this load made superfluous, for those that want it back; "" if none. */
	const char *undo;
	int undo_piece;
};

struct ep_nft_text {
	struct ep_arena *a;
	const struct ep_nft_chain *chain;
	struct ep_load regs[EP_TEXT_REGS];
	ep_strs pieces; /* "" was dropped */
	uint8_t l3;     /* NFPROTO_*, 0 unknown */
	int l4;         /* IPPROTO_*, -1 unknown */
	bool ether;     /* the frame is of Ethernet */
	/* Pieces that only say what a later one implies; -1 none. */
	int l3_piece, l4_piece, ll_piece;
	bool l4_is_field; /* the l4 piece is of "ip protocol": it says more in tables of many families */
	int icmp_type;       /* -1 unknown */
	int icmp_type_piece; /* -1 none, or it stays */
	/* "x >= lo", which "x <= hi" makes a range */
	int gte_piece;
	uint64_t gte_reg;
	const uint8_t *gte;
};

typedef void (*ep_nft_text_fn)(struct ep_nft_text *t, const struct ep_expr *e);

/* ---- pieces (nft_text.c) ---- */

void ep_text_add(struct ep_nft_text *t, const char *fmt, ...) EP_PRINTF(2, 3);
/* Takes b's text, and frees it. */
void ep_text_add_buf(struct ep_nft_text *t, struct ep_buf *b);
void ep_text_unknown(struct ep_nft_text *t, const struct ep_expr *e);

/* ---- registers (nft_text.c) ---- */

/* The load that begins at register number reg (NFT_REG_*); NULL if there is none. */
struct ep_load *ep_text_at(struct ep_nft_text *t, uint64_t reg);
/* Starts a load of one part at dreg; NULL for an impossible register. text is arena memory. */
struct ep_load *ep_text_load(struct ep_nft_text *t, uint64_t reg, uint32_t len, const char *text,
			     enum ep_nft_type type);
/* Expression text of len bytes at reg: fields of a concatenation with dots; NULL if unknown. */
const char *ep_text_expr(struct ep_nft_text *t, uint64_t reg, uint32_t len);
/* One load's text with its mask and xor. */
const char *ep_text_of(struct ep_nft_text *t, const struct ep_load *l);
/* The parts of len bytes at reg, with their places in a key (padded to registers); count. */
struct ep_key_part {
	struct ep_part part;
	uint32_t at;
};
unsigned ep_text_key(struct ep_nft_text *t, uint64_t reg, uint32_t len, struct ep_key_part *ret,
		     unsigned max);

/* A value of the part, of len bytes (fewer than its own: the beginning of an address or name). */
void ep_text_put_value(struct ep_buf *b, const struct ep_part *p, const uint8_t *v, uint32_t len);
void ep_text_put_range(struct ep_buf *b, const struct ep_part *p, const uint8_t *lo,
		       const uint8_t *hi);

/* ---- payload fields (nft_text_fields.c) ---- */

/* Fields behind NFT_EXTHDR_OP_* are found at this base and more; proto is their type. */
#define EP_FIELD_EXTHDR 16

#define EP_LL_ETHER 1 /* ARPHRD_ETHER: the protocol of the fields of a frame */

struct ep_field {
	uint8_t base;   /* NFT_PAYLOAD_*, or EP_FIELD_EXTHDR and more */
	uint16_t proto; /* NFPROTO_* or IPPROTO_*; 0 any */
	uint16_t offset, bits;
	const char *text;
	enum ep_nft_type type;
	uint8_t icmp; /* the type of ICMP message that has it; 0 any */
};

extern const struct ep_field ep_exthdr_fields[]; /* ends with a row whose text is NULL */
/* The field of exactly these bits, or (prefix) an address that begins with them; NULL if none. */
const struct ep_field *ep_field_find(uint8_t base, uint16_t proto, uint32_t offset, uint32_t bits,
				     bool prefix, int icmp_type);

/* inet, bridge, netdev: a packet may be of any family. */
bool ep_text_many_families(const struct ep_nft_text *t);
/* It was compared: the protocol is known from here on. */
void ep_text_learn_l4(struct ep_nft_text *t, bool is_field, uint8_t proto, int piece);
/* Something acted: what is before it is no longer implied by what comes behind it. */
void ep_text_acted(struct ep_nft_text *t);
/* What implied the header (nfproto, l4proto…) goes: the field or statement at hand says so itself. */
void ep_text_drop_implied(struct ep_nft_text *t, uint8_t base);
/* NFPROTO_* or IPPROTO_* that is known of the header at base. */
uint16_t ep_text_proto_of(const struct ep_nft_text *t, uint8_t base);

/* ---- masks (nft_text_calc.c) ---- */

/* Bits of a mask that are one run: their offset from the first bit, and count; false if not. */
bool ep_text_mask_run(const uint8_t *mask, uint32_t len, unsigned *ret_first, unsigned *ret_bits);

/* " limit rate 5/second" of what a dynset keeps with its elements; "" if nothing (nft_text_nested.c). */
const char *ep_text_nested(struct ep_nft_text *t, const struct ep_expr *e);

/* ---- handlers ---- */

void ep_text_payload(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_meta(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_ct(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_fib(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_rt(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_socket(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_numgen(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_hash(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_exthdr(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_xfrm(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_osf(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_immediate(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_bitwise(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_byteorder(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_cmp(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_range(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_lookup(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_dynset(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_objref(struct ep_nft_text *t, const struct ep_expr *e);
void ep_text_verdict(struct ep_nft_text *t, const struct ep_verdict *v);
/* "accept", "jump x" in nft's language. */
void ep_text_put_verdict(struct ep_buf *out, const struct ep_verdict *v);

extern const struct ep_nft_text_row {
	const char *name;
	ep_nft_text_fn fn;
} ep_nft_text_statements[]; /* nft_text_stmt.c; ends with a row whose name is NULL */

#endif
