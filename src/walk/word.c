// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "walk/word.h"

#define MAX_SETTLE 64
#define MAX_PARTS  4096 /* intervals of a variable of which only middle bits count */

struct ep_word ep_word_const(uint32_t v)
{
	struct ep_word x;

	for (unsigned i = 0; i < 32; i++)
		x.b[i] = (struct ep_bit){.var = -1, .c = v >> i & 1};
	return x;
}

struct ep_word ep_word_bytes(const struct ep_walk *w, const struct ep_byte *b, unsigned n)
{
	struct ep_word x = ep_word_const(0);

	for (unsigned i = 0; i < n; i++) {
		const struct ep_byte *from = &b[n - 1 - i];

		for (unsigned k = 0; k < 8; k++) {
			struct ep_bit *to = &x.b[i * 8 + k];

			to->c = from->c >> k & 1;
			if (from->kind != EP_BYTE_VAR || !(from->mask >> k & 1))
				continue;
			to->var = from->var;
			to->idx = (uint8_t)(w->vars.v[from->var].bits - 8 - from->idx * 8u + k);
		}
	}
	return x;
}

bool ep_word_is_const(const struct ep_word *x, uint32_t *ret)
{
	*ret = 0;
	for (unsigned i = 0; i < 32; i++) {
		if (x->b[i].var >= 0)
			return false;
		*ret |= (uint32_t)x->b[i].c << i;
	}
	return true;
}

struct ep_word ep_word_and(struct ep_word x, uint32_t v)
{
	for (unsigned i = 0; i < 32; i++)
		if (!(v >> i & 1))
			x.b[i] = (struct ep_bit){.var = -1};
	return x;
}

struct ep_word ep_word_or(struct ep_word x, uint32_t v)
{
	for (unsigned i = 0; i < 32; i++)
		if (v >> i & 1)
			x.b[i] = (struct ep_bit){.var = -1, .c = true};
	return x;
}

struct ep_word ep_word_xor(struct ep_word x, uint32_t v)
{
	for (unsigned i = 0; i < 32; i++)
		x.b[i].c ^= v >> i & 1;
	return x;
}

struct ep_word ep_word_shl(struct ep_word x, unsigned n)
{
	struct ep_word y = ep_word_const(0);

	for (unsigned i = n; i < 32; i++)
		y.b[i] = x.b[i - n];
	return y;
}

struct ep_word ep_word_shr(struct ep_word x, unsigned n)
{
	struct ep_word y = ep_word_const(0);

	for (unsigned i = n; i < 32; i++)
		y.b[i - n] = x.b[i];
	return y;
}

static bool bit_of(const struct ep_bit *b, ep_u128 value)
{
	return (bool)(value >> b->idx & 1) != b->c;
}

static bool few_values(const struct ep_var *v)
{
	ep_u128 n = 0;

	for (size_t i = 0; i < v->dom.n; i++) {
		n += v->dom.v[i].hi - v->dom.v[i].lo + 1;
		if (n > MAX_SETTLE || v->dom.v[i].hi - v->dom.v[i].lo >= MAX_SETTLE)
			return false;
	}
	return true;
}

bool ep_word_settle(struct ep_walk *w, struct ep_word *x, uint32_t *ret)
{
	for (unsigned i = 0; i < 32; i++) {
		int var = x->b[i].var;
		struct ep_val v = {.var = var};
		ep_u128 value;

		if (var < 0)
			continue;
		if (!few_values(&w->vars.v[var]) || !ep_w_settle(w, &v, &value))
			return false;
		for (unsigned k = i; k < 32; k++)
			if (x->b[k].var == var)
				x->b[k] = (struct ep_bit){.var = -1, .c = bit_of(&x->b[k], value)};
	}
	return ep_word_is_const(x, ret);
}

/* ---- comparisons ---- */

/* All of the mask's bits are as in want: one question for each variable. */
static bool equal_under(struct ep_walk *w, const struct ep_word *x, uint32_t mask, uint32_t want)
{
	for (unsigned i = 0; i < 32; i++)
		if (mask >> i & 1 && x->b[i].var < 0 && x->b[i].c != (want >> i & 1))
			return false;
	for (unsigned i = 0; i < 32 && mask; i++) {
		struct ep_val v = {.var = x->b[i].var};
		ep_u128 m = 0, n = 0;

		if (!(mask >> i & 1) || v.var < 0)
			continue;
		for (unsigned k = i; k < 32; k++) {
			ep_u128 bit = (ep_u128)1 << x->b[k].idx;
			bool must = (want >> k & 1) != x->b[k].c;

			if (!(mask >> k & 1) || x->b[k].var != v.var)
				continue;
			mask &= ~((uint32_t)1 << k);
			if (m & bit && must != !!(n & bit))
				return false;
			m |= bit;
			n |= must ? bit : 0;
		}
		if (!ep_w_val_masked(w, &v, w->vars.v[v.var].bits, m, n))
			return false;
	}
	return true;
}

