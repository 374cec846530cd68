// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Remedies for what a rule or a policy keeps out: let the port pass where it is blocked, in the words
 * of whoever wrote the rules there. What then happens is walked as if the base chain accepted at once,
 * which is what a rule at its head does.
 */
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <string.h>

#include "findings/findings_i.h"

#define MAX_BLOCKS 8 /* one behind the other */

struct block {
	const struct ep_step *step;
	const void *base;    /* struct ep_nft_chain * or struct ep_xt_chain * that it belongs to */
	const char *chain;   /* its name */
	struct ep_addr addr; /* where the packet was going to when it met the block */
	uint16_t port;
};

static const char *const hook_words[] = {
	[NF_INET_PRE_ROUTING] = "prerouting",   [NF_INET_LOCAL_IN] = "input",
	[NF_INET_FORWARD] = "forward",          [NF_INET_LOCAL_OUT] = "output",
	[NF_INET_POST_ROUTING] = "postrouting",
};

static bool at_hook(const struct ep_step *s, unsigned hook)
{
	return s->hook && hook < EP_ARRAY_SIZE(hook_words) && !strcmp(s->hook, hook_words[hook]);
}

static const char *family_word(uint8_t nfproto)
{
	return nfproto == NFPROTO_IPV4 ? "ip" : nfproto == NFPROTO_IPV6 ? "ip6" : "inet";
}

static bool find_legacy_base(const struct ep_netns *ns, struct block *b)
{
	ep_each(t, &ns->xt.tables) {
		if (strcmp((*t)->name, b->step->table) != 0 ||
		    strcmp((*t)->family == AF_INET ? "ip" : "ip6", b->step->family) != 0)
			continue;
		ep_each(c, &(*t)->chains)
			if ((*c)->hook >= 0 && at_hook(b->step, (unsigned)(*c)->hook)) {
				b->base = *c;
				b->chain = (*c)->name;
				return true;
			}
	}
	return false;
}

static bool find_nft_base(const struct ep_netns *ns, struct block *b)
{
	ep_each(t, &ns->nft.tables) {
		if (strcmp((*t)->name, b->step->table) != 0 ||
		    strcmp(family_word((*t)->family), b->step->family) != 0)
			continue;
		ep_each(c, &(*t)->chains)
			if ((*c)->base && at_hook(b->step, (*c)->hook) &&
			    (*c)->priority == b->step->priority) {
				b->base = *c;
				b->chain = (*c)->name;
				return true;
			}
	}
	return false;
}

/* Only what stands in the diagnosed namespace, after any translation, can be told a port. */
static bool find_block(struct ep_check *c, const struct ep_answer *a, const struct ep_outcome *o,
		       struct block *b)
{
	const struct ep_netns *ns = ep_netns_find(c->s, a->query.netns);

	*b = (struct block){.step = o ? ep_block_step(o) : NULL};
	if (!b->step || !ns || b->step->netns != a->query.netns || !b->step->table ||
	    !b->step->family ||
	    (!at_hook(b->step, NF_INET_LOCAL_IN) && !at_hook(b->step, NF_INET_FORWARD)))
		return false;
	b->addr = o->final.addr;
	b->port = o->final.port;
	return b->step->backend == EP_IPTABLES_LEGACY ? find_legacy_base(ns, b) :
							find_nft_base(ns, b);
}

/* ---- commands ---- */

static bool is_forward(const struct block *b)
{
	return at_hook(b->step, NF_INET_FORWARD);
}

static const char *by_ufw(struct ep_check *c, const struct block *b)
{
	char addr[EP_ADDRSTR];

	return is_forward(b) ?
		       ep_sprintf(c->arena, "ufw route allow proto tcp from any to %s port %u",
				  ep_addr_str(&b->addr, addr), b->port) :
		       ep_sprintf(c->arena, "ufw allow %u/tcp", b->port);
}

static const char *by_firewalld(struct ep_check *c, const struct block *b)
{
	return is_forward(b) ? NULL :
			       ep_sprintf(c->arena, "firewall-cmd --add-port=%u/tcp", b->port);
}

