// SPDX-License-Identifier: GPL-2.0-or-later
/* Netlink's bytes of expressions, sets and elements; whole, cut, and bent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collect/collect_i.h"
#include "collect/ipset.h"
#include "collect/nft.h"
#include "nft_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nf_tables.h>

static struct ep_arena *a;

static int setup(void **state)
{
	(void)state;
	a = ep_arena_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ep_arena_free(a);
	return 0;
}

/* ---- attributes by hand ---- */

struct msg {
	uint8_t v[65536];
	size_t n;
};

static struct msg *new_msg(void)
{
	return ep_alloc(a, sizeof(struct msg));
}

static void put(struct msg *m, uint16_t type, const void *data, size_t len)
{
	uint16_t head[2] = {(uint16_t)(len + 4), type};

	assert_true(m->n + len + 8 < sizeof(m->v));
	memcpy(m->v + m->n, head, 4);
	if (len)
		memcpy(m->v + m->n + 4, data, len);
	m->n += (len + 4 + 3) & ~(size_t)3;
}

static void put32(struct msg *m, uint16_t type, uint32_t v)
{
	v = htonl(v);
	put(m, type, &v, sizeof(v));
}

static void put64(struct msg *m, uint16_t type, uint32_t v)
{
	uint32_t be[2] = {0, htonl(v)};

	put(m, type, be, sizeof(be));
}

static void put_str(struct msg *m, uint16_t type, const char *s)
{
	put(m, type, s, strlen(s) + 1);
}

static void put_msg(struct msg *m, uint16_t type, const struct msg *inner)
{
	put(m, type | NLA_F_NESTED, inner->v, inner->n);
}

static void put_value(struct msg *m, uint16_t type, const void *data, size_t len)
{
	struct msg *value = new_msg();

	put(value, NFTA_DATA_VALUE, data, len);
	put_msg(m, type, value);
}

static void put_expr(struct msg *rule, const char *name, const struct msg *data)
{
	struct msg *e = new_msg();

	put_str(e, NFTA_EXPR_NAME, name);
	put_msg(e, NFTA_EXPR_DATA, data);
	put_msg(rule, NFTA_LIST_ELEM, e);
}

/* ---- expressions ---- */

static void numbers_strings_and_data(void **state)
{
	struct msg *rule = new_msg(), *cmp = new_msg(), *lookup = new_msg(), *counter = new_msg();
	struct ep_nft_rule r = {0};
	const uint8_t *v;
	uint32_t len;

	(void)state;
	put32(cmp, NFTA_CMP_SREG, NFT_REG_1);
	put32(cmp, NFTA_CMP_OP, NFT_CMP_NEQ);
	put_value(cmp, NFTA_CMP_DATA, "\0\x50", 2);
	put_expr(rule, "cmp", cmp);
	put_str(lookup, NFTA_LOOKUP_SET, "ports");
	put32(lookup, NFTA_LOOKUP_SREG, NFT_REG_1);
	put_expr(rule, "lookup", lookup);
	put64(counter, NFTA_COUNTER_BYTES, 1000);
	put(counter, NFTA_COUNTER_PAD, NULL, 0);
	put64(counter, NFTA_COUNTER_PACKETS, 10);
	put_expr(rule, "counter", counter);
	put_expr(rule, "notrack", new_msg());

	assert_int_equal(ep_nft_decode_exprs(a, rule->v, rule->n, &r), 0);
	assert_int_equal(r.exprs.n, 4);
	assert_int_equal(ep_attr_num(&r.exprs.v[0], NFTA_CMP_OP, 0), NFT_CMP_NEQ);
	v = ep_attr_bytes(&r.exprs.v[0], NFTA_CMP_DATA, &len);
	assert_int_equal(len, 2);
	assert_int_equal(v[1], 0x50);
	assert_string_equal(ep_attr_str(&r.exprs.v[1], NFTA_LOOKUP_SET), "ports");
	assert_int_equal(ep_attr_num(&r.exprs.v[2], NFTA_COUNTER_PACKETS, 0), 10);
	assert_int_equal(r.exprs.v[2].attrs.n, 2);
	assert_false(r.exprs.v[3].opaque);
}

