/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf(2) as it is: libbpf would bring libelf along, for a few requests that only read. */
#ifndef EP_BPF_H
#define EP_BPF_H

#include <linux/bpf.h>

#include "collect/collect_i.h"

#define EP_MAX_PROGS 64

struct ep_bpf_symbols;

/* What reading programs needs once; zero but for the arena, nothing to free. */
struct ep_bpf {
	struct ep_arena *arena;
	const struct ep_bpf_symbols *symbols; /* read at the first need */
};

/* -1 with errno on failure. */
int ep_bpf_sys(int cmd, union bpf_attr *attr);
/* A descriptor of a program or link (BPF_PROG_GET_FD_BY_ID…); -1 with errno. */
int ep_bpf_fd(int cmd, uint32_t id);
int ep_bpf_info(int fd, void *info, uint32_t len);
/*
 * Programs attached to a device, namespace or cgroup: their ids, at most EP_MAX_PROGS. effective: with
 * those of the cgroup's ancestors. 0 or -errno; a kernel that does not know the attach type has none.
 */
int ep_bpf_query(int target, int type, bool effective, uint32_t *ids, uint32_t *ret_n);
/*
 * Name of the program h->prog_id, and whether it can take packets, judged as a program of that kind of
 * ep_bpf_pass_of(). A program that can't be read may take them.
 */
void ep_bpf_read_prog(struct ep_bpf *b, const char *kind, struct ep_hook *h);

#endif
