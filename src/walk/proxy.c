// SPDX-License-Identifier: GPL-2.0-or-later
/* Userland proxies: what they accept goes on from another place, as a connection or a packet of their own. */
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "walk/path.h"

#define EP_MAX_VIA 4

typedef EP_VEC(const struct ep_proxy_way *) ways;

static bool is_for(const struct ep_proxy_way *way, uint16_t port)
{
	return (!way->lo && !way->hi) || (port >= way->lo && port <= way->hi);
}

/* All ways of the first one's ports: the ways after a mapped port are for those that are not. */
static void find_ways(struct ep_walk *w, const struct ep_proc *proxy, uint16_t port, ways *ret)
{
	struct ep_proxy_way *only;

	if (proxy->proxy_target.len) {
		only = ep_alloc(w->arena, sizeof(*only));
		only->addr = proxy->proxy_target;
		only->port = proxy->proxy_port;
		*ep_push(w->arena, ret) = only;
		return;
	}
	ep_each(way, &proxy->proxy_ways)
		if (is_for(way, port) &&
		    (!ret->n || (way->lo == ret->v[0]->lo && way->hi == ret->v[0]->hi)))
			*ep_push(w->arena, ret) = way;
}

static uint16_t target_port(const struct ep_proxy_way *way, uint16_t port)
{
	return way->port ? (uint16_t)(way->port + (way->lo ? port - way->lo : 0)) : port;
}

/* The proxy opens a connection of its own. */
static void connect_on(struct ep_walk *w, const struct ep_addr *to, uint16_t port)
{
	struct ep_pkt p = {
		.alen = to->len,
		.daddr = *to,
		.dport = port,
		.saddr = {.var = EP_VAR_SADDR},
	};

	p.sport.var = ep_w_var(w, EP_VAR_UNKNOWN, 16, ep_iv_range(w->arena, 1, 65535),
			       "the proxy's source port");
	w->p = p;
	ep_w_send(w);
}

/* ---- pasta, slirp4netns: the other end of the namespace's tap device ---- */

static bool from_loopback(struct ep_walk *w)
{
	return w->p.alen == 4 ? ep_w_val_range(w, &w->p.saddr, 0x7f000000u, 0x7fffffffu) :
				ep_w_val_range(w, &w->p.saddr, 1, 1);
}

static const struct ep_link *only_tap(const struct ep_netns *ns)
{
	const struct ep_link *found = NULL;

	ep_each(l, &ns->links) {
		if (strcmp(l->kind, "tun") || !(l->flags & IFF_UP))
			continue;
		if (found)
			return NULL;
		found = l;
	}
	return found;
}

static const struct ep_addr *only_addr(const struct ep_netns *ns, const struct ep_link *l,
				       uint8_t alen)
{
	const struct ep_addr *found = NULL;

	ep_each(i, &ns->addrs) {
		if (i->ifindex != l->ifindex || i->addr.len != alen || i->scope >= RT_SCOPE_LINK)
			continue;
		if (found)
			return NULL;
		found = &i->addr;
	}
	return found;
}

/* The client's address stays, except where it would be the target's own. */
static void by_tap(struct ep_walk *w, struct ep_netns *ns, const struct ep_link *tap,
		   const struct ep_addr *to, uint16_t port)
{
	struct ep_pkt p = {
		.alen = to->len,
		.saddr = w->p.saddr,
		.sport = w->p.sport,
		.daddr = *to,
		.dport = port,
		.in = tap,
		.pkttype = PACKET_HOST,
	};

	if (from_loopback(w) || ep_w_val_range(w, &w->p.saddr, ep_addr_num(to), ep_addr_num(to)))
		p.saddr = ep_w_unknown_val(w, "the address that the proxy gives a local client",
					   to->len * 8u);
	w->p = p;
	w->ns = ns;
	ep_w_receive(w);
}

