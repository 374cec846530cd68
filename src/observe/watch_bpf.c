// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Watching by bpf/watch.bpf.c. A light skeleton, as for the listeners: the kernel relocates the program,
 * and nothing of its BTF is read in here. Programs, links and maps are held by file descriptors.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "observe/observe_i.h"

#include "watch.skel.h"

#define RING_BYTES (1u << 20)

struct key16 {
	uint8_t b[16];
};

/* What was put into a map, so that it can be taken out again. */
struct entries {
	EP_VEC(struct key16) keys;
	size_t size; /* bytes of a key that count */
};

struct watch {
	struct watch_bpf *skel;
	struct ep_ring ring;
	struct ep_arena *arena;
	struct entries scope, addresses, proxies;
	unsigned n_cpu;
	void *values; /* one value per CPU */
	ep_flow_cb cb;
	void *ctx;
};

/* ---- maps ---- */

static int map_lookup(int fd, const void *key, void *value)
{
	union bpf_attr attr = {
		.map_fd = (__u32)fd, .key = (uintptr_t)key, .value = (uintptr_t)value};

	return skel_sys_bpf(BPF_MAP_LOOKUP_ELEM, &attr, offsetofend(union bpf_attr, flags));
}

static int map_next(int fd, const void *key, void *next)
{
	union bpf_attr attr = {
		.map_fd = (__u32)fd, .key = (uintptr_t)key, .next_key = (uintptr_t)next};

	return skel_sys_bpf(BPF_MAP_GET_NEXT_KEY, &attr, offsetofend(union bpf_attr, next_key));
}

/* CPUs that the kernel may ever have: so many values has a per-CPU map. */
static unsigned possible_cpus(struct ep_arena *a)
{
	unsigned last = 0, n;
	char *text;

	if (ep_read_file(a, "/sys/devices/system/cpu/possible", 4096, &text, NULL))
		return (unsigned)sysconf(_SC_NPROCESSORS_CONF);
	for (char *p = text; *p; p += strcspn(p, ",-"), p += *p != '\0') {
		n = (unsigned)strtoul(p, NULL, 10);
		last = n > last ? n : last;
	}
	return last + 1;
}

static bool has_key(const struct entries *e, const struct key16 *k)
{
	ep_each(it, &e->keys)
		if (!memcmp(it->b, k->b, e->size))
			return true;
	return false;
}

/* Puts what is new into the map and takes out what is no more. */
static int sync_map(struct watch *w, int fd, struct entries *have, struct entries *want,
		    const uint8_t *values)
{
	int r = 0;

	ep_each(k, &have->keys)
		if (!has_key(want, k))
			skel_map_delete_elem(fd, k->b);
	for (size_t i = 0; i < want->keys.n; i++) {
		uint8_t value = values ? values[i] : 1;

		if (skel_map_update_elem(fd, want->keys.v[i].b, &value, BPF_ANY) < 0)
			r = r ? r : -errno;
	}
	have->keys.n = 0;
	ep_each(k, &want->keys)
		*ep_push(w->arena, &have->keys) = *k;
	return r;
}

static void add_key(struct ep_arena *a, struct entries *e, const void *p, size_t n)
{
	struct key16 *k = ep_push(a, &e->keys);

	memcpy(k->b, p, n);
}

static int sync_numbers(struct watch *w, struct ep_arena *a, int fd, struct entries *have,
			const uint32_t *v, size_t n)
{
	struct entries want = {.size = 4};

	for (size_t i = 0; i < n; i++)
		add_key(a, &want, &v[i], 4);
	return sync_map(w, fd, have, &want, NULL);
}

static int sync_addresses(struct watch *w, struct ep_arena *a, const struct ep_scope *sc)
{
	struct entries want = {.size = 16};
	EP_VEC(uint8_t) classes = {};

	ep_each(ad, &sc->own) {
		add_key(a, &want, ad->b, 16);
		*ep_push(a, &classes) = EP_WIRE_HOST;
	}
	ep_each(ad, &sc->inside) {
		struct key16 k;

		memcpy(k.b, ad->b, 16);
		if (has_key(&want, &k)) /* 127.0.0.1 */
			continue;
		add_key(a, &want, ad->b, 16);
		*ep_push(a, &classes) = EP_WIRE_INSIDE;
	}
	return sync_map(w, w->skel->maps.addresses.map_fd, &w->addresses, &want, classes.v);
}

static int bpf_rescope(void *state, const struct ep_scope *sc)
{
	struct ep_arena *tmp = ep_arena_new();
	EP_VEC(uint32_t) ids = {}, pids = {};
	struct watch *w = state;
	int r, r2, r3;

	ep_each(it, &sc->netns)
		*ep_push(tmp, &ids) = (uint32_t)*it;
	ep_each(it, &sc->proxies)
		*ep_push(tmp, &pids) = (uint32_t)*it;
	r = sync_numbers(w, tmp, w->skel->maps.scope.map_fd, &w->scope, ids.v, ids.n);
	r2 = sync_numbers(w, tmp, w->skel->maps.proxies.map_fd, &w->proxies, pids.v, pids.n);
	r3 = sync_addresses(w, tmp, sc);
	/* Who of several accepts is looked at only where there are several. */
	if (r == 0 && sc->shared && !w->skel->links.ep_tcp_rcv_space_adjust_fd) {
		w->skel->bss->workers = 1;
		r = watch_bpf__ep_tcp_rcv_space_adjust__attach(w->skel) < 0 ? -errno : 0;
	}
	ep_arena_free(tmp);
	return r ? r : r2 ? r2 : r3;
}

/* ---- loading ---- */

