// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Input: a byte that says what follows, then attributes of netlink: 0 expressions of a rule (which
 * are written as text too), 1 a set, 2 elements (after key length and flags), 3 an ipset.
 */
#include <stdlib.h>
#include <string.h>

#include "collect/collect_i.h"
#include "collect/ipset.h"
#include "collect/nft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Tables whose sets the expressions may name. */
static void fuzz_exprs(struct ep_arena *a, const uint8_t *data, size_t size)
{
	static const uint8_t families[] = {1, 2, 10, 7};
	static const uint8_t key[16] = {10, 0, 0, 1}, value[16] = {10, 0, 0, 2};
	struct ep_nft_elem elem = {.lo = key, .hi = key, .data = value};
	struct ep_nft_set set = {.name = "__map0",
				 .flags = 9,
				 .key_len = 8,
				 .data_len = 8,
				 .key_type = 7 << 6 | 13,
				 .data_type = 7 << 6 | 13,
				 .loaded = true,
				 .elems = {&elem, 1, 1}};
	struct ep_nft_set *sets[] = {&set};

	for (size_t i = 0; i < EP_ARRAY_SIZE(families); i++) {
		struct ep_nft_table t = {
			.family = families[i], .xtables = i == 1, .sets = {sets, 1, 1}};
		struct ep_nft_chain c = {.table = &t, .name = "c"};
		struct ep_nft_rule r = {0};

		if (ep_nft_decode_exprs(a, data, size, &r) == 0) {
			const char *text = ep_nft_rule_text(a, &c, &r);

			if (strpbrk(text, "\n\033"))
				abort();
		}
	}
}

static void fuzz_set(struct ep_arena *a, const uint8_t *data, size_t size)
{
	struct ep_nft_set set = {0};
	struct ep_nla table;

	if (ep_nft_decode_set(a, data, size, &set, &table) == 0 && (set.n_fields > 16 || !set.name))
		abort();
}

static void fuzz_elems(struct ep_arena *a, const uint8_t *data, size_t size)
{
	struct ep_nft_set set = {0};
	ep_nft_raw_elems raw = {0};

	if (size < 2)
		return;
	set.key_len = data[0] % 64 + 1;
	set.data_len = 4;
	set.flags = data[1];
	if (ep_nft_decode_elems(a, a, &set, data + 2, size - 2, &raw) < 0)
		return;
	ep_nft_join_intervals(a, &set, &raw);
	ep_each(e, &set.elems) {
		if (!e->catchall && (!e->lo || !e->hi))
			abort();
	}
}

static void fuzz_ipset(struct ep_arena *a, const uint8_t *data, size_t size)
{
	struct ep_ipset set = {0};
	uint8_t netmask = 0;

	if (ep_ipset_decode(a, data, size, &set, &netmask) < 0)
		return;
	ep_each(e, &set.elems) {
		if (e->plen > e->addr.len * 8)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(struct ep_arena *, const uint8_t *,
				       size_t) = {fuzz_exprs, fuzz_set, fuzz_elems, fuzz_ipset};
	struct ep_arena *a = ep_arena_new();

	if (size)
		targets[data[0] % EP_ARRAY_SIZE(targets)](a, data + 1, size - 1);
	ep_arena_free(a);
	return 0;
}
