// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections, for matches that count them: how many there are, and (uapi
 * linux/netfilter/nfnetlink_conntrack.h) their addresses; and accounting objects (nfnetlink_acct.h).
 */
#include "collect/remember.h"
#include "collect/collect_i.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_acct.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_LISTED 65536 /* of more connections only the number is read */

static int take_tuple(const struct ep_nla *tuple, struct ep_addr *src, struct ep_addr *dst)
{
	static const struct ep_nla_policy outer[] = {[CTA_TUPLE_IP] = EP_NLA_NEST};
	static const struct ep_nla_policy inner[] = {
		[CTA_IP_V4_SRC] = EP_NLA_NUM(4),
		[CTA_IP_V4_DST] = EP_NLA_NUM(4),
		[CTA_IP_V6_SRC] = EP_NLA_NUM(16),
		[CTA_IP_V6_DST] = EP_NLA_NUM(16),
	};
	struct ep_nla tb[EP_ARRAY_SIZE(outer)], ip[EP_ARRAY_SIZE(inner)];
	int r = ep_nla_table(tuple->data, tuple->len, outer, EP_ARRAY_SIZE(tb), tb);

	if (r == 0)
		r = ep_nla_table(tb[CTA_TUPLE_IP].data, tb[CTA_TUPLE_IP].len, inner,
				 EP_ARRAY_SIZE(ip), ip);
	if (r < 0)
		return r;
	if (ip[CTA_IP_V4_SRC].data && ip[CTA_IP_V4_DST].data) {
		*src = ep_addr_of(ip[CTA_IP_V4_SRC].data, 4);
		*dst = ep_addr_of(ip[CTA_IP_V4_DST].data, 4);
	} else if (ip[CTA_IP_V6_SRC].data && ip[CTA_IP_V6_DST].data) {
		*src = ep_addr_of(ip[CTA_IP_V6_SRC].data, 16);
		*dst = ep_addr_of(ip[CTA_IP_V6_DST].data, 16);
	}
	return 0;
}

/* The state is a TCP connection's; others have none, and are open as long as they are there. */
static int take_closed(const struct ep_nla *info, bool *ret)
{
	static const struct ep_nla_policy outer[] = {[CTA_PROTOINFO_TCP] = EP_NLA_NEST};
	static const struct ep_nla_policy inner[] = {[CTA_PROTOINFO_TCP_STATE] = EP_NLA_NUM(1)};
	struct ep_nla tb[EP_ARRAY_SIZE(outer)], tcp[EP_ARRAY_SIZE(inner)];
	int r = ep_nla_table(info->data, info->len, outer, EP_ARRAY_SIZE(tb), tb);
	uint64_t state;

	if (r == 0)
		r = ep_nla_table(tb[CTA_PROTOINFO_TCP].data, tb[CTA_PROTOINFO_TCP].len, inner,
				 EP_ARRAY_SIZE(tcp), tcp);
	if (r < 0)
		return r;
	state = ep_nla_be(&tcp[CTA_PROTOINFO_TCP_STATE], TCP_CONNTRACK_NONE);
	*ret = state == TCP_CONNTRACK_TIME_WAIT || state == TCP_CONNTRACK_CLOSE;
	return 0;
}

