// SPDX-License-Identifier: GPL-2.0-or-later
/* A rule in nft's language: the loop over its expressions, pieces of text, and registers. */
#include "model/nft_text.h"
#include "model/xt_text.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 4096

/* ---- pieces ---- */

void ep_text_add(struct ep_nft_text *t, const char *fmt, ...)
{
	char text[512], *s = text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(text)) {
		s = ep_alloc(t->a, (size_t)n + 1);
		va_start(ap, fmt);
		vsnprintf(s, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	*ep_push(t->a, &t->pieces) = s == text ? ep_strdup(t->a, s) : s;
}

void ep_text_add_buf(struct ep_nft_text *t, struct ep_buf *b)
{
	*ep_push(t->a, &t->pieces) = ep_strdup(t->a, ep_buf_str(b));
	ep_buf_free(b);
}

void ep_text_unknown(struct ep_nft_text *t, const struct ep_expr *e)
{
	ep_text_add(t, "[%s]", ep_escape(t->a, e->name, strlen(e->name)));
}

/* ---- registers ---- */

/* Index of a register of 4 bytes; NFT_REG_1 to 4 are the older ones of 16 bytes. */
static int index_of(uint64_t reg)
{
	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		return (int)(reg - NFT_REG_1) * 4;
	if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15)
		return (int)(reg - NFT_REG32_00);
	return -1;
}

struct ep_load *ep_text_at(struct ep_nft_text *t, uint64_t reg)
{
	int i = index_of(reg);

	return i >= 0 && t->regs[i].n_parts ? &t->regs[i] : NULL;
}

struct ep_load *ep_text_load(struct ep_nft_text *t, uint64_t reg, uint32_t len, const char *text,
			     enum ep_nft_type type)
{
	int i = index_of(reg);
	unsigned n = (len + 3) / 4;
	struct ep_load *l;

	if (i < 0 || !len || n > EP_TEXT_REGS - (unsigned)i)
		return NULL;
	memset(&t->regs[i], 0, n * sizeof(t->regs[0]));
	l = &t->regs[i];
	l->regs = (uint8_t)n;
	l->len = (uint8_t)len;
	l->n_parts = 1;
	l->parts[0] = (struct ep_part){.text = text,
				       .type = type,
				       .len = (uint8_t)len,
				       .full_len = (uint8_t)len,
				       .host = ep_nft_type_is_host_order(type)};
	return l;
}

static void put_operand(struct ep_buf *b, const char *op, const struct ep_part *p, const uint8_t *v,
			uint32_t len)
{
	uint64_t n = len <= 8 ? ep_nft_value_num(v, len, p->host) : 0;
	bool several = ep_nft_type_is_flags(p->type) && n & (n - 1);

	ep_buf_printf(b, "%s%s", op, several ? "(" : "");
	if (ep_nft_type_is_flags(p->type))
		ep_nft_put_flags(b, p->type, n, " | ");
	else
		ep_nft_put_value(b, p->type, v, len, p->host);
	ep_buf_puts(b, several ? ")" : "");
}

/* The (v & mask) ^ xor of the kernel as and, or and xor of people. */
static void put_bitwise(struct ep_buf *b, const struct ep_load *l)
{
	const struct ep_part *p = &l->parts[0];
	uint8_t and [EP_TEXT_REGS * 4], or [EP_TEXT_REGS * 4], flip[EP_TEXT_REGS * 4];
	bool has_and = false, has_or = false, has_flip = false;

	for (unsigned i = 0; i < l->len; i++) {
		or [i] = l->xor [i] & (uint8_t)~l->mask[i];
		flip[i] = l->xor [i] & l -> mask[i];
		and[i] = l->mask[i] | or [i];
		has_and |= and[i] != 0xff;
		has_or |= or [i] != 0;
		has_flip |= flip[i] != 0;
	}
	if (has_and)
		put_operand(b, " & ", p, and, l->len);
	if (has_or)
		put_operand(b, " | ", p, or, l->len);
	if (has_flip)
		put_operand(b, " ^ ", p, flip, l->len);
}

