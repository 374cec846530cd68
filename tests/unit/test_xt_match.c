// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_set.h>

#include <cmocka.h>

#include "walk/xt.h"
#include "xt_fixtures.h"
#include "xt_world.h"

/* What the matches of a rule together say to the world's SYN: yes, no, it depends on the client's
 * field, on chance, on something unknown, or on a state of the host. */
static char answer(struct xt_world *x, const struct ep_xt_rule *r)
{
	struct ep_xt_env env = {.table = "filter", .chain = "INPUT"};
	bool yes = true;

	for (size_t i = 0; yes && i < r->matches.n; i++)
		yes = ep_xt_match(&x->w, &env, &r->matches.v[i]) > 0;
	if (!x->w.trace.n)
		return yes ? 'y' : 'n';
	return "frus"[x->w.trace.v[0].kind];
}

static char answer_to(uint8_t family, const char *text)
{
	struct xt_world x;
	char c;

	xt_world_open(&x, family);
	c = answer(&x, xt_fixture_rule(x.s->arena, xt_fixture_find(family, text)));
	xt_world_close(&x);
	return c;
}

static const struct {
	char answer;
	const char *text;
} v4[] =
	{
		{'y', "-p tcp -m tcp --dport 443 -j ACCEPT"},
		{'n',
		 "-p tcp -m tcp ! --sport 1024:65535 --dport 80:90 --tcp-flags FIN,SYN,ACK SYN -j DROP"},
		{'s', "-p tcp -m tcp --tcp-option 7 --tcp-flags FIN,SYN,RST,ACK SYN"},
		{'y', "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j ACCEPT"},
		{'n', "-p udp -m udp --dport 53 -j ACCEPT"},
		{'n', "-p icmp -m icmp --icmp-type 8 -j ACCEPT"},
		{'y', "-p tcp -m multiport --dports 80,443,8000:8100 -j ACCEPT"},
		{'f', "-p tcp -m multiport ! --sports 22 -j DROP"},
		{'f', "-p tcp -m multiport --ports 80,53 -j DROP"},
		{'y', "-m addrtype --dst-type LOCAL -j USER"},
		{'n',
		 "-m addrtype ! --src-type LOCAL,BROADCAST --dst-type UNICAST --limit-iface-in -j USER"},
		{'y', "-m comment --comment plain -j ACCEPT"},
		{'n', "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"},
		{'y', "-m conntrack ! --ctstate INVALID,UNTRACKED,SNAT,DNAT -j ACCEPT"},
		{'y', "-m state --state NEW -j ACCEPT"},
		{'y',
		 "-m conntrack --ctproto 6 --ctorigdst 198.51.100.1 --ctorigdstport 443 --ctdir ORIGINAL "
		 "-j ACCEPT"},
		{'n',
		 "-m conntrack ! --ctorigsrc 10.0.0.0/8 --ctreplsrc 172.18.0.2 --ctreplsrcport 80:90 "
		 "--ctstatus CONFIRMED -j ACCEPT"},
		{'n', "-m conntrack --ctexpire 10:20 --ctdir REPLY -j ACCEPT"},
		{'n', "-m conntrack --ctstatus NONE -j ACCEPT"},
		{'n', "-m mark --mark 0x1/0xff -j ACCEPT"},
		{'y', "-m mark ! --mark 0x7 -j ACCEPT"},
		{'n', "-m connmark --mark 0x1/0xff -j ACCEPT"},
		{'f', "-m iprange --src-range 10.0.0.1-10.0.0.9 -j DROP"},
		{'n',
		 "-m iprange ! --src-range 10.0.0.1-10.0.0.9 --dst-range 1.2.3.4-1.2.3.5 -j DROP"},
		{'s', "-m mac --mac-source 02:11:22:33:44:55 -j DROP"},
		{'n', "-m owner --uid-owner 1337 -j RETURN"},
		{'n', "-m owner --socket-exists ! --uid-owner 0-99 --gid-owner 5 -j RETURN"},
		{'y', "-m owner ! --socket-exists -j RETURN"},
		{'y', "-m physdev ! --physdev-is-bridged -j DROP"},
		{'n', "-m physdev --physdev-in veth+ --physdev-is-bridged -j DROP"},
		{'n', "-m pkttype --pkt-type broadcast -j DROP"},
		{'n', "-m pkttype ! --pkt-type unicast -j DROP"},
		{'r', "-m statistic --mode random --probability 0.33333333349 -j USER"},
		{'r', "-m statistic --mode nth --every 3 --packet 1 -j USER"},
		{'s', "-m limit --limit 5/sec -j LOG --log-level 7 --log-ip-options --log-uid"},
		{'y', "-m recent --set --name SSH --mask 255.255.255.255 --rsource"},
		{'s',
		 "-m recent --update --seconds 60 --hitcount 4 --rttl --name SSH --mask 255.255.255.255 "
		 "--rsource -j DROP"},
		{'s',
		 "-m connlimit --connlimit-above 20 --connlimit-mask 24 --connlimit-saddr -j DROP"},
		{'s', "-m quota --quota 1000000 -j ACCEPT"},
		{'s', "-m string --string \"GET /x y\" --algo bm --to 500 -j DROP"},
		{'y', "-m policy --dir in --pol none -j ACCEPT"},
		{'n', "-m policy --dir in --pol ipsec --proto esp --mode tunnel -j ACCEPT"},
		{'s', "-m length --length 40:60 -j ACCEPT"},
		{'s', "-m ttl --ttl-gt 10 -j ACCEPT"},
		{'s', "-m ttl ! --ttl-eq 64 -j ACCEPT"},
		{'s', "-m dscp --dscp 0x0a -j ACCEPT"},
		{'s', "-m tos ! --tos 0x10/0x3f -j ACCEPT"},
		{'s', "-p tcp -m ecn ! --ecn-tcp-cwr --ecn-ip-ect 2 -j ACCEPT"},
		{'s', "-p tcp -m tcpmss --mss 536:1460 -j ACCEPT"},
		{'n', "-m realm --realm 0x3 -j ACCEPT"},
		{'n', "-m helper --helper ftp -j ACCEPT"},
		{'y',
		 "-m connbytes --connbytes 0:1000 --connbytes-mode packets --connbytes-dir both -j ACCEPT"},
		{'n',
		 "-m connbytes ! --connbytes 10:1000 --connbytes-mode bytes --connbytes-dir original "
		 "-j ACCEPT"},
		{'y', "-m connlabel --label \"3\" --set -j ACCEPT"},
		{'s', "-m cpu --cpu 1 -j ACCEPT"},
		{'n', "-m devgroup --src-group 0x7 -j ACCEPT"},
		{'n', "-m cgroup --cgroup 1 -j ACCEPT"},
		{'n', "-m u32 --u32 \"0x0=0x0\" -j ACCEPT"},
		{'y', "-m bpf --bytecode \"1,6 0 0 65535\" -j ACCEPT"},
		{'f', "-m rpfilter -j ACCEPT"},
		{'n', "-m socket -j ACCEPT"},
		{'u', "-m set --match-set s1 src -j DROP"},
},
  v6[] = {
	  {'y', "! -s fd00::/8 -d 2001:db8::1/128 -p tcp -m tcp --dport 443 -j ACCEPT"},
	  {'n', "-p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT"},
	  {'y', "-m addrtype --dst-type LOCAL -j USER"},
	  {'f', "-m iprange --src-range 2001:db8::1-2001:db8::9 -j DROP"},
	  {'y', "-m conntrack --ctstate NEW --ctorigdst 2001:db8::/32 -j DROP"},
	  {'s', "-m hl --hl-lt 10 -j DROP"},
	  {'n', "-m ipv6header --header ipv6-frag --soft -j DROP"},
	  {'n', "-m frag --fragfirst -j DROP"},
	  {'n', "-m rt --rt-type 0 -j DROP"},
	  {'u', "-m eui64 -j DROP"},
	  {'f', "-m rpfilter --invert -j DROP"},
};

