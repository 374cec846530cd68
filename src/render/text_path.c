// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One walk, drawn:
 *
 *   any client → 203.0.113.10:443/tcp, arriving on eth0
 *
 *     the host
 *     ├ prerouting  nat -100        ip nat PREROUTING #1 → DOCKER #5   iptables-nft
 *     │                             ! -i br-ee1c -p tcp --dport 443 -j DNAT ...
 *     │                             dnat to 172.18.0.2:443, by docker for traefik
 *     │                             ✂ never reached: listener 0.0.0.0:443, nginx (pid 812)
 *     └ route       172.18.0.0/16 dev br-ee1c
 *     namespace of container traefik
 *     └ socket      [::]:443
 *
 *     Received by container traefik (172.18.0.2:443)
 */
#include <string.h>

#include "render/render_i.h"

#define HOOK_WIDTH   12
#define TABLE_WIDTH  16
#define MAX_TREES    4  /* outcomes that are drawn; of the others only the end is told */
#define MAX_OUTCOMES 24 /* that are told at all */

struct line {
	const char *hook, *table; /* "" after the first line of a row */
	const char *text;
	enum ep_paint paint;
};

typedef EP_VEC(struct line) lines;

struct glyphs {
	const char *tee, *corner, *bar, *arrow, *cut;
};

static const struct glyphs *glyphs_of(const struct ep_text *t)
{
	static const struct glyphs utf8 = {"├ ", "└ ", "│ ", "→", "✂ "},
				   ascii = {"|-", "`-", "| ", "->", "x "};

	return t->style->utf8 ? &utf8 : &ascii;
}

/* ---- first line ---- */

static const char *lan_text(struct ep_text *t, const struct ep_query *q)
{
	ep_strs nets = {};

	ep_iv_prefixes(t->a, q->among, q->dst.len, &nets);
	return ep_text_join(t->a, &nets, ", ");
}

static void head(struct ep_text *t, const struct ep_path_doc *d)
{
	const struct ep_query *q = d->query;
	char src[EP_ADDRSTR], dst[EP_ADDRSTR];
	const char *who;

	ep_addrport_str(&q->dst, q->dport, dst);
	if (q->has_src && q->has_sport)
		who = ep_addrport_str(&q->src, q->sport, src);
	else if (q->has_src)
		who = ep_addr_str(&q->src, src);
	else if (q->has_sport)
		who = ep_sprintf(t->a, "any client's port %u", q->sport);
	else
		who = ep_origin_sends(q->origin) ? "any process" : "any client";
	if (q->origin == EP_HOST)
		who = ep_sprintf(t->a, "%s of this host", who);
	else if (q->origin == EP_CONTAINER)
		who = ep_sprintf(t->a, "%s of %s", who, ep_text_start(t, q->start_name));
	else if (q->origin == EP_LAN && !q->has_src)
		who = ep_sprintf(t->a, "%s in %s", who, lan_text(t, q));
	ep_text_wrap(t, "", "  ",
		     ep_sprintf(t->a, "%s %s %s/tcp%s%s", who, glyphs_of(t)->arrow, dst,
				d->iif ? ", arriving on " : "", ep_text_escape(t, d->iif)));
	if (d->doc.without.n)
		ep_text_wrap(
			t, "", "  ",
			ep_sprintf(t->a, "as if gone: %s",
				   ep_text_escape(t, ep_text_join(t->a, &d->doc.without, ", "))));
	ep_each(note, &d->doc.notes)
		ep_text_wrap(t, "", "  ", ep_text_escape(t, *note));
}

/* ---- rows of a namespace ---- */

static void add(struct ep_text *t, lines *l, const char *hook, const char *table, const char *text,
		enum ep_paint paint)
{
	unsigned in = 4 + HOOK_WIDTH + (*table || !*hook ? TABLE_WIDTH : 0);
	ep_strs parts = ep_text_lines(t->a, text, t->style->width > in ? t->style->width - in : 0);

	ep_each(p, &parts)
		*ep_push(t->a, l) = (struct line){p == parts.v ? hook : "",
						  p == parts.v        ? table :
						  in > 4 + HOOK_WIDTH ? "" :
									NULL,
						  *p, paint};
}

static bool is_jump(const struct ep_step *s)
{
	return s->kind == EP_STEP_RULE && s->action &&
	       (!strcmp(s->action, "jump") || !strcmp(s->action, "goto"));
}

static bool is_return(const struct ep_step *s)
{
	return s->kind == EP_STEP_RULE && s->action && !strcmp(s->action, "return");
}

