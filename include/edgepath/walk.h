/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * walk: a TCP SYN through the snapshot, the way the kernel would take it. Pure: no clock, no I/O
 * but the snapshot's provider. The result is a partition over everything the query left open.
 */
#ifndef EDGEPATH_WALK_H
#define EDGEPATH_WALK_H

#include "edgepath/model.h"

enum ep_origin {
	EP_EXTERNAL,  /* arrives on a device, from any client */
	EP_HOST,      /* sent by a process of the namespace */
	EP_LAN,       /* arrives on a device, from a client of its own network */
	EP_CONTAINER, /* sent by a process of a container, in the container's namespace */
};

struct ep_query {
	enum ep_origin origin;
	struct ep_addr dst; /* its length is the family */
	uint16_t dport;
	bool has_src, has_sport; /* unset: all values */
	struct ep_addr src;
	uint16_t sport;
	bool reverse_ties; /* as if hook functions of equal priority had been loaded the other way round */
	uint64_t netns;         /* where the packet enters (external, lan) or starts (others) */
	uint32_t ifindex;       /* arriving device for external and lan; ignored for others */
	struct ep_ivset among;  /* sources that clients have if has_src is unset; empty: all */
	const char *start_name; /* "container:traefik"; NULL: ep_origin_name(origin) says it */
	unsigned max_runs;      /* bound on re-executions (splits); 0: default */
};

/* What to leave out, as if it were gone: for remedies and `--without`. */
struct ep_without {
	EP_VEC(const void *) rules; /* struct ep_nft_rule * or struct ep_xt_rule * */
	/* Base chains (struct ep_nft_chain * or ep_xt_chain *) that accept at once, as if a rule at
	 * their head did. */
	EP_VEC(const void *) accepts;
	EP_VEC(struct ep_addr) dnat_to;       /* rules that translate to these are passed over */
	EP_VEC(const struct ep_proc *) procs; /* their listeners are gone */
	EP_VEC(const struct ep_container *) containers; /* the same, for all processes of these */
};

enum ep_outcome_verdict {
	EP_DELIVERED, /* a listener takes it */
	EP_REFUSED,   /* RST: nobody listens */
	EP_REJECTED,  /* a rule answers */
	EP_DROPPED,
	EP_UNREACHABLE, /* no route, or no such neighbour on this host */
	EP_FORWARDED,   /* leaves this host */
	EP_UNKNOWN,     /* always with a reason */
};
const char *ep_verdict_name(enum ep_outcome_verdict v);
const char *ep_origin_name(enum ep_origin o); /* "external", "host", "lan", "container" */
bool ep_origin_sends(enum ep_origin o);       /* host, container: a local socket sends it */

/* A rule wherever it lives; exactly one of nft and xt is set, or none. */
struct ep_rule_ref {
	const struct ep_nft_chain *nft_chain;
	const struct ep_nft_rule *nft;
	const struct ep_xt_table *xt_table;
	const struct ep_xt_chain *xt_chain;
	const struct ep_xt_rule *xt;
};
enum ep_backend ep_rule_backend(const struct ep_rule_ref *r);
const char *ep_rule_text(struct ep_arena *a, const struct ep_rule_ref *r);
uint32_t ep_rule_position(const struct ep_rule_ref *r);
uint64_t ep_rule_handle(const struct ep_rule_ref *r); /* 0 for legacy rules */

enum ep_step_kind {
	EP_STEP_RULE,  /* a rule matched and did something */
	EP_STEP_CHAIN, /* a base chain ended: by policy, or nothing matched */
	EP_STEP_ROUTE, /* a routing decision */
	EP_STEP_HOP,   /* the packet entered a namespace */
	EP_STEP_LOCAL, /* socket lookup */
	EP_STEP_IPVS,  /* IPVS chose a server: table is the service, chain its scheduler */
};

struct ep_step {
	enum ep_step_kind kind;
	uint64_t netns;
	const char *hook; /* "ingress", "prerouting", "input", "forward", "output", "postrouting" */
	int32_t priority;
	const char *family; /* "ip", "ip6", "inet", "bridge", "netdev"; NULL outside of chains */
	const char *table, *chain;
	enum ep_backend backend;
	struct ep_rule_ref rule;
	unsigned seen; /* EP_STEP_CHAIN: rules that were tried */
	const char *
		action; /* "dnat", "accept", "drop", "jump", "policy accept", "172.18.0.0/16 dev br0"… */
	const char *to; /* target of the action: "172.18.0.2:443", a chain, a device; or NULL */
};

/* One routing decision of a walk, and what the kernel itself says of it where it can be asked. */
struct ep_route_check {
	uint64_t netns;
	struct ep_route_ask ask;      /* an open source is represented by one of its addresses */
	const struct ep_route *route; /* what the walk took; NULL: none, or a policy rule decided */
	uint8_t type;                 /* RTN_* */
	bool off;     /* IPv4 and no forwarding where it arrives: the kernel names no route then */
	bool refused; /* the walk refused the source: so must the kernel */
	bool asked;
	struct ep_route_told told;
	const char *said, *kernel; /* both answers, for people; where they differ, else NULL */
};

struct ep_outcome {
	double probability;           /* for such clients, in such a state of the host */
	struct ep_ivset saddr, sport; /* of the client, before any translation */
	ep_strs conditions;           /* for people; empty when it holds for all */
	ep_strs state; /* holds while the host is so: "limit rate 5/second not exceeded" */
	ep_strs now;   /* rests on what is so now, and moves on: the time, a list's entries */
	bool unusual;  /* some of state is not the usual one */
	enum ep_outcome_verdict verdict;
	const char *reason; /* NULL, or why unknown, dropped, unreachable… */
	bool martian;       /* dropped since no client can have such a source address */
	struct {
		uint64_t netns;
		struct ep_addr addr; /* destination there, after translation */
		uint16_t port;
		const char *dev; /* where it arrived (delivered) or left (forwarded) */
	} final;
	const struct ep_listener *listener; /* EP_DELIVERED */
	const struct ep_proc
		*receiver; /* who gets it in the end (proxies followed); NULL if unknown */
	EP_VEC(const struct ep_proc *) via; /* userland proxies passed */
	EP_VEC(struct ep_step) steps;
	uint64_t routes; /* bit N: it rests on routes.v[N] of its result */
};

#define EP_MAX_ROUTE_CHECKS 64

struct ep_result {
	struct ep_arena *arena;
	bool ties; /* functions of equal priority were met whose order is that of their loading */
	EP_VEC(struct ep_outcome) outcomes;   /* largest share of sources first */
	EP_VEC(struct ep_route_check) routes; /* at most EP_MAX_ROUTE_CHECKS */
	bool split_limit; /* the bound on splits was hit: part of it is unknown */
	unsigned runs;
};

/* Never fails: what it cannot decide is an outcome "unknown" with its reason. Free with ep_result_free. */
struct ep_result *ep_walk(struct ep_snapshot *s, const struct ep_query *q,
			  const struct ep_without *without /* or NULL */);
/* The kernel would route differently from this walk somewhere. */
bool ep_result_misrouted(const struct ep_result *r);
void ep_result_free(struct ep_result *r); /* takes NULL */

#endif
