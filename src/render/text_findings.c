// SPDX-License-Identifier: GPL-2.0-or-later
/* What is wrong, why, and what would mend it; findings that say the same of several ports at once. */
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>

#include "render/render_i.h"

#define MAX_REMEDIES 3

enum ep_paint ep_text_severity_paint(enum ep_severity s)
{
	static const enum ep_paint paints[] = {
		[EP_SEV_OK] = EP_GREEN,       [EP_SEV_INFO] = EP_PLAIN,
		[EP_SEV_WARNING] = EP_YELLOW, [EP_SEV_UNKNOWN] = EP_MAGENTA,
		[EP_SEV_CRITICAL] = EP_RED,
	};

	return paints[s];
}

const char *ep_text_severity(enum ep_severity s)
{
	static const char *const words[] = {
		[EP_SEV_OK] = "ok",
		[EP_SEV_INFO] = "note",
		[EP_SEV_WARNING] = "WARNING",
		[EP_SEV_UNKNOWN] = "UNKNOWN",
		[EP_SEV_CRITICAL] = "CRITICAL",
	};

	return words[s];
}

typedef EP_VEC(const struct ep_finding *) findings;

static bool told_at_once(const struct ep_finding *x, const struct ep_finding *y)
{
	return x->severity == y->severity && x->family == y->family && !strcmp(x->id, y->id) &&
	       !strcmp(x->gist, y->gist);
}

static const char *ports_of(struct ep_text *t, const findings *g)
{
	ep_strs out = {};
	uint16_t last = 0;

	ep_each(f, g) {
		if (!(*f)->port || (*f)->port == last)
			continue;
		last = (*f)->port;
		*ep_push(t->a, &out) = ep_sprintf(t->a, "%u", last);
	}
	return ep_text_join(t->a, &out, ", ");
}

/* "ip nat DOCKER #3 (80), #2 (443)" */
static const char *rule_list(struct ep_text *t, const findings *g)
{
	const char *out = "", *last = "";

	ep_each(f, g) {
		const char *place = (*f)->step ? ep_step_place(t->a, (*f)->step) : "", *nr;

		if (!*place)
			continue;
		nr = strrchr(place, '#');
		if (nr && !strncmp(place, last, (size_t)(nr - place)))
			out = ep_sprintf(t->a, "%s, %s (%u)", out, nr, (*f)->port);
		else
			out = ep_sprintf(t->a, "%s%s%s (%u)", out, *out ? ", " : "", place,
					 (*f)->port);
		last = place;
	}
	return out;
}

static void rule_lines(struct ep_text *t, const findings *g)
{
	const char *list;

	if (g->n == 1) {
		ep_each(e, &g->v[0]->evidence)
			ep_text_wrap(t, e == g->v[0]->evidence.v ? "  Why:   " : "         ",
				     "           ", *e);
		return;
	}
	list = rule_list(t, g);
	if (*list)
		ep_text_wrap(t, "  Rules: ", "         ", list);
}

struct mend {
	const struct ep_remedy *first;
	findings of;
	bool verified;
	ep_strs side_effects;
};

typedef EP_VEC(struct mend) mends;

static bool same_remedy(const struct ep_remedy *x, const struct ep_remedy *y)
{
	const char *gx = x->gets ? x->gets : "", *gy = y->gets ? y->gets : "";

	return !strcmp(gx, gy) &&
	       !strcmp(x->command ? x->command : x->text, y->command ? y->command : y->text);
}

static void add_unique(struct ep_arena *a, ep_strs *l, const char *s)
{
	ep_each(have, l)
		if (!strcmp(*have, s))
			return;
	*ep_push(a, l) = s;
}

