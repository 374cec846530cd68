/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The walk's inside. One run follows one packet in a straight line; wherever the kernel's way
 * depends on something that is open, the code asks for a choice. Runs are repeated with the recorded
 * choices varied until all alternatives are known, and engine.c puts the outcomes together.
 * So code between two choices needs no copies of the state, and no continuation.
 */
#ifndef EP_WALK_ENGINE_H
#define EP_WALK_ENGINE_H

#include "edgepath/walk.h"

/* ---- open quantities ---- */

#define EP_MAX_SCATTER 4096 /* intervals that one masked comparison may expand to */

enum ep_var_kind {
	EP_VAR_FIELD,   /* the client's choice: a split becomes two conditions */
	EP_VAR_RANDOM,  /* the kernel's dice: a split has probabilities */
	EP_VAR_UNKNOWN, /* nobody told us: alternatives that differ make the answer unknown */
	EP_VAR_STATE,   /* the kernel keeps it to itself, but people can: both are outcomes */
};

struct ep_var {
	enum ep_var_kind kind;
	unsigned bits;
	struct ep_ivset dom; /* what is still possible in this run */
	const char *what;    /* "ip saddr", "tcp sport", "numgen", "packet length" */
	ep_u128 usual;       /* EP_VAR_STATE: the part with this value is told as the usual one */
	/* One quantity in another's words: value = base's * mul + add. 0: its own. */
	int base;
	unsigned mul, add;
};

enum { EP_VAR_SADDR, EP_VAR_SPORT, EP_VAR_FIRST_FREE };

/* A packet field: a constant, or one of the run's variables. */
struct ep_val {
	int var;   /* -1: constant */
	ep_u128 c; /* the constant, as a number (first byte of the wire is the highest) */
};

/* ---- the packet ---- */

enum ep_ct { EP_CT_NONE, EP_CT_NEW, EP_CT_UNTRACKED };

struct ep_pkt {
	uint8_t alen; /* 4 or 16: IPv4 or IPv6 */
	struct ep_val saddr, sport;
	struct ep_addr daddr;
	uint16_t dport;
	uint32_t mark, ctmark;
	uint32_t priority; /* skb->priority */
	enum ep_ct ct;
	uint16_t ct_zone;
	uint8_t labels[16]; /* of its connection: NF_CT_LABELS_MAX_SIZE */
	bool dnat_done,
		snat_done; /* nf_nat_initialized(): the manip was decided, by a rule or by none */
	bool dst_nat, src_nat;          /* IPS_DST_NAT, IPS_SRC_NAT: really translated */
	struct ep_val o_saddr, o_sport; /* conntrack's original tuple */
	struct ep_addr o_daddr;
	uint16_t o_dport;
	const struct ep_link *in, *out; /* NULL if none yet */
	struct ep_addr gw;              /* next hop, once routed; len 0 before */
	const struct ep_link *sk_in; /* what a socket lookup takes for it, if not in: inet_iif() */
	const struct ep_link *slave; /* where it really came in, if in is its VRF; else NULL */
	/* the frame's addresses; of a packet that no device has had yet, or of no Ethernet, none */
	bool framed;
	struct ep_val smac, dmac;
	bool remac; /* a rule wrote one of them */
	/* nf_bridge_info: br_netfilter shows a bridged packet to the rules for IP */
	bool br_nf;
	const struct ep_link *phys_in, *phys_out; /* the bridge's ports; NULL if none yet */
	bool prerouted;  /* PREROUTING has been, in the bridge: ip_sabotage_in() */
	bool broute;     /* a bridge's rule wants it routed by the port */
	uint8_t pkttype; /* PACKET_HOST… as seen in the present namespace */
	bool local_out;  /* sent by this host's process (socket known: uid unknown unless root) */
	bool ipvs;       /* skb->ipvs_property: seen by IPVS, which takes it no more */
	uint8_t ipvs_method; /* IP_VS_CONN_F_MASQ…, what it was for, before */
	uint16_t ipvs_vport;
	struct ep_addr ipvs_vaddr;
	/* TPROXY chose a listener: deliver to it, whatever the destination */
	const struct ep_listener *tproxy;
	bool ack;     /* not the SYN but the ACK that ends the handshake: synproxy asks for it */
	bool proxied; /* sent by a synproxy in the client's name */
};

