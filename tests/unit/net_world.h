/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host by hand: lo, eth0 (198.51.100.1/24, 2001:db8::1/64, default route) and br0 (172.18.0.1/16),
 * with a container c1 (172.18.0.2) behind br0's only port. Forwarding is on, rp_filter off.
 */
#ifndef NET_WORLD_H
#define NET_WORLD_H

#include "walk/engine.h"

enum { NET_HOST = 1, NET_C1 = 2 };                /* inodes */
enum { NET_LO = 1, NET_ETH0, NET_BR0, NET_PORT }; /* ifindexes; c1: lo, eth0 */

struct net_world {
	struct ep_snapshot *s;
	struct ep_netns *host, *c1;
	struct ep_result *r; /* of the last walk */
};

void net_world_open(struct net_world *x);
void net_world_close(struct net_world *x);

struct ep_addr net_addr(const char *text);
struct ep_link *net_link(struct net_world *x, struct ep_netns *ns, uint32_t ifindex,
			 const char *name, const char *kind);
struct ep_link *net_link_of(struct ep_netns *ns, uint32_t ifindex);
/* "10.0.0.0/8"; via NULL or ifindex 0: none. The pointer holds until the next route. */
struct ep_route *net_route(struct net_world *x, struct ep_netns *ns, uint32_t table, uint8_t type,
			   const char *prefix, uint32_t ifindex, const char *via);
void net_hop(struct net_world *x, struct ep_route *r, uint32_t ifindex, const char *via,
	     uint32_t weight, uint32_t flags);
/* An address with the routes that the kernel makes for it. */
void net_ifaddr(struct net_world *x, struct ep_netns *ns, uint32_t ifindex, const char *prefix);
/* The kernel's own rules of both families, which are not there at first. */
void net_default_policies(struct net_world *x, struct ep_netns *ns);
struct ep_policy *net_policy(struct net_world *x, struct ep_netns *ns, uint32_t priority,
			     uint32_t table);
struct ep_proc *net_proc(struct net_world *x, struct ep_netns *ns, int pid, const char *comm);
struct ep_listener *net_listener(struct net_world *x, struct ep_netns *ns, const char *addr,
				 uint16_t port, const struct ep_proc *p);

/* Walks; src NULL: open. The outcomes are in x->r until the next. */
void net_external(struct net_world *x, const char *dst, uint16_t port, const char *src);
void net_from_host(struct net_world *x, const char *dst, uint16_t port);
/* The outcome for a source; fails the test if there is none. */
const struct ep_outcome *net_outcome(struct net_world *x, const char *src);

#endif
