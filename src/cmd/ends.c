// SPDX-License-Identifier: GPL-2.0-or-later
/* The ledger as rows to be shown: sockets of one receiver together, proxies with what they connect to. */
#include <string.h>

#include "cmd/ledger.h"

static const char *origin_word(uint8_t origin)
{
	return origin == EP_WIRE_HOST ? "host" : origin == EP_WIRE_INSIDE ? "inside" : "external";
}

static const char *result_word(uint8_t result)
{
	return result == EP_WIRE_LANDED  ? "landed" :
	       result == EP_WIRE_REFUSED ? "refused" :
					   "dropped";
}

/* Where a proxy's connections landed; NULL if none has, or if they did in several places. */
static const struct ep_tally *onward(const struct ep_ledger *l, const struct ep_proc *proxy)
{
	const struct ep_tally *found = NULL;

	ep_each(it, &l->tallies) {
		const struct ep_tally *t = *it;

		if (t->key.result != EP_WIRE_LANDED || (int)t->key.proxy != proxy->pid)
			continue;
		if (found && (memcmp(found->key.laddr, t->key.laddr, 16) ||
			      found->key.lport != t->key.lport || found->key.netns != t->key.netns))
			return NULL;
		found = t;
	}
	return found;
}

void ep_ledger_end_of(struct ep_ledger *l, struct ep_arena *a, const struct ep_tally *t,
		      struct ep_watch_end *ret)
{
	const struct ep_tally *on = t->proxy ? onward(l, t->proxy) : NULL, *at = on ? on : t;

	(void)a;
	*ret = (struct ep_watch_end){
		.port = t->key.dport,
		.addr = ep_seen_addr(&t->key, t->key.daddr),
		.origin = origin_word(t->key.origin),
		.result = result_word(t->key.result),
		.who = at->who,
		.via = on ? t->proxy : NULL,
		.netns = at->key.netns,
		.final = ep_seen_addr(&at->key, at->key.laddr),
		.final_port = at->key.lport,
		.reason = t->reason,
		.location = t->location,
		.expected = ep_tally_expected(t),
		.prediction = t->prediction,
		.n = t->count.n - t->told,
		.total = t->count.n,
		.synack_ns = t->count.n_synack ? t->count.ns_synack / t->count.n_synack : 0,
		.synack_ns_max = t->count.ns_synack_max,
	};
	if (t->key.result == EP_WIRE_LANDED && !at->named)
		ret->who = (struct ep_who){.kind = EP_WHO_PROCESS};
	if (t->key.result != EP_WIRE_LANDED)
		ret->who = (struct ep_who){};
}

static bool same_word(const char *x, const char *y)
{
	return x == y || (x && y && !strcmp(x, y));
}

static bool same_end(const struct ep_watch_end *x, const struct ep_watch_end *y)
{
	return x->port == y->port && ep_addr_eq(&x->addr, &y->addr) &&
	       !strcmp(x->origin, y->origin) && !strcmp(x->result, y->result) &&
	       x->netns == y->netns && x->final_port == y->final_port &&
	       ep_addr_eq(&x->final, &y->final) && same_word(x->reason, y->reason) &&
	       same_word(x->location, y->location) && ep_who_same(&x->who, &y->who) &&
	       (x->via ? x->via->pid : 0) == (y->via ? y->via->pid : 0) &&
	       x->expected == y->expected;
}

static struct ep_watch_end *add_end(struct ep_arena *a, struct ep_watch_doc *d,
				    const struct ep_watch_end *e)
{
	ep_each(have, &d->ends) {
		uint64_t all = have->total + e->total;

		if (!same_end(have, e))
			continue;
		if (all)
			have->synack_ns =
				(uint64_t)(((double)have->synack_ns * (double)have->total +
					    (double)e->synack_ns * (double)e->total) /
					   (double)all);
		have->n += e->n;
		have->total = all;
		if (e->synack_ns_max > have->synack_ns_max)
			have->synack_ns_max = e->synack_ns_max;
		return have;
	}
	*ep_push(a, &d->ends) = *e;
	return &d->ends.v[d->ends.n - 1];
}

/* A proxy's own connection that did not land, as a part of what the proxy had accepted. */
static void add_failed_onward(struct ep_ledger *l, struct ep_arena *a, struct ep_watch_doc *d,
			      struct ep_tally *t)
{
	struct ep_wire_row asked;
	struct ep_watch_end e;

	ep_each(it, &l->tallies) {
		const struct ep_tally *in = *it;

		if (!in->proxy || in->proxy->pid != (int)t->key.proxy || !ep_tally_shown(l, in))
			continue;
		ep_ledger_end_of(l, a, t, &e);
		t->told = t->count.n;
		e.port = in->key.dport;
		e.addr = ep_seen_addr(&in->key, in->key.daddr);
		e.origin = origin_word(in->key.origin);
		e.via = in->proxy;
		asked = in->key;
		asked.result = t->key.result;
		e.expected = ep_ledger_judge(l, &asked, &e.prediction);
		add_end(a, d, &e);
		return;
	}
}

