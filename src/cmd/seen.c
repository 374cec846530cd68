// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/seen.h"

#define TICK_MS    50
#define CONNECT_MS 2000 /* a connection without an answer for so long is told as such */

struct probe {
	int fd;
	struct ep_watch_probe told;
	struct ep_watch_end end;
	bool seen, answered;
};

struct ep_seen_ends {
	const struct ep_args *args;
	struct ep_ledger ledger;
	struct ep_arena *arena;
	EP_VEC(struct probe) probes;
	struct ep_watch_seen doc;
	struct ep_arena *batch;
	EP_VEC(struct ep_wire_flow) flows;
};

/* ---- one connection per port ---- */

static socklen_t address(const struct ep_addr *a, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	memset(ret, 0, sizeof(*ret));
	if (a->len == 4) {
		memcpy(&in.sin_addr, a->b, 4);
		memcpy(ret, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(&in6.sin6_addr, a->b, 16);
	memcpy(ret, &in6, sizeof(in6));
	return sizeof(in6);
}

static void own_address(int fd, struct ep_watch_probe *p)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return;
	if (ss.ss_family == AF_INET) {
		memcpy(&in, &ss, sizeof(in));
		p->src = ep_addr_of(&in.sin_addr, 4);
		p->sport = ntohs(in.sin_port);
	} else {
		memcpy(&in6, &ss, sizeof(in6));
		p->src = ep_addr_of(&in6.sin6_addr, 16);
		p->sport = ntohs(in6.sin6_port);
	}
}

static const char *met(int err)
{
	return err == 0                                  ? "connected" :
	       err == ECONNREFUSED                       ? "refused" :
	       err == EHOSTUNREACH || err == ENETUNREACH ? "unreachable" :
	       err == EACCES || err == EPERM             ? "rejected" :
	       err == ETIMEDOUT                          ? "no answer" :
							   "failed";
}

static int start_probe(struct ep_seen_ends *s, const struct ep_edge *e, uint16_t port)
{
	struct probe *p = ep_push(s->arena, &s->probes);
	struct sockaddr_storage to;
	socklen_t len = address(&e->addr, port, &to);

	*p = (struct probe){.told = {.port = port, .addr = e->addr, .met = "no answer"}};
	p->fd = ep_netns_socket(s->args->via, to.ss_family,
				SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s->ledger.err,
				sizeof(s->ledger.err));
	if (p->fd < 0)
		return p->fd;
	if (connect(p->fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS) {
		p->told.met = met(errno);
		p->answered = true;
	}
	own_address(p->fd, &p->told);
	return 0;
}

static void look_at_probes(struct ep_seen_ends *s)
{
	ep_each(p, &s->probes) {
		struct pollfd fd = {.fd = p->fd, .events = POLLOUT};
		socklen_t len = sizeof(int);
		int err = 0;

		if (p->answered || p->fd < 0 || poll(&fd, 1, 0) <= 0)
			continue;
		getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		p->answered = true;
		p->told.met = met(err);
	}
}

static bool is_probes(const struct probe *p, const struct ep_wire_flow *f)
{
	struct ep_addr dst = ep_seen_addr(&f->row, f->row.daddr);

	return f->sport == p->told.sport && f->row.dport == p->told.port &&
	       ep_addr_eq(&dst, &p->told.addr);
}

static bool all_probes_done(const struct ep_seen_ends *s)
{
	ep_each(p, &s->probes)
		if (!p->answered || !p->seen)
			return false;
	return true;
}

/* ---- watching ---- */

static void keep_flow(void *ctx, const struct ep_wire_flow *f)
{
	struct ep_seen_ends *s = ctx;

	*ep_push(s->batch, &s->flows) = *f;
}

static void take_flow(struct ep_seen_ends *s, const struct ep_wire_flow *f)
{
	enum ep_expected expected;
	const char *prediction;
	struct ep_tally *t = ep_ledger_flow(&s->ledger, f, &expected, &prediction);

	if (!t || f->row.proxy)
		return;
	ep_each(p, &s->probes) {
		if (p->seen || !is_probes(p, f))
			continue;
		p->seen = true;
		ep_ledger_end_of(&s->ledger, s->arena, t, &p->end);
		p->end.expected = expected;
		p->end.prediction = prediction ? ep_strdup(s->arena, prediction) : NULL;
	}
}

static int tick(struct ep_seen_ends *s, bool last)
{
	int r = ep_watch_read(s->ledger.watch, keep_flow, s), err;

	ep_ledger_refresh(&s->ledger, last, &err);
	look_at_probes(s);
	if (!s->ledger.stale) {
		ep_each(f, &s->flows)
			take_flow(s, f);
		s->flows.v = NULL;
		s->flows.n = s->flows.cap = 0;
		ep_arena_free(s->batch);
		s->batch = ep_arena_new();
	}
	return r < 0 ? r : err;
}

static int watch(struct ep_seen_ends *s)
{
	const struct ep_sight *sight = ep_ledger_sight(&s->ledger);
	uint64_t start = ep_now_ns(), least = s->args->observe_ms * 1000000ull;
	int r = 0;

	if (s->args->verify)
		ep_each(e, &sight->edges) {
			ep_each(p, &sight->ports) {
				r = start_probe(s, e, *p);
				if (r < 0)
					return r;
			}
		}
	for (;;) {
		uint64_t passed = ep_now_ns() - start;
		bool probing = s->args->verify && !all_probes_done(s) &&
			       passed < CONNECT_MS * 1000000ull;

		if (passed >= least && !probing)
			break;
		poll(NULL, 0, TICK_MS);
		r = tick(s, false);
		if (r < 0)
			return r;
	}
	r = tick(s, true);
	s->doc.watch.seconds = (double)(ep_now_ns() - start) / 1e9;
	return r < 0 ? r : ep_ledger_update(&s->ledger);
}

int ep_seen_watch(const struct ep_args *args, struct ep_seen_ends **ret)
{
	struct ep_seen_ends *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		ep_say("out of memory");
		return -ENOMEM;
	}
	s->args = args;
	s->arena = ep_arena_new();
	s->batch = ep_arena_new();
	r = ep_ledger_open(args, args->verify, &s->ledger);
	if (r == 0)
		r = watch(s);
	if (r < 0) {
		ep_say("%s", *s->ledger.err ? s->ledger.err : strerror(-r));
		ep_seen_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void ep_seen_free(struct ep_seen_ends *s)
{
	if (!s)
		return;
	ep_each(p, &s->probes)
		if (p->fd >= 0)
			close(p->fd);
	ep_ledger_close(&s->ledger);
	ep_arena_free(s->batch);
	ep_arena_free(s->arena);
	free(s);
}

/* ---- what came of it ---- */

static const char *end_text(struct ep_arena *a, const struct ep_watch_end *e)
{
	char buf[EP_ADDRSTR];
	const char *at = ep_addrport_str(&e->final, e->final_port, buf);

	if (!strcmp(e->result, "landed"))
		return ep_sprintf(a, "%s at %s", ep_who_text(a, &e->who), at);
	return ep_sprintf(a, "%s at %s%s%s", e->result, at, e->reason ? ": " : "",
			  e->reason ? e->reason : "");
}

void ep_seen_mismatches(const struct ep_seen_ends *s, struct ep_arena *a,
			struct ep_check_spec *spec)
{
	spec->mismatches.n = 0;
	ep_each(it, &s->ledger.tallies) {
		struct ep_watch_end e;
		struct ep_mismatch *m;

		if (!ep_tally_shown(&s->ledger, *it) || ep_tally_expected(*it) != EP_EXPECT_NO)
			continue;
		ep_ledger_end_of((struct ep_ledger *)&s->ledger, a, *it, &e);
		m = ep_push(a, &spec->mismatches);
		*m = (struct ep_mismatch){
			.port = e.port,
			.addr = e.addr,
			.landed = (*it)->key.result == EP_WIRE_LANDED,
			.took = e.who,
			.end = end_text(a, &e),
			.prediction = e.prediction,
			.evidence = (*it)->evidence,
			.n = e.total,
		};
	}
}

const struct ep_watch_seen *ep_seen_doc(struct ep_seen_ends *s, const struct ep_live *live)
{
	if (!s)
		return NULL;
	s->doc.watch.doc = live->doc;
	s->doc.watch.source = ep_watch_source(s->ledger.watch);
	s->doc.watch.lacks = ep_watch_lacks(s->ledger.watch);
	s->doc.verified = s->args->verify;
	s->doc.via = s->args->via;
	ep_ledger_ends(&s->ledger, s->arena, &s->doc.watch);
	ep_each(p, &s->probes) {
		p->told.end = p->seen ? &p->end : NULL;
		*ep_push(s->arena, &s->doc.probes) = p->told;
	}
	return &s->doc;
}

void ep_seen_tracked(struct ep_live *live, struct ep_check_spec *spec)
{
	struct ep_arena *a = live->s->arena;
	ep_trackeds found = {};
	int r = ep_tracked_find(a, live->host, spec->ports.v, spec->ports.n, &found);

	if (r < 0 && r != -ENOENT)
		ep_source_set(live->s, "conntrack", EP_MISSING, strerror(-r));
	else
		ep_source_set(live->s, "conntrack", EP_COMPLETE, NULL);
	ep_each(t, &found) {
		struct ep_tracked *to = ep_push(a, &spec->tracked);

		*to = (struct ep_tracked){.dst = t->dst,
					  .target = t->target,
					  .dport = t->dport,
					  .target_port = t->target_port,
					  .n = t->n,
					  .samples = t->samples};
	}
}
