// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rules that a frame meets on a bridge: chains of the bridge family, and br_netfilter, which shows
 * bridged packets to the rules for IP as if the bridge were a router (br_netfilter_hooks.c).
 */
#include <netinet/in.h>
#include <limits.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "walk/link.h"
#include "walk/path.h"

static const struct ep_link *bridge_of(const struct ep_walk *w, const struct ep_link *port)
{
	return port ? ep_link_by_index(w->ns, port->master) : NULL;
}

/* For the whole namespace, or for this bridge. */
static bool nf_calls(const struct ep_walk *w, const struct ep_link *bridge)
{
	bool v4 = w->p.alen == 4;
	int all = v4 ? w->ns->bridge_nf_call_ip : w->ns->bridge_nf_call_ip6;

	return all > 0 ||
	       (all == 0 && bridge && (v4 ? bridge->nf_call_ip : bridge->nf_call_ip6) > 0);
}

bool ep_bridge_nf_at(const struct ep_walk *w, unsigned hooknum, int32_t *priority)
{
	*priority = hooknum == NF_BR_POST_ROUTING ? NF_BR_PRI_LAST : NF_BR_PRI_BRNF;
	switch (hooknum) {
	case NF_BR_PRE_ROUTING:
		return nf_calls(w, w->bridge);
	case NF_BR_FORWARD:
		return w->p.br_nf;
	case NF_BR_POST_ROUTING: /* a routed packet has had it */
		return w->p.br_nf && w->p.phys_out;
	}
	return false;
}

/* ---- br_nf_pre_routing_finish(): translated while it was bridged ---- */

/* What has no route, or may not be routed, goes up as well: the IP stack ends it. */
static enum ep_bridged where_now(struct ep_walk *w)
{
	struct ep_fib f = {};
	const char *why = NULL;

	if (w->hops == 1 && ep_fib_hopeless_source(w))
		why = "martian source: no client can have it";
	if (why || !ep_fib_martian_free(w, &why)) {
		ep_w_end(w, EP_DROPPED, "%s", why);
		return EP_BR_ENDED;
	}
	ep_path_lookup(w, false, &f);
	if (f.type != RTN_UNICAST || f.out != w->p.in)
		return EP_BR_HOST;
	if (w->p.alen == 4 && !ep_path_forwarding(w))
		return EP_BR_HOST;
	if (w->p.alen == 4 && !ep_fib_source_ok(w, f.out->ifindex, &why)) {
		ep_w_end(w, EP_DROPPED, "%s", why);
		return EP_BR_ENDED;
	}
	w->p.gw = f.gw;
	return EP_BR_NEW;
}

/* ---- the three functions of br_netfilter ---- */

static enum ep_ret pre_routing(struct ep_walk *w)
{
	const struct ep_link *port = w->p.in;
	struct ep_addr daddr = w->p.daddr;
	uint8_t type = w->p.pkttype;

	w->p.br_nf = true;
	w->p.phys_in = port;
	w->p.phys_out = NULL;
	w->p.in = w->bridge;
	w->p.pkttype = PACKET_HOST;
	if (ep_w_hook(w, NF_INET_PRE_ROUTING))
		return EP_RET_ENDED;
	w->p.prerouted = true;
	w->p.pkttype = type;
	if (!ep_addr_eq(&daddr, &w->p.daddr))
		w->bridged = where_now(w);
	if (w->bridged == EP_BR_HOST) {
		w->p.pkttype = PACKET_HOST;
		w->p.dmac = ep_l2_mac(w->bridge->mac);
	}
	w->p.in = port;
	return w->ended ? EP_RET_ENDED : EP_RET_ACCEPT;
}

static enum ep_ret as_routed(struct ep_walk *w, unsigned hooknum, const struct ep_link *in)
{
	const struct ep_link *had_in = w->p.in, *out = w->p.out;
	uint8_t type = w->p.pkttype;

	w->p.phys_out = out;
	w->p.in = in;
	w->p.out = w->bridge;
	w->p.pkttype = PACKET_HOST;
	if (ep_w_hook(w, hooknum))
		return EP_RET_ENDED;
	w->p.in = had_in;
	w->p.out = out;
	w->p.pkttype = type;
	return EP_RET_ACCEPT;
}

enum ep_ret ep_bridge_nf(struct ep_walk *w, unsigned hooknum)
{
	if (hooknum == NF_BR_PRE_ROUTING)
		return pre_routing(w);
	if (hooknum == NF_BR_FORWARD)
		return as_routed(w, NF_INET_FORWARD, w->bridge);
	return as_routed(w, NF_INET_POST_ROUTING, NULL);
}

/* ---- the bridge's own hooks ---- */

/* The tables of ebtables-legacy are not read: reading one would make it. */
static bool past_legacy(struct ep_walk *w)
{
	ep_each(h, &w->ns->hooks)
		if (!w->ended && !strcmp(h->kind, "ebtables-legacy") &&
		    ep_w_unknown(w, "ebtables-legacy table %s may filter", h->name))
			ep_w_end(w, EP_UNKNOWN, "ebtables-legacy table %s may filter", h->name);
	return !w->ended;
}

static bool hook(struct ep_walk *w, unsigned hooknum, const struct ep_link *in,
		 const struct ep_link *out)
{
	if (!past_legacy(w))
		return false;
	w->p.in = in;
	w->p.out = out;
	return !ep_w_hook_bridge(w, hooknum);
}

/* nf_hook_bridge_pre() */
enum ep_bridged ep_bridge_in(struct ep_walk *w, const struct ep_link *bridge,
			     const struct ep_link *from)
{
	w->bridge = bridge;
	w->bridged = EP_BR_ON;
	w->p.broute = false;
	if (!hook(w, NF_BR_PRE_ROUTING, from, NULL))
		return EP_BR_ENDED;
	return w->p.broute ? EP_BR_ROUTED : w->bridged;
}

/* br_pass_frame_up() */
bool ep_bridge_up(struct ep_walk *w, const struct ep_link *bridge, const struct ep_link *from)
{
	w->bridge = bridge;
	if (!hook(w, NF_BR_LOCAL_IN, from, NULL))
		return false;
	w->p.in = bridge;
	return ep_dev_ingress(w, bridge);
}

/* __br_forward(), br_forward_finish() */
bool ep_bridge_on(struct ep_walk *w, const struct ep_link *from, const struct ep_link *port)
{
	w->bridge = bridge_of(w, port);
	return hook(w, from ? NF_BR_FORWARD : NF_BR_LOCAL_OUT, from, port) &&
	       hook(w, NF_BR_POST_ROUTING, NULL, port);
}
