// SPDX-License-Identifier: GPL-2.0-or-later
/* Receivers: which kind, what they are called, and when two are the same to a client. */
#include <string.h>

#include "findings/findings_i.h"

static bool same_text(const char *x, const char *y)
{
	return x && y && !strcmp(x, y);
}

static enum ep_who_kind kind_of(const struct ep_container *c)
{
	return c && c->pod.name ? EP_WHO_POD : c ? EP_WHO_CONTAINER : EP_WHO_PROCESS;
}

struct ep_who ep_who_of_proc(const struct ep_proc *p)
{
	const struct ep_container *c = p ? p->container : NULL;

	return (struct ep_who){.kind = kind_of(c), .proc = p, .container = c};
}

struct ep_who ep_who_of_listener(const struct ep_listener *l)
{
	return ep_who_of_proc(l->procs.n ? l->procs.v[0] : NULL);
}

struct ep_who ep_who_of_outcome(const struct ep_outcome *o)
{
	if (o->verdict == EP_FORWARDED)
		return (struct ep_who){
			.kind = EP_WHO_REMOTE, .addr = o->final.addr, .port = o->final.port};
	if (o->verdict != EP_DELIVERED)
		return (struct ep_who){};
	return ep_who_of_proc(o->receiver);
}

static bool same_container(const struct ep_container *x, const struct ep_container *y)
{
	if (x->pod.name && y->pod.name)
		return same_text(x->pod.ns, y->pod.ns) && same_text(x->pod.name, y->pod.name);
	return x == y || same_text(x->id, y->id);
}

bool ep_who_same(const struct ep_who *x, const struct ep_who *y)
{
	if (x->kind != y->kind)
		return false;
	if (x->kind == EP_WHO_NONE)
		return true;
	if (x->kind == EP_WHO_REMOTE)
		return x->port == y->port && ep_addr_eq(&x->addr, &y->addr);
	if (x->container && y->container)
		return same_container(x->container, y->container);
	if (!x->proc || !y->proc)
		return x->proc == y->proc;
	return x->proc == y->proc ||
	       (same_text(x->proc->comm, y->proc->comm) && x->proc->netns == y->proc->netns &&
		(same_text(x->proc->exe, y->proc->exe) || same_text(x->proc->unit, y->proc->unit)));
}

const char *ep_who_kind_name(enum ep_who_kind k)
{
	static const char *const names[] = {
		[EP_WHO_NONE] = "none",           [EP_WHO_PROCESS] = "process",
		[EP_WHO_CONTAINER] = "container", [EP_WHO_POD] = "pod",
		[EP_WHO_REMOTE] = "remote",
	};

	return names[k];
}

const char *ep_who_name(struct ep_arena *a, const struct ep_who *w)
{
	char buf[EP_ADDRSTR];

	switch (w->kind) {
	case EP_WHO_POD:
		return ep_sprintf(a, "%s/%s", w->container->pod.ns ? w->container->pod.ns : "?",
				  w->container->pod.name);
	case EP_WHO_CONTAINER:
		return w->container->name ? w->container->name : w->container->id;
	case EP_WHO_PROCESS:
		return w->proc ? w->proc->comm : NULL;
	case EP_WHO_REMOTE:
		return ep_strdup(a, ep_addrport_str(&w->addr, w->port, buf));
	default:
		return NULL;
	}
}

const char *ep_who_text(struct ep_arena *a, const struct ep_who *w)
{
	const char *raw = ep_who_name(a, w);
	const char *name = raw ? ep_escape(a, raw, strlen(raw)) : NULL;
	const char *comm = w->proc && w->proc->comm ?
				   ep_escape(a, w->proc->comm, strlen(w->proc->comm)) :
				   NULL;

	switch (w->kind) {
	case EP_WHO_POD:
		return comm ? ep_sprintf(a, "pod %s (%s, pid %d)", name, comm, w->proc->pid) :
			      ep_sprintf(a, "pod %s", name);
	case EP_WHO_CONTAINER:
		return ep_sprintf(a, "container %.64s", name ? name : "?");
	case EP_WHO_PROCESS:
		return w->proc ? ep_sprintf(a, "%s (pid %d)", comm ? comm : "?", w->proc->pid) :
				 "a process that could not be named";
	case EP_WHO_REMOTE:
		return ep_sprintf(a, "%s, off this host", name);
	default:
		return "nobody";
	}
}
