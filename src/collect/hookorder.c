// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The order in which functions at netfilter hooks run, through bpf/hookorder.bpf.c. Where BPF is
 * refused, or before Linux 5.16, it stays untold: that is no failure, the walk tries both orders.
 */
#include "collect/bpf_iter.h"
#include "collect/collect_i.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "edgepath/wire.h"

#include "hookorder.skel.h"

struct keep {
	struct ep_snapshot *s;
	struct ep_netns *ns;
};

static void keep_one(void *ctx, const void *record)
{
	const struct ep_wire_hook_fn *w = record;
	struct keep *k = ctx;

	*ep_push(k->s->arena, &k->ns->hook_fns) = (struct ep_hook_fn){
		.family = w->family,
		.hook = w->hook,
		.nat = w->nat,
		.nft = w->type == EP_HOOK_FN_NFT,
		.priority = w->priority,
		.table = w->table,
		.chain = w->type == EP_HOOK_FN_NFT ? w->chain : 0,
		.prog_id = w->type == EP_HOOK_FN_BPF ? (uint32_t)w->chain : 0,
	};
}

/* In the namespace that is asked about: the program tells that of its reader. */
static int read_order(struct keep *k)
{
	struct hookorder_bpf *skel = hookorder_bpf__open();
	int r = skel ? hookorder_bpf__load(skel) : -ENOMEM;
	int link_fd;

	if (r == 0) {
		link_fd = hookorder_bpf__ep_hook_order__attach(skel);
		r = link_fd < 0 ?
			    -errno :
			    ep_bpf_iter_read(link_fd, sizeof(struct ep_wire_hook_fn), keep_one, k);
	}
	hookorder_bpf__destroy(skel);
	return r;
}

int ep_collect_hook_order(struct ep_snapshot *s, struct ep_netns *ns)
{
	struct keep k = {s, ns};
	int back, r = ep_ns_enter(ns, &back);

	if (r == 0) {
		r = read_order(&k);
		ep_ns_leave(back);
	}
	if (r < 0) {
		ns->hook_fns.n = 0;
		ep_source_set(s, "hook-order", EP_MISSING, ep_bpf_refusal(s->arena, r));
	}
	return 0;
}