static const char *by_iptables(struct ep_check *c, const struct block *b)
{
	char addr[EP_ADDRSTR];

	return ep_sprintf(c->arena, "%s%s%s -t %s -I %s%s%s -p tcp --dport %u -j ACCEPT",
			  c->spec->command_prefix, b->addr.len == 16 ? "ip6tables" : "iptables",
			  b->step->backend == EP_IPTABLES_LEGACY ? "-legacy" : "",
			  ep_shell_word(c->arena, b->step->table),
			  ep_shell_word(c->arena, b->chain), is_forward(b) ? " -d " : "",
			  is_forward(b) ? ep_addr_str(&b->addr, addr) : "", b->port);
}

static const char *by_nft(struct ep_check *c, const struct block *b)
{
	char addr[EP_ADDRSTR];

	return ep_sprintf(c->arena, "%snft insert rule %s %s %s %s%s%stcp dport %u accept",
			  c->spec->command_prefix, b->step->family,
			  ep_shell_word(c->arena, b->step->table),
			  ep_shell_word(c->arena, b->chain),
			  !is_forward(b)    ? "" :
			  b->addr.len == 16 ? "ip6 daddr " :
					      "ip daddr ",
			  is_forward(b) ? ep_addr_str(&b->addr, addr) : "",
			  is_forward(b) ? " " : "", b->port);
}

/* A program's rules are changed by the program; its own are not to be meddled with. */
static const struct {
	const char *kind;
	const char *(*command)(struct ep_check *c, const struct block *b);
} programs[] = {
	{"ufw", by_ufw},
	{"firewalld", by_firewalld},
};

/* ufw's and firewalld's chains hang below tables whose policy drops: that is theirs, too. */
static const char *owner_of(struct ep_check *c, const struct block *b, const struct ep_outcome *o)
{
	struct ep_owner owner = ep_rule_owner(c->s, c->arena, b->step);

	if (b->step->kind == EP_STEP_RULE || strcmp(owner.kind, "unowned") != 0)
		return owner.kind;
	ep_each(s, &o->steps) {
		if (s->kind != EP_STEP_RULE || !s->table || strcmp(s->table, b->step->table) != 0 ||
		    !s->hook || strcmp(s->hook, b->step->hook) != 0)
			continue;
		owner = ep_rule_owner(c->s, c->arena, s);
		for (size_t i = 0; i < EP_ARRAY_SIZE(programs); i++)
			if (!strcmp(owner.kind, programs[i].kind))
				return owner.kind;
	}
	return "unowned";
}

static const char *allow_command(struct ep_check *c, const struct block *b,
				 const struct ep_outcome *o)
{
	const char *kind = owner_of(c, b, o);

	for (size_t i = 0; i < EP_ARRAY_SIZE(programs); i++)
		if (!strcmp(kind, programs[i].kind))
			return *c->spec->command_prefix ? NULL : programs[i].command(c, b);
	if (strcmp(kind, "unowned") != 0)
		return NULL;
	return b->step->backend == EP_NFT ? by_nft(c, b) : by_iptables(c, b);
}

/* ---- the remedy ---- */

void ep_remedy_allow(struct ep_check *c, struct ep_finding *f, const struct ep_answer *a)
{
	const struct ep_outcome *o = ep_main_outcome(a->result);
	struct ep_result *r = NULL;
	struct ep_without w = {};
	const char *places = "", *commands = "";
	struct ep_remedy *m;
	struct block b;
	bool can = true;

	for (unsigned n = 0; n < MAX_BLOCKS && find_block(c, a, o, &b); n++) {
		const char *command = allow_command(c, &b, o);

		*ep_push(c->arena, &w.accepts) = b.base;
		places = ep_sprintf(c->arena, "%s%s%s", places, n ? " and " : "",
				    ep_step_place(c->arena, b.step));
		can = can && command;
		/* A program that is asked twice for the same does it once. */
		if (can && !strstr(commands, command))
			commands = ep_sprintf(c->arena, "%s%s%s", commands, *commands ? " && " : "",
					      command);
		ep_result_free(r);
		r = ep_answer_without(c, a, &w);
		o = ep_main_outcome(r);
	}
	ep_result_free(r);
	if (!w.accepts.n)
		return;
	m = ep_push(c->arena, &f->remedies);
	m->text = ep_sprintf(c->arena, "let port %u pass %s", a->port, places);
	m->command = can ? commands : NULL;
	ep_remedy_foretell(c, m, a, &w, NULL);
}
