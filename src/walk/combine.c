// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Outcomes of the alternatives of one choice, put together: a split of the client's values keeps both,
 * a random choice weighs them, an unknown one keeps what all alternatives agree on and calls the rest
 * unknown, and a state of the host keeps both, with words for when, where they differ.
 */
#include <math.h>
#include <string.h>

#include "walk/partition.h"

#define EP_MAX_BOXES 1024 /* parts of the clients that alternatives are compared in */

static bool same_text(const char *x, const char *y)
{
	return x == y || (x && y && !strcmp(x, y));
}

static bool same_strs(const ep_strs *x, const ep_strs *y)
{
	if (x->n != y->n)
		return false;
	for (size_t i = 0; i < x->n; i++)
		if (strcmp(x->v[i], y->v[i]))
			return false;
	return true;
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

double ep_outcome_weight(const struct ep_outcome *o)
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

	x->routes |= y->routes;
	if (ep_outcome_weight(y) <= ep_outcome_weight(x))
		return;
	*x = *y;
	x->routes |= kept.routes;
	x->saddr = kept.saddr;
	x->sport = kept.sport;
	x->probability = kept.probability;
}

/* Joins y into x when the union is again one box of sources and ports. */
static bool try_merge(struct ep_arena *a, struct ep_outcome *x, const struct ep_outcome *y)
{
	bool saddr = ep_iv_eq(x->saddr, y->saddr), sport = ep_iv_eq(x->sport, y->sport);

	if (!same_end(x, y) || !same_text(x->reason, y->reason) || !same_strs(&x->state, &y->state))
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

void ep_merge_outcomes(struct ep_arena *a, ep_outcomes *l)
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

struct ep_outcome *ep_outcome_unknown(struct ep_arena *a, struct ep_ivset saddr,
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
	o->state.n = 0;
	o->unusual = false;
	return o;
}

/* Each client has one outcome. */
static bool all_certain(const ep_outcomes *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!near(l->v[i]->probability, 1) || l->v[i]->state.n)
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
			    same_strs(&x->v[i]->state, &y->v[j]->state) &&
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

/* ---- clients for whom neither alternative makes a difference ---- */

struct box {
	struct ep_ivset saddr, sport;
};

typedef EP_VEC(struct box) boxes;

static void add_box(struct ep_arena *a, boxes *to, struct ep_ivset saddr, struct ep_ivset sport)
{
	if (saddr.n && sport.n)
		*ep_push(a, to) = (struct box){saddr, sport};
}

/* Divides the boxes so that each is inside or outside of every outcome; false if there are too many. */
static bool divide(struct ep_arena *a, boxes *b, const ep_outcomes *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct ep_outcome *o = l->v[i];
		boxes next = {};

		ep_each(x, b) {
			struct ep_ivset saddr = ep_iv_and(a, x->saddr, o->saddr);
			struct ep_ivset sport = ep_iv_and(a, x->sport, o->sport);

			if (!saddr.n || !sport.n) {
				*ep_push(a, &next) = *x;
				continue;
			}
			add_box(a, &next, saddr, sport);
			add_box(a, &next, ep_iv_minus(a, x->saddr, saddr), x->sport);
			add_box(a, &next, saddr, ep_iv_minus(a, x->sport, sport));
		}
		if (next.n > EP_MAX_BOXES)
			return false;
		*b = next;
	}
	return true;
}

/* What the box's clients meet: copies of the outcomes, for these clients. */
static ep_outcomes within(struct ep_arena *a, const ep_outcomes *l, const struct box *b)
{
	ep_outcomes out = {};

	for (size_t i = 0; i < l->n; i++) {
		struct ep_outcome *o = l->v[i];

		if (!ep_iv_and(a, o->saddr, b->saddr).n || !ep_iv_and(a, o->sport, b->sport).n)
			continue;
		o = ep_memdup(a, o, sizeof(*o));
		o->saddr = ep_iv_and(a, o->saddr, b->saddr);
		o->sport = ep_iv_and(a, o->sport, b->sport);
		*ep_push(a, &out) = o;
	}
	ep_merge_outcomes(a, &out);
	return out;
}

