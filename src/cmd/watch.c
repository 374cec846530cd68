// SPDX-License-Identifier: GPL-2.0-or-later
/* edgepath watch: where connections really end, while they come. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "cmd/ledger.h"

#define FIELD(f) offsetof(struct ep_args, f)
#define TICK_MS  100
#define SECOND   1000000000ull

const struct ep_option ep_watch_options[] = {
	{"flows", 0, EP_ARG_FLAG, FIELD(flows), NULL, "every single connection"},
	{"once", 0, EP_ARG_COUNT, FIELD(once), "N",
	 "end after N connections, and tell the totals only"},
	{"duration", 0, EP_ARG_TIME, FIELD(duration_ms), "TIME",
	 "end after this time: 30, 500ms, 5m"},
	{"interval", 0, EP_ARG_TIME, FIELD(interval_ms), "TIME",
	 "time between two reports (default: 1s)"},
	{"source", 0, EP_ARG_CHOICE, FIELD(source), "bpf|conntrack",
	 "what to watch with (default: the first that works)"},
	{"ring", 0, EP_ARG_COUNT, FIELD(ring_kib), "KIB",
	 "room for single connections on their way from the kernel (default: 1024; a power of two)"},
	{},
};

int ep_watch_take(struct ep_args *args, char *err, size_t err_len)
{
	ep_each(o, &args->operands) {
		int r = ep_args_ports(args, "watch", *o, err, err_len);

		if (r)
			return r;
	}
	if (args->ring_kib && (args->ring_kib < 4 || args->ring_kib > 1 << 20 ||
			       args->ring_kib & (args->ring_kib - 1))) {
		snprintf(err, err_len, "--ring: must be a power of two from 4 to 1048576");
		return -EINVAL;
	}
	return 0;
}

/* A connection to a userland proxy waits for the proxy's own, to be told with it. */
struct waiting {
	struct ep_wire_flow flow;
	struct ep_tally *tally;
	enum ep_expected expected;
	const char *prediction;
};

struct view {
	const struct ep_args *args;
	struct ep_ledger ledger;
	const struct ep_format *format;
	struct ep_style style;
	bool live, failed, mismatch;
	uint64_t start_ns, reported_ns, real_offset_ns;
	struct ep_arena *batch; /* of flows */
	EP_VEC(struct ep_wire_flow) flows;
	struct ep_arena *waiting_arena;
	EP_VEC(struct waiting) waiting;
};

/* ---- writing ---- */

static const char *time_text(struct ep_arena *a, uint64_t real_ns, bool with_ms)
{
	time_t t = (time_t)(real_ns / SECOND);
	struct tm tm = {};
	char buf[32] = "1970-01-01T00:00:00";

	if (gmtime_r(&t, &tm))
		strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%S", &tm);
	if (!with_ms)
		return ep_sprintf(a, "%sZ", buf);
	return ep_sprintf(a, "%s.%03uZ", buf, (unsigned)(real_ns % SECOND / 1000000));
}

static void write_out(struct view *v, struct ep_buf *out)
{
	const char *p = ep_buf_str(out);
	size_t left = out->len;

	while (left && !v->failed) {
		ssize_t n = write(STDOUT_FILENO, p, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			v->failed = true;
			if (errno != EPIPE)
				ep_say("standard output: %s", strerror(errno));
			break;
		}
		p += n;
		left -= (size_t)n;
	}
	ep_buf_free(out);
}

static void begin_doc(struct view *v, struct ep_arena *a, enum ep_watch_piece piece,
		      struct ep_watch_doc *d)
{
	struct ep_sight *s = ep_ledger_sight(&v->ledger);

	*d = (struct ep_watch_doc){.doc = s->live.doc, .piece = piece, .live = v->live};
	d->doc.generated_at = time_text(a, ep_now_ns() + v->real_offset_ns, false);
	d->source = ep_watch_source(v->ledger.watch);
	d->lacks = ep_watch_lacks(v->ledger.watch);
	ep_each(p, &s->ports)
		*ep_push(a, &d->ports) = *p;
	ep_each(e, &s->edges)
		*ep_push(a, &d->edges) = e->addr;
}

static void say(struct view *v, const struct ep_watch_doc *d)
{
	struct ep_buf out = {};

	v->format->watch(&out, d, &v->style);
	write_out(v, &out);
}

