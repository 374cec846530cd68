// SPDX-License-Identifier: GPL-2.0-or-later
/* Which socket takes a packet, the neighbour it is sent to, and what a local sender's packet meets. */
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net_world.h"

#define CLIENT "203.0.113.7"

static int setup(void **state)
{
	static struct net_world x;

	net_world_open(&x);
	*state = &x;
	return 0;
}

static int teardown(void **state)
{
	net_world_close(*state);
	return 0;
}

static const struct ep_outcome *only(struct net_world *x)
{
	assert_int_equal(x->r->outcomes.n, 1);
	return &x->r->outcomes.v[0];
}

static void takes(struct net_world *x, const char *dst, const struct ep_proc *p)
{
	bool v6 = strchr(dst, ':') != NULL;
	const struct ep_outcome *o;

	net_external(x, dst, 443, v6 ? "2001:db8:99::7" : CLIENT);
	o = only(x);
	assert_int_equal(o->verdict, p ? EP_DELIVERED : EP_REFUSED);
	assert_ptr_equal(o->receiver, p);
}

static const struct ep_outcome *ends(struct net_world *x, const char *dst,
				     enum ep_outcome_verdict v)
{
	net_external(x, dst, 443, CLIENT);
	if (only(x)->verdict != v)
		fail_msg("%s: %s", dst, only(x)->reason);
	return only(x);
}

/* ---- listeners ---- */

static void exact_before_wildcard(void **state)
{
	struct net_world *x = *state;
	struct ep_proc *any = net_proc(x, x->host, 10, "any");
	struct ep_proc *one = net_proc(x, x->host, 11, "one");

	takes(x, "198.51.100.1", NULL);
	net_listener(x, x->host, "0.0.0.0", 443, any);
	net_listener(x, x->host, "198.51.100.1", 443, one);
	takes(x, "198.51.100.1", one);
	takes(x, "172.18.0.1", any);
	takes(x, "2001:db8::1", NULL);
}

static void dual_stack(void **state)
{
	struct net_world *x = *state;
	struct ep_proc *six = net_proc(x, x->host, 10, "six");
	struct ep_proc *mapped = net_proc(x, x->host, 11, "mapped");
	struct ep_proc *four = net_proc(x, x->host, 12, "four");
	struct ep_listener *l = net_listener(x, x->host, "::", 443, six);

	takes(x, "198.51.100.1", six);
	takes(x, "2001:db8::1", six);
	l->v6only = true;
	takes(x, "198.51.100.1", NULL);
	net_listener(x, x->host, "::ffff:198.51.100.1", 443, mapped);
	takes(x, "198.51.100.1", mapped);
	takes(x, "172.18.0.1", NULL);
	takes(x, "2001:db8::1", six);
	net_listener(x, x->host, "0.0.0.0", 443, four);
	takes(x, "198.51.100.1", mapped);
	takes(x, "172.18.0.1", four);
}

static void other_places(void **state)
{
	struct net_world *x = *state;
	struct ep_proc *p = net_proc(x, x->host, 10, "p");
	struct ep_listener *l;

	net_listener(x, x->host, "0.0.0.0", 80, p);
	net_listener(x, x->c1, "0.0.0.0", 443, p);
	l = net_listener(x, x->host, "0.0.0.0", 443, p);
	l->bound_ifindex = NET_BR0;
	takes(x, "198.51.100.1", NULL);
	l->bound_ifindex = NET_ETH0;
	takes(x, "198.51.100.1", p);
}

static void ports_of_a_vrf(void **state)
{
	struct net_world *x = *state;
	struct ep_proc *p = net_proc(x, x->host, 10, "p");
	struct ep_listener *l = net_listener(x, x->host, "0.0.0.0", 443, p);

	net_link(x, x->host, 9, "blue", "vrf")->vrf_table = 77;
	net_link_of(x->host, NET_ETH0)->master = 9;
	net_route(x, x->host, 77, RTN_LOCAL, "198.51.100.1/32", NET_ETH0, NULL);
	net_route(x, x->host, 77, RTN_UNICAST, "0.0.0.0/0", NET_ETH0, NULL);
	net_default_policies(x, x->host);
	net_policy(x, x->host, 1000, 0)->l3mdev = true;
	takes(x, "198.51.100.1", NULL);
	x->host->tcp_l3mdev_accept = 1;
	takes(x, "198.51.100.1", p);
	x->host->tcp_l3mdev_accept = 0;
	l->bound_ifindex = 9;
	takes(x, "198.51.100.1", p);
	l->bound_ifindex = NET_ETH0;
	takes(x, "198.51.100.1", p);
	l->bound_ifindex = NET_BR0;
	takes(x, "198.51.100.1", NULL);
}

