// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "golden.h"

#define DIR "tests/unit/data/snapshots/"

/* ---- files ---- */

const char *golden_text(struct ep_snapshot *s, const char *name)
{
	char *text;
	size_t len;

	assert_int_equal(ep_read_file(s->arena, ep_sprintf(s->arena, DIR "%s.json", name), 1 << 22,
				      &text, &len),
			 0);
	return text;
}

struct ep_snapshot *golden_load(const char *name)
{
	struct ep_snapshot *empty = ep_snapshot_new(), *s;
	const char *text = golden_text(empty, name);
	char err[256];

	s = ep_snapshot_from_json(text, strlen(text), err, sizeof(err));
	ep_snapshot_free(empty);
	if (!s)
		fail_msg("%s: %s", name, err);
	return s;
}

static bool read_case(const char *line, struct golden_case *c)
{
	char origin[16], dst[64], port[8], src[64], sport[8];
	uint64_t n;

	snprintf(c->line, sizeof(c->line), "%s", line);
	if (sscanf(line, "%15s %63s %7s %63s %7s %127s", origin, dst, port, src, sport, c->who) !=
	    6)
		return false;
	c->q = (struct ep_query){.origin = strcmp(origin, "host") ? EP_EXTERNAL : EP_HOST};
	if (!ep_addr_parse(dst, &c->q.dst) || !ep_parse_u64(port, 65535, &n))
		return false;
	c->q.dport = (uint16_t)n;
	c->q.has_src = strcmp(src, "*");
	c->q.has_sport = strcmp(sport, "*");
	if (c->q.has_src && !ep_addr_parse(src, &c->q.src))
		return false;
	if (!c->q.has_sport)
		return true;
	if (!ep_parse_u64(sport, 65535, &n))
		return false;
	c->q.sport = (uint16_t)n;
	return true;
}

void golden_read_cases(struct ep_arena *a, const char *name, golden_cases *ret)
{
	char *text, *line, *save = NULL;
	size_t len;

	assert_int_equal(ep_read_file(a, ep_sprintf(a, DIR "%s.cases", name), 1 << 20, &text, &len),
			 0);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (*line != '#' && !read_case(line, ep_push(a, ret)))
			fail_msg("%s.cases: %s", name, line);
	assert_true(ret->n > 0);
}

/* ---- what holds for every result ---- */

typedef EP_VEC(struct ep_ivset) sets;

/* Cuts the atoms until each lies wholly in s or wholly outside. */
static sets cut(struct ep_arena *a, const sets *atoms, struct ep_ivset s)
{
	sets out = {};

	ep_each(x, atoms) {
		struct ep_ivset in = ep_iv_and(a, *x, s), not_in = ep_iv_minus(a, *x, s);

		if (in.n)
			*ep_push(a, &out) = in;
		if (not_in.n)
			*ep_push(a, &out) = not_in;
	}
	return out;
}

static bool holds(struct ep_ivset s, struct ep_ivset atom)
{
	return ep_iv_has(s, atom.v[0].lo);
}

static struct ep_ivset asked(struct ep_arena *a, bool fixed, ep_u128 value, unsigned bits)
{
	return fixed ? ep_iv_range(a, value, value) : ep_iv_full(a, bits);
}

static void fail_cell(const struct ep_query *q, const struct ep_ivset *x, const struct ep_ivset *y,
		      size_t n, double sum)
{
	struct ep_addr src = ep_addr_from_num(x->v[0].lo, q->dst.len);
	char to[EP_ADDRSTR], from[EP_ADDRSTR];

	fail_msg("%s from %s, %u runs allowed: %zu outcomes, of probability %f",
		 ep_addrport_str(&q->dst, q->dport, to),
		 ep_addrport_str(&src, (uint16_t)y->v[0].lo, from), q->max_runs, n, sum);
}

/* Every source and port that was asked about meets outcomes whose probabilities sum up to 1, as long
 * as the host is in its usual state. */
