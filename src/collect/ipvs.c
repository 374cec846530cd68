// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What IPVS balances (uapi linux/ip_vs.h, generic netlink). The family's id is taken from a dump of
 * all families: asking for it by name would load the module. It needs CAP_NET_ADMIN.
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/ip_vs.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "collect/collect_i.h"
#include "collect/ipvs.h"

#define EP_IPVS_TRIES 8

static const void *genl_attrs(const struct nlmsghdr *nlh, size_t *ret_len)
{
	size_t len = mnl_nlmsg_get_payload_len(nlh);

	if (nlh->nlmsg_len < NLMSG_HDRLEN || len < GENL_HDRLEN)
		return NULL;
	*ret_len = len - GENL_HDRLEN;
	return (const char *)mnl_nlmsg_get_payload(nlh) + GENL_HDRLEN;
}

static uint32_t host_num(const struct ep_nla *at)
{
	uint32_t v = 0;
	uint16_t half;

	if (at->data && at->len == sizeof(v))
		memcpy(&v, at->data, sizeof(v));
	if (at->data && at->len == sizeof(half)) {
		memcpy(&half, at->data, sizeof(half));
		v = half;
	}
	return v;
}

/* ---- messages ---- */

uint16_t ep_ipvs_family(const struct nlmsghdr *nlh)
{
	static const struct ep_nla_policy policy[CTRL_ATTR_FAMILY_NAME + 1] = {
		[CTRL_ATTR_FAMILY_ID] = EP_NLA_NUM(2),
		[CTRL_ATTR_FAMILY_NAME] = EP_NLA_MAX(GENL_NAMSIZ),
	};
	struct ep_nla tb[CTRL_ATTR_FAMILY_NAME + 1], *name = &tb[CTRL_ATTR_FAMILY_NAME];
	size_t len;
	const void *attrs = genl_attrs(nlh, &len);

	if (!attrs || ep_nla_table(attrs, len, policy, CTRL_ATTR_FAMILY_NAME + 1, tb))
		return 0;
	if (name->len != sizeof(IPVS_GENL_NAME) ||
	    memcmp(name->data, IPVS_GENL_NAME, sizeof(IPVS_GENL_NAME)))
		return 0;
	return (uint16_t)host_num(&tb[CTRL_ATTR_FAMILY_ID]);
}

/* The nested attributes of a command's one object. */
static int object(const struct nlmsghdr *nlh, unsigned which, const struct ep_nla_policy *policy,
		  unsigned n, struct ep_nla *tb)
{
	static const struct ep_nla_policy outer[IPVS_CMD_ATTR_MAX + 1] = {
		[IPVS_CMD_ATTR_SERVICE] = EP_NLA_NEST,
		[IPVS_CMD_ATTR_DEST] = EP_NLA_NEST,
	};
	struct ep_nla cmd[IPVS_CMD_ATTR_MAX + 1];
	size_t len;
	const void *attrs = genl_attrs(nlh, &len);
	int r;

	if (!attrs)
		return -EBADMSG;
	r = ep_nla_table(attrs, len, outer, IPVS_CMD_ATTR_MAX + 1, cmd);
	if (r)
		return r;
	if (!cmd[which].data)
		return -EBADMSG;
	return ep_nla_table(cmd[which].data, cmd[which].len, policy, n, tb);
}

/* union nf_inet_addr: 16 bytes, whatever the family. */
static bool address(const struct ep_nla *at, uint32_t family, struct ep_addr *ret)
{
	uint8_t len = family == AF_INET ? 4 : 16;

	if (!at->data || at->len < len || (family != AF_INET && family != AF_INET6))
		return false;
	*ret = ep_addr_of(at->data, len);
	return true;
}

