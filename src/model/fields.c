// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/fields.h"

#define F(k, T, m)                                                  \
	{                                                           \
		.name = #m, .kind = EP_F_##k, .off = offsetof(T, m) \
	}
#define FSIZE(k, T, m)                                                                           \
	{                                                                                        \
		.name = #m, .kind = EP_F_##k, .off = offsetof(T, m), .size = sizeof(((T *)0)->m) \
	}
#define FENUM(T, m, n)                                                           \
	{                                                                        \
		.name = #m, .kind = EP_F_ENUM, .off = offsetof(T, m), .names = n \
	}
#define FREC(k, T, m, r)                                                         \
	{                                                                        \
		.name = #m, .kind = EP_F_##k, .off = offsetof(T, m), .rec = &(r) \
	}
#define FBLOB(T, m, len)                                                                       \
	{                                                                                      \
		.name = #m, .kind = EP_F_BLOB, .off = offsetof(T, m), .off2 = offsetof(T, len) \
	}
#define FCUSTOM(n, s, l)                                             \
	{                                                            \
		.name = n, .kind = EP_F_CUSTOM, .save = s, .load = l \
	}
#define REC(n, T, ...)                                                 \
	static const struct ep_field n##_fields[] = {__VA_ARGS__, {}}; \
	static const struct ep_rec n = {sizeof(T), n##_fields}

static const char *const status_names[] = {"missing", "partial", "complete", NULL};
static const char *const xt_verdict_names[] = {"target", "accept", "drop",     "return", "queue",
					       "jump",   "goto",   "continue", NULL};

typedef struct ep_source source_t;
REC(rec_source, source_t, F(STR, source_t, name), FENUM(source_t, status, status_names),
    F(STR, source_t, reason));

typedef struct ep_link link_t_;
REC(rec_link, link_t_, F(U32, link_t_, ifindex), F(STR, link_t_, name), F(STR, link_t_, kind),
    F(U32, link_t_, flags), F(U16, link_t_, type), F(U32, link_t_, master),
    F(STR, link_t_, master_kind), F(U32, link_t_, group), F(U32, link_t_, mtu),
    FSIZE(FIXED, link_t_, mac), F(U32, link_t_, peer_ifindex), F(U64, link_t_, peer_netns),
    F(U32, link_t_, vrf_table), F(U32, link_t_, xdp_prog), F(U32, link_t_, xdp_second),
    F(INT, link_t_, forwarding4), F(INT, link_t_, forwarding6), F(INT, link_t_, rp_filter),
    F(INT, link_t_, route_localnet), F(INT, link_t_, accept_local), F(INT, link_t_, src_valid_mark),
    F(INT, link_t_, force_forwarding6), F(INT, link_t_, send_redirects), F(INT, link_t_, proxy_arp),
    F(INT, link_t_, arp_ignore), F(INT, link_t_, proxy_ndp), F(U32, link_t_, mode),
    F(U16, link_t_, vlan_id), F(U16, link_t_, vlan_proto), F(BOOL, link_t_, vlan_filtering),
    F(INT, link_t_, nf_call_ip), F(INT, link_t_, nf_call_ip6), F(BOOL, link_t_, port_blocked),
    F(BOOL, link_t_, port_hairpin), F(BOOL, link_t_, port_isolated), F(U32, link_t_, vni),
    F(ADDR, link_t_, remote), F(BOOL, link_t_, l3_mode), F(INT, link_t_, use_tempaddr));

typedef struct ep_ifaddr ifaddr_t;
REC(rec_ifaddr, ifaddr_t, F(U32, ifaddr_t, ifindex), F(ADDR, ifaddr_t, addr), F(U8, ifaddr_t, plen),
    F(U8, ifaddr_t, scope), F(U32, ifaddr_t, flags));

typedef struct ep_neigh neigh_t;
REC(rec_neigh, neigh_t, F(U32, neigh_t, ifindex), F(ADDR, neigh_t, addr),
    FSIZE(FIXED, neigh_t, mac), F(U16, neigh_t, state), F(U8, neigh_t, flags));

typedef struct ep_nexthop nexthop_t;
REC(rec_nexthop, nexthop_t, F(ADDR, nexthop_t, gw), F(U32, nexthop_t, ifindex),
    F(U32, nexthop_t, weight), F(U32, nexthop_t, flags));

typedef struct ep_route route_t;
REC(rec_route, route_t, F(U8, route_t, family), F(U32, route_t, table), F(U8, route_t, type),
    F(U8, route_t, scope), F(U8, route_t, protocol), F(U8, route_t, tos), F(ADDR, route_t, dst),
    F(U8, route_t, dst_len), F(ADDR, route_t, src), F(U8, route_t, src_len),
    F(ADDR, route_t, prefsrc), F(U32, route_t, metric), F(U32, route_t, flags),
    F(U8, route_t, pref), FREC(VEC, route_t, hops, rec_nexthop));

typedef struct ep_policy policy_t;
REC(rec_policy, policy_t, F(U8, policy_t, family), F(U32, policy_t, priority),
    F(U32, policy_t, table), F(U32, policy_t, target), F(U8, policy_t, action),
    F(BOOL, policy_t, invert), F(ADDR, policy_t, src), F(ADDR, policy_t, dst),
    F(U8, policy_t, src_len), F(U8, policy_t, dst_len), F(U8, policy_t, tos),
    F(U8, policy_t, ip_proto), F(STR, policy_t, iif), F(STR, policy_t, oif),
    F(U32, policy_t, fwmark), F(U32, policy_t, fwmask), F(BOOL, policy_t, l3mdev),
    F(BOOL, policy_t, has_uid), F(U32, policy_t, uid_lo), F(U32, policy_t, uid_hi),
    F(U16, policy_t, sport_lo), F(U16, policy_t, sport_hi), F(U16, policy_t, dport_lo),
    F(U16, policy_t, dport_hi), F(INT, policy_t, suppress_prefixlen),
    F(INT, policy_t, suppress_ifgroup), F(U8, policy_t, tos_mask), F(U16, policy_t, sport_mask),
    F(U16, policy_t, dport_mask), F(U32, policy_t, flowlabel), F(U32, policy_t, flowlabel_mask));

typedef struct ep_expr expr_t;
static const struct ep_field expr_fields[] = {F(STR, expr_t, name),
					      F(BOOL, expr_t, opaque),
					      FCUSTOM("attrs", ep_save_attrs, ep_load_attrs),
					      FCUSTOM("sub", ep_save_expr_sub, ep_load_expr_sub),
					      {}};
const struct ep_rec ep_rec_expr = {sizeof(expr_t), expr_fields};

typedef struct ep_nft_rule nrule_t;
REC(rec_nft_rule, nrule_t, F(U64, nrule_t, handle), F(U32, nrule_t, position),
    F(STR, nrule_t, comment), FREC(VEC, nrule_t, exprs, ep_rec_expr));

typedef struct ep_nft_chain nchain_t;
REC(rec_nft_chain, nchain_t, F(STR, nchain_t, name), F(U64, nchain_t, handle),
    F(BOOL, nchain_t, base), F(STR, nchain_t, type), F(U32, nchain_t, hook),
    F(INT, nchain_t, priority), F(U32, nchain_t, policy), F(U32, nchain_t, use),
    F(STRS, nchain_t, devs), F(U32, nchain_t, order), F(BOOL, nchain_t, loaded),
    FREC(VEC, nchain_t, rules, rec_nft_rule));

typedef struct ep_nft_set nset_t;
REC(rec_nft_set, nset_t, F(STR, nset_t, name), F(U32, nset_t, flags), F(U32, nset_t, key_type),
    F(U32, nset_t, data_type), F(U32, nset_t, key_len), F(U32, nset_t, data_len),
    FCUSTOM("fields", ep_save_set_fields, ep_load_set_fields), F(U32, nset_t, size),
    F(U32, nset_t, obj_type), FCUSTOM("exprs", ep_save_set_exprs, ep_load_set_exprs),
    F(BOOL, nset_t, loaded), FCUSTOM("elems", ep_save_elems, ep_load_elems));

typedef struct ep_nft_obj nobj_t;
REC(rec_nft_obj, nobj_t, F(STR, nobj_t, name), F(U32, nobj_t, type), FBLOB(nobj_t, data, len),
    FCUSTOM("exprs", ep_save_obj_exprs, ep_load_obj_exprs));

typedef struct ep_nft_table ntable_t;
REC(rec_nft_table, ntable_t, F(U8, ntable_t, family), F(STR, ntable_t, name),
    F(U64, ntable_t, handle), F(U32, ntable_t, flags), F(BOOL, ntable_t, xtables),
    FREC(PVEC, ntable_t, chains, rec_nft_chain), FREC(PVEC, ntable_t, sets, rec_nft_set),
    FREC(PVEC, ntable_t, objs, rec_nft_obj));

typedef struct ep_nft nft_t;
REC(rec_nft, nft_t, FENUM(nft_t, status, status_names), F(STR, nft_t, reason),
    F(U32, nft_t, generation), F(STR, nft_t, gen_comm), F(U32, nft_t, gen_pid),
    F(BOOL, nft_t, changed), FREC(PVEC, nft_t, tables, rec_nft_table));

typedef struct ep_xt_ext ext_t;
REC(rec_ext, ext_t, F(STR, ext_t, name), F(U8, ext_t, rev), FBLOB(ext_t, data, len));

typedef struct ep_xt_rule xrule_t;
REC(rec_xt_rule, xrule_t, F(U32, xrule_t, position), F(ADDR, xrule_t, src), F(ADDR, xrule_t, smask),
    F(ADDR, xrule_t, dst), F(ADDR, xrule_t, dmask), FSIZE(CHARS, xrule_t, iif),
    FSIZE(CHARS, xrule_t, oif), FSIZE(FIXED, xrule_t, iif_mask), FSIZE(FIXED, xrule_t, oif_mask),
    F(U16, xrule_t, proto), F(U8, xrule_t, flags), F(U8, xrule_t, invflags), F(U8, xrule_t, tos),
    FREC(VEC, xrule_t, matches, rec_ext), FENUM(xrule_t, verdict, xt_verdict_names),
    F(STR, xrule_t, chain), FREC(REC, xrule_t, target, rec_ext), F(U64, xrule_t, packets));

typedef struct ep_xt_chain xchain_t;
REC(rec_xt_chain, xchain_t, F(STR, xchain_t, name), F(INT, xchain_t, hook),
    FENUM(xchain_t, policy, xt_verdict_names), FREC(VEC, xchain_t, rules, rec_xt_rule));

typedef struct ep_xt_table xtable_t;
REC(rec_xt_table, xtable_t, F(U8, xtable_t, family), F(STR, xtable_t, name),
    F(U32, xtable_t, valid_hooks), F(BOOL, xtable_t, loaded),
    FREC(PVEC, xtable_t, chains, rec_xt_chain));

typedef struct ep_xt xt_t;
REC(rec_xt, xt_t,
    {.name = "status4", .kind = EP_F_ENUM, .off = offsetof(xt_t, status[0]), .names = status_names},
    {.name = "status6", .kind = EP_F_ENUM, .off = offsetof(xt_t, status[1]), .names = status_names},
    {.name = "reason4", .kind = EP_F_STR, .off = offsetof(xt_t, reason[0])},
    {.name = "reason6", .kind = EP_F_STR, .off = offsetof(xt_t, reason[1])},
    FREC(PVEC, xt_t, tables, rec_xt_table));

typedef struct ep_ipset_elem ipelem_t;
REC(rec_ipset_elem, ipelem_t, F(ADDR, ipelem_t, addr), F(U8, ipelem_t, plen),
    F(U8, ipelem_t, proto), F(U16, ipelem_t, port_lo), F(U16, ipelem_t, port_hi),
    F(BOOL, ipelem_t, nomatch));

typedef struct ep_ipset ipset_t;
REC(rec_ipset, ipset_t, F(STR, ipset_t, name), F(STR, ipset_t, type), F(U16, ipset_t, index),
    F(U8, ipset_t, family), F(BOOL, ipset_t, loaded), FREC(VEC, ipset_t, elems, rec_ipset_elem));

typedef struct ep_recent_stamp rstamp_t;
REC(rec_recent_stamp, rstamp_t, F(U64, rstamp_t, age_ms));

typedef struct ep_recent_row rrow_t;
REC(rec_recent_row, rrow_t, F(ADDR, rrow_t, addr), F(U8, rrow_t, ttl),
    FREC(VEC, rrow_t, stamps, rec_recent_stamp));

typedef struct ep_recent recent_t;
REC(rec_recent, recent_t, F(STR, recent_t, name), F(BOOL, recent_t, loaded),
    F(BOOL, recent_t, ages), FREC(VEC, recent_t, rows, rec_recent_row));

typedef struct ep_hashlimit_row hrow_t;
REC(rec_hashlimit_row, hrow_t, F(ADDR, hrow_t, src), F(ADDR, hrow_t, dst), F(U16, hrow_t, sport),
    F(U16, hrow_t, dport), F(U64, hrow_t, credit), F(U64, hrow_t, cap), F(U64, hrow_t, cost));

typedef struct ep_hashlimit hashlimit_t;
REC(rec_hashlimit, hashlimit_t, F(STR, hashlimit_t, name), F(U8, hashlimit_t, family),
    F(BOOL, hashlimit_t, loaded), FREC(VEC, hashlimit_t, rows, rec_hashlimit_row));

typedef struct ep_acct acct_t;
REC(rec_acct, acct_t, F(STR, acct_t, name), F(BOOL, acct_t, loaded), F(U64, acct_t, packets),
    F(U64, acct_t, bytes), F(U64, acct_t, quota), F(U32, acct_t, flags));

typedef struct ep_conn conn_t;
REC(rec_conn, conn_t, F(ADDR, conn_t, src), F(ADDR, conn_t, dst), F(ADDR, conn_t, reply_src),
    F(ADDR, conn_t, reply_dst), F(U32, conn_t, n), F(U32, conn_t, closed));

typedef struct ep_conns conns_t;
REC(rec_conns, conns_t, F(BOOL, conns_t, counted), F(BOOL, conns_t, loaded), F(U64, conns_t, total),
    FREC(VEC, conns_t, list, rec_conn));

typedef struct ep_hook hook_t;
REC(rec_hook, hook_t, F(STR, hook_t, kind), F(U32, hook_t, ifindex), F(STR, hook_t, name),
    F(U32, hook_t, prog_id), F(BOOL, hook_t, may_take), F(STR, hook_t, at), F(U8, hook_t, family),
    F(U32, hook_t, hook));

typedef struct ep_cgroup cgroup_t;
REC(rec_cgroup, cgroup_t, F(U64, cgroup_t, id), F(STR, cgroup_t, path),
    FREC(VEC, cgroup_t, hooks, rec_hook));

typedef struct ep_hook_fn hook_fn_t;
REC(rec_hook_fn, hook_fn_t, F(U8, hook_fn_t, family), F(U8, hook_fn_t, hook),
    F(BOOL, hook_fn_t, nat), F(BOOL, hook_fn_t, nft), F(INT, hook_fn_t, priority),
    F(U64, hook_fn_t, table), F(U64, hook_fn_t, chain), F(U32, hook_fn_t, prog_id));

typedef struct ep_pod pod_t;
REC(rec_pod, pod_t, F(STR, pod_t, ns), F(STR, pod_t, name), F(STR, pod_t, container),
    F(STR, pod_t, uid));

typedef struct ep_container_addr caddr_t_;
REC(rec_container_addr, caddr_t_, F(STR, caddr_t_, network), F(ADDR, caddr_t_, addr));

typedef struct ep_published published_t;
REC(rec_published, published_t, F(ADDR, published_t, host), F(U16, published_t, host_port),
    F(U16, published_t, port), F(STR, published_t, proto));

typedef struct ep_container container_t;
REC(rec_container, container_t, F(STR, container_t, runtime), F(STR, container_t, id),
    F(STR, container_t, name), F(STR, container_t, image), F(STR, container_t, compose_project),
    F(STR, container_t, compose_service), FREC(REC, container_t, pod, rec_pod),
    F(BOOL, container_t, running), F(INT, container_t, pid), F(U64, container_t, netns),
    F(U64, container_t, cgroup), FREC(VEC, container_t, addrs, rec_container_addr),
    FREC(VEC, container_t, published, rec_published));

typedef struct ep_proxy_way way_t;
REC(rec_proxy_way, way_t, F(U16, way_t, lo), F(U16, way_t, hi), F(ADDR, way_t, addr),
    F(U16, way_t, port), F(U64, way_t, netns), F(BOOL, way_t, by_device), F(BOOL, way_t, own_addr),
    F(STR, way_t, name));

typedef struct ep_proc proc_t;
REC(rec_proc, proc_t, F(INT, proc_t, pid), F(STR, proc_t, comm), F(STR, proc_t, exe),
    F(STR, proc_t, cgroup), F(STR, proc_t, unit), F(STRS, proc_t, argv), F(U64, proc_t, netns),
    F(U32, proc_t, uid), FCUSTOM("container", ep_save_container, ep_load_container),
    F(ADDR, proc_t, proxy_target), F(U16, proc_t, proxy_port), F(STR, proc_t, proxy_kind),
    FREC(VEC, proc_t, proxy_ways, rec_proxy_way));

typedef struct ep_listener listener_t;
REC(rec_listener, listener_t, F(U64, listener_t, netns), F(ADDR, listener_t, addr),
    F(U16, listener_t, port), F(BOOL, listener_t, v6only), F(BOOL, listener_t, reuseport),
    F(BOOL, listener_t, transparent), F(U32, listener_t, bound_ifindex), F(U64, listener_t, ino),
    F(U32, listener_t, uid), F(U32, listener_t, backlog), F(U32, listener_t, qlen),
    F(U32, listener_t, order), F(BOOL, listener_t, mark_known), F(U32, listener_t, mark),
    F(U64, listener_t, cgroup), FREC(VEC, listener_t, hooks, rec_hook),
    FCUSTOM("procs", ep_save_owners, ep_load_owners));

typedef struct ep_nfqueue nfqueue_t;
REC(rec_nfqueue, nfqueue_t, F(U16, nfqueue_t, num), F(U32, nfqueue_t, portid),
    F(STR, nfqueue_t, comm));

typedef struct ep_ipvs_dest vsdest_t;
REC(rec_ipvs_dest, vsdest_t, F(ADDR, vsdest_t, addr), F(U16, vsdest_t, port),
    F(U32, vsdest_t, method), F(U32, vsdest_t, weight), F(U32, vsdest_t, u_thresh),
    F(U32, vsdest_t, l_thresh), F(U32, vsdest_t, active), F(U32, vsdest_t, inactive));

typedef struct ep_ipvs_service vs_t;
REC(rec_ipvs, vs_t, F(U8, vs_t, family), F(U16, vs_t, proto), F(ADDR, vs_t, addr),
    F(U16, vs_t, port), F(U32, vs_t, fwmark), F(STR, vs_t, sched), F(U32, vs_t, flags),
    F(U32, vs_t, netmask), FREC(VEC, vs_t, dests, rec_ipvs_dest));

typedef struct ep_netns netns_t;
REC(rec_netns, netns_t, F(U64, netns_t, ino), F(STR, netns_t, name), F(INT, netns_t, pid),
    F(U32, netns_t, have), F(STR, netns_t, failed), FREC(VEC, netns_t, links, rec_link),
    FREC(VEC, netns_t, addrs, rec_ifaddr), FREC(VEC, netns_t, neighs, rec_neigh),
    FREC(VEC, netns_t, routes, rec_route), FREC(VEC, netns_t, policies, rec_policy),
    FREC(VEC, netns_t, hooks, rec_hook), FREC(VEC, netns_t, hook_fns, rec_hook_fn),
    FREC(PVEC, netns_t, ipsets, rec_ipset), FREC(PVEC, netns_t, recents, rec_recent),
    FREC(PVEC, netns_t, hashlimits, rec_hashlimit), FREC(PVEC, netns_t, accts, rec_acct),
    FREC(REC, netns_t, conns, rec_conns), FREC(REC, netns_t, nft, rec_nft),
    FREC(REC, netns_t, xt, rec_xt), F(INT, netns_t, ip_forward), F(INT, netns_t, forwarding6_all),
    F(INT, netns_t, rp_filter_all), F(INT, netns_t, route_localnet_all),
    F(INT, netns_t, accept_local_all), F(INT, netns_t, src_valid_mark_all),
    F(INT, netns_t, send_redirects_all), F(INT, netns_t, bridge_nf_call_ip),
    F(INT, netns_t, bridge_nf_call_ip6), F(INT, netns_t, conntrack_count),
    F(INT, netns_t, tcp_l3mdev_accept), F(INT, netns_t, fwmark_reflect),
    F(INT, netns_t, proxy_arp_all), F(INT, netns_t, arp_ignore_all), F(INT, netns_t, proxy_ndp_all),
    F(INT, netns_t, tcp_loose), F(BOOL, netns_t, realms), F(BOOL, netns_t, queues_known),
    FREC(VEC, netns_t, queues, rec_nfqueue), FREC(VEC, netns_t, ipvs, rec_ipvs),
    F(STR, netns_t, ipvs_unread), F(INT, netns_t, ipvs_conntrack),
    F(INT, netns_t, ipvs_backup_only), F(INT, netns_t, ipvs_cache_bypass));

/* Containers before processes before listeners: later ones refer to earlier ones. */
typedef struct ep_snapshot snapshot_t;
static const struct ep_field snapshot_fields[] = {F(STR, snapshot_t, hostname),
						  F(STR, snapshot_t, kernel),
						  F(STR, snapshot_t, boot_id),
						  F(U64, snapshot_t, host_netns),
						  F(U64, snapshot_t, taken_at),
						  F(BOOL, snapshot_t, has_tz),
						  F(INT, snapshot_t, tz_minuteswest),
						  F(U32, snapshot_t, cpus),
						  FREC(VEC, snapshot_t, sources, rec_source),
						  FREC(PVEC, snapshot_t, netns, rec_netns),
						  FREC(PVEC, snapshot_t, containers, rec_container),
						  FREC(PVEC, snapshot_t, procs, rec_proc),
						  FREC(PVEC, snapshot_t, cgroups, rec_cgroup),
						  FREC(VEC, snapshot_t, listeners, rec_listener),
						  F(BOOL, snapshot_t, listeners_partial),
						  {}};
const struct ep_rec ep_rec_snapshot = {sizeof(snapshot_t), snapshot_fields};
