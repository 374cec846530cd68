// SPDX-License-Identifier: GPL-2.0-or-later
/* Chain traversal as nft_do_chain(): rules in order, a jump stack, policy at the end. */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "walk/names.h"
#include "walk/nft.h"

#define NFT_JUMP_STACK_SIZE 16 /* include/net/netfilter/nf_tables.h */

struct frame {
	struct ep_nft_chain *chain;
	size_t next;
};

const char *ep_nft_where(struct ep_nft_vm *vm)
{
	return ep_w_sprintf(vm->w, "%s %s %s rule %u", ep_family_name(vm->chain->table->family),
			    vm->chain->table->name, vm->chain->name,
			    vm->rule ? vm->rule->position : 0);
}

enum ep_nft_next ep_nft_unknown(struct ep_nft_vm *vm, const char *what)
{
	ep_w_end(vm->w, EP_UNKNOWN, "%s (%s)", what, ep_nft_where(vm));
	return EP_NFT_ENDED;
}

enum ep_nft_next ep_nft_bad(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	return ep_nft_unknown(vm, ep_w_sprintf(vm->w, "expression %s does not fit", e->name));
}

static ep_nft_eval find_row(const char *name)
{
	static const struct ep_nft_row *const tables[] = {ep_nft_rows_data, ep_nft_rows_field,
							  ep_nft_rows_effect, ep_nft_rows_state};

	for (size_t i = 0; i < EP_ARRAY_SIZE(tables); i++)
		for (const struct ep_nft_row *r = tables[i]; r->name; r++)
			if (!strcmp(r->name, name))
				return r->eval;
	return NULL;
}

/* Chains have thousands of expressions of few kinds, whose names are the same pointers. */
static ep_nft_eval cached_row(struct ep_nft_vm *vm, const char *name)
{
	size_t at = ((uintptr_t)name >> 2) % EP_ARRAY_SIZE(vm->cache);

	if (vm->cache[at].name != name) {
		vm->cache[at].name = name;
		vm->cache[at].eval = find_row(name);
	}
	return vm->cache[at].eval;
}

static void fill_step(struct ep_nft_vm *vm, struct ep_step *s)
{
	const struct ep_nft_table *t = vm->chain->table;

	s->priority = vm->base->priority;
	s->family = ep_family_name(t->family);
	s->table = t->name;
	s->chain = vm->chain->name;
	s->backend = t->xtables ? EP_IPTABLES_NFT : EP_NFT;
}

static void rule_step(struct ep_nft_vm *vm, const char *action, const char *to)
{
	struct ep_step *s = ep_w_step(vm->w, EP_STEP_RULE);

	fill_step(vm, s);
	s->rule = (struct ep_rule_ref){.nft_chain = vm->chain, .nft = vm->rule};
	s->action = action;
	s->to = to;
}

static void policy_step(struct ep_nft_vm *vm, unsigned seen)
{
	struct ep_step *s = ep_w_step(vm->w, EP_STEP_CHAIN);

	vm->chain = vm->base;
	fill_step(vm, s);
	s->seen = seen;
	s->action = vm->base->policy == NF_DROP ? "policy drop" : "policy accept";
}

static enum ep_nft_next run_rule(struct ep_nft_vm *vm)
{
	vm->action = vm->to = NULL;
	ep_each(e, &vm->rule->exprs) {
		ep_nft_eval eval = e->opaque ? NULL : cached_row(vm, e->name);
		enum ep_nft_next n;

		if (eval)
			n = eval(vm, e);
		else if (ep_w_unknown(vm->w, "expression %s is not understood (%s)", e->name,
				      ep_nft_where(vm)))
			n = EP_NFT_NEXT;
		else
			n = EP_NFT_BREAK;
		if (vm->w->ended)
			n = EP_NFT_ENDED;
		if (n != EP_NFT_NEXT)
			return n;
	}
	return EP_NFT_NEXT;
}

static const struct {
	int32_t code;
	const char *action;
} verdict_words[] = {
	{NF_ACCEPT, "accept"},  {NF_DROP, "drop"},   {NFT_JUMP, "jump"},    {NFT_GOTO, "goto"},
	{NFT_RETURN, "return"}, {NF_QUEUE, "queue"}, {NF_STOLEN, "stolen"},
};

