// SPDX-License-Identifier: GPL-2.0-or-later
/* Listeners of every namespace: the records of BPF or sock_diag joined into sockets with owners. */
#include "collect/bpf.h"
#include "collect/owners_i.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define THREE_WAY(a, b) (((a) > (b)) - ((a) < (b)))

static int by_socket(const void *pa, const void *pb)
{
	const struct ep_wire_listener *a = pa, *b = pb;

	if (a->netns != b->netns)
		return THREE_WAY(a->netns, b->netns);
	if (a->ino != b->ino)
		return THREE_WAY(a->ino, b->ino);
	if (a->sock != b->sock)
		return THREE_WAY(a->sock, b->sock);
	return THREE_WAY(a->pid, b->pid);
}

static bool same_socket(const struct ep_wire_listener *a, const struct ep_wire_listener *b)
{
	return a->netns == b->netns && a->ino == b->ino && a->sock == b->sock;
}

static bool same_place(const struct ep_wire_listener *a, const struct ep_wire_listener *b)
{
	return a->netns == b->netns && a->family == b->family && a->port == b->port &&
	       a->bound_ifindex == b->bound_ifindex && !memcmp(a->addr, b->addr, sizeof(a->addr));
}

/* Classic BPF has no id, and nothing more is told of it. */
static void add_program(struct ep_snapshot *s, struct ep_listener *l, const char *kind, uint32_t id)
{
	struct ep_hook *h = ep_push(s->arena, &l->hooks);
	struct ep_bpf bpf = {.arena = s->arena};

	*h = (struct ep_hook){.kind = kind, .name = "", .prog_id = id, .may_take = true};
	if (id)
		ep_bpf_read_prog(&bpf, kind, h);
}

static struct ep_listener *add_socket(struct ep_snapshot *s, const struct ep_wire_listener *w)
{
	struct ep_listener *l = ep_push(s->arena, &s->listeners);

	l->netns = w->netns;
	l->addr = ep_addr_of(w->addr, w->family == AF_INET ? 4 : 16);
	l->port = w->port;
	l->v6only = w->v6only;
	l->reuseport = w->reuseport;
	l->transparent = w->transparent;
	l->bound_ifindex = w->bound_ifindex;
	l->ino = w->ino;
	l->uid = w->uid;
	l->backlog = w->backlog;
	l->qlen = w->qlen;
	l->order = w->order;
	l->cgroup = w->cgroup;
	if (w->filter)
		add_program(s, l, "socket-filter", w->filter_id);
	if (w->reuseport_prog)
		add_program(s, l, "reuseport", w->reuseport_id);
	l->mark_known = w->mark_known;
	l->mark = w->mark;
	return l;
}

void ep_listeners_add(struct ep_snapshot *s, ep_wires *w)
{
	const struct ep_wire_listener *prev = NULL;
	struct ep_listener *l = NULL;

	if (w->n)
		qsort(w->v, w->n, sizeof(*w->v), by_socket);
	ep_each(it, w) {
		const struct ep_proc *p;

		if (!prev || !same_socket(prev, it)) {
			l = add_socket(s, it);
			prev = NULL;
		}
		if (it->pid && !(prev && prev->pid == it->pid)) {
			p = ep_collect_proc(s, (int)it->pid);
			if (p)
				*ep_push(s->arena, &l->procs) = p;
		}
		prev = it;
	}
}

/*
 * Sockets that no descriptor stands for (the kernel's own, or on their way in a message) are not in
 * the iterator's list. In the namespace that is diagnosed they are worth one more request, which
 * also tells the order in the kernel's hash chains.
 */
static void add_ownerless(struct ep_snapshot *s, struct ep_arena *tmp, ep_wires *w)
{
	const struct ep_netns *host = ep_netns_find(s, s->host_netns);
	size_t n_known = w->n;
	ep_wires all = {};

	if (!host || ep_listeners_by_diag(tmp, host, &all) < 0)
		return;
	ep_each(it, &all) {
		bool known = false;

		for (size_t i = 0; i < n_known; i++) {
			struct ep_wire_listener *k = &w->v[i];

			if (!same_place(k, it))
				continue;
			known = true;
			k->order = k->order ? k->order : it->order;
			if (!k->backlog) { /* MPTCP: the queue is that of an inner socket */
				k->backlog = it->backlog;
				k->qlen = it->qlen;
			}
		}
		if (!known)
			*ep_push(tmp, w) = *it;
	}
}

int ep_collect_sockets(struct ep_snapshot *s)
{
	struct ep_arena *tmp = ep_arena_new();
	const char *reason = NULL;
	ep_wires w = {};
	int r;

	r = ep_listeners_by_bpf(tmp, &w, &reason);
	if (r == 0) {
		add_ownerless(s, tmp, &w);
		ep_listeners_add(s, &w);
		ep_source_set(s, "sockets", EP_COMPLETE, NULL);
	} else {
		r = ep_collect_sockets_diag(s, ep_sprintf(tmp, "BPF refused: %s; ", reason));
	}
	ep_arena_free(tmp);
	return r;
}