/* A routing decision of this run, until its open source is known as narrowly as it will be. */
struct ep_route_note {
	struct ep_route_check check;
	struct ep_val src, sport;
	bool has_src;
};

struct ep_edit; /* bytes.h */
struct ep_synproxy;
struct ep_choice;  /* engine.c */
struct ep_touched; /* nft_lookup.c */
struct ep_listed;  /* xt_match_recent.c */

/* How often this packet met something that keeps a count. */
struct ep_use {
	const void *what;
	unsigned n;
};
/* A packet that comes into a namespace again and again in the same way goes round until its TTL is 0. */
struct ep_visit {
	const struct ep_netns *ns;
	const struct ep_link *in;
	struct ep_addr daddr;
	uint16_t dport;
	struct ep_val saddr;
};

struct ep_fib;

struct ep_state {
	const char *usual;
	bool answer;
};

struct ep_walk {
	struct ep_arena *arena; /* of the result */
	struct ep_snapshot *s;
	const struct ep_query *q;
	const struct ep_without *without;
	struct ep_netns *ns; /* where the packet is */
	struct ep_pkt p;
	struct ep_fib *out_route;     /* of a packet that a process sends; NULL otherwise */
	const struct ep_link *bridge; /* that the frame crosses */
	unsigned bridged;             /* enum ep_bridged */
	const char *hook;             /* name of the hook that runs */
	unsigned hooknum;             /* NF_INET_* of it */
	bool bridging;                /* it is one of the bridge family, and hooknum an NF_BR_* */
	EP_VEC(struct ep_var) vars;
	EP_VEC(struct ep_step) steps;
	EP_VEC(const struct ep_proc *) via;
	EP_VEC(struct ep_route_note) routes;
	struct ep_route_note *route_note; /* the last lookup's, until the next; NULL: none */
	bool route_open; /* the last lookup rests on an unknown: the kernel can't be asked for it */
	uint64_t sender; /* cgroup of the process that sends: a proxy's, a container's; 0: any process */
	unsigned hops, sends;
	EP_VEC(struct ep_edit) edits; /* bytes that rules wrote, oldest first */
	unsigned lowered;             /* how often a router lowered the TTL */
	/* what a rule sent the packet to, past all other rules: run when this hook is left */
	void (*then)(struct ep_walk *w, void *ctx);
	void *then_ctx;
	bool bypassed; /* the present hook function ended in a queue that nobody reads */
	const struct ep_synproxy *syn;  /* synproxy.c: the SYN as it came into this namespace */
	EP_VEC(struct ep_visit) visits; /* namespaces that it came into, and as what */
	EP_VEC(struct ep_state) states; /* what was asked by ep_w_state() */
	ep_strs now;
	EP_VEC(struct ep_use) uses;
	EP_VEC(struct ep_touched *) touched; /* set elements that this packet added or took away */
	EP_VEC(struct ep_listed *) listed;   /* the same for xt's recent lists */
	/* answer of this run; set once by ep_w_end() */
	bool ended, martian, met_tie;
	enum ep_outcome_verdict verdict;
	const char *reason;
	const struct ep_listener *listener;
	const struct ep_proc *receiver;
	struct ep_addr end_addr;
	uint16_t end_port;
	const char *end_dev;
	/* choices of this run */
	EP_VEC(struct ep_choice) trace;
	const unsigned *given; /* their answers, for the first `prefix` of them */
	size_t prefix;
};

/* ---- choices: each may be answered differently in another run ---- */

