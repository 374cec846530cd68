// SPDX-License-Identifier: GPL-2.0-or-later
/* The socket that takes a SYN: inet_lookup_listener(), inet6_lookup_listener(); proxies are followed. */
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <string.h>

#include "walk/engine.h"

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

static bool device_fits(const struct ep_walk *w, const struct ep_listener *l)
{
	const struct ep_link *in = w->p.in, *vrf;

	if (!l->bound_ifindex) {
		/* A port of a VRF reaches unbound sockets only if the sysctl says so. */
		vrf = in && in->master ? ep_link_by_index(w->ns, in->master) : NULL;
		return !vrf || strcmp(vrf->kind, "vrf") || w->ns->tcp_l3mdev_accept > 0;
	}
	return in && (l->bound_ifindex == in->ifindex || l->bound_ifindex == in->master);
}

/* compute_score(): exact address first, then a bound device, then IPv4's own family. */
static int score(const struct ep_walk *w, const struct ep_listener *l)
{
	struct ep_addr a;
	int s = 1;

	if (l->netns != w->ns->ino || l->port != w->p.dport || !bound_addr(l, w->p.alen, &a) ||
	    !device_fits(w, l))
		return 0;
	if (!ep_addr_is_any(&a)) {
		if (!ep_addr_eq(&a, &w->p.daddr))
			return 0;
		s += 8;
	}
	return s + (l->bound_ifindex ? 4 : 0) + (w->p.alen == 4 && l->addr.len == 4 ? 1 : 0);
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

const struct ep_listener *ep_listener_lookup(struct ep_walk *w)
{
	const struct ep_listener *best = NULL;
	int best_score = 0;
	unsigned equal = 0, n;

	if (w->p.tproxy)
		return w->p.tproxy;
	ep_each(l, &w->s->listeners) {
		int s = gone(w, l) ? 0 : score(w, l);

		if (s > best_score) {
			best = l;
			best_score = s;
			equal = 1;
		} else if (s && s == best_score) {
			equal++;
		}
	}
	if (equal < 2)
		return best;
	/* An SO_REUSEPORT group: a hash of the connection picks the member. */
	n = ep_w_pick(w, equal, "SO_REUSEPORT group");
	ep_each(l, &w->s->listeners)
		if (!gone(w, l) && score(w, l) == best_score && !n--)
			return l;
	return best;
}

/* ---- delivery ---- */

/* systemd holds sockets for units it starts: rather the unit's own process. */
static const struct ep_proc *holder(const struct ep_listener *l)
{
	ep_each(p, &l->procs)
		if ((*p)->pid != 1)
			return *p;
	return l->procs.n ? l->procs.v[0] : NULL;
}

/* The proxy opens a connection of its own. */
static void follow_proxy(struct ep_walk *w, const struct ep_proc *proxy)
{
	struct ep_pkt p = {
		.alen = proxy->proxy_target.len,
		.daddr = proxy->proxy_target,
		.dport = proxy->proxy_port,
		.saddr = {.var = EP_VAR_SADDR},
	};

	*ep_push(w->arena, &w->via) = proxy;
	p.sport.var = ep_w_var(w, EP_VAR_UNKNOWN, 16, ep_iv_range(w->arena, 1, 65535),
			       "the proxy's source port");
	w->p = p;
	ep_w_send(w);
}

static void local_step(struct ep_walk *w, const struct ep_listener *l)
{
	struct ep_step *s = ep_w_step(w, EP_STEP_LOCAL);
	char buf[EP_ADDRSTR];

	s->hook = "socket";
	s->action = l ? "listener" : "no listener";
	s->to = ep_strdup(w->arena, ep_addrport_str(l ? &l->addr : &w->p.daddr,
						    l ? l->port : w->p.dport, buf));
}

static bool sk_lookup_program(struct ep_walk *w)
{
	ep_each(h, &w->ns->hooks)
		if (!strcmp(h->kind, "sk_lookup") &&
		    ep_w_unknown(w, "sk_lookup program %s may choose another socket", h->name)) {
			ep_w_end(w, EP_UNKNOWN, "sk_lookup program %s may choose another socket",
				 h->name);
			return true;
		}
	return false;
}

void ep_w_deliver(struct ep_walk *w)
{
	const struct ep_listener *l;
	const struct ep_proc *p;
	char buf[EP_ADDRSTR];

	if (sk_lookup_program(w))
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
	p = holder(l);
	if (p && p->proxy_target.len && w->via.n < 4) {
		follow_proxy(w, p);
		return;
	}
	w->listener = l;
	w->receiver = p;
	ep_w_end(w, EP_DELIVERED, NULL);
}
