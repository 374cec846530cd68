// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who takes a frame: the one whom ARP (RFC 826) or neighbour discovery (RFC 4861) would find for an
 * address, or who has a MAC address; and the way there through this host's devices.
 */
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "walk/fib.h"
#include "walk/link.h"
#include "walk/path.h"

static bool ask_in(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *in);
static bool ask_out(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *dev);
static bool inside(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *in);

static bool is_kind(const struct ep_link *l, const char *kind)
{
	return !strcmp(l->kind, kind);
}

static bool works(const struct ep_link *l)
{
	return l->flags & IFF_UP;
}

/* ---- who answers ---- */

/* arp_ignore(): which of its addresses a host answers for on which device. */
static bool arp_answers(const struct ep_netns *ns, const struct ep_link *in,
			const struct ep_ifaddr *i)
{
	int mode = ns->arp_ignore_all > in->arp_ignore ? ns->arp_ignore_all : in->arp_ignore;

	switch (mode) {
	case 1:
	case 2:
		return i->ifindex == in->ifindex;
	case 3:
		return i->scope != RT_SCOPE_HOST;
	case 8:
		return false;
	}
	return true;
}

bool ep_l2_owns(const struct ep_netns *ns, const struct ep_link *in, const struct ep_addr *a)
{
	ep_each(i, &ns->addrs) {
		if (!ep_addr_eq(&i->addr, a))
			continue;
		/* ndisc_recv_ns(): an address is found on its own device alone */
		if (a->len == 4 ? arp_answers(ns, in, i) :
				  i->ifindex == in->ifindex && !(i->flags & IFA_F_TENTATIVE))
			return true;
	}
	return false;
}

const struct ep_neigh *ep_l2_static(const struct ep_netns *ns, const struct ep_link *dev,
				    const struct ep_addr *a)
{
	ep_each(n, &ns->neighs)
		if (!(n->flags & NTF_PROXY) && n->ifindex == dev->ifindex &&
		    ep_addr_eq(&n->addr, a))
			return n;
	return NULL;
}

static bool listed_proxy(const struct ep_netns *ns, const struct ep_link *in,
			 const struct ep_addr *a)
{
	ep_each(n, &ns->neighs)
		if (n->flags & NTF_PROXY && (!n->ifindex || n->ifindex == in->ifindex) &&
		    ep_addr_eq(&n->addr, a))
			return true;
	return false;
}

/* arp_process(), arp_fwd_proxy(): for what it would route on by another device, and for what its
 * routes call local. */
static bool arp_proxies(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *in)
{
	bool on = in->proxy_arp > 0 || ns->proxy_arp_all > 0;
	struct ep_flow q = {.dst = *s->who.addr, .src = s->w->p.saddr, .iif = in->ifindex};
	struct ep_fib f = {};

	if (ep_netns_need(s->w->s, ns, EP_NEED_ROUTES))
		return false;
	if (ep_fib_addr_type(s->w, ns, s->who.addr, 0, NULL) == RTN_LOCAL)
		return !ep_ifaddr_find(ns, s->who.addr);
	if (!(on || listed_proxy(ns, in, s->who.addr)) ||
	    (in->forwarding4 >= 0 ? in->forwarding4 : ns->ip_forward) <= 0)
		return false;
	ep_fib_lookup(s->w, ns, &q, &f);
	return f.type == RTN_UNICAST && f.out && f.out != in;
}

static bool ndp_proxies(struct ep_l2_search *s, const struct ep_netns *ns, const struct ep_link *in)
{
	return (in->proxy_ndp > 0 || ns->proxy_ndp_all > 0) && in->forwarding6 > 0 &&
	       listed_proxy(ns, in, s->who.addr);
}

static bool has_mac(const struct ep_netns *ns, const struct ep_link *in, const uint8_t *mac)
{
	if (!memcmp(in->mac, mac, sizeof(in->mac)))
		return true;
	if (!is_kind(in, "bridge"))
		return false;
	ep_each(l, &ns->links) /* a bridge takes what is for its ports, too */
		if (l->master == in->ifindex && !memcmp(l->mac, mac, sizeof(l->mac)))
			return true;
	return false;
}

static bool answers(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *in)
{
	if (s->who.mac)
		return has_mac(ns, in, s->who.mac);
	if ((in->flags & IFF_NOARP && !s->own) || ep_l2_owns(ns, in, s->who.addr))
		return true;
	return s->routes &&
	       (s->who.addr->len == 4 ? arp_proxies(s, ns, in) : ndp_proxies(s, ns, in));
}

