// SPDX-License-Identifier: GPL-2.0-or-later
/* Receivers outlive the snapshot that they were found in. */
#include "cmd/ledger.h"

static const char *keep(struct ep_arena *a, const char *s)
{
	return s ? ep_strdup(a, s) : NULL;
}

static const struct ep_container *keep_container(struct ep_arena *a, const struct ep_container *c)
{
	struct ep_container *k;

	if (!c)
		return NULL;
	k = ep_alloc(a, sizeof(*k));
	k->runtime = keep(a, c->runtime);
	k->id = keep(a, c->id);
	k->name = keep(a, c->name);
	k->image = keep(a, c->image);
	k->compose_project = keep(a, c->compose_project);
	k->compose_service = keep(a, c->compose_service);
	k->pod.ns = keep(a, c->pod.ns);
	k->pod.name = keep(a, c->pod.name);
	k->pod.container = keep(a, c->pod.container);
	k->pod.uid = keep(a, c->pod.uid);
	k->running = c->running;
	k->pid = c->pid;
	k->netns = c->netns;
	return k;
}

const struct ep_proc *ep_proc_keep(struct ep_arena *a, const struct ep_proc *p)
{
	struct ep_proc *k;

	if (!p)
		return NULL;
	k = ep_alloc(a, sizeof(*k));
	k->pid = p->pid;
	k->comm = keep(a, p->comm);
	k->exe = keep(a, p->exe);
	k->unit = keep(a, p->unit);
	k->cgroup = keep(a, p->cgroup);
	k->proxy_kind = keep(a, p->proxy_kind);
	k->netns = p->netns;
	k->uid = p->uid;
	k->container = keep_container(a, p->container);
	return k;
}

struct ep_who ep_who_keep(struct ep_arena *a, const struct ep_who *w)
{
	struct ep_who k = *w;

	k.proc = ep_proc_keep(a, w->proc);
	k.container = k.proc ? k.proc->container : keep_container(a, w->container);
	return k;
}
