// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "cmd/sight.h"

static struct ep_forecast *forecast(struct ep_sight *s, const struct ep_query *q)
{
	struct ep_forecast *f;

	ep_each(it, &s->forecasts) {
		const struct ep_query *have = &(*it)->query;

		if (have->origin == q->origin && have->dport == q->dport &&
		    have->ifindex == q->ifindex && ep_addr_eq(&have->dst, &q->dst))
			return *it;
	}
	f = ep_alloc(s->live.s->arena, sizeof(*f));
	f->query = *q;
	f->result = ep_walk(s->live.s, q, &s->live.without);
	*ep_push(s->live.s->arena, &s->forecasts) = f;
	return f;
}

static int work(void *ctx, struct ep_live *live)
{
	struct ep_sight *s = ctx;
	EP_VEC(uint32_t) outer = {};
	struct ep_config config = {};
	struct ep_start start = {};
	int r = ep_origin_find(live, "external", &start);

	r = r < 0 ? r : ep_edges_of(live, &start, &s->edges);
	r = r < 0 ? r : ep_config_use(live, &config);
	if (r < 0)
		return r;
	ep_edge_ports(live->args, &config, live->s->arena, &s->ports);
	ep_each(e, &s->edges)
		*ep_push(live->s->arena, &outer) = e->ifindex;
	ep_scope_find(live->s, live->s->arena, outer.v, outer.n, &s->scope);
	ep_each(e, &s->edges) {
		ep_each(p, &s->ports) {
			struct ep_query q = {.origin = EP_EXTERNAL,
					     .dst = e->addr,
					     .dport = *p,
					     .netns = live->s->host_netns,
					     .ifindex = e->ifindex};

			forecast(s, &q);
		}
	}
	return 0;
}

static void drop(void *ctx)
{
	struct ep_sight *s = ctx;

	ep_each(it, &s->forecasts)
		ep_result_free((*it)->result);
	s->forecasts.v = NULL;
	s->forecasts.n = s->forecasts.cap = 0;
	s->edges = (ep_edges){};
	s->ports = (ep_ports){};
}

static void void_all(void *ctx, const char *reason)
{
	struct ep_sight *s = ctx;

	ep_each(it, &s->forecasts)
		ep_result_void((*it)->result, reason);
}

static bool doubtful(void *ctx)
{
	struct ep_sight *s = ctx;

	ep_each(it, &s->forecasts)
		if (ep_result_misrouted((*it)->result))
			return true;
	return false;
}

int ep_sight_open(const struct ep_args *args, struct ep_sight *s)
{
	static const struct ep_job job = {work, drop, void_all, doubtful};

	*s = (struct ep_sight){};
	return ep_live_run(args, &job, s, &s->live);
}

void ep_sight_close(struct ep_sight *s)
{
	if (!s->live.s)
		return;
	drop(s);
	ep_live_close(&s->live);
}

bool ep_sight_is_edge(const struct ep_sight *s, const struct ep_addr *a)
{
	if (ep_ifaddr_find(s->live.host, a))
		return true;
	ep_each(e, &s->edges)
		if (ep_addr_eq(&e->addr, a))
			return true;
	return false;
}

/* The device on whose network an address is; 0 if on none. */
static uint32_t on_link(const struct ep_netns *ns, const struct ep_addr *a)
{
	ep_each(i, &ns->addrs)
		if (i->addr.len == a->len && i->plen < a->len * 8u &&
		    ep_addr_in(a, &i->addr, i->plen))
			return i->ifindex;
	return 0;
}

static uint32_t edge_device(const struct ep_sight *s, const struct ep_addr *dst)
{
	ep_each(e, &s->edges)
		if (ep_addr_eq(&e->addr, dst))
			return e->ifindex;
	return s->edges.n ? s->edges.v[0].ifindex : 0;
}

const struct ep_result *ep_sight_forecast(struct ep_sight *s, const struct ep_wire_row *row,
					  const struct ep_wire_flow *flow)
{
	struct ep_query q = {
		.origin = row->origin == EP_WIRE_HOST ? EP_HOST : EP_EXTERNAL,
		.dst = ep_seen_addr(row, row->daddr),
		.dport = row->dport,
		.netns = s->live.s->host_netns,
	};
	struct ep_addr src;

	if (row->origin == EP_WIRE_INSIDE && !flow)
		return NULL;
	if (q.origin == EP_EXTERNAL) {
		if (flow) {
			src = ep_seen_addr(row, flow->saddr);
			q.ifindex = on_link(s->live.host, &src);
		}
		if (!q.ifindex)
			q.ifindex = edge_device(s, &q.dst);
	}
	return forecast(s, &q)->result;
}
