// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>
#include <linux/netfilter/nf_tables.h>

#include "walk/nft_regs.h"

#define EP_MAX_SETTLE 64 /* values of a variable that are followed one by one */

struct ep_byte *ep_reg(struct ep_regs *r, uint64_t reg, size_t len)
{
	size_t off;

	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		off = (reg - NFT_REG_1) * NFT_REG_SIZE;
	else if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15)
		off = (reg - NFT_REG32_00) * NFT_REG32_SIZE;
	else
		return NULL;
	return len <= EP_NFT_REGBYTES - off ? &r->b[off] : NULL;
}

static void pad_word(struct ep_byte *b, size_t len, const struct ep_regs *r)
{
	const struct ep_byte *end = r->b + EP_NFT_REGBYTES;

	for (size_t i = len; i % 4 && b + i < end; i++)
		b[i] = (struct ep_byte){.kind = EP_BYTE_CONST};
}

bool ep_reg_const(struct ep_regs *r, uint64_t reg, const void *p, size_t len)
{
	struct ep_byte *b = ep_reg(r, reg, len);

	if (!b)
		return false;
	for (size_t i = 0; i < len; i++)
		b[i] = (struct ep_byte){.kind = EP_BYTE_CONST, .c = ((const uint8_t *)p)[i]};
	pad_word(b, len, r);
	return true;
}

bool ep_reg_u32(struct ep_regs *r, uint64_t reg, uint32_t v)
{
	return ep_reg_const(r, reg, &v, sizeof(v));
}

bool ep_reg_u16(struct ep_regs *r, uint64_t reg, uint16_t v)
{
	return ep_reg_const(r, reg, &v, sizeof(v));
}

bool ep_reg_u8(struct ep_regs *r, uint64_t reg, uint8_t v)
{
	return ep_reg_const(r, reg, &v, sizeof(v));
}

bool ep_reg_name(struct ep_regs *r, uint64_t reg, const char *s)
{
	char name[16] = {};

	memcpy(name, s, strnlen(s, sizeof(name) - 1));
	return ep_reg_const(r, reg, name, sizeof(name));
}

struct ep_byte ep_byte_of(const struct ep_val *v, size_t bytes, size_t idx)
{
	if (v->var >= 0)
		return (struct ep_byte){.kind = EP_BYTE_VAR,
					.idx = (uint8_t)idx,
					.mask = 0xff,
					.var = (int16_t)v->var};
	return (struct ep_byte){.kind = EP_BYTE_CONST,
				.c = (uint8_t)(v->c >> (bytes - 1 - idx) * 8)};
}

struct ep_byte ep_byte_and_xor(struct ep_byte b, uint8_t mask, uint8_t xor)
{
	b.mask &= mask;
	b.c = (b.c & mask) ^ xor;
	if (b.kind == EP_BYTE_VAR && !b.mask)
		b.kind = EP_BYTE_CONST;
	return b;
}

bool ep_reg_val(struct ep_regs *r, uint64_t reg, const struct ep_val *v, size_t bytes, bool reverse)
{
	struct ep_byte *b = ep_reg(r, reg, bytes);

	if (!b)
		return false;
	for (size_t i = 0; i < bytes; i++)
		b[i] = ep_byte_of(v, bytes, reverse ? bytes - 1 - i : i);
	pad_word(b, bytes, r);
	return true;
}

bool ep_bytes_const(const struct ep_byte *b, size_t len, uint8_t *out)
{
	for (size_t i = 0; i < len; i++) {
		if (b[i].kind != EP_BYTE_CONST)
			return false;
		if (out)
			out[i] = b[i].c;
	}
	return true;
}

bool ep_bytes_open(const struct ep_byte *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (b[i].kind == EP_BYTE_VAR)
			return true;
	return false;
}

bool ep_bytes_defined(const struct ep_byte *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (b[i].kind == EP_BYTE_UNDEF)
			return false;
	return true;
}