static void every_match_answers(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(v4) + EP_ARRAY_SIZE(v6); i++) {
		size_t k = i < EP_ARRAY_SIZE(v4) ? i : i - EP_ARRAY_SIZE(v4);
		uint8_t family = i == k ? AF_INET : AF_INET6;
		char want = i == k ? v4[k].answer : v6[k].answer;
		const char *text = i == k ? v4[k].text : v6[k].text;
		char got = answer_to(family, text);

		if (got != want) {
			fprintf(stderr, "%c, not %c: %s\n", got, want, text);
			bad++;
		}
	}
	assert_int_equal(bad, 0);
}

/* ---- which sources a split is about ---- */

static void assert_first_split(struct xt_world *x, const char *const *prefixes)
{
	ep_strs got = {};

	assert_int_equal(x->w.trace.n, 1);
	ep_iv_prefixes(x->w.arena, x->w.trace.v[0].alt[0], x->w.p.alen, &got);
	for (size_t i = 0; prefixes[i]; i++) {
		assert_true(i < got.n);
		assert_string_equal(got.v[i], prefixes[i]);
		assert_true(prefixes[i + 1] || got.n == i + 1);
	}
}

static struct ep_xt_ext ext_of(struct xt_world *x, const char *text)
{
	return xt_fixture_rule(x->s->arena,
			       xt_fixture_find(x->q.dst.len == 4 ? AF_INET : AF_INET6, text))
		->matches.v[0];
}