static int run_once(int prog_fd)
{
	union bpf_attr attr = {.test = {.prog_fd = (__u32)prog_fd}};

	return skel_sys_bpf(BPF_PROG_RUN, &attr, offsetofend(union bpf_attr, test)) < 0 ? -errno :
											  0;
}

static int load(struct watch *w, const struct ep_watch_spec *spec)
{
	struct watch_bpf *skel = w->skel = watch_bpf__open();
	uint32_t size = spec->ring_bytes ? spec->ring_bytes : RING_BYTES;
	int r;

	if (!skel)
		return -ENOMEM;
	skel->rodata->ask.host = (uint32_t)spec->host->ino;
	skel->rodata->ask.all_flows = spec->all_flows;
	for (size_t i = 0; i < spec->n_ports; i++)
		skel->rodata->ask.ports[spec->ports[i] >> 3] |=
			(uint8_t)(1 << (spec->ports[i] & 7));
	skel->maps.ring.max_entries = size;
	r = watch_bpf__load(skel);
	if (r < 0)
		return r;
	r = run_once(skel->progs.ep_find_pid_level.prog_fd);
	return r ? r : ep_ring_open(&w->ring, skel->maps.ring.map_fd, size);
}

static int attach(struct watch *w)
{
	static int (*const attachers[])(struct watch_bpf *) = {
		watch_bpf__ep_net_dev_queue__attach,
		watch_bpf__ep_kfree_skb__attach,
		/* The last one: what it sees must have been seen by the first before. */
		watch_bpf__ep_inet_sock_set_state__attach,
	};

	for (size_t i = 0; i < EP_ARRAY_SIZE(attachers); i++)
		if (attachers[i](w->skel) < 0)
			return -errno;
	return 0;
}

static void bpf_close(void *state)
{
	struct watch *w = state;

	ep_ring_close(&w->ring);
	watch_bpf__destroy(w->skel);
	ep_arena_free(w->arena);
	free(w->values);
	free(w);
}

static int bpf_open(const struct ep_watch_spec *spec, const struct ep_scope *scope, void **ret,
		    char *err, size_t err_len)
{
	struct watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->arena = ep_arena_new();
	w->n_cpu = possible_cpus(w->arena);
	w->scope.size = w->proxies.size = 4;
	w->addresses.size = 16;
	w->values = calloc(w->n_cpu, sizeof(struct ep_wire_account) > sizeof(struct ep_wire_count) ?
					     sizeof(struct ep_wire_account) :
					     sizeof(struct ep_wire_count));
	r = w->values ? load(w, spec) : -ENOMEM;
	r = r ? r : bpf_rescope(w, scope);
	r = r ? r : attach(w);
	if (r) {
		ep_bpf_missing(-r, err, err_len);
		bpf_close(w);
		return r;
	}
	*ret = w;
	return 0;
}

/* ---- reading ---- */

static void take_record(void *ctx, const void *record)
{
	struct watch *w = ctx;

	w->cb(w->ctx, record);
}

static int bpf_read(void *state, ep_flow_cb cb, void *ctx)
{
	struct watch *w = state;

	w->cb = cb;
	w->ctx = ctx;
	return ep_ring_read(&w->ring, sizeof(struct ep_wire_flow), take_record, w);
}

static int bpf_rows(void *state, struct ep_arena *a, ep_seens *ret)
{
	struct watch *w = state;
	int fd = w->skel->maps.rows.map_fd;
	const struct ep_wire_count *v = w->values;
	const void *at = NULL;
	struct ep_seen *seen;
	struct ep_wire_row key;

	/* Rows are never taken out: the order is stable, and no row is met twice. */
	while (map_next(fd, at, &key) == 0) {
		seen = ep_push(a, ret);
		seen->key = key;
		at = &key;
		if (map_lookup(fd, &key, w->values) < 0)
			return -errno;
		for (unsigned i = 0; i < w->n_cpu; i++) {
			seen->count.n += v[i].n;
			seen->count.n_synack += v[i].n_synack;
			seen->count.ns_synack += v[i].ns_synack;
			if (v[i].ns_synack_max > seen->count.ns_synack_max)
				seen->count.ns_synack_max = v[i].ns_synack_max;
		}
	}
	return 0;
}

static int bpf_accounts(void *state, struct ep_arena *a, ep_accounts *ret)
{
	struct watch *w = state;
	const struct ep_wire_account *v = w->values;
	uint32_t zero = 0;

	if (map_lookup(w->skel->maps.accounts.map_fd, &zero, w->values) < 0)
		return -errno;
	for (unsigned i = 0; i < w->n_cpu; i++)
		*ep_push(a, ret) = (struct ep_account){.cpu = i, .n = v[i]};
	return 0;
}

static uint64_t bpf_listeners_changed(void *state)
{
	struct watch *w = state;

	return __atomic_load_n(&w->skel->bss->listeners_changed, __ATOMIC_RELAXED);
}

static const char *bpf_reason(void *state, struct ep_arena *a, uint32_t reason)
{
	static const char prefix[] = "SKB_DROP_REASON_";
	char name[EP_WIRE_REASON + 1] = "";
	struct watch *w = state;
	const char *p = name;

	if (map_lookup(w->skel->maps.reasons.map_fd, &reason, name) < 0)
		return NULL;
	name[strcspn(name, "\n")] = '\0';
	if (!strncmp(p, prefix, sizeof(prefix) - 1))
		p += sizeof(prefix) - 1;
	return *p ? ep_strdup(a, p) : NULL;
}

const struct ep_watch_ops ep_watch_bpf = {
	.name = "bpf",
	.open = bpf_open,
	.close = bpf_close,
	.rescope = bpf_rescope,
	.read = bpf_read,
	.rows = bpf_rows,
	.accounts = bpf_accounts,
	.listeners_changed = bpf_listeners_changed,
	.reason = bpf_reason,
};