static void verdicts(void **state)
{
	struct msg *rule = new_msg(), *imm = new_msg(), *data = new_msg(), *verdict = new_msg();
	struct ep_nft_rule r = {0};
	const struct ep_attr *at;

	(void)state;
	put32(verdict, NFTA_VERDICT_CODE, (uint32_t)NFT_JUMP);
	put_str(verdict, NFTA_VERDICT_CHAIN, "DOCKER");
	put_msg(data, NFTA_DATA_VERDICT, verdict);
	put_msg(imm, NFTA_IMMEDIATE_DATA, data);
	put_expr(rule, "immediate", imm);
	assert_int_equal(ep_nft_decode_exprs(a, rule->v, rule->n, &r), 0);
	at = ep_attr_get(&r.exprs.v[0], NFTA_IMMEDIATE_DATA);
	assert_int_equal(at->kind, EP_ATTR_VERDICT);
	assert_int_equal(at->verdict->code, NFT_JUMP);
	assert_string_equal(at->verdict->chain, "DOCKER");
}

static void what_is_unknown_keeps_its_bytes(void **state)
{
	struct msg *rule = new_msg(), *cmp = new_msg();
	struct ep_nft_rule r = {0};
	uint32_t len;

	(void)state;
	put32(cmp, 77, 1); /* an attribute of a kernel to come may change what the others mean */
	put_expr(rule, "cmp", cmp);
	put_expr(rule, "warp", cmp);
	assert_int_equal(ep_nft_decode_exprs(a, rule->v, rule->n, &r), 0);
	for (int i = 0; i < 2; i++) {
		assert_true(r.exprs.v[i].opaque);
		assert_memory_equal(ep_attr_bytes(&r.exprs.v[i], 0, &len), cmp->v, cmp->n);
		assert_int_equal(len, cmp->n);
	}
	assert_string_equal(r.exprs.v[1].name, "warp");
}

static void wrong_lengths_are_refused(void **state)
{
	static const uint8_t big[100];
	struct ep_nft_rule r = {0};

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct msg *rule = new_msg(), *cmp = new_msg(), *data = new_msg();

		if (i == 0)
			put(cmp, NFTA_CMP_SREG, "ab", 2);
		if (i == 1)
			put_value(cmp, NFTA_CMP_DATA, big, sizeof(big));
		if (i == 2)
			put_value(cmp, NFTA_CMP_DATA, "", 0);
		if (i == 3)
			put_msg(cmp, NFTA_CMP_DATA, data); /* neither value nor verdict */
		put_expr(rule, "cmp", cmp);
		assert_int_equal(ep_nft_decode_exprs(a, rule->v, rule->n, &r), -EBADMSG);
	}
}

static void too_many_expressions_are_refused(void **state)
{
	struct msg *rule = new_msg();
	struct ep_nft_rule r = {0};

	(void)state;
	for (int i = 0; i < 4097; i++)
		put(rule, NFTA_LIST_ELEM, NULL, 0);
	assert_int_equal(ep_nft_decode_exprs(a, rule->v, rule->n, &r), -E2BIG);
}

/* Cut anywhere, or with any byte bent: decoded or refused, and never read beyond the end. */
static void real_rules_cut_and_bent(void **state)
{
	struct nft_fixture f;

	(void)state;
	if (!nft_fixture_usable())
		skip();
	nft_fixture_load(a, "native", &f);
	ep_each(fr, &f.rules) {
		struct ep_arena *tmp = ep_arena_new();

		for (size_t n = 0; n < fr->len; n++) {
			uint8_t *cut = malloc(n ? n : 1);
			struct ep_nft_rule r = {0};
			int err;

			memcpy(cut, fr->payload, n);
			err = ep_nft_decode_exprs(tmp, cut, n, &r);
			assert_true(err == 0 || err == -EBADMSG);
			if (err == 0)
				ep_nft_rule_text(tmp, fr->chain, &r);
			free(cut);
			cut = malloc(fr->len);
			memcpy(cut, fr->payload, fr->len);
			cut[n] ^= 0x41;
			r = (struct ep_nft_rule){0};
			if (ep_nft_decode_exprs(tmp, cut, fr->len, &r) == 0)
				ep_nft_rule_text(tmp, fr->chain, &r);
			free(cut);
		}
		ep_arena_free(tmp);
	}
}

/* ---- sets ---- */

static struct ep_nft_set *find_set(const struct nft_fixture *f, const char *name)
{
	struct ep_nft_set *set = ep_nft_set_find(f->tables.v[0], name);

	assert_non_null(set);
	return set;
}

