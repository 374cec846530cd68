// SPDX-License-Identifier: GPL-2.0-or-later
/* edgepath check: who receives on every edge port, and what is wrong. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

static const uint16_t default_ports[] = {80, 443, 8080};

struct check {
	struct ep_check_spec spec;
	struct ep_check *check;
};

int ep_check_take(struct ep_args *args, char *err, size_t err_len)
{
	ep_each(o, &args->operands) {
		int r = ep_args_ports(args, "check", *o, err, err_len);

		if (r)
			return r;
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

static int work(void *ctx, struct ep_live *live)
{
	struct check *c = ctx;
	ep_edges edges = {};
	int r = ep_edges_find(live, &edges);

	if (r < 0)
		return r;
	if (!edges.n)
		*ep_push(live->s->arena, &live->doc.notes) =
			"No global address on any device: name one with --dst.";
	c->spec = (struct ep_check_spec){.without = &live->without,
					 .command_prefix = command_prefix(live)};
	ep_each(e, &edges)
		*ep_push(live->s->arena, &c->spec.edges) = *e;
	ep_each(p, &live->args->ports)
		*ep_push(live->s->arena, &c->spec.ports) = *p;
	for (size_t i = 0; !live->args->ports.n && i < EP_ARRAY_SIZE(default_ports); i++)
		*ep_push(live->s->arena, &c->spec.ports) = default_ports[i];
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
	static const struct ep_job job = {work, drop, void_all};
	struct check c = {};
	struct ep_live live;
	struct ep_style style;
	struct ep_buf out = {};
	struct ep_check_doc doc;
	int code;

	if (ep_live_run(args, &job, &c, &live) < 0) {
		ep_say("%s", live.err);
		return EP_EXIT_UNKNOWN;
	}
	doc = (struct ep_check_doc){.doc = live.doc, .check = c.check};
	ep_live_format(args, &style)->check(&out, &doc, &style);
	code = ep_live_finish(&live, &out, exit_code(c.check->status));
	ep_buf_free(&out);
	drop(&c);
	ep_live_close(&live);
	return code;
}
