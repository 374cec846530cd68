// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration file, and the words of its owners. */
#include <stddef.h>
#include <stdint.h>

#include "edgepath/config.h"
#include "edgepath/findings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ep_arena *a = ep_arena_new();
	struct ep_config c;
	char err[300];

	if (ep_config_parse(a, "f", (const char *)data, size, &c, err, sizeof(err)) == 0)
		ep_each(o, &c.owners) {
			struct ep_intent i;

			if (ep_intent_parse(a, o->who, &i, err, sizeof(err)) == 0)
				ep_intent_text(a, &i);
		}
	ep_arena_free(a);
	return 0;
}
