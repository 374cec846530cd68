// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cmd/ledger.h"

#define SECOND 1000000000ull
/* A connection is judged by the prediction before a change, too, for so long after it. */
#define OVERLAP_NS (3 * SECOND)
/* Legacy tables do not tell when they change: they are read again this often. */
#define LEGACY_NS (2 * SECOND)

uint64_t ep_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

struct ep_sight *ep_ledger_sight(const struct ep_ledger *l)
{
	return l->sight[0];
}

static bool still_counts(const struct ep_sight *s)
{
	return s && s->until_ns + OVERLAP_NS > ep_now_ns();
}

static void close_sight(struct ep_sight *s)
{
	if (!s)
		return;
	ep_sight_close(s);
	free(s);
}

static int open_sight(struct ep_ledger *l)
{
	struct ep_sight *s = calloc(1, sizeof(*s)), *last = l->sight[EP_LEDGER_SIGHTS - 1];
	int r = s ? ep_sight_open(l->args, s) : -ENOMEM;

	if (r < 0) {
		snprintf(l->err, sizeof(l->err), "%s", s ? s->live.err : strerror(-r));
		free(s);
		return r;
	}
	l->opened_ns = ep_now_ns();
	if (l->sight[0])
		l->sight[0]->until_ns = l->opened_ns;
	if (still_counts(last))
		l->forgot_ns = last->until_ns;
	close_sight(last);
	memmove(l->sight + 1, l->sight, (EP_LEDGER_SIGHTS - 1) * sizeof(*l->sight));
	l->sight[0] = s;
	for (size_t i = 1; i < EP_LEDGER_SIGHTS; i++)
		if (!still_counts(l->sight[i])) {
			close_sight(l->sight[i]);
			l->sight[i] = NULL;
		}
	return 0;
}

/* ---- opening ---- */

static int hear_links(struct ep_ledger *l)
{
	uint32_t groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			  RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;

	return ep_nl_listen(ep_ledger_sight(l)->live.host, NETLINK_ROUTE, groups);
}

/* Counted before the watch began, they are not its business. */
static void read_queues(struct ep_ledger *l, bool first)
{
	struct ep_sight *s = ep_ledger_sight(l);
	struct ep_arena *tmp = ep_arena_new();
	ep_queues q = {};
	int r = l->has_queues ? ep_queues_read(tmp, s->live.host, &q) : -ENOENT;

	ep_each(it, &s->scope.netns) {
		const struct ep_netns *ns = ep_netns_find(s->live.s, *it);

		/* One that is gone meanwhile has no queues. */
		if (ns && l->has_queues)
			r = ep_queues_read(tmp, ns, &q);
	}
	(void)r;
	ep_each(it, &q) {
		struct ep_full *f = NULL;

		ep_each(have, &l->full)
			if (have->netns == it->netns && have->ino == it->ino)
				f = have;
		if (!f) {
			f = ep_push(l->arena, &l->full);
			f->netns = it->netns;
			f->ino = it->ino;
			f->base = first ? it->drops : 0;
		}
		f->drops = it->drops;
	}
	ep_arena_free(tmp);
}

int ep_ledger_open(const struct ep_args *args, bool all_flows, struct ep_ledger *l)
{
	struct ep_sight *s;
	struct ep_watch_spec spec;
	int r;

	*l = (struct ep_ledger){.args = args, .links_fd = -1};
	l->cost_ns = ep_now_ns();
	r = open_sight(l);
	if (r < 0)
		return r;
	l->cost_ns = l->opened_ns - l->cost_ns;
	s = ep_ledger_sight(l);
	l->arena = ep_arena_new();
	l->accounts_arena = ep_arena_new();
	l->scratch = ep_arena_new();
	l->links_fd = hear_links(l);
	spec = (struct ep_watch_spec){
		.ports = s->ports.v,
		.n_ports = s->ports.n,
		.host = s->live.host,
		.all_flows = all_flows,
		.ring_bytes = (uint32_t)args->ring_kib * 1024,
		.source = args->source,
	};
	l->has_queues = !ep_module_unloaded("tcp_diag") && !ep_module_unloaded("inet_diag");
	read_queues(l, true);
	r = ep_watch_open(&spec, &s->scope, &l->watch, l->err, sizeof(l->err));
	if (r < 0)
		ep_ledger_close(l);
	return r;
}

