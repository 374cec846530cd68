// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs that see packets before any rule: tc and tcx on ingress, sk_lookup, XDP, IPVS. */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collect/collect_i.h"
#include "collect/rtnl.h"

#define EP_BPF_TCX_INGRESS 46 /* Linux 6.6 */
#define EP_MAX_PROGS       64
#define EP_TCA_BPF_NAME    7 /* uapi linux/pkt_cls.h */
#define EP_TCA_BPF_ID      11

struct dump {
	struct ep_snapshot *s;
	struct ep_netns *ns;
	EP_VEC(uint32_t) ingress; /* devices with an ingress or clsact qdisc */
	uint32_t ifindex;         /* whose filters are being read */
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
	add(d, "tc-ingress", d->ifindex, name, id);
	return 0;
}

static int dump_filters(struct dump *d, int fd, uint32_t ifindex)
{
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	struct tcmsg *m;

	req->nlmsg_type = RTM_GETTFILTER;
	req->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	m = mnl_nlmsg_put_extra_header(req, sizeof(*m));
	m->tcm_family = AF_UNSPEC;
	m->tcm_ifindex = (int)ifindex;
	m->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
	d->ifindex = ifindex;
	return ep_nl_request(fd, req, on_filter, d);
}

static int tc_hooks(struct dump *d)
{
	int fd = ep_nl_open(d->ns, NETLINK_ROUTE), r;

	if (fd < 0)
		return fd;
	r = ep_rtnl_dump(fd, RTM_GETQDISC, sizeof(struct tcmsg), AF_UNSPEC, on_qdisc, d);
	for (size_t i = 0; i < d->ingress.n && !r; i++)
		r = dump_filters(d, fd, d->ingress.v[i]);
	close(fd);
	return r == -EOPNOTSUPP ? 0 : r;
}

/* ---- BPF programs attached elsewhere ---- */

static const char *prog_name(struct ep_arena *a, uint32_t id)
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id), r;

	if (fd < 0)
		return NULL;
	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	return r ? NULL : ep_strndup(a, info.name, sizeof(info.name));
}

/* 0, or -errno; a kernel that does not know the attach point has nothing there. */
static int query(struct dump *d, int target, int type, const char *kind, uint32_t ifindex)
{
	uint32_t ids[EP_MAX_PROGS], n = EP_MAX_PROGS, flags = 0;

	if (bpf_prog_query(target, (enum bpf_attach_type)type, 0, &flags, ids, &n))
		return errno == EINVAL || errno == ENOENT || errno == ENODEV ||
				       errno == EOPNOTSUPP ?
			       0 :
			       -errno;
	for (uint32_t i = 0; i < n && i < EP_MAX_PROGS; i++)
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
	}
	ep_ns_leave(back);
	return r;
}

/* ---- IPVS ---- */

static void ipvs_hook(struct dump *d)
{
	int back, lines = 0;
	size_t len;
	char *text;

	if (ep_ns_enter(d->ns, &back))
		return;
	if (!ep_read_file(d->s->arena, "/proc/thread-self/net/ip_vs", 1 << 20, &text, &len))
		for (size_t i = 0; i < len; i++)
			lines += text[i] == '\n';
	ep_ns_leave(back);
	if (lines > 3) /* three lines of headings */
		add(d, "ipvs", 0, "IPVS", 0);
}

int ep_collect_hooks(struct ep_snapshot *s, struct ep_netns *ns)
{
	struct dump d = {.s = s, .ns = ns};
	int r = tc_hooks(&d);

	if (r)
		return r;
	ipvs_hook(&d);
	ep_each(l, &ns->links)
		if (l->xdp_prog)
			add(&d, "xdp", l->ifindex, prog_name(s->arena, l->xdp_prog), l->xdp_prog);
	r = bpf_hooks(&d);
	if (r)
		ep_source_set(s, "hooks", EP_PARTIAL,
			      ep_sprintf(s->arena, "BPF programs could not be listed: %s",
					 strerror(-r)));
	return 0;
}
