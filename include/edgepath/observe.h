/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observe: where connections to the edge ports of a namespace really end, as the kernel sees it. Nothing
 * is sent, and all of it is gone with the process.
 */
#ifndef EDGEPATH_OBSERVE_H
#define EDGEPATH_OBSERVE_H

#include "edgepath/walk.h"
#include "edgepath/wire.h"

/* ---- what is seen ---- */

/* Connections that had the same end, counted since the watch began. */
struct ep_seen {
	struct ep_wire_row key;
	struct ep_wire_count count;
};
typedef EP_VEC(struct ep_seen) ep_seens;

struct ep_account {
	unsigned cpu;
	struct ep_wire_account n;
};
typedef EP_VEC(struct ep_account) ep_accounts;

/* Addresses of a row or flow; the family says how many bytes count. */
struct ep_addr ep_seen_addr(const struct ep_wire_row *r, const uint8_t bytes[16]);

/* ---- watching ---- */

struct ep_scope_addr {
	struct ep_addr addr;
	uint64_t netns;
};

/* What the watch has to know of the host; made anew when links or proxies change. */
struct ep_scope {
	uint64_t host;
	EP_VEC(uint64_t) netns;                 /* those below the diagnosed one */
	EP_VEC(struct ep_addr) own;             /* addresses of the diagnosed namespace */
	EP_VEC(struct ep_addr) inside;          /* of those below */
	EP_VEC(struct ep_scope_addr) places;    /* the same with their namespaces */
	EP_VEC(const struct ep_netns *) spaces; /* the namespaces themselves */
	EP_VEC(int) proxies;                    /* pids */
	bool shared;                            /* some listener has several processes */
};

/*
 * Namespaces below the diagnosed one are those that are reached by its veth devices, and by theirs,
 * but not by the devices of `outer` (where outside clients come in). In arena a.
 */
void ep_scope_find(struct ep_snapshot *s, struct ep_arena *a, const uint32_t *outer, size_t n_outer,
		   struct ep_scope *ret);

struct ep_watch_spec {
	const uint16_t *ports;
	size_t n_ports;
	const struct ep_netns *host;
	bool all_flows;      /* every connection by itself; else some of each row */
	uint32_t ring_bytes; /* 0: 1 MiB; a power of two, of whole pages */
	const char *source;  /* "bpf", "conntrack"; NULL: the first that works */
};

struct ep_watch;

typedef void (*ep_flow_cb)(void *ctx, const struct ep_wire_flow *f);

/* On failure -errno, and one line in err: what is missing. */
int ep_watch_open(const struct ep_watch_spec *spec, const struct ep_scope *scope,
		  struct ep_watch **ret, char *err, size_t err_len) EP_MUST;
void ep_watch_close(struct ep_watch *w); /* takes NULL */
const char *ep_watch_source(const struct ep_watch *w);
/* Why it is not BPF that watches, and what can't be seen so; NULL if it is. */
const char *ep_watch_lacks(const struct ep_watch *w);
/* The host has changed. 0 or -errno. */
int ep_watch_rescope(struct ep_watch *w, const struct ep_scope *scope) EP_MUST;
/* To be polled for reading by the caller besides its own; -1: none, poll every 100 ms. */
int ep_watch_fd(const struct ep_watch *w);
/* Gives the single flows that came to cb; how many, or -errno. */
int ep_watch_read(struct ep_watch *w, ep_flow_cb cb, void *ctx) EP_MUST;
/* All rows, into arena a; 0 or -errno. */
int ep_watch_rows(struct ep_watch *w, struct ep_arena *a, ep_seens *ret) EP_MUST;
int ep_watch_accounts(struct ep_watch *w, struct ep_arena *a, ep_accounts *ret) EP_MUST;
/* Grows when a socket in scope begins or ends to listen. */
uint64_t ep_watch_listeners_changed(const struct ep_watch *w);
/* The kernel's name of a drop reason, without its prefix; arena string, never NULL. */
const char *ep_watch_reason(struct ep_watch *w, struct ep_arena *a, uint32_t reason);
/* The function of a kernel address, from /proc/kallsyms; NULL if that may not be read. */
const char *ep_watch_symbol(struct ep_arena *a, uint64_t address);

/* ---- full queues ---- */

struct ep_queue {
	uint64_t netns, ino;
	uint32_t drops; /* connection requests that this listener has dropped, ever */
};
typedef EP_VEC(struct ep_queue) ep_queues;

/* Adds the listeners of a namespace; 0 or -errno. */
int ep_queues_read(struct ep_arena *a, const struct ep_netns *ns, ep_queues *ret) EP_MUST;

/* ---- tracked connections ---- */

/* Live entries of one original destination that were translated to one target. */
struct ep_tracked_by {
	struct ep_addr dst, target;
	uint16_t dport, target_port;
	uint64_t n;
	ep_strs samples; /* clients, with the entry's state */
};
typedef EP_VEC(struct ep_tracked_by) ep_trackeds;

/* Those of a namespace, on these ports, in arena a; 0 or -errno, -ENOENT without conntrack. */
int ep_tracked_find(struct ep_arena *a, const struct ep_netns *ns, const uint16_t *ports,
		    size_t n_ports, ep_trackeds *ret) EP_MUST;

/* ---- against the prediction ---- */

enum ep_judged { EP_JUDGED_UNKNOWN, EP_JUDGED_YES, EP_JUDGED_NO };

/* The listener that took connections of that row; NULL if the snapshot has none. */
const struct ep_listener *ep_seen_listener(const struct ep_snapshot *s,
					   const struct ep_wire_row *r);
/*
 * Does the result of walking to (row's daddr, dport) hold the end that was seen? With a flow only the
 * outcomes for its source count. ret_predicted (may be NULL): the outcome that should have been.
 */
enum ep_judged ep_judge(const struct ep_result *r, const struct ep_listener *took,
			const struct ep_wire_row *row, const struct ep_wire_flow *flow,
			const struct ep_outcome **ret_predicted);

#endif