static void assert_elem(const struct ep_nft_set *set, size_t i, const char *lo, const char *hi)
{
	size_t len;
	const uint8_t *v = nft_fixture_bytes(a, lo, &len);

	assert_true(i < set->elems.n);
	assert_int_equal(len, set->key_len);
	assert_memory_equal(set->elems.v[i].lo, v, len);
	v = nft_fixture_bytes(a, hi, &len);
	assert_memory_equal(set->elems.v[i].hi, v, len);
}

static void real_sets(void **state)
{
	static const uint8_t c3[] = {4, 2, 4};
	struct ep_nft_set *set;
	struct nft_fixture f;

	(void)state;
	nft_fixture_load(a, "native", &f);
	set = find_set(&f, "v4");
	assert_int_equal(set->elems.n, 3);
	assert_elem(set, 0, "0a000000", "0affffff");
	assert_elem(set, 1, "c0a80101", "c0a80114");
	assert_elem(set, 2, "ffffffff", "ffffffff");
	set = find_set(&f, "c3");
	assert_int_equal(set->n_fields, 3);
	assert_memory_equal(set->fields, c3, 3);
	assert_elem(set, 0, "0a0000000050000000000001", "0affffff005a000000000004");
	set = find_set(&f, "cm"); /* the kernel tells its fields by nft's type alone */
	assert_int_equal(set->n_fields, 2);
	assert_int_equal(set->data_len, 8);
	assert_memory_equal(set->elems.v[0].data, "\x0a\0\0\x01\x1f\x90", 6);
	set = find_set(&f, "ivm");
	assert_int_equal(set->data_type, NFT_DATA_VERDICT);
	assert_elem(set, 0, "0001", "03ff");
	assert_string_equal(set->elems.v[0].verdict->chain, "u");
	set = find_set(&f, "catch");
	assert_int_equal(set->elems.n, 2);
	assert_true(set->elems.v[0].catchall || set->elems.v[1].catchall);
	set = find_set(&f, "tmo");
	assert_string_equal(set->elems.v[0].comment, "hello");
	assert_int_equal(set->elems.v[0].timeout_ms, 3600000);
	assert_true(find_set(&f, "lim")->elems.v[0].conditional);
	assert_string_equal(find_set(&f, "lim")->elems.v[0].exprs->v[0].name, "limit");
	assert_true(ep_attr_num(&find_set(&f, "lim")->elems.v[0].exprs->v[0], NFTA_LIMIT_RATE, 0));
	assert_null(find_set(&f, "cnts")->elems.v[0].exprs);
	assert_false(find_set(&f, "cnts")->elems.v[0].conditional);
}

static void put_elem(struct msg *list, uint32_t key, uint32_t flags)
{
	struct msg *e = new_msg();

	key = htonl(key);
	put_value(e, NFTA_SET_ELEM_KEY, &key, sizeof(key));
	if (flags)
		put32(e, NFTA_SET_ELEM_FLAGS, flags);
	put_msg(list, NFTA_LIST_ELEM, e);
}

static void intervals_join_in_any_order(void **state)
{
	struct ep_nft_set set = {.flags = NFT_SET_INTERVAL, .key_len = 4};
	struct msg *list = new_msg();
	ep_nft_raw_elems raw = {0};

	(void)state;
	put_elem(list, 0xf0000000, 0);                 /* open end */
	put_elem(list, 20, NFT_SET_ELEM_INTERVAL_END); /* [10,19] */
	put_elem(list, 10, 0);
	put_elem(list, 0, NFT_SET_ELEM_INTERVAL_END); /* the end of nothing */
	put_elem(list, 20, 0);                        /* [20,29], touching */
	put_elem(list, 30, NFT_SET_ELEM_INTERVAL_END);
	put_elem(list, 256, 0); /* [256,511], by the next start */
	put_elem(list, 512, 0); /* [512,512] */
	put_elem(list, 513, NFT_SET_ELEM_INTERVAL_END);
	assert_int_equal(ep_nft_decode_elems(a, a, &set, list->v, list->n, &raw), 0);
	ep_nft_join_intervals(a, &set, &raw);
	assert_int_equal(set.elems.n, 5);
	assert_elem(&set, 0, "0000000a", "00000013");
	assert_elem(&set, 1, "00000014", "0000001d");
	assert_elem(&set, 2, "00000100", "000001ff");
	assert_elem(&set, 3, "00000200", "00000200");
	assert_elem(&set, 4, "f0000000", "ffffffff");
}

