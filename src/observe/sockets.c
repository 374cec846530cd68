// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What sock_diag tells (uapi linux/inet_diag.h): connected sockets, and connection requests that a listener dropped since its queue was full: no packet tells of them, but
 * the socket counts (sk_drops, in SK_MEMINFO_DROPS of an inet_diag dump).
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "edgepath/collect.h"
#include "observe/conntrack.h"

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

static int dump_family(int fd, uint8_t family, uint32_t states, uint8_t ext, ep_nl_cb cb, void *ctx)
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
		      .idiag_ext = ext,
		      .idiag_states = states},
	};

	return ep_nl_request(fd, &req.nlh, cb, ctx);
}

int ep_queues_read(struct ep_arena *a, const struct ep_netns *ns, ep_queues *ret)
{
	struct dump d = {.a = a, .out = ret, .netns = ns->ino};
	uint8_t mem = 1 << (INET_DIAG_SKMEMINFO - 1);
	int fd, r;

	fd = ep_nl_open(ns, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return fd;
	r = dump_family(fd, AF_INET, 1 << STATE_LISTEN, mem, take_socket, &d);
	if (r == 0)
		r = dump_family(fd, AF_INET6, 1 << STATE_LISTEN, mem, take_socket, &d);
	close(fd);
	return r;
}

/* ---- connected sockets ---- */

/* All of net/tcp_states.h but SYN_SENT, SYN_RECV, CLOSE, LISTEN and the kernel's own */
#define STATES_CONNECTED (1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 9 | 1 << 11)

struct connected {
	const uint16_t *ports;
	size_t n_ports;
	void (*cb)(void *ctx, const struct ep_ct_tuple *t);
	void *ctx;
};

static struct ep_addr plain(const void *bytes, uint8_t family)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct ep_addr a = ep_addr_of(bytes, family == AF_INET ? 4 : 16);

	return a.len == 16 && !memcmp(a.b, mapped, 12) ? ep_addr_of(a.b + 12, 4) : a;
}

static int take_connected(const struct nlmsghdr *nlh, void *ctx)
{
	const struct connected *c = ctx;
	struct inet_diag_msg m;
	struct ep_ct_tuple t;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(m))
		return 0;
	memcpy(&m, mnl_nlmsg_get_payload(nlh), sizeof(m));
	t = (struct ep_ct_tuple){
		.src = plain(m.id.idiag_dst, m.idiag_family),
		.dst = plain(m.id.idiag_src, m.idiag_family),
		.sport = ntohs(m.id.idiag_dport),
		.dport = ntohs(m.id.idiag_sport),
	};
	for (size_t i = 0; i < c->n_ports; i++)
		if (c->ports[i] == t.dport)
			c->cb(c->ctx, &t);
	return 0;
}

int ep_established_read(const struct ep_netns *ns, const uint16_t *ports, size_t n_ports,
			void (*cb)(void *ctx, const struct ep_ct_tuple *t), void *ctx)
{
	struct connected c = {ports, n_ports, cb, ctx};
	int fd = ep_nl_open(ns, NETLINK_SOCK_DIAG), r;

	if (fd < 0)
		return fd;
	r = dump_family(fd, AF_INET, STATES_CONNECTED, 0, take_connected, &c);
	if (r == 0)
		r = dump_family(fd, AF_INET6, STATES_CONNECTED, 0, take_connected, &c);
	close(fd);
	return r == -EINTR ? 0 : r;
}
