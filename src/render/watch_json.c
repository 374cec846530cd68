// SPDX-License-Identifier: GPL-2.0-or-later
/* What `edgepath watch` says, one JSON object a line: docs/schema/watch.json. */
#include "render/render_i.h"

#define W(w, what, ...) ((w)->ops->what((w), __VA_ARGS__))

static void put_addr(struct ep_writer *w, const char *key, const struct ep_addr *a)
{
	char buf[EP_ADDRSTR];

	W(w, string, key, a->len ? ep_addr_str(a, buf) : NULL);
}

static void put_us(struct ep_writer *w, const char *key, uint64_t ns)
{
	if (ns)
		W(w, real, key, (double)ns / 1e3);
	else
		W(w, null, key);
}

static void put_expected(struct ep_writer *w, const struct ep_watch_end *e)
{
	if (e->expected == EP_EXPECT_UNKNOWN)
		W(w, null, "predicted");
	else
		W(w, boolean, "predicted", e->expected == EP_EXPECT_YES);
	W(w, string, "prediction", e->prediction);
}

static const char *netns_name(const struct ep_snapshot *s, uint64_t ino)
{
	const struct ep_netns *ns = ep_netns_find(s, ino);

	return ns ? ns->name : NULL;
}

static void put_place(struct ep_writer *w, const struct ep_snapshot *s, const char *key,
		      const struct ep_watch_end *e)
{
	W(w, object, key);
	W(w, number, "netns", (int64_t)e->netns);
	W(w, string, "netns_name", netns_name(s, e->netns));
	put_addr(w, "addr", &e->final);
	W(w, number, "port", e->final_port);
	w->ops->end(w);
}

static void put_end(struct ep_writer *w, struct ep_arena *a, const struct ep_snapshot *s,
		    const struct ep_watch_end *e)
{
	W(w, number, "port", e->port);
	W(w, string, "family", e->addr.len == 4 ? "ip" : "ip6");
	put_addr(w, "address", &e->addr);
	W(w, string, "origin", e->origin);
	W(w, string, "result", e->result);
	ep_json_put_who(w, a, "receiver", &e->who);
	if (e->via) {
		W(w, object, "via");
		W(w, number, "pid", e->via->pid);
		W(w, string, "comm", e->via->comm);
		w->ops->end(w);
	} else {
		W(w, null, "via");
	}
	put_place(w, s, "final", e);
	W(w, string, "reason", e->reason);
	W(w, string, "location", e->location);
	put_expected(w, e);
}

static void put_row(struct ep_writer *w, struct ep_arena *a, const struct ep_snapshot *s,
		    const struct ep_watch_end *e)
{
	W(w, object, NULL);
	put_end(w, a, s, e);
	W(w, number, "connections", (int64_t)e->n);
	W(w, number, "total", (int64_t)e->total);
	W(w, real, "per_second", e->per_second);
	put_us(w, "synack_us", e->synack_ns);
	put_us(w, "synack_us_max", e->synack_ns_max);
	W(w, array, "workers");
	ep_each(k, &e->workers) {
		W(w, object, NULL);
		ep_json_put_who(w, a, "receiver", &k->who);
		W(w, number, "connections", (int64_t)k->n);
		W(w, string, "by", k->by);
		w->ops->end(w);
	}
	w->ops->end(w);
	w->ops->end(w);
}

static void put_flow(struct ep_writer *w, struct ep_arena *a, const struct ep_watch_doc *d)
{
	const struct ep_watch_flow *f = d->flow;

	W(w, string, "time", f->time);
	put_addr(w, "src", &f->src);
	W(w, number, "sport", f->sport);
	put_end(w, a, d->doc.s, f->end);
	W(w, object, "seen_as");
	put_addr(w, "src", &f->peer);
	W(w, number, "sport", f->peer_port);
	w->ops->end(w);
	put_us(w, "synack_us", f->synack_ns);
}

