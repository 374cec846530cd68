// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every file descriptor of every process that is a TCP socket in LISTEN, in every network namespace,
 * in one pass: the iterator goes over the tasks of the reader's pid namespace and their files.
 */
#include "vmlinux_min.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "compat.bpf.h"
#include "edgepath/wire.h"

/* The verifier wants a GPL-compatible licence in this spelling for the probe_read helpers. */
char LICENSE[] SEC("license") = "GPL";

static __always_inline void fill_address(struct ep_wire_listener *l, struct sock *sk)
{
	if (l->family == AF_INET)
		__builtin_memcpy(l->addr, &sk->__sk_common.skc_rcv_saddr, 4);
	else
		BPF_CORE_READ_INTO(&l->addr, sk, __sk_common.skc_v6_rcv_saddr);
}

/* Programs of its own, and the control group whose programs it is subject to. */
static __always_inline void fill_programs(struct ep_wire_listener *l, struct sock *sk)
{
	struct sk_filter *filter = BPF_CORE_READ(sk, sk_filter);
	struct sock_reuseport *group = BPF_CORE_READ(sk, sk_reuseport_cb);
	struct bpf_prog *prog = group ? BPF_CORE_READ(group, prog) : 0;

	l->filter = filter != 0;
	if (filter)
		l->filter_id = BPF_CORE_READ(filter, prog, aux, id);
	l->reuseport_prog = prog != 0;
	if (prog)
		l->reuseport_id = BPF_CORE_READ(prog, aux, id);
	if (bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		l->cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
}

SEC("iter/task_file")
int ep_listeners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct ep_wire_listener l = {};
	struct socket *sock;
	struct sock *sk;

	if (!task || !file)
		return 0;
	/* Threads that share their leader's descriptors: the kernel skips them since 5.12. */
	if (task->pid != task->tgid && task->files == task->group_leader->files)
		return 0;
	sock = bpf_sock_from_file(file);
	if (!sock)
		return 0;
	sk = sock->sk;
	if (!sk)
		return 0;
	l.family = sk->__sk_common.skc_family;
	if ((l.family != AF_INET && l.family != AF_INET6) ||
	    sk->__sk_common.skc_state != TCP_LISTEN)
		return 0;
	/* An MPTCP listener takes plain TCP as well. */
	if (sk->sk_protocol != IPPROTO_TCP && sk->sk_protocol != IPPROTO_MPTCP)
		return 0;

	l.netns = sk->__sk_common.skc_net.net->ns.inum;
	l.sock = (__u64)sk;
	l.ino = file->f_inode->i_ino;
	l.pid = ep_pid_for_reader(task->group_leader);
	l.fd = ctx->fd;
	l.bound_ifindex = sk->__sk_common.skc_bound_dev_if;
	l.backlog = sk->sk_max_ack_backlog;
	l.qlen = sk->sk_ack_backlog;
	l.uid = sk->sk_uid.val;
	l.port = sk->__sk_common.skc_num;
	l.v6only = BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_ipv6only);
	l.reuseport = BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_reuseport);
	l.mark = sk->sk_mark;
	l.mark_known = 1;
	l.transparent = ep_inet_transparent(sk);
	fill_address(&l, sk);
	fill_programs(&l, sk);
	BPF_CORE_READ_STR_INTO(&l.comm, task, group_leader, comm);
	bpf_seq_write(ctx->meta->seq, &l, sizeof(l));
	return 0;
}
