// SPDX-License-Identifier: GPL-2.0-or-later
/* Comparisons: of a value, of its prefix, of some bits, of flags, with a range. */
#include "model/nft_text.h"

#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

static const char *const cmp_ops[] = {
	[NFT_CMP_EQ] = "",     [NFT_CMP_NEQ] = "!= ", [NFT_CMP_LT] = "< ",
	[NFT_CMP_LTE] = "<= ", [NFT_CMP_GT] = "> ",   [NFT_CMP_GTE] = ">= ",
};

/* ---- values ---- */

static const char *value_text(struct ep_nft_text *t, const struct ep_part *p, const uint8_t *v,
			      uint32_t len)
{
	struct ep_buf b = {0};
	const char *ret;

	ep_text_put_value(&b, p, v, len);
	ret = ep_strdup(t->a, ep_buf_str(&b));
	ep_buf_free(&b);
	return ret;
}

static bool all_zero(const uint8_t *v, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		if (v[i])
			return false;
	}
	return true;
}

/* ---- under a mask ---- */

static bool prefix_under_mask(struct ep_nft_text *t, const struct ep_load *l, const char *op,
			      const uint8_t *v, uint32_t len)
{
	const struct ep_part *p = &l->parts[0];
	unsigned first, bits;

	if (!ep_nft_type_is_addr(p->type))
		return false;
	if (all_zero(l->mask, len))
		bits = 0;
	else if (!ep_text_mask_run(l->mask, len, &first, &bits) || first)
		return false;
	ep_text_add(t, "%s %s%s", p->text, op,
		    ep_sprintf(t->a, "%s/%u", value_text(t, p, v, len), bits));
	return true;
}

static const char *flag_names(struct ep_nft_text *t, enum ep_nft_type type, uint64_t flags)
{
	struct ep_buf b = {0};
	char *ret;

	ep_nft_put_flags(&b, type, flags, ",");
	ret = ep_strdup(t->a, ep_buf_str(&b));
	ep_buf_free(&b);
	return ret;
}

/* "ct label 5": the bits of the mask, if they are asked for being set. */
static bool label_under_mask(struct ep_nft_text *t, const struct ep_load *l, uint64_t op,
			     const uint8_t *v, uint32_t len)
{
	const struct ep_part *p = &l->parts[0];

	if (p->type != EP_NFT_CT_LABEL || op > NFT_CMP_NEQ || !all_zero(v, len))
		return false;
	ep_text_add(t, "%s %s%s", p->text, op == NFT_CMP_EQ ? "! " : "",
		    value_text(t, p, l->mask, len));
	return true;
}

/* "ct state established,related"; "tcp flags syn / fin,syn,rst,ack". */
static bool flags_under_mask(struct ep_nft_text *t, const struct ep_load *l, uint64_t op,
			     const uint8_t *v, uint32_t len)
{
	const struct ep_part *p = &l->parts[0];
	const char *mask, *want;
	uint64_t val, bits;

	if (!ep_nft_type_is_flags(p->type) || op > NFT_CMP_NEQ || len > 8)
		return false;
	val = ep_nft_value_num(v, len, p->host);
	bits = ep_nft_value_num(l->mask, len, p->host);
	mask = flag_names(t, p->type, bits);
	want = val ? flag_names(t, p->type, val) : "";
	if (val && val == bits && !(bits & (bits - 1)))
		ep_text_add(t, "%s & %s %s%s", p->text, mask,
			    op == NFT_CMP_EQ ? "== " : "!= ", want);
	else if (val)
		ep_text_add(t, "%s %s%s / %s", p->text, cmp_ops[op], want, mask);
	else
		ep_text_add(t, "%s %s%s", p->text, op == NFT_CMP_EQ ? "! " : "", mask);
	return true;
}

static void cmp_masked(struct ep_nft_text *t, const struct ep_load *l, uint64_t op,
		       const uint8_t *v, uint32_t len)
{
	const char *op_text = cmp_ops[op];
	bool plain = l->n_parts == 1 && len == l->len && all_zero(l->xor, len);

	if (plain && (prefix_under_mask(t, l, op_text, v, len) ||
		      flags_under_mask(t, l, op, v, len) || label_under_mask(t, l, op, v, len)))
		return;
	ep_text_add(t, "%s %s%s", ep_text_of(t, l), op == NFT_CMP_EQ ? "== " : op_text,
		    value_text(t, &l->parts[0], v, len));
}

/* ---- what later expressions know from it ---- */

static uint8_t l3_of_ethertype(uint64_t type)
{
	return type == 0x0800 ? NFPROTO_IPV4 :
	       type == 0x86dd ? NFPROTO_IPV6 :
	       type == 0x0806 ? NFPROTO_ARP :
				0;
}

static bool is_icmp_type(enum ep_nft_type type)
{
	return type == EP_NFT_ICMP_TYPE || type == EP_NFT_ICMP6_TYPE;
}

/* Requests and replies of echo have the same fields, and nft leaves their type. */
static void learn_icmp_type(struct ep_nft_text *t, uint8_t type, int piece)
{
	bool v6 = t->l4 == IPPROTO_ICMPV6,
	     echo = v6 ? type == 128 || type == 129 : !type || type == 8;

	t->icmp_type = !echo ? type : v6 ? 128 : 8;
	if (!echo)
		t->icmp_type_piece = piece;
}

