// SPDX-License-Identifier: GPL-2.0-or-later
/* Routing and source validation on a host made by hand. */
#include <netinet/in.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net_world.h"
#include "walk/partition.h"

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

/* A walk that makes no choices but the first, for single lookups. */
static struct ep_walk walk_in(struct net_world *x, uint8_t alen)
{
	struct ep_walk w = {.arena = ep_arena_new(), .s = x->s, .ns = x->host};
	unsigned bits = alen * 8u;

	ep_w_var(&w, EP_VAR_FIELD, bits, ep_iv_full(w.arena, bits), "ip saddr");
	ep_w_var(&w, EP_VAR_FIELD, 16, ep_iv_full(w.arena, 16), "tcp sport");
	w.p.alen = alen;
	w.p.saddr.var = EP_VAR_SADDR;
	w.p.in = ep_link_by_name(x->host, "eth0");
	return w;
}

static struct ep_fib look(struct net_world *x, const char *dst, uint32_t iif, uint32_t mark)
{
	struct ep_addr a = net_addr(dst);
	struct ep_walk w = walk_in(x, a.len);
	struct ep_flow f = {.dst = a,
			    .iif = iif,
			    .mark = mark,
			    .src = {.var = -1, .c = 0x0a000001},
			    EP_FLOW_NO_PORTS};
	struct ep_fib r;

	ep_fib_lookup(&w, x->host, &f, &r);
	ep_arena_free(w.arena);
	return r;
}

static const char *gw(const struct ep_fib *f)
{
	static char buf[EP_ADDRSTR];

	return ep_addr_str(&f->gw, buf);
}

static void longest_prefix_then_metric(void **state)
{
	struct net_world *x = *state;
	struct ep_fib f;

	net_route(x, x->host, RT_TABLE_MAIN, RTN_UNICAST, "10.0.0.0/8", NET_BR0, "172.18.0.8");
	net_route(x, x->host, RT_TABLE_MAIN, RTN_UNICAST, "10.1.0.0/16", NET_BR0, "172.18.0.9")
		->metric = 20;
	net_route(x, x->host, RT_TABLE_MAIN, RTN_UNICAST, "10.1.0.0/16", NET_BR0, "172.18.0.10")
		->metric = 10;
	f = look(x, "10.1.2.3", NET_ETH0, 0);
	assert_string_equal(gw(&f), "172.18.0.10");
	f = look(x, "10.2.0.0", NET_ETH0, 0);
	assert_string_equal(gw(&f), "172.18.0.8");
	f = look(x, "9.255.255.255", NET_ETH0, 0);
	assert_string_equal(gw(&f), "198.51.100.254");
	f = look(x, "172.18.0.2", NET_ETH0, 0);
	assert_string_equal(gw(&f), "172.18.0.2");
	assert_string_equal(f.out->name, "br0");
	f = look(x, "198.51.100.1", NET_ETH0, 0);
	assert_int_equal(f.type, RTN_LOCAL);
}

static void refusals_and_throw(void **state)
{
	struct net_world *x = *state;

	net_route(x, x->host, RT_TABLE_MAIN, RTN_BLACKHOLE, "10.1.0.0/16", 0, NULL);
	net_route(x, x->host, RT_TABLE_MAIN, RTN_THROW, "10.2.0.0/16", 0, NULL);
	net_route(x, x->host, RT_TABLE_DEFAULT, RTN_UNICAST, "10.0.0.0/8", NET_BR0, NULL);
	assert_int_equal(look(x, "10.1.0.1", NET_ETH0, 0).type, RTN_BLACKHOLE);
	assert_string_equal(look(x, "10.2.0.1", NET_ETH0, 0).out->name, "br0");
	assert_string_equal(look(x, "10.3.0.1", NET_ETH0, 0).out->name, "eth0");
	x->host->routes.n = 0;
	assert_int_equal(look(x, "10.3.0.1", NET_ETH0, 0).type, RTN_UNREACHABLE);
}

