// SPDX-License-Identifier: GPL-2.0-or-later
/* Input: the text of /proc/PID/cgroup; and the same as lines of two files of /proc/net. */
#include <stdlib.h>
#include <string.h>

#include "collect/collect_i.h"
#include "collect/owners_i.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ep_arena *a = ep_arena_new();
	const char *text = ep_strndup(a, (const char *)data, size);
	const char *path = ep_cgroup_pick(a, text);
	struct ep_cgroup_id ids[3];
	struct ep_nfqueue q;
	size_t n = ep_cgroup_parse(path, ids, 3);

	ep_cgroup_unit(a, text);
	if (ep_nfqueue_line(text, strlen(text), &q))
		ep_netlink_line(text, strlen(text), q.portid);
	if (n > 3)
		abort();
	for (size_t i = 0; i < n; i++) {
		if (strspn(ids[i].id, "0123456789abcdef") != strlen(ids[i].id))
			abort();
	}
	ep_arena_free(a);
	return 0;
}
