// SPDX-License-Identifier: GPL-2.0-or-later
/* xt matches that remember packets, over lists and tables made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_acct.h>
#include <linux/netfilter/xt_cluster.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_cpu.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_nfacct.h>
#include <linux/netfilter/xt_quota.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_time.h>

#include <cmocka.h>

#include "walk/xt.h"
#include "xt_world.h"

/* What one match says: yes, no, it depends on the client, on chance, on something unknown, on a
 * state of the host. */
static char ask(struct xt_world *x, const char *name, uint8_t rev, const void *info, uint32_t len)
{
	struct ep_xt_env env = {.table = "filter", .chain = "INPUT", .position = 3};
	struct ep_xt_ext m = {.name = name, .rev = rev, .len = len, .data = info};
	size_t before = x->w.trace.n;
	bool yes = ep_xt_match(&x->w, &env, &m) > 0;

	if (x->w.trace.n > before)
		return "frus"[x->w.trace.v[before].kind];
	return yes ? 'y' : 'n';
}

/* The sources for which the match's only split says yes or no first. */
static bool first_part_has(struct xt_world *x, const char *addr)
{
	struct ep_addr a;

	assert_int_equal(x->w.trace.n, 1);
	assert_true(ep_addr_parse(addr, &a));
	return ep_iv_has(x->w.trace.v[0].alt[0], ep_addr_num(&a));
}

static bool was_told(const struct xt_world *x, const char *words)
{
	ep_each(n, &x->w.now)
		if (strstr(*n, words))
			return true;
	return false;
}

/* ---- recent ---- */

static struct ep_recent_row *add_row(struct xt_world *x, struct ep_recent *r, const char *addr)
{
	struct ep_recent_row *row = ep_push(x->s->arena, &r->rows);

	ep_addr_parse(addr, &row->addr);
	return row;
}

/* SSH has one client with three attempts, of which one is old, and one with a single attempt. */
static struct ep_recent *add_list(struct xt_world *x)
{
	struct ep_recent *r = ep_alloc(x->s->arena, sizeof(*r));
	struct ep_recent_row *row;

	*r = (struct ep_recent){.name = "SSH", .loaded = true, .ages = true};
	*ep_push(x->s->arena, &x->w.ns->recents) = r;
	row = add_row(x, r, "192.0.2.1");
	ep_push(x->s->arena, &row->stamps)->age_ms = 90000;
	ep_push(x->s->arena, &row->stamps)->age_ms = 30000;
	ep_push(x->s->arena, &row->stamps)->age_ms = 1000;
	row = add_row(x, r, "192.0.2.2");
	ep_push(x->s->arena, &row->stamps)->age_ms = 1000;
	return r;
}

static char recent(struct xt_world *x, uint8_t what, uint32_t seconds, uint32_t hits, bool invert)
{
	struct xt_recent_mtinfo_v1 i = {
		.seconds = seconds,
		.hit_count = hits,
		.check_set = what,
		.invert = invert,
		.name = "SSH",
	};

	memset(&i.mask, 0xff, sizeof(i.mask));
	return ask(x, "recent", 1, &i, sizeof(i));
}

static void recent_lists_divide_the_sources(void **state)
{
	static const struct {
		uint32_t seconds, hits;
		bool one, two;
	} cases[] = {
		{0, 0, true, true},  {0, 3, true, false},   {60, 2, true, false},
		{60, 1, true, true}, {100, 3, true, false},
	};

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		struct xt_world x;

		xt_world_open(&x, AF_INET);
		add_list(&x);
		assert_int_equal(
			recent(&x, XT_RECENT_CHECK, cases[i].seconds, cases[i].hits, false), 'f');
		assert_int_equal(first_part_has(&x, "192.0.2.1"), cases[i].one);
		assert_int_equal(first_part_has(&x, "192.0.2.2"), cases[i].two);
		assert_false(first_part_has(&x, "192.0.2.3"));
		assert_true(was_told(&x, "recent list SSH as it is now: 2 addresses"));
		xt_world_close(&x);
	}
}

static void recent_lists_that_nobody_is_on(void **state)
{
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	add_list(&x);
	assert_int_equal(recent(&x, XT_RECENT_CHECK, 60, 4, false), 'n');
	assert_int_equal(recent(&x, XT_RECENT_CHECK, 60, 4, true), 'y');
	xt_world_close(&x);
}

