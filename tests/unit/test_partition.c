// SPDX-License-Identifier: GPL-2.0-or-later
/* Partitions: what is open is divided, what is unknown is said, and no more cases are tried than allowed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "golden.h"

static void assert_receiver(const struct ep_outcome *o, const char *comm)
{
	assert_int_equal(o->verdict, EP_DELIVERED);
	assert_string_equal(o->receiver->comm, comm);
}

static void assert_unknown(const struct ep_outcome *o, const char *part_of_reason)
{
	assert_int_equal(o->verdict, EP_UNKNOWN);
	assert_null(o->receiver);
	if (!strstr(o->reason, part_of_reason))
		fail_msg("the reason is: %s", o->reason);
}

/* ---- unknown, and not unknown ---- */

/* A limit before an accept, where the policy accepts as well; a limit that only counts; any ttl. */
static void test_unknowns_that_end_the_same_are_none(void **state)
{
	static const uint16_t ports[] = {443, 444, 8444, 8081};
	struct ep_snapshot *s = golden_load("limits");

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(ports); i++) {
		struct ep_result *r = golden_walk(s, golden_query("198.51.100.1", ports[i]));

		assert_int_equal(golden_earthly(r), 1);
		assert_receiver(&r->outcomes.v[0], "web");
		assert_int_equal(r->outcomes.v[0].conditions.n, 0);
		assert_true(r->runs > 1);
		assert_false(r->split_limit);
		ep_result_free(r);
	}
	ep_snapshot_free(s);
}

/* What a limit leaves open are two outcomes, for those who meet the limit. */
static void test_a_limit_has_two_states(void **state)
{
	static const struct {
		uint16_t port;
		const char *src, *usual, *other;
	} cases[] = {
		{80, "198.51.100.2", "not exceeded", " exceeded"},
		{8080, "198.51.100.2", "not exceeded", " exceeded"},
		{8443, "198.51.100.2", "not exceeded", " exceeded"},
		{81, "192.0.2.10", "not exceeded", " exceeded"},
	};
	struct ep_snapshot *s = golden_load("limits");

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		struct ep_result *r = golden_walk(s, golden_query("198.51.100.1", cases[i].port));
		const struct ep_outcome *o = golden_at(r, cases[i].src, 40000), *unusual = NULL;

		assert_int_equal(o->state.n, 1);
		assert_non_null(strstr(o->state.v[0], cases[i].usual));
		ep_each(u, &r->outcomes)
			if (u->unusual && ep_iv_has(u->saddr, o->saddr.v[0].lo))
				unusual = u;
		assert_non_null(unusual);
		assert_non_null(strstr(unusual->state.v[0], cases[i].other));
		ep_result_free(r);
	}
	ep_snapshot_free(s);
}

static void test_a_state_stays_where_it_is(void **state)
{
	struct ep_snapshot *s = golden_load("limits");
	struct ep_result *r = golden_walk(s, golden_query("198.51.100.1", 81));

	(void)state;
	assert_int_equal(golden_earthly(r), 3);
	assert_receiver(golden_at(r, "198.51.100.2", 40000), "web");
	assert_int_equal(golden_at(r, "198.51.100.2", 40000)->state.n, 0);
	assert_string_equal(golden_at(r, "192.0.2.10", 40000)->conditions.v[0],
			    "ip saddr 192.0.2.0/24");
	ep_result_free(r);
	ep_snapshot_free(s);
}

/* A mask with holes divides the sources into more ranges than are worth telling. */
static void test_scattered_sources(void **state)
{
	static const char *const hosts[] = {"198.51.100.1", "2001:db8:1::1"};
	static const char *const met[] = {"192.0.2.99", "2001:db8:2::99"};
	static const char *const spared[] = {"192.0.2.10", "2001:db8:2::10"};
	struct ep_snapshot *s = golden_load("maps");

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct ep_result *r = golden_walk(s, golden_query(hosts[i], 87));

		assert_unknown(golden_at(r, met[i], 40000), "scattered mask");
		ep_result_free(r);
		r = golden_walk(s, golden_query_from(hosts[i], 87, met[i], 40000));
		assert_int_equal(r->outcomes.v[0].verdict, EP_REJECTED);
		ep_result_free(r);
		r = golden_walk(s, golden_query_from(hosts[i], 87, spared[i], 40000));
		assert_receiver(&r->outcomes.v[0], "web");
		ep_result_free(r);
	}
	ep_snapshot_free(s);
}

/* ---- sources and ports ---- */

