/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where kernel releases differ; each difference names the release that made it. */
#ifndef EP_COMPAT_BPF_H
#define EP_COMPAT_BPF_H

#include "vmlinux_min.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* 6.6 (c274af224269, "inet: introduce inet->inet_flags") turned the bitfields into atomic flags. */
struct inet_sock___before_6_6 {
	struct sock sk;
	__u8 transparent : 1;
};

/* enum of include/net/inet_sock.h, 6.6 and later */
enum ep_inet_flags {
	EP_INET_FLAGS_TRANSPARENT = 15,
};

#pragma clang attribute pop

static __always_inline __u8 ep_inet_transparent(const void *sk)
{
	const struct inet_sock *inet = sk;
	const struct inet_sock___before_6_6 *old = sk;

	if (bpf_core_field_exists(inet->inet_flags))
		return BPF_CORE_READ(inet, inet_flags) >> EP_INET_FLAGS_TRANSPARENT & 1;
	if (bpf_core_field_exists(old->transparent))
		return BPF_CORE_READ_BITFIELD_PROBED(old, transparent);
	return 0;
}

/* The number of a process in the pid namespace of that depth above it; 0 if it is not below one. */
static __always_inline __u32 ep_pid_at_level(struct task_struct *task, unsigned int level)
{
	struct pid *pid = BPF_CORE_READ(task, group_leader, thread_pid);
	__u32 nr = 0;
	void *upid;

	if (BPF_CORE_READ(pid, level) < level)
		return 0;
	/* struct pid.numbers is an array of 1 before 6.5 (b69f0aeb0689), a flexible one since. */
	upid = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
	       (__u64)level * bpf_core_type_size(struct upid);
	bpf_probe_read_kernel(&nr, sizeof(nr), upid + bpf_core_field_offset(struct upid, nr));
	return nr;
}

/* The iterator shows only tasks of its reader's pid namespace and of those below it. */
static __always_inline __u32 ep_pid_for_reader(struct task_struct *task)
{
	struct task_struct *reader = (struct task_struct *)bpf_get_current_task();

	return ep_pid_at_level(task, BPF_CORE_READ(reader, thread_pid, level));
}

#endif
