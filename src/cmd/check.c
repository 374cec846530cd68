// SPDX-License-Identifier: GPL-2.0-or-later
/* edgepath check: who receives on every edge port, and what is wrong. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/seen.h"

static const uint16_t default_ports[] = {80, 443, 8080};

const struct ep_option ep_check_options[] = {
	{"learn", 0, EP_ARG_FLAG, offsetof(struct ep_args, learn), NULL,
	 "write a configuration that names the present receivers as owners"},
	{"observe", 0, EP_ARG_TIME, offsetof(struct ep_args, observe_ms), "TIME",
	 "watch real connections first, for so long, and hold them against the prediction"},
	{"verify", 0, EP_ARG_FLAG, offsetof(struct ep_args, verify), NULL,
	 "make one connection to every edge port, from the namespace of --via, and tell who took it"},
	{"via", 0, EP_ARG_TEXT, offsetof(struct ep_args, via), "NAME|PATH",
	 "the network namespace that --verify connects from: a neighbour's, a container's"},
	{},
};

struct check {
	struct ep_check_spec spec;
	struct ep_check *check;
	struct ep_seen_ends *seen; /* NULL: nothing was watched */
};

int ep_check_take(struct ep_args *args, char *err, size_t err_len)
{
	ep_each(o, &args->operands) {
		int r = ep_args_ports(args, "check", *o, err, err_len);

		if (r)
			return r;
	}
	if (args->verify != (args->via != NULL)) {
		snprintf(err, err_len, "check: --verify and --via NAMESPACE go together");
		return -EINVAL;
	}
	return 0;
}

static const char *command_prefix(struct ep_live *live)
{
	const char *name = live->args->netns;

	if (!name)
		return "";
	if (strchr(name, '/'))
		return ep_sprintf(live->s->arena, "nsenter --net=%s ",
				  ep_escape(live->s->arena, name, strlen(name)));
	return ep_sprintf(live->s->arena, "ip netns exec %s ",
			  ep_escape(live->s->arena, name, strlen(name)));
}

/* The ports of the command line, of the configuration, or the usual ones and those with an owner. */
void ep_edge_ports(const struct ep_args *args, const struct ep_config *config, struct ep_arena *a,
		   ep_ports *ret)
{
	ep_each(p, &args->ports)
		*ep_push(a, ret) = *p;
	if (ret->n)
		return;
	ep_each(p, &config->ports)
		*ep_push(a, ret) = *p;
	if (ret->n)
		return;
	for (size_t i = 0; i < EP_ARRAY_SIZE(default_ports); i++)
		*ep_push(a, ret) = default_ports[i];
	ep_each(o, &config->owners) {
		bool twice = false;

		ep_each(p, ret)
			twice |= *p == o->port;
		if (!twice)
			*ep_push(a, ret) = o->port;
	}
}

static void set_ports(struct check *c, struct ep_live *live, const struct ep_config *config)
{
	ep_ports ports = {};

	ep_edge_ports(live->args, config, live->s->arena, &ports);
	ep_each(p, &ports)
		*ep_push(live->s->arena, &c->spec.ports) = *p;
}

static int add_start(struct check *c, struct ep_live *live, const char *word)
{
	struct ep_start *start = ep_push(live->s->arena, &c->spec.starts);
	ep_edges edges = {};
	int r = ep_origin_find(live, word, start);

	r = r < 0 ? r : ep_edges_of(live, start, &edges);
	if (r < 0)
		return r;
	if (start->origin != EP_LAN) { /* those of all others are the same */
		if (!c->spec.edges.n)
			ep_each(e, &edges)
				*ep_push(live->s->arena, &c->spec.edges) = *e;
		return 0;
	}
	ep_each(e, &edges)
		*ep_push(live->s->arena, &start->edges) = *e;
	return 0;
}

static int add_starts(struct check *c, struct ep_live *live)
{
	const ep_strs *asked = &live->args->origins;
	bool host = false;
	int r = 0;

	if (!asked->n)
		r = add_start(c, live, "external");
	ep_each(word, asked) {
		r = r < 0 ? r : add_start(c, live, *word);
		host |= !strcmp(*word, "host");
	}
	if (r == 0 && !host) {
		r = add_start(c, live, "host");
		c->spec.starts.v[c->spec.starts.n - 1].aside = true;
	}
	return r;
}

static bool any_edge(const struct ep_check_spec *spec)
{
	ep_each(start, &spec->starts)
		if (start->edges.n)
			return true;
	return spec->edges.n > 0;
}

static int work(void *ctx, struct ep_live *live)
{
	struct check *c = ctx;
	struct ep_config config;
	int r;

	c->spec = (struct ep_check_spec){.without = &live->without,
					 .command_prefix = command_prefix(live)};
	r = ep_config_use(live, &config);
	r = r < 0 ? r : ep_config_intents(live, &config, &c->spec);
	r = r < 0 ? r : add_starts(c, live);
	if (r < 0)
		return r;
	if (!any_edge(&c->spec))
		*ep_push(live->s->arena, &live->doc.notes) =
			"No global address on any device: name one with --dst.";
	set_ports(c, live, &config);
	if (c->seen)
		ep_seen_mismatches(c->seen, live->s->arena, &c->spec);
	ep_seen_tracked(live, &c->spec);
	c->check = ep_check_run(live->s, &c->spec);
	return 0;
}

static void drop(void *ctx)
{
	struct check *c = ctx;

	ep_check_free(c->check);
	c->check = NULL;
}

static void void_all(void *ctx, const char *reason)
{
	struct check *c = ctx;

	ep_check_void(c->check, reason);
}

static bool doubtful(void *ctx)
{
	struct check *c = ctx;

	ep_each(a, &c->check->answers)
		if (ep_result_misrouted(a->result))
			return true;
	return false;
}

static int exit_code(enum ep_severity s)
{
	static const int codes[] = {
		[EP_SEV_OK] = EP_EXIT_OK,
		[EP_SEV_INFO] = EP_EXIT_OK,
		[EP_SEV_WARNING] = EP_EXIT_WARNING,
		[EP_SEV_UNKNOWN] = EP_EXIT_UNKNOWN,
		[EP_SEV_CRITICAL] = EP_EXIT_CRITICAL,
	};

	return codes[s];
}

int ep_check_main(const struct ep_args *args)
{
	static const struct ep_job job = {work, drop, void_all, doubtful};
	struct check c = {};
	struct ep_live live;
	struct ep_style style;
	struct ep_buf out = {};
	struct ep_check_doc doc;
	int code;

	if ((args->observe_ms || args->verify) && ep_seen_watch(args, &c.seen) < 0)
		return EP_EXIT_UNKNOWN;
	if (ep_live_run(args, &job, &c, &live) < 0) {
		ep_seen_free(c.seen);
		ep_say("%s", live.err);
		return live.usage ? EP_EXIT_USAGE : EP_EXIT_UNKNOWN;
	}
	doc = (struct ep_check_doc){.doc = live.doc, .check = c.check};
	doc.seen = ep_seen_doc(c.seen, &live);
	if (args->learn)
		ep_learn(&out, c.check);
	else
		ep_live_format(args, &style)->check(&out, &doc, &style);
	code = ep_live_finish(&live, &out, args->learn ? EP_EXIT_OK : exit_code(c.check->status));
	ep_buf_free(&out);
	drop(&c);
	ep_seen_free(c.seen);
	ep_live_close(&live);
	return code;
}
