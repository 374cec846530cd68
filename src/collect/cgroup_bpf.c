// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * BPF programs attached to the control groups (version 2) of listening sockets and to their ancestors:
 * they see packets that a socket is to get, and the addresses that its processes connect to.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collect/bpf.h"
#include "collect/owners_i.h"

#define MAX_MOUNTINFO (4 << 20)
#define MAX_DEPTH     64
#define FILEID_KERNFS 0xfe /* linux/exportfs.h: an inode number of 64 bits */

static const struct {
	int type;
	const char *kind;
} attach_types[] = {
	{BPF_CGROUP_INET_INGRESS, "cgroup-ingress"},
	{BPF_CGROUP_INET_EGRESS, "cgroup-egress"},
	{BPF_CGROUP_INET4_CONNECT, "cgroup-connect4"},
	{BPF_CGROUP_INET6_CONNECT, "cgroup-connect6"},
};

struct tree {
	struct ep_snapshot *s;
	const char *mount;
	int fd; /* of the mount point */
	struct ep_bpf bpf;
};

/* ---- the mount ---- */

/* "\040" and the like, in place. */
static char *unescape(char *text)
{
	char *to = text;

	for (const char *at = text; *at; to++) {
		bool octal = *at == '\\' && strspn(at + 1, "01234567") >= 3;

		*to = octal ? (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0')) : *at;
		at += octal ? 4 : 1;
	}
	*to = 0;
	return text;
}

/* proc(5): ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS… - TYPE SOURCE OPTIONS */
static char *mount_of_line(struct ep_arena *a, const char *line, size_t len)
{
	char *text = ep_strndup(a, line, len), *save = NULL, *word = text;
	char *sep = strstr(text, " - cgroup2 ");

	if (!sep)
		return NULL;
	for (int i = 0; word && i < 5; i++) {
		word = strtok_r(i ? NULL : text, " ", &save);
		if (i == 3 && (!word || strcmp(word, "/")))
			return NULL;
	}
	return word ? unescape(word) : NULL;
}

/* Where the whole tree is mounted; NULL if nowhere. */
static const char *find_mount(struct ep_arena *a)
{
	const char *end;
	char *text;

	if (ep_read_file(a, "/proc/thread-self/mountinfo", MAX_MOUNTINFO, &text, NULL))
		return NULL;
	for (const char *line = text; *line; line = *end ? end + 1 : end) {
		char *mount;

		end = strchrnul(line, '\n');
		mount = mount_of_line(a, line, (size_t)(end - line));
		if (mount)
			return mount;
	}
	return NULL;
}

/* ---- one cgroup ---- */

static int open_by_id(const struct tree *t, uint64_t id)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + sizeof(id)];
	} u = {.h = {.handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS}};

	memcpy(u.h.f_handle, &id, sizeof(id));
	return open_by_handle_at(t->fd, &u.h, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static const char *path_of(const struct tree *t, int fd)
{
	size_t len = strlen(t->mount);
	char link[64], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0 || (size_t)n < len || memcmp(path, t->mount, len))
		return NULL;
	path[n] = 0;
	return ep_strdup(t->s->arena, path[len] ? path + len : "/");
}

/* The nearest cgroup, from path upwards, that the program is attached to; NULL if it is not seen. */
static const char *attached_at(const struct tree *t, const char *path, int type, uint32_t prog)
{
	char *at = ep_strdup(t->s->arena, path);

	for (int depth = 0; depth < MAX_DEPTH; depth++) {
		uint32_t ids[EP_MAX_PROGS], n = 0;
		char *slash = strrchr(at, '/');
		int fd = openat(t->fd, at[1] ? at + 1 : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0) {
			if (ep_bpf_query(fd, type, false, ids, &n))
				n = 0;
			close(fd);
		}
		for (uint32_t i = 0; i < n; i++)
			if (ids[i] == prog)
				return at;
		if (!at[1] || !slash)
			return NULL;
		slash[slash == at] = 0;
	}
	return NULL;
}

