// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_connmark.h>

#include <cmocka.h>

#include "walk/xt.h"
#include "xt_fixtures.h"
#include "xt_world.h"

static struct ep_xt_env env;

static enum ep_xt_ret run(struct xt_world *x, const char *text)
{
	uint8_t family = x->q.dst.len == 4 ? AF_INET : AF_INET6;
	struct ep_xt_rule *r = xt_fixture_rule(x->s->arena, xt_fixture_find(family, text));

	assert_int_equal(r->verdict, EP_XT_TARGET);
	return ep_xt_target(&x->w, &env, &r->target);
}

static void assert_dest(const struct xt_world *x, const char *addr, uint16_t port)
{
	char buf[EP_ADDRSTR];

	assert_string_equal(ep_addr_str(&x->w.p.daddr, buf), addr);
	assert_int_equal(x->w.p.dport, port);
}

/* The packet before any translation. */
static void open_prerouting(struct xt_world *x, uint8_t family)
{
	xt_world_open(x, family);
	x->w.hooknum = NF_INET_PRE_ROUTING;
	x->w.hook = "prerouting";
	x->w.p.dnat_done = false;
}

static const struct {
	uint8_t family;
	const char *text, *addr;
	uint16_t port;
	const char *action;
} dnats[] = {
	{AF_INET, "-p tcp -j DNAT --to-destination 172.18.0.2:443", "172.18.0.2", 443, "dnat"},
	{AF_INET, "-j DNAT --to-destination 172.18.0.2", "172.18.0.2", 443, "dnat"},
	{AF_INET, "-p tcp -j DNAT --to-destination :8080", "198.51.100.1", 8080, "dnat"},
	{AF_INET, "-p tcp -j REDIRECT --to-ports 15006", "198.51.100.1", 15006, "redirect"},
	{AF_INET, "-d 10.0.0.0/24 -j NETMAP --to 172.18.0.0/24", "172.18.0.1", 443, "netmap"},
	{AF_INET6, "-p tcp -j DNAT --to-destination [fd00:18::2]:443", "fd00:18::2", 443, "dnat"},
	{AF_INET6, "-p tcp -j REDIRECT --to-ports 15006", "2001:db8::1", 15006, "redirect"},
	{AF_INET6, "-j NETMAP --to fd00:18::/64", "fd00:18::1", 443, "netmap"},
};

static void destinations(void **state)
{
	struct xt_world x;

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(dnats); i++) {
		open_prerouting(&x, dnats[i].family);
		assert_int_equal(run(&x, dnats[i].text), EP_X_ACCEPT);
		assert_dest(&x, dnats[i].addr, dnats[i].port);
		assert_string_equal(env.action, dnats[i].action);
		assert_non_null(env.to);
		assert_true(x.w.p.dnat_done);
		xt_world_close(&x);
	}
}

static void shifted_ports(void **state)
{
	struct xt_world x;

	(void)state;
	open_prerouting(&x, AF_INET);
	x.w.p.dport = 5003;
	run(&x, "-p tcp -m tcp --dport 5000:5010 -j DNAT --to-destination 10.0.0.1:6000-6010/5000");
	assert_dest(&x, "10.0.0.1", 6003);
	xt_world_close(&x);
}

static void sources(void **state)
{
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	x.w.hooknum = NF_INET_POST_ROUTING;
	x.w.p.out = ep_link_by_name(x.w.ns, "docker0");
	assert_int_equal(run(&x, "-p tcp -j SNAT --to-source 192.0.2.1:100-200"), EP_X_ACCEPT);
	assert_string_equal(env.action, "snat");
	assert_true(x.w.p.src_nat);
	assert_int_equal(x.w.p.saddr.var, -1);
	assert_true(x.w.p.saddr.c == 0xc0000201);
	xt_world_close(&x);

	xt_world_open(&x, AF_INET);
	x.w.hooknum = NF_INET_POST_ROUTING;
	x.w.p.out = ep_link_by_name(x.w.ns, "docker0");
	assert_int_equal(run(&x, "-s 172.18.0.0/16 ! -o br-1 -j MASQUERADE"), EP_X_ACCEPT);
	assert_string_equal(env.action, "masquerade");
	assert_true(x.w.p.saddr.c == 0x0a090001);
	xt_world_close(&x);
}

