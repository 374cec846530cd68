/* SPDX-License-Identifier: GPL-2.0-or-later */
/* collect's inside: one file per source, each fills its part of the snapshot and reports completeness. */
#ifndef EP_COLLECT_I_H
#define EP_COLLECT_I_H

#include "edgepath/collect.h"

/* Opens netlink socket `proto` (NETLINK_ROUTE, NETLINK_NETFILTER) or any socket inside a namespace. */
int ep_ns_enter(const struct ep_netns *ns,
		int *ret_back_fd) EP_MUST; /* 0 or -errno; setns of this thread */
void ep_ns_leave(int back_fd); /* setns back and close; ends the process if that fails */

/* links.c, routes.c */
int ep_collect_links(struct ep_snapshot *s, struct ep_netns *ns) EP_MUST;
int ep_collect_routes(struct ep_snapshot *s, struct ep_netns *ns) EP_MUST;
/* route_ask.c: the kernel's own routing decision, asked once for each; -errno if it could not be asked.
 * *asker: NULL at first; lives in the snapshot's arena, but its sockets must be closed. */
struct ep_route_asker;
int ep_route_ask(struct ep_route_asker **asker, struct ep_snapshot *s, const struct ep_netns *ns,
		 const struct ep_route_ask *q, struct ep_route_told *ret) EP_MUST;
void ep_route_asker_close(struct ep_route_asker *k); /* takes NULL */
/* hooks.c: XDP, tc, sk_lookup and netfilter BPF programs in the packet's way */
int ep_collect_hooks(struct ep_snapshot *s, struct ep_netns *ns) EP_MUST;
/* ipvs.c: the services of IPVS, if it is loaded; ns->ipvs_unread says what went wrong. */
void ep_collect_ipvs(struct ep_snapshot *s, struct ep_netns *ns);
int ep_collect_hook_order(struct ep_snapshot *s, struct ep_netns *ns) EP_MUST;
/* nfqueue.c: which programs listen on queues; says in ns->queues_known whether that could be read */
void ep_collect_nfqueues(struct ep_snapshot *s, struct ep_netns *ns);
/* One line of /proc/net/netfilter/nfnetlink_queue (also for the fuzzer). */
bool ep_nfqueue_line(const char *line, size_t len, struct ep_nfqueue *ret);
/* One line of /proc/net/netlink: the inode of nfnetlink's socket with that port, or 0. */
uint64_t ep_netlink_line(const char *line, size_t len, uint32_t portid);
/* nft.c */
int ep_collect_nft(struct ep_snapshot *s,
		   struct ep_netns *ns) EP_MUST; /* tables, chains, sets; generation */
int ep_collect_nft_chain(struct ep_snapshot *s, struct ep_netns *ns,
			 struct ep_nft_chain *c) EP_MUST;
int ep_collect_nft_set(struct ep_snapshot *s, struct ep_netns *ns, struct ep_nft_set *set) EP_MUST;
/* Asks for one element (NFT_MSG_GETSETELEM without a dump), and for the catch-all one if there is none. */
int ep_collect_nft_elem(struct ep_snapshot *s, struct ep_netns *ns, const struct ep_nft_set *set,
			struct ep_nft_asked *a) EP_MUST;
int ep_collect_nft_generation(struct ep_netns *ns, uint32_t *ret) EP_MUST;
/* Decodes the payload of NFTA_RULE_EXPRESSIONS (also for the fuzzer); -EBADMSG if it is malformed. */
int ep_nft_decode_exprs(struct ep_arena *a, const void *payload, size_t len,
			struct ep_nft_rule *r) EP_MUST;
/* xtables.c: only tables that exist already */
int ep_collect_xtables(struct ep_snapshot *s, struct ep_netns *ns) EP_MUST;
/* One IPT_SO_GET_ENTRIES blob (struct ipt_entry / ip6t_entry array) with its hook offsets; for the fuzzer too. */
int ep_xt_decode(struct ep_arena *a, struct ep_xt_table *t, const void *blob, size_t len,
		 const uint32_t hook_entry[5], const uint32_t underflow[5]) EP_MUST;
int ep_collect_ipset(struct ep_snapshot *s, struct ep_netns *ns, uint16_t index) EP_MUST;
/* sockets_bpf.c, sockets_diag.c: listeners of every namespace with the processes that hold them */
int ep_collect_sockets(struct ep_snapshot *s) EP_MUST;
/* netns.c: every namespace of the host: /run/netns, and those of processes */
int ep_collect_netns(struct ep_snapshot *s) EP_MUST;
/* Name of /run/netns, path, or NULL for the present one; on failure -errno and one line in err. */
int ep_netns_resolve(struct ep_snapshot *s, const char *name, struct ep_netns **ret, char *err,
		     size_t err_len) EP_MUST;
/* The inode in "net:[4026531840]", the text of the link /proc/PID/ns/net; 0 if it is none. */
uint64_t ep_netns_of_link(const char *link, size_t len);
/* containers: docker.c, oci.c; cgroup path → container id is in cgroup.c */
int ep_collect_containers(struct ep_snapshot *s) EP_MUST;

#endif
