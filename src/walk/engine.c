// SPDX-License-Identifier: GPL-2.0-or-later
/* Choices, re-execution, and the putting together of outcomes. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "walk/bytes.h"
#include "walk/engine.h"
#include "walk/partition.h"

#define EP_MAX_RUNS 1024 /* unless the query says otherwise */
#define EP_MAX_PICK 64

/* ---- one run's choices ---- */

static unsigned choose(struct ep_walk *w, const struct ep_choice *c)
{
	size_t i = w->trace.n;
	struct ep_choice *slot;

	if (w->ended)
		return 0;
	slot = ep_push(w->arena, &w->trace);
	*slot = *c;
	slot->taken = i < w->prefix ? w->given[i] : 0;
	slot->saddr = w->vars.v[EP_VAR_SADDR].dom;
	slot->sport = w->vars.v[EP_VAR_SPORT].dom;
	return slot->taken;
}

static struct ep_ivset derived_dom(struct ep_walk *w, const struct ep_var *v)
{
	struct ep_ivset base = w->vars.v[v->base].dom, out = {};

	for (size_t i = 0; i < base.n; i++)
		for (ep_u128 n = base.v[i].lo; n <= base.v[i].hi; n++)
			out = ep_iv_or(w->arena, out,
				       ep_iv_range(w->arena, n * v->mul + v->add,
						   n * v->mul + v->add));
	return out;
}

void ep_w_narrow(struct ep_walk *w, int var, struct ep_ivset dom)
{
	struct ep_var *v = &w->vars.v[var];
	int base = v->base ? v->base : var;
	struct ep_ivset out = {};

	v->dom = dom;
	if (v->base) {
		for (size_t i = 0; i < dom.n; i++)
			for (ep_u128 n = dom.v[i].lo; n <= dom.v[i].hi; n++)
				out = ep_iv_or(w->arena, out,
					       ep_iv_range(w->arena, (n - v->add) / v->mul,
							   (n - v->add) / v->mul));
		w->vars.v[base].dom = out;
	}
	for (size_t i = EP_VAR_FIRST_FREE; i < w->vars.n; i++)
		if (w->vars.v[i].base && w->vars.v[i].base == base)
			w->vars.v[i].dom = derived_dom(w, &w->vars.v[i]);
}

int ep_w_derived_var(struct ep_walk *w, int base, unsigned mul, unsigned add, unsigned bits,
		     const char *what)
{
	int var = ep_w_state_var(w, bits, (struct ep_ivset){}, w->vars.v[base].usual * mul + add,
				 what);
	struct ep_var *v = &w->vars.v[var];

	v->base = base;
	v->mul = mul;
	v->add = add;
	v->dom = derived_dom(w, v);
	return var;
}

bool ep_w_in(struct ep_walk *w, int var, struct ep_ivset set)
{
	struct ep_var *v = &w->vars.v[var];
	struct ep_ivset in = ep_iv_and(w->arena, v->dom, set), out;
	struct ep_choice c = {.n = 2, .kind = v->kind, .var = var};
	double share;
	bool no, swap;

	if (!in.n)
		return false;
	out = ep_iv_minus(w->arena, v->dom, set);
	if (!out.n)
		return true;
	share = ep_iv_share(in, v->dom);
	c.p[0] = share;
	c.p[1] = 1 - share;
	c.alt[0] = in;
	c.alt[1] = out;
	c.reason = v->kind == EP_VAR_UNKNOWN ? ep_w_sprintf(w, "depends on %s", v->what) : NULL;
	swap = v->kind == EP_VAR_STATE && !ep_iv_has(in, v->usual) &&
	       (ep_iv_has(out, v->usual) || share < 0.5);
	if (v->kind == EP_VAR_STATE) {
		c.reason = ep_field_words(w, v, swap ? out : in);
		c.other = ep_field_words(w, v, swap ? in : out);
	}
	no = choose(w, &c) != swap;
	ep_w_narrow(w, var, no ? out : in);
	return !no;
}

bool ep_w_val_in(struct ep_walk *w, const struct ep_val *v, struct ep_ivset set)
{
	return v->var < 0 ? ep_iv_has(set, v->c) : ep_w_in(w, v->var, set);
}

