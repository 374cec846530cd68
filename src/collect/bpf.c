// SPDX-License-Identifier: GPL-2.0-or-later
/* BPF programs by their ids: names, and whether their instructions let every packet pass. */
#include "collect/bpf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_INSNS_SIZE (4096 * sizeof(struct bpf_insn))

int ep_bpf_sys(int cmd, union bpf_attr *attr)
{
	return (int)syscall(__NR_bpf, cmd, attr, sizeof(*attr));
}

int ep_bpf_fd(int cmd, uint32_t id)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id; /* the same place as link_id */
	return ep_bpf_sys(cmd, &attr);
}

int ep_bpf_info(int fd, void *info, uint32_t len)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = len;
	attr.info.info = (uintptr_t)info;
	return ep_bpf_sys(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

int ep_bpf_query(int target, int type, bool effective, uint32_t *ids, uint32_t *ret_n)
{
	union bpf_attr attr;

	*ret_n = 0;
	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)target;
	attr.query.attach_type = (uint32_t)type;
	attr.query.query_flags = effective ? BPF_F_QUERY_EFFECTIVE : 0;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = EP_MAX_PROGS;
	/* ENOSPC: there are more than that, and these are the first of them. */
	if (ep_bpf_sys(BPF_PROG_QUERY, &attr) && errno != ENOSPC)
		return errno == EINVAL || errno == ENOENT || errno == ENODEV ||
				       errno == EOPNOTSUPP ?
			       0 :
			       -errno;
	*ret_n = attr.query.prog_cnt < EP_MAX_PROGS ? attr.query.prog_cnt : EP_MAX_PROGS;
	return 0;
}

/* ---- helper functions by address: a translated call has its offset from __bpf_call_base ---- */

/* Functions that do nothing to a packet. Those that return memory return a map's or a ring buffer's. */
static const struct {
	const char *name;
	enum ep_bpf_call what;
} harmless[] = {
	{"bpf_map_lookup_elem", EP_BPF_CALL_MEMORY},
	{"__htab_map_lookup_elem", EP_BPF_CALL_MEMORY},
	{"htab_map_lookup_elem", EP_BPF_CALL_MEMORY},
	{"htab_lru_map_lookup_elem", EP_BPF_CALL_MEMORY},
	{"htab_percpu_map_lookup_elem", EP_BPF_CALL_MEMORY},
	{"htab_lru_percpu_map_lookup_elem", EP_BPF_CALL_MEMORY},
	{"array_map_lookup_elem", EP_BPF_CALL_MEMORY},
	{"percpu_array_map_lookup_elem", EP_BPF_CALL_MEMORY},
	{"trie_lookup_elem", EP_BPF_CALL_MEMORY},
	{"bpf_ringbuf_reserve", EP_BPF_CALL_MEMORY},
	{"bpf_map_update_elem", EP_BPF_CALL_NUMBER},
	{"htab_map_update_elem", EP_BPF_CALL_NUMBER},
	{"htab_lru_map_update_elem", EP_BPF_CALL_NUMBER},
	{"htab_percpu_map_update_elem", EP_BPF_CALL_NUMBER},
	{"htab_lru_percpu_map_update_elem", EP_BPF_CALL_NUMBER},
	{"array_map_update_elem", EP_BPF_CALL_NUMBER},
	{"trie_update_elem", EP_BPF_CALL_NUMBER},
	{"bpf_map_delete_elem", EP_BPF_CALL_NUMBER},
	{"htab_map_delete_elem", EP_BPF_CALL_NUMBER},
	{"htab_lru_map_delete_elem", EP_BPF_CALL_NUMBER},
	{"bpf_ringbuf_output", EP_BPF_CALL_NUMBER},
	{"bpf_ringbuf_submit", EP_BPF_CALL_NUMBER},
	{"bpf_ringbuf_discard", EP_BPF_CALL_NUMBER},
	{"bpf_skb_event_output", EP_BPF_CALL_NUMBER},
	{"bpf_xdp_event_output", EP_BPF_CALL_NUMBER},
	{"bpf_event_output_data", EP_BPF_CALL_NUMBER},
	{"bpf_trace_printk", EP_BPF_CALL_NUMBER},
	{"bpf_ktime_get_ns", EP_BPF_CALL_NUMBER},
	{"bpf_ktime_get_boot_ns", EP_BPF_CALL_NUMBER},
	{"bpf_ktime_get_coarse_ns", EP_BPF_CALL_NUMBER},
	{"bpf_get_smp_processor_id", EP_BPF_CALL_NUMBER},
	{"bpf_user_rnd_u32", EP_BPF_CALL_NUMBER},
	{"bpf_get_raw_cpu_id", EP_BPF_CALL_NUMBER},
	{"bpf_skb_load_bytes", EP_BPF_CALL_NUMBER},
	{"bpf_skb_load_bytes_relative", EP_BPF_CALL_NUMBER},
	{"bpf_xdp_load_bytes", EP_BPF_CALL_NUMBER},
	{"bpf_get_socket_cookie", EP_BPF_CALL_NUMBER},
	{"bpf_get_socket_cookie_sock_addr", EP_BPF_CALL_NUMBER},
	{"bpf_get_current_pid_tgid", EP_BPF_CALL_NUMBER},
	{"bpf_get_current_uid_gid", EP_BPF_CALL_NUMBER},
	{"bpf_get_current_comm", EP_BPF_CALL_NUMBER},
	{"bpf_get_current_cgroup_id", EP_BPF_CALL_NUMBER},
	{"bpf_skb_cgroup_id", EP_BPF_CALL_NUMBER},
};

