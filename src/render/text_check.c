// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The diagnosis for people:
 *
 *   edge-01  eth0 203.0.113.10, 2001:db8::10            3 critical, 1 warning
 *
 *   PORT   FROM OUTSIDE   RECEIVED BY                             VERDICT
 *   443    203.0.113.10   container traefik (172.18.0.2:443)      CRITICAL
 *
 *   CRITICAL intercepted-listener  443 (IPv4)
 *     nginx (pid 812) listens, but no packet from outside reaches it: ...
 *     Mend:  docker stop traefik
 *            then nginx (pid 812) receives 443 (verified)
 */
#include <string.h>

#include "render/render_i.h"

#define MAX_OTHERS    3 /* further outcomes shown in one row */
#define MAX_ADDRESSES 6

/* ---- first line ---- */

static const char *addresses(struct ep_text *t, const struct ep_check *c)
{
	struct ep_buf b = {};
	const char *dev = NULL;
	size_t n = 0;
	char *out;

	ep_each(e, &c->spec->edges) {
		char buf[EP_ADDRSTR];

		if (++n > MAX_ADDRESSES)
			continue;
		if (n > 1)
			ep_buf_puts(&b, ", ");
		if (e->dev && (!dev || strcmp(dev, e->dev)))
			ep_buf_printf(&b, "%s ", ep_text_escape(t, e->dev));
		dev = e->dev;
		ep_buf_puts(&b, ep_addr_str(&e->addr, buf));
	}
	if (n > MAX_ADDRESSES)
		ep_buf_printf(&b, " and %zu more", n - MAX_ADDRESSES);
	out = ep_strdup(t->a, ep_buf_str(&b));
	ep_buf_free(&b);
	return out;
}

static const char *counts(struct ep_text *t, const struct ep_check *c)
{
	unsigned n[EP_SEV_CRITICAL + 1] = {};
	ep_strs parts = {};

	ep_each(f, &c->findings)
		n[f->severity]++;
	ep_each(a, &c->answers)
		if (!a->aside && a->status == EP_SEV_UNKNOWN)
			n[EP_SEV_UNKNOWN]++;
	for (enum ep_severity s = EP_SEV_CRITICAL; s >= EP_SEV_WARNING; s--)
		if (n[s])
			*ep_push(t->a, &parts) =
				ep_sprintf(t->a, "%u %s", n[s], ep_severity_name(s));
	if (!parts.n)
		return c->status == EP_SEV_OK ? "all is well" : ep_severity_name(c->status);
	return ep_text_join(t->a, &parts, ", ");
}

static void head(struct ep_text *t, const struct ep_check_doc *d)
{
	const struct ep_netns *ns = ep_netns_find(d->doc.s, d->doc.s->host_netns);
	const char *left, *right = counts(t, d->check);
	bool named = t->elsewhere && ns && ns->name;
	unsigned room;

	left = ep_sprintf(t->a, "%s%s  %s", named ? "namespace " : "",
			  ep_text_escape(t, named ? ns->name : d->doc.s->hostname),
			  addresses(t, d->check));
	room = t->style->width - ep_text_width(right);
	if (ep_text_width(left) + 2 <= room) {
		ep_text_cell(t, left, room, EP_PLAIN);
	} else {
		ep_text_wrap(t, "", "  ", left);
		ep_text_cell(t, "", room, EP_PLAIN);
	}
	ep_buf_printf(t->out, "%s\n",
		      ep_text_paint(t, right, ep_text_severity_paint(d->check->status)));
	if (d->doc.without.n)
		ep_text_wrap(
			t, "", "  ",
			ep_sprintf(t->a, "as if gone: %s",
				   ep_text_escape(t, ep_text_join(t->a, &d->doc.without, ", "))));
	ep_each(note, &d->doc.notes)
		ep_text_wrap(t, "", "  ", ep_text_escape(t, *note));
	ep_buf_puts(t->out, "\n");
}

