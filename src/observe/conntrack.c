// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Conntrack entries as ctnetlink tells them (uapi linux/netfilter/nfnetlink_conntrack.h): decoded, and
 * dumped. GET only; the kernel filters by port from 5.8 on, and the reader does in any case.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "edgepath/collect.h"
#include "observe/conntrack.h"

/* enum ctattr_filter and the flags of include/net/netfilter/nf_conntrack_core.h, Linux 5.8 */
#define FILTER_ATTR        25
#define FILTER_ORIG_FLAGS  1
#define FILTER_REPLY_FLAGS 2
#define FILTER_F_PROTO_NUM (1 << 3)
#define FILTER_F_PROTO_DST (1 << 5)

#define FEW 20000 /* entries: told in one dump */

/* ---- decoding ---- */

struct nest {
	const uint8_t *p;
	size_t len;
};

/* The payload of the first attribute of that type; false if there is none, or its length is wrong. */
static bool find(struct nest in, uint16_t type, size_t exact, struct nest *ret)
{
	while (in.len >= NLA_HDRLEN) {
		struct nlattr a;
		size_t step;

		memcpy(&a, in.p, sizeof(a));
		if (a.nla_len < NLA_HDRLEN || a.nla_len > in.len)
			return false;
		if ((a.nla_type & NLA_TYPE_MASK) == type) {
			*ret = (struct nest){in.p + NLA_HDRLEN, a.nla_len - (size_t)NLA_HDRLEN};
			return !exact || ret->len == exact;
		}
		step = NLA_ALIGN(a.nla_len);
		step = step > in.len ? in.len : step;
		in.p += step;
		in.len -= step;
	}
	return false;
}

static bool take_port(struct nest proto, uint16_t type, uint16_t *ret)
{
	struct nest at;
	uint16_t be;

	if (!find(proto, type, sizeof(be), &at))
		return false;
	memcpy(&be, at.p, sizeof(be));
	*ret = ntohs(be);
	return true;
}

static bool take_addr(struct nest ip, uint16_t type4, uint16_t type6, struct ep_addr *ret)
{
	struct nest at;

	if (find(ip, type4, 4, &at))
		*ret = ep_addr_of(at.p, 4);
	else if (find(ip, type6, 16, &at))
		*ret = ep_addr_of(at.p, 16);
	else
		return false;
	return true;
}

static bool take_tuple(struct nest in, uint16_t type, struct ep_ct_tuple *ret)
{
	struct nest tuple, ip, proto, num;

	return find(in, type, 0, &tuple) && find(tuple, CTA_TUPLE_IP, 0, &ip) &&
	       find(tuple, CTA_TUPLE_PROTO, 0, &proto) && find(proto, CTA_PROTO_NUM, 1, &num) &&
	       *num.p == IPPROTO_TCP && take_addr(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC, &ret->src) &&
	       take_addr(ip, CTA_IP_V4_DST, CTA_IP_V6_DST, &ret->dst) &&
	       ret->src.len == ret->dst.len && take_port(proto, CTA_PROTO_SRC_PORT, &ret->sport) &&
	       take_port(proto, CTA_PROTO_DST_PORT, &ret->dport);
}

bool ep_ct_decode(const void *msg, size_t len, struct ep_ct *ret)
{
	struct nest in = {msg, len}, info, tcp, at;
	uint32_t be;

	*ret = (struct ep_ct){.state = EP_CT_NO_STATE};
	if (len < sizeof(struct nfgenmsg))
		return false;
	in.p += NLMSG_ALIGN(sizeof(struct nfgenmsg));
	in.len -= NLMSG_ALIGN(sizeof(struct nfgenmsg));
	if (!take_tuple(in, CTA_TUPLE_ORIG, &ret->orig) ||
	    !take_tuple(in, CTA_TUPLE_REPLY, &ret->reply) ||
	    ret->orig.src.len != ret->reply.src.len)
		return false;
	if (find(in, CTA_STATUS, sizeof(be), &at)) {
		memcpy(&be, at.p, sizeof(be));
		ret->status = ntohl(be);
	}
	if (find(in, CTA_PROTOINFO, 0, &info) && find(info, CTA_PROTOINFO_TCP, 0, &tcp) &&
	    find(tcp, CTA_PROTOINFO_TCP_STATE, 1, &at))
		ret->state = *at.p;
	return true;
}

