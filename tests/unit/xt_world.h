/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A walk in progress, made by hand: a SYN from anywhere to 198.51.100.1:443 (or 2001:db8::1) that
 * came in by eth0. Choices take their first alternative. */
#ifndef XT_WORLD_H
#define XT_WORLD_H

#include "walk/engine.h"
#include "walk/partition.h"

struct xt_world {
	struct ep_snapshot *s;
	struct ep_query q;
	struct ep_walk w;
	unsigned given[8]; /* choices to take */
};

void xt_world_open(struct xt_world *x, uint8_t family);
void xt_world_close(struct xt_world *x);
/* The same packet again, with these first choices. */
void xt_world_again(struct xt_world *x, const unsigned *given, size_t n);

#endif