void ep_ledger_close(struct ep_ledger *l)
{
	ep_watch_close(l->watch);
	for (size_t i = 0; i < EP_LEDGER_SIGHTS; i++)
		close_sight(l->sight[i]);
	if (l->links_fd >= 0)
		close(l->links_fd);
	ep_arena_free(l->arena);
	ep_arena_free(l->accounts_arena);
	ep_arena_free(l->scratch);
	l->scratch = NULL;
	l->arena = l->accounts_arena = NULL;
	l->watch = NULL;
	l->links_fd = -1;
}

/* ---- changes of the host ---- */

static bool links_changed(struct ep_ledger *l)
{
	char buf[8192];
	bool any = false;
	ssize_t n;

	if (l->links_fd < 0)
		return false;
	while ((n = recv(l->links_fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC)) >= 0 ||
	       errno == ENOBUFS)
		any = true;
	return any;
}

static bool unknown_listener(const struct ep_ledger *l)
{
	ep_each(it, &l->tallies)
		if ((*it)->key.result == EP_WIRE_LANDED && !(*it)->named && !(*it)->listener)
			return true;
	return false;
}

static void find_listeners(struct ep_ledger *l)
{
	struct ep_sight *s = ep_ledger_sight(l);

	ep_each(it, &l->tallies)
		(*it)->listener = ep_seen_listener(s->live.s, &(*it)->key);
	ep_each(f, &l->full)
		f->listener = NULL;
}

static const char *what_changed(struct ep_ledger *l)
{
	struct ep_sight *s = ep_ledger_sight(l);

	if (ep_collect_changed(s->live.collect, s->live.s))
		return "rules";
	if (links_changed(l))
		return "devices, addresses or routes";
	if (ep_watch_listeners_changed(l->watch) != l->listeners_at)
		return "listeners";
	if (s->live.host->xt.tables.n && ep_now_ns() - l->opened_ns > LEGACY_NS)
		return "";
	return unknown_listener(l) ? "" : NULL;
}

const char *ep_ledger_refresh(struct ep_ledger *l, bool now, int *ret_err)
{
	uint64_t listeners, start = ep_now_ns();
	const char *what;
	int r;

	*ret_err = 0;
	if (!l->change)
		l->change = what_changed(l);
	l->stale = l->change != NULL;
	if (!l->stale)
		return NULL;
	/* Reading takes a tenth of the time at most, however often something changes. */
	if (!now && start - l->opened_ns < 10 * l->cost_ns)
		return NULL;
	what = l->change;
	listeners = ep_watch_listeners_changed(l->watch);
	r = open_sight(l);
	if (r < 0) {
		*ret_err = r;
		return NULL;
	}
	l->stale = false;
	l->change = NULL;
	l->listeners_at = listeners;
	l->cost_ns = l->opened_ns - start;
	find_listeners(l);
	r = ep_watch_rescope(l->watch, &ep_ledger_sight(l)->scope);
	if (r < 0) {
		snprintf(l->err, sizeof(l->err), "the watch could not be told of a change: %s",
			 strerror(-r));
		*ret_err = r;
	}
	return *what ? what : NULL;
}

/* ---- tallies ---- */

static uint32_t hash_of(const struct ep_wire_row *k)
{
	const uint8_t *p = (const uint8_t *)k;
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < sizeof(*k); i++)
		h = (h ^ p[i]) * 16777619u;
	return h % EP_LEDGER_HASH;
}

static struct ep_tally *tally_of(struct ep_ledger *l, const struct ep_wire_row *k)
{
	struct ep_tally **slot = &l->hash[hash_of(k)], *t;

