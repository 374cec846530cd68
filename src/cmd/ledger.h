/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ledger of a watch: every end that was seen, who that is, and whether it was predicted. */
#ifndef EP_CMD_LEDGER_H
#define EP_CMD_LEDGER_H

#include "cmd/sight.h"

struct ep_tally {
	struct ep_tally *next; /* of one hash */
	struct ep_wire_row key;
	struct ep_wire_count count;
	uint64_t told;                      /* of count.n, in pieces before */
	const struct ep_listener *listener; /* in the present sight; NULL if none */
	bool named, shared, unjudged;
	struct ep_who who;           /* kept: in the ledger's arena */
	const struct ep_proc *proxy; /* the same, if the receiver is a userland proxy */
	enum ep_expected row, flows; /* by the row as such; by its single flows */
	const char *prediction;      /* what was predicted instead */
	const char *evidence;        /* the first flow that was not predicted */
	const char *reason, *location;
};

/* SYNs that a listener dropped since its queue was full. */
struct ep_full {
	uint64_t netns, ino;
	uint32_t base, drops;
	uint64_t told;
	const struct ep_listener *listener;
	struct ep_who who;
};

#define EP_LEDGER_HASH   1024
#define EP_LEDGER_SIGHTS 8

struct ep_ledger {
	const struct ep_args *args;
	struct ep_arena *arena;
	struct ep_watch *watch;
	struct ep_sight *sight[EP_LEDGER_SIGHTS]; /* the present one first, then those before it */
	uint64_t forgot_ns; /* when one was dropped that still counted; 0: never */
	uint64_t listeners_at, opened_ns, cost_ns;
	int links_fd;
	const char *change; /* what has, while it was not read anew; NULL: nothing */
	bool stale;         /* the host has changed since it was read: nothing is judged */
	bool has_queues;    /* the kernel tells of full queues */
	struct ep_tally *hash[EP_LEDGER_HASH];
	EP_VEC(struct ep_tally *) tallies; /* in order of appearance */
	EP_VEC(struct ep_full) full;
	ep_accounts accounts;
	struct ep_arena *accounts_arena, *scratch; /* scratch: until the next update */
	char err[512];
};

uint64_t ep_now_ns(void); /* CLOCK_MONOTONIC */

/* Reads the host and begins to watch; 0, or negative errno with l->err set. */
int ep_ledger_open(const struct ep_args *args, bool all_flows, struct ep_ledger *l) EP_MUST;
void ep_ledger_close(struct ep_ledger *l);
struct ep_sight *ep_ledger_sight(const struct ep_ledger *l);
/*
 * Reads the host anew if it has changed; what did, or NULL. Where that would be too often it is put off,
 * unless now is set, and the ledger is stale. Negative errno in *ret_err.
 */
const char *ep_ledger_refresh(struct ep_ledger *l, bool now, int *ret_err);
/* Takes the rows as they are now: 0 or negative errno. */
int ep_ledger_update(struct ep_ledger *l) EP_MUST;
/* Judges one flow and remembers it in its tally, which is returned; NULL if it is not to be shown. */
struct ep_tally *ep_ledger_flow(struct ep_ledger *l, const struct ep_wire_flow *f,
				enum ep_expected *ret_expected, const char **ret_prediction);
/* Connections, refused and dropped ones included, that were seen so far. */
uint64_t ep_ledger_total(const struct ep_ledger *l);
/* Is it an end of a connection to an edge port, and not a part of another? */
bool ep_tally_shown(const struct ep_ledger *l, const struct ep_tally *t);
enum ep_expected ep_tally_expected(const struct ep_tally *t);

/* Was that end predicted for connections of a row? As ep_tally_expected(), and what else was. */
enum ep_expected ep_ledger_judge(struct ep_ledger *l, const struct ep_wire_row *row,
				 const char **ret_prediction);

/* Copies of what lives in a snapshot. */
struct ep_who ep_who_keep(struct ep_arena *a, const struct ep_who *w);
const struct ep_proc *ep_proc_keep(struct ep_arena *a, const struct ep_proc *p);

/* ---- as pieces for writers (ends.c) ---- */

/* What ended where; all marks what it tells as told. In arena a. */
void ep_ledger_ends(struct ep_ledger *l, struct ep_arena *a, struct ep_watch_doc *d);
/* As if nothing had been told yet. */
void ep_ledger_untell(struct ep_ledger *l);
void ep_ledger_end_of(struct ep_ledger *l, struct ep_arena *a, const struct ep_tally *t,
		      struct ep_watch_end *ret);

#endif