/* What the packet does to its entry, the next rule finds. */
static void recent_entries_of_the_packet_itself(void **state)
{
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	add_list(&x);
	assert_int_equal(recent(&x, XT_RECENT_SET, 0, 0, false), 'y');
	assert_int_equal(recent(&x, XT_RECENT_CHECK, 60, 1, false), 'y');
	/* with two in the last minute, 192.0.2.1 now has three */
	assert_int_equal(recent(&x, XT_RECENT_CHECK, 60, 3, false), 'f');
	assert_true(first_part_has(&x, "192.0.2.1"));
	assert_false(first_part_has(&x, "192.0.2.2"));
	assert_int_equal(recent(&x, XT_RECENT_REMOVE, 0, 0, false), 'y');
	assert_int_equal(recent(&x, XT_RECENT_CHECK, 0, 0, false), 'n');
	assert_int_equal(recent(&x, XT_RECENT_SET, 0, 0, false), 'y');
	assert_int_equal(recent(&x, XT_RECENT_CHECK, 0, 2, false), 'n');
	assert_int_equal(recent(&x, XT_RECENT_CHECK, 0, 1, false), 'y');
	xt_world_close(&x);
}

static void recent_lists_in_the_dark(void **state)
{
	struct xt_world x;
	struct ep_recent *r;

	(void)state;
	xt_world_open(&x, AF_INET);
	assert_int_equal(recent(&x, XT_RECENT_CHECK, 0, 0, false), 's');
	xt_world_close(&x);
	xt_world_open(&x, AF_INET);
	r = add_list(&x);
	r->ages = false; /* listed or not is known, how long ago is not */
	assert_int_equal(recent(&x, XT_RECENT_CHECK, 60, 0, false), 'f');
	assert_int_equal(x.w.trace.v[1].kind, EP_VAR_STATE);
	xt_world_close(&x);
}

/* ---- hashlimit ---- */

static char hashlimit(struct xt_world *x, uint32_t mode)
{
	struct xt_hashlimit_mtinfo1 i = {
		.name = "web",
		.cfg = {.mode = mode, .avg = 1, .burst = 5, .srcmask = 24, .dstmask = 32},
	};

	return ask(x, "hashlimit", 1, &i, sizeof(i));
}

static void add_bucket(struct xt_world *x, struct ep_hashlimit *h, const char *net, uint64_t credit)
{
	struct ep_hashlimit_row *row = ep_push(x->s->arena, &h->rows);

	ep_addr_parse(net, &row->src);
	ep_addr_parse("0.0.0.0", &row->dst);
	row->credit = credit;
	row->cap = 500;
	row->cost = 100;
}

static struct ep_hashlimit *add_table(struct xt_world *x)
{
	struct ep_hashlimit *h = ep_alloc(x->s->arena, sizeof(*h));

	*h = (struct ep_hashlimit){.name = "web", .family = AF_INET, .loaded = true};
	*ep_push(x->s->arena, &x->w.ns->hashlimits) = h;
	return h;
}

static void hashlimit_buckets(void **state)
{
	struct ep_hashlimit *h;
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	assert_int_equal(hashlimit(&x, XT_HASHLIMIT_HASH_SIP), 's');
	xt_world_close(&x);

	xt_world_open(&x, AF_INET);
	h = add_table(&x);
	assert_int_equal(hashlimit(&x, XT_HASHLIMIT_HASH_SIP), 'y'); /* all are full */
	xt_world_close(&x);

	xt_world_open(&x, AF_INET);
	h = add_table(&x);
	add_bucket(&x, h, "192.0.2.0", 99);
	add_bucket(&x, h, "203.0.113.0", 100);
	assert_int_equal(hashlimit(&x, XT_HASHLIMIT_HASH_SIP | XT_HASHLIMIT_INVERT), 'f');
	assert_true(first_part_has(&x, "192.0.2.77"));
	assert_false(first_part_has(&x, "203.0.113.7"));
	xt_world_close(&x);

	xt_world_open(&x, AF_INET);
	h = add_table(&x);
	add_bucket(&x, h, "203.0.113.0", 100);
	assert_int_equal(hashlimit(&x, XT_HASHLIMIT_HASH_SIP), 'y');
	/* For the second packet the bucket has too little, and those of others are full. */
	assert_int_equal(hashlimit(&x, XT_HASHLIMIT_HASH_SIP), 'f');
	xt_world_close(&x);
}

static void hashlimit_tables_that_do_not_fit(void **state)
{
	struct ep_hashlimit *h;
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	h = add_table(&x);
	add_bucket(&x, h, "192.0.2.0", 99);
	assert_int_equal(hashlimit(&x, XT_HASHLIMIT_HASH_SIP | XT_HASHLIMIT_HASH_DIP), 's');
	xt_world_close(&x);
	xt_world_open(&x, AF_INET);
	h = add_table(&x);
	add_bucket(&x, h, "192.0.2.0", 99);
	assert_int_equal(hashlimit(&x, XT_HASHLIMIT_HASH_SIP | XT_HASHLIMIT_BYTES), 'f');
	assert_int_equal(x.w.trace.v[1].kind, EP_VAR_STATE);
	xt_world_close(&x);
}

