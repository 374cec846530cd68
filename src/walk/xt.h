/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xt extensions inside the walk. A match does not answer at once: it tells which conditions must all
 * hold. What is certain is decided right away; what is open is kept until the whole rule is known to
 * hang on it, so that a rule which fails anyway splits nothing.
 */
#ifndef EP_WALK_XT_H
#define EP_WALK_XT_H

#include "walk/engine.h"
#include "walk/nft_regs.h"

#define EP_XT_MAX_CONDS 16
#define EP_XT_INFO_MAX  4224 /* largest structure that a row decodes */

/* Something about the packet that is more than a set of one variable. */
typedef bool (*ep_xt_test)(struct ep_walk *w, const void *info);

struct ep_xt_cond {
	enum { EP_XT_IN, EP_XT_TEST, EP_XT_CHANCE, EP_XT_STATE, EP_XT_UNKNOWN } kind;
	ep_xt_test test;     /* EP_XT_TEST: decides by choices of its own */
	const void *info;    /* EP_XT_TEST */
	int var;             /* EP_XT_IN: the variable is in the set */
	struct ep_ivset set; /* with any inversion already applied */
	double p;            /* EP_XT_CHANCE */
	const char *why;     /* EP_XT_CHANCE, EP_XT_UNKNOWN; EP_XT_STATE: the usual one */
	const char *other;   /* EP_XT_STATE */
	bool usual;          /* EP_XT_STATE: it must be the usual one */
};

/* Conditions of one rule or match that are still open; all must hold. */
struct ep_xt_and {
	struct ep_walk *w;
	unsigned n;
	struct ep_xt_cond c[EP_XT_MAX_CONDS];
};

/*
 * Adds a condition. False when it fails for certain: then the rule does not match, and what was
 * added before does not matter.
 */
bool ep_xt_need(struct ep_xt_and *a, bool certain, bool invert);
bool ep_xt_need_in(struct ep_xt_and *a, const struct ep_val *v, struct ep_ivset set, bool invert);
bool ep_xt_need_range(struct ep_xt_and *a, const struct ep_val *v, ep_u128 lo, ep_u128 hi,
		      bool invert);
bool ep_xt_need_masked(struct ep_xt_and *a, const struct ep_val *v, unsigned bits, ep_u128 mask,
		       ep_u128 want, bool invert);
/* lo <= b <= hi in byte order; for a single variable a set, else a test. */
bool ep_xt_need_bytes(struct ep_xt_and *a, const struct ep_byte *b, const uint8_t *lo,
		      const uint8_t *hi, size_t len, bool invert);
/* Is asked when all else is known; a copy of info is kept. */
bool ep_xt_need_test(struct ep_xt_and *a, ep_xt_test test, const void *info, size_t size);
bool ep_xt_need_chance(struct ep_xt_and *a, double p, const char *what);
bool ep_xt_need_unknown(struct ep_xt_and *a, const char *fmt, ...) EP_PRINTF(2, 3);
/* ep_w_state(), which must say `want`; the strings are kept. */
bool ep_xt_need_state(struct ep_xt_and *a, bool want, const char *usual, const char *other);
/* Decides what is open so far, before a match that leaves traces: the kernel goes in order. */
bool ep_xt_settle(struct ep_xt_and *a);
/* Decides what is left, with choices. */
bool ep_xt_decide(struct ep_xt_and *a);

/* A field that nobody tells, as a whole or under a mask. */
bool ep_xt_need_field(struct ep_xt_and *a, const char *what, unsigned bits, ep_u128 mask,
		      ep_u128 lo, ep_u128 hi, bool invert);
/* Marks that a rule changed something, by name, and asks for it. */
void ep_xt_rewritten(struct ep_walk *w, const char *what);
bool ep_xt_is_rewritten(struct ep_walk *w, const char *what);

/* What a match is decoded from. */
struct ep_xt_in {
	struct ep_xt_env *env;
	const struct ep_xt_ext *ext;
	uint8_t rev;
	bool v6;
	const void *info; /* aligned copy of the kernel's structure */
};

typedef bool (*ep_xt_match_fn)(struct ep_xt_and *a, const struct ep_xt_in *in);

