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
	__u8 mark_known;
	__u8 pad[2];
	__u8 addr[16]; /* network order, the first 4 bytes for AF_INET */
	char comm[EP_WIRE_COMM];
	__u32 order;     /* place in a sock_diag dump, from 1; BPF leaves it 0 */
	__u32 filter_id; /* ids of these programs; 0 for classic BPF */
	__u32 reuseport_id;
	__u32 mark; /* SO_MARK */
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

/* ---- what watch.bpf.c sees ---- */

#define EP_WIRE_REASON 48

enum ep_wire_result {
	EP_WIRE_LANDED,  /* a listener took it: SYN_RECV became ESTABLISHED */
	EP_WIRE_REFUSED, /* its SYN met no socket */
	EP_WIRE_DROPPED, /* its SYN was dropped */
	EP_WIRE_WORKER,  /* a process did something with a connection that had landed */
};

/* Who sent it, as the diagnosed namespace sees it. */
enum ep_wire_origin { EP_WIRE_EXTERNAL, EP_WIRE_HOST, EP_WIRE_INSIDE };

/*
 * Connections that had the same end are counted together. Addresses in network order, IPv4 in the first
 * 4 bytes; ports in host order.
 */
struct ep_wire_row {
	__u64 cgroup;   /* cgroup v2 id of the socket that listens; 0 unknown */
	__u64 ino;      /* its inode, as in /proc/PID/fd; 0 unknown */
	__u64 location; /* dropped: kernel address of the instruction after the call */
	__u32 netns;    /* where it ended: inode of the net namespace */
	__u32 reason;   /* dropped: enum skb_drop_reason of the running kernel */
	__u32 worker;   /* EP_WIRE_WORKER: tgid in the watcher's pid namespace */
	__u32 proxy;    /* tgid of the userland proxy that sent it on; 0 if none */
	__u16 dport;    /* original */
	__u16 lport;    /* where it ended */
	__u8 daddr[16]; /* original */
	__u8 laddr[16];
	__u8 result; /* enum ep_wire_result */
	__u8 family; /* 4 or 6 */
	__u8 origin; /* enum ep_wire_origin */
	__u8 how;    /* EP_WIRE_WORKER: enum ep_wire_how */
};

enum ep_wire_how { EP_WIRE_READ, EP_WIRE_CLOSED };

struct ep_wire_count {
	__u64 n;
	__u64 n_synack; /* of which the time from SYN to SYN-ACK is known */
	__u64 ns_synack;
	__u64 ns_synack_max;
};

/* One connection, or one SYN that did not become one. */
struct ep_wire_flow {
	struct ep_wire_row row;
	__u64 ns;        /* CLOCK_MONOTONIC */
	__u64 ns_synack; /* from SYN to SYN-ACK; 0: not known */
	__u8 saddr[16];  /* the client, originally */
	__u8 peer[16];   /* the client, as the receiver sees it */
	__u16 sport, peer_port;
	__u32 cpu;
};

/* Per CPU. seen = delivered + lost always holds. */
struct ep_wire_account {
	__u64 seen;      /* flows that were to be told one by one */
	__u64 delivered; /* into the ring buffer */
	__u64 lost;      /* the ring buffer was full */
	__u64 unrowed;   /* flows that are in no row, since there were too many rows */
};

#define EP_WIRE_PORTS (65536 / 8)

/* What is asked of watch.bpf.c; written before it is loaded. */
struct ep_wire_ask {
	__u32 host;      /* inode of the diagnosed namespace */
	__u32 all_flows; /* 0: the first of each row on each CPU, and then one in 64 */
	__u8 ports[EP_WIRE_PORTS];
};

#endif
