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

/* ---- netlink, for other readers of the kernel ---- */

struct nlmsghdr;

/* Takes one message of an answer: 0, or -errno, which ends the request. */
typedef int (*ep_nl_cb)(const struct nlmsghdr *nlh, void *ctx);

/* A socket of that netlink protocol inside ns; file descriptor or -errno. */
int ep_nl_open(const struct ep_netns *ns, int proto) EP_MUST;
/*
 * Sends a GET or DUMP request and gives every message of the answer to cb (which may be NULL).
 * 0 or -errno; -EINTR: the kernel says that a dump was interrupted by a change (NLM_F_DUMP_INTR),
 * what cb has seen may be a mixture. After a failure the socket is of no further use.
 */
int ep_nl_request(int fd, struct nlmsghdr *req, ep_nl_cb cb, void *ctx) EP_MUST;

/*
 * A socket that hears the multicast groups (a mask) of that netlink protocol inside ns; does not block.
 * File descriptor or -errno. The caller makes sure that no module is loaded by it.
 */
int ep_nl_listen(const struct ep_netns *ns, int proto, uint32_t groups) EP_MUST;
/*
 * A socket inside a namespace that was named as for ep_collect_open(); file descriptor, or -errno with one
 * line in err.
 */
int ep_netns_socket(const char *netns, int family, int type, int proto, char *err,
		    size_t err_len) EP_MUST;
/* True if the kernel has `name` as a module that is not loaded: then it holds nothing, and asking it
 * would load it. */
bool ep_module_unloaded(const char *name);
/* Is it loaded as a module? */
bool ep_module_present(const char *name);
/* Finds a process of the snapshot, or reads it from /proc and adds it; NULL if it is gone. */
struct ep_proc *ep_collect_proc(struct ep_snapshot *s, int pid);

#endif
