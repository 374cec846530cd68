// SPDX-License-Identifier: GPL-2.0-or-later
/* Out of a device: into the neighbour's namespace on this host, off the host, or to nobody. */
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <string.h>

#include "walk/path.h"

#define EP_MAX_BRIDGES 4

/* ---- who has the next hop's address ---- */

/* A bridge that the frame crosses: in by from (NULL: sent by its own host), out by port. */
struct crossing {
	struct ep_netns *ns;
	const struct ep_link *bridge, *from, *port;
};

struct search {
	struct ep_walk *w;
	const struct ep_addr *gw;
	/* the owner: the namespace, and the device where the packet arrives */
	struct ep_netns *ns;
	const struct ep_link *in;
	struct crossing crossed[EP_MAX_BRIDGES];
	unsigned n_crossed;
	/* ports behind which it may be as well */
	const struct ep_link *unread, *leads_off;
};

static bool is_kind(const struct ep_link *l, const char *kind)
{
	return !strcmp(l->kind, kind);
}

static bool works(const struct ep_link *l)
{
	return l->flags & IFF_UP;
}

/* Kinds of devices that lead to no other place than another namespace of this host. */
static bool leads_off(const struct ep_link *l)
{
	static const char *const inner[] = {"veth", "netkit", "dummy", "bridge", "ifb", "nlmon"};

	for (size_t i = 0; i < EP_ARRAY_SIZE(inner); i++)
		if (is_kind(l, inner[i]))
			return false;
	return true;
}

static bool owns(const struct ep_netns *ns, const struct ep_addr *a)
{
	return ep_ifaddr_find(ns, a) != NULL;
}

/* The other end of a veth, and its namespace; NULL if it is not known or could not be read. */
static struct ep_netns *peer_of(struct ep_walk *w, const struct ep_link *l,
				const struct ep_link **ret)
{
	struct ep_netns *peer;

	if (!is_kind(l, "veth") || !l->peer_ifindex || !l->peer_netns)
		return NULL;
	peer = ep_netns_find(w->s, l->peer_netns);
	if (!peer || ep_netns_need(w->s, peer, EP_NEED_LINKS))
		return NULL;
	*ret = ep_link_by_index(peer, l->peer_ifindex);
	return *ret ? peer : NULL;
}

/* Worth a look before others: read already, or a container there is known to have the address. */
static bool likely(const struct search *s, const struct ep_link *l)
{
	const struct ep_netns *peer = ep_netns_find(s->w->s, l->peer_netns);

	if (peer && peer->have & EP_NEED_LINKS)
		return true;
	ep_each(c, &s->w->s->containers) {
		if ((*c)->netns != l->peer_netns)
			continue;
		ep_each(a, &(*c)->addrs)
			if (ep_addr_eq(&a->addr, s->gw))
				return true;
	}
	return false;
}

static bool arrive(struct search *s, struct ep_netns *ns, const struct ep_link *in);

static bool try_port(struct search *s, const struct ep_link *port)
{
	const struct ep_link *in = NULL;
	struct ep_netns *peer;

	if (!works(port))
		return false;
	if (!is_kind(port, "veth")) {
		if (leads_off(port))
			s->leads_off = port;
		else
			s->unread = port;
		return false;
	}
	peer = peer_of(s->w, port, &in);
	if (!peer)
		s->unread = port;
	return peer && arrive(s, peer, in);
}

/* The frame is on a bridge: it is for the bridge's own host, or behind one of the other ports. */
static bool on_bridge(struct search *s, struct ep_netns *ns, const struct ep_link *bridge,
		      const struct ep_link *from)
{
	struct crossing *c;

	if (!works(bridge))
		return false;
	if (from && owns(ns, s->gw)) {
		s->ns = ns;
		s->in = bridge;
		return true;
	}
	if (s->n_crossed == EP_MAX_BRIDGES) {
		s->unread = bridge;
		return false;
	}
	c = &s->crossed[s->n_crossed++];
	*c = (struct crossing){.ns = ns, .bridge = bridge, .from = from};
	for (int pass = 0; pass < 2; pass++)
		ep_each(l, &ns->links) {
			if (l->master != bridge->ifindex || l == from || likely(s, l) != !pass)
				continue;
			c->port = l;
			if (try_port(s, l))
				return true;
		}
	s->n_crossed--;
	return false;
}

