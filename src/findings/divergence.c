// SPDX-License-Identifier: GPL-2.0-or-later
/* family-divergence, origin-divergence: the answer depends on how one asks. */
#include <string.h>
#include <sys/types.h>
#include <netinet/in.h>

#include "findings/findings_i.h"

/* "container traefik", "nobody (refused)" */
static const char *end_text(struct ep_check *c, const struct ep_outcome *o)
{
	struct ep_who w = ep_who_of_outcome(o);

	return w.kind == EP_WHO_NONE ?
		       ep_sprintf(c->arena, "nobody (%s)", ep_verdict_name(o->verdict)) :
		       ep_who_text(c->arena, &w);
}

/* Of a family's addresses, the first that somebody serves; else the first. */
static const struct ep_answer *answer_of(const struct ep_check *c, uint16_t port, uint8_t alen)
{
	const struct ep_answer *first = NULL;

	ep_each(a, &c->answers) {
		if (a->origin != EP_EXTERNAL || a->port != port || a->edge->addr.len != alen)
			continue;
		if (!a->closed)
			return a;
		if (!first)
			first = a;
	}
	return first;
}

static bool decided(const struct ep_answer *a)
{
	return ep_main_outcome(a->result) && !ep_result_unknown(a->result);
}

void ep_find_family_divergence(struct ep_check *c)
{
	ep_each(port, &c->spec->ports) {
		const struct ep_answer *v4 = answer_of(c, *port, 4), *v6 = answer_of(c, *port, 16);
		const struct ep_outcome *o4, *o6;
		struct ep_who w4, w6;
		struct ep_finding *f;

		if (!v4 || !v6 || !decided(v4) || !decided(v6))
			continue;
		o4 = ep_main_outcome(v4->result);
		o6 = ep_main_outcome(v6->result);
		w4 = ep_who_of_outcome(o4);
		w6 = ep_who_of_outcome(o6);
		if (ep_who_same(&w4, &w6) || (w4.kind == EP_WHO_REMOTE && w6.kind == EP_WHO_REMOTE))
			continue;
		f = ep_finding_new(c, "family-divergence", EP_SEV_WARNING, v4, NULL, NULL);
		if (!f)
			continue;
		f->family = 0;
		*ep_push(c->arena, &f->edges) = v6->edge;
		ep_finding_gist(c, f,
				"IPv4 goes to %s, IPv6 to %s: what users see depends on their "
				"network",
				end_text(c, o4), end_text(c, o6));
	}
}

/* ---- origins ---- */

/* "from this host to 127.0.0.1"; the port is told where findings of several are not to be one. */
static const char *start_text(struct ep_check *c, const struct ep_answer *a, bool port)
{
	char buf[EP_ADDRSTR];
	const char *to = port ? ep_addrport_str(&a->edge->addr, a->port, buf) :
				ep_addr_str(&a->edge->addr, buf);
	const char *name;

	switch (a->origin) {
	case EP_HOST:
		return ep_sprintf(c->arena, "from this host to %s", to);
	case EP_LAN:
		name = ep_escape(c->arena, a->start->dev, strlen(a->start->dev));
		return ep_sprintf(c->arena, "from the network of %s to %s", name, to);
	case EP_CONTAINER:
		name = ep_escape(c->arena, a->start->name, strlen(a->start->name));
		return ep_sprintf(c->arena, "from %s to %s", name, to);
	default:
		return ep_sprintf(c->arena, "from outside to %s", to);
	}
}

/* "from this host to 127.0.0.1:443: delivered to nginx (pid 812)" */
static void add_evidence(struct ep_check *c, struct ep_finding *f, const struct ep_answer *a)
{
	const struct ep_outcome *o = ep_main_outcome(a->result);
	const struct ep_step *by = o ? ep_block_step(o) : NULL;
	struct ep_who w = {};

	if (o)
		w = ep_who_of_outcome(o);
	if (!o || ep_result_unknown(a->result))
		ep_finding_evidence(c, f, "%s: unknown", start_text(c, a, true));
	else if (w.kind != EP_WHO_NONE)
		ep_finding_evidence(c, f, "%s: %s to %s", start_text(c, a, true),
				    ep_verdict_name(o->verdict), ep_who_text(c->arena, &w));
	else
		ep_finding_evidence(c, f, "%s: %s%s%s", start_text(c, a, true),
				    ep_verdict_name(o->verdict), by ? " by " : "",
				    by ? ep_step_place(c->arena, by) : "");
}

