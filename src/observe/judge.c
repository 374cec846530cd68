// SPDX-License-Identifier: GPL-2.0-or-later
/* What was seen against what the walk said. */
#include <string.h>

#include "observe/observe_i.h"

static bool is_mapped(const struct ep_addr *a)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return a->len == 16 && !memcmp(a->b, prefix, 12);
}

/* How well a listener's address fits one of its connections: 0 not at all. */
static int fit(const struct ep_listener *l, const struct ep_addr *addr)
{
	struct ep_addr own = is_mapped(&l->addr) ? ep_addr_of(l->addr.b + 12, 4) : l->addr;

	if (ep_addr_eq(&own, addr))
		return 3;
	if (!ep_addr_is_any(&own))
		return 0;
	return own.len == addr->len ? 2 : own.len == 16 && !l->v6only ? 1 : 0;
}

const struct ep_listener *ep_seen_listener(const struct ep_snapshot *s, const struct ep_wire_row *r)
{
	struct ep_addr addr = ep_seen_addr(r, r->laddr);
	const struct ep_listener *best = NULL;
	int best_fit = 0;

	ep_each(l, &s->listeners) {
		int f;

		if (l->netns != r->netns)
			continue;
		if (r->ino) {
			if (l->ino == r->ino)
				return l;
			continue;
		}
		f = l->port == r->lport ? fit(l, &addr) : 0;
		if (f > best_fit) {
			best = l;
			best_fit = f;
		}
	}
	return best;
}

static bool in_group(const struct ep_listener *x, const struct ep_listener *y)
{
	return x == y || (x->reuseport && y->reuseport && x->netns == y->netns &&
			  x->port == y->port && ep_addr_eq(&x->addr, &y->addr));
}

/* The socket, or a proxy on the way to another. */
static bool took_it(const struct ep_outcome *o, const struct ep_listener *took)
{
	if (!took)
		return false;
	if (o->verdict == EP_DELIVERED && o->listener && in_group(o->listener, took))
		return true;
	ep_each(v, &o->via) {
		ep_each(p, &took->procs)
			if (*v == *p)
				return true;
	}
	return false;
}

static bool same_end(const struct ep_outcome *o, const struct ep_listener *took,
		     const struct ep_wire_row *row)
{
	switch (row->result) {
	case EP_WIRE_LANDED:
		return took_it(o, took);
	case EP_WIRE_REFUSED:
		return o->verdict == EP_REFUSED;
	default:
		return o->verdict == EP_DROPPED || o->verdict == EP_REJECTED ||
		       o->verdict == EP_UNREACHABLE;
	}
}

static bool is_for(const struct ep_outcome *o, const struct ep_wire_flow *f)
{
	struct ep_addr src;

	if (!f)
		return true;
	src = ep_seen_addr(&f->row, f->saddr);
	return ep_iv_has(o->saddr, ep_addr_num(&src)) && ep_iv_has(o->sport, f->sport);
}

enum ep_judged ep_judge(const struct ep_result *r, const struct ep_listener *took,
			const struct ep_wire_row *row, const struct ep_wire_flow *flow,
			const struct ep_outcome **ret_predicted)
{
	const struct ep_outcome *other = NULL;
	bool unknown = r->split_limit;

	ep_each(o, &r->outcomes) {
		if (!is_for(o, flow))
			continue;
		if (same_end(o, took, row)) {
			if (ret_predicted)
				*ret_predicted = o;
			return EP_JUDGED_YES;
		}
		unknown |= o->verdict == EP_UNKNOWN;
		if (!other && !o->martian)
			other = o;
	}
	if (ret_predicted)
		*ret_predicted = other;
	/* Nobody can say who took it: neither can it be said that it was another. */
	if (unknown || !other || (row->result == EP_WIRE_LANDED && !took))
		return EP_JUDGED_UNKNOWN;
	return EP_JUDGED_NO;
}
