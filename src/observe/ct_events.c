// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Events of conntrack in one namespace: the multicast groups of ctnetlink, with a classic BPF filter
 * in the kernel that lets pass what came for an edge port (struct sock_filter, SKF_AD_NLATTR).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_compat.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edgepath/collect.h"
#include "observe/conntrack.h"

#define MAX_PORTS 128
#define ROOM      (4 << 20) /* bytes of events that may wait */

#define FIND(type, how)                                                             \
	BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, (type)),                                \
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + (how))), \
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0)

/* Without a filter all events come, and are passed over in here. */
static void filter_ports(int fd, const uint16_t *ports, size_t n)
{
	static const struct sock_filter head[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_IMM, NLMSG_HDRLEN + sizeof(struct nfgenmsg)),
		FIND(CTA_TUPLE_ORIG, SKF_AD_NLATTR),
		FIND(CTA_TUPLE_PROTO, SKF_AD_NLATTR_NEST),
		FIND(CTA_PROTO_DST_PORT, SKF_AD_NLATTR_NEST),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, NLA_HDRLEN),
	};
	struct sock_filter code[EP_ARRAY_SIZE(head) + 2 * MAX_PORTS + 1];
	struct sock_fprog prog = {.filter = code};
	unsigned short len = 0;

	if (n > MAX_PORTS)
		return;
	for (size_t i = 0; i < EP_ARRAY_SIZE(head); i++)
		code[len++] = head[i];
	for (size_t i = 0; i < n; i++) {
		code[len++] =
			(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ports[i], 0, 1);
		code[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	}
	code[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	prog.len = len;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return;
}

int ep_ct_listen(const struct ep_netns *ns, const uint16_t *ports, size_t n_ports)
{
	int room = ROOM, fd;

	/* Joining the groups would load them. */
	if (ep_module_unloaded("nf_conntrack_netlink") || ep_module_unloaded("nf_conntrack"))
		return -ENOENT;
	fd = ep_nl_listen(ns, NETLINK_NETFILTER,
			  NF_NETLINK_CONNTRACK_NEW | NF_NETLINK_CONNTRACK_UPDATE |
				  NF_NETLINK_CONNTRACK_DESTROY);
	if (fd < 0)
		return fd;
	filter_ports(fd, ports, n_ports);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	return fd;
}

static void take(const struct nlmsghdr *nlh, ep_ct_event_cb cb, void *ctx)
{
	enum ep_ct_event e = (nlh->nlmsg_type & 0xff) == IPCTNL_MSG_CT_DELETE ? EP_CT_GONE :
			     nlh->nlmsg_flags & NLM_F_CREATE                  ? EP_CT_NEW :
										EP_CT_CHANGED;
	struct ep_ct ct;

	if (nlh->nlmsg_type >> 8 == NFNL_SUBSYS_CTNETLINK &&
	    ep_ct_decode(mnl_nlmsg_get_payload(nlh), mnl_nlmsg_get_payload_len(nlh), &ct))
		cb(ctx, e, &ct);
}

int ep_ct_read(int fd, ep_ct_event_cb cb, void *ctx)
{
	char buf[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
	int lost = 0;

	for (;;) {
		struct sockaddr_nl from = {.nl_pid = UINT32_MAX};
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from,
				     &from_len);
		const struct nlmsghdr *nlh = (const void *)buf;
		int left = (int)n;

		if (n < 0 && errno == ENOBUFS) {
			lost++;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? lost : -errno;
		if (from.nl_pid)
			continue;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			take(nlh, cb, ctx);
	}
}
