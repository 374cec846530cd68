// SPDX-License-Identifier: GPL-2.0-or-later
/* Which server IPVS gives a new connection to: net/netfilter/ipvs/ip_vs_*.c, a scheduler a file. */
#include <linux/ip_vs.h>
#include <string.h>

#include "walk/ipvs.h"

#define TAB_BITS 8 /* IP_VS_SH_TAB_BITS, IP_VS_DH_TAB_BITS as Debian and upstream build them */
#define TAB_SIZE (1u << TAB_BITS)

typedef EP_VEC(const struct ep_ipvs_dest *) dest_vec;

const char *ep_ipvs_name(struct ep_walk *w, const struct ep_ipvs_service *v)
{
	char buf[EP_ADDRSTR];

	if (v->fwmark)
		return ep_w_sprintf(w, "FWM %u", v->fwmark);
	return ep_w_sprintf(w, "TCP %s", ep_addrport_str(&v->addr, v->port, buf));
}

static const char *dest_name(struct ep_walk *w, const struct ep_ipvs_dest *d)
{
	char buf[EP_ADDRSTR];

	return ep_w_sprintf(w, "%s", ep_addrport_str(&d->addr, d->port, buf));
}

/*
 * IP_VS_DEST_F_OVERLOAD: set at the upper threshold, and cleared below the lower one, or below three
 * quarters of the upper. Between them it depends on where the count came from.
 */
static bool overloaded(struct ep_walk *w, const struct ep_ipvs_dest *d)
{
	uint64_t total = (uint64_t)d->active + d->inactive;
	const char *name = d->u_thresh ? dest_name(w, d) : NULL;

	if (!name)
		return false;
	ep_w_now(w, "the connections of IPVS server %s", name);
	if (total >= d->u_thresh)
		return true;
	if (d->l_thresh ? total < d->l_thresh : total * 4 < (uint64_t)d->u_thresh * 3)
		return false;
	return !ep_w_state(w, ep_w_sprintf(w, "IPVS server %s has not been at its threshold", name),
			   ep_w_sprintf(w, "IPVS server %s has been at its threshold", name));
}

static bool takes(struct ep_walk *w, const struct ep_ipvs_dest *d)
{
	return (int32_t)d->weight > 0 && !overloaded(w, d);
}

/* ---- by share ---- */

/* One of them at random, by weight or all alike. */
static const struct ep_ipvs_dest *share(struct ep_walk *w, const struct ep_ipvs_service *v,
					bool weighted)
{
	double left = 0;
	dest_vec from = {};

	ep_each(d, &v->dests)
		if (takes(w, d)) {
			*ep_push(w->arena, &from) = d;
			left += weighted ? d->weight : 1;
		}
	for (size_t i = 0; i < from.n; i++) {
		double mine = weighted ? from.v[i]->weight : 1;

		if (i + 1 == from.n || ep_w_chance(w, mine / left, "IPVS"))
			return from.v[i];
		left -= mine;
	}
	return NULL;
}

static const struct ep_ipvs_dest *alike(struct ep_walk *w, const struct ep_ipvs_service *v)
{
	return share(w, v, false);
}

static const struct ep_ipvs_dest *by_weight(struct ep_walk *w, const struct ep_ipvs_service *v)
{
	return share(w, v, true);
}

/* The next one depends on how many connections each has at that moment; in the long run, on weights. */
static const struct ep_ipvs_dest *by_load(struct ep_walk *w, const struct ep_ipvs_service *v)
{
	ep_w_now(w, "the connections of each server of IPVS service %s", ep_ipvs_name(w, v));
	return share(w, v, strcmp(v->sched, "lc") != 0);
}

static const struct ep_ipvs_dest *by_client(struct ep_walk *w, const struct ep_ipvs_service *v)
{
	ep_w_now(w, "the server that the hash %s of IPVS service %s gives a client", v->sched,
		 ep_ipvs_name(w, v));
	return share(w, v, true);
}

/* ---- by rank ---- */

/* ip_vs_fo.c: the heaviest that is available. */
static const struct ep_ipvs_dest *heaviest(struct ep_walk *w, const struct ep_ipvs_service *v)
{
	const struct ep_ipvs_dest *best = NULL;

	ep_each(d, &v->dests)
		if (takes(w, d) && (!best || d->weight > best->weight))
			best = d;
	return best;
}

/* ip_vs_ovf.c: the heaviest that has fewer connections than its weight. */
static const struct ep_ipvs_dest *overflow(struct ep_walk *w, const struct ep_ipvs_service *v)
{
	const struct ep_ipvs_dest *best = NULL;

	ep_w_now(w, "the connections of each server of IPVS service %s", ep_ipvs_name(w, v));
	ep_each(d, &v->dests)
		if (takes(w, d) && d->active <= d->weight && (!best || d->weight > best->weight))
			best = d;
	return best;
}

/* ---- by hash: tables of 256 places ---- */

