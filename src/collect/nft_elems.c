// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sets and their elements. The kernel keeps a set of intervals in one of two ways: rbtree sets send
 * the first value of an interval and, as an element of its own with NFT_SET_ELEM_INTERVAL_END, the
 * first value behind it; pipapo (concatenations) sends both inclusive ends in one element.
 */
#include "collect/collect_i.h"
#include "collect/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_SIZE 256
#define DATA_MAX  64
#define MAX_ELEMS (4u << 20)

#define ROUND_UP4(n) (((n) + 3u) & ~3u)

/* ---- the set ---- */

static int take_field(const struct ep_nla *elem, struct ep_nft_set *set)
{
	static const struct ep_nla_policy policy[] = {
		[NFTA_SET_FIELD_LEN] = EP_NLA_NUM(4),
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	int r = ep_nla_table(elem->data, elem->len, policy, EP_ARRAY_SIZE(tb), tb);
	uint64_t len = r < 0 ? 0 : ep_nla_be(&tb[NFTA_SET_FIELD_LEN], 0);

	if (len == 0 || len > DATA_MAX || set->n_fields >= EP_ARRAY_SIZE(set->fields))
		return -EBADMSG;
	set->fields[set->n_fields++] = (uint8_t)len;
	return 0;
}

static int take_desc(const struct ep_nla *desc, struct ep_nft_set *set)
{
	static const struct ep_nla_policy policy[] = {
		[NFTA_SET_DESC_SIZE] = EP_NLA_NUM(4),
		[NFTA_SET_DESC_CONCAT] = EP_NLA_NEST,
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)], at;
	struct ep_nla_iter it;
	int r = ep_nla_table(desc->data, desc->len, policy, EP_ARRAY_SIZE(tb), tb);

	if (r < 0)
		return r;
	set->size = (uint32_t)ep_nla_be(&tb[NFTA_SET_DESC_SIZE], 0);
	it = (struct ep_nla_iter){tb[NFTA_SET_DESC_CONCAT].data, tb[NFTA_SET_DESC_CONCAT].len};
	while (r == 0 && ep_nla_next(&it, &at))
		r = take_field(&at, set);
	return r < 0 ? r : it.left ? -EBADMSG : 0;
}

/* The fields, each padded to a register, make up the whole key. */
static bool fields_fit(const struct ep_nft_set *set)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < set->n_fields; i++)
		sum += ROUND_UP4(set->fields[i]);
	return sum == set->key_len;
}

void ep_nft_fields_of_type(struct ep_nft_set *set)
{
	uint8_t lens[5];
	unsigned n = 0;

	for (int shift = 24; shift >= 0; shift -= 6) {
		uint32_t type = set->key_type >> shift & 0x3f;
		unsigned len = ep_nft_type_len(type);

		if (!type && !n)
			continue;
		if (!len)
			return;
		lens[n++] = (uint8_t)len;
	}
	if (n < 2)
		return;
	memcpy(set->fields, lens, n);
	set->n_fields = (uint8_t)n;
	if (!fields_fit(set))
		set->n_fields = 0;
}

