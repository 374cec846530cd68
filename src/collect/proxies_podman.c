// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where Podman's rootlessport passes connections on to. It is told on its standard input; but the same
 * is in Podman's database (libpod/bolt_state.db, a bbolt file), where each container's configuration is
 * one JSON text behind the key "config". The container is that of the conmon whose child lives in the
 * namespace that rootlessport's child connects in.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collect/owners_i.h"

#define MAX_DB     (64 << 20)
#define MAX_CONFIG (128 << 10) /* a container's own has some 10 kB */
#define MAX_TRIES  2048

/* ---- the database ---- */

static void add_mapping(struct ep_arena *a, struct ep_proc *p, const json_t *m)
{
	const char *protocol = ep_json_str(m, "protocol");
	json_int_t host = json_integer_value(json_object_get(m, "host_port"));
	json_int_t port = json_integer_value(json_object_get(m, "container_port"));
	json_int_t range = json_integer_value(json_object_get(m, "range"));

	range = range ? range : 1;
	if (!protocol || !strstr(protocol, "tcp") || host < 1 || port < 1 || range < 1 ||
	    host > UINT16_MAX || port > UINT16_MAX || range > UINT16_MAX ||
	    host + range - 1 > UINT16_MAX || port + range - 1 > UINT16_MAX)
		return;
	*ep_push(a, &p->proxy_ways) = (struct ep_proxy_way){.lo = (uint16_t)host,
							    .hi = (uint16_t)(host + range - 1),
							    .port = (uint16_t)port,
							    .own_addr = true};
}

static bool take_config(struct ep_arena *a, const char *text, size_t len, const char *id,
			struct ep_proc *p)
{
	json_t *config = json_loadb(text, len, JSON_DISABLE_EOF_CHECK, NULL);
	const char *its_id = config ? ep_json_str(config, "id") : NULL;
	const json_t *list = json_object_get(config, "newPortMappings");
	bool found = its_id && !strcmp(its_id, id) && json_is_array(list);

	if (found) {
		p->proxy_ways.n = 0;
		for (size_t i = 0; i < json_array_size(list) && i < 256; i++)
			add_mapping(a, p, json_array_get(list, i));
	}
	json_decref(config);
	return found;
}

bool ep_podman_read_db(struct ep_arena *a, const char *data, size_t len, const char *id,
		       struct ep_proc *p)
{
	static const char key[] = "config{\"";
	const char *end = data + len, *at = data;

	/* What was freed stays in the file, but a container's mappings never change. */
	for (int i = 0; i < MAX_TRIES; i++) {
		size_t n;

		at = memmem(at, (size_t)(end - at), key, sizeof(key) - 1);
		if (!at)
			break;
		at += strlen("config");
		n = (size_t)(end - at) < MAX_CONFIG ? (size_t)(end - at) : MAX_CONFIG;
		if (memmem(at, n, id, strlen(id)) && take_config(a, at, n, id, p))
			return true;
	}
	return false;
}

/* A regular file of that user's; malloc'd, NULL if there is none. */
static char *read_db(const char *path, uint32_t uid, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	char *data = NULL;
	ssize_t n = -1;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == uid && st.st_size <= MAX_DB)
		data = malloc((size_t)st.st_size + 1);
	if (data)
		n = read(fd, data, (size_t)st.st_size);
	close(fd);
	if (n >= 0) {
		*ret_len = (size_t)n;
		return data;
	}
	free(data);
	return NULL;
}

/* ---- the container ---- */

static const char *word_after(const struct ep_proc *p, const char *word)
{
	for (size_t i = 1; i + 1 < p->argv.n; i++)
		if (!strcmp(p->argv.v[i], word))
			return p->argv.v[i + 1];
	return NULL;
}

/* conmon -c ID -b ROOT/DRIVER-containers/ID/userdata */
static bool of_conmon(struct ep_snapshot *s, int proc_fd, int pid, struct ep_proc *p)
{
	struct ep_proc conmon = {.pid = pid};
	const char *id, *bundle;
	char *root, *data;
	size_t len;
	bool ret;

	if (!ep_proc_command(s->arena, proc_fd, &conmon))
		return false;
	id = word_after(&conmon, "-c");
	bundle = word_after(&conmon, "-b");
	if (!id || !bundle || *bundle != '/')
		return false;
	root = ep_strdup(s->arena, bundle);
	for (int i = 0; i < 3; i++) {
		char *slash = strrchr(root, '/');

		if (!slash)
			return false;
		*slash = 0;
	}
	data = read_db(ep_sprintf(s->arena, "%s/libpod/bolt_state.db", root), p->uid, &len);
	if (!data)
		return false;
	ret = ep_podman_read_db(s->arena, data, len, id, p);
	free(data);
	return ret;
}

static bool is_conmon(int proc_fd, const char *pid, uint32_t uid)
{
	char path[64], comm[16] = "";
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%.20s/comm", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, comm, sizeof(comm) - 1) < 0 || fstat(fd, &st))
		comm[0] = 0;
	close(fd);
	return !strcmp(comm, "conmon\n") && st.st_uid == uid;
}

void ep_podman_ways(struct ep_snapshot *s, int proc_fd, struct ep_proc *p, uint64_t ino)
{
	int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *proc = fd < 0 ? NULL : fdopendir(fd);
	bool found = false;
	struct dirent *d;
	uint64_t pid;

	if (!proc && fd >= 0)
		close(fd);
	while (proc && !found && (d = readdir(proc))) {
		if (!isdigit((unsigned char)d->d_name[0]) ||
		    !ep_parse_u64(d->d_name, INT32_MAX, &pid) ||
		    !is_conmon(proc_fd, d->d_name, p->uid))
			continue;
		if (ep_proc_child_in(proc_fd, (int)pid, ino))
			found = of_conmon(s, proc_fd, (int)pid, p);
	}
	if (proc)
		closedir(proc);
}
