// SPDX-License-Identifier: GPL-2.0-or-later
/* Routes, policy rules and next hop objects from rtnetlink messages. */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "rtnl_bytes.h"

struct world {
	struct ep_snapshot *s;
	struct ep_netns *ns;
	ep_rtnl_nhs nhs;
};

static int setup(void **state)
{
	static struct world x;

	memset(&x, 0, sizeof(x));
	x.s = ep_snapshot_new();
	x.ns = ep_netns_add(x.s, 4026531840u);
	*state = &x;
	return 0;
}

static int teardown(void **state)
{
	struct world *x = *state;

	ep_snapshot_free(x->s);
	return 0;
}

static int take_route(const struct nlmsghdr *nlh, void *ctx)
{
	struct world *x = ctx;

	if (nlh->nlmsg_type == RTM_NEWNEXTHOP)
		return ep_rtnl_nexthop(x->s->arena, &x->nhs, nlh);
	return ep_rtnl_route(x->s, x->ns, nlh);
}

static int take_rule(const struct nlmsghdr *nlh, void *ctx)
{
	struct world *x = ctx;

	return ep_rtnl_policy(x->s, x->ns, nlh);
}

static const struct ep_route *route(struct world *x, const char *dst)
{
	struct ep_addr a;

	assert_true(ep_addr_parse(dst, &a));
	ep_each(r, &x->ns->routes)
		if (ep_addr_eq(&r->dst, &a))
			return r;
	fail_msg("no route to %s", dst);
	return NULL;
}

static const char *via(const struct ep_route *r, size_t i)
{
	static char buf[EP_ADDRSTR];

	assert_true(i < r->hops.n);
	return ep_addr_str(&r->hops.v[i].gw, buf);
}

static void routes_of_a_kernel(void **state)
{
	struct world *x = *state;
	const struct ep_route *r;

	rtnl_each(x->s->arena, "routes4", take_route, x);
	r = route(x, "10.9.0.0");
	assert_int_equal(r->family, AF_INET);
	assert_int_equal(r->dst_len, 16);
	assert_int_equal(r->table, RT_TABLE_MAIN);
	assert_int_equal(r->hops.n, 2);
	assert_string_equal(via(r, 0), "10.1.0.2");
	assert_int_equal(r->hops.v[0].weight, 3);
	assert_string_equal(via(r, 1), "10.1.0.3");
	assert_int_equal(r->hops.v[1].weight, 1);
	assert_string_equal(via(route(x, "10.13.0.0"), 0), "2001:db8::4");
	assert_int_equal(route(x, "10.14.0.0")->type, RTN_BLACKHOLE);
	assert_int_equal(route(x, "10.14.0.0")->hops.n, 0);
	assert_int_equal(route(x, "10.15.0.0")->table, 1000);
	assert_int_equal(route(x, "10.15.0.0")->metric, 7);
	r = route(x, "10.1.0.1");
	assert_int_equal(r->table, RT_TABLE_LOCAL);
	assert_int_equal(r->type, RTN_LOCAL);
	assert_true(ep_addr_eq(&r->prefsrc, &r->dst));
	assert_int_equal(route(x, "10.1.0.255")->type, RTN_BROADCAST);
}

static void ipv6_routes_of_a_kernel(void **state)
{
	struct world *x = *state;
	const struct ep_route *r;

	rtnl_each(x->s->arena, "routes6", take_route, x);
	r = route(x, "2001:db8:8::");
	assert_int_equal(r->src_len, 48);
	assert_int_equal(r->hops.n, 2);
	assert_string_equal(via(route(x, "2001:db8:5::"), 0), "2001:db8::9");
	assert_int_equal(route(x, "::1")->type, RTN_LOCAL);
	assert_int_equal(route(x, "ff00::")->type, RTN_MULTICAST);
}

static void next_hop_objects(void **state)
{
	struct world *x = *state;
	const struct ep_route *r;

	rtnl_each(x->s->arena, "routes-by-id", take_route, x);
	assert_true(route(x, "10.10.0.0")->hops.v[0].flags & EP_RTNL_NH_ID);
	ep_rtnl_expand(x->s->arena, x->ns, &x->nhs);
	r = route(x, "10.10.0.0");
	assert_int_equal(r->hops.n, 2);
	assert_string_equal(via(r, 0), "10.1.0.7");
	assert_int_equal(r->hops.v[0].weight, 2);
	assert_int_equal(r->hops.v[0].flags, 0);
	assert_string_equal(via(r, 1), "10.1.0.8");
	assert_string_equal(via(route(x, "10.11.0.0"), 0), "10.1.0.7");
}

static void next_hop_that_is_gone(void **state)
{
	struct world *x = *state;
	ep_rtnl_nhs none = {};

	rtnl_each(x->s->arena, "routes-by-id", take_route, x);
	ep_rtnl_expand(x->s->arena, x->ns, &none);
	assert_int_equal(route(x, "10.10.0.0")->hops.n, 1);
	assert_int_equal(route(x, "10.10.0.0")->hops.v[0].ifindex, 0);
	assert_int_equal(route(x, "10.10.0.0")->hops.v[0].flags, 0);
}