static void say_piece(struct view *v, enum ep_watch_piece piece, const char *change)
{
	struct ep_arena *a = ep_arena_new();
	uint64_t now = ep_now_ns(), since = piece == EP_WATCH_END ? v->start_ns : v->reported_ns;
	struct ep_watch_doc d;

	begin_doc(v, a, piece, &d);
	d.change = change;
	d.seconds = (double)(now - since) / 1e9;
	if (piece == EP_WATCH_INTERVAL || piece == EP_WATCH_END ||
	    (piece == EP_WATCH_START && v->live)) {
		if (piece == EP_WATCH_END)
			ep_ledger_untell(&v->ledger);
		ep_ledger_ends(&v->ledger, a, &d);
		ep_each(e, &d.ends)
			v->mismatch |= e->expected == EP_EXPECT_NO;
		v->reported_ns = now;
	}
	say(v, &d);
	ep_arena_free(a);
}

/* ---- single connections ---- */

static void say_flow(struct view *v, const struct ep_wire_flow *f, const struct ep_tally *t,
		     enum ep_expected expected, const char *prediction,
		     const struct ep_wire_flow *on, const struct ep_tally *on_tally)
{
	struct ep_arena *a = ep_arena_new();
	const struct ep_wire_flow *last = on ? on : f;
	struct ep_watch_end end;
	struct ep_watch_flow flow;
	struct ep_watch_doc d;

	begin_doc(v, a, EP_WATCH_FLOW, &d);
	ep_ledger_end_of(&v->ledger, a, t, &end);
	end.expected = expected;
	end.prediction = prediction;
	if (on) {
		ep_ledger_end_of(&v->ledger, a, on_tally, &end);
		end.port = f->row.dport;
		end.addr = ep_seen_addr(&f->row, f->row.daddr);
		end.via = t->proxy;
		end.expected = expected;
		end.prediction = prediction;
	}
	flow = (struct ep_watch_flow){
		.end = &end,
		.time = time_text(a, f->ns + v->real_offset_ns, true),
		.src = ep_seen_addr(&f->row, f->saddr),
		.sport = f->sport,
		.peer = ep_seen_addr(&last->row, last->peer),
		.peer_port = last->peer_port,
		.synack_ns = f->ns_synack,
	};
	d.flow = &flow;
	say(v, &d);
	ep_arena_free(a);
}

/* The oldest one that the proxy has accepted; it connects in that order. */
static bool join_onward(struct view *v, const struct ep_wire_flow *f, const struct ep_tally *t)
{
	for (size_t i = 0; i < v->waiting.n; i++) {
		struct waiting w = v->waiting.v[i];

		if (w.tally->proxy->pid != (int)f->row.proxy)
			continue;
		memmove(&v->waiting.v[i], &v->waiting.v[i + 1],
			(v->waiting.n - i - 1) * sizeof(*v->waiting.v));
		v->waiting.n--;
		say_flow(v, &w.flow, w.tally, w.expected, w.prediction, f, t);
		return true;
	}
	return false;
}

static void handle_flow(struct view *v, const struct ep_wire_flow *f)
{
	enum ep_expected expected;
	const char *prediction;
	struct ep_tally *t = ep_ledger_flow(&v->ledger, f, &expected, &prediction);

	if (!t || !v->args->flows)
		return;
	if (f->row.proxy) {
		join_onward(v, f, t);
		return;
	}
	if (t->proxy && f->row.result == EP_WIRE_LANDED) {
		*ep_push(v->waiting_arena, &v->waiting) = (struct waiting){
			.flow = *f, .tally = t, .expected = expected, .prediction = t->prediction};
		return;
	}
	say_flow(v, f, t, expected, prediction, NULL, NULL);
}

/* A proxy that has not connected on within two seconds is told as the end. */
static void flush_waiting(struct view *v, bool all)
{
	uint64_t now = ep_now_ns();
	size_t keep = 0;

	for (size_t i = 0; i < v->waiting.n; i++) {
		struct waiting *w = &v->waiting.v[i];

		if (all || now - w->flow.ns > 2 * SECOND)
			say_flow(v, &w->flow, w->tally, w->expected, w->prediction, NULL, NULL);
		else
			v->waiting.v[keep++] = *w;
	}
	v->waiting.n = keep;
}

static void keep_flow(void *ctx, const struct ep_wire_flow *f)
{
	struct view *v = ctx;

	*ep_push(v->batch, &v->flows) = *f;
}