static void add_all(struct ep_arena *a, ep_outcomes *to, const ep_outcomes *from)
{
	for (size_t i = 0; i < from->n; i++)
		*ep_push(a, to) = from->v[i];
}

/* Calls settle for each box of clients for whom the two alternatives differ; keeps the others. */
static ep_outcomes
compare(struct ep_arena *a, const struct ep_choice *c, const ep_outcomes *x, const ep_outcomes *y,
	void (*settle)(struct ep_arena *a, const struct ep_choice *c, const struct box *b,
		       const ep_outcomes *x, const ep_outcomes *y, ep_outcomes *out))
{
	struct box all = {c->saddr, c->sport};
	ep_outcomes out = {};
	boxes parts = {};

	*ep_push(a, &parts) = all;
	if (!divide(a, &parts, x) || !divide(a, &parts, y)) {
		settle(a, c, &all, x, y, &out);
		return out;
	}
	ep_each(b, &parts) {
		ep_outcomes in_x = within(a, x, b), in_y = within(a, y, b);

		if (!in_x.n || !in_y.n)
			add_all(a, &out, in_x.n ? &in_x : &in_y);
		else if (same_partition(&in_x, &in_y) || one_fate(&in_x, &in_y))
			add_all(a, &out, &in_x);
		else
			settle(a, c, b, &in_x, &in_y, &out);
	}
	ep_merge_outcomes(a, &out);
	return out;
}

static void call_unknown(struct ep_arena *a, const struct ep_choice *c, const struct box *b,
			 const ep_outcomes *x, const ep_outcomes *y, ep_outcomes *out)
{
	*ep_push(a, out) = ep_outcome_unknown(a, b->saddr, b->sport,
					      either(a, c->reason, x->v[0], y->v[0]), x->v[0]);
}

static void add_state(struct ep_arena *a, ep_outcomes *l, const char *words, bool unusual)
{
	for (size_t i = 0; i < l->n; i++) {
		struct ep_outcome *o = l->v[i];
		ep_strs state = {};

		*ep_push(a, &state) = words;
		ep_each(s, &o->state)
			*ep_push(a, &state) = *s;
		o->state = state;
		o->unusual |= unusual;
	}
}

static void keep_both(struct ep_arena *a, const struct ep_choice *c, const struct box *b,
		      const ep_outcomes *x, const ep_outcomes *y, ep_outcomes *out)
{
	ep_outcomes usual = within(a, x, b), other = within(a, y, b);

	add_state(a, &usual, c->reason, false);
	add_state(a, &other, c->other, true);
	add_all(a, out, &usual);
	add_all(a, out, &other);
}

/* ---- each kind of choice ---- */

static ep_outcomes agree_on(struct ep_arena *a, const struct ep_choice *c, const ep_outcomes *x,
			    const ep_outcomes *y)
{
	ep_outcomes out = {};

	if (same_partition(x, y) || one_fate(x, y))
		return *x;
	if (!all_certain(x) || !all_certain(y))
		return compare(a, c, x, y, call_unknown);
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
				o->routes |= y->v[j]->routes;
			} else {
				o = ep_outcome_unknown(
					a, sa, sp, either(a, c->reason, x->v[i], y->v[j]), x->v[i]);
			}
			*ep_push(a, &out) = o;
		}
	ep_merge_outcomes(a, &out);
	return out;
}

static void append(struct ep_arena *a, ep_outcomes *to, const ep_outcomes *from, double p)
{
	for (size_t i = 0; i < from->n; i++) {
		from->v[i]->probability *= p;
		*ep_push(a, to) = from->v[i];
	}
}

ep_outcomes ep_combine(struct ep_arena *a, const struct ep_choice *c, ep_outcomes *alts)
{
	ep_outcomes out = {};

	if (c->kind == EP_VAR_STATE)
		return compare(a, c, &alts[0], &alts[1], keep_both);
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
	ep_merge_outcomes(a, &out);
	return out;
}