static void sources_of_a_type(void **state)
{
	static const char *const want[] = {"10.9.0.1", "127.0.0.0/8", "198.51.100.1",
					   "198.51.100.255", NULL};
	struct xt_addrtype_info_v1_like {
		uint16_t source, dest;
		uint32_t flags;
	} info = {.source = 1 << 2 | 1 << 3}; /* LOCAL, BROADCAST */
	struct ep_xt_ext m = {
		.name = "addrtype", .rev = 1, .len = sizeof(info), .data = (const uint8_t *)&info};
	struct ep_xt_env env = {};
	struct xt_world x;
	struct ep_ivset in;
	uint8_t all = 0;

	(void)state;
	xt_world_open(&x, AF_INET);
	assert_int_equal(ep_xt_match(&x.w, &env, &m), 1);
	assert_int_equal(x.w.trace.n, 1);
	in = x.w.trace.v[0].alt[0];
	for (size_t i = 0; want[i]; i++) {
		struct ep_addr a;
		char *s = ep_strndup(x.w.arena, want[i], strcspn(want[i], "/"));

		assert_true(ep_addr_parse(s, &a));
		all += ep_iv_has(in, ep_addr_num(&a));
	}
	assert_int_equal(all, 4);
	assert_false(ep_iv_has(in, 0x08080808));
	xt_world_close(&x);
}

/* Sources that are routed back through another device or belong to this host. */
static void rpfilter_splits_by_routes(void **state)
{
	struct ep_xt_env env = {};
	struct xt_world x;
	struct ep_xt_ext m;
	struct ep_ivset in;

	(void)state;
	xt_world_open(&x, AF_INET);
	x.w.hooknum = NF_INET_PRE_ROUTING;
	m = ext_of(&x, "-m rpfilter -j ACCEPT");
	assert_int_equal(ep_xt_match(&x.w, &env, &m), 1);
	assert_int_equal(x.w.trace.n, 1);
	in = x.w.trace.v[0].alt[0];
	assert_true(ep_iv_has(in, 0x08080808));  /* default route */
	assert_true(ep_iv_has(in, 0xc6336405));  /* 198.51.100.5 */
	assert_false(ep_iv_has(in, 0xc6336401)); /* 198.51.100.1: our own */
	assert_false(ep_iv_has(in, 0x0a090005)); /* 10.9.0.5: docker0 */
	assert_false(ep_iv_has(in, 0x7f000001));
	xt_world_close(&x);
}

