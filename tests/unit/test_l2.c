// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames over devices that not every kernel has, and what their netlink messages say. */
#include <errno.h>
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net_world.h"
#include "rtnl_bytes.h"

enum { C2 = 3, PARENT = 20, CHILD, OTHER }; /* ifindexes of the devices under test */

static int setup(void **state)
{
	static struct net_world x;

	net_world_open(&x);
	*state = &x;
	return 0;
}

static int teardown(void **state)
{
	net_world_close(*state);
	return 0;
}

static struct ep_netns *empty_netns(struct net_world *x)
{
	struct ep_netns *ns = ep_netns_add(x->s, C2);

	ns->have = ~0u;
	ns->nft.status = ns->xt.status[0] = ns->xt.status[1] = EP_COMPLETE;
	ns->ip_forward = ns->forwarding6_all = 1;
	net_link(x, ns, NET_LO, "lo", "");
	return ns;
}

static struct ep_link *pair(struct net_world *x, struct ep_netns *a, uint32_t ai,
			    struct ep_netns *b, uint32_t bi, const char *kind)
{
	struct ep_link *l = net_link(x, b, bi, "eth0", kind);

	l->peer_ifindex = ai;
	l->peer_netns = a->ino;
	l = net_link(x, a, ai, "parent", kind);
	l->peer_ifindex = bi;
	l->peer_netns = b->ino;
	return l;
}

static struct ep_link *on_top(struct net_world *x, struct ep_netns *ns, uint32_t index,
			      const char *name, const char *kind, const struct ep_netns *below,
			      uint32_t parent)
{
	struct ep_link *l = net_link(x, ns, index, name, kind);

	l->peer_ifindex = parent;
	l->peer_netns = below->ino;
	return l;
}

static void host_reaches(struct net_world *x, const char *dst, enum ep_outcome_verdict v)
{
	net_from_host(x, dst, 443);
	assert_int_equal(x->r->outcomes.n, 1);
	assert_int_equal(x->r->outcomes.v[0].verdict, v);
}

/* eth0.7 here, a cable, and over there eth0.7 again: the tag comes off where it was put on. */
static void vlan_over_a_cable(void **state)
{
	struct net_world *x = *state;
	struct ep_netns *c2 = empty_netns(x);

	pair(x, x->host, PARENT, c2, PARENT, "veth");
	on_top(x, x->host, CHILD, "v7", "vlan", x->host, PARENT)->vlan_id = 7;
	on_top(x, c2, CHILD, "v7", "vlan", c2, PARENT)->vlan_id = 7;
	net_ifaddr(x, x->host, CHILD, "10.7.0.1/24");
	net_ifaddr(x, c2, CHILD, "10.7.0.2/24");
	host_reaches(x, "10.7.0.2", EP_REFUSED);
	assert_int_equal(x->r->outcomes.v[0].final.netns, C2);
	net_link_of(c2, CHILD)->vlan_id = 8;
	host_reaches(x, "10.7.0.2", EP_UNREACHABLE);
	net_link_of(c2, CHILD)->flags = 0;
	host_reaches(x, "10.7.0.2", EP_UNREACHABLE);
}

static void netkit_is_a_pair(void **state)
{
	struct net_world *x = *state;
	struct ep_netns *c2 = empty_netns(x);

	pair(x, x->host, PARENT, c2, PARENT, "netkit");
	net_ifaddr(x, x->host, PARENT, "10.7.0.1/24");
	net_ifaddr(x, c2, PARENT, "10.7.0.2/24");
	host_reaches(x, "10.7.0.2", EP_REFUSED);
	host_reaches(x, "10.7.0.3", EP_UNREACHABLE);
	net_link_of(x->host, PARENT)->flags |= IFF_NOARP; /* mode l3 */
	net_link_of(c2, PARENT)->flags |= IFF_NOARP;
	net_route(x, x->host, RT_TABLE_MAIN, RTN_UNICAST, "10.8.0.2/32", PARENT, NULL);
	net_route(x, c2, RT_TABLE_LOCAL, RTN_LOCAL, "10.8.0.2/32", NET_LO, NULL);
	host_reaches(x, "10.8.0.2", EP_REFUSED);
}

static void bond_by_its_port(void **state)
{
	struct net_world *x = *state;
	struct ep_netns *c2 = empty_netns(x);
	struct ep_link *port = pair(x, x->host, PARENT, c2, PARENT, "veth");

	port->master = CHILD;
	port->master_kind = "bond";
	net_link(x, x->host, CHILD, "bond0", "bond");
	net_ifaddr(x, x->host, CHILD, "10.7.0.1/24");
	net_ifaddr(x, c2, PARENT, "10.7.0.2/24");
	host_reaches(x, "10.7.0.2", EP_REFUSED);
	net_link_of(x->host, PARENT)->kind = ""; /* a cable out of the host */
	host_reaches(x, "10.7.0.2", EP_FORWARDED);
}

