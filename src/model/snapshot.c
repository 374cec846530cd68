// SPDX-License-Identifier: GPL-2.0-or-later
/* The snapshot: life, lookups, and loading on demand through its provider. */
#include "edgepath/model.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <string.h>

struct ep_snapshot *ep_snapshot_new(void)
{
	struct ep_arena *a = ep_arena_new();
	struct ep_snapshot *s = ep_alloc(a, sizeof(*s));

	s->arena = a;
	s->hostname = s->kernel = s->boot_id = "";
	return s;
}

void ep_snapshot_free(struct ep_snapshot *s)
{
	if (s)
		ep_arena_free(s->arena);
}

/* ---- namespaces ---- */

struct ep_netns *ep_netns_find(const struct ep_snapshot *s, uint64_t ino)
{
	ep_each(it, &s->netns) {
		if ((*it)->ino == ino)
			return *it;
	}
	return NULL;
}

struct ep_netns *ep_netns_add(struct ep_snapshot *s, uint64_t ino)
{
	struct ep_netns *ns = ep_netns_find(s, ino);

	if (ns)
		return ns;
	ns = ep_alloc(s->arena, sizeof(*ns));
	ns->ino = ino;
	ns->ipvs_conntrack = ns->ipvs_backup_only = ns->ipvs_cache_bypass = -1;
	ns->ip_forward = ns->forwarding6_all = ns->rp_filter_all = -1;
	ns->route_localnet_all = ns->accept_local_all = -1;
	ns->src_valid_mark_all = ns->send_redirects_all = -1;
	ns->bridge_nf_call_ip = ns->bridge_nf_call_ip6 = -1;
	ns->conntrack_count = -1;
	ns->tcp_l3mdev_accept = ns->fwmark_reflect = -1;
	*ep_push(s->arena, &s->netns) = ns;
	return ns;
}

void ep_netns_own_tables(struct ep_netns *ns)
{
	ep_each(t, &ns->nft.tables)
		(*t)->ns = ns;
	ep_each(t, &ns->xt.tables)
		(*t)->ns = ns;
}

static int not_saved(struct ep_netns *ns)
{
	if (!ns->failed)
		ns->failed = "not in this saved snapshot";
	return -ENODATA;
}

int ep_netns_need(struct ep_snapshot *s, struct ep_netns *ns, unsigned need)
{
	unsigned missing = need & ~ns->have;
	int r;

	if (!missing)
		return 0;
	if (!s->provider || !s->provider->netns)
		return not_saved(ns);
	r = s->provider->netns(s->provider->ctx, s, ns, missing);
	if (r < 0) {
		if (!ns->failed)
			ns->failed = ep_strdup(s->arena, strerror(-r));
		return r;
	}
	ns->have |= missing;
	ep_netns_own_tables(ns);
	return 0;
}

int ep_nft_chain_need(struct ep_snapshot *s, struct ep_netns *ns, struct ep_nft_chain *c)
{
	int r;

	if (c->loaded)
		return 0;
	if (!s->provider || !s->provider->nft_chain)
		return not_saved(ns);
	r = s->provider->nft_chain(s->provider->ctx, s, ns, c);
	if (r < 0)
		return r;
	c->loaded = true;
	return 0;
}

int ep_nft_set_need(struct ep_snapshot *s, struct ep_netns *ns, struct ep_nft_set *set)
{
	int r;

	if (set->loaded)
		return 0;
	if (!s->provider || !s->provider->nft_set)
		return not_saved(ns);
	r = s->provider->nft_set(s->provider->ctx, s, ns, set);
	if (r < 0)
		return r;
	set->loaded = true;
	return 0;
}

