// SPDX-License-Identifier: GPL-2.0-or-later
/* Which container a process or a namespace belongs to, over all runtimes. */
#include "collect/owners_i.h"

#include <string.h>

#define MAX_NESTED 4 /* containers in containers */
#define SHORT_ID   12

struct ep_container *ep_container_find(const struct ep_snapshot *s, const char *id)
{
	ep_each(it, &s->containers) {
		if (!strcmp((*it)->id, id))
			return *it;
	}
	return NULL;
}

struct ep_container *ep_container_add(struct ep_snapshot *s, const char *runtime, const char *id)
{
	struct ep_container *c = ep_container_find(s, id);

	if (c)
		return c;
	c = ep_alloc(s->arena, sizeof(*c));
	c->runtime = ep_strdup(s->arena, runtime ? runtime : "unknown");
	c->id = ep_strdup(s->arena, id);
	c->name = ep_strndup(s->arena, id, SHORT_ID);
	c->image = "";
	*ep_push(s->arena, &s->containers) = c;
	return c;
}

/* Docker's labels, the annotations of containerd's CRI plugin, CRI-O and nerdctl. */
static const struct {
	const char *key;
	size_t field;
} labels_known[] = {
	{"com.docker.compose.project", offsetof(struct ep_container, compose_project)},
	{"com.docker.compose.service", offsetof(struct ep_container, compose_service)},
	{"io.kubernetes.cri.sandbox-namespace", offsetof(struct ep_container, pod.ns)},
	{"io.kubernetes.cri.sandbox-name", offsetof(struct ep_container, pod.name)},
	{"io.kubernetes.cri.sandbox-uid", offsetof(struct ep_container, pod.uid)},
	{"io.kubernetes.cri.container-name", offsetof(struct ep_container, pod.container)},
	{"io.kubernetes.cri.image-name", offsetof(struct ep_container, image)},
	{"io.kubernetes.cri-o.ImageName", offsetof(struct ep_container, image)},
	{"io.kubernetes.pod.namespace", offsetof(struct ep_container, pod.ns)},
	{"io.kubernetes.pod.name", offsetof(struct ep_container, pod.name)},
	{"io.kubernetes.pod.uid", offsetof(struct ep_container, pod.uid)},
	{"io.kubernetes.container.name", offsetof(struct ep_container, pod.container)},
	{"nerdctl/name", offsetof(struct ep_container, name)},
};

void ep_container_labels(struct ep_arena *a, const json_t *labels, struct ep_container *c)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(labels_known); i++) {
		const char **field = (const char **)((char *)c + labels_known[i].field);
		const char *value = ep_json_str(labels, labels_known[i].key);

		if (value && *value && (!*field || !**field))
			*field = ep_strdup(a, value);
	}
}

/* What its runtime's files say; ret->id and ret->runtime are set by the caller. */
static bool ask_runtime(struct ep_snapshot *s, struct ep_container *ret)
{
	if (ret->runtime && !strcmp(ret->runtime, "docker"))
		return false; /* what Docker knows was read at once */
	return ep_oci_read(s, ret) == 0;
}

static struct ep_container *read_from_runtime(struct ep_snapshot *s, const struct ep_cgroup_id *id)
{
	struct ep_container found = {.runtime = id->runtime, .id = id->id}, *c;

	if (!ask_runtime(s, &found))
		return NULL;
	c = ep_container_add(s, found.runtime, id->id);
	found.id = c->id;
	found.runtime = c->runtime;
	found.name = found.name ? found.name : c->name;
	found.image = found.image ? found.image : "";
	found.running = true;
	*c = found;
	return c;
}

/* Nobody has told more about it than its cgroup does. */
static struct ep_container *add_bare(struct ep_snapshot *s, const struct ep_cgroup_id *id)
{
	bool docker = id->runtime && !strcmp(id->runtime, "docker");
	struct ep_container *c = ep_container_add(s, id->runtime, id->id);

	c->running = true;
	ep_source_set(s, docker ? "docker" : "oci", EP_PARTIAL,
		      ep_sprintf(s->arena, "nothing known about container %.12s but its cgroup",
				 id->id));
	return c;
}

struct ep_container *ep_container_of(struct ep_snapshot *s, const char *cgroup)
{
	struct ep_cgroup_id ids[MAX_NESTED];
	size_t n = ep_cgroup_parse(cgroup, ids, MAX_NESTED);
	struct ep_container *c = NULL;