/* The same pass through one base chain or legacy table. */
static bool same_pass(const struct ep_step *x, const struct ep_step *y)
{
	return y->netns == x->netns && x->kind == EP_STEP_RULE && x->hook && y->hook &&
	       (y->kind == EP_STEP_RULE || y->kind == EP_STEP_CHAIN) && !strcmp(x->hook, y->hook) &&
	       x->table && y->table && !strcmp(x->table, y->table) && x->family && y->family &&
	       !strcmp(x->family, y->family) && x->backend == y->backend;
}

static const char *by_whom(struct ep_text *t, const struct ep_snapshot *s, const struct ep_step *st)
{
	struct ep_owner o = ep_rule_owner(s, t->a, st);
	const char *title = ep_owner_title(&o);

	if (!title)
		return "";
	return ep_sprintf(t->a, ", by %s%s%s", title, o.name ? " for " : "",
			  ep_text_escape(t, o.name));
}

/* "ip nat PREROUTING #1 → DOCKER #5" */
static const char *way_to(struct ep_text *t, const struct ep_step *first,
			  const struct ep_step *decisive)
{
	EP_VEC(const struct ep_step *) stack = {};
	const char *out;

	for (const struct ep_step *s = first; s <= decisive; s++) {
		while (stack.n && s->chain && stack.v[stack.n - 1]->to &&
		       strcmp(stack.v[stack.n - 1]->to, s->chain))
			stack.n--;
		if (is_jump(s))
			*ep_push(t->a, &stack) = s;
	}
	if (!stack.n)
		return ep_step_place(t->a, decisive);
	out = ep_step_place(t->a, stack.v[0]);
	for (size_t i = 1; i < stack.n; i++)
		out = ep_sprintf(t->a, "%s %s %s #%u", out, glyphs_of(t)->arrow,
				 ep_text_escape(t, stack.v[i]->chain),
				 ep_rule_position(&stack.v[i]->rule));
	return ep_sprintf(t->a, "%s %s %s #%u", out, glyphs_of(t)->arrow,
			  ep_text_escape(t, decisive->chain), ep_rule_position(&decisive->rule));
}

static const char *table_cell(struct ep_text *t, const struct ep_step *s)
{
	const char *prio = ep_sprintf(t->a, " %d", s->priority);

	return ep_sprintf(t->a, "%s%s",
			  ep_text_cut(t, ep_text_escape(t, s->table),
				      TABLE_WIDTH - 1 - ep_text_width(prio)),
			  prio);
}

static const char *heir_text(struct ep_text *t, const struct ep_heir *h)
{
	if (h->who.kind != EP_WHO_NONE)
		return ep_who_text(t->a, &h->who);
	return h->outcome->verdict == EP_UNKNOWN ?
		       "unknown" :
		       ep_sprintf(t->a, "nobody (%s)", ep_verdict_name(h->outcome->verdict));
}

static void add_heirs(struct ep_text *t, const struct ep_path_doc *d, const struct ep_outcome *o,
		      lines *l)
{
	struct ep_who main = ep_who_of_outcome(o);
	char buf[EP_ADDRSTR];

	if (!d->heirs || o != ep_main_outcome(d->result))
		return;
	ep_each(h, d->heirs) {
		const struct ep_listener *li = h->outcome->listener;
		const char *what;

		if (ep_who_same(&h->who, &main) && !h->by)
			continue;
		if (h->by && !h->shadowed)
			continue;
		if (h->by)
			what = ep_sprintf(t->a, "rule %s", ep_step_place(t->a, h->by));
		else if (li)
			what = ep_sprintf(t->a, "listener %s",
					  ep_addrport_str(&li->addr, li->port, buf));
		else
			continue;
		add(t, l, "", "",
		    ep_sprintf(t->a, "%snever reached: %s %s %s", glyphs_of(t)->cut, what,
			       glyphs_of(t)->arrow, heir_text(t, h)),
		    EP_DIM);
	}
}

/* One decisive rule: where it is, what it says, what it does. */
static void add_rule(struct ep_text *t, const struct ep_path_doc *d, const struct ep_outcome *o,
		     const struct ep_step *first, const struct ep_step *s, bool with_cells,
		     lines *l)
{
	const char *rule = ep_rule_text(t->a, &s->rule);
	bool tagged = s->backend == EP_IPTABLES_NFT;

	add(t, l, with_cells ? s->hook : "", with_cells ? table_cell(t, s) : "",
	    ep_sprintf(t->a, "%s%s%s", way_to(t, first, s), tagged ? "  " : "",
		       tagged ? ep_backend_name(s->backend) : ""),
	    EP_PLAIN);
	if (*rule)
		add(t, l, "", "", rule, EP_DIM);
	add(t, l, "", "",
	    ep_sprintf(t->a, "%s%s%s%s", s->action ? s->action : "matches", s->to ? " to " : "",
		       ep_text_escape(t, s->to), by_whom(t, d->doc.s, s)),
	    EP_BOLD);
	if (s == ep_divert_step(o))
		add_heirs(t, d, o, l);
}

