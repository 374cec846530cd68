// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include <cmocka.h>

#include "walk/engine.h"
#include "xt_fixtures.h"
#include "xt_world.h"

/* ---- tables made by hand ---- */

static struct xt_world x;
static struct ep_xt_table *table;

static void open_table(uint8_t family, const char *name)
{
	xt_world_open(&x, family);
	table = ep_alloc(x.s->arena, sizeof(*table));
	*table = (struct ep_xt_table){.family = family,
				      .name = name,
				      .valid_hooks = 1 << NF_INET_LOCAL_IN,
				      .loaded = true};
}

static struct ep_xt_chain *add_chain(const char *name, int hook)
{
	struct ep_xt_chain *c = ep_alloc(x.s->arena, sizeof(*c));

	*c = (struct ep_xt_chain){.name = name, .hook = hook, .policy = EP_XT_ACCEPT};
	*ep_push(x.s->arena, &table->chains) = c;
	return c;
}

static struct ep_xt_rule *add_rule(struct ep_xt_chain *c, enum ep_xt_verdict v, const char *to)
{
	struct ep_xt_rule *r = ep_push(x.s->arena, &c->rules);
	uint8_t alen = table->family == AF_INET ? 4 : 16;

	r->position = (uint32_t)c->rules.n;
	r->src.len = r->dst.len = r->smask.len = r->dmask.len = alen;
	r->verdict = v;
	r->chain = to;
	return r;
}

static struct ep_xt_rule *add_known(struct ep_xt_chain *c, const char *text)
{
	struct ep_xt_rule *r = ep_push(x.s->arena, &c->rules);

	*r = *xt_fixture_rule(x.s->arena, xt_fixture_find(table->family, text));
	r->position = (uint32_t)c->rules.n;
	return r;
}

static void set_src(struct ep_xt_rule *r, const char *addr, const char *mask)
{
	assert_true(ep_addr_parse(addr, &r->src));
	assert_true(ep_addr_parse(mask, &r->smask));
}

/* "INPUT jump USER; USER#1 accept" */
static const char *steps(void)
{
	char *s = ep_w_sprintf(&x.w, "%s", "");

	ep_each(p, &x.w.steps) {
		const char *sep = *s ? "; " : "";

		if (p->kind == EP_STEP_RULE)
			s = ep_w_sprintf(&x.w, "%s%s%s#%u %s%s%s", s, sep, p->chain,
					 ep_rule_position(&p->rule), p->action, p->to ? " " : "",
					 p->to ? p->to : "");
		else
			s = ep_w_sprintf(&x.w, "%s%s%s %s (%u)", s, sep, p->chain, p->action,
					 p->seen);
	}
	return s;
}

static void run_again(const unsigned *given, size_t n)
{
	xt_world_again(&x, given, n);
}

/* ---- chains ---- */

static void jumps_and_returns(void **state)
{
	struct ep_xt_chain *in, *a, *b;

	(void)state;
	open_table(AF_INET, "filter");
	in = add_chain("INPUT", NF_INET_LOCAL_IN);
	a = add_chain("A", -1);
	b = add_chain("B", -1);
	add_rule(in, EP_XT_JUMP, "A");
	add_rule(in, EP_XT_DROP, NULL);
	add_rule(a, EP_XT_JUMP, "B");
	add_rule(a, EP_XT_ACCEPT, NULL);
	add_rule(b, EP_XT_RETURN, NULL);
	add_rule(b, EP_XT_DROP, NULL);
	assert_int_equal(ep_xt_run(&x.w, table), EP_RET_ACCEPT);
	assert_string_equal(steps(), "INPUT#1 jump A; A#1 jump B; B#1 return; A#2 accept");
	assert_int_equal(x.w.steps.v[0].backend, EP_IPTABLES_LEGACY);
	assert_string_equal(x.w.steps.v[0].table, "filter");
	assert_string_equal(x.w.steps.v[0].family, "ip");
	assert_string_equal(x.w.steps.v[0].hook, "input");
	assert_ptr_equal(x.w.steps.v[3].rule.xt_chain, a);
	xt_world_close(&x);
}

