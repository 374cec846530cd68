/* SPDX-License-Identifier: GPL-2.0-or-later */
/* observe's inside: the sources that can watch. */
#ifndef EP_OBSERVE_I_H
#define EP_OBSERVE_I_H

#include "edgepath/observe.h"

struct ep_watch_ops {
	const char *name;
	/* Sets *ret to its own state; on failure -errno and why in err. */
	int (*open)(const struct ep_watch_spec *spec, const struct ep_scope *scope, void **ret,
		    char *err, size_t err_len);
	void (*close)(void *state);
	int (*rescope)(void *state, const struct ep_scope *scope);
	int (*fd)(void *state);
	int (*read)(void *state, ep_flow_cb cb, void *ctx);
	int (*rows)(void *state, struct ep_arena *a, ep_seens *ret);
	int (*accounts)(void *state, struct ep_arena *a, ep_accounts *ret);
	uint64_t (*listeners_changed)(void *state);
	const char *(*reason)(void *state, struct ep_arena *a, uint32_t reason);
};

extern const struct ep_watch_ops ep_watch_bpf;
extern const struct ep_watch_ops ep_watch_conntrack;

/* What of rights, kernel and its settings keeps BPF from being loaded; err: of the load. */
void ep_bpf_missing(int err, char *buf, size_t len);

/* ---- ring.c: the consumer of a BPF ring buffer (uapi linux/bpf.h) ---- */

struct ep_ring {
	unsigned long *consumer; /* page of its own, ours to write */
	const unsigned long *producer;
	const uint8_t *data; /* mapped twice in a row */
	size_t size, page;
};

int ep_ring_open(struct ep_ring *r, int map_fd, size_t size) EP_MUST;
void ep_ring_close(struct ep_ring *r);
/* Records of exactly `size` bytes go to cb; others are passed over. Returns how many. */
int ep_ring_read(struct ep_ring *r, size_t size, void (*cb)(void *ctx, const void *record),
		 void *ctx);

#endif
