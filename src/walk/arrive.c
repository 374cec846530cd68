// SPDX-License-Identifier: GPL-2.0-or-later
/* Where a packet from outside comes in: the device that was named, those below it, and what is on top. */
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "walk/bytes.h"
#include "walk/fib.h"
#include "walk/link.h"
#include "walk/path.h"

#define EP_MAX_STACK 8

static bool is_kind(const struct ep_link *l, const char *kind)
{
	return !strcmp(l->kind, kind);
}

/* Does it matter by which of a bridge's ports a frame comes? */
static bool ports_matter(const struct ep_walk *w)
{
	if (w->ns->hooks.n)
		return true;
	ep_each(t, &w->ns->nft.tables)
		if (((*t)->family == NFPROTO_BRIDGE || (*t)->family == NFPROTO_NETDEV) &&
		    (*t)->chains.n)
			return true;
	return false;
}

/* The port of a bridge, or of a bond, that leads out; NULL if there are several and it does not matter. */
static const struct ep_link *port_of(struct ep_walk *w, const struct ep_link *master)
{
	for (int inner = 0; inner < 2; inner++) {
		const struct ep_link *last = NULL;
		unsigned n = 0;

		ep_each(l, &w->ns->links) {
			if (l->master != master->ifindex || (!inner && is_kind(l, "veth")))
				continue;
			if (n++ && ports_matter(w) &&
			    ep_w_unknown(w, "the port of %s that it comes in by is not told",
					 master->name))
				return last;
			last = l;
		}
		if (n == 1 || (n && ports_matter(w)))
			return last;
		if (n)
			return NULL;
	}
	return NULL;
}

/* The device below, whose programs and ingress chains come first. */
static const struct ep_link *below(struct ep_walk *w, const struct ep_link *l)
{
	if (l->peer_ifindex && l->peer_netns == w->ns->ino && !is_kind(l, "veth") &&
	    !is_kind(l, "netkit"))
		return ep_link_by_index(w->ns, l->peer_ifindex);
	if (is_kind(l, "bridge") || is_kind(l, "bond") || is_kind(l, "team"))
		return port_of(w, l);
	return NULL;
}

static bool programs_and_chains(struct ep_walk *w, const struct ep_link *l)
{
	w->p.in = l;
	return ep_dev_ingress(w, l);
}

static bool same_net(const struct ep_walk *w, const struct ep_link *l, const struct ep_addr *a)
{
	ep_each(i, &w->ns->addrs)
		if (i->ifindex == l->ifindex && ep_addr_in(a, &i->addr, i->plen))
			return true;
	return false;
}

/*
 * Ports may be kept apart from each other. Then a client of the same network finds nobody; one that
 * takes the host for its router gets there by way of it.
 */
static bool kept_apart(struct ep_walk *w, const struct ep_link *bridge, const struct ep_link *port,
		       const struct ep_addr *dst)
{
	struct ep_l2_search s = {.w = w, .who = {.addr = dst}, .own = true};
	struct ep_addr src = {};

	if (!port->port_isolated || !same_net(w, bridge, dst) || !ep_l2_find(&s, w->ns, bridge))
		return false;
	if (w->p.saddr.var >= 0) {
		if (!ep_w_unknown(w, "%s is isolated from the port of that address", port->name))
			return false;
	} else {
		src.len = w->p.alen;
		for (unsigned i = 0; i < src.len; i++)
			src.b[i] = (uint8_t)(w->p.saddr.c >> (src.len - 1 - i) * 8);
		if (!same_net(w, bridge, &src))
			return false;
	}
	ep_w_end(w, EP_UNREACHABLE, "%s is isolated from the port of that address", port->name);
	return true;
}

