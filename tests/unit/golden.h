/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Saved snapshots of labs (data/snapshots, made by make.py there) with what the kernel did, and what
 * holds for every result of a walk. Tests include cmocka.h before this.
 */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "edgepath/walk.h"

/* One line of a .cases file; dnat.cases says what its words mean. */
struct golden_case {
	char line[256];
	struct ep_query q; /* netns and ifindex are set by golden_walk() */
	char who[128];
};

typedef EP_VEC(struct golden_case) golden_cases;

struct ep_snapshot *golden_load(const char *name); /* fails the test if it cannot be */
/* Its JSON text in s's arena. */
const char *golden_text(struct ep_snapshot *s, const char *name);
void golden_read_cases(struct ep_arena *a, const char *name, golden_cases *ret);

/* Everybody to that address and port: "198.51.100.1". */
struct ep_query golden_query(const char *dst, uint16_t port);
struct ep_query golden_query_from(const char *dst, uint16_t port, const char *src, uint16_t sport);

/* Walks as from eth0 of the host, and checks what holds for every result. */
struct ep_result *golden_walk(struct ep_snapshot *s, struct ep_query q);
/* The only outcome for that source and port in the host's usual state; fails the test if there is
 * none, or more. */
const struct ep_outcome *golden_at(const struct ep_result *r, const char *src, uint16_t sport);
/* The outcomes of sources that a client can have. */
size_t golden_earthly(const struct ep_result *r);

#endif