/* ---- who of several processes ---- */

static struct ep_who worker_who(struct ep_ledger *l, struct ep_arena *a, int pid)
{
	struct ep_proc *p = ep_collect_proc(ep_ledger_sight(l)->live.s, pid);
	struct ep_who w = ep_who_of_proc(p);
	struct ep_proc *gone;

	if (p)
		return w;
	gone = ep_alloc(a, sizeof(*gone));
	gone->pid = pid;
	return (struct ep_who){.kind = EP_WHO_PROCESS, .proc = gone};
}

static void add_worker(struct ep_arena *a, struct ep_watch_end *e, const struct ep_who *who,
		       uint64_t n, const char *by)
{
	if (!n)
		return;
	ep_each(k, &e->workers)
		if (!strcmp(k->by, by) &&
		    (k->who.proc ? k->who.proc->pid : 0) == (who->proc ? who->proc->pid : 0)) {
			k->n += n;
			return;
		}
	*ep_push(a, &e->workers) = (struct ep_watch_worker){.who = *who, .n = n, .by = by};
}

static bool works_for(const struct ep_wire_row *w, const struct ep_wire_row *row)
{
	struct ep_wire_row k = *w;

	if (w->result != EP_WIRE_WORKER)
		return false;
	k.result = EP_WIRE_LANDED;
	k.worker = 0;
	k.how = 0;
	return !memcmp(&k, row, sizeof(k));
}

static void add_workers(struct ep_ledger *l, struct ep_arena *a, const struct ep_tally *t,
			struct ep_watch_end *e)
{
	uint64_t left = t->count.n;

	if (!t->shared || t->key.result != EP_WIRE_LANDED || t->proxy)
		return;
	ep_each(it, &l->tallies) {
		struct ep_who who;

		if (!works_for(&(*it)->key, &t->key))
			continue;
		who = worker_who(l, a, (int)(*it)->key.worker);
		add_worker(a, e, &who, (*it)->count.n,
			   (*it)->key.how == EP_WIRE_READ ? "read" : "close");
		left -= (*it)->count.n < left ? (*it)->count.n : left;
	}
	add_worker(a, e, &t->who, left, "listener");
}

/* ---- full queues ---- */

/* To which address and port its connections are sent. */
static bool aim_of(struct ep_sight *s, const struct ep_listener *li, struct ep_watch_end *e)
{
	ep_each(it, &s->forecasts) {
		ep_each(o, &(*it)->result->outcomes) {
			if (o->listener != li)
				continue;
			e->port = (*it)->query.dport;
			e->addr = (*it)->query.dst;
			e->final = o->final.addr;
			e->final_port = o->final.port;
			return true;
		}
	}
	return false;
}

static void add_full(struct ep_ledger *l, struct ep_arena *a, struct ep_watch_doc *d)
{
	struct ep_sight *s = ep_ledger_sight(l);

	ep_each(f, &l->full) {
		struct ep_watch_end e = {.origin = "external", .result = "overflowed"};

		if (f->drops <= f->base)
			continue;
		ep_each(li, &s->live.s->listeners)
			if (li->netns == f->netns && li->ino == f->ino)
				f->listener = li;
		if (!f->listener || !aim_of(s, f->listener, &e))
			continue;
		e.netns = f->netns;
		e.who = ep_who_of_listener(f->listener);
		e.total = f->drops - f->base;
		e.n = e.total - f->told;
		e.reason = "the listener dropped connection requests: its queue is full";
		f->told = e.total;
		*ep_push(a, &d->ends) = e;
	}
}

void ep_ledger_ends(struct ep_ledger *l, struct ep_arena *a, struct ep_watch_doc *d)
{
	ep_each(it, &l->tallies) {
		struct ep_tally *t = *it;
		struct ep_watch_end e, *at;

		if (t->key.proxy && t->key.result != EP_WIRE_LANDED &&
		    t->key.result != EP_WIRE_WORKER)
			add_failed_onward(l, a, d, t);
		if (!ep_tally_shown(l, t))
			continue;
		ep_ledger_end_of(l, a, t, &e);
		t->told = t->count.n;
		at = add_end(a, d, &e);
		add_workers(l, a, t, at);
	}
	add_full(l, a, d);
	ep_each(e, &d->ends)
		e->per_second = d->seconds > 0 ? (double)e->n / d->seconds : 0;
	ep_each(c, &l->accounts) {
		d->unrowed += c->n.unrowed;
		if (c->n.seen)
			*ep_push(a, &d->cpus) =
				(struct ep_watch_cpu){c->cpu, c->n.seen, c->n.delivered, c->n.lost};
	}
}

void ep_ledger_untell(struct ep_ledger *l)
{
	ep_each(t, &l->tallies)
		(*t)->told = 0;
	ep_each(f, &l->full)
		f->told = 0;
}
