// SPDX-License-Identifier: GPL-2.0-or-later
/* Outcomes of a choice's alternatives: what both say is kept, and the rest is told as the choice is. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "walk/partition.h"

static struct ep_listener here, there;

struct part {
	struct ep_arena *a;
	ep_outcomes alts[2];
	struct ep_choice c;
};

static struct part part_of(enum ep_var_kind kind)
{
	struct part p = {.a = ep_arena_new()};

	p.c = (struct ep_choice){
		.kind = kind,
		.n = 2,
		.var = -1,
		.saddr = ep_iv_full(p.a, 32),
		.sport = ep_iv_full(p.a, 16),
		.reason = "tokens left",
		.other = "no tokens left",
	};
	return p;
}

static void add(struct part *p, unsigned alt, ep_u128 lo, ep_u128 hi, double chance,
		const struct ep_listener *l)
{
	struct ep_outcome *o = ep_alloc(p->a, sizeof(*o));

	*o = (struct ep_outcome){
		.probability = chance,
		.saddr = ep_iv_range(p->a, lo, hi),
		.sport = ep_iv_full(p->a, 16),
		.verdict = l ? EP_DELIVERED : EP_DROPPED,
		.listener = l,
	};
	*ep_push(p->a, &p->alts[alt]) = o;
}

/* The one outcome for a source that ends there; NULL if none. */
static struct ep_outcome *at(const ep_outcomes *l, ep_u128 src, const struct ep_listener *end)
{
	for (size_t i = 0; i < l->n; i++)
		if (ep_iv_has(l->v[i]->saddr, src) && l->v[i]->listener == end)
			return l->v[i];
	return NULL;
}

static void test_a_state_that_does_not_matter_is_not_told(void **state)
{
	struct part p = part_of(EP_VAR_STATE);
	ep_outcomes out;

	(void)state;
	add(&p, 0, 0, UINT32_MAX, 1, &here);
	add(&p, 1, 0, UINT32_MAX, 1, &here);
	out = ep_combine(p.a, &p.c, p.alts);
	assert_int_equal(out.n, 1);
	assert_int_equal(out.v[0]->state.n, 0);
	assert_false(out.v[0]->unusual);
	ep_arena_free(p.a);
}

static void test_a_state_that_matters_is_a_condition(void **state)
{
	struct part p = part_of(EP_VAR_STATE);
	ep_outcomes out;

	(void)state;
	add(&p, 0, 0, UINT32_MAX, 1, &here);
	add(&p, 1, 0, 99, 1, NULL);
	add(&p, 1, 100, UINT32_MAX, 1, &here);
	out = ep_combine(p.a, &p.c, p.alts);
	assert_int_equal(out.n, 3);
	assert_string_equal(at(&out, 5, &here)->state.v[0], "tokens left");
	assert_false(at(&out, 5, &here)->unusual);
	assert_string_equal(at(&out, 5, NULL)->state.v[0], "no tokens left");
	assert_true(at(&out, 5, NULL)->unusual);
	assert_int_equal(at(&out, 100, &here)->state.n, 0);
	assert_null(at(&out, 100, NULL));
	ep_arena_free(p.a);
}

static void test_states_in_states(void **state)
{
	struct part inner = part_of(EP_VAR_STATE), outer = part_of(EP_VAR_STATE);
	ep_outcomes out;

	(void)state;
	inner.c.reason = "few";
	inner.c.other = "many";
	add(&inner, 0, 0, UINT32_MAX, 1, &here);
	add(&inner, 1, 0, UINT32_MAX, 1, &there);
	outer.alts[0] = ep_combine(outer.a, &inner.c, inner.alts);
	add(&outer, 1, 0, UINT32_MAX, 1, NULL);
	out = ep_combine(outer.a, &outer.c, outer.alts);
	assert_int_equal(out.n, 3);
	assert_int_equal(at(&out, 5, &there)->state.n, 2);
	assert_string_equal(at(&out, 5, &there)->state.v[0], "tokens left");
	assert_string_equal(at(&out, 5, &there)->state.v[1], "many");
	assert_true(at(&out, 5, &there)->unusual);
	assert_int_equal(at(&out, 5, NULL)->state.n, 1);
	ep_arena_free(inner.a);
	ep_arena_free(outer.a);
}

/* Dice on both sides, in different boxes: only where they differ is anything unknown. */
static void test_an_unknown_with_dice_behind_it(void **state)
{
	struct part p = part_of(EP_VAR_UNKNOWN);
	ep_outcomes out;

	(void)state;
	add(&p, 0, 0, UINT32_MAX, 0.25, &here);
	add(&p, 0, 0, UINT32_MAX, 0.75, &there);
	add(&p, 1, 0, 99, 0.25, &here);
	add(&p, 1, 0, 99, 0.75, &there);
	add(&p, 1, 100, UINT32_MAX, 1, &here);
	out = ep_combine(p.a, &p.c, p.alts);
	assert_int_equal(out.n, 3);
	assert_true(fabs(at(&out, 5, &here)->probability - 0.25) < 1e-9);
	assert_true(fabs(at(&out, 5, &there)->probability - 0.75) < 1e-9);
	assert_int_equal(at(&out, 100, NULL)->verdict, EP_UNKNOWN);
	assert_null(at(&out, 100, &here));
	ep_arena_free(p.a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_state_that_does_not_matter_is_not_told),
		cmocka_unit_test(test_a_state_that_matters_is_a_condition),
		cmocka_unit_test(test_states_in_states),
		cmocka_unit_test(test_an_unknown_with_dice_behind_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
