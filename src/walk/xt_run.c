// SPDX-License-Identifier: GPL-2.0-or-later
/* Traversal of a legacy table as ipt_do_table() and ip6t_do_table() do it. */
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include "walk/queue.h"
#include "walk/xt.h"

#define MAX_DEPTH 256     /* of nested chains; the kernel allows as many as there are jumps */
#define MAX_RULES 2000000 /* tried in one run of a table */
#define MAX_JUMPS 20000   /* followed in one run of a table; each is a step */

struct frame {
	const struct ep_xt_chain *chain;
	size_t next;
};

struct run {
	struct ep_walk *w;
	const struct ep_xt_table *table;
	const struct ep_xt_chain *base, *chain;
	size_t next; /* rule of chain */
	struct frame stack[MAX_DEPTH];
	size_t depth;
	unsigned seen, jumps;
};

/* What one rule led to. */
enum next {
	NEXT_RULE,
	NEXT_RETURN,
	NEXT_ACCEPT,
	NEXT_DROP,
	NEXT_ENDED,
};

/* ---- steps ---- */

static const struct {
	const char *name;
	int dst, src; /* priorities in prerouting and output, and in input and postrouting */
} priorities[] = {
	{"raw", NF_IP_PRI_RAW, NF_IP_PRI_RAW},
	{"mangle", NF_IP_PRI_MANGLE, NF_IP_PRI_MANGLE},
	{"nat", NF_IP_PRI_NAT_DST, NF_IP_PRI_NAT_SRC},
	{"filter", NF_IP_PRI_FILTER, NF_IP_PRI_FILTER},
	{"security", NF_IP_PRI_SECURITY, NF_IP_PRI_SECURITY},
};

static int priority_of(const char *table, unsigned hooknum)
{
	bool dst = hooknum == NF_INET_PRE_ROUTING || hooknum == NF_INET_LOCAL_OUT;

	for (size_t i = 0; i < EP_ARRAY_SIZE(priorities); i++)
		if (!strcmp(priorities[i].name, table))
			return dst ? priorities[i].dst : priorities[i].src;
	return 0;
}

static struct ep_step *add_step(struct run *r, enum ep_step_kind kind,
				const struct ep_xt_chain *chain)
{
	struct ep_step *s = ep_w_step(r->w, kind);

	s->netns = r->w->ns->ino;
	s->hook = r->w->hook;
	s->priority = priority_of(r->table->name, r->w->hooknum);
	s->family = r->table->family == AF_INET6 ? "ip6" : "ip";
	s->table = r->table->name;
	s->chain = chain->name;
	s->backend = EP_IPTABLES_LEGACY;
	return s;
}

static void rule_step(struct run *r, const struct ep_xt_rule *rule, const char *action,
		      const char *to)
{
	struct ep_step *s = add_step(r, EP_STEP_RULE, r->chain);

	s->rule = (struct ep_rule_ref){.xt_table = r->table, .xt_chain = r->chain, .xt = rule};
	s->action = action;
	s->to = to;
}

/* ---- matching ---- */

/* Bits of the mask's bytes choose what is compared: "eth+" compares three, "eth0" all of them. */
static bool ifname_ok(const struct ep_link *l, const char *want, const uint8_t *mask, bool invert)
{
	char have[16] = {};
	bool differs = false;

	if (l && l->name)
		strncpy(have, l->name, sizeof(have) - 1);
	for (size_t k = 0; k < sizeof(have); k++)
		differs |= !!((have[k] ^ want[k]) & mask[k]);
	return differs == invert;
}

static bool proto_ok(const struct run *r, const struct ep_xt_rule *rule)
{
	bool v6 = r->table->family == AF_INET6;

	if (!rule->proto || (v6 && !(rule->flags & IP6T_F_PROTO)))
		return true;
	return (rule->proto == IPPROTO_TCP) != !!(rule->invflags & XT_INV_PROTO);
}

