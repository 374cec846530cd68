// SPDX-License-Identifier: GPL-2.0-or-later
/* nft expressions that remember packets, or look at the clock, over states made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <cmocka.h>

#include "walk/nft.h"
#include "xt_world.h"

struct world {
	struct xt_world x;
	struct ep_nft_table table;
	struct ep_nft_chain chain;
	struct ep_nft_set set;
};

static void open_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	xt_world_open(&w->x, AF_INET);
	w->table = (struct ep_nft_table){.family = NFPROTO_IPV4, .name = "t"};
	w->set = (struct ep_nft_set){
		.table = &w->table, .name = "s", .key_len = 4, .loaded = true, .size = 3};
	*ep_push(w->x.s->arena, &w->table.sets) = &w->set;
	w->chain = (struct ep_nft_chain){.table = &w->table,
					 .name = "c",
					 .base = true,
					 .type = "filter",
					 .policy = NF_ACCEPT,
					 .loaded = true};
}

static struct ep_expr *add_expr(struct world *w, const char *name)
{
	struct ep_nft_rule *r = w->chain.rules.n ? &w->chain.rules.v[w->chain.rules.n - 1] :
						   ep_push(w->x.s->arena, &w->chain.rules);
	struct ep_expr *e = ep_push(w->x.s->arena, &r->exprs);

	e->name = name;
	return e;
}

static void put(struct world *w, struct ep_expr *e, uint16_t nla, uint64_t num)
{
	*ep_push(w->x.s->arena, &e->attrs) =
		(struct ep_attr){.nla = nla, .kind = EP_ATTR_NUM, .num = num};
}

static void put_str(struct world *w, struct ep_expr *e, uint16_t nla, const char *str)
{
	*ep_push(w->x.s->arena, &e->attrs) =
		(struct ep_attr){.nla = nla, .kind = EP_ATTR_STR, .str = str};
}

/* "… drop": d dropped, a accepted, s it depends on a state of the host, f on the client, u unknown. */
static char run(struct world *w)
{
	static const struct ep_verdict drop = {.code = NF_DROP};
	struct ep_expr *e = add_expr(w, "immediate");
	enum ep_ret ret;

	put(w, e, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	*ep_push(w->x.s->arena, &e->attrs) = (struct ep_attr){
		.nla = NFTA_IMMEDIATE_DATA, .kind = EP_ATTR_VERDICT, .verdict = &drop};
	ret = ep_nft_run(&w->x.w, &w->chain);
	assert_true(ret == EP_RET_DROP || ret == EP_RET_ACCEPT);
	if (w->x.w.trace.n)
		return "frus"[w->x.w.trace.v[0].kind];
	return ret == EP_RET_DROP ? 'd' : 'a';
}

static void load_source(struct world *w)
{
	struct ep_expr *e = add_expr(w, "payload");

	put(w, e, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put(w, e, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
	put(w, e, NFTA_PAYLOAD_OFFSET, 12);
	put(w, e, NFTA_PAYLOAD_LEN, 4);
}

static struct ep_expr *add_dynset(struct world *w, unsigned op)
{
	struct ep_expr *e;

	load_source(w);
	e = add_expr(w, "dynset");
	put_str(w, e, NFTA_DYNSET_SET_NAME, "s");
	put(w, e, NFTA_DYNSET_SREG_KEY, NFT_REG_1);
	put(w, e, NFTA_DYNSET_OP, op);
	return e;
}

static void add_lookup(struct world *w, unsigned flags)
{
	struct ep_expr *e;

	load_source(w);
	e = add_expr(w, "lookup");
	put_str(w, e, NFTA_LOOKUP_SET, "s");
	put(w, e, NFTA_LOOKUP_SREG, NFT_REG_1);
	put(w, e, NFTA_LOOKUP_FLAGS, flags);
}

static struct ep_nft_elem *add_elem(struct world *w, const uint8_t *key)
{
	struct ep_nft_elem *el = ep_push(w->x.s->arena, &w->set.elems);

	el->lo = el->hi = key;
	return el;
}

static const struct ep_exprs *one_state(struct world *w, const char *name, uint16_t nla1,
					uint64_t n1, uint16_t nla2, uint64_t n2, uint16_t nla3,
					uint64_t n3)
{
	struct ep_exprs *list = ep_alloc(w->x.s->arena, sizeof(*list));
	struct ep_expr *e = ep_push(w->x.s->arena, list);

	e->name = name;
	put(w, e, nla1, n1);
	put(w, e, nla2, n2);
	put(w, e, nla3, n3);
	return list;
}

static const struct ep_exprs *quota_of(struct world *w, uint64_t bytes, uint64_t used, bool over)
{
	return one_state(w, "quota", NFTA_QUOTA_BYTES, bytes, NFTA_QUOTA_CONSUMED, used,
			 NFTA_QUOTA_FLAGS, over ? NFT_QUOTA_F_INV : 0);
}

/* ---- in rules ---- */

static void quotas(void **state)
{
	static const struct {
		uint64_t bytes, used;
		bool over;
		char answer;
	} cases[] = {
		{1 << 20, 0, false, 'd'},   {1 << 20, 0, true, 'a'}, {1000, 1000, false, 'a'},
		{1000, 1000, true, 'd'},    {1000, 970, true, 'd'},  {1000, 930, true, 's'},
		{1000, 5000, true, 'd'},    {0, 0, true, 'd'},       {~0ull, 0, false, 'd'},
		{~0ull, ~0ull, false, 'a'},
	};

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		struct ep_expr *e;
		struct world w;

		open_world(&w);
		e = add_expr(&w, "quota");
		put(&w, e, NFTA_QUOTA_BYTES, cases[i].bytes);
		put(&w, e, NFTA_QUOTA_CONSUMED, cases[i].used);
		put(&w, e, NFTA_QUOTA_FLAGS, cases[i].over ? NFT_QUOTA_F_INV : 0);
		if (run(&w) != cases[i].answer)
			fail_msg("quota case %zu", i);
		assert_int_equal(w.x.w.now.n, 1);
		xt_world_close(&w.x);
	}
}

static void limits(void **state)
{
	static const struct {
		uint64_t rate, unit, burst, type, flags;
		char answer;
	} cases[] = {
		{5, 1, 5, NFT_LIMIT_PKTS, 0, 's'},
		{5, 1, 5, NFT_LIMIT_PKTS, NFT_LIMIT_F_INV, 's'},
		{2000000000, 1, 5, NFT_LIMIT_PKTS, 0, 'd'}, /* a packet costs nothing */
		{2000000000, 1, 5, NFT_LIMIT_PKTS, NFT_LIMIT_F_INV, 'a'},
		{10, 1, 5, NFT_LIMIT_PKT_BYTES, 0, 'a'}, /* no packet is that short */
		{10, 1, 5, NFT_LIMIT_PKT_BYTES, NFT_LIMIT_F_INV, 'd'},
		{1 << 20, 1, 5, NFT_LIMIT_PKT_BYTES, 0, 's'},
		{0, 0, 0, NFT_LIMIT_PKTS, 0, 's'},
		{1, ~0ull, ~0ull, NFT_LIMIT_PKTS, 0, 's'},
	};

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		struct ep_expr *e;
		struct world w;

		open_world(&w);
		e = add_expr(&w, "limit");
		put(&w, e, NFTA_LIMIT_RATE, cases[i].rate);
		put(&w, e, NFTA_LIMIT_UNIT, cases[i].unit);
		put(&w, e, NFTA_LIMIT_BURST, cases[i].burst);
		put(&w, e, NFTA_LIMIT_TYPE, cases[i].type);
		put(&w, e, NFTA_LIMIT_FLAGS, cases[i].flags);
		if (run(&w) != cases[i].answer)
			fail_msg("limit case %zu", i);
		xt_world_close(&w.x);
	}
}

static void counts(void **state)
{
	static const struct {
		uint64_t limit;
		bool over, counted;
		char answer;
	} cases[] = {
		{0, true, false, 'd'}, {0, false, false, 'a'}, {9, true, false, 's'},
		{9, true, true, 'a'},  {9, false, true, 'd'},  {7, true, true, 's'},
	};

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		struct ep_expr *e;
		struct world w;

		open_world(&w);
		w.x.w.ns->conns.counted = cases[i].counted;
		w.x.w.ns->conns.total = 7;
		e = add_expr(&w, "connlimit");
		put(&w, e, NFTA_CONNLIMIT_COUNT, cases[i].limit);
		put(&w, e, NFTA_CONNLIMIT_FLAGS, cases[i].over ? NFT_CONNLIMIT_F_INV : 0);
		if (run(&w) != cases[i].answer)
			fail_msg("count case %zu", i);
		xt_world_close(&w.x);
	}
}