/* The values of one variable for which its bytes among b equal data. */
static bool masked_equal(struct ep_walk *w, const struct ep_byte *b, const uint8_t *data,
			 size_t len, int var, struct ep_ivset *ret)
{
	unsigned bits = w->vars.v[var].bits;
	ep_u128 mask = 0, want = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned shift = bits - 8 - b[i].idx * 8u;
		uint8_t t;

		if (b[i].kind != EP_BYTE_VAR || b[i].var != var)
			continue;
		t = data[i] ^ b[i].c;
		if (t & ~b[i].mask) {
			*ret = (struct ep_ivset){};
			return true;
		}
		/* The same byte twice with other demands: nothing fits. */
		if ((mask & want & ((ep_u128)b[i].mask << shift)) !=
		    (mask & ((ep_u128)t << shift) & ((ep_u128)b[i].mask << shift))) {
			*ret = (struct ep_ivset){};
			return true;
		}
		mask |= (ep_u128)b[i].mask << shift;
		want |= (ep_u128)t << shift;
	}
	return ep_iv_masked(w->arena, bits, mask, want, EP_MAX_SCATTER, ret);
}

bool ep_bytes_equal(struct ep_walk *w, const struct ep_byte *b, const uint8_t *data, size_t len)
{
	uint64_t done = 0;

	for (size_t i = 0; i < len; i++)
		if (b[i].kind == EP_BYTE_CONST && b[i].c != data[i])
			return false;
	for (size_t i = 0; i < len; i++) {
		struct ep_ivset set;

		if (b[i].kind != EP_BYTE_VAR)
			continue;
		if (b[i].var < 64) {
			if (done >> b[i].var & 1)
				continue;
			done |= (uint64_t)1 << b[i].var;
		}
		if (!masked_equal(w, b, data, len, b[i].var, &set)) {
			if (!ep_w_unknown(w, "%s under a scattered mask", w->vars.v[b[i].var].what))
				return false;
		} else if (!ep_w_in(w, b[i].var, set)) {
			return false;
		}
	}
	return true;
}

/* b is bytes 0..n-1 of one variable, untouched, perhaps with constant bytes around: how many lead? */
static bool plain_prefix(const struct ep_byte *b, size_t len, size_t *ret_start, size_t *ret_n)
{
	size_t s = 0, n = 0;

	while (s < len && b[s].kind == EP_BYTE_CONST)
		s++;
	while (s + n < len && b[s + n].kind == EP_BYTE_VAR && b[s + n].var == b[s].var &&
	       b[s + n].idx == n && b[s + n].mask == 0xff && !b[s + n].c)
		n++;
	*ret_start = s;
	*ret_n = n;
	for (size_t i = s + n; i < len; i++)
		if (b[i].kind != EP_BYTE_CONST)
			return false;
	return n > 0;
}

static int single_var(const struct ep_byte *b, size_t len)
{
	int var = -1;

	for (size_t i = 0; i < len; i++) {
		if (b[i].kind != EP_BYTE_VAR)
			continue;
		if (var >= 0 && var != b[i].var)
			return -1;
		var = b[i].var;
	}
	return var;
}

/* Small variables: every value is tried. */
static struct ep_ivset by_trial(struct ep_walk *w, const struct ep_byte *b, const uint8_t *lo,
				const uint8_t *hi, size_t len, int var)
{
	unsigned bits = w->vars.v[var].bits;
	struct ep_iv *iv = ep_alloc(w->arena, 65536 * sizeof(*iv) / 2);
	size_t n = 0;

	for (uint32_t v = 0; v < 1u << bits; v++) {
		uint8_t x[EP_NFT_REGBYTES];

		for (size_t i = 0; i < len; i++)
			x[i] = b[i].kind != EP_BYTE_VAR ?
				       b[i].c :
				       ((v >> (bits - 8 - b[i].idx * 8u)) & b[i].mask) ^ b[i].c;
		if (memcmp(x, lo, len) < 0 || memcmp(x, hi, len) > 0)
			continue;
		if (n && iv[n - 1].hi + 1 == v)
			iv[n - 1].hi = v;
		else
			iv[n++] = (struct ep_iv){v, v};
	}
	return ep_iv_of(w->arena, iv, n);
}