/* ---- ipsets ---- */

static struct ep_ipset *add_set(struct xt_world *x, const char *type, uint16_t index)
{
	struct ep_ipset *s = ep_alloc(x->s->arena, sizeof(*s));

	*s = (struct ep_ipset){
		.name = "s", .type = type, .index = index, .family = AF_INET, .loaded = true};
	*ep_push(x->s->arena, &x->w.ns->ipsets) = s;
	return s;
}

static void add_elem(struct xt_world *x, struct ep_ipset *s, const char *addr, uint8_t plen,
		     uint16_t port, bool nomatch)
{
	struct ep_ipset_elem *e = ep_push(x->s->arena, &s->elems);

	e->plen = plen;
	e->port_lo = e->port_hi = port;
	e->proto = port ? IPPROTO_TCP : 0;
	e->nomatch = nomatch;
	if (addr)
		assert_true(ep_addr_parse(addr, &e->addr));
}

static void ipset_holes_and_ports(void **state)
{
	static const char *const want[] = {"10.1.2.3", "192.0.2.0/25", "192.0.2.192/26", NULL};
	struct ep_xt_env env = {};
	struct xt_set_info_match_v1 info = {.match_set = {.index = 7, .dim = 1, .flags = 2}};
	struct ep_xt_ext m = {
		.name = "set", .rev = 1, .len = sizeof(info) + 4, .data = (const uint8_t *)&info};
	struct xt_world x;
	struct ep_ipset *s;
	struct ep_xt_ext m2;

	(void)state;
	xt_world_open(&x, AF_INET);
	s = add_set(&x, "hash:net", 7);
	add_elem(&x, s, "192.0.2.0", 24, 0, false);
	add_elem(&x, s, "192.0.2.128", 26, 0, true);
	add_elem(&x, s, "10.1.2.3", 32, 0, false);
	assert_int_equal(
		ep_xt_match(&x.w, &env,
			    &(struct ep_xt_ext){
				    .name = "set", .rev = 1, .len = sizeof(info), .data = m.data}),
		1);
	assert_first_split(&x, want);
	xt_world_close(&x);

	xt_world_open(&x, AF_INET);
	m2 = ext_of(&x, "-m set ! --match-set s2 src,dst -j DROP");
	s = add_set(&x, "hash:net,port", 1);
	add_elem(&x, s, "192.0.2.0", 24, 80, false);
	assert_int_equal(ep_xt_match(&x.w, &env, &m2), 1); /* no element with our port: certain */
	assert_int_equal(x.w.trace.n, 0);
	add_elem(&x, s, "192.0.2.0", 24, 443, false);
	x.w.p.saddr = (struct ep_val){.var = -1, .c = 0xc0000209};
	assert_int_equal(ep_xt_match(&x.w, &env, &m2), 0);
	assert_int_equal(x.w.trace.n, 0);
	xt_world_close(&x);
}

/* ---- revisions and states that iptables 1.8.9 no longer writes ---- */

static int match_info(struct xt_world *x, const char *name, uint8_t rev, const void *info,
		      uint32_t len)
{
	struct ep_xt_env env = {};
	struct ep_xt_ext m = {.name = name, .rev = rev, .len = len, .data = info};

	return ep_xt_match(&x->w, &env, &m);
}

