// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Docker: GET /containers/json of the Engine API; where the daemon does not answer, what it keeps in
 * /var/lib/docker/containers/ID/config.v2.json and hostconfig.json.
 */
#include "collect/owners_i.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define DATA_ROOT      "/var/lib/docker"
#define API_TIMEOUT_MS 2000
#define MAX_FILE       (1 << 20)
#define MAX_FILES      10000

static const char *const sockets[] = {"/run/docker.sock", "/var/run/docker.sock"};

/* "/traefik"; names with a second slash are links. */
static void set_name(struct ep_arena *a, struct ep_container *c, const char *name)
{
	if (!name)
		return;
	name += *name == '/';
	if (*name && !strchr(name, '/'))
		c->name = ep_strdup(a, name);
}

static void add_address(struct ep_arena *a, struct ep_container *c, const char *network,
			const char *text)
{
	struct ep_container_addr *ca;
	struct ep_addr addr;

	if (!text || !*text || !ep_addr_parse(text, &addr))
		return;
	ca = ep_push(a, &c->addrs);
	ca->network = ep_strdup(a, network);
	ca->addr = addr;
}

/* NetworkSettings.Networks: {"bridge": {"IPAddress": "172.17.0.2", "GlobalIPv6Address": ""}} */
static void add_networks(struct ep_arena *a, struct ep_container *c, const json_t *o)
{
	json_t *networks = json_object_get(json_object_get(o, "NetworkSettings"), "Networks");
	const char *name;
	json_t *endpoint;

	json_object_foreach(networks, name, endpoint)
	{
		add_address(a, c, name, ep_json_str(endpoint, "IPAddress"));
		add_address(a, c, name, ep_json_str(endpoint, "GlobalIPv6Address"));
	}
}

static void add_published(struct ep_arena *a, struct ep_container *c, const char *host,
			  uint64_t host_port, uint64_t port, const char *proto)
{
	struct ep_published p = {.host_port = (uint16_t)host_port, .port = (uint16_t)port};

	if (!host_port || host_port > UINT16_MAX || !port || port > UINT16_MAX || !proto)
		return;
	if (host && *host && !ep_addr_parse(host, &p.host))
		return;
	p.proto = ep_strdup(a, proto);
	*ep_push(a, &c->published) = p;
}

static struct ep_container *add_container(struct ep_snapshot *s, const char *id)
{
	/* The id goes into paths and comparisons. */
	if (!id || strlen(id) != EP_CONTAINER_ID ||
	    strspn(id, "0123456789abcdef") != EP_CONTAINER_ID || ep_container_find(s, id))
		return NULL;
	return ep_container_add(s, "docker", id);
}

bool ep_docker_add_listed(struct ep_snapshot *s, const json_t *o)
{
	struct ep_container *c = add_container(s, ep_json_str(o, "Id"));
	const char *state = ep_json_str(o, "State"), *image = ep_json_str(o, "Image");
	const json_t *v;
	size_t i;

	if (!c)
		return false;
	json_array_foreach(json_object_get(o, "Names"), i, v)
		set_name(s->arena, c, json_string_value(v));
	if (image)
		c->image = ep_strdup(s->arena, image);
	c->running = state && (!strcmp(state, "running") || !strcmp(state, "paused"));
	ep_container_labels(s->arena, json_object_get(o, "Labels"), c);
	add_networks(s->arena, c, o);
	json_array_foreach(json_object_get(o, "Ports"), i, v)
	{
		json_int_t host_port = json_integer_value(json_object_get(v, "PublicPort"));
		json_int_t port = json_integer_value(json_object_get(v, "PrivatePort"));

		add_published(s->arena, c, ep_json_str(v, "IP"),
			      host_port > 0 ? (uint64_t)host_port : 0,
			      port > 0 ? (uint64_t)port : 0, ep_json_str(v, "Type"));
	}
	return true;
}

/* {"443/tcp": [{"HostIp": "", "HostPort": "443"}]}, in both files */
static void add_bindings(struct ep_arena *a, struct ep_container *c, const json_t *ports)
{
	const char *key;
	json_t *bindings;

	json_object_foreach((json_t *)ports, key, bindings)
	{
		const char *slash = strchr(key, '/');
		uint64_t port, host_port;
		const json_t *b;
		size_t i;

		if (!slash ||
		    !ep_parse_u64(ep_strndup(a, key, (size_t)(slash - key)), UINT16_MAX, &port))
			continue;
		json_array_foreach(bindings, i, b)
		{
			const char *text = ep_json_str(b, "HostPort");

			if (text && ep_parse_u64(text, UINT16_MAX, &host_port))
				add_published(a, c, ep_json_str(b, "HostIp"), host_port, port,
					      slash + 1);
		}
	}
}