bool ep_w_val_range(struct ep_walk *w, const struct ep_val *v, ep_u128 lo, ep_u128 hi)
{
	if (v->var < 0)
		return v->c >= lo && v->c <= hi;
	return ep_w_in(w, v->var, ep_iv_range(w->arena, lo, hi));
}

bool ep_w_val_masked(struct ep_walk *w, const struct ep_val *v, unsigned bits, ep_u128 mask,
		     ep_u128 want)
{
	struct ep_ivset set;

	if (v->var < 0)
		return (v->c & mask) == want;
	if (!ep_iv_masked(w->arena, bits, mask, want, EP_MAX_SCATTER, &set))
		return ep_w_unknown(w, "%s under a scattered mask", w->vars.v[v->var].what);
	return ep_w_in(w, v->var, set);
}

bool ep_w_unknown(struct ep_walk *w, const char *fmt, ...)
{
	struct ep_choice c = {.n = 2, .kind = EP_VAR_UNKNOWN, .var = -1};
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	c.reason = ep_strdup(w->arena, buf);
	return !choose(w, &c);
}

bool ep_w_state(struct ep_walk *w, const char *usual, const char *other)
{
	struct ep_choice c = {
		.n = 2, .kind = EP_VAR_STATE, .var = -1, .reason = usual, .other = other};
	struct ep_state *s;

	ep_each(known, &w->states)
		if (!strcmp(known->usual, usual))
			return known->answer;
	s = ep_push(w->arena, &w->states);
	s->usual = usual;
	s->answer = !choose(w, &c);
	return s->answer;
}

void ep_w_now(struct ep_walk *w, const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	ep_each(known, &w->now)
		if (!strcmp(*known, buf))
			return;
	*ep_push(w->arena, &w->now) = ep_strdup(w->arena, buf);
}

bool ep_w_chance(struct ep_walk *w, double p, const char *what)
{
	struct ep_choice c = {.n = 2, .kind = EP_VAR_RANDOM, .var = -1, .reason = what};

	if (p >= 1)
		return true;
	if (p <= 0)
		return false;
	c.p[0] = p;
	c.p[1] = 1 - p;
	return !choose(w, &c);
}

unsigned ep_w_pick(struct ep_walk *w, unsigned n, const char *what)
{
	struct ep_choice c = {.n = n, .kind = EP_VAR_RANDOM, .var = -1, .reason = what};

	if (n <= 1)
		return 0;
	if (n > EP_MAX_PICK) {
		ep_w_end(w, EP_UNKNOWN, "%s picks one of %u", what, n);
		return 0;
	}
	return choose(w, &c);
}

int ep_w_var(struct ep_walk *w, enum ep_var_kind kind, unsigned bits, struct ep_ivset dom,
	     const char *what)
{
	*ep_push(w->arena, &w->vars) =
		(struct ep_var){.kind = kind, .bits = bits, .dom = dom, .what = what};
	return (int)w->vars.n - 1;
}

int ep_w_state_var(struct ep_walk *w, unsigned bits, struct ep_ivset dom, ep_u128 usual,
		   const char *what)
{
	int var = ep_w_var(w, EP_VAR_STATE, bits, dom, what);

	w->vars.v[var].usual = usual;
	return var;
}

struct ep_val ep_w_unknown_val(struct ep_walk *w, const char *what, unsigned bits)
{
	for (size_t i = EP_VAR_FIRST_FREE; i < w->vars.n; i++)
		if (w->vars.v[i].kind == EP_VAR_UNKNOWN && !strcmp(w->vars.v[i].what, what))
			return (struct ep_val){.var = (int)i};
	return (struct ep_val){
		.var = ep_w_var(w, EP_VAR_UNKNOWN, bits, ep_iv_full(w->arena, bits), what)};
}

const char *ep_w_elsewhere(struct ep_walk *w)
{
	if (w->ns->ino == w->q->netns)
		return "";
	return w->ns->name ? ep_w_sprintf(w, " in %s", w->ns->name) :
			     ep_w_sprintf(w, " in namespace %llu", (unsigned long long)w->ns->ino);
}