static void old_revisions(void **state)
{
	struct xt_conntrack_mtinfo1 c1 = {.match_flags = XT_CONNTRACK_STATE |
							 XT_CONNTRACK_ORIGDST_PORT,
					  .origdst_port = htons(443),
					  .state_mask = XT_CONNTRACK_STATE_BIT(IP_CT_NEW)};
	struct xt_multiport m0 = {
		.flags = XT_MULTIPORT_DESTINATION, .count = 2, .ports = {80, 443}};
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	assert_int_equal(match_info(&x, "conntrack", 1, &c1, sizeof(c1)), 1);
	c1.invert_flags = XT_CONNTRACK_ORIGDST_PORT;
	assert_int_equal(match_info(&x, "conntrack", 1, &c1, sizeof(c1)), 0);
	assert_int_equal(match_info(&x, "multiport", 0, &m0, sizeof(m0)), 1);
	m0.ports[1] = 8443;
	assert_int_equal(match_info(&x, "multiport", 0, &m0, sizeof(m0)), 0);
	assert_int_equal(x.w.trace.n, 0);
	xt_world_close(&x);
}

static void states_without_conntrack(void **state)
{
	struct xt_conntrack_mtinfo3 i = {.match_flags = XT_CONNTRACK_STATE};
	struct xt_connmark_mtinfo1 mark = {.invert = 1};
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	x.w.p.ct = EP_CT_UNTRACKED;
	i.state_mask = XT_CONNTRACK_STATE_UNTRACKED;
	assert_int_equal(match_info(&x, "conntrack", 3, &i, sizeof(i)), 1);
	x.w.p.ct = EP_CT_NONE;
	assert_int_equal(match_info(&x, "conntrack", 3, &i, sizeof(i)), 0);
	i.state_mask = XT_CONNTRACK_STATE_INVALID;
	assert_int_equal(match_info(&x, "conntrack", 3, &i, sizeof(i)), 1);
	i.match_flags = XT_CONNTRACK_PROTO;
	assert_int_equal(match_info(&x, "conntrack", 3, &i, sizeof(i)), 0);
	assert_int_equal(match_info(&x, "connmark", 1, &mark, sizeof(mark)), 0);
	xt_world_close(&x);
}

/* ---- what is not understood is unknown, and says so ---- */

static void unknown_extensions(void **state)
{
	static const uint8_t bytes[16];
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	match_info(&x, "frobnicate", 3, bytes, sizeof(bytes));
	assert_int_equal(x.w.trace.v[0].kind, EP_VAR_UNKNOWN);
	assert_string_equal(x.w.trace.v[0].reason,
			    "xt match frobnicate revision 3 is not understood");
	match_info(&x, "tcp", 0, bytes, 11);
	assert_string_equal(x.w.trace.v[1].reason, "xt match tcp revision 0 has 11 bytes, not 12");
	match_info(&x, "tcp", 9, bytes, 12);
	assert_int_equal(x.w.trace.n, 3);
	xt_world_close(&x);
}

/* A field that a rule has rewritten is another one than before. */
static void rewritten_fields(void **state)
{
	static const char dscp[] = "-m dscp --dscp 0x0a -j ACCEPT";
	static const uint8_t tos[] = {0x10, 0xff};
	struct ep_xt_env env = {};
	struct xt_world x;
	struct ep_xt_ext m;

	(void)state;
	xt_world_open(&x, AF_INET);
	m = ext_of(&x, dscp);
	assert_int_equal(ep_xt_match(&x.w, &env, &m), 0); /* as is usual */
	assert_int_equal(ep_xt_match(&x.w, &env, &m), 0);
	assert_int_equal(x.w.trace.n, 1); /* the same question has the same answer */
	assert_int_equal(
		ep_xt_target(&x.w, &env,
			     &(struct ep_xt_ext){.name = "TOS", .rev = 1, .len = 2, .data = tos}),
		EP_X_CONTINUE);
	assert_int_equal(ep_xt_match(&x.w, &env, &m), 0);
	assert_int_equal(x.w.trace.n, 1);
	xt_world_close(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_match_answers),
		cmocka_unit_test(sources_of_a_type),
		cmocka_unit_test(rpfilter_splits_by_routes),
		cmocka_unit_test(ipset_holes_and_ports),
		cmocka_unit_test(old_revisions),
		cmocka_unit_test(states_without_conntrack),
		cmocka_unit_test(unknown_extensions),
		cmocka_unit_test(rewritten_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
