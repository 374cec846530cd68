// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Listeners where BPF is refused: NETLINK_SOCK_DIAG in every namespace (uapi linux/inet_diag.h),
 * and the owners from the links /proc/PID/fd/N.
 */
#include "collect/owners_i.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_LISTEN 10 /* TCP_LISTEN of the kernel's net/tcp_states.h */

struct dump {
	struct ep_arena *arena;
	ep_wires *out;
	uint64_t netns;
};

static int take_attr(const struct nlattr *attr, void *data)
{
	struct ep_wire_listener *w = data;

	if (mnl_attr_get_type(attr) == INET_DIAG_SKV6ONLY &&
	    mnl_attr_validate(attr, MNL_TYPE_U8) == 0) {
		w->v6only = mnl_attr_get_u8(attr) & 1;
	} else if (mnl_attr_get_type(attr) == INET_DIAG_MARK &&
		   mnl_attr_validate(attr, MNL_TYPE_U32) == 0) {
		w->mark = mnl_attr_get_u32(attr);
		w->mark_known = 1;
	} else if (mnl_attr_get_type(attr) == INET_DIAG_SOCKOPT &&
		   mnl_attr_get_payload_len(attr) >= sizeof(struct inet_diag_sockopt)) {
		struct inet_diag_sockopt opt;

		memcpy(&opt, mnl_attr_get_payload(attr), sizeof(opt));
		w->transparent = opt.transparent;
	} else if (mnl_attr_get_type(attr) == INET_DIAG_CGROUP_ID &&
		   mnl_attr_validate(attr, MNL_TYPE_U64) == 0) {
		w->cgroup = mnl_attr_get_u64(attr);
	}
	return MNL_CB_OK;
}

static int take_socket(const struct nlmsghdr *nlh, void *data)
{
	const struct dump *d = data;
	struct ep_wire_listener *w;
	struct inet_diag_msg m;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(m))
		return MNL_CB_OK;
	memcpy(&m, mnl_nlmsg_get_payload(nlh), sizeof(m));
	if ((m.idiag_family != AF_INET && m.idiag_family != AF_INET6) ||
	    m.idiag_state != STATE_LISTEN)
		return MNL_CB_OK;
	w = ep_push(d->arena, d->out);
	w->netns = d->netns;
	w->order = (uint32_t)d->out->n; /* dumps go along the hash chains */
	w->sock = (uint64_t)m.id.idiag_cookie[1] << 32 | m.id.idiag_cookie[0];
	w->ino = m.idiag_inode;
	w->bound_ifindex = m.id.idiag_if;
	w->backlog = m.idiag_wqueue;
	w->qlen = m.idiag_rqueue;
	w->uid = m.idiag_uid;
	w->family = m.idiag_family;
	w->port = ntohs(m.id.idiag_sport);
	memcpy(w->addr, m.id.idiag_src, m.idiag_family == AF_INET ? 4 : 16);
	if (mnl_attr_parse(nlh, sizeof(m), take_attr, w) < 0)
		return MNL_CB_ERROR;
	return MNL_CB_OK;
}

static int dump_family(struct mnl_socket *nl, uint8_t family, struct dump *d)
{
	static const unsigned seq = 1;
	char buf[16384] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req;
	ssize_t n;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	req->sdiag_family = family;
	req->sdiag_protocol = IPPROTO_TCP;
	req->idiag_states = 1U << STATE_LISTEN;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		int r;

		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		errno = 0;
		r = mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(nl), take_socket, d);
		if (r < 0)
			return errno ? -errno : -EBADMSG;
		if (r == MNL_CB_STOP)
			return 0;
	}
}

/* Where reuseport is not told: sockets cannot share address and port in LISTEN without it. */
static void mark_reuseport(ep_wires *w, size_t first)
{
	for (size_t i = first; i < w->n; i++) {
		for (size_t k = first; k < i; k++) {
			struct ep_wire_listener *a = &w->v[i], *b = &w->v[k];

			if (a->port == b->port && a->family == b->family &&
			    (a->bound_ifindex == b->bound_ifindex || !a->bound_ifindex ||
			     !b->bound_ifindex) &&
			    !memcmp(a->addr, b->addr, sizeof(a->addr)))
				a->reuseport = b->reuseport = 1;
		}
	}
}