	for (size_t i = n; i-- > 0 && !c;) {
		c = ep_container_find(s, ids[i].id);
		if (!c)
			c = read_from_runtime(s, &ids[i]);
		if (c && !c->pod.uid && ids[i].pod_uid[0])
			c->pod.uid = ep_strdup(s->arena, ids[i].pod_uid);
	}
	if (!c && n) {
		c = add_bare(s, &ids[0]);
		if (ids[0].pod_uid[0])
			c->pod.uid = ep_strdup(s->arena, ids[0].pod_uid);
	}
	return c;
}

static bool containers_known(const struct ep_snapshot *s)
{
	ep_each(it, &s->sources) {
		if (!strcmp(it->name, "docker"))
			return true;
	}
	return false;
}

void ep_container_attach(struct ep_snapshot *s, struct ep_proc *p)
{
	struct ep_container *c;

	if (p->container || !containers_known(s))
		return;
	c = ep_container_of(s, p->cgroup);
	if (!c)
		return;
	if (!c->pid || p->pid < c->pid)
		c->pid = p->pid;
	if (!c->netns)
		c->netns = p->netns;
	c->running = true;
	p->container = c;
}

static void name_after(struct ep_arena *a, struct ep_netns *ns, const struct ep_container *c)
{
	if (ns->name)
		return;
	ns->name = c->pod.name && c->pod.ns ? ep_sprintf(a, "%s/%s", c->pod.ns, c->pod.name) :
					      c->name;
}

/* Adds no container: whoever needs a namespace may be going over the list of containers. */
void ep_container_name_netns(struct ep_snapshot *s, struct ep_netns *ns)
{
	struct ep_cgroup_id ids[MAX_NESTED];
	const char *cgroup;
	size_t n;

	if (ns->name || !ns->pid || ns->ino == s->host_netns)
		return;
	cgroup = ep_proc_cgroup(s->arena, ns->pid);
	n = cgroup ? ep_cgroup_parse(cgroup, ids, MAX_NESTED) : 0;
	while (n-- > 0 && !ns->name) {
		struct ep_container found = {.runtime = ids[n].runtime, .id = ids[n].id};
		const struct ep_container *c = ep_container_find(s, ids[n].id);

		if (!c && ask_runtime(s, &found))
			c = &found;
		if (c)
			name_after(s->arena, ns, c);
	}
}

/*
 * The first process of a namespace of its own says which container of Docker's list that is: cheaper
 * than to ask the daemon for every container's pid.
 */
static void join_namespaces(struct ep_snapshot *s)
{
	struct ep_cgroup_id ids[MAX_NESTED];

	if (!s->containers.n)
		return;
	ep_each(it, &s->netns) {
		struct ep_netns *ns = *it;
		const char *cgroup;
		size_t n;

		if (!ns->pid || ns->ino == s->host_netns)
			continue;
		cgroup = ep_proc_cgroup(s->arena, ns->pid);
		n = cgroup ? ep_cgroup_parse(cgroup, ids, MAX_NESTED) : 0;
		while (n-- > 0) {
			struct ep_container *c = ep_container_find(s, ids[n].id);

			if (!c)
				continue;
			c->netns = ns->ino;
			c->pid = ns->pid;
			break;
		}
	}
}

void ep_container_add_by_netns(struct ep_snapshot *s)
{
	ep_each(it, &s->netns) {
		struct ep_netns *ns = *it;
		const char *cgroup = ns->pid && ns->ino != s->host_netns ?
					     ep_proc_cgroup(s->arena, ns->pid) :
					     NULL;
		struct ep_container *c = cgroup ? ep_container_of(s, cgroup) : NULL;

		if (!c || c->netns)
			continue;
		c->netns = ns->ino;
		c->pid = ns->pid;
		c->running = true;
	}
}

int ep_collect_containers(struct ep_snapshot *s)
{
	int r = ep_docker_read(s);

	join_namespaces(s);
	ep_each(it, &s->procs)
		ep_container_attach(s, *it);
	ep_each(it, &s->containers) {
		struct ep_netns *ns = (*it)->netns ? ep_netns_find(s, (*it)->netns) : NULL;

		if (ns && ns->ino != s->host_netns)
			name_after(s->arena, ns, *it);
	}
	ep_source_set(s, "oci", EP_COMPLETE, NULL);
	ep_source_set(s, "processes", EP_COMPLETE, NULL);
	return r;
}
