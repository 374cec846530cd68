// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Neighbours that an administrator set (RTM_GETNEIGH): permanent entries, which need no answer from
 * anyone, and the addresses that this host answers for. What the kernel has learned is left out.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "collect/collect_i.h"
#include "collect/rtnl.h"

struct dump {
	struct ep_snapshot *s;
	struct ep_netns *ns;
};

int ep_rtnl_neigh(struct ep_snapshot *s, struct ep_netns *ns, const struct nlmsghdr *nlh)
{
	static const struct ep_nla_policy policy[NDA_LLADDR + 1] = {
		[NDA_DST] = EP_NLA_MAX(16), [NDA_LLADDR] = EP_NLA_MAX(32)};
	struct ep_nla tb[NDA_LLADDR + 1];
	const struct ndmsg *m = ep_rtnl_head(nlh, sizeof(*m));
	struct ep_neigh n = {};
	int r;

	if (!m || nlh->nlmsg_type != RTM_NEWNEIGH)
		return m ? 0 : -EBADMSG;
	if ((m->ndm_family != AF_INET && m->ndm_family != AF_INET6) ||
	    (!(m->ndm_flags & NTF_PROXY) && !(m->ndm_state & NUD_PERMANENT)))
		return 0;
	r = ep_rtnl_attrs(nlh, sizeof(*m), policy, NDA_LLADDR + 1, tb);
	if (r)
		return r;
	if (!tb[NDA_DST].data || tb[NDA_DST].len != (m->ndm_family == AF_INET ? 4 : 16))
		return -EBADMSG;
	n.ifindex = (uint32_t)m->ndm_ifindex;
	n.addr = ep_addr_of(tb[NDA_DST].data, (uint8_t)tb[NDA_DST].len);
	n.state = m->ndm_state;
	n.flags = m->ndm_flags & NTF_PROXY;
	if (tb[NDA_LLADDR].data && tb[NDA_LLADDR].len == sizeof(n.mac))
		memcpy(n.mac, tb[NDA_LLADDR].data, sizeof(n.mac));
	*ep_push(s->arena, &ns->neighs) = n;
	return 0;
}

static int on_neigh(const struct nlmsghdr *nlh, void *ctx)
{
	struct dump *d = ctx;

	return ep_rtnl_neigh(d->s, d->ns, nlh);
}

static int dump(struct dump *d, int fd, uint8_t flags)
{
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	struct ndmsg *m;

	req->nlmsg_type = RTM_GETNEIGH;
	req->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	m = mnl_nlmsg_put_extra_header(req, sizeof(*m));
	m->ndm_family = AF_UNSPEC;
	m->ndm_flags = flags;
	return ep_nl_request(fd, req, on_neigh, d);
}

int ep_rtnl_neighs(struct ep_snapshot *s, struct ep_netns *ns, int fd)
{
	struct dump d = {.s = s, .ns = ns};
	int r;

	ns->neighs.n = 0;
	r = dump(&d, fd, 0);
	return r ? r : dump(&d, fd, NTF_PROXY);
}
