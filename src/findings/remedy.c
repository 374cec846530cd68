// SPDX-License-Identifier: GPL-2.0-or-later
/* What would mend it. Each remedy is walked before it is told. */
#include <string.h>

#include "findings/findings_i.h"

static const struct {
	const char *runtime, *command;
} stoppers[] = {
	{"docker", "docker stop"},
	{"podman", "podman stop"},
};

static const char *stop_command(struct ep_check *c, const struct ep_container *k)
{
	if (!k->runtime || !k->name || k->pod.name)
		return NULL;
	for (size_t i = 0; i < EP_ARRAY_SIZE(stoppers); i++)
		if (!strcmp(k->runtime, stoppers[i].runtime))
			return ep_sprintf(c->arena, "%s %s", stoppers[i].command,
					  ep_shell_word(c->arena, k->name));
	return NULL;
}

static const char *delete_command(struct ep_check *c, const struct ep_step *s)
{
	bool legacy = s->backend == EP_IPTABLES_LEGACY;
	const char *table = ep_shell_word(c->arena, s->table);
	const char *chain = ep_shell_word(c->arena, s->chain);

	if (s->backend == EP_NFT)
		return ep_sprintf(c->arena, "%snft delete rule %s %s %s handle %llu",
				  c->spec->command_prefix, s->family, table, chain,
				  (unsigned long long)ep_rule_handle(&s->rule));
	return ep_sprintf(c->arena, "%s%s%s -t %s -D %s %u", c->spec->command_prefix,
			  !strcmp(s->family, "ip6") ? "ip6tables" : "iptables",
			  legacy ? "-legacy" : "", table, chain, ep_rule_position(&s->rule));
}

/* ---- trying it ---- */

static bool all_reach(const struct ep_result *r, const struct ep_who *w)
{
	ep_each_usual(o, r)
	{
		struct ep_who got = ep_who_of_outcome(o);

		if (!o->martian && !ep_who_same(&got, w))
			return false;
	}
	return ep_main_outcome(r) != NULL;
}

void ep_remedy_foretell(struct ep_check *c, struct ep_remedy *m, const struct ep_answer *a,
			const struct ep_without *w, const struct ep_who *wanted)
{
	struct ep_result *r = ep_answer_without(c, a, w);
	const struct ep_outcome *o = ep_main_outcome(r);
	const char *port = ep_port_text(c, a->port);
	struct ep_who who = o ? ep_who_of_outcome(o) : (struct ep_who){};

	m->verified = wanted ? all_reach(r, wanted) :
			       ep_result_delivers(r) && !ep_result_unknown(r);
	if (ep_result_unknown(r) || !o) {
		m->then = ep_sprintf(c->arena, "who receives %s then is not known", port);
	} else if (who.kind == EP_WHO_NONE) {
		m->then = ep_sprintf(c->arena, "nobody receives %s: %s", port,
				     ep_verdict_name(o->verdict));
	} else {
		m->gets = ep_who_text(c->arena, &who);
		m->then = ep_sprintf(c->arena, "%s receives %s", m->gets, port);
	}
	ep_result_free(r);
}

/* Edge ports of one address that nobody would get any more: "80, 443"; "" if none. */
static const char *lost_at(struct ep_check *c, const struct ep_edge *e, const struct ep_answer *a,
			   const struct ep_without *w, const struct ep_who *taker)
{
	const char *ports = "";

	ep_each(other, &c->answers) {
		struct ep_result *r;

		if (other->origin != EP_EXTERNAL || other->edge != e || other == a ||
		    !ep_result_reaches(other->result, taker))
			continue;
		r = ep_answer_without(c, other, w);
		if (!ep_result_delivers(r))
			ports = ep_sprintf(c->arena, "%s%s%u", ports, *ports ? ", " : "",
					   other->port);
		ep_result_free(r);
	}
	return ports;
}

static void lost_ports(struct ep_check *c, struct ep_remedy *m, const struct ep_answer *a,
		       const struct ep_without *w, const struct ep_who *taker)
{
	ep_each(e, &c->spec->edges) {
		const char *ports = lost_at(c, e, a, w, taker);
		char buf[EP_ADDRSTR];

		if (*ports)
			*ep_push(c->arena, &m->side_effects) =
				ep_sprintf(c->arena, "nobody receives %s at %s any more", ports,
					   ep_addr_str(&e->addr, buf));
	}
}

