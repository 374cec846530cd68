// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What runs at one hook, in the kernel's order. Chains of type nat are no hook functions of their
 * own: all of them run inside the NAT core's function, whose priority is fixed (nf_nat_core.c,
 * nf_nat_register_fn), and only their order among each other follows their priorities.
 */
#include <netinet/in.h>
#include <limits.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>

#include "walk/ipvs.h"
#include "walk/link.h"
#include "walk/names.h"
#include "walk/path.h"

struct hook_fn {
	int32_t priority;
	struct ep_nft_chain *nft;
	const struct ep_xt_table *xt;
	bool conntrack, nat; /* the two functions of conntrack itself */
	bool br_nf;          /* br_netfilter's */
	bool ipvs;
};

typedef EP_VEC(struct hook_fn) hook_fns;

/* uapi linux/netfilter_ipv4.h and the tables' xt_table.priority */
static const struct {
	const char *name;
	int32_t priority;
} xt_priorities[] = {
	{"raw", NF_IP_PRI_RAW},
	{"mangle", NF_IP_PRI_MANGLE},
	{"filter", NF_IP_PRI_FILTER},
	{"security", NF_IP_PRI_SECURITY},
};

static int32_t nat_priority(unsigned hooknum)
{
	return hooknum == NF_INET_PRE_ROUTING || hooknum == NF_INET_LOCAL_OUT ? NF_IP_PRI_NAT_DST :
										NF_IP_PRI_NAT_SRC;
}

