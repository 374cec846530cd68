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

/* The same question, from a process of the host. */
static const struct ep_answer *from_host(const struct ep_check *c, const struct ep_answer *a)
{
	ep_each(h, &c->answers)
		if (h->origin == EP_HOST && h->port == a->port && h->edge == a->edge)
			return h;
	return NULL;
}

void ep_find_origin_divergence(struct ep_check *c)
{
	ep_each(a, &c->answers) {
		const struct ep_answer *h = a->origin == EP_EXTERNAL ? from_host(c, a) : NULL;
		const struct ep_outcome *out, *in;
		struct ep_who w_out, w_in;
		struct ep_finding *f;

		if (!h || !decided(a) || !decided(h))
			continue;
		out = ep_main_outcome(a->result);
		in = ep_main_outcome(h->result);
		w_out = ep_who_of_outcome(out);
		w_in = ep_who_of_outcome(in);
		if (ep_who_same(&w_out, &w_in) ||
		    (w_in.kind != EP_WHO_NONE && ep_result_reaches(a->result, &w_in)))
			continue;
		f = ep_finding_new(c, "origin-divergence", EP_SEV_WARNING, a, NULL, NULL);
		if (!f)
			continue;
		ep_finding_gist(c, f,
				"from outside it goes to %s, from this host to %s: a local test "
				"shows something else than what clients see",
				end_text(c, out), end_text(c, in));
	}
}