bool ep_docker_add_config(struct ep_snapshot *s, const json_t *config, const json_t *host)
{
	struct ep_container *c = add_container(s, ep_json_str(config, "ID"));
	const json_t *inner = json_object_get(config, "Config");
	const json_t *state = json_object_get(config, "State");
	const char *image = ep_json_str(inner, "Image");
	json_int_t pid;

	if (!c)
		return false;
	set_name(s->arena, c, ep_json_str(config, "Name"));
	if (image)
		c->image = ep_strdup(s->arena, image);
	c->running = json_is_true(json_object_get(state, "Running"));
	pid = json_integer_value(json_object_get(state, "Pid"));
	c->pid = c->running && pid > 0 && pid <= INT32_MAX ? (int)pid : 0;
	ep_container_labels(s->arena, json_object_get(inner, "Labels"), c);
	add_networks(s->arena, c, config);
	add_bindings(s->arena, c,
		     json_object_get(json_object_get(config, "NetworkSettings"), "Ports"));
	if (!c->published.n)
		add_bindings(s->arena, c, json_object_get(host, "PortBindings"));
	return true;
}

/* ---- the API ---- */

static bool each_listed(void *ctx, const json_t *o)
{
	return ep_docker_add_listed(ctx, o);
}

static int feed(void *ctx, const char *data, size_t n)
{
	return ep_json_each_feed(ctx, data, n);
}

/* 0 and the reason if some of the answer was not usable; -errno and the reason if there was none. */
static int read_api(struct ep_snapshot *s, const char **ret_reason)
{
	struct ep_json_each j = {.each = each_listed, .ctx = s};
	int status = 0, r = -ENOENT, end;

	for (size_t i = 0; i < EP_ARRAY_SIZE(sockets) && r == -ENOENT; i++)
		r = ep_http_unix_get(sockets[i], "/containers/json?all=1", API_TIMEOUT_MS, feed, &j,
				     &status);
	end = ep_json_each_end(&j);
	if (r == 0 && status != 200) {
		*ret_reason = ep_sprintf(s->arena, "docker API: HTTP status %d", status);
		return -EPROTO;
	}
	r = r ? r : end;
	if (r < 0)
		*ret_reason = ep_sprintf(s->arena, "docker API: %s",
					 r == -ENOENT ? "no socket" : strerror(-r));
	else if (j.n_bad)
		*ret_reason = ep_sprintf(
			s->arena, "docker API: %zu of %zu containers not understood", j.n_bad, j.n);
	return r;
}

/* ---- its files ---- */

/* A pid on disk outlives its process: it counts if that process is in the container's cgroup. */
static void check_running(struct ep_snapshot *s, struct ep_container *c)
{
	const char *cgroup = c->pid ? ep_proc_cgroup(s->arena, c->pid) : NULL;

	if (cgroup && strstr(cgroup, c->id))
		return;
	c->pid = 0;
	c->running = false;
}

static bool read_files_of(struct ep_snapshot *s, const char *id, const char **ret_bad)
{
	const char *dir = ep_sprintf(s->arena, DATA_ROOT "/containers/%s", id);
	const char *path = ep_sprintf(s->arena, "%s/config.v2.json", dir);
	json_t *config, *host;
	int err, host_err;
	bool ok;

	config = ep_json_file(path, MAX_FILE, &err);
	if (err == -ENOENT || err == -ENOTDIR)
		return false; /* no container */
	host = ep_json_file(ep_sprintf(s->arena, "%s/hostconfig.json", dir), MAX_FILE, &host_err);
	ok = config && ep_docker_add_config(s, config, host);
	json_decref(config);
	json_decref(host);
	if (ok)
		check_running(s, ep_container_find(s, id));
	else if (!ep_container_find(s, id))
		*ret_bad = path;
	return ok;
}

/* How many containers the files told of; 0 also where there are none. */
static size_t read_files(struct ep_snapshot *s, const char **ret_bad)
{
	DIR *dir = opendir(DATA_ROOT "/containers");
	struct dirent *d;
	size_t n = 0;

	if (!dir) {
		if (errno != ENOENT)
			*ret_bad = DATA_ROOT "/containers";
		return 0;
	}
	while (n < MAX_FILES && (d = readdir(dir))) {
		if (d->d_name[0] != '.')
			n += read_files_of(s, d->d_name, ret_bad);
	}
	closedir(dir);
	return n;
}

int ep_docker_read(struct ep_snapshot *s)
{
	const char *reason = NULL, *bad = NULL;
	size_t n;
	int r;

	r = read_api(s, &reason);
	if (r == 0) {
		ep_source_set(s, "docker", reason ? EP_PARTIAL : EP_COMPLETE, reason);
		return 0;
	}
	n = read_files(s, &bad);
	if (r == -ENOENT && !n && !bad)
		ep_source_set(s, "docker", EP_COMPLETE, NULL); /* there is no Docker */
	else if (bad)
		ep_source_set(s, "docker", n ? EP_PARTIAL : EP_MISSING,
			      ep_sprintf(s->arena, "%s; not readable: %s", reason, bad));
	else
		ep_source_set(s, "docker", EP_PARTIAL,
			      ep_sprintf(s->arena, "%s; names from " DATA_ROOT, reason));
	return 0;
}