/* ---- the way ---- */

static struct ep_l2_hop *push(struct ep_l2_search *s, enum ep_l2_kind kind, struct ep_netns *ns,
			      const struct ep_link *dev)
{
	struct ep_l2_hop *h;

	if (s->way.n == EP_MAX_L2) {
		s->unread = dev;
		s->why = "is too many devices away";
		return NULL;
	}
	h = &s->way.v[s->way.n++];
	*h = (struct ep_l2_hop){.kind = kind, .ns = ns, .dev = dev};
	return h;
}

static bool found(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *dev)
{
	s->way.ns = ns;
	s->way.dev = dev;
	return true;
}

/* One more step; taken back if it leads nowhere. */
static bool step(struct ep_l2_search *s, enum ep_l2_kind kind, struct ep_netns *ns,
		 const struct ep_link *dev,
		 bool (*next)(struct ep_l2_search *, struct ep_netns *, const struct ep_link *))
{
	if (!push(s, kind, ns, dev))
		return false;
	if (next(s, ns, dev))
		return true;
	s->way.n--;
	return false;
}

static void not_known(struct ep_l2_search *s, const struct ep_link *l, const char *why)
{
	s->unread = l;
	s->why = why;
}

/* The other end of a pair, and its namespace; NULL if it is not known or could not be read. */
static struct ep_netns *peer_of(struct ep_walk *w, const struct ep_link *l,
				const struct ep_link **ret)
{
	struct ep_netns *peer =
		l->peer_ifindex && l->peer_netns ? ep_netns_find(w->s, l->peer_netns) : NULL;

	if (!peer || ep_netns_need(w->s, peer, EP_NEED_LINKS))
		return NULL;
	*ret = ep_link_by_index(peer, l->peer_ifindex);
	return *ret ? peer : NULL;
}

/* ---- bridges ---- */

/* Worth a look before others: read already, or a container there is known to have the address. */
static bool likely(const struct ep_l2_search *s, const struct ep_link *l)
{
	const struct ep_netns *peer = ep_netns_find(s->w->s, l->peer_netns);

	if (peer && peer->have & EP_NEED_LINKS)
		return true;
	ep_each(c, &s->w->s->containers) {
		if (!s->who.addr || (*c)->netns != l->peer_netns)
			continue;
		ep_each(a, &(*c)->addrs)
			if (ep_addr_eq(&a->addr, s->who.addr))
				return true;
	}
	return false;
}

/* should_deliver() */
static bool delivers(const struct ep_link *from, const struct ep_link *port)
{
	if (port->port_blocked)
		return false;
	return !from ||
	       (from == port ? port->port_hairpin : !(from->port_isolated && port->port_isolated));
}

typedef EP_VEC(const struct ep_link *) link_list;

/* The likely ones first; looking behind one may make others likely, so it is settled beforehand. */
static void order_ports(const struct ep_l2_search *s, const struct ep_netns *ns,
			const struct ep_link *bridge, const struct ep_link *from, link_list *ret)
{
	link_list rest = {};

	ep_each(l, &ns->links)
		if (l->master == bridge->ifindex && delivers(from, l))
			*ep_push(s->w->arena, likely(s, l) ? ret : &rest) = l;
	ep_each(l, &rest)
		*ep_push(s->w->arena, ret) = *l;
}

/* The frame is on a bridge: it is for the bridge's own host, or behind one of the other ports. */
static bool on_bridge(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *bridge,
		      const struct ep_link *from)
{
	link_list ports = {};
	struct ep_l2_hop *h;

	if (!works(bridge) || (from && from->port_blocked))
		return false;
	if (from) {
		h = push(s, EP_L2_HOST, ns, bridge);
		if (!h)
			return false;
		h->from = from;
		if (inside(s, ns, bridge))
			return true;
		s->way.n--;
	}
	order_ports(s, ns, bridge, from, &ports);
	ep_each(l, &ports) {
		h = push(s, EP_L2_BRIDGE, ns, bridge);
		if (!h)
			return false;
		h->from = from;
		h->port = *l;
		if (ask_out(s, ns, *l))
			return true;
		s->way.n--;
	}
	return false;
}

