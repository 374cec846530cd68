// SPDX-License-Identifier: GPL-2.0-or-later
/* The diagnosis of a host: every edge port walked from outside and from inside, then judged. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <netinet/in.h>

#include "findings/findings_i.h"

/* In this order findings of one severity are told. */
static const struct {
	const char *id;
	void (*find)(struct ep_check *c);
} finders[] = {
	{"unexpected-receiver", ep_find_unexpected_receiver},
	{"observed-mismatch", ep_find_observed_mismatch},
	{"intercepted-listener", ep_find_intercepted},
	{"stale-rule", ep_find_stale},
	{"stale-conntrack", ep_find_stale_conntrack},
	{"forward-blocked", ep_find_forward_blocked},
	{"no-receiver", ep_find_no_receiver},
	{"opaque-hook", ep_find_opaque_hook},
	{"route-disagreement", ep_find_route_disagreement},
	{"family-divergence", ep_find_family_divergence},
	{"origin-divergence", ep_find_origin_divergence},
	{"order-undefined", ep_find_order_undefined},
	{"mixed-backends", ep_find_mixed_backends},
	{"shadowed-rule", ep_find_shadowed},
};

const char *ep_severity_name(enum ep_severity s)
{
	static const char *const names[] = {
		[EP_SEV_OK] = "ok",
		[EP_SEV_INFO] = "info",
		[EP_SEV_WARNING] = "warning",
		[EP_SEV_UNKNOWN] = "unknown",
		[EP_SEV_CRITICAL] = "critical",
	};

	return names[s];
}

/* ---- making findings ---- */

static bool has_edge(const struct ep_finding *f, const struct ep_edge *e)
{
	ep_each(it, &f->edges)
		if (*it == e)
			return true;
	return false;
}

static const void *rule_of(const struct ep_step *s)
{
	return !s ? NULL : s->rule.nft ? (const void *)s->rule.nft : s->rule.xt;
}

struct ep_finding *ep_finding_new(struct ep_check *c, const char *id, enum ep_severity sev,
				  const struct ep_answer *a, const struct ep_step *step,
				  const struct ep_who *subject)
{
	uint8_t family = !a ? 0 : a->edge->addr.len == 4 ? AF_INET : AF_INET6;
	struct ep_finding *f;

	ep_each(old, &c->findings) {
		if (strcmp(old->id, id) || old->port != (a ? a->port : 0) ||
		    old->family != family || rule_of(old->step) != rule_of(step) ||
		    old->has_subject != !!subject ||
		    (subject && !ep_who_same(&old->subject, subject)))
			continue;
		if (a && !has_edge(old, a->edge))
			*ep_push(c->arena, &old->edges) = a->edge;
		if (sev > old->severity)
			old->severity = sev;
		return NULL;
	}
	f = ep_push(c->arena, &c->findings);
	*f = (struct ep_finding){.id = id, .severity = sev, .family = family, .step = step};
	f->port = a ? a->port : 0;
	if (a)
		*ep_push(c->arena, &f->edges) = a->edge;
	if (subject) {
		f->has_subject = true;
		f->subject = *subject;
	}
	return f;
}

void ep_finding_gist(struct ep_check *c, struct ep_finding *f, const char *fmt, ...)
{
	const char *family = f->family == AF_INET  ? " (IPv4)" :
			     f->family == AF_INET6 ? " (IPv6)" :
						     "";
	char buf[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	f->gist = ep_strdup(c->arena, buf);
	f->summary = f->gist;
	if (f->port)
		f->summary = ep_sprintf(c->arena, "%u/tcp%s: %s", f->port, family, f->gist);
	if (f->step)
		f->summary = ep_sprintf(c->arena, "%s (%s)", f->summary,
					ep_step_place(c->arena, f->step));
}

void ep_finding_evidence(struct ep_check *c, struct ep_finding *f, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	*ep_push(c->arena, &f->evidence) = ep_strdup(c->arena, buf);
}

const char *ep_port_text(struct ep_check *c, uint16_t port)
{
	return ep_sprintf(c->arena, "%u/tcp", port);
}

struct ep_result *ep_answer_without(struct ep_check *c, const struct ep_answer *a,
				    const struct ep_without *more)
{
	struct ep_without w = {};

	ep_without_add(c->arena, &w, c->spec->without);
	ep_without_add(c->arena, &w, more);
	return ep_walk(c->s, &a->query, &w);
}

/* ---- listeners ---- */

/* How well a listener's address fits a destination: 0 not at all, more is more specific. */
static int address_fit(const struct ep_listener *l, const struct ep_addr *dst)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (ep_addr_eq(&l->addr, dst))
		return 4;
	if (l->addr.len == 16 && dst->len == 4 && !memcmp(l->addr.b, mapped, 12) &&
	    !memcmp(l->addr.b + 12, dst->b, 4))
		return 4;
	if (!ep_addr_is_any(&l->addr))
		return 0;
	if (l->addr.len == dst->len)
		return 2;
	return l->addr.len == 16 && dst->len == 4 && !l->v6only ? 1 : 0;
}