	for (t = *slot; t; t = t->next)
		if (!memcmp(&t->key, k, sizeof(*k)))
			return t;
	t = ep_alloc(l->arena, sizeof(*t));
	t->key = *k;
	t->next = *slot;
	*slot = t;
	t->listener = ep_seen_listener(ep_ledger_sight(l)->live.s, k);
	*ep_push(l->arena, &l->tallies) = t;
	return t;
}

static void name(struct ep_ledger *l, struct ep_tally *t)
{
	struct ep_who w;

	if (t->named || !t->listener)
		return;
	w = ep_who_of_listener(t->listener);
	t->who = ep_who_keep(l->arena, &w);
	t->named = true;
	t->shared = t->listener->procs.n > 1 || t->listener->reuseport;
	ep_each(p, &t->listener->procs)
		if ((*p)->proxy_kind && !t->proxy)
			t->proxy = ep_proc_keep(l->arena, *p);
}

static void explain_drop(struct ep_ledger *l, struct ep_tally *t)
{
	const char *symbol;

	if (t->reason || t->key.result != EP_WIRE_DROPPED)
		return;
	t->reason = ep_watch_reason(l->watch, l->arena, t->key.reason);
	symbol = t->key.location ? ep_watch_symbol(l->arena, t->key.location) : NULL;
	t->location = symbol;
}

/* ---- judging ---- */

static enum ep_expected as_expected(enum ep_judged j)
{
	return j == EP_JUDGED_YES ? EP_EXPECT_YES :
	       j == EP_JUDGED_NO  ? EP_EXPECT_NO :
				    EP_EXPECT_UNKNOWN;
}

static const char *outcome_text(struct ep_arena *a, const struct ep_outcome *o)
{
	struct ep_who w;
	char buf[EP_ADDRSTR];

	if (!o)
		return NULL;
	w = ep_who_of_outcome(o);
	if (o->verdict == EP_DELIVERED)
		return ep_sprintf(a, "%s at %s", ep_who_text(a, &w),
				  ep_addrport_str(&o->final.addr, o->final.port, buf));
	if (o->verdict == EP_FORWARDED)
		return ep_who_text(a, &w);
	return o->reason ? ep_sprintf(a, "%s: %s", ep_verdict_name(o->verdict),
				      ep_escape(a, o->reason, strlen(o->reason))) :
			   ep_verdict_name(o->verdict);
}

static enum ep_expected judge_in(struct ep_sight *s, const struct ep_wire_row *row,
				 const struct ep_wire_flow *f, const struct ep_outcome **ret)
{
	const struct ep_result *r = ep_sight_forecast(s, row, f);

	*ret = NULL;
	if (!r)
		return EP_EXPECT_UNKNOWN;
	return as_expected(ep_judge(r, ep_seen_listener(s->live.s, row), row, f, ret));
}

static enum ep_expected judge(struct ep_ledger *l, const struct ep_wire_row *row,
			      const struct ep_wire_flow *f, const char **ret_prediction)
{
	const struct ep_outcome *o, *o2;
	enum ep_expected e = judge_in(ep_ledger_sight(l), row, f, &o);

	*ret_prediction = NULL;
	/* It may have come before the change. */
	for (size_t i = 1; i < EP_LEDGER_SIGHTS && e != EP_EXPECT_YES; i++)
		if (still_counts(l->sight[i]) &&
		    judge_in(l->sight[i], row, f, &o2) == EP_EXPECT_YES)
			e = EP_EXPECT_YES;
	if (e == EP_EXPECT_NO && l->forgot_ns + OVERLAP_NS > ep_now_ns())
		e = EP_EXPECT_UNKNOWN;
	if (e == EP_EXPECT_NO)
		*ret_prediction = outcome_text(l->scratch, o);
	return e;
}

enum ep_expected ep_ledger_judge(struct ep_ledger *l, const struct ep_wire_row *row,
				 const char **ret_prediction)
{
	return judge(l, row, NULL, ret_prediction);
}

bool ep_tally_shown(const struct ep_ledger *l, const struct ep_tally *t)
{
	struct ep_addr dst = ep_seen_addr(&t->key, t->key.daddr);

	if (t->key.result == EP_WIRE_WORKER || t->key.proxy)
		return false;
	return ep_sight_is_edge(ep_ledger_sight(l), &dst);
}

