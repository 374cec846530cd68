// SPDX-License-Identifier: GPL-2.0-or-later
/* The set match: net/netfilter/xt_set.c, and ip_set_test() for the set types whose elements the
 * snapshot can hold. */
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_set.h>

#include "walk/xt.h"

static const struct set_type {
	const char *name;
	uint8_t dims;
	int8_t addr, port; /* which dimension it is, from 1; 0 none */
} set_types[] = {
	{"hash:ip", 1, 1, 0},     {"hash:net", 1, 1, 0},     {"bitmap:ip", 1, 1, 0},
	{"bitmap:port", 1, 0, 1}, {"hash:ip,port", 2, 1, 2}, {"hash:net,port", 2, 1, 2},
};

struct set_query {
	uint16_t index;
	uint8_t dims;
	unsigned flags; /* IPSET_*: bit d is set if dimension d is the source's */
	bool counters, return_nomatch;
};

static const struct set_type *find_type(const char *name)
{
	for (size_t i = 0; name && i < EP_ARRAY_SIZE(set_types); i++)
		if (!strcmp(set_types[i].name, name))
			return &set_types[i];
	return NULL;
}

/* compat_flags() of revision 0. */
static struct set_query query_v0(const struct xt_set_info_v0 *i)
{
	struct set_query q = {.index = i->index};

	if (i->u.flags[0] & IPSET_MATCH_INV)
		q.flags |= IPSET_INV_MATCH;
	for (int d = 0; d < IPSET_DIM_MAX - 1 && i->u.flags[d]; d++) {
		q.dims++;
		if (i->u.flags[d] & IPSET_SRC)
			q.flags |= 1u << q.dims;
	}
	return q;
}

static struct set_query query_of(const struct ep_xt_in *in)
{
	const struct xt_set_info_match_v1 *v1 = in->info;
	const struct xt_set_info_match_v3 *v3 = in->info;
	const struct xt_set_info_match_v4 *v4 = in->info;
	struct set_query q;

	if (in->rev == 0)
		return query_v0(&((const struct xt_set_info_match_v0 *)in->info)->match_set);
	q = (struct set_query){
		.index = v1->match_set.index,
		.dims = v1->match_set.dim,
		.flags = v1->match_set.flags,
	};
	q.return_nomatch = q.flags & IPSET_RETURN_NOMATCH;
	if (in->rev == 3) {
		q.counters = v3->packets.op != IPSET_COUNTER_NONE ||
			     v3->bytes.op != IPSET_COUNTER_NONE;
		q.return_nomatch = v3->flags & IPSET_FLAG_RETURN_NOMATCH;
	} else if (in->rev >= 4) {
		q.counters = v4->packets.op != IPSET_COUNTER_NONE ||
			     v4->bytes.op != IPSET_COUNTER_NONE;
		q.return_nomatch = v4->flags & IPSET_FLAG_RETURN_NOMATCH;
	}
	return q;
}

/* Prefix length; the snapshot keeps 0 for single hosts as well as for hash:net's /0. */
static unsigned elem_plen(const struct ep_ipset *s, const struct ep_ipset_elem *e)
{
	unsigned bits = e->addr.len * 8u;

	if (e->plen && e->plen <= bits)
		return e->plen;
	return strncmp(s->type, "hash:net", 8) ? bits : 0;
}

static struct ep_iv elem_range(const struct ep_ipset *s, const struct ep_ipset_elem *e)
{
	unsigned bits = e->addr.len * 8u, plen = elem_plen(s, e);
	ep_u128 last = bits - plen >= 128 ? ~(ep_u128)0 : ((ep_u128)1 << (bits - plen)) - 1;
	ep_u128 lo = ep_addr_num(&e->addr) & ~last;

	return (struct ep_iv){lo, lo + last};
}

static bool has_port(const struct ep_ipset_elem *e, uint16_t port)
{
	return (!e->proto || e->proto == IPPROTO_TCP) && port >= e->port_lo && port <= e->port_hi;
}

static bool any_nomatch(const struct ep_ipset *s)
{
	ep_each(e, &s->elems)
		if (e->nomatch)
			return true;
	return false;
}

/* Ranges of the elements with this prefix length (-1: any), this port and this kind. */
static struct ep_ivset ranges(struct ep_walk *w, const struct ep_ipset *s, int plen, int port,
			      bool nomatch)
{
	EP_VEC(struct ep_iv) v = {};

	ep_each(e, &s->elems)
		if (e->addr.len == w->p.alen && e->nomatch == nomatch &&
		    (plen < 0 || elem_plen(s, e) == (unsigned)plen) &&
		    (port < 0 || has_port(e, port)))
			*ep_push(w->arena, &v) = elem_range(s, e);
	return ep_iv_of(w->arena, v.v, v.n);
}