static void into_device(struct ep_walk *w, const struct ep_proc *proxy, struct ep_netns *ns,
			uint16_t port)
{
	const struct ep_link *tap;
	const struct ep_addr *to;
	struct ep_addr lo = {.len = w->p.alen};

	if (ep_netns_need(w->s, ns, EP_NEED_LINKS)) {
		ep_w_end(w, EP_UNKNOWN, "the namespace behind %s could not be read",
			 proxy->proxy_kind);
		return;
	}
	tap = only_tap(ns);
	to = tap ? only_addr(ns, tap, w->p.alen) : NULL;
	if (!to) {
		ep_w_end(w, EP_UNKNOWN,
			 "%s passes it on to a device that could not be told from others",
			 proxy->proxy_kind);
		return;
	}
	/* pasta hands a local client's data over by a socket in there; to which address, its version
	 * decides. */
	if (strcmp(proxy->proxy_kind, "pasta") || !from_loopback(w)) {
		by_tap(w, ns, tap, to, port);
		return;
	}
	if (w->p.alen == 4)
		lo.b[0] = 127;
	lo.b[lo.len - 1] = 1;
	w->ns = ns;
	connect_on(w,
		   ep_w_unknown(w, "pasta of some versions connects to %s, of others not",
				"the loopback address") ?
			   &lo :
			   to,
		   port);
}

/* ---- Podman's rootlessport: to the container's address, from within ---- */

static const struct ep_addr *only_own4(const struct ep_netns *ns)
{
	const struct ep_addr *found = NULL;

	ep_each(i, &ns->addrs) {
		if (i->addr.len != 4 || i->scope >= RT_SCOPE_LINK || i->addr.b[0] == 127)
			continue;
		if (found)
			return NULL;
		found = &i->addr;
	}
	return found;
}

static void to_own(struct ep_walk *w, const struct ep_proc *proxy, struct ep_netns *ns,
		   uint16_t port)
{
	const struct ep_addr *to = ep_netns_need(w->s, ns, EP_NEED_LINKS) ? NULL : only_own4(ns);

	if (!to) {
		ep_w_end(w, EP_UNKNOWN,
			 "%s connects to an address that could not be told from others",
			 proxy->proxy_kind);
		return;
	}
	w->ns = ns;
	connect_on(w, to, port);
}

/* ---- which way ---- */

static void not_known(struct ep_walk *w, const struct ep_proc *proxy,
		      const struct ep_proxy_way *way)
{
	const struct ep_netns *ns = way && way->netns ? ep_netns_find(w->s, way->netns) : NULL;

	ep_w_end(w, EP_DELIVERED, "%s is a proxy, which passes it on to %s%s%s: not followed",
		 proxy->proxy_kind, way && way->name ? way->name : "a target that it does not tell",
		 ns && ns->name ? " in namespace " : "", ns && ns->name ? ns->name : "");
}

void ep_path_proxy(struct ep_walk *w, const struct ep_proc *proxy, const struct ep_listener *l)
{
	const struct ep_proxy_way *way;
	struct ep_netns *ns;
	ways found = {};
	size_t i = 0;

	find_ways(w, proxy, l->port, &found);
	while (i + 1 < found.n &&
	       !ep_w_unknown(w, "which of its target's addresses %s connects to is not known",
			     proxy->proxy_kind))
		i++;
	way = found.n ? found.v[i] : NULL;
	/* Its listeners in the namespace that it leads to are for the other direction. */
	if (!way || (!way->addr.len && !way->by_device && !way->own_addr) ||
	    w->via.n == EP_MAX_VIA || (way->by_device && l->netns == way->netns)) {
		not_known(w, proxy, way);
		return;
	}
	ns = ep_netns_find(w->s, way->netns ? way->netns : proxy->netns);
	if (!ns && (way->netns || !way->addr.len)) {
		not_known(w, proxy, way);
		return;
	}
	w->listener = NULL;
	w->receiver = NULL;
	*ep_push(w->arena, &w->via) = proxy;
	if (way->by_device) {
		into_device(w, proxy, ns, target_port(way, l->port));
		return;
	}
	w->sender = l->cgroup;
	if (way->own_addr) {
		to_own(w, proxy, ns, target_port(way, l->port));
		return;
	}
	w->ns = ns ? ns : w->ns;
	connect_on(w, &way->addr, target_port(way, l->port));
}
