// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Network namespaces: the current one, those with a name under /run/netns, those that Docker keeps
 * under /run/docker/netns (Swarm's ingress_sbox has no process), and those of processes.
 */
#include "collect/collect_i.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SELF_NETNS "/proc/thread-self/ns/net"

/* Opens path and makes sure that it is a network namespace; fd or negative errno. */
static int open_netns(const char *path, uint64_t *ret_ino)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
		close(fd);
		return -EINVAL;
	}
	*ret_ino = st.st_ino;
	return fd;
}

int ep_ns_enter(const struct ep_netns *ns, int *ret_back_fd)
{
	struct stat self;
	uint64_t ino;
	int fd, back;

	if (stat(SELF_NETNS, &self) == 0 && self.st_ino == ns->ino) {
		*ret_back_fd = -1;
		return 0;
	}
	if (!ns->path)
		return -ENOENT;
	fd = open_netns(ns->path, &ino);
	if (fd < 0)
		return fd;
	if (ino != ns->ino) { /* the process is gone, its number was given to another one */
		close(fd);
		return -ESTALE;
	}
	back = open(SELF_NETNS, O_RDONLY | O_CLOEXEC);
	if (back < 0 || setns(fd, CLONE_NEWNET) < 0) {
		int r = -errno;

		if (back >= 0)
			close(back);
		close(fd);
		return r;
	}
	close(fd);
	*ret_back_fd = back;
	return 0;
}

void ep_ns_leave(int back_fd)
{
	if (back_fd < 0)
		return;
	/* Going on in the wrong namespace would give wrong answers about the host. */
	if (setns(back_fd, CLONE_NEWNET) < 0)
		abort();
	close(back_fd);
}

int ep_netns_resolve(struct ep_snapshot *s, const char *name, struct ep_netns **ret, char *err,
		     size_t err_len)
{
	const char *path = !name             ? SELF_NETNS :
			   strchr(name, '/') ? name :
					       ep_sprintf(s->arena, "/run/netns/%s", name);
	struct ep_netns *ns;
	uint64_t ino;
	int fd;

	fd = name && (!*name || !strcmp(name, ".") || !strcmp(name, "..")) ? -ENOENT :
									     open_netns(path, &ino);
	if (fd < 0) {
		const char *shown = name ? ep_escape(s->arena, name, strlen(name)) : path;

		if (fd == -ENOENT || fd == -ENOTDIR)
			snprintf(err, err_len, "no such network namespace: %s (see `ip netns`)",
				 shown);
		else if (fd == -EINVAL)
			snprintf(err, err_len, "not a network namespace: %s", shown);
		else
			snprintf(err, err_len, "network namespace %s: %s", shown, strerror(-fd));
		return fd;
	}
	close(fd);
	ns = ep_netns_add(s, ino);
	if (!ns->path)
		ns->path = ep_strdup(s->arena, path);
	if (name && !strchr(name, '/'))
		ns->name = ep_strdup(s->arena, name);
	*ret = ns;
	return 0;
}

int ep_netns_socket(const char *netns, int family, int type, int proto, char *err, size_t err_len)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct ep_netns *ns = NULL;
	int back = -1, fd = -1, r = ep_netns_resolve(s, netns, &ns, err, err_len);

	if (r < 0) {
		ep_snapshot_free(s);
		return r;
	}
	r = ep_ns_enter(ns, &back);
	if (r == 0) {
		fd = socket(family, type, proto);
		r = fd < 0 ? -errno : fd;
		ep_ns_leave(back);
	}
	if (r < 0)
		snprintf(err, err_len, "a socket in that namespace: %s", strerror(-r));
	ep_snapshot_free(s);
	return r;
}

static bool is_sandbox_id(const char *s)
{
	return strspn(s, "0123456789abcdef") == strlen(s);
}