static int read_programs(struct tree *t, struct ep_cgroup *c, int fd)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(attach_types); i++) {
		uint32_t ids[EP_MAX_PROGS], n;
		int r = ep_bpf_query(fd, attach_types[i].type, true, ids, &n);

		if (r)
			return r;
		for (uint32_t k = 0; k < n; k++) {
			struct ep_hook *h = ep_push(t->s->arena, &c->hooks);

			*h = (struct ep_hook){
				.kind = attach_types[i].kind, .name = "", .prog_id = ids[k]};
			ep_bpf_read_prog(&t->bpf, h->kind, h);
			if (c->path)
				h->at = attached_at(t, c->path, attach_types[i].type, ids[k]);
		}
	}
	return 0;
}

static int add(struct tree *t, int fd)
{
	struct ep_cgroup *c;
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (ep_cgroup_find(t->s, st.st_ino))
		return 0;
	c = ep_alloc(t->s->arena, sizeof(*c));
	*ep_push(t->s->arena, &t->s->cgroups) = c;
	c->id = st.st_ino;
	c->path = path_of(t, fd);
	return read_programs(t, c, fd);
}

static int open_of_proc(const struct tree *t, int pid)
{
	char path[32], *text, *line, *end;

	if (!pid)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (ep_read_file(t->s->arena, path, 1 << 16, &text, NULL))
		return -1;
	line = !strncmp(text, "0::/", 4) ? text : strstr(text, "\n0::/");
	if (!line)
		return -1;
	line = strchr(line, '/');
	end = strchrnul(line, '\n');
	*end = 0;
	return openat(t->fd, line[1] ? line + 1 : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int add_of_listener(struct tree *t, struct ep_listener *l)
{
	struct stat st;
	int fd, r;

	if (l->cgroup && ep_cgroup_find(t->s, l->cgroup))
		return 0;
	fd = l->cgroup ? open_by_id(t, l->cgroup) : -1;
	if (fd < 0) /* not told, or removed while its sockets live on: that of who holds it */
		fd = open_of_proc(t, l->procs.n ? l->procs.v[0]->pid : 0);
	if (fd < 0)
		return l->procs.n ? -ESTALE : 0;
	l->cgroup = fstat(fd, &st) ? 0 : st.st_ino;
	r = add(t, fd);
	close(fd);
	return r;
}

static int add_of_container(struct tree *t, struct ep_container *c)
{
	int fd = open_of_proc(t, c->pid), r;
	struct stat st;

	if (fd < 0)
		return 0;
	c->cgroup = fstat(fd, &st) ? 0 : st.st_ino;
	r = add(t, fd);
	close(fd);
	return r;
}

int ep_collect_cgroups(struct ep_snapshot *s)
{
	struct tree t = {.s = s, .fd = -1, .bpf = {.arena = s->arena}};
	int r = 0;

	t.mount = find_mount(s->arena);
	if (!t.mount) { /* nothing can be attached without one */
		ep_each(l, &s->listeners)
			l->cgroup = 0;
		ep_source_set(s, "cgroups", EP_COMPLETE, NULL);
		return 0;
	}
	t.fd = open(t.mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = t.fd < 0 ? -errno : add(&t, t.fd);
	ep_each(l, &s->listeners) {
		int e = t.fd < 0 ? 0 : add_of_listener(&t, l);

		r = r ? r : e;
	}
	ep_each(c, &s->containers) {
		int e = t.fd < 0 ? 0 : add_of_container(&t, *c);

		r = r ? r : e;
	}
	if (t.fd >= 0)
		close(t.fd);
	if (r)
		ep_source_set(s, "cgroups", s->cgroups.n ? EP_PARTIAL : EP_MISSING,
			      ep_sprintf(s->arena,
					 "programs of control groups could not be listed: %s",
					 strerror(-r)));
	else
		ep_source_set(s, "cgroups", EP_COMPLETE, NULL);
	return r;
}