unsigned ep_w_use(struct ep_walk *w, const void *what)
{
	struct ep_use *u;

	ep_each(known, &w->uses)
		if (known->what == what)
			return ++known->n;
	u = ep_push(w->arena, &w->uses);
	*u = (struct ep_use){.what = what, .n = 1};
	return 1;
}

/* ---- the answer ---- */

void ep_w_end(struct ep_walk *w, enum ep_outcome_verdict v, const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	if (w->ended)
		return;
	w->ended = true;
	w->verdict = v;
	w->end_addr = w->p.daddr;
	w->end_port = w->p.dport;
	if (!fmt)
		return;
	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	w->reason = ep_strdup(w->arena, buf);
}

struct ep_step *ep_w_step(struct ep_walk *w, enum ep_step_kind kind)
{
	struct ep_step *s = ep_push(w->arena, &w->steps);

	*s = (struct ep_step){.kind = kind, .netns = w->ns ? w->ns->ino : 0, .hook = w->hook};
	return s;
}

char *ep_w_sprintf(struct ep_walk *w, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	return ep_strdup(w->arena, buf);
}

bool ep_w_rule_gone(const struct ep_walk *w, const void *rule)
{
	if (!w->without)
		return false;
	ep_each(r, &w->without->rules)
		if (*r == rule)
			return true;
	return false;
}

bool ep_w_chain_accepts(const struct ep_walk *w, const void *base)
{
	if (!w->without)
		return false;
	ep_each(c, &w->without->accepts)
		if (*c == base)
			return true;
	return false;
}

/* ---- one run ---- */

struct ep_ivset ep_query_clients(struct ep_arena *a, const struct ep_query *q)
{
	return q->among.n ? q->among : ep_iv_full(a, q->dst.len * 8u);
}

static void start_packet(struct ep_walk *w)
{
	const struct ep_query *q = w->q;
	struct ep_arena *a = w->arena;
	unsigned bits = q->dst.len * 8u;
	ep_u128 src = ep_addr_num(&q->src);
	bool v4 = q->dst.len == 4;

	ep_w_var(w, EP_VAR_FIELD, bits,
		 q->has_src ? ep_iv_range(a, src, src) : ep_query_clients(a, q),
		 v4 ? "ip saddr" : "ip6 saddr");
	ep_w_var(w, EP_VAR_FIELD, 16,
		 q->has_sport ? ep_iv_range(a, q->sport, q->sport) : ep_iv_full(a, 16),
		 "tcp sport");
	w->p = (struct ep_pkt){
		.alen = q->dst.len,
		.saddr = {.var = q->has_src ? -1 : EP_VAR_SADDR, .c = q->has_src ? src : 0},
		.sport = {.var = q->has_sport ? -1 : EP_VAR_SPORT,
			  .c = q->has_sport ? q->sport : 0},
		.daddr = q->dst,
		.dport = q->dport,
		.ct_zone = 0,
	};
}

/* The control group of a container's processes: of those in one pod the first stands for all. */
static uint64_t sender(const struct ep_walk *w)
{
	ep_each(c, &w->s->containers)
		if (w->q->origin == EP_CONTAINER && (*c)->netns == w->q->netns && (*c)->cgroup)
			return (*c)->cgroup;
	return 0;
}

static void start_walk(struct ep_walk *w)
{
	w->ns = ep_netns_find(w->s, w->q->netns);
	if (!w->ns) {
		ep_w_end(w, EP_UNKNOWN, "the namespace is not in the snapshot");
		return;
	}
	if (ep_origin_sends(w->q->origin)) {
		w->sender = sender(w);
		ep_w_send(w);
		return;
	}
	if (ep_netns_need(w->s, w->ns, EP_NEED_LINKS)) {
		ep_w_end(w, EP_UNKNOWN, "links could not be read: %s",
			 w->ns->failed ? w->ns->failed : "not captured");
		return;
	}
	w->p.in = ep_link_by_index(w->ns, w->q->ifindex);
	if (!w->p.in)
		ep_w_end(w, EP_UNKNOWN, "no device with index %u", w->q->ifindex);
	else
		ep_w_receive(w);
}

static struct ep_step keep_step(struct ep_arena *a, const struct ep_step *from)
{
	struct ep_step s = *from;