/*
 * Addresses that the elements with this port (-1: without ports) cover: longer prefixes win, and
 * those with nomatch cut holes (mtype_test_cidrs()); --return-nomatch asks for the holes.
 */
static struct ep_ivset addr_set(struct ep_walk *w, const struct ep_ipset *s, int port,
				bool want_nomatch)
{
	struct ep_ivset set = {};

	if (!any_nomatch(s))
		return want_nomatch ? set : ranges(w, s, -1, port, false);
	for (int plen = 0; plen <= (int)ep_xt_bits(w); plen++) {
		set = ep_iv_minus(w->arena, set, ranges(w, s, plen, port, !want_nomatch));
		set = ep_iv_or(w->arena, set, ranges(w, s, plen, port, want_nomatch));
	}
	return set;
}

static bool has_addr(const struct ep_walk *w, const struct ep_ipset *s, ep_u128 addr, int port,
		     bool want_nomatch)
{
	int best = -1;
	bool ret = false;

	ep_each(e, &s->elems) {
		struct ep_iv r;

		if (e->addr.len != w->p.alen || (port >= 0 && !has_port(e, port)))
			continue;
		r = elem_range(s, e);
		if (addr < r.lo || addr > r.hi || (int)elem_plen(s, e) <= best)
			continue;
		best = elem_plen(s, e);
		ret = e->nomatch == want_nomatch;
	}
	return ret;
}

/* Ports of the elements that hold this address; nomatch is not looked at (only hash:net has it). */
static struct ep_ivset port_set(struct ep_walk *w, const struct ep_ipset *s, bool addrs,
				const struct ep_val *addr)
{
	EP_VEC(struct ep_iv) v = {};

	ep_each(e, &s->elems) {
		if (e->proto && e->proto != IPPROTO_TCP)
			continue;
		if (addrs) {
			struct ep_iv r = elem_range(s, e);

			if (e->addr.len != w->p.alen || addr->c < r.lo || addr->c > r.hi)
				continue;
		}
		*ep_push(w->arena, &v) = (struct ep_iv){e->port_lo, e->port_hi};
	}
	return ep_iv_of(w->arena, v.v, v.n);
}

static bool need_addr(struct ep_xt_and *a, const struct ep_ipset *s, const struct ep_val *addr,
		      int port, bool nomatch, bool invert)
{
	if (addr->var < 0)
		return has_addr(a->w, s, addr->c, port, nomatch) != invert;
	return ep_xt_need_in(a, addr, addr_set(a->w, s, port, nomatch), invert);
}

static bool need_member(struct ep_xt_and *a, const struct ep_ipset *s, const struct set_type *t,
			const struct set_query *q)
{
	struct ep_walk *w = a->w;
	bool invert = q->flags & IPSET_INV_MATCH, nomatch = q->return_nomatch;
	struct ep_val daddr = {.var = -1, .c = ep_addr_num(&w->p.daddr)};
	struct ep_val dport = {.var = -1, .c = w->p.dport};
	const struct ep_val *addr = q->flags & 1u << t->addr ? &w->p.saddr : &daddr;
	const struct ep_val *port = q->flags & 1u << t->port ? &w->p.sport : &dport;

	if (!t->addr)
		return ep_xt_need_in(a, port, port_set(w, s, false, NULL), invert);
	if (!t->port || port->var < 0)
		return need_addr(a, s, addr, t->port ? (int)port->c : -1, nomatch, invert);
	if (addr->var < 0 && !any_nomatch(s))
		return ep_xt_need_in(a, port, port_set(w, s, true, addr), invert);
	return ep_xt_need_unknown(a, "ipset %s with source address and port both open", s->name);
}

bool ep_xt_set(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	struct set_query q = query_of(in);
	struct ep_walk *w = a->w;
	const struct ep_ipset *s = ep_ipset_need(w->s, w->ns, q.index);
	const struct set_type *t = s ? find_type(s->type) : NULL;
	uint8_t family = w->p.alen == 4 ? AF_INET : AF_INET6;

	if (!s || !s->loaded)
		return ep_xt_need_unknown(a, "ipset %s could not be read",
					  s && s->name ? s->name : ep_w_sprintf(w, "%u", q.index));
	if (!t)
		return ep_xt_need_unknown(a, "ipset %s: type %s is not understood", s->name,
					  s->type);
	if (ep_xt_is_rewritten(w, ep_w_sprintf(w, "ipset %u", q.index)))
		return ep_xt_need_unknown(a, "ipset %s, which a rule changes", s->name);
	if (q.dims < t->dims || (s->family && s->family != family))
		return q.flags & IPSET_INV_MATCH;
	if (q.counters && !ep_xt_need_unknown(a, "counters of ipset %s", s->name))
		return false;
	return need_member(a, s, t, &q);
}
