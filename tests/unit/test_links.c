// SPDX-License-Identifier: GPL-2.0-or-later
/* Links and addresses from rtnetlink messages. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "rtnl_bytes.h"

struct world {
	struct ep_snapshot *s;
	struct ep_netns *ns;
	int32_t nsid[8];
};

static int setup(void **state)
{
	static struct world x;

	memset(&x, 0, sizeof(x));
	x.s = ep_snapshot_new();
	x.ns = ep_netns_add(x.s, 4026531840u);
	*state = &x;
	return 0;
}

static int teardown(void **state)
{
	struct world *x = *state;

	ep_snapshot_free(x->s);
	return 0;
}

static int take_link(const struct nlmsghdr *nlh, void *ctx)
{
	struct world *x = ctx;

	return ep_rtnl_link(x->s, x->ns, nlh, &x->nsid[x->ns->links.n % 8]);
}

static int take_addr(const struct nlmsghdr *nlh, void *ctx)
{
	struct world *x = ctx;

	return ep_rtnl_addr(x->s, x->ns, nlh);
}

static void links_of_a_kernel(void **state)
{
	struct world *x = *state;
	const struct ep_link *l;

	rtnl_each(x->s->arena, "links", take_link, x);
	assert_int_equal(x->ns->links.n, 4);
	l = ep_link_by_name(x->ns, "lo");
	assert_int_equal(l->ifindex, 1);
	assert_string_equal(l->kind, "");
	assert_int_equal(l->mtu, 65536);
	assert_int_equal(l->forwarding4, 0);
	assert_int_equal(l->forwarding6, 0);
	assert_int_equal(l->peer_netns, 0);
	l = ep_link_by_name(x->ns, "br0");
	assert_string_equal(l->kind, "bridge");
	assert_int_equal(l->master, 0);
	l = ep_link_by_name(x->ns, "v0");
	assert_string_equal(l->kind, "veth");
	assert_string_equal(l->master_kind, "bridge");
	assert_int_equal(l->master, ep_link_by_name(x->ns, "br0")->ifindex);
	assert_int_equal(l->peer_ifindex, 2);
	assert_int_equal(l->peer_netns, 0); /* behind an id, to be asked for */
	assert_true(x->nsid[3] >= 0);
	assert_int_equal(x->nsid[0], -1);
}

static void addresses_of_a_kernel(void **state)
{
	struct world *x = *state;
	struct ep_addr a;
	const struct ep_ifaddr *i;

	rtnl_each(x->s->arena, "addrs", take_addr, x);
	assert_true(ep_addr_parse("10.1.0.1", &a));
	i = ep_ifaddr_find(x->ns, &a);
	assert_int_equal(i->plen, 24);
	assert_int_equal(i->scope, RT_SCOPE_UNIVERSE);
	assert_true(i->flags & IFA_F_PERMANENT);
	assert_true(ep_addr_parse("2001:db8::1", &a));
	assert_int_equal(ep_ifaddr_find(x->ns, &a)->plen, 64);
	assert_true(ep_addr_parse("127.0.0.1", &a));
	assert_int_equal(ep_ifaddr_find(x->ns, &a)->scope, RT_SCOPE_HOST);
}

static struct nlmsghdr *start_link(void *buf, const char *name)
{
	struct ifinfomsg m = {.ifi_family = AF_UNSPEC, .ifi_index = 7};
	struct nlmsghdr *nlh = rtnl_start(buf, RTM_NEWLINK, &m, sizeof(m));

	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return nlh;
}

