// SPDX-License-Identifier: GPL-2.0-or-later
/* Routes of all tables and the policy rules (RTM_GETROUTE, RTM_GETRULE). */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collect/collect_i.h"
#include "collect/rtnl.h"

/* Linux 6.13 to 6.16 */
enum {
	EP_FRA_DSCP = 25,
	EP_FRA_FLOWLABEL,
	EP_FRA_FLOWLABEL_MASK,
	EP_FRA_SPORT_MASK,
	EP_FRA_DPORT_MASK,
	EP_FRA_DSCP_MASK
};

#define EP_TOS_LEGACY 0x1c /* what is left of IPv4's TOS byte: IPTOS_RT_MASK */

int ep_rtnl_dump(int fd, uint16_t type, size_t head, uint8_t family, ep_nl_cb cb, void *ctx)
{
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	unsigned char *m;

	req->nlmsg_type = type;
	req->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	m = mnl_nlmsg_put_extra_header(req, head);
	m[0] = family; /* every rtnetlink header begins with it */
	return ep_nl_request(fd, req, cb, ctx);
}

const void *ep_rtnl_head(const struct nlmsghdr *nlh, size_t head)
{
	return nlh->nlmsg_len >= NLMSG_LENGTH(head) ? NLMSG_DATA(nlh) : NULL;
}

int ep_rtnl_attrs(const struct nlmsghdr *nlh, size_t head, const struct ep_nla_policy *policy,
		  unsigned n, struct ep_nla *tb)
{
	size_t off = NLMSG_LENGTH(NLMSG_ALIGN(head));

	if (nlh->nlmsg_len < off)
		return -EBADMSG;
	return ep_nla_table((const char *)nlh + off, nlh->nlmsg_len - off, policy, n, tb);
}

static uint32_t u32_of(const struct ep_nla *at, uint32_t dflt)
{
	uint32_t v = dflt;

	if (at->data && at->len == sizeof(v))
		memcpy(&v, at->data, sizeof(v));
	return v;
}

/* An address attribute of the family's length, or absent. */
static bool addr_of(const struct ep_nla *at, uint8_t alen, struct ep_addr *ret)
{
	if (!at->data)
		return true;
	if (at->len != alen)
		return false;
	*ret = ep_addr_of(at->data, alen);
	return true;
}

/* ---- next hops ---- */

/* RTA_VIA: struct rtvia, a gateway of the other family. */
static bool via_of(const struct ep_nla *at, struct ep_addr *ret)
{
	uint16_t af;

	if (!at->data)
		return true;
	if (at->len < sizeof(af))
		return false;
	memcpy(&af, at->data, sizeof(af));
	if ((af != AF_INET || at->len != 6) && (af != AF_INET6 || at->len != 18))
		return false;
	*ret = ep_addr_of(at->data + 2, (uint8_t)(at->len - 2));
	return true;
}

static int one_hop(struct ep_arena *a, struct ep_route *r, const struct ep_nla *tb, uint8_t alen,
		   uint32_t ifindex, uint32_t weight, uint32_t flags)
{
	struct ep_nexthop h = {.ifindex = ifindex, .weight = weight, .flags = flags};

	if (!addr_of(&tb[RTA_GATEWAY], alen, &h.gw) || !via_of(&tb[RTA_VIA], &h.gw))
		return -EBADMSG;
	if (tb[RTA_ENCAP_TYPE].data)
		h.flags |= EP_NH_ENCAP;
	if (!r->hops.n) { /* mostly there is one only: full tables are large */
		r->hops.v = ep_alloc(a, sizeof(h));
		r->hops.cap = 1;
	}
	*ep_push(a, &r->hops) = h;
	return 0;
}

static const struct ep_nla_policy route_policy[RTA_NH_ID + 1] = {
	[RTA_DST] = EP_NLA_MAX(16),     [RTA_SRC] = EP_NLA_MAX(16),
	[RTA_OIF] = EP_NLA_NUM(4),      [RTA_GATEWAY] = EP_NLA_MAX(16),
	[RTA_PRIORITY] = EP_NLA_NUM(4), [RTA_PREFSRC] = EP_NLA_MAX(16),
	[RTA_MULTIPATH] = EP_NLA_NEST,  [RTA_TABLE] = EP_NLA_NUM(4),
	[RTA_VIA] = EP_NLA_MAX(18),     [RTA_ENCAP_TYPE] = EP_NLA_NUM(2),
	[RTA_NH_ID] = EP_NLA_NUM(4),    [RTA_PREF] = EP_NLA_NUM(1),
	[RTA_FLOW] = EP_NLA_NUM(4),
};