/* Who is at the other end of a port's cable sends by his own address, unless he has others behind him. */
static void sender_of(struct ep_walk *w, const struct ep_link *in)
{
	struct ep_netns *peer = in->peer_netns ? ep_netns_find(w->s, in->peer_netns) : NULL;
	const struct ep_link *l;

	if (!is_kind(in, "veth") || !peer || ep_netns_need(w->s, peer, EP_NEED_LINKS))
		return;
	l = ep_link_by_index(peer, in->peer_ifindex);
	if (!l || l->master)
		return;
	ep_each(up, &peer->links)
		if (up->peer_ifindex == l->ifindex && up->peer_netns == peer->ino)
			return;
	if (ep_l2_mac(l->mac).c)
		w->p.smac = ep_l2_mac(l->mac);
}

/* The frame is at a bridge's port: another station's, or for its host. False if it went elsewhere. */
static bool through_bridge(struct ep_walk *w, const struct ep_link *bridge,
			   const struct ep_link *port)
{
	struct ep_addr dst = w->p.daddr;
	struct ep_l2_search s = {.w = w, .who = {.addr = &dst}, .own = true};

	if (!ep_l2_owns(w->ns, bridge, &dst) && port && ep_l2_find_from(&s, w->ns, port) &&
	    s.way.dev != bridge) {
		w->p.dmac = ep_l2_mac(s.way.dev->mac);
		ep_l2_follow(w, &s.way);
		return false;
	}
	if (!ep_l2_owns(w->ns, bridge, &dst) && port && kept_apart(w, bridge, port, &dst))
		return false;
	w->p.in = bridge;
	if (ep_fib_hopeless_source(w)) {
		ep_w_end(w, EP_DROPPED, "martian source: no client can have it");
		return false;
	}
	return ep_l2_up(w, bridge, port);
}

/* A device on top of this one, in another namespace, whose address it is. */
static bool for_a_child(struct ep_walk *w, const struct ep_link *l)
{
	struct ep_addr dst = w->p.daddr;
	struct ep_l2_search s = {.w = w, .who = {.addr = &dst}, .own = true};

	if (ep_ifaddr_find(w->ns, &dst) || l->flags & IFF_LOOPBACK)
		return false;
	if (!ep_l2_find_from(&s, w->ns, l)) {
		if (s.unread && s.why && ep_w_unknown(w, "%s %s", s.unread->name, s.why))
			ep_w_end(w, EP_UNKNOWN, "%s %s", s.unread->name, s.why);
		return w->ended;
	}
	if (s.way.ns == w->ns)
		return false;
	ep_l2_follow(w, &s.way);
	return true;
}

void ep_l2_arrive(struct ep_walk *w)
{
	const struct ep_link *stack[EP_MAX_STACK], *named = w->p.in, *cur, *master;
	unsigned n = 0;

	for (cur = named; cur && n < EP_MAX_STACK; cur = below(w, cur))
		stack[n++] = cur;
	w->p.framed = named->type == ARPHRD_ETHER;
	if (w->p.framed) {
		w->p.smac = ep_w_field(w, "ether saddr", 48, ~(ep_u128)0);
		w->p.dmac = ep_l2_mac(named->mac);
		if (!w->p.dmac.c)
			w->p.dmac = ep_w_field(w, "ether daddr", 48, ~(ep_u128)0);
	}
	cur = stack[--n];
	if (w->p.framed)
		sender_of(w, cur);
	if (!programs_and_chains(w, cur))
		return;
	for (unsigned depth = 0; depth < 2 * EP_MAX_STACK; depth++) {
		master = cur->master ? ep_link_by_index(w->ns, cur->master) : NULL;
		if (master && is_kind(master, "bridge")) {
			if (!through_bridge(w, master, cur))
				return;
			cur = master;
		} else if (master && (is_kind(master, "bond") || is_kind(master, "team"))) {
			if (!programs_and_chains(w, master))
				return;
			cur = master;
		} else if (cur == named || !n) {
			break;
		} else {
			cur = stack[n - 1];
			if (!programs_and_chains(w, cur))
				return;
		}
		if (n && cur == stack[n - 1])
			n--;
	}
	w->p.in = cur;
	if (!for_a_child(w, cur))
		ep_path_ip(w);
}
