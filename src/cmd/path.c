// SPDX-License-Identifier: GPL-2.0-or-later
/* edgepath path: one connection request, hop by hop and rule by rule. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

#define FIELD(f) offsetof(struct ep_args, f)

const struct ep_option ep_path_options[] = {
	{"dport", 0, EP_ARG_PORT, FIELD(dport), "PORT", "destination port"},
	{"src", 0, EP_ARG_ADDR, FIELD(src), "ADDRESS", "the client's address (default: all)"},
	{"sport", 0, EP_ARG_PORT, FIELD(sport), "PORT", "the client's port (default: all)"},
	{"proto", 0, EP_ARG_CHOICE, FIELD(proto), "tcp", "the protocol"},
	{},
};

static int wrong(char *err, size_t err_len, const char *what)
{
	snprintf(err, err_len, "path: %s", what);
	return -EINVAL;
}

int ep_path_take(struct ep_args *args, char *err, size_t err_len)
{
	struct ep_addr addr = {};
	uint16_t port = 0;
	int r;

	if (args->operands.n > 1)
		return wrong(err, err_len, "takes one [ADDRESS:]PORT");
	if (args->operands.n) {
		r = ep_args_target(args->operands.v[0], &addr, &port, err, err_len);
		if (r)
			return r;
	}
	if (args->ports.n > 1)
		return wrong(err, err_len,
			     "takes one port, not a list; `edgepath check` takes many");
	if (args->ports.n && !port)
		port = args->ports.v[0];
	if (port && args->dport && port != args->dport)
		return wrong(err, err_len, "--dport and the argument name different ports");
	if (addr.len && args->dst.len && !ep_addr_eq(&addr, &args->dst))
		return wrong(err, err_len, "--dst and the argument name different addresses");
	if (port)
		args->dport = port;
	if (addr.len)
		args->dst = addr;
	if (!args->dport)
		return wrong(err, err_len, "which port? For example: edgepath path 443");
	if (args->origins.n > 1)
		return wrong(err, err_len, "takes one --origin; `edgepath check` takes many");
	if (args->iif && args->origins.n && strcmp(args->origins.v[0], "external") != 0 &&
	    strcmp(args->origins.v[0], "lan") != 0)
		return wrong(err, err_len,
			     "--iif is of packets that arrive: of --origin external or lan");
	return 0;
}

struct path {
	struct ep_start start;
	struct ep_query query;
	const char *iif;
	struct ep_result *result;
	ep_heirs heirs;
};

/* The first address of the family that was asked for; --src decides it where nothing else does. */
static const struct ep_edge *choose(const ep_edges *edges, const struct ep_args *args)
{
	ep_each(e, edges)
		if (!args->src.len || e->addr.len == args->src.len)
			return e;
	return NULL;
}

static int work(void *ctx, struct ep_live *live)
{
	const struct ep_args *args = live->args;
	const struct ep_edge *e;
	struct path *p = ctx;
	ep_edges edges = {};
	int r = ep_origin_find(live, args->origins.n ? args->origins.v[0] : "external", &p->start);

	if (r < 0)
		return r;
	r = ep_edges_of(live, &p->start, &edges);
	if (r < 0)
		return r;
	e = choose(&edges, args);
	if (!e) {
		snprintf(live->err, sizeof(live->err),
			 "no global address on any device: name the destination with --dst");
		return -EADDRNOTAVAIL;
	}
	p->query = ep_start_query(&p->start, e, args->dport, live->s->host_netns);
	p->query.has_src = args->src.len > 0;
	p->query.src = args->src;
	p->query.has_sport = args->sport > 0;
	p->query.sport = args->sport;
	p->iif = ep_origin_sends(p->start.origin) ? NULL : e->dev;
	p->result = ep_walk(live->s, &p->query, &live->without);
	if (!args->json)
		ep_succession(live->s, live->s->arena, &p->query, &live->without, p->result, 0,
			      &p->heirs);
	return 0;
}

static void drop(void *ctx)
{
	struct path *p = ctx;

	ep_heirs_free(&p->heirs);
	ep_result_free(p->result);
	p->result = NULL;
}

static void void_all(void *ctx, const char *reason)
{
	struct path *p = ctx;

	ep_heirs_free(&p->heirs);
	ep_result_void(p->result, reason);
}

static bool doubtful(void *ctx)
{
	struct path *p = ctx;

	return ep_result_misrouted(p->result);
}

static int exit_code(const struct ep_result *r)
{
	ep_each(o, &r->outcomes)
		if (o->verdict == EP_UNKNOWN)
			return EP_EXIT_UNKNOWN;
	return EP_EXIT_OK;
}

int ep_path_main(const struct ep_args *args)
{
	static const struct ep_job job = {work, drop, void_all, doubtful};
	struct path p = {};
	struct ep_live live;
	struct ep_style style;
	struct ep_buf out = {};
	struct ep_path_doc doc;
	int code;

	if (ep_live_run(args, &job, &p, &live) < 0) {
		ep_say("%s", live.err);
		return live.usage ? EP_EXIT_USAGE : EP_EXIT_UNKNOWN;
	}
	doc = (struct ep_path_doc){.doc = live.doc,
				   .query = &p.query,
				   .iif = p.iif,
				   .result = p.result,
				   .heirs = &p.heirs};
	ep_live_format(args, &style)->path(&out, &doc, &style);
	code = ep_live_finish(&live, &out, exit_code(p.result));
	ep_buf_free(&out);
	drop(&p);
	ep_live_close(&live);
	return code;
}
