// SPDX-License-Identifier: GPL-2.0-or-later
/* A frame's way: into the neighbour's namespace on this host, off the host, or to nobody. */
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <string.h>

#include "walk/bytes.h"
#include "walk/fib.h"
#include "walk/link.h"
#include "walk/path.h"

/* ---- the frame's addresses ---- */

struct ep_val ep_l2_mac(const uint8_t *mac)
{
	struct ep_val v = {.var = -1};

	for (int i = 0; i < 6; i++)
		v.c = v.c << 8 | mac[i];
	return v;
}

static struct ep_val mac_or_open(struct ep_walk *w, const uint8_t *mac, const char *what)
{
	struct ep_val v = {};

	if (mac)
		v = ep_l2_mac(mac);
	if (mac && v.c)
		return v;
	return ep_w_field(w, w->hops > 1 ? ep_w_sprintf(w, "%s at hop %u", what, w->hops) : what,
			  48, ~(ep_u128)0);
}

static void frame(struct ep_walk *w, const struct ep_link *l, const uint8_t *smac,
		  const uint8_t *dmac)
{
	w->p.framed = l->type == ARPHRD_ETHER;
	w->p.remac = false;
	if (!w->p.framed)
		return;
	w->p.smac = mac_or_open(w, smac, "ether saddr");
	w->p.dmac = mac_or_open(w, dmac, "ether daddr");
}

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
		.framed = w->p.framed,
		.smac = w->p.smac,
		.dmac = w->p.dmac,
		.remac = w->p.remac,
	};

	w->p = p;
	w->ns = ns;
}

/* ---- along a way ---- */

/* eth_type_trans(): others' frames end here. */
static bool is_for(const struct ep_walk *w, const struct ep_link *dev)
{
	struct ep_val mac = ep_l2_mac(dev->mac);

	if (w->p.dmac.var >= 0 || !mac.c || mac.c == w->p.dmac.c)
		return true;
	if (strcmp(dev->kind, "bridge"))
		return false;
	ep_each(l, &w->ns->links)
		if (l->master == dev->ifindex && ep_l2_mac(l->mac).c == w->p.dmac.c)
			return true;
	return false;
}

static void ended_at(struct ep_walk *w, struct ep_netns *ns, const struct ep_link *dev)
{
	struct ep_step *step;

	w->p.in = dev;
	w->p.out = NULL;
	w->ns = ns;
	if (w->p.remac && !is_for(w, dev)) {
		ep_w_end(w, EP_DROPPED, "%s is not the one whose MAC address a rule gave it",
			 dev->name);
		return;
	}
	if (w->hops > 1) {
		step = ep_w_step(w, EP_STEP_HOP);
		step->action = "enters";
		step->to = dev->name;
	}
	ep_path_ip(w);
}

static void off_host(struct ep_walk *w, const struct ep_link *l, const struct ep_addr *gw)
{
	char buf[EP_ADDRSTR];

	w->end_dev = l->name;
	ep_w_end(w, EP_FORWARDED, "leaves this host by %s to %s", l->name,
		 gw ? ep_addr_str(gw, buf) : "a station there");
}

static void not_found(struct ep_l2_search *s, const struct ep_link *out)
{
	struct ep_walk *w = s->w;
	char buf[EP_ADDRSTR];

	w->end_dev = out->name;
	if (s->unread && s->why)
		ep_w_end(w, EP_UNKNOWN, "%s %s", s->unread->name, s->why);
	else if (s->unread)
		ep_w_end(w, EP_UNKNOWN, "what is behind %s could not be read", s->unread->name);
	else if (s->deaf)
		ep_w_end(w, EP_UNREACHABLE, "%s (%s) has %s, which its parent %s does not reach",
			 s->deaf->name, s->deaf->kind,
			 s->who.addr ? ep_addr_str(s->who.addr, buf) : "it", s->off.dev->name);
	else if (!strcmp(out->kind, "dummy") || !strcmp(out->kind, "ifb"))
		ep_w_end(w, EP_UNREACHABLE, "%s device %s swallows it", out->kind, out->name);
	else if (s->who.addr && !s->who.mac)
		ep_w_end(w, EP_UNREACHABLE, "nobody on this host has %s",
			 ep_addr_str(s->who.addr, buf));
	else
		ep_w_end(w, EP_DROPPED, "nobody behind %s has the MAC address that it is sent to",
			 out->name);
}