static void add_chain_end(struct ep_text *t, const struct ep_step *s, bool with_cells, lines *l)
{
	bool drop = s->action && strstr(s->action, "drop");
	const char *what = s->seen ? ep_sprintf(t->a, "no rule decided (%u tried)", s->seen) :
				     "no rules";

	if (!s->seen && !drop)
		return;
	if (drop)
		what = ep_sprintf(t->a, "%s, then %s of %s %s %s", what, s->action,
				  s->family ? s->family : "", ep_text_escape(t, s->table),
				  ep_text_escape(t, s->chain));
	add(t, l, with_cells ? s->hook : "", with_cells ? table_cell(t, s) : "", what,
	    drop ? EP_BOLD : EP_PLAIN);
}

/* A pass through a chain, from first on; returns the step after it. */
static const struct ep_step *add_pass(struct ep_text *t, const struct ep_path_doc *d,
				      const struct ep_outcome *o, const struct ep_step *first,
				      lines *l)
{
	const struct ep_step *end = o->steps.v + o->steps.n, *s = first;
	size_t before = l->n;

	for (;; s++) {
		if (s->kind == EP_STEP_CHAIN)
			add_chain_end(t, s, l->n == before, l);
		else if (!is_jump(s) && !is_return(s))
			add_rule(t, d, o, first, s, l->n == before, l);
		if (s + 1 >= end || !same_pass(s, s + 1))
			return s + 1;
	}
}

static void add_other(struct ep_text *t, const struct ep_path_doc *d, const struct ep_outcome *o,
		      const struct ep_step *s, lines *l)
{
	static const char *const words[] = {
		[EP_STEP_ROUTE] = "route",
		[EP_STEP_HOP] = "arrives",
		[EP_STEP_LOCAL] = "socket",
		[EP_STEP_IPVS] = "ipvs",
	};
	const char *action = ep_text_escape(t, s->action), *to = ep_text_escape(t, s->to);

	if (s->kind == EP_STEP_IPVS)
		action = ep_sprintf(t->a, "%s %s %s", ep_text_escape(t, s->table),
				    ep_text_escape(t, s->chain), *to ? "to" : "to nobody");
	if (strstr(action, to))
		to = "";
	add(t, l, words[s->kind], "",
	    ep_sprintf(t->a, "%s%s%s", action, *action && *to ? " " : "", to), EP_PLAIN);
	if (s->kind == EP_STEP_LOCAL && !ep_divert_step(o))
		add_heirs(t, d, o, l);
}

static void put_lines(struct ep_text *t, const lines *l)
{
	const struct glyphs *g = glyphs_of(t);
	size_t last = 0;

	for (size_t i = 0; i < l->n; i++)
		if (*l->v[i].hook)
			last = i;
	for (size_t i = 0; i < l->n; i++) {
		const struct line *x = &l->v[i];
		bool starts = *x->hook;

		ep_buf_printf(t->out, "  %s",
			      starts   ? (i == last ? g->corner : g->tee) :
			      i > last ? "  " :
					 g->bar);
		ep_text_cell(t, x->hook, HOOK_WIDTH, EP_PLAIN);
		if (x->table && !(starts && !*x->table))
			ep_text_cell(t, x->table, TABLE_WIDTH, EP_DIM);
		ep_buf_printf(t->out, "%s\n", ep_text_paint(t, x->text, x->paint));
	}
}

static void tree(struct ep_text *t, const struct ep_path_doc *d, const struct ep_outcome *o)
{
	const struct ep_step *s = o->steps.v, *end = o->steps.v + o->steps.n;

	while (s && s < end) {
		uint64_t ns = s->netns;
		lines l = {};

		while (s < end && s->netns == ns) {
			if (s->kind == EP_STEP_RULE || s->kind == EP_STEP_CHAIN) {
				s = add_pass(t, d, o, s, &l);
				continue;
			}
			add_other(t, d, o, s, &l);
			s++;
		}
		if (l.n)
			ep_text_wrap(t, "  ", "    ", ep_text_netns(t, d->doc.s, ns));
		put_lines(t, &l);
	}
}

/* ---- outcomes ---- */