/* RTA_MULTIPATH: struct rtnexthop, each with attributes of its own. */
static int many_hops(struct ep_arena *a, struct ep_route *r, const struct ep_nla *mp, uint8_t alen)
{
	const uint8_t *p = mp->data;
	size_t left = mp->len;

	while (left >= sizeof(struct rtnexthop)) {
		struct ep_nla tb[RTA_NH_ID + 1];
		struct rtnexthop h;
		size_t step;
		int e;

		memcpy(&h, p, sizeof(h));
		if (h.rtnh_len < sizeof(h) || h.rtnh_len > left)
			return -EBADMSG;
		e = ep_nla_table(p + sizeof(h), h.rtnh_len - sizeof(h), route_policy, RTA_NH_ID + 1,
				 tb);
		e = e ? e :
			one_hop(a, r, tb, alen, (uint32_t)h.rtnh_ifindex, h.rtnh_hops + 1u,
				h.rtnh_flags);
		if (e)
			return e;
		r->realm |= tb[RTA_FLOW].data != NULL;
		step = RTNH_ALIGN(h.rtnh_len);
		if (step >= left)
			break;
		p += step;
		left -= step;
	}
	return 0;
}

/* ---- routes ---- */

static int decode_hops(struct ep_arena *a, struct ep_route *r, const struct rtmsg *m,
		       const struct ep_nla *tb, uint8_t alen)
{
	if (tb[RTA_MULTIPATH].data)
		return many_hops(a, r, &tb[RTA_MULTIPATH], alen);
	if (tb[RTA_OIF].data)
		return one_hop(a, r, tb, alen, u32_of(&tb[RTA_OIF], 0), 1, m->rtm_flags & 0xff);
	if (tb[RTA_NH_ID].data) /* net.ipv4.nexthop_compat_mode is 0 */
		*ep_push(a, &r->hops) = (struct ep_nexthop){.weight = u32_of(&tb[RTA_NH_ID], 0),
							    .flags = EP_RTNL_NH_ID};
	return 0;
}

int ep_rtnl_route_decode(struct ep_arena *a, const struct nlmsghdr *nlh, struct ep_route *ret)
{
	const struct rtmsg *m = ep_rtnl_head(nlh, sizeof(*m));
	struct ep_nla tb[RTA_NH_ID + 1];
	struct ep_route r = {};
	uint8_t alen;
	int e;

	if (!m || (m->rtm_family != AF_INET && m->rtm_family != AF_INET6))
		return -EBADMSG;
	alen = m->rtm_family == AF_INET ? 4 : 16;
	e = ep_rtnl_attrs(nlh, sizeof(*m), route_policy, RTA_NH_ID + 1, tb);
	if (e)
		return e;
	r.family = m->rtm_family;
	r.type = m->rtm_type;
	r.scope = m->rtm_scope;
	r.protocol = m->rtm_protocol;
	r.tos = m->rtm_tos;
	r.flags = m->rtm_flags;
	r.dst_len = m->rtm_dst_len;
	r.src_len = m->rtm_src_len;
	r.table = u32_of(&tb[RTA_TABLE], m->rtm_table);
	r.metric = u32_of(&tb[RTA_PRIORITY], 0);
	r.pref = tb[RTA_PREF].data ? *tb[RTA_PREF].data : 0;
	if (r.dst_len > alen * 8 || r.src_len > alen * 8 || !addr_of(&tb[RTA_DST], alen, &r.dst) ||
	    !addr_of(&tb[RTA_SRC], alen, &r.src) || !addr_of(&tb[RTA_PREFSRC], alen, &r.prefsrc) ||
	    (r.dst_len && !r.dst.len) || (r.src_len && !r.src.len))
		return -EBADMSG;
	r.realm = tb[RTA_FLOW].data != NULL;
	e = decode_hops(a, &r, m, tb, alen);
	if (!e)
		*ret = r;
	return e;
}

int ep_rtnl_route(struct ep_snapshot *s, struct ep_netns *ns, const struct nlmsghdr *nlh)
{
	const struct rtmsg *m = ep_rtnl_head(nlh, sizeof(*m));
	struct ep_route r;
	int e;

	if (!m || nlh->nlmsg_type != RTM_NEWROUTE)
		return m ? 0 : -EBADMSG;
	if ((m->rtm_family != AF_INET && m->rtm_family != AF_INET6) || m->rtm_flags & RTM_F_CLONED)
		return 0;
	e = ep_rtnl_route_decode(s->arena, nlh, &r);
	ns->realms |= !e && r.realm;
	if (!e)
		*ep_push(s->arena, &ns->routes) = r;
	return e;
}

