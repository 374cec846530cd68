// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel tells of the packets it remembers, read from its own words. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter/nfnetlink_acct.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "collect/remember.h"
#include "walk/civil.h"

static void test_jiffies(void **state)
{
	static const struct {
		const char *text;
		uint64_t now;
		unsigned hz;
	} cases[] = {
		{"now at 12286185415498 nsecs\n\ncpu: 0\njiffies: 4297963780\n", 4297963780u, 250},
		{"now at 500000000 nsecs\njiffies: 4294667796\n", 4294667796u, 1000},
		{"now at 86400000000000 nsecs\njiffies: 4303577296\n", 4303577296u, 100},
		{"now at 86400000000000 nsecs\njiffies: 12\n", 0, 0},
		{"now at nsecs\njiffies: 4303577296\n", 0, 0},
		{"", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		struct ep_jiffies j = {1, 1};

		ep_jiffies_parse(cases[i].text, &j);
		assert_int_equal(j.now, cases[i].now);
		assert_int_equal(j.hz, cases[i].hz);
	}
}

static void test_recent_list(void **state)
{
	static const struct ep_jiffies j = {.now = 5000, .hz = 250}, none = {0};
	struct ep_arena *a = ep_arena_new();
	struct ep_recent r = {.name = "SSH"}, other = {.name = "SSH"};
	const char *text = "src=192.0.2.10 ttl: 63 last_seen: 4750 oldest_pkt: 2 4500, 4750\n"
			   "src=2001:0db8:0000:0000:0000:0000:0000:0001 ttl: 255 last_seen: 9 "
			   "oldest_pkt: 1 9\n";

	(void)state;
	assert_int_equal(ep_recent_parse(a, text, &j, &r), 0);
	assert_true(r.ages);
	assert_int_equal(r.rows.n, 2);
	assert_int_equal(r.rows.v[0].ttl, 63);
	assert_int_equal(r.rows.v[0].stamps.n, 2);
	assert_int_equal(r.rows.v[0].stamps.v[0].age_ms, 2000);
	assert_int_equal(r.rows.v[0].stamps.v[1].age_ms, 1000);
	assert_int_equal(r.rows.v[1].addr.len, 16);
	assert_int_equal(ep_recent_parse(a, text, &none, &other), 0);
	assert_false(other.ages);
	assert_int_equal(other.rows.n, 2);
	ep_arena_free(a);
}

static void test_hashlimit_table(void **state)
{
	struct ep_arena *a = ep_arena_new();
	struct ep_hashlimit h = {.name = "web", .family = AF_INET}, six = {.family = AF_INET6};

	(void)state;
	assert_int_equal(
		ep_hashlimit_parse(a,
				   "59 192.0.2.10:0->0.0.0.0:443 1280000 1600000 320000\n"
				   "-1 192.0.2.11:1->203.0.113.1:2 0 18446744073709551615 5\n",
				   &h),
		0);
	assert_int_equal(h.rows.n, 2);
	assert_int_equal(h.rows.v[0].dport, 443);
	assert_int_equal(h.rows.v[0].credit, 1280000);
	assert_int_equal(h.rows.v[0].cost, 320000);
	assert_true(h.rows.v[1].cap == UINT64_MAX);
	assert_int_equal(ep_hashlimit_parse(a,
					    "9 2001:0db8:0000:0000:0000:0000:0000:0001:7->"
					    "0000:0000:0000:0000:0000:0000:0000:0000:0 1 2 3\n",
					    &six),
			 0);
	assert_int_equal(six.rows.v[0].sport, 7);
	assert_true(ep_addr_is_any(&six.rows.v[0].dst));
	ep_arena_free(a);
}

static void test_malformed_text(void **state)
{
	static const char *const recents[] = {
		"src= ttl: 1 last_seen: 1 oldest_pkt: 1 1\n",
		"src=1.2.3.4 ttl: 256 last_seen: 1 oldest_pkt: 1 1\n",
		"src=1.2.3.4 ttl: 64 last_seen: 1 oldest_pkt: 1 1x\n",
		"src=1.2.3.4 ttl: 64 last_seen: 99999999999999999999 oldest_pkt: 1\n",
		"src=1.2.3.4 ttl",
		"nonsense",
	};
	static const char *const tables[] = {
		"9 1.2.3.4:5",
		"9 1.2.3.4:5->",
		"9 1.2.3.4:99999->1.2.3.4:5 1 2 3\n",
		"9 1.2.3.4:5->1.2.3.4:5 1 2\n",
		"9 1.2.3.4:5->1.2.3.4:5 1 2 3",
		"x",
		"9 ::1:5->::1:5 1 2 3\n",
	};
	static const struct ep_jiffies j = {.now = 5000, .hz = 250};
	struct ep_arena *a = ep_arena_new();

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(recents); i++) {
		struct ep_recent r = {0};

		if (ep_recent_parse(a, recents[i], &j, &r) != -EBADMSG)
			fail_msg("taken: %s", recents[i]);
	}
	for (size_t i = 0; i < EP_ARRAY_SIZE(tables); i++) {
		struct ep_hashlimit h = {.family = AF_INET};

		if (ep_hashlimit_parse(a, tables[i], &h) != -EBADMSG)
			fail_msg("taken: %s", tables[i]);
	}
	ep_arena_free(a);
}