/* ---- connlimit ---- */

static char connlimit(struct xt_world *x, unsigned limit, uint32_t flags)
{
	struct xt_connlimit_info i = {.limit = limit, .flags = flags};

	memset(&i.mask, 0xff, sizeof(i.mask));
	return ask(x, "connlimit", 1, &i, sizeof(i));
}

static void connections_bound_the_count(void **state)
{
	struct ep_conns *c;
	struct xt_world x;
	struct ep_conn *one;

	(void)state;
	xt_world_open(&x, AF_INET);
	c = &x.w.ns->conns;
	assert_int_equal(connlimit(&x, 0, 0), 'y');
	assert_int_equal(connlimit(&x, 0, XT_CONNLIMIT_INVERT), 'n');
	assert_int_equal(connlimit(&x, 5, 0), 's'); /* nothing is known */
	xt_world_close(&x);

	xt_world_open(&x, AF_INET);
	c = &x.w.ns->conns;
	c->counted = c->loaded = true;
	c->total = 7;
	one = ep_push(x.s->arena, &c->list);
	ep_addr_parse("192.0.2.1", &one->src);
	ep_addr_parse("198.51.100.1", &one->dst);
	one->reply_src = one->dst;
	one->reply_dst = one->src;
	one->n = 5;
	assert_int_equal(connlimit(&x, 8, 0), 'n');
	assert_int_equal(connlimit(&x, 8, XT_CONNLIMIT_INVERT), 'y');
	assert_int_equal(connlimit(&x, 6, 0), 'n'); /* nobody has that many */
	assert_int_equal(connlimit(&x, 5, 0), 'f');
	assert_true(first_part_has(&(struct xt_world){.w = {.trace = {x.w.trace.v, 1, 1}}},
				   "192.0.2.1"));
	assert_int_equal(x.w.trace.v[1].kind, EP_VAR_STATE);
	xt_world_close(&x);
}

/* ---- the others ---- */

static void limits_and_quotas(void **state)
{
	struct xt_rateinfo limit = {.avg = 10000, .burst = 5};
	struct xt_quota_info quota = {.quota = 1000}, tiny = {.quota = 39};
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	assert_int_equal(ask(&x, "limit", 0, &limit, sizeof(limit)), 's');
	assert_non_null(strstr(x.w.trace.v[0].reason, "of filter INPUT rule 3 not exceeded"));
	assert_non_null(strstr(x.w.trace.v[0].other, "rule 3 exceeded"));
	assert_int_equal(ask(&x, "quota", 0, &quota, sizeof(quota)), 's');
	assert_int_equal(ask(&x, "quota", 0, &tiny, sizeof(tiny)), 'n');
	tiny.flags = XT_QUOTA_INVERT;
	assert_int_equal(ask(&x, "quota", 0, &tiny, sizeof(tiny)), 'y');
	xt_world_close(&x);
}

static char at_time(struct xt_world *x, struct xt_time_info i)
{
	if (!i.date_stop)
		i.date_stop = INT_MAX;
	if (!i.daytime_stop)
		i.daytime_stop = XT_TIME_MAX_DAYTIME;
	if (!i.monthdays_match)
		i.monthdays_match = XT_TIME_ALL_MONTHDAYS;
	if (!i.weekdays_match)
		i.weekdays_match = XT_TIME_ALL_WEEKDAYS;
	return ask(x, "time", 0, &i, sizeof(i));
}