int ep_ipvs_service(struct ep_arena *a, const struct nlmsghdr *nlh, struct ep_ipvs_service *ret)
{
	static const struct ep_nla_policy policy[IPVS_SVC_ATTR_NETMASK + 1] = {
		[IPVS_SVC_ATTR_AF] = EP_NLA_NUM(2),     [IPVS_SVC_ATTR_PROTOCOL] = EP_NLA_NUM(2),
		[IPVS_SVC_ATTR_ADDR] = EP_NLA_MAX(16),  [IPVS_SVC_ATTR_PORT] = EP_NLA_NUM(2),
		[IPVS_SVC_ATTR_FWMARK] = EP_NLA_NUM(4), [IPVS_SVC_ATTR_SCHED_NAME] = EP_NLA_MAX(64),
		[IPVS_SVC_ATTR_FLAGS] = EP_NLA_NUM(8),  [IPVS_SVC_ATTR_NETMASK] = EP_NLA_NUM(4),
	};
	struct ep_nla tb[IPVS_SVC_ATTR_NETMASK + 1];
	int r = object(nlh, IPVS_CMD_ATTR_SERVICE, policy, IPVS_SVC_ATTR_NETMASK + 1, tb);
	uint32_t family;

	if (r)
		return r;
	family = host_num(&tb[IPVS_SVC_ATTR_AF]);
	*ret = (struct ep_ipvs_service){
		.family = (uint8_t)family,
		.fwmark = host_num(&tb[IPVS_SVC_ATTR_FWMARK]),
		.netmask = host_num(&tb[IPVS_SVC_ATTR_NETMASK]),
	};
	if (family != AF_INET && family != AF_INET6)
		return -EBADMSG;
	if (!ret->fwmark) {
		ret->proto = (uint16_t)host_num(&tb[IPVS_SVC_ATTR_PROTOCOL]);
		ret->port = (uint16_t)ep_nla_be(&tb[IPVS_SVC_ATTR_PORT], 0);
		if (!address(&tb[IPVS_SVC_ATTR_ADDR], family, &ret->addr))
			return -EBADMSG;
	}
	ret->sched = ep_nla_str(a, &tb[IPVS_SVC_ATTR_SCHED_NAME]);
	if (!ret->sched)
		ret->sched = "";
	if (tb[IPVS_SVC_ATTR_FLAGS].data) /* struct ip_vs_flags: flags, mask */
		memcpy(&ret->flags, tb[IPVS_SVC_ATTR_FLAGS].data, sizeof(ret->flags));
	return 0;
}

int ep_ipvs_dest(const struct nlmsghdr *nlh, const struct ep_ipvs_service *of,
		 struct ep_ipvs_dest *ret)
{
	static const struct ep_nla_policy policy[IPVS_DEST_ATTR_ADDR_FAMILY + 1] = {
		[IPVS_DEST_ATTR_ADDR] = EP_NLA_MAX(16),
		[IPVS_DEST_ATTR_PORT] = EP_NLA_NUM(2),
		[IPVS_DEST_ATTR_FWD_METHOD] = EP_NLA_NUM(4),
		[IPVS_DEST_ATTR_WEIGHT] = EP_NLA_NUM(4),
		[IPVS_DEST_ATTR_U_THRESH] = EP_NLA_NUM(4),
		[IPVS_DEST_ATTR_L_THRESH] = EP_NLA_NUM(4),
		[IPVS_DEST_ATTR_ACTIVE_CONNS] = EP_NLA_NUM(4),
		[IPVS_DEST_ATTR_INACT_CONNS] = EP_NLA_NUM(4),
		[IPVS_DEST_ATTR_ADDR_FAMILY] = EP_NLA_NUM(2),
	};
	struct ep_nla tb[IPVS_DEST_ATTR_ADDR_FAMILY + 1];
	int r = object(nlh, IPVS_CMD_ATTR_DEST, policy, IPVS_DEST_ATTR_ADDR_FAMILY + 1, tb);
	uint32_t family;

	if (r)
		return r;
	/* Linux 3.18: a tunnel may lead to the other family. */
	family = host_num(&tb[IPVS_DEST_ATTR_ADDR_FAMILY]);
	*ret = (struct ep_ipvs_dest){
		.port = (uint16_t)ep_nla_be(&tb[IPVS_DEST_ATTR_PORT], 0),
		.method = host_num(&tb[IPVS_DEST_ATTR_FWD_METHOD]) & IP_VS_CONN_F_FWD_MASK,
		.weight = host_num(&tb[IPVS_DEST_ATTR_WEIGHT]),
		.u_thresh = host_num(&tb[IPVS_DEST_ATTR_U_THRESH]),
		.l_thresh = host_num(&tb[IPVS_DEST_ATTR_L_THRESH]),
		.active = host_num(&tb[IPVS_DEST_ATTR_ACTIVE_CONNS]),
		.inactive = host_num(&tb[IPVS_DEST_ATTR_INACT_CONNS]),
	};
	return address(&tb[IPVS_DEST_ATTR_ADDR], family ? family : of->family, &ret->addr) ?
		       0 :
		       -EBADMSG;
}

