// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connection requests that a listener dropped since its queue was full: no packet tells of them, but
 * the socket counts (sk_drops, in SK_MEMINFO_DROPS of an inet_diag dump).
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "edgepath/collect.h"
#include "observe/observe_i.h"

#define STATE_LISTEN 10 /* TCP_LISTEN of the kernel's net/tcp_states.h */

struct dump {
	struct ep_arena *a;
	ep_queues *out;
	uint64_t netns;
};

static int take_socket(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *attr;
	struct dump *d = ctx;
	struct inet_diag_msg m;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(m))
		return 0;
	memcpy(&m, mnl_nlmsg_get_payload(nlh), sizeof(m));
	mnl_attr_for_each(attr, nlh, sizeof(m))
	{
		uint32_t mem[SK_MEMINFO_DROPS + 1];

		if (mnl_attr_get_type(attr) != INET_DIAG_SKMEMINFO ||
		    mnl_attr_get_payload_len(attr) < sizeof(mem))
			continue;
		memcpy(mem, mnl_attr_get_payload(attr), sizeof(mem));
		*ep_push(d->a, d->out) = (struct ep_queue){
			.netns = d->netns, .ino = m.idiag_inode, .drops = mem[SK_MEMINFO_DROPS]};
	}
	return 0;
}

static int dump_family(int fd, uint8_t family, struct dump *d)
{
	struct {
		struct nlmsghdr nlh;
		struct inet_diag_req_v2 r;
	} req = {
		.nlh = {.nlmsg_len = sizeof(req),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			.nlmsg_seq = family},
		.r = {.sdiag_family = family,
		      .sdiag_protocol = IPPROTO_TCP,
		      .idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1),
		      .idiag_states = 1 << STATE_LISTEN},
	};

	return ep_nl_request(fd, &req.nlh, take_socket, d);
}

int ep_queues_read(struct ep_arena *a, const struct ep_netns *ns, ep_queues *ret)
{
	struct dump d = {.a = a, .out = ret, .netns = ns->ino};
	int fd, r;

	fd = ep_nl_open(ns, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return fd;
	r = dump_family(fd, AF_INET, &d);
	if (r == 0)
		r = dump_family(fd, AF_INET6, &d);
	close(fd);
	return r;
}
