// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lookups in sets, maps and verdict maps (nft_lookup.c in the kernel). With an open key, elements
 * that lead to the same are asked for together: "is it in any of these?", one split for all of them.
 */
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "walk/names.h"
#include "walk/nft.h"

#define EP_MAX_GROUPS 128 /* different ends of one lookup that are followed */

struct lookup {
	struct ep_nft_vm *vm;
	const struct ep_nft_set *set;
	const struct ep_byte *key;
};

/* Fields of the key: offset and length; plain keys are one field. */
static unsigned key_fields(const struct ep_nft_set *set, uint8_t off[16], uint8_t len[16])
{
	unsigned at = 0, n = 0;

	for (; n < set->n_fields && n < 16; n++) {
		off[n] = (uint8_t)at;
		len[n] = set->fields[n];
		at += (set->fields[n] + 3u) & ~3u;
	}
	if (!n || at > set->key_len) {
		off[0] = 0;
		len[0] = (uint8_t)set->key_len;
		n = 1;
	}
	return n;
}

/* Can the constant bytes of the key still fit this element? Open bytes are not looked at. */
static bool const_fits(const struct lookup *l, const struct ep_nft_elem *el)
{
	uint8_t off[16], len[16], x[EP_NFT_REGBYTES];
	unsigned n = key_fields(l->set, off, len);

	if (el->catchall)
		return true;
	for (unsigned f = 0; f < n; f++) {
		const struct ep_byte *b = l->key + off[f];

		if (ep_bytes_const(b, len[f], x)) {
			if (memcmp(x, el->lo + off[f], len[f]) < 0 ||
			    memcmp(x, el->hi + off[f], len[f]) > 0)
				return false;
			continue;
		}
		if (memcmp(el->lo + off[f], el->hi + off[f], len[f]))
			continue;
		for (unsigned i = 0; i < len[f]; i++)
			if (b[i].kind == EP_BYTE_CONST && b[i].c != el->lo[off[f] + i])
				return false;
	}
	return true;
}

/* Is the key in the element? May split. */
static bool in_element(const struct lookup *l, const struct ep_nft_elem *el)
{
	uint8_t off[16], len[16];
	unsigned n = key_fields(l->set, off, len);

	if (el->catchall)
		return true;
	for (unsigned f = 0; f < n; f++)
		if (!ep_bytes_between(l->vm->w, l->key + off[f], el->lo + off[f], el->hi + off[f],
				      len[f]))
			return false;
	return true;
}

/* One open variable in one field: the values for which the element fits. */
static bool element_values(const struct lookup *l, const struct ep_nft_elem *el, int *ret_var,
			   struct ep_ivset *ret)
{
	uint8_t off[16], len[16];
	unsigned n = key_fields(l->set, off, len), open = 0, at = 0;

	for (unsigned f = 0; f < n; f++)
		if (ep_bytes_open(l->key + off[f], len[f])) {
			open++;
			at = f;
		}
	return open == 1 && ep_bytes_preimage(l->vm->w, l->key + off[at], el->lo + off[at],
					      el->hi + off[at], len[at], ret_var, ret);
}

static bool same_data(const struct ep_nft_set *set, const struct ep_nft_elem *x,
		      const struct ep_nft_elem *y)
{
	if (x->verdict || y->verdict)
		return x->verdict && y->verdict && x->verdict->code == y->verdict->code &&
		       (x->verdict->chain == y->verdict->chain ||
			(x->verdict->chain && y->verdict->chain &&
			 !strcmp(x->verdict->chain, y->verdict->chain)));
	if (x->data || y->data)
		return x->data && y->data && !memcmp(x->data, y->data, set->data_len);
	if (x->object || y->object)
		return x->object && y->object && !strcmp(x->object, y->object);
	return true;
}

/* Numbers only: what limits, quotas and counts are made of. */
static bool same_expr(const struct ep_expr *x, const struct ep_expr *y)
{
	if (strcmp(x->name, y->name) || x->opaque || y->opaque || x->attrs.n != y->attrs.n)
		return false;
	for (size_t i = 0; i < x->attrs.n; i++) {
		const struct ep_attr *a = &x->attrs.v[i], *b = &y->attrs.v[i];

		if (a->nla != b->nla || a->kind != EP_ATTR_NUM || b->kind != EP_ATTR_NUM ||
		    a->num != b->num)
			return false;
	}
	return true;
}

