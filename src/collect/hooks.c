// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs that see packets before any rule or after all of them, choose sockets, or are hooks
 * themselves: XDP, tc and tcx, sk_lookup, netfilter's BPF programs; and the services of IPVS. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collect/collect_i.h"
#include "collect/rtnl.h"

/* Newer than the headers may be. */
#define EP_BPF_TCX_INGRESS         46 /* Linux 6.6 */
#define EP_BPF_TCX_EGRESS          47
#define EP_BPF_LINK_TYPE_NETFILTER 10 /* Linux 6.4 */

#define EP_MAX_PROGS    64
#define EP_MAX_LINKS    4096
#define EP_TCA_BPF_NAME 7 /* uapi linux/pkt_cls.h */
#define EP_TCA_BPF_ID   11

struct dump {
	struct ep_snapshot *s;
	struct ep_netns *ns;
	EP_VEC(uint32_t) ingress; /* devices with an ingress or clsact qdisc */
	uint32_t ifindex;         /* whose filters are being read */
	const char *kind;         /* what they are */
};

static const struct ep_nla_policy tca_policy[TCA_OPTIONS + 1] = {
	[TCA_KIND] = EP_NLA_MAX(32), [TCA_OPTIONS] = EP_NLA_NEST};

static void add(struct dump *d, const char *kind, uint32_t ifindex, const char *name, uint32_t id)
{
	*ep_push(d->s->arena, &d->ns->hooks) = (struct ep_hook){.kind = kind,
								.ifindex = ifindex,
								.name = name ? name : "",
								.prog_id = id,
								.may_take = true};
}

/* ---- tc ---- */

static int on_qdisc(const struct nlmsghdr *nlh, void *ctx)
{
	struct dump *d = ctx;
	const struct tcmsg *m = ep_rtnl_head(nlh, sizeof(*m));
	struct ep_nla tb[TCA_OPTIONS + 1];
	const char *kind;
	int r;

	if (!m || nlh->nlmsg_type != RTM_NEWQDISC)
		return 0;
	r = ep_rtnl_attrs(nlh, sizeof(*m), tca_policy, TCA_OPTIONS + 1, tb);
	kind = r ? NULL : ep_nla_str(d->s->arena, &tb[TCA_KIND]);
	if (kind && (!strcmp(kind, "clsact") || !strcmp(kind, "ingress")))
		*ep_push(d->s->arena, &d->ingress) = (uint32_t)m->tcm_ifindex;
	return r;
}

static int on_filter(const struct nlmsghdr *nlh, void *ctx)
{
	static const struct ep_nla_policy bpf[EP_TCA_BPF_ID + 1] = {
		[EP_TCA_BPF_NAME] = EP_NLA_MAX(256), [EP_TCA_BPF_ID] = EP_NLA_NUM(4)};
	struct dump *d = ctx;
	const struct tcmsg *m = ep_rtnl_head(nlh, sizeof(*m));
	struct ep_nla tb[TCA_OPTIONS + 1], opt[EP_TCA_BPF_ID + 1];
	const char *name;
	uint32_t id = 0;
	int r;

	/* Each chain also has a message of its own, without a handle. */
	if (!m || nlh->nlmsg_type != RTM_NEWTFILTER || !m->tcm_handle)
		return 0;
	r = ep_rtnl_attrs(nlh, sizeof(*m), tca_policy, TCA_OPTIONS + 1, tb);
	if (r)
		return r;
	name = ep_nla_str(d->s->arena, &tb[TCA_KIND]);
	if (name && !strcmp(name, "bpf") && tb[TCA_OPTIONS].data &&
	    !ep_nla_table(tb[TCA_OPTIONS].data, tb[TCA_OPTIONS].len, bpf, EP_TCA_BPF_ID + 1, opt)) {
		if (opt[EP_TCA_BPF_NAME].data)
			name = ep_nla_str(d->s->arena, &opt[EP_TCA_BPF_NAME]);
		if (opt[EP_TCA_BPF_ID].data)
			memcpy(&id, opt[EP_TCA_BPF_ID].data, sizeof(id));
	}
	add(d, d->kind, d->ifindex, name, id);
	return 0;
}