static void times(void **state)
{
	const uint32_t now = 1795487054; /* Tuesday, 2026-11-24 02:24:14 UTC */
	const uint32_t hour = 3600;
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	assert_int_equal(at_time(&x, (struct xt_time_info){.daytime_start = 1}), 'u');
	assert_int_equal(at_time(&x, (struct xt_time_info){}), 'y');
	xt_world_close(&x);
	xt_world_open(&x, AF_INET);
	x.s->taken_at = now;
	assert_int_equal(at_time(&x, (struct xt_time_info){.daytime_start = 2 * hour,
							   .daytime_stop = 3 * hour}),
			 'y');
	assert_int_equal(at_time(&x, (struct xt_time_info){.daytime_start = 3 * hour,
							   .daytime_stop = 4 * hour}),
			 'n');
	assert_int_equal(at_time(&x, (struct xt_time_info){.daytime_start = 22 * hour,
							   .daytime_stop = 3 * hour}),
			 'y');
	/* from Monday evening to Tuesday morning is Monday's */
	assert_int_equal(at_time(&x, (struct xt_time_info){.daytime_start = 22 * hour,
							   .daytime_stop = 3 * hour,
							   .weekdays_match = 1 << 1,
							   .flags = XT_TIME_CONTIGUOUS}),
			 'y');
	assert_int_equal(at_time(&x, (struct xt_time_info){.weekdays_match = 1 << 1}), 'n');
	assert_int_equal(at_time(&x, (struct xt_time_info){.weekdays_match = 1 << 2}), 'y');
	assert_int_equal(at_time(&x, (struct xt_time_info){.monthdays_match = 1 << 24}), 'y');
	assert_int_equal(at_time(&x, (struct xt_time_info){.monthdays_match = 1 << 23}), 'n');
	assert_int_equal(at_time(&x, (struct xt_time_info){.date_start = now + 9}), 'n');
	assert_int_equal(at_time(&x, (struct xt_time_info){.date_stop = now - 9}), 'n');
	assert_int_equal(at_time(&x, (struct xt_time_info){.daytime_start = hour,
							   .flags = XT_TIME_LOCAL_TZ}),
			 'u');
	x.s->has_tz = true;
	x.s->tz_minuteswest = 8 * 60; /* it is still Monday there */
	assert_int_equal(at_time(&x, (struct xt_time_info){.weekdays_match = 1 << 1,
							   .flags = XT_TIME_LOCAL_TZ}),
			 'y');
	assert_true(was_told(&x, "it is Tuesday, 2026-11-24 02:24 UTC"));
	assert_true(was_told(&x, "it is Monday, 2026-11-23 18:24 by the kernel's time zone"));
	xt_world_close(&x);
}

static void processors(void **state)
{
	struct xt_cpu_info one = {.cpu = 1}, not_one = {.cpu = 1, .invert = 1};
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	assert_int_equal(ask(&x, "cpu", 0, &one, sizeof(one)), 's');
	x.s->cpus = 1;
	assert_int_equal(ask(&x, "cpu", 0, &one, sizeof(one)), 'n');
	assert_int_equal(ask(&x, "cpu", 0, &not_one, sizeof(not_one)), 'y');
	xt_world_close(&x);
}

static void accounting(void **state)
{
	struct xt_nfacct_match_info i = {.name = "web"};
	struct ep_acct *a;
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	a = ep_alloc(x.s->arena, sizeof(*a));
	*a = (struct ep_acct){.name = "web", .loaded = true, .packets = 3};
	*ep_push(x.s->arena, &x.w.ns->accts) = a;
	assert_int_equal(ask(&x, "nfacct", 0, &i, sizeof(i)), 'y');
	a->flags = NFACCT_F_QUOTA_PKTS;
	a->quota = 5;
	assert_int_equal(ask(&x, "nfacct", 0, &i, sizeof(i)), 'n');
	assert_int_equal(ask(&x, "nfacct", 0, &i, sizeof(i)), 'n');
	assert_int_equal(ask(&x, "nfacct", 0, &i, sizeof(i)), 'y'); /* the third of this packet */
	a->flags = NFACCT_F_QUOTA_BYTES;
	a->quota = 1u << 30;
	assert_int_equal(ask(&x, "nfacct", 0, &i, sizeof(i)), 'n');
	a->bytes = 1u << 30;
	assert_int_equal(ask(&x, "nfacct", 0, &i, sizeof(i)), 'y');
	xt_world_close(&x);
}

static void clusters(void **state)
{
	struct xt_cluster_match_info i = {.total_nodes = 4, .node_mask = 3, .hash_seed = 7};
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	assert_int_equal(ask(&x, "cluster", 0, &i, sizeof(i)), 'r');
	assert_true(x.w.trace.v[0].p[0] == 0.5);
	i.node_mask = 15;
	assert_int_equal(ask(&x, "cluster", 0, &i, sizeof(i)), 'y');
	i.total_nodes = 0;
	assert_int_equal(ask(&x, "cluster", 0, &i, sizeof(i)), 'n');
	xt_world_close(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recent_lists_divide_the_sources),
		cmocka_unit_test(recent_lists_that_nobody_is_on),
		cmocka_unit_test(recent_entries_of_the_packet_itself),
		cmocka_unit_test(recent_lists_in_the_dark),
		cmocka_unit_test(hashlimit_buckets),
		cmocka_unit_test(hashlimit_tables_that_do_not_fit),
		cmocka_unit_test(connections_bound_the_count),
		cmocka_unit_test(limits_and_quotas),
		cmocka_unit_test(times),
		cmocka_unit_test(processors),
		cmocka_unit_test(accounting),
		cmocka_unit_test(clusters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