int ep_listeners_by_diag(struct ep_arena *a, const struct ep_netns *ns, ep_wires *out)
{
	struct dump d = {.arena = a, .out = out, .netns = ns->ino};
	size_t first = out->n;
	struct mnl_socket *nl;
	int back, r;

	if (ep_module_unloaded("inet_diag") || ep_module_unloaded("tcp_diag"))
		return -ENOPROTOOPT; /* asking would load them */
	r = ep_ns_enter(ns, &back);
	if (r < 0)
		return r;
	nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	r = nl ? 0 : -errno;
	ep_ns_leave(back);
	if (r < 0)
		return r;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		r = -errno;
	if (r == 0)
		r = dump_family(nl, AF_INET, &d);
	if (r == 0)
		r = dump_family(nl, AF_INET6, &d);
	mnl_socket_close(nl);
	if (r < 0)
		out->n = first;
	return r;
}

/* ---- owners ---- */

static int by_ino(const void *pa, const void *pb)
{
	const struct ep_wire_listener *a = pa, *b = pb;

	return (a->ino > b->ino) - (a->ino < b->ino);
}

static uint64_t socket_of_link(const char *link, size_t len)
{
	static const char prefix[] = "socket:[";
	char num[24];
	uint64_t ino;

	if (len < sizeof(prefix) || memcmp(link, prefix, sizeof(prefix) - 1) ||
	    link[len - 1] != ']' || len - sizeof(prefix) >= sizeof(num))
		return 0;
	memcpy(num, link + sizeof(prefix) - 1, len - sizeof(prefix));
	num[len - sizeof(prefix)] = 0;
	return ep_parse_u64(num, UINT64_MAX, &ino) ? ino : 0;
}

/* The first n records of out are sorted by inode; adds one for each of them that pid holds. */
static int scan_fds(struct ep_arena *a, int proc_fd, int pid, ep_wires *out, size_t n)
{
	char path[32], link[64];
	struct dirent *d;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "%d/fd", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((d = readdir(dir))) {
		struct ep_wire_listener key = {}, *hit;
		ssize_t len = readlinkat(fd, d->d_name, link, sizeof(link));

		key.ino = len > 0 ? socket_of_link(link, (size_t)len) : 0;
		hit = key.ino ? bsearch(&key, out->v, n, sizeof(key), by_ino) : NULL;
		if (!hit)
			continue;
		key = *hit;
		key.pid = (uint32_t)pid;
		*ep_push(a, out) = key;
	}
	closedir(dir);
	return 0;
}

int ep_listeners_find_owners(struct ep_arena *a, ep_wires *out)
{
	DIR *proc = opendir("/proc");
	size_t n = out->n;
	struct dirent *d;
	int ret = 0;

	if (!proc)
		return -errno;
	if (n)
		qsort(out->v, n, sizeof(*out->v), by_ino);
	while (n && (d = readdir(proc))) {
		uint64_t pid;
		int r;

		if (!isdigit((unsigned char)d->d_name[0]) ||
		    !ep_parse_u64(d->d_name, INT32_MAX, &pid))
			continue;
		r = scan_fds(a, dirfd(proc), (int)pid, out, n);
		if (r == -EACCES || r == -EPERM)
			ret = r;
	}
	closedir(proc);
	return ret;
}

int ep_collect_sockets_diag(struct ep_snapshot *s, const char *why)
{
	struct ep_arena *tmp = ep_arena_new();
	unsigned unread = 0;
	ep_wires w = {};
	int r = 0, owners;

	ep_each(it, &s->netns) {
		size_t first = w.n;
		int err = ep_listeners_by_diag(tmp, *it, &w);

		/* A namespace may end between being listed and being entered. */
		if (err < 0 && err != -ENOENT && err != -ESTALE) {
			unread++;
			r = err;
		}
		mark_reuseport(&w, first);
	}
	owners = ep_listeners_find_owners(tmp, &w);
	ep_listeners_add(s, &w);
	if (unread) {
		s->listeners_partial = true;
		ep_source_set(s, "sockets", unread == s->netns.n ? EP_MISSING : EP_PARTIAL,
			      ep_sprintf(tmp, "%ssockets of %u of %zu namespaces not read: %s", why,
					 unread, s->netns.n, strerror(-r)));
	} else {
		ep_source_set(s, "sockets", EP_PARTIAL,
			      ep_sprintf(tmp, "%sread by sock_diag%s%s", why,
					 owners < 0 ? ", some processes' files: " : "",
					 owners < 0 ? strerror(-owners) : ""));
	}
	ep_arena_free(tmp);
	return unread && unread == s->netns.n ? r : 0;
}