static void ipvlan_modes(void **state)
{
	struct net_world *x = *state;
	struct ep_netns *c2 = empty_netns(x);

	on_top(x, x->c1, CHILD, "ipv0", "ipvlan", x->host, NET_ETH0);
	on_top(x, c2, CHILD, "ipv0", "ipvlan", x->host, NET_ETH0);
	net_ifaddr(x, x->c1, CHILD, "198.51.100.51/24");
	net_ifaddr(x, c2, CHILD, "198.51.100.52/24");
	/* from outside; and the parent does not reach what is on top of it */
	net_external(x, "198.51.100.52", 443, "198.51.100.9");
	assert_int_equal(x->r->outcomes.v[0].verdict, EP_REFUSED);
	assert_int_equal(x->r->outcomes.v[0].final.netns, C2);
	host_reaches(x, "198.51.100.52", EP_UNREACHABLE);
	net_link_of(c2, CHILD)->mode = IPVLAN_MODE_L3S;
	net_external(x, "198.51.100.52", 443, "198.51.100.9");
	assert_int_equal(x->r->outcomes.v[0].verdict, EP_UNKNOWN);
}

static void siblings_by_mode(void **state)
{
	static const struct {
		const char *kind;
		uint32_t mode;
		enum ep_outcome_verdict verdict;
	} rows[] = {
		{"macvlan", MACVLAN_MODE_BRIDGE, EP_REFUSED},
		{"macvlan", MACVLAN_MODE_PRIVATE, EP_UNREACHABLE},
		{"macvlan", MACVLAN_MODE_VEPA, EP_UNREACHABLE},
		{"ipvlan", IPVLAN_MODE_L2, EP_REFUSED},
		{"ipvlan", IPVLAN_MODE_L3, EP_REFUSED},
		{"ipvlan", IPVLAN_MODE_L2 | EP_IPVLAN_PRIVATE, EP_UNREACHABLE},
	};
	struct net_world *x = *state;
	struct ep_netns *c2 = empty_netns(x);

	on_top(x, x->host, CHILD, "here", "", x->host, NET_ETH0);
	on_top(x, c2, CHILD, "there", "", x->host, NET_ETH0);
	net_ifaddr(x, x->host, CHILD, "10.7.0.1/24");
	net_ifaddr(x, c2, CHILD, "10.7.0.2/24");
	for (size_t i = 0; i < EP_ARRAY_SIZE(rows); i++) {
		struct ep_link *both[] = {net_link_of(x->host, CHILD), net_link_of(c2, CHILD)};

		for (int k = 0; k < 2; k++) {
			both[k]->kind = rows[i].kind;
			both[k]->mode = rows[i].mode;
		}
		host_reaches(x, "10.7.0.2", rows[i].verdict);
	}
}

static void blocked_port(void **state)
{
	struct net_world *x = *state;

	host_reaches(x, "172.18.0.2", EP_REFUSED);
	net_link_of(x->host, NET_PORT)->port_blocked = true;
	host_reaches(x, "172.18.0.2", EP_UNREACHABLE);
}

static void permanent_neighbour(void **state)
{
	struct net_world *x = *state;
	struct ep_neigh *n = ep_push(x->s->arena, &x->host->neighs);
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};

	*n = (struct ep_neigh){
		.ifindex = NET_BR0, .addr = net_addr("172.18.0.9"), .state = NUD_PERMANENT};
	memcpy(n->mac, mac, sizeof(mac));
	host_reaches(x, "172.18.0.9", EP_DROPPED);
	memcpy(net_link_of(x->c1, NET_ETH0)->mac, mac, sizeof(mac));
	net_ifaddr(x, x->c1, NET_LO, "172.18.0.9/32");
	host_reaches(x, "172.18.0.9", EP_REFUSED);
}

/* ---- what netlink says ---- */

static int take(struct net_world *x, const struct nlmsghdr *nlh)
{
	int32_t nsid;
	int r = ep_rtnl_link(x->s, x->c1, nlh, &nsid);

	return r ? r : ep_rtnl_neigh(x->s, x->c1, nlh);
}

static const struct ep_link *decoded(struct net_world *x, const char *kind, const char *slave,
				     void (*data)(struct nlmsghdr *))
{
	struct ifinfomsg m = {.ifi_index = 77};
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *nlh = rtnl_start(buf, RTM_NEWLINK, &m, sizeof(m));
	struct nlattr *info, *inner;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, "dev");
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, slave ? IFLA_INFO_SLAVE_KIND : IFLA_INFO_KIND, slave ? slave : kind);
	inner = mnl_attr_nest_start(nlh, slave ? IFLA_INFO_SLAVE_DATA : IFLA_INFO_DATA);
	data(nlh);
	mnl_attr_nest_end(nlh, inner);
	mnl_attr_nest_end(nlh, info);
	x->c1->links.n = 0;
	assert_int_equal(take(x, nlh), 0);
	return &x->c1->links.v[0];
}

