// SPDX-License-Identifier: GPL-2.0-or-later
/* Input: family, hooks, two unused bytes, ten 32-bit offsets, and a table's entries. */
#include <stdlib.h>
#include <string.h>

#include "collect/collect_i.h"
#include "collect/xtables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_chain(struct ep_arena *a, const struct ep_xt_table *t,
			const struct ep_xt_chain *c)
{
	ep_each(r, &c->rules) {
		bool jumps = r->verdict == EP_XT_JUMP || r->verdict == EP_XT_GOTO;

		if (jumps && !ep_xt_chain_find(t, r->chain))
			abort();
		ep_xt_rule_text(a, t, r);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct {
		uint8_t family, valid_hooks, pad[2];
		uint32_t hook_entry[5], underflow[5];
	} head;
	struct ep_xt_table t = {.name = "fuzz"};
	struct ep_arena *a;
	uint8_t *blob;

	if (size < sizeof(head))
		return 0;
	memcpy(&head, data, sizeof(head));
	size -= sizeof(head);
	blob = malloc(size ? size : 1);
	if (!blob)
		return 0;
	memcpy(blob, data + sizeof(head), size);
	a = ep_arena_new();
	t.family = head.family == 10 ? 10 : 2;
	t.valid_hooks = head.valid_hooks;
	ep_xt_digest(t.family, blob, size);
	if (ep_xt_decode(a, &t, blob, size, head.hook_entry, head.underflow) == 0) {
		ep_each(c, &t.chains)
			check_chain(a, &t, *c);
	}
	ep_arena_free(a);
	free(blob);
	return 0;
}
