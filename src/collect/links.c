// SPDX-License-Identifier: GPL-2.0-or-later
/* Links and addresses of a namespace (RTM_GETLINK, RTM_GETADDR), and the sysctls that routing obeys. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collect/collect_i.h"
#include "collect/nl.h"
#include "collect/rtnl.h"

#define EP_DEVCONF_FORCE_FORWARDING 59 /* Linux 6.17 */

struct dump {
	struct ep_snapshot *s;
	struct ep_netns *ns;
	EP_VEC(int32_t) nsids; /* of the links' other ends, parallel to ns->links; -1 none */
	bool peers;            /* some link has one */
};

/* ---- one link ---- */

static int conf_at(const struct ep_nla *at, unsigned index)
{
	int32_t v;

	if (!at->data || (index + 1) * sizeof(v) > at->len)
		return -1;
	memcpy(&v, at->data + index * sizeof(v), sizeof(v));
	return v;
}

/* IFLA_AF_SPEC: the per-device sysctls of both families as arrays. */
static int parse_af_spec(const struct ep_nla *spec, struct ep_link *l)
{
	static const struct ep_nla_policy families[AF_INET6 + 1] = {
		[AF_INET] = EP_NLA_NEST, [AF_INET6] = EP_NLA_NEST};
	static const struct ep_nla_policy inet[IFLA_INET_CONF + 1] = {[IFLA_INET_CONF] =
									      EP_NLA_NEST};
	static const struct ep_nla_policy inet6[IFLA_INET6_CONF + 1] = {[IFLA_INET6_CONF] =
										EP_NLA_NEST};
	struct ep_nla af[AF_INET6 + 1], tb[IFLA_INET6_CONF + 1];
	int r;

	if (!spec->data)
		return 0;
	r = ep_nla_table(spec->data, spec->len, families, AF_INET6 + 1, af);
	if (!r && af[AF_INET].data) {
		r = ep_nla_table(af[AF_INET].data, af[AF_INET].len, inet, IFLA_INET_CONF + 1, tb);
		if (r)
			return r;
		l->forwarding4 = conf_at(&tb[IFLA_INET_CONF], IPV4_DEVCONF_FORWARDING - 1);
		l->rp_filter = conf_at(&tb[IFLA_INET_CONF], IPV4_DEVCONF_RP_FILTER - 1);
		l->send_redirects = conf_at(&tb[IFLA_INET_CONF], IPV4_DEVCONF_SEND_REDIRECTS - 1);
		l->accept_local = conf_at(&tb[IFLA_INET_CONF], IPV4_DEVCONF_ACCEPT_LOCAL - 1);
		l->src_valid_mark = conf_at(&tb[IFLA_INET_CONF], IPV4_DEVCONF_SRC_VMARK - 1);
		l->route_localnet = conf_at(&tb[IFLA_INET_CONF], IPV4_DEVCONF_ROUTE_LOCALNET - 1);
		l->proxy_arp = conf_at(&tb[IFLA_INET_CONF], IPV4_DEVCONF_PROXY_ARP - 1);
		l->arp_ignore = conf_at(&tb[IFLA_INET_CONF], IPV4_DEVCONF_ARP_IGNORE - 1);
	}
	if (!r && af[AF_INET6].data) {
		r = ep_nla_table(af[AF_INET6].data, af[AF_INET6].len, inet6, IFLA_INET6_CONF + 1,
				 tb);
		if (!r)
			l->forwarding6 = conf_at(&tb[IFLA_INET6_CONF], DEVCONF_FORWARDING);
		if (!r)
			l->proxy_ndp = conf_at(&tb[IFLA_INET6_CONF], DEVCONF_PROXY_NDP);
		if (!r)
			l->use_tempaddr = conf_at(&tb[IFLA_INET6_CONF], DEVCONF_USE_TEMPADDR);
		if (!r)
			l->force_forwarding6 =
				conf_at(&tb[IFLA_INET6_CONF], EP_DEVCONF_FORCE_FORWARDING);
	}
	return r;
}

