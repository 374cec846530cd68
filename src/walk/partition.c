// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tree of choices is explored depth first: a run answers 0 to every new choice, then each of
 * its choices, from the last to the first, is answered differently. On the way up the outcomes of
 * the alternatives are combined.
 */
#include <stdlib.h>
#include <string.h>

#include "walk/partition.h"

/* What is left when there are no runs left: one unknown over the alternative's part. */
static ep_outcomes out_of_runs(struct ep_explore *x, const struct ep_choice *c, unsigned alt)
{
	struct ep_arena *a = x->result->arena;
	bool field = c->kind == EP_VAR_FIELD;
	ep_outcomes out = {};

	x->result->split_limit = true;
	*ep_push(a, &out) =
		ep_outcome_unknown(a, field && c->var == EP_VAR_SADDR ? c->alt[alt] : c->saddr,
				   field && c->var == EP_VAR_SPORT ? c->alt[alt] : c->sport,
				   "too many cases: the bound on splits was reached", NULL);
	return out;
}

static ep_outcomes explore(struct ep_explore *x, const unsigned *given, size_t n_given)
{
	struct ep_arena *a = x->result->arena;
	struct ep_choices trace = {};
	ep_outcomes cur = {};
	unsigned *next;

	x->budget--;
	*ep_push(a, &cur) = ep_run_once(x, given, n_given, &trace);
	next = ep_alloc(a, (trace.n + 1) * sizeof(*next));
	for (size_t i = 0; i < trace.n; i++)
		next[i] = trace.v[i].taken;
	for (size_t i = trace.n; i-- > n_given;) {
		const struct ep_choice *c = &trace.v[i];
		ep_outcomes *alts = ep_alloc(a, c->n * sizeof(*alts));

		alts[0] = cur;
		for (unsigned j = 1; j < c->n; j++) {
			next[i] = j;
			alts[j] = x->budget ? explore(x, next, i + 1) : out_of_runs(x, c, j);
		}
		next[i] = 0;
		cur = ep_combine(a, c, alts);
	}
	return cur;
}

/* ---- order and words ---- */

static int by_weight(const void *p, const void *q)
{
	const struct ep_outcome *x = p, *y = q;
	double wx = x->martian ? -1 : ep_outcome_weight(x);
	double wy = y->martian ? -1 : ep_outcome_weight(y);

	if (x->unusual != y->unusual)
		return x->unusual ? 1 : -1;
	return wx < wy ? 1 : wx > wy ? -1 : 0;
}

static void add_condition(struct ep_arena *a, struct ep_outcome *o, struct ep_ivset set,
			  struct ep_ivset full, uint8_t alen, const char *what)
{
	struct ep_ivset other = ep_iv_minus(a, full, set);
	bool inverse;
	ep_strs in = {}, out = {}, *pick;
	struct ep_buf b = {};

	if (!other.n)
		return;
	if (alen) {
		ep_iv_prefixes(a, set, alen, &in);
		ep_iv_prefixes(a, other, alen, &out);
	} else {
		for (int neg = 0; neg < 2; neg++)
			for (size_t i = 0; i < (neg ? other : set).n; i++) {
				struct ep_iv iv = (neg ? other : set).v[i];

				*ep_push(a, neg ? &out : &in) =
					iv.lo == iv.hi ? ep_sprintf(a, "%u", (unsigned)iv.lo) :
							 ep_sprintf(a, "%u-%u", (unsigned)iv.lo,
								    (unsigned)iv.hi);
			}
	}
	inverse = out.n < in.n;
	pick = inverse ? &out : &in;
	ep_buf_printf(&b, "%s%s%s", what, inverse ? " != " : " ", pick->n > 1 ? "{ " : "");
	for (size_t i = 0; i < pick->n; i++)
		ep_buf_printf(&b, "%s%s", i ? ", " : "", pick->v[i]);
	if (pick->n > 1)
		ep_buf_puts(&b, " }");
	*ep_push(a, &o->conditions) = ep_strdup(a, ep_buf_str(&b));
	ep_buf_free(&b);
}

void ep_partition(struct ep_explore *x)
{
	struct ep_result *r = x->result;
	struct ep_arena *a = r->arena;
	uint8_t alen = x->q->dst.len;
	struct ep_ivset clients = ep_query_clients(a, x->q), full = clients;
	ep_outcomes all = explore(x, NULL, 0);

	for (size_t i = 0; i < all.n; i++)
		*ep_push(a, &r->outcomes) = *all.v[i];
	if (r->outcomes.n > 1)
		qsort(r->outcomes.v, r->outcomes.n, sizeof(r->outcomes.v[0]), by_weight);
	/* Sources that no client can have need no mention. */
	ep_each(o, &r->outcomes) {
		if (o->martian)
			full = ep_iv_minus(a, full, o->saddr);
	}
	ep_each(o, &r->outcomes) {
		if (!x->q->has_src)
			add_condition(a, o, o->saddr, o->martian ? clients : full, alen,
				      alen == 4 ? "ip saddr" : "ip6 saddr");
		if (!x->q->has_sport)
			add_condition(a, o, o->sport, ep_iv_full(a, 16), 0, "tcp sport");
		ep_each(s, &o->state)
			*ep_push(a, &o->conditions) = *s;
	}
}