static bool family_fits(const struct ep_walk *w, uint8_t family)
{
	return family == NFPROTO_INET || family == (w->p.alen == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
}

static bool on_device(const struct ep_nft_chain *c, const struct ep_link *l)
{
	if (!c->devs.n)
		return true;
	ep_each(d, &c->devs) {
		size_t n = strlen(*d);
		bool prefix = n && (*d)[n - 1] == '*'; /* Linux 6.16: device name wildcards */

		if (l && (prefix ? !strncmp(*d, l->name, n - 1) : !strcmp(*d, l->name)))
			return true;
	}
	return false;
}

static bool chain_here(const struct ep_walk *w, const struct ep_nft_chain *c, unsigned hooknum)
{
	if (!c->base || c->table->flags & NFT_TABLE_F_DORMANT)
		return false;
	if (w->bridging)
		return c->table->family == NFPROTO_BRIDGE && c->hook == hooknum;
	if (hooknum == NF_INET_INGRESS && c->table->family == NFPROTO_NETDEV)
		return c->hook == NF_NETDEV_INGRESS && on_device(c, w->p.in);
	if (hooknum == EP_HOOK_EGRESS)
		return c->table->family == NFPROTO_NETDEV && c->hook == NF_NETDEV_EGRESS &&
		       on_device(c, w->p.out);
	if (!family_fits(w, c->table->family) || c->hook != hooknum)
		return false;
	return hooknum != NF_INET_INGRESS || on_device(c, w->p.in);
}

static bool is_nat(const struct ep_nft_chain *c)
{
	return c->type && !strcmp(c->type, "nat");
}

/* The NAT core hooks into all four places as soon as one nat chain or table is there. */
static bool nat_present(const struct ep_walk *w)
{
	ep_each(t, &w->ns->nft.tables) {
		ep_each(c, &(*t)->chains) {
			if ((*c)->base && is_nat(*c) && family_fits(w, (*t)->family) &&
			    !((*t)->flags & NFT_TABLE_F_DORMANT))
				return true;
		}
	}
	ep_each(t, &w->ns->xt.tables) {
		if ((*t)->family == (w->p.alen == 4 ? AF_INET : AF_INET6) &&
		    !strcmp((*t)->name, "nat"))
			return true;
	}
	return false;
}

static void gather(struct ep_walk *w, unsigned hooknum, hook_fns *fns, hook_fns *nats)
{
	uint8_t af = w->p.alen == 4 ? AF_INET : AF_INET6;
	int32_t priority;

	ep_each(t, &w->ns->nft.tables) {
		ep_each(c, &(*t)->chains) {
			if (chain_here(w, *c, hooknum))
				*ep_push(w->arena, is_nat(*c) ? nats : fns) =
					(struct hook_fn){.priority = (*c)->priority, .nft = *c};
		}
	}
	if (w->bridging) {
		if (ep_bridge_nf_at(w, hooknum, &priority))
			*ep_push(w->arena, fns) =
				(struct hook_fn){.priority = priority, .br_nf = true};
		return;
	}
	ep_each(t, &w->ns->xt.tables) {
		if (hooknum >= NF_INET_NUMHOOKS || (*t)->family != af ||
		    !((*t)->valid_hooks >> hooknum & 1))
			continue;
		if (!strcmp((*t)->name, "nat"))
			*ep_push(w->arena, nats) =
				(struct hook_fn){.priority = nat_priority(hooknum), .xt = *t};
		for (size_t i = 0; i < EP_ARRAY_SIZE(xt_priorities); i++)
			if (!strcmp((*t)->name, xt_priorities[i].name))
				*ep_push(w->arena, fns) = (struct hook_fn){
					.priority = xt_priorities[i].priority, .xt = *t};
	}
	if (ep_ipvs_at_hook(w, hooknum, &priority))
		*ep_push(w->arena, fns) = (struct hook_fn){.priority = priority, .ipvs = true};
	if (hooknum == NF_INET_PRE_ROUTING || hooknum == NF_INET_LOCAL_OUT)
		*ep_push(w->arena, fns) =
			(struct hook_fn){.priority = NF_IP_PRI_CONNTRACK, .conntrack = true};
	if (hooknum != NF_INET_FORWARD && hooknum < NF_INET_NUMHOOKS && nat_present(w))
		*ep_push(w->arena, fns) =
			(struct hook_fn){.priority = nat_priority(hooknum), .nat = true};
}

/* ---- order ---- */

static bool xt_has_effect(const struct ep_walk *w, const struct ep_xt_table *t)
{
	ep_each(c, &t->chains)
		if ((*c)->hook == (int)w->hooknum)
			return (*c)->rules.n || (*c)->policy != EP_XT_ACCEPT;
	return true;
}

static bool has_effect(struct ep_walk *w, const struct hook_fn *f)
{
	if (f->xt)
		return xt_has_effect(w, f->xt);
	if (!f->nft)
		return true;
	if (f->nft->policy == NF_DROP || ep_nft_chain_need(w->s, w->ns, f->nft))
		return true;
	return f->nft->rules.n > 0;
}

static const char *fn_name(struct ep_walk *w, const struct hook_fn *f)
{
	if (f->nft)
		return ep_w_sprintf(w, "%s %s %s", ep_family_name(f->nft->table->family),
				    f->nft->table->name, f->nft->name);
	if (f->xt)
		return ep_w_sprintf(w, "legacy %s", f->xt->name);
	return f->ipvs ? "IPVS" : f->nat ? "nat" : f->br_nf ? "br_netfilter" : "conntrack";
}

/* Its place among the functions that were listed for the hook; -1 if it is not there. */
static long place_of(const struct ep_walk *w, const struct hook_fn *f, bool nat)
{
	uint8_t af = w->p.alen == 4 ? AF_INET : AF_INET6;

	for (size_t i = 0; i < w->ns->hook_fns.n; i++) {
		const struct ep_hook_fn *k = &w->ns->hook_fns.v[i];

		if (k->family != af || k->hook != w->hooknum || k->nat != nat ||
		    k->nft != (f->nft != NULL) || k->priority != f->priority)
			continue;
		if (!f->nft || (k->table == f->nft->table->handle && k->chain == f->nft->handle))
			return (long)i;
	}
	return -1;
}

/*
 * Does y run before x, of two at one priority? nf_hook_entries_grow() puts the newer one first. In
 * one table the handles tell which is newer; otherwise only the kernel's own list does.
 */
static bool runs_before(struct ep_walk *w, const struct hook_fn *y, const struct hook_fn *x)
{
	bool nat = y->xt ? !strcmp(y->xt->name, "nat") : y->nft && is_nat(y->nft);
	long at_x = -1, at_y = -1;

	if (y->nft && x->nft && y->nft->table == x->nft->table)
		return y->nft->handle > x->nft->handle;
	if (w->hooknum < NF_INET_NUMHOOKS && !ep_netns_need(w->s, w->ns, EP_NEED_ORDER)) {
		at_x = place_of(w, x, nat);
		at_y = place_of(w, y, nat);
	}
	if (at_x >= 0 && at_y >= 0 && at_x != at_y) {
		w->met_tie = true;
		return (at_y < at_x) != w->q->reverse_ties;
	}
	return !ep_w_unknown(w, "%s and %s have the same priority %d, their order is not told",
			     fn_name(w, x), fn_name(w, y), x->priority);
}

/* Empty chains are left out: where they stand does not matter, but they would hide from each other
 * those that stand before and behind them. */
static void sort_fns(struct ep_walk *w, hook_fns *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		if (has_effect(w, &f->v[i]))
			f->v[n++] = f->v[i];
	f->n = n;
	for (size_t i = 1; i < f->n; i++)
		for (size_t j = i; j > 0; j--) {
			struct hook_fn *x = &f->v[j - 1], *y = &f->v[j], tmp = *x;

			if (y->priority > x->priority ||
			    (y->priority == x->priority && !runs_before(w, y, x)))
				break;
			*x = *y;
			*y = tmp;
		}
}

/* ---- running ---- */

static enum ep_ret run_fn(struct ep_walk *w, const struct hook_fn *f)
{
	if (f->ipvs)
		return ep_ipvs_run(w);
	return f->nft ? ep_nft_run(w, f->nft) : ep_xt_run(w, f->xt);
}

/* nf_nat_inet_fn(): until one decides; then never again for this connection and direction. */
static enum ep_ret run_nat(struct ep_walk *w, hook_fns *nats)
{
	bool dst = w->hooknum == NF_INET_PRE_ROUTING || w->hooknum == NF_INET_LOCAL_OUT;
	bool *done = dst ? &w->p.dnat_done : &w->p.snat_done;

	if (w->p.ct != EP_CT_NEW || *done)
		return EP_RET_ACCEPT;
	sort_fns(w, nats);
	if (nats->n && !ep_w_tracked(w))
		return EP_RET_ACCEPT;
	ep_each(f, nats) {
		enum ep_ret r;

		w->bypassed = false;
		r = run_fn(w, f);
		if (r != EP_RET_ACCEPT && r != EP_RET_NONE)
			return r;
		/* The verdict NF_QUEUE leaves the NAT core: the chains behind do not run. */
		if (w->bypassed)
			return EP_RET_ACCEPT;
		if (*done)
			break;
	}
	*done = true;
	return EP_RET_ACCEPT;
}

static void start_tracking(struct ep_walk *w)
{
	struct ep_pkt *p = &w->p;

	/* tcp_new(): an ACK out of the blue begins nothing, unless the kernel is to be loose about it */
	if (p->ct != EP_CT_NONE || (p->ack && !w->ns->tcp_loose))
		return;
	p->ct = EP_CT_NEW;
	p->o_saddr = p->saddr;
	p->o_sport = p->sport;
	p->o_daddr = p->daddr;
	p->o_dport = p->dport;
}

static void end_dropped(struct ep_walk *w)
{
	const struct ep_step *s = w->steps.n ? &w->steps.v[w->steps.n - 1] : NULL;
	bool nft = s && s->family;

	if (nft && s->kind == EP_STEP_CHAIN)
		ep_w_end(w, EP_DROPPED, "policy of %s %s %s", s->family, s->table, s->chain);
	else if (nft)
		ep_w_end(w, EP_DROPPED, "rule %u of %s %s %s", ep_rule_position(&s->rule),
			 s->family, s->table, s->chain);
	else
		ep_w_end(w, EP_DROPPED, "dropped in %s", w->hook);
}

/* A packet that IPVS sends has no socket to be routed for again. */
static bool reroute(struct ep_walk *w)
{
	if (w->p.ipvs && !w->out_route)
		ep_w_end(w, EP_UNKNOWN, "rules of output route anew what IPVS sends");
	return !w->ended && ep_w_reroute(w);
}

/*
 * A sent packet is routed anew by the function that changed it: NAT if the address is another, mangle
 * and chains of type route if address or mark are. Others may set a mark, and nothing follows.
 */
static bool routed_anew(struct ep_walk *w, const struct hook_fn *f, const struct ep_addr *daddr,
			uint32_t mark)
{
	bool other = !ep_addr_eq(daddr, &w->p.daddr);

	if (w->hooknum != NF_INET_LOCAL_OUT || w->bridging || w->ended)
		return true;
	if ((f->xt && !strcmp(f->xt->name, "mangle")) ||
	    (f->nft && f->nft->type && !strcmp(f->nft->type, "route")))
		return (!other && mark == w->p.mark) || reroute(w);
	return !f->nat || !other || reroute(w);
}

static enum ep_ret run_one(struct ep_walk *w, const struct hook_fn *f, hook_fns *nats)
{
	if (f->conntrack) {
		start_tracking(w);
		return EP_RET_ACCEPT;
	}
	if (f->br_nf)
		return ep_bridge_nf(w, w->hooknum);
	return f->nat ? run_nat(w, nats) : run_fn(w, f);
}

static enum ep_ret run_all(struct ep_walk *w, hook_fns *fns, hook_fns *nats)
{
	bool passed = false;

	ep_each(f, fns) {
		struct ep_addr daddr = w->p.daddr;
		uint32_t mark = w->p.mark;
		enum ep_ret r;

		/* br_nf_hook_thresh(): what stands at br_netfilter's own priority behind it is left out */
		if (passed && f->priority == NF_BR_PRI_BRNF && w->hooknum != NF_BR_PRE_ROUTING)
			continue;
		passed |= f->br_nf;
		r = run_one(w, f, nats);
		if (w->ended)
			return EP_RET_ENDED;
		if (r == EP_RET_DROP || r == EP_RET_ENDED)
			return r;
		if (!routed_anew(w, f, &daddr, mark))
			return EP_RET_ENDED;
	}
	return EP_RET_ACCEPT;
}

static int run_hook(struct ep_walk *w, unsigned hooknum, bool bridging)
{
	const char *outer = w->hook;
	unsigned outer_num = w->hooknum;
	bool outer_bridging = w->bridging;
	hook_fns fns = {}, nats = {};

	w->hooknum = hooknum;
	w->hook = ep_hook_name(hooknum);
	w->bridging = bridging;
	if (!bridging)
		ep_path_netfilter_programs(w, hooknum);
	gather(w, hooknum, &fns, &nats);
	sort_fns(w, &fns);
	if (!w->ended && run_all(w, &fns, &nats) == EP_RET_DROP)
		end_dropped(w);
	w->hook = outer;
	w->hooknum = outer_num;
	w->bridging = outer_bridging;
	return w->ended;
}

int ep_w_hook(struct ep_walk *w, unsigned hooknum)
{
	const struct ep_link *in = w->p.in, *out = w->p.out;

	if (w->ended)
		return 1;
	/* nf_hook_state: what the hook does not know yet, or no more. */
	if (hooknum == NF_INET_PRE_ROUTING || hooknum == NF_INET_LOCAL_IN ||
	    hooknum == NF_INET_INGRESS)
		w->p.out = NULL;
	if (hooknum == NF_INET_LOCAL_OUT || hooknum == EP_HOOK_EGRESS)
		w->p.in = NULL;
	run_hook(w, hooknum, false);
	w->p.in = in;
	w->p.out = out;
	if (w->then && !w->ended) {
		void (*then)(struct ep_walk *, void *) = w->then;

		w->then = NULL;
		then(w, w->then_ctx);
	}
	return w->ended;
}

int ep_w_hook_bridge(struct ep_walk *w, unsigned hooknum)
{
	return w->ended || run_hook(w, hooknum, true);
}