/* One program, or one for each mode: a device that runs one by itself may have another besides. */
static int parse_xdp(const struct ep_nla *xdp, struct ep_link *l)
{
	static const uint16_t modes[] = {IFLA_XDP_HW_PROG_ID, IFLA_XDP_DRV_PROG_ID,
					 IFLA_XDP_SKB_PROG_ID};
	static const struct ep_nla_policy policy[IFLA_XDP_HW_PROG_ID + 1] = {
		[IFLA_XDP_PROG_ID] = EP_NLA_NUM(4),
		[IFLA_XDP_DRV_PROG_ID] = EP_NLA_NUM(4),
		[IFLA_XDP_SKB_PROG_ID] = EP_NLA_NUM(4),
		[IFLA_XDP_HW_PROG_ID] = EP_NLA_NUM(4)};
	struct ep_nla tb[IFLA_XDP_HW_PROG_ID + 1];
	int r;

	if (!xdp->data)
		return 0;
	r = ep_nla_table(xdp->data, xdp->len, policy, IFLA_XDP_HW_PROG_ID + 1, tb);
	if (r)
		return r;
	l->xdp_prog = ep_rtnl_u32(&tb[IFLA_XDP_PROG_ID], 0);
	for (size_t i = 0; i < EP_ARRAY_SIZE(modes); i++) {
		uint32_t id = ep_rtnl_u32(&tb[modes[i]], 0);

		if (!id || id == l->xdp_prog)
			continue;
		if (l->xdp_prog)
			l->xdp_second = id;
		else
			l->xdp_prog = id;
	}
	return 0;
}

int ep_rtnl_link(struct ep_snapshot *s, struct ep_netns *ns, const struct nlmsghdr *nlh,
		 int32_t *ret_nsid)
{
	static const struct ep_nla_policy policy[IFLA_XDP + 1] = {
		[IFLA_ADDRESS] = EP_NLA_MAX(64),     [IFLA_IFNAME] = EP_NLA_MAX(IFNAMSIZ),
		[IFLA_MTU] = EP_NLA_NUM(4),          [IFLA_LINK] = EP_NLA_NUM(4),
		[IFLA_MASTER] = EP_NLA_NUM(4),       [IFLA_LINKINFO] = EP_NLA_NEST,
		[IFLA_AF_SPEC] = EP_NLA_NEST,        [IFLA_GROUP] = EP_NLA_NUM(4),
		[IFLA_LINK_NETNSID] = EP_NLA_NUM(4), [IFLA_XDP] = EP_NLA_NEST,
	};
	struct ep_nla tb[IFLA_XDP + 1];
	const struct ifinfomsg *m = ep_rtnl_head(nlh, sizeof(*m));
	struct ep_link l = {.kind = "",
			    .master_kind = "",
			    .forwarding4 = -1,
			    .forwarding6 = -1,
			    .force_forwarding6 = -1,
			    .rp_filter = -1,
			    .route_localnet = -1,
			    .accept_local = -1,
			    .send_redirects = -1,
			    .use_tempaddr = -1,
			    .src_valid_mark = -1,
			    .proxy_arp = -1,
			    .arp_ignore = -1,
			    .proxy_ndp = -1,
			    .nf_call_ip = -1,
			    .nf_call_ip6 = -1};
	int r;

	if (!m || nlh->nlmsg_type != RTM_NEWLINK)
		return m ? 0 : -EBADMSG;
	r = ep_rtnl_attrs(nlh, sizeof(*m), policy, IFLA_XDP + 1, tb);
	l.name = r ? NULL : ep_nla_str(s->arena, &tb[IFLA_IFNAME]);
	if (r || !l.name)
		return r ? r : -EBADMSG;
	l.ifindex = (uint32_t)m->ifi_index;
	l.flags = m->ifi_flags;
	l.type = m->ifi_type;
	l.master = ep_rtnl_u32(&tb[IFLA_MASTER], 0);
	l.group = ep_rtnl_u32(&tb[IFLA_GROUP], 0);
	l.mtu = ep_rtnl_u32(&tb[IFLA_MTU], 0);
	l.peer_ifindex = ep_rtnl_u32(&tb[IFLA_LINK], 0);
	if (tb[IFLA_ADDRESS].data && tb[IFLA_ADDRESS].len == sizeof(l.mac))
		memcpy(l.mac, tb[IFLA_ADDRESS].data, sizeof(l.mac));
	r = ep_rtnl_link_info(s->arena, &tb[IFLA_LINKINFO], &l);
	r = r ? r : parse_af_spec(&tb[IFLA_AF_SPEC], &l);
	r = r ? r : parse_xdp(&tb[IFLA_XDP], &l);
	*ret_nsid = (int32_t)ep_rtnl_u32(&tb[IFLA_LINK_NETNSID], (uint32_t)-1);
	if (l.peer_ifindex && *ret_nsid < 0)
		l.peer_netns = ns->ino;
	if (!r)
		*ep_push(s->arena, &ns->links) = l;
	return r;
}

