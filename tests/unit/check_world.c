// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "check_world.h"

static void add_edge(struct check_world *w, const char *addr)
{
	struct ep_netns *ns = ep_netns_find(w->s, w->s->host_netns);
	const struct ep_link *l = ep_link_by_name(ns, "eth0");
	struct ep_edge *e = ep_push(w->s->arena, &w->spec.edges);

	assert_non_null(l);
	assert_true(ep_addr_parse(addr, &e->addr));
	e->ifindex = l->ifindex;
	e->dev = l->name;
}

void check_world_again(struct check_world *w)
{
	ep_check_free(w->c);
	w->c = ep_check_run(w->s, &w->spec);
}

void check_world_open(struct check_world *w, const char *name)
{
	static const uint16_t ports[] = {80, 443, 8080};
	struct ep_arena *a = ep_arena_new();
	char path[128], err[256], *text;
	size_t len;

	*w = (struct check_world){.spec.command_prefix = ""};
	snprintf(path, sizeof(path), "tests/unit/data/check/%s.json", name);
	assert_int_equal(ep_read_file(a, path, 1 << 22, &text, &len), 0);
	w->s = ep_snapshot_from_json(text, len, err, sizeof(err));
	ep_arena_free(a);
	if (!w->s)
		fail_msg("%s: %s", path, err);
	for (size_t i = 0; i < EP_ARRAY_SIZE(ports); i++)
		*ep_push(w->s->arena, &w->spec.ports) = ports[i];
	add_edge(w, "203.0.113.10");
	add_edge(w, "2001:db8::10");
	check_world_again(w);
}

void check_world_close(struct check_world *w)
{
	ep_check_free(w->c);
	ep_snapshot_free(w->s);
}

const struct ep_finding *check_world_find(const struct check_world *w, const char *id,
					  uint16_t port)
{
	ep_each(f, &w->c->findings)
		if (!strcmp(f->id, id) && (!port || f->port == port))
			return f;
	return NULL;
}

struct ep_outcome check_world_outcome(struct ep_arena *a, enum ep_outcome_verdict v,
				      const char *addr, uint16_t port)
{
	struct ep_outcome o = {.probability = 1, .verdict = v};

	assert_true(ep_addr_parse(addr, &o.final.addr));
	o.final.port = port;
	o.final.dev = "eth0";
	o.saddr = ep_iv_full(a, o.final.addr.len * 8u);
	o.sport = ep_iv_full(a, 16);
	return o;
}
