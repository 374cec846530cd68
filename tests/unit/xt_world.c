// SPDX-License-Identifier: GPL-2.0-or-later
#include <netinet/in.h>
#include <string.h>
#include <linux/if.h>
#include <linux/fib_rules.h>
#include <linux/if_arp.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>

#include "walk/bytes.h"
#include "xt_world.h"

static struct ep_addr addr_of(const char *s)
{
	struct ep_addr a = {};

	ep_addr_parse(s, &a);
	return a;
}

static void add_route(struct ep_snapshot *s, struct ep_netns *ns, const char *dst, uint8_t plen,
		      uint32_t table, uint8_t type, uint32_t ifindex)
{
	struct ep_route *r = ep_push(s->arena, &ns->routes);

	r->dst = addr_of(dst);
	r->dst_len = plen;
	r->family = r->dst.len == 4 ? AF_INET : AF_INET6;
	r->table = table;
	r->type = type;
	r->scope = type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK;
	*ep_push(s->arena, &r->hops) = (struct ep_nexthop){.ifindex = ifindex, .weight = 1};
}

static void add_policy(struct ep_snapshot *s, struct ep_netns *ns, uint8_t family, uint32_t prio,
		       uint32_t table)
{
	*ep_push(s->arena, &ns->policies) = (struct ep_policy){
		.family = family,
		.priority = prio,
		.table = table,
		.action = FR_ACT_TO_TBL,
		.suppress_prefixlen = -1,
		.suppress_ifgroup = -1,
	};
}

static void add_link(struct ep_snapshot *s, struct ep_netns *ns, uint32_t ifindex, const char *name,
		     uint16_t type, uint32_t flags)
{
	*ep_push(s->arena, &ns->links) = (struct ep_link){
		.ifindex = ifindex,
		.name = name,
		.kind = "",
		.master_kind = "",
		.type = type,
		.flags = IFF_UP | IFF_RUNNING | IFF_LOWER_UP | flags,
		.forwarding4 = 1,
		.forwarding6 = 1,
	};
}

static void add_routes(struct ep_snapshot *s, struct ep_netns *ns)
{
	add_route(s, ns, "127.0.0.0", 8, RT_TABLE_LOCAL, RTN_LOCAL, 1);
	add_route(s, ns, "198.51.100.1", 32, RT_TABLE_LOCAL, RTN_LOCAL, 2);
	add_route(s, ns, "198.51.100.255", 32, RT_TABLE_LOCAL, RTN_BROADCAST, 2);
	add_route(s, ns, "10.9.0.1", 32, RT_TABLE_LOCAL, RTN_LOCAL, 3);
	add_route(s, ns, "198.51.100.0", 24, RT_TABLE_MAIN, RTN_UNICAST, 2);
	add_route(s, ns, "10.9.0.0", 16, RT_TABLE_MAIN, RTN_UNICAST, 3);
	add_route(s, ns, "0.0.0.0", 0, RT_TABLE_MAIN, RTN_UNICAST, 2);
	add_route(s, ns, "::1", 128, RT_TABLE_LOCAL, RTN_LOCAL, 1);
	add_route(s, ns, "2001:db8::1", 128, RT_TABLE_LOCAL, RTN_LOCAL, 2);
	add_route(s, ns, "2001:db8::", 64, RT_TABLE_MAIN, RTN_UNICAST, 2);
	add_route(s, ns, "::", 0, RT_TABLE_MAIN, RTN_UNICAST, 2);
	for (uint8_t f = 0; f < 2; f++) {
		add_policy(s, ns, f ? AF_INET6 : AF_INET, 0, RT_TABLE_LOCAL);
		add_policy(s, ns, f ? AF_INET6 : AF_INET, 32766, RT_TABLE_MAIN);
	}
}

static void add_addr(struct ep_snapshot *s, struct ep_netns *ns, uint32_t ifindex, const char *a,
		     uint8_t plen)
{
	*ep_push(s->arena, &ns->addrs) =
		(struct ep_ifaddr){.ifindex = ifindex, .addr = addr_of(a), .plen = plen};
}

static struct ep_netns *make_netns(struct ep_snapshot *s)
{
	struct ep_netns *ns = ep_netns_add(s, 4026531840u);

	ns->have = ~0u;
	ns->ip_forward = ns->forwarding6_all = 1;
	ns->bridge_nf_call_ip = ns->bridge_nf_call_ip6 = -1;
	add_link(s, ns, 1, "lo", ARPHRD_LOOPBACK, IFF_LOOPBACK);
	add_link(s, ns, 2, "eth0", ARPHRD_ETHER, 0);
	add_link(s, ns, 3, "docker0", ARPHRD_ETHER, 0);
	add_addr(s, ns, 1, "127.0.0.1", 8);
	add_addr(s, ns, 2, "198.51.100.1", 24);
	add_addr(s, ns, 2, "2001:db8::1", 64);
	add_addr(s, ns, 3, "10.9.0.1", 16);
	add_routes(s, ns);
	return ns;
}

static void start(struct xt_world *x)
{
	struct ep_walk *w = &x->w;
	unsigned bits = x->q.dst.len * 8u;

	w->ns = ep_netns_find(x->s, 4026531840u);
	w->hook = "input";
	w->hooknum = NF_INET_LOCAL_IN;
	ep_w_var(w, EP_VAR_FIELD, bits, ep_iv_full(w->arena, bits), "ip saddr");
	ep_w_var(w, EP_VAR_FIELD, 16, ep_iv_full(w->arena, 16), "tcp sport");
	w->p = (struct ep_pkt){
		.alen = x->q.dst.len,
		.saddr = {.var = EP_VAR_SADDR},
		.sport = {.var = EP_VAR_SPORT},
		.o_saddr = {.var = EP_VAR_SADDR},
		.o_sport = {.var = EP_VAR_SPORT},
		.daddr = x->q.dst,
		.o_daddr = x->q.dst,
		.dport = x->q.dport,
		.o_dport = x->q.dport,
		.ct = EP_CT_NEW,
		.dnat_done = true,
		.in = ep_link_by_name(w->ns, "eth0"),
		.framed = true,
	};
	w->p.smac = ep_w_field(w, "ether saddr", 48, 0);
	w->p.dmac = ep_w_unknown_val(w, "ether daddr", 48);
}

void xt_world_open(struct xt_world *x, uint8_t family)
{
	memset(x, 0, sizeof(*x));
	x->s = ep_snapshot_new();
	make_netns(x->s);
	x->q.dst = addr_of(family == AF_INET ? "198.51.100.1" : "2001:db8::1");
	x->q.dport = 443;
	x->q.netns = 4026531840u;
	x->w = (struct ep_walk){.arena = ep_arena_new(), .s = x->s, .q = &x->q};
	start(x);
}

void xt_world_again(struct xt_world *x, const unsigned *given, size_t n)
{
	ep_arena_free(x->w.arena);
	memcpy(x->given, given, n * sizeof(*given));
	x->w = (struct ep_walk){
		.arena = ep_arena_new(), .s = x->s, .q = &x->q, .given = x->given, .prefix = n};
	start(x);
}

void xt_world_close(struct xt_world *x)
{
	ep_arena_free(x->w.arena);
	ep_snapshot_free(x->s);
}
