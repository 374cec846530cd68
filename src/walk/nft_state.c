// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Expressions that remember packets: net/netfilter/nft_limit.c, nft_quota.c, nft_connlimit.c, and where
 * they are kept: in the rule, in a named object (nft_objref.c), or in an element of a set
 * (nft_dynset.c). Quotas tell how much is used; limits do not tell their tokens, nor counts theirs.
 */
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "walk/bytes.h"
#include "walk/nft.h"

#define NSEC_PER_SEC  1000000000ull
#define NSEC_PER_MSEC 1000000ull

/* One expression with a state. */
struct state {
	struct ep_nft_vm *vm;
	const struct ep_expr *e;
	const char *of; /* whose it is: "ip t c rule 3", "object NAME" */
	bool fresh;     /* it comes into being with this packet */
};

/* ---- limit ---- */

static const char *unit_of(uint64_t seconds)
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = {
		{1, "second"}, {60, "minute"}, {3600, "hour"}, {86400, "day"}, {604800, "week"},
	};

	for (size_t i = 0; i < EP_ARRAY_SIZE(units); i++)
		if (units[i].seconds == seconds)
			return units[i].name;
	return "period";
}

/* nft_limit_eval(): a bucket of `burst` packets, or of a period's bytes and `burst` more. */
static bool limit_lets(const struct state *s)
{
	uint64_t rate = ep_attr_num(s->e, NFTA_LIMIT_RATE, 0);
	uint64_t seconds = ep_attr_num(s->e, NFTA_LIMIT_UNIT, 0);
	uint64_t burst = ep_attr_num(s->e, NFTA_LIMIT_BURST, 0);
	bool bytes = ep_attr_num(s->e, NFTA_LIMIT_TYPE, 0) == NFT_LIMIT_PKT_BYTES;
	bool over = ep_attr_num(s->e, NFTA_LIMIT_FLAGS, 0) & NFT_LIMIT_F_INV;
	struct ep_walk *w = s->vm->w;
	unsigned n = ep_w_use(w, s->e);
	uint64_t cost = rate && seconds < UINT32_MAX ? seconds * NSEC_PER_SEC / rate : 1;
	const char *name;

	if (!bytes && !cost)
		return !over;
	/* less than any packet has */
	if (bytes && rate + burst < ep_pkt_net_len(w) + 20)
		return over;
	if (!bytes && n > (burst ? burst : 1) && cost > NSEC_PER_MSEC)
		return over;
	if (s->fresh && (!bytes || (rate + burst) / n >= 0xffff))
		return !over;
	name = ep_w_sprintf(w, "limit rate %llu%s/%s of %s", (unsigned long long)rate,
			    bytes ? " bytes" : "", unit_of(seconds), s->of);
	return ep_w_state(w, ep_w_sprintf(w, "%s not exceeded", name),
			  ep_w_sprintf(w, "%s exceeded", name)) != over;
}

/* ---- quota ---- */

/* nft_quota_do_eval(). The kernel shows no more used bytes than there are: then it is used up. */
static bool quota_lets(const struct state *s)
{
	uint64_t bytes = ep_attr_num(s->e, NFTA_QUOTA_BYTES, 0);
	uint64_t used = ep_attr_num(s->e, NFTA_QUOTA_CONSUMED, 0);
	bool over = ep_attr_num(s->e, NFTA_QUOTA_FLAGS, 0) & NFT_QUOTA_F_INV;
	uint64_t left = used < bytes ? bytes - used : 0;
	struct ep_walk *w = s->vm->w;
	unsigned n = ep_w_use(w, s->e);

	ep_w_now(w, "quota of %s: %llu of %llu bytes used", s->of, (unsigned long long)used,
		 (unsigned long long)bytes);
	return ep_pkt_fits(w, left / n) != over;
}

/* ---- ct count ---- */