static void dead_hops_and_lost_carrier(void **state)
{
	struct net_world *x = *state;
	struct ep_route *r;

	r = net_route(x, x->host, RT_TABLE_MAIN, RTN_UNICAST, "10.1.0.0/16", NET_BR0, NULL);
	r->hops.v[0].flags = RTNH_F_LINKDOWN;
	assert_string_equal(look(x, "10.1.0.1", NET_ETH0, 0).out->name, "br0");
	r->hops.v[0].flags |= RTNH_F_DEAD;
	assert_string_equal(look(x, "10.1.0.1", NET_ETH0, 0).out->name, "eth0");
}

/* Without rules local and main are one trie; with them local is asked first. */
static void local_and_main_table(void **state)
{
	struct net_world *x = *state;

	net_route(x, x->host, RT_TABLE_LOCAL, RTN_LOCAL, "10.0.0.0/8", NET_LO, NULL);
	net_route(x, x->host, RT_TABLE_MAIN, RTN_UNICAST, "10.1.0.0/16", NET_BR0, NULL);
	net_default_policies(x, x->host);
	assert_int_equal(look(x, "10.2.0.1", NET_ETH0, 0).type, RTN_LOCAL);
	assert_int_equal(look(x, "10.1.0.1", NET_ETH0, 0).type, RTN_UNICAST);
	net_policy(x, x->host, 100, 100)->fwmark = 1;
	assert_int_equal(look(x, "10.1.0.1", NET_ETH0, 0).type, RTN_LOCAL);
}

static void policies_in_order(void **state)
{
	struct net_world *x = *state;
	struct ep_policy *p;

	net_route(x, x->host, 100, RTN_UNICAST, "0.0.0.0/0", NET_BR0, "172.18.0.100");
	net_route(x, x->host, 200, RTN_UNICAST, "0.0.0.0/0", NET_BR0, "172.18.0.200");
	net_default_policies(x, x->host);
	p = net_policy(x, x->host, 20, 200);
	p->fwmark = 0x10;
	p->fwmask = 0xf0;
	p = net_policy(x, x->host, 10, 100);
	p->iif = "br0";
	p = net_policy(x, x->host, 5, 0);
	p->action = FR_ACT_GOTO;
	p->target = 32766;
	p->dst = net_addr("10.9.0.0");
	p->dst_len = 16;
	p = net_policy(x, x->host, 6, 0);
	p->action = FR_ACT_PROHIBIT;
	p->src = net_addr("10.77.0.0");
	p->src_len = 16;
	assert_string_equal(look(x, "10.1.0.1", NET_ETH0, 0).out->name, "eth0");
	assert_int_equal(look(x, "10.1.0.1", NET_ETH0, 0x11).gw.b[3], 200);
	assert_int_equal(look(x, "10.1.0.1", NET_BR0, 0x11).gw.b[3], 100);
	assert_string_equal(look(x, "10.9.0.1", NET_BR0, 0x11).out->name, "eth0");
	assert_int_equal(look(x, "198.51.100.1", NET_BR0, 0x11).type, RTN_LOCAL);
}

static void inverted_and_suppressed(void **state)
{
	struct net_world *x = *state;
	struct ep_policy *p;

	net_route(x, x->host, 100, RTN_UNICAST, "0.0.0.0/0", NET_BR0, "172.18.0.100");
	net_route(x, x->host, RT_TABLE_MAIN, RTN_UNICAST, "10.1.0.0/16", NET_BR0, "172.18.0.7");
	net_default_policies(x, x->host);
	/* wg-quick's pair: main, but not its default route; then the tunnel for what is not marked */
	p = net_policy(x, x->host, 10, RT_TABLE_MAIN);
	p->suppress_prefixlen = 0;
	p = net_policy(x, x->host, 11, 100);
	p->invert = true;
	p->fwmark = 0xca6c;
	p->fwmask = UINT32_MAX;
	assert_int_equal(look(x, "10.1.0.1", NET_ETH0, 0).gw.b[3], 7);
	assert_int_equal(look(x, "10.2.0.1", NET_ETH0, 0).gw.b[3], 100);
	assert_string_equal(look(x, "10.2.0.1", NET_ETH0, 0xca6c).out->name, "eth0");
}