/* Is the variable in the set? Decides if that is certain; else splits, and narrows the domain. */
bool ep_w_in(struct ep_walk *w, int var, struct ep_ivset set);
/* The same for a field that may be a constant. */
bool ep_w_val_in(struct ep_walk *w, const struct ep_val *v, struct ep_ivset set);
bool ep_w_val_range(struct ep_walk *w, const struct ep_val *v, ep_u128 lo, ep_u128 hi);
/* (v & mask) == want over the field's bits; unknown when the set would be too scattered. */
bool ep_w_val_masked(struct ep_walk *w, const struct ep_val *v, unsigned bits, ep_u128 mask,
		     ep_u128 want);
/* Nobody can tell: both answers are followed; if they end the same, nothing is unknown. */
bool ep_w_unknown(struct ep_walk *w, const char *fmt, ...) EP_PRINTF(2, 3);
/*
 * Something that the kernel does not tell but a person can watch, such as whether a rate limit has
 * tokens left: where it matters, both answers are outcomes, with these words as their condition. True
 * for the usual one. Asked again in a run with the same words, it says the same; so the words name
 * the rule or object whose state it is. Strings are kept, not copied.
 */
bool ep_w_state(struct ep_walk *w, const char *usual, const char *other);
/* The answer rests on something as it is now: the time, bytes of a quota, entries of a list. */
void ep_w_now(struct ep_walk *w, const char *fmt, ...) EP_PRINTF(2, 3);
/* True with probability p. */
bool ep_w_chance(struct ep_walk *w, double p, const char *what);
/* One of n equally likely; beyond 64 the answer is made unknown instead and 0 returned. */
unsigned ep_w_pick(struct ep_walk *w, unsigned n, const char *what);
/* A fresh variable; what must outlive the walk. */
int ep_w_var(struct ep_walk *w, enum ep_var_kind kind, unsigned bits, struct ep_ivset dom,
	     const char *what);
/* One of kind EP_VAR_STATE: a split becomes two outcomes with words for the parts of its domain. */
int ep_w_state_var(struct ep_walk *w, unsigned bits, struct ep_ivset dom, ep_u128 usual,
		   const char *what);
/* The same for a small variable that is base * mul + add. */
int ep_w_derived_var(struct ep_walk *w, int base, unsigned mul, unsigned add, unsigned bits,
		     const char *what);
/* Narrows the variable, and what is derived from it, without a choice. */
void ep_w_narrow(struct ep_walk *w, int var, struct ep_ivset dom);
/* The run's one unknown quantity of that name (packet length, ttl…), made at first use. */
struct ep_val ep_w_unknown_val(struct ep_walk *w, const char *what, unsigned bits);

/* For words that name a rule or a list: "" in the namespace that is asked about, else which it is. */
const char *ep_w_elsewhere(struct ep_walk *w);
/* Counts the run's uses of something: 1 for the first. */
unsigned ep_w_use(struct ep_walk *w, const void *what);

/* ---- the answer ---- */

/* Ends the run (first call wins). reason is copied; NULL if there is nothing to add. */
void ep_w_end(struct ep_walk *w, enum ep_outcome_verdict v, const char *fmt, ...) EP_PRINTF(3, 4);
struct ep_step *ep_w_step(struct ep_walk *w, enum ep_step_kind kind);
char *ep_w_sprintf(struct ep_walk *w, const char *fmt, ...) EP_PRINTF(2, 3);

/* ---- hooks (hooks.c): 0 go on; 1 the run has ended (dropped, rejected, stolen, unknown) ---- */

int ep_w_hook(struct ep_walk *w, unsigned hooknum); /* NF_INET_PRE_ROUTING… in w->ns for w->p */
#define EP_HOOK_EGRESS (NF_INET_NUMHOOKS + 1)       /* of a device: netdev chains alone */
/* Chains of the bridge family at NF_BR_*, between the ports w->p.in and w->p.out. */
int ep_w_hook_bridge(struct ep_walk *w, unsigned hooknum);

/* Are connections of this family tracked in w->ns? Without, no chain of type nat runs. (tracked.c) */
bool ep_w_tracked(struct ep_walk *w);

