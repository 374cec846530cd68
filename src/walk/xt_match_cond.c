// SPDX-License-Identifier: GPL-2.0-or-later
/* Conditions of a rule: what is certain at once, the rest when all of it is known. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "walk/bytes.h"
#include "walk/xt.h"

static bool decide_one(struct ep_walk *w, const struct ep_xt_cond *c)
{
	switch (c->kind) {
	case EP_XT_IN:
		return ep_w_in(w, c->var, c->set);
	case EP_XT_TEST:
		return c->test(w, c->info);
	case EP_XT_CHANCE:
		return ep_w_chance(w, c->p, c->why);
	case EP_XT_STATE:
		return ep_w_state(w, c->why, c->other) == c->usual;
	case EP_XT_UNKNOWN:
		return ep_w_unknown(w, "%s", c->why);
	}
	return false;
}

/* With no room left, the choice is made now: it may split more than needed, never wrongly. */
static bool keep(struct ep_xt_and *a, const struct ep_xt_cond *c)
{
	if (a->n == EP_XT_MAX_CONDS)
		return decide_one(a->w, c);
	a->c[a->n++] = *c;
	return true;
}

bool ep_xt_need(struct ep_xt_and *a, bool certain, bool invert)
{
	(void)a;
	return certain != invert;
}

static bool need_var(struct ep_xt_and *a, int var, struct ep_ivset set, bool invert)
{
	struct ep_arena *m = a->w->arena;
	struct ep_ivset dom = a->w->vars.v[var].dom;
	struct ep_ivset in = invert ? ep_iv_minus(m, dom, set) : ep_iv_and(m, dom, set);

	for (unsigned i = 0; i < a->n; i++) {
		struct ep_xt_cond *c = &a->c[i];

		if (c->kind == EP_XT_IN && c->var == var) {
			c->set = ep_iv_and(m, c->set, in);
			return c->set.n > 0;
		}
	}
	if (!in.n || ep_iv_eq(in, dom))
		return in.n > 0;
	return keep(a, &(struct ep_xt_cond){.kind = EP_XT_IN, .var = var, .set = in});
}

bool ep_xt_need_in(struct ep_xt_and *a, const struct ep_val *v, struct ep_ivset set, bool invert)
{
	if (v->var < 0)
		return ep_iv_has(set, v->c) != invert;
	return need_var(a, v->var, set, invert);
}

bool ep_xt_need_range(struct ep_xt_and *a, const struct ep_val *v, ep_u128 lo, ep_u128 hi,
		      bool invert)
{
	if (v->var < 0)
		return (v->c >= lo && v->c <= hi) != invert;
	return need_var(a, v->var, ep_iv_range(a->w->arena, lo, hi), invert);
}

bool ep_xt_need_masked(struct ep_xt_and *a, const struct ep_val *v, unsigned bits, ep_u128 mask,
		       ep_u128 want, bool invert)
{
	struct ep_ivset set;

	if (v->var < 0)
		return ((v->c & mask) == want) != invert;
	if (!ep_iv_masked(a->w->arena, bits, mask, want, EP_MAX_SCATTER, &set))
		return ep_xt_need_unknown(a, "%s under a scattered mask",
					  a->w->vars.v[v->var].what);
	return need_var(a, v->var, set, invert);
}

bool ep_xt_need_chance(struct ep_xt_and *a, double p, const char *what)
{
	if (p <= 0 || p >= 1)
		return p > 0;
	return keep(a, &(struct ep_xt_cond){.kind = EP_XT_CHANCE, .p = p, .why = what});
}

bool ep_xt_need_unknown(struct ep_xt_and *a, const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	return keep(a, &(struct ep_xt_cond){.kind = EP_XT_UNKNOWN,
					    .why = ep_strdup(a->w->arena, buf)});
}

bool ep_xt_need_state(struct ep_xt_and *a, bool want, const char *usual, const char *other)
{
	return keep(a, &(struct ep_xt_cond){
			       .kind = EP_XT_STATE, .why = usual, .other = other, .usual = want});
}

bool ep_xt_settle(struct ep_xt_and *a)
{
	bool ret = ep_xt_decide(a);

	a->n = 0;
	return ret;
}

bool ep_xt_decide(struct ep_xt_and *a)
{
	for (int kind = EP_XT_IN; kind <= EP_XT_UNKNOWN; kind++)
		for (unsigned i = 0; i < a->n; i++)
			if ((int)a->c[i].kind == kind && !decide_one(a->w, &a->c[i]))
				return false;
	return true;
}

static const char *rewritten_name(struct ep_walk *w, const char *what)
{
	return ep_w_sprintf(w, "%s, rewritten by a rule", what);
}

void ep_xt_rewritten(struct ep_walk *w, const char *what)
{
	ep_w_unknown_val(w, rewritten_name(w, what), 1);
}

bool ep_xt_is_rewritten(struct ep_walk *w, const char *what)
{
	const char *name = rewritten_name(w, what);

	for (size_t i = EP_VAR_FIRST_FREE; i < w->vars.n; i++)
		if (!strcmp(w->vars.v[i].what, name))
			return true;
	return false;
}

bool ep_xt_need_field(struct ep_xt_and *a, const char *what, unsigned bits, ep_u128 mask,
		      ep_u128 lo, ep_u128 hi, bool invert)
{
	struct ep_val v = ep_pkt_field(a->w, what, bits);

	if (lo == hi)
		return ep_xt_need_masked(a, &v, bits, mask, lo, invert);
	return ep_xt_need_range(a, &v, lo, hi, invert);
}

struct bytes_test {
	struct ep_byte b[16];
	uint8_t lo[16], hi[16];
	size_t len;
	bool invert;
};

static bool between(struct ep_walk *w, const void *info)
{
	const struct bytes_test *t = info;

	return ep_bytes_between(w, t->b, t->lo, t->hi, t->len) != t->invert;
}

bool ep_xt_need_bytes(struct ep_xt_and *a, const struct ep_byte *b, const uint8_t *lo,
		      const uint8_t *hi, size_t len, bool invert)
{
	struct bytes_test t = {.len = len, .invert = invert};
	struct ep_ivset set;
	uint8_t x[16];
	int var;

	if (len > sizeof(x))
		return ep_xt_need_unknown(a, "bytes of the packet");
	if (ep_bytes_const(b, len, x))
		return (memcmp(x, lo, len) >= 0 && memcmp(x, hi, len) <= 0) != invert;
	if (ep_bytes_preimage(a->w, b, lo, hi, len, &var, &set))
		return need_var(a, var, set, invert);
	memcpy(t.b, b, len * sizeof(*b));
	memcpy(t.lo, lo, len);
	memcpy(t.hi, hi, len);
	return ep_xt_need_test(a, between, &t, sizeof(t));
}

bool ep_xt_need_test(struct ep_xt_and *a, ep_xt_test test, const void *info, size_t size)
{
	return keep(a, &(struct ep_xt_cond){.kind = EP_XT_TEST,
					    .test = test,
					    .info = ep_memdup(a->w->arena, info, size)});
}

ep_u128 ep_xt_num(const void *bytes, bool v6)
{
	struct ep_addr a = ep_addr_of(bytes, v6 ? 16 : 4);

	return ep_addr_num(&a);
}