static int dump_filters(struct dump *d, int fd, uint32_t ifindex, uint32_t parent, const char *kind)
{
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	struct tcmsg *m;

	req->nlmsg_type = RTM_GETTFILTER;
	req->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	m = mnl_nlmsg_put_extra_header(req, sizeof(*m));
	m->tcm_family = AF_UNSPEC;
	m->tcm_ifindex = (int)ifindex;
	m->tcm_parent = TC_H_MAKE(TC_H_CLSACT, parent);
	d->ifindex = ifindex;
	d->kind = kind;
	return ep_nl_request(fd, req, on_filter, d);
}

static int read_tc(struct dump *d, int fd)
{
	int r;

	d->ingress.n = 0;
	r = ep_rtnl_dump(fd, RTM_GETQDISC, sizeof(struct tcmsg), AF_UNSPEC, on_qdisc, d);
	for (size_t i = 0; i < d->ingress.n && !r; i++) {
		r = dump_filters(d, fd, d->ingress.v[i], TC_H_MIN_INGRESS, "tc-ingress");
		if (!r)
			r = dump_filters(d, fd, d->ingress.v[i], TC_H_MIN_EGRESS, "tc-egress");
	}
	return r;
}

static int tc_hooks(struct dump *d)
{
	size_t had = d->ns->hooks.n;
	int r = -EINTR;

	for (int i = 0; i < EP_RTNL_TRIES && r == -EINTR; i++) {
		int fd = ep_nl_open(d->ns, NETLINK_ROUTE);

		if (fd < 0)
			return fd;
		d->ns->hooks.n = had;
		r = read_tc(d, fd);
		close(fd);
	}
	return r == -EOPNOTSUPP ? 0 : r;
}

/* ---- BPF programs attached elsewhere ---- */

/* bpf(2) as it is: libbpf would bring libelf along, for five requests. */
static int sys_bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(__NR_bpf, cmd, attr, sizeof(*attr));
}

static int fd_by_id(int cmd, uint32_t id)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id; /* the same place as link_id */
	return sys_bpf(cmd, &attr);
}

static int get_info(int fd, void *info, uint32_t len)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = len;
	attr.info.info = (uintptr_t)info;
	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

static const char *prog_name(struct ep_arena *a, uint32_t id)
{
	struct bpf_prog_info info = {};
	int fd = fd_by_id(BPF_PROG_GET_FD_BY_ID, id), r;

	if (fd < 0)
		return NULL;
	r = get_info(fd, &info, sizeof(info));
	close(fd);
	return r ? NULL : ep_strndup(a, info.name, sizeof(info.name));
}

/* 0, or -errno; a kernel that does not know the attach point has nothing there. */
static int query(struct dump *d, int target, int type, const char *kind, uint32_t ifindex)
{
	uint32_t ids[EP_MAX_PROGS];
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)target;
	attr.query.attach_type = (uint32_t)type;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = EP_MAX_PROGS;
	/* ENOSPC: there are more than that, and these are the first of them. */
	if (sys_bpf(BPF_PROG_QUERY, &attr) && errno != ENOSPC)
		return errno == EINVAL || errno == ENOENT || errno == ENODEV ||
				       errno == EOPNOTSUPP ?
			       0 :
			       -errno;
	for (uint32_t i = 0; i < attr.query.prog_cnt && i < EP_MAX_PROGS; i++)
		add(d, kind, ifindex, prog_name(d->s->arena, ids[i]), ids[i]);
	return 0;
}

static int bpf_hooks(struct dump *d)
{
	int fd = open(d->ns->path, O_RDONLY | O_CLOEXEC), back, r;

	if (fd < 0)
		return -errno;
	r = query(d, fd, BPF_SK_LOOKUP, "sk_lookup", 0);
	close(fd);
	if (r)
		return r;
	r = ep_ns_enter(d->ns, &back);
	if (r)
		return r;
	for (size_t i = 0; i < d->ns->links.n && !r; i++) {
		uint32_t ifindex = d->ns->links.v[i].ifindex;

		r = query(d, (int)ifindex, EP_BPF_TCX_INGRESS, "tcx-ingress", ifindex);
		if (!r)
			r = query(d, (int)ifindex, EP_BPF_TCX_EGRESS, "tcx-egress", ifindex);
	}
	ep_ns_leave(back);
	return r;
}