struct ep_xt_match_row {
	const char *name;
	uint8_t rev_min, rev_max;
	uint16_t size;     /* of the kernel's structure; 0: none is looked at */
	ep_xt_match_fn fn; /* NULL: nobody can tell, for the reason why */
	const char *why;
};

/* Conditions of one match: 1 so far so good, 0 does not match, -1 hotdrop. */
int ep_xt_match_conds(struct ep_xt_and *a, struct ep_xt_env *env, const struct ep_xt_ext *m);

typedef enum ep_xt_ret (*ep_xt_target_fn)(struct ep_walk *w, struct ep_xt_env *env,
					  const struct ep_xt_in *in);

struct ep_xt_target_row {
	const char *name;
	uint8_t rev_min, rev_max;
	uint16_t size;
	uint8_t family;     /* AF_*, 0 for all */
	ep_xt_target_fn fn; /* NULL: goes on, and changes nothing of the packet's way */
};

/* NULL if the target is not understood. */
const struct ep_xt_target_row *ep_xt_target_find(const struct ep_walk *w,
						 const struct ep_xt_ext *t);

/* The match in iptables' words, and the rule it is in: "-m limit --limit 5/sec of filter INPUT rule 3". */
const char *ep_xt_whose(const struct ep_xt_and *a, const struct ep_xt_in *in);
ep_u128 ep_xt_num(const void *bytes, bool v6); /* nf_inet_addr: as the packet's family has it */
static inline unsigned ep_xt_bits(const struct ep_walk *w)
{
	return w->p.alen * 8u;
}

/* xt_match_*.c */
bool ep_xt_tcp(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_multiport(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_length(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_ttl(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_dscp(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_tos(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_ecn(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_tcpmss(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_u32(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_string(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_bpf(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_osf(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_realm(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_ipv6header(struct ep_xt_and *a, const struct ep_xt_in *in);

bool ep_xt_addrtype(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_iprange(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_rpfilter(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_set(struct ep_xt_and *a, const struct ep_xt_in *in);

bool ep_xt_mac(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_physdev(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_pkttype(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_devgroup(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_ipvs(struct ep_xt_and *a, const struct ep_xt_in *in); /* ipvs.c */
bool ep_xt_owner(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_cgroup(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_socket(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_policy(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_statistic(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_recent(struct ep_xt_and *a, const struct ep_xt_in *in);

bool ep_xt_conntrack(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_state(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_mark(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_connmark(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_connbytes(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_connlabel(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_helper(struct ep_xt_and *a, const struct ep_xt_in *in);

/* xt_match_state.c, _time.c, _recent.c, _hashlimit.c, _connlimit.c */
bool ep_xt_limit(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_quota(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_cpu(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_rateest(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_nfacct(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_cluster(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_time(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_hashlimit(struct ep_xt_and *a, const struct ep_xt_in *in);
bool ep_xt_connlimit(struct ep_xt_and *a, const struct ep_xt_in *in);

/* xt_target_*.c */
#define EP_XT_TARGET(name) \
	enum ep_xt_ret name(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
EP_XT_TARGET(ep_xt_set_dscp);
EP_XT_TARGET(ep_xt_set_tos);
EP_XT_TARGET(ep_xt_set_ecn);
EP_XT_TARGET(ep_xt_set_ttl);
EP_XT_TARGET(ep_xt_set_mss);
EP_XT_TARGET(ep_xt_strip_options);
EP_XT_TARGET(ep_xt_nfqueue);
EP_XT_TARGET(ep_xt_synproxy);
enum ep_xt_ret ep_xt_dnat(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in);
enum ep_xt_ret ep_xt_snat(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in);
enum ep_xt_ret ep_xt_redirect(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in);
enum ep_xt_ret ep_xt_masquerade(struct ep_walk *w, struct ep_xt_env *env,
				const struct ep_xt_in *in);
enum ep_xt_ret ep_xt_netmap(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in);

/* ebt.c: in rules of the bridge family; NULL if not understood. */
const struct ep_xt_match_row *ep_ebt_match_find(const struct ep_xt_ext *m);
const struct ep_xt_target_row *ep_ebt_target_find(const struct ep_xt_ext *t);

#endif