static bool is_edge_port(const struct ep_check *c, uint16_t port)
{
	ep_each(p, &c->spec->ports)
		if (*p == port)
			return true;
	return false;
}

/* Ports that it publishes beside those that were looked at. */
static void other_ports(struct ep_check *c, struct ep_remedy *m, const struct ep_container *k)
{
	uint16_t last = 0;

	ep_each(p, &k->published) {
		if (p->host_port == last || !p->host_port || is_edge_port(c, p->host_port))
			continue;
		last = p->host_port;
		*ep_push(c->arena, &m->side_effects) = ep_sprintf(
			c->arena, "it also publishes %u/%s", last,
			p->proto ? ep_escape(c->arena, p->proto, strlen(p->proto)) : "tcp");
	}
}

/* ---- the candidates, the least disruptive first ---- */

static bool translates_to(const struct ep_step *s, const struct ep_container *k)
{
	struct ep_addr addr;
	uint16_t port;

	if (!ep_step_diverts(s) || !ep_parse_target(s->to, &addr, &port))
		return false;
	ep_each(at, &k->addrs)
		if (ep_addr_eq(&at->addr, &addr))
			return true;
	return false;
}

/* Docker's rules and proxies for this one port; the container goes on with the others. */
static void unpublish(struct ep_check *c, struct ep_finding *f, const struct ep_answer *a,
		      const struct ep_who *wanted, const struct ep_who *taker)
{
	const struct ep_container *k = taker->container;
	const char *service = k->compose_service;
	struct ep_without w = {};
	struct ep_remedy *m;
	bool published = false;

	ep_each(p, &k->published)
		published |= p->host_port == a->port;
	if (!published || !k->runtime || strcmp(k->runtime, "docker") != 0)
		return;
	ep_each(o, &a->result->outcomes)
		ep_each(s, &o->steps)
			if (translates_to(s, k))
				*ep_push(c->arena, &w.rules) =
					s->rule.nft ? (const void *)s->rule.nft : s->rule.xt;
	ep_each(l, &c->s->listeners)
		ep_each(p, &l->procs)
			ep_each(at, &k->addrs)
				if (l->port == a->port && (*p)->proxy_target.len &&
				    ep_addr_eq(&(*p)->proxy_target, &at->addr))
					*ep_push(c->arena, &w.procs) = *p;
	m = ep_push(c->arena, &f->remedies);
	/* No command: that alone would make the container as the file still says. */
	if (service && k->compose_project)
		m->text = ep_sprintf(c->arena,
				     "take the port out of the ports of service %s in its compose "
				     "file, then docker compose -p %s up -d %s",
				     ep_escape(c->arena, service, strlen(service)),
				     ep_shell_word(c->arena, k->compose_project),
				     ep_shell_word(c->arena, service));
	else
		m->text = ep_sprintf(c->arena, "make %s anew without publishing the port",
				     ep_who_text(c->arena, taker));
	ep_remedy_foretell(c, m, a, &w, wanted);
	*ep_push(c->arena, &m->side_effects) = "the container is restarted";
}

/* Somebody else listens where wanted would: a unit is stopped, or a process ended. */
static void stop_process(struct ep_check *c, struct ep_finding *f, const struct ep_answer *a,
			 const struct ep_who *wanted, const struct ep_who *taker)
{
	const struct ep_proc *p = taker->proc;
	struct ep_without w = {};
	struct ep_remedy *m;

	if (taker->kind != EP_WHO_PROCESS || !p)
		return;
	ep_each(each, &c->s->procs)
		if (*each == p || (p->unit && (*each)->unit && !strcmp(p->unit, (*each)->unit)))
			*ep_push(c->arena, &w.procs) = *each;
	m = ep_push(c->arena, &f->remedies);
	m->command = p->unit ? ep_sprintf(c->arena, "systemctl stop %s",
					  ep_shell_word(c->arena, p->unit)) :
			       ep_sprintf(c->arena, "kill %d", p->pid);
	m->text = p->unit ? ep_sprintf(c->arena, "stop %s",
				       ep_escape(c->arena, p->unit, strlen(p->unit))) :
			    ep_sprintf(c->arena, "end %s", ep_who_text(c->arena, taker));
	ep_remedy_foretell(c, m, a, &w, wanted);
	lost_ports(c, m, a, &w, taker);
}

