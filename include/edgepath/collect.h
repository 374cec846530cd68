/* SPDX-License-Identifier: GPL-2.0-or-later */
/* collect: reads the kernel and the container runtimes into a snapshot. GET and DUMP only. */
#ifndef EDGEPATH_COLLECT_H
#define EDGEPATH_COLLECT_H

#include "edgepath/model.h"

struct ep_collect;

/*
 * Opens a live snapshot of this host; netns: name of /run/netns, a path, or NULL for the current
 * namespace. On success *ret is a snapshot whose provider asks the kernel on demand; free the
 * collector after the snapshot's last use, then the snapshot. On failure: negative errno and one
 * line in err ("no such network namespace: foo").
 * Done at once: host facts, namespaces (inode, name, pid), listeners with their processes,
 * containers. On demand: links, routes, rules.
 */
int ep_collect_open(const char *netns, struct ep_collect **ret, struct ep_snapshot **ret_snap,
		    char *err, size_t err_len) EP_MUST;
/* True when the nftables generation of a visited namespace has moved since it was read. */
bool ep_collect_changed(struct ep_collect *c, struct ep_snapshot *s);
/*
 * Adds the containers that nobody has asked about yet, since nothing in them listens: those of the
 * processes that network namespaces are known by.
 */
void ep_collect_every_container(struct ep_collect *c, struct ep_snapshot *s);
/* Fills exe, argv, unit, container of a process; loads containers if that was not done. */
void ep_collect_free(struct ep_collect *c); /* takes NULL */

#endif
