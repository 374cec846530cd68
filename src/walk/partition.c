// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tree of choices is explored depth first: a run answers 0 to every new choice, then each of
 * its choices, from the last to the first, is answered differently. On the way up the outcomes of
 * the alternatives are combined: a split of the client's values keeps both, a random choice weighs
 * them, and an unknown one keeps what all alternatives agree on and calls the rest unknown.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "walk/partition.h"

static bool same_text(const char *x, const char *y)
{
	return x == y || (x && y && !strcmp(x, y));
}

/* Would the client, and whoever looks for the receiver, see the same? */
static bool same_end(const struct ep_outcome *x, const struct ep_outcome *y)
{
	return x->verdict == y->verdict && x->martian == y->martian && x->listener == y->listener &&
	       x->receiver == y->receiver && x->final.netns == y->final.netns &&
	       x->final.port == y->final.port && ep_addr_eq(&x->final.addr, &y->final.addr) &&
	       same_text(x->final.dev, y->final.dev);
}

/* For an unknown choice only what the client meets counts, not which rule it was. */
static bool same_fate(const struct ep_outcome *x, const struct ep_outcome *y)
{
	bool ends_here = x->verdict == EP_DROPPED || x->verdict == EP_REJECTED ||
			 x->verdict == EP_UNREACHABLE || x->verdict == EP_REFUSED;

	return x->verdict == y->verdict && (ends_here || same_end(x, y));
}

static bool near(double x, double y)
{
	return fabs(x - y) < 1e-9;
}

static double weight(const struct ep_outcome *o)
{
	double w = 0;

	for (size_t i = 0; i < o->saddr.n; i++)
		w += (double)(o->saddr.v[i].hi - o->saddr.v[i].lo) + 1;
	return w * ep_iv_share(o->sport, (struct ep_ivset){&(struct ep_iv){0, 65535}, 1}) *
	       o->probability;
}

/* Steps and path are told as the larger part of the clients takes them. */
static void take_story(struct ep_outcome *x, const struct ep_outcome *y)
{
	struct ep_outcome kept = *x;

	if (weight(y) <= weight(x))
		return;
	*x = *y;
	x->saddr = kept.saddr;
	x->sport = kept.sport;
	x->probability = kept.probability;
}

/* Joins y into x when the union is again one box of sources and ports. */
static bool try_merge(struct ep_arena *a, struct ep_outcome *x, const struct ep_outcome *y)
{
	bool saddr = ep_iv_eq(x->saddr, y->saddr), sport = ep_iv_eq(x->sport, y->sport);

	if (!same_end(x, y) || !same_text(x->reason, y->reason))
		return false;
	if (saddr && sport) {
		take_story(x, y);
		x->probability += y->probability;
		return true;
	}
	if (!near(x->probability, y->probability) || (!saddr && !sport))
		return false;
	/* Dice may lead the same clients here twice: that is twice as likely, not the same. */
	if (saddr ? ep_iv_and(a, x->sport, y->sport).n : ep_iv_and(a, x->saddr, y->saddr).n)
		return false;
	take_story(x, y);
	if (sport)
		x->saddr = ep_iv_or(a, x->saddr, y->saddr);
	else if (saddr)
		x->sport = ep_iv_or(a, x->sport, y->sport);
	return true;
}

static void merge_all(struct ep_arena *a, ep_outcomes *l)
{
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < l->n; i++)
			for (size_t j = i + 1; j < l->n;) {
				if (!try_merge(a, l->v[i], l->v[j])) {
					j++;
					continue;
				}
				memmove(&l->v[j], &l->v[j + 1], (l->n - j - 1) * sizeof(l->v[0]));
				l->n--;
				again = true;
			}
	}
}

static struct ep_outcome *make_unknown(struct ep_arena *a, struct ep_ivset saddr,
				       struct ep_ivset sport, const char *reason,
				       const struct ep_outcome *like)
{
	struct ep_outcome *o = ep_alloc(a, sizeof(*o));

	if (like)
		*o = *like;
	o->probability = 1;
	o->saddr = saddr;
	o->sport = sport;
	o->verdict = EP_UNKNOWN;
	o->reason = reason;
	o->martian = false;
	o->listener = NULL;
	o->receiver = NULL;
	o->via.n = 0;
	return o;
}

static bool all_certain(const ep_outcomes *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!near(l->v[i]->probability, 1))
			return false;
	return true;
}

static bool same_partition(const ep_outcomes *x, const ep_outcomes *y)
{
	if (x->n != y->n)
		return false;
	for (size_t i = 0; i < x->n; i++) {
		size_t j;

		for (j = 0; j < y->n; j++)
			if (same_fate(x->v[i], y->v[j]) &&
			    near(x->v[i]->probability, y->v[j]->probability) &&
			    ep_iv_eq(x->v[i]->saddr, y->v[j]->saddr) &&
			    ep_iv_eq(x->v[i]->sport, y->v[j]->sport))
				break;
		if (j == y->n)
			return false;
	}
	return true;
}

