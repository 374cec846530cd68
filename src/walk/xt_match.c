// SPDX-License-Identifier: GPL-2.0-or-later
/* The xt matches there are, and how one is decoded: all revisions that kernels have accepted. */
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <linux/filter.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/xt_cgroup.h>
#include <linux/netfilter/xt_cluster.h>
#include <linux/netfilter/xt_connbytes.h>
#include <linux/netfilter/xt_connlabel.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_cpu.h>
#include <linux/netfilter/xt_devgroup.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_helper.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_ipvs.h>
#include <linux/netfilter/xt_nfacct.h>
#include <linux/netfilter/xt_osf.h>
#include <linux/netfilter/xt_owner.h>
#include <linux/netfilter/xt_physdev.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_policy.h>
#include <linux/netfilter/xt_quota.h>
#include <linux/netfilter/xt_realm.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_rpfilter.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_socket.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_string.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter/xt_time.h>
#include <linux/netfilter/xt_u32.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>
#include <linux/netfilter_ipv6/ip6t_ipv6header.h>

#include "walk/xt.h"

static bool always(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	(void)a;
	(void)in;
	return true;
}

/* Another protocol's, or an extension header that the packet does not have. */
static bool never(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	(void)a;
	(void)in;
	return false;
}

#define SIZE(T) sizeof(struct T)

static const struct ep_xt_match_row match_rows[] = {
	{"tcp", 0, 0, SIZE(xt_tcp), ep_xt_tcp, NULL},
	{"multiport", 0, 0, SIZE(xt_multiport), ep_xt_multiport, NULL},
	{"multiport", 1, 1, SIZE(xt_multiport_v1), ep_xt_multiport, NULL},
	{"comment", 0, 0, 0, always, NULL},
	{"addrtype", 0, 0, SIZE(xt_addrtype_info), ep_xt_addrtype, NULL},
	{"addrtype", 1, 1, SIZE(xt_addrtype_info_v1), ep_xt_addrtype, NULL},
	{"conntrack", 1, 1, SIZE(xt_conntrack_mtinfo1), ep_xt_conntrack, NULL},
	{"conntrack", 2, 2, SIZE(xt_conntrack_mtinfo2), ep_xt_conntrack, NULL},
	{"conntrack", 3, 3, SIZE(xt_conntrack_mtinfo3), ep_xt_conntrack, NULL},
	{"state", 0, 0, SIZE(xt_state_info), ep_xt_state, NULL},
	{"mark", 1, 1, SIZE(xt_mark_mtinfo1), ep_xt_mark, NULL},
	{"connmark", 1, 1, SIZE(xt_connmark_mtinfo1), ep_xt_connmark, NULL},
	{"statistic", 0, 0, SIZE(xt_statistic_info), ep_xt_statistic, NULL},
	{"set", 0, 0, SIZE(xt_set_info_match_v0), ep_xt_set, NULL},
	{"set", 1, 2, SIZE(xt_set_info_match_v1), ep_xt_set, NULL},
	{"set", 3, 3, SIZE(xt_set_info_match_v3), ep_xt_set, NULL},
	{"set", 4, 4, SIZE(xt_set_info_match_v4), ep_xt_set, NULL},
	{"iprange", 1, 1, SIZE(xt_iprange_mtinfo), ep_xt_iprange, NULL},
	{"ipvs", 0, 0, SIZE(xt_ipvs_mtinfo), ep_xt_ipvs, NULL},
	{"owner", 1, 1, SIZE(xt_owner_match_info), ep_xt_owner, NULL},
	{"physdev", 0, 0, SIZE(xt_physdev_info), ep_xt_physdev, NULL},
	{"pkttype", 0, 0, SIZE(xt_pkttype_info), ep_xt_pkttype, NULL},
	{"mac", 0, 0, SIZE(xt_mac_info), ep_xt_mac, NULL},
	{"devgroup", 0, 0, SIZE(xt_devgroup_info), ep_xt_devgroup, NULL},
	{"rpfilter", 0, 0, SIZE(xt_rpfilter_info), ep_xt_rpfilter, NULL},
	{"policy", 0, 0, SIZE(xt_policy_info), ep_xt_policy, NULL},
	{"socket", 0, 0, 0, ep_xt_socket, NULL},
	{"socket", 1, 3, SIZE(xt_socket_mtinfo1), ep_xt_socket, NULL},
	{"cgroup", 0, 0, SIZE(xt_cgroup_info_v0), ep_xt_cgroup, NULL},
	{"cgroup", 1, 1, SIZE(xt_cgroup_info_v1), ep_xt_cgroup, NULL},
	{"cgroup", 2, 2, SIZE(xt_cgroup_info_v2), ep_xt_cgroup, NULL},
	{"limit", 0, 0, SIZE(xt_rateinfo), ep_xt_limit, NULL},
	{"hashlimit", 1, 1, SIZE(xt_hashlimit_mtinfo1), ep_xt_hashlimit, NULL},
	{"hashlimit", 2, 2, SIZE(xt_hashlimit_mtinfo2), ep_xt_hashlimit, NULL},
	{"hashlimit", 3, 3, SIZE(xt_hashlimit_mtinfo3), ep_xt_hashlimit, NULL},
	{"connlimit", 0, 1, SIZE(xt_connlimit_info), ep_xt_connlimit, NULL},
	{"quota", 0, 0, SIZE(xt_quota_info), ep_xt_quota, NULL},
	{"rateest", 0, 0, 0, ep_xt_rateest, NULL},
	{"nfacct", 0, 0, SIZE(xt_nfacct_match_info), ep_xt_nfacct, NULL},
	{"nfacct", 1, 1, SIZE(xt_nfacct_match_info_v1), ep_xt_nfacct, NULL},
	{"time", 0, 0, SIZE(xt_time_info), ep_xt_time, NULL},
	{"cpu", 0, 0, SIZE(xt_cpu_info), ep_xt_cpu, NULL},
	{"cluster", 0, 0, SIZE(xt_cluster_match_info), ep_xt_cluster, NULL},
	{"recent", 0, 0, SIZE(xt_recent_mtinfo), ep_xt_recent, NULL},
	{"recent", 1, 1, SIZE(xt_recent_mtinfo_v1), ep_xt_recent, NULL},
	{"length", 0, 0, SIZE(xt_length_info), ep_xt_length, NULL},
	{"ttl", 0, 0, SIZE(ipt_ttl_info), ep_xt_ttl, NULL},
	{"hl", 0, 0, SIZE(ipt_ttl_info), ep_xt_ttl, NULL},
	{"dscp", 0, 0, SIZE(xt_dscp_info), ep_xt_dscp, NULL},
	{"tos", 1, 1, SIZE(xt_tos_match_info), ep_xt_tos, NULL},
	{"ecn", 0, 0, SIZE(xt_ecn_info), ep_xt_ecn, NULL},
	{"tcpmss", 0, 0, SIZE(xt_tcpmss_match_info), ep_xt_tcpmss, NULL},
	{"connbytes", 0, 0, SIZE(xt_connbytes_info), ep_xt_connbytes, NULL},
	{"connlabel", 0, 0, SIZE(xt_connlabel_mtinfo), ep_xt_connlabel, NULL},
	{"helper", 0, 0, SIZE(xt_helper_info), ep_xt_helper, NULL},
	{"string", 0, 1, SIZE(xt_string_info), ep_xt_string, NULL},
	{"u32", 0, 0, SIZE(xt_u32), ep_xt_u32, NULL},
	{"bpf", 0, 0, SIZE(xt_bpf_info), ep_xt_bpf, NULL},
	{"bpf", 1, 1, SIZE(xt_bpf_info_v1), ep_xt_bpf, NULL},
	{"osf", 0, 0, SIZE(xt_osf_info), ep_xt_osf, NULL},
	{"realm", 0, 0, SIZE(xt_realm_info), ep_xt_realm, NULL},
	{"ipv6header", 0, 0, SIZE(ip6t_ipv6header_info), ep_xt_ipv6header, NULL},
	/* the packet is TCP, with no extension headers */
	{"udp", 0, 0, 0, never, NULL},
	{"udplite", 0, 0, 0, never, NULL},
	{"icmp", 0, 0, 0, never, NULL},
	{"icmp6", 0, 0, 0, never, NULL},
	{"sctp", 0, 0, 0, never, NULL},
	{"dccp", 0, 0, 0, never, NULL},
	{"esp", 0, 0, 0, never, NULL},
	{"ah", 0, 0, 0, never, NULL},
	{"ipcomp", 0, 0, 0, never, NULL},
	{"l2tp", 0, 0, 0, never, NULL},
	{"frag", 0, 0, 0, never, NULL},
	{"rt", 0, 0, 0, never, NULL},
	{"hbh", 0, 0, 0, never, NULL},
	{"dst", 0, 0, 0, never, NULL},
	{"mh", 0, 0, 0, never, NULL},
	{"srh", 0, 1, 0, never, NULL},
	/* what only the running kernel knows */
	{"quota2", 0, 3, 0, NULL, "how many bytes came before"},
	{"eui64", 0, 0, 0, NULL, "the client's MAC address"},
	{"geoip", 0, 255, 0, NULL, "a table of countries"},
};