/* The frame comes in by a device; true if its namespace is the owner's, or a bridge leads there. */
static bool arrive(struct search *s, struct ep_netns *ns, const struct ep_link *in)
{
	const struct ep_link *master = in->master ? ep_link_by_index(ns, in->master) : NULL;

	if (!works(in))
		return false;
	if (master && is_kind(master, "bridge"))
		return on_bridge(s, ns, master, in);
	if (!owns(ns, s->gw) && !(in->flags & IFF_NOARP))
		return false;
	s->ns = ns;
	s->in = in;
	return true;
}

/* ---- going there ---- */

/* What does not cross to another namespace, or device, is cleared (skb_scrub_packet). */
static void scrub(struct ep_walk *w, struct ep_netns *ns, const struct ep_link *in)
{
	struct ep_pkt p = {
		.alen = w->p.alen,
		.saddr = w->p.saddr,
		.sport = w->p.sport,
		.daddr = w->p.daddr,
		.dport = w->p.dport,
		.mark = ns == w->ns ? w->p.mark : 0,
		.in = in,
		.pkttype = PACKET_HOST,
	};

	w->p = p;
	w->ns = ns;
}

/* br_netfilter shows bridged packets to iptables and nft's ip, ip6 and inet families. */
static bool bridged_hooks(struct ep_walk *w, const struct ep_link *bridge)
{
	struct ep_addr daddr = w->p.daddr;
	int on = w->p.alen == 4 ? w->ns->bridge_nf_call_ip : w->ns->bridge_nf_call_ip6;

	if (on <= 0)
		return true;
	if (ep_w_hook(w, NF_INET_PRE_ROUTING))
		return false;
	if (!ep_addr_eq(&daddr, &w->p.daddr)) {
		ep_w_end(w, EP_UNKNOWN, "translated while it was bridged by %s", bridge->name);
		return false;
	}
	w->p.out = bridge;
	return !ep_w_hook(w, NF_INET_FORWARD) && !ep_w_hook(w, NF_INET_POST_ROUTING);
}

static bool cross(struct ep_walk *w, const struct crossing *c)
{
	if (!c->from)
		return ep_path_bridge_rules(w, 1u << NF_BR_LOCAL_OUT | 1u << NF_BR_POST_ROUTING) &&
		       ep_path_programs(w, c->port, true);
	scrub(w, c->ns, c->bridge);
	return ep_path_enter(w) && ep_path_programs(w, c->from, false) &&
	       ep_path_bridge_rules(w, 1u << NF_BR_PRE_ROUTING | 1u << NF_BR_FORWARD |
					       1u << NF_BR_POST_ROUTING) &&
	       bridged_hooks(w, c->bridge) && ep_path_programs(w, c->port, true);
}

static void enter(struct search *s)
{
	struct ep_walk *w = s->w;
	struct ep_step *step;

	for (unsigned i = 0; i < s->n_crossed; i++)
		if (!cross(w, &s->crossed[i]))
			return;
	scrub(w, s->ns, s->in);
	step = ep_w_step(w, EP_STEP_HOP);
	step->action = "enters";
	step->to = s->in->name;
	ep_w_receive(w);
}

/* ---- or not ---- */

static void off_host(struct ep_walk *w, const struct ep_link *l, const struct ep_addr *gw)
{
	char buf[EP_ADDRSTR];

	w->end_dev = l->name;
	ep_w_end(w, EP_FORWARDED, "leaves this host by %s to %s", l->name, ep_addr_str(gw, buf));
}