static bool same_state(const struct ep_nft_elem *x, const struct ep_nft_elem *y)
{
	if (x->conditional != y->conditional || !x->exprs != !y->exprs)
		return false;
	if (x->exprs && x->exprs->n != y->exprs->n)
		return false;
	for (size_t i = 0; x->exprs && i < x->exprs->n; i++)
		if (!same_expr(&x->exprs->v[i], &y->exprs->v[i]))
			return false;
	return true;
}

/* The group of candidates from i on with the same data, as one set of values; *done marks them. */
static bool in_group(const struct lookup *l, const struct ep_nft_elem *const *cand, size_t n,
		     size_t i, bool *done)
{
	struct ep_arena *a = l->vm->w->arena;
	struct ep_iv *iv = NULL;
	struct ep_ivset one;
	size_t n_iv = 0, cap = 0;
	int var = -1, v;

	for (size_t j = i; j < n; j++) {
		if (done[j] || cand[j]->catchall || !same_data(l->set, cand[i], cand[j]) ||
		    !same_state(cand[i], cand[j]))
			continue;
		if (!element_values(l, cand[j], &v, &one) || (var >= 0 && v != var)) {
			if (j > i)
				continue;
			done[i] = true;
			return in_element(l, cand[i]);
		}
		var = v;
		done[j] = true;
		for (size_t k = 0; k < one.n; k++) {
			void *p = iv;

			if (n_iv == cap)
				ep_vec_grow(a, &p, n_iv, &cap, sizeof(*iv));
			iv = p;
			iv[n_iv++] = one.v[k];
		}
	}
	return ep_w_in(l->vm->w, var, ep_iv_of(a, iv, n_iv));
}

static const struct ep_nft_elem *find(const struct lookup *l)
{
	struct ep_arena *a = l->vm->w->arena;
	const struct ep_nft_elem **cand, *rest = NULL;
	bool open = ep_bytes_open(l->key, l->set->key_len), *done;
	size_t n = 0, asked = 0;

	if (!open) {
		ep_each(el, &l->set->elems) {
			if (el->catchall)
				rest = el;
			else if (const_fits(l, el))
				return el;
		}
		return rest;
	}
	cand = ep_alloc(a, (l->set->elems.n + 1) * sizeof(*cand));
	ep_each(el, &l->set->elems) {
		if (el->catchall)
			rest = el;
		else if (const_fits(l, el))
			cand[n++] = el;
	}
	done = ep_alloc(a, n + 1);
	for (size_t i = 0; i < n && !l->vm->w->ended; i++) {
		if (done[i])
			continue;
		if (asked++ == EP_MAX_GROUPS) {
			ep_nft_unknown(l->vm,
				       ep_w_sprintf(l->vm->w,
						    "%s leads an open key to more than %d ends",
						    l->set->name, EP_MAX_GROUPS));
			return NULL;
		}
		if (in_group(l, cand, n, i, done))
			return cand[i];
	}
	return rest;
}

/* ---- what this packet did to sets ---- */

struct ep_touched {
	const struct ep_nft_set *set;
	struct ep_byte key[EP_NFT_REGBYTES];
	const struct ep_nft_elem *el; /* NULL: taken away */
};

void ep_nft_touch(struct ep_nft_vm *vm, const struct ep_nft_set *set, const struct ep_byte *key,
		  const struct ep_nft_elem *el)
{
	struct ep_touched *t = ep_alloc(vm->w->arena, sizeof(*t));

	t->set = set;
	t->el = el;
	memcpy(t->key, key, set->key_len * sizeof(*key));
	*ep_push(vm->w->arena, &vm->w->touched) = t;
}

/* Is it the same key? It surely is if both are the same bytes of the same fields. */
static bool same_key(struct ep_walk *w, const struct ep_byte *x, const struct ep_byte *y,
		     size_t len)
{
	uint8_t c[EP_NFT_REGBYTES];

	if (!memcmp(x, y, len * sizeof(*x)))
		return true;
	if (ep_bytes_const(y, len, c))
		return ep_bytes_equal(w, x, c, len);
	if (ep_bytes_const(x, len, c))
		return ep_bytes_equal(w, y, c, len);
	return ep_w_unknown(w, "two open keys of one set may be the same");
}