static const char *verdict_word(int32_t code)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(verdict_words); i++)
		if (verdict_words[i].code == code)
			return verdict_words[i].action;
	return NULL;
}

static bool enter(struct ep_nft_vm *vm, struct ep_nft_chain *c)
{
	int r = ep_nft_chain_need(vm->w->s, vm->w->ns, c);

	if (r)
		ep_w_end(vm->w, EP_UNKNOWN, "rules of %s %s %s could not be read: %s",
			 ep_family_name(c->table->family), c->table->name, c->name, strerror(-r));
	return !r;
}

/* Follows jump and goto; false when the run has ended. */
static bool follow(struct ep_nft_vm *vm, struct frame *stack, size_t *depth, size_t *next)
{
	struct ep_nft_chain *c = ep_nft_chain_find(vm->chain->table, vm->verdict.chain);

	if (!c) {
		ep_nft_unknown(vm, "jump to a chain that is not there");
		return false;
	}
	if (vm->verdict.code == NFT_JUMP) {
		if (*depth == NFT_JUMP_STACK_SIZE) {
			ep_nft_unknown(vm, "jumps are nested too deep");
			return false;
		}
		stack[(*depth)++] = (struct frame){vm->chain, *next};
	}
	if (!enter(vm, c))
		return false;
	vm->chain = c;
	*next = 0;
	return true;
}

enum ep_ret ep_nft_run(struct ep_walk *w, struct ep_nft_chain *base)
{
	struct ep_nft_vm *vm = ep_alloc(w->arena, sizeof(*vm));
	struct frame stack[NFT_JUMP_STACK_SIZE];
	size_t depth = 0, next = 0;
	unsigned seen = 0, gotos = 0;

	*vm = (struct ep_nft_vm){.w = w, .base = base, .chain = base};
	if (ep_w_chain_accepts(w, base))
		return EP_RET_ACCEPT;
	if (!enter(vm, base))
		return EP_RET_ENDED;
	for (;;) {
		enum ep_nft_next n;

		if (next >= vm->chain->rules.n) {
			if (!depth)
				break;
			vm->chain = stack[--depth].chain;
			next = stack[depth].next;
			continue;
		}
		vm->rule = &vm->chain->rules.v[next++];
		if (ep_w_rule_gone(w, vm->rule))
			continue;
		seen++;
		n = run_rule(vm);
		if (n == EP_NFT_ENDED) {
			if (vm->action)
				rule_step(vm, vm->action, vm->to);
			return EP_RET_ENDED;
		}
		if (n == EP_NFT_VERDICT && vm->verdict.code == NFT_CONTINUE)
			n = EP_NFT_NEXT;
		if (n == EP_NFT_VERDICT && vm->verdict.code == NFT_BREAK)
			n = EP_NFT_BREAK;
		if (vm->action)
			rule_step(vm, vm->action, vm->to);
		else if (n == EP_NFT_VERDICT)
			rule_step(vm, verdict_word(vm->verdict.code), vm->verdict.chain);
		if (n != EP_NFT_VERDICT)
			continue;
		if (vm->verdict.code == NFT_JUMP || vm->verdict.code == NFT_GOTO) {
			if (++gotos > 4096 || !follow(vm, stack, &depth, &next)) {
				ep_w_end(w, EP_UNKNOWN, "jumps without an end");
				return EP_RET_ENDED;
			}
		} else if (vm->verdict.code == NFT_RETURN) {
			next = vm->chain->rules.n;
		} else if (vm->verdict.code == NF_ACCEPT) {
			return EP_RET_ACCEPT;
		} else if ((vm->verdict.code & NF_VERDICT_MASK) == NF_DROP) {
			return EP_RET_DROP;
		} else {
			ep_nft_unknown(vm, "verdict that edgepath does not follow");
			return EP_RET_ENDED;
		}
	}
	policy_step(vm, seen);
	return base->policy == NF_DROP ? EP_RET_DROP : EP_RET_ACCEPT;
}
