// SPDX-License-Identifier: GPL-2.0-or-later
/* Out of a device: into the neighbour's namespace on this host, off the host, or to nobody. */
#include <netinet/in.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <string.h>

#include "walk/engine.h"

static bool owns(const struct ep_netns *ns, const struct ep_addr *a)
{
	return ep_ifaddr_find(ns, a) != NULL;
}

/* Into namespace ns by its device in: what does not cross is cleared (skb_scrub_packet). */
static void enter(struct ep_walk *w, struct ep_netns *ns, const struct ep_link *in)
{
	struct ep_pkt p = {
		.alen = w->p.alen,
		.saddr = w->p.saddr,
		.sport = w->p.sport,
		.daddr = w->p.daddr,
		.dport = w->p.dport,
		.in = in,
		.pkttype = PACKET_HOST,
	};
	struct ep_step *s;

	w->p = p;
	w->ns = ns;
	s = ep_w_step(w, EP_STEP_HOP);
	s->action = "enters";
	s->to = in->name;
	ep_w_receive(w);
}

/* Bridge chains see the frame too; they are not followed yet. */
static bool bridge_chains(struct ep_walk *w)
{
	ep_each(t, &w->ns->nft.tables) {
		if ((*t)->family != NFPROTO_BRIDGE)
			continue;
		ep_each(c, &(*t)->chains)
			if ((*c)->base &&
			    ep_w_unknown(w, "bridge table %s may filter", (*t)->name)) {
				ep_w_end(w, EP_UNKNOWN, "bridge table %s may filter", (*t)->name);
				return true;
			}
	}
	return false;
}

/* The namespace behind a veth; NULL if it is not known or could not be read. */
static struct ep_netns *peer_of(struct ep_walk *w, const struct ep_netns *ns,
				const struct ep_link *l, const struct ep_link **ret)
{
	struct ep_netns *peer;

	if (strcmp(l->kind, "veth") || !l->peer_ifindex)
		return NULL;
	peer = ep_netns_find(w->s, l->peer_netns ? l->peer_netns : ns->ino);
	if (!peer || ep_netns_need(w->s, peer, EP_NEED_LINKS))
		return NULL;
	*ret = ep_link_by_index(peer, l->peer_ifindex);
	return *ret ? peer : NULL;
}

static void off_host(struct ep_walk *w, const struct ep_link *l, const struct ep_addr *gw)
{
	char buf[EP_ADDRSTR];

	w->end_dev = l->name;
	ep_w_end(w, EP_FORWARDED, "leaves this host by %s to %s", l->name, ep_addr_str(gw, buf));
	w->end_dev = l->name;
}

static void nobody(struct ep_walk *w, const struct ep_addr *gw)
{
	char buf[EP_ADDRSTR];

	ep_w_end(w, EP_UNREACHABLE, "nobody on this host has %s", ep_addr_str(gw, buf));
}

/* Kinds of devices that lead to other places than another namespace of this host. */
static const char *const inner_kinds[] = {"veth", "dummy", "bridge", "ifb", "nlmon"};

static bool leads_off(const struct ep_link *l)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(inner_kinds); i++)
		if (!strcmp(l->kind, inner_kinds[i]))
			return false;
	return true;
}

/* A bridge port's veth peer that has the address; *ret_open: some port could not be looked behind. */
static struct ep_netns *behind_bridge(struct ep_walk *w, const struct ep_netns *ns, uint32_t bridge,
				      const struct ep_link * not, const struct ep_addr *gw,
				      const struct ep_link **ret_in,
				      const struct ep_link **ret_open)
{
	*ret_open = NULL;
	ep_each(l, &ns->links) {
		struct ep_netns *peer;
		const struct ep_link *in = NULL;

		if (l->master != bridge || l == not )
			continue;
		peer = peer_of(w, ns, l, &in);
		if (peer && owns(peer, gw)) {
			*ret_in = in;
			return peer;
		}
		if (!peer)
			*ret_open = l;
	}
	return NULL;
}

static void to_bridge(struct ep_walk *w, struct ep_netns *ns, const struct ep_link *br,
		      const struct ep_link *from, const struct ep_addr *gw)
{
	const struct ep_link *in, *open;
	struct ep_netns *peer = behind_bridge(w, ns, br->ifindex, from, gw, &in, &open);

	if (bridge_chains(w))
		return;
	if (peer)
		enter(w, peer, in);
	else if (ns != w->ns && owns(ns, gw))
		enter(w, ns, br);
	else if (open && leads_off(open))
		off_host(w, br, gw);
	else if (open)
		ep_w_end(w, EP_UNKNOWN, "what is behind port %s of %s could not be read",
			 open->name, br->name);
	else
		nobody(w, gw);
}

static void to_veth(struct ep_walk *w, const struct ep_link *l, const struct ep_addr *gw)
{
	const struct ep_link *in = NULL, *br;
	struct ep_netns *peer = peer_of(w, w->ns, l, &in);

	if (!peer) {
		ep_w_end(w, EP_UNKNOWN, "what is behind %s could not be read", l->name);
		return;
	}
	br = in->master ? ep_link_by_index(peer, in->master) : NULL;
	if (br && !strcmp(br->kind, "bridge"))
		to_bridge(w, peer, br, in, gw);
	else if (owns(peer, gw))
		enter(w, peer, in);
	else
		nobody(w, gw);
}

/* macvlan and ipvlan: siblings on the same lower device, in other namespaces. */
static struct ep_netns *sibling(struct ep_walk *w, const struct ep_link *lower,
				const struct ep_addr *gw, const struct ep_link **ret)
{
	ep_each(n, &w->s->netns) {
		if (*n == w->ns || ep_netns_need(w->s, *n, EP_NEED_LINKS) || !owns(*n, gw))
			continue;
		ep_each(l, &(*n)->links)
			if ((!strcmp(l->kind, "macvlan") || !strcmp(l->kind, "ipvlan")) &&
			    l->peer_ifindex == lower->ifindex && l->peer_netns == w->ns->ino) {
				*ret = l;
				return *n;
			}
	}
	return NULL;
}

void ep_w_transmit(struct ep_walk *w, const struct ep_fib *fib)
{
	const struct ep_link *l = fib->out, *in;
	struct ep_netns *n;

	if (!l) {
		ep_w_end(w, EP_UNKNOWN, "the route names no device");
		return;
	}
	if (!strcmp(l->kind, "veth")) {
		to_veth(w, l, &fib->gw);
	} else if (!strcmp(l->kind, "bridge")) {
		to_bridge(w, w->ns, l, NULL, &fib->gw);
	} else if (!strcmp(l->kind, "dummy")) {
		ep_w_end(w, EP_UNREACHABLE, "dummy device %s swallows it", l->name);
	} else {
		n = sibling(w, l, &fib->gw, &in);
		if (n)
			ep_w_end(w, EP_UNKNOWN, "a %s on %s: the lower device may not reach it",
				 in->kind, l->name);
		else
			off_host(w, l, &fib->gw);
	}
}