const struct ep_nft_elem *ep_nft_find_elem(struct ep_nft_vm *vm, const struct ep_nft_set *set,
					   const struct ep_byte *key)
{
	struct lookup l = {.vm = vm, .set = set, .key = key};

	for (size_t i = vm->w->touched.n; i-- > 0;) {
		const struct ep_touched *t = vm->w->touched.v[i];

		if (t->set == set && same_key(vm->w, key, t->key, set->key_len))
			return t->el;
	}
	return find(&l);
}

static struct ep_nft_set *named(struct ep_nft_vm *vm, const struct ep_expr *e, const char *name)
{
	struct ep_nft_set *set = name ? ep_nft_set_find(vm->chain->table, name) : NULL;

	if (!set || set->key_len > EP_NFT_REGBYTES) {
		ep_nft_bad(vm, e);
		return NULL;
	}
	return set;
}

/*
 * A key that is known whole needs no more than its own element of a named set that only its owner
 * changes; anonymous sets are small, and are shown with their elements.
 */
static bool single(struct ep_nft_vm *vm, struct ep_nft_set *set, const struct ep_byte *key,
		   const struct ep_nft_elem **ret)
{
	uint8_t off[16], len[16], bytes[EP_NFT_REGBYTES] = {0};
	unsigned n = key_fields(set, off, len);

	if (set->flags & (NFT_SET_ANONYMOUS | NFT_SET_TIMEOUT | NFT_SET_EVAL))
		return false;
	for (unsigned f = 0; f < n; f++)
		if (!ep_bytes_const(key + off[f], len[f], bytes + off[f]))
			return false;
	return ep_nft_elem_need(vm->w->s, vm->w->ns, set, bytes, ret) == 0;
}

struct ep_nft_set *ep_nft_set_of(struct ep_nft_vm *vm, const struct ep_expr *e, const char *name)
{
	struct ep_nft_set *set = named(vm, e, name);
	int r;

	if (!set)
		return NULL;
	r = ep_nft_set_need(vm->w->s, vm->w->ns, set);
	if (r) {
		ep_nft_unknown(vm, ep_w_sprintf(vm->w, "elements of set %s could not be read: %s",
						set->name, strerror(-r)));
		return NULL;
	}
	if (set->flags & (NFT_SET_TIMEOUT | NFT_SET_EVAL))
		ep_w_now(vm->w, "set %s%s as it is now: %zu element%s", set->name,
			 ep_w_elsewhere(vm->w), set->elems.n, set->elems.n == 1 ? "" : "s");
	return set;
}

enum ep_nft_next ep_nft_eval_lookup(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	bool inverse = ep_attr_num(e, NFTA_LOOKUP_FLAGS, 0) & NFT_LOOKUP_F_INV;
	struct ep_nft_set *set = named(vm, e, ep_attr_str(e, NFTA_LOOKUP_SET));
	const struct ep_nft_elem *el = NULL;
	const struct ep_byte *key;

	if (!set)
		return EP_NFT_ENDED;
	key = ep_reg(&vm->regs, ep_attr_num(e, NFTA_LOOKUP_SREG, ~0ull), set->key_len);
	if (!key || !ep_bytes_defined(key, set->key_len))
		return ep_nft_bad(vm, e);
	if (vm->w->touched.n || !single(vm, set, key, &el)) {
		set = ep_nft_set_of(vm, e, set->name);
		if (!set)
			return EP_NFT_ENDED;
		el = ep_nft_find_elem(vm, set, key);
	}
	if (vm->w->ended)
		return EP_NFT_ENDED;
	if (!el == !inverse || (el && !ep_nft_elem_lets(vm, set, el)))
		return EP_NFT_BREAK;
	if (!ep_attr_has(e, NFTA_LOOKUP_DREG))
		return EP_NFT_NEXT;
	if (!el)
		return EP_NFT_BREAK;
	if (el->verdict) {
		vm->verdict = *el->verdict;
		return EP_NFT_VERDICT;
	}
	if (!el->data || !ep_reg_const(&vm->regs, ep_attr_num(e, NFTA_LOOKUP_DREG, ~0ull), el->data,
				       set->data_len))
		return ep_nft_bad(vm, e);
	return EP_NFT_NEXT;
}
