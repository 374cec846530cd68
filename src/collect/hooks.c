// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs that see packets before any rule or after all of them, choose sockets, or are hooks
 * themselves: XDP, tc and tcx, sk_lookup, netfilter's BPF programs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collect/bpf.h"
#include "collect/rtnl.h"

/* Newer than the headers may be. */
#define EP_BPF_TCX_INGRESS         46 /* Linux 6.6 */
#define EP_BPF_TCX_EGRESS          47
#define EP_BPF_NETKIT_PRIMARY      54 /* Linux 6.7 */
#define EP_BPF_NETKIT_PEER         55
#define EP_BPF_LINK_TYPE_NETFILTER 10 /* Linux 6.4 */

#define EP_MAX_LINKS     4096
#define EP_TCA_BPF_NAME  7 /* uapi linux/pkt_cls.h */
#define EP_TCA_BPF_FLAGS 8
#define EP_TCA_BPF_ID    11

struct dump {
	struct ep_snapshot *s;
	struct ep_netns *ns;
	EP_VEC(uint32_t) ingress; /* devices with an ingress or clsact qdisc */
	uint32_t ifindex;         /* whose filters are being read */
	const char *kind;         /* what they are */
	struct ep_bpf bpf;
};

static const struct ep_nla_policy tca_policy[TCA_OPTIONS + 1] = {
	[TCA_KIND] = EP_NLA_MAX(32), [TCA_OPTIONS] = EP_NLA_NEST};

static struct ep_hook *add(struct dump *d, const char *kind, uint32_t ifindex, const char *name,
			   uint32_t id)
{
	struct ep_hook *h = ep_push(d->s->arena, &d->ns->hooks);

	*h = (struct ep_hook){.kind = kind,
			      .ifindex = ifindex,
			      .name = name ? name : "",
			      .prog_id = id,
			      .may_take = true};
	return h;
}

/* A program of the table of ep_bpf_pass_of(). */
static struct ep_hook *add_prog(struct dump *d, const char *kind, uint32_t ifindex, uint32_t id)
{
	struct ep_hook *h = add(d, kind, ifindex, NULL, id);

	ep_bpf_read_prog(&d->bpf, kind, h);
	return h;
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
		[EP_TCA_BPF_NAME] = EP_NLA_MAX(256),
		[EP_TCA_BPF_FLAGS] = EP_NLA_NUM(4),
		[EP_TCA_BPF_ID] = EP_NLA_NUM(4)};
	struct dump *d = ctx;
	const struct tcmsg *m = ep_rtnl_head(nlh, sizeof(*m));
	struct ep_nla tb[TCA_OPTIONS + 1], opt[EP_TCA_BPF_ID + 1];
	uint32_t id = 0, flags = 0;
	struct ep_hook *h;
	const char *name;
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
		if (opt[EP_TCA_BPF_FLAGS].data)
			memcpy(&flags, opt[EP_TCA_BPF_FLAGS].data, sizeof(flags));
	}
	h = add(d, d->kind, d->ifindex, name, id);
	if (id)
		ep_bpf_read_prog(&d->bpf,
				 flags & 1 /* TCA_BPF_FLAG_ACT_DIRECT */ ? d->kind : "tc-class", h);
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

/* 0, or -errno; a kernel that does not know the attach point has nothing there. */
static int query(struct dump *d, int target, int type, const char *kind, uint32_t ifindex)
{
	uint32_t ids[EP_MAX_PROGS], n;
	int r = ep_bpf_query(target, type, false, ids, &n);

	for (uint32_t i = 0; i < n; i++)
		add_prog(d, kind, ifindex, ids[i]);
	return r;
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
		if (!r && !strcmp(d->ns->links.v[i].kind, "netkit"))
			r = query(d, (int)ifindex, EP_BPF_NETKIT_PRIMARY, "netkit-primary",
				  ifindex);
		if (!r && !strcmp(d->ns->links.v[i].kind, "netkit"))
			r = query(d, (int)ifindex, EP_BPF_NETKIT_PEER, "netkit-peer", ifindex);
	}
	ep_ns_leave(back);
	return r;
}

