/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saved snapshots of hosts with a real Docker Engine, checked on 203.0.113.10 and 2001:db8::10. */
#ifndef CHECK_WORLD_H
#define CHECK_WORLD_H

#include "edgepath/findings.h"

struct check_world {
	struct ep_snapshot *s;
	struct ep_check_spec spec;
	struct ep_check *c;
};

/* name: of tests/unit/data/check, without ".json". Checks ports 80, 443, 8080. */
void check_world_open(struct check_world *w, const char *name);
/* Checks again, after the test changed the snapshot. */
void check_world_again(struct check_world *w);
void check_world_close(struct check_world *w);
/* The first finding with that id for that port (0: any); NULL if there is none. */
const struct ep_finding *check_world_find(const struct check_world *w, const char *id,
					  uint16_t port);

/*
 * An outcome as a walk makes it: everybody, one verdict. For tests that need no walk.
 */
struct ep_outcome check_world_outcome(struct ep_arena *a, enum ep_outcome_verdict v,
				      const char *addr, uint16_t port);

#endif
