// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "edgepath/util.h"

static int setup(void **state)
{
	*state = ep_arena_new();
	return 0;
}

static int teardown(void **state)
{
	ep_arena_free(*state);
	return 0;
}

static void test_vectors_keep_their_content(void **state)
{
	EP_VEC(uint32_t) v = {};
	EP_VEC(uint64_t) other = {};

	for (uint32_t i = 0; i < 10000; i++) {
		uint32_t *p = ep_push(*state, &v);

		assert_int_equal(*p, 0);
		*p = i;
		if (i % 7 == 0)
			*ep_push(*state, &other) = ~0ull;
	}
	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(v.v[i], i);
}

static void test_escape(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"plain text", "plain text"},
		{"\033[31mred", "\\x1b[31mred"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"bad\xff\xc3", "bad\\xff\\xc3"},
		{"c1\xc2\x9b", "c1\\xc2\\x9b"},
		{"rtl\xe2\x80\xae", "rtl\\xe2\\x80\\xae"},
		{"surrogate\xed\xa0\x80", "surrogate\\xed\\xa0\\x80"},
		{"overlong\xc0\xaf", "overlong\\xc0\\xaf"},
		{"nl\ntab\t", "nl\\x0atab\\x09"},
	};

	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++)
		assert_string_equal(ep_escape(*state, cases[i].in, strlen(cases[i].in)),
				    cases[i].out);
}

static void test_numbers(void **state)
{
	uint64_t v = 7;

	(void)state;
	assert_true(ep_parse_u64("65535", 65535, &v));
	assert_int_equal(v, 65535);
	assert_true(ep_parse_u64("18446744073709551615", UINT64_MAX, &v));
	for (size_t i = 0; i < 6; i++)
		assert_false(ep_parse_u64((const char *[]){"", "65536", "-1", "1x", " 1",
							   "18446744073709551616"}[i],
					  i == 5 ? UINT64_MAX : 65535, &v));
}

static void test_addresses(void **state)
{
	struct ep_addr a, b;
	char buf[EP_ADDRSTR];

	(void)state;
	assert_true(ep_addr_parse("203.0.113.10", &a));
	assert_string_equal(ep_addrport_str(&a, 443, buf), "203.0.113.10:443");
	assert_true(ep_addr_parse("2001:db8::10", &b));
	assert_string_equal(ep_addrport_str(&b, 80, buf), "[2001:db8::10]:80");
	assert_false(ep_addr_parse("203.0.113.256", &a));
	assert_false(ep_addr_eq(&a, &b));
	b = ep_addr_from_num(ep_addr_num(&a), 4);
	assert_true(ep_addr_eq(&a, &b));
	assert_true(ep_addr_parse("203.0.112.0", &b));
	assert_true(ep_addr_in(&a, &b, 20));
	assert_false(ep_addr_in(&a, &b, 24));
	assert_true(ep_addr_in(&a, &b, 0));
}

/* ---- interval sets against bitmaps of 8-bit numbers ---- */

static uint32_t seed = 1;

static uint32_t next(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

struct bits {
	bool b[256];
};

static struct ep_ivset random_set(struct ep_arena *a, struct bits *bits)
{
	struct ep_iv iv[6];
	size_t n = next() % 6;

	memset(bits, 0, sizeof(*bits));
	for (size_t i = 0; i < n; i++) {
		unsigned lo = next() % 256, hi = lo + next() % 40;

		iv[i] = (struct ep_iv){lo, hi > 255 ? 255 : hi};
		for (unsigned k = lo; k <= iv[i].hi; k++)
			bits->b[k] = true;
	}
	return ep_iv_of(a, iv, n);
}

static void check(struct ep_ivset s, const struct bits *want)
{
	for (unsigned k = 0; k < 256; k++)
		assert_int_equal(ep_iv_has(s, k), want->b[k]);
	for (size_t i = 1; i < s.n; i++)
		assert_true(s.v[i - 1].hi + 1 < s.v[i].lo);
}

static void test_interval_algebra(void **state)
{
	for (int round = 0; round < 3000; round++) {
		struct bits x, y, want;
		struct ep_ivset sx = random_set(*state, &x), sy = random_set(*state, &y);
		unsigned in = 0, all = 0;

		check(sx, &x);
		for (unsigned k = 0; k < 256; k++)
			want.b[k] = x.b[k] && y.b[k];
		check(ep_iv_and(*state, sx, sy), &want);
		for (unsigned k = 0; k < 256; k++) {
			in += want.b[k];
			all += x.b[k];
		}
		if (all)
			assert_float_equal(ep_iv_share(ep_iv_and(*state, sx, sy), sx),
					   (double)in / all, 1e-9);
		for (unsigned k = 0; k < 256; k++)
			want.b[k] = x.b[k] || y.b[k];
		check(ep_iv_or(*state, sx, sy), &want);
		for (unsigned k = 0; k < 256; k++)
			want.b[k] = x.b[k] && !y.b[k];
		check(ep_iv_minus(*state, sx, sy), &want);
	}
}

static void test_masked_sets(void **state)
{
	for (int round = 0; round < 3000; round++) {
		uint8_t mask = (uint8_t)next(), value = (uint8_t)next();
		struct bits want;
		struct ep_ivset s;

		for (unsigned k = 0; k < 256; k++)
			want.b[k] = (k & mask) == value;
		assert_true(ep_iv_masked(*state, 8, mask, value, 256, &s));
		check(s, &want);
	}
}

static void test_a_scattered_mask_is_refused(void **state)
{
	struct ep_ivset s;

	assert_false(ep_iv_masked(*state, 32, 1, 1, 1000, &s));
	assert_true(ep_iv_masked(*state, 32, 0xffffff00, 0x0a000100, 1, &s));
	assert_int_equal(s.n, 1);
}

static void test_prefixes(void **state)
{
	struct ep_ivset full = ep_iv_full(*state, 32), minus;
	struct ep_addr ten;
	ep_strs out = {};

	ep_iv_prefixes(*state, full, 4, &out);
	assert_int_equal(out.n, 1);
	assert_string_equal(out.v[0], "0.0.0.0/0");
	assert_true(ep_addr_parse("10.0.0.0", &ten));
	minus = ep_iv_minus(*state, full,
			    ep_iv_range(*state, ep_addr_num(&ten), ep_addr_num(&ten) + 0xffffff));
	out.n = 0;
	ep_iv_prefixes(*state, minus, 4, &out);
	assert_int_equal(out.n, 8);
	assert_string_equal(out.v[0], "0.0.0.0/5");
	assert_string_equal(out.v[1], "8.0.0.0/7");
	out.n = 0;
	ep_iv_prefixes(*state, ep_iv_full(*state, 128), 16, &out);
	assert_int_equal(out.n, 1);
	assert_string_equal(out.v[0], "::/0");
}

static void test_reading_is_bounded(void **state)
{
	char *text;
	size_t len;

	assert_int_equal(ep_read_file(*state, "/proc/self/status", 16, &text, &len), -EFBIG);
	assert_int_equal(ep_read_file(*state, "/proc/self/status", 65536, &text, &len), 0);
	assert_int_equal(strlen(text), len);
	assert_int_equal(ep_read_file(*state, "/proc/self/nothing", 16, &text, &len), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vectors_keep_their_content, setup, teardown),
		cmocka_unit_test_setup_teardown(test_escape, setup, teardown),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test_setup_teardown(test_interval_algebra, setup, teardown),
		cmocka_unit_test_setup_teardown(test_masked_sets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_scattered_mask_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prefixes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reading_is_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
