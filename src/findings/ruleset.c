// SPDX-License-Identifier: GPL-2.0-or-later
/* mixed-backends, order-undefined: what makes a host's rules hard to foresee. */
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>

#include "findings/findings_i.h"

static const struct {
	unsigned num;
	const char *name;
} hooks[] = {
	{NF_INET_PRE_ROUTING, "prerouting"},
	{NF_INET_LOCAL_IN, "input"},
	{NF_INET_FORWARD, "forward"},
};

static bool nft_has_rules(const struct ep_nft_chain *k)
{
	/* A base chain is used by its rules alone. */
	return k->policy == NF_DROP || (k->loaded ? k->rules.n > 0 : k->use > 0);
}

static bool fits(uint8_t table, uint8_t family)
{
	return table == NFPROTO_INET || table == family;
}

static const struct ep_xt_chain *xt_base(const struct ep_xt_table *t, unsigned hook)
{
	ep_each(k, &t->chains)
		if ((*k)->hook == (int)hook && ((*k)->rules.n || (*k)->policy == EP_XT_DROP))
			return *k;
	return NULL;
}

/* Bit by enum ep_backend: who has rules at that hook for that family. */
static unsigned backends_at(const struct ep_netns *ns, unsigned hook, uint8_t family)
{
	unsigned got = 0;

	ep_each(t, &ns->nft.tables) {
		if (!fits((*t)->family, family))
			continue;
		ep_each(k, &(*t)->chains)
			if ((*k)->base && (*k)->hook == hook && nft_has_rules(*k))
				got |= 1u << ((*t)->xtables ? EP_IPTABLES_NFT : EP_NFT);
	}
	ep_each(t, &ns->xt.tables)
		if ((*t)->family == family && (*t)->valid_hooks >> hook & 1 && xt_base(*t, hook))
			got |= 1u << EP_IPTABLES_LEGACY;
	return got;
}

static const char *backend_list(struct ep_check *c, unsigned set)
{
	const char *out = "";

	for (unsigned b = EP_NFT; b <= EP_IPTABLES_LEGACY; b++) {
		const char *sep = !*out ? "" : set >> b >> 1 ? ", " : " and ";

		if (set >> b & 1)
			out = ep_sprintf(c->arena, "%s%s%s", out, sep, ep_backend_name(b));
	}
	return out;
}

/* One family's hooks; returns all backends that hold rules there, 0 if they do not meet. */
static unsigned mixed_in(struct ep_check *c, const struct ep_netns *ns, uint8_t family,
			 ep_strs *evidence)
{
	bool meet = false;
	unsigned all = 0;

	for (size_t h = 0; h < EP_ARRAY_SIZE(hooks); h++) {
		unsigned set = backends_at(ns, hooks[h].num, family);

		all |= set;
		meet |= (set & (set - 1)) != 0;
		if (set)
			*ep_push(c->arena, evidence) = ep_sprintf(
				c->arena, "%s %s: %s", family == NFPROTO_IPV4 ? "IPv4" : "IPv6",
				hooks[h].name, backend_list(c, set));
	}
	/* Legacy rules are in no list of nft's, so they need not even be at the same hook. */
	if (all >> EP_IPTABLES_LEGACY & 1 && all & (all - 1))
		meet = true;
	return meet ? all : 0;
}

void ep_find_mixed_backends(struct ep_check *c)
{
	struct ep_netns *ns = ep_netns_find(c->s, c->s->host_netns);
	ep_strs evidence = {};
	struct ep_finding *f;
	unsigned all;
	bool legacy;

	if (!ns || ep_netns_need(c->s, ns, EP_NEED_NFT | EP_NEED_XT))
		return;
	all = mixed_in(c, ns, NFPROTO_IPV4, &evidence) | mixed_in(c, ns, NFPROTO_IPV6, &evidence);
	if (!all)
		return;
	legacy = all >> EP_IPTABLES_LEGACY & 1;
	f = ep_finding_new(c, "mixed-backends", legacy ? EP_SEV_WARNING : EP_SEV_INFO, NULL, NULL,
			   NULL);
	if (!f)
		return;
	f->evidence = evidence;
	ep_finding_gist(c, f,
			"%s hold rules that see these packets%s; an accept of one does not undo a "
			"drop of another",
			backend_list(c, all), legacy ? ", and no tool lists all of them" : "");
}

/* ---- order-undefined ---- */