/* ---- one line a port ---- */

struct row {
	uint16_t port;
	ep_strs addrs;
	ep_strs ends; /* who, one line each */
	enum ep_severity status;
	bool closed;
};

typedef EP_VEC(struct row) rows;

struct end {
	const char *clients, *who;
	double p;
};

typedef EP_VEC(struct end) end_list;

static bool is_served(const struct ep_outcome *o)
{
	return o->verdict == EP_DELIVERED || o->verdict == EP_FORWARDED;
}

static bool any_served(const struct ep_result *r)
{
	ep_each(o, &r->outcomes)
		if (is_served(o))
			return true;
	return false;
}

static void add_ends(struct ep_text *t, const struct ep_check *c, const struct ep_result *r,
		     bool served, end_list *out)
{
	const struct ep_outcome *most = ep_main_outcome(r);
	/* The outcome of most clients needs no condition, if it is told first. */
	bool plain = most && most->probability >= 1 && (is_served(most) || !any_served(r));

	ep_each(o, &r->outcomes) {
		const char *clients = o == most && plain ? "" : ep_text_clients(t, o, 40);
		const char *who = ep_text_end(t, c->s, o);
		struct end *to = NULL;

		if (o->martian || is_served(o) != served)
			continue;
		ep_each(e, out)
			if (!strcmp(e->who, who) && !strcmp(e->clients, clients))
				to = e;
		if (!to) {
			to = ep_push(t->a, out);
			*to = (struct end){clients, who, 0};
		}
		to->p += o->probability;
	}
}

/* Those who get it first; outcomes that read alike are one. */
static end_list ends_of(struct ep_text *t, const struct ep_check *c, const struct ep_result *r)
{
	end_list out = {};

	add_ends(t, c, r, true, &out);
	add_ends(t, c, r, false, &out);
	return out;
}

/* "traefik", "from 10.0.0.0/8: nginx", "33 %: nginx" */
static void fill_ends(struct ep_text *t, const struct ep_check *c, const struct ep_answer *a,
		      struct row *r)
{
	end_list l = ends_of(t, c, a->result);

	ep_each(e, &l) {
		const char *share = e->p < 0.999 ? ep_text_share(t, e->p) : "";
		bool both = *share && *e->clients;

		if (r->ends.n > MAX_OTHERS)
			break;
		*ep_push(t->a, &r->ends) = ep_sprintf(t->a, "%s%s%s%s%s", share, both ? " " : "",
						      e->clients, *share || *e->clients ? ": " : "",
						      e->who);
	}
	if (l.n > r->ends.n)
		*ep_push(t->a, &r->ends) =
			ep_sprintf(t->a, "and %zu more: see edgepath path", l.n - r->ends.n);
	if (!r->ends.n)
		*ep_push(t->a, &r->ends) = "nobody";
}

static bool alike(const struct row *x, const struct row *y)
{
	if (x->port != y->port || x->status != y->status || x->closed != y->closed ||
	    x->ends.n != y->ends.n)
		return false;
	for (size_t i = 0; i < x->ends.n; i++)
		if (strcmp(x->ends.v[i], y->ends.v[i]))
			return false;
	return true;
}

static rows gather(struct ep_text *t, const struct ep_check *c, const struct ep_start *start)
{
	rows out = {};

	ep_each(a, &c->answers) {
		struct row r = {.port = a->port, .status = a->status, .closed = a->closed};
		struct row *to = NULL;
		char buf[EP_ADDRSTR];

		if (a->aside || a->start != start)
			continue;
		fill_ends(t, c, a, &r);
		ep_each(old, &out)
			if (alike(old, &r))
				to = old;
		if (!to) {
			to = ep_push(t->a, &out);
			*to = r;
		}
		*ep_push(t->a, &to->addrs) = ep_strdup(t->a, ep_addr_str(&a->edge->addr, buf));
	}
	return out;
}

