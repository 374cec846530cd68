// SPDX-License-Identifier: GPL-2.0-or-later
/* intercepted-listener, shadowed-rule: somebody who would receive, did not another rule come first. */
#include <string.h>

#include "findings/findings_i.h"

static const char *chain_of(struct ep_check *c, const struct ep_step *s)
{
	return ep_sprintf(c->arena, "%s%s %s %s", s->backend == EP_IPTABLES_LEGACY ? "legacy " : "",
			  s->family ? s->family : "",
			  s->table ? ep_escape(c->arena, s->table, strlen(s->table)) : "",
			  s->chain ? ep_escape(c->arena, s->chain, strlen(s->chain)) : "");
}

/* "Docker's rule in ip nat DOCKER" */
static const char *rule_phrase(struct ep_check *c, const struct ep_step *s)
{
	struct ep_owner owner = ep_rule_owner(c->s, c->arena, s);
	const char *title = ep_owner_title(&owner), *whose = "a rule";

	if (!strcmp(owner.kind, "cni-portmap"))
		whose = "a hostPort rule";
	else if (title)
		whose = ep_sprintf(c->arena, "%s's rule", title);
	return ep_sprintf(c->arena, "%s in %s", whose, chain_of(c, s));
}

/* Where they go instead: "sends them to container traefik". */
static const char *taken_phrase(struct ep_check *c, const struct ep_outcome *o,
				const struct ep_who *taker)
{
	char buf[EP_ADDRSTR];

	if (taker->kind == EP_WHO_NONE)
		return ep_sprintf(c->arena, "sends them to %s, where they are %s",
				  ep_addr_str(&o->final.addr, buf), ep_verdict_name(o->verdict));
	if (taker->kind == EP_WHO_REMOTE)
		return ep_sprintf(c->arena, "sends them off this host, to %s",
				  ep_addr_str(&taker->addr, buf));
	return ep_sprintf(c->arena, "sends them to %s", ep_who_text(c->arena, taker));
}

static void report(struct ep_check *c, const struct ep_answer *a, const struct ep_outcome *o,
		   const struct ep_step *divert, const struct ep_who *loser,
		   const struct ep_heir *heir)
{
	struct ep_who taker = ep_who_of_outcome(o);
	struct ep_finding *f =
		ep_finding_new(c, "intercepted-listener", EP_SEV_CRITICAL, a, divert, loser);
	const char *who = ep_who_text(c->arena, loser);

	if (!f)
		return;
	f->has_taken_by = true;
	f->taken_by = taker;
	if (heir && heir->by)
		ep_finding_gist(c, f,
				"%s would get them by %s, but no packet from outside reaches it: "
				"%s %s",
				who, rule_phrase(c, heir->by), rule_phrase(c, divert),
				taken_phrase(c, o, &taker));
	else
		ep_finding_gist(c, f, "%s listens, but no packet from outside reaches it: %s %s",
				who, rule_phrase(c, divert), taken_phrase(c, o, &taker));
	ep_finding_evidence(c, f, "%s: %s", ep_step_place(c->arena, divert),
			    ep_rule_text(c->arena, &divert->rule));
	if (heir && heir->by)
		ep_finding_evidence(c, f, "%s: %s", ep_step_place(c->arena, heir->by),
				    ep_rule_text(c->arena, &heir->by->rule));
	ep_remedies(c, f, a, loser);
}

/* The listener that an heir got the packet by: the proxy's where there is one. */
static bool is_runtimes_own(const struct ep_check *c, const struct ep_heir *h)
{
	return !h->by && h->outcome->listener && ep_holds_for_container(c, h->outcome->listener);
}

static void look_at(struct ep_check *c, const struct ep_answer *a)
{
	const struct ep_outcome *o = ep_main_outcome(a->result);
	const struct ep_step *divert = o ? ep_divert_step(o) : NULL;
	const struct ep_listener *bound;
	struct ep_who who;

	if (!o || o->verdict == EP_UNKNOWN || !divert || divert->netns != a->query.netns)
		return;
	ep_each(h, &a->heirs) {
		if (h->outcome->verdict != EP_DELIVERED || is_runtimes_own(c, h) ||
		    ep_result_reaches(a->result, &h->who))
			continue;
		report(c, a, o, divert, &h->who, h);
	}
	/* One that would not even get the packets then, since more stands in the way. */
	bound = ep_bound_listener(c, a);
	if (!bound || ep_holds_for_container(c, bound))
		return;
	who = ep_who_of_listener(bound);
	if (!ep_result_reaches(a->result, &who))
		report(c, a, o, divert, &who, NULL);
}

void ep_find_intercepted(struct ep_check *c)
{
	ep_each(a, &c->answers)
		if (a->origin == EP_EXTERNAL)
			look_at(c, a);
}

void ep_find_shadowed(struct ep_check *c)
{
	ep_each(a, &c->answers) {
		const struct ep_outcome *o = ep_main_outcome(a->result);
		const struct ep_step *divert = o ? ep_divert_step(o) : NULL;

		if (a->origin != EP_EXTERNAL || !divert || o->verdict == EP_UNKNOWN)
			continue;
		ep_each(h, &a->heirs) {
			struct ep_finding *f;

			if (!h->by || !h->shadowed || h->outcome->verdict == EP_UNREACHABLE)
				continue;
			f = ep_finding_new(c, "shadowed-rule", EP_SEV_WARNING, a, h->by, NULL);
			if (!f)
				continue;
			ep_finding_gist(c, f, "%s gets no packet: %s takes them first",
					rule_phrase(c, h->by), rule_phrase(c, divert));
			ep_finding_evidence(c, f, "%s: %s", ep_step_place(c->arena, h->by),
					    ep_rule_text(c->arena, &h->by->rule));
			ep_finding_evidence(c, f, "first %s: %s", ep_step_place(c->arena, divert),
					    ep_rule_text(c->arena, &divert->rule));
		}
	}
}