static void learn(struct ep_nft_text *t, const struct ep_load *l, const uint8_t *v, uint32_t len)
{
	int piece = (int)t->pieces.n - 1;

	if (l->is_l4 && len == 1)
		ep_text_learn_l4(t, l->is_payload, v[0], piece);
	if (is_icmp_type(l->parts[0].type) && len == 1)
		learn_icmp_type(t, v[0], piece);
	if (l->is_l3 && len <= 2) {
		t->l3 = len == 1 ? v[0] : l3_of_ethertype(ep_nft_value_num(v, len, false));
		t->l3_piece = piece;
	}
	if (l->is_ll) {
		t->ether = len == 2 && ep_nft_value_num(v, len, true) == EP_LL_ETHER;
		t->ll_piece = piece;
	}
}

/* ---- cmp ---- */

/* "x >= lo" and "x <= hi" of the same register, one after the other. */
static bool closes_range(struct ep_nft_text *t, const struct ep_load *l, uint64_t reg, uint64_t op,
			 const uint8_t *v, uint32_t len)
{
	const struct ep_part *p = &l->parts[0];
	struct ep_buf b = {0};

	if (op != NFT_CMP_LTE || t->gte_piece < 0 || t->gte_piece != (int)t->pieces.n - 1 ||
	    t->gte_reg != reg)
		return false;
	t->pieces.n--;
	t->gte_piece = -1;
	if (len == p->len && p->bits)
		ep_text_put_range(&b, p, t->gte, v);
	else
		ep_nft_put_bounds(&b, p->type, t->gte, v, len, p->host);
	ep_text_add(t, "%s %s", p->text, ep_buf_str(&b));
	ep_buf_free(&b);
	return true;
}

static void cmp_parts(struct ep_nft_text *t, const struct ep_load *l, const char *op,
		      const uint8_t *v, uint32_t len)
{
	const char *left = "", *right = "";

	for (unsigned i = 0, at = 0; i < l->n_parts; at += l->parts[i++].len) {
		const struct ep_part *p = &l->parts[i];
		/* Strings are compared as far as the data goes. */
		uint32_t n = i + 1 == l->n_parts ? len - at : p->len;
		const char *value;

		if (at + n > len || !n)
			return;
		value = value_text(t, p, v + at, n);
		if (!*op)
			ep_text_add(t, "%s %s%s", p->text, op, value);
		left = ep_sprintf(t->a, "%s%s%s", left, *left ? " . " : "", p->text);
		right = ep_sprintf(t->a, "%s%s%s", right, *right ? " . " : "", value);
	}
	if (*op)
		ep_text_add(t, "%s %s%s", left, op, right);
}

void ep_text_cmp(struct ep_nft_text *t, const struct ep_expr *e)
{
	uint64_t reg = ep_attr_num(e, NFTA_CMP_SREG, 0);
	uint64_t op = ep_attr_num(e, NFTA_CMP_OP, UINT32_MAX);
	const struct ep_load *l = ep_text_at(t, reg);
	uint32_t len = 0, covered = 0;
	const uint8_t *v = ep_attr_bytes(e, NFTA_CMP_DATA, &len);

	for (unsigned i = 0; l && i < l->n_parts; i++)
		covered += l->parts[i].len;
	if (!l || l->imm || !v || !len || len > covered || op >= EP_ARRAY_SIZE(cmp_ops)) {
		ep_text_unknown(t, e);
		return;
	}
	if (l->mask) {
		cmp_masked(t, l, op, v, len);
		return;
	}
	if (closes_range(t, l, reg, op, v, len))
		return;
	/* A whole set of flags, compared as one value. */
	if (ep_nft_type_is_flags(l->parts[0].type) && op == NFT_CMP_EQ)
		ep_text_add(t, "%s == %s", l->parts[0].text, value_text(t, &l->parts[0], v, len));
	else
		cmp_parts(t, l, cmp_ops[op], v, len);
	if (op == NFT_CMP_EQ)
		learn(t, l, v, len);
	if (op == NFT_CMP_GTE) {
		t->gte_piece = (int)t->pieces.n - 1;
		t->gte_reg = reg;
		t->gte = v;
	}
}

void ep_text_range(struct ep_nft_text *t, const struct ep_expr *e)
{
	const struct ep_load *l = ep_text_at(t, ep_attr_num(e, NFTA_RANGE_SREG, 0));
	uint64_t op = ep_attr_num(e, NFTA_RANGE_OP, NFT_RANGE_EQ);
	uint32_t lo_len = 0, hi_len = 0;
	const uint8_t *lo = ep_attr_bytes(e, NFTA_RANGE_FROM_DATA, &lo_len);
	const uint8_t *hi = ep_attr_bytes(e, NFTA_RANGE_TO_DATA, &hi_len);
	struct ep_buf b = {0};

	if (!l || l->imm || !lo || !hi || lo_len != hi_len || lo_len != l->len) {
		ep_text_unknown(t, e);
		return;
	}
	if (l->n_parts == 1 && l->parts[0].len == lo_len && l->parts[0].bits)
		ep_text_put_range(&b, &l->parts[0], lo, hi);
	else if (l->n_parts == 1 && l->parts[0].len == lo_len)
		ep_nft_put_bounds(&b, l->parts[0].type, lo, hi, lo_len, l->parts[0].host);
	else
		ep_nft_put_bounds(&b, EP_NFT_NONE, lo, hi, lo_len, false);
	ep_text_add(t, "%s %s%s", ep_text_of(t, l), op == NFT_RANGE_NEQ ? "!= " : "",
		    ep_buf_str(&b));
	ep_buf_free(&b);
}