/* A translation that --without passes over is no step, and the next rule gets its turn. */
static void without(void **state)
{
	struct ep_without gone = {};
	struct xt_world x;

	(void)state;
	open_prerouting(&x, AF_INET);
	assert_true(ep_addr_parse("172.18.0.2", ep_push(x.s->arena, &gone.dnat_to)));
	x.w.without = &gone;
	assert_int_equal(run(&x, "-p tcp -j DNAT --to-destination 172.18.0.2:443"), EP_X_CONTINUE);
	assert_null(env.action);
	assert_dest(&x, "198.51.100.1", 443);
	xt_world_close(&x);
}

static void marks(void **state)
{
	struct xt_connmark_tginfo2 shift = {.ctmask = 0,
					    .nfmask = 0xff,
					    .shift_dir = D_SHIFT_LEFT,
					    .shift_bits = 8,
					    .mode = XT_CONNMARK_SAVE};
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	x.w.p.mark = 0x12345;
	assert_int_equal(run(&x, "-j MARK --set-xmark 0x4000/0x4000"), EP_X_CONTINUE);
	assert_int_equal(x.w.p.mark, 0x16345);
	assert_string_equal(env.action, "mark");
	run(&x, "-j MARK --set-xmark 0x0/0xffffff00"); /* --and-mark 0xff */
	assert_int_equal(x.w.p.mark, 0x45);
	run(&x, "-j CONNMARK --set-xmark 0x3/0x7");
	assert_int_equal(x.w.p.ctmark, 3);
	run(&x, "-j CONNMARK --restore-mark --nfmask 0x7 --ctmask 0x7");
	assert_int_equal(x.w.p.mark, 0x43);
	run(&x, "-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff");
	assert_int_equal(x.w.p.ctmark, 0x43);
	ep_xt_target(&x.w, &env,
		     &(struct ep_xt_ext){.name = "CONNMARK",
					 .rev = 2,
					 .len = sizeof(shift),
					 .data = (const uint8_t *)&shift});
	assert_int_equal(x.w.p.ctmark, 0x4343);
	x.w.p.ct = EP_CT_UNTRACKED;
	run(&x, "-j CONNMARK --set-xmark 0x3/0x7");
	assert_int_equal(x.w.p.ctmark, 0x4343);
	xt_world_close(&x);
}

static void tracking(void **state)
{
	struct xt_world x;

	(void)state;
	open_prerouting(&x, AF_INET);
	run(&x, "-j NOTRACK");
	assert_int_equal(x.w.p.ct, EP_CT_NEW); /* too late: conntrack has seen it */
	assert_null(env.action);
	x.w.p.ct = EP_CT_NONE;
	run(&x, "-j CT --notrack");
	assert_int_equal(x.w.p.ct, EP_CT_UNTRACKED);
	assert_string_equal(env.action, "notrack");
	x.w.p.ct = EP_CT_NONE;
	run(&x, "-j CT --zone 5");
	assert_int_equal(x.w.p.ct_zone, 5);
	run(&x, "-j CT --notrack"); /* the zone's template is in the way */
	assert_int_equal(x.w.p.ct, EP_CT_NONE);
	xt_world_close(&x);
}

static void add_listener(struct xt_world *x, const char *addr, uint16_t port, bool transparent)
{
	struct ep_listener *l = ep_push(x->s->arena, &x->s->listeners);

	assert_true(ep_addr_parse(addr, &l->addr));
	l->netns = x->w.ns->ino;
	l->port = port;
	l->transparent = transparent;
}

static void tproxy(void **state)
{
	static const char text[] =
		"-p tcp -j TPROXY --on-port 15001 --on-ip 127.0.0.1 --tproxy-mark 0x1/0xffffffff";
	struct xt_world x;

	(void)state;
	open_prerouting(&x, AF_INET);
	assert_int_equal(run(&x, text), EP_X_DROP);
	assert_string_equal(env.action, "tproxy");
	assert_string_equal(env.to, "127.0.0.1:15001");
	add_listener(&x, "127.0.0.1", 15001, false);
	assert_int_equal(run(&x, text), EP_X_DROP);
	x.s->listeners.v[0].transparent = true;
	assert_int_equal(run(&x, text), EP_X_ACCEPT);
	assert_ptr_equal(x.w.p.tproxy, &x.s->listeners.v[0]);
	assert_int_equal(x.w.p.mark, 1);
	assert_dest(&x, "198.51.100.1", 443);
	xt_world_close(&x);
}

