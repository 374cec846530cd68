// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hashlimit match (net/netfilter/xt_hashlimit.c): a bucket for each source, destination and so on,
 * and who has none yet finds a full one. What is in the buckets the kernel tells.
 */
#include <netinet/in.h>
#include <string.h>
#include <limits.h>
#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_hashlimit.h>

#include "walk/xt.h"

struct hashlimit {
	const char *name;
	uint32_t mode, max, burst; /* burst: packets, or bytes in byte mode */
	ep_u128 srcmask, dstmask;
	const struct ep_hashlimit *table; /* NULL: could not be read */
};

static ep_u128 prefix_mask(unsigned bits, unsigned plen)
{
	ep_u128 all = bits < 128 ? ((ep_u128)1 << bits) - 1 : ~(ep_u128)0;

	return plen >= bits ? all : plen ? all & ~((((ep_u128)1) << (bits - plen)) - 1) : 0;
}

static struct hashlimit hashlimit_of(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_hashlimit_mtinfo1 *v1 = in->info;
	const struct xt_hashlimit_mtinfo2 *v2 = in->info;
	const struct xt_hashlimit_mtinfo3 *v3 = in->info;
	unsigned bits = ep_xt_bits(a->w), src, dst;
	size_t len = in->rev == 1 ? sizeof(v1->name) : sizeof(v2->name);
	struct hashlimit h = {
		.mode = in->rev == 1 ? v1->cfg.mode :
			in->rev == 2 ? v2->cfg.mode :
				       v3->cfg.mode,
		.max = in->rev == 1 ? v1->cfg.max :
		       in->rev == 2 ? v2->cfg.max :
				      v3->cfg.max,
	};

	h.burst = in->rev == 1 ? v1->cfg.burst : in->rev == 2 ? v2->cfg.burst : v3->cfg.burst;
	src = in->rev == 1 ? v1->cfg.srcmask : in->rev == 2 ? v2->cfg.srcmask : v3->cfg.srcmask;
	dst = in->rev == 1 ? v1->cfg.dstmask : in->rev == 2 ? v2->cfg.dstmask : v3->cfg.dstmask;
	h.srcmask = prefix_mask(bits, src);
	h.dstmask = prefix_mask(bits, dst);
	h.name = ep_w_sprintf(a->w, "%.*s", (int)strnlen(v1->name, len), v1->name);
	h.table = ep_hashlimit_need(a->w->s, a->w->ns, in->v6 ? AF_INET6 : AF_INET, h.name);
	return h;
}

/* Is an address in the rows where, and only where, the mode says so? Under a mask ::1 is none, too. */
static bool key_fits(const struct ep_addr *key, bool used, ep_u128 mask)
{
	if (ep_addr_num(key) & ~mask)
		return false;
	return ep_addr_is_any(key) ? !used || !(mask & 1) : used;
}

/* Its first rule made the table, and keys are as that one has them: are they as this one does? */
static bool keys_fit(const struct hashlimit *h, uint8_t alen)
{
	ep_each(row, &h->table->rows)
		if (row->src.len != alen || row->dst.len != alen ||
		    !key_fits(&row->src, h->mode & XT_HASHLIMIT_HASH_SIP, h->srcmask) ||
		    !key_fits(&row->dst, h->mode & XT_HASHLIMIT_HASH_DIP, h->dstmask))
			return false;
	return true;
}

/* Could the row be the packet's, if its source address is? */
static bool row_fits(const struct ep_walk *w, const struct hashlimit *h,
		     const struct ep_hashlimit_row *row)
{
	if (h->mode & XT_HASHLIMIT_HASH_DIP &&
	    (ep_addr_num(&w->p.daddr) & h->dstmask) != ep_addr_num(&row->dst))
		return false;
	if (h->mode & XT_HASHLIMIT_HASH_SPT && w->p.sport.var < 0 && w->p.sport.c != row->sport)
		return false;
	return !(h->mode & XT_HASHLIMIT_HASH_DPT) || w->p.dport == row->dport;
}

/* Sources whose rows have too little for n packets, or (full) sources that have a row. */
static struct ep_ivset sources(struct ep_walk *w, const struct hashlimit *h, unsigned n, bool any)
{
	unsigned bits = w->p.alen * 8u;
	struct ep_ivset set = {};

	ep_each(row, &h->table->rows) {
		ep_u128 lo = ep_addr_num(&row->src);
		ep_u128 hi = lo | (prefix_mask(bits, bits) & ~h->srcmask);

		if (!row_fits(w, h, row) || (!any && row->credit / n >= row->cost))
			continue;
		if (!(h->mode & XT_HASHLIMIT_HASH_SIP))
			return ep_iv_full(w->arena, bits);
		set = ep_iv_or(w->arena, set, ep_iv_range(w->arena, lo, hi));
	}
	return set;
}

static bool need_under(struct ep_xt_and *a, const struct ep_xt_in *in, bool want)
{
	const char *whose = ep_xt_whose(a, in);

	return ep_xt_need_state(a, want, ep_w_sprintf(a->w, "%s not exceeded", whose),
				ep_w_sprintf(a->w, "%s exceeded", whose));
}

bool ep_xt_hashlimit(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	struct hashlimit h = hashlimit_of(a, in);
	bool over = h.mode & XT_HASHLIMIT_INVERT, bytes = h.mode & XT_HASHLIMIT_BYTES, ports;
	struct ep_walk *w = a->w;
	struct ep_ivset set;
	bool enough;
	unsigned n;

	if (!h.table || h.mode & XT_HASHLIMIT_RATE_MATCH || !keys_fit(&h, w->p.alen))
		return need_under(a, in, !over);
	ep_w_now(w, "hashlimit %s as it is now: %zu bucket%s", h.name, h.table->rows.n,
		 h.table->rows.n == 1 ? "" : "s");
	n = ep_w_use(w, h.table);
	if (h.max && h.table->rows.n >= h.max)
		return ep_xt_need_unknown(a, "hashlimit %s is full", h.name);
	/* Bytes are refilled in ways that the table does not show; of open ports it is not known
	 * which row is theirs. A packet that comes again finds less than before, and where that could
	 * be too little, perhaps what was refilled meanwhile. */
	ports = h.mode & XT_HASHLIMIT_HASH_SPT && w->p.sport.var >= 0;
	set = sources(w, &h, n, bytes);
	/* A row that is new, and that nobody but this rule has used: it begins with its burst. */
	enough = ep_w_use(w, in->ext) == n && (n == 1 || (!bytes && h.burst >= n));
	if (!set.n && enough)
		return !over;
	if (!bytes && n == 1 && !ports)
		return ep_xt_need_in(a, &w->p.saddr, set, !over);
	if (!ep_xt_settle(a))
		return false;
	if (enough && !ep_w_val_in(w, &w->p.saddr, set))
		return !over;
	return need_under(a, in, !over);
}