/* ---- dumping ---- */

struct dump {
	const uint16_t *ports;
	size_t n_ports;
	ep_ct_cb cb;
	void *ctx;
};

static int take(const struct nlmsghdr *nlh, void *ctx)
{
	struct dump *d = ctx;
	struct ep_ct ct;

	if (!ep_ct_decode(mnl_nlmsg_get_payload(nlh), mnl_nlmsg_get_payload_len(nlh), &ct))
		return 0;
	for (size_t i = 0; i < d->n_ports; i++)
		if (d->ports[i] == ct.orig.dport) {
			d->cb(d->ctx, &ct);
			break;
		}
	return 0;
}

/* Port 0: all. The kernel filters within one family only. */
static int dump_port(int fd, uint8_t family, uint16_t port, struct dump *d)
{
	char buf[512];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nlattr *tuple, *proto, *filter;
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = (uint32_t)family << 16 | port;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	if (port) {
		tuple = mnl_attr_nest_start(nlh, CTA_TUPLE_ORIG);
		proto = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
		mnl_attr_put_u8(nlh, CTA_PROTO_NUM, IPPROTO_TCP);
		mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(port));
		mnl_attr_nest_end(nlh, proto);
		mnl_attr_nest_end(nlh, tuple);
		filter = mnl_attr_nest_start(nlh, FILTER_ATTR);
		mnl_attr_put_u32(nlh, FILTER_ORIG_FLAGS, FILTER_F_PROTO_NUM | FILTER_F_PROTO_DST);
		mnl_attr_put_u32(nlh, FILTER_REPLY_FLAGS, 0);
		mnl_attr_nest_end(nlh, filter);
	}
	return ep_nl_request(fd, nlh, take, d);
}

static int dump_one(const struct ep_netns *ns, uint8_t family, uint16_t port, struct dump *d)
{
	int fd = ep_nl_open(ns, NETLINK_NETFILTER), r;

	if (fd < 0)
		return fd;
	r = dump_port(fd, family, port, d);
	close(fd);
	/* What a dump was interrupted by does not matter: entries come and go. */
	return r == -EINTR ? 0 : r;
}

int ep_ct_dump(const struct ep_netns *ns, const uint16_t *ports, size_t n_ports, ep_ct_cb cb,
	       void *ctx)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct dump d = {.ports = ports, .n_ports = n_ports, .cb = cb, .ctx = ctx};
	int r = 0;

	/* Without the module there is no table to ask for, or nobody to ask. */
	if (ep_module_unloaded("nf_conntrack_netlink") || ep_module_unloaded("nf_conntrack"))
		return -ENOENT;
	if (ns->conntrack_count == 0)
		return 0;
	/* Every dump goes along the whole table, which all namespaces share: one for few entries. */
	if (ns->conntrack_count > 0 && ns->conntrack_count < FEW)
		return dump_one(ns, AF_UNSPEC, 0, &d);
	for (size_t i = 0; i < EP_ARRAY_SIZE(families) * n_ports; i++) {
		struct dump one = {.ports = &ports[i / 2], .n_ports = 1, .cb = cb, .ctx = ctx};
		int r2 = dump_one(ns, families[i % 2], ports[i / 2], &one);

		r = r ? r : r2;
	}
	return r;
}

/* ---- one entry ---- */

int ep_ct_open(const struct ep_netns *ns)
{
	if (ep_module_unloaded("nf_conntrack_netlink") || ep_module_unloaded("nf_conntrack"))
		return -ENOENT;
	return ep_nl_open(ns, NETLINK_NETFILTER);
}