/* The packet goes on as routing of the namespace that it is in now. */
static bool is_in(struct ep_walk *w, struct ep_netns *ns)
{
	if (w->ns == ns)
		return true;
	w->ns = ns;
	return ep_path_enter(w);
}

static bool follow(struct ep_walk *w, const struct ep_l2_way *way);

/* On from a bridge that has decided; the way begins with it. */
static void bridge_way(struct ep_walk *w, const struct ep_link *from, const struct ep_l2_way *found)
{
	struct ep_l2_way way = *found;
	bool up = way.v[0].kind == EP_L2_HOST;

	if (!(up ? ep_bridge_up(w, way.v[0].dev, from) : ep_bridge_on(w, from, way.v[0].port)))
		return;
	for (unsigned i = 1; i < way.n; i++)
		way.v[i - 1] = way.v[i];
	way.n--;
	if (follow(w, &way))
		ended_at(w, way.ns, way.dev);
}

/* Translated while it was bridged: the bridge sends it to the new neighbour by itself. */
static bool bridge_anew(struct ep_walk *w, const struct ep_link *from)
{
	struct ep_addr gw = w->p.gw;
	struct ep_l2_search s = {.w = w, .who = {.addr = &gw}}, behind = s;

	if (!from) {
		ep_w_end(w, EP_UNKNOWN, "translated while it was bridged by %s, from no known port",
			 w->bridge->name);
		return false;
	}
	if (!ep_l2_find_from(&s, w->ns, from)) {
		if (s.n_off && !s.unread)
			off_host(w, w->bridge, &gw);
		else if (ep_l2_find(&behind, w->ns, w->bridge))
			ep_w_end(w, EP_DROPPED, "it would leave %s by %s, where it came in",
				 w->bridge->name, from->name);
		else
			not_found(&s, w->bridge);
		return false;
	}
	w->p.dmac = ep_l2_mac(s.way.dev->mac);
	bridge_way(w, from, &s.way);
	return false;
}

/* A rule before the bridge's decision gave the frame another destination. */
static bool bridge_by_mac(struct ep_walk *w, const struct ep_link *bridge,
			  const struct ep_link *from)
{
	struct ep_l2_search s = {.w = w};
	uint8_t mac[6];

	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)(w->p.dmac.c >> (5 - i) * 8);
	s.who.mac = mac;
	if (!from) {
		ep_w_end(w, EP_UNKNOWN, "its MAC address was changed on %s, at no known port",
			 bridge->name);
	} else if (is_for(w, bridge)) {
		w->p.pkttype = PACKET_HOST;
		if (ep_bridge_up(w, bridge, from))
			ended_at(w, w->ns, bridge);
	} else if (ep_l2_find_from(&s, w->ns, from)) {
		bridge_way(w, from, &s.way);
	} else {
		not_found(&s, bridge);
	}
	return false;
}

/* Which of its ports are in which VLAN is not read. */
static bool untagged(struct ep_walk *w, const struct ep_link *bridge)
{
	if (bridge->vlan_filtering &&
	    ep_w_unknown(w, "bridge %s keeps its ports in VLANs", bridge->name))
		ep_w_end(w, EP_UNKNOWN, "bridge %s keeps its ports in VLANs, which are not read",
			 bridge->name);
	return !w->ended;
}

