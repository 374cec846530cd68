// SPDX-License-Identifier: GPL-2.0-or-later
/* Which namespaces belong to the diagnosed one, and whose address is whose. */
#include <string.h>

#include "observe/observe_i.h"

static bool is_outer(const struct ep_link *l, const uint32_t *outer, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (outer[i] == l->ifindex)
			return true;
	return false;
}

static bool has(const struct ep_scope *sc, uint64_t ino)
{
	if (ino == sc->host)
		return true;
	ep_each(it, &sc->netns)
		if (*it == ino)
			return true;
	return false;
}

static void find_below(struct ep_snapshot *s, struct ep_arena *a, struct ep_netns *ns,
		       const uint32_t *outer, size_t n_outer, struct ep_scope *ret)
{
	if (ep_netns_need(s, ns, EP_NEED_LINKS))
		return;
	ep_each(l, &ns->links)
		if (l->peer_netns && !is_outer(l, outer, n_outer) && !has(ret, l->peer_netns) &&
		    !strcmp(l->kind ? l->kind : "", "veth"))
			*ep_push(a, &ret->netns) = l->peer_netns;
}

static void add_proxies(const struct ep_snapshot *s, struct ep_arena *a, struct ep_scope *ret)
{
	ep_each(it, &s->procs)
		if ((*it)->proxy_kind && has(ret, (*it)->netns))
			*ep_push(a, &ret->proxies) = (*it)->pid;
}

static bool same_place(const struct ep_listener *x, const struct ep_listener *y)
{
	return x->netns == y->netns && x->port == y->port && ep_addr_eq(&x->addr, &y->addr);
}

/* Has a port in scope more than one process that could accept? */
static bool any_shared(const struct ep_snapshot *s, const struct ep_scope *sc)
{
	ep_each(l, &s->listeners) {
		if (!has(sc, l->netns))
			continue;
		if (l->procs.n > 1)
			return true;
		ep_each(k, &s->listeners)
			if (k != l && l->reuseport && same_place(l, k))
				return true;
	}
	return false;
}

void ep_scope_find(struct ep_snapshot *s, struct ep_arena *a, const uint32_t *outer, size_t n_outer,
		   struct ep_scope *ret)
{
	struct ep_netns *host = ep_netns_find(s, s->host_netns);

	*ret = (struct ep_scope){.host = s->host_netns};
	if (!host)
		return;
	find_below(s, a, host, outer, n_outer, ret);
	for (size_t i = 0; i < ret->netns.n; i++) {
		struct ep_netns *ns = ep_netns_find(s, ret->netns.v[i]);

		if (ns)
			find_below(s, a, ns, NULL, 0, ret);
	}
	ep_each(ad, &host->addrs)
		*ep_push(a, &ret->own) = ad->addr;
	ep_each(it, &ret->netns) {
		struct ep_netns *ns = ep_netns_find(s, *it);

		if (!ns || ep_netns_need(s, ns, EP_NEED_LINKS))
			continue;
		*ep_push(a, &ret->spaces) = ns;
		ep_each(ad, &ns->addrs) {
			*ep_push(a, &ret->inside) = ad->addr;
			*ep_push(a, &ret->places) =
				(struct ep_scope_addr){.addr = ad->addr, .netns = ns->ino};
		}
	}
	add_proxies(s, a, ret);
	ret->shared = any_shared(s, ret);
}

struct ep_addr ep_seen_addr(const struct ep_wire_row *r, const uint8_t bytes[16])
{
	return ep_addr_of(bytes, r->family == 4 ? 4 : 16);
}