int ep_nft_elem_need(struct ep_snapshot *s, struct ep_netns *ns, struct ep_nft_set *set,
		     const uint8_t *key, const struct ep_nft_elem **ret)
{
	struct ep_nft_asked *a;
	int r;

	if (set->loaded || !s->provider || !s->provider->nft_elem)
		return -ENODATA;
	ep_each(it, &set->asked) {
		if (!memcmp(it->key, key, set->key_len)) {
			*ret = it->elem;
			return 0;
		}
	}
	a = ep_push(s->arena, &set->asked);
	a->key = ep_memdup(s->arena, key, set->key_len);
	r = s->provider->nft_elem(s->provider->ctx, s, ns, set, a);
	if (r < 0) {
		set->asked.n--;
		return r;
	}
	*ret = a->elem;
	return 0;
}

static struct ep_ipset *find_ipset(const struct ep_netns *ns, uint16_t index)
{
	ep_each(it, &ns->ipsets) {
		if ((*it)->index == index)
			return *it;
	}
	return NULL;
}

struct ep_ipset *ep_ipset_need(struct ep_snapshot *s, struct ep_netns *ns, uint16_t index)
{
	struct ep_ipset *set = find_ipset(ns, index);

	if (set || !s->provider || !s->provider->ipset)
		return set;
	if (s->provider->ipset(s->provider->ctx, s, ns, index) < 0)
		return NULL;
	return find_ipset(ns, index);
}

/* ---- what the kernel remembers: asked once, whether it answers or not ---- */

const struct ep_recent *ep_recent_need(struct ep_snapshot *s, struct ep_netns *ns, const char *name)
{
	struct ep_recent *r;

	ep_each(it, &ns->recents) {
		if (!strcmp((*it)->name, name))
			return (*it)->loaded ? *it : NULL;
	}
	if (!s->provider || !s->provider->recent)
		return NULL;
	r = ep_alloc(s->arena, sizeof(*r));
	r->name = ep_strdup(s->arena, name);
	*ep_push(s->arena, &ns->recents) = r;
	r->loaded = s->provider->recent(s->provider->ctx, s, ns, r) == 0;
	return r->loaded ? r : NULL;
}

const struct ep_hashlimit *ep_hashlimit_need(struct ep_snapshot *s, struct ep_netns *ns,
					     uint8_t family, const char *name)
{
	struct ep_hashlimit *h;

	ep_each(it, &ns->hashlimits) {
		if ((*it)->family == family && !strcmp((*it)->name, name))
			return (*it)->loaded ? *it : NULL;
	}
	if (!s->provider || !s->provider->hashlimit)
		return NULL;
	h = ep_alloc(s->arena, sizeof(*h));
	h->name = ep_strdup(s->arena, name);
	h->family = family;
	*ep_push(s->arena, &ns->hashlimits) = h;
	h->loaded = s->provider->hashlimit(s->provider->ctx, s, ns, h) == 0;
	return h->loaded ? h : NULL;
}

const struct ep_acct *ep_acct_need(struct ep_snapshot *s, struct ep_netns *ns, const char *name)
{
	struct ep_acct *a;

	ep_each(it, &ns->accts) {
		if (!strcmp((*it)->name, name))
			return (*it)->loaded ? *it : NULL;
	}
	if (!s->provider || !s->provider->acct)
		return NULL;
	a = ep_alloc(s->arena, sizeof(*a));
	a->name = ep_strdup(s->arena, name);
	*ep_push(s->arena, &ns->accts) = a;
	a->loaded = s->provider->acct(s->provider->ctx, s, ns, a) == 0;
	return a->loaded ? a : NULL;
}

static void need_conns(struct ep_snapshot *s, struct ep_netns *ns, bool list)
{
	unsigned want = list ? EP_NEED_CONN_LIST : EP_NEED_CONNS;

	if (ns->have & want || !s->provider || !s->provider->conns)
		return;
	ns->have |= want;
	if (s->provider->conns(s->provider->ctx, s, ns, list) < 0 && list)
		ns->conns.list.n = 0;
}

const struct ep_conns *ep_conns_need(struct ep_snapshot *s, struct ep_netns *ns)
{
	need_conns(s, ns, false);
	return ns->conns.counted ? &ns->conns : NULL;
}