/* What needs no look at anything open. */
static bool fixed_part(const struct run *r, const struct ep_xt_rule *rule)
{
	const struct ep_pkt *p = &r->w->p;
	unsigned inv = rule->invflags;
	bool v4 = r->table->family == AF_INET;

	if (!proto_ok(r, rule) ||
	    !ifname_ok(p->in, rule->iif, rule->iif_mask, inv & IPT_INV_VIA_IN) ||
	    !ifname_ok(p->out, rule->oif, rule->oif_mask, inv & IPT_INV_VIA_OUT))
		return false;
	/* the packet is no fragment; IPv6 has this in a match of its own */
	return !v4 || !(rule->flags & IPT_F_FRAG) || inv & IPT_INV_FRAG;
}

static bool need_addr(struct ep_xt_and *a, const struct ep_val *v, const struct ep_addr *addr,
		      const struct ep_addr *mask, bool invert)
{
	ep_u128 m = ep_addr_num(mask), want = ep_addr_num(addr);

	if (!m && !want)
		return !invert;
	/* ip6_packet_match() masks both sides, ip_packet_match() only the packet's */
	if (a->w->p.alen == 16)
		want &= m;
	else if (want & ~m)
		return invert;
	return ep_xt_need_masked(a, v, ep_xt_bits(a->w), m, want, invert);
}

/* False: does not match. Else conditions that are still open may be left in a. */
static int rule_conds(struct run *r, const struct ep_xt_rule *rule, struct ep_xt_env *env,
		      struct ep_xt_and *a)
{
	const struct ep_pkt *p = &r->w->p;
	struct ep_val daddr = {.var = -1, .c = ep_addr_num(&p->daddr)};

	if (!fixed_part(r, rule) ||
	    !need_addr(a, &daddr, &rule->dst, &rule->dmask, rule->invflags & IPT_INV_DSTIP))
		return 0;
	if (!need_addr(a, &p->saddr, &rule->src, &rule->smask, rule->invflags & IPT_INV_SRCIP))
		return 0;
	ep_each(m, &rule->matches) {
		int ret = ep_xt_match_conds(a, env, m);

		if (ret <= 0)
			return ret;
	}
	return 1;
}

/* Matched or not, the packet goes the same way: then nothing is worth a split. */
static bool no_effect(const struct run *r, const struct ep_xt_rule *rule)
{
	const struct ep_xt_target_row *row;
	const struct ep_xt_chain *c;

	switch (rule->verdict) {
	case EP_XT_CONTINUE:
		return true;
	case EP_XT_TARGET:
		row = ep_xt_target_find(r->w, &rule->target);
		return row && !row->fn;
	case EP_XT_JUMP:
		c = ep_xt_chain_find(r->table, rule->chain);
		return c && !c->rules.n;
	default:
		return false;
	}
}

/* ---- what a rule that matched does ---- */

static enum next run_target(struct run *r, const struct ep_xt_rule *rule, struct ep_xt_env *env)
{
	static const enum next map[] = {
		[EP_X_CONTINUE] = NEXT_RULE, [EP_X_ACCEPT] = NEXT_ACCEPT, [EP_X_DROP] = NEXT_DROP,
		[EP_X_RETURN] = NEXT_RETURN, [EP_X_ENDED] = NEXT_ENDED,
	};
	enum ep_xt_ret ret = ep_xt_target(r->w, env, &rule->target);

	if (env->action)
		rule_step(r, rule, env->action, env->to);
	return map[ret];
}

static enum next enter(struct run *r, const struct ep_xt_rule *rule, bool push)
{
	const struct ep_xt_chain *c = ep_xt_chain_find(r->table, rule->chain ? rule->chain : "");

	rule_step(r, rule, push ? "jump" : "goto", rule->chain);
	if (!c || (push && r->depth == MAX_DEPTH) || ++r->jumps > MAX_JUMPS) {
		ep_w_end(r->w, EP_UNKNOWN,
			 c ? "jumps in table %s have no end" :
			     "table %s lacks a chain that a rule jumps to",
			 r->table->name);
		return NEXT_ENDED;
	}
	if (push)
		r->stack[r->depth++] = (struct frame){r->chain, r->next};
	r->chain = c;
	r->next = 0;
	return NEXT_RULE;
}