const char *ep_text_of(struct ep_nft_text *t, const struct ep_load *l)
{
	struct ep_buf b = {0};
	char *ret;

	for (unsigned i = 0, at = 0; i < l->n_parts; at += l->parts[i++].len) {
		const struct ep_part *p = &l->parts[i];

		ep_buf_puts(&b, i ? " . " : "");
		if (l->imm)
			ep_nft_put_value(&b, p->type, l->imm + at, p->len, p->host);
		else
			ep_buf_puts(&b, p->text);
	}
	if (l->mask)
		put_bitwise(&b, l);
	ret = ep_strdup(t->a, ep_buf_str(&b));
	ep_buf_free(&b);
	return ret;
}

const char *ep_text_expr(struct ep_nft_text *t, uint64_t reg, uint32_t len)
{
	int i = index_of(reg), end = i + (int)((len + 3) / 4);
	struct ep_buf b = {0};
	const char *ret;

	if (i < 0 || !len || end > EP_TEXT_REGS)
		return NULL;
	for (bool first = true; i < end; i += t->regs[i].regs, first = false) {
		if (!t->regs[i].n_parts) {
			ep_buf_free(&b);
			return NULL;
		}
		ep_buf_printf(&b, "%s%s", first ? "" : " . ", ep_text_of(t, &t->regs[i]));
	}
	ret = ep_strdup(t->a, ep_buf_str(&b));
	ep_buf_free(&b);
	return ret;
}

unsigned ep_text_key(struct ep_nft_text *t, uint64_t reg, uint32_t len, struct ep_key_part *ret,
		     unsigned max)
{
	int first = index_of(reg), end = first + (int)((len + 3) / 4);
	unsigned n = 0;

	if (first < 0 || end > EP_TEXT_REGS)
		return 0;
	for (int i = first; i < end; i += t->regs[i].regs) {
		const struct ep_load *l = &t->regs[i];
		uint32_t at = (uint32_t)(i - first) * 4;

		if (!l->n_parts || n + l->n_parts > max || at + l->len > len)
			return 0;
		for (unsigned k = 0; k < l->n_parts; at += l->parts[k++].len)
			ret[n++] = (struct ep_key_part){l->parts[k], at};
	}
	return n;
}

/* ---- values ---- */

/* The field's own bits of the loaded bytes, in network order; how many bytes they take. */
static uint32_t shifted(const struct ep_part *p, const uint8_t *v, uint8_t ret[static 8])
{
	uint64_t n = ep_nft_value_num(v, p->len, false) >> p->shift;

	n &= (1ull << p->bits) - 1;
	for (int i = 7; i >= 0; i--, n >>= 8)
		ret[i] = (uint8_t)n;
	return (p->bits + 7u) / 8;
}

void ep_text_put_value(struct ep_buf *b, const struct ep_part *p, const uint8_t *v, uint32_t len)
{
	uint8_t bits[8], whole[16] = {0};

	if (p->bits && len == p->len) {
		uint32_t n = shifted(p, v, bits);

		ep_nft_put_value(b, p->type, bits + 8 - n, n, false);
	} else if (ep_nft_type_is_addr(p->type) && len < p->full_len && len <= sizeof(whole)) {
		memcpy(whole, v, len);
		ep_nft_put_value(b, p->type, whole, p->full_len, p->host);
		ep_buf_printf(b, "/%u", len * 8);
	} else {
		ep_nft_put_value(b, p->type, v, len, p->host);
	}
}

void ep_text_put_range(struct ep_buf *b, const struct ep_part *p, const uint8_t *lo,
		       const uint8_t *hi)
{
	if (ep_nft_type_is_flags(p->type) && p->len <= 8 && !memcmp(lo, hi, p->len)) {
		ep_nft_put_flags(b, p->type, ep_nft_value_num(lo, p->len, p->host), " | ");
		return;
	}
	if (!p->bits) {
		ep_nft_put_range(b, p->type, lo, hi, p->len, p->host);
		return;
	}
	ep_text_put_value(b, p, lo, p->len);
	if (memcmp(lo, hi, p->len)) {
		ep_buf_puts(b, "-");
		ep_text_put_value(b, p, hi, p->len);
	}
}

/* ---- the rule ---- */

