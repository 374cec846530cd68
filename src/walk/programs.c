// SPDX-License-Identifier: GPL-2.0-or-later
/* BPF programs on the packet's way. What they do is not followed; that they may do it, is. */
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "walk/path.h"

/* "xdp program drop_all (id 7) on eth0"; dev NULL: at no device. */
static const char *text_of(struct ep_walk *w, const struct ep_hook *h, const char *dev)
{
	const char *where = h->at ? " of cgroup " : dev ? " on " : "";

	if (!h->name || !*h->name)
		return ep_w_sprintf(w, "%s program without a name (id %u)%s%s", h->kind, h->prog_id,
				    where,
				    h->at ? h->at :
				    dev   ? dev :
					    "");
	return ep_w_sprintf(w, "%s program %s (id %u)%s%s", h->kind, h->name, h->prog_id, where,
			    h->at ? h->at :
			    dev   ? dev :
				    "");
}

bool ep_path_program(struct ep_walk *w, const struct ep_hook *h, const char *what)
{
	return ep_w_unknown(w, "%s may %s", text_of(w, h, NULL), what);
}

/* It may do what is not followed: then nobody knows how it goes on. */
static void may_lead_away(struct ep_walk *w, const struct ep_hook *h, const char *dev,
			  const char *what)
{
	const char *text = h->may_take ? text_of(w, h, dev) : NULL;

	if (text && ep_w_unknown(w, "%s may %s", text, what))
		ep_w_end(w, EP_UNKNOWN, "%s may %s", text, what);
}

/* A program that lets it pass or drops it, and nothing else. */
static void may_drop(struct ep_walk *w, const struct ep_hook *h)
{
	if (h->may_take && ep_path_program(w, h, "drop the packet"))
		ep_w_end(w, EP_DROPPED, "dropped by %s", text_of(w, h, NULL));
}

/* ---- at devices ---- */

static const struct {
	const char *kind;
	bool egress;
} device_hooks[] = {
	{"xdp", false},       {"tc-ingress", false},    {"tcx-ingress", false}, {"tc-egress", true},
	{"tcx-egress", true}, {"netkit-primary", true}, {"netkit-peer", false},
};

static bool at_device(const struct ep_hook *h, const struct ep_link *l, bool egress)
{
	if (h->ifindex && h->ifindex != l->ifindex)
		return false;
	for (size_t i = 0; i < EP_ARRAY_SIZE(device_hooks); i++)
		if (!strcmp(h->kind, device_hooks[i].kind))
			return device_hooks[i].egress == egress;
	return false;
}

bool ep_path_programs(struct ep_walk *w, const struct ep_link *l, bool egress)
{
	ep_each(h, &w->ns->hooks)
		if (!w->ended && at_device(h, l, egress))
			may_lead_away(w, h, l->name, "take the packet");
	return !w->ended;
}

/* ---- at netfilter's hooks ---- */

bool ep_path_netfilter_programs(struct ep_walk *w, unsigned hooknum)
{
	uint8_t family = w->p.alen == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;

	/* No link tells its namespace. */
	ep_each(h, &w->ns->hooks)
		if (!w->ended && !strcmp(h->kind, "netfilter-bpf") && h->hook == hooknum &&
		    (!h->family || h->family == family))
			may_drop(w, h);
	return !w->ended;
}

/* ---- at sockets ---- */

bool ep_path_sk_lookup(struct ep_walk *w)
{
	ep_each(h, &w->ns->hooks)
		if (!w->ended && !strcmp(h->kind, "sk_lookup"))
			may_lead_away(w, h, NULL, "choose another socket");
	return !w->ended;
}

bool ep_path_socket_programs(struct ep_walk *w, const struct ep_listener *l)
{
	const struct ep_cgroup *c = l->cgroup ? ep_cgroup_find(w->s, l->cgroup) : NULL;

	if (l->cgroup && !c &&
	    ep_w_unknown(w, "programs of the listener's cgroup could not be listed"))
		ep_w_end(w, EP_DROPPED, "dropped by a program of its cgroup");
	for (size_t i = 0; c && i < c->hooks.n && !w->ended; i++)
		if (!strcmp(c->hooks.v[i].kind, "cgroup-ingress"))
			may_drop(w, &c->hooks.v[i]);
	ep_each(h, &l->hooks)
		if (!w->ended && !strcmp(h->kind, "socket-filter"))
			may_drop(w, h);
	return !w->ended;
}

/* ---- where a process sends from ---- */

/* A process of which nothing is known is subject at least to the programs of the root. */
static const struct ep_cgroup *sender(const struct ep_walk *w)
{
	const struct ep_cgroup *c = w->sender ? ep_cgroup_find(w->s, w->sender) : NULL;

	return c ? c : ep_cgroup_root(w->s);
}

bool ep_path_connect_programs(struct ep_walk *w)
{
	const char *kind = w->p.alen == 4 ? "cgroup-connect4" : "cgroup-connect6";
	const struct ep_cgroup *c = sender(w);

	for (size_t i = 0; c && i < c->hooks.n && !w->ended; i++)
		if (!strcmp(c->hooks.v[i].kind, kind))
			may_lead_away(w, &c->hooks.v[i], NULL, "connect elsewhere");
	return !w->ended;
}

bool ep_path_egress_programs(struct ep_walk *w)
{
	const struct ep_cgroup *c = sender(w);

	for (size_t i = 0; c && i < c->hooks.n && !w->ended; i++)
		if (!strcmp(c->hooks.v[i].kind, "cgroup-egress"))
			may_drop(w, &c->hooks.v[i]);
	return !w->ended;
}