static void reuseport_group(void **state)
{
	struct net_world *x = *state;
	struct ep_proc *p[3];
	const char *names[] = {"a", "a", "b"};

	for (int i = 0; i < 3; i++) {
		p[i] = net_proc(x, x->host, 10 + i, names[i]);
		p[i]->unit = i < 2 ? "a.service" : "b.service";
		p[i]->exe = "/usr/bin/x";
		net_listener(x, x->host, "0.0.0.0", 443, p[i])->reuseport = true;
	}
	net_external(x, "198.51.100.1", 443, CLIENT);
	assert_int_equal(x->r->outcomes.n, 2);
	assert_ptr_equal(x->r->outcomes.v[0].receiver, p[0]);
	assert_true(x->r->outcomes.v[0].probability > 0.66);
	assert_ptr_equal(x->r->outcomes.v[1].receiver, p[2]);
	assert_true(x->r->outcomes.v[1].probability < 0.34);
}

static void socket_activation(void **state)
{
	struct net_world *x = *state;
	struct ep_proc *systemd = net_proc(x, x->host, 1, "systemd");
	struct ep_proc *p = net_proc(x, x->host, 10, "p");
	struct ep_listener *l = net_listener(x, x->host, "::", 443, systemd);

	takes(x, "198.51.100.1", systemd);
	*ep_push(x->s->arena, &l->procs) = p;
	takes(x, "198.51.100.1", p);
}

static void what_is_not_known(void **state)
{
	struct net_world *x = *state;
	struct ep_hook *h;

	x->s->listeners_partial = true;
	ends(x, "198.51.100.1", EP_UNKNOWN);
	x->s->listeners_partial = false;
	h = ep_push(x->s->arena, &x->host->hooks);
	*h = (struct ep_hook){.kind = "sk_lookup", .name = "pick", .may_take = true};
	assert_non_null(strstr(ends(x, "198.51.100.1", EP_UNKNOWN)->reason, "pick"));
	h->kind = "tc-ingress";
	h->ifindex = NET_BR0;
	ends(x, "198.51.100.1", EP_REFUSED);
	h->ifindex = NET_ETH0;
	ends(x, "198.51.100.1", EP_UNKNOWN);
	h->kind = "tc-egress";
	ends(x, "198.51.100.1", EP_REFUSED);
	ends(x, "8.8.8.8", EP_UNKNOWN);
}

static void proxy_is_followed(void **state)
{
	struct net_world *x = *state;
	struct ep_proc *proxy = net_proc(x, x->host, 10, "docker-proxy");
	struct ep_proc *web = net_proc(x, x->c1, 11, "web");
	const struct ep_outcome *o;

	proxy->proxy_kind = "docker-proxy";
	proxy->proxy_target = net_addr("172.18.0.2");
	proxy->proxy_port = 8443;
	net_listener(x, x->host, "0.0.0.0", 443, proxy);
	o = ends(x, "198.51.100.1", EP_REFUSED);
	assert_int_equal(o->via.n, 1);
	assert_int_equal(o->final.port, 8443);
	net_listener(x, x->c1, "0.0.0.0", 8443, web);
	takes(x, "198.51.100.1", web);
	o = only(x);
	assert_ptr_equal(o->via.v[0], proxy);
	assert_int_equal(o->final.netns, NET_C1);
	/* A proxy that leads to itself comes to an end. */
	proxy->proxy_target = net_addr("198.51.100.1");
	proxy->proxy_port = 443;
	net_external(x, "198.51.100.1", 443, CLIENT);
	assert_int_equal(x->r->outcomes.n, 1);
}

static void without_a_process(void **state)
{
	struct net_world *x = *state;
	struct ep_proc *p = net_proc(x, x->host, 10, "p"), *q = net_proc(x, x->host, 11, "q");
	struct ep_query query = {.origin = EP_EXTERNAL,
				 .dst = net_addr("198.51.100.1"),
				 .dport = 443,
				 .netns = NET_HOST,
				 .ifindex = NET_ETH0,
				 .has_src = true,
				 .src = net_addr(CLIENT)};
	struct ep_without without = {};

	net_listener(x, x->host, "198.51.100.1", 443, p);
	net_listener(x, x->host, "0.0.0.0", 443, q);
	*ep_push(x->s->arena, &without.procs) = p;
	x->r = ep_walk(x->s, &query, &without);
	assert_ptr_equal(only(x)->receiver, q);
}