static void put_accounts(struct ep_writer *w, const struct ep_watch_doc *d)
{
	uint64_t seen = 0, delivered = 0, lost = 0;

	W(w, object, "accounting");
	W(w, array, "per_cpu");
	ep_each(c, &d->cpus) {
		seen += c->seen;
		delivered += c->delivered;
		lost += c->lost;
		W(w, object, NULL);
		W(w, number, "cpu", c->cpu);
		W(w, number, "seen", (int64_t)c->seen);
		W(w, number, "delivered", (int64_t)c->delivered);
		W(w, number, "lost", (int64_t)c->lost);
		w->ops->end(w);
	}
	w->ops->end(w);
	W(w, number, "seen", (int64_t)seen);
	W(w, number, "delivered", (int64_t)delivered);
	W(w, number, "lost", (int64_t)lost);
	W(w, number, "unrowed", (int64_t)d->unrowed);
	w->ops->end(w);
}

static void put_start(struct ep_writer *w, const struct ep_watch_doc *d)
{
	W(w, string, "source", d->source);
	W(w, string, "lacks", d->lacks);
	W(w, array, "ports");
	ep_each(p, &d->ports)
		W(w, number, NULL, *p);
	w->ops->end(w);
	W(w, array, "addresses");
	ep_each(e, &d->edges)
		put_addr(w, NULL, e);
	w->ops->end(w);
}

void ep_json_watch(struct ep_buf *out, const struct ep_watch_doc *d, const struct ep_style *st)
{
	static const char *const types[] = {
		[EP_WATCH_START] = "start", [EP_WATCH_INTERVAL] = "interval",
		[EP_WATCH_FLOW] = "flow",   [EP_WATCH_CHANGE] = "change",
		[EP_WATCH_END] = "end",
	};
	struct ep_writer writer = ep_json_writer(out), *w = &writer;
	struct ep_arena *a = ep_arena_new();

	(void)st;
	writer.flat = true;
	W(w, object, NULL);
	if (d->piece == EP_WATCH_START) {
		ep_json_put_head(w, a, &d->doc, "edgepath.watch/1");
	} else {
		W(w, string, "schema", "edgepath.watch/1");
		W(w, string, "generated_at", d->doc.generated_at);
	}
	W(w, string, "type", types[d->piece]);
	if (d->piece == EP_WATCH_START)
		put_start(w, d);
	if (d->piece == EP_WATCH_CHANGE)
		W(w, string, "change", d->change);
	if (d->piece == EP_WATCH_FLOW)
		put_flow(w, a, d);
	if (d->piece == EP_WATCH_INTERVAL || d->piece == EP_WATCH_END) {
		W(w, real, "seconds", d->seconds);
		W(w, array, "rows");
		ep_each(e, &d->ends)
			put_row(w, a, d->doc.s, e);
		w->ops->end(w);
		put_accounts(w, d);
	}
	w->ops->end(w);
	ep_arena_free(a);
}

/* ---- beside a check ---- */

static void put_probe(struct ep_writer *w, struct ep_arena *a, const struct ep_snapshot *s,
		      const struct ep_watch_probe *p)
{
	W(w, object, NULL);
	W(w, number, "port", p->port);
	put_addr(w, "address", &p->addr);
	put_addr(w, "src", &p->src);
	W(w, number, "sport", p->sport);
	W(w, string, "client", p->met);
	if (p->end) {
		W(w, object, "seen");
		put_end(w, a, s, p->end);
		w->ops->end(w);
	} else {
		W(w, null, "seen");
	}
	w->ops->end(w);
}

void ep_json_put_seen(struct ep_writer *w, struct ep_arena *a, const struct ep_snapshot *s,
		      const struct ep_watch_seen *seen)
{
	if (!seen) {
		W(w, null, "observed");
		W(w, null, "verified");
		return;
	}
	W(w, object, "observed");
	W(w, real, "seconds", seen->watch.seconds);
	W(w, string, "source", seen->watch.source);
	W(w, string, "lacks", seen->watch.lacks);
	W(w, array, "rows");
	ep_each(e, &seen->watch.ends)
		put_row(w, a, s, e);
	w->ops->end(w);
	put_accounts(w, &seen->watch);
	w->ops->end(w);
	if (!seen->verified) {
		W(w, null, "verified");
		return;
	}
	W(w, object, "verified");
	W(w, string, "via", seen->via);
	W(w, array, "connections");
	ep_each(p, &seen->probes)
		put_probe(w, a, s, p);
	w->ops->end(w);
	w->ops->end(w);
}