static void vrf_table(void **state)
{
	struct net_world *x = *state;
	struct ep_link *vrf = net_link(x, x->host, 9, "blue", "vrf");

	vrf->vrf_table = 77;
	net_link_of(x->host, NET_BR0)->master = 9;
	net_route(x, x->host, 77, RTN_UNICAST, "0.0.0.0/0", NET_BR0, "172.18.0.77");
	net_default_policies(x, x->host);
	net_policy(x, x->host, 1000, 0)->l3mdev = true;
	assert_int_equal(look(x, "10.1.0.1", NET_BR0, 0).gw.b[3], 77);
	assert_int_equal(look(x, "10.1.0.1", 9, 0).gw.b[3], 77);
	assert_string_equal(look(x, "10.1.0.1", NET_ETH0, 0).out->name, "eth0");
}

static void source_specific_routes(void **state)
{
	struct net_world *x = *state;
	struct ep_addr dst = net_addr("2001:db8:5::1"), from = net_addr("2001:db8:7::1");
	struct ep_walk w = walk_in(x, 16);
	struct ep_flow f = {.dst = dst, .iif = NET_ETH0, .src = {.var = -1}, EP_FLOW_NO_PORTS};
	struct ep_route *r;
	struct ep_fib fib;

	r = net_route(x, x->host, RT_TABLE_MAIN, RTN_UNICAST, "::/0", NET_BR0, NULL);
	r->src = net_addr("2001:db8:7::");
	r->src_len = 48;
	f.src.c = ep_addr_num(&from);
	ep_fib_lookup(&w, x->host, &f, &fib);
	assert_string_equal(fib.out->name, "br0");
	f.src.c = ep_addr_num(&dst);
	ep_fib_lookup(&w, x->host, &f, &fib);
	assert_string_equal(fib.out->name, "eth0");
	ep_arena_free(w.arena);
}

static void multipath_by_weight(void **state)
{
	struct net_world *x = *state;
	struct ep_route *r =
		net_route(x, x->host, RT_TABLE_MAIN, RTN_UNICAST, "10.1.0.0/16", 0, NULL);
	double to_bridge = 0;

	net_hop(x, r, NET_BR0, "172.18.0.2", 3, 0);
	net_hop(x, r, NET_ETH0, "198.51.100.9", 1, 0);
	net_link_of(x->c1, NET_ETH0)->forwarding4 = 0;
	net_external(x, "10.1.0.1", 443, "203.0.113.7");
	assert_int_equal(x->r->outcomes.n, 2);
	ep_each(o, &x->r->outcomes)
		if (o->verdict != EP_FORWARDED)
			to_bridge += o->probability;
	assert_true(to_bridge > 0.74 && to_bridge < 0.76);
}

/* ---- kinds of addresses ---- */

static void address_types(void **state)
{
	static const struct {
		const char *addr;
		uint8_t type;
	} rows[] = {
		{"198.51.100.1", RTN_LOCAL},
		{"127.9.9.9", RTN_LOCAL},
		{"8.8.8.8", RTN_UNICAST},
		{"224.0.0.1", RTN_MULTICAST},
		{"255.255.255.255", RTN_BROADCAST},
		{"0.0.0.0", RTN_BROADCAST},
		{"10.7.0.1", RTN_UNICAST},
		{"2001:db8::1", RTN_LOCAL},
		{"2001:db8::2", RTN_UNICAST},
		{"ff02::1", RTN_MULTICAST},
		{"::1", RTN_LOCAL},
		{"::ffff:1.2.3.4", RTN_UNSPEC},
		{"2001:db8:66::1", RTN_PROHIBIT},
	};
	struct net_world *x = *state;

	net_route(x, x->host, RT_TABLE_MAIN, RTN_BLACKHOLE, "10.7.0.0/16", 0, NULL);
	net_route(x, x->host, RT_TABLE_MAIN, RTN_PROHIBIT, "2001:db8:66::/48", 0, NULL);
	net_route(x, x->host, RT_TABLE_LOCAL, RTN_MULTICAST, "ff00::/8", NET_ETH0, NULL);
	for (size_t i = 0; i < EP_ARRAY_SIZE(rows); i++) {
		struct ep_addr a = net_addr(rows[i].addr);
		struct ep_walk w = walk_in(x, a.len);

		assert_int_equal(ep_fib_addr_type(&w, x->host, &a, 0, NULL), rows[i].type);
		for (uint8_t t = RTN_UNSPEC; t <= RTN_PROHIBIT; t++)
			assert_int_equal(ep_iv_has(ep_fib_type_set(&w, x->host, a.len, t, 0, NULL),
						   ep_addr_num(&a)),
					 t == rows[i].type);
		ep_arena_free(w.arena);
	}
}

