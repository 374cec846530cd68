// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's own routing decisions: RTM_GETROUTE with RTM_F_FIB_MATCH (Linux 4.15). */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collect/collect_i.h"
#include "collect/rtnl.h"

#define MAX_KEPT 4096 /* answers */

struct answer {
	uint64_t netns;
	struct ep_route_ask ask;
	struct ep_route_told told;
};

struct open_socket {
	uint64_t netns;
	int fd;
};

struct ep_route_asker {
	EP_VEC(struct answer) kept;
	EP_VEC(struct open_socket) sockets;
};

static bool same(const struct ep_route_ask *x, const struct ep_route_ask *y)
{
	return ep_addr_eq(&x->dst, &y->dst) && ep_addr_eq(&x->src, &y->src) && x->iif == y->iif &&
	       x->mark == y->mark && x->sport == y->sport && x->dport == y->dport &&
	       x->root == y->root;
}

static int socket_of(struct ep_route_asker *k, struct ep_arena *a, const struct ep_netns *ns)
{
	int fd;

	ep_each(o, &k->sockets)
		if (o->netns == ns->ino)
			return o->fd;
	fd = ep_nl_open(ns, NETLINK_ROUTE);
	if (fd >= 0)
		*ep_push(a, &k->sockets) = (struct open_socket){ns->ino, fd};
	return fd;
}

struct receiver {
	struct ep_arena *arena;
	struct ep_route_told *told;
};

static int on_answer(const struct nlmsghdr *nlh, void *ctx)
{
	struct receiver *r = ctx;
	struct ep_route *route = &r->told->route;
	int e;

	if (nlh->nlmsg_type != RTM_NEWROUTE)
		return 0;
	e = ep_rtnl_route_decode(r->arena, nlh, route);
	if (!e && route->hops.n && route->hops.v[0].flags & EP_RTNL_NH_ID)
		route->hops.n = 0; /* named by an id alone */
	return e;
}

static void put_ask(struct nlmsghdr *req, const struct ep_route_ask *q)
{
	struct rtmsg *m = mnl_nlmsg_put_extra_header(req, sizeof(*m));

	m->rtm_family = q->dst.len == 4 ? AF_INET : AF_INET6;
	m->rtm_dst_len = q->dst.len * 8;
	m->rtm_flags = RTM_F_LOOKUP_TABLE | RTM_F_FIB_MATCH;
	mnl_attr_put(req, RTA_DST, q->dst.len, q->dst.b);
	if (q->src.len) {
		m->rtm_src_len = q->src.len * 8;
		mnl_attr_put(req, RTA_SRC, q->src.len, q->src.b);
	}
	if (q->iif)
		mnl_attr_put_u32(req, RTA_IIF, q->iif);
	if (q->mark)
		mnl_attr_put_u32(req, RTA_MARK, q->mark);
	if (q->root)
		mnl_attr_put_u32(req, RTA_UID, 0);
	mnl_attr_put_u8(req, RTA_IP_PROTO, IPPROTO_TCP);
	if (q->sport)
		mnl_attr_put_u16(req, RTA_SPORT, htons(q->sport));
	if (q->dport)
		mnl_attr_put_u16(req, RTA_DPORT, htons(q->dport));
}

/* An errno is an answer; but not those that say that the question was not understood. */
static bool is_answer(int error)
{
	return error == EINVAL || error == EXDEV || error == EHOSTUNREACH || error == ENETUNREACH ||
	       error == EACCES || error == EAGAIN;
}

static int ask(struct ep_route_asker *k, struct ep_arena *a, const struct ep_netns *ns,
	       const struct ep_route_ask *q, struct ep_route_told *ret)
{
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	struct receiver to = {a, ret};
	int fd = socket_of(k, a, ns), r;

	if (fd < 0)
		return fd;
	req->nlmsg_type = RTM_GETROUTE;
	req->nlmsg_flags = NLM_F_REQUEST;
	put_ask(req, q);
	*ret = (struct ep_route_told){};
	r = ep_nl_request(fd, req, on_answer, &to);
	if (r == -EBADMSG || (r < 0 && !is_answer(-r)))
		return r;
	ret->error = -r;
	return 0;
}

int ep_route_ask(struct ep_route_asker **asker, struct ep_snapshot *s, const struct ep_netns *ns,
		 const struct ep_route_ask *q, struct ep_route_told *ret)
{
	struct ep_route_asker *k = *asker;
	int r;

	if (!k)
		k = *asker = ep_alloc(s->arena, sizeof(*k));
	ep_each(it, &k->kept)
		if (it->netns == ns->ino && same(&it->ask, q)) {
			*ret = it->told;
			return 0;
		}
	if (k->kept.n == MAX_KEPT)
		return -ENOBUFS;
	r = ask(k, s->arena, ns, q, ret);
	if (r == 0)
		*ep_push(s->arena, &k->kept) = (struct answer){ns->ino, *q, *ret};
	return r;
}

void ep_route_asker_close(struct ep_route_asker *k)
{
	if (!k)
		return;
	ep_each(o, &k->sockets)
		close(o->fd);
}