/* nft_connlimit_do_eval(): this connection is counted before it is compared. */
static bool connlimit_lets(const struct state *s)
{
	uint64_t limit = ep_attr_num(s->e, NFTA_CONNLIMIT_COUNT, 0);
	bool over = ep_attr_num(s->e, NFTA_CONNLIMIT_FLAGS, 0) & NFT_CONNLIMIT_F_INV;
	struct ep_walk *w = s->vm->w;
	const struct ep_conns *conns;
	const char *name;

	if (!limit)
		return over;
	if (s->fresh)
		return !over;
	conns = ep_conns_need(w->s, w->ns);
	if (conns && conns->total < limit) {
		ep_w_now(w, "the namespace has %llu connections, and ct count of %s allows %llu",
			 (unsigned long long)conns->total, s->of, (unsigned long long)limit);
		return !over;
	}
	name = ep_w_sprintf(w, "%llu connections counted by ct count of %s",
			    (unsigned long long)limit, s->of);
	return ep_w_state(w, ep_w_sprintf(w, "at most %s", name),
			  ep_w_sprintf(w, "more than %s", name)) != over;
}

/* ---- where they are ---- */

static const struct {
	const char *name;
	bool (*lets)(const struct state *s);
} kinds[] = {
	{"limit", limit_lets}, {"quota", quota_lets}, {"connlimit", connlimit_lets},
	{"counter", NULL},     {"last", NULL},
};

static bool lets(const struct state *s)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(kinds) && !s->e->opaque; i++)
		if (!strcmp(kinds[i].name, s->e->name))
			return !kinds[i].lets || kinds[i].lets(s);
	return ep_w_unknown(s->vm->w, "%s of %s depends on what came before", s->e->name, s->of);
}

static enum ep_nft_next eval_own(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	struct state s = {.vm = vm, .e = e};

	s.of = ep_w_sprintf(vm->w, "%s%s", ep_nft_where(vm), ep_w_elsewhere(vm->w));

	return lets(&s) ? EP_NFT_NEXT : EP_NFT_BREAK;
}

static bool all_let(struct ep_nft_vm *vm, const struct ep_exprs *list, const char *of, bool fresh)
{
	for (size_t i = 0; list && i < list->n && !vm->w->ended; i++) {
		struct state s = {.vm = vm, .e = &list->v[i], .of = of, .fresh = fresh};

		if (!lets(&s))
			return false;
	}
	return true;
}

bool ep_nft_elem_lets(struct ep_nft_vm *vm, const struct ep_nft_set *set,
		      const struct ep_nft_elem *el)
{
	if (el->conditional && !el->exprs)
		return ep_w_unknown(vm->w, "an element of set %s has a limit of its own",
				    set->name);
	return all_let(vm, el->exprs,
		       ep_w_sprintf(vm->w, "the client's element of set %s%s", set->name,
				    ep_w_elsewhere(vm->w)),
		       el->fresh);
}

/* ---- objects ---- */

static enum ep_nft_next use_object(struct ep_nft_vm *vm, uint64_t type, const char *name)
{
	const struct ep_nft_obj *o =
		name ? ep_nft_obj_find(vm->chain->table, name, (uint32_t)type) : NULL;
	bool state = type == NFT_OBJECT_QUOTA || type == NFT_OBJECT_LIMIT ||
		     type == NFT_OBJECT_CONNLIMIT;

	if (type == NFT_OBJECT_SYNPROXY)
		return ep_nft_eval_synproxy(vm, NULL);
	if (!state)
		return EP_NFT_NEXT;
	if (!o || !o->exprs)
		return ep_w_unknown(vm->w, "object %s is not in the snapshot (%s)",
				    name ? name : "?", ep_nft_where(vm)) ?
			       EP_NFT_NEXT :
			       EP_NFT_BREAK;
	return all_let(vm, o->exprs,
		       ep_w_sprintf(vm->w, "object %s%s", name, ep_w_elsewhere(vm->w)), false) ?
		       EP_NFT_NEXT :
		       EP_NFT_BREAK;
}