static void check_cover(struct ep_arena *a, const struct ep_query *q, const struct ep_result *r)
{
	struct ep_ivset saddr = asked(a, q->has_src, ep_addr_num(&q->src), q->dst.len * 8u);
	struct ep_ivset sport = asked(a, q->has_sport, q->sport, 16);
	sets rows = {}, columns = {};

	*ep_push(a, &rows) = saddr;
	*ep_push(a, &columns) = sport;
	ep_each(o, &r->outcomes) {
		assert_true(o->saddr.n && o->sport.n);
		assert_int_equal(ep_iv_minus(a, o->saddr, saddr).n, 0);
		assert_int_equal(ep_iv_minus(a, o->sport, sport).n, 0);
		rows = cut(a, &rows, o->saddr);
		columns = cut(a, &columns, o->sport);
	}
	ep_each(x, &rows) {
		ep_each(y, &columns) {
			double sum = 0;
			size_t n = 0;

			ep_each(o, &r->outcomes) {
				if (o->unusual || !holds(o->saddr, *x) || !holds(o->sport, *y))
					continue;
				sum += o->probability;
				n++;
			}
			if (!n || fabs(sum - 1) > 1e-6)
				fail_cell(q, x, y, n, sum);
		}
	}
}

static void check_outcome(const struct ep_query *q, const struct ep_outcome *o)
{
	char text[EP_ADDRSTR];

	assert_true(o->probability > 0 && o->probability <= 1 + 1e-9);
	if (o->verdict == EP_UNKNOWN && !(o->reason && *o->reason))
		fail_msg("%s: unknown without a reason", ep_addrport_str(&q->dst, q->dport, text));
	assert_int_equal(o->verdict == EP_DELIVERED, o->listener != NULL);
	if (o->listener) {
		assert_true(o->listener->port == o->final.port || o->steps.n);
		assert_int_equal(o->listener->netns, o->final.netns);
	}
	if (o->martian)
		assert_int_equal(o->verdict, EP_DROPPED);
	if (q->has_src && q->has_sport)
		assert_int_equal(o->conditions.n, o->state.n);
}

static double weight(const struct ep_outcome *o)
{
	double w = 0;

	for (size_t i = 0; i < o->saddr.n; i++)
		w += (double)(o->saddr.v[i].hi - o->saddr.v[i].lo) + 1;
	for (size_t i = 0, n = 0; i < o->sport.n; i++) {
		n += (size_t)(o->sport.v[i].hi - o->sport.v[i].lo) + 1;
		if (i + 1 == o->sport.n)
			w *= (double)n / 65536;
	}
	return o->martian ? -1 : w * o->probability;
}

static void check_result(const struct ep_query *q, const struct ep_result *r)
{
	struct ep_arena *a = ep_arena_new();

	assert_true(r->outcomes.n > 0);
	assert_true(r->runs > 0 && (!q->max_runs || r->runs <= q->max_runs));
	ep_each(o, &r->outcomes) {
		check_outcome(q, o);
		if (o > r->outcomes.v && o->unusual == (o - 1)->unusual)
			assert_true(weight(o) <= fabs(weight(o - 1)) * (1 + 1e-9));
	}
	check_cover(a, q, r);
	ep_arena_free(a);
}

/* ---- walks ---- */

struct ep_query golden_query(const char *dst, uint16_t port)
{
	struct ep_query q = {.dport = port};

	assert_true(ep_addr_parse(dst, &q.dst));
	return q;
}

struct ep_query golden_query_from(const char *dst, uint16_t port, const char *src, uint16_t sport)
{
	struct ep_query q = golden_query(dst, port);

	assert_true(ep_addr_parse(src, &q.src));
	q.sport = sport;
	q.has_src = q.has_sport = true;
	return q;
}

struct ep_result *golden_walk(struct ep_snapshot *s, struct ep_query q)
{
	struct ep_netns *host = ep_netns_find(s, s->host_netns);
	struct ep_result *r;

	assert_non_null(host);
	q.netns = host->ino;
	q.ifindex = ep_link_by_name(host, "eth0")->ifindex;
	r = ep_walk(s, &q, NULL);
	check_result(&q, r);
	return r;
}

const struct ep_outcome *golden_at(const struct ep_result *r, const char *src, uint16_t sport)
{
	const struct ep_outcome *found = NULL;
	struct ep_addr addr;

	assert_true(ep_addr_parse(src, &addr));
	ep_each(o, &r->outcomes) {
		if (o->unusual || !ep_iv_has(o->saddr, ep_addr_num(&addr)) ||
		    !ep_iv_has(o->sport, sport))
			continue;
		if (found)
			fail_msg("two outcomes for %s port %u", src, sport);
		found = o;
	}
	if (!found)
		fail_msg("no outcome for %s port %u", src, sport);
	return found;
}

size_t golden_earthly(const struct ep_result *r)
{
	size_t n = 0;

	ep_each(o, &r->outcomes)
		n += !o->martian;
	return n;
}