/* Verdict of one base chain or table at one hook; like the kernel's NF_* values. */
enum ep_ret {
	EP_RET_ACCEPT, /* on to the next hook function */
	EP_RET_DROP,   /* the caller ends the run as dropped */
	EP_RET_ENDED,  /* the callee ended the run already (reject, unknown) */
	EP_RET_NONE,   /* nat: no rule decided */
};

/* ---- nft (nft_*.c) and legacy xtables (xt_*.c) ---- */

enum ep_ret ep_nft_run(struct ep_walk *w, struct ep_nft_chain *base);
/* Runs table t's chain of hook w->hooknum. */
enum ep_ret ep_xt_run(struct ep_walk *w, const struct ep_xt_table *t);

/* Result of one xt extension, for ep_xt_run and for nft's match and target expressions. */
enum ep_xt_ret { EP_X_CONTINUE, EP_X_ACCEPT, EP_X_DROP, EP_X_RETURN, EP_X_ENDED };

struct ep_xt_env {
	const char *table; /* name of the table the rule is in */
	const char *chain;
	unsigned position; /* of the rule in it, from 1 */
	bool nft;          /* inside an nft rule */
	bool bridge;       /* …of the bridge family: an extension of ebtables */
	/* set by a target that did something worth a step */
	const char *action, *to;
};

/* 1 matches, 0 does not, -1 hotdrop. Unknown ones make a choice, with their name as the reason. */
int ep_xt_match(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_ext *m);
enum ep_xt_ret ep_xt_target(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_ext *t);

/* True if `--without` says that this rule is gone. */
bool ep_w_rule_gone(const struct ep_walk *w, const void *rule);
/* True if a remedy is tried that lets everything pass at the head of this base chain. */
bool ep_w_chain_accepts(const struct ep_walk *w, const void *base);

/* ---- NAT (nat.c), as net/netfilter/nf_nat_core.c; flags are NF_NAT_RANGE_* ---- */

struct ep_nat_range {
	uint32_t flags;
	struct ep_addr min, max;    /* if NF_NAT_RANGE_MAP_IPS */
	uint16_t pmin, pmax, pbase; /* host order, if NF_NAT_RANGE_PROTO_SPECIFIED */
	bool netmap; /* NF_NAT_RANGE_NETMAP: min..max is a prefix that replaces the address's own */
};

/* Each returns EP_RET_ACCEPT or EP_RET_DROP (EP_RET_NONE: passed over by --without); *to is what it was
 * translated to ("172.18.0.2:443"), for the step. */
enum ep_ret ep_nat_dst(struct ep_walk *w, const struct ep_nat_range *r, const char **to);
enum ep_ret ep_nat_src(struct ep_walk *w, const struct ep_nat_range *r, const char **to);
enum ep_ret ep_nat_redirect(struct ep_walk *w, const struct ep_nat_range *r, const char **to);
enum ep_ret ep_nat_masquerade(struct ep_walk *w, const struct ep_nat_range *r, const char **to);
/* For REJECT of both kinds: how is one of "tcp reset", "icmp port-unreachable"… Ends the run. */
void ep_w_reject(struct ep_walk *w, const char *how);

/* ---- routing (fib.c) ---- */

struct ep_fib {
	uint8_t type; /* RTN_UNICAST, RTN_LOCAL, RTN_BLACKHOLE…; RTN_UNREACHABLE also if nothing matched */
	const struct ep_route *route; /* NULL if none */
	const struct ep_link *out;    /* NULL if none */
	struct ep_addr gw;            /* next hop: gateway, or the destination itself */
	struct ep_addr prefsrc;       /* what a local sender would use; len 0 if undecided */
};

