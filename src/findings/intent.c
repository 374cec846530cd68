// SPDX-License-Identifier: GPL-2.0-or-later
/* unexpected-receiver: who the configuration says should own a port, and who does. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "findings/findings_i.h"

static bool same(const char *x, const char *y)
{
	return x && y && !strcmp(x, y);
}

/* "nginx" is also nginx-7d4f9c-x2x4z: pods have names that their controllers make up. */
static bool begins(const char *name, const char *with)
{
	size_t n = strlen(with);

	return name && !strncmp(name, with, n) && (!name[n] || name[n] == '-');
}

/* ---- does a receiver fit, one function for each kind ---- */

static bool is_container(const struct ep_intent *i, const struct ep_who *w)
{
	const struct ep_container *c = w->container;

	return w->kind == EP_WHO_CONTAINER &&
	       (same(c->name, i->name) ||
		(strlen(i->name) >= 12 && c->id && !strncmp(c->id, i->name, strlen(i->name))));
}

static bool is_pod(const struct ep_intent *i, const struct ep_who *w)
{
	const struct ep_pod *p = w->kind == EP_WHO_POD ? &w->container->pod : NULL;
	const char *slash = strchr(i->name, '/');
	size_t n = (size_t)(slash - i->name);

	return p && p->ns && strlen(p->ns) == n && !strncmp(p->ns, i->name, n) &&
	       begins(p->name, slash + 1);
}

static bool is_unit(const struct ep_intent *i, const struct ep_who *w)
{
	const char *unit = w->proc ? w->proc->unit : NULL;
	size_t n = strlen(i->name);

	return unit && (!strcmp(unit, i->name) ||
			(!strncmp(unit, i->name, n) && !strcmp(unit + n, ".service")));
}

static bool is_process(const struct ep_intent *i, const struct ep_who *w)
{
	return w->kind == EP_WHO_PROCESS && w->proc && same(w->proc->comm, i->name);
}

static bool is_remote(const struct ep_intent *i, const struct ep_who *w)
{
	char addr[EP_ADDRSTR], port[EP_ADDRSTR];

	return w->kind == EP_WHO_REMOTE &&
	       (!strcmp(ep_addr_str(&w->addr, addr), i->name) ||
		!strcmp(ep_addrport_str(&w->addr, w->port, port), i->name));
}

static bool is_nobody(const struct ep_intent *i, const struct ep_who *w)
{
	(void)i;
	return w->kind == EP_WHO_NONE;
}

/* ---- what the words are ---- */

static const struct ep_intent_kind {
	const char *word, *example;
	bool named;
	bool (*fits)(const struct ep_intent *i, const struct ep_who *w);
} kinds[] = {
	{"container", "container:traefik", true, is_container},
	{"pod", "pod:ingress/ingress-nginx-controller", true, is_pod},
	{"unit", "unit:nginx.service", true, is_unit},
	{"process", "process:nginx", true, is_process},
	{"remote", "remote:10.0.0.5:443", true, is_remote},
	{"nobody", "nobody", false, is_nobody},
};

int ep_intent_parse(struct ep_arena *a, const char *s, struct ep_intent *ret, char *err,
		    size_t err_len)
{
	size_t n = strcspn(s, ": ");
	const char *name = s + n, *examples = "";

	name += *name == ':';
	name += strspn(name, " ");
	for (size_t i = 0; i < EP_ARRAY_SIZE(kinds); i++) {
		const struct ep_intent_kind *k = &kinds[i];

		examples = ep_sprintf(a, "%s%s%s", examples, i ? ", " : "", k->example);
		if (strlen(k->word) != n || strncmp(k->word, s, n) != 0 || k->named != !!*name ||
		    (k->fits == is_pod && (!strchr(name, '/') || *name == '/')))
			continue;
		*ret = (struct ep_intent){.kind = k, .name = ep_strdup(a, name)};
		return 0;
	}
	snprintf(err, err_len, "%.100s names no owner; one of these would: %s",
		 ep_escape(a, s, strlen(s)), examples);
	return -EINVAL;
}

bool ep_intent_fits(const struct ep_intent *i, const struct ep_who *w)
{
	return i->kind->fits(i, w);
}

const char *ep_intent_text(struct ep_arena *a, const struct ep_intent *i)
{
	return i->kind->named ? ep_sprintf(a, "%s %s", i->kind->word,
					   ep_escape(a, i->name, strlen(i->name))) :
				i->kind->word;
}

/* ---- the finding ---- */

static const struct ep_intent *intent_of(const struct ep_check *c, uint16_t port)
{
	ep_each(i, &c->spec->intents)
		if (i->port == port)
			return i;
	return NULL;
}

/* Who would fit, of those who would receive if others did not come first. */
static const struct ep_who *wanted(const struct ep_answer *a, const struct ep_intent *i)
{
	ep_each(h, &a->heirs)
		if (h->who.kind != EP_WHO_NONE && ep_intent_fits(i, &h->who))
			return &h->who;
	return NULL;
}

static void report(struct ep_check *c, const struct ep_answer *a, const struct ep_outcome *o,
		   const struct ep_intent *i)
{
	struct ep_who got = ep_who_of_outcome(o);
	const struct ep_who *should = wanted(a, i);
	struct ep_finding *f = ep_finding_new(c, "unexpected-receiver", EP_SEV_CRITICAL, a,
					      ep_divert_step(o), should);

	if (!f)
		return;
	f->has_taken_by = got.kind != EP_WHO_NONE;
	f->taken_by = got;
	if (got.kind == EP_WHO_NONE)
		ep_finding_gist(c, f, "%s should receive, and nobody does: %s",
				ep_intent_text(c->arena, i), ep_verdict_name(o->verdict));
	else
		ep_finding_gist(c, f, "%s receives, and %s should", ep_who_text(c->arena, &got),
				ep_intent_text(c->arena, i));
	if (should)
		ep_remedies(c, f, a, should);
}

void ep_find_unexpected_receiver(struct ep_check *c)
{
	ep_each(a, &c->answers) {
		const struct ep_intent *i = a->origin == EP_EXTERNAL ? intent_of(c, a->port) : NULL;

		if (!i)
			continue;
		ep_each_usual(o, a->result)
		{
			struct ep_who w = ep_who_of_outcome(o);

			if (!o->martian && o->verdict != EP_UNKNOWN && !ep_intent_fits(i, &w)) {
				report(c, a, o, i);
				break;
			}
		}
	}
}
