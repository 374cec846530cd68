// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel is asked for the routing decisions of a walk, as inet_rtm_getroute() and
 * inet6_rtm_getroute() answer; where it decides otherwise, nothing that rests on it is said.
 */
#include <errno.h>
#include <netinet/in.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "walk/fib.h"
#include "walk/partition.h"

#define MAX_SOURCES 4 /* that one decision is checked for, if only the source differs */

/* ---- keeping ---- */

/* One of the values that are possible: of the largest interval, so that it stands for most. */
static ep_u128 representative(const struct ep_walk *w, const struct ep_val *v)
{
	const struct ep_ivset *dom;
	size_t best = 0;

	if (v->var < 0)
		return v->c;
	dom = &w->vars.v[v->var].dom;
	for (size_t i = 1; i < dom->n; i++)
		if (dom->v[i].hi - dom->v[i].lo > dom->v[best].hi - dom->v[best].lo)
			best = i;
	return dom->n ? dom->v[best].lo + (dom->v[best].hi - dom->v[best].lo) / 2 : 0;
}

static bool same_but_source(const struct ep_route_check *x, const struct ep_route_check *y)
{
	return x->netns == y->netns && x->route == y->route && x->type == y->type &&
	       x->refused == y->refused && ep_addr_eq(&x->ask.dst, &y->ask.dst) &&
	       x->ask.iif == y->ask.iif && x->ask.mark == y->ask.mark &&
	       x->ask.dport == y->ask.dport && x->ask.src.len == y->ask.src.len;
}

uint64_t ep_route_keep(struct ep_result *r, const struct ep_walk *w, const struct ep_route_note *n)
{
	struct ep_route_check c = n->check;
	unsigned sources = 0;

	if (n->has_src)
		c.ask.src = ep_addr_from_num(representative(w, &n->src), c.ask.dst.len);
	c.ask.sport = (uint16_t)representative(w, &n->sport);
	for (size_t i = 0; i < r->routes.n; i++) {
		if (!same_but_source(&r->routes.v[i], &c))
			continue;
		if (ep_addr_eq(&r->routes.v[i].ask.src, &c.ask.src) || ++sources == MAX_SOURCES)
			return 1ull << i;
	}
	if (r->routes.n == EP_MAX_ROUTE_CHECKS)
		return 0;
	*ep_push(r->arena, &r->routes) = c;
	return 1ull << (r->routes.n - 1);
}

/* ---- comparing ---- */

static bool is_dead(uint8_t type)
{
	return type == RTN_UNREACHABLE || type == RTN_BLACKHOLE || type == RTN_PROHIBIT ||
	       type == RTN_THROW;
}

/* fib_props[], ip6_rt_type_to_error(); a source that is refused: EINVAL, before 6.13 also EXDEV. */
static bool error_fits(const struct ep_route_check *c, int error)
{
	if (c->refused)
		return error == EINVAL || error == EXDEV;
	if (c->off && c->type != RTN_LOCAL && c->type != RTN_BROADCAST)
		return error == EHOSTUNREACH;
	switch (c->type) {
	case RTN_BLACKHOLE:
		return error == EINVAL;
	case RTN_PROHIBIT:
		return error == EACCES;
	case RTN_UNREACHABLE:
	case RTN_THROW:
		return error == EHOSTUNREACH || error == ENETUNREACH;
	default:
		return false;
	}
}

static bool has_hop(const struct ep_route *r, const struct ep_nexthop *h)
{
	ep_each(own, &r->hops)
		if (own->ifindex == h->ifindex && ep_addr_eq(&own->gw, &h->gw))
			return true;
	return false;
}

static bool same_hops(const struct ep_route *x, const struct ep_route *y)
{
	ep_each(h, &x->hops)
		if (!has_hop(y, h))
			return false;
	ep_each(h, &y->hops)
		if (!has_hop(x, h))
			return false;
	return true;
}

/* IPv4's local and main table are told as either while they are one. */
static bool same_table(const struct ep_netns *ns, const struct ep_route *x,
		       const struct ep_route *y)
{
	bool merged = x->family == AF_INET && !ep_fib_custom_rules(ns, AF_INET);
	bool both = (x->table == RT_TABLE_LOCAL || x->table == RT_TABLE_MAIN) &&
		    (y->table == RT_TABLE_LOCAL || y->table == RT_TABLE_MAIN);

	return x->table == y->table || !y->table || (merged && both);
}

