// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Watching without BPF: conntrack's events in the diagnosed namespace, an entry's way on from the entries
 * of the namespaces below, and the sockets of the diagnosed namespace, listed over and over, where
 * nothing is tracked. What lasts shorter than two lists and is not tracked is not seen, nor is what is
 * dropped before conntrack has confirmed it.
 */
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "edgepath/collect.h"
#include "observe/conntrack.h"

#define RECENT   16384 /* connections that are remembered; the oldest of a slot gives way */
#define HASH     1024
#define MAX_HOPS 4
#define SECOND   1000000000ull
/* An entry that goes so soon without an answer was refused: unanswered ones stay for minutes. */
#define REFUSED_NS (10 * SECOND)

struct recent {
	struct ep_ct_tuple orig;
	uint64_t begun_ns;
	bool counted;
};

struct row {
	struct row *next;
	struct ep_seen seen;
};

struct watch {
	struct ep_arena *arena, *scope_arena;
	const struct ep_netns *host; /* a copy */
	uint16_t *ports;
	size_t n_ports;
	int fd;       /* -1: nothing is tracked here */
	bool sockets; /* lists of sockets can be had */
	uint64_t listed_ns;
	struct recent *recent;
	struct row *hash[HASH];
	EP_VEC(struct row *) rows;
	EP_VEC(struct ep_addr) own, inside;
	EP_VEC(struct ep_scope_addr) places;
	EP_VEC(struct ep_netns) netns; /* those below, copies */
	EP_VEC(int) fds;               /* for each: to ask for its entries; -1: not yet open */
	struct ep_wire_account account;
	ep_flow_cb cb;
	void *ctx;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* ---- what is remembered ---- */

static uint32_t hash(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 16777619u;
	return h;
}

static bool same_tuple(const struct ep_ct_tuple *x, const struct ep_ct_tuple *y)
{
	return x->sport == y->sport && x->dport == y->dport && ep_addr_eq(&x->src, &y->src) &&
	       ep_addr_eq(&x->dst, &y->dst);
}

static struct recent *recent_of(struct watch *w, const struct ep_ct_tuple *t)
{
	uint32_t h = hash(t->src.b, t->src.len) ^ hash(&t->sport, 2) ^ hash(&t->dport, 2) * 31;

	return &w->recent[h % RECENT];
}

/* The slot of a connection, emptied if it was another's. */
static struct recent *remember(struct watch *w, const struct ep_ct_tuple *t)
{
	struct recent *r = recent_of(w, t);

	if (!same_tuple(&r->orig, t))
		*r = (struct recent){.orig = *t, .begun_ns = now_ns()};
	return r;
}

/* ---- rows ---- */

static bool in(const struct ep_addr *v, size_t n, const struct ep_addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (ep_addr_eq(&v[i], a))
			return true;
	return false;
}

static struct row *row_of(struct watch *w, const struct ep_wire_row *key)
{
	struct row **slot = &w->hash[hash(key, sizeof(*key)) % HASH], *r;

	for (r = *slot; r; r = r->next)
		if (!memcmp(&r->seen.key, key, sizeof(*key)))
			return r;
	r = ep_alloc(w->arena, sizeof(*r));
	r->seen.key = *key;
	r->next = *slot;
	*slot = r;
	*ep_push(w->arena, &w->rows) = r;
	return r;
}

static void count(struct watch *w, enum ep_wire_result result, uint64_t netns,
		  const struct ep_ct_tuple *orig, const struct ep_ct_tuple *end)
{
	struct ep_wire_flow f = {.row = {.result = result,
					 .netns = (uint32_t)netns,
					 .family = orig->dst.len == 4 ? 4 : 6,
					 .dport = orig->dport,
					 .lport = end->dport},
				 .ns = now_ns(),
				 .sport = orig->sport,
				 .peer_port = end->sport};

	f.row.origin = in(w->own.v, w->own.n, &orig->src)       ? EP_WIRE_HOST :
		       in(w->inside.v, w->inside.n, &orig->src) ? EP_WIRE_INSIDE :
								  EP_WIRE_EXTERNAL;
	memcpy(f.row.daddr, orig->dst.b, orig->dst.len);
	memcpy(f.row.laddr, end->dst.b, end->dst.len);
	memcpy(f.saddr, orig->src.b, orig->src.len);
	memcpy(f.peer, end->src.b, end->src.len);
	row_of(w, &f.row)->seen.count.n++;
	w->account.seen++;
	w->account.delivered++;
	if (w->cb)
		w->cb(w->ctx, &f);
}

/* ---- where an entry leads ---- */

static const struct ep_netns *netns_at(const struct watch *w, const struct ep_addr *a)
{
	if (in(w->own.v, w->own.n, a))
		return w->host;
	ep_each(p, &w->places)
		if (ep_addr_eq(&p->addr, a))
			ep_each(ns, &w->netns)
				if (ns->ino == p->netns)
					return ns;
	return NULL;
}

/* As its packets go on from there. */
static struct ep_ct_tuple sent_on(const struct ep_ct *ct)
{
	return (struct ep_ct_tuple){.src = ct->reply.dst,
				    .dst = ct->reply.src,
				    .sport = ct->reply.dport,
				    .dport = ct->reply.sport};
}

static int entry_in(struct watch *w, const struct ep_netns *ns, const struct ep_ct_tuple *t,
		    struct ep_ct *ret)
{
	int *fd = &w->fds.v[ns - w->netns.v], r;

