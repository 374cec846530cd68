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
/* link_info.c: IFLA_LINKINFO, what a device of its kind is like; and the number in an attribute. */
int ep_rtnl_link_info(struct ep_arena *a, const struct ep_nla *info, struct ep_link *l) EP_MUST;
uint32_t ep_rtnl_u32(const struct ep_nla *at, uint32_t dflt);
int ep_rtnl_addr(struct ep_snapshot *s, struct ep_netns *ns, const struct nlmsghdr *nlh) EP_MUST;
/* One RTM_NEWROUTE of IPv4 or IPv6. */
int ep_rtnl_route_decode(struct ep_arena *a, const struct nlmsghdr *nlh,
			 struct ep_route *ret) EP_MUST;
int ep_rtnl_route(struct ep_snapshot *s, struct ep_netns *ns, const struct nlmsghdr *nlh) EP_MUST;
int ep_rtnl_policy(struct ep_snapshot *s, struct ep_netns *ns, const struct nlmsghdr *nlh) EP_MUST;

/* neighs.c: one message of a dump of neighbours or of proxies; and both dumps. */
int ep_rtnl_neigh(struct ep_snapshot *s, struct ep_netns *ns, const struct nlmsghdr *nlh) EP_MUST;
int ep_rtnl_neighs(struct ep_snapshot *s, struct ep_netns *ns, int fd) EP_MUST;

/* A dump that a change has interrupted is begun anew, so often. */
#define EP_RTNL_TRIES 8

/* ep_nexthop.flags while a route names a next hop object: weight is its id. */
#define EP_RTNL_NH_ID (1u << 30)

struct ep_rtnl_member {
	uint32_t id, weight;
};

struct ep_rtnl_nh { /* a next hop object, or a group of them */
	uint32_t id;
	bool blackhole;
	struct ep_nexthop hop;
	EP_VEC(struct ep_rtnl_member) members;
};

typedef EP_VEC(struct ep_rtnl_nh) ep_rtnl_nhs;

/* nexthops.c: one message; and the objects that routes name put in their place, dumped if needed. */
int ep_rtnl_nexthop(struct ep_arena *a, ep_rtnl_nhs *to, const struct nlmsghdr *nlh) EP_MUST;
void ep_rtnl_expand(struct ep_arena *a, struct ep_netns *ns, const ep_rtnl_nhs *nhs);
int ep_rtnl_nexthops(struct ep_snapshot *s, struct ep_netns *ns, int fd) EP_MUST;

#endif