static bool route_fits(const struct ep_netns *ns, const struct ep_route_check *c)
{
	const struct ep_route *x = c->route, *y = &c->told.route;

	if (!x || c->refused || is_dead(c->type) ||
	    (c->off && c->type != RTN_LOCAL && c->type != RTN_BROADCAST))
		return false;
	return c->type == y->type && same_table(ns, x, y) && x->dst_len == y->dst_len &&
	       x->metric == y->metric && (!y->hops.n || same_hops(x, y));
}

/* ---- telling ---- */

static const char *type_word(uint8_t type)
{
	static const char *const words[] = {
		[RTN_UNSPEC] = "unspec",       [RTN_UNICAST] = "unicast",
		[RTN_LOCAL] = "local",         [RTN_BROADCAST] = "broadcast",
		[RTN_ANYCAST] = "anycast",     [RTN_MULTICAST] = "multicast",
		[RTN_BLACKHOLE] = "blackhole", [RTN_UNREACHABLE] = "unreachable",
		[RTN_PROHIBIT] = "prohibit",   [RTN_THROW] = "throw",
	};

	return type < EP_ARRAY_SIZE(words) ? words[type] : "another type";
}

/* "unicast 10.0.0.0/8 via 192.0.2.1 dev eth1 table 100 metric 5" */
static const char *route_text(struct ep_arena *a, const struct ep_netns *ns, uint8_t type,
			      const struct ep_route *r)
{
	struct ep_buf b = {};
	char buf[EP_ADDRSTR];
	char *text;

	ep_buf_printf(&b, "%s", type_word(type));
	if (r && r->dst_len)
		ep_buf_printf(&b, " %s/%u", ep_addr_str(&r->dst, buf), r->dst_len);
	else
		ep_buf_puts(&b, r ? " default" : ", no route");
	for (size_t i = 0; r && i < r->hops.n && i < 8; i++) {
		const struct ep_link *l = ep_link_by_index(ns, r->hops.v[i].ifindex);

		if (r->hops.v[i].gw.len)
			ep_buf_printf(&b, " via %s", ep_addr_str(&r->hops.v[i].gw, buf));
		ep_buf_puts(&b, " dev ");
		ep_buf_put_escaped(&b, l ? l->name : "?", strlen(l ? l->name : "?"));
	}
	if (r)
		ep_buf_printf(&b, " table %u", r->table);
	if (r && r->metric)
		ep_buf_printf(&b, " metric %u", r->metric);
	text = ep_strdup(a, ep_buf_str(&b));
	ep_buf_free(&b);
	return text;
}

static void tell(struct ep_arena *a, const struct ep_netns *ns, struct ep_route_check *c)
{
	if (c->refused)
		c->said = "the source is refused";
	else if (c->off && c->type != RTN_LOCAL && c->type != RTN_BROADCAST)
		c->said = "not forwarded";
	else
		c->said = route_text(a, ns, c->type, c->route);
	c->kernel = c->told.error ? ep_sprintf(a, "error %d (%s)", c->told.error,
					       strerrorname_np(c->told.error)) :
				    route_text(a, ns, c->told.route.type, &c->told.route);
}

/* ---- asking ---- */

static bool verify(struct ep_snapshot *s, struct ep_result *r, struct ep_route_check *c)
{
	struct ep_netns *ns = ep_netns_find(s, c->netns);

	if (!ns || s->provider->route(s->provider->ctx, s, ns, &c->ask, &c->told))
		return true;
	c->asked = true;
	if (c->told.error ? error_fits(c, c->told.error) : route_fits(ns, c))
		return true;
	tell(r->arena, ns, c);
	return false;
}

void ep_routes_verify(struct ep_snapshot *s, struct ep_result *r)
{
	for (size_t i = 0; s->provider && s->provider->route && i < r->routes.n; i++) {
		struct ep_route_check *c = &r->routes.v[i];

		if (verify(s, r, c))
			continue;
		ep_each(o, &r->outcomes) {
			if (!(o->routes >> i & 1) || o->verdict == EP_UNKNOWN)
				continue;
			o->verdict = EP_UNKNOWN;
			o->martian = false;
			o->listener = NULL;
			o->receiver = NULL;
			o->via.n = 0;
			o->reason = ep_sprintf(r->arena,
					       "routed otherwise by the kernel: here %s, there %s",
					       c->said, c->kernel);
		}
	}
}

bool ep_result_misrouted(const struct ep_result *r)
{
	ep_each(c, &r->routes)
		if (c->kernel)
			return true;
	return false;
}