/* ---- in objects ---- */

static void objects(void **state)
{
	struct ep_nft_obj *o;
	struct ep_expr *e;
	struct world w;

	(void)state;
	for (int there = 0; there < 2; there++) {
		open_world(&w);
		o = ep_alloc(w.x.s->arena, sizeof(*o));
		*o = (struct ep_nft_obj){.name = "q", .type = NFT_OBJECT_QUOTA};
		o->exprs = there ? quota_of(&w, 1000, 1000, true) : NULL;
		*ep_push(w.x.s->arena, &w.table.objs) = o;
		e = add_expr(&w, "objref");
		put(&w, e, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_QUOTA);
		put_str(&w, e, NFTA_OBJREF_IMM_NAME, "q");
		assert_int_equal(run(&w), there ? 'd' : 'u');
		xt_world_close(&w.x);
	}
}

/* ---- in sets ---- */

static const uint8_t key[4] = {192, 0, 2, 1};

static void packets_enter_and_leave_sets(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	add_dynset(&w, NFT_DYNSET_OP_ADD);
	add_lookup(&w, 0);
	assert_int_equal(run(&w), 'd');
	xt_world_close(&w.x);
	open_world(&w);
	add_elem(&w, key);
	add_dynset(&w, NFT_DYNSET_OP_DELETE);
	add_lookup(&w, NFT_LOOKUP_F_INV);
	assert_int_equal(run(&w), 'd');
	xt_world_close(&w.x);
}