static int by_time(const void *p, const void *q)
{
	const struct ep_wire_flow *x = p, *y = q;

	return x->ns < y->ns ? -1 : x->ns > y->ns;
}

/*
 * What came is read first, then the host: so the prediction is never older than what it is held against.
 * While the host was not read again after a change, connections wait.
 */
static int tick(struct view *v, bool last)
{
	const char *change;
	int r, err;

	r = ep_watch_read(v->ledger.watch, keep_flow, v);
	change = ep_ledger_refresh(&v->ledger, last, &err);
	if (v->flows.n && !v->ledger.stale) {
		qsort(v->flows.v, v->flows.n, sizeof(*v->flows.v), by_time);
		ep_each(f, &v->flows)
			handle_flow(v, f);
		v->flows.v = NULL;
		v->flows.n = v->flows.cap = 0;
		ep_arena_free(v->batch);
		v->batch = ep_arena_new();
	}
	flush_waiting(v, false);
	if (change && !v->args->once && !v->live)
		say_piece(v, EP_WATCH_CHANGE, change);
	if (err)
		ep_say("%s", v->ledger.err);
	return r < 0 ? r : err;
}

/* ---- the loop ---- */

static bool is_over(struct view *v)
{
	if (v->failed)
		return true;
	if (v->args->once && ep_ledger_total(&v->ledger) >= v->args->once)
		return true;
	return v->args->duration_ms &&
	       ep_now_ns() - v->start_ns >= v->args->duration_ms * 1000000ull;
}

static int run(struct view *v, int signal_fd)
{
	uint64_t interval = (v->args->interval_ms ? v->args->interval_ms : 1000) * 1000000ull;
	struct pollfd fds[] = {{.fd = signal_fd, .events = POLLIN},
			       {.fd = STDOUT_FILENO, .events = 0}};
	int r = 0;

	v->start_ns = v->reported_ns = ep_now_ns();
	say_piece(v, EP_WATCH_START, NULL);
	while (!is_over(v)) {
		int n = poll(fds, EP_ARRAY_SIZE(fds), TICK_MS);
		bool due = ep_now_ns() - v->reported_ns >= interval;

		/* A signal; or nobody reads any more. */
		if (n > 0)
			break;
		r = tick(v, false);
		if (r < 0)
			return r;
		if (due || v->args->once) {
			r = ep_ledger_update(&v->ledger);
			if (r < 0)
				return r;
		}
		if (due && !v->args->once && (!v->args->flows || v->args->json) && !v->failed)
			say_piece(v, EP_WATCH_INTERVAL, NULL);
		else if (due)
			v->reported_ns = ep_now_ns();
	}
	r = tick(v, true);
	return r < 0 ? r : ep_ledger_update(&v->ledger);
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void screen(struct view *v, const char *code)
{
	struct ep_buf out = {};

	if (!v->live)
		return;
	ep_buf_puts(&out, code);
	write_out(v, &out);
}

static void free_view(struct view *v)
{
	ep_arena_free(v->batch);
	ep_arena_free(v->waiting_arena);
}

int ep_watch_main(const struct ep_args *args)
{
	struct view v = {.args = args, .batch = ep_arena_new(), .waiting_arena = ep_arena_new()};
	int signal_fd = open_signals(), r;
	struct timespec real;

	clock_gettime(CLOCK_REALTIME, &real);
	v.real_offset_ns = (uint64_t)real.tv_sec * SECOND + (uint64_t)real.tv_nsec - ep_now_ns();
	v.format = ep_live_format(args, &v.style);
	v.live = isatty(STDOUT_FILENO) && !args->json && !args->flows && !args->once;
	if (ep_ledger_open(args, args->flows, &v.ledger) < 0) {
		ep_say("%s", v.ledger.err);
		free_view(&v);
		return EP_EXIT_UNKNOWN;
	}
	screen(&v, "\033[?1049h\033[?25l");
	r = run(&v, signal_fd);
	screen(&v, "\033[?25h\033[?1049l");
	flush_waiting(&v, true);
	if (r < 0)
		ep_say("watching failed: %s", strerror(-r));
	else
		say_piece(&v, EP_WATCH_END, NULL);
	ep_ledger_close(&v.ledger);
	free_view(&v);
	return r < 0 ? EP_EXIT_UNKNOWN : v.mismatch ? EP_EXIT_CRITICAL : EP_EXIT_OK;
}
