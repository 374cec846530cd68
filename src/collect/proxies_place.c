// SPDX-License-Identifier: GPL-2.0-or-later
/* Whose network namespace a userland proxy connects in: from /proc. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collect/owners_i.h"

#define MAX_CHILDREN 65536 /* bytes of /proc/PID/task/TID/children */
#define MAX_FDS      4096

static uint64_t netns_of_link(int dir_fd, const char *path)
{
	char link[64];
	ssize_t n = readlinkat(dir_fd, path, link, sizeof(link));

	return n > 0 ? ep_netns_of_link(link, (size_t)n) : 0;
}

static uint64_t netns_of_pid(int proc_fd, int pid)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/ns/net", pid);
	return netns_of_link(proc_fd, path);
}

static bool same_program(int proc_fd, int pid, const char *exe)
{
	char path[32], link[4096];
	ssize_t n;

	snprintf(path, sizeof(path), "%d/exe", pid);
	n = readlinkat(proc_fd, path, link, sizeof(link));
	return exe && n > 0 && strlen(exe) == (size_t)n && !memcmp(exe, link, (size_t)n);
}

static DIR *open_dir(int proc_fd, int pid, const char *name)
{
	char path[32];
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "%d/%s", pid, name);
	fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

/* The namespace of the first child that fits: exe, if given, is its program, ino, if given, its namespace. */
static uint64_t of_children(int proc_fd, char *text, const char *exe, uint64_t ino)
{
	char *save = NULL;

	for (char *w = strtok_r(text, " \n", &save); w; w = strtok_r(NULL, " \n", &save)) {
		uint64_t pid, its;

		if (!ep_parse_u64(w, INT32_MAX, &pid) ||
		    (exe && !same_program(proc_fd, (int)pid, exe)))
			continue;
		its = netns_of_pid(proc_fd, (int)pid);
		if (its && (!ino || its == ino))
			return its;
	}
	return 0;
}

/* Children are listed by the thread that started them; a kernel without CONFIG_PROC_CHILDREN tells none. */
static uint64_t of_child(int proc_fd, int pid, const char *exe, uint64_t want)
{
	struct ep_arena *tmp = ep_arena_new();
	DIR *tasks = open_dir(proc_fd, pid, "task");
	struct dirent *d;
	uint64_t ino = 0;

	while (tasks && !ino && (d = readdir(tasks))) {
		char path[64], *text;

		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", pid, d->d_name);
		if (!ep_read_file(tmp, path, MAX_CHILDREN, &text, NULL))
			ino = of_children(proc_fd, text, exe, want);
	}
	if (tasks)
		closedir(tasks);
	ep_arena_free(tmp);
	return ino;
}

bool ep_proc_child_in(int proc_fd, int pid, uint64_t ino)
{
	return of_child(proc_fd, pid, NULL, ino) == ino;
}

/* The only other namespace that it has a descriptor of (whose link may read as any path). */
static uint64_t held(const struct ep_snapshot *s, int proc_fd, const struct ep_proc *p)
{
	DIR *fds = open_dir(proc_fd, p->pid, "fd");
	struct stat nsfs, st;
	struct dirent *d;
	uint64_t found = 0;

	if (stat("/proc/thread-self/ns/net", &nsfs))
		nsfs.st_dev = 0;
	for (int n = 0; fds && n < MAX_FDS && (d = readdir(fds)); n++) {
		uint64_t ino = fstatat(dirfd(fds), d->d_name, &st, 0) ? 0 : st.st_ino;

		if (!ino || st.st_dev != nsfs.st_dev || ino == p->netns || ino == found ||
		    !ep_netns_find(s, ino))
			continue;
		if (found) {
			found = 0;
			break;
		}
		found = ino;
	}
	if (fds)
		closedir(fds);
	return found;
}

/* A number that a process of another pid namespace was given is no pid here. */
static bool same_pids(int proc_fd, int pid)
{
	struct stat ours, its;
	char path[32];

	snprintf(path, sizeof(path), "%d/ns/pid", pid);
	return !stat("/proc/thread-self/ns/pid", &ours) && !fstatat(proc_fd, path, &its, 0) &&
	       ours.st_ino == its.st_ino;
}

/* A process's namespace, or a path's if it is a namespace that is known already. */
static uint64_t named(const struct ep_snapshot *s, int proc_fd, const struct ep_proc *p,
		      const char *where)
{
	struct stat st;
	uint64_t pid;

	if (ep_parse_u64(where, INT32_MAX, &pid))
		return same_pids(proc_fd, p->pid) ? netns_of_pid(proc_fd, (int)pid) : 0;
	return *where == '/' && !stat(where, &st) && ep_netns_find(s, st.st_ino) ? st.st_ino : 0;
}

/* rootlesskit starts slirp4netns as its port driver, and says on its own command line for which ports. */
static void ways_of_parent(struct ep_snapshot *s, int proc_fd, struct ep_proc *p)
{
	struct ep_proc parent = {.pid = ep_proc_parent(proc_fd, p->pid)};
	struct ep_proxy proxy;

	if (parent.pid <= 1 || !ep_proc_command(s->arena, proc_fd, &parent))
		return;
	ep_proxy_parse(s->arena, &parent, &proxy);
	if (!parent.proxy_kind || strcmp(parent.proxy_kind, "rootlesskit"))
		return;
	ep_each(w, &parent.proxy_ways) {
		if (!w->addr.len)
			continue;
		*ep_push(s->arena, &p->proxy_ways) = (struct ep_proxy_way){
			.lo = w->lo, .hi = w->hi, .port = w->port, .by_device = true};
	}
}

void ep_proxy_find(struct ep_snapshot *s, int proc_fd, struct ep_proc *p)
{
	struct ep_proxy proxy;
	uint64_t ino = 0;

	ep_proxy_parse(s->arena, p, &proxy);
	if (!p->proxy_kind || proxy.place == EP_PLACE_OWN)
		return;
	if (proxy.place == EP_PLACE_CHILD)
		ino = p->exe ? of_child(proc_fd, p->pid, p->exe, 0) : 0;
	else if (proxy.place == EP_PLACE_HELD)
		ino = held(s, proc_fd, p);
	else
		ino = named(s, proc_fd, p, proxy.where);
	if (proxy.place == EP_PLACE_PARENT)
		ways_of_parent(s, proc_fd, p);
	if (ino && !strcmp(p->proxy_kind, "rootlessport"))
		ep_podman_ways(s, proc_fd, p, ino);
	ep_each(w, &p->proxy_ways) {
		w->netns = ino;
		if (ino || w->name)
			continue;
		w->addr.len = 0;
		w->by_device = false;
		w->name = "a namespace that could not be found";
	}
	if (!p->proxy_ways.n)
		*ep_push(s->arena, &p->proxy_ways) =
			(struct ep_proxy_way){.netns = ino, .name = "a port that only it knows"};
}