int ep_conn_decode(const void *attrs, size_t len, struct ep_conn *ret)
{
	static const struct ep_nla_policy policy[] = {
		[CTA_TUPLE_ORIG] = EP_NLA_NEST,
		[CTA_TUPLE_REPLY] = EP_NLA_NEST,
		[CTA_PROTOINFO] = EP_NLA_NEST,
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	bool closed = false;
	int r = ep_nla_table(attrs, len, policy, EP_ARRAY_SIZE(tb), tb);

	*ret = (struct ep_conn){.n = 1};
	if (r == 0)
		r = take_tuple(&tb[CTA_TUPLE_ORIG], &ret->src, &ret->dst);
	if (r == 0)
		r = take_tuple(&tb[CTA_TUPLE_REPLY], &ret->reply_src, &ret->reply_dst);
	if (r == 0)
		r = take_closed(&tb[CTA_PROTOINFO], &closed);
	ret->closed = closed;
	return r;
}

/* Addresses of fixed length with zeros behind: they may be compared as bytes. */
static int by_addrs(const void *x, const void *y)
{
	return memcmp(x, y, offsetof(struct ep_conn, n));
}

void ep_conns_merge(struct ep_conns *c)
{
	size_t n = 0;

	if (c->list.n)
		qsort(c->list.v, c->list.n, sizeof(*c->list.v), by_addrs);
	for (size_t i = 0; i < c->list.n; i++) {
		struct ep_conn *last = n ? &c->list.v[n - 1] : NULL;

		if (last && !by_addrs(last, &c->list.v[i])) {
			last->n += c->list.v[i].n;
			last->closed += c->list.v[i].closed;
		} else {
			c->list.v[n++] = c->list.v[i];
		}
	}
	c->list.n = n;
}

struct answer {
	struct ep_arena *a;
	struct ep_conns *conns;
	struct ep_acct *acct;
	bool found;
};

static int take_conn(const struct nlmsghdr *nlh, void *ctx)
{
	struct answer *ans = ctx;
	struct ep_conn c;
	const void *p;
	size_t len;
	int r;

	p = ep_nl_nfnl_attrs(nlh, NULL, &len);
	if (!p)
		return -EBADMSG;
	if (ans->conns->list.n >= MAX_LISTED)
		return -E2BIG;
	r = ep_conn_decode(p, len, &c);
	if (r == 0 && c.src.len)
		*ep_push(ans->a, &ans->conns->list) = c;
	return r;
}

static int read_total(struct ep_netns *ns)
{
	struct ep_arena *tmp = ep_arena_new();
	char *text = NULL, *end;
	int back, r = ep_ns_enter(ns, &back);

	if (r == 0) {
		r = ep_read_file(tmp, "/proc/sys/net/netfilter/nf_conntrack_count", 64, &text,
				 NULL);
		ep_ns_leave(back);
	}
	if (r == 0) {
		ns->conns.total = strtoull(text, &end, 10);
		ns->conns.counted = end != text;
	}
	ep_arena_free(tmp);
	return r;
}

int ep_collect_conns(struct ep_snapshot *s, struct ep_netns *ns, bool list)
{
	struct answer ans = {.a = s->arena, .conns = &ns->conns};
	char buf[EP_NL_REQ_SIZE];
	int fd, r = ns->conns.counted ? 0 : read_total(ns);

	if (r < 0 || !list)
		return r;
	if (ns->conns.total > MAX_LISTED || ep_module_unloaded("nf_conntrack_netlink"))
		return -E2BIG;
	fd = ep_nl_open(ns, NETLINK_NETFILTER);
	if (fd < 0)
		return fd;
	r = ep_nl_request(fd,
			  ep_nl_nfnl(buf, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_DUMP,
				     AF_UNSPEC),
			  take_conn, &ans);
	close(fd);
	if (r < 0)
		return r;
	ep_conns_merge(&ns->conns);
	ns->conns.loaded = true;
	return 0;
}

/* ---- accounting objects ---- */

int ep_acct_decode(const void *attrs, size_t len, struct ep_acct *ret)
{
	static const struct ep_nla_policy policy[] = {
		[NFACCT_PKTS] = EP_NLA_NUM(8),
		[NFACCT_BYTES] = EP_NLA_NUM(8),
		[NFACCT_FLAGS] = EP_NLA_NUM(4),
		[NFACCT_QUOTA] = EP_NLA_NUM(8),
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	int r = ep_nla_table(attrs, len, policy, EP_ARRAY_SIZE(tb), tb);

	if (r < 0)
		return r;
	if (!tb[NFACCT_PKTS].data || !tb[NFACCT_BYTES].data)
		return -EBADMSG;
	ret->packets = ep_nla_be(&tb[NFACCT_PKTS], 0);
	ret->bytes = ep_nla_be(&tb[NFACCT_BYTES], 0);
	ret->flags = (uint32_t)ep_nla_be(&tb[NFACCT_FLAGS], 0);
	ret->quota = ep_nla_be(&tb[NFACCT_QUOTA], 0);
	return 0;
}

static int take_acct(const struct nlmsghdr *nlh, void *ctx)
{
	struct answer *ans = ctx;
	const void *p;
	size_t len;

	p = ep_nl_nfnl_attrs(nlh, NULL, &len);
	ans->found = true;
	return p ? ep_acct_decode(p, len, ans->acct) : -EBADMSG;
}

int ep_collect_acct(struct ep_snapshot *s, struct ep_netns *ns, struct ep_acct *a)
{
	struct answer ans = {.a = s->arena, .acct = a};
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *req = ep_nl_nfnl(buf, NFNL_SUBSYS_ACCT, NFNL_MSG_ACCT_GET, 0, AF_UNSPEC);
	int r, fd;

	if (!ep_nl_put_str(req, NFACCT_NAME, a->name))
		return -ENAMETOOLONG;
	fd = ep_nl_open(ns, NETLINK_NETFILTER);
	if (fd < 0)
		return fd;
	r = ep_nl_request(fd, req, take_acct, &ans);
	close(fd);
	return r < 0 || ans.found ? r : -ENOENT;
}
