/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands share: opening the host, choosing addresses, writing the answer. */
#ifndef EP_CMD_CMD_H
#define EP_CMD_CMD_H

#include "cmd/args.h"
#include "edgepath/collect.h"
#include "edgepath/config.h"
#include "edgepath/findings.h"
#include "edgepath/render.h"

extern const struct ep_option ep_path_options[], ep_check_options[];
int ep_check_take(struct ep_args *args, char *err, size_t err_len) EP_MUST;
int ep_path_take(struct ep_args *args, char *err, size_t err_len) EP_MUST;
int ep_check_main(const struct ep_args *args);
int ep_path_main(const struct ep_args *args);
extern const struct ep_option ep_watch_options[];
int ep_watch_take(struct ep_args *args, char *err, size_t err_len) EP_MUST;
int ep_watch_main(const struct ep_args *args);
int ep_help_main(const struct ep_args *args);

/* One line on standard error. */
void ep_say(const char *fmt, ...) EP_PRINTF(1, 2);

/* ---- one diagnosis (live.c) ---- */

struct ep_live {
	const struct ep_args *args;
	struct ep_collect *collect;
	struct ep_snapshot *s;
	struct ep_netns *host;
	struct ep_without without;
	struct ep_doc doc;
	char err[512];
	bool usage; /* err is about what was asked for, not about this host */
};

/*
 * What a command does with a snapshot. work fills ctx, and returns 0 or negative errno with live->err
 * set; drop undoes it, for another try; void_all makes everything unknown for that reason; doubtful
 * says that the kernel routes otherwise, which may come from routes that changed meanwhile.
 */
struct ep_job {
	int (*work)(void *ctx, struct ep_live *live);
	void (*drop)(void *ctx);
	void (*void_all)(void *ctx, const char *reason);
	bool (*doubtful)(void *ctx);
};

/*
 * Reads the host and works, again from the start as long as rules change meanwhile, at most five
 * times. On success ctx is filled and live open, until ep_live_close().
 */
int ep_live_run(const struct ep_args *args, const struct ep_job *job, void *ctx,
		struct ep_live *live) EP_MUST;
void ep_live_close(struct ep_live *live);

/* Writes out to standard output; returns code, or 3 if that fails or if rights were missing. */
int ep_live_finish(const struct ep_live *live, const struct ep_buf *out, int code);
/* By --json, --color and the terminal. */
const struct ep_format *ep_live_format(const struct ep_args *args, struct ep_style *ret);

/* ---- addresses (edge.c) ---- */

typedef EP_VEC(struct ep_edge) ep_edges;
typedef EP_VEC(uint16_t) ep_ports;

/*
 * What packets from there are sent to: --dst, or else the global addresses of the device where
 * clients come in. What had to be assumed is added to live->doc.notes. May find none.
 */
int ep_edges_of(struct ep_live *live, const struct ep_start *start, ep_edges *ret) EP_MUST;
/* The device of the default route: table main, lowest metric; NULL if there is none. */
const struct ep_link *ep_default_device(const struct ep_netns *ns, uint8_t family);
/* An address that packets can be sent to, of that length. */
bool ep_addr_public(const struct ep_ifaddr *a, uint8_t addr_len);

/* ---- --origin (origin.c) ---- */

/*
 * A WHERE of --origin in the snapshot. On failure negative errno, with live->err set, and live->usage
 * where nothing of that name is there.
 */
int ep_origin_find(struct ep_live *live, const char *word, struct ep_start *ret) EP_MUST;

/* ---- the configuration (config.c, learn.c) ---- */

/*
 * The file of --config, or the usual one if it is there. Both return 0, or negative errno with
 * live->err set, which names the file and the place.
 */
int ep_config_use(struct ep_live *live, struct ep_config *ret) EP_MUST;
int ep_config_intents(struct ep_live *live, const struct ep_config *config,
		      struct ep_check_spec *spec) EP_MUST;
/* A configuration that says what is so now. */
void ep_learn(struct ep_buf *out, const struct ep_check *c);

/* The ports that were given, or those of the configuration, or the usual ones (check.c); in arena a. */
void ep_edge_ports(const struct ep_args *args, const struct ep_config *config, struct ep_arena *a,
		   ep_ports *ret);

/* ---- --without (without.c) ---- */

int ep_without_resolve(struct ep_live *live, const char *what) EP_MUST;

#endif