static bool on_bridge(struct ep_walk *w, const struct ep_l2_hop *h)
{
	bool up = h->kind == EP_L2_HOST;
	struct ep_val dmac;

	if (!is_in(w, h->ns) || !untagged(w, h->dev))
		return false;
	if (!h->from && !up)
		return ep_bridge_on(w, NULL, h->port);
	w->p.pkttype = up ? PACKET_HOST : PACKET_OTHERHOST;
	dmac = w->p.dmac;
	switch (ep_bridge_in(w, h->dev, h->from)) {
	case EP_BR_ON:
		if (w->p.framed && w->p.dmac.var < 0 && (dmac.var >= 0 || dmac.c != w->p.dmac.c))
			return bridge_by_mac(w, h->dev, h->from);
		return up ? ep_bridge_up(w, h->dev, h->from) : ep_bridge_on(w, h->from, h->port);
	case EP_BR_HOST:
		if (ep_bridge_up(w, h->dev, h->from))
			ended_at(w, h->ns, h->dev);
		return false;
	case EP_BR_NEW:
		return bridge_anew(w, h->from);
	case EP_BR_ROUTED:
		w->p.pkttype = PACKET_HOST;
		ended_at(w, h->ns, h->from);
		return false;
	case EP_BR_ENDED:
		break;
	}
	return false;
}

/* False if the run has ended, or the frame went another way. */
static bool follow(struct ep_walk *w, const struct ep_l2_way *way)
{
	for (unsigned i = 0; i < way->n && !w->ended; i++) {
		const struct ep_l2_hop *h = &way->v[i];

		switch (h->kind) {
		case EP_L2_OUT:
			if (!is_in(w, h->ns) || !ep_dev_egress(w, h->dev))
				return false;
			break;
		case EP_L2_IN:
			scrub(w, h->ns, h->dev);
			if (!ep_path_enter(w) || !ep_dev_ingress(w, h->dev))
				return false;
			break;
		case EP_L2_WITHIN:
			if (!is_in(w, h->ns))
				return false;
			w->p.in = h->dev;
			if (!ep_dev_ingress(w, h->dev))
				return false;
			break;
		case EP_L2_BRIDGE:
		case EP_L2_HOST:
			if (!on_bridge(w, h))
				return false;
			break;
		}
	}
	return !w->ended;
}

void ep_l2_follow(struct ep_walk *w, const struct ep_l2_way *way)
{
	if (follow(w, way))
		ended_at(w, way->ns, way->dev);
}

bool ep_l2_up(struct ep_walk *w, const struct ep_link *bridge, const struct ep_link *port)
{
	struct ep_l2_hop h = {.kind = EP_L2_HOST, .ns = w->ns, .dev = bridge, .from = port};

	return on_bridge(w, &h);
}

/* ---- sending ---- */

void ep_l2_send(struct ep_walk *w, const struct ep_link *l, const struct ep_l2_who *who)
{
	struct ep_l2_search s = {.w = w, .who = *who};

	if (++w->sends > 4 * EP_MAX_HOPS) {
		ep_w_end(w, EP_UNKNOWN, "sent more than %d times in a row", 4 * EP_MAX_HOPS);
		return;
	}
	if (ep_l2_find(&s, w->ns, l)) {
		if (!who->keep)
			frame(w, l, l->mac, who->mac ? who->mac : s.way.dev->mac);
		if (follow(w, &s.way))
			ended_at(w, s.way.ns, s.way.dev);
		return;
	}
	if (!s.n_off || s.unread || s.deaf) {
		not_found(&s, l);
		return;
	}
	if (!who->keep)
		frame(w, l, l->mac, who->mac);
	if (follow(w, &s.off))
		off_host(w, l, who->addr);
}

void ep_w_transmit(struct ep_walk *w, const struct ep_fib *fib)
{
	const struct ep_link *l = fib->out;
	const struct ep_neigh *fixed;
	struct ep_l2_who who = {.addr = &fib->gw};

	if (!l) {
		ep_w_end(w, EP_UNKNOWN, "the route names no device");
		return;
	}
	if (fib->route) {
		ep_each(h, &fib->route->hops)
			if (h->flags & EP_NH_ENCAP) {
				ep_w_end(w, EP_UNKNOWN, "the route by %s encapsulates", l->name);
				return;
			}
	}
	if (l->flags & IFF_LOOPBACK) {
		ep_w_end(w, EP_UNKNOWN, "what is behind %s is not followed", l->name);
		return;
	}
	fixed = ep_l2_static(w->ns, l, &fib->gw);
	if (fixed && !(l->flags & IFF_NOARP))
		who.mac = fixed->mac;
	ep_l2_send(w, l, &who);
}