static int take_one(const struct nlmsghdr *nlh, void *ctx)
{
	struct ep_ct *ct = ctx;

	return ep_ct_decode(mnl_nlmsg_get_payload(nlh), mnl_nlmsg_get_payload_len(nlh), ct) ?
		       0 :
		       -EBADMSG;
}

int ep_ct_get(int fd, const struct ep_ct_tuple *t, struct ep_ct *ret)
{
	bool v4 = t->dst.len == 4;
	char buf[512];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nlattr *tuple, *nest;
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	/* The one answer is marked as one of several: the acknowledgement ends them. */
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = (uint32_t)t->sport << 16 | t->dport;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = v4 ? AF_INET : AF_INET6;
	nfg->version = NFNETLINK_V0;
	tuple = mnl_attr_nest_start(nlh, CTA_TUPLE_ORIG);
	nest = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);
	mnl_attr_put(nlh, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, t->src.len, t->src.b);
	mnl_attr_put(nlh, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, t->dst.len, t->dst.b);
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, IPPROTO_TCP);
	mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(t->sport));
	mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(t->dport));
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_nest_end(nlh, tuple);
	return ep_nl_request(fd, nlh, take_one, ret);
}

/* ---- what is tracked, by target ---- */

#define MAX_SAMPLES 3

const char *ep_ct_state_name(uint8_t state)
{
	static const char *const names[] = {
		[TCP_CONNTRACK_NONE] = "NONE",         [TCP_CONNTRACK_SYN_SENT] = "SYN_SENT",
		[TCP_CONNTRACK_SYN_RECV] = "SYN_RECV", [TCP_CONNTRACK_ESTABLISHED] = "ESTABLISHED",
		[TCP_CONNTRACK_FIN_WAIT] = "FIN_WAIT", [TCP_CONNTRACK_CLOSE_WAIT] = "CLOSE_WAIT",
		[TCP_CONNTRACK_LAST_ACK] = "LAST_ACK", [TCP_CONNTRACK_TIME_WAIT] = "TIME_WAIT",
		[TCP_CONNTRACK_CLOSE] = "CLOSE",
	};

	return state < EP_ARRAY_SIZE(names) && names[state] ? names[state] : "?";
}

struct gather {
	struct ep_arena *a;
	ep_trackeds *out;
};

static void gather(void *ctx, const struct ep_ct *ct)
{
	struct gather *g = ctx;
	struct ep_tracked_by *t = NULL;
	char buf[EP_ADDRSTR];

	/* Those that are over bind nobody: a new request of the same client is translated anew. */
	if (ct->state >= TCP_CONNTRACK_TIME_WAIT || ct->state == TCP_CONNTRACK_NONE ||
	    !(ct->status & IPS_DST_NAT))
		return;
	ep_each(it, g->out)
		if (ep_addr_eq(&it->dst, &ct->orig.dst) && it->dport == ct->orig.dport &&
		    ep_addr_eq(&it->target, &ct->reply.src) && it->target_port == ct->reply.sport)
			t = it;
	if (!t) {
		t = ep_push(g->a, g->out);
		t->dst = ct->orig.dst;
		t->dport = ct->orig.dport;
		t->target = ct->reply.src;
		t->target_port = ct->reply.sport;
	}
	t->n++;
	if (t->samples.n < MAX_SAMPLES)
		*ep_push(g->a, &t->samples) = ep_sprintf(
			g->a, "%s (%s)", ep_addrport_str(&ct->orig.src, ct->orig.sport, buf),
			ep_ct_state_name(ct->state));
}

int ep_tracked_find(struct ep_arena *a, const struct ep_netns *ns, const uint16_t *ports,
		    size_t n_ports, ep_trackeds *ret)
{
	struct gather g = {a, ret};

	return ep_ct_dump(ns, ports, n_ports, gather, &g);
}