static bool stop_container(struct ep_check *c, struct ep_finding *f, const struct ep_answer *a,
			   const struct ep_who *wanted, const struct ep_who *taker)
{
	struct ep_without w = {};
	struct ep_remedy *m;

	if (!taker->container)
		return false;
	unpublish(c, f, a, wanted, taker);
	ep_without_container(c->s, c->arena, &w, taker->container);
	m = ep_push(c->arena, &f->remedies);
	m->command = stop_command(c, taker->container);
	m->text = taker->kind == EP_WHO_POD ?
			  ep_sprintf(c->arena, "take the hostPort or service of %s off the port",
				     ep_who_text(c->arena, taker)) :
			  ep_sprintf(c->arena, "stop %s", ep_who_text(c->arena, taker));
	ep_remedy_foretell(c, m, a, &w, wanted);
	lost_ports(c, m, a, &w, taker);
	other_ports(c, m, taker->container);
	return true;
}

typedef EP_VEC(const struct ep_step *) step_list;

/* The rules that stand between the packet and wanted, the deciding one first. */
static step_list in_the_way(struct ep_check *c, const struct ep_answer *a,
			    const struct ep_step *first, const struct ep_who *wanted)
{
	step_list l = {};

	*ep_push(c->arena, &l) = first;
	if (!wanted)
		return l;
	ep_each(h, &a->heirs) {
		if (ep_who_same(&h->who, wanted))
			return l;
		if (h->by)
			*ep_push(c->arena, &l) = h->by;
	}
	l.n = 1;
	return l;
}

static bool deletable(struct ep_check *c, const struct ep_answer *a, const struct ep_step *s)
{
	return s->kind == EP_STEP_RULE && s->netns == a->query.netns && s->family && s->table &&
	       s->chain && !strcmp(ep_rule_owner(c->s, c->arena, s).kind, "unowned");
}

/* Positions shift when a rule goes: those further down go first. */
static void sort_steps(step_list *l)
{
	for (size_t i = 1; i < l->n; i++)
		for (size_t j = i; j > 0; j--) {
			const struct ep_step **x = &l->v[j - 1], **y = &l->v[j], *tmp = *x;

			if (ep_rule_position(&(*x)->rule) >= ep_rule_position(&(*y)->rule))
				break;
			*x = *y;
			*y = tmp;
		}
}

static void delete_rules(struct ep_check *c, struct ep_finding *f, const struct ep_answer *a,
			 const struct ep_who *wanted, const struct ep_step *first)
{
	step_list l = in_the_way(c, a, first, wanted);
	struct ep_remedy *m = ep_push(c->arena, &f->remedies);
	const char *places = "", *commands = "";
	struct ep_without w = {};
	bool can = true;

	sort_steps(&l);
	ep_each(s, &l) {
		const char *place = ep_step_place(c->arena, *s);

		*ep_push(c->arena, &w.rules) = (*s)->rule.nft ? (const void *)(*s)->rule.nft :
								(*s)->rule.xt;
		places = ep_sprintf(c->arena, "%s%s%s", places, *places ? ", " : "", place);
		can = can && deletable(c, a, *s);
		if (can)
			commands = ep_sprintf(c->arena, "%s%s%s", commands, *commands ? " && " : "",
					      delete_command(c, *s));
	}
	m->command = can ? commands : NULL;
	m->text = can ? ep_sprintf(c->arena, "delete %s", places) :
			ep_sprintf(c->arena, "have those who wrote them take back %s", places);
	ep_remedy_foretell(c, m, a, &w, wanted);
}

void ep_remedies(struct ep_check *c, struct ep_finding *f, const struct ep_answer *a,
		 const struct ep_who *wanted)
{
	const struct ep_outcome *o = ep_main_outcome(a->result);
	const struct ep_step *by = wanted && o ? ep_divert_step(o) : f->step;
	struct ep_who taker = o ? ep_who_of_outcome(o) : (struct ep_who){};

	if (wanted && stop_container(c, f, a, wanted, &taker))
		return;
	if (by && by->netns == a->query.netns && by->kind == EP_STEP_RULE)
		delete_rules(c, f, a, wanted, by);
	else if (wanted)
		stop_process(c, f, a, wanted, &taker);
}