/* Bind mounts of namespaces in a directory; 0, also when there is no such directory. */
static int read_named(struct ep_snapshot *s, const char *dir, bool ids_are_no_names)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, NULL, alphasort);

	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		const char *path = ep_sprintf(s->arena, "%s/%s", dir, name);
		bool anonymous = ids_are_no_names &&
				 (is_sandbox_id(name) || !strcmp(name, "default"));
		struct ep_netns *ns;
		uint64_t ino;
		int fd = name[0] == '.' ? -EINVAL : open_netns(path, &ino);

		if (fd >= 0) {
			close(fd);
			ns = ep_netns_add(s, ino);
			if (!ns->path)
				ns->path = path;
			if (!ns->name && !anonymous)
				ns->name = ep_strdup(s->arena, name);
		}
		free(names[i]);
	}
	free(names);
	return 0;
}

uint64_t ep_netns_of_link(const char *link, size_t len)
{
	uint64_t ino = 0;

	if (len < 7 || strncmp(link, "net:[", 5) || link[len - 1] != ']')
		return 0;
	for (size_t i = 5; i < len - 1; i++) {
		if (!isdigit((unsigned char)link[i]) || ino > UINT64_MAX / 10 - 1)
			return 0;
		ino = ino * 10 + (uint64_t)(link[i] - '0');
	}
	return ino;
}

/* One pass over /proc; the lowest pid of a namespace stands for it. Returns how many were unreadable. */
static int read_of_processes(struct ep_snapshot *s, unsigned *ret_unreadable)
{
	DIR *proc = opendir("/proc");
	struct ep_netns *last = NULL;
	struct dirent *d;

	if (!proc)
		return -errno;
	while ((d = readdir(proc))) {
		char path[64], link[64];
		uint64_t ino, pid;
		ssize_t n;

		if (!isdigit((unsigned char)d->d_name[0]) ||
		    !ep_parse_u64(d->d_name, INT32_MAX, &pid))
			continue;
		snprintf(path, sizeof(path), "%d/ns/net", (int)pid);
		n = readlinkat(dirfd(proc), path, link, sizeof(link));
		if (n < 0) {
			/* Zombies and kernel threads on their way out have no namespace. */
			*ret_unreadable += errno == EACCES || errno == EPERM;
			continue;
		}
		ino = ep_netns_of_link(link, (size_t)n);
		if (!ino)
			continue;
		if (!last || last->ino != ino)
			last = ep_netns_add(s, ino);
		if (!last->pid || (int)pid < last->pid)
			last->pid = (int)pid;
		if (!last->path)
			last->path = ep_sprintf(s->arena, "/proc/%s", path);
	}
	closedir(proc);
	return 0;
}

static int first_error(int before, int r)
{
	return before < 0 ? before : r;
}

int ep_collect_netns(struct ep_snapshot *s)
{
	static const struct {
		const char *path;
		bool ids_are_no_names;
	} dirs[] = {{"/run/netns", false}, {"/run/docker/netns", true}};
	unsigned unreadable = 0;
	uint64_t ino;
	int r = 0, fd;

	fd = open_netns(SELF_NETNS, &ino);
	if (fd >= 0) {
		struct ep_netns *ns = ep_netns_add(s, ino);

		close(fd);
		if (!ns->path)
			ns->path = SELF_NETNS;
	}
	for (size_t i = 0; i < EP_ARRAY_SIZE(dirs); i++)
		r = first_error(r, read_named(s, dirs[i].path, dirs[i].ids_are_no_names));
	r = first_error(r, read_of_processes(s, &unreadable));
	if (r < 0)
		ep_source_set(s, "netns", s->netns.n ? EP_PARTIAL : EP_MISSING, strerror(-r));
	else if (unreadable)
		ep_source_set(s, "netns", EP_PARTIAL,
			      ep_sprintf(s->arena, "namespaces of %u process(es) are not readable",
					 unreadable));
	else
		ep_source_set(s, "netns", EP_COMPLETE, NULL);
	return r;
}