const struct ep_listener *ep_bound_listener(const struct ep_check *c, const struct ep_answer *a)
{
	const struct ep_listener *best = NULL;
	int best_fit = 0;

	ep_each(l, &c->s->listeners) {
		int fit = address_fit(l, &a->edge->addr);

		if (l->netns != c->s->host_netns || l->port != a->port || !fit)
			continue;
		if (l->bound_ifindex && l->bound_ifindex != a->edge->ifindex)
			continue;
		if (fit > best_fit) {
			best = l;
			best_fit = fit;
		}
	}
	return best;
}

bool ep_holds_for_container(const struct ep_check *c, const struct ep_listener *l)
{
	const struct ep_proc *p = l->procs.n ? l->procs.v[0] : NULL;

	if (!p)
		return false;
	if (p->proxy_target.len)
		return true;
	if (!p->comm || strcmp(p->comm, "dockerd"))
		return false;
	ep_each(each, &c->s->containers) {
		ep_each(pub, &(*each)->published)
			if (pub->host_port == l->port)
				return true;
	}
	return false;
}

struct ep_who ep_who_behind(const struct ep_check *c, const struct ep_listener *l)
{
	struct ep_who w = ep_who_of_listener(l);
	const struct ep_container *behind =
		w.proc ? ep_container_of_addr(c->s, &w.proc->proxy_target) : NULL;

	if (behind)
		w = (struct ep_who){.kind = behind->pod.name ? EP_WHO_POD : EP_WHO_CONTAINER,
				    .container = behind};
	return w;
}

static bool takes(const struct ep_outcome *o, const struct ep_listener *l)
{
	struct ep_who x, y;

	if (o->verdict != EP_DELIVERED)
		return false;
	if (o->listener == l)
		return true;
	ep_each(v, &o->via) {
		ep_each(p, &l->procs)
			if (*v == *p)
				return true;
	}
	/* Another socket of one SO_REUSEPORT group. */
	if (!o->listener || !l->reuseport || o->listener->netns != l->netns ||
	    o->listener->port != l->port || !ep_addr_eq(&o->listener->addr, &l->addr))
		return false;
	x = ep_who_of_listener(o->listener);
	y = ep_who_of_listener(l);
	return ep_who_same(&x, &y);
}

static bool walked_from_outside(const struct ep_check *c)
{
	ep_each(start, &c->starts)
		if (start->origin == EP_EXTERNAL)
			return true;
	return false;
}

static void hear(struct ep_check *c, const struct ep_listener *l)
{
	struct ep_heard *h = ep_push(c->arena, &c->listeners);

	*h = (struct ep_heard){.listener = l, .who = ep_who_of_listener(l)};
	if (!walked_from_outside(c))
		h->reached = EP_HEARD_UNKNOWN;
	ep_each(a, &c->answers) {
		if (a->origin != EP_EXTERNAL || a->port != l->port)
			continue;
		ep_each(o, &a->result->outcomes) {
			if (takes(o, l))
				h->reached = EP_HEARD_YES;
			else if (o->verdict == EP_UNKNOWN && h->reached == EP_HEARD_NO &&
				 address_fit(l, &a->edge->addr))
				h->reached = EP_HEARD_UNKNOWN;
		}
	}
}

static void hear_all(struct ep_check *c)
{
	ep_each(port, &c->spec->ports) {
		ep_each(l, &c->s->listeners)
			if (l->netns == c->s->host_netns && l->port == *port)
				hear(c, l);
	}
}

/* ---- walking ---- */

static bool is_closed(const struct ep_check *c, const struct ep_answer *a)
{
	if (ep_result_delivers(a->result) || ep_result_unknown(a->result))
		return false;
	ep_each(o, &a->result->outcomes)
		if (ep_divert_step(o))
			return false;
	return !ep_bound_listener(c, a);
}

struct ep_query ep_start_query(const struct ep_start *start, const struct ep_edge *e, uint16_t port,
			       uint64_t host_netns)
{
	return (struct ep_query){
		.origin = start->origin,
		.start_name = start->name,
		.dst = e->addr,
		.dport = port,
		.netns = start->netns ? start->netns : host_netns,
		.ifindex = ep_origin_sends(start->origin) ? 0 : e->ifindex,
		.among = start->clients[e->addr.len == 16],
	};
}