static const struct ep_xt_match_row *find(const struct ep_xt_ext *m)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(match_rows); i++) {
		const struct ep_xt_match_row *r = &match_rows[i];

		if (m->rev >= r->rev_min && m->rev <= r->rev_max && !strcmp(r->name, m->name))
			return r;
	}
	return NULL;
}

int ep_xt_match_conds(struct ep_xt_and *a, struct ep_xt_env *env, const struct ep_xt_ext *m)
{
	_Alignas(16) uint8_t info[EP_XT_INFO_MAX] = {};
	struct ep_xt_in in = {
		.env = env, .ext = m, .rev = m->rev, .v6 = a->w->p.alen == 16, .info = info};
	const struct ep_xt_match_row *r = env->bridge ? ep_ebt_match_find(m) : find(m);

	if (!r)
		return ep_xt_need_unknown(a, "xt match %s revision %u is not understood", m->name,
					  m->rev);
	if (r->size && m->len != r->size && m->len != XT_ALIGN((unsigned)r->size))
		return ep_xt_need_unknown(a, "xt match %s revision %u has %u bytes, not %u",
					  m->name, m->rev, m->len, r->size);
	if (!r->fn)
		return ep_xt_need_unknown(a, "match %s: depends on %s", m->name, r->why);
	if (r->size)
		memcpy(info, m->data, r->size);
	return r->fn(a, &in);
}

int ep_xt_match(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_ext *m)
{
	struct ep_xt_and a = {.w = w};
	int r = ep_xt_match_conds(&a, env, m);

	return r > 0 ? ep_xt_decide(&a) : r;
}
