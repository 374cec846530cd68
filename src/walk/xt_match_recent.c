// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The recent match (net/netfilter/xt_recent.c): a list of addresses with the times of their packets.
 * What the packet itself does to a list counts for the rules behind; so what is open in front of such
 * a match is decided first.
 */
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_recent.h>

#include "walk/xt.h"

/* What this packet did to the entry of one of its addresses. */
struct ep_listed {
	const struct ep_netns *ns;
	const char *name;
	struct ep_val addr;
	bool removed;
	unsigned added; /* time stamps, after that */
};

struct recent {
	const struct xt_recent_mtinfo *i;
	const char *name, *words; /* words: with the namespace, if it is another one */
	ep_u128 mask;
	struct ep_val addr;
	const struct ep_recent *list; /* NULL: could not be read */
	struct ep_listed *own;
};

static struct ep_listed *own_entry(struct ep_walk *w, const char *name, const struct ep_val *addr)
{
	struct ep_listed *e;

	ep_each(known, &w->listed)
		if ((*known)->ns == w->ns && !strcmp((*known)->name, name) &&
		    (*known)->addr.var == addr->var &&
		    (addr->var >= 0 || (*known)->addr.c == addr->c))
			return *known;
	e = ep_alloc(w->arena, sizeof(*e));
	*e = (struct ep_listed){.ns = w->ns, .name = name, .addr = *addr};
	*ep_push(w->arena, &w->listed) = e;
	return e;
}

static struct recent recent_of(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_recent_mtinfo_v1 *v1 = in->info;
	struct ep_walk *w = a->w;
	struct recent r = {.i = in->info, .mask = ~(ep_u128)0};

	if (in->rev == 1)
		r.mask = ep_xt_num(&v1->mask, in->v6);
	r.name = ep_w_sprintf(w, "%.*s", (int)strnlen(r.i->name, sizeof(r.i->name)), r.i->name);
	r.words = ep_w_sprintf(w, "%s%s", r.name, ep_w_elsewhere(w));
	r.addr = r.i->side == XT_RECENT_DEST ?
			 (struct ep_val){.var = -1, .c = ep_addr_num(&w->p.daddr)} :
			 w->p.saddr;
	r.list = ep_recent_need(w->s, w->ns, r.name);
	r.own = own_entry(w, r.name, &r.addr);
	return r;
}

/* Time stamps of an entry that count; where ages are not told, all of them may. */
static unsigned hits(const struct recent *r, const struct ep_recent_row *row)
{
	unsigned n = 0;

	ep_each(s, &row->stamps)
		n += !r->i->seconds || !r->list->ages ||
		     s->age_ms <= (uint64_t)r->i->seconds * 1000;
	return n;
}

/* Addresses with at least so many stamps that count; -1: those that are listed at all. */
static bool addresses(struct ep_xt_and *a, const struct recent *r, int least, struct ep_ivset *ret)
{
	unsigned bits = ep_xt_bits(a->w);
	ep_u128 all = bits < 128 ? ((ep_u128)1 << bits) - 1 : ~(ep_u128)0;

	*ret = (struct ep_ivset){};
	ep_each(row, &r->list->rows) {
		ep_u128 addr = ep_addr_num(&row->addr);
		struct ep_ivset one;

		if (row->addr.len != a->w->p.alen || (least >= 0 && (int)hits(r, row) < least))
			continue;
		if (!ep_iv_masked(a->w->arena, bits, r->mask & all, addr & r->mask & all,
				  EP_MAX_SCATTER, &one))
			return false;
		*ret = ep_iv_or(a->w->arena, *ret, one);
	}
	return true;
}

/* Is the address's entry in the list, with at least so many stamps (-1: any)? */
static bool has_entry(struct ep_xt_and *a, const struct recent *r, int least)
{
	struct ep_walk *w = a->w;
	struct ep_ivset set;

	if (r->own->removed || (least >= 0 && (int)r->own->added >= least) ||
	    (least < 0 && r->own->added))
		return r->own->added && (int)r->own->added >= least;
	if (!r->list)
		return !ep_w_state(
			w,
			ep_w_sprintf(w, "the client is not on recent list %s, as often and as late",
				     r->words),
			ep_w_sprintf(w, "the client is on recent list %s, as often and as late",
				     r->words));
	ep_w_now(w, "recent list %s as it is now: %zu address%s", r->words, r->list->rows.n,
		 r->list->rows.n == 1 ? "" : "es");
	if (!addresses(a, r, least < 0 ? -1 : least - (int)r->own->added, &set))
		return ep_w_unknown(w, "recent list %s has a scattered mask", r->words);
	if (!ep_w_val_in(w, &r->addr, set))
		return false;
	if (r->i->check_set & XT_RECENT_TTL &&
	    !ep_w_state(w, ep_w_sprintf(w, "the client's TTL is as on recent list %s", r->words),
			ep_w_sprintf(w, "the client's TTL is not as on recent list %s", r->words)))
		return false;
	if (least < 0 || !r->i->seconds || r->list->ages)
		return true;
	return !ep_w_state(
		w,
		ep_w_sprintf(w, "the entries of recent list %s are older than %u seconds", r->words,
			     r->i->seconds),
		ep_w_sprintf(w, "the entries of recent list %s are younger than %u seconds",
			     r->words, r->i->seconds));
}

bool ep_xt_recent(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_recent_mtinfo *i = in->info;
	struct recent r;
	bool ret;

	if (!ep_xt_settle(a))
		return false;
	r = recent_of(a, in);
	if (i->check_set & XT_RECENT_SET) {
		r.own->added++;
		return !i->invert;
	}
	if (i->check_set & XT_RECENT_REMOVE) {
		ret = has_entry(a, &r, -1);
		r.own->removed |= ret;
		r.own->added = ret ? 0 : r.own->added;
		return ret != i->invert;
	}
	if (!(i->check_set & (XT_RECENT_CHECK | XT_RECENT_UPDATE)))
		return i->invert;
	ret = has_entry(a, &r, i->hit_count ? (int)i->hit_count : 1) != i->invert;
	/* nothing is noted for an address that is not listed */
	if (ret && i->check_set & XT_RECENT_UPDATE && (!i->invert || has_entry(a, &r, -1)))
		r.own->added++;
	return ret;
}
