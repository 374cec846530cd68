// SPDX-License-Identifier: GPL-2.0-or-later
#include <netinet/in.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net_world.h"

struct ep_addr net_addr(const char *text)
{
	struct ep_addr a = {};

	assert_true(ep_addr_parse(text, &a));
	return a;
}

static struct ep_addr prefix_of(const char *text, uint8_t *ret_len)
{
	const char *slash = strchr(text, '/');
	char addr[64] = "";

	memcpy(addr, text, slash ? (size_t)(slash - text) : strlen(text));
	*ret_len = slash ? (uint8_t)atoi(slash + 1) : (uint8_t)(net_addr(addr).len * 8);
	return net_addr(addr);
}

struct ep_link *net_link(struct net_world *x, struct ep_netns *ns, uint32_t ifindex,
			 const char *name, const char *kind)
{
	struct ep_link *l = ep_push(x->s->arena, &ns->links);

	*l = (struct ep_link){.ifindex = ifindex,
			      .name = name,
			      .kind = kind,
			      .master_kind = "",
			      .flags = IFF_UP | IFF_RUNNING |
				       (ifindex == NET_LO ? IFF_LOOPBACK : 0),
			      .forwarding4 = 1,
			      .forwarding6 = 1};
	return l;
}

struct ep_link *net_link_of(struct ep_netns *ns, uint32_t ifindex)
{
	ep_each(l, &ns->links)
		if (l->ifindex == ifindex)
			return l;
	fail_msg("no link %u", ifindex);
	return NULL;
}

void net_hop(struct net_world *x, struct ep_route *r, uint32_t ifindex, const char *via,
	     uint32_t weight, uint32_t flags)
{
	struct ep_nexthop h = {.ifindex = ifindex, .weight = weight, .flags = flags};

	if (via)
		h.gw = net_addr(via);
	*ep_push(x->s->arena, &r->hops) = h;
}

struct ep_route *net_route(struct net_world *x, struct ep_netns *ns, uint32_t table, uint8_t type,
			   const char *prefix, uint32_t ifindex, const char *via)
{
	struct ep_route *r = ep_push(x->s->arena, &ns->routes);

	r->dst = prefix_of(prefix, &r->dst_len);
	r->family = r->dst.len == 4 ? AF_INET : AF_INET6;
	r->table = table;
	r->type = type;
	r->protocol = RTPROT_KERNEL;
	if (ifindex)
		net_hop(x, r, ifindex, via, 1, 0);
	return r;
}

void net_ifaddr(struct net_world *x, struct ep_netns *ns, uint32_t ifindex, const char *prefix)
{
	struct ep_ifaddr *i = ep_push(x->s->arena, &ns->addrs);
	struct ep_route *r;

	i->ifindex = ifindex;
	i->addr = prefix_of(prefix, &i->plen);
	i->scope = ifindex == NET_LO ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	if (ifindex != NET_LO)
		net_route(x, ns, RT_TABLE_MAIN, RTN_UNICAST, prefix, ifindex, NULL);
	r = net_route(x, ns, RT_TABLE_LOCAL, RTN_LOCAL, prefix, ifindex, NULL);
	r->prefsrc = i->addr;
	if (ifindex != NET_LO)
		r->dst_len = (uint8_t)(i->addr.len * 8);
}

struct ep_policy *net_policy(struct net_world *x, struct ep_netns *ns, uint32_t priority,
			     uint32_t table)
{
	struct ep_policy *p = ep_push(x->s->arena, &ns->policies);

	*p = (struct ep_policy){.family = AF_INET,
				.priority = priority,
				.table = table,
				.action = FR_ACT_TO_TBL,
				.suppress_prefixlen = -1,
				.suppress_ifgroup = -1};
	return p;
}

void net_default_policies(struct net_world *x, struct ep_netns *ns)
{
	net_policy(x, ns, 0, RT_TABLE_LOCAL);
	net_policy(x, ns, 32766, RT_TABLE_MAIN);
	net_policy(x, ns, 32767, RT_TABLE_DEFAULT);
	net_policy(x, ns, 0, RT_TABLE_LOCAL)->family = AF_INET6;
	net_policy(x, ns, 32766, RT_TABLE_MAIN)->family = AF_INET6;
}

static struct ep_netns *make_netns(struct net_world *x, uint64_t ino)
{
	struct ep_netns *ns = ep_netns_add(x->s, ino);

