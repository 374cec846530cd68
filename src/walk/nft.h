/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nft virtual machine (net/netfilter/nf_tables_core.c, nft_do_chain) over a symbolic packet. */
#ifndef EP_WALK_NFT_H
#define EP_WALK_NFT_H

#include "walk/nft_regs.h"

enum ep_nft_next {
	EP_NFT_NEXT,    /* the expression matched or has no say */
	EP_NFT_BREAK,   /* NFT_BREAK: the rule does not match */
	EP_NFT_VERDICT, /* vm->verdict is set */
	EP_NFT_ENDED,   /* the run has ended */
};

struct ep_nft_vm;
typedef enum ep_nft_next (*ep_nft_eval)(struct ep_nft_vm *vm, const struct ep_expr *e);

struct ep_nft_row {
	const char *name;
	ep_nft_eval eval;
};

struct ep_nft_vm {
	struct ep_walk *w;
	struct ep_nft_chain *base, *chain;
	const struct ep_nft_rule *rule;
	struct ep_regs regs;
	struct ep_verdict verdict;
	const char *action, *to; /* what the rule did so far, for its step */
	struct ep_nft_row cache[64];
};

/* nft_lookup.c: sets, maps and verdict maps. */
enum ep_nft_next ep_nft_eval_lookup(struct ep_nft_vm *vm, const struct ep_expr *e);
/* The element that the key is in, after what this packet did to the set; NULL if none. May split, and
 * may end the run. key_len bytes. */
const struct ep_nft_elem *ep_nft_find_elem(struct ep_nft_vm *vm, const struct ep_nft_set *set,
					   const struct ep_byte *key);
/* From now on the key is in the set, as el says, or (NULL) it is not. */
void ep_nft_touch(struct ep_nft_vm *vm, const struct ep_nft_set *set, const struct ep_byte *key,
		  const struct ep_nft_elem *el);
/* Elements of a set, read if need be; NULL: the run has ended. */
struct ep_nft_set *ep_nft_set_of(struct ep_nft_vm *vm, const struct ep_expr *e, const char *name);
/* nft_now.c: what the host is like now, and the counters of the packet's connection. */
enum ep_nft_next ep_nft_load_host(struct ep_nft_vm *vm, const struct ep_expr *e, uint64_t key);
enum ep_nft_next ep_nft_load_counter(struct ep_nft_vm *vm, const struct ep_expr *e, uint64_t key);
/* nft_state.c: limits, quotas and counts that go with an element; false: the rule does not match. */
bool ep_nft_elem_lets(struct ep_nft_vm *vm, const struct ep_nft_set *set,
		      const struct ep_nft_elem *el);
/* nft_fib.c: kinds of addresses, and ways back. */
enum ep_nft_next ep_nft_eval_fib(struct ep_nft_vm *vm, const struct ep_expr *e);
/* nft_payload.c: header bytes and options. */
enum ep_nft_next ep_nft_eval_payload(struct ep_nft_vm *vm, const struct ep_expr *e);
enum ep_nft_next ep_nft_eval_exthdr(struct ep_nft_vm *vm, const struct ep_expr *e);
/* nft_route.c: properties of the route. */
enum ep_nft_next ep_nft_eval_rt(struct ep_nft_vm *vm, const struct ep_expr *e);
/* nft_effect_ends.c: what another program or device has a say in. */
enum ep_nft_next ep_nft_eval_queue(struct ep_nft_vm *vm, const struct ep_expr *e);
enum ep_nft_next ep_nft_eval_synproxy(struct ep_nft_vm *vm, const struct ep_expr *e);
enum ep_nft_next ep_nft_eval_fwd(struct ep_nft_vm *vm, const struct ep_expr *e);
/* nft_effect.c: the writing forms of meta and ct. */
enum ep_nft_next ep_nft_meta_set(struct ep_nft_vm *vm, const struct ep_expr *e);
enum ep_nft_next ep_nft_ct_set(struct ep_nft_vm *vm, const struct ep_expr *e);

/* One table a file; each ends with a NULL name. */
extern const struct ep_nft_row ep_nft_rows_data[]; /* nft_data.c: registers in, compare, verdict */
extern const struct ep_nft_row
	ep_nft_rows_field[]; /* nft_field.c: meta, payload, ct, fib… into registers */
extern const struct ep_nft_row ep_nft_rows_effect[]; /* nft_effect.c: nat, reject, marks, logging… */
extern const struct ep_nft_row ep_nft_rows_state[]; /* nft_state.c: limits, quotas, counts */

/* Sets a register or breaks off with the reason that the ruleset is malformed. */
enum ep_nft_next ep_nft_bad(struct ep_nft_vm *vm, const struct ep_expr *e);
/* Ends the walk as unknown, naming the expression. */
enum ep_nft_next ep_nft_unknown(struct ep_nft_vm *vm, const char *what);
static inline enum ep_nft_next ep_nft_stored(struct ep_nft_vm *vm, const struct ep_expr *e, bool ok)
{
	return ok ? EP_NFT_NEXT : ep_nft_bad(vm, e);
}
/* What the rule is called in messages: "ip nat DOCKER rule 5". */
const char *ep_nft_where(struct ep_nft_vm *vm);

#endif
