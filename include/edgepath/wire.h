/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fixed-width records that cross between BPF and user space. */
#ifndef EDGEPATH_WIRE_H
#define EDGEPATH_WIRE_H

#ifndef __VMLINUX_MIN_H__
#include <linux/types.h>
#endif

#define EP_WIRE_COMM 16

/* One file descriptor of one process that is a TCP socket in LISTEN. */
struct ep_wire_listener {
	__u64 netns;  /* inode of the net namespace */
	__u64 cgroup; /* cgroup v2 id (inode) of the socket, 0 if unknown */
	__u64 sock;   /* socket cookie or kernel address: equal for one socket, for joining only */
	__u64 ino;    /* socket inode as in /proc/PID/fd */
	__u32 pid;    /* tgid in the reader's pid namespace */
	__u32 fd;
	__u32 bound_ifindex; /* SO_BINDTODEVICE, 0 if none */
	__u32 backlog;
	__u32 qlen;
	__u32 uid;
	__u16 family; /* AF_INET or AF_INET6 */
	__u16 port;   /* host order */
	__u8 v6only;
	__u8 reuseport;
	__u8 transparent;
	__u8 filter;         /* SO_ATTACH_FILTER, SO_ATTACH_BPF */
	__u8 reuseport_prog; /* SO_ATTACH_REUSEPORT_CBPF, SO_ATTACH_REUSEPORT_EBPF of its group */
	__u8 pad[3];
	__u8 addr[16]; /* network order, the first 4 bytes for AF_INET */
	char comm[EP_WIRE_COMM];
	__u32 order;     /* place in a sock_diag dump, from 1; BPF leaves it 0 */
	__u32 filter_id; /* ids of these programs; 0 for classic BPF */
	__u32 reuseport_id;
	__u32 pad2;
};

#define EP_HOOK_FN_NFT 1 /* enum nf_hook_ops_type: NF_HOOK_OP_NF_TABLES */
#define EP_HOOK_FN_BPF 2 /* NF_HOOK_OP_BPF, Linux 6.4 */

/* One function at one hook; the records of a hook come in the order in which they run. */
struct ep_wire_hook_fn {
	__u64 table, chain; /* handles, if it is an nft base chain; chain: a BPF program's id */
	__s32 priority;
	__u8 family; /* AF_INET or AF_INET6: whose packets */
	__u8 hook;   /* NF_INET_* */
	__u8 nat;    /* called by the NAT core, not by the hook */
	__u8 type;   /* enum nf_hook_ops_type */
};

#endif
