// SPDX-License-Identifier: GPL-2.0-or-later
/* Sets of unsigned numbers as sorted, disjoint, non-adjacent inclusive intervals. */
#include <stdlib.h>
#include <string.h>

#include "edgepath/util.h"

static ep_u128 max_of(unsigned bits)
{
	return bits >= 128 ? ~(ep_u128)0 : ((ep_u128)1 << bits) - 1;
}

struct ep_ivset ep_iv_range(struct ep_arena *a, ep_u128 lo, ep_u128 hi)
{
	struct ep_ivset s = {};

	if (lo > hi)
		return s;
	s.v = ep_alloc(a, sizeof(*s.v));
	s.v[0] = (struct ep_iv){lo, hi};
	s.n = 1;
	return s;
}

struct ep_ivset ep_iv_full(struct ep_arena *a, unsigned bits)
{
	return ep_iv_range(a, 0, max_of(bits));
}

struct ep_ivset ep_iv_and(struct ep_arena *a, struct ep_ivset x, struct ep_ivset y)
{
	struct ep_ivset s = {};
	size_t i = 0, j = 0;

	if (!x.n || !y.n)
		return s;
	s.v = ep_alloc(a, (x.n + y.n) * sizeof(*s.v));
	while (i < x.n && j < y.n) {
		ep_u128 lo = x.v[i].lo > y.v[j].lo ? x.v[i].lo : y.v[j].lo;
		ep_u128 hi = x.v[i].hi < y.v[j].hi ? x.v[i].hi : y.v[j].hi;

		if (lo <= hi)
			s.v[s.n++] = (struct ep_iv){lo, hi};
		if (x.v[i].hi < y.v[j].hi)
			i++;
		else
			j++;
	}
	return s;
}

static int iv_cmp(const void *p, const void *q)
{
	const struct ep_iv *x = p, *y = q;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

struct ep_ivset ep_iv_of(struct ep_arena *a, const struct ep_iv *v, size_t n)
{
	struct ep_ivset s = {};

	if (!n)
		return s;
	s.v = ep_memdup(a, v, n * sizeof(*v));
	qsort(s.v, n, sizeof(*s.v), iv_cmp);
	for (size_t i = 0; i < n; i++) {
		struct ep_iv *last = s.n ? &s.v[s.n - 1] : NULL;

		if (last && (last->hi == ~(ep_u128)0 || s.v[i].lo <= last->hi + 1)) {
			if (s.v[i].hi > last->hi)
				last->hi = s.v[i].hi;
		} else {
			s.v[s.n++] = s.v[i];
		}
	}
	return s;
}

struct ep_ivset ep_iv_or(struct ep_arena *a, struct ep_ivset x, struct ep_ivset y)
{
	struct ep_iv *all;

	if (!x.n)
		return y;
	if (!y.n)
		return x;
	all = ep_alloc(a, (x.n + y.n) * sizeof(*all));
	memcpy(all, x.v, x.n * sizeof(*all));
	memcpy(all + x.n, y.v, y.n * sizeof(*all));
	return ep_iv_of(a, all, x.n + y.n);
}

struct ep_ivset ep_iv_minus(struct ep_arena *a, struct ep_ivset x, struct ep_ivset y)
{
	struct ep_ivset s = {};
	size_t j = 0;

	if (!x.n || !y.n)
		return x;
	s.v = ep_alloc(a, (x.n + y.n) * sizeof(*s.v));
	for (size_t i = 0; i < x.n; i++) {
		ep_u128 lo = x.v[i].lo, hi = x.v[i].hi;
		bool gone = false;

		while (j < y.n && y.v[j].hi < lo)
			j++;
		for (size_t k = j; k < y.n && y.v[k].lo <= hi && !gone; k++) {
			if (y.v[k].lo > lo)
				s.v[s.n++] = (struct ep_iv){lo, y.v[k].lo - 1};
			if (y.v[k].hi >= hi)
				gone = true;
			else
				lo = y.v[k].hi + 1;
		}
		if (!gone)
			s.v[s.n++] = (struct ep_iv){lo, hi};
	}
	return s;
}

bool ep_iv_masked(struct ep_arena *a, unsigned bits, ep_u128 mask, ep_u128 want, size_t max,
		  struct ep_ivset *ret)
{
	ep_u128 all = max_of(bits), low = 0, holes;
	size_t n = 1, k = 0;
	struct ep_iv *v;

	mask &= all;
	if (want & ~mask) {
		*ret = (struct ep_ivset){};
		return true;
	}
	/* Free bits below the lowest fixed one make one interval; those above make more of them. */
	while (low < all && !(mask & (low + 1)))
		low = low << 1 | 1;
	if (!mask)
		low = all;
	holes = all & ~mask & ~low;
	for (ep_u128 h = holes; h; h &= h - 1)
		if ((n *= 2) > max)
			return false;
	v = ep_alloc(a, n * sizeof(*v));
	/* Counts through the subsets of the holes. */
	for (ep_u128 sub = 0;; sub = (sub - holes) & holes) {
		v[k++] = (struct ep_iv){want | sub, want | sub | low};
		if (k == n)
			break;
	}
	*ret = ep_iv_of(a, v, n);
	return true;
}

bool ep_iv_eq(struct ep_ivset x, struct ep_ivset y)
{
	if (x.n != y.n)
		return false;
	for (size_t i = 0; i < x.n; i++)
		if (x.v[i].lo != y.v[i].lo || x.v[i].hi != y.v[i].hi)
			return false;
	return true;
}

bool ep_iv_has(struct ep_ivset x, ep_u128 n)
{
	size_t lo = 0, hi = x.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (x.v[mid].hi < n)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < x.n && x.v[lo].lo <= n;
}

bool ep_iv_single(struct ep_ivset x, ep_u128 *ret)
{
	if (x.n != 1 || x.v[0].lo != x.v[0].hi)
		return false;
	*ret = x.v[0].lo;
	return true;
}

static double size_of(struct ep_ivset x)
{
	double d = 0;

	for (size_t i = 0; i < x.n; i++)
		d += (double)(x.v[i].hi - x.v[i].lo) + 1;
	return d;
}

double ep_iv_share(struct ep_ivset part, struct ep_ivset whole)
{
	double w = size_of(whole);

	return w > 0 ? size_of(part) / w : 0;
}

void ep_iv_prefixes(struct ep_arena *a, struct ep_ivset x, uint8_t addr_len, ep_strs *out)
{
	unsigned bits = addr_len * 8u;

	for (size_t i = 0; i < x.n; i++) {
		ep_u128 lo = x.v[i].lo;

		for (;;) {
			unsigned host = 0;
			struct ep_addr addr = ep_addr_from_num(lo, addr_len);
			char buf[EP_ADDRSTR];

			/* The largest aligned block that starts at lo and stays inside. */
			while (host < bits && !(lo >> host & 1) &&
			       (lo | max_of(host + 1)) <= x.v[i].hi)
				host++;
			ep_addr_str(&addr, buf);
			*ep_push(a, out) = host ? ep_sprintf(a, "%s/%u", buf, bits - host) :
						  ep_strdup(a, buf);
			lo |= max_of(host);
			if (lo >= x.v[i].hi)
				break;
			lo++;
		}
	}
}