static enum next run_verdict(struct run *r, const struct ep_xt_rule *rule, struct ep_xt_env *env)
{
	switch (rule->verdict) {
	case EP_XT_CONTINUE:
		return NEXT_RULE;
	case EP_XT_TARGET:
		return run_target(r, rule, env);
	case EP_XT_ACCEPT:
		rule_step(r, rule, "accept", NULL);
		return NEXT_ACCEPT;
	case EP_XT_DROP:
		rule_step(r, rule, "drop", NULL);
		return NEXT_DROP;
	case EP_XT_RETURN:
		rule_step(r, rule, "return", NULL);
		return NEXT_RETURN;
	case EP_XT_JUMP:
	case EP_XT_GOTO:
		return enter(r, rule, rule->verdict == EP_XT_JUMP);
	case EP_XT_QUEUE:
		rule_step(r, rule, "queue", NULL);
		ep_w_queue(r->w, 0, 1, false);
		return NEXT_ENDED;
	}
	ep_w_end(r->w, EP_UNKNOWN, "a verdict in table %s is not understood", r->table->name);
	return NEXT_ENDED;
}

static enum next run_rule(struct run *r, const struct ep_xt_rule *rule)
{
	struct ep_xt_env env = {
		.table = r->table->name, .chain = r->chain->name, .position = rule->position};
	struct ep_xt_and a;
	int ret;

	a.w = r->w;
	a.n = 0;
	ret = rule_conds(r, rule, &env, &a);
	if (ret > 0 && a.n && no_effect(r, rule))
		return NEXT_RULE;
	if (ret > 0)
		ret = ep_xt_decide(&a);
	if (r->w->ended)
		return NEXT_ENDED;
	if (ret < 0) {
		rule_step(r, rule, "drop", NULL);
		return NEXT_DROP;
	}
	return ret ? run_verdict(r, rule, &env) : NEXT_RULE;
}

static enum ep_ret policy(struct run *r)
{
	bool drop = r->base->policy == EP_XT_DROP;
	struct ep_step *s = add_step(r, EP_STEP_CHAIN, r->base);

	s->seen = r->seen;
	s->action = drop ? "policy drop" : "policy accept";
	return drop ? EP_RET_DROP : EP_RET_ACCEPT;
}

/* Back to the caller; false from a base chain, or from what it went to. */
static bool pop(struct run *r)
{
	if (!r->depth)
		return false;
	r->depth--;
	r->chain = r->stack[r->depth].chain;
	r->next = r->stack[r->depth].next;
	return true;
}

static enum ep_ret run_chain(struct run *r)
{
	for (;;) {
		const struct ep_xt_rule *rule;
		enum next n = NEXT_RETURN;

		if (r->next < r->chain->rules.n) {
			rule = &r->chain->rules.v[r->next++];
			if (ep_w_rule_gone(r->w, rule))
				continue;
			if (++r->seen > MAX_RULES) {
				ep_w_end(r->w, EP_UNKNOWN, "table %s has no end", r->table->name);
				return EP_RET_ENDED;
			}
			n = run_rule(r, rule);
		}
		if (n == NEXT_ACCEPT)
			return EP_RET_ACCEPT;
		if (n == NEXT_DROP)
			return EP_RET_DROP;
		if (n == NEXT_ENDED)
			return EP_RET_ENDED;
		if (n == NEXT_RETURN && !pop(r))
			return policy(r);
	}
}

enum ep_ret ep_xt_run(struct ep_walk *w, const struct ep_xt_table *t)
{
	struct run r = {.w = w, .table = t};

	ep_each(c, &t->chains)
		if ((*c)->hook >= 0 && (unsigned)(*c)->hook == w->hooknum)
			r.base = *c;
	if (!r.base || ep_w_chain_accepts(w, r.base))
		return EP_RET_ACCEPT;
	r.chain = r.base;
	return run_chain(&r);
}