static void local_to_one_device(void **state)
{
	struct net_world *x = *state;
	struct ep_addr a4 = net_addr("198.51.100.1"), a6 = net_addr("2001:db8::1");
	struct ep_walk w = walk_in(x, 4);

	assert_int_equal(ep_fib_addr_type(&w, x->host, &a4, NET_ETH0, NULL), RTN_LOCAL);
	assert_int_equal(ep_fib_addr_type(&w, x->host, &a4, NET_BR0, NULL), RTN_UNICAST);
	assert_int_equal(ep_fib_addr_type(&w, x->host, &a6, NET_ETH0, NULL), RTN_LOCAL);
	assert_int_equal(ep_fib_addr_type(&w, x->host, &a6, NET_BR0, NULL), RTN_UNICAST);
	assert_true(ep_iv_has(ep_fib_type_set(&w, x->host, 16, RTN_LOCAL, NET_ETH0, NULL),
			      ep_addr_num(&a6)));
	assert_false(ep_iv_has(ep_fib_type_set(&w, x->host, 16, RTN_LOCAL, NET_BR0, NULL),
			       ep_addr_num(&a6)));
	ep_arena_free(w.arena);
}

/* ---- sources ---- */

static void expect(struct net_world *x, const char *src, enum ep_outcome_verdict v, bool martian)
{
	const struct ep_outcome *o = net_outcome(x, src);

	assert_int_equal(o->verdict, v);
	assert_int_equal(o->martian, martian);
}

static void martians(void **state)
{
	struct net_world *x = *state;

	net_external(x, "198.51.100.1", 443, NULL);
	expect(x, "203.0.113.7", EP_REFUSED, false);
	expect(x, "172.18.0.2", EP_REFUSED, false);
	expect(x, "198.51.100.1", EP_DROPPED, true);
	expect(x, "172.18.0.1", EP_DROPPED, true);
	expect(x, "127.3.0.1", EP_DROPPED, true);
	expect(x, "0.0.0.0", EP_DROPPED, true);
	expect(x, "0.0.0.1", EP_REFUSED, false);
	expect(x, "224.0.0.9", EP_DROPPED, true);
	expect(x, "255.255.255.255", EP_DROPPED, true);
	expect(x, "255.255.255.254", EP_REFUSED, false);
	net_link_of(x->host, NET_ETH0)->accept_local = 1;
	net_external(x, "198.51.100.1", 443, NULL);
	expect(x, "198.51.100.1", EP_REFUSED, false);
}

static void reverse_path_filter(void **state)
{
	struct net_world *x = *state;

	net_default_policies(x, x->host);
	x->host->rp_filter_all = 1;
	net_external(x, "198.51.100.1", 443, NULL);
	expect(x, "203.0.113.7", EP_REFUSED, false);
	expect(x, "172.18.0.2", EP_DROPPED, false);
	expect(x, "172.18.0.1", EP_DROPPED, true);
	net_link_of(x->host, NET_ETH0)->rp_filter = 2;
	net_external(x, "198.51.100.1", 443, NULL);
	expect(x, "172.18.0.2", EP_REFUSED, false);
	net_route(x, x->host, RT_TABLE_MAIN, RTN_UNREACHABLE, "10.66.0.0/16", 0, NULL);
	net_external(x, "198.51.100.1", 443, NULL);
	expect(x, "10.66.1.1", EP_DROPPED, false);
	net_external(x, "198.51.100.1", 443, "10.66.1.1");
	expect(x, "10.66.1.1", EP_DROPPED, false);
}

