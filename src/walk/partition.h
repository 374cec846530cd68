/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From single runs to the partition: which runs are needed, and how their outcomes go together. */
#ifndef EP_WALK_PARTITION_H
#define EP_WALK_PARTITION_H

#include "walk/engine.h"

/* A point where the kernel's way depended on something open; part of the run that met it. */
struct ep_choice {
	enum ep_var_kind kind;
	unsigned n, taken;
	double p[2];                  /* random and n == 2; else all are equally likely */
	int var;                      /* what was split, or -1 */
	struct ep_ivset alt[2];       /* the variable's two parts */
	struct ep_ivset saddr, sport; /* the client's domains before the split */
	const char *reason;           /* unknown: why; state: words for the usual one */
	const char *other;            /* state: words for the other one */
};

struct ep_choices {
	struct ep_choice *v;
	size_t n, cap;
};

typedef EP_VEC(struct ep_outcome *) ep_outcomes;

struct ep_explore {
	struct ep_snapshot *s;
	const struct ep_query *q;
	const struct ep_without *without;
	struct ep_result *result;
	unsigned budget; /* runs that are left */
};

/* Runs once with the first n_given choices given, 0 for the others; appends all it met. */
struct ep_outcome *ep_run_once(struct ep_explore *x, const unsigned *given, size_t n_given,
			       struct ep_choices *ret_trace);
/* Outcomes of all alternatives of one choice as those of the choice; alts may be changed. (combine.c) */
ep_outcomes ep_combine(struct ep_arena *a, const struct ep_choice *c, ep_outcomes *alts);
void ep_merge_outcomes(struct ep_arena *a, ep_outcomes *l);
/* An unknown for these clients, told along the steps of another outcome (or NULL). */
struct ep_outcome *ep_outcome_unknown(struct ep_arena *a, struct ep_ivset saddr,
				      struct ep_ivset sport, const char *reason,
				      const struct ep_outcome *like);
/* How many clients it stands for, to compare with others. */
double ep_outcome_weight(const struct ep_outcome *o);
/* Keeps a run's routing decision in the result; its bit for ep_outcome.routes, 0: no room. */
uint64_t ep_route_keep(struct ep_result *r, const struct ep_walk *w, const struct ep_route_note *n);
/* Asks the kernel, if the snapshot is live; what rests on a decision that differs becomes unknown. */
void ep_routes_verify(struct ep_snapshot *s, struct ep_result *r);
/* The sources that clients may have. */
struct ep_ivset ep_query_clients(struct ep_arena *a, const struct ep_query *q);
/* Fills x->result->outcomes. */
void ep_partition(struct ep_explore *x);

#endif