static bool sent_by_host(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *bridge)
{
	return on_bridge(s, ns, bridge, NULL);
}

/* ---- devices on top of others ---- */

static bool on_top(const struct ep_link *upper, const struct ep_netns *ns, const struct ep_link *l)
{
	return upper->peer_ifindex == l->ifindex && upper->peer_netns == ns->ino;
}

static bool shares_parent(const struct ep_link *l)
{
	return is_kind(l, "macvlan") || is_kind(l, "macvtap") || is_kind(l, "ipvlan") ||
	       is_kind(l, "ipvtap");
}

/* Does `visit` take one of the devices that share the parent? They may be in any namespace. */
static bool each_child(struct ep_l2_search *s, const struct ep_netns *ns,
		       const struct ep_link *parent, const struct ep_link *but,
		       bool (*visit)(struct ep_l2_search *, struct ep_netns *,
				     const struct ep_link *))
{
	ep_each(n, &s->w->s->netns) {
		if (ep_netns_need(s->w->s, *n, EP_NEED_LINKS))
			continue;
		ep_each(c, &(*n)->links)
			if (c != but && shares_parent(c) && on_top(c, ns, parent) && works(c) &&
			    visit(s, *n, c))
				return true;
	}
	return false;
}

static bool child_takes(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *c)
{
	/* ipvlan's devices have one MAC, and are told apart by the packet's address. */
	if (!strncmp(c->kind, "ipvlan", 6) && (c->mode & 0xffff) == IPVLAN_MODE_L3S) {
		if (ep_ifaddr_find(ns, &s->w->p.daddr))
			not_known(s, c, "(ipvlan in mode l3s) is not followed");
		return false;
	}
	if (!strncmp(c->kind, "ipv", 3))
		return ep_ifaddr_find(ns, &s->w->p.daddr) && push(s, EP_L2_WITHIN, ns, c) &&
		       found(s, ns, c);
	return step(s, EP_L2_WITHIN, ns, c, inside);
}

static bool has_it(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *c)
{
	if (s->who.addr && ep_l2_owns(ns, c, s->who.addr))
		s->deaf = c;
	return s->deaf != NULL;
}

static bool is_passthru(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *c)
{
	(void)s;
	(void)ns;
	return !strncmp(c->kind, "macv", 4) && c->mode == MACVLAN_MODE_PASSTHRU;
}

/* A VLAN device on top of in takes the tag off. */
static bool untagged(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *in)
{
	uint16_t tag = s->vlan;

	s->vlan = 0;
	ep_each(l, &ns->links)
		if (is_kind(l, "vlan") && on_top(l, ns, in) && l->vlan_id == tag && works(l) &&
		    step(s, EP_L2_WITHIN, ns, l, inside))
			return true;
	s->vlan = tag;
	return false;
}

/* The frame is at a device: for whom, of those on top of it? */
static bool inside(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *in)
{
	const struct ep_link *master = in->master ? ep_link_by_index(ns, in->master) : NULL;

	if (s->vlan && untagged(s, ns, in))
		return true;
	if (master && is_kind(master, "bridge"))
		return on_bridge(s, ns, master, in);
	if (master && (is_kind(master, "bond") || is_kind(master, "team")))
		return step(s, EP_L2_WITHIN, ns, master, inside);
	if (s->vlan)
		return false;
	if (answers(s, ns, in) && !each_child(s, ns, in, NULL, is_passthru))
		return found(s, ns, in);
	return each_child(s, ns, in, NULL, child_takes);
}

/* ---- out of a device, by its kind ---- */

static bool out_pair(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *l)
{
	const struct ep_link *in = NULL;
	struct ep_netns *peer = peer_of(s->w, l, &in);

	(void)ns;
	if (!peer)
		not_known(s, l, NULL);
	return peer && ask_in(s, peer, in);
}

static bool sibling_bridged(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *c)
{
	return c->mode == MACVLAN_MODE_BRIDGE && step(s, EP_L2_WITHIN, ns, c, inside);
}

/* macvlan_queue_xmit(): in bridge mode siblings are reached through the parent's receiving side. */
static bool out_macvlan(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *l)
{
	const struct ep_link *parent = NULL;
	struct ep_netns *pns = peer_of(s->w, l, &parent);

	(void)ns;
	if (!pns) {
		not_known(s, l, NULL);
		return false;
	}
	if (l->mode == MACVLAN_MODE_BRIDGE && works(parent)) {
		if (!push(s, EP_L2_IN, pns, parent))
			return false;
		if (each_child(s, pns, parent, l, sibling_bridged))
			return true;
		s->way.n--;
	}
	return ask_out(s, pns, parent);
}