static void test_sources_are_divided(void **state)
{
	struct ep_snapshot *s = golden_load("sources");
	struct ep_result *r = golden_walk(s, golden_query("198.51.100.1", 443));

	(void)state;
	assert_int_equal(golden_earthly(r), 3);
	assert_receiver(golden_at(r, "8.8.8.8", 1), "web");
	assert_string_equal(golden_at(r, "8.8.8.8", 1)->conditions.v[0],
			    "ip saddr != 192.0.2.0/24");
	assert_receiver(golden_at(r, "192.0.2.98", 1), "one");
	assert_receiver(golden_at(r, "192.0.2.100", 1), "one");
	assert_receiver(golden_at(r, "192.0.2.99", 1), "two");
	assert_string_equal(golden_at(r, "192.0.2.99", 1)->conditions.v[0], "ip saddr 192.0.2.99");
	ep_result_free(r);
	ep_snapshot_free(s);
}

static void test_ports_are_divided(void **state)
{
	static const char *const names[] = {"dnat-nft", "dnat-iptables-nft",
					    "dnat-iptables-legacy"};

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(names); i++) {
		struct ep_snapshot *s = golden_load(names[i]);
		struct ep_result *r = golden_walk(s, golden_query("198.51.100.1", 8443));

		assert_int_equal(golden_earthly(r), 2);
		assert_string_equal(golden_at(r, "8.8.8.8", 39999)->conditions.v[0],
				    "tcp sport != 40000-40999");
		assert_string_equal(golden_at(r, "8.8.8.8", 40000)->conditions.v[0],
				    "tcp sport 40000-40999");
		assert_receiver(golden_at(r, "8.8.8.8", 40999), "api");
		assert_receiver(golden_at(r, "8.8.8.8", 41000), "web");
		ep_result_free(r);
		ep_snapshot_free(s);
	}
}

/* Sources and ports together: boxes, each with its own end. */
static void test_boxes(void **state)
{
	struct ep_snapshot *s = golden_load("sources");
	struct ep_result *r = golden_walk(s, golden_query("198.51.100.1", 8080));

	(void)state;
	assert_receiver(golden_at(r, "8.8.8.8", 2000), "web");
	assert_receiver(golden_at(r, "8.8.8.8", 3000), "one");
	assert_int_equal(golden_at(r, "8.8.8.8", 50000)->verdict, EP_DROPPED);
	assert_int_equal(golden_at(r, "192.0.2.10", 50000)->verdict, EP_REJECTED);
	assert_receiver(golden_at(r, "192.0.2.10", 1500), "one");
	ep_result_free(r);
	ep_snapshot_free(s);
}

/* Of the same end twice, by dice and by source, neither is lost. */
static void test_dice_to_one_end_add_up(void **state)
{
	struct ep_snapshot *s = golden_load("chance");
	struct ep_result *r = golden_walk(s, golden_query("198.51.100.1", 8083));
	struct ep_addr friend;
	double web = 0;

	(void)state;
	assert_true(ep_addr_parse("192.0.2.10", &friend));
	ep_each(o, &r->outcomes)
		if (o->receiver && !strcmp(o->receiver->comm, "web") &&
		    ep_iv_has(o->saddr, ep_addr_num(&friend)))
			web += o->probability;
	assert_true(fabs(web - 1) < 1e-9);
	ep_result_free(r);
	ep_snapshot_free(s);
}

/* ---- sources that no client can have ---- */

static void test_martians(void **state)
{
	static const struct {
		const char *dst;
		const char *src[5];
	} cases[] = {
		{"198.51.100.1", {"127.0.0.1", "198.51.100.1", "172.18.0.1", "224.0.0.1"}},
		{"2001:db8:1::1", {"::1", "ff02::1"}},
	};
	struct ep_snapshot *s = golden_load("dnat-nft");

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		struct ep_result *open = golden_walk(s, golden_query(cases[i].dst, 444)), *r;

		assert_int_equal(golden_earthly(open), 1);
		assert_int_equal(open->outcomes.v[0].conditions.n, 0);
		for (const char *const *src = cases[i].src; *src; src++) {
			assert_true(golden_at(open, *src, 40000)->martian);
			r = golden_walk(s, golden_query_from(cases[i].dst, 444, *src, 40000));
			assert_int_equal(r->outcomes.v[0].verdict, EP_DROPPED);
			assert_true(r->outcomes.v[0].martian);
			assert_non_null(r->outcomes.v[0].reason);
			ep_result_free(r);
		}
		ep_result_free(open);
	}
	ep_snapshot_free(s);
}