static bool has_edges(const struct ep_check *c, uint8_t addr_len)
{
	ep_each(e, &c->spec->edges)
		if (e->addr.len == addr_len)
			return true;
	return false;
}

/*
 * The same port from elsewhere: at the same address, or at the one that such clients use for it.
 * "localhost" may be ::1 where nothing else of this host is IPv6.
 */
static bool compares(const struct ep_check *c, const struct ep_answer *a,
		     const struct ep_answer *other)
{
	bool own_edge = other->origin == EP_LAN || other->edge->ifindex == EP_LO_IFINDEX;

	if (other == a || other->port != a->port || other->origin == EP_EXTERNAL)
		return false;
	return other->edge == a->edge || (own_edge && (other->edge->addr.len == a->edge->addr.len ||
						       !has_edges(c, other->edge->addr.len)));
}

/*
 * Somebody receives there who does not get what comes from outside. Where clients from outside are
 * served by another, that nobody answers on a loopback address misleads no one.
 */
static bool diverges(const struct ep_answer *a, const struct ep_answer *other)
{
	struct ep_who out = ep_who_of_outcome(ep_main_outcome(a->result)), in;

	if (!decided(other))
		return false;
	in = ep_who_of_outcome(ep_main_outcome(other->result));
	if (ep_who_same(&out, &in) || (in.kind == EP_WHO_NONE && other->edge != a->edge))
		return false;
	return in.kind == EP_WHO_NONE || !ep_result_reaches(a->result, &in);
}

/* A listener that is bound to a loopback address is meant for local programs alone. */
static bool is_private(const struct ep_answer *a, const struct ep_answer *other)
{
	const struct ep_outcome *o = ep_main_outcome(other->result);

	return a->closed && o->listener && ep_addr_eq(&o->listener->addr, &other->edge->addr) &&
	       other->edge != a->edge;
}

static void tell_divergence(struct ep_check *c, const struct ep_answer *a,
			    const struct ep_answer *other)
{
	const struct ep_outcome *out = ep_main_outcome(a->result);
	const struct ep_outcome *in = ep_main_outcome(other->result);
	enum ep_severity sev = is_private(a, other) ? EP_SEV_INFO : EP_SEV_WARNING;
	struct ep_who w_out = ep_who_of_outcome(out), w_in = ep_who_of_outcome(in);
	struct ep_finding *f = ep_finding_new(c, "origin-divergence", sev, a, NULL, NULL);

	if (!f)
		return;
	if (w_out.kind == EP_WHO_NONE)
		ep_finding_gist(c, f, "it works %s, but not from outside: there %s, here %s",
				start_text(c, other, false), end_text(c, out), end_text(c, in));
	else if (w_in.kind == EP_WHO_NONE)
		ep_finding_gist(c, f, "it works from outside, where %s gets it, but not %s: %s",
				end_text(c, out), start_text(c, other, false), end_text(c, in));
	else
		ep_finding_gist(c, f,
				"from outside it goes to %s, %s to %s: a local test shows "
				"something else than what clients see",
				end_text(c, out), start_text(c, other, false), end_text(c, in));
	add_evidence(c, f, a);
	ep_each(each, &c->answers)
		if (compares(c, a, each))
			add_evidence(c, f, each);
}

void ep_find_origin_divergence(struct ep_check *c)
{
	ep_each(a, &c->answers) {
		if (a->origin != EP_EXTERNAL || !decided(a))
			continue;
		ep_each(other, &c->answers)
			if (compares(c, a, other) && diverges(a, other)) {
				tell_divergence(c, a, other);
				break;
			}
	}
}
