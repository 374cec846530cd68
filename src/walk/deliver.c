// SPDX-License-Identifier: GPL-2.0-or-later
/* The socket that takes a SYN: inet_lookup_listener(), inet6_lookup_listener(). */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "walk/path.h"

/* ---- one listener against the packet ---- */

static bool is_v4mapped(const struct ep_addr *a)
{
	static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	return a->len == 16 && !memcmp(a->b, prefix, 12);
}

/* The address as the lookup of this family sees it; false if the socket is not in that lookup. */
static bool bound_addr(const struct ep_listener *l, uint8_t alen, struct ep_addr *ret)
{
	*ret = l->addr;
	if (l->addr.len == alen)
		return !(alen == 16 && is_v4mapped(&l->addr));
	if (alen != 4 || l->v6only)
		return false;
	if (is_v4mapped(&l->addr))
		*ret = ep_addr_of(l->addr.b + 12, 4);
	else
		*ret = (struct ep_addr){.len = 4};
	return is_v4mapped(&l->addr) || ep_addr_is_any(&l->addr);
}

/* inet_bound_dev_eq(): a VRF's packets reach unbound sockets only if the sysctl says so. */
static bool device_fits(const struct ep_walk *w, const struct ep_listener *l)
{
	const struct ep_link *in = w->p.sk_in ? w->p.sk_in : w->p.in, *slave = w->p.slave;

	if (!l->bound_ifindex)
		return !slave || w->ns->tcp_l3mdev_accept > 0;
	return (in && l->bound_ifindex == in->ifindex) ||
	       (slave && l->bound_ifindex == slave->ifindex);
}

/* compute_score() for the address, or for the wildcard; 0: not this one. */
static int score(const struct ep_walk *w, const struct ep_listener *l, bool wildcard)
{
	struct ep_addr a;

	if (l->netns != w->ns->ino || l->port != w->p.dport || !bound_addr(l, w->p.alen, &a) ||
	    !device_fits(w, l))
		return 0;
	if (wildcard ? !ep_addr_is_any(&a) : !ep_addr_eq(&a, &w->p.daddr))
		return 0;
	return (l->bound_ifindex ? 2 : 1) + (w->p.alen == 4 && l->addr.len == 4 ? 1 : 0);
}

static bool gone(const struct ep_walk *w, const struct ep_listener *l)
{
	size_t left = l->procs.n;

	if (!w->without || !left)
		return false;
	ep_each(p, &l->procs) {
		bool out = false;

		ep_each(x, &w->without->procs)
			out |= *x == *p;
		ep_each(c, &w->without->containers)
			out |= (*p)->container && *c == (*p)->container;
		left -= out;
	}
	return !left;
}

/* ---- SO_REUSEPORT: sockets that share one place, among which a hash of the connection picks ---- */

struct group {
	const struct ep_listener *first;
	int score;
	EP_VEC(const struct ep_listener *) members;
};

typedef EP_VEC(struct group) groups;

/* inet_reuseport_add_sock() */
static bool same_group(const struct ep_listener *x, const struct ep_listener *y)
{
	return x->reuseport && y->reuseport && x->addr.len == y->addr.len &&
	       x->v6only == y->v6only && x->bound_ifindex == y->bound_ifindex && x->uid == y->uid;
}

static void gather(struct ep_walk *w, bool wildcard, groups *ret)
{
	ep_each(l, &w->s->listeners) {
		int points = gone(w, l) ? 0 : score(w, l, wildcard);
		struct group *g = NULL;

		if (!points)
			continue;
		ep_each(i, ret)
			if (same_group(i->first, l))
				g = i;
		if (!g) {
			g = ep_push(w->arena, ret);
			g->first = l;
			g->score = points;
		}
		*ep_push(w->arena, &g->members) = l;
	}
}

/* The place of its first member in the chain; 0 if the kernel did not tell. */
static uint32_t order_of(const struct group *g)
{
	uint32_t first = UINT32_MAX;

	ep_each(m, &g->members)
		first = (*m)->order < first ? (*m)->order : first;
	return first;
}

/* IPv4's sockets are put in front, IPv6's groups at the end: inet_hash(). */
static int by_chain(const void *p, const void *q)
{
	const struct group *x = p, *y = q;
	uint32_t ox = order_of(x), oy = order_of(y);

	if (x->first->addr.len != y->first->addr.len)
		return x->first->addr.len - y->first->addr.len;
	return ox < oy ? -1 : ox > oy;
}

/*
 * inet_lhash2_lookup(): the highest score wins, but the search ends at the first SO_REUSEPORT group
 * that beats what came before it. Where the order in the chain was not told, it may be any.
 */
static const struct group *pick_group(struct ep_walk *w, groups *g)
{
	const struct group *best = NULL;

	qsort(g->v, g->n, sizeof(*g->v), by_chain);
	for (size_t i = 0; i < g->n; i++) {
		const struct group *x = &g->v[i];
		bool told = true, others = false;

		for (size_t k = 0; k < g->n; k++) {
			if (k == i || g->v[k].first->addr.len != x->first->addr.len)
				continue;
			told &= order_of(x) && order_of(&g->v[k]);
			others |= k > i;
		}
		if (told && best && x->score <= best->score)
			continue;
		/* Not told: whichever stands first. The last one is it if the others are not. */
		if (x->first->reuseport &&
		    (told || !others ||
		     ep_w_unknown(
			     w, "of two SO_REUSEPORT groups the first in the kernel's chain wins")))
			return x;
		if (!best || x->score > best->score)
			best = x;
	}
	return best;
}