/* ---- the next hop ---- */

static void behind_the_bridge(void **state)
{
	struct net_world *x = *state;
	struct ep_proc *web = net_proc(x, x->c1, 11, "web");
	struct ep_link *eth = net_link_of(x->c1, NET_ETH0);

	net_listener(x, x->c1, "0.0.0.0", 443, web);
	takes(x, "172.18.0.2", web);
	assert_string_equal(only(x)->final.dev, "eth0");
	assert_non_null(strstr(ends(x, "172.18.0.9", EP_UNREACHABLE)->reason, "172.18.0.9"));
	eth->flags &= ~(unsigned)IFF_UP;
	ends(x, "172.18.0.2", EP_UNREACHABLE);
	eth->flags |= IFF_UP;
	net_link_of(x->host, NET_PORT)->flags &= ~(unsigned)IFF_UP;
	ends(x, "172.18.0.2", EP_UNREACHABLE);
}

static void ports_that_lead_elsewhere(void **state)
{
	struct net_world *x = *state;
	struct ep_link *port = net_link(x, x->host, 9, "eth1", "");

	port->master = NET_BR0;
	ends(x, "172.18.0.9", EP_FORWARDED);
	assert_string_equal(only(x)->final.dev, "br0");
	port->kind = "veth"; /* its other end is not known */
	ends(x, "172.18.0.9", EP_UNKNOWN);
	ends(x, "172.18.0.2", EP_REFUSED);
}

static void unread_namespace(void **state)
{
	struct net_world *x = *state;

	x->c1->have = 0;
	ends(x, "172.18.0.2", EP_UNKNOWN);
}

/* host - veth - c1, where the device is a port of a bridge that owns the address, or not */
static void bridge_over_there(void **state)
{
	struct net_world *x = *state;
	struct ep_link *port = net_link_of(x->host, NET_PORT), *br;

	port->master = 0;
	net_ifaddr(x, x->host, NET_PORT, "172.19.0.1/24");
	net_ifaddr(x, x->c1, 7, "172.19.0.2/24");
	br = net_link(x, x->c1, 7, "br1", "bridge");
	ends(x, "172.19.0.2", EP_REFUSED); /* any of its addresses answers */
	assert_string_equal(only(x)->final.dev, "eth0");
	net_link_of(x->c1, NET_ETH0)->master = 7;
	ends(x, "172.19.0.2", EP_REFUSED);
	assert_string_equal(only(x)->final.dev, "br1");
	ends(x, "172.19.0.3", EP_UNREACHABLE);
	br->flags = 0;
	ends(x, "172.19.0.2", EP_UNREACHABLE);
}

static void kinds_of_devices(void **state)
{
	static const struct {
		const char *kind;
		enum ep_outcome_verdict verdict;
	} rows[] = {
		{"", EP_FORWARDED},     {"wireguard", EP_FORWARDED}, {"vxlan", EP_FORWARDED},
		{"tun", EP_FORWARDED},  {"bond", EP_UNREACHABLE},    {"dummy", EP_UNREACHABLE},
		{"veth", EP_UNKNOWN},   {"netkit", EP_UNKNOWN},      {"bridge", EP_UNREACHABLE},
		{"vlan", EP_FORWARDED}, {"macvlan", EP_FORWARDED},
	};
	struct net_world *x = *state;
	struct ep_link *l = net_link(x, x->host, 9, "dev9", "");
	struct ep_route *r =
		net_route(x, x->host, RT_TABLE_MAIN, RTN_UNICAST, "10.1.0.0/16", 9, NULL);

	l->peer_ifindex = NET_ETH0;
	for (size_t i = 0; i < EP_ARRAY_SIZE(rows); i++) {
		bool stacked = strstr(rows[i].kind, "vlan") != NULL;

		l->kind = rows[i].kind;
		l->peer_netns = stacked ? NET_HOST : 0;
		ends(x, "10.1.0.1", rows[i].verdict);
		assert_string_equal(only(x)->final.dev, l->name);
	}
	l->peer_ifindex = NET_PORT;
	ends(x, "10.1.0.1", EP_UNREACHABLE); /* the cable ends in c1, which has not that address */
	l->kind = "";
	r->hops.v[0].flags = EP_NH_ENCAP;
	ends(x, "10.1.0.1", EP_UNKNOWN);
}