static void put_row(struct ep_text *t, const struct row *r, unsigned addr_w, unsigned who_w)
{
	const char *verdict = r->closed ? "closed" : ep_text_severity(r->status);
	ep_strs who = {};
	size_t lines;

	ep_each(e, &r->ends) {
		ep_strs l = ep_text_lines(t->a, *e, who_w);

		ep_each(s, &l)
			*ep_push(t->a, &who) = *s;
	}
	lines = who.n > r->addrs.n ? who.n : r->addrs.n;
	for (size_t i = 0; i < lines; i++) {
		ep_text_cell(t, i ? "" : ep_sprintf(t->a, "%u", r->port), 7, EP_BOLD);
		ep_text_cell(t, i < r->addrs.n ? r->addrs.v[i] : "", addr_w + 2, EP_PLAIN);
		if (i) {
			ep_buf_puts(t->out, i < who.n ? who.v[i] : "");
			ep_text_newline(t);
			continue;
		}
		ep_text_cell(t, who.v[0], who_w + 2, EP_PLAIN);
		ep_buf_printf(t->out, "%s\n",
			      ep_text_paint(t, verdict,
					    r->closed ? EP_DIM :
							ep_text_severity_paint(r->status)));
	}
}

/* "FROM OUTSIDE", and a line above where more must be said */
static const char *heading(struct ep_text *t, const struct ep_start *start)
{
	ep_strs nets = {};

	switch (start->origin) {
	case EP_HOST:
		return "FROM THIS HOST";
	case EP_LAN:
		for (int i = 0; i < 2; i++)
			ep_iv_prefixes(t->a, start->clients[i], i ? 16 : 4, &nets);
		ep_text_wrap(t, "", "  ",
			     ep_sprintf(t->a, "From the network of %s (%s):",
					ep_text_escape(t, start->dev),
					ep_text_join(t->a, &nets, ", ")));
		return "FROM THE LAN";
	case EP_CONTAINER:
		ep_text_wrap(t, "", "  ",
			     ep_sprintf(t->a, "From %s:", ep_text_start(t, start->name)));
		return "FROM INSIDE";
	default:
		return "FROM OUTSIDE";
	}
}

static void table(struct ep_text *t, const struct ep_check *c, const struct ep_start *start)
{
	rows all = gather(t, c, start);
	unsigned addr_w = 12, who_w;
	const char *from;

	if (!all.n)
		return;
	if (start > c->starts.v && !c->starts.v->aside)
		ep_text_newline(t);
	from = heading(t, start);
	if (ep_text_width(from) > addr_w)
		addr_w = ep_text_width(from);
	ep_each(r, &all) {
		ep_each(a, &r->addrs)
			if (ep_text_width(*a) > addr_w)
				addr_w = ep_text_width(*a);
	}
	who_w = t->style->width - 7 - addr_w - 4 - 8;
	ep_text_cell(t, "PORT", 7, EP_DIM);
	ep_text_cell(t, from, addr_w + 2, EP_DIM);
	ep_text_cell(t, "RECEIVED BY", who_w + 2, EP_DIM);
	ep_buf_printf(t->out, "%s\n", ep_text_paint(t, "VERDICT", EP_DIM));
	ep_each(r, &all)
		put_row(t, r, addr_w, who_w);
}

void ep_text_check(struct ep_buf *out, const struct ep_check_doc *d, const struct ep_style *st)
{
	struct ep_text t = {.out = out,
			    .style = st,
			    .a = ep_arena_new(),
			    .elsewhere = d->doc.netns_arg != NULL};

	head(&t, d);
	ep_each(start, &d->check->starts)
		table(&t, d->check, start);
	ep_text_findings(&t, d);
	if (d->seen)
		ep_text_seen(&t, d->doc.s, d->seen);
	ep_buf_puts(out, "\n");
	ep_text_completeness(&t, d->doc.s);
	ep_arena_free(t.a);
}
