// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The functions at each netfilter hook of IPv4 and IPv6 in the reader's network namespace, in the
 * order in which the kernel calls them: struct nf_hook_entries, and behind its entries the
 * struct nf_hook_ops that each was registered with. The NAT core's function holds a list of its own
 * (struct nf_nat_lookup_hook_priv). Nothing else tells the order of those with equal priorities.
 */
#include "vmlinux_min.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "compat.bpf.h"
#include "edgepath/wire.h"

char LICENSE[] SEC("license") = "GPL";

#define HOOKS         5  /* NF_INET_NUMHOOKS */
#define MAX_FUNCTIONS 64 /* at one hook; those beyond are not told */

static __always_inline void describe(struct ep_wire_hook_fn *f, struct nf_hook_ops *ops)
{
	struct nft_chain *chain = BPF_CORE_READ(ops, priv);
	struct nft_table *table;

	f->type = BPF_CORE_READ_BITFIELD_PROBED(ops, hook_ops_type);
	f->priority = BPF_CORE_READ(ops, priority);
	if (f->type == EP_HOOK_FN_BPF && chain)
		f->chain = BPF_CORE_READ((struct bpf_prog *)chain, aux, id);
	if (f->type != EP_HOOK_FN_NFT || !chain)
		return;
	table = BPF_CORE_READ(chain, table);
	f->chain = BPF_CORE_READ(chain, handle);
	f->table = BPF_CORE_READ(table, handle);
}

/* Is it the NAT core's function? Chains and tables of type nat hang below it, at its priority. */
static __always_inline bool is_nat_core(const struct ep_wire_hook_fn *f)
{
	bool dst = f->hook == 0 || f->hook == 3; /* NF_INET_PRE_ROUTING, NF_INET_LOCAL_OUT */

	return f->type == 0 && !f->nat && f->priority == (dst ? -100 : 100);
}

struct list {
	struct seq_file *seq;
	void *ops_at; /* array of struct nf_hook_ops * */
	__u64 nat;    /* the NAT core's list, once it was met */
	struct ep_wire_hook_fn f;
};

static long tell_one(__u32 i, void *ctx)
{
	struct nf_nat_lookup_hook_priv *core;
	struct list *l = ctx;
	struct nf_hook_ops *ops = NULL;

	bpf_probe_read_kernel(&ops, sizeof(ops), l->ops_at + i * sizeof(ops));
	if (!ops)
		return 0;
	l->f.chain = l->f.table = 0;
	describe(&l->f, ops);
	if (is_nat_core(&l->f)) {
		core = BPF_CORE_READ(ops, priv);
		l->nat = (__u64)BPF_CORE_READ(core, entries);
	}
	bpf_seq_write(l->seq, &l->f, sizeof(l->f));
	return 0;
}

static __always_inline void tell_list(struct list *l, struct nf_hook_entries *entries)
{
	__u16 n;

	if (!entries)
		return;
	n = BPF_CORE_READ(entries, num_hook_entries);
	l->ops_at = (void *)entries + bpf_core_field_offset(struct nf_hook_entries, hooks) +
		    (__u64)n * bpf_core_type_size(struct nf_hook_entry);
	bpf_loop(n < MAX_FUNCTIONS ? n : MAX_FUNCTIONS, tell_one, l, 0);
}

struct hooks {
	struct seq_file *seq;
	void *nf; /* struct netns_nf */
};

static long tell_hook(__u32 i, void *ctx)
{
	struct hooks *h = ctx;
	__u32 hook = i % HOOKS, six = i / HOOKS;
	struct list l = {.seq = h->seq, .f = {.family = six ? AF_INET6 : AF_INET, .hook = hook}};
	void *lists = h->nf + (six ? bpf_core_field_offset(struct netns_nf, hooks_ipv6) :
				     bpf_core_field_offset(struct netns_nf, hooks_ipv4));
	struct nf_hook_entries *entries = NULL;

	bpf_probe_read_kernel(&entries, sizeof(entries), lists + hook * sizeof(entries));
	tell_list(&l, entries);
	l.f.nat = 1;
	tell_list(&l, (void *)l.nat);
	return 0;
}

SEC("iter/task")
int ep_hook_order(struct bpf_iter__task *ctx)
{
	struct task_struct *reader = (struct task_struct *)bpf_get_current_task();
	struct nf_hook_ops *ops = NULL;
	struct hooks h = {.seq = ctx->meta->seq};

	/* Linux 5.16 (7b4b2fa37587): before, the functions do not say what they are. */
	if (ctx->meta->seq_num || !ctx->task || !bpf_core_field_exists(ops->hook_ops_type))
		return 0;
	h.nf = (void *)BPF_CORE_READ(reader, nsproxy, net_ns) +
	       bpf_core_field_offset(struct net, nf);
	bpf_loop(2 * HOOKS, tell_hook, &h, 0);
	return 0;
}
