// SPDX-License-Identifier: GPL-2.0-or-later
/* Results walked over once, as documents of docs/schema/. */
#include <netinet/in.h>

#include "render/render_i.h"

struct ctx {
	struct ep_writer w;
	struct ep_arena *a; /* scratch */
	const struct ep_snapshot *s;
};

#define OBJECT(c, key)     ((c)->w.ops->object(&(c)->w, (key)))
#define ARRAY(c, key)      ((c)->w.ops->array(&(c)->w, (key)))
#define END(c)             ((c)->w.ops->end(&(c)->w))
#define STRING(c, key, s)  ((c)->w.ops->string(&(c)->w, (key), (s)))
#define NUMBER(c, key, n)  ((c)->w.ops->number(&(c)->w, (key), (int64_t)(n)))
#define REAL(c, key, d)    ((c)->w.ops->real(&(c)->w, (key), (d)))
#define BOOLEAN(c, key, b) ((c)->w.ops->boolean(&(c)->w, (key), (b)))
#define NULL_FIELD(c, key) ((c)->w.ops->null(&(c)->w, (key)))

static void put_strs(struct ctx *c, const char *key, const ep_strs *l)
{
	ARRAY(c, key);
	ep_each(s, l)
		STRING(c, NULL, *s);
	END(c);
}

static void put_addr(struct ctx *c, const char *key, const struct ep_addr *a)
{
	char buf[EP_ADDRSTR];

	STRING(c, key, a->len ? ep_addr_str(a, buf) : NULL);
}

static const char *family_name(uint8_t addr_len)
{
	return addr_len == 4 ? "ip" : "ip6";
}

/* ---- every document ---- */

static const char *netns_name(const struct ctx *c, uint64_t ino)
{
	const struct ep_netns *ns = ep_netns_find(c->s, ino);

	return ns ? ns->name : NULL;
}

static void put_head(struct ctx *c, const struct ep_doc *d, const char *schema)
{
	static const char *const status[] = {
		[EP_MISSING] = "missing",
		[EP_PARTIAL] = "partial",
		[EP_COMPLETE] = "complete",
	};

	STRING(c, "schema", schema);
	STRING(c, "generated_at", d->generated_at);
	OBJECT(c, "host");
	STRING(c, "hostname", d->s->hostname);
	STRING(c, "kernel", d->s->kernel);
	STRING(c, "boot_id", d->s->boot_id);
	NUMBER(c, "netns", d->s->host_netns);
	STRING(c, "netns_name", netns_name(c, d->s->host_netns));
	END(c);
	ARRAY(c, "completeness");
	ep_each(src, &d->s->sources) {
		OBJECT(c, NULL);
		STRING(c, "source", src->name);
		STRING(c, "status", status[src->status]);
		STRING(c, "reason", src->reason);
		END(c);
	}
	END(c);
	put_strs(c, "notes", &d->notes);
	put_strs(c, "without", &d->without);
}

/* ---- receivers ---- */

static void put_container(struct ctx *c, const struct ep_container *k)
{
	if (!k) {
		NULL_FIELD(c, "container");
		return;
	}
	OBJECT(c, "container");
	STRING(c, "runtime", k->runtime);
	STRING(c, "id", k->id);
	STRING(c, "name", k->name);
	STRING(c, "image", k->image);
	STRING(c, "compose_project", k->compose_project);
	STRING(c, "compose_service", k->compose_service);
	END(c);
}

static void put_pod(struct ctx *c, const struct ep_container *k)
{
	if (!k || !k->pod.name) {
		NULL_FIELD(c, "pod");
		return;
	}
	OBJECT(c, "pod");
	STRING(c, "namespace", k->pod.ns);
	STRING(c, "name", k->pod.name);
	STRING(c, "container", k->pod.container);
	END(c);
}