static struct ep_nft_chain *bridge_chain(struct net_world *x, unsigned hook, uint32_t policy)
{
	struct ep_nft_table *t = ep_alloc(x->s->arena, sizeof(*t));
	struct ep_nft_chain *c = ep_alloc(x->s->arena, sizeof(*c));

	*t = (struct ep_nft_table){.family = NFPROTO_BRIDGE, .name = "b"};
	*c = (struct ep_nft_chain){.table = t,
				   .name = "c",
				   .base = true,
				   .type = "filter",
				   .hook = hook,
				   .policy = policy,
				   .loaded = true};
	*ep_push(x->s->arena, &t->chains) = c;
	*ep_push(x->s->arena, &x->host->nft.tables) = t;
	return c;
}

static void bridge_rules(void **state)
{
	struct net_world *x = *state;
	struct ep_nft_chain *c = bridge_chain(x, NF_INET_POST_ROUTING, NF_ACCEPT);

	ends(x, "172.18.0.2", EP_REFUSED); /* no rules, nothing to fear */
	c->policy = NF_DROP;
	ends(x, "172.18.0.2", EP_DROPPED);
	ends(x, "198.51.100.1", EP_REFUSED);
	c->hook = NF_INET_FORWARD;
	ends(x, "172.18.0.2", EP_REFUSED);
}

static void endless_loop(void **state)
{
	struct net_world *x = *state;

	net_route(x, x->host, RT_TABLE_MAIN, RTN_UNICAST, "10.1.0.0/16", NET_BR0, "172.18.0.2");
	assert_non_null(strstr(ends(x, "10.1.0.1", EP_UNREACHABLE)->reason, "in a circle"));
}

/* ---- sent by the host itself ---- */

static void from_host(void **state)
{
	struct net_world *x = *state;
	struct ep_proc *p = net_proc(x, x->host, 10, "p"), *web = net_proc(x, x->c1, 11, "web");

	net_listener(x, x->host, "0.0.0.0", 443, p);
	net_listener(x, x->c1, "172.18.0.2", 443, web);
	net_from_host(x, "198.51.100.1", 443);
	assert_ptr_equal(only(x)->receiver, p);
	assert_string_equal(only(x)->final.dev, "lo");
	net_from_host(x, "127.0.0.1", 443);
	assert_ptr_equal(only(x)->receiver, p);
	net_from_host(x, "172.18.0.2", 443);
	assert_ptr_equal(only(x)->receiver, web);
	net_from_host(x, "8.8.8.8", 443);
	assert_int_equal(only(x)->verdict, EP_FORWARDED);
	net_link_of(x->host, NET_ETH0)->forwarding4 = 0;
	x->host->routes.n = 0;
	net_from_host(x, "8.8.8.8", 443);
	assert_int_equal(only(x)->verdict, EP_UNREACHABLE);
}

static void loopback_source_stays(void **state)
{
	struct net_world *x = *state;
	struct ep_query q = {.origin = EP_HOST,
			     .dst = net_addr("172.18.0.2"),
			     .dport = 443,
			     .netns = NET_HOST,
			     .has_src = true,
			     .src = net_addr("127.0.0.1")};

	x->r = ep_walk(x->s, &q, NULL);
	assert_int_equal(only(x)->verdict, EP_DROPPED);
	ep_result_free(x->r);
	net_link_of(x->host, NET_BR0)->route_localnet = 1; /* and then the container refuses it */
	x->r = ep_walk(x->s, &q, NULL);
	assert_int_equal(only(x)->verdict, EP_DROPPED);
	assert_int_equal(only(x)->final.netns, NET_C1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(exact_before_wildcard),
		TEST(dual_stack),
		TEST(other_places),
		TEST(ports_of_a_vrf),
		TEST(reuseport_group),
		TEST(socket_activation),
		TEST(what_is_not_known),
		TEST(proxy_is_followed),
		TEST(without_a_process),
		TEST(behind_the_bridge),
		TEST(ports_that_lead_elsewhere),
		TEST(unread_namespace),
		TEST(bridge_over_there),
		TEST(kinds_of_devices),
		TEST(bridge_rules),
		TEST(endless_loop),
		TEST(from_host),
		TEST(loopback_source_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
