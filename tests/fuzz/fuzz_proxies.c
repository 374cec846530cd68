// SPDX-License-Identifier: GPL-2.0-or-later
/* Input: the path of a program and its command line, each word ended by a NUL. */
#include <stdlib.h>
#include <string.h>

#include "collect/owners_i.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ep_arena *a = ep_arena_new();
	struct ep_proc p = {};
	struct ep_proxy proxy;

	for (size_t at = 0, n; at < size && p.argv.n < EP_MAX_ARGS; at += n + 1) {
		n = strnlen((const char *)data + at, size - at);
		if (!p.exe)
			p.exe = ep_strndup(a, (const char *)data + at, n);
		else
			*ep_push(a, &p.argv) = ep_strndup(a, (const char *)data + at, n);
	}
	ep_proxy_parse(a, &p, &proxy);
	if (!p.proxy_kind && p.proxy_target.len)
		abort();
	ep_each(w, &p.proxy_ways)
		if (w->lo > w->hi || (w->name && w->addr.len))
			abort();
	ep_arena_free(a);
	return 0;
}
