/* SPDX-License-Identifier: GPL-2.0-or-later */
/* findings' inside: one function per kind of finding, called in the order of the table in check.c. */
#ifndef EP_FINDINGS_I_H
#define EP_FINDINGS_I_H

#include "edgepath/findings.h"

#define EP_HEIRS_MAX  8
#define EP_LO_IFINDEX 1 /* LOOPBACK_IFINDEX, in every namespace */

/* ---- findings, each over a whole check ---- */

void ep_find_intercepted(struct ep_check *c);
void ep_find_observed_mismatch(struct ep_check *c);
void ep_find_stale_conntrack(struct ep_check *c);
void ep_find_shadowed(struct ep_check *c);
void ep_find_no_receiver(struct ep_check *c);
void ep_find_forward_blocked(struct ep_check *c);
void ep_find_stale(struct ep_check *c);
void ep_find_family_divergence(struct ep_check *c);
void ep_find_origin_divergence(struct ep_check *c);
void ep_find_mixed_backends(struct ep_check *c);
void ep_find_order_undefined(struct ep_check *c);
void ep_find_unexpected_receiver(struct ep_check *c);
void ep_find_opaque_hook(struct ep_check *c);
void ep_find_route_disagreement(struct ep_check *c);

/* ---- making them ---- */

/*
 * A new finding about an answer (NULL: about the host). If the same was found for another address of
 * this port and family, that one gets the address added and NULL is returned.
 */
struct ep_finding *ep_finding_new(struct ep_check *c, const char *id, enum ep_severity sev,
				  const struct ep_answer *a, const struct ep_step *step,
				  const struct ep_who *subject);
void ep_finding_gist(struct ep_check *c, struct ep_finding *f, const char *fmt, ...)
	EP_PRINTF(3, 4); /* and the summary from it */
void ep_finding_evidence(struct ep_check *c, struct ep_finding *f, const char *fmt, ...)
	EP_PRINTF(3, 4);

/* Walks without w, and says in m who receives then; verified if that is wanted (NULL: anybody). */
void ep_remedy_foretell(struct ep_check *c, struct ep_remedy *m, const struct ep_answer *a,
			const struct ep_without *w, const struct ep_who *wanted);
/* For what rules or policies drop: let the port pass them. (allow.c) */
void ep_remedy_allow(struct ep_check *c, struct ep_finding *f, const struct ep_answer *a);
/* Walked remedies for `wanted` not getting what answer a gives to somebody else. */
void ep_remedies(struct ep_check *c, struct ep_finding *f, const struct ep_answer *a,
		 const struct ep_who *wanted);

/* ---- questions about a check ---- */

/* "443/tcp" */
const char *ep_port_text(struct ep_check *c, uint16_t port);
/* The walk of an answer with more left out. The caller frees it. */
struct ep_result *ep_answer_without(struct ep_check *c, const struct ep_answer *a,
				    const struct ep_without *more);
/* True if some outcome, martians aside, is delivered or leaves the host. */
bool ep_result_delivers(const struct ep_result *r);
/* True if some outcome's receiver is the same as w. */
bool ep_result_reaches(const struct ep_result *r, const struct ep_who *w);
bool ep_result_unknown(const struct ep_result *r);
/*
 * The listener of the diagnosed namespace that is bound so that it would get the answer's packets
 * if nothing came between; NULL if none.
 */
const struct ep_listener *ep_bound_listener(const struct ep_check *c, const struct ep_answer *a);
/* A port held by a runtime on behalf of a container: docker-proxy, or dockerd itself. */
bool ep_holds_for_container(const struct ep_check *c, const struct ep_listener *l);
/* Who is behind such a listener: the container whose address the proxy connects to, if known. */
struct ep_who ep_who_behind(const struct ep_check *c, const struct ep_listener *l);
const struct ep_container *ep_container_of_addr(const struct ep_snapshot *s,
						const struct ep_addr *a);
/* "address:port" or "[address]:port", as steps name the target of a translation. */
bool ep_parse_target(const char *s, struct ep_addr *ret, uint16_t *ret_port);
/* Shell word, quoted where it must be. */
const char *ep_shell_word(struct ep_arena *a, const char *s);

/* Outcomes while the host is as it usually is: no rate limit exceeded. */
#define ep_each_usual(it, r)         \
	ep_each(it, &(r)->outcomes)  \
		if ((it)->unusual) { \
		} else

#endif
