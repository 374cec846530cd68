// SPDX-License-Identifier: GPL-2.0-or-later
/* Netlink requests (RFC 3549, uapi linux/netlink.h) and attributes. */
#include "collect/nl.h"
#include "collect/collect_i.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel fills up to 32 KiB at a time, and only as much as the reader has room for. */
#define RECV_SIZE (64 * 1024)

int ep_nl_open(const struct ep_netns *ns, int proto)
{
	int back, fd, r;

	r = ep_ns_enter(ns, &back);
	if (r < 0)
		return r;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, proto);
	r = fd < 0 ? -errno : fd;
	ep_ns_leave(back);
	return r;
}

int ep_nl_listen(const struct ep_netns *ns, int proto, uint32_t groups)
{
	struct sockaddr_nl us = {.nl_family = AF_NETLINK, .nl_groups = groups};
	int back, fd, r;

	r = ep_ns_enter(ns, &back);
	if (r < 0)
		return r;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);
	r = fd;
	if (fd < 0 || bind(fd, (struct sockaddr *)&us, sizeof(us)) < 0)
		r = -errno;
	ep_ns_leave(back);
	if (r < 0 && fd >= 0)
		close(fd);
	return r;
}

/* 1: go on; 0: that was all; -errno. */
static int take_message(const struct nlmsghdr *nlh, const struct nlmsghdr *req, ep_nl_cb cb,
			void *ctx)
{
	int r, code = 0;

	if (nlh->nlmsg_seq != req->nlmsg_seq)
		return 1;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		return -EINTR;
	switch (nlh->nlmsg_type) {
	case NLMSG_ERROR:
	case NLMSG_DONE:
		if (nlh->nlmsg_len >= NLMSG_HDRLEN + sizeof(code))
			memcpy(&code, NLMSG_DATA(nlh), sizeof(code));
		return code < 0 ? code : 0;
	case NLMSG_NOOP:
		return 1;
	case NLMSG_OVERRUN:
		return -ENOBUFS;
	}
	r = cb ? cb(nlh, ctx) : 0;
	if (r < 0)
		return r;
	return nlh->nlmsg_flags & NLM_F_MULTI ? 1 : 0;
}

static int take_datagram(const void *buf, int len, const struct nlmsghdr *req, ep_nl_cb cb,
			 void *ctx)
{
	const struct nlmsghdr *nlh = buf;
	int r = 1;

	for (; r > 0 && mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len))
		r = take_message(nlh, req, cb, ctx);
	return r;
}

static int receive(int fd, const struct nlmsghdr *req, void *buf, ep_nl_cb cb, void *ctx)
{
	int r = 1;

	while (r > 0) {
		struct sockaddr_nl from = {.nl_pid = UINT32_MAX};
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, RECV_SIZE, MSG_TRUNC, (struct sockaddr *)&from,
				     &from_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n > RECV_SIZE)
			return -EMSGSIZE;
		if (from.nl_pid == 0) /* the kernel: other processes may write to us as well */
			r = take_datagram(buf, (int)n, req, cb, ctx);
	}
	return r;
}

int ep_nl_request(int fd, struct nlmsghdr *req, ep_nl_cb cb, void *ctx)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	void *buf;
	int r;

	if (sendto(fd, req, req->nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	buf = malloc(RECV_SIZE);
	if (!buf)
		return -ENOMEM;
	r = receive(fd, req, buf, cb, ctx);
	free(buf);
	return r;
}

struct nlmsghdr *ep_nl_nfnl(void *buf, uint8_t subsys, uint8_t msg, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(req, sizeof(*nfg));

	req->nlmsg_type = (uint16_t)(subsys << 8 | msg);
	req->nlmsg_flags = NLM_F_REQUEST | flags;
	req->nlmsg_seq = 1;
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	return req;
}

bool ep_nl_put_str(struct nlmsghdr *req, uint16_t type, const char *s)
{
	return mnl_attr_put_strz_check(req, EP_NL_REQ_SIZE, type, s);
}

const void *ep_nl_nfnl_attrs(const struct nlmsghdr *nlh, uint8_t *ret_family, size_t *ret_len)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);

	if (len < NLMSG_ALIGN(sizeof(*nfg)))
		return NULL;
	if (ret_family)
		*ret_family = nfg->nfgen_family;
	*ret_len = len - NLMSG_ALIGN(sizeof(*nfg));
	return (const char *)nfg + NLMSG_ALIGN(sizeof(*nfg));
}

/* ---- attributes ---- */

bool ep_nla_next(struct ep_nla_iter *it, struct ep_nla *ret)
{
	struct nlattr h;
	size_t step;

	if (it->left < sizeof(h))
		return false;
	memcpy(&h, it->p, sizeof(h));
	if (h.nla_len < sizeof(h) || h.nla_len > it->left)
		return false;
	ret->type = h.nla_type & NLA_TYPE_MASK;
	ret->len = h.nla_len - sizeof(h);
	ret->data = it->p + sizeof(h);
	step = NLA_ALIGN((size_t)h.nla_len);
	if (step > it->left)
		step = it->left;
	it->p += step;
	it->left -= step;
	return true;
}

int ep_nla_table(const void *p, size_t len, const struct ep_nla_policy *policy, unsigned n,
		 struct ep_nla *tb)
{
	struct ep_nla_iter it = {p, len};
	struct ep_nla at;

	memset(tb, 0, n * sizeof(*tb));
	while (ep_nla_next(&it, &at)) {
		const struct ep_nla_policy *want = at.type < n ? &policy[at.type] : NULL;

		if (!want || want->kind == EP_NLA_IGNORED)
			continue;
		if (at.len > want->len || (want->kind == EP_NLA_FIXED && at.len != want->len))
			return -EBADMSG;
		tb[at.type] = at;
	}
	return it.left ? -EBADMSG : 0;
}

uint64_t ep_nla_be(const struct ep_nla *at, uint64_t dflt)
{
	uint64_t v = 0;

	if (!at->data || !at->len || at->len > sizeof(v))
		return dflt;
	for (unsigned i = 0; i < at->len; i++)
		v = v << 8 | at->data[i];
	return v;
}

char *ep_nla_str(struct ep_arena *a, const struct ep_nla *at)
{
	return at->data ? ep_strndup(a, (const char *)at->data, at->len) : NULL;
}