static void put_who(struct ctx *c, const char *key, const struct ep_who *who)
{
	const struct ep_proc *p = who->proc;

	OBJECT(c, key);
	STRING(c, "kind", ep_who_kind_name(who->kind));
	STRING(c, "name", ep_who_name(c->a, who));
	if (p)
		NUMBER(c, "pid", p->pid);
	else
		NULL_FIELD(c, "pid");
	STRING(c, "comm", p ? p->comm : NULL);
	STRING(c, "exe", p ? p->exe : NULL);
	STRING(c, "unit", p ? p->unit : NULL);
	STRING(c, "cgroup", p && p->cgroup && *p->cgroup ? p->cgroup : NULL);
	put_container(c, who->container);
	put_pod(c, who->container);
	END(c);
}

/* ---- steps ---- */

static void put_rule(struct ctx *c, const char *key, const struct ep_step *s, bool with_place)
{
	struct ep_owner owner;

	if (!s || (!s->rule.nft && !s->rule.xt)) {
		NULL_FIELD(c, key);
		return;
	}
	OBJECT(c, key);
	if (with_place) {
		STRING(c, "family", s->family);
		STRING(c, "table", s->table);
		STRING(c, "chain", s->chain);
	}
	if (s->rule.nft)
		NUMBER(c, "handle", ep_rule_handle(&s->rule));
	else
		NULL_FIELD(c, "handle");
	NUMBER(c, "position", ep_rule_position(&s->rule));
	STRING(c, "backend", ep_backend_name(ep_rule_backend(&s->rule)));
	STRING(c, "text", ep_rule_text(c->a, &s->rule));
	owner = ep_rule_owner(c->s, c->a, s);
	OBJECT(c, "owner");
	STRING(c, "kind", owner.kind);
	STRING(c, "name", owner.name);
	END(c);
	END(c);
}

static void put_step(struct ctx *c, const struct ep_step *s)
{
	static const char *const kinds[] = {
		[EP_STEP_RULE] = "rule", [EP_STEP_CHAIN] = "chain", [EP_STEP_ROUTE] = "route",
		[EP_STEP_HOP] = "hop",   [EP_STEP_LOCAL] = "local", [EP_STEP_IPVS] = "ipvs",
	};

	OBJECT(c, NULL);
	STRING(c, "kind", kinds[s->kind]);
	NUMBER(c, "netns", s->netns);
	STRING(c, "hook",
	       s->kind == EP_STEP_RULE || s->kind == EP_STEP_CHAIN || s->kind == EP_STEP_IPVS ?
		       s->hook :
		       NULL);
	if (s->family)
		NUMBER(c, "priority", s->priority);
	else
		NULL_FIELD(c, "priority");
	STRING(c, "family", s->family);
	STRING(c, "table", s->table);
	STRING(c, "chain", s->chain);
	put_rule(c, "rule", s, false);
	if (s->kind == EP_STEP_CHAIN)
		NUMBER(c, "rules_seen", s->seen);
	STRING(c, "action", s->action);
	STRING(c, "to", s->to);
	END(c);
}

/* ---- outcomes ---- */

static void put_clients(struct ctx *c, const struct ep_outcome *o, uint8_t addr_len)
{
	ep_strs prefixes = {};

	ep_iv_prefixes(c->a, o->saddr, addr_len, &prefixes);
	put_strs(c, "saddr", &prefixes);
	ARRAY(c, "sport");
	for (size_t i = 0; i < o->sport.n; i++)
		STRING(c, NULL,
		       ep_sprintf(c->a, "%u-%u", (unsigned)o->sport.v[i].lo,
				  (unsigned)o->sport.v[i].hi));
	END(c);
}