static void expired_and_malformed_elements(void **state)
{
	struct ep_nft_set set = {.key_len = 4};
	struct msg *list = new_msg(), *e = new_msg();
	ep_nft_raw_elems raw = {0};

	(void)state;
	put_value(e, NFTA_SET_ELEM_KEY, "abcd", 4);
	put64(e, NFTA_SET_ELEM_TIMEOUT, 1000);
	put64(e, NFTA_SET_ELEM_EXPIRATION, 0);
	put_msg(list, NFTA_LIST_ELEM, e);
	assert_int_equal(ep_nft_decode_elems(a, a, &set, list->v, list->n, &raw), 0);
	assert_int_equal(raw.n, 0);
	set.key_len = 8; /* not the length of the key */
	list = new_msg();
	put_elem(list, 1, 0);
	assert_int_equal(ep_nft_decode_elems(a, a, &set, list->v, list->n, &raw), -EBADMSG);
	list = new_msg();
	put(list, NFTA_LIST_ELEM, NULL, 0); /* no key */
	assert_int_equal(ep_nft_decode_elems(a, a, &set, list->v, list->n, &raw), -EBADMSG);
}

static void fields_from_the_key_type(void **state)
{
	struct ep_nft_set set = {.key_len = 12, .key_type = 7 << 12 | 12 << 6 | 13};
	static const uint8_t want[] = {4, 1, 2};

	(void)state;
	ep_nft_fields_of_type(&set);
	assert_int_equal(set.n_fields, 3);
	assert_memory_equal(set.fields, want, 3);
	set = (struct ep_nft_set){.key_len = 8, .key_type = 7 << 12 | 12 << 6 | 13};
	ep_nft_fields_of_type(&set); /* another length than theirs */
	assert_int_equal(set.n_fields, 0);
	set = (struct ep_nft_set){.key_len = 4, .key_type = 7};
	ep_nft_fields_of_type(&set);
	assert_int_equal(set.n_fields, 0);
	set = (struct ep_nft_set){.key_len = 8,
				  .key_type = 4 << 6 | 13}; /* an integer of any length */
	ep_nft_fields_of_type(&set);
	assert_int_equal(set.n_fields, 0);
}

/* ---- userdata, tables of iptables ---- */

static void comments_in_userdata(void **state)
{
	static const uint8_t good[] = {1, 1, 'x', 0, 3, 'h', 'i', 0};
	static const uint8_t cut[] = {0, 9, 'h', 'i'};
	struct ep_nla at = {.data = good, .len = sizeof(good)};

	(void)state;
	assert_string_equal(ep_nft_userdata_comment(a, &at), "hi");
	at = (struct ep_nla){.data = cut, .len = sizeof(cut)};
	assert_null(ep_nft_userdata_comment(a, &at));
	at = (struct ep_nla){0};
	assert_null(ep_nft_userdata_comment(a, &at));
}

static bool is_xtables(uint8_t family, const char *table, const char *name, const char *type,
		       uint32_t hook, int32_t priority)
{
	struct ep_nft_table t = {.family = family, .name = table};
	struct ep_nft_chain base = {.table = &t,
				    .name = name,
				    .base = true,
				    .type = type,
				    .hook = hook,
				    .priority = priority};
	struct ep_nft_chain other = {.table = &t, .name = "DOCKER"};
	struct ep_nft_chain *chains[] = {&other, &base};

	t.chains.v = chains;
	t.chains.n = name ? 2 : 1;
	return ep_nft_is_xtables(&t);
}

static void tables_of_iptables(void **state)
{
	(void)state;
	assert_true(is_xtables(2, "nat", "PREROUTING", "nat", NF_INET_PRE_ROUTING, -100));
	assert_true(is_xtables(10, "filter", "INPUT", "filter", NF_INET_LOCAL_IN, 0));
	assert_true(is_xtables(2, "mangle", "OUTPUT", "route", NF_INET_LOCAL_OUT, -150));
	assert_false(is_xtables(2, "nat", "prerouting", "nat", NF_INET_PRE_ROUTING, -100));
	assert_false(is_xtables(2, "nat", "PREROUTING", "nat", NF_INET_PRE_ROUTING, -101));
	assert_false(is_xtables(1, "nat", "PREROUTING", "nat", NF_INET_PRE_ROUTING, -100));
	assert_false(is_xtables(2, "mine", "PREROUTING", "nat", NF_INET_PRE_ROUTING, -100));
	assert_false(is_xtables(2, "nat", NULL, NULL, 0, 0));
}