static void rules_of_a_kernel(void **state)
{
	struct world *x = *state;
	const struct ep_policy *p = NULL;

	rtnl_each(x->s->arena, "rules4", take_rule, x);
	rtnl_each(x->s->arena, "rules6", take_rule, x);
	assert_int_equal(x->ns->policies.v[0].table, RT_TABLE_LOCAL);
	ep_each(i, &x->ns->policies) {
		p = i;
		switch (p->priority) {
		case 90:
			assert_int_equal(p->suppress_ifgroup, 3);
			assert_int_equal(p->suppress_prefixlen, -1);
			break;
		case 100:
			assert_string_equal(p->iif, "br0");
			assert_int_equal(p->fwmark, 0x10);
			assert_int_equal(p->fwmask, 0xf0);
			assert_int_equal(p->src_len, 16);
			break;
		case 101:
			assert_int_equal(p->action, FR_ACT_GOTO);
			assert_int_equal(p->target, 32766);
			assert_int_equal(p->uid_lo, 5);
			assert_int_equal(p->uid_hi, 9);
			assert_int_equal(p->dport_lo, 80);
			assert_int_equal(p->dport_hi, 90);
			assert_int_equal(p->ip_proto, 6);
			break;
		case 102:
			assert_true(p->invert);
			assert_int_equal(p->suppress_prefixlen, 0);
			break;
		case 103:
			assert_int_equal(p->tos, 0x10);
			break;
		case 32765:
			assert_int_equal(p->family, AF_INET6);
			assert_int_equal(p->sport_lo, 1);
			assert_int_equal(p->sport_hi, 9);
			break;
		}
	}
	assert_int_equal(x->ns->policies.n, 11);
}

static void what_the_kernel_made_itself(void **state)
{
	struct rtmsg m = {.rtm_family = AF_INET6, .rtm_flags = RTM_F_CLONED};
	struct world *x = *state;
	char buf[EP_NL_REQ_SIZE];

	assert_int_equal(take_route(rtnl_start(buf, RTM_NEWROUTE, &m, sizeof(m)), x), 0);
	m = (struct rtmsg){.rtm_family = AF_MPLS};
	assert_int_equal(take_route(rtnl_start(buf, RTM_NEWROUTE, &m, sizeof(m)), x), 0);
	assert_int_equal(x->ns->routes.n, 0);
}

static void encapsulated(void **state)
{
	struct rtmsg m = {.rtm_family = AF_INET, .rtm_type = RTN_UNICAST};
	struct world *x = *state;
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *nlh = rtnl_start(buf, RTM_NEWROUTE, &m, sizeof(m));

	mnl_attr_put_u32(nlh, RTA_OIF, 2);
	mnl_attr_put_u16(nlh, RTA_ENCAP_TYPE, 1);
	assert_int_equal(take_route(nlh, x), 0);
	assert_int_equal(x->ns->routes.v[0].hops.v[0].flags, EP_NH_ENCAP);
}

static void malformed(void **state)
{
	static const struct {
		uint8_t plen;
		uint16_t attr, len;
	} rows[] = {
		{33, RTA_DST, 4},  {24, RTA_DST, 16},    {24, RTA_DST, 3},
		{24, RTA_OIF, 4},  {0, RTA_GATEWAY, 16}, {0, RTA_VIA, 1},
		{0, RTA_TABLE, 2}, {0, RTA_PREFSRC, 17}, {0, RTA_MULTIPATH, 9},
	};
	struct rtmsg m = {.rtm_family = AF_INET, .rtm_type = RTN_UNICAST};
	struct fib_rule_hdr h = {.family = AF_INET, .src_len = 8};
	struct world *x = *state;
	const uint8_t bytes[32] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *nlh;

	for (size_t i = 0; i < EP_ARRAY_SIZE(rows); i++) {
		m.rtm_dst_len = rows[i].plen;
		nlh = rtnl_start(buf, RTM_NEWROUTE, &m, sizeof(m));
		if (rows[i].attr != RTA_OIF)
			mnl_attr_put_u32(nlh, RTA_OIF, 2);
		mnl_attr_put(nlh, rows[i].attr, rows[i].len, bytes);
		assert_int_equal(take_route(nlh, x), -EBADMSG);
	}
	assert_int_equal(x->ns->routes.n, 0);
	assert_int_equal(take_rule(rtnl_start(buf, RTM_NEWRULE, &h, sizeof(h)), x), -EBADMSG);
	nlh = rtnl_start(buf, RTM_NEWRULE, &h, sizeof(h));
	nlh->nlmsg_len = NLMSG_HDRLEN + 3;
	assert_int_equal(take_rule(nlh, x), -EBADMSG);
	assert_int_equal(x->ns->policies.n, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(routes_of_a_kernel), TEST(ipv6_routes_of_a_kernel),
		TEST(next_hop_objects),   TEST(next_hop_that_is_gone),
		TEST(rules_of_a_kernel),  TEST(what_the_kernel_made_itself),
		TEST(encapsulated),       TEST(malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
