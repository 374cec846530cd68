// SPDX-License-Identifier: GPL-2.0-or-later
/* Listeners with their processes through the BPF iterator bpf/listeners.bpf.c. */
#include "collect/bpf_iter.h"
#include "collect/owners_i.h"

#include <errno.h>

#include "listeners.skel.h"

struct keep {
	struct ep_arena *a;
	ep_wires *out;
};

static void keep_one(void *ctx, const void *record)
{
	const struct ep_wire_listener *l = record;
	struct keep *k = ctx;

	*ep_push(k->a, k->out) = *l;
}

int ep_listeners_by_bpf(struct ep_arena *a, ep_wires *out, const char **ret_reason)
{
	struct listeners_bpf *skel = listeners_bpf__open();
	int r = skel ? listeners_bpf__load(skel) : -ENOMEM;
	struct keep k = {a, out};
	int link_fd;

	if (r == 0) {
		link_fd = listeners_bpf__ep_listeners__attach(skel);
		r = link_fd < 0 ? -errno :
				  ep_bpf_iter_read(link_fd, sizeof(struct ep_wire_listener),
						   keep_one, &k);
	}
	listeners_bpf__destroy(skel);
	if (r < 0) {
		*ret_reason = ep_bpf_refusal(a, r);
		out->n = 0;
	}
	return r;
}