/* Do all clients meet the same, whatever the dice say? */
static bool one_fate(const ep_outcomes *x, const ep_outcomes *y)
{
	for (size_t i = 0; i < x->n; i++)
		if (!same_fate(x->v[0], x->v[i]))
			return false;
	for (size_t i = 0; i < y->n; i++)
		if (!same_fate(x->v[0], y->v[i]))
			return false;
	return x->v[0]->verdict != EP_UNKNOWN;
}

/* Says what the two ways would be, so that a person can judge. */
static const char *either(struct ep_arena *a, const char *reason, const struct ep_outcome *x,
			  const struct ep_outcome *y)
{
	if (x->verdict == EP_UNKNOWN)
		return x->reason;
	if (y->verdict == EP_UNKNOWN)
		return y->reason;
	return ep_sprintf(a, "%s: %s or %s", reason ? reason : "not known",
			  ep_verdict_name(x->verdict), ep_verdict_name(y->verdict));
}

static ep_outcomes agree_on(struct ep_arena *a, const struct ep_choice *c, const ep_outcomes *x,
			    const ep_outcomes *y)
{
	ep_outcomes out = {};

	if (same_partition(x, y) || one_fate(x, y))
		return *x;
	if (!all_certain(x) || !all_certain(y)) {
		*ep_push(a, &out) = make_unknown(a, c->saddr, c->sport,
						 either(a, c->reason, x->v[0], y->v[0]), x->v[0]);
		return out;
	}
	for (size_t i = 0; i < x->n; i++)
		for (size_t j = 0; j < y->n; j++) {
			struct ep_ivset sa = ep_iv_and(a, x->v[i]->saddr, y->v[j]->saddr);
			struct ep_ivset sp = ep_iv_and(a, x->v[i]->sport, y->v[j]->sport);
			struct ep_outcome *o;

			if (!sa.n || !sp.n)
				continue;
			if (same_fate(x->v[i], y->v[j])) {
				o = ep_memdup(a, x->v[i], sizeof(*o));
				o->saddr = sa;
				o->sport = sp;
			} else {
				o = make_unknown(a, sa, sp, either(a, c->reason, x->v[i], y->v[j]),
						 x->v[i]);
			}
			*ep_push(a, &out) = o;
		}
	merge_all(a, &out);
	return out;
}

static void append(struct ep_arena *a, ep_outcomes *to, const ep_outcomes *from, double p)
{
	for (size_t i = 0; i < from->n; i++) {
		from->v[i]->probability *= p;
		*ep_push(a, to) = from->v[i];
	}
}

static ep_outcomes combine(struct ep_arena *a, const struct ep_choice *c, ep_outcomes *alts)
{
	ep_outcomes out = {};

	if (c->kind == EP_VAR_UNKNOWN) {
		out = alts[0];
		for (unsigned j = 1; j < c->n; j++)
			out = agree_on(a, c, &out, &alts[j]);
		return out;
	}
	for (unsigned j = 0; j < c->n; j++) {
		double p = c->kind == EP_VAR_FIELD  ? 1 :
			   c->n == 2 && c->p[0] > 0 ? c->p[j] :
						      1.0 / c->n;

		append(a, &out, &alts[j], p);
	}
	merge_all(a, &out);
	return out;
}

/* What is left when there are no runs left: one unknown over the alternative's part. */
static ep_outcomes out_of_runs(struct ep_explore *x, const struct ep_choice *c, unsigned alt)
{
	struct ep_arena *a = x->result->arena;
	bool field = c->kind == EP_VAR_FIELD;
	ep_outcomes out = {};

	x->result->split_limit = true;
	*ep_push(a, &out) = make_unknown(a,
					 field && c->var == EP_VAR_SADDR ? c->alt[alt] : c->saddr,
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
		cur = combine(a, c, alts);
	}
	return cur;
}

/* ---- order and words ---- */

static int by_weight(const void *p, const void *q)
{
	const struct ep_outcome *x = p, *y = q;
	double wx = x->martian ? -1 : weight(x), wy = y->martian ? -1 : weight(y);

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
	struct ep_ivset full = ep_iv_full(a, alen * 8u);
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
			add_condition(a, o, o->saddr, o->martian ? ep_iv_full(a, alen * 8u) : full,
				      alen, alen == 4 ? "ip saddr" : "ip6 saddr");
		if (!x->q->has_sport)
			add_condition(a, o, o->sport, ep_iv_full(a, 16), 0, "tcp sport");
	}
}