static void put_outcome(struct ctx *c, const struct ep_outcome *o, uint8_t addr_len)
{
	struct ep_who who = ep_who_of_outcome(o);

	OBJECT(c, NULL);
	REAL(c, "probability", o->probability);
	put_strs(c, "conditions", &o->conditions);
	put_strs(c, "state", &o->state);
	put_strs(c, "as_of_now", &o->now);
	put_clients(c, o, addr_len);
	STRING(c, "verdict", ep_verdict_name(o->verdict));
	STRING(c, "reason", o->reason);
	BOOLEAN(c, "martian", o->martian);
	OBJECT(c, "final");
	NUMBER(c, "netns", o->final.netns);
	STRING(c, "netns_name", netns_name(c, o->final.netns));
	put_addr(c, "addr", &o->final.addr);
	NUMBER(c, "port", o->final.port);
	STRING(c, "dev", o->final.dev);
	END(c);
	put_who(c, "receiver", &who);
	ARRAY(c, "via");
	ep_each(p, &o->via) {
		OBJECT(c, NULL);
		NUMBER(c, "pid", (*p)->pid);
		STRING(c, "comm", (*p)->comm);
		END(c);
	}
	END(c);
	ARRAY(c, "steps");
	ep_each(s, &o->steps)
		put_step(c, s);
	END(c);
	END(c);
}

static void put_outcomes(struct ctx *c, const struct ep_result *r, uint8_t addr_len)
{
	ARRAY(c, "outcomes");
	ep_each(o, &r->outcomes)
		put_outcome(c, o, addr_len);
	END(c);
}

/* ---- path ---- */

static const char *origin_name(const struct ep_query *q)
{
	return q->start_name ? q->start_name : ep_origin_name(q->origin);
}

/* Routing decisions, and where the kernel's own differ. */
static void put_routing(struct ctx *c, const struct ep_result *r)
{
	unsigned asked = 0;

	ep_each(x, &r->routes)
		asked += x->asked;
	OBJECT(c, "routing");
	NUMBER(c, "decisions", r->routes.n);
	NUMBER(c, "verified", asked);
	ARRAY(c, "disagreements");
	ep_each(x, &r->routes) {
		if (!x->kernel)
			continue;
		OBJECT(c, NULL);
		NUMBER(c, "netns", x->netns);
		put_addr(c, "dst", &x->ask.dst);
		if (x->ask.src.len)
			put_addr(c, "src", &x->ask.src);
		else
			NULL_FIELD(c, "src");
		NUMBER(c, "iif", x->ask.iif);
		NUMBER(c, "mark", x->ask.mark);
		STRING(c, "walk", x->said);
		STRING(c, "kernel", x->kernel);
		END(c);
	}
	END(c);
	END(c);
}

static void put_query(struct ctx *c, const struct ep_query *q, const char *iif)
{
	OBJECT(c, "query");
	STRING(c, "origin", origin_name(q));
	STRING(c, "proto", "tcp");
	put_addr(c, "dst", &q->dst);
	NUMBER(c, "dport", q->dport);
	if (q->has_src)
		put_addr(c, "src", &q->src);
	else
		NULL_FIELD(c, "src");
	if (q->has_sport)
		NUMBER(c, "sport", q->sport);
	else
		NULL_FIELD(c, "sport");
	STRING(c, "iif", iif);
	END(c);
}

void ep_json_path(struct ep_buf *out, const struct ep_path_doc *d, const struct ep_style *st)
{
	struct ctx c = {.w = ep_json_writer(out), .a = ep_arena_new(), .s = d->doc.s};

	(void)st;
	OBJECT(&c, NULL);
	put_head(&c, &d->doc, "edgepath.path/1");
	put_query(&c, d->query, d->iif);
	put_outcomes(&c, d->result, d->query->dst.len);
	BOOLEAN(&c, "split_limit", d->result->split_limit);
	put_routing(&c, d->result);
	END(&c);
	ep_arena_free(c.a);
}

/* ---- check ---- */