static int single_var(const struct ep_word *x)
{
	int var = -1;

	for (unsigned i = 0; i < 32; i++) {
		if (x->b[i].var < 0)
			continue;
		if (var >= 0 && var != x->b[i].var)
			return -1;
		var = x->b[i].var;
	}
	return var;
}

/* A variable of few bits: every value is tried. */
static struct ep_ivset by_trial(struct ep_walk *w, const struct ep_word *x, unsigned bits,
				uint32_t lo, uint32_t hi)
{
	struct ep_iv *iv = ep_alloc(w->arena, (((size_t)1 << bits) / 2 + 1) * sizeof(*iv));
	size_t n = 0;

	for (uint32_t v = 0; v < 1u << bits; v++) {
		uint32_t y = 0;

		for (unsigned i = 0; i < 32; i++)
			y |= (uint32_t)(x->b[i].var < 0 ? x->b[i].c : bit_of(&x->b[i], v)) << i;
		if (y < lo || y > hi)
			continue;
		if (n && iv[n - 1].hi + 1 == v)
			iv[n - 1].hi = v;
		else
			iv[n++] = (struct ep_iv){v, v};
	}
	return ep_iv_of(w->arena, iv, n);
}

/* Bits from..from+n-1 of the word are bits at.. of the variable, in order, and the others are 0. */
static bool window(const struct ep_word *x, unsigned *ret_from, unsigned *ret_n, unsigned *ret_at)
{
	unsigned from = 0, n = 0;

	while (from < 32 && x->b[from].var < 0)
		from++;
	while (from + n < 32 && x->b[from + n].var >= 0 && !x->b[from + n].c &&
	       x->b[from + n].idx == x->b[from].idx + n)
		n++;
	*ret_from = from;
	*ret_n = n;
	*ret_at = from < 32 ? x->b[from].idx : 0;
	for (unsigned i = 0; i < 32; i++)
		if ((i < from || i >= from + n) && (x->b[i].var >= 0 || x->b[i].c))
			return false;
	return n > 0;
}

static bool window_set(struct ep_walk *w, const struct ep_word *x, unsigned bits, uint32_t lo,
		       uint32_t hi, struct ep_ivset *ret)
{
	unsigned from, n, at;
	uint64_t l, h, max;
	ep_u128 parts;
	struct ep_iv *iv;

	if (!window(x, &from, &n, &at))
		return false;
	max = ((uint64_t)1 << n) - 1;
	l = ((uint64_t)lo + ((uint64_t)1 << from) - 1) >> from;
	h = hi >> from;
	h = h > max ? max : h;
	*ret = (struct ep_ivset){};
	if (l > h)
		return true;
	if (bits - at - n > 12)
		return false;
	parts = (ep_u128)1 << (bits - at - n);
	if (parts > MAX_PARTS)
		return false;
	iv = ep_alloc(w->arena, (size_t)parts * sizeof(*iv));
	for (ep_u128 p = 0; p < parts; p++) {
		ep_u128 base = p << (at + n);

		iv[p].lo = base | (ep_u128)l << at;
		iv[p].hi = base | (ep_u128)h << at | (((ep_u128)1 << at) - 1);
	}
	*ret = ep_iv_of(w->arena, iv, (size_t)parts);
	return true;
}

/* From the highest bit down: the first that differs from the bound decides. */
static bool at_least(struct ep_walk *w, const struct ep_word *x, uint32_t bound)
{
	for (unsigned i = 32; i-- > 0;) {
		uint32_t bit = (uint32_t)1 << i;

		if (equal_under(w, x, bit, bit)) {
			if (!(bound & bit))
				return true;
		} else if (bound & bit) {
			return false;
		}
		if (w->ended)
			return false;
	}
	return true;
}

bool ep_word_between(struct ep_walk *w, const struct ep_word *x, uint32_t lo, uint32_t hi)
{
	int var = single_var(x);
	struct ep_ivset set;
	uint32_t v;

	if (ep_word_is_const(x, &v))
		return v >= lo && v <= hi;
	if (lo > hi)
		return false;
	if (lo == hi)
		return equal_under(w, x, UINT32_MAX, lo);
	if (var >= 0 && w->vars.v[var].bits <= 16)
		return ep_w_in(w, var, by_trial(w, x, w->vars.v[var].bits, lo, hi));
	if (var >= 0 && window_set(w, x, w->vars.v[var].bits, lo, hi, &set))
		return ep_w_in(w, var, set);
	return at_least(w, x, lo) && (hi == UINT32_MAX || !at_least(w, x, hi + 1));
}

bool ep_word_any(struct ep_walk *w, const struct ep_word *x, uint32_t mask)
{
	for (unsigned i = 0; i < 32; i++)
		if (mask >> i & 1 && x->b[i].var < 0 && x->b[i].c)
			return true;
	return !equal_under(w, x, mask, 0);
}
