/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routing's inside: tables in the order of lookup, and what routing says about open addresses. */
#ifndef EP_WALK_FIB_H
#define EP_WALK_FIB_H

#include "walk/engine.h"

/*
 * IPv4's local and main table in one: the kernel keeps them so until the first policy rule is made
 * (fib_trie_unmerge()), and then the longest prefix of both wins.
 */
#define EP_TABLE_MERGED 0

struct ep_fib_entry {
	ep_u128 lo; /* first address of the prefix */
	const struct ep_route *route;
};

struct ep_fib_group { /* routes of one prefix length */
	unsigned plen;
	size_t from, to;
};

struct ep_fib_table {
	uint8_t family;
	uint32_t id;
	struct ep_fib_entry *v; /* longest prefix first; then by address, then best route first */
	size_t n;
	struct ep_fib_group *groups;
	size_t n_groups;
	struct ep_fib_entry *by_addr; /* ep_fib_by_addr(); NULL until then */
};

/* Kept with the snapshot; NULL if the table is empty. */
struct ep_fib_table *ep_fib_table(struct ep_snapshot *s, struct ep_netns *ns, uint8_t family,
				  uint32_t id);
/* The same entries by address, then shortest prefix first: as prefixes are nested. */
const struct ep_fib_entry *ep_fib_by_addr(struct ep_snapshot *s, struct ep_fib_table *t);
/* The best usable route for f->dst (a THROW or BLACKHOLE one as well); NULL if there is none. */
const struct ep_route *ep_fib_table_lookup(struct ep_walk *w, const struct ep_fib_table *t,
					   const struct ep_flow *f);
/* Would the lookup take this route, if its prefix fits? */
bool ep_fib_usable(struct ep_walk *w, const struct ep_route *r, const struct ep_flow *f);
/* Is r, of one prefix with the route that is asked first, never asked? */
bool ep_fib_hidden(const struct ep_route *first, const struct ep_route *r);
bool ep_fib_hop_usable(const struct ep_nexthop *h, const struct ep_flow *f);

#define EP_TOS_LEGACY 0x1c /* bits of IPv4's TOS byte that routes and `tos` rules see */

/* Are these bits of the packet's TOS byte as wanted? */
bool ep_fib_tos_fits(struct ep_walk *w, const struct ep_flow *f, uint8_t mask, uint8_t want);

/* ---- policy rules ---- */

/* The family's rules in order, or the kernel's own where none were read; how many. */
size_t ep_fib_policies(struct ep_walk *w, const struct ep_netns *ns, uint8_t family,
		       const struct ep_policy ***ret);
/* True if there are rules beside the kernel's own: fib4_has_custom_rules(). */
bool ep_fib_custom_rules(const struct ep_netns *ns, uint8_t family);
/* Does all but the destination fit, and inversion aside? */
bool ep_fib_policy_selects(struct ep_walk *w, const struct ep_netns *ns, const struct ep_policy *p,
			   const struct ep_flow *f);
uint32_t ep_fib_policy_table(const struct ep_netns *ns, const struct ep_policy *p,
			     const struct ep_flow *f);
bool ep_fib_suppressed(const struct ep_netns *ns, const struct ep_policy *p,
		       const struct ep_route *r);
/* RTN_* that a rule without a table means; RTN_UNSPEC if it has one or says nothing. */
uint8_t ep_fib_policy_type(const struct ep_policy *p);
/* Index of the rule that a goto at v[i] leads to, n if there is none. */
size_t ep_fib_goto(const struct ep_policy *const *v, size_t n, size_t i);
/* The VRF device that the packet belongs to; NULL if none. */
const struct ep_link *ep_fib_vrf(const struct ep_netns *ns, uint32_t ifindex);

/* ---- open addresses ---- */

/* route: what decides, NULL for a rule or for nothing; type: RTN_* */
typedef bool (*ep_fib_ask)(const struct ep_route *r, uint8_t type, void *ctx);

/* The destinations for which ask says yes, of those in dom, were f sent to them (f->dst: length only). */
struct ep_ivset ep_fib_dst_set(struct ep_walk *w, struct ep_netns *ns, const struct ep_flow *f,
			       struct ep_ivset dom, ep_fib_ask ask, void *ctx);
/* The same with one table alone; what nothing decides is left out. */
struct ep_ivset ep_fib_table_set(struct ep_walk *w, struct ep_netns *ns, uint32_t table,
				 const struct ep_flow *f, struct ep_ivset dom, ep_fib_ask ask,
				 void *ctx);

#endif