/* struct bpf_link_info of a netfilter link. */
struct link_info {
	uint32_t type, id, prog_id;
	uint32_t pf __attribute__((aligned(8))), hooknum;
	int32_t priority;
	uint32_t flags;
	uint8_t more[64];
};

/* No link tells its namespace; the list of the namespace's hook functions does, where it can be read. */
static bool may_be_here(struct dump *d, uint32_t prog_id)
{
	if (ep_netns_need(d->s, d->ns, EP_NEED_ORDER))
		return true;
	ep_each(src, &d->s->sources)
		if (!strcmp(src->name, "hook-order") && src->status != EP_COMPLETE)
			return true;
	ep_each(f, &d->ns->hook_fns)
		if (f->prog_id == prog_id)
			return true;
	return false;
}

/* Programs at netfilter's hooks are links of no device. */
static int netfilter_links(struct dump *d)
{
	union bpf_attr next;

	memset(&next, 0, sizeof(next));
	for (int i = 0; i < EP_MAX_LINKS; i++) {
		struct link_info info = {};
		struct ep_hook *h;
		int fd, r;

		if (ep_bpf_sys(BPF_LINK_GET_NEXT_ID, &next))
			return errno == ENOENT || errno == EINVAL ? 0 : -errno;
		next.start_id = next.next_id;
		fd = ep_bpf_fd(BPF_LINK_GET_FD_BY_ID, next.next_id);
		if (fd < 0 && errno == ENOENT) /* gone meanwhile */
			continue;
		if (fd < 0)
			return -errno;
		r = ep_bpf_info(fd, &info, sizeof(info));
		close(fd);
		if (r || info.type != EP_BPF_LINK_TYPE_NETFILTER || !may_be_here(d, info.prog_id))
			continue;
		h = add_prog(d, "netfilter-bpf", 0, info.prog_id);
		h->family = (uint8_t)info.pf;
		h->hook = info.hooknum;
	}
	return 0;
}

/*
 * The tables of ebtables-legacy cannot be listed, and to look into one makes it; that a module is
 * there says that there may be one.
 */
static void ebtables_hooks(struct dump *d)
{
	static const char *const tables[] = {"filter", "nat", "broute"};
	bool any = false;

	ep_each(l, &d->ns->links)
		any |= !strcmp(l->kind, "bridge");
	for (size_t i = 0; any && i < EP_ARRAY_SIZE(tables); i++)
		if (ep_module_present(ep_sprintf(d->s->arena, "ebtable_%s", tables[i]))) {
			add(d, "ebtables-legacy", 0, tables[i], 0);
			d->ns->hooks.v[d->ns->hooks.n - 1].may_take = false;
		}
}

/* ---- the collector ---- */

static void xdp_hooks(struct dump *d)
{
	ep_each(l, &d->ns->links) {
		if (l->xdp_prog)
			add_prog(d, "xdp", l->ifindex, l->xdp_prog);
		if (l->xdp_second)
			add_prog(d, "xdp", l->ifindex, l->xdp_second);
	}
}

int ep_collect_hooks(struct ep_snapshot *s, struct ep_netns *ns)
{
	struct dump d = {.s = s, .ns = ns, .bpf = {.arena = s->arena}};
	int r = ep_netns_need(s, ns, EP_NEED_LINKS); /* whose devices are asked */

	if (!r)
		r = tc_hooks(&d);
	if (r)
		return r;
	ep_collect_nfqueues(s, ns);
	xdp_hooks(&d);
	ep_collect_ipvs(s, ns);
	ebtables_hooks(&d);
	r = bpf_hooks(&d);
	if (!r)
		r = netfilter_links(&d);
	if (r)
		ep_source_set(s, "hooks", EP_PARTIAL,
			      ep_sprintf(s->arena, "BPF programs could not be listed: %s",
					 strerror(-r)));
	return 0;
}
