// SPDX-License-Identifier: GPL-2.0-or-later
/* IPVS: messages of a kernel 6.1 decoded, malformed ones refused; servers that are over their threshold. */
#include <errno.h>
#include <linux/ip_vs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collect/ipvs.h"
#include "net_world.h"
#include "rtnl_bytes.h"

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

/* ---- messages ---- */

struct dump {
	struct net_world *x;
	struct ep_ipvs_service *of;
	uint16_t family;
};

static int take_family(const struct nlmsghdr *nlh, void *ctx)
{
	((struct dump *)ctx)->family = ep_ipvs_family(nlh);
	return 0;
}

static int take_service(const struct nlmsghdr *nlh, void *ctx)
{
	struct dump *d = ctx;

	assert_int_equal(ep_ipvs_family(nlh), 0);
	return ep_ipvs_service(d->x->s->arena, nlh, ep_push(d->x->s->arena, &d->x->host->ipvs));
}

static int take_dest(const struct nlmsghdr *nlh, void *ctx)
{
	struct dump *d = ctx;

	return ep_ipvs_dest(nlh, d->of, ep_push(d->x->s->arena, &d->of->dests));
}

static struct ep_ipvs_service *service_of(struct net_world *x, uint16_t port)
{
	ep_each(v, &x->host->ipvs)
		if (v->port == port)
			return v;
	fail_msg("no service of port %u", port);
	return NULL;
}

/* tests/fuzz/corpus/ipvs: what a kernel 6.1 sent. */
static void messages_of_a_kernel(void **state)
{
	struct net_world *x = *state;
	struct dump d = {.x = x};
	struct ep_ipvs_service *v;
	char buf[EP_ADDRSTR];

	rtnl_each(x->s->arena, "../ipvs/family", take_family, &d);
	assert_true(d.family >= 16);
	rtnl_each(x->s->arena, "../ipvs/services", take_service, &d);
	assert_int_equal(x->host->ipvs.n, 4);
	v = d.of = service_of(x, 443);
	assert_string_equal(v->sched, "wrr");
	assert_true(v->flags & IP_VS_SVC_F_PERSISTENT);
	assert_int_equal(v->proto, 6);
	rtnl_each(x->s->arena, "../ipvs/dests4", take_dest, &d);
	assert_int_equal(v->dests.n, 2);
	for (size_t i = 0; i < 2; i++) {
		bool masq = v->dests.v[i].port == 8443;

		assert_string_equal(ep_addr_str(&v->dests.v[i].addr, buf),
				    masq ? "172.18.0.2" : "172.18.0.3");
		assert_int_equal(v->dests.v[i].method,
				 masq ? IP_VS_CONN_F_MASQ : IP_VS_CONN_F_DROUTE);
		assert_int_equal(v->dests.v[i].weight, masq ? 3 : 0);
		assert_int_equal(v->dests.v[i].u_thresh, masq ? 0 : 10);
		assert_int_equal(v->dests.v[i].l_thresh, masq ? 0 : 5);
	}
	v = d.of = service_of(x, 80);
	assert_true(v->flags & IP_VS_SVC_F_SCHED_SH_PORT);
	rtnl_each(x->s->arena, "../ipvs/dests6", take_dest, &d);
	assert_string_equal(ep_addr_str(&v->dests.v[0].addr, buf), "fd00::2");
	v = d.of = service_of(x, 0);
	assert_int_equal(v->fwmark, 256);
	rtnl_each(x->s->arena, "../ipvs/dests-mark", take_dest, &d);
	assert_int_equal(v->dests.v[0].method, IP_VS_CONN_F_TUNNEL);
}

static void malformed(void **state)
{
	static const uint8_t genl[4] = {IPVS_CMD_NEW_SERVICE, 1};
	struct net_world *x = *state;
	char buf[EP_NL_REQ_SIZE];
	struct ep_ipvs_service v;
	struct ep_ipvs_dest d;
	struct nlmsghdr *nlh = rtnl_start(buf, 20, genl, sizeof(genl));
	struct nlattr *nest;

	assert_int_equal(ep_ipvs_service(x->s->arena, nlh, &v), -EBADMSG);
	nest = mnl_attr_nest_start(nlh, IPVS_CMD_ATTR_SERVICE);
	mnl_attr_put_u16(nlh, IPVS_SVC_ATTR_AF, 2);
	mnl_attr_put_u16(nlh, IPVS_SVC_ATTR_ADDR, 1); /* too short for an address */
	mnl_attr_nest_end(nlh, nest);
	assert_int_equal(ep_ipvs_service(x->s->arena, nlh, &v), -EBADMSG);
	v.family = 2;
	assert_int_equal(ep_ipvs_dest(nlh, &v, &d), -EBADMSG);
	nlh->nlmsg_len = NLMSG_HDRLEN + 2;
	assert_int_equal(ep_ipvs_service(x->s->arena, nlh, &v), -EBADMSG);
	assert_int_equal(ep_ipvs_family(nlh), 0);
}

/* ---- walks that a kernel can't easily be brought to ---- */

static struct ep_ipvs_service *balanced(struct net_world *x, const char *sched)
{
	struct ep_ipvs_service *v = ep_push(x->s->arena, &x->host->ipvs);