const struct ep_conns *ep_conns_list_need(struct ep_snapshot *s, struct ep_netns *ns)
{
	need_conns(s, ns, true);
	return ns->conns.loaded ? &ns->conns : NULL;
}

/* ---- lookups ---- */

const struct ep_link *ep_link_by_index(const struct ep_netns *ns, uint32_t ifindex)
{
	ep_each(it, &ns->links) {
		if (it->ifindex == ifindex)
			return it;
	}
	return NULL;
}

const struct ep_link *ep_link_by_name(const struct ep_netns *ns, const char *name)
{
	ep_each(it, &ns->links) {
		if (it->name && !strcmp(it->name, name))
			return it;
	}
	return NULL;
}

bool ep_ifaddr_valid(const struct ep_ifaddr *i)
{
	return !(i->flags & IFA_F_DADFAILED) &&
	       (!(i->flags & IFA_F_TENTATIVE) || i->flags & IFA_F_OPTIMISTIC);
}

const struct ep_ifaddr *ep_ifaddr_find(const struct ep_netns *ns, const struct ep_addr *a)
{
	ep_each(it, &ns->addrs) {
		if (ep_addr_eq(&it->addr, a) && ep_ifaddr_valid(it))
			return it;
	}
	return NULL;
}

const struct ep_cgroup *ep_cgroup_find(const struct ep_snapshot *s, uint64_t id)
{
	ep_each(c, &s->cgroups)
		if ((*c)->id == id)
			return *c;
	return NULL;
}

const struct ep_cgroup *ep_cgroup_root(const struct ep_snapshot *s)
{
	ep_each(c, &s->cgroups)
		if ((*c)->path && !strcmp((*c)->path, "/"))
			return *c;
	return NULL;
}

struct ep_proc *ep_proc_find(const struct ep_snapshot *s, int pid)
{
	ep_each(it, &s->procs) {
		if ((*it)->pid == pid)
			return *it;
	}
	return NULL;
}

struct ep_nft_chain *ep_nft_chain_find(const struct ep_nft_table *t, const char *name)
{
	ep_each(it, &t->chains) {
		if (!strcmp((*it)->name, name))
			return *it;
	}
	return NULL;
}

struct ep_nft_set *ep_nft_set_find(const struct ep_nft_table *t, const char *name)
{
	ep_each(it, &t->sets) {
		if (!strcmp((*it)->name, name))
			return *it;
	}
	return NULL;
}

struct ep_nft_obj *ep_nft_obj_find(const struct ep_nft_table *t, const char *name, uint32_t type)
{
	ep_each(it, &t->objs) {
		if ((*it)->type == type && !strcmp((*it)->name, name))
			return *it;
	}
	return NULL;
}

struct ep_xt_chain *ep_xt_chain_find(const struct ep_xt_table *t, const char *name)
{
	ep_each(it, &t->chains) {
		if (!strcmp((*it)->name, name))
			return *it;
	}
	return NULL;
}

const char *ep_backend_name(enum ep_backend b)
{
	static const char *const names[] = {
		[EP_NFT] = "nft",
		[EP_IPTABLES_NFT] = "iptables-nft",
		[EP_IPTABLES_LEGACY] = "iptables-legacy",
	};

	return (size_t)b < EP_ARRAY_SIZE(names) ? names[b] : "unknown";
}

/* ---- completeness ---- */

void ep_source_set(struct ep_snapshot *s, const char *name, enum ep_status st, const char *reason)
{
	struct ep_source *src = NULL;

	ep_each(it, &s->sources) {
		if (!strcmp(it->name, name))
			src = it;
	}
	if (src && src->status <= st)
		return;
	if (!src) {
		src = ep_push(s->arena, &s->sources);
		src->name = ep_strdup(s->arena, name);
	}
	src->status = st;
	src->reason = st == EP_COMPLETE || !reason ? NULL : ep_strdup(s->arena, reason);
}