/* ---- ipset ---- */

static void put_addr(struct msg *m, const void *addr, size_t len)
{
	struct msg *inner = new_msg();

	put(inner, len == 4 ? IPSET_ATTR_IPADDR_IPV4 : IPSET_ATTR_IPADDR_IPV6, addr, len);
	put_msg(m, IPSET_ATTR_IP, inner);
}

static struct msg *ipset_header(const char *type)
{
	struct msg *m = new_msg(), *header = new_msg();
	uint8_t family = 2;

	put_str(m, IPSET_ATTR_TYPENAME, type);
	put(m, IPSET_ATTR_FAMILY, &family, 1);
	put32(header, IPSET_ATTR_HASHSIZE, 1024);
	put_msg(m, IPSET_ATTR_DATA, header);
	return m;
}

static void ipset_of_networks_and_ports(void **state)
{
	struct msg *m = ipset_header("hash:net,port"), *adt = new_msg(), *e = new_msg();
	uint16_t port = htons(443);
	struct ep_ipset set = {0};
	uint8_t netmask = 0, cidr = 8, tcp = 6;

	(void)state;
	put_addr(e, "\x0a\0\0\0", 4);
	put(e, IPSET_ATTR_CIDR, &cidr, 1);
	put(e, IPSET_ATTR_PORT | NLA_F_NET_BYTEORDER, &port, 2);
	put(e, IPSET_ATTR_PROTO, &tcp, 1);
	put32(e, IPSET_ATTR_CADT_FLAGS | NLA_F_NET_BYTEORDER, IPSET_FLAG_NOMATCH);
	put_msg(adt, IPSET_ATTR_DATA, e);
	put_msg(m, IPSET_ATTR_ADT, adt);
	assert_int_equal(ep_ipset_decode(a, m->v, m->n, &set, &netmask), 0);
	assert_int_equal(set.elems.n, 1);
	assert_int_equal(set.elems.v[0].plen, 8);
	assert_int_equal(set.elems.v[0].port_lo, 443);
	assert_int_equal(set.elems.v[0].port_hi, 443);
	assert_int_equal(set.elems.v[0].proto, 6);
	assert_true(set.elems.v[0].nomatch);
	for (size_t n = 0; n < m->n; n++) {
		uint8_t *cut = ep_memdup(a, m->v, n);
		struct ep_ipset s2 = {0};
		int r;

		netmask = 0;
		r = ep_ipset_decode(a, cut, n, &s2, &netmask);
		assert_true(r == 0 || r == -EBADMSG || r == -EOPNOTSUPP);
	}
}

static void ipset_types_that_are_not_understood(void **state)
{
	struct msg *m = ipset_header("hash:ip,port,ip");
	struct ep_ipset set = {0};
	uint8_t netmask = 0, cidr = 33;
	struct msg *adt = new_msg(), *e = new_msg();

	(void)state;
	assert_int_equal(ep_ipset_decode(a, m->v, m->n, &set, &netmask), -EOPNOTSUPP);
	assert_string_equal(set.type, "hash:ip,port,ip");
	m = ipset_header("hash:net");
	put_addr(e, "\x0a\0\0\0", 4);
	put(e, IPSET_ATTR_CIDR, &cidr, 1);
	put_msg(adt, IPSET_ATTR_DATA, e);
	put_msg(m, IPSET_ATTR_ADT, adt);
	set = (struct ep_ipset){0};
	assert_int_equal(ep_ipset_decode(a, m->v, m->n, &set, &netmask), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(numbers_strings_and_data, setup, teardown),
		cmocka_unit_test_setup_teardown(verdicts, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_unknown_keeps_its_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_lengths_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_expressions_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(real_rules_cut_and_bent, setup, teardown),
		cmocka_unit_test_setup_teardown(real_sets, setup, teardown),
		cmocka_unit_test_setup_teardown(intervals_join_in_any_order, setup, teardown),
		cmocka_unit_test_setup_teardown(expired_and_malformed_elements, setup, teardown),
		cmocka_unit_test_setup_teardown(fields_from_the_key_type, setup, teardown),
		cmocka_unit_test_setup_teardown(comments_in_userdata, setup, teardown),
		cmocka_unit_test_setup_teardown(tables_of_iptables, setup, teardown),
		cmocka_unit_test_setup_teardown(ipset_of_networks_and_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(ipset_types_that_are_not_understood, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
