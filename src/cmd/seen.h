/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check --observe and --verify: real connections beside a diagnosis. */
#ifndef EP_CMD_SEEN_H
#define EP_CMD_SEEN_H

#include "cmd/ledger.h"

struct ep_seen_ends;

/* Watches, and connects if that was asked for. 0, or negative errno after saying why. */
int ep_seen_watch(const struct ep_args *args, struct ep_seen_ends **ret) EP_MUST;
void ep_seen_free(struct ep_seen_ends *s); /* takes NULL */
/* What was not predicted, into the specification of a check. */
void ep_seen_mismatches(const struct ep_seen_ends *s, struct ep_arena *a,
			struct ep_check_spec *spec);
/* For writers; NULL if s is. */
const struct ep_watch_seen *ep_seen_doc(struct ep_seen_ends *s, const struct ep_live *live);
/* Tracked connections of the diagnosed namespace, and how completely they were read. */
void ep_seen_tracked(struct ep_live *live, struct ep_check_spec *spec);

#endif