/* Programs at netfilter's hooks are links, and no link tells its namespace: they count for all. */
static int netfilter_links(struct dump *d)
{
	union bpf_attr next;

	memset(&next, 0, sizeof(next));
	for (int i = 0; i < EP_MAX_LINKS; i++) {
		struct bpf_link_info info = {};
		int fd, r;

		if (sys_bpf(BPF_LINK_GET_NEXT_ID, &next))
			return errno == ENOENT || errno == EINVAL ? 0 : -errno;
		next.start_id = next.next_id;
		fd = fd_by_id(BPF_LINK_GET_FD_BY_ID, next.next_id);
		if (fd < 0 && errno == ENOENT) /* gone meanwhile */
			continue;
		if (fd < 0)
			return -errno;
		r = get_info(fd, &info, sizeof(info));
		close(fd);
		if (!r && info.type == EP_BPF_LINK_TYPE_NETFILTER)
			add(d, "netfilter-bpf", 0, prog_name(d->s->arena, info.prog_id),
			    info.prog_id);
	}
	return 0;
}

/* ---- IPVS: /proc/net/ip_vs, whose services are not indented ---- */

static const char *ipvs_address(struct ep_arena *a, const char *text, size_t len)
{
	char addr[64], buf[EP_ADDRSTR];
	struct ep_addr parsed;
	unsigned n, port;
	int end = 0;

	if (len >= sizeof(addr))
		return NULL;
	memcpy(addr, text, len);
	addr[len] = 0;
	if (sscanf(addr, "%8x:%4x%n", &n, &port, &end) == 2 && (size_t)end == len)
		parsed = ep_addr_from_num(n, 4);
	else if (addr[0] != '[' || !strchr(addr, ']') ||
		 sscanf(strchr(addr, ']'), "]:%4x", &port) != 1)
		return NULL;
	else {
		*strchr(addr, ']') = 0;
		if (!ep_addr_parse(addr + 1, &parsed))
			return NULL;
	}
	return ep_sprintf(a, "TCP %s", ep_addrport_str(&parsed, (uint16_t)port, buf));
}

/* "TCP  0A600001:01BB rr", "FWM  00000064 rr"; NULL if it is another protocol's, or none. */
const char *ep_ipvs_service(struct ep_arena *a, const char *line, size_t len)
{
	size_t at = 4, n;
	unsigned mark;

	if (len < 5 || (memcmp(line, "TCP ", 4) && memcmp(line, "FWM ", 4)))
		return NULL;
	while (at < len && line[at] == ' ')
		at++;
	for (n = 0; at + n < len && line[at + n] != ' ';)
		n++;
	if (line[0] == 'T')
		return ipvs_address(a, line + at, n);
	return sscanf(ep_strndup(a, line + at, n), "%8x", &mark) == 1 ?
		       ep_sprintf(a, "FWM %u", mark) :
		       NULL;
}

static void ipvs_hooks(struct dump *d)
{
	const char *line, *end, *service;
	size_t len;
	unsigned n = 0;
	char *text;
	int back;

	if (ep_ns_enter(d->ns, &back))
		return;
	if (ep_read_file(d->s->arena, "/proc/thread-self/net/ip_vs", 64 << 20, &text, &len))
		text = NULL;
	ep_ns_leave(back);
	for (line = text; line && *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		service = ep_ipvs_service(d->s->arena, line, (size_t)(end - line));
		if (!service)
			continue;
		/* Takes what is for it and nothing else: the walk compares. */
		add(d, "ipvs", 0, service, 0);
		d->ns->hooks.v[d->ns->hooks.n - 1].may_take = false;
		n++;
	}
	if (n)
		add(d, "ipvs", 0, ep_sprintf(d->s->arena, "with %u services", n), 0);
}

/* ---- the collector ---- */

static void xdp_hooks(struct dump *d)
{
	ep_each(l, &d->ns->links)
		if (l->xdp_prog)
			add(d, "xdp", l->ifindex, prog_name(d->s->arena, l->xdp_prog), l->xdp_prog);
}

int ep_collect_hooks(struct ep_snapshot *s, struct ep_netns *ns)
{
	struct dump d = {.s = s, .ns = ns};
	int r = ep_netns_need(s, ns, EP_NEED_LINKS); /* whose devices are asked */

	if (!r)
		r = tc_hooks(&d);
	if (r)
		return r;
	ipvs_hooks(&d);
	xdp_hooks(&d);
	r = bpf_hooks(&d);
	if (!r)
		r = netfilter_links(&d);
	if (r)
		ep_source_set(s, "hooks", EP_PARTIAL,
			      ep_sprintf(s->arena, "BPF programs could not be listed: %s",
					 strerror(-r)));
	return 0;
}
