// SPDX-License-Identifier: GPL-2.0-or-later
/* Expressions that compute a register: constants, dice, hashes, bits and byte order. */
#include "model/nft_text.h"

#include <linux/netfilter/nf_tables.h>
#include <string.h>

static struct ep_load *load_number(struct ep_nft_text *t, uint64_t dreg, const char *text)
{
	struct ep_load *l = ep_text_load(t, dreg, 4, text, EP_NFT_INTEGER);

	if (l)
		l->parts[0].host = true;
	return l;
}

static const char *with_offset(struct ep_nft_text *t, const char *text, uint64_t offset)
{
	return offset ? ep_sprintf(t->a, "%s offset %llu", text, (unsigned long long)offset) : text;
}

void ep_text_numgen(struct ep_nft_text *t, const struct ep_expr *e)
{
	bool random = ep_attr_num(e, NFTA_NG_TYPE, 0) == NFT_NG_RANDOM;
	const char *text = ep_sprintf(t->a, "numgen %s mod %llu", random ? "random" : "inc",
				      (unsigned long long)ep_attr_num(e, NFTA_NG_MODULUS, 0));

	load_number(t, ep_attr_num(e, NFTA_NG_DREG, 0),
		    with_offset(t, text, ep_attr_num(e, NFTA_NG_OFFSET, 0)));
}

void ep_text_hash(struct ep_nft_text *t, const struct ep_expr *e)
{
	unsigned long long mod = ep_attr_num(e, NFTA_HASH_MODULUS, 0);
	bool jenkins = ep_attr_num(e, NFTA_HASH_TYPE, NFT_HASH_JENKINS) == NFT_HASH_JENKINS;
	const char *text = "symhash";

	if (jenkins) {
		uint64_t len = ep_attr_num(e, NFTA_HASH_LEN, 0);

		text = len <= EP_TEXT_REGS * 4 ?
			       ep_text_expr(t, ep_attr_num(e, NFTA_HASH_SREG, 0), (uint32_t)len) :
			       NULL;
		text = ep_sprintf(t->a, "jhash %s", text ? text : "[?]");
	}
	text = ep_sprintf(t->a, "%s mod %llu", text, mod);
	if (jenkins && ep_attr_has(e, NFTA_HASH_SEED))
		text = ep_sprintf(t->a, "%s seed 0x%llx", text,
				  (unsigned long long)ep_attr_num(e, NFTA_HASH_SEED, 0));
	load_number(t, ep_attr_num(e, NFTA_HASH_DREG, 0),
		    with_offset(t, text, ep_attr_num(e, NFTA_HASH_OFFSET, 0)));
}

/* ---- constants ---- */

void ep_text_immediate(struct ep_nft_text *t, const struct ep_expr *e)
{
	const struct ep_attr *at = ep_attr_get(e, NFTA_IMMEDIATE_DATA);
	struct ep_load *l;

	if (at && at->kind == EP_ATTR_VERDICT) {
		ep_text_verdict(t, at->verdict);
		return;
	}
	if (!at || at->kind != EP_ATTR_BYTES || at->len > EP_TEXT_REGS * 4) {
		ep_text_unknown(t, e);
		return;
	}
	l = ep_text_load(t, ep_attr_num(e, NFTA_IMMEDIATE_DREG, 0), at->len, "", EP_NFT_INTEGER);
	if (l)
		l->imm = at->bytes;
}

/* ---- bits ---- */

bool ep_text_mask_run(const uint8_t *mask, uint32_t len, unsigned *ret_first, unsigned *ret_bits)
{
	unsigned first = 0, last = 0, n = 0;

	for (unsigned i = 0; i < len * 8; i++) {
		if (!(mask[i / 8] & 0x80 >> i % 8))
			continue;
		if (!n++)
			first = i;
		last = i;
	}
	*ret_first = first;
	*ret_bits = n;
	return n && last - first + 1 == n;
}