static const struct {
	uint8_t family;
	const char *text;
	enum ep_outcome_verdict verdict;
	const char *action, *to;
} ends[] = {
	{AF_INET, "-j REJECT --reject-with icmp-port-unreachable", EP_REJECTED, "reject",
	 "icmp port-unreachable"},
	{AF_INET, "-p tcp -j REJECT --reject-with tcp-reset", EP_REJECTED, "reject", "tcp reset"},
	{AF_INET6, "-j REJECT --reject-with icmp6-adm-prohibited", EP_REJECTED, "reject",
	 "icmpv6 admin-prohibited"},
	{AF_INET, "-j NFQUEUE --queue-num 3 --queue-bypass", EP_UNKNOWN, "queue", "3"},
};

static void endings(void **state)
{
	struct xt_world x;

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(ends); i++) {
		xt_world_open(&x, ends[i].family);
		assert_int_equal(run(&x, ends[i].text), EP_X_ENDED);
		assert_true(x.w.ended);
		if (x.w.verdict != EP_REFUSED) /* how a reset is called is the engine's matter */
			assert_int_equal(x.w.verdict, ends[i].verdict);
		assert_string_equal(env.action, ends[i].action);
		if (ends[i].to)
			assert_string_equal(env.to, ends[i].to);
		xt_world_close(&x);
	}
}

static void onlookers(void **state)
{
	static const char *const texts[] = {
		"-j NFLOG --nflog-prefix \"a b\" --nflog-group 3",
		"-j AUDIT --type drop",
		"-j TEE --gateway 10.0.0.7",
		"-j TRACE",
		"-p udp -j CHECKSUM --checksum-fill",
		"-j IDLETIMER --timeout 5 --label x",
		"-j SET --add-set s1 src --exist --timeout 60",
		"-j CLASSIFY --set-class 0001:0002",
		"-j TOS --set-tos 0x10/0x3f",
		"-p tcp -j ECN --ecn-tcp-remove",
	};
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	for (size_t i = 0; i < EP_ARRAY_SIZE(texts); i++)
		assert_int_equal(run(&x, texts[i]), EP_X_CONTINUE);
	assert_int_equal(x.w.p.priority, 0x10002);
	assert_false(x.w.ended);
	assert_int_equal(x.w.trace.n, 0);
	xt_world_close(&x);
}

static void unknown_targets(void **state)
{
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	assert_int_equal(ep_xt_target(&x.w, &env, &(struct ep_xt_ext){.name = "FROB", .rev = 1}),
			 EP_X_ENDED);
	assert_int_equal(x.w.verdict, EP_UNKNOWN);
	assert_string_equal(x.w.reason, "xt target FROB revision 1 is not understood");
	assert_string_equal(env.action, "frob");
	xt_world_close(&x);

	xt_world_open(&x, AF_INET);
	assert_int_equal(ep_xt_target(&x.w, &env, &(struct ep_xt_ext){.name = "DNAT", .rev = 2}),
			 EP_X_ENDED);
	assert_string_equal(x.w.reason, "xt target DNAT revision 2 has 0 bytes, not 44");
	xt_world_close(&x);
}

static void hashed_marks(void **state)
{
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	run(&x, "-j HMARK --hmark-src-prefix 32 --hmark-dst-prefix 32 --hmark-rnd 0x00000001 "
		"--hmark-mod 4 --hmark-offset 100");
	assert_int_equal(x.w.p.mark, 100);
	assert_int_equal(x.w.trace.n, 1);
	assert_int_equal(x.w.trace.v[0].n, 4);
	xt_world_close(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(destinations), cmocka_unit_test(shifted_ports),
		cmocka_unit_test(sources),      cmocka_unit_test(without),
		cmocka_unit_test(marks),        cmocka_unit_test(tracking),
		cmocka_unit_test(tproxy),       cmocka_unit_test(endings),
		cmocka_unit_test(onlookers),    cmocka_unit_test(unknown_targets),
		cmocka_unit_test(hashed_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
