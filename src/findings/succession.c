// SPDX-License-Identifier: GPL-2.0-or-later
/* Who would receive if the present receiver were gone, then the next: walks with more and more left out. */
#include <string.h>

#include "findings/findings_i.h"

static const void *rule_of(const struct ep_step *s)
{
	return s->rule.nft ? (const void *)s->rule.nft : s->rule.xt;
}

static bool has_rule(const struct ep_without *w, const void *rule)
{
	ep_each(r, &w->rules)
		if (*r == rule)
			return true;
	return false;
}

static void add_proc(struct ep_arena *a, struct ep_without *w, const struct ep_proc *p)
{
	ep_each(q, &w->procs)
		if (*q == p)
			return;
	*ep_push(a, &w->procs) = p;
}

static void add_addr(struct ep_arena *a, struct ep_without *w, const struct ep_addr *addr)
{
	ep_each(x, &w->dnat_to)
		if (ep_addr_eq(x, addr))
			return;
	*ep_push(a, &w->dnat_to) = *addr;
}

void ep_without_add(struct ep_arena *a, struct ep_without *w, const struct ep_without *more)
{
	if (!more)
		return;
	ep_each(r, &more->rules)
		if (!has_rule(w, *r))
			*ep_push(a, &w->rules) = *r;
	ep_each(base, &more->accepts)
		*ep_push(a, &w->accepts) = *base;
	ep_each(x, &more->dnat_to)
		add_addr(a, w, x);
	ep_each(p, &more->procs)
		add_proc(a, w, *p);
	ep_each(c, &more->containers)
		*ep_push(a, &w->containers) = *c;
}

void ep_without_container(struct ep_snapshot *s, struct ep_arena *a, struct ep_without *w,
			  const struct ep_container *c)
{
	*ep_push(a, &w->containers) = c;
	ep_each(at, &c->addrs) {
		add_addr(a, w, &at->addr);
		ep_each(p, &s->procs)
			if ((*p)->proxy_target.len && ep_addr_eq(&(*p)->proxy_target, &at->addr))
				add_proc(a, w, *p);
	}
}

/* Leaves out what makes the packets go where they go now; false if there is nothing to leave out. */
static bool leave_out(struct ep_arena *a, struct ep_without *w, const struct ep_query *q,
		      const struct ep_result *r)
{
	const struct ep_outcome *o = ep_main_outcome(r);
	size_t before = w->rules.n + w->procs.n;

	ep_each(each, &r->outcomes) {
		const struct ep_step *s = each->martian ? NULL : ep_divert_step(each);

		if (s && s->netns == q->netns && rule_of(s) && !has_rule(w, rule_of(s)))
			*ep_push(a, &w->rules) = rule_of(s);
	}
	if (w->rules.n + w->procs.n > before || !o || o->verdict != EP_DELIVERED)
		return w->rules.n + w->procs.n > before;
	ep_each(p, &o->via)
		add_proc(a, w, *p);
	if (!o->via.n && o->listener)
		ep_each(p, &o->listener->procs)
			add_proc(a, w, *p);
	return w->rules.n + w->procs.n > before;
}

static bool same_outcome(const struct ep_outcome *x, const struct ep_outcome *y)
{
	const struct ep_step *dx = ep_divert_step(x), *dy = ep_divert_step(y);

	return x->verdict == y->verdict && x->listener == y->listener &&
	       x->receiver == y->receiver && x->final.netns == y->final.netns &&
	       x->final.port == y->final.port && ep_addr_eq(&x->final.addr, &y->final.addr) &&
	       ep_iv_eq(x->saddr, y->saddr) && ep_iv_eq(x->sport, y->sport) &&
	       (dx ? rule_of(dx) : NULL) == (dy ? rule_of(dy) : NULL);
}

static bool same_result(const struct ep_result *x, const struct ep_result *y)
{
	if (x->outcomes.n != y->outcomes.n)
		return false;
	for (size_t i = 0; i < x->outcomes.n; i++)
		if (!same_outcome(&x->outcomes.v[i], &y->outcomes.v[i]))
			return false;
	return true;
}

/* Outcomes that end alike keep the steps of only one of them, so "not seen" has to be tried. */
static bool is_shadowed(struct ep_snapshot *s, struct ep_arena *a, const struct ep_query *q,
			const struct ep_without *without, const struct ep_step *by,
			const struct ep_result *first)
{
	struct ep_without w = {};
	struct ep_result *r;
	bool same;

	ep_without_add(a, &w, without);
	*ep_push(a, &w.rules) = rule_of(by);
	r = ep_walk(s, q, &w);
	same = same_result(r, first);
	ep_result_free(r);
	return same;
}

void ep_succession(struct ep_snapshot *s, struct ep_arena *a, const struct ep_query *q,
		   const struct ep_without *without, const struct ep_result *first, unsigned max,
		   ep_heirs *ret)
{
	const struct ep_result *now = first;
	struct ep_without w = {};

	ep_without_add(a, &w, without);
	for (unsigned i = 0; i < (max ? max : EP_HEIRS_MAX); i++) {
		const struct ep_step *by;
		const struct ep_outcome *o;
		struct ep_result *next;
		struct ep_heir *h;

		if (!leave_out(a, &w, q, now))
			return;
		next = ep_walk(s, q, &w);
		o = ep_main_outcome(next);
		by = o ? ep_divert_step(o) : NULL;
		if (by && by->netns != q->netns)
			by = NULL;
		if (!o || (!by && o->verdict != EP_DELIVERED && o->verdict != EP_FORWARDED)) {
			ep_result_free(next);
			return;
		}
		h = ep_push(a, ret);
		*h = (struct ep_heir){.result = next,
				      .outcome = o,
				      .by = by,
				      .who = ep_who_of_outcome(o),
				      .shadowed = by && is_shadowed(s, a, q, without, by, first)};
		now = next;
	}
}

void ep_heirs_free(ep_heirs *h)
{
	ep_each(it, h)
		ep_result_free(it->result);
	h->n = 0;
}