/* ---- policy rules ---- */

static void pair16(const struct ep_nla *at, uint16_t *lo, uint16_t *hi)
{
	struct fib_rule_port_range p;

	if (!at->data)
		return;
	memcpy(&p, at->data, sizeof(p));
	*lo = p.start;
	*hi = p.end;
}

static const struct ep_nla_policy rule_policy[EP_FRA_DSCP_MASK + 1] = {
	[FRA_DST] = EP_NLA_MAX(16),
	[FRA_SRC] = EP_NLA_MAX(16),
	[FRA_IIFNAME] = EP_NLA_MAX(IFNAMSIZ),
	[FRA_OIFNAME] = EP_NLA_MAX(IFNAMSIZ),
	[FRA_GOTO] = EP_NLA_NUM(4),
	[FRA_PRIORITY] = EP_NLA_NUM(4),
	[FRA_FWMARK] = EP_NLA_NUM(4),
	[FRA_TUN_ID] = EP_NLA_NUM(8),
	[FRA_FWMASK] = EP_NLA_NUM(4),
	[FRA_SUPPRESS_IFGROUP] = EP_NLA_NUM(4),
	[FRA_SUPPRESS_PREFIXLEN] = EP_NLA_NUM(4),
	[FRA_TABLE] = EP_NLA_NUM(4),
	[FRA_FLOW] = EP_NLA_NUM(4),
	[FRA_L3MDEV] = EP_NLA_NUM(1),
	[FRA_UID_RANGE] = EP_NLA_NUM(8),
	[FRA_IP_PROTO] = EP_NLA_NUM(1),
	[FRA_SPORT_RANGE] = EP_NLA_NUM(4),
	[FRA_DPORT_RANGE] = EP_NLA_NUM(4),
	[EP_FRA_DSCP] = EP_NLA_NUM(1),
	[EP_FRA_FLOWLABEL] = EP_NLA_NUM(4),
	[EP_FRA_FLOWLABEL_MASK] = EP_NLA_NUM(4),
	[EP_FRA_SPORT_MASK] = EP_NLA_NUM(2),
	[EP_FRA_DPORT_MASK] = EP_NLA_NUM(2),
	[EP_FRA_DSCP_MASK] = EP_NLA_NUM(1),
};

/* `tos` of old; `dscp` of Linux 6.13, which is told even if it is 0. */
static void tos_of(const struct ep_nla *tb, const struct fib_rule_hdr *m, struct ep_policy *p)
{
	p->tos = m->tos;
	if (m->tos)
		p->tos_mask = m->family == AF_INET ? EP_TOS_LEGACY : 0xfc;
	if (!tb[EP_FRA_DSCP].data)
		return;
	p->tos = (uint8_t)(*tb[EP_FRA_DSCP].data << 2);
	p->tos_mask = tb[EP_FRA_DSCP_MASK].data ? (uint8_t)(*tb[EP_FRA_DSCP_MASK].data << 2) : 0xfc;
}

static uint16_t u16_of(const struct ep_nla *at)
{
	uint16_t v = 0;

	if (at->data && at->len == sizeof(v))
		memcpy(&v, at->data, sizeof(v));
	return v;
}