/* A chain that was gone to returns to its caller's caller; from there the policy decides. */
static void gotos_and_policies(void **state)
{
	struct ep_xt_chain *in, *a, *b;

	(void)state;
	open_table(AF_INET, "filter");
	in = add_chain("INPUT", NF_INET_LOCAL_IN);
	a = add_chain("A", -1);
	b = add_chain("B", -1);
	in->policy = EP_XT_DROP;
	add_rule(in, EP_XT_JUMP, "A");
	add_rule(in, EP_XT_GOTO, "B");
	add_rule(in, EP_XT_ACCEPT, NULL);
	add_rule(a, EP_XT_GOTO, "B");
	add_rule(a, EP_XT_ACCEPT, NULL);
	add_rule(b, EP_XT_CONTINUE, NULL);
	assert_int_equal(ep_xt_run(&x.w, table), EP_RET_DROP);
	assert_string_equal(steps(),
			    "INPUT#1 jump A; A#1 goto B; INPUT#2 goto B; INPUT policy drop (5)");
	xt_world_close(&x);
}

static void return_from_base_chain(void **state)
{
	struct ep_xt_chain *in;

	(void)state;
	open_table(AF_INET, "mangle");
	in = add_chain("INPUT", NF_INET_LOCAL_IN);
	add_rule(in, EP_XT_RETURN, NULL);
	add_rule(in, EP_XT_DROP, NULL);
	assert_int_equal(ep_xt_run(&x.w, table), EP_RET_ACCEPT);
	assert_string_equal(steps(), "INPUT#1 return; INPUT policy accept (1)");
	assert_int_equal(x.w.steps.v[0].priority, -150);
	xt_world_close(&x);
}

static void other_hooks_are_not_ours(void **state)
{
	(void)state;
	open_table(AF_INET, "filter");
	add_rule(add_chain("FORWARD", NF_INET_FORWARD), EP_XT_DROP, NULL);
	assert_int_equal(ep_xt_run(&x.w, table), EP_RET_ACCEPT);
	assert_int_equal(x.w.steps.n, 0);
	xt_world_close(&x);
}

static void bad_tables_end(void **state)
{
	struct ep_xt_chain *in;

	(void)state;
	open_table(AF_INET, "filter");
	in = add_chain("INPUT", NF_INET_LOCAL_IN);
	add_rule(in, EP_XT_JUMP, "NOWHERE");
	assert_int_equal(ep_xt_run(&x.w, table), EP_RET_ENDED);
	assert_int_equal(x.w.verdict, EP_UNKNOWN);
	xt_world_close(&x);

	open_table(AF_INET, "filter");
	in = add_chain("INPUT", NF_INET_LOCAL_IN);
	add_rule(in, EP_XT_JUMP, "LOOP");
	add_rule(add_chain("LOOP", -1), EP_XT_JUMP, "LOOP");
	assert_int_equal(ep_xt_run(&x.w, table), EP_RET_ENDED);
	assert_int_equal(x.w.verdict, EP_UNKNOWN);
	xt_world_close(&x);

	open_table(AF_INET, "filter");
	in = add_chain("INPUT", NF_INET_LOCAL_IN);
	add_rule(in, EP_XT_GOTO, "LOOP");
	add_rule(add_chain("LOOP", -1), EP_XT_GOTO, "LOOP");
	assert_int_equal(ep_xt_run(&x.w, table), EP_RET_ENDED);
	assert_int_equal(x.w.verdict, EP_UNKNOWN);
	xt_world_close(&x);
}

static void rules_that_are_gone(void **state)
{
	struct ep_without gone = {};
	struct ep_xt_chain *in;

	(void)state;
	open_table(AF_INET, "filter");
	in = add_chain("INPUT", NF_INET_LOCAL_IN);
	add_rule(in, EP_XT_ACCEPT, NULL);
	add_rule(in, EP_XT_DROP, NULL);
	*ep_push(x.s->arena, &gone.rules) = &in->rules.v[0];
	x.w.without = &gone;
	assert_int_equal(ep_xt_run(&x.w, table), EP_RET_DROP);
	assert_string_equal(steps(), "INPUT#2 drop");
	xt_world_close(&x);
}

/* ---- the addresses and devices of a rule ---- */

static enum ep_ret run_one(void)
{
	return ep_xt_run(&x.w, table);
}

static struct ep_xt_rule *one_drop(uint8_t family)
{
	open_table(family, "filter");
	return add_rule(add_chain("INPUT", NF_INET_LOCAL_IN), EP_XT_DROP, NULL);
}

