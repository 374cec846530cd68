// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Containers of containerd, CRI-O and Podman from the OCI config.json (opencontainers/runtime-spec,
 * "annotations") that they keep next to a running container: no gRPC, and no daemon is asked.
 */
#include "collect/owners_i.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define MAX_CONFIG (1 << 20)
#define MAX_INDEX  (16 << 20)

static const char *const containerd_roots[] = {
	"/run/containerd",
	"/run/k3s/containerd",
	"/var/snap/microk8s/common/run/containerd",
};

static const char *const storage_roots[] = {
	"/var/lib/containers/storage/overlay-containers",
	"/run/containers/storage/overlay-containers",
	"/var/lib/containers/storage/vfs-containers",
	"/run/containers/storage/vfs-containers",
};

/* "io.container.manager" of containers/storage's users */
static const struct {
	const char *manager, *runtime;
} managers[] = {
	{"libpod", "podman"},
	{"cri-o", "cri-o"},
};

bool ep_oci_apply(struct ep_arena *a, const json_t *config, struct ep_container *c)
{
	const json_t *notes = json_object_get(config, "annotations");
	const char *manager = ep_json_str(notes, "io.container.manager");
	const char *type = ep_json_str(notes, "io.kubernetes.cri.container-type");

	if (!json_is_object(config))
		return false;
	for (size_t i = 0; manager && i < EP_ARRAY_SIZE(managers); i++) {
		if (!strcmp(manager, managers[i].manager))
			c->runtime = managers[i].runtime;
	}
	if (!type)
		type = ep_json_str(notes, "io.kubernetes.cri-o.ContainerType");
	ep_container_labels(a, notes, c);
	if (type && !strcmp(type, "sandbox"))
		c->pod.container = NULL; /* the pause process, which keeps the pod's namespaces */
	if (!c->name)
		c->name = c->pod.container ? c->pod.container : c->pod.name;
	return true;
}

/* {"id", "names": ["web"], "metadata": "{\"image-name\": …, \"name\": …}"} */
bool ep_oci_apply_storage(struct ep_arena *a, const json_t *o, struct ep_container *c)
{
	const char *id = ep_json_str(o, "id"), *metadata = ep_json_str(o, "metadata");
	const char *name = json_string_value(json_array_get(json_object_get(o, "names"), 0));
	json_t *m;

	if (!id)
		return false;
	if (strcmp(id, c->id) != 0)
		return true;
	if (!c->name && name && *name)
		c->name = ep_strdup(a, name);
	m = metadata ? json_loads(metadata, 0, NULL) : NULL;
	if (!c->image)
		c->image = ep_json_dup(a, m, "image-name");
	json_decref(m);
	return true;
}

struct apply {
	struct ep_arena *arena;
	struct ep_container *c;
};

static bool each_stored(void *ctx, const json_t *o)
{
	const struct apply *ap = ctx;

	return ep_oci_apply_storage(ap->arena, o, ap->c);
}

/* The index of containers/storage: Podman keeps a container's name and image only there. */
static void read_index(struct ep_snapshot *s, const char *root, struct ep_container *c)
{
	struct apply ap = {s->arena, c};
	struct ep_json_each j = {.each = each_stored, .ctx = &ap};
	struct ep_arena *tmp = ep_arena_new();
	const char *path = ep_sprintf(tmp, "%s/containers.json", root);
	char *text;
	size_t len;
	int r, end;

	r = ep_read_file(tmp, path, MAX_INDEX, &text, &len);
	if (r == 0) {
		r = ep_json_each_feed(&j, text, len);
		end = ep_json_each_end(&j);
		r = r ? r : end;
	}
	if (r < 0 && r != -ENOENT)
		ep_source_set(s, "oci", EP_PARTIAL,
			      ep_sprintf(tmp, "not readable: %s: %s", path, strerror(-r)));
	ep_arena_free(tmp);
}

static int read_config(struct ep_snapshot *s, const char *path, const char *runtime,
		       struct ep_container *c)
{
	json_t *config;
	int r;

	config = ep_json_file(path, MAX_CONFIG, &r);
	if (r == -ENOENT || r == -ENOTDIR)
		return -ENOENT;
	if (!c->runtime)
		c->runtime = runtime;
	if (r == 0 && !ep_oci_apply(s->arena, config, c))
		r = -EBADMSG;
	json_decref(config);
	if (r < 0)
		ep_source_set(s, "oci", EP_PARTIAL,
			      ep_sprintf(s->arena, "not readable: %s: %s", path, strerror(-r)));
	return r;
}

/* ROOT/io.containerd.runtime.v2.task/NAMESPACE/ID/config.json; "moby" is Docker's namespace. */
static int read_containerd(struct ep_snapshot *s, const char *root, struct ep_container *c)
{
	const char *base = ep_sprintf(s->arena, "%s/io.containerd.runtime.v2.task", root);
	struct dirent *d;
	int r = -ENOENT;
	DIR *dir;

	dir = opendir(base);
	if (!dir)
		return -ENOENT;
	while (r == -ENOENT && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || !strcmp(d->d_name, "moby"))
			continue;
		r = read_config(
			s, ep_sprintf(s->arena, "%s/%s/%s/config.json", base, d->d_name, c->id),
			"containerd", c);
	}
	closedir(dir);
	return r;
}

int ep_oci_read(struct ep_snapshot *s, struct ep_container *c)
{
	int r = -ENOENT;

	for (size_t i = 0; i < EP_ARRAY_SIZE(containerd_roots) && r == -ENOENT; i++)
		r = read_containerd(s, containerd_roots[i], c);
	for (size_t i = 0; i < EP_ARRAY_SIZE(storage_roots) && r == -ENOENT; i++) {
		r = read_config(s,
				ep_sprintf(s->arena, "%s/%s/userdata/config.json", storage_roots[i],
					   c->id),
				NULL, c);
		if (r == 0 && (!c->name || !c->image))
			read_index(s, storage_roots[i], c);
	}
	return r;
}
