// SPDX-License-Identifier: GPL-2.0-or-later
/* Routing for many destinations at once: which of them a lookup answers in a certain way. */
#include <netinet/in.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "walk/fib.h"

#define EP_MAX_GOTO 32

enum answer { ANSWER_NEXT, ANSWER_NO, ANSWER_YES }; /* NEXT: another table decides */

struct sets {
	struct ep_ivset yes, next;
};

struct question {
	struct ep_walk *w;
	struct ep_netns *ns;
	const struct ep_flow *f;
	ep_fib_ask ask;
	void *ctx;
	const struct ep_policy *policy; /* whose table is asked; NULL for a table alone */
};

static ep_u128 last_of(ep_u128 lo, unsigned bits, unsigned plen)
{
	unsigned host = bits - plen;

	return host >= 128 ? ~(ep_u128)0 : lo | (((ep_u128)1 << host) - 1);
}

/* ---- one table: nested prefixes, from left to right ---- */

struct sweep {
	struct ep_arena *a;
	EP_VEC(struct ep_iv) yes, next;
	struct {
		ep_u128 hi;
		enum answer answer;
	} open[130]; /* prefixes that pos is in, the innermost last */
	unsigned depth;
	ep_u128 pos;
};

static void emit(struct sweep *s, ep_u128 hi)
{
	enum answer answer = s->open[s->depth - 1].answer;

	if (answer == ANSWER_YES)
		*ep_push(s->a, &s->yes) = (struct ep_iv){s->pos, hi};
	else if (answer == ANSWER_NEXT)
		*ep_push(s->a, &s->next) = (struct ep_iv){s->pos, hi};
	s->pos = hi + 1;
}

static void close_until(struct sweep *s, ep_u128 lo)
{
	while (s->depth > 1 && s->open[s->depth - 1].hi < lo) {
		if (s->pos <= s->open[s->depth - 1].hi)
			emit(s, s->open[s->depth - 1].hi);
		s->depth--;
	}
	if (s->pos < lo)
		emit(s, lo - 1);
}

static void close_all(struct sweep *s)
{
	ep_u128 max = s->open[0].hi;
	bool done = false;

	for (; s->depth && !done; s->depth--) {
		ep_u128 hi = s->open[s->depth - 1].hi;

		if (s->pos <= hi)
			emit(s, hi);
		done = hi == max;
	}
}

static enum answer answer_of(const struct question *q, const struct ep_route *r)
{
	if (r->type == RTN_THROW || (q->policy && ep_fib_suppressed(q->ns, q->policy, r)))
		return ANSWER_NEXT;
	return q->ask(r, r->type, q->ctx) ? ANSWER_YES : ANSWER_NO;
}

static struct sets ask_table(const struct question *q, struct ep_fib_table *t, struct ep_ivset dom)
{
	const struct ep_fib_entry *v = t ? ep_fib_by_addr(q->w->s, t) : NULL;
	unsigned bits = q->f->dst.len * 8u;
	struct sweep s = {.a = q->w->arena, .depth = 1};
	struct sets ret = {.next = dom};

	if (!v)
		return ret;
	s.open[0].hi = last_of(0, bits, 0);
	for (size_t i = 0; i < t->n;) {
		const struct ep_fib_entry *first = &v[i];
		const struct ep_route *r = NULL;

		for (; i < t->n && v[i].lo == first->lo &&
		       v[i].route->dst_len == first->route->dst_len;
		     i++)
			if (!r && !ep_fib_hidden(first->route, v[i].route) &&
			    ep_fib_usable(q->w, v[i].route, q->f))
				r = v[i].route;
		if (!r)
			continue;
		close_until(&s, first->lo);
		s.open[s.depth].hi = last_of(first->lo, bits, r->dst_len);
		s.open[s.depth++].answer = answer_of(q, r);
	}
	close_all(&s);
	ret.yes = ep_iv_and(s.a, dom, ep_iv_of(s.a, s.yes.v, s.yes.n));
	ret.next = ep_iv_and(s.a, dom, ep_iv_of(s.a, s.next.v, s.next.n));
	return ret;
}

struct ep_ivset ep_fib_table_set(struct ep_walk *w, struct ep_netns *ns, uint32_t table,
				 const struct ep_flow *f, struct ep_ivset dom, ep_fib_ask ask,
				 void *ctx)
{
	struct question q = {.w = w, .ns = ns, .f = f, .ask = ask, .ctx = ctx};
	uint8_t family = f->dst.len == 4 ? AF_INET : AF_INET6;

	return ask_table(&q, ep_fib_table(w->s, ns, family, table), dom).yes;
}

/* ---- policy rules ---- */

static struct ep_ivset selected(const struct question *q, const struct ep_policy *p,
				struct ep_ivset left)
{
	unsigned bits = q->f->dst.len * 8u;
	struct ep_ivset in = {}, prefix;

	if (ep_fib_policy_selects(q->w, q->ns, p, q->f)) {
		in = left;
		if (p->dst_len) {
			ep_u128 hi = last_of(ep_addr_num(&p->dst), bits, p->dst_len);

			prefix = ep_iv_range(q->w->arena, hi - (last_of(0, bits, p->dst_len)), hi);
			in = ep_iv_and(q->w->arena, left, prefix);
		}
	}
	return p->invert ? ep_iv_minus(q->w->arena, left, in) : in;
}

static struct sets ask_policy(const struct question *all, const struct ep_policy *p,
			      struct ep_ivset in)
{
	uint8_t type = ep_fib_policy_type(p);
	struct question q = *all;
	struct sets ret = {};

	q.policy = p;
	if (type != RTN_UNSPEC) {
		if (q.ask(NULL, type, q.ctx))
			ret.yes = in;
		return ret;
	}
	ret.next = in;
	if (p->action != FR_ACT_TO_TBL)
		return ret;
	return ask_table(
		&q, ep_fib_table(q.w->s, q.ns, p->family, ep_fib_policy_table(q.ns, p, q.f)), in);
}

static struct ep_ivset ask_from(const struct question *q, const struct ep_policy *const *v,
				size_t n, size_t i, struct ep_ivset left, unsigned depth)
{
	struct ep_arena *a = q->w->arena;
	struct ep_ivset yes = {};

	for (; i < n && left.n; i++) {
		struct ep_ivset in = selected(q, v[i], left);
		struct sets s;

		if (!in.n)
			continue;
		if (v[i]->action == FR_ACT_GOTO) {
			size_t to = ep_fib_goto(v, n, i);

			if (to == n || depth == EP_MAX_GOTO)
				continue;
			yes = ep_iv_or(a, yes, ask_from(q, v, n, to, in, depth + 1));
			left = ep_iv_minus(a, left, in);
			continue;
		}
		s = ask_policy(q, v[i], in);
		yes = ep_iv_or(a, yes, s.yes);
		left = ep_iv_or(a, ep_iv_minus(a, left, in), s.next);
	}
	if (left.n && q->ask(NULL, RTN_UNREACHABLE, q->ctx))
		yes = ep_iv_or(a, yes, left);
	return yes;
}

struct ep_ivset ep_fib_dst_set(struct ep_walk *w, struct ep_netns *ns, const struct ep_flow *f,
			       struct ep_ivset dom, ep_fib_ask ask, void *ctx)
{
	struct question q = {.w = w, .ns = ns, .f = f, .ask = ask, .ctx = ctx};
	const struct ep_policy **v;
	size_t n = ep_fib_policies(w, ns, f->dst.len == 4 ? AF_INET : AF_INET6, &v);

	return ask_from(&q, v, n, 0, dom, 0);
}
