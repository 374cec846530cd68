// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "edgepath/model.h"

#include <linux/netfilter/nf_tables.h>

static void names_and_numbers_are_unique(void **state)
{
	(void)state;
	for (const struct ep_expr_type *t = ep_expr_types; t->name; t++) {
		assert_ptr_equal(ep_expr_type_find(t->name), t);
		for (const struct ep_attr_type *x = t->attrs; x->name; x++) {
			for (const struct ep_attr_type *y = x + 1; y->name; y++) {
				assert_int_not_equal(x->nla, y->nla);
				assert_string_not_equal(x->name, y->name);
			}
		}
	}
}

static void rows_are_consistent(void **state)
{
	(void)state;
	for (const struct ep_expr_type *t = ep_expr_types; t->name; t++) {
		for (const struct ep_attr_type *x = t->attrs; x->name; x++) {
			assert_true(x->nla > 0);
			assert_true(x->max > 0);
			assert_int_equal(x->kind == EP_ATTR_NUM, x->width > 0);
			if (x->width)
				assert_int_equal(x->width, x->max);
			if (x->nested_data)
				assert_int_equal(x->kind, EP_ATTR_BYTES);
		}
	}
}

static void finds_by_name(void **state)
{
	static const char *const names[] = {"immediate", "cmp",     "payload",     "lookup",
					    "nat",       "notrack", "inner",       "match",
					    "target",    "last",    "counter",     "tproxy",
					    "fib",       "numgen",  "synproxy",    "osf",
					    "connlimit", "queue",   "flow_offload"};

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(names); i++)
		assert_non_null(ep_expr_type_find(names[i]));
	assert_null(ep_expr_type_find("no such"));
	assert_null(ep_expr_type_find(""));
}

static void attributes_by_number_and_kind(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3};
	struct ep_attr attrs[] = {
		{.nla = NFTA_CMP_SREG, .kind = EP_ATTR_NUM, .num = 7},
		{.nla = NFTA_CMP_DATA, .kind = EP_ATTR_BYTES, .len = 3, .bytes = bytes},
		{.nla = NFTA_LOOKUP_FLAGS, .kind = EP_ATTR_STR, .str = "s"},
	};
	struct ep_expr e = {.name = "cmp", .attrs = {attrs, 3, 3}};
	uint32_t len = 0;

	(void)state;
	assert_int_equal(ep_attr_num(&e, NFTA_CMP_SREG, 9), 7);
	assert_int_equal(ep_attr_num(&e, NFTA_CMP_OP, 9), 9);
	assert_int_equal(ep_attr_num(&e, NFTA_CMP_DATA, 9), 9);
	assert_ptr_equal(ep_attr_bytes(&e, NFTA_CMP_DATA, &len), bytes);
	assert_int_equal(len, 3);
	assert_null(ep_attr_bytes(&e, NFTA_CMP_SREG, &len));
	assert_string_equal(ep_attr_str(&e, NFTA_LOOKUP_FLAGS), "s");
	assert_null(ep_attr_str(&e, NFTA_CMP_SREG));
	assert_true(ep_attr_has(&e, NFTA_CMP_SREG));
	assert_false(ep_attr_has(&e, 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_numbers_are_unique),
		cmocka_unit_test(rows_are_consistent),
		cmocka_unit_test(finds_by_name),
		cmocka_unit_test(attributes_by_number_and_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