/* systemd holds sockets for units it starts: rather the unit's own process. What a proxy starts may
 * hold its sockets as well, by inheritance: rather the proxy. */
static const struct ep_proc *holder(const struct ep_listener *l)
{
	ep_each(p, &l->procs)
		if ((*p)->proxy_kind)
			return *p;
	ep_each(p, &l->procs)
		if ((*p)->pid != 1)
			return *p;
	return l->procs.n ? l->procs.v[0] : NULL;
}

static bool same_text(const char *x, const char *y)
{
	return x == y || (x && y && !strcmp(x, y));
}

/* Workers of one program in one container or unit are one receiver. */
static bool same_owner(const struct ep_listener *x, const struct ep_listener *y)
{
	const struct ep_proc *p = holder(x), *q = holder(y);

	if (!p || !q || p == q)
		return p == q;
	return p->container == q->container && (p->container || (p->unit && q->unit)) &&
	       same_text(p->unit, q->unit) && same_text(p->exe, q->exe) && p->netns == q->netns &&
	       !p->proxy_kind && !q->proxy_kind;
}

/* SO_ATTACH_REUSEPORT_EBPF, _CBPF: a program picks, or refuses (reuseport_select_sock()). */
static bool picked_by_program(struct ep_walk *w, const struct group *g,
			      const struct ep_listener **ret)
{
	const struct ep_hook *program = NULL;

	ep_each(m, &g->members)
		ep_each(h, &(*m)->hooks)
			if (!strcmp(h->kind, "reuseport") && h->may_take)
				program = h;
	if (!program)
		return false;
	*ret = g->members.v[g->members.n - 1];
	for (size_t i = 0; i + 1 < g->members.n; i++) {
		bool again = false;

		for (size_t k = 0; k < i; k++)
			again |= same_owner(g->members.v[k], g->members.v[i]);
		if (again || same_owner(g->members.v[i], *ret) ||
		    !ep_path_program(w, program, "pick the socket"))
			continue;
		*ret = g->members.v[i];
		return true;
	}
	/* One with an id may return SK_DROP; a classic one may not. */
	if (program->prog_id && ep_path_program(w, program, "refuse the connection"))
		ep_w_end(w, EP_REFUSED, "refused by a program of its group of sockets");
	return true;
}

static const struct ep_listener *pick_member(struct ep_walk *w, const struct group *g)
{
	const struct ep_listener *picked;
	size_t left = g->members.n;

	if (picked_by_program(w, g, &picked))
		return picked;

	for (size_t i = 0; i < g->members.n; i++) {
		const struct ep_listener *l = g->members.v[i];
		size_t same = 0;
		bool seen = false;

		for (size_t k = 0; k < i; k++)
			seen |= same_owner(g->members.v[k], l);
		if (seen)
			continue;
		ep_each(m, &g->members)
			same += same_owner(*m, l);
		if (same >= left || ep_w_chance(w, (double)same / left, "SO_REUSEPORT group"))
			return l;
		left -= same;
	}
	return g->first;
}

const struct ep_listener *ep_listener_lookup(struct ep_walk *w)
{
	groups found = {};

	if (w->p.tproxy)
		return w->p.tproxy;
	gather(w, false, &found);
	if (!found.n)
		gather(w, true, &found);
	return found.n ? pick_member(w, pick_group(w, &found)) : NULL;
}

/* ---- delivery ---- */

static void local_step(struct ep_walk *w, const struct ep_listener *l)
{
	struct ep_step *s = ep_w_step(w, EP_STEP_LOCAL);
	char buf[EP_ADDRSTR];

	s->hook = "socket";
	s->action = l ? "listener" : "no listener";
	s->to = ep_strdup(w->arena, ep_addrport_str(l ? &l->addr : &w->p.daddr,
						    l ? l->port : w->p.dport, buf));
}

void ep_w_deliver(struct ep_walk *w)
{
	const struct ep_listener *l;
	const struct ep_proc *p;
	char buf[EP_ADDRSTR];

	if (!ep_path_sk_lookup(w))
		return;
	l = ep_listener_lookup(w);
	if (w->ended)
		return;
	local_step(w, l);
	if (!l && w->s->listeners_partial)
		ep_w_end(w, EP_UNKNOWN, "not all listeners could be read, none of those on %s",
			 ep_addrport_str(&w->p.daddr, w->p.dport, buf));
	if (!l) {
		ep_w_end(w, EP_REFUSED, "nobody listens on %s",
			 ep_addrport_str(&w->p.daddr, w->p.dport, buf));
		return;
	}
	if (!ep_path_socket_programs(w, l))
		return;
	p = holder(l);
	w->listener = l;
	w->receiver = p;
	if (!p || !p->proxy_kind)
		ep_w_end(w, EP_DELIVERED, NULL);
	else
		ep_path_proxy(w, p, l);
}
