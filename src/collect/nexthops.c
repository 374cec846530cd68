// SPDX-License-Identifier: GPL-2.0-or-later
/* Next hop objects (RTM_GETNEXTHOP), for routes that only name one. */
#include <errno.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "collect/rtnl.h"

static uint32_t u32_of(const struct ep_nla *at)
{
	uint32_t v = 0;

	if (at->data && at->len == sizeof(v))
		memcpy(&v, at->data, sizeof(v));
	return v;
}

/* NHA_GROUP: an array of struct nexthop_grp; weights are one less than they count. */
static void members(struct ep_arena *a, struct ep_rtnl_nh *nh, const struct ep_nla *at)
{
	struct nexthop_grp g;

	for (size_t off = 0; at->data && off + sizeof(g) <= at->len; off += sizeof(g)) {
		memcpy(&g, at->data + off, sizeof(g));
		*ep_push(a, &nh->members) =
			(struct ep_rtnl_member){.id = g.id, .weight = g.weight + 1u};
	}
}

int ep_rtnl_nexthop(struct ep_arena *a, ep_rtnl_nhs *to, const struct nlmsghdr *nlh)
{
	static const struct ep_nla_policy policy[NHA_ENCAP_TYPE + 1] = {
		[NHA_ID] = EP_NLA_NUM(4),        [NHA_GROUP] = EP_NLA_NEST,
		[NHA_BLACKHOLE] = EP_NLA_NUM(0), [NHA_OIF] = EP_NLA_NUM(4),
		[NHA_GATEWAY] = EP_NLA_MAX(16),  [NHA_ENCAP_TYPE] = EP_NLA_NUM(2),
	};
	struct ep_nla tb[NHA_ENCAP_TYPE + 1];
	const struct nhmsg *m = ep_rtnl_head(nlh, sizeof(*m));
	struct ep_rtnl_nh nh = {};
	int r;

	if (!m || nlh->nlmsg_type != RTM_NEWNEXTHOP)
		return m ? 0 : -EBADMSG;
	r = ep_rtnl_attrs(nlh, sizeof(*m), policy, NHA_ENCAP_TYPE + 1, tb);
	if (r)
		return r;
	nh.id = u32_of(&tb[NHA_ID]);
	nh.blackhole = tb[NHA_BLACKHOLE].data != NULL;
	nh.hop.ifindex = u32_of(&tb[NHA_OIF]);
	nh.hop.flags = m->nh_flags | (tb[NHA_ENCAP_TYPE].data ? EP_NH_ENCAP : 0);
	if (tb[NHA_GATEWAY].len == 4 || tb[NHA_GATEWAY].len == 16)
		nh.hop.gw = ep_addr_of(tb[NHA_GATEWAY].data, (uint8_t)tb[NHA_GATEWAY].len);
	members(a, &nh, &tb[NHA_GROUP]);
	*ep_push(a, to) = nh;
	return 0;
}

static const struct ep_rtnl_nh *find(const ep_rtnl_nhs *nhs, uint32_t id)
{
	ep_each(n, nhs)
		if (n->id == id)
			return n;
	return NULL;
}

static void expand(struct ep_arena *a, struct ep_route *r, const ep_rtnl_nhs *nhs)
{
	const struct ep_rtnl_nh *nh = find(nhs, r->hops.v[0].weight), *one;

	/* One that is gone meanwhile leaves a hop that names no device. */
	r->hops.v[0].weight = 1;
	r->hops.v[0].flags = 0;
	if (!nh)
		return;
	if (nh->blackhole)
		r->type = RTN_BLACKHOLE;
	if (!nh->members.n) {
		r->hops.v[0] = nh->hop;
		r->hops.v[0].weight = 1;
		return;
	}
	r->hops.n = 0;
	ep_each(m, &nh->members) {
		one = find(nhs, m->id);
		if (!one)
			continue;
		*ep_push(a, &r->hops) = one->hop;
		r->hops.v[r->hops.n - 1].weight = m->weight;
	}
}

static bool unexpanded(const struct ep_route *r)
{
	return r->hops.n == 1 && r->hops.v[0].flags & EP_RTNL_NH_ID;
}

void ep_rtnl_expand(struct ep_arena *a, struct ep_netns *ns, const ep_rtnl_nhs *nhs)
{
	ep_each(r, &ns->routes)
		if (unexpanded(r))
			expand(a, r, nhs);
}

struct dump {
	struct ep_arena *a;
	ep_rtnl_nhs nhs;
};

static int on_nexthop(const struct nlmsghdr *nlh, void *ctx)
{
	struct dump *d = ctx;

	return ep_rtnl_nexthop(d->a, &d->nhs, nlh);
}

int ep_rtnl_nexthops(struct ep_snapshot *s, struct ep_netns *ns, int fd)
{
	struct dump d = {.a = s->arena};
	bool any = false;
	int r;

	ep_each(i, &ns->routes)
		any |= unexpanded(i);
	if (!any)
		return 0;
	r = ep_rtnl_dump(fd, RTM_GETNEXTHOP, sizeof(struct nhmsg), AF_UNSPEC, on_nexthop, &d);
	if (!r)
		ep_rtnl_expand(s->arena, ns, &d.nhs);
	return r;
}