/* ---- dumps ---- */

struct dump {
	struct ep_snapshot *s;
	struct ep_netns *ns;
	struct ep_ipvs_service *service; /* whose destinations come */
	uint16_t family;                 /* of generic netlink; 0: not there */
};

static int on_family(const struct nlmsghdr *nlh, void *ctx)
{
	struct dump *d = ctx;
	uint16_t id = ep_ipvs_family(nlh);

	if (id)
		d->family = id;
	return 0;
}

static int on_service(const struct nlmsghdr *nlh, void *ctx)
{
	struct dump *d = ctx;
	struct ep_ipvs_service v;
	int r = ep_ipvs_service(d->s->arena, nlh, &v);

	if (!r && (v.fwmark || v.proto == IPPROTO_TCP))
		*ep_push(d->s->arena, &d->ns->ipvs) = v;
	return r;
}

static int on_dest(const struct nlmsghdr *nlh, void *ctx)
{
	struct dump *d = ctx;
	struct ep_ipvs_dest t;
	int r = ep_ipvs_dest(nlh, d->service, &t);

	if (!r)
		*ep_push(d->s->arena, &d->service->dests) = t;
	return r;
}

static struct nlmsghdr *request(void *buf, uint16_t family, uint8_t cmd, uint8_t version)
{
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *g;

	req->nlmsg_type = family;
	req->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	req->nlmsg_seq = 1;
	g = mnl_nlmsg_put_extra_header(req, sizeof(*g));
	g->cmd = cmd;
	g->version = version;
	return req;
}

static int dump_dests(struct dump *d, int fd)
{
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *req = request(buf, d->family, IPVS_CMD_GET_DEST, IPVS_GENL_VERSION);
	const struct ep_ipvs_service *v = d->service;
	struct nlattr *nest = mnl_attr_nest_start(req, IPVS_CMD_ATTR_SERVICE);
	uint8_t addr[16] = {};

	mnl_attr_put_u16(req, IPVS_SVC_ATTR_AF, v->family);
	if (v->fwmark) {
		mnl_attr_put_u32(req, IPVS_SVC_ATTR_FWMARK, v->fwmark);
	} else {
		memcpy(addr, v->addr.b, v->addr.len);
		mnl_attr_put_u16(req, IPVS_SVC_ATTR_PROTOCOL, v->proto);
		mnl_attr_put(req, IPVS_SVC_ATTR_ADDR, sizeof(addr), addr);
		mnl_attr_put_u16(req, IPVS_SVC_ATTR_PORT, htons(v->port));
	}
	mnl_attr_nest_end(req, nest);
	return ep_nl_request(fd, req, on_dest, d);
}

static int read_all(struct dump *d, int fd)
{
	char buf[EP_NL_REQ_SIZE];
	int r = ep_nl_request(fd, request(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 2), on_family, d);

	d->ns->ipvs.n = 0;
	if (r || !d->family)
		return r;
	r = ep_nl_request(fd, request(buf, d->family, IPVS_CMD_GET_SERVICE, IPVS_GENL_VERSION),
			  on_service, d);
	for (size_t i = 0; i < d->ns->ipvs.n && !r; i++) {
		d->service = &d->ns->ipvs.v[i];
		r = dump_dests(d, fd);
	}
	return r;
}

void ep_collect_ipvs(struct ep_snapshot *s, struct ep_netns *ns)
{
	struct dump d = {.s = s, .ns = ns};
	int r = -EINTR;

	for (int i = 0; i < EP_IPVS_TRIES && r == -EINTR; i++) {
		int fd = ep_nl_open(ns, NETLINK_GENERIC);

		r = fd < 0 ? fd : read_all(&d, fd);
		if (fd >= 0)
			close(fd);
	}
	ns->ipvs_unread = r ? ep_sprintf(s->arena, "IPVS: %s", strerror(-r)) : NULL;
	/* ESRCH: a service went away between the two dumps. */
	if (r)
		ep_source_set(s, "ipvs", EP_PARTIAL, ns->ipvs_unread);
}
