// SPDX-License-Identifier: GPL-2.0-or-later
/* no-receiver, forward-blocked, stale-rule: packets that somebody should get, and nobody does. */
#include <string.h>

#include "findings/findings_i.h"

static struct ep_who target_of(const struct ep_check *c, const struct ep_outcome *o)
{
	const struct ep_container *at = ep_container_of_addr(c->s, &o->final.addr);

	if (!at)
		return (struct ep_who){};
	return (struct ep_who){.kind = at->pod.name ? EP_WHO_POD : EP_WHO_CONTAINER,
			       .container = at};
}

/* "container traefik (172.18.0.2)" */
static const char *target_text(struct ep_check *c, const struct ep_outcome *o)
{
	struct ep_who w = target_of(c, o);
	char buf[EP_ADDRSTR];

	ep_addr_str(&o->final.addr, buf);
	return w.kind == EP_WHO_NONE ?
		       ep_strdup(c->arena, buf) :
		       ep_sprintf(c->arena, "%s (%s)", ep_who_text(c->arena, &w), buf);
}

static void show_rule(struct ep_check *c, struct ep_finding *f, const struct ep_step *s)
{
	if (s && s->kind == EP_STEP_RULE)
		ep_finding_evidence(c, f, "%s: %s", ep_step_place(c->arena, s),
				    ep_rule_text(c->arena, &s->rule));
}

/* All clients, or a random part of them, against some sources only. */
static enum ep_severity how_bad(const struct ep_answer *a, const struct ep_outcome *o)
{
	return o == ep_main_outcome(a->result) || o->probability < 1 ? EP_SEV_CRITICAL :
								       EP_SEV_WARNING;
}

/* ---- stale-rule ---- */

static void report_stale(struct ep_check *c, const struct ep_answer *a, const struct ep_outcome *o,
			 const struct ep_step *by, enum ep_severity sev)
{
	struct ep_finding *f = ep_finding_new(c, "stale-rule", sev, a, by, NULL);
	char buf[EP_ADDRSTR];

	if (!f)
		return;
	ep_finding_gist(c, f, "a rule sends packets to %s, an address that nobody on this host has",
			ep_addr_str(&o->final.addr, buf));
	show_rule(c, f, by);
	ep_remedies(c, f, a, NULL);
}

void ep_find_stale(struct ep_check *c)
{
	ep_each(a, &c->answers) {
		if (a->origin != EP_EXTERNAL)
			continue;
		ep_each_usual(o, a->result)
		{
			const struct ep_step *by = ep_divert_step(o);

			if (o->verdict == EP_UNREACHABLE && by)
				report_stale(c, a, o, by, how_bad(a, o));
		}
		ep_each(h, &a->heirs)
			if (h->by && h->outcome->verdict == EP_UNREACHABLE)
				report_stale(c, a, h->outcome, h->by, EP_SEV_WARNING);
	}
}

/* ---- forward-blocked ---- */

void ep_find_forward_blocked(struct ep_check *c)
{
	ep_each(a, &c->answers) {
		const struct ep_outcome *o = ep_main_outcome(a->result);
		const struct ep_step *divert = o ? ep_divert_step(o) : NULL, *block;
		struct ep_who who;
		struct ep_finding *f;

		if (a->origin != EP_EXTERNAL || !divert || ep_result_delivers(a->result) ||
		    (o->verdict != EP_DROPPED && o->verdict != EP_REJECTED))
			continue;
		block = ep_block_step(o);
		who = target_of(c, o);
		f = ep_finding_new(c, "forward-blocked", EP_SEV_CRITICAL, a, block ? block : divert,
				   who.kind ? &who : NULL);
		if (!f)
			continue;
		if (block)
			ep_finding_gist(c, f, "packets are translated to %s, and then %s by %s",
					target_text(c, o), ep_verdict_name(o->verdict),
					ep_step_place(c->arena, block));
		else
			ep_finding_gist(c, f, "packets are translated to %s, and then %s: %s",
					target_text(c, o), ep_verdict_name(o->verdict),
					o->reason ?
						ep_escape(c->arena, o->reason, strlen(o->reason)) :
						"for no reason that is known");
		show_rule(c, f, divert);
		show_rule(c, f, block);
		ep_remedy_allow(c, f, a);
	}
}

/* ---- no-receiver ---- */

static void nobody_at_target(struct ep_check *c, const struct ep_answer *a,
			     const struct ep_outcome *o)
{
	const struct ep_step *by = ep_divert_step(o);
	struct ep_who who = target_of(c, o);
	struct ep_finding *f;

	if (!by || o->verdict != EP_REFUSED)
		return;
	f = ep_finding_new(c, "no-receiver", how_bad(a, o), a, by, who.kind ? &who : NULL);
	if (!f)
		return;
	ep_finding_gist(c, f, "packets are sent to %s, where nobody listens on the port",
			target_text(c, o));
	show_rule(c, f, by);
}

static void kept_from_listener(struct ep_check *c, const struct ep_answer *a)
{
	const struct ep_outcome *o = ep_main_outcome(a->result);
	const struct ep_listener *l = ep_bound_listener(c, a);
	const struct ep_step *block;
	struct ep_finding *f;
	struct ep_who who;

	if (!o || !l || ep_divert_step(o) || o->verdict == EP_UNKNOWN ||
	    ep_result_delivers(a->result))
		return;
	who = ep_who_behind(c, l);
	block = ep_block_step(o);
	f = ep_finding_new(c, "no-receiver", EP_SEV_CRITICAL, a, block, &who);
	if (!f)
		return;
	ep_finding_gist(c, f, "%s listens, but packets from outside are %s%s%s",
			ep_who_text(c->arena, &who), ep_verdict_name(o->verdict),
			block     ? " by " :
			o->reason ? ": " :
				    "",
			block     ? ep_step_place(c->arena, block) :
			o->reason ? ep_escape(c->arena, o->reason, strlen(o->reason)) :
				    "");
	show_rule(c, f, block);
	ep_remedy_allow(c, f, a);
}

void ep_find_no_receiver(struct ep_check *c)
{
	ep_each(a, &c->answers) {
		if (a->origin != EP_EXTERNAL)
			continue;
		ep_each_usual(o, a->result) nobody_at_target(c, a, o);
		kept_from_listener(c, a);
	}
}