static void device_sysctls(void **state)
{
	struct world *x = *state;
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *nlh = start_link(buf, "eth0");
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *inet = mnl_attr_nest_start(nlh, AF_INET);
	uint32_t conf[IPV4_DEVCONF_ROUTE_LOCALNET] = {};

	conf[IPV4_DEVCONF_FORWARDING - 1] = 1;
	conf[IPV4_DEVCONF_RP_FILTER - 1] = 2;
	conf[IPV4_DEVCONF_SRC_VMARK - 1] = 3;
	conf[IPV4_DEVCONF_ACCEPT_LOCAL - 1] = 4;
	conf[IPV4_DEVCONF_ROUTE_LOCALNET - 1] = 5;
	mnl_attr_put(nlh, IFLA_INET_CONF, sizeof(conf), conf);
	mnl_attr_nest_end(nlh, inet);
	mnl_attr_nest_end(nlh, spec);
	assert_int_equal(take_link(nlh, x), 0);
	assert_int_equal(x->ns->links.v[0].forwarding4, 1);
	assert_int_equal(x->ns->links.v[0].rp_filter, 2);
	assert_int_equal(x->ns->links.v[0].src_valid_mark, 3);
	assert_int_equal(x->ns->links.v[0].accept_local, 4);
	assert_int_equal(x->ns->links.v[0].route_localnet, 5);
	assert_int_equal(x->ns->links.v[0].forwarding6, -1);
}

static void vrf_xdp_and_own_peer(void **state)
{
	struct world *x = *state;
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *nlh = start_link(buf, "blue");
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO), *nest;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "vrf");
	nest = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u32(nlh, IFLA_VRF_TABLE, 77);
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_nest_end(nlh, info);
	nest = mnl_attr_nest_start(nlh, IFLA_XDP);
	mnl_attr_put_u8(nlh, IFLA_XDP_ATTACHED, XDP_ATTACHED_DRV);
	mnl_attr_put_u32(nlh, IFLA_XDP_PROG_ID, 99);
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_put_u32(nlh, IFLA_LINK, 3);
	assert_int_equal(take_link(nlh, x), 0);
	assert_int_equal(x->ns->links.v[0].vrf_table, 77);
	assert_int_equal(x->ns->links.v[0].xdp_prog, 99);
	assert_int_equal(x->ns->links.v[0].peer_netns, x->ns->ino);
}

static void malformed(void **state)
{
	struct world *x = *state;
	struct ifaddrmsg m = {.ifa_family = AF_INET, .ifa_prefixlen = 33, .ifa_index = 1};
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *nlh = start_link(buf, NULL);
	struct nlattr *at;

	assert_int_equal(take_link(nlh, x), -EBADMSG); /* no name */
	nlh = start_link(buf, "a-name-that-is-too-long-for-one");
	assert_int_equal(take_link(nlh, x), -EBADMSG);
	nlh = start_link(buf, "eth0");
	mnl_attr_put_u16(nlh, IFLA_MTU, 1500);
	assert_int_equal(take_link(nlh, x), -EBADMSG);
	nlh = start_link(buf, "eth0");
	mnl_attr_put_u32(nlh, IFLA_MTU, 1500);
	at = mnl_nlmsg_get_payload_tail(nlh);
	at = (struct nlattr *)((char *)at - 8);
	at->nla_len = 64; /* beyond the message */
	assert_int_equal(take_link(nlh, x), -EBADMSG);
	nlh->nlmsg_len = NLMSG_HDRLEN + 4;
	assert_int_equal(take_link(nlh, x), -EBADMSG);
	assert_int_equal(x->ns->links.n, 0);
	nlh = rtnl_start(buf, RTM_NEWADDR, &m, sizeof(m));
	mnl_attr_put_u32(nlh, IFA_LOCAL, 1);
	assert_int_equal(take_addr(nlh, x), -EBADMSG);
	m.ifa_prefixlen = 24;
	nlh = rtnl_start(buf, RTM_NEWADDR, &m, sizeof(m));
	mnl_attr_put_u16(nlh, IFA_LOCAL, 1);
	assert_int_equal(take_addr(nlh, x), -EBADMSG);
	assert_int_equal(x->ns->addrs.n, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(links_of_a_kernel), TEST(addresses_of_a_kernel),
		TEST(device_sysctls),    TEST(vrf_xdp_and_own_peer),
		TEST(malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