struct ep_flow {
	struct ep_addr dst;
	struct ep_val src;       /* var -1 with c 0: unspecified */
	uint32_t iif, oif, mark; /* ifindexes; iif: loopback's for local output */
	uint32_t l3mdev;         /* VRF or a port of it, if neither iif nor oif tells; 0 unset */
	struct ep_val sport, dport;
	bool open_tos; /* the packet's TOS byte counts; else it is 0 */
	bool socket;   /* a socket sends it: its owner counts; else uid 0 */
	bool no_pick;  /* fib_lookup() alone: of several next hops none is chosen */
	bool no_proto; /* the protocol is not told to the lookup */
	bool output;   /* sent by this host */
	bool no_src;   /* the source does not matter (local sender that has none yet) */
};

#define EP_FLOW_NO_PORTS .sport = {.var = -1}, .dport = {.var = -1}

/* fib_lookup() / ip6 route lookup with the policy rules of ns. May make choices (source rules, multipath). */
void ep_fib_lookup(struct ep_walk *w, struct ep_netns *ns, const struct ep_flow *f,
		   struct ep_fib *ret);
/* Type of an address in ns as `fib daddr type` and xt addrtype see it (inet_addr_type, RTN_*);
 * dev 0: any device. other: the source of the lookup, which nft gives for IPv6
 * (nft_fib6_flowi_init()) and xt does not; NULL: none. */
uint8_t ep_fib_addr_type(struct ep_walk *w, struct ep_netns *ns, const struct ep_addr *a,
			 uint32_t dev, const struct ep_val *other);
/* Set of all source addresses that are of that RTN_ type in ns (for matches on an open source). */
struct ep_ivset ep_fib_type_set(struct ep_walk *w, struct ep_netns *ns, uint8_t alen, uint8_t type,
				uint32_t dev, const struct ep_val *other);
/*
 * Source validation on input, before routing (martians), and after it (own addresses, rp_filter);
 * oif: where it is to leave, 0 for local delivery. False when the kernel drops it; the caller ends
 * the run.
 */
bool ep_fib_martian_free(struct ep_walk *w, const char **why);
/*
 * An open source that the checks below refuse in any case: told apart before the rules are walked,
 * so that they are walked once and not once for each kind of such sources.
 */
bool ep_fib_hopeless_source(struct ep_walk *w);
bool ep_fib_source_ok(struct ep_walk *w, uint32_t oif, const char **why);

/*
 * The sources for which test says yes, where its answer depends on routing alone: it is asked once
 * for each range of addresses that no route or policy rule divides. False if that can't be done
 * (multipath or source routes, too many of them).
 */
typedef bool (*ep_source_test)(struct ep_walk *w, ep_u128 source, void *ctx);
bool ep_fib_sources(struct ep_walk *w, ep_source_test test, void *ctx,
		    struct ep_ivset *ret) EP_MUST;

/* ---- path (path.c, deliver.c) ---- */

/* Whole way of the packet through w->ns after it arrived on w->p.in; ends the run. */
void ep_w_receive(struct ep_walk *w);
/* From the socket of a local process. */
void ep_w_send(struct ep_walk *w);
/* ip_local_out() of a packet that has its source already, and no socket. */
void ep_w_send_raw(struct ep_walk *w);
/* ip_route_me_harder(): routes a packet that is being sent anew; false: the run has ended. */
bool ep_w_reroute(struct ep_walk *w);
/* The listener that the kernel's lookup picks (inet_lookup_listener); NULL if none. */
const struct ep_listener *ep_listener_lookup(struct ep_walk *w);
/* The transparent listener that TPROXY to addr (none: the device's) and port (0: the packet's) finds,
 * for nft's tproxy and xt's TPROXY; NULL if there is none. */
const struct ep_listener *ep_tproxy_lookup(struct ep_walk *w, const struct ep_addr *addr,
					   uint16_t port);
/* Input: socket lookup, proxies followed; ends the run. */
void ep_w_deliver(struct ep_walk *w);
/* Leaves ns through fib->out: the next namespace, off the host, or unreachable. Ends the run. */
void ep_w_transmit(struct ep_walk *w, const struct ep_fib *fib);

#endif
