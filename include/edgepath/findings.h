/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * findings: what the walks of a host mean: who receives, what is wrong, whose rule it is, and what
 * would mend it. Pure: everything comes from the snapshot and from walks through it.
 */
#ifndef EDGEPATH_FINDINGS_H
#define EDGEPATH_FINDINGS_H

#include "edgepath/walk.h"

/* ---- who receives ---- */

enum ep_who_kind { EP_WHO_NONE, EP_WHO_PROCESS, EP_WHO_CONTAINER, EP_WHO_POD, EP_WHO_REMOTE };

struct ep_who {
	enum ep_who_kind kind;
	const struct ep_proc *proc;           /* NULL if none or not known */
	const struct ep_container *container; /* NULL if none */
	struct ep_addr addr;                  /* EP_WHO_REMOTE: where the packet goes */
	uint16_t port;
};

struct ep_who
ep_who_of_proc(const struct ep_proc *p); /* p may be NULL: a process nobody could name */
struct ep_who ep_who_of_outcome(const struct ep_outcome *o);
struct ep_who ep_who_of_listener(const struct ep_listener *l);
/* The same to a client: one container, one pod, or one program (of one unit or executable). */
bool ep_who_same(const struct ep_who *x, const struct ep_who *y);
const char *ep_who_kind_name(enum ep_who_kind k); /* "process", "container"… */
/* The JSON name: container, pod's "ns/name", comm, "10.0.0.5:443"; NULL if there is none. Raw. */
const char *ep_who_name(struct ep_arena *a, const struct ep_who *w);
/* For people, escaped: "container traefik", "pod ns/name (nginx, pid 812)", "nginx (pid 812)". */
const char *ep_who_text(struct ep_arena *a, const struct ep_who *w);

/* ---- reading outcomes ---- */

/* A rule that sends packets elsewhere: dnat, redirect, tproxy. */
bool ep_step_diverts(const struct ep_step *s);
/* The first such step of an outcome; NULL if none. */
const struct ep_step *ep_divert_step(const struct ep_outcome *o);
/* The step that dropped or rejected it, a rule or a chain's policy; NULL if none. */
const struct ep_step *ep_block_step(const struct ep_outcome *o);
/* The outcome of most clients, martians aside; NULL when there are only martians. */
const struct ep_outcome *ep_main_outcome(const struct ep_result *r);
/* "ip nat DOCKER #5"; "legacy " in front where it is; with the policy "ip filter INPUT policy". */
const char *ep_step_place(struct ep_arena *a, const struct ep_step *s);

/* ---- whose rule ---- */

struct ep_owner {
	const char *kind; /* of the rows of owner_rows.c: "docker", "kube-proxy"…; "unowned" */
	const char *name; /* container, pod, service or network; raw, NULL if not known */
};
/* The writer's name for people: "Docker"; NULL for unowned. */
const char *ep_owner_title(const struct ep_owner *o);
struct ep_owner ep_rule_owner(const struct ep_snapshot *s, struct ep_arena *a,
			      const struct ep_step *st);

/* ---- who would be next ---- */

struct ep_heir {
	struct ep_result *result; /* of the walk without all that came before */
	const struct ep_outcome *outcome;
	const struct ep_step *by; /* the rule that takes the packet then; NULL: by listening */
	struct ep_who who;
	bool shadowed; /* taking `by` away alone changes nothing: no packet reaches it now */
};
typedef EP_VEC(struct ep_heir) ep_heirs;

/*
 * Who would receive if the present receiver's rule or listener were gone, then the next, at most max
 * (0: 8). The heirs live in arena a, their results until ep_heirs_free().
 */
void ep_succession(struct ep_snapshot *s, struct ep_arena *a, const struct ep_query *q,
		   const struct ep_without *without, const struct ep_result *first, unsigned max,
		   ep_heirs *ret);
void ep_heirs_free(ep_heirs *h);

/* Everything of `more` added to w; both may hold the same thing twice. more may be NULL. */
void ep_without_add(struct ep_arena *a, struct ep_without *w, const struct ep_without *more);
/* A container is stopped: its listeners, its proxies, the rules that translate to its addresses. */
void ep_without_container(struct ep_snapshot *s, struct ep_arena *a, struct ep_without *w,
			  const struct ep_container *c);

/* ---- the diagnosis of a host ---- */

enum ep_severity {
	EP_SEV_OK,
	EP_SEV_INFO, /* worth knowing; the status stays ok */
	EP_SEV_WARNING,
	EP_SEV_UNKNOWN,
	EP_SEV_CRITICAL,
}; /* ordered: the worst wins */
const char *
ep_severity_name(enum ep_severity s); /* "ok", "info", "warning", "unknown", "critical" */

struct ep_edge { /* an address that outside clients use, and where their packets arrive */
	struct ep_addr addr;
	uint32_t ifindex;
	const char *dev;
};

struct ep_start { /* where packets come from that are walked */
	enum ep_origin origin;
	const char *name;             /* "lan", "container:traefik", raw */
	uint64_t netns;               /* of the sender; 0: the diagnosed one */
	const char *dev;              /* EP_LAN: the device of that network */
	struct ep_ivset clients[2];   /* EP_LAN: who is in that network, IPv4 and IPv6 */
	EP_VEC(struct ep_edge) edges; /* what they connect to; empty: the edges of the check */
	bool aside; /* only to be compared with: no row of its own, no part in the status */
};