	if (*fd < 0)
		*fd = ep_ct_open(ns);
	if (*fd < 0)
		return *fd;
	r = ep_ct_get(*fd, t, ret);
	if (r < 0 && r != -ENOENT) {
		close(*fd);
		*fd = -1;
	}
	return r;
}

/* Through translations of the namespaces below, as long as there are any. */
static void finish(struct watch *w, enum ep_wire_result result, const struct ep_ct *ct)
{
	struct ep_ct_tuple at = sent_on(ct);
	const struct ep_netns *ns = netns_at(w, &at.dst);

	for (int i = 0; i < MAX_HOPS && ns && ns != w->host; i++) {
		struct ep_ct_tuple next;
		const struct ep_netns *on;
		struct ep_ct inner;

		if (entry_in(w, ns, &at, &inner) < 0)
			break;
		next = sent_on(&inner);
		if (same_tuple(&next, &at))
			break;
		on = netns_at(w, &next.dst);
		at = next;
		ns = on ? on : ns;
	}
	/* Who left this host is no receiver of ours. */
	if (ns)
		count(w, result, ns->ino, &ct->orig, &at);
}

static bool is_ours(const struct watch *w, const struct ep_ct *ct)
{
	for (size_t i = 0; i < w->n_ports; i++)
		if (w->ports[i] == ct->orig.dport)
			return ct->status & IPS_DST_NAT || in(w->own.v, w->own.n, &ct->orig.dst);
	return false;
}

static void take_event(void *ctx, enum ep_ct_event e, const struct ep_ct *ct)
{
	struct watch *w = ctx;
	struct recent *r;

	if (!is_ours(w, ct))
		return;
	r = remember(w, &ct->orig);
	if (e == EP_CT_NEW && r->counted && now_ns() - r->begun_ns < SECOND)
		return; /* its socket was listed before */
	if (e == EP_CT_NEW) {
		*r = (struct recent){.orig = ct->orig, .begun_ns = now_ns()};
	} else if (e == EP_CT_CHANGED && ct->state == TCP_CONNTRACK_ESTABLISHED && !r->counted) {
		r->counted = true;
		finish(w, EP_WIRE_LANDED, ct);
	} else if (e == EP_CT_GONE && !r->counted && !(ct->status & IPS_SEEN_REPLY)) {
		r->counted = true;
		finish(w, now_ns() - r->begun_ns < REFUSED_NS ? EP_WIRE_REFUSED : EP_WIRE_DROPPED,
		       ct);
	}
}

/* ---- sockets, where nothing is tracked ---- */

static void take_socket(void *ctx, const struct ep_ct_tuple *t)
{
	struct watch *w = ctx;
	struct recent *r = remember(w, t);

	if (r->counted)
		return;
	r->counted = true;
	/* Those of before are remembered, not counted. */
	if (w->listed_ns)
		count(w, EP_WIRE_LANDED, w->host->ino, t, t);
}

static void list_sockets(struct watch *w)
{
	if (!w->sockets)
		return;
	if (ep_established_read(w->host, w->ports, w->n_ports, take_socket, w) < 0)
		w->sockets = false;
	w->listed_ns = now_ns();
}

/* ---- the source ---- */

static void close_fds(struct watch *w)
{
	ep_each(fd, &w->fds)
		if (*fd >= 0)
			close(*fd);
	w->fds.v = NULL;
	w->fds.n = w->fds.cap = 0;
}

static int ct_rescope(void *state, const struct ep_scope *sc)
{
	struct watch *w = state;
	struct ep_arena *a = ep_arena_new();

	close_fds(w);
	w->own.v = w->inside.v = NULL;
	w->own.n = w->own.cap = w->inside.n = w->inside.cap = 0;
	w->places.v = NULL;
	w->places.n = w->places.cap = 0;
	w->netns.v = NULL;
	w->netns.n = w->netns.cap = 0;
	ep_each(it, &sc->own)
		*ep_push(a, &w->own) = *it;
	ep_each(it, &sc->places) {
		*ep_push(a, &w->places) = *it;
		*ep_push(a, &w->inside) = it->addr;
	}
	ep_each(it, &sc->spaces) {
		struct ep_netns *ns = ep_push(a, &w->netns);

		ns->ino = (*it)->ino;
		ns->path = (*it)->path ? ep_strdup(a, (*it)->path) : NULL;
		ns->conntrack_count = -1;
		*ep_push(a, &w->fds) = -1;
	}
	ep_arena_free(w->scope_arena);
	w->scope_arena = a;
	return 0;
}

static void ct_close(void *state)
{
	struct watch *w = state;

	close_fds(w);
	if (w->fd >= 0)
		close(w->fd);
	ep_arena_free(w->arena);
	ep_arena_free(w->scope_arena);
	free(w->recent);
	free(w);
}

static int ct_open(const struct ep_watch_spec *spec, const struct ep_scope *scope, void **ret,
		   char *err, size_t err_len)
{
	struct watch *w = calloc(1, sizeof(*w));
	struct ep_netns *host;

	if (!w)
		return -ENOMEM;
	w->arena = ep_arena_new();
	w->recent = calloc(RECENT, sizeof(*w->recent));
	w->ports = ep_memdup(w->arena, spec->ports, spec->n_ports * sizeof(*spec->ports));
	w->n_ports = spec->n_ports;
	host = ep_alloc(w->arena, sizeof(*host));
	host->ino = spec->host->ino;
	host->path = spec->host->path ? ep_strdup(w->arena, spec->host->path) : NULL;
	host->conntrack_count = -1;
	w->host = host;
	w->fd = ep_ct_listen(host, w->ports, w->n_ports);
	w->sockets = !ep_module_unloaded("tcp_diag") && !ep_module_unloaded("inet_diag");
	if (!w->recent || (w->fd < 0 && !w->sockets)) {
		snprintf(err, err_len,
			 "neither conntrack's events nor lists of sockets can be had");
		ct_close(w);
		return -ENOTSUP;
	}
	ct_rescope(w, scope);
	w->cb = NULL;
	list_sockets(w);
	*ret = w;
	return 0;
}

static int ct_read(void *state, ep_flow_cb cb, void *ctx)
{
	struct watch *w = state;
	int lost = 0;

	w->cb = cb;
	w->ctx = ctx;
	if (w->fd >= 0)
		lost = ep_ct_read(w->fd, take_event, w);
	if (lost > 0) /* at least so many */
		w->account.unrowed += (uint64_t)lost;
	list_sockets(w);
	w->cb = NULL;
	return lost < 0 ? lost : 0;
}

static int ct_rows(void *state, struct ep_arena *a, ep_seens *ret)
{
	struct watch *w = state;

	ep_each(it, &w->rows)
		*ep_push(a, ret) = (*it)->seen;
	return 0;
}

static int ct_accounts(void *state, struct ep_arena *a, ep_accounts *ret)
{
	struct watch *w = state;

	*ep_push(a, ret) = (struct ep_account){.n = w->account};
	return 0;
}

static const char *ct_reason(void *state, struct ep_arena *a, uint32_t reason)
{
	(void)state;
	(void)reason;
	return ep_strdup(a, "no answer came");
}

const struct ep_watch_ops ep_watch_conntrack = {
	.name = "conntrack",
	.open = ct_open,
	.close = ct_close,
	.rescope = ct_rescope,
	.read = ct_read,
	.rows = ct_rows,
	.accounts = ct_accounts,
	.reason = ct_reason,
};