static void put_macvlan(struct nlmsghdr *nlh)
{
	mnl_attr_put_u32(nlh, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
}

static void put_ipvlan(struct nlmsghdr *nlh)
{
	mnl_attr_put_u16(nlh, IFLA_IPVLAN_MODE, IPVLAN_MODE_L3S);
	mnl_attr_put_u16(nlh, IFLA_IPVLAN_FLAGS, IPVLAN_F_VEPA);
}

static void put_vlan(struct nlmsghdr *nlh)
{
	mnl_attr_put_u16(nlh, IFLA_VLAN_ID, 7);
	mnl_attr_put_u16(nlh, IFLA_VLAN_PROTOCOL, htons(0x88a8));
}

static void put_bridge(struct nlmsghdr *nlh)
{
	mnl_attr_put_u8(nlh, IFLA_BR_VLAN_FILTERING, 1);
	mnl_attr_put_u8(nlh, IFLA_BR_NF_CALL_IPTABLES, 1);
	mnl_attr_put_u8(nlh, IFLA_BR_NF_CALL_IP6TABLES, 0);
}

static void put_port(struct nlmsghdr *nlh)
{
	mnl_attr_put_u8(nlh, IFLA_BRPORT_STATE, BR_STATE_BLOCKING);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_MODE, 1);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_ISOLATED, 1);
}

static void put_short(struct nlmsghdr *nlh)
{
	mnl_attr_put(nlh, IFLA_MACVLAN_MODE, 1, "x");
}

static void kinds(void **state)
{
	struct net_world *x = *state;
	const struct ep_link *l;

	assert_int_equal(decoded(x, "macvlan", NULL, put_macvlan)->mode, MACVLAN_MODE_BRIDGE);
	assert_int_equal(decoded(x, "ipvlan", NULL, put_ipvlan)->mode,
			 IPVLAN_MODE_L3S | EP_IPVLAN_VEPA);
	l = decoded(x, "vlan", NULL, put_vlan);
	assert_int_equal(l->vlan_id, 7);
	assert_int_equal(l->vlan_proto, 0x88a8);
	l = decoded(x, "bridge", NULL, put_bridge);
	assert_true(l->vlan_filtering);
	assert_int_equal(l->nf_call_ip, 1);
	assert_int_equal(l->nf_call_ip6, 0);
	l = decoded(x, NULL, "bridge", put_port);
	assert_true(l->port_blocked && l->port_hairpin && l->port_isolated);
	assert_int_equal(l->nf_call_ip, -1);
	assert_int_equal(decoded(x, "macvlan", NULL, put_short)->mode, 0);
}

static int neighbour(struct net_world *x, uint16_t state, uint8_t flags, size_t alen)
{
	struct ndmsg m = {
		.ndm_family = AF_INET, .ndm_ifindex = 4, .ndm_state = state, .ndm_flags = flags};
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *nlh = rtnl_start(buf, RTM_NEWNEIGH, &m, sizeof(m));
	static const uint8_t bytes[16] = {10, 7, 0, 1};

	mnl_attr_put(nlh, NDA_DST, alen, bytes);
	mnl_attr_put(nlh, NDA_LLADDR, 6, "\x02\0\0\0\0\x09");
	return take(x, nlh);
}

static void neighbours(void **state)
{
	struct net_world *x = *state;

	assert_int_equal(neighbour(x, NUD_REACHABLE, 0, 4), 0);
	assert_int_equal(x->c1->neighs.n, 0); /* learned: none of ours */
	assert_int_equal(neighbour(x, NUD_PERMANENT, 0, 4), 0);
	assert_int_equal(neighbour(x, 0, NTF_PROXY, 4), 0);
	assert_int_equal(x->c1->neighs.n, 2);
	assert_int_equal(x->c1->neighs.v[0].mac[5], 9);
	assert_int_equal(x->c1->neighs.v[1].flags, NTF_PROXY);
	assert_int_equal(neighbour(x, NUD_PERMANENT, 0, 16), -EBADMSG);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(vlan_over_a_cable),   TEST(netkit_is_a_pair),
		TEST(bond_by_its_port),    TEST(ipvlan_modes),
		TEST(siblings_by_mode),    TEST(blocked_port),
		TEST(permanent_neighbour), TEST(kinds),
		TEST(neighbours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