static void not_found(struct search *s, const struct ep_link *out)
{
	char buf[EP_ADDRSTR];

	s->w->end_dev = out->name;
	if (s->unread)
		ep_w_end(s->w, EP_UNKNOWN, "what is behind %s could not be read", s->unread->name);
	else if (s->leads_off)
		off_host(s->w, out, s->gw);
	else
		ep_w_end(s->w, EP_UNREACHABLE, "nobody on this host has %s",
			 ep_addr_str(s->gw, buf));
}

static void to_veth(struct search *s, const struct ep_link *l)
{
	const struct ep_link *in = NULL;
	struct ep_netns *peer = peer_of(s->w, l, &in);

	if (!peer)
		s->unread = l;
	if (peer && arrive(s, peer, in))
		enter(s);
	else
		not_found(s, l);
}

static void to_bridge(struct search *s, const struct ep_link *l)
{
	if (on_bridge(s, s->w->ns, l, NULL))
		enter(s);
	else
		not_found(s, l);
}

static void to_dummy(struct search *s, const struct ep_link *l)
{
	s->w->end_dev = l->name;
	ep_w_end(s->w, EP_UNREACHABLE, "dummy device %s swallows it", l->name);
}

static void to_nowhere(struct search *s, const struct ep_link *l)
{
	s->w->end_dev = l->name;
	ep_w_end(s->w, EP_UNKNOWN, "what is behind %s (%s) is not followed", l->name, l->kind);
}

/* Devices on top of another one: off the host if that one is. */
static void to_stacked(struct search *s, const struct ep_link *l)
{
	const struct ep_link *low =
		l->peer_netns == s->w->ns->ino ? ep_link_by_index(s->w->ns, l->peer_ifindex) : NULL;

	if (low && leads_off(low))
		off_host(s->w, l, s->gw);
	else
		to_nowhere(s, l);
}

/* In bridge mode its siblings in other namespaces are reached, which the mode is not told for. */
static void to_macvlan(struct search *s, const struct ep_link *l)
{
	ep_each(n, &s->w->s->netns) {
		if (*n == s->w->ns || ep_netns_need(s->w->s, *n, EP_NEED_LINKS) || !owns(*n, s->gw))
			continue;
		ep_each(x, &(*n)->links)
			if (!strcmp(x->kind, l->kind) && x->peer_ifindex == l->peer_ifindex &&
			    x->peer_netns == l->peer_netns) {
				to_nowhere(s, l);
				return;
			}
	}
	to_stacked(s, l);
}

static const struct {
	const char *kind;
	void (*to)(struct search *s, const struct ep_link *l);
} kinds[] = {
	{"veth", to_veth},      {"bridge", to_bridge},   {"dummy", to_dummy},
	{"ifb", to_dummy},      {"netkit", to_nowhere},  {"vlan", to_stacked},
	{"macsec", to_stacked}, {"macvlan", to_macvlan}, {"macvtap", to_macvlan},
	{"ipvlan", to_macvlan}, {"ipvtap", to_macvlan},
};

void ep_w_transmit(struct ep_walk *w, const struct ep_fib *fib)
{
	const struct ep_link *l = fib->out;
	struct search s = {.w = w, .gw = &fib->gw};

	if (!l) {
		ep_w_end(w, EP_UNKNOWN, "the route names no device");
		return;
	}
	if (!ep_path_programs(w, l, true))
		return;
	if (fib->route) {
		ep_each(h, &fib->route->hops)
			if (h->flags & EP_NH_ENCAP) {
				ep_w_end(w, EP_UNKNOWN, "the route by %s encapsulates", l->name);
				return;
			}
	}
	for (size_t i = 0; i < EP_ARRAY_SIZE(kinds); i++)
		if (is_kind(l, kinds[i].kind)) {
			kinds[i].to(&s, l);
			return;
		}
	if (l->flags & IFF_LOOPBACK)
		to_nowhere(&s, l);
	else
		off_host(w, l, &fib->gw);
}