int ep_rtnl_policy(struct ep_snapshot *s, struct ep_netns *ns, const struct nlmsghdr *nlh)
{
	const struct fib_rule_hdr *m = ep_rtnl_head(nlh, sizeof(*m));
	struct ep_nla tb[EP_FRA_DSCP_MASK + 1];
	struct ep_policy p = {};
	uint8_t alen;
	int e;

	if (!m || nlh->nlmsg_type != RTM_NEWRULE)
		return m ? 0 : -EBADMSG;
	if (m->family != AF_INET && m->family != AF_INET6)
		return 0;
	alen = m->family == AF_INET ? 4 : 16;
	e = ep_rtnl_attrs(nlh, sizeof(*m), rule_policy, EP_FRA_DSCP_MASK + 1, tb);
	if (e)
		return e;
	p.family = m->family;
	p.action = m->action;
	tos_of(tb, m, &p);
	p.src_len = m->src_len;
	p.dst_len = m->dst_len;
	p.invert = m->flags & FIB_RULE_INVERT;
	p.priority = u32_of(&tb[FRA_PRIORITY], 0);
	p.table = u32_of(&tb[FRA_TABLE], m->table);
	p.target = u32_of(&tb[FRA_GOTO], 0);
	p.fwmark = u32_of(&tb[FRA_FWMARK], 0);
	p.fwmask = u32_of(&tb[FRA_FWMASK], p.fwmark ? UINT32_MAX : 0);
	p.suppress_prefixlen = (int)u32_of(&tb[FRA_SUPPRESS_PREFIXLEN], (uint32_t)-1);
	p.suppress_ifgroup = (int)u32_of(&tb[FRA_SUPPRESS_IFGROUP], (uint32_t)-1);
	p.iif = ep_nla_str(s->arena, &tb[FRA_IIFNAME]);
	p.oif = ep_nla_str(s->arena, &tb[FRA_OIFNAME]);
	p.l3mdev = tb[FRA_L3MDEV].data && *tb[FRA_L3MDEV].data;
	p.ip_proto = tb[FRA_IP_PROTO].data ? *tb[FRA_IP_PROTO].data : 0;
	p.has_uid = tb[FRA_UID_RANGE].data != NULL;
	if (p.has_uid) {
		memcpy(&p.uid_lo, tb[FRA_UID_RANGE].data, 4);
		memcpy(&p.uid_hi, tb[FRA_UID_RANGE].data + 4, 4);
	}
	pair16(&tb[FRA_SPORT_RANGE], &p.sport_lo, &p.sport_hi);
	pair16(&tb[FRA_DPORT_RANGE], &p.dport_lo, &p.dport_hi);
	p.sport_mask = u16_of(&tb[EP_FRA_SPORT_MASK]);
	p.dport_mask = u16_of(&tb[EP_FRA_DPORT_MASK]);
	p.flowlabel = (uint32_t)ep_nla_be(&tb[EP_FRA_FLOWLABEL], 0);
	p.flowlabel_mask = (uint32_t)ep_nla_be(&tb[EP_FRA_FLOWLABEL_MASK], 0);
	if (p.src_len > alen * 8 || p.dst_len > alen * 8 || !addr_of(&tb[FRA_SRC], alen, &p.src) ||
	    !addr_of(&tb[FRA_DST], alen, &p.dst) || (p.src_len && !p.src.len) ||
	    (p.dst_len && !p.dst.len))
		return -EBADMSG;
	/* What came through no tunnel has the id 0. */
	if (tb[FRA_TUN_ID].data && ep_nla_be(&tb[FRA_TUN_ID], 0) && !p.invert)
		p.action = FR_ACT_NOP;
	ns->realms |= tb[FRA_FLOW].data != NULL;
	*ep_push(s->arena, &ns->policies) = p;
	return 0;
}

/* ---- the collector ---- */

struct dump {
	struct ep_snapshot *s;
	struct ep_netns *ns;
};

static int on_route(const struct nlmsghdr *nlh, void *ctx)
{
	struct dump *d = ctx;

	return ep_rtnl_route(d->s, d->ns, nlh);
}

static int on_policy(const struct nlmsghdr *nlh, void *ctx)
{
	struct dump *d = ctx;

	return ep_rtnl_policy(d->s, d->ns, nlh);
}

/* A kernel without the family, or without policy rules, has none of it. */
static int dump_optional(int fd, uint16_t type, size_t head, uint8_t family, ep_nl_cb cb,
			 struct dump *d)
{
	int r = ep_rtnl_dump(fd, type, head, family, cb, d);

	return r == -EOPNOTSUPP || r == -EAFNOSUPPORT ? 0 : r;
}

static int read_all(struct dump *d, int fd)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	int r = 0;

	d->ns->routes.n = d->ns->policies.n = 0;
	d->ns->realms = false;
	for (size_t i = 0; i < EP_ARRAY_SIZE(families) && !r; i++) {
		r = dump_optional(fd, RTM_GETROUTE, sizeof(struct rtmsg), families[i], on_route, d);
		if (!r)
			r = dump_optional(fd, RTM_GETRULE, sizeof(struct fib_rule_hdr), families[i],
					  on_policy, d);
	}
	return r ? r : ep_rtnl_nexthops(d->s, d->ns, fd);
}

int ep_collect_routes(struct ep_snapshot *s, struct ep_netns *ns)
{
	struct dump d = {s, ns};
	int r = -EINTR;

	for (int i = 0; i < EP_RTNL_TRIES && r == -EINTR; i++) {
		int fd = ep_nl_open(ns, NETLINK_ROUTE);

		if (fd < 0)
			return fd;
		r = read_all(&d, fd);
		close(fd);
	}
	return r;
}