	s.action = s.action ? ep_strdup(a, s.action) : NULL;
	s.to = s.to ? ep_strdup(a, s.to) : NULL;
	if (s.kind == EP_STEP_IPVS) /* a rule's is the snapshot's own */
		s.table = ep_strdup(a, s.table);
	return s;
}

static struct ep_ivset keep_set(struct ep_arena *a, struct ep_ivset s)
{
	return (struct ep_ivset){.v = ep_memdup(a, s.v, s.n * sizeof(*s.v)), .n = s.n};
}

static struct ep_outcome *keep_outcome(struct ep_explore *x, const struct ep_walk *w)
{
	struct ep_arena *a = x->result->arena;
	struct ep_outcome *o = ep_alloc(a, sizeof(*o));

	*o = (struct ep_outcome){
		.probability = 1,
		.saddr = keep_set(a, w->vars.v[EP_VAR_SADDR].dom),
		.sport = keep_set(a, w->vars.v[EP_VAR_SPORT].dom),
		.verdict = w->verdict,
		.reason = w->reason ? ep_strdup(a, w->reason) : NULL,
		.martian = w->martian && w->verdict == EP_DROPPED,
		.listener = w->listener,
		.receiver = w->receiver,
	};
	o->final.netns = w->ns ? w->ns->ino : w->q->netns;
	o->final.addr = w->end_addr;
	o->final.port = w->end_port;
	o->final.dev = w->end_dev ? ep_strdup(a, w->end_dev) : w->p.in ? w->p.in->name : NULL;
	ep_each(n, &w->routes)
		o->routes |= ep_route_keep(x->result, w, n);
	ep_each(v, &w->via)
		*ep_push(a, &o->via) = *v;
	ep_each(n, &w->now)
		*ep_push(a, &o->now) = ep_strdup(a, *n);
	ep_each(s, &w->steps)
		*ep_push(a, &o->steps) = keep_step(a, s);
	return o;
}

struct ep_outcome *ep_run_once(struct ep_explore *x, const unsigned *given, size_t n_given,
			       struct ep_choices *ret_trace)
{
	struct ep_arena *a = x->result->arena;
	struct ep_walk w = {
		.arena = ep_arena_new(),
		.s = x->s,
		.q = x->q,
		.without = x->without,
		.given = given,
		.prefix = n_given,
	};
	struct ep_outcome *o;

	x->result->runs++;
	start_packet(&w);
	start_walk(&w);
	if (!w.ended)
		ep_w_end(&w, EP_UNKNOWN, "the walk came to no end");
	x->result->ties |= w.met_tie;
	o = keep_outcome(x, &w);
	/* Of the given ones only the answers matter: their sets are with the run that met them first. */
	ep_each(c, &w.trace) {
		struct ep_choice *k = ep_push(a, ret_trace);
		bool given_one = ret_trace->n <= n_given;

		*k = (struct ep_choice){
			.kind = c->kind, .n = c->n, .taken = c->taken, .var = c->var};
		if (given_one)
			continue;
		memcpy(k->p, c->p, sizeof(k->p));
		k->reason = c->reason ? ep_strdup(a, c->reason) : NULL;
		k->other = c->other ? ep_strdup(a, c->other) : NULL;
		k->saddr = keep_set(a, c->saddr);
		k->sport = keep_set(a, c->sport);
		for (int i = 0; i < 2; i++)
			k->alt[i] = keep_set(a, c->alt[i]);
	}
	ep_arena_free(w.arena);
	return o;
}

struct ep_result *ep_walk(struct ep_snapshot *s, const struct ep_query *q,
			  const struct ep_without *without)
{
	struct ep_arena *a = ep_arena_new();
	struct ep_result *r = ep_alloc(a, sizeof(*r));
	struct ep_explore x = {.s = s, .q = q, .without = without, .result = r};

	r->arena = a;
	x.budget = q->max_runs ? q->max_runs : EP_MAX_RUNS;
	ep_partition(&x);
	ep_routes_verify(s, r);
	return r;
}

void ep_result_free(struct ep_result *r)
{
	if (r)
		ep_arena_free(r->arena);
}
