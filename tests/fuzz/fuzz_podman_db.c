// SPDX-License-Identifier: GPL-2.0-or-later
/* Input: a database of Podman, of which container "bb" is asked. */
#include <stdlib.h>

#include "collect/owners_i.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ep_arena *a = ep_arena_new();
	struct ep_proc p = {};

	ep_podman_read_db(a, (const char *)data, size, "bb", &p);
	ep_each(w, &p.proxy_ways)
		if (!w->lo || w->lo > w->hi || !w->port || w->port + (w->hi - w->lo) > UINT16_MAX)
			abort();
	ep_arena_free(a);
	return 0;
}