int ep_nft_decode_set(struct ep_arena *a, const void *attrs, size_t len, struct ep_nft_set *set,
		      struct ep_nla *ret_table)
{
	static const struct ep_nla_policy policy[] = {
		[NFTA_SET_TABLE] = EP_NLA_MAX(NAME_SIZE), [NFTA_SET_NAME] = EP_NLA_MAX(NAME_SIZE),
		[NFTA_SET_FLAGS] = EP_NLA_NUM(4),         [NFTA_SET_KEY_TYPE] = EP_NLA_NUM(4),
		[NFTA_SET_KEY_LEN] = EP_NLA_NUM(4),       [NFTA_SET_DATA_TYPE] = EP_NLA_NUM(4),
		[NFTA_SET_DATA_LEN] = EP_NLA_NUM(4),      [NFTA_SET_DESC] = EP_NLA_NEST,
		[NFTA_SET_OBJ_TYPE] = EP_NLA_NUM(4),      [NFTA_SET_EXPR] = EP_NLA_NEST,
		[NFTA_SET_EXPRESSIONS] = EP_NLA_NEST,
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	int r = ep_nla_table(attrs, len, policy, EP_ARRAY_SIZE(tb), tb);

	if (r < 0)
		return r;
	if (!tb[NFTA_SET_TABLE].data || !tb[NFTA_SET_NAME].data)
		return -EBADMSG;
	set->name = ep_nla_str(a, &tb[NFTA_SET_NAME]);
	set->flags = (uint32_t)ep_nla_be(&tb[NFTA_SET_FLAGS], 0);
	set->key_type = (uint32_t)ep_nla_be(&tb[NFTA_SET_KEY_TYPE], 0);
	set->key_len = (uint32_t)ep_nla_be(&tb[NFTA_SET_KEY_LEN], 0);
	set->data_type = (uint32_t)ep_nla_be(&tb[NFTA_SET_DATA_TYPE], 0);
	set->data_len = (uint32_t)ep_nla_be(&tb[NFTA_SET_DATA_LEN], 0);
	if (!set->key_len || set->key_len > DATA_MAX || set->data_len > DATA_MAX)
		return -EBADMSG;
	set->obj_type = (uint32_t)ep_nla_be(&tb[NFTA_SET_OBJ_TYPE], 0);
	r = ep_nft_decode_state(a, &tb[NFTA_SET_EXPR], &tb[NFTA_SET_EXPRESSIONS], &set->exprs);
	if (r < 0)
		return r;
	if (tb[NFTA_SET_DESC].data) {
		r = take_desc(&tb[NFTA_SET_DESC], set);
		if (r < 0)
			return r;
	}
	if (set->n_fields && !fields_fit(set))
		set->n_fields = 0;
	if (!set->n_fields)
		ep_nft_fields_of_type(set);
	*ret_table = tb[NFTA_SET_TABLE];
	return 0;
}

/* ---- its elements ---- */

static int take_key(struct ep_arena *a, const struct ep_nft_set *set, const struct ep_nla *at,
		    const uint8_t **ret)
{
	const struct ep_verdict *verdict = NULL;
	uint32_t len = 0;
	int r = ep_nft_decode_data(a, at, DATA_MAX, ret, &len, &verdict);

	return r < 0 ? r : verdict || len != set->key_len ? -EBADMSG : 0;
}

static int take_data(struct ep_arena *a, const struct ep_nft_set *set, const struct ep_nla *at,
		     struct ep_nft_elem *e)
{
	uint32_t len = 0;
	int r = ep_nft_decode_data(a, at, DATA_MAX, &e->data, &len, &e->verdict);

