/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel remembers of packets: decoders without I/O, for the collectors, tests and the fuzzer. */
#ifndef EP_COLLECT_REMEMBER_H
#define EP_COLLECT_REMEMBER_H

#include "collect/nl.h"

/* The kernel's clock that time stamps of packets are in; hz 0: it could not be read. */
struct ep_jiffies {
	uint64_t now;
	unsigned hz;
};

/* Finds the clock in the beginning of /proc/timer_list; hz stays 0 if it is not in there. */
void ep_jiffies_parse(const char *timer_list, struct ep_jiffies *ret);
struct ep_jiffies ep_jiffies_read(void);

/* Lines of /proc/net/xt_recent/NAME; -EBADMSG. */
int ep_recent_parse(struct ep_arena *a, const char *text, const struct ep_jiffies *j,
		    struct ep_recent *ret) EP_MUST;
/* Lines of /proc/net/ipt_hashlimit/NAME or ip6t_hashlimit/NAME, by ret->family; -EBADMSG. */
int ep_hashlimit_parse(struct ep_arena *a, const char *text, struct ep_hashlimit *ret) EP_MUST;
/* Attributes of one conntrack entry (IPCTNL_MSG_CT_NEW). */
int ep_conn_decode(const void *attrs, size_t len, struct ep_conn *ret) EP_MUST;
/* Attributes of one accounting object (NFNL_MSG_ACCT_NEW). */
int ep_acct_decode(const void *attrs, size_t len, struct ep_acct *ret) EP_MUST;
/* Puts entries with the same addresses together. */
void ep_conns_merge(struct ep_conns *c);

/* A file of /proc/net in the namespace: dir/name below it. */
int ep_read_proc_net(struct ep_arena *a, const struct ep_netns *ns, const char *dir,
		     const char *name, char **ret) EP_MUST;

int ep_collect_recent(struct ep_snapshot *s, struct ep_netns *ns, struct ep_recent *r) EP_MUST;
int ep_collect_hashlimit(struct ep_snapshot *s, struct ep_netns *ns,
			 struct ep_hashlimit *h) EP_MUST;
int ep_collect_acct(struct ep_snapshot *s, struct ep_netns *ns, struct ep_acct *a) EP_MUST;
/* ns->conns: how many; with list also which. */
int ep_collect_conns(struct ep_snapshot *s, struct ep_netns *ns, bool list) EP_MUST;

#endif