/* ip_vs_sh_reassign(), ip_vs_dh_assign(): each server has a place, or as many in a row as it weighs. */
static void fill(const struct ep_ipvs_service *v, bool weighted,
		 const struct ep_ipvs_dest *tab[TAB_SIZE])
{
	size_t at = 0;
	int32_t count = 0;

	for (unsigned i = 0; i < TAB_SIZE; i++) {
		const struct ep_ipvs_dest *d = &v->dests.v[at];

		tab[i] = d;
		if (!weighted || ++count >= (int32_t)d->weight) {
			at = (at + 1) % v->dests.n;
			count = 0;
		}
	}
}

static uint32_t fold(ep_u128 addr, uint8_t len)
{
	return len == 4 ? (uint32_t)addr :
			  (uint32_t)(addr >> 96) ^ (uint32_t)(addr >> 64) ^ (uint32_t)(addr >> 32) ^
				  (uint32_t)addr;
}

/* hash_32() of linux/hash.h */
static uint32_t hash_32(uint32_t n)
{
	return n * 0x61C88647u >> (32 - TAB_BITS);
}

/* ip_vs_dh.c: by the destination's address. */
static const struct ep_ipvs_dest *by_destination(struct ep_walk *w, const struct ep_ipvs_service *v)
{
	const struct ep_ipvs_dest *tab[TAB_SIZE], *d;

	if (!v->dests.n)
		return NULL;
	fill(v, false, tab);
	d = tab[hash_32(fold(ep_addr_num(&w->p.daddr), w->p.alen))];
	return takes(w, d) ? d : NULL;
}

static bool known(const struct ep_walk *w, const struct ep_val *v, ep_u128 *ret)
{
	if (v->var >= 0)
		return ep_iv_single(w->vars.v[v->var].dom, ret);
	*ret = v->c;
	return true;
}

static const struct ep_ipvs_dest *fallback(struct ep_walk *w, const struct ep_ipvs_dest *const *tab,
					   uint32_t h)
{
	for (uint32_t i = 0; i < TAB_SIZE; i++) {
		const struct ep_ipvs_dest *d = tab[(i + 2 * h) % TAB_SIZE];

		if (takes(w, d))
			return d;
	}
	return NULL;
}

/* A client that is open has any of the places. */
static const struct ep_ipvs_dest *any_place(struct ep_walk *w, const struct ep_ipvs_service *v,
					    const struct ep_ipvs_dest *const *tab)
{
	unsigned left = TAB_SIZE;

	ep_each(d, &v->dests) {
		unsigned mine = 0;

		for (unsigned i = 0; i < TAB_SIZE; i++)
			mine += tab[i] == d;
		if (mine && (mine == left || ep_w_chance(w, (double)mine / left, "IPVS")))
			return takes(w, d) ? d : NULL;
		left -= mine;
	}
	return NULL;
}

/* ip_vs_sh.c: by the client's address, and its port if the service says so. */
static const struct ep_ipvs_dest *by_source(struct ep_walk *w, const struct ep_ipvs_service *v)
{
	const struct ep_ipvs_dest *tab[TAB_SIZE], *d;
	bool with_port = v->flags & IP_VS_SVC_F_SCHED_SH_PORT;
	bool falls_back = v->flags & IP_VS_SVC_F_SCHED_SH_FALLBACK;
	ep_u128 addr, port = 0;
	uint32_t h;

	if (!v->dests.n)
		return NULL;
	fill(v, true, tab);
	if (!known(w, &w->p.saddr, &addr) || (with_port && !known(w, &w->p.sport, &port))) {
		d = any_place(w, v, tab);
		return d || !falls_back || w->ended ? d : by_weight(w, v);
	}
	h = hash_32((uint32_t)port + fold(addr, w->p.alen));
	if (takes(w, tab[h]))
		return tab[h];
	return falls_back ? fallback(w, tab, h) : NULL;
}

static const struct {
	const char *name;
	const struct ep_ipvs_dest *(*pick)(struct ep_walk *w, const struct ep_ipvs_service *v);
} schedulers[] = {
	{"rr", alike},      {"wrr", by_weight}, {"twos", by_weight},    {"lc", by_load},
	{"wlc", by_load},   {"sed", by_load},   {"nq", by_load},        {"lblc", by_load},
	{"lblcr", by_load}, {"sh", by_source},  {"dh", by_destination}, {"mh", by_client},
	{"fo", heaviest},   {"ovf", overflow},
};

const struct ep_ipvs_dest *ep_ipvs_schedule(struct ep_walk *w, const struct ep_ipvs_service *v)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(schedulers); i++)
		if (!strcmp(v->sched, schedulers[i].name))
			return schedulers[i].pick(w, v);
	ep_w_end(w, EP_UNKNOWN, "IPVS balances %s by '%s', which is not known", ep_ipvs_name(w, v),
		 v->sched);
	return NULL;
}