	return r < 0 ? r : e->data && len != set->data_len ? -EBADMSG : 0;
}

/* 0: *raw is filled; 1: the element has expired; -EBADMSG. */
static int take_elem(struct ep_arena *a, const struct ep_nft_set *set, const struct ep_nla *elem,
		     struct ep_nft_raw_elem *raw)
{
	static const struct ep_nla_policy policy[] = {
		[NFTA_SET_ELEM_KEY] = EP_NLA_NEST,
		[NFTA_SET_ELEM_DATA] = EP_NLA_NEST,
		[NFTA_SET_ELEM_FLAGS] = EP_NLA_NUM(4),
		[NFTA_SET_ELEM_TIMEOUT] = EP_NLA_NUM(8),
		[NFTA_SET_ELEM_EXPIRATION] = EP_NLA_NUM(8),
		[NFTA_SET_ELEM_USERDATA] = EP_NLA_MAX(4096),
		[NFTA_SET_ELEM_EXPR] = EP_NLA_NEST,
		[NFTA_SET_ELEM_OBJREF] = EP_NLA_MAX(NAME_SIZE),
		[NFTA_SET_ELEM_KEY_END] = EP_NLA_NEST,
		[NFTA_SET_ELEM_EXPRESSIONS] = EP_NLA_NEST,
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	struct ep_nft_elem *e = &raw->e;
	uint64_t flags;
	int r = ep_nla_table(elem->data, elem->len, policy, EP_ARRAY_SIZE(tb), tb);

	if (r < 0)
		return r;
	if (tb[NFTA_SET_ELEM_EXPIRATION].data && !ep_nla_be(&tb[NFTA_SET_ELEM_EXPIRATION], 0))
		return 1;
	flags = ep_nla_be(&tb[NFTA_SET_ELEM_FLAGS], 0);
	raw->interval_end = flags & NFT_SET_ELEM_INTERVAL_END;
	raw->has_key_end = tb[NFTA_SET_ELEM_KEY_END].data;
	e->catchall = flags & NFT_SET_ELEM_CATCHALL;
	if (!e->catchall) {
		if (!tb[NFTA_SET_ELEM_KEY].data)
			return -EBADMSG;
		r = take_key(a, set, &tb[NFTA_SET_ELEM_KEY], &e->lo);
		e->hi = e->lo;
		if (r == 0 && raw->has_key_end)
			r = take_key(a, set, &tb[NFTA_SET_ELEM_KEY_END], &e->hi);
		if (r < 0)
			return r;
	}
	if (tb[NFTA_SET_ELEM_DATA].data) {
		r = take_data(a, set, &tb[NFTA_SET_ELEM_DATA], e);
		if (r < 0)
			return r;
	}
	e->object = ep_nla_str(a, &tb[NFTA_SET_ELEM_OBJREF]);
	e->timeout_ms = ep_nla_be(&tb[NFTA_SET_ELEM_TIMEOUT], 0);
	e->comment = ep_nft_userdata_comment(a, &tb[NFTA_SET_ELEM_USERDATA]);
	e->expires_ms = ep_nla_be(&tb[NFTA_SET_ELEM_EXPIRATION], 0);
	r = ep_nft_decode_state(a, &tb[NFTA_SET_ELEM_EXPR], &tb[NFTA_SET_ELEM_EXPRESSIONS],
				&e->exprs);
	e->conditional = e->exprs;
	return r;
}

int ep_nft_decode_elems(struct ep_arena *a, struct ep_arena *tmp, const struct ep_nft_set *set,
			const void *payload, size_t len, ep_nft_raw_elems *raw)
{
	struct ep_nla_iter it = {payload, len};
	struct ep_nla at;

	while (ep_nla_next(&it, &at)) {
		struct ep_nft_raw_elem elem = {0};
		int r;

		if (raw->n >= MAX_ELEMS)
			return -E2BIG;
		r = take_elem(a, set, &at, &elem);
		if (r < 0)
			return r;
		if (r == 0)
			*ep_push(tmp, raw) = elem;
	}
	return it.left ? -EBADMSG : 0;
}

/* ---- intervals ---- */

/* By key; at the same key the end of one interval comes before the start of the next. */
static int by_key(const void *va, const void *vb, void *ctx)
{
	const struct ep_nft_raw_elem *x = va, *y = vb;
	const struct ep_nft_set *set = ctx;
	int d;

	if (x->e.catchall || y->e.catchall)
		return y->e.catchall - x->e.catchall;
	d = memcmp(x->e.lo, y->e.lo, set->key_len);
	return d ? d : y->interval_end - x->interval_end;
}

/* The value before v; v itself if there is none. */
static const uint8_t *value_before(struct ep_arena *a, const uint8_t *v, uint32_t len)
{
	uint8_t *p = ep_memdup(a, v, len);
	uint32_t i = len;

	while (i > 0 && p[i - 1] == 0)
		p[--i] = 0xff;
	if (i == 0)
		return v;
	p[i - 1]--;
	return p;
}

void ep_nft_join_intervals(struct ep_arena *a, struct ep_nft_set *set, ep_nft_raw_elems *raw)
{
	bool halves = set->flags & NFT_SET_INTERVAL;
	struct ep_nft_elem *open = NULL;
	uint8_t *last = NULL;

	for (size_t i = 0; halves && i < raw->n; i++)
		halves = !raw->v[i].has_key_end;
	/* A concatenation is never kept in halves, even if all of its elements are single values. */
	if (set->flags & NFT_SET_CONCAT)
		halves = false;
	if (halves && raw->n)
		qsort_r(raw->v, raw->n, sizeof(*raw->v), by_key, set);
	set->elems.v = raw->n ? ep_alloc(a, raw->n * sizeof(*set->elems.v)) : NULL;
	set->elems.cap = raw->n;
	set->elems.n = 0;
	ep_each(it, raw) {
		/* An interval ends where the kernel says, or where the next one starts. */
		if (halves && open && !it->e.catchall)
			open->hi = value_before(a, it->e.lo, set->key_len);
		if (!it->e.catchall)
			open = NULL;
		if (it->interval_end && !it->e.catchall)
			continue;
		set->elems.v[set->elems.n] = it->e;
		if (halves && !it->e.catchall)
			open = &set->elems.v[set->elems.n];
		set->elems.n++;
	}
	if (open) {
		last = ep_alloc(a, set->key_len);
		memset(last, 0xff, set->key_len);
		open->hi = last;
	}
}

/* ---- the dump ---- */

struct elems {
	struct ep_arena *a, *tmp;
	struct ep_nft_set *set;
	ep_nft_raw_elems raw;
};

static int take_elems(const struct nlmsghdr *nlh, void *ctx)
{
	static const struct ep_nla_policy policy[] = {
		[NFTA_SET_ELEM_LIST_ELEMENTS] = EP_NLA_NEST,
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	struct elems *es = ctx;
	const void *p;
	size_t len;
	int r;

	p = ep_nl_nfnl_attrs(nlh, NULL, &len);
	if (!p)
		return -EBADMSG;
	r = ep_nla_table(p, len, policy, EP_ARRAY_SIZE(tb), tb);
	if (r < 0)
		return r;
	return ep_nft_decode_elems(es->a, es->tmp, es->set, tb[NFTA_SET_ELEM_LIST_ELEMENTS].data,
				   tb[NFTA_SET_ELEM_LIST_ELEMENTS].len, &es->raw);
}

int ep_collect_nft_set(struct ep_snapshot *s, struct ep_netns *ns, struct ep_nft_set *set)
{
	struct elems es = {.a = s->arena, .set = set};
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *req = ep_nl_nfnl(buf, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETSETELEM, NLM_F_DUMP,
					  set->table->family);
	int r, fd;

	if (!ep_nl_put_str(req, NFTA_SET_ELEM_LIST_TABLE, set->table->name) ||
	    !ep_nl_put_str(req, NFTA_SET_ELEM_LIST_SET, set->name))
		return -ENAMETOOLONG;
	fd = ep_nl_open(ns, NETLINK_NETFILTER);
	if (fd < 0)
		return fd;
	es.tmp = ep_arena_new();
	r = ep_nl_request(fd, req, take_elems, &es);
	close(fd);
	if (r == 0)
		ep_nft_join_intervals(s->arena, set, &es.raw);
	ep_arena_free(es.tmp);
	return r;
}

/* ---- one element ---- */

/*
 * The kernel finds the interval that a key is in, and sends its start; a set of intervals in halves
 * never sends an end here. 0 with one element in es->raw, -ENOENT, or another negative errno.
 */
static int ask_elem(struct elems *es, int fd, const struct ep_nft_set *set, const uint8_t *key)
{
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *req = ep_nl_nfnl(buf, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETSETELEM, NLM_F_ACK,
					  set->table->family);
	struct nlattr *list, *elem, *at;
	int r;

	if (!ep_nl_put_str(req, NFTA_SET_ELEM_LIST_TABLE, set->table->name) ||
	    !ep_nl_put_str(req, NFTA_SET_ELEM_LIST_SET, set->name))
		return -ENAMETOOLONG;
	list = mnl_attr_nest_start(req, NFTA_SET_ELEM_LIST_ELEMENTS);
	elem = mnl_attr_nest_start(req, NFTA_LIST_ELEM);
	if (key) {
		at = mnl_attr_nest_start(req, NFTA_SET_ELEM_KEY);
		mnl_attr_put(req, NFTA_DATA_VALUE, set->key_len, key);
		mnl_attr_nest_end(req, at);
	} else {
		mnl_attr_put_u32(req, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_CATCHALL));
	}
	mnl_attr_nest_end(req, elem);
	mnl_attr_nest_end(req, list);
	es->raw.n = 0;
	r = ep_nl_request(fd, req, take_elems, es);
	if (r == 0 && es->raw.n != 1)
		r = es->raw.n ? -EBADMSG : -ENOENT; /* it expired on the way */
	return r;
}

int ep_collect_nft_elem(struct ep_snapshot *s, struct ep_netns *ns, const struct ep_nft_set *set,
			struct ep_nft_asked *a)
{
	struct elems es = {.a = s->arena, .set = (struct ep_nft_set *)set};
	const uint8_t *keys[] = {a->key, NULL};
	int r = -ENOENT;

	es.tmp = ep_arena_new();
	for (size_t i = 0; r == -ENOENT && i < EP_ARRAY_SIZE(keys); i++) {
		int fd = ep_nl_open(ns, NETLINK_NETFILTER);

		r = fd < 0 ? fd : ask_elem(&es, fd, set, keys[i]);
		if (fd >= 0)
			close(fd);
		/* Before Linux 5.13 there are no catch-all elements. */
		if (i && (r == -EINVAL || r == -EOPNOTSUPP))
			r = -ENOENT;
	}
	if (r == 0 && !es.raw.v[0].interval_end)
		a->elem = ep_memdup(s->arena, &es.raw.v[0].e, sizeof(es.raw.v[0].e));
	else if (r == 0)
		r = -EBADMSG;
	ep_arena_free(es.tmp);
	return r == -ENOENT ? 0 : r;
}