/* nft_objref_map_eval(): which object it is, a map tells. */
static enum ep_nft_next eval_objref(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	const struct ep_nft_elem *el;
	const struct ep_byte *key;
	struct ep_nft_set *set;

	if (!ep_attr_has(e, NFTA_OBJREF_SET_NAME))
		return use_object(vm, ep_attr_num(e, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_UNSPEC),
				  ep_attr_str(e, NFTA_OBJREF_IMM_NAME));
	set = ep_nft_set_of(vm, e, ep_attr_str(e, NFTA_OBJREF_SET_NAME));
	if (!set)
		return EP_NFT_ENDED;
	key = ep_reg(&vm->regs, ep_attr_num(e, NFTA_OBJREF_SET_SREG, ~0ull), set->key_len);
	if (!key || !ep_bytes_defined(key, set->key_len))
		return ep_nft_bad(vm, e);
	el = ep_nft_find_elem(vm, set, key);
	if (!el)
		return EP_NFT_BREAK;
	if (!set->obj_type)
		return ep_w_unknown(vm->w, "map %s does not tell the kind of its objects",
				    set->name) ?
			       EP_NFT_NEXT :
			       EP_NFT_BREAK;
	return use_object(vm, set->obj_type, el->object);
}

/* ---- sets that rules fill ---- */

/* The element as nft_dynset_new() makes it. */
static const struct ep_nft_elem *new_elem(struct ep_nft_vm *vm, const struct ep_expr *e,
					  const struct ep_nft_set *set)
{
	struct ep_nft_elem *el = ep_alloc(vm->w->arena, sizeof(*el));
	uint8_t data[EP_NFT_REGBYTES];
	const struct ep_byte *b = NULL;

	el->exprs = e->sub ? e->sub : set->exprs;
	el->conditional = el->exprs;
	el->fresh = true;
	if (ep_attr_has(e, NFTA_DYNSET_SREG_DATA))
		b = ep_reg(&vm->regs, ep_attr_num(e, NFTA_DYNSET_SREG_DATA, ~0ull), set->data_len);
	if (b && ep_bytes_const(b, set->data_len, data))
		el->data = ep_memdup(vm->w->arena, data, set->data_len);
	return el;
}

/* Does it matter to this rule whether the key is in the set already? */
static bool matters(const struct ep_expr *e, const struct ep_nft_set *set, bool full)
{
	if (full || e->sub || set->exprs || ep_attr_has(e, NFTA_DYNSET_SREG_DATA))
		return true;
	ep_each(el, &set->elems)
		if (el->conditional)
			return true;
	return false;
}

static enum ep_nft_next eval_dynset(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	struct ep_nft_set *set = ep_nft_set_of(vm, e, ep_attr_str(e, NFTA_DYNSET_SET_NAME));
	bool inverse = ep_attr_num(e, NFTA_DYNSET_FLAGS, 0) & NFT_DYNSET_F_INV, full, lets;
	const struct ep_nft_elem *el = NULL;
	const struct ep_byte *key;

	if (!set)
		return EP_NFT_ENDED;
	key = ep_reg(&vm->regs, ep_attr_num(e, NFTA_DYNSET_SREG_KEY, ~0ull), set->key_len);
	if (!key || !ep_bytes_defined(key, set->key_len))
		return ep_nft_bad(vm, e);
	if (ep_attr_num(e, NFTA_DYNSET_OP, NFT_DYNSET_OP_ADD) == NFT_DYNSET_OP_DELETE) {
		ep_nft_touch(vm, set, key, NULL);
		return EP_NFT_NEXT;
	}
	full = set->elems.n >= (set->size ? set->size : 0xffff);
	if (matters(e, set, full))
		el = ep_nft_find_elem(vm, set, key);
	if (vm->w->ended)
		return EP_NFT_ENDED;
	if (!el && full)
		return inverse ? EP_NFT_NEXT : EP_NFT_BREAK;
	if (!el) {
		el = new_elem(vm, e, set);
		ep_nft_touch(vm, set, key, el);
	}
	lets = ep_nft_elem_lets(vm, set, el);
	return lets && !inverse ? EP_NFT_NEXT : EP_NFT_BREAK;
}

const struct ep_nft_row ep_nft_rows_state[] = {
	{"limit", eval_own},     {"quota", eval_own},     {"connlimit", eval_own},
	{"objref", eval_objref}, {"dynset", eval_dynset}, {NULL, NULL},
};