enum ep_expected ep_tally_expected(const struct ep_tally *t)
{
	if (t->row == EP_EXPECT_NO || t->flows == EP_EXPECT_NO)
		return EP_EXPECT_NO;
	return t->row == EP_EXPECT_YES ? EP_EXPECT_YES : t->flows;
}

static void judge_row(struct ep_ledger *l, struct ep_tally *t)
{
	const char *prediction;
	enum ep_expected e;

	if (t->row == EP_EXPECT_NO)
		return;
	e = judge(l, &t->key, NULL, &prediction);
	if (e == EP_EXPECT_UNKNOWN)
		return;
	t->row = e;
	if (!t->prediction && prediction)
		t->prediction = ep_strdup(l->arena, prediction);
}

static const char *tuple_text(struct ep_arena *a, const struct ep_wire_flow *f)
{
	struct ep_addr src = ep_seen_addr(&f->row, f->saddr),
		       dst = ep_seen_addr(&f->row, f->row.daddr),
		       end = ep_seen_addr(&f->row, f->row.laddr);
	char x[EP_ADDRSTR], y[EP_ADDRSTR], z[EP_ADDRSTR];

	return ep_sprintf(a, "%s -> %s ended at %s", ep_addrport_str(&src, f->sport, x),
			  ep_addrport_str(&dst, f->row.dport, y),
			  ep_addrport_str(&end, f->row.lport, z));
}

struct ep_tally *ep_ledger_flow(struct ep_ledger *l, const struct ep_wire_flow *f,
				enum ep_expected *ret_expected, const char **ret_prediction)
{
	struct ep_tally *t = tally_of(l, &f->row);

	name(l, t);
	explain_drop(l, t);
	*ret_expected = EP_EXPECT_UNKNOWN;
	*ret_prediction = NULL;
	if (f->row.proxy)
		return t;
	if (!ep_tally_shown(l, t))
		return NULL;
	*ret_expected = judge(l, &f->row, f, ret_prediction);
	if (*ret_expected == EP_EXPECT_NO && t->flows != EP_EXPECT_NO) {
		t->flows = EP_EXPECT_NO;
		t->prediction = *ret_prediction ? ep_strdup(l->arena, *ret_prediction) : NULL;
		t->evidence = tuple_text(l->arena, f);
	} else if (*ret_expected == EP_EXPECT_YES && t->flows == EP_EXPECT_UNKNOWN) {
		t->flows = EP_EXPECT_YES;
	}
	return t;
}

int ep_ledger_update(struct ep_ledger *l)
{
	struct ep_arena *tmp = ep_arena_new();
	ep_seens seen = {};
	int r = ep_watch_rows(l->watch, tmp, &seen);

	ep_each(s, &seen) {
		struct ep_tally *t;

		if (!s->count.n)
			continue;
		t = tally_of(l, &s->key);
		if (t->count.n == s->count.n)
			continue;
		t->count = s->count;
		name(l, t);
		explain_drop(l, t);
		t->unjudged = true;
	}
	ep_each(it, &l->tallies) {
		if (!(*it)->unjudged || l->stale)
			continue;
		(*it)->unjudged = false;
		if (ep_tally_shown(l, *it))
			judge_row(l, *it);
	}
	ep_arena_free(tmp);
	ep_arena_free(l->scratch);
	l->scratch = ep_arena_new();
	ep_arena_free(l->accounts_arena);
	l->accounts_arena = ep_arena_new();
	l->accounts = (ep_accounts){};
	if (r == 0)
		r = ep_watch_accounts(l->watch, l->accounts_arena, &l->accounts);
	read_queues(l, false);
	return r;
}

uint64_t ep_ledger_total(const struct ep_ledger *l)
{
	uint64_t n = 0;

	ep_each(it, &l->tallies)
		if (ep_tally_shown(l, *it))
			n += (*it)->count.n;
	return n;
}
