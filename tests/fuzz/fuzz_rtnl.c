// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Input: rtnetlink messages, one after the other, as the kernel sends them for dumps of links,
 * addresses, routes, policy rules and next hop objects.
 */
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "collect/rtnl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(struct ep_snapshot *s, struct ep_netns *ns, ep_rtnl_nhs *nhs,
		 const struct nlmsghdr *nlh)
{
	int32_t nsid;
	/* Each refuses the others' messages. */
	int r = ep_rtnl_link(s, ns, nlh, &nsid) | ep_rtnl_addr(s, ns, nlh) |
		ep_rtnl_route(s, ns, nlh) | ep_rtnl_policy(s, ns, nlh) |
		ep_rtnl_nexthop(s->arena, nhs, nlh) | ep_rtnl_neigh(s, ns, nlh);

	if (r > 0)
		abort();
}

static void check(const struct ep_netns *ns)
{
	ep_each(l, &ns->links)
		if (!l->name || !l->kind || !l->master_kind)
			abort();
	ep_each(r, &ns->routes)
		if (r->dst_len > r->dst.len * 8 || r->src_len > r->src.len * 8)
			abort();
	ep_each(p, &ns->policies)
		if (p->dst_len > p->dst.len * 8 || p->src_len > p->src.len * 8)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct ep_netns *ns = ep_netns_add(s, 1);
	ep_rtnl_nhs nhs = {};

	for (size_t off = 0; size - off >= sizeof(struct nlmsghdr);) {
		struct nlmsghdr h, *copy;

		memcpy(&h, data + off, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > size - off)
			break;
		copy = malloc(h.nlmsg_len); /* of its size, so that a byte too many is seen */
		if (!copy)
			abort();
		memcpy(copy, data + off, h.nlmsg_len);
		take(s, ns, &nhs, copy);
		free(copy);
		off += NLMSG_ALIGN((size_t)h.nlmsg_len) > size - off ?
			       size - off :
			       NLMSG_ALIGN((size_t)h.nlmsg_len);
	}
	ep_rtnl_expand(s->arena, ns, &nhs);
	check(ns);
	ep_snapshot_free(s);
	return 0;
}
