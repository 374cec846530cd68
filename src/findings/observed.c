// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * observed-mismatch: real connections ended elsewhere than the walk says. stale-conntrack: connections
 * that were translated by rules of before still go where no new one goes.
 */
#include <inttypes.h>
#include <string.h>

#include "findings/findings_i.h"

static const struct ep_answer *answer_of(const struct ep_check *c, const struct ep_addr *addr,
					 uint16_t port)
{
	ep_each(a, &c->answers)
		if (a->origin == EP_EXTERNAL && a->port == port && ep_addr_eq(&a->edge->addr, addr))
			return a;
	return NULL;
}

void ep_find_observed_mismatch(struct ep_check *c)
{
	ep_each(m, &c->spec->mismatches) {
		const struct ep_answer *a = answer_of(c, &m->addr, m->port);
		struct ep_finding *f =
			ep_finding_new(c, "observed-mismatch", EP_SEV_CRITICAL, a, NULL, NULL);

		if (!f)
			continue;
		ep_finding_gist(c, f,
				"%" PRIu64
				" real connection%s ended otherwise than predicted: %s%s%s",
				m->n, m->n == 1 ? "" : "s", m->end,
				m->prediction ? "; predicted: " : "",
				m->prediction ? m->prediction : "");
		if (m->landed) {
			f->has_taken_by = true;
			f->taken_by = m->took;
		}
		if (m->evidence)
			ep_finding_evidence(c, f, "%s", m->evidence);
	}
}

/* ---- stale-conntrack ---- */

/* Do new connections go there? The first translation counts: a later one is another namespace's. */
static bool goes_there(const struct ep_result *r, const struct ep_tracked *t)
{
	ep_each(o, &r->outcomes) {
		const struct ep_step *s = ep_divert_step(o);
		struct ep_addr addr;
		uint16_t port;

		if (o->verdict == EP_UNKNOWN)
			return true; /* nobody can say that they do not */
		if (ep_addr_eq(&o->final.addr, &t->target) && o->final.port == t->target_port)
			return true;
		if (s && s->to && ep_parse_target(s->to, &addr, &port) &&
		    ep_addr_eq(&addr, &t->target) && (!port || port == t->target_port))
			return true;
	}
	return false;
}

/* What a packet from here to the target meets now. */
static const struct ep_outcome *target_now(struct ep_check *c, const struct ep_tracked *t,
					   struct ep_result **ret)
{
	struct ep_query q = {.origin = EP_HOST,
			     .dst = t->target,
			     .dport = t->target_port,
			     .netns = c->s->host_netns};

	*ret = ep_walk(c->s, &q, c->spec->without);
	return ep_main_outcome(*ret);
}

static void tell_stale(struct ep_check *c, const struct ep_answer *a, const struct ep_tracked *t)
{
	struct ep_result *r;
	const struct ep_outcome *o = target_now(c, t, &r);
	bool dead = !o || (o->verdict != EP_DELIVERED && o->verdict != EP_FORWARDED &&
			   o->verdict != EP_UNKNOWN);
	struct ep_finding *f = ep_finding_new(c, "stale-conntrack",
					      dead ? EP_SEV_WARNING : EP_SEV_INFO, a, NULL, NULL);
	char buf[EP_ADDRSTR], dst[EP_ADDRSTR];
	struct ep_remedy *m;

	if (f) {
		ep_finding_gist(c, f,
				"%" PRIu64 " tracked connection%s still go%s to %s, where no new "
				"one goes%s",
				t->n, t->n == 1 ? "" : "s", t->n == 1 ? "es" : "",
				ep_addrport_str(&t->target, t->target_port, buf),
				dead ? " and nobody listens any more" : "");
		m = ep_push(c->arena, &f->remedies);
		m->text = "delete these entries: their clients connect anew";
		m->command = ep_sprintf(c->arena,
					"%sconntrack -D -p tcp --orig-dst %s --orig-port-dst %u "
					"--reply-src %s",
					c->spec->command_prefix ? c->spec->command_prefix : "",
					ep_addr_str(&t->dst, dst), t->dport,
					ep_addr_str(&t->target, buf));
		ep_each(s, &t->samples)
			ep_finding_evidence(c, f, "%s -> %s", *s,
					    ep_addrport_str(&t->target, t->target_port, buf));
	}
	ep_result_free(r);
}

void ep_find_stale_conntrack(struct ep_check *c)
{
	ep_each(t, &c->spec->tracked) {
		const struct ep_answer *a = answer_of(c, &t->dst, t->dport);

		if (a && !goes_there(a->result, t))
			tell_stale(c, a, t);
	}
}