static int on_link(const struct nlmsghdr *nlh, void *ctx)
{
	struct dump *d = ctx;
	size_t had = d->ns->links.n;
	int32_t nsid = -1;
	int r = ep_rtnl_link(d->s, d->ns, nlh, &nsid);

	if (d->ns->links.n > had)
		*ep_push(d->s->arena, &d->nsids) = nsid;
	d->peers |= nsid >= 0;
	return r;
}

/* ---- addresses ---- */

int ep_rtnl_addr(struct ep_snapshot *s, struct ep_netns *ns, const struct nlmsghdr *nlh)
{
	static const struct ep_nla_policy policy[IFA_FLAGS + 1] = {[IFA_ADDRESS] = EP_NLA_MAX(16),
								   [IFA_LOCAL] = EP_NLA_MAX(16),
								   [IFA_FLAGS] = EP_NLA_NUM(4)};
	struct ep_nla tb[IFA_FLAGS + 1];
	const struct ifaddrmsg *m = ep_rtnl_head(nlh, sizeof(*m));
	const struct ep_nla *at;
	struct ep_ifaddr i = {};
	int r;

	if (!m || nlh->nlmsg_type != RTM_NEWADDR)
		return m ? 0 : -EBADMSG;
	r = ep_rtnl_attrs(nlh, sizeof(*m), policy, IFA_FLAGS + 1, tb);
	if (r || (m->ifa_family != AF_INET && m->ifa_family != AF_INET6))
		return r;
	at = tb[IFA_LOCAL].data ? &tb[IFA_LOCAL] : &tb[IFA_ADDRESS];
	if (!at->data || at->len != (m->ifa_family == AF_INET ? 4 : 16) ||
	    m->ifa_prefixlen > at->len * 8)
		return -EBADMSG;
	i.ifindex = m->ifa_index;
	i.addr = ep_addr_of(at->data, (uint8_t)at->len);
	i.plen = m->ifa_prefixlen;
	i.scope = m->ifa_scope;
	i.flags = ep_rtnl_u32(&tb[IFA_FLAGS], m->ifa_flags);
	*ep_push(s->arena, &ns->addrs) = i;
	return 0;
}

static int on_addr(const struct nlmsghdr *nlh, void *ctx)
{
	struct dump *d = ctx;

	return ep_rtnl_addr(d->s, d->ns, nlh);
}

/* ---- the namespace at a link's other end ---- */

static int on_nsid(const struct nlmsghdr *nlh, void *ctx)
{
	static const struct ep_nla_policy policy[NETNSA_NSID + 1] = {[NETNSA_NSID] = EP_NLA_NUM(4)};
	struct ep_nla tb[NETNSA_NSID + 1];
	size_t head = NLMSG_ALIGN(sizeof(struct rtgenmsg));

	if (nlh->nlmsg_type != RTM_NEWNSID || nlh->nlmsg_len < NLMSG_LENGTH(head))
		return 0;
	if (!ep_nla_table((const char *)NLMSG_DATA(nlh) + head, nlh->nlmsg_len - NLMSG_LENGTH(head),
			  policy, NETNSA_NSID + 1, tb))
		*(int32_t *)ctx = (int32_t)ep_rtnl_u32(&tb[NETNSA_NSID], (uint32_t)-1);
	return 0;
}

/* RTM_GETNSID: the id that the namespace behind fd has here; -1 if none. Asking makes none. */
static int32_t nsid_of(int rtnl, int fd)
{
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	struct rtgenmsg *g;
	int32_t nsid = -1;

	req->nlmsg_type = RTM_GETNSID;
	req->nlmsg_flags = NLM_F_REQUEST;
	g = mnl_nlmsg_put_extra_header(req, NLMSG_ALIGN(sizeof(*g)));
	g->rtgen_family = AF_UNSPEC;
	mnl_attr_put_u32(req, NETNSA_FD, (uint32_t)fd);
	return ep_nl_request(rtnl, req, on_nsid, &nsid) ? -1 : nsid;
}

static void resolve_peers(struct dump *d, int rtnl)
{
	size_t left = 0;

	for (size_t i = 0; i < d->nsids.n; i++)
		left += d->nsids.v[i] >= 0;
	for (size_t k = 0; k < d->s->netns.n && left; k++) {
		const struct ep_netns *other = d->s->netns.v[k];
		int fd = other != d->ns && other->path ? open(other->path, O_RDONLY | O_CLOEXEC) :
							 -1;
		struct stat st;
		int32_t nsid;

		if (fd < 0)
			continue;
		/* The process may be gone, and its number another one's. */
		nsid = fstat(fd, &st) || st.st_ino != other->ino ? -1 : nsid_of(rtnl, fd);
		close(fd);
		for (size_t i = 0; nsid >= 0 && i < d->nsids.n; i++)
			if (d->nsids.v[i] == nsid) {
				d->ns->links.v[i].peer_netns = other->ino;
				left--;
			}
	}
}