	ns->have = ~0u;
	ns->nft.status = ns->xt.status[0] = ns->xt.status[1] = EP_COMPLETE;
	ns->ip_forward = ns->forwarding6_all = 1;
	ns->rp_filter_all = ns->route_localnet_all = ns->accept_local_all = 0;
	ns->src_valid_mark_all = 0;
	ns->send_redirects_all = 1;
	net_link(x, ns, NET_LO, "lo", "");
	net_ifaddr(x, ns, NET_LO, "127.0.0.1/8");
	net_ifaddr(x, ns, NET_LO, "::1/128");
	return ns;
}

void net_world_open(struct net_world *x)
{
	struct ep_link *port, *peer;

	memset(x, 0, sizeof(*x));
	x->s = ep_snapshot_new();
	x->host = make_netns(x, NET_HOST);
	x->c1 = make_netns(x, NET_C1);
	x->s->host_netns = NET_HOST;
	net_link(x, x->host, NET_ETH0, "eth0", "");
	net_link(x, x->host, NET_BR0, "br0", "bridge");
	port = net_link(x, x->host, NET_PORT, "veth1", "veth");
	port->master = NET_BR0;
	port->master_kind = "bridge";
	port->peer_ifindex = NET_ETH0;
	port->peer_netns = NET_C1;
	peer = net_link(x, x->c1, NET_ETH0, "eth0", "veth");
	peer->peer_ifindex = NET_PORT;
	peer->peer_netns = NET_HOST;
	net_ifaddr(x, x->host, NET_ETH0, "198.51.100.1/24");
	net_ifaddr(x, x->host, NET_ETH0, "2001:db8::1/64");
	net_ifaddr(x, x->host, NET_BR0, "172.18.0.1/16");
	net_ifaddr(x, x->c1, NET_ETH0, "172.18.0.2/16");
	net_route(x, x->host, RT_TABLE_MAIN, RTN_UNICAST, "0.0.0.0/0", NET_ETH0, "198.51.100.254");
	net_route(x, x->host, RT_TABLE_MAIN, RTN_UNICAST, "::/0", NET_ETH0, "2001:db8::fe");
	net_route(x, x->c1, RT_TABLE_MAIN, RTN_UNICAST, "0.0.0.0/0", NET_ETH0, "172.18.0.1");
}

void net_world_close(struct net_world *x)
{
	ep_result_free(x->r);
	ep_snapshot_free(x->s);
}

struct ep_proc *net_proc(struct net_world *x, struct ep_netns *ns, int pid, const char *comm)
{
	struct ep_proc *p = ep_alloc(x->s->arena, sizeof(*p));

	p->pid = pid;
	p->comm = comm;
	p->cgroup = "";
	p->netns = ns->ino;
	*ep_push(x->s->arena, &x->s->procs) = p;
	return p;
}

struct ep_listener *net_listener(struct net_world *x, struct ep_netns *ns, const char *addr,
				 uint16_t port, const struct ep_proc *p)
{
	struct ep_listener *l = ep_push(x->s->arena, &x->s->listeners);

	l->netns = ns->ino;
	l->addr = net_addr(addr);
	l->port = port;
	if (p)
		*ep_push(x->s->arena, &l->procs) = p;
	return l;
}

static void walk(struct net_world *x, struct ep_query *q, const char *dst, uint16_t port)
{
	q->dst = net_addr(dst);
	q->dport = port;
	q->netns = NET_HOST;
	ep_result_free(x->r);
	x->r = ep_walk(x->s, q, NULL);
}

void net_external(struct net_world *x, const char *dst, uint16_t port, const char *src)
{
	struct ep_query q = {.origin = EP_EXTERNAL, .ifindex = NET_ETH0, .has_src = src != NULL};

	if (src)
		q.src = net_addr(src);
	walk(x, &q, dst, port);
}

void net_from_host(struct net_world *x, const char *dst, uint16_t port)
{
	struct ep_query q = {.origin = EP_HOST};

	walk(x, &q, dst, port);
}

const struct ep_outcome *net_outcome(struct net_world *x, const char *src)
{
	struct ep_addr a = net_addr(src);

	ep_each(o, &x->r->outcomes)
		if (ep_iv_has(o->saddr, ep_addr_num(&a)))
			return o;
	fail_msg("no outcome for %s", src);
	return NULL;
}
