// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nftables: generation, tables, chains (without rules), sets (without elements) and objects, as
 * NFT_MSG_GET* dumps send them (uapi linux/netfilter/nf_tables.h). Rules: nft_rules.c, elements:
 * nft_elems.c, which tables are iptables-nft's: nft_xtables.c.
 */
#include "collect/nft.h"
#include "collect/collect_i.h"
#include "collect/nl.h"

#include <errno.h>
#include <limits.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <unistd.h>

#define MAX_TRIES 4
#define NAME_SIZE 256

/* Linux 6.16: interfaces of a hook by the beginning of their names. */
#define EP_NFTA_DEVICE_PREFIX 2

struct dump {
	struct ep_arena *a;
	struct ep_nft *nft;
	struct ep_nft_table *last; /* where the previous object was: dumps go table by table */
	uint32_t order;
};

/* ---- generation ---- */

static int take_generation(const struct nlmsghdr *nlh, void *ctx)
{
	static const struct ep_nla_policy policy[] = {
		[NFTA_GEN_ID] = EP_NLA_NUM(4),
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	const void *p;
	size_t len;
	int r;

	p = ep_nl_nfnl_attrs(nlh, NULL, &len);
	if (!p)
		return -EBADMSG;
	r = ep_nla_table(p, len, policy, EP_ARRAY_SIZE(tb), tb);
	if (r < 0)
		return r;
	if (!tb[NFTA_GEN_ID].data)
		return -EBADMSG;
	*(uint32_t *)ctx = (uint32_t)ep_nla_be(&tb[NFTA_GEN_ID], 0);
	return 0;
}

/*
 * nfgenmsg.res_id has only 16 bits of it. The process that the answer names is the asking one: only
 * notifications tell who wrote.
 */
static int read_generation(int fd, uint32_t *ret)
{
	char buf[EP_NL_REQ_SIZE];

	return ep_nl_request(fd, ep_nl_nfnl(buf, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN, 0, 0),
			     take_generation, ret);
}

/* nfnetlink is not there, or answers EINVAL for a subsystem that it does not have. */
static bool is_no_nf_tables(int r)
{
	return r == -EPROTONOSUPPORT || r == -EINVAL || r == -EOPNOTSUPP;
}

/* 0 in a kernel without nf_tables. */
int ep_collect_nft_generation(struct ep_netns *ns, uint32_t *ret)
{
	uint32_t now = 0;
	int r, fd;

	if (ep_module_unloaded("nf_tables")) { /* asking would load it */
		*ret = 0;
		return 0;
	}
	fd = ep_nl_open(ns, NETLINK_NETFILTER);
	r = fd < 0 ? fd : read_generation(fd, &now);
	if (fd >= 0)
		close(fd);
	if (is_no_nf_tables(r))
		r = 0;
	if (r == 0)
		*ret = now;
	return r;
}

/* ---- objects of a table ---- */

static struct ep_nft_table *table_of(struct dump *d, uint8_t family, const struct ep_nla *name)
{
	const char *s = (const char *)name->data;

	if (!s)
		return NULL;
	if (d->last && d->last->family == family &&
	    strlen(d->last->name) == strnlen(s, name->len) && !strncmp(d->last->name, s, name->len))
		return d->last;
	ep_each(it, &d->nft->tables) {
		struct ep_nft_table *t = *it;

		if (t->family == family && strlen(t->name) == strnlen(s, name->len) &&
		    !strncmp(t->name, s, name->len))
			return d->last = t;
	}
	return NULL;
}

static int take_table(const struct nlmsghdr *nlh, void *ctx)
{
	static const struct ep_nla_policy policy[] = {
		[NFTA_TABLE_NAME] = EP_NLA_MAX(NAME_SIZE),
		[NFTA_TABLE_FLAGS] = EP_NLA_NUM(4),
		[NFTA_TABLE_HANDLE] = EP_NLA_NUM(8),
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	struct dump *d = ctx;
	struct ep_nft_table *t;
	uint8_t family;
	const void *p;
	size_t len;
	int r;

	p = ep_nl_nfnl_attrs(nlh, &family, &len);
	if (!p)
		return -EBADMSG;
	r = ep_nla_table(p, len, policy, EP_ARRAY_SIZE(tb), tb);
	if (r < 0)
		return r;
	if (!tb[NFTA_TABLE_NAME].data)
		return -EBADMSG;
	t = ep_alloc(d->a, sizeof(*t));
	t->family = family;
	t->name = ep_nla_str(d->a, &tb[NFTA_TABLE_NAME]);
	t->handle = ep_nla_be(&tb[NFTA_TABLE_HANDLE], 0);
	t->flags = (uint32_t)ep_nla_be(&tb[NFTA_TABLE_FLAGS], 0);
	*ep_push(d->a, &d->nft->tables) = t;
	return 0;
}

static int take_devices(struct ep_arena *a, struct ep_nft_chain *c, const struct ep_nla *devs)
{
	struct ep_nla_iter it = {devs->data, devs->len};
	struct ep_nla at;

	while (ep_nla_next(&it, &at)) {
		if (at.type == NFTA_DEVICE_NAME)
			*ep_push(a, &c->devs) = ep_nla_str(a, &at);
		else if (at.type == EP_NFTA_DEVICE_PREFIX)
			*ep_push(a, &c->devs) = ep_sprintf(a, "%s*", ep_nla_str(a, &at));
	}
	return it.left ? -EBADMSG : 0;
}

static int take_hook(struct ep_arena *a, struct ep_nft_chain *c, const struct ep_nla *hook)
{
	static const struct ep_nla_policy policy[] = {
		[NFTA_HOOK_HOOKNUM] = EP_NLA_NUM(4),
		[NFTA_HOOK_PRIORITY] = EP_NLA_NUM(4),
		[NFTA_HOOK_DEV] = EP_NLA_MAX(64),
		[NFTA_HOOK_DEVS] = EP_NLA_NEST,
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	int r = ep_nla_table(hook->data, hook->len, policy, EP_ARRAY_SIZE(tb), tb);

	if (r < 0)
		return r;
	if (!tb[NFTA_HOOK_HOOKNUM].data || !tb[NFTA_HOOK_PRIORITY].data)
		return -EBADMSG;
	c->base = true;
	c->hook = (uint32_t)ep_nla_be(&tb[NFTA_HOOK_HOOKNUM], 0);
	c->priority = (int32_t)ep_nla_be(&tb[NFTA_HOOK_PRIORITY], 0);
	if (tb[NFTA_HOOK_DEVS].data)
		return take_devices(a, c, &tb[NFTA_HOOK_DEVS]);
	if (tb[NFTA_HOOK_DEV].data)
		*ep_push(a, &c->devs) = ep_nla_str(a, &tb[NFTA_HOOK_DEV]);
	return 0;
}

static int take_chain(const struct nlmsghdr *nlh, void *ctx)
{
	static const struct ep_nla_policy policy[] = {
		[NFTA_CHAIN_TABLE] = EP_NLA_MAX(NAME_SIZE), [NFTA_CHAIN_HANDLE] = EP_NLA_NUM(8),
		[NFTA_CHAIN_NAME] = EP_NLA_MAX(NAME_SIZE),  [NFTA_CHAIN_HOOK] = EP_NLA_NEST,
		[NFTA_CHAIN_POLICY] = EP_NLA_NUM(4),        [NFTA_CHAIN_USE] = EP_NLA_NUM(4),
		[NFTA_CHAIN_TYPE] = EP_NLA_MAX(64),
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	struct dump *d = ctx;
	struct ep_nft_table *t;
	struct ep_nft_chain *c;
	uint8_t family;
	const void *p;
	size_t len;
	int r;

	p = ep_nl_nfnl_attrs(nlh, &family, &len);
	if (!p)
		return -EBADMSG;
	r = ep_nla_table(p, len, policy, EP_ARRAY_SIZE(tb), tb);
	if (r < 0)
		return r;
	t = table_of(d, family, &tb[NFTA_CHAIN_TABLE]);
	if (!t || !tb[NFTA_CHAIN_NAME].data)
		return t ? -EBADMSG : -EINTR; /* its table is newer than our list of tables */
	c = ep_alloc(d->a, sizeof(*c));
	c->table = t;
	c->name = ep_nla_str(d->a, &tb[NFTA_CHAIN_NAME]);
	c->handle = ep_nla_be(&tb[NFTA_CHAIN_HANDLE], 0);
	c->use = (uint32_t)ep_nla_be(&tb[NFTA_CHAIN_USE], 0);
	c->policy = NF_ACCEPT;
	c->order = d->order++;
	if (tb[NFTA_CHAIN_HOOK].data) {
		r = take_hook(d->a, c, &tb[NFTA_CHAIN_HOOK]);
		if (r < 0)
			return r;
		c->type = ep_nla_str(d->a, &tb[NFTA_CHAIN_TYPE]);
		c->policy = (uint32_t)ep_nla_be(&tb[NFTA_CHAIN_POLICY], NF_ACCEPT);
	}
	*ep_push(d->a, &t->chains) = c;
	return 0;
}

static int take_object(const struct nlmsghdr *nlh, void *ctx)
{
	static const struct ep_nla_policy policy[] = {
		[NFTA_OBJ_TABLE] = EP_NLA_MAX(NAME_SIZE),
		[NFTA_OBJ_NAME] = EP_NLA_MAX(NAME_SIZE),
		[NFTA_OBJ_TYPE] = EP_NLA_NUM(4),
		[NFTA_OBJ_DATA] = EP_NLA_MAX(8192),
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	struct dump *d = ctx;
	struct ep_nft_table *t;
	struct ep_nft_obj *o;
	uint8_t family;
	const void *p;
	size_t len;
	int r;

	p = ep_nl_nfnl_attrs(nlh, &family, &len);
	if (!p)
		return -EBADMSG;
	r = ep_nla_table(p, len, policy, EP_ARRAY_SIZE(tb), tb);
	if (r < 0)
		return r;
	t = table_of(d, family, &tb[NFTA_OBJ_TABLE]);
	if (!t || !tb[NFTA_OBJ_NAME].data)
		return t ? -EBADMSG : -EINTR;
	o = ep_alloc(d->a, sizeof(*o));
	o->name = ep_nla_str(d->a, &tb[NFTA_OBJ_NAME]);
	o->type = (uint32_t)ep_nla_be(&tb[NFTA_OBJ_TYPE], 0);
	o->len = tb[NFTA_OBJ_DATA].len;
	o->data = ep_memdup(d->a, tb[NFTA_OBJ_DATA].data, o->len);
	*ep_push(d->a, &t->objs) = o;
	return ep_nft_decode_object(d->a, o);
}

static int take_set(const struct nlmsghdr *nlh, void *ctx)
{
	struct ep_nla at = {0};
	struct dump *d = ctx;
	struct ep_nla_iter it;
	struct ep_nft_table *t;
	struct ep_nft_set *set;
	uint8_t family;
	int r;

	it.p = ep_nl_nfnl_attrs(nlh, &family, &it.left);
	if (!it.p)
		return -EBADMSG;
	set = ep_alloc(d->a, sizeof(*set));
	r = ep_nft_decode_set(d->a, it.p, it.left, set, &at);
	if (r < 0)
		return r;
	t = table_of(d, family, &at);
	if (!t)
		return -EINTR;
	set->table = t;
	*ep_push(d->a, &t->sets) = set;
	return 0;
}

/* ---- all of it ---- */

static const struct {
	uint8_t msg;
	ep_nl_cb take;
} dumps[] = {
	{NFT_MSG_GETTABLE, take_table},
	{NFT_MSG_GETCHAIN, take_chain},
	{NFT_MSG_GETSET, take_set},
	{NFT_MSG_GETOBJ, take_object},
};

/* 0, -EINTR if the ruleset changed meanwhile, or another negative errno. */
static int read_once(int fd, struct ep_arena *a, struct ep_nft *nft)
{
	struct dump d = {.a = a, .nft = nft};
	uint32_t after = 0;
	int r;

	nft->tables.n = 0;
	r = read_generation(fd, &nft->generation);
	for (size_t i = 0; r == 0 && i < EP_ARRAY_SIZE(dumps); i++) {
		char buf[EP_NL_REQ_SIZE];

		d.last = NULL;
		r = ep_nl_request(fd,
				  ep_nl_nfnl(buf, NFNL_SUBSYS_NFTABLES, dumps[i].msg, NLM_F_DUMP,
					     NFPROTO_UNSPEC),
				  dumps[i].take, &d);
	}
	if (r == 0)
		r = read_generation(fd, &after);
	return r < 0 ? r : after == nft->generation ? 0 : -EINTR;
}

/* There is no rule in a kernel without nf_tables: that is known for sure, though nothing was read. */
static int without_nf_tables(struct ep_snapshot *s, struct ep_nft *nft)
{
	*nft = (struct ep_nft){.status = EP_COMPLETE};
	ep_source_set(s, "nft", EP_MISSING, "nf_tables is not in this kernel");
	return 0;
}

static int not_permitted(struct ep_snapshot *s, struct ep_nft *nft)
{
	*nft = (struct ep_nft){
		.status = EP_MISSING,
		.reason = "not permitted: reading nftables needs CAP_NET_ADMIN",
	};
	ep_source_set(s, "nft", nft->status, nft->reason);
	return 0;
}

int ep_collect_nft(struct ep_snapshot *s, struct ep_netns *ns)
{
	struct ep_nft *nft = &ns->nft;
	int r = -EINTR;

	if (ep_module_unloaded("nf_tables")) { /* so there is no rule */
		*nft = (struct ep_nft){.status = EP_COMPLETE};
		return 0;
	}
	for (int i = 0; r == -EINTR && i < MAX_TRIES; i++) {
		int fd = ep_nl_open(ns, NETLINK_NETFILTER);

		r = fd < 0 ? fd : read_once(fd, s->arena, nft);
		if (fd >= 0)
			close(fd);
	}
	if (is_no_nf_tables(r) && !nft->tables.n)
		return without_nf_tables(s, nft);
	if (r == -EPERM || r == -EACCES)
		return not_permitted(s, nft);
	nft->changed = r == -EINTR;
	if (r < 0 && !nft->changed)
		return r;
	nft->status = nft->changed ? EP_PARTIAL : EP_COMPLETE;
	nft->reason = nft->changed ? "the ruleset kept changing while it was read" : NULL;
	ep_source_set(s, "nft", nft->status, nft->reason);
	ep_each(it, &nft->tables)
		(*it)->xtables = ep_nft_is_xtables(*it);
	return 0;
}