static const struct ep_nft_text_row rows[] = {
	{"payload", ep_text_payload}, {"meta", ep_text_meta},
	{"ct", ep_text_ct},           {"fib", ep_text_fib},
	{"rt", ep_text_rt},           {"socket", ep_text_socket},
	{"numgen", ep_text_numgen},   {"hash", ep_text_hash},
	{"exthdr", ep_text_exthdr},   {"immediate", ep_text_immediate},
	{"bitwise", ep_text_bitwise}, {"byteorder", ep_text_byteorder},
	{"cmp", ep_text_cmp},         {"range", ep_text_range},
	{"lookup", ep_text_lookup},   {"dynset", ep_text_dynset},
	{"objref", ep_text_objref},   {"xfrm", ep_text_xfrm},
	{"osf", ep_text_osf},         {NULL, NULL},
};

static ep_nft_text_fn handler_of(const struct ep_expr *e)
{
	const struct ep_nft_text_row *const tables[] = {rows, ep_nft_text_statements};

	for (size_t i = 0; !e->opaque && i < EP_ARRAY_SIZE(tables); i++) {
		for (const struct ep_nft_text_row *row = tables[i]; row->name; row++) {
			if (!strcmp(row->name, e->name))
				return row->fn;
		}
	}
	return ep_text_unknown;
}

static bool is_row_of(const struct ep_nft_text_row *row, const char *name)
{
	for (; row->name; row++) {
		if (!strcmp(row->name, name))
			return true;
	}
	return false;
}

/* A statement of nft's; the others look at something. */
static bool acts(const struct ep_expr *e)
{
	static const struct {
		const char *name;
		uint16_t sreg;
	} stores[] = {
		{"meta", NFTA_META_SREG},
		{"ct", NFTA_CT_SREG},
		{"payload", NFTA_PAYLOAD_SREG},
		{"exthdr", NFTA_EXTHDR_SREG},
	};

	if (!strcmp(e->name, "dynset") || !strcmp(e->name, "objref") ||
	    is_row_of(ep_nft_text_statements, e->name))
		return true;
	for (size_t i = 0; i < EP_ARRAY_SIZE(stores); i++) {
		if (!strcmp(stores[i].name, e->name))
			return ep_attr_has(e, stores[i].sreg);
	}
	return false;
}

static bool has_xt_comment(const struct ep_nft_rule *r)
{
	ep_each(e, &r->exprs) {
		const char *name = strcmp(e->name, "match") ? NULL :
							      ep_attr_str(e, NFTA_MATCH_NAME);

		if (name && !strcmp(name, "comment"))
			return true;
	}
	return false;
}

static uint8_t l3_of_family(uint8_t family)
{
	return family == NFPROTO_IPV4 || family == NFPROTO_IPV6 || family == NFPROTO_ARP ? family :
											   0;
}

/* Joins the pieces; a longer text ends in "...". */
static const char *join(struct ep_nft_text *t)
{
	struct ep_buf b = {0};
	const char *ret;

	ep_each(p, &t->pieces) {
		if (!*p || !**p)
			continue;
		if (b.len + strlen(*p) > TEXT_MAX) {
			ep_buf_puts(&b, " ...");
			break;
		}
		ep_buf_printf(&b, "%s%s", b.len ? " " : "", *p);
	}
	ret = ep_strdup(t->a, ep_buf_str(&b));
	ep_buf_free(&b);
	return ret;
}

const char *ep_nft_rule_text(struct ep_arena *a, const struct ep_nft_chain *c,
			     const struct ep_nft_rule *r)
{
	struct ep_nft_text t = {
		.a = a,
		.chain = c,
		.l3 = c->table ? l3_of_family(c->table->family) : 0,
		.l4 = -1,
		.l3_piece = -1,
		.l4_piece = -1,
		.ll_piece = -1,
		.gte_piece = -1,
		.icmp_type = -1,
		.icmp_type_piece = -1,
	};
	struct ep_xt_rule xt;

	if (c->table && c->table->xtables && ep_xt_rule_of_nft(a, c, r, &xt))
		return ep_xt_rule_text(
			a, &(struct ep_xt_table){.family = c->table->family, .ns = c->table->ns},
			&xt);
	ep_each(e, &r->exprs) {
		handler_of(e)(&t, e);
		if (acts(e))
			ep_text_acted(&t);
	}
	if (r->comment && !has_xt_comment(r)) {
		struct ep_buf b = {0};

		ep_buf_puts(&b, "comment ");
		ep_nft_put_quoted(&b, r->comment, strlen(r->comment));
		ep_text_add_buf(&t, &b);
	}
	return join(&t);
}