static void put_answer(struct ctx *c, const struct ep_answer *a)
{
	OBJECT(c, NULL);
	NUMBER(c, "port", a->port);
	STRING(c, "family", family_name(a->edge->addr.len));
	put_addr(c, "address", &a->edge->addr);
	STRING(c, "dev", a->edge->dev);
	STRING(c, "origin", origin_name(&a->query));
	STRING(c, "status", ep_severity_name(a->status));
	BOOLEAN(c, "closed", a->closed);
	put_outcomes(c, a->result, a->edge->addr.len);
	END(c);
}

static void put_heard(struct ctx *c, const struct ep_heard *h)
{
	OBJECT(c, NULL);
	NUMBER(c, "netns", h->listener->netns);
	put_addr(c, "addr", &h->listener->addr);
	NUMBER(c, "port", h->listener->port);
	put_who(c, "receiver", &h->who);
	if (h->reached == EP_HEARD_UNKNOWN)
		NULL_FIELD(c, "reached_from_outside");
	else
		BOOLEAN(c, "reached_from_outside", h->reached == EP_HEARD_YES);
	END(c);
}

static void put_remedy(struct ctx *c, const struct ep_remedy *m)
{
	OBJECT(c, NULL);
	STRING(c, "text", m->text);
	STRING(c, "command", m->command);
	BOOLEAN(c, "verified", m->verified);
	STRING(c, "then", m->then);
	put_strs(c, "side_effects", &m->side_effects);
	END(c);
}

static void put_finding(struct ctx *c, const struct ep_finding *f)
{
	OBJECT(c, NULL);
	STRING(c, "id", f->id);
	STRING(c, "severity", ep_severity_name(f->severity));
	if (f->port)
		NUMBER(c, "port", f->port);
	else
		NULL_FIELD(c, "port");
	STRING(c, "family", f->family == AF_INET ? "ip" : f->family ? "ip6" : NULL);
	ARRAY(c, "addresses");
	ep_each(e, &f->edges)
		put_addr(c, NULL, &(*e)->addr);
	END(c);
	STRING(c, "summary", f->summary);
	if (f->has_subject)
		put_who(c, "subject", &f->subject);
	else
		NULL_FIELD(c, "subject");
	if (f->has_taken_by)
		put_who(c, "taken_by", &f->taken_by);
	else
		NULL_FIELD(c, "taken_by");
	put_rule(c, "rule", f->step, true);
	put_strs(c, "evidence", &f->evidence);
	ARRAY(c, "remedies");
	ep_each(m, &f->remedies)
		put_remedy(c, m);
	END(c);
	END(c);
}

void ep_json_check(struct ep_buf *out, const struct ep_check_doc *d, const struct ep_style *st)
{
	struct ctx c = {.w = ep_json_writer(out), .a = ep_arena_new(), .s = d->doc.s};

	(void)st;
	OBJECT(&c, NULL);
	put_head(&c, &d->doc, "edgepath.check/1");
	STRING(&c, "status", ep_severity_name(d->check->status));
	ARRAY(&c, "ports");
	ep_each(a, &d->check->answers)
		put_answer(&c, a);
	END(&c);
	ARRAY(&c, "listeners");
	ep_each(h, &d->check->listeners)
		put_heard(&c, h);
	END(&c);
	ep_json_put_seen(&c.w, c.a, c.s, d->seen);
	ARRAY(&c, "findings");
	ep_each(f, &d->check->findings)
		put_finding(&c, f);
	END(&c);
	END(&c);
	ep_arena_free(c.a);
}

/* ---- for documents of other files ---- */

void ep_json_put_head(struct ep_writer *w, struct ep_arena *a, const struct ep_doc *d,
		      const char *schema)
{
	struct ctx c = {.w = *w, .a = a, .s = d->s};

	put_head(&c, d, schema);
	*w = c.w;
}

void ep_json_put_who(struct ep_writer *w, struct ep_arena *a, const char *key,
		     const struct ep_who *who)
{
	struct ctx c = {.w = *w, .a = a};

	put_who(&c, key, who);
	*w = c.w;
}