/* Bits that are masked out of bytes of the header, and are a field of their own. */
static bool masked_field(struct ep_nft_text *t, struct ep_load *l, const uint8_t *mask,
			 const uint8_t * xor)
{
	const struct ep_field *f = NULL;
	unsigned first, bits;

	for (unsigned i = 0; i < l->len; i++) {
		if (xor[i])
			return false;
	}
	if (l->is_payload && l->len <= 8 && ep_text_mask_run(mask, l->len, &first, &bits))
		f = ep_field_find(l->base,
				  l->base >= EP_FIELD_EXTHDR ? l->proto :
							       ep_text_proto_of(t, l->base),
				  l->offset + first, bits, false, t->icmp_type);
	if (!f || bits == l->len * 8u)
		return false;
	l->n_parts = 1;
	l->parts[0] = (struct ep_part){.text = f->text,
				       .type = f->type,
				       .len = l->len,
				       .full_len = l->len,
				       .shift = (uint8_t)(l->len * 8 - first - bits),
				       .bits = (uint8_t)bits};
	ep_text_drop_implied(t, l->base);
	return true;
}

static void shift(struct ep_nft_text *t, struct ep_load *l, const struct ep_expr *e, bool left)
{
	uint32_t len = 0, n;
	const uint8_t *data = ep_attr_bytes(e, NFTA_BITWISE_DATA, &len);

	n = data && len == 4 ? (uint32_t)ep_nft_value_num(data, len, true) : 0;
	if (!left && l->parts[0].bits && l->parts[0].shift == n) {
		l->parts[0].shift = 0;
		return;
	}
	l->parts[0].text = ep_sprintf(t->a, l->mask ? "(%s) %s %u" : "%s %s %u", ep_text_of(t, l),
				      left ? "<<" : ">>", n);
	l->n_parts = 1;
	l->parts[0].len = l->len;
	l->mask = l->xor = l->imm = NULL;
}

void ep_text_bitwise(struct ep_nft_text *t, const struct ep_expr *e)
{
	uint64_t sreg = ep_attr_num(e, NFTA_BITWISE_SREG, 0);
	uint64_t dreg = ep_attr_num(e, NFTA_BITWISE_DREG, 0);
	uint64_t op = ep_attr_num(e, NFTA_BITWISE_OP, NFT_BITWISE_BOOL);
	struct ep_load *src = ep_text_at(t, sreg), *l, copy;
	uint32_t mask_len = 0, xor_len = 0;
	const uint8_t *mask = ep_attr_bytes(e, NFTA_BITWISE_MASK, &mask_len);
	const uint8_t * xor = ep_attr_bytes(e, NFTA_BITWISE_XOR, &xor_len);

	if (!src) {
		ep_text_unknown(t, e);
		return;
	}
	copy = *src;
	l = ep_text_load(t, dreg, copy.len, NULL, EP_NFT_NONE);
	if (!l)
		return;
	*l = copy;
	if (op == NFT_BITWISE_LSHIFT || op == NFT_BITWISE_RSHIFT) {
		shift(t, l, e, op == NFT_BITWISE_LSHIFT);
		return;
	}
	if (op != NFT_BITWISE_BOOL || mask_len != l->len || xor_len != l->len || l->mask) {
		l->parts[0].text = "[bitwise]";
		l->parts[0].len = l->len;
		l->n_parts = 1;
		l->mask = l->xor = l->imm = NULL;
		return;
	}
	if (masked_field(t, l, mask, xor))
		return;
	l->mask = mask;
	l->xor = xor;
}

/* Its names stay; numbers in host order are in network order from here on, or the other way. */
void ep_text_byteorder(struct ep_nft_text *t, const struct ep_expr *e)
{
	struct ep_load *src = ep_text_at(t, ep_attr_num(e, NFTA_BYTEORDER_SREG, 0)), *l, copy;

	if (!src) {
		ep_text_unknown(t, e);
		return;
	}
	copy = *src;
	l = ep_text_load(t, ep_attr_num(e, NFTA_BYTEORDER_DREG, 0), copy.len, NULL, EP_NFT_NONE);
	if (!l)
		return;
	*l = copy;
	for (unsigned i = 0; i < l->n_parts; i++)
		l->parts[i].host = ep_attr_num(e, NFTA_BYTEORDER_OP, 0) == NFT_BYTEORDER_NTOH;
}
