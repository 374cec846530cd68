// SPDX-License-Identifier: GPL-2.0-or-later
/* What was seen against what was predicted: which socket, which outcome; and what belongs to a host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "edgepath/observe.h"
#include "net_world.h"

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

static struct ep_wire_row row_at(enum ep_wire_result result, uint32_t netns, const char *laddr,
				 uint16_t lport)
{
	struct ep_addr dst = net_addr("198.51.100.1"), end = net_addr(laddr);
	struct ep_wire_row r = {.result = result,
				.netns = netns,
				.family = end.len == 4 ? 4 : 6,
				.dport = 443,
				.lport = lport};

	memcpy(r.daddr, dst.b, 16);
	memcpy(r.laddr, end.b, 16);
	return r;
}

static struct ep_wire_flow flow_from(const struct ep_wire_row *row, const char *src)
{
	struct ep_addr a = net_addr(src);
	struct ep_wire_flow f = {.row = *row, .sport = 40000};

	memcpy(f.saddr, a.b, 16);
	return f;
}

static void listener_by_inode_or_place(void **state)
{
	struct net_world *x = *state;
	struct ep_wire_row r = row_at(EP_WIRE_LANDED, NET_HOST, "198.51.100.1", 443);

	net_listener(x, x->host, "::", 443, NULL)->ino = 11;
	net_listener(x, x->host, "0.0.0.0", 443, NULL)->ino = 12;
	net_listener(x, x->c1, "198.51.100.1", 443, NULL)->ino = 13;
	assert_int_equal(ep_seen_listener(x->s, &r)->ino, 12);
	net_listener(x, x->host, "198.51.100.1", 443, NULL)->ino = 14;
	assert_int_equal(ep_seen_listener(x->s, &r)->ino, 14);
	r.ino = 11;
	assert_int_equal(ep_seen_listener(x->s, &r)->ino, 11);
	r.ino = 13; /* of another namespace */
	assert_null(ep_seen_listener(x->s, &r));
	r = row_at(EP_WIRE_LANDED, NET_HOST, "2001:db8::1", 443);
	assert_int_equal(ep_seen_listener(x->s, &r)->ino, 11);
	r.lport = 80;
	assert_null(ep_seen_listener(x->s, &r));
}

static void landed(void **state)
{
	struct net_world *x = *state;
	struct ep_wire_row r = row_at(EP_WIRE_LANDED, NET_HOST, "198.51.100.1", 443);
	struct ep_listener *web =
		net_listener(x, x->host, "0.0.0.0", 443, net_proc(x, x->host, 10, "web"));
	const struct ep_outcome *o;
	const struct ep_listener *other;

	web->ino = 11;
	net_external(x, "198.51.100.1", 443, NULL);
	assert_int_equal(ep_judge(x->r, ep_seen_listener(x->s, &r), &r, NULL, NULL), EP_JUDGED_YES);
	net_listener(x, x->c1, "172.18.0.2", 443, net_proc(x, x->c1, 20, "c1"))->ino = 12;
	r.netns = NET_C1;
	r.ino = 12;
	other = ep_seen_listener(x->s, &r);
	assert_non_null(other);
	assert_int_equal(ep_judge(x->r, other, &r, NULL, &o), EP_JUDGED_NO);
	assert_int_equal(o->verdict, EP_DELIVERED);
	/* Who took it could not be found out: that is no contradiction. */
	assert_int_equal(ep_judge(x->r, NULL, &r, NULL, NULL), EP_JUDGED_UNKNOWN);
}

static void refused_and_dropped(void **state)
{
	struct net_world *x = *state;
	struct ep_wire_row refused = row_at(EP_WIRE_REFUSED, NET_HOST, "198.51.100.1", 443);
	struct ep_wire_row dropped = row_at(EP_WIRE_DROPPED, NET_HOST, "198.51.100.1", 443);

	net_external(x, "198.51.100.1", 443, NULL);
	assert_int_equal(ep_judge(x->r, NULL, &refused, NULL, NULL), EP_JUDGED_YES);
	/* Martians are dropped; of one that came from elsewhere that was not said. */
	struct ep_wire_flow f = flow_from(&dropped, "203.0.113.7");

	assert_int_equal(ep_judge(x->r, NULL, &dropped, &f, NULL), EP_JUDGED_NO);
	f = flow_from(&refused, "203.0.113.7");
	assert_int_equal(ep_judge(x->r, NULL, &refused, &f, NULL), EP_JUDGED_YES);
}

static void unknown_is_no_contradiction(void **state)
{
	struct net_world *x = *state;
	struct ep_wire_row r = row_at(EP_WIRE_DROPPED, NET_HOST, "198.51.100.1", 443);

	net_listener(x, x->host, "0.0.0.0", 443, net_proc(x, x->host, 10, "web"));
	net_external(x, "198.51.100.1", 443, "203.0.113.7");
	assert_int_equal(ep_judge(x->r, NULL, &r, NULL, NULL), EP_JUDGED_NO);
	x->r->outcomes.v[0].verdict = EP_UNKNOWN;
	assert_int_equal(ep_judge(x->r, NULL, &r, NULL, NULL), EP_JUDGED_UNKNOWN);
	x->r->outcomes.v[0].verdict = EP_DELIVERED;
	x->r->split_limit = true;
	assert_int_equal(ep_judge(x->r, NULL, &r, NULL, NULL), EP_JUDGED_UNKNOWN);
}

static void what_is_below_a_host(void **state)
{
	struct net_world *x = *state;
	uint32_t outer = NET_ETH0;
	struct ep_arena *a = ep_arena_new();
	struct ep_scope sc;
	struct ep_link *eth0 = net_link_of(x->host, NET_ETH0);

	/* eth0 leads to another namespace, where clients are: they are not below. */
	eth0->kind = "veth";
	eth0->peer_netns = 99;
	ep_scope_find(x->s, a, &outer, 1, &sc);
	assert_int_equal(sc.host, NET_HOST);
	assert_int_equal(sc.netns.n, 1);
	assert_int_equal(sc.netns.v[0], NET_C1);
	assert_true(sc.own.n >= 3);
	assert_true(sc.inside.n >= 1);
	assert_false(sc.shared);
	ep_scope_find(x->s, a, NULL, 0, &sc);
	assert_int_equal(sc.netns.n, 2);
	net_listener(x, x->host, "0.0.0.0", 443, NULL)->reuseport = true;
	net_listener(x, x->host, "0.0.0.0", 443, NULL)->reuseport = true;
	net_proc(x, x->host, 10, "docker-proxy")->proxy_kind = "docker-proxy";
	ep_scope_find(x->s, a, &outer, 1, &sc);
	assert_true(sc.shared);
	assert_int_equal(sc.proxies.n, 1);
	assert_int_equal(sc.proxies.v[0], 10);
	ep_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(listener_by_inode_or_place, setup, teardown),
		cmocka_unit_test_setup_teardown(landed, setup, teardown),
		cmocka_unit_test_setup_teardown(refused_and_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_is_no_contradiction, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_below_a_host, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
