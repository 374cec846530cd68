// SPDX-License-Identifier: GPL-2.0-or-later
/* What a kernel would never say, and the rest of the program takes for granted, in a loaded snapshot. */
#include <netinet/in.h>
#include <linux/netfilter/nf_tables.h>

#include "model/fields.h"

#define EP_MAX_HOOK 8  /* NF_INET_*, NF_BR_* and NF_NETDEV_* are below */
#define EP_MAX_TYPE 32 /* RTN_*: bits of a mask */
#define EP_MAX_KEY  64

/* 0 for a family that is none of the walk's. */
static uint8_t len_of(uint8_t family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

static bool prefix_ok(const struct ep_addr *a, unsigned plen, uint8_t len)
{
	return plen ? a->len == len && plen <= len * 8u : !a->len || a->len == len;
}

static bool check_routes(struct ep_loader *l, const struct ep_netns *ns)
{
	ep_each(i, &ns->addrs) {
		if (!i->addr.len || i->plen > i->addr.len * 8u)
			return ep_load_fail(l, "a device's address is no address");
	}
	ep_each(r, &ns->routes) {
		uint8_t len = len_of(r->family);

		if (len &&
		    (!prefix_ok(&r->dst, r->dst_len, len) || !prefix_ok(&r->src, r->src_len, len) ||
		     !prefix_ok(&r->prefsrc, 0, len)))
			return ep_load_fail(l, "a route's address is not of its family");
		if (r->type >= EP_MAX_TYPE)
			return ep_load_fail(l, "a route of type %u", r->type);
	}
	ep_each(p, &ns->policies) {
		uint8_t len = len_of(p->family);

		if (len &&
		    (!prefix_ok(&p->src, p->src_len, len) || !prefix_ok(&p->dst, p->dst_len, len)))
			return ep_load_fail(l, "a policy rule's address is not of its family");
	}
	return true;
}

static bool check_nft(struct ep_loader *l, const struct ep_nft_table *t)
{
	ep_each(c, &t->chains) {
		if ((*c)->base && (!(*c)->type || (*c)->hook >= EP_MAX_HOOK))
			return ep_load_fail(l, "a base chain has no type, or a hook that is none");
	}
	ep_each(set, &t->sets) {
		if ((*set)->key_len > EP_MAX_KEY || (*set)->data_len > EP_MAX_KEY)
			return ep_load_fail(l, "a set's keys are longer than registers");
	}
	return true;
}

static bool check_xt(struct ep_loader *l, const struct ep_xt_table *t)
{
	uint8_t len = len_of(t->family);

	if (!len)
		return ep_load_fail(l, "a legacy table of no family");
	ep_each(c, &t->chains) {
		ep_each(r, &(*c)->rules) {
			const struct ep_addr *const addrs[] = {&r->src, &r->smask, &r->dst,
							       &r->dmask};

			for (size_t i = 0; i < EP_ARRAY_SIZE(addrs); i++)
				if (!prefix_ok(addrs[i], 0, len))
					return ep_load_fail(l, "a legacy rule's address is not of "
							       "its table's family");
		}
	}
	return true;
}

typedef EP_VEC(struct ep_hook) hooks;

static bool check_hooks(struct ep_loader *l, const void *vec)
{
	ep_each(h, (const hooks *)vec)
		if (!h->kind)
			return ep_load_fail(l, "a program without a kind");
	return true;
}

bool ep_load_check(struct ep_loader *l, const struct ep_snapshot *s)
{
	ep_each(n, &s->netns) {
		if (!check_routes(l, *n) || !check_hooks(l, &(*n)->hooks))
			return false;
		ep_each(t, &(*n)->nft.tables) {
			if (!check_nft(l, *t))
				return false;
		}
		ep_each(t, &(*n)->xt.tables) {
			if (!check_xt(l, *t))
				return false;
		}
	}
	ep_each(c, &s->cgroups)
		if (!check_hooks(l, &(*c)->hooks))
			return false;
	ep_each(x, &s->listeners)
		if (!check_hooks(l, &x->hooks))
			return false;
	return true;
}