/* With rules of one's own the whole way back counts, as for a source that is given. */
static void reverse_path_by_rules(void **state)
{
	static const char *const sources[] = {"203.0.113.7", "10.5.1.1", "10.6.1.1", "172.18.0.2",
					      "10.7.1.1"};
	struct net_world *x = *state;
	struct ep_policy *p;

	net_default_policies(x, x->host);
	net_route(x, x->host, 100, RTN_UNICAST, "10.5.0.0/16", NET_BR0, NULL);
	net_route(x, x->host, 100, RTN_THROW, "10.6.0.0/16", 0, NULL);
	net_route(x, x->host, 100, RTN_UNICAST, "10.0.0.0/8", NET_BR0, NULL);
	p = net_policy(x, x->host, 50, 100);
	p->dst = net_addr("10.0.0.0");
	p->dst_len = 13;
	p = net_policy(x, x->host, 40, 0);
	p->action = FR_ACT_GOTO;
	p->target = 32766;
	p->dst = net_addr("10.7.0.0");
	p->dst_len = 16;
	x->host->rp_filter_all = 1;
	for (size_t i = 0; i < EP_ARRAY_SIZE(sources); i++) {
		enum ep_outcome_verdict open;

		net_external(x, "198.51.100.1", 443, NULL);
		open = net_outcome(x, sources[i])->verdict;
		net_external(x, "198.51.100.1", 443, sources[i]);
		assert_int_equal(net_outcome(x, sources[i])->verdict, open);
	}
	net_external(x, "198.51.100.1", 443, NULL);
	expect(x, "10.5.1.1", EP_DROPPED, false);
	expect(x, "10.6.1.1", EP_REFUSED, false);
	expect(x, "10.7.1.1", EP_REFUSED, false);
	expect(x, "10.4.1.1", EP_DROPPED, false);
}

static void many_routes(void **state)
{
	struct net_world *x = *state;

	for (unsigned i = 0; i < 20000; i++) {
		struct ep_route *r = net_route(x, x->host, RT_TABLE_LOCAL, RTN_LOCAL, "10.0.0.0/32",
					       NET_LO, NULL);

		r->dst.b[1] = (uint8_t)(i >> 8);
		r->dst.b[2] = (uint8_t)i;
		r->dst.b[3] = 1;
	}
	x->host->rp_filter_all = 2;
	net_external(x, "198.51.100.1", 443, NULL);
	expect(x, "10.3.4.1", EP_DROPPED, true);
	expect(x, "10.3.4.2", EP_REFUSED, false);
}

static void routes_to_nowhere(void **state)
{
	struct net_world *x = *state;

	net_route(x, x->host, RT_TABLE_MAIN, RTN_BLACKHOLE, "10.1.0.0/16", 0, NULL);
	net_route(x, x->host, RT_TABLE_MAIN, RTN_UNREACHABLE, "10.2.0.0/16", 0, NULL);
	net_external(x, "10.1.0.1", 443, "203.0.113.7");
	expect(x, "203.0.113.7", EP_DROPPED, false);
	net_external(x, "10.2.0.1", 443, "203.0.113.7");
	expect(x, "203.0.113.7", EP_UNREACHABLE, false);
	net_link_of(x->host, NET_ETH0)->forwarding4 = 0; /* ip_error() keeps silent then */
	net_external(x, "10.2.0.1", 443, "203.0.113.7");
	expect(x, "203.0.113.7", EP_DROPPED, false);
	net_external(x, "8.8.8.8", 443, "203.0.113.7");
	expect(x, "203.0.113.7", EP_DROPPED, false);
	net_external(x, "127.0.0.1", 443, "203.0.113.7");
	expect(x, "203.0.113.7", EP_DROPPED, false);
	net_link_of(x->host, NET_ETH0)->route_localnet = 1;
	net_external(x, "127.0.0.1", 443, "203.0.113.7");
	expect(x, "203.0.113.7", EP_REFUSED, false);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(longest_prefix_then_metric),
		TEST(refusals_and_throw),
		TEST(dead_hops_and_lost_carrier),
		TEST(local_and_main_table),
		TEST(policies_in_order),
		TEST(inverted_and_suppressed),
		TEST(vrf_table),
		TEST(source_specific_routes),
		TEST(multipath_by_weight),
		TEST(address_types),
		TEST(local_to_one_device),
		TEST(martians),
		TEST(reverse_path_filter),
		TEST(reverse_path_by_rules),
		TEST(many_routes),
		TEST(routes_to_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