static void ask(struct ep_check *c, uint16_t port, const struct ep_edge *e,
		const struct ep_start *start)
{
	struct ep_answer *a = ep_push(c->arena, &c->answers);

	*a = (struct ep_answer){.port = port, .edge = e, .origin = start->origin, .start = start};
	a->aside = start->aside || e->ifindex == EP_LO_IFINDEX;
	a->query = ep_start_query(start, e, port, c->s->host_netns);
	a->result = ep_walk(c->s, &a->query, c->spec->without);
	a->closed = is_closed(c, a);
	if (start->origin == EP_EXTERNAL)
		ep_succession(c->s, c->arena, &a->query, c->spec->without, a->result, EP_HEIRS_MAX,
			      &a->heirs);
}

static void add_starts(struct ep_check *c)
{
	ep_each(start, &c->spec->starts)
		*ep_push(c->arena, &c->starts) = *start;
	if (c->starts.n)
		return;
	*ep_push(c->arena, &c->starts) = (struct ep_start){.origin = EP_EXTERNAL};
	*ep_push(c->arena, &c->starts) = (struct ep_start){.origin = EP_HOST, .aside = true};
}

static void add_loopback(struct ep_check *c)
{
	static const struct ep_addr addrs[] = {{.len = 4, .b = {127, 0, 0, 1}},
					       {.len = 16, .b = {[15] = 1}}};

	const struct ep_netns *host = ep_netns_find(c->s, c->s->host_netns);

	for (size_t i = 0; i < EP_ARRAY_SIZE(addrs); i++)
		if (host && ep_ifaddr_find(host, &addrs[i]))
			*ep_push(c->arena, &c->loopback) = (struct ep_edge){
				.addr = addrs[i], .ifindex = EP_LO_IFINDEX, .dev = "lo"};
}

static void ask_port(struct ep_check *c, uint16_t port)
{
	ep_each(e, &c->spec->edges) {
		ep_each(start, &c->starts)
			if (!start->edges.n)
				ask(c, port, e, start);
	}
	ep_each(start, &c->starts) {
		ep_each(e, &start->edges)
			ask(c, port, e, start);
		ep_each(e, &c->loopback)
			if (start->origin == EP_HOST)
				ask(c, port, e, start);
	}
}

/* ---- judging ---- */

static unsigned rank(const char *id)
{
	unsigned i = 0;

	while (i < EP_ARRAY_SIZE(finders) && strcmp(finders[i].id, id))
		i++;
	return i;
}

static int by_severity(const void *p, const void *q)
{
	const struct ep_finding *x = p, *y = q;

	if (x->severity != y->severity)
		return x->severity < y->severity ? 1 : -1;
	if (rank(x->id) != rank(y->id))
		return rank(x->id) < rank(y->id) ? -1 : 1;
	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	return x->port < y->port ? -1 : x->port > y->port;
}

static void worsen(enum ep_severity *s, enum ep_severity by)
{
	if (by > *s)
		*s = by;
}

static void judge(struct ep_check *c)
{
	c->status = c->spec->edges.n ? EP_SEV_OK : EP_SEV_UNKNOWN;
	ep_each(a, &c->answers) {
		a->status = ep_result_unknown(a->result) ? EP_SEV_UNKNOWN : EP_SEV_OK;
		if (a->aside)
			continue;
		ep_each(f, &c->findings)
			if (a->origin == EP_EXTERNAL && f->port == a->port &&
			    f->severity > EP_SEV_INFO && has_edge(f, a->edge))
				worsen(&a->status, f->severity);
		worsen(&c->status, a->status);
	}
	ep_each(f, &c->findings)
		if (f->severity > EP_SEV_INFO)
			worsen(&c->status, f->severity);
}

struct ep_check *ep_check_run(struct ep_snapshot *s, const struct ep_check_spec *spec)
{
	struct ep_arena *arena = ep_arena_new();
	struct ep_check *c = ep_alloc(arena, sizeof(*c));

	c->arena = arena;
	c->s = s;
	c->spec = spec;
	add_starts(c);
	add_loopback(c);
	ep_each(port, &spec->ports)
		ask_port(c, *port);
	hear_all(c);
	for (size_t i = 0; i < EP_ARRAY_SIZE(finders); i++)
		finders[i].find(c);
	if (c->findings.n > 1)
		qsort(c->findings.v, c->findings.n, sizeof(c->findings.v[0]), by_severity);
	judge(c);
	return c;
}

void ep_check_void(struct ep_check *c, const char *reason)
{
	c->findings.n = 0;
	ep_each(a, &c->answers) {
		ep_result_void(a->result, reason);
		ep_heirs_free(&a->heirs);
		a->closed = false;
		a->status = EP_SEV_UNKNOWN;
	}
	ep_each(h, &c->listeners)
		h->reached = EP_HEARD_UNKNOWN;
	c->status = EP_SEV_UNKNOWN;
}

void ep_check_free(struct ep_check *c)
{
	if (!c)
		return;
	ep_each(a, &c->answers) {
		ep_result_free(a->result);
		ep_heirs_free(&a->heirs);
	}
	ep_arena_free(c->arena);
}