static void open_source_splits(void **state)
{
	static const unsigned second = 1;
	struct ep_xt_rule *r = one_drop(AF_INET);
	struct ep_ivset in;

	(void)state;
	set_src(r, "10.0.0.0", "255.0.0.0");
	r->invflags = IPT_INV_SRCIP;
	assert_int_equal(run_one(), EP_RET_DROP);
	assert_int_equal(x.w.trace.n, 1);
	in = x.w.vars.v[EP_VAR_SADDR].dom;
	assert_false(ep_iv_has(in, 0x0a000001));
	assert_true(ep_iv_has(in, 0x0b000001));
	run_again(&second, 1);
	assert_int_equal(run_one(), EP_RET_ACCEPT);
	in = x.w.vars.v[EP_VAR_SADDR].dom;
	assert_true(ep_iv_has(in, 0x0a000001));
	assert_false(ep_iv_has(in, 0x0b000001));
	xt_world_close(&x);
}

/* ip_packet_match() masks the packet's address alone, ip6_packet_match() both. */
static void bits_outside_of_the_mask(void **state)
{
	struct ep_xt_rule *r = one_drop(AF_INET);

	(void)state;
	set_src(r, "10.0.0.1", "255.0.0.0");
	assert_int_equal(run_one(), EP_RET_ACCEPT);
	assert_int_equal(x.w.trace.n, 0);
	xt_world_close(&x);

	r = one_drop(AF_INET6);
	set_src(r, "fd00::1", "ff00::");
	assert_int_equal(run_one(), EP_RET_DROP);
	assert_int_equal(x.w.trace.n, 1);
	xt_world_close(&x);
}

static void set_iface(char *name, uint8_t *mask, const char *want, size_t n)
{
	strcpy(name, want);
	memset(mask, 0xff, n);
}

static void devices(void **state)
{
	struct ep_xt_rule *r = one_drop(AF_INET);

	(void)state;
	set_iface(r->iif, r->iif_mask, "eth", 3); /* eth+ */
	assert_int_equal(run_one(), EP_RET_DROP);
	set_iface(r->iif, r->iif_mask, "eth", 4);
	assert_int_equal(run_one(), EP_RET_ACCEPT);
	r->invflags = IPT_INV_VIA_IN;
	assert_int_equal(run_one(), EP_RET_DROP);
	set_iface(r->oif, r->oif_mask, "eth0", 5); /* there is no output device here */
	assert_int_equal(run_one(), EP_RET_ACCEPT);
	r->invflags |= IPT_INV_VIA_OUT;
	assert_int_equal(run_one(), EP_RET_DROP);
	xt_world_close(&x);
}

static void protocols(void **state)
{
	struct ep_xt_rule *r = one_drop(AF_INET);

	(void)state;
	r->proto = IPPROTO_UDP;
	assert_int_equal(run_one(), EP_RET_ACCEPT);
	r->invflags = XT_INV_PROTO;
	assert_int_equal(run_one(), EP_RET_DROP);
	r->flags = IPT_F_FRAG; /* never a fragment */
	assert_int_equal(run_one(), EP_RET_ACCEPT);
	xt_world_close(&x);

	r = one_drop(AF_INET6);
	r->proto = IPPROTO_UDP; /* counts only with the flag */
	assert_int_equal(run_one(), EP_RET_DROP);
	r->flags = IP6T_F_PROTO;
	assert_int_equal(run_one(), EP_RET_ACCEPT);
	r->invflags = XT_INV_PROTO;
	assert_int_equal(run_one(), EP_RET_DROP);
	xt_world_close(&x);
}

/* ---- no split but those that matter ---- */

static void certain_conditions_first(void **state)
{
	struct ep_xt_chain *in;
	struct ep_xt_rule *r;

	(void)state;
	open_table(AF_INET, "filter");
	in = add_chain("INPUT", NF_INET_LOCAL_IN);
	r = add_known(in, "-p tcp -m multiport ! --sports 22 -j DROP");
	*ep_push(x.s->arena, &r->matches) =
		add_known(in, "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")->matches.v[0];
	set_src(r, "10.0.0.0", "255.0.0.0");
	assert_int_equal(ep_xt_run(&x.w, table), EP_RET_ACCEPT);
	assert_int_equal(x.w.trace.n, 0);
	xt_world_close(&x);
}

