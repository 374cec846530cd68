// SPDX-License-Identifier: GPL-2.0-or-later
/* opaque-hook: programs that may take packets, and are not followed. */
#include <string.h>

#include "findings/findings_i.h"

/* Whose programs have such names. */
static const struct {
	const char *prefix, *owner;
} owners[] = {
	{"cil_", "Cilium"}, {"cali_", "Calico"},        {"calico_", "Calico"},
	{"sd_", "systemd"}, {"xdp_dispatch", "libxdp"}, {"balancer_ingre", "Katran"},
};

static const char *owner_of(const struct ep_hook *h)
{
	for (size_t i = 0; h->name && i < EP_ARRAY_SIZE(owners); i++)
		if (!strncmp(h->name, owners[i].prefix, strlen(owners[i].prefix)))
			return owners[i].owner;
	return NULL;
}

static const char *what_of(struct ep_check *c, const struct ep_hook *h, const char *dev)
{
	const char *name = h->name && *h->name ? h->name : "program";
	const char *where = h->at ? " of cgroup " : dev ? " on " : "";
	const char *at = h->at ? h->at : dev ? dev : "";

	return ep_sprintf(c->arena, "%s %s%s%s", h->kind, ep_escape(c->arena, name, strlen(name)),
			  where, ep_escape(c->arena, at, strlen(at)));
}

static bool told(const struct ep_finding *f, const char *evidence)
{
	ep_each(e, &f->evidence)
		if (!strcmp(*e, evidence))
			return true;
	return false;
}

/* All of them are one finding, the first one its gist. */
static void tell(struct ep_check *c, const struct ep_hook *h, const char *dev)
{
	const char *what = what_of(c, h, dev), *owner = owner_of(h), *evidence;
	struct ep_finding *f = NULL;
	struct ep_remedy *m;

	if (!h->may_take)
		return;
	ep_each(old, &c->findings)
		if (!strcmp(old->id, "opaque-hook"))
			f = old;
	if (!f) {
		f = ep_finding_new(c, "opaque-hook", EP_SEV_WARNING, NULL, NULL, NULL);
		ep_finding_gist(c, f,
				"%s may take packets before the rules see them, or after; edgepath "
				"does not read what it does",
				what);
	}
	evidence = ep_sprintf(c->arena, "%s, program id %u%s%s", what, h->prog_id,
			      owner ? ", by its name of " : "", owner ? owner : "");
	if (told(f, evidence))
		return;
	ep_finding_evidence(c, f, "%s", evidence);
	if (!h->prog_id)
		return;
	m = ep_push(c->arena, &f->remedies);
	m->text = ep_sprintf(c->arena, "see what program %u is, and who loaded it", h->prog_id);
	m->command = ep_sprintf(c->arena, "bpftool prog show id %u", h->prog_id);
}

static void at_devices(struct ep_check *c, const struct ep_netns *ns)
{
	ep_each(h, &ns->hooks) {
		const struct ep_link *l = h->ifindex ? ep_link_by_index(ns, h->ifindex) : NULL;
		bool edge = !h->ifindex;

		ep_each(e, &c->spec->edges)
			edge |= e->ifindex == h->ifindex;
		if (edge)
			tell(c, h, l ? l->name : NULL);
	}
}

static void at_sockets(struct ep_check *c, const struct ep_listener *l)
{
	const struct ep_cgroup *g = l->cgroup ? ep_cgroup_find(c->s, l->cgroup) : NULL;

	for (size_t i = 0; g && i < g->hooks.n; i++)
		if (!strcmp(g->hooks.v[i].kind, "cgroup-ingress"))
			tell(c, &g->hooks.v[i], NULL);
	ep_each(h, &l->hooks)
		tell(c, h, NULL);
}

/* Those of the root see what every process of this host connects to. */
static void at_senders(struct ep_check *c)
{
	const struct ep_cgroup *root = ep_cgroup_root(c->s);

	for (size_t i = 0; root && i < root->hooks.n; i++)
		if (!strncmp(root->hooks.v[i].kind, "cgroup-connect", 14))
			tell(c, &root->hooks.v[i], NULL);
}

static void unread_ipvs(struct ep_check *c, const struct ep_netns *ns)
{
	struct ep_finding *f;

	if (!ns->ipvs_unread)
		return;
	f = ep_finding_new(c, "opaque-hook", EP_SEV_WARNING, NULL, NULL, NULL);
	ep_finding_gist(c, f, "IPVS may balance packets, and its services could not be read");
	ep_finding_evidence(c, f, "%s", ns->ipvs_unread);
}

void ep_find_opaque_hook(struct ep_check *c)
{
	struct ep_netns *ns = ep_netns_find(c->s, c->s->host_netns);

	if (!ns || ep_netns_need(c->s, ns, EP_NEED_LINKS | EP_NEED_HOOKS))
		return;
	at_devices(c, ns);
	ep_each(heard, &c->listeners)
		at_sockets(c, heard->listener);
	at_senders(c);
	unread_ipvs(c, ns);
}
