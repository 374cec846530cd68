// SPDX-License-Identifier: GPL-2.0-or-later
/* Who reads packets from queues: /proc/net/netfilter/nfnetlink_queue (seq_show() in
 * net/netfilter/nfnetlink_queue.c) names the netlink port, /proc/net/netlink the port's socket. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collect/collect_i.h"

#define MAX_LINE 256
#define MAX_TEXT (4 << 20)

bool ep_nfqueue_line(const char *line, size_t len, struct ep_nfqueue *ret)
{
	char buf[MAX_LINE] = "";
	unsigned num, portid;

	memcpy(buf, line, len < sizeof(buf) - 1 ? len : sizeof(buf) - 1);
	if (sscanf(buf, " %u %u", &num, &portid) != 2 || num > UINT16_MAX)
		return false;
	*ret = (struct ep_nfqueue){.num = (uint16_t)num, .portid = portid};
	return true;
}

uint64_t ep_netlink_line(const char *line, size_t len, uint32_t portid)
{
	char buf[MAX_LINE] = "";
	unsigned proto, port;
	uint64_t ino;

	memcpy(buf, line, len < sizeof(buf) - 1 ? len : sizeof(buf) - 1);
	/* sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode */
	if (sscanf(buf, "%*s %u %u %*s %*s %*s %*s %*s %*s %" SCNu64, &proto, &port, &ino) != 3 ||
	    proto != NETLINK_NETFILTER || port != portid)
		return 0;
	return ino;
}

static bool holds(uint32_t pid, uint64_t ino)
{
	char want[64], path[64], link[64];
	struct dirent *e;
	bool found = false;
	ssize_t n;
	DIR *d;

	snprintf(want, sizeof(want), "socket:[%" PRIu64 "]", ino);
	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	d = opendir(path);
	if (!d)
		return false;
	while (!found && (e = readdir(d))) {
		n = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);
		if (n <= 0)
			continue;
		link[n] = 0;
		found = !strcmp(link, want);
	}
	closedir(d);
	return found;
}

/* A port's number is the pid of the process that bound it first, but need not be. */
static void name_program(struct ep_snapshot *s, const char *sockets, struct ep_nfqueue *q)
{
	const struct ep_proc *p;
	const char *end;

	for (const char *line = sockets; line && *line; line = *end ? end + 1 : end) {
		uint64_t ino;

		end = strchrnul(line, '\n');
		ino = ep_netlink_line(line, (size_t)(end - line), q->portid);
		if (!ino || q->portid > INT32_MAX || !holds(q->portid, ino))
			continue;
		p = ep_collect_proc(s, (int)q->portid);
		if (p)
			q->comm = p->comm;
		return;
	}
}

static char *read_text(struct ep_snapshot *s, const char *path, int *ret)
{
	char *text = NULL;
	size_t len;

	*ret = ep_read_file(s->arena, path, MAX_TEXT, &text, &len);
	return *ret ? NULL : text;
}

void ep_collect_nfqueues(struct ep_snapshot *s, struct ep_netns *ns)
{
	char *text, *sockets;
	const char *end;
	int back, r, r2;

	ns->queues.n = 0;
	ns->queues_known = false;
	if (ep_ns_enter(ns, &back))
		return;
	text = read_text(s, "/proc/thread-self/net/netfilter/nfnetlink_queue", &r);
	sockets = read_text(s, "/proc/thread-self/net/netlink", &r2);
	ep_ns_leave(back);
	/* Without nfnetlink_queue nobody can listen. */
	ns->queues_known = !r || r == -ENOENT;
	for (const char *line = text; line && *line; line = *end ? end + 1 : end) {
		struct ep_nfqueue q;

		end = strchrnul(line, '\n');
		if (!ep_nfqueue_line(line, (size_t)(end - line), &q))
			continue;
		name_program(s, sockets, &q);
		*ep_push(s->arena, &ns->queues) = q;
	}
}
