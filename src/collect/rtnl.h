/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rtnetlink dumps and their messages; the decoders stand alone for the fuzzer. */
#ifndef EP_RTNL_H
#define EP_RTNL_H

#include "collect/nl.h"

/* Sends a dump request for a family (AF_UNSPEC: all); head: size of the message's own header. */
int ep_rtnl_dump(int fd, uint16_t type, size_t head, uint8_t family, ep_nl_cb cb,
		 void *ctx) EP_MUST;
/* The message's own header; NULL if the message is shorter. */
const void *ep_rtnl_head(const struct nlmsghdr *nlh, size_t head);
int ep_rtnl_attrs(const struct nlmsghdr *nlh, size_t head, const struct ep_nla_policy *policy,
		  unsigned n, struct ep_nla *tb) EP_MUST;

/* Each takes one message into ns; -EBADMSG if it is malformed. */
int ep_rtnl_link(struct ep_snapshot *s, struct ep_netns *ns, const struct nlmsghdr *nlh,
		 int32_t *ret_nsid) EP_MUST;
int ep_rtnl_addr(struct ep_snapshot *s, struct ep_netns *ns, const struct nlmsghdr *nlh) EP_MUST;
int ep_rtnl_route(struct ep_snapshot *s, struct ep_netns *ns, const struct nlmsghdr *nlh) EP_MUST;
int ep_rtnl_policy(struct ep_snapshot *s, struct ep_netns *ns, const struct nlmsghdr *nlh) EP_MUST;

#endif