/* "image traefik:2.11, compose edge/traefik" */
static const char *details(struct ep_text *t, const struct ep_who *w)
{
	const struct ep_container *k = w->container;
	ep_strs parts = {};

	if (k && k->image)
		*ep_push(t->a, &parts) = ep_sprintf(t->a, "image %s", ep_text_escape(t, k->image));
	if (k && k->compose_project && k->compose_service)
		*ep_push(t->a, &parts) = ep_sprintf(t->a, "compose %s/%s",
						    ep_text_escape(t, k->compose_project),
						    ep_text_escape(t, k->compose_service));
	if (w->proc && w->proc->comm && w->kind == EP_WHO_CONTAINER)
		*ep_push(t->a, &parts) = ep_sprintf(t->a, "process %s, pid %d",
						    ep_text_escape(t, w->proc->comm), w->proc->pid);
	if (w->proc && w->proc->unit && w->kind == EP_WHO_PROCESS)
		*ep_push(t->a, &parts) =
			ep_sprintf(t->a, "unit %s", ep_text_escape(t, w->proc->unit));
	return ep_text_join(t->a, &parts, ", ");
}

static void verdict(struct ep_text *t, const struct ep_path_doc *d, const struct ep_outcome *o)
{
	static const struct {
		const char *lead;
		enum ep_paint paint;
	} words[] = {
		[EP_DELIVERED] = {"Received by ", EP_GREEN},
		[EP_REFUSED] = {"Received by ", EP_YELLOW},
		[EP_REJECTED] = {"Received by ", EP_YELLOW},
		[EP_DROPPED] = {"Received by ", EP_YELLOW},
		[EP_UNREACHABLE] = {"Received by ", EP_YELLOW},
		[EP_FORWARDED] = {"It ", EP_GREEN},
		[EP_UNKNOWN] = {"Who receives it is ", EP_MAGENTA},
	};
	struct ep_who w = ep_who_of_outcome(o);
	const char *more = details(t, &w);
	ep_strs l = ep_text_lines(
		t->a, ep_sprintf(t->a, "%s%s", words[o->verdict].lead, ep_text_end(t, d->doc.s, o)),
		t->style->width - 2);

	ep_each(s, &l)
		ep_buf_printf(t->out, "  %s\n", ep_text_paint(t, *s, words[o->verdict].paint));
	if (*more)
		ep_text_wrap(t, "    ", "    ", more);
	ep_each(now, &o->now)
		ep_text_wrap(t, "    ", "    ",
			     ep_sprintf(t->a, "As of now: %s.", ep_text_escape(t, *now)));
}

static const char *which(struct ep_text *t, const struct ep_outcome *o)
{
	const char *clients = ep_text_clients(t, o, 200);
	const char *share = o->probability < 1 ? ep_text_share(t, o->probability) : "";

	if (*share)
		return ep_sprintf(t->a, "%s of connections%s%s", share, *clients ? " " : "",
				  clients);
	return *clients ? ep_sprintf(t->a, "connections %s", clients) : "all connections";
}

static void outcomes(struct ep_text *t, const struct ep_path_doc *d)
{
	size_t n = 0, i = 0;

	ep_each(o, &d->result->outcomes)
		n += !o->martian;
	ep_each(o, &d->result->outcomes) {
		if (o->martian)
			continue;
		ep_buf_puts(t->out, "\n");
		if (i == MAX_OUTCOMES) {
			ep_text_wrap(
				t, "  ", "  ",
				ep_sprintf(t->a,
					   "and %zu more: --json lists all, --src asks for one "
					   "client",
					   n - i));
			break;
		}
		if (n > 1)
			ep_text_wrap(t, ep_sprintf(t->a, "%zu of %zu: ", i + 1, n), "  ",
				     which(t, o));
		if (i++ < MAX_TREES && o->steps.n) {
			tree(t, d, o);
			ep_buf_puts(t->out, "\n");
		}
		verdict(t, d, o);
	}
	ep_each(o, &d->result->outcomes) {
		if (!o->martian)
			continue;
		ep_buf_puts(t->out, "\n");
		ep_text_wrap(t, "  ", "  ",
			     "Packets from sources that no client can have are dropped.");
		break;
	}
}

void ep_text_path(struct ep_buf *out, const struct ep_path_doc *d, const struct ep_style *st)
{
	struct ep_text t = {.out = out,
			    .style = st,
			    .a = ep_arena_new(),
			    .elsewhere = d->doc.netns_arg != NULL};

	head(&t, d);
	outcomes(&t, d);
	ep_buf_puts(out, "\n");
	ep_text_completeness(&t, d->doc.s);
	ep_arena_free(t.a);
}