static const char *tie_of(const struct ep_result *r)
{
	ep_each(o, &r->outcomes)
		if (o->verdict == EP_UNKNOWN && o->reason && strstr(o->reason, "same priority"))
			return o->reason;
	return NULL;
}

struct nat_base {
	const char *name;
	int32_t priority;
	const void *table;
};

typedef EP_VEC(struct nat_base) nat_bases;

static void nat_bases_of(struct ep_check *c, const struct ep_netns *ns, uint8_t family,
			 nat_bases *out)
{
	ep_each(t, &ns->nft.tables) {
		if (!fits((*t)->family, family))
			continue;
		ep_each(k, &(*t)->chains)
			if ((*k)->base && (*k)->type && !strcmp((*k)->type, "nat") &&
			    (*k)->hook == NF_INET_PRE_ROUTING && nft_has_rules(*k))
				*ep_push(c->arena, out) =
					(struct nat_base){ep_sprintf(c->arena, "%s %s",
								     ep_escape(c->arena, (*t)->name,
									       strlen((*t)->name)),
								     ep_escape(c->arena, (*k)->name,
									       strlen((*k)->name))),
							  (*k)->priority, *t};
	}
	ep_each(t, &ns->xt.tables)
		if ((*t)->family == family && !strcmp((*t)->name, "nat") &&
		    xt_base(*t, NF_INET_PRE_ROUTING))
			*ep_push(c->arena, out) =
				(struct nat_base){"legacy nat", NF_IP_PRI_NAT_DST, *t};
}

static void ties(struct ep_check *c, const struct ep_netns *ns, uint8_t family)
{
	nat_bases b = {};

	nat_bases_of(c, ns, family, &b);
	for (size_t i = 0; i < b.n; i++)
		for (size_t j = i + 1; j < b.n; j++) {
			struct ep_finding *f;

			if (b.v[i].priority != b.v[j].priority || b.v[i].table == b.v[j].table)
				continue;
			f = ep_finding_new(c, "order-undefined", EP_SEV_INFO, NULL, NULL, NULL);
			if (f)
				ep_finding_gist(c, f,
						"%s and %s translate at one priority (%d): which "
						"comes first is a matter of which was loaded last; "
						"for the ports looked at it makes no difference",
						b.v[i].name, b.v[j].name, b.v[i].priority);
			return;
		}
}

/* Who would receive if rules of one priority had been loaded the other way round; NULL if the same. */
static const char *other_way_round(struct ep_check *c, const struct ep_answer *a)
{
	const struct ep_outcome *now = ep_main_outcome(a->result), *then;
	struct ep_query q = a->query;
	const char *text = NULL;
	struct ep_result *r;

	if (!a->result->ties || !now)
		return NULL;
	q.reverse_ties = true;
	r = ep_walk(c->s, &q, c->spec->without);
	then = ep_main_outcome(r);
	if (then) {
		struct ep_who w = ep_who_of_outcome(now), x = ep_who_of_outcome(then);

		if (then->verdict != now->verdict || !ep_who_same(&w, &x) ||
		    then->final.port != now->final.port)
			text = x.kind == EP_WHO_NONE ? ep_sprintf(c->arena, "nobody (%s)",
								  ep_verdict_name(then->verdict)) :
						       ep_who_text(c->arena, &x);
	}
	ep_result_free(r);
	return text;
}

static bool report_tie(struct ep_check *c, const struct ep_answer *a)
{
	const char *why = tie_of(a->result), *other = why ? NULL : other_way_round(c, a);
	struct ep_finding *f;

	if (!why && !other)
		return false;
	f = ep_finding_new(c, "order-undefined", EP_SEV_WARNING, a, NULL, NULL);
	if (!f)
		return true;
	if (why)
		ep_finding_gist(c, f, "who receives depends on which rules were loaded last: %s",
				ep_escape(c->arena, why, strlen(why)));
	else
		ep_finding_gist(c, f,
				"who receives depends on which rules of one priority were loaded "
				"last: loaded the other way round, it is %s",
				other);
	return true;
}

void ep_find_order_undefined(struct ep_check *c)
{
	struct ep_netns *ns = ep_netns_find(c->s, c->s->host_netns);
	bool matters = false;

	ep_each(a, &c->answers)
		if (a->origin == EP_EXTERNAL)
			matters |= report_tie(c, a);
	if (!matters && ns && !ep_netns_need(c->s, ns, EP_NEED_NFT | EP_NEED_XT)) {
		ties(c, ns, NFPROTO_IPV4);
		ties(c, ns, NFPROTO_IPV6);
	}
}