/* The query of a packet from there. */
struct ep_query ep_start_query(const struct ep_start *start, const struct ep_edge *e, uint16_t port,
			       uint64_t host_netns);

/* Who should own a port: `container:traefik`, `pod:NS/NAME`, `unit:NAME`, `process:NAME`,
 * `remote:ADDRESS[:PORT]`, `nobody`; a blank may stand for the colon. */
struct ep_intent {
	uint16_t port;
	const struct ep_intent_kind *kind;
	const char *name; /* raw; "" for nobody */
};

/* 0, or -EINVAL with one line in err that names what there is. Does not set the port. */
int ep_intent_parse(struct ep_arena *a, const char *s, struct ep_intent *ret, char *err,
		    size_t err_len) EP_MUST;
bool ep_intent_fits(const struct ep_intent *i, const struct ep_who *w);
const char *ep_intent_text(struct ep_arena *a, const struct ep_intent *i); /* escaped */

/* Real connections that ended elsewhere than a walk says. */
struct ep_mismatch {
	uint16_t port;
	struct ep_addr addr;
	bool landed;
	struct ep_who took;     /* landed: by whom */
	const char *end;        /* "refused at 172.18.0.2:443"; for people */
	const char *prediction; /* NULL if nothing could be said of it */
	const char *evidence;   /* one of them, with its tuple */
	uint64_t n;
};

/* Live conntrack entries of connections to one place that were translated to one target. */
struct ep_tracked {
	struct ep_addr dst, target; /* as it came; where its packets go */
	uint16_t dport, target_port;
	uint64_t n;
	ep_strs samples; /* clients, "192.0.2.1:40000 (ESTABLISHED)" */
};

struct ep_check_spec {
	EP_VEC(uint16_t) ports;
	EP_VEC(struct ep_edge) edges;
	EP_VEC(struct ep_start) starts;   /* empty: external, and the host aside */
	EP_VEC(struct ep_intent) intents; /* at most one for a port */
	EP_VEC(struct ep_mismatch) mismatches;
	EP_VEC(struct ep_tracked) tracked; /* of the diagnosed namespace, on edge ports */
	const struct ep_without *without;  /* NULL: the host as it is */
	/* What a person types before a command that changes rules of this host: "" or
	 * "ip netns exec NAME ". */
	const char *command_prefix;
};

struct ep_answer { /* one row: port, address, origin */
	uint16_t port;
	const struct ep_edge *edge;
	enum ep_origin origin;
	const struct ep_start *start;
	struct ep_query query;
	struct ep_result *result;
	ep_heirs heirs; /* external origin only */
	bool aside;     /* walked for comparison only */
	bool closed;    /* nobody serves it, and nothing says that anybody should */
	enum ep_severity status;
};

struct ep_heard { /* a listener of the diagnosed namespace on an edge port */
	const struct ep_listener *listener;
	struct ep_who who;
	enum { EP_HEARD_NO, EP_HEARD_YES, EP_HEARD_UNKNOWN } reached;
};

struct ep_remedy {
	const char *text;    /* "stop container traefik" */
	const char *command; /* shell, quoted; NULL if there is none */
	bool verified;       /* a walk without it ended at the wanted receiver */
	const char *gets;    /* who receives then: "nginx (pid 812)"; NULL if not known */
	const char *then;    /* one sentence of it, with the port */
	ep_strs side_effects;
};

struct ep_finding {
	const char *id;
	enum ep_severity severity;
	uint16_t port;  /* 0: of no port */
	uint8_t family; /* AF_INET, AF_INET6; 0: of both or none */
	const char *
		gist; /* the matter without port and address: equal for findings to be told at once */
	const char *summary; /* one sentence */
	bool has_subject, has_taken_by;
	struct ep_who subject, taken_by;
	const struct ep_step *step; /* the rule that it is about; NULL if none */
	EP_VEC(const struct ep_edge *) edges;
	ep_strs evidence;
	EP_VEC(struct ep_remedy) remedies;
};

struct ep_check {
	struct ep_arena *arena;
	struct ep_snapshot *s; /* not owned; must outlive this */
	const struct ep_check_spec *spec;
	EP_VEC(struct ep_start) starts;
	EP_VEC(struct ep_edge) loopback;  /* 127.0.0.1 and ::1, which the host is asked for aside */
	EP_VEC(struct ep_answer) answers; /* by port, then by address and start */
	EP_VEC(struct ep_heard) listeners;
	EP_VEC(struct ep_finding) findings; /* the worst first */
	enum ep_severity status;
};

/* Walks, finds and judges; never fails. s and spec must outlive it; free with ep_check_free(). */
struct ep_check *ep_check_run(struct ep_snapshot *s, const struct ep_check_spec *spec);
/* Nothing of it may be relied on: every outcome becomes unknown for that reason. */
void ep_check_void(struct ep_check *c, const char *reason);
void ep_check_free(struct ep_check *c); /* takes NULL */
/* The same for one result. */
void ep_result_void(struct ep_result *r, const char *reason);

#endif
