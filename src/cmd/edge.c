// SPDX-License-Identifier: GPL-2.0-or-later
/* Which addresses outside clients use, and on which device their packets arrive. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <net/if.h>
#include <sys/socket.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "cmd/cmd.h"

static uint8_t family_of(uint8_t addr_len)
{
	return addr_len == 4 ? AF_INET : AF_INET6;
}

const struct ep_link *ep_default_device(const struct ep_netns *ns, uint8_t family)
{
	const struct ep_route *best = NULL;
	const struct ep_link *dev = NULL;

	ep_each(r, &ns->routes) {
		if (r->family != family || r->table != RT_TABLE_MAIN || r->dst_len ||
		    r->type != RTN_UNICAST || (best && r->metric >= best->metric))
			continue;
		ep_each(h, &r->hops) {
			const struct ep_link *l = ep_link_by_index(ns, h->ifindex);

			if (!l || h->flags & RTNH_F_DEAD)
				continue;
			best = r;
			dev = l;
			break;
		}
	}
	return dev;
}

bool ep_addr_public(const struct ep_ifaddr *a, uint8_t addr_len)
{
	if (a->addr.len != addr_len || a->scope != RT_SCOPE_UNIVERSE)
		return false;
	return ep_ifaddr_valid(a);
}

static void add(struct ep_live *live, ep_edges *out, const struct ep_addr *addr,
		const struct ep_link *dev)
{
	ep_each(e, out)
		if (ep_addr_eq(&e->addr, addr))
			return;
	*ep_push(live->s->arena, out) = (struct ep_edge){
		.addr = *addr, .ifindex = dev ? dev->ifindex : 0, .dev = dev ? dev->name : NULL};
}

static size_t add_device(struct ep_live *live, ep_edges *out, uint8_t addr_len,
			 const struct ep_link *dev)
{
	size_t before = out->n;

	ep_each(a, &live->host->addrs)
		if (a->ifindex == dev->ifindex && ep_addr_public(a, addr_len))
			add(live, out, &a->addr, dev);
	return out->n - before;
}

/* Addresses that are on no device of their own, as of anycast: they come in by dev. */
static size_t add_loopback(struct ep_live *live, ep_edges *out, uint8_t addr_len,
			   const struct ep_link *dev)
{
	size_t before = out->n;

	ep_each(a, &live->host->addrs) {
		const struct ep_link *l = ep_link_by_index(live->host, a->ifindex);

		if (l && (l->flags & IFF_LOOPBACK || !strcmp(l->kind ? l->kind : "", "dummy")) &&
		    ep_addr_public(a, addr_len))
			add(live, out, &a->addr, dev);
	}
	return out->n - before;
}

static bool is_bridge(const struct ep_link *l)
{
	return l->kind && !strcmp(l->kind, "bridge");
}

static size_t add_any_device(struct ep_live *live, ep_edges *out, uint8_t addr_len)
{
	size_t before = out->n;

	for (int bridges = 0; bridges < 2 && out->n == before; bridges++)
		ep_each(l, &live->host->links)
			if (!(l->flags & IFF_LOOPBACK) && is_bridge(l) == bridges)
				add_device(live, out, addr_len, l);
	return out->n - before;
}

static void note(struct ep_live *live, const char *s)
{
	ep_each(old, &live->doc.notes)
		if (!strcmp(*old, s))
			return;
	*ep_push(live->s->arena, &live->doc.notes) = s;
}

static void find_family(struct ep_live *live, ep_edges *out, uint8_t addr_len)
{
	const struct ep_link *own = ep_default_device(live->host, family_of(addr_len));
	const struct ep_link *other =
		ep_default_device(live->host, family_of(addr_len == 4 ? 16 : 4));
	const struct ep_link *dev = own ? own : other;

	if (dev) {
		if (!add_device(live, out, addr_len, dev) && own)
			add_loopback(live, out, addr_len, dev);
		return;
	}
	if (add_any_device(live, out, addr_len))
		note(live, ep_sprintf(live->s->arena,
				      "No default route: the %s addresses of all devices are taken "
				      "as public.",
				      addr_len == 4 ? "IPv4" : "IPv6"));
}

static const struct ep_link *holder(const struct ep_netns *ns, const struct ep_addr *addr)
{
	const struct ep_ifaddr *a = ep_ifaddr_find(ns, addr);

	return a ? ep_link_by_index(ns, a->ifindex) : NULL;
}

/* By which device packets to an address given by the user come in. */
static const struct ep_link *arrival(const struct ep_live *live, const struct ep_addr *dst)
{
	const struct ep_link *dev = ep_default_device(live->host, family_of(dst->len));

	if (!dev)
		dev = holder(live->host, dst);
	if (!dev)
		dev = ep_default_device(live->host, dst->len == 4 ? AF_INET6 : AF_INET);
	if (!dev || dev->flags & IFF_LOOPBACK)
		ep_each(l, &live->host->links)
			if (!(l->flags & IFF_LOOPBACK) && l->flags & IFF_UP)
				return l;
	return dev;
}

/* --iif of a packet from outside. */
static int named_device(struct ep_live *live, const struct ep_link **ret)
{
	const char *name = live->args->iif;

	*ret = name ? ep_link_by_name(live->host, name) : NULL;
	if (!name || *ret)
		return 0;
	live->usage = true;
	snprintf(live->err, sizeof(live->err), "--iif: no device %.64s in this namespace",
		 ep_escape(live->s->arena, name, strlen(name)));
	return -ENODEV;
}

static void find_all(struct ep_live *live, const struct ep_link *lan, ep_edges *ret)
{
	static const uint8_t lens[] = {4, 16};

	for (size_t i = 0; i < EP_ARRAY_SIZE(lens); i++) {
		if (lens[i] == 4 ? live->args->v6 : live->args->v4)
			continue;
		if (lan)
			add_device(live, ret, lens[i], lan);
		else
			find_family(live, ret, lens[i]);
	}
}

int ep_edges_of(struct ep_live *live, const struct ep_start *start, ep_edges *ret)
{
	const struct ep_args *args = live->args;
	const struct ep_link *lan = NULL, *named = NULL;
	int r = ep_netns_need(live->s, live->host, EP_NEED_LINKS | EP_NEED_ROUTES);

	if (r < 0)
		note(live, ep_sprintf(live->s->arena, "Devices or routes could not be read: %s.",
				      live->host->failed ? live->host->failed : strerror(-r)));
	r = named_device(live, &named);
	if (r < 0)
		return r;
	if (start->origin == EP_LAN)
		lan = named = ep_link_by_name(live->host, start->dev);
	if (args->dst.len)
		add(live, ret, &args->dst, arrival(live, &args->dst));
	else
		find_all(live, lan, ret);
	ep_each(e, ret) {
		e->ifindex = named ? named->ifindex : e->ifindex;
		e->dev = named ? named->name : e->dev;
	}
	return 0;
}
