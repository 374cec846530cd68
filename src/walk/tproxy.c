// SPDX-License-Identifier: GPL-2.0-or-later
/* The listener that TPROXY diverts to: net/ipv4/netfilter/nf_tproxy_ipv4.c, nf_tproxy_laddr4(). */
#include <netinet/in.h>
#include <linux/if_addr.h>

#include "walk/engine.h"

static struct ep_addr device_addr(const struct ep_walk *w)
{
	uint32_t skip = w->p.alen == 4 ? IFA_F_SECONDARY : IFA_F_TENTATIVE | IFA_F_DEPRECATED;

	ep_each(i, &w->ns->addrs)
		if (w->p.in && i->ifindex == w->p.in->ifindex && i->addr.len == w->p.alen &&
		    !(i->flags & skip))
			return i->addr;
	return w->p.daddr;
}

const struct ep_listener *ep_tproxy_lookup(struct ep_walk *w, const struct ep_addr *addr,
					   uint16_t port)
{
	struct ep_pkt kept = w->p;
	const struct ep_listener *l;

	w->p.tproxy = NULL;
	w->p.daddr = ep_addr_is_any(addr) ? device_addr(w) : *addr;
	w->p.dport = port ? port : kept.dport;
	l = ep_listener_lookup(w);
	w->p = kept;
	return l && l->transparent ? l : NULL;
}