static void put_tuple(struct nlmsghdr *m, uint16_t type, uint32_t src, uint32_t dst)
{
	struct nlattr *tuple = mnl_attr_nest_start(m, type);
	struct nlattr *ip = mnl_attr_nest_start(m, CTA_TUPLE_IP);

	mnl_attr_put_u32(m, CTA_IP_V4_SRC, htonl(src));
	mnl_attr_put_u32(m, CTA_IP_V4_DST, htonl(dst));
	mnl_attr_nest_end(m, ip);
	mnl_attr_nest_end(m, tuple);
}

static struct ep_conn conn_of(uint32_t src, uint8_t tcp_state)
{
	char buf[512] = "";
	struct nlmsghdr *m = mnl_nlmsg_put_header(buf);
	struct nlattr *info, *tcp;
	struct ep_conn c;

	put_tuple(m, CTA_TUPLE_ORIG, src, 2);
	put_tuple(m, CTA_TUPLE_REPLY, 3, src);
	info = mnl_attr_nest_start(m, CTA_PROTOINFO);
	tcp = mnl_attr_nest_start(m, CTA_PROTOINFO_TCP);
	mnl_attr_put_u8(m, CTA_PROTOINFO_TCP_STATE, tcp_state);
	mnl_attr_nest_end(m, tcp);
	mnl_attr_nest_end(m, info);
	assert_int_equal(ep_conn_decode(mnl_nlmsg_get_payload(m), mnl_nlmsg_get_payload_len(m), &c),
			 0);
	/* cut off anywhere, it is refused or says less, and never reads beyond */
	for (size_t n = 0; n < mnl_nlmsg_get_payload_len(m); n++) {
		struct ep_conn part;

		assert_true(ep_conn_decode(mnl_nlmsg_get_payload(m), n, &part) <= 0);
	}
	return c;
}

static void test_connections(void **state)
{
	struct ep_arena *a = ep_arena_new();
	struct ep_conns c = {0};

	(void)state;
	*ep_push(a, &c.list) = conn_of(7, 3);
	*ep_push(a, &c.list) = conn_of(1, 3);
	*ep_push(a, &c.list) = conn_of(7, 7); /* TIME_WAIT */
	ep_conns_merge(&c);
	assert_int_equal(c.list.n, 2);
	assert_int_equal(ep_addr_num(&c.list.v[0].src), 1);
	assert_int_equal(c.list.v[1].n, 2);
	assert_int_equal(c.list.v[1].closed, 1);
	assert_int_equal(ep_addr_num(&c.list.v[1].reply_src), 3);
	ep_arena_free(a);
}

static void test_accounting(void **state)
{
	char buf[256] = "";
	struct nlmsghdr *m = mnl_nlmsg_put_header(buf);
	struct ep_acct acct = {0};

	(void)state;
	mnl_attr_put_u64(m, NFACCT_PKTS, htobe64(5));
	mnl_attr_put_u64(m, NFACCT_BYTES, htobe64(300));
	mnl_attr_put_u32(m, NFACCT_FLAGS, htonl(NFACCT_F_QUOTA_PKTS));
	mnl_attr_put_u64(m, NFACCT_QUOTA, htobe64(9));
	assert_int_equal(
		ep_acct_decode(mnl_nlmsg_get_payload(m), mnl_nlmsg_get_payload_len(m), &acct), 0);
	assert_int_equal(acct.packets, 5);
	assert_int_equal(acct.quota, 9);
	assert_int_equal(ep_acct_decode(mnl_nlmsg_get_payload(m), 12, &acct), -EBADMSG);
}

static void test_civil_time(void **state)
{
	static const struct {
		int64_t t;
		struct ep_civil c;
	} cases[] = {
		{0, {1970, 1, 1, 0, 0, 4}},
		{951782399, {2000, 2, 28, 23, 59, 1}},
		{951782400, {2000, 2, 29, 0, 0, 2}},
		{1795487054, {2026, 11, 24, 2, 24, 2}},
		{4107542399, {2100, 2, 28, 23, 59, 0}},
		{4107542400, {2100, 3, 1, 0, 0, 1}},
		{EP_CIVIL_MAX, {9999, 12, 31, 23, 59, 5}},
	};

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		struct ep_civil c = ep_civil_of(cases[i].t);

		assert_memory_equal(&c, &cases[i].c, sizeof(c));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jiffies),         cmocka_unit_test(test_recent_list),
		cmocka_unit_test(test_hashlimit_table), cmocka_unit_test(test_malformed_text),
		cmocka_unit_test(test_connections),     cmocka_unit_test(test_accounting),
		cmocka_unit_test(test_civil_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