static void full_sets(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	for (int i = 0; i < 3; i++)
		add_elem(&w, key);
	add_dynset(&w, NFT_DYNSET_OP_ADD);
	assert_int_equal(run(&w), 'f'); /* only who is in it already */
	xt_world_close(&w.x);
}

/* Who is new finds a full bucket; who is in the set, what its own element has. */
static void elements_with_a_state(void **state)
{
	struct ep_expr *e;
	struct world w;

	(void)state;
	open_world(&w);
	e = add_dynset(&w, NFT_DYNSET_OP_ADD);
	e->sub = one_state(&w, "limit", NFTA_LIMIT_RATE, 1, NFTA_LIMIT_UNIT, 3600, NFTA_LIMIT_FLAGS,
			   NFT_LIMIT_F_INV);
	assert_int_equal(run(&w), 'a');
	xt_world_close(&w.x);

	open_world(&w);
	add_elem(&w, key)->exprs = quota_of(&w, 100, 100, true);
	w.set.elems.v[0].conditional = true;
	e = add_dynset(&w, NFT_DYNSET_OP_ADD);
	e->sub = quota_of(&w, 1 << 20, 0, true);
	assert_int_equal(run(&w), 'f');
	assert_int_equal(w.x.w.trace.n, 1);
	assert_int_equal(ep_iv_has(w.x.w.trace.v[0].alt[0], 0xc0000201), true);
	xt_world_close(&w.x);

	open_world(&w);
	add_elem(&w, key)->conditional = true; /* saved without its expressions */
	add_lookup(&w, 0);
	run(&w);
	assert_int_equal(w.x.w.trace.n, 2);
	assert_int_equal(w.x.w.trace.v[1].kind, EP_VAR_UNKNOWN);
	xt_world_close(&w.x);
}

/* ---- the moment ---- */

static char compare(uint64_t now, bool tz, int west, uint32_t meta, const void *want, uint32_t len)
{
	struct ep_expr *e;
	struct world w;
	char ret;

	open_world(&w);
	w.x.s->taken_at = now;
	w.x.s->has_tz = tz;
	w.x.s->tz_minuteswest = west;
	w.x.s->cpus = 4;
	e = add_expr(&w, "meta");
	put(&w, e, NFTA_META_DREG, NFT_REG_1);
	put(&w, e, NFTA_META_KEY, meta);
	e = add_expr(&w, "cmp");
	put(&w, e, NFTA_CMP_SREG, NFT_REG_1);
	put(&w, e, NFTA_CMP_OP, NFT_CMP_EQ);
	*ep_push(w.x.s->arena, &e->attrs) = (struct ep_attr){
		.nla = NFTA_CMP_DATA, .kind = EP_ATTR_BYTES, .len = len, .bytes = want};
	ret = run(&w);
	xt_world_close(&w.x);
	return ret;
}

static void the_clock(void **state)
{
	const uint64_t now = 1795487054, ns = now * 1000000000u; /* Tuesday 02:24:14 UTC */
	const uint32_t second = 2 * 3600 + 24 * 60 + 14, cpu = 4000;
	const uint8_t tuesday = 2, monday = 1;

	(void)state;
	assert_int_equal(compare(now, true, 0, NFT_META_TIME_NS, &ns, 8), 'd');
	assert_int_equal(compare(now, true, 480, NFT_META_TIME_HOUR, &second, 4), 'd');
	assert_int_equal(compare(now, true, 0, NFT_META_TIME_DAY, &tuesday, 1), 'd');
	assert_int_equal(compare(now, true, 480, NFT_META_TIME_DAY, &monday, 1), 'd');
	assert_int_equal(compare(now, true, 480, NFT_META_TIME_DAY, &tuesday, 1), 'a');
	assert_int_equal(compare(now, false, 0, NFT_META_TIME_DAY, &tuesday, 1), 'u');
	assert_int_equal(compare(0, true, 0, NFT_META_TIME_NS, &ns, 8), 'u');
	assert_int_equal(compare(now, true, 0, NFT_META_CPU, &cpu, 4), 'a');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotas),
		cmocka_unit_test(limits),
		cmocka_unit_test(counts),
		cmocka_unit_test(objects),
		cmocka_unit_test(packets_enter_and_leave_sets),
		cmocka_unit_test(full_sets),
		cmocka_unit_test(elements_with_a_state),
		cmocka_unit_test(the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