static void one_split_for_one_field(void **state)
{
	struct ep_xt_rule *r;

	(void)state;
	open_table(AF_INET, "filter");
	r = add_known(add_chain("INPUT", NF_INET_LOCAL_IN),
		      "-m iprange --src-range 10.0.0.1-10.0.0.9 -j DROP");
	set_src(r, "10.0.0.0", "255.255.255.252");
	assert_int_equal(ep_xt_run(&x.w, table), EP_RET_DROP);
	assert_int_equal(x.w.trace.n, 1);
	assert_true(x.w.vars.v[EP_VAR_SADDR].dom.v[0].lo == 0x0a000001);
	assert_true(x.w.vars.v[EP_VAR_SADDR].dom.v[0].hi == 0x0a000003);
	xt_world_close(&x);
}

static void nothing_to_split_for(void **state)
{
	struct ep_xt_chain *in;

	(void)state;
	open_table(AF_INET, "filter");
	in = add_chain("INPUT", NF_INET_LOCAL_IN);
	add_chain("USER", -1);
	add_known(in, "-m limit --limit 5/sec -j LOG --log-level 7 --log-ip-options --log-uid");
	add_known(in, "-m statistic --mode nth --every 3 --packet 1 -j USER"); /* is empty */
	set_src(add_rule(in, EP_XT_CONTINUE, NULL), "10.0.0.0", "255.0.0.0");
	assert_int_equal(ep_xt_run(&x.w, table), EP_RET_ACCEPT);
	assert_int_equal(x.w.trace.n, 0);
	assert_string_equal(steps(), "INPUT policy accept (3)");
	xt_world_close(&x);
}

/* ---- targets in chains ---- */

static void translation_in_a_user_chain(void **state)
{
	struct ep_xt_chain *pre, *docker;

	(void)state;
	open_table(AF_INET, "nat");
	x.w.hooknum = NF_INET_PRE_ROUTING;
	x.w.hook = "prerouting";
	x.w.p.dnat_done = false;
	pre = add_chain("PREROUTING", NF_INET_PRE_ROUTING);
	docker = add_chain("USER", -1);
	add_known(pre, "-m addrtype --dst-type LOCAL -j USER");
	add_known(docker, "-p tcp -j DNAT --to-destination 172.18.0.2:443");
	assert_int_equal(ep_xt_run(&x.w, table), EP_RET_ACCEPT);
	assert_string_equal(steps(), "PREROUTING#1 jump USER; USER#1 dnat 172.18.0.2:443");
	assert_int_equal(x.w.steps.v[1].priority, -100);
	assert_true(x.w.p.dnat_done && x.w.p.dst_nat);
	xt_world_close(&x);
}

static void targets_that_end(void **state)
{
	struct ep_xt_chain *in;

	(void)state;
	open_table(AF_INET, "filter");
	in = add_chain("INPUT", NF_INET_LOCAL_IN);
	add_known(in, "-j REJECT --reject-with icmp-port-unreachable");
	assert_int_equal(ep_xt_run(&x.w, table), EP_RET_ENDED);
	assert_string_equal(steps(), "INPUT#1 reject icmp port-unreachable");
	xt_world_close(&x);

	open_table(AF_INET, "filter");
	in = add_chain("INPUT", NF_INET_LOCAL_IN);
	add_known(in, "-j QUEUE");
	assert_int_equal(ep_xt_run(&x.w, table), EP_RET_ENDED);
	assert_int_equal(x.w.verdict, EP_UNKNOWN);
	assert_string_equal(steps(), "INPUT#1 queue");
	xt_world_close(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jumps_and_returns),
		cmocka_unit_test(gotos_and_policies),
		cmocka_unit_test(return_from_base_chain),
		cmocka_unit_test(other_hooks_are_not_ours),
		cmocka_unit_test(bad_tables_end),
		cmocka_unit_test(rules_that_are_gone),
		cmocka_unit_test(open_source_splits),
		cmocka_unit_test(bits_outside_of_the_mask),
		cmocka_unit_test(devices),
		cmocka_unit_test(protocols),
		cmocka_unit_test(certain_conditions_first),
		cmocka_unit_test(one_split_for_one_field),
		cmocka_unit_test(nothing_to_split_for),
		cmocka_unit_test(translation_in_a_user_chain),
		cmocka_unit_test(targets_that_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
