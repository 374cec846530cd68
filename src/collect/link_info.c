// SPDX-License-Identifier: GPL-2.0-or-later
/* IFLA_LINKINFO: the kind of a device, what is set for devices of its kind, and what its master set. */
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <string.h>

#include "collect/rtnl.h"

/* Newer than the headers may be. */
#define EP_IFLA_NETKIT_MODE 4 /* Linux 6.7 */
#define EP_NETKIT_L3        1

#define EP_INFO_MAX 64 /* attributes of a kind that are looked at have lower numbers */

uint32_t ep_rtnl_u32(const struct ep_nla *at, uint32_t dflt)
{
	uint32_t v = dflt;

	if (at->data && at->len >= sizeof(v))
		memcpy(&v, at->data, sizeof(v));
	return v;
}

static uint16_t u16_of(const struct ep_nla *at)
{
	uint16_t v = 0;

	if (at->data && at->len >= sizeof(v))
		memcpy(&v, at->data, sizeof(v));
	return v;
}

static uint8_t u8_of(const struct ep_nla *at, uint8_t dflt)
{
	return at->data && at->len ? *(const uint8_t *)at->data : dflt;
}

static void of_vrf(const struct ep_nla *tb, struct ep_link *l)
{
	l->vrf_table = ep_rtnl_u32(&tb[IFLA_VRF_TABLE], 0);
}

static void of_macvlan(const struct ep_nla *tb, struct ep_link *l)
{
	l->mode = ep_rtnl_u32(&tb[IFLA_MACVLAN_MODE], 0);
}

static void of_ipvlan(const struct ep_nla *tb, struct ep_link *l)
{
	uint16_t flags = u16_of(&tb[IFLA_IPVLAN_FLAGS]);

	l->mode = u16_of(&tb[IFLA_IPVLAN_MODE]);
	l->mode |= flags & IPVLAN_F_PRIVATE ? EP_IPVLAN_PRIVATE : 0;
	l->mode |= flags & IPVLAN_F_VEPA ? EP_IPVLAN_VEPA : 0;
}

static void of_vlan(const struct ep_nla *tb, struct ep_link *l)
{
	l->vlan_id = u16_of(&tb[IFLA_VLAN_ID]);
	l->vlan_proto = __builtin_bswap16(u16_of(&tb[IFLA_VLAN_PROTOCOL]));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	l->vlan_proto = u16_of(&tb[IFLA_VLAN_PROTOCOL]);
#endif
}

static void of_bridge(const struct ep_nla *tb, struct ep_link *l)
{
	l->vlan_filtering = u8_of(&tb[IFLA_BR_VLAN_FILTERING], 0);
	if (tb[IFLA_BR_NF_CALL_IPTABLES].data)
		l->nf_call_ip = u8_of(&tb[IFLA_BR_NF_CALL_IPTABLES], 0);
	if (tb[IFLA_BR_NF_CALL_IP6TABLES].data)
		l->nf_call_ip6 = u8_of(&tb[IFLA_BR_NF_CALL_IP6TABLES], 0);
}

static void of_vxlan(const struct ep_nla *tb, struct ep_link *l)
{
	const struct ep_nla *r = tb[IFLA_VXLAN_GROUP].data ? &tb[IFLA_VXLAN_GROUP] :
							     &tb[IFLA_VXLAN_GROUP6];

	l->vni = ep_rtnl_u32(&tb[IFLA_VXLAN_ID], 0);
	if (r->data && (r->len == 4 || r->len == 16))
		l->remote = ep_addr_of(r->data, (uint8_t)r->len);
}

static void of_netkit(const struct ep_nla *tb, struct ep_link *l)
{
	l->l3_mode = ep_rtnl_u32(&tb[EP_IFLA_NETKIT_MODE], 0) == EP_NETKIT_L3;
}

static void of_port(const struct ep_nla *tb, struct ep_link *l)
{
	l->port_blocked = u8_of(&tb[IFLA_BRPORT_STATE], BR_STATE_FORWARDING) != BR_STATE_FORWARDING;
	l->port_hairpin = u8_of(&tb[IFLA_BRPORT_MODE], 0);
	l->port_isolated = u8_of(&tb[IFLA_BRPORT_ISOLATED], 0);
}

static const struct {
	const char *kind;
	bool slave; /* kind of the master, and what that one says about its port */
	void (*take)(const struct ep_nla *tb, struct ep_link *l);
} kinds[] = {
	{"vrf", false, of_vrf},         {"macvlan", false, of_macvlan},
	{"macvtap", false, of_macvlan}, {"ipvlan", false, of_ipvlan},
	{"ipvtap", false, of_ipvlan},   {"vlan", false, of_vlan},
	{"bridge", false, of_bridge},   {"vxlan", false, of_vxlan},
	{"netkit", false, of_netkit},   {"bridge", true, of_port},
};

static int take_data(const struct ep_nla *data, const char *kind, bool slave, struct ep_link *l)
{
	struct ep_nla_policy policy[EP_INFO_MAX];
	struct ep_nla tb[EP_INFO_MAX];
	int r;

	if (!data->data)
		return 0;
	for (size_t i = 0; i < EP_INFO_MAX; i++)
		policy[i] = (struct ep_nla_policy)EP_NLA_NEST; /* any length: readers look */
	for (size_t i = 0; i < EP_ARRAY_SIZE(kinds); i++) {
		if (kinds[i].slave != slave || strcmp(kinds[i].kind, kind))
			continue;
		r = ep_nla_table(data->data, data->len, policy, EP_INFO_MAX, tb);
		if (r)
			return r;
		kinds[i].take(tb, l);
	}
	return 0;
}

int ep_rtnl_link_info(struct ep_arena *a, const struct ep_nla *info, struct ep_link *l)
{
	static const struct ep_nla_policy policy[IFLA_INFO_SLAVE_DATA + 1] = {
		[IFLA_INFO_KIND] = EP_NLA_MAX(64),
		[IFLA_INFO_DATA] = EP_NLA_NEST,
		[IFLA_INFO_SLAVE_KIND] = EP_NLA_MAX(64),
		[IFLA_INFO_SLAVE_DATA] = EP_NLA_NEST,
	};
	struct ep_nla tb[IFLA_INFO_SLAVE_DATA + 1];
	const char *s;
	int r;

	if (!info->data)
		return 0;
	r = ep_nla_table(info->data, info->len, policy, IFLA_INFO_SLAVE_DATA + 1, tb);
	if (r)
		return r;
	s = ep_nla_str(a, &tb[IFLA_INFO_KIND]);
	l->kind = s ? s : "";
	s = ep_nla_str(a, &tb[IFLA_INFO_SLAVE_KIND]);
	l->master_kind = s ? s : "";
	r = take_data(&tb[IFLA_INFO_DATA], l->kind, false, l);
	return r ? r : take_data(&tb[IFLA_INFO_SLAVE_DATA], l->master_kind, true, l);
}
