// SPDX-License-Identifier: GPL-2.0-or-later
/* An ipset by its kernel index (uapi linux/netfilter/ipset/ip_set.h): name first, then elements. */
#include "collect/ipset.h"
#include "collect/collect_i.h"
#include "collect/nl.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ELEMS (1u << 20)
/* Linux 6.2. */
#define EP_IPSET_ATTR_BITMASK 12

/* Which parts an element of the type has. */
static const struct set_type {
	const char *name;
	bool addr, net, port;
} set_types[] = {
	{"hash:ip", true, false, false},     {"hash:net", true, true, false},
	{"hash:ip,port", true, false, true}, {"hash:net,port", true, true, true},
	{"bitmap:ip", true, false, false},   {"bitmap:port", false, false, true},
};

static const struct set_type *find_type(const char *name)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(set_types); i++) {
		if (!strcmp(set_types[i].name, name))
			return &set_types[i];
	}
	return NULL;
}

static int take_addr(const struct ep_nla *at, struct ep_addr *ret)
{
	static const struct ep_nla_policy policy[] = {
		[IPSET_ATTR_IPADDR_IPV4] = EP_NLA_NUM(4),
		[IPSET_ATTR_IPADDR_IPV6] = EP_NLA_NUM(16),
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	int r = ep_nla_table(at->data, at->len, policy, EP_ARRAY_SIZE(tb), tb);

	if (r < 0)
		return r;
	if (tb[IPSET_ATTR_IPADDR_IPV4].data)
		*ret = ep_addr_of(tb[IPSET_ATTR_IPADDR_IPV4].data, 4);
	else if (tb[IPSET_ATTR_IPADDR_IPV6].data)
		*ret = ep_addr_of(tb[IPSET_ATTR_IPADDR_IPV6].data, 16);
	else
		return -EBADMSG;
	return 0;
}

static int take_elem(struct ep_arena *a, const struct ep_nla *data, const struct set_type *type,
		     uint8_t netmask, struct ep_ipset *set)
{
	static const struct ep_nla_policy policy[] = {
		[IPSET_ATTR_IP] = EP_NLA_NEST,      [IPSET_ATTR_CIDR] = EP_NLA_NUM(1),
		[IPSET_ATTR_PORT] = EP_NLA_NUM(2),  [IPSET_ATTR_PORT_TO] = EP_NLA_NUM(2),
		[IPSET_ATTR_PROTO] = EP_NLA_NUM(1), [IPSET_ATTR_CADT_FLAGS] = EP_NLA_NUM(4),
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	struct ep_ipset_elem e = {0};
	int r = ep_nla_table(data->data, data->len, policy, EP_ARRAY_SIZE(tb), tb);

	if (r == 0 && type->addr)
		r = take_addr(&tb[IPSET_ATTR_IP], &e.addr);
	if (r < 0)
		return r;
	e.plen = e.addr.len * 8;
	if (type->net)
		e.plen = (uint8_t)ep_nla_be(&tb[IPSET_ATTR_CIDR], e.plen);
	else if (type->addr && netmask)
		e.plen = netmask;
	if (type->port) {
		if (!tb[IPSET_ATTR_PORT].data)
			return -EBADMSG;
		e.port_lo = (uint16_t)ep_nla_be(&tb[IPSET_ATTR_PORT], 0);
		e.port_hi = (uint16_t)ep_nla_be(&tb[IPSET_ATTR_PORT_TO], e.port_lo);
	}
	if (e.plen > e.addr.len * 8 || set->elems.n >= MAX_ELEMS)
		return -EBADMSG;
	e.proto = (uint8_t)ep_nla_be(&tb[IPSET_ATTR_PROTO], 0);
	e.nomatch = ep_nla_be(&tb[IPSET_ATTR_CADT_FLAGS], 0) & IPSET_FLAG_NOMATCH;
	*ep_push(a, &set->elems) = e;
	return 0;
}

/* The header of a set: its netmask is kept with each element. */
static int take_header(const struct ep_nla *data, uint8_t *ret_netmask)
{
	static const struct ep_nla_policy policy[] = {
		[EP_IPSET_ATTR_BITMASK] = EP_NLA_NEST,
		[IPSET_ATTR_NETMASK] = EP_NLA_NUM(1),
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	int r = ep_nla_table(data->data, data->len, policy, EP_ARRAY_SIZE(tb), tb);

	*ret_netmask = r < 0 ? 0 : (uint8_t)ep_nla_be(&tb[IPSET_ATTR_NETMASK], 0);
	return r < 0 ? r : tb[EP_IPSET_ATTR_BITMASK].data ? -EOPNOTSUPP : 0;
}

int ep_ipset_decode(struct ep_arena *a, const void *attrs, size_t len, struct ep_ipset *set,
		    uint8_t *netmask)
{
	static const struct ep_nla_policy policy[] = {
		[IPSET_ATTR_TYPENAME] = EP_NLA_MAX(IPSET_MAXNAMELEN),
		[IPSET_ATTR_FAMILY] = EP_NLA_NUM(1),
		[IPSET_ATTR_DATA] = EP_NLA_NEST,
		[IPSET_ATTR_ADT] = EP_NLA_NEST,
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)], at;
	const struct set_type *type;
	struct ep_nla_iter it;
	int r = ep_nla_table(attrs, len, policy, EP_ARRAY_SIZE(tb), tb);

	if (r < 0)
		return r;
	if (tb[IPSET_ATTR_TYPENAME].data) {
		set->type = ep_nla_str(a, &tb[IPSET_ATTR_TYPENAME]);
		set->family = (uint8_t)ep_nla_be(&tb[IPSET_ATTR_FAMILY], AF_UNSPEC);
		r = take_header(&tb[IPSET_ATTR_DATA], netmask);
		if (r < 0)
			return r;
	}
	type = set->type ? find_type(set->type) : NULL;
	if (!type)
		return set->type ? -EOPNOTSUPP : -EBADMSG;
	it = (struct ep_nla_iter){tb[IPSET_ATTR_ADT].data, tb[IPSET_ATTR_ADT].len};
	while (r == 0 && ep_nla_next(&it, &at)) {
		if (at.type == IPSET_ATTR_DATA)
			r = take_elem(a, &at, type, *netmask, set);
	}
	return r < 0 || !it.left ? r : -EBADMSG;
}

/* ---- asking ---- */

struct answer {
	struct ep_arena *a;
	struct ep_ipset *set;
	uint8_t netmask;
	bool unsupported;
};

static int take_name(const struct nlmsghdr *nlh, void *ctx)
{
	static const struct ep_nla_policy policy[] = {
		[IPSET_ATTR_SETNAME] = EP_NLA_MAX(IPSET_MAXNAMELEN),
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	struct answer *ans = ctx;
	const void *p;
	size_t len;
	int r;

	p = ep_nl_nfnl_attrs(nlh, NULL, &len);
	if (!p)
		return -EBADMSG;
	r = ep_nla_table(p, len, policy, EP_ARRAY_SIZE(tb), tb);
	if (r == 0 && !tb[IPSET_ATTR_SETNAME].data)
		r = -EBADMSG;
	if (r == 0)
		ans->set->name = ep_nla_str(ans->a, &tb[IPSET_ATTR_SETNAME]);
	return r;
}

static int take_list(const struct nlmsghdr *nlh, void *ctx)
{
	struct answer *ans = ctx;
	const void *p;
	size_t len;
	int r;

	if (ans->unsupported)
		return 0;
	p = ep_nl_nfnl_attrs(nlh, NULL, &len);
	if (!p)
		return -EBADMSG;
	r = ep_ipset_decode(ans->a, p, len, ans->set, &ans->netmask);
	if (r != -EOPNOTSUPP)
		return r;
	ans->unsupported = true;
	return 0;
}

static struct nlmsghdr *start(void *buf, uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *req = ep_nl_nfnl(buf, NFNL_SUBSYS_IPSET, cmd, flags, AF_INET);

	mnl_attr_put_u8(req, IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL);
	return req;
}

/* ipset's own errors begin at IPSET_ERR_PRIVATE, beyond those of errno. */
static int plain_errno(int r)
{
	return r <= -IPSET_ERR_PRIVATE ? -EPROTO : r;
}

static int ask(int fd, struct answer *ans)
{
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *req = start(buf, IPSET_CMD_GET_BYINDEX, 0);
	int r;

	/* Linux 4.20; before it, the index is told by no netlink request. */
	mnl_attr_put_u16(req, IPSET_ATTR_INDEX | NLA_F_NET_BYTEORDER, htobe16(ans->set->index));
	r = ep_nl_request(fd, req, take_name, ans);
	if (r < 0)
		return plain_errno(r);
	if (!ans->set->name)
		return -ENOENT;
	req = start(buf, IPSET_CMD_LIST, NLM_F_DUMP);
	if (!ep_nl_put_str(req, IPSET_ATTR_SETNAME, ans->set->name))
		return -ENAMETOOLONG;
	return plain_errno(ep_nl_request(fd, req, take_list, ans));
}

int ep_collect_ipset(struct ep_snapshot *s, struct ep_netns *ns, uint16_t index)
{
	struct answer ans = {.a = s->arena, .set = ep_alloc(s->arena, sizeof(*ans.set))};
	int r, fd;

	ans.set->index = index;
	fd = ep_nl_open(ns, NETLINK_NETFILTER);
	if (fd < 0)
		return fd;
	r = ask(fd, &ans);
	close(fd);
	if (r < 0)
		return r;
	if (ans.unsupported)
		ans.set->elems.n = 0;
	ans.set->loaded = !ans.unsupported;
	*ep_push(s->arena, &ns->ipsets) = ans.set;
	return 0;
}