/* ---- the bound ---- */

static void test_bound_on_runs(void **state)
{
	struct ep_snapshot *s = golden_load("sources");
	struct ep_query q = golden_query("198.51.100.1", 443);
	struct ep_result *r;
	unsigned needed;

	(void)state;
	r = golden_walk(s, q);
	needed = r->runs;
	assert_false(r->split_limit);
	ep_result_free(r);
	for (q.max_runs = 1; q.max_runs <= needed; q.max_runs++) {
		bool unknown = false;

		r = golden_walk(s, q);
		assert_int_equal(r->runs, q.max_runs);
		assert_int_equal(r->split_limit, q.max_runs < needed);
		ep_each(o, &r->outcomes) {
			if (o->verdict != EP_UNKNOWN)
				continue;
			unknown = true;
			assert_unknown(o, "too many cases");
		}
		assert_int_equal(unknown, q.max_runs < needed);
		ep_result_free(r);
	}
	q = golden_query_from("198.51.100.1", 443, "192.0.2.10", 40000);
	q.max_runs = 1;
	r = golden_walk(s, q);
	assert_receiver(&r->outcomes.v[0], "one");
	assert_false(r->split_limit);
	ep_result_free(r);
	ep_snapshot_free(s);
}

/* A rule for one bit of the source that sets a bit of the mark. */
static void add_mark_rule(struct ep_snapshot *s, struct ep_xt_chain *c, unsigned bit)
{
	/* struct xt_mark_tginfo2 { __u32 mark, mask; } */
	uint32_t mark[2] = {1u << bit, 1u << bit};
	struct ep_xt_rule *r = ep_push(s->arena, &c->rules);

	r->position = (uint32_t)c->rules.n;
	assert_true(ep_addr_parse("0.0.0.0", &r->src));
	r->smask = r->dst = r->dmask = r->src;
	r->src.b[2] = r->smask.b[2] = (uint8_t)(bit >= 8 ? 1u << (bit - 8) : 0);
	r->src.b[3] = r->smask.b[3] = (uint8_t)(bit < 8 ? 1u << bit : 0);
	r->verdict = EP_XT_TARGET;
	r->target = (struct ep_xt_ext){.name = "MARK",
				       .rev = 2,
				       .len = sizeof(mark),
				       .data = ep_memdup(s->arena, mark, sizeof(mark))};
}

static void test_many_cases_end(void **state)
{
	struct ep_snapshot *s = golden_load("dnat-iptables-legacy");
	struct ep_netns *host = ep_netns_find(s, s->host_netns);
	struct ep_xt_table *t = ep_alloc(s->arena, sizeof(*t));
	struct ep_xt_chain *c = ep_alloc(s->arena, sizeof(*c));
	struct ep_result *r;

	(void)state;
	*c = (struct ep_xt_chain){.name = "PREROUTING", .hook = 0, .policy = EP_XT_ACCEPT};
	*t = (struct ep_xt_table){.family = 2, .name = "mangle", .valid_hooks = 1, .loaded = true};
	*ep_push(s->arena, &t->chains) = c;
	*ep_push(s->arena, &host->xt.tables) = t;
	for (unsigned bit = 0; bit < 16; bit++)
		add_mark_rule(s, c, bit);
	r = golden_walk(s, golden_query("198.51.100.1", 444));
	assert_true(r->split_limit);
	assert_true(r->runs <= 1024);
	ep_each(o, &r->outcomes) {
		if (o->verdict == EP_UNKNOWN)
			assert_unknown(o, "too many cases");
	}
	ep_result_free(r);
	r = golden_walk(s, golden_query_from("198.51.100.1", 444, "8.8.8.8", 40000));
	assert_receiver(&r->outcomes.v[0], "web");
	ep_result_free(r);
	ep_result_free(NULL);
	ep_snapshot_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknowns_that_end_the_same_are_none),
		cmocka_unit_test(test_a_limit_has_two_states),
		cmocka_unit_test(test_a_state_stays_where_it_is),
		cmocka_unit_test(test_scattered_sources),
		cmocka_unit_test(test_sources_are_divided),
		cmocka_unit_test(test_ports_are_divided),
		cmocka_unit_test(test_boxes),
		cmocka_unit_test(test_dice_to_one_end_add_up),
		cmocka_unit_test(test_martians),
		cmocka_unit_test(test_bound_on_runs),
		cmocka_unit_test(test_many_cases_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