	*v = (struct ep_ipvs_service){.family = 2,
				      .proto = 6,
				      .addr = net_addr("198.51.100.1"),
				      .port = 443,
				      .sched = sched};
	for (int i = 0; i < 2; i++)
		*ep_push(x->s->arena, &v->dests) = (struct ep_ipvs_dest){
			.addr = net_addr("172.18.0.2"), .port = 8443, .weight = 1};
	x->host->ipvs_conntrack = 0;
	return v;
}

static const struct ep_outcome *walk(struct net_world *x, enum ep_outcome_verdict verdict, size_t n)
{
	net_external(x, "198.51.100.1", 443, "203.0.113.7");
	assert_int_equal(x->r->outcomes.n, n);
	assert_int_equal(x->r->outcomes.v[0].verdict, verdict);
	return &x->r->outcomes.v[0];
}

static const struct ep_step *step_of(const struct ep_outcome *o)
{
	ep_each(s, &o->steps)
		if (s->kind == EP_STEP_IPVS)
			return s;
	fail_msg("IPVS is not told");
	return NULL;
}

static void thresholds(void **state)
{
	struct net_world *x = *state;
	struct ep_ipvs_service *v = balanced(x, "rr");

	assert_string_equal(step_of(walk(x, EP_REFUSED, 1))->table, "TCP 198.51.100.1:443");
	assert_string_equal(step_of(&x->r->outcomes.v[0])->to, "172.18.0.2:8443");
	v->dests.n = 1;
	v->dests.v[0].u_thresh = 10;
	v->dests.v[0].active = 10;
	walk(x, EP_REJECTED, 1);
	v->dests.v[0].active = 7;
	walk(x, EP_REFUSED, 1);
	v->dests.v[0].active = 8; /* it may have come from above, or from below */
	walk(x, EP_REFUSED, 2);
	v->dests.v[0].l_thresh = 9;
	walk(x, EP_REFUSED, 1);
}

static void what_is_unknown(void **state)
{
	struct net_world *x = *state;
	struct ep_ipvs_service *v = balanced(x, "new");

	assert_non_null(strstr(walk(x, EP_UNKNOWN, 1)->reason, "'new'"));
	v->sched = "rr";
	v->dests.n = 1;
	v->dests.v[0].addr = net_addr("fd00::2");
	assert_non_null(strstr(walk(x, EP_UNKNOWN, 1)->reason, "other family"));
	x->host->ipvs.n = 0;
	walk(x, EP_REFUSED, 1);
	x->host->ipvs_unread = "IPVS: Operation not permitted";
	assert_non_null(strstr(walk(x, EP_UNKNOWN, 1)->reason, "not permitted"));
}

static void tunnels(void **state)
{
	struct net_world *x = *state;
	struct ep_ipvs_service *v = balanced(x, "rr");

	v->dests.n = 1;
	v->dests.v[0].method = IP_VS_CONN_F_TUNNEL;
	assert_non_null(strstr(walk(x, EP_UNKNOWN, 1)->reason, "tunnel"));
	v->dests.v[0].addr = net_addr("203.0.113.99");
	assert_non_null(strstr(walk(x, EP_FORWARDED, 1)->reason, "203.0.113.99"));
}

/* ip_vs_sh.c; what a kernel 6.1 chose for the ports from 43000 on. */
static void source_hash(void **state)
{
	static const struct {
		const char *dst, *src, *server[2];
		const char *chosen; /* by port */
	} rows[] = {
		{"198.51.100.1", "198.51.100.2", {"172.18.0.3", "172.18.0.2"}, "01010001"},
		{"2001:db8::1", "2001:db8:1::2", {"fd00:18::3", "fd00:18::2"}, "10101010"},
	};
	struct net_world *x = *state;

	for (size_t i = 0; i < EP_ARRAY_SIZE(rows); i++) {
		struct ep_ipvs_service *v = balanced(x, "sh");

		v->addr = net_addr(rows[i].dst);
		v->family = v->addr.len == 4 ? 2 : 10;
		v->flags = IP_VS_SVC_F_SCHED_SH_PORT;
		for (int d = 0; d < 2; d++) {
			v->dests.v[d].addr = net_addr(rows[i].server[d]);
			v->dests.v[d].weight = d ? 2 : 3;
		}
		for (uint16_t n = 0; rows[i].chosen[n]; n++) {
			struct ep_query q = {.netns = NET_HOST,
					     .dst = v->addr,
					     .dport = 443,
					     .src = net_addr(rows[i].src),
					     .sport = 43000 + n,
					     .has_src = true,
					     .has_sport = true,
					     .ifindex = NET_ETH0};
			struct ep_result *r = ep_walk(x->s, &q, NULL);
			char buf[EP_ADDRSTR];

			assert_int_equal(r->outcomes.n, 1);
			assert_string_equal(ep_addr_str(&r->outcomes.v[0].final.addr, buf),
					    rows[i].server[rows[i].chosen[n] - '0']);
			ep_result_free(r);
		}
	}
	net_external(x, "198.51.100.1", 443, "198.51.100.2");
	assert_int_equal(x->r->outcomes.n, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_of_a_kernel), TEST(malformed), TEST(thresholds),
		TEST(what_is_unknown),      TEST(tunnels),   TEST(source_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