bool ep_bytes_preimage(struct ep_walk *w, const struct ep_byte *b, const uint8_t *lo,
		       const uint8_t *hi, size_t len, int *ret_var, struct ep_ivset *ret)
{
	int var = single_var(b, len);
	size_t s, n;

	if (var < 0 || !ep_bytes_defined(b, len))
		return false;
	*ret_var = var;
	if (!memcmp(lo, hi, len)) {
		for (size_t i = 0; i < len; i++)
			if (b[i].kind == EP_BYTE_CONST && b[i].c != lo[i]) {
				*ret = (struct ep_ivset){};
				return true;
			}
		return masked_equal(w, b, lo, len, var, ret);
	}
	if (plain_prefix(b, len, &s, &n)) {
		/* Constant bytes before and behind decide whether the bounds are inclusive. */
		unsigned low = w->vars.v[var].bits - (unsigned)n * 8;
		ep_u128 l = 0, h = 0, free = low ? ((ep_u128)1 << low) - 1 : 0;
		uint8_t c[EP_NFT_REGBYTES];
		int cl, ch;

		for (size_t i = 0; i < len; i++)
			c[i] = b[i].kind == EP_BYTE_CONST ? b[i].c : 0;
		if (s && (memcmp(c, lo, s) || memcmp(c, hi, s)))
			goto trial;
		for (size_t i = 0; i < n; i++) {
			l = l << 8 | lo[s + i];
			h = h << 8 | hi[s + i];
		}
		cl = memcmp(c + s + n, lo + s + n, len - s - n);
		ch = memcmp(c + s + n, hi + s + n, len - s - n);
		if (cl < 0)
			l++;
		if (ch > 0) {
			if (!h) {
				*ret = (struct ep_ivset){};
				return true;
			}
			h--;
		}
		*ret = l > h ? (struct ep_ivset){} :
			       ep_iv_range(w->arena, l << low, h << low | free);
		return true;
	}
trial:
	if (w->vars.v[var].bits <= 16) {
		*ret = by_trial(w, b, lo, hi, len, var);
		return true;
	}
	return false;
}

bool ep_bytes_settle(struct ep_walk *w, struct ep_byte *b, size_t len, uint8_t *out)
{
	int var = single_var(b, len);
	ep_u128 value, n = 0;

	if (ep_bytes_const(b, len, out))
		return true;
	if (var < 0 || !ep_bytes_defined(b, len))
		return false;
	for (size_t i = 0; i < w->vars.v[var].dom.n; i++)
		n += w->vars.v[var].dom.v[i].hi - w->vars.v[var].dom.v[i].lo + 1;
	if (n > EP_MAX_SETTLE)
		return false;
	while (!ep_iv_single(w->vars.v[var].dom, &value)) {
		ep_u128 first = w->vars.v[var].dom.v[0].lo;

		if (w->ended)
			return false;
		if (ep_w_in(w, var, ep_iv_range(w->arena, first, first)))
			continue;
	}
	for (size_t i = 0; i < len; i++) {
		unsigned shift = w->vars.v[var].bits - 8 - b[i].idx * 8u;

		if (b[i].kind == EP_BYTE_VAR)
			b[i] = (struct ep_byte){.kind = EP_BYTE_CONST,
						.c = ((uint8_t)(value >> shift) & b[i].mask) ^
						     b[i].c};
	}
	return ep_bytes_const(b, len, out);
}

bool ep_bytes_between(struct ep_walk *w, const struct ep_byte *b, const uint8_t *lo,
		      const uint8_t *hi, size_t len)
{
	uint8_t x[EP_NFT_REGBYTES];
	struct ep_ivset set;
	int var;

	if (ep_bytes_const(b, len, x))
		return memcmp(x, lo, len) >= 0 && memcmp(x, hi, len) <= 0;
	if (!memcmp(lo, hi, len))
		return ep_bytes_equal(w, b, lo, len);
	if (ep_bytes_preimage(w, b, lo, hi, len, &var, &set))
		return ep_w_in(w, var, set);
	return ep_w_unknown(w, "a range over several open fields");
}
