// SPDX-License-Identifier: GPL-2.0-or-later
/* Tables as IPT_SO_GET_ENTRIES gave them (data/xt: a header of ours, then the entries). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collect/collect_i.h"
#include "collect/xtables.h"
#include "nft_fixture.h"

#include <errno.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <sys/socket.h>

struct fixture {
	struct {
		uint8_t family, valid_hooks, pad[2];
		uint32_t hook_entry[5], underflow[5];
	} head;
	uint8_t *blob;
	size_t len;
};

static struct ep_arena *a;

static int setup(void **state)
{
	(void)state;
	a = ep_arena_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ep_arena_free(a);
	return 0;
}

static struct fixture load(const char *name)
{
	struct fixture f;
	size_t len;
	uint8_t *v = nft_fixture_file(a, ep_sprintf(a, "tests/unit/data/xt/%s.blob", name), &len);

	assert_true(len > sizeof(f.head));
	memcpy(&f.head, v, sizeof(f.head));
	f.len = len - sizeof(f.head);
	f.blob = ep_memdup(a, v + sizeof(f.head), f.len);
	return f;
}

static int decode(struct ep_arena *into, const struct fixture *f, struct ep_xt_table *t)
{
	*t = (struct ep_xt_table){
		.family = f->head.family, .name = "x", .valid_hooks = f->head.valid_hooks};
	return ep_xt_decode(into, t, f->blob, f->len, f->head.hook_entry, f->head.underflow);
}

static void docker_nat(void **state)
{
	struct fixture f = load("docker-nat");
	struct ep_xt_chain *c;
	struct ep_xt_table t;
	struct ep_xt_rule *r;

	(void)state;
	assert_int_equal(decode(a, &f, &t), 0);
	assert_int_equal(t.chains.n, 5);
	c = ep_xt_chain_find(&t, "PREROUTING");
	assert_int_equal(c->hook, 0);
	assert_int_equal(c->policy, EP_XT_ACCEPT);
	assert_int_equal(c->rules.n, 1);
	assert_int_equal(c->rules.v[0].verdict, EP_XT_JUMP);
	assert_string_equal(c->rules.v[0].chain, "DOCKER");
	assert_string_equal(c->rules.v[0].matches.v[0].name, "addrtype");
	assert_string_equal(ep_xt_rule_text(a, &t, &c->rules.v[0]),
			    "-m addrtype --dst-type LOCAL -j DOCKER");
	c = ep_xt_chain_find(&t, "DOCKER");
	assert_int_equal(c->hook, -1);
	assert_int_equal(c->rules.n, 1);
	r = &c->rules.v[0];
	assert_int_equal(r->verdict, EP_XT_TARGET);
	assert_string_equal(r->target.name, "DNAT");
	assert_int_equal(r->proto, 6);
	assert_string_equal(r->iif, "bridge1");
	assert_int_equal(r->position, 1);
	assert_int_equal(r->invflags, IPT_INV_VIA_IN);
}

static void policies_and_positions(void **state)
{
	struct fixture f = load("tails-filter");
	struct ep_xt_chain *c;
	struct ep_xt_table t;

	(void)state;
	assert_int_equal(decode(a, &f, &t), 0);
	c = ep_xt_chain_find(&t, "INPUT");
	assert_int_equal(c->policy, EP_XT_DROP);
	assert_true(c->rules.n >= 2);
	for (size_t i = 0; i < c->rules.n; i++)
		assert_int_equal(c->rules.v[i].position, i + 1);
}

static void ipv6(void **state)
{
	struct fixture f = load("istio-mangle");
	struct ep_xt_table t;
	size_t rules = 0;

	(void)state;
	assert_int_equal(f.head.family, AF_INET6);
	assert_int_equal(decode(a, &f, &t), 0);
	assert_int_equal(t.chains.n, 8);
	ep_each(it, &t.chains) {
		ep_each(r, &(*it)->rules) {
			assert_int_equal(r->src.len, 16);
			rules++;
		}
	}
	assert_true(rules > 10);
}

/* The entry that comes next, as a target, is iptables' rule without one. */
static void rule_without_target(void **state)
{
	struct fixture f = load("docker-nat");
	struct ep_xt_table t;
	struct ipt_entry e;
	int32_t next;

	(void)state;
	memcpy(&e, f.blob, sizeof(e));
	next = e.next_offset;
	memcpy(f.blob + e.target_offset + sizeof(struct xt_entry_target), &next, sizeof(next));
	assert_int_equal(decode(a, &f, &t), 0);
	assert_int_equal(t.chains.v[0]->rules.v[0].verdict, EP_XT_CONTINUE);
	next++; /* into the middle of an entry */
	memcpy(f.blob + e.target_offset + sizeof(struct xt_entry_target), &next, sizeof(next));
	assert_int_equal(decode(a, &f, &t), -EBADMSG);
}

static void digest_ignores_counters_only(void **state)
{
	struct fixture f = load("docker-nat");
	uint64_t digest = ep_xt_digest(AF_INET, f.blob, f.len);
	size_t changes = 0, in_counters = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(struct ipt_entry); i++) {
		bool counters = i >= offsetof(struct ipt_entry, counters) &&
				i < offsetof(struct ipt_entry, elems);
		bool same;

		f.blob[i] ^= 1;
		same = ep_xt_digest(AF_INET, f.blob, f.len) == digest;
		f.blob[i] ^= 1;
		assert_int_equal(same, counters);
		changes += !same;
		in_counters += same;
	}
	assert_int_equal(in_counters, sizeof(struct xt_counters));
	assert_true(changes > 0);
}

static void read_all(struct ep_arena *into, const struct ep_xt_table *t)
{
	ep_each(it, &t->chains) {
		ep_each(r, &(*it)->rules)
			ep_xt_rule_text(into, t, r);
	}
}

static void cut_and_bent(void **state)
{
	static const char *const names[] = {"docker-nat", "istio-mangle"};

	(void)state;
	for (size_t k = 0; k < EP_ARRAY_SIZE(names); k++) {
		struct fixture f = load(names[k]), g = f;

		for (size_t n = 0; n < f.len; n++) {
			struct ep_arena *tmp = ep_arena_new();
			struct ep_xt_table t;
			int r;

			g.blob = malloc(n ? n : 1);
			g.len = n;
			memcpy(g.blob, f.blob, n);
			r = decode(tmp, &g, &t);
			assert_true(r == 0 || r == -EBADMSG);
			free(g.blob);
			g.blob = malloc(f.len);
			g.len = f.len;
			memcpy(g.blob, f.blob, f.len);
			g.blob[n] ^= 0x11;
			if (decode(tmp, &g, &t) == 0)
				read_all(tmp, &t);
			free(g.blob);
			ep_arena_free(tmp);
		}
	}
}

static void hooks_that_begin_nowhere(void **state)
{
	struct fixture f = load("docker-nat");
	struct ep_xt_table t;

	(void)state;
	f.head.underflow[0] += 8;
	assert_int_equal(decode(a, &f, &t), -EBADMSG);
	f.len = 0;
	assert_int_equal(decode(a, &f, &t), 0);
	assert_int_equal(t.chains.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(docker_nat, setup, teardown),
		cmocka_unit_test_setup_teardown(policies_and_positions, setup, teardown),
		cmocka_unit_test_setup_teardown(ipv6, setup, teardown),
		cmocka_unit_test_setup_teardown(rule_without_target, setup, teardown),
		cmocka_unit_test_setup_teardown(digest_ignores_counters_only, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_and_bent, setup, teardown),
		cmocka_unit_test_setup_teardown(hooks_that_begin_nowhere, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
