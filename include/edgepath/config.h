/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config: /etc/edgepath/edgepath.yaml as data. What words mean is for others to say; here is only what
 * stands in the file, and where.
 */
#ifndef EDGEPATH_CONFIG_H
#define EDGEPATH_CONFIG_H

#include "edgepath/util.h"

#define EP_CONFIG_FILE "/etc/edgepath/edgepath.yaml"

struct ep_config_owner { /* `443: container:traefik` */
	uint16_t port;
	const char *who;       /* raw, not empty */
	unsigned line, column; /* of who, from 1 */
};

struct ep_config {
	const char *file;       /* as it was named; NULL: there is none */
	EP_VEC(uint16_t) ports; /* as written, each once; empty: not set */
	EP_VEC(struct ep_config_owner) owners;
};

/*
 * Reads a file of at most 1 MiB into the arena. 0, or negative errno with one line in err that begins
 * "FILE:LINE:COLUMN: " where there is a place. ret is then as if nothing had been read.
 */
int ep_config_load(struct ep_arena *a, const char *file, struct ep_config *ret, char *err,
		   size_t err_len) EP_MUST;
/* The same for a text; name stands for the file in messages. */
int ep_config_parse(struct ep_arena *a, const char *name, const char *text, size_t len,
		    struct ep_config *ret, char *err, size_t err_len) EP_MUST;

#endif
