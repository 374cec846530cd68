// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules as the kernel sent them, against the text that nft list and iptables -S write for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collect/collect_i.h"
#include "nft_fixture.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

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

static void compare_file(const char *name, size_t at_least)
{
	struct nft_fixture f;

	if (!nft_fixture_usable())
		skip();
	nft_fixture_load(a, name, &f);
	assert_true(f.rules.n >= at_least);
	ep_each(r, &f.rules) {
		struct ep_nft_rule rule = {0};

		assert_int_equal(ep_nft_decode_exprs(a, r->payload, r->len, &rule), 0);
		assert_string_equal(ep_nft_rule_text(a, r->chain, &rule), r->text);
	}
}

static void native_rules(void **state)
{
	(void)state;
	compare_file("native", 160);
}

static void docker_rules(void **state)
{
	(void)state;
	compare_file("docker", 15);
}

static void kube_proxy_rules(void **state)
{
	(void)state;
	compare_file("kube-proxy", 50);
}

static void iptables_rules(void **state)
{
	(void)state;
	compare_file("iptables", 60);
}

/* ---- by hand ---- */

#define EXPR(n, ...)                                                                      \
	{                                                                                 \
		.name = n, .attrs = {                                                     \
			(struct ep_attr[]){__VA_ARGS__},                                  \
			sizeof((struct ep_attr[]){__VA_ARGS__}) / sizeof(struct ep_attr), \
			0                                                                 \
		}                                                                         \
	}
#define ATTR_NUM(a_, v)                                      \
	{                                                    \
		.nla = (a_), .kind = EP_ATTR_NUM, .num = (v) \
	}
#define ATTR_BYTES(a_, s)                                                 \
	{                                                                 \
		.nla = (a_), .kind = EP_ATTR_BYTES, .len = sizeof(s) - 1, \
		.bytes = (const uint8_t *)(s)                             \
	}

static const char *text_of(struct ep_nft_chain *c, struct ep_expr *v, size_t n, const char *comment)
{
	struct ep_nft_rule r = {.comment = comment, .exprs = {v, n, n}};

	return ep_nft_rule_text(a, c, &r);
}

static struct ep_nft_table inet = {.family = NFPROTO_INET, .name = "t"};
static struct ep_nft_chain chain = {.table = &inet, .name = "c"};

static void unknown_expressions_are_named(void **state)
{
	struct ep_expr v[] = {
		{.name = "warp", .opaque = true},
		{.name = "cmp", .opaque = true},
		EXPR("meta", ATTR_NUM(NFTA_META_KEY, 9999), ATTR_NUM(NFTA_META_DREG, 1)),
		EXPR("cmp", ATTR_NUM(NFTA_CMP_SREG, 1), ATTR_NUM(NFTA_CMP_OP, 0),
		     ATTR_BYTES(NFTA_CMP_DATA, "x")),
	};

	(void)state;
	assert_string_equal(text_of(&chain, v, 4, NULL), "[warp] [cmp] [meta] [cmp]");
}

static void impossible_registers_are_harmless(void **state)
{
	struct ep_expr v[] = {
		EXPR("meta", ATTR_NUM(NFTA_META_KEY, NFT_META_IIFNAME),
		     ATTR_NUM(NFTA_META_DREG, NFT_REG32_15)),
		EXPR("payload", ATTR_NUM(NFTA_PAYLOAD_BASE, 1), ATTR_NUM(NFTA_PAYLOAD_OFFSET, 12),
		     ATTR_NUM(NFTA_PAYLOAD_LEN, 4), ATTR_NUM(NFTA_PAYLOAD_DREG, 4000)),
		EXPR("cmp", ATTR_NUM(NFTA_CMP_SREG, 4000), ATTR_NUM(NFTA_CMP_OP, 0),
		     ATTR_BYTES(NFTA_CMP_DATA, "abcd")),
		EXPR("bitwise", ATTR_NUM(NFTA_BITWISE_SREG, 2), ATTR_NUM(NFTA_BITWISE_DREG, 3)),
		EXPR("nat", ATTR_NUM(NFTA_NAT_TYPE, NFT_NAT_DNAT), ATTR_NUM(NFTA_NAT_FAMILY, 2),
		     ATTR_NUM(NFTA_NAT_REG_ADDR_MIN, 77)),
	};

	(void)state;
	assert_string_equal(text_of(&chain, v, 5, NULL), "[cmp] [bitwise] dnat");
}

static void text_is_escaped_and_bounded(void **state)
{
	static struct ep_expr many[3000];
	struct ep_expr one = EXPR("meta", ATTR_NUM(NFTA_META_KEY, NFT_META_IIFNAME),
				  ATTR_NUM(NFTA_META_DREG, 1));
	struct ep_expr v[] = {
		one,
		EXPR("cmp", ATTR_NUM(NFTA_CMP_SREG, 1), ATTR_NUM(NFTA_CMP_OP, 0),
		     ATTR_BYTES(NFTA_CMP_DATA, "e\033[2J\0")),
	};
	const char *text = text_of(&chain, v, 2, "a\nb\"");

	(void)state;
	assert_null(strpbrk(text, "\033\n"));
	assert_non_null(strstr(text, "iifname \"e\\x1b"));
	for (size_t i = 0; i < EP_ARRAY_SIZE(many); i++)
		many[i] = (struct ep_expr){.name = "queue_of_something"};
	text = text_of(&chain, many, EP_ARRAY_SIZE(many), NULL);
	assert_true(strlen(text) < 5000);
	assert_string_equal(text + strlen(text) - 3, "...");
}

static void sets_that_are_not_loaded_are_named(void **state)
{
	struct ep_nft_set set = {
		.name = "__set0", .flags = NFT_SET_ANONYMOUS, .key_len = 16, .key_type = 41};
	struct ep_nft_set *sets[] = {&set};
	struct ep_nft_table t = {.family = NFPROTO_INET, .sets = {sets, 1, 1}};
	struct ep_nft_chain c = {.table = &t};
	struct ep_expr v[] = {
		EXPR("meta", ATTR_NUM(NFTA_META_KEY, NFT_META_IIFNAME),
		     ATTR_NUM(NFTA_META_DREG, 1)),
		EXPR("lookup", ATTR_NUM(NFTA_LOOKUP_SREG, 1),
		     {.nla = NFTA_LOOKUP_SET, .kind = EP_ATTR_STR, .str = "__set0"}),
	};

	(void)state;
	assert_string_equal(text_of(&c, v, 2, NULL), "iifname @__set0");
	assert_string_equal(text_of(&chain, v, 2, NULL), "[lookup @__set0]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(native_rules, setup, teardown),
		cmocka_unit_test_setup_teardown(docker_rules, setup, teardown),
		cmocka_unit_test_setup_teardown(kube_proxy_rules, setup, teardown),
		cmocka_unit_test_setup_teardown(iptables_rules, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_expressions_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(impossible_registers_are_harmless, setup, teardown),
		cmocka_unit_test_setup_teardown(text_is_escaped_and_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(sets_that_are_not_loaded_are_named, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