static bool sibling_by_address(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *c)
{
	return ep_ifaddr_find(ns, &s->w->p.daddr) && push(s, EP_L2_IN, ns, c) && found(s, ns, c);
}

/* ipvlan_xmit_mode_l2(), _l3(): a sibling by the packet's address, without the parent's say. */
static bool out_ipvlan(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *l)
{
	const struct ep_link *parent = NULL;
	struct ep_netns *pns = peer_of(s->w, l, &parent);

	(void)ns;
	if (!pns) {
		not_known(s, l, NULL);
		return false;
	}
	if (!(l->mode & (EP_IPVLAN_PRIVATE | EP_IPVLAN_VEPA)) &&
	    each_child(s, pns, parent, l, sibling_by_address))
		return true;
	if ((l->mode & 0xffff) == IPVLAN_MODE_L2)
		return ask_out(s, pns, parent);
	not_known(s, l, "(ipvlan that routes) is not followed");
	return false;
}

static bool out_vlan(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *l)
{
	const struct ep_link *parent = NULL;
	struct ep_netns *pns = peer_of(s->w, l, &parent);
	bool ok;

	(void)ns;
	if (!pns || s->vlan) {
		not_known(s, l, s->vlan ? "(VLAN in a VLAN) is not followed" : NULL);
		return false;
	}
	s->vlan = l->vlan_id;
	ok = ask_out(s, pns, parent);
	s->vlan = 0;
	return ok;
}

/* What comes out of it below is for its like alone. */
static bool out_macsec(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *l)
{
	const struct ep_link *parent = NULL;
	struct ep_netns *pns = peer_of(s->w, l, &parent);

	(void)ns;
	if (!pns || ask_out(s, pns, parent))
		not_known(s, l, "(macsec) is not followed");
	return false;
}

static bool out_bond(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *l)
{
	ep_each(port, &ns->links)
		if (port->master == l->ifindex && ask_out(s, ns, port))
			return true;
	return false;
}

static bool out_nowhere(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *l)
{
	(void)s;
	(void)ns;
	(void)l;
	return false;
}

static bool out_off(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *l)
{
	if (!s->n_off++) {
		s->off = s->way;
		s->off.ns = ns;
		s->off.dev = l;
	}
	return false;
}

static const struct {
	const char *kind;
	bool (*out)(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *l);
} kinds[] = {
	{"veth", out_pair},       {"netkit", out_pair},     {"bridge", sent_by_host},
	{"macvlan", out_macvlan}, {"macvtap", out_macvlan}, {"ipvlan", out_ipvlan},
	{"ipvtap", out_ipvlan},   {"vlan", out_vlan},       {"macsec", out_macsec},
	{"bond", out_bond},       {"team", out_bond},       {"dummy", out_nowhere},
	{"ifb", out_nowhere},     {"nlmon", out_nowhere},
};

static bool out_by_kind(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *l)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(kinds); i++)
		if (is_kind(l, kinds[i].kind))
			return kinds[i].out(s, ns, l);
	return out_off(s, ns, l);
}

static bool ask_out(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *dev)
{
	return works(dev) && step(s, EP_L2_OUT, ns, dev, out_by_kind);
}

static bool ask_in(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *in)
{
	return works(in) && step(s, EP_L2_IN, ns, in, inside);
}

/* ---- the two questions ---- */

static bool twice(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *dev,
		  bool (*ask)(struct ep_l2_search *, struct ep_netns *, const struct ep_link *))
{
	s->routes = false;
	s->n_off = 0;
	if (ask(s, ns, dev))
		return true;
	if (s->own || s->who.mac || s->unread)
		return false;
	s->routes = true;
	s->n_off = 0;
	return ask(s, ns, dev);
}

bool ep_l2_find(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *dev)
{
	if (twice(s, ns, dev, ask_out))
		return true;
	/* macvlan: what the parent sends does not reach the devices on top of it. */
	if (s->n_off && !s->who.mac)
		each_child(s, s->off.ns, s->off.dev, NULL, has_it);
	return false;
}

bool ep_l2_find_from(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *port)
{
	return twice(s, ns, port, inside);
}
