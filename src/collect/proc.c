// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes from /proc/PID: only those that are asked for. */
#include "collect/owners_i.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Up to size - 1 bytes of a file, NUL-terminated; length or -errno. */
static ssize_t read_at(int dir_fd, const char *name, char *buf, size_t size)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (len < size - 1) {
		n = read(fd, buf + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	n = n < 0 ? -errno : 0;
	close(fd);
	buf[len] = 0;
	return n < 0 ? n : (ssize_t)len;
}

static void read_argv(struct ep_arena *a, int dir_fd, struct ep_proc *p)
{
	char buf[EP_MAX_CMDLINE + 1];
	ssize_t len = read_at(dir_fd, "cmdline", buf, sizeof(buf));

	for (char *at = buf; len > 0 && at < buf + len && p->argv.n < EP_MAX_ARGS;) {
		size_t n = strlen(at);

		*ep_push(a, &p->argv) = ep_strndup(a, at, n);
		at += n + 1;
	}
}

static uint32_t read_uid(int dir_fd)
{
	char buf[2048];
	const char *line;

	/* The effective uid is the second number of "Uid:", in the first lines of the file. */
	if (read_at(dir_fd, "status", buf, sizeof(buf)) < 0)
		return 0;
	line = strstr(buf, "\nUid:");
	if (!line)
		return 0;
	strtoul(line + 5, (char **)&line, 10);
	return (uint32_t)strtoul(line, NULL, 10);
}

static void read_cgroup(struct ep_arena *a, int dir_fd, struct ep_proc *p)
{
	char buf[8192];

	if (read_at(dir_fd, "cgroup", buf, sizeof(buf)) < 0)
		return;
	p->cgroup = ep_cgroup_pick(a, buf);
	p->unit = ep_cgroup_unit(a, buf);
}

static const char *read_link(struct ep_arena *a, int dir_fd, const char *name)
{
	char buf[4096];
	ssize_t n = readlinkat(dir_fd, name, buf, sizeof(buf));

	return n > 0 ? ep_strndup(a, buf, (size_t)n) : NULL;
}

static int open_pid(int proc_fd, int pid)
{
	char name[16];

	snprintf(name, sizeof(name), "%d", pid);
	return openat(proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int ep_proc_parent(int proc_fd, int pid)
{
	int dir_fd = open_pid(proc_fd, pid);
	char buf[2048];
	const char *line = NULL;

	if (dir_fd < 0)
		return 0;
	if (read_at(dir_fd, "status", buf, sizeof(buf)) >= 0)
		line = strstr(buf, "\nPPid:");
	close(dir_fd);
	return line ? (int)strtol(line + 6, NULL, 10) : 0;
}

bool ep_proc_command(struct ep_arena *a, int proc_fd, struct ep_proc *p)
{
	int dir_fd = open_pid(proc_fd, p->pid);

	if (dir_fd < 0)
		return false;
	p->exe = read_link(a, dir_fd, "exe");
	read_argv(a, dir_fd, p);
	close(dir_fd);
	return true;
}

struct ep_proc *ep_proc_read_at(struct ep_snapshot *s, int proc_fd, int pid)
{
	int dir_fd = open_pid(proc_fd, pid);
	struct ep_proc *p;
	const char *link;
	char comm[64];

	if (dir_fd < 0)
		return NULL;
	if (read_at(dir_fd, "comm", comm, sizeof(comm)) < 0) {
		close(dir_fd);
		return NULL;
	}
	comm[strcspn(comm, "\n")] = 0;
	p = ep_alloc(s->arena, sizeof(*p));
	p->pid = pid;
	p->comm = ep_strdup(s->arena, comm);
	p->cgroup = "";
	p->exe = read_link(s->arena, dir_fd, "exe");
	link = read_link(s->arena, dir_fd, "ns/net");
	p->netns = link ? ep_netns_of_link(link, strlen(link)) : 0;
	p->uid = read_uid(dir_fd);
	read_argv(s->arena, dir_fd, p);
	read_cgroup(s->arena, dir_fd, p);
	ep_proxy_find(s, proc_fd, p);
	close(dir_fd);
	*ep_push(s->arena, &s->procs) = p;
	if (!link)
		ep_source_set(s, "processes", EP_PARTIAL,
			      ep_sprintf(s->arena, "/proc/%d is not readable in full", pid));
	return p;
}

const char *ep_proc_cgroup(struct ep_arena *a, int pid)
{
	char path[32], buf[8192];

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	return read_at(AT_FDCWD, path, buf, sizeof(buf)) < 0 ? NULL : ep_cgroup_pick(a, buf);
}

struct ep_proc *ep_collect_proc(struct ep_snapshot *s, int pid)
{
	struct ep_proc *p = ep_proc_find(s, pid);
	int fd;

	if (p)
		return p;
	fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		ep_source_set(s, "processes", EP_MISSING, strerror(errno));
		return NULL;
	}
	p = ep_proc_read_at(s, fd, pid);
	close(fd);
	if (p)
		ep_container_attach(s, p);
	return p;
}