static mends gather_mends(struct ep_text *t, const findings *g)
{
	mends out = {};

	ep_each(f, g) {
		ep_each(m, &(*f)->remedies) {
			struct mend *to = NULL;

			ep_each(old, &out)
				if (same_remedy(old->first, m))
					to = old;
			if (!to) {
				to = ep_push(t->a, &out);
				*to = (struct mend){.first = m, .verified = true};
			}
			*ep_push(t->a, &to->of) = *f;
			to->verified = to->verified && m->verified;
			ep_each(s, &m->side_effects)
				add_unique(t->a, &to->side_effects, *s);
		}
	}
	return out;
}

static void put_mend(struct ep_text *t, const struct mend *m)
{
	const struct ep_remedy *r = m->first;
	const char *then = r->then;

	ep_buf_puts(t->out, "  Mend:  ");
	if (r->command)
		ep_text_command(t, "         ", r->command);
	else
		ep_text_wrap(t, "", "         ", r->text);
	if (r->gets)
		then = ep_sprintf(t->a, "%s receives %s", r->gets, ports_of(t, &m->of));
	if (then)
		ep_text_wrap(t, "         ", "         ",
			     ep_sprintf(t->a, "then %s%s", then,
					m->verified ? " (verified)" :
					r->gets     ? " (not enough)" :
						      ""));
	ep_each(s, &m->side_effects)
		ep_text_wrap(t, "         ", "           ",
			     ep_sprintf(t->a, "side effect: %s", *s));
}

static void see_also(struct ep_text *t, const struct ep_check_doc *d, const struct ep_finding *f)
{
	const struct ep_edge *first = d->check->spec->edges.n ? d->check->spec->edges.v : NULL;
	char buf[EP_ADDRSTR];

	if (!f->port || !f->edges.n || f->severity < EP_SEV_CRITICAL)
		return;
	if (f->edges.v[0] == first)
		snprintf(buf, sizeof(buf), "%u", f->port);
	else
		ep_addrport_str(&f->edges.v[0]->addr, f->port, buf);
	ep_buf_puts(t->out, "  See:   ");
	ep_text_command(
		t, "         ",
		ep_sprintf(t->a, "edgepath path%s%s %s", d->doc.netns_arg ? " --netns " : "",
			   d->doc.netns_arg ? ep_text_escape(t, d->doc.netns_arg) : "", buf));
}

static void put_group(struct ep_text *t, const struct ep_check_doc *d, const findings *g)
{
	const struct ep_finding *f = g->v[0];
	const char *ports = ports_of(t, g);
	mends all = gather_mends(t, g);

	ep_buf_puts(t->out, "\n");
	ep_text_cell(t, ep_text_severity(f->severity), 0, ep_text_severity_paint(f->severity));
	ep_text_wrap(t, ep_sprintf(t->a, " %s  ", f->id), "  ",
		     ep_sprintf(t->a, "%s%s", ports,
				f->family == AF_INET  ? " (IPv4)" :
				f->family == AF_INET6 ? " (IPv6)" :
							""));
	ep_text_wrap(t, "  ", "  ", f->gist);
	rule_lines(t, g);
	for (size_t i = 0; i < all.n && i < MAX_REMEDIES; i++)
		put_mend(t, &all.v[i]);
	if (all.n > MAX_REMEDIES)
		ep_buf_printf(t->out, "         and %zu more like it: see --json\n",
			      all.n - MAX_REMEDIES);
	see_also(t, d, f);
}

void ep_text_findings(struct ep_text *t, const struct ep_check_doc *d)
{
	const struct ep_check *c = d->check;
	bool *done = ep_alloc(t->a, c->findings.n + 1);

	for (size_t i = 0; i < c->findings.n; i++) {
		findings g = {};

		if (done[i])
			continue;
		for (size_t j = i; j < c->findings.n; j++) {
			if (done[j] || !told_at_once(&c->findings.v[i], &c->findings.v[j]))
				continue;
			done[j] = true;
			*ep_push(t->a, &g) = &c->findings.v[j];
		}
		put_group(t, d, &g);
	}
}