/* ---- sysctls of the namespace ---- */

static const struct {
	const char *path;
	size_t off;
} sysctls[] = {
	{"/proc/sys/net/ipv4/ip_forward", offsetof(struct ep_netns, ip_forward)},
	{"/proc/sys/net/ipv4/vs/conntrack", offsetof(struct ep_netns, ipvs_conntrack)},
	{"/proc/sys/net/ipv4/vs/backup_only", offsetof(struct ep_netns, ipvs_backup_only)},
	{"/proc/sys/net/ipv4/vs/cache_bypass", offsetof(struct ep_netns, ipvs_cache_bypass)},
	{"/proc/sys/net/ipv4/conf/all/rp_filter", offsetof(struct ep_netns, rp_filter_all)},
	{"/proc/sys/net/ipv4/conf/all/route_localnet",
	 offsetof(struct ep_netns, route_localnet_all)},
	{"/proc/sys/net/ipv4/conf/all/accept_local", offsetof(struct ep_netns, accept_local_all)},
	{"/proc/sys/net/ipv4/conf/all/src_valid_mark",
	 offsetof(struct ep_netns, src_valid_mark_all)},
	{"/proc/sys/net/ipv4/conf/all/send_redirects",
	 offsetof(struct ep_netns, send_redirects_all)},
	{"/proc/sys/net/ipv6/conf/all/forwarding", offsetof(struct ep_netns, forwarding6_all)},
	{"/proc/sys/net/bridge/bridge-nf-call-iptables",
	 offsetof(struct ep_netns, bridge_nf_call_ip)},
	{"/proc/sys/net/bridge/bridge-nf-call-ip6tables",
	 offsetof(struct ep_netns, bridge_nf_call_ip6)},
	{"/proc/sys/net/ipv4/tcp_l3mdev_accept", offsetof(struct ep_netns, tcp_l3mdev_accept)},
	{"/proc/sys/net/netfilter/nf_conntrack_count", offsetof(struct ep_netns, conntrack_count)},
	{"/proc/sys/net/ipv4/fwmark_reflect", offsetof(struct ep_netns, fwmark_reflect)},
	{"/proc/sys/net/ipv4/conf/all/proxy_arp", offsetof(struct ep_netns, proxy_arp_all)},
	{"/proc/sys/net/ipv4/conf/all/arp_ignore", offsetof(struct ep_netns, arp_ignore_all)},
	{"/proc/sys/net/ipv6/conf/all/proxy_ndp", offsetof(struct ep_netns, proxy_ndp_all)},
	{"/proc/sys/net/netfilter/nf_conntrack_tcp_loose", offsetof(struct ep_netns, tcp_loose)},
};

static int read_sysctls(struct ep_netns *ns)
{
	int back, r = ep_ns_enter(ns, &back);

	if (r)
		return r;
	for (size_t i = 0; i < EP_ARRAY_SIZE(sysctls); i++) {
		int *to = (int *)((char *)ns + sysctls[i].off), fd;
		char buf[16] = "";
		ssize_t n;

		*to = -1;
		fd = open(sysctls[i].path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, buf, sizeof(buf) - 1);
		if (n > 0)
			*to = atoi(buf);
		close(fd);
	}
	ep_ns_leave(back);
	return 0;
}

static int read_all(struct dump *d, int fd)
{
	int r;

	d->ns->links.n = d->ns->addrs.n = d->nsids.n = 0;
	d->peers = false;
	r = ep_rtnl_dump(fd, RTM_GETLINK, sizeof(struct ifinfomsg), AF_UNSPEC, on_link, d);
	if (!r)
		r = ep_rtnl_dump(fd, RTM_GETADDR, sizeof(struct ifaddrmsg), AF_UNSPEC, on_addr, d);
	if (!r)
		r = ep_rtnl_neighs(d->s, d->ns, fd);
	if (!r && d->peers)
		resolve_peers(d, fd);
	return r;
}

int ep_collect_links(struct ep_snapshot *s, struct ep_netns *ns)
{
	struct dump d = {.s = s, .ns = ns};
	int r = read_sysctls(ns);

	if (r)
		return r;
	r = -EINTR;
	for (int i = 0; i < EP_RTNL_TRIES && r == -EINTR; i++) {
		int fd = ep_nl_open(ns, NETLINK_ROUTE);

		if (fd < 0)
			return fd;
		r = read_all(&d, fd);
		close(fd);
	}
	return r;
}