struct ep_bpf_symbols {
	uint64_t base;
	uint64_t at[EP_ARRAY_SIZE(harmless)];
};

/* "ffffffff81234567 T bpf_map_update_elem\n"; addresses are zeros where kptr_restrict hides them. */
static void take_symbol(struct ep_bpf_symbols *s, const char *line)
{
	unsigned long long address;
	char name[64];

	if (sscanf(line, "%llx %*c %63s", &address, name) != 2)
		return;
	if (!strcmp(name, "__bpf_call_base"))
		s->base = address;
	for (size_t i = 0; i < EP_ARRAY_SIZE(harmless); i++)
		if (!strcmp(name, harmless[i].name))
			s->at[i] = address;
}

static const struct ep_bpf_symbols *symbols(struct ep_bpf *b)
{
	struct ep_bpf_symbols *s;
	char line[512];
	FILE *f;

	if (b->symbols)
		return b->symbols;
	s = ep_alloc(b->arena, sizeof(*s));
	b->symbols = s;
	f = fopen("/proc/kallsyms", "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strchr(line, '['))
			take_symbol(s, line);
	if (f)
		fclose(f);
	return s;
}

static enum ep_bpf_call call(void *ctx, int32_t imm)
{
	const struct ep_bpf_symbols *s = symbols(ctx);
	uint64_t address = s->base + (uint64_t)(int64_t)imm;

	for (size_t i = 0; s->base && i < EP_ARRAY_SIZE(harmless); i++)
		if (s->at[i] && s->at[i] == address)
			return harmless[i].what;
	return EP_BPF_CALL_OTHER;
}

/* ---- one program ---- */

static bool only_passes(struct ep_bpf *b, int fd, uint32_t len, const struct ep_bpf_pass *pass)
{
	struct bpf_prog_info info = {};
	bool ret = false;
	void *insns;

	if (!pass || !len || len > MAX_INSNS_SIZE)
		return false;
	insns = calloc(1, len);
	if (!insns)
		return false;
	info.xlated_prog_insns = (uintptr_t)insns;
	info.xlated_prog_len = len;
	/* The kernel says how much there is, and 0 as the address where it gives none. */
	if (!ep_bpf_info(fd, &info, sizeof(info)) && info.xlated_prog_insns &&
	    info.xlated_prog_len == len)
		ret = ep_bpf_only_passes(insns, len, pass, call, b);
	free(insns);
	return ret;
}

void ep_bpf_read_prog(struct ep_bpf *b, const char *kind, struct ep_hook *h)
{
	const struct ep_bpf_pass *pass = ep_bpf_pass_of(kind);
	int fd = ep_bpf_fd(BPF_PROG_GET_FD_BY_ID, h->prog_id);
	struct bpf_prog_info info = {};

	h->may_take = true;
	if (fd < 0)
		return;
	if (!ep_bpf_info(fd, &info, sizeof(info))) {
		if (!h->name || !*h->name)
			h->name = ep_strndup(b->arena, info.name, sizeof(info.name));
		/* A socket filter in a group of sockets returns the place of the one that it picks. */
		if (strcmp(kind, "reuseport") || info.type == BPF_PROG_TYPE_SK_REUSEPORT)
			h->may_take = !only_passes(b, fd, info.xlated_prog_len, pass);
	}
	close(fd);
}
