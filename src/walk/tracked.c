// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Is connection tracking on in a namespace? The kernel registers its hooks for a family with the first
 * rule that needs it (nf_ct_netns_get()), and only with them do chains of type nat run at all.
 */
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter_ipv4.h>

#include "walk/engine.h"

#define MAX_CHAINS 256 /* that are read only to find this out */

enum { CT_UNTOLD, CT_ON, CT_OFF, CT_MAYBE }; /* struct ep_netns.tracked */

static bool in_list(const char *name, const char *const *list)
{
	for (; name && *list; list++)
		if (!strcmp(name, *list))
			return true;
	return false;
}

static bool match_tracks(const char *name)
{
	static const char *const names[] = {"conntrack", "state",     "connmark",
					    "connlimit", "connbytes", "connlabel",
					    "helper",    "cluster",   NULL};

	return in_list(name, names);
}

static bool target_tracks(const char *name, const uint8_t *info, uint32_t len)
{
	static const char *const names[] = {"DNAT",        "SNAT",       "NETMAP",
					    "REDIRECT",    "MASQUERADE", "CONNMARK",
					    "CONNSECMARK", "SYNPROXY",   NULL};
	uint16_t flags;

	if (!name || strcmp(name, "CT") != 0)
		return in_list(name, names);
	if (len < offsetof(struct xt_ct_target_info, flags) + sizeof(flags))
		return false;
	memcpy(&flags, info + offsetof(struct xt_ct_target_info, flags), sizeof(flags));
	return !(flags & XT_CT_NOTRACK);
}

static bool objref_tracks(const struct ep_expr *e)
{
	switch (ep_attr_num(e, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_UNSPEC)) {
	case NFT_OBJECT_CT_HELPER:
	case NFT_OBJECT_CT_TIMEOUT:
	case NFT_OBJECT_CT_EXPECT:
	case NFT_OBJECT_CONNLIMIT:
	case NFT_OBJECT_SYNPROXY:
		return true;
	default:
		return false;
	}
}

static bool expr_tracks(const struct ep_expr *e)
{
	static const char *const names[] = {"ct",        "nat",          "masq",     "redir",
					    "connlimit", "flow_offload", "synproxy", NULL};
	uint32_t len = 0;
	const uint8_t *info;

	if (!strcmp(e->name, "match"))
		return match_tracks(ep_attr_str(e, NFTA_MATCH_NAME));
	if (!strcmp(e->name, "target")) {
		info = ep_attr_bytes(e, NFTA_TARGET_INFO, &len);
		return target_tracks(ep_attr_str(e, NFTA_TARGET_NAME), info, len);
	}
	if (!strcmp(e->name, "objref"))
		return objref_tracks(e);
	for (size_t i = 0; e->sub && i < e->sub->n; i++)
		if (!strcmp(e->sub->v[i].name, "connlimit"))
			return true;
	return in_list(e->name, names);
}

static bool chain_tracks(const struct ep_walk *w, const struct ep_nft_chain *c)
{
	ep_each(r, &c->rules)
		ep_each(e, &r->exprs)
			if (expr_tracks(e) && !ep_w_rule_gone(w, r))
				return true;
	return false;
}

static bool xt_tracks(const struct ep_walk *w, const struct ep_xt_table *t)
{
	ep_each(c, &t->chains)
		ep_each(r, &(*c)->rules) {
			if (ep_w_rule_gone(w, r))
				continue;
			ep_each(m, &r->matches)
				if (match_tracks(m->name))
					return true;
			if (r->verdict == EP_XT_TARGET &&
			    target_tracks(r->target.name, r->target.data, r->target.len))
				return true;
		}
	return false;
}

static bool for_family(const struct ep_walk *w, uint8_t family)
{
	return family == NFPROTO_INET || family == NFPROTO_BRIDGE ||
	       family == (w->p.alen == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
}

/* Goes along the chains that are loaded, or loads the others one by one; true when one tracks. */
static bool nft_tracks(struct ep_walk *w, bool load, unsigned *budget)
{
	ep_each(t, &w->ns->nft.tables) {
		if (!for_family(w, (*t)->family))
			continue;
		ep_each(c, &(*t)->chains) {
			if ((*c)->loaded == load)
				continue;
			if (load) {
				if (!*budget)
					return false;
				--*budget;
				if (ep_nft_chain_need(w->s, w->ns, *c)) {
					*budget = 0;
					return false;
				}
			}
			if (chain_tracks(w, *c))
				return true;
		}
	}
	return false;
}

/* Conntrack's own function is among those listed for prerouting. */
static bool conntrack_hooked(const struct ep_walk *w)
{
	ep_each(f, &w->ns->hook_fns)
		if (f->family == (w->p.alen == 4 ? AF_INET : AF_INET6) &&
		    f->hook == NF_INET_PRE_ROUTING && !f->nft && !f->nat &&
		    f->priority == NF_IP_PRI_CONNTRACK)
			return true;
	return false;
}

static int find_out(struct ep_walk *w)
{
	uint8_t af = w->p.alen == 4 ? AF_INET : AF_INET6;
	unsigned budget = MAX_CHAINS;

	if (nft_tracks(w, false, &budget))
		return CT_ON;
	ep_each(t, &w->ns->xt.tables)
		if ((*t)->family == af && xt_tracks(w, *t))
			return CT_ON;
	if (!(w->without && w->without->rules.n) && !ep_netns_need(w->s, w->ns, EP_NEED_ORDER) &&
	    w->ns->hook_fns.n)
		return conntrack_hooked(w) ? CT_ON : CT_OFF;
	if (nft_tracks(w, true, &budget))
		return CT_ON;
	if (!budget || w->ns->conntrack_count != 0)
		return CT_MAYBE;
	return w->ns->ipvs.n ? CT_MAYBE : CT_OFF;
}

bool ep_w_tracked(struct ep_walk *w)
{
	int unkept = CT_UNTOLD, *known = &w->ns->tracked[w->p.alen != 4];

	if (w->without && w->without->rules.n) /* among them may be the last that tracks */
		known = &unkept;
	if (*known == CT_UNTOLD)
		*known = find_out(w);
	if (*known != CT_MAYBE)
		return *known == CT_ON;
	return ep_w_unknown(w, "whether connection tracking is on, and with it the nat chains");
}
