// SPDX-License-Identifier: GPL-2.0-or-later
/* Lookups in sets and maps; anonymous ones are written with their elements. */
#include "model/nft_text.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#define ELEMS_SHOWN 32
#define MAX_PARTS   16

/* ---- elements ---- */

static void put_key(struct ep_buf *b, const struct ep_nft_elem *e, const struct ep_key_part *parts,
		    unsigned n)
{
	if (e->catchall) {
		ep_buf_puts(b, "*");
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		const struct ep_part *p = &parts[i].part;

		ep_buf_puts(b, i ? " . " : "");
		ep_text_put_range(b, p, e->lo + parts[i].at, e->hi + parts[i].at);
	}
}

/* A map's value, of the datatypes that nft noted with the set. */
static void put_data(struct ep_buf *b, const struct ep_nft_set *set, const uint8_t *data)
{
	enum ep_nft_type fields[5];
	unsigned n = ep_nft_type_fields(set->data_type, fields);
	uint32_t at = 0, all = 0;

	for (unsigned i = 0; i < n; i++)
		all += (ep_nft_type_len(fields[i]) + 3) & ~3u;
	for (unsigned i = 0; i < n && at < set->data_len; i++) {
		uint32_t rest = set->data_len - at, len = ep_nft_type_len(fields[i]);

		len = n == 1 || !len || len > rest ? rest : len;
		ep_buf_puts(b, i ? " . " : "");
		/* A range of addresses or ports is kept as both ends. */
		if (n == 1 && len == 2 * ep_nft_type_len(fields[i]) && len)
			ep_nft_put_range(b, fields[i], data, data + len / 2, len / 2, false);
		else if (n > 1 && len && set->data_len == 2 * all && at + len <= all)
			ep_nft_put_range(b, fields[i], data + at, data + all + at, len,
					 ep_nft_type_is_host_order(fields[i]));
		else
			ep_nft_put_value(b, fields[i], data + at, len,
					 fields[i] == EP_NFT_INTEGER ||
						 ep_nft_type_is_host_order(fields[i]));
		at += (len + 3) & ~3u;
	}
}

static void put_elem(struct ep_buf *b, const struct ep_nft_set *set, const struct ep_nft_elem *e,
		     const struct ep_key_part *parts, unsigned n)
{
	put_key(b, e, parts, n);
	if (e->verdict) {
		ep_buf_puts(b, " : ");
		ep_text_put_verdict(b, e->verdict);
	} else if (e->data) {
		ep_buf_puts(b, " : ");
		put_data(b, set, e->data);
	} else if (e->object) {
		ep_buf_puts(b, " : ");
		ep_nft_put_quoted(b, e->object, strlen(e->object));
	}
}

static int by_key(const void *va, const void *vb, void *ctx)
{
	const struct ep_nft_elem *x = *(const struct ep_nft_elem *const *)va;
	const struct ep_nft_elem *y = *(const struct ep_nft_elem *const *)vb;
	const struct ep_nft_set *set = ctx;

	if (x->catchall || y->catchall)
		return x->catchall - y->catchall;
	return memcmp(x->lo, y->lo, set->key_len);
}

static const char *elems_text(struct ep_nft_text *t, struct ep_nft_set *set,
			      const struct ep_key_part *parts, unsigned n)
{
	const struct ep_nft_elem **v = ep_alloc(t->a, set->elems.n * sizeof(*v));
	struct ep_buf b = {0};
	const char *ret;

	for (size_t i = 0; i < set->elems.n; i++)
		v[i] = &set->elems.v[i];
	/* nft lists concatenations of ranges as the kernel does. */
	if (!(set->flags & NFT_SET_CONCAT) || !(set->flags & NFT_SET_INTERVAL))
		qsort_r(v, set->elems.n, sizeof(*v), by_key, set);
	ep_buf_puts(&b, "{ ");
	for (size_t i = 0; i < set->elems.n && i < ELEMS_SHOWN; i++) {
		ep_buf_puts(&b, i ? ", " : "");
		put_elem(&b, set, v[i], parts, n);
	}
	ep_buf_puts(&b, set->elems.n > ELEMS_SHOWN ? ", ... }" : " }");
	ret = ep_strdup(t->a, ep_buf_str(&b));
	ep_buf_free(&b);
	return ret;
}

/* "@name", or "{ … }" of an anonymous set that was loaded. */
static const char *set_text(struct ep_nft_text *t, struct ep_nft_set *set, const char *name,
			    uint64_t reg)
{
	struct ep_key_part parts[MAX_PARTS];
	unsigned n;

	if (set && set->loaded && (set->flags & NFT_SET_ANONYMOUS) && set->elems.n) {
		n = ep_text_key(t, reg, set->key_len, parts, MAX_PARTS);
		if (n)
			return elems_text(t, set, parts, n);
	}
	return ep_sprintf(t->a, "@%s", ep_escape(t->a, name, strlen(name)));
}

static struct ep_nft_set *set_of(const struct ep_nft_text *t, const char *name)
{
	return t->chain->table ? ep_nft_set_find(t->chain->table, name) : NULL;
}

/* ---- lookup ---- */

static void load_mapped(struct ep_nft_text *t, const struct ep_nft_set *set, uint64_t sreg,
			uint64_t dreg, const char *text)
{
	enum ep_nft_type fields[5];
	unsigned n = ep_nft_type_fields(set->data_type, fields);
	const struct ep_load *key = ep_text_at(t, sreg);
	const char *undo = key ? key->undo : NULL;
	int piece = key ? key->undo_piece : -1;
	struct ep_load *l =
		ep_text_load(t, dreg, set->data_len, text, n == 1 ? fields[0] : EP_NFT_INTEGER);

	if (l) {
		l->undo = undo;
		l->undo_piece = piece;
	}
}

/* Bits under a mask that is still to be seen want their operator. */
static bool is_masked(struct ep_nft_text *t, uint64_t sreg)
{
	const struct ep_load *l = ep_text_at(t, sreg);

	return l && l->mask;
}

/* The first of some types of ICMP message says which fields follow, as it does for nft. */
static void learn_icmp(struct ep_nft_text *t, const struct ep_nft_set *set, uint64_t sreg)
{
	const struct ep_load *l = ep_text_at(t, sreg);
	uint8_t type;

	if (!l || !set->elems.n || set->key_len != 1 || !(set->flags & NFT_SET_ANONYMOUS) ||
	    set->elems.v[0].catchall)
		return;
	type = set->elems.v[0].lo[0];
	if (l->parts[0].type == EP_NFT_ICMP_TYPE)
		t->icmp_type = type ? type : 8;
	else if (l->parts[0].type == EP_NFT_ICMP6_TYPE)
		t->icmp_type = type == 129 ? 128 : type;
}

void ep_text_lookup(struct ep_nft_text *t, const struct ep_expr *e)
{
	const char *name = ep_attr_str(e, NFTA_LOOKUP_SET), *key, *content;
	uint64_t sreg = ep_attr_num(e, NFTA_LOOKUP_SREG, 0);
	uint64_t dreg = ep_attr_num(e, NFTA_LOOKUP_DREG, 0);
	bool inverted = ep_attr_num(e, NFTA_LOOKUP_FLAGS, 0) & NFT_LOOKUP_F_INV;
	struct ep_nft_set *set = name ? set_of(t, name) : NULL;

	key = set ? ep_text_expr(t, sreg, set->key_len) : NULL;
	if (!key) {
		if (name)
			ep_text_add(t, "[lookup @%s]", ep_escape(t->a, name, strlen(name)));
		else
			ep_text_unknown(t, e);
		return;
	}
	content = set_text(t, set, name, sreg);
	if (!ep_attr_has(e, NFTA_LOOKUP_DREG)) {
		ep_text_add(t, "%s %s%s", key,
			    inverted           ? "!= " :
			    is_masked(t, sreg) ? "== " :
						 "",
			    content);
		learn_icmp(t, set, sreg);
	} else if (dreg == NFT_REG_VERDICT)
		ep_text_add(t, "%s vmap %s", key, content);
	else
		load_mapped(t, set, sreg, dreg, ep_sprintf(t->a, "%s map %s", key, content));
}

/* ---- dynset ---- */

static const char *timeout_text(struct ep_arena *a, uint64_t ms)
{
	unsigned long long s = ms / 1000;

	if (ms % 1000)
		return ep_sprintf(a, " timeout %llums", (unsigned long long)ms);
	if (s % 86400 == 0)
		return ep_sprintf(a, " timeout %llud", s / 86400);
	if (s % 3600 == 0)
		return ep_sprintf(a, " timeout %lluh", s / 3600);
	if (s % 60 == 0)
		return ep_sprintf(a, " timeout %llum", s / 60);
	return ep_sprintf(a, " timeout %llus", s);
}

void ep_text_dynset(struct ep_nft_text *t, const struct ep_expr *e)
{
	static const char *const ops[] = {"add", "update", "delete"};
	const char *name = ep_attr_str(e, NFTA_DYNSET_SET_NAME), *key, *data = NULL;
	uint64_t op = ep_attr_num(e, NFTA_DYNSET_OP, 0);
	uint64_t timeout = ep_attr_num(e, NFTA_DYNSET_TIMEOUT, 0);
	struct ep_nft_set *set = name ? set_of(t, name) : NULL;
	struct ep_load *l;

	key = set ? ep_text_expr(t, ep_attr_num(e, NFTA_DYNSET_SREG_KEY, 0), set->key_len) : NULL;
	if (!key || op >= EP_ARRAY_SIZE(ops)) {
		ep_text_unknown(t, e);
		return;
	}
	l = ep_text_at(t, ep_attr_num(e, NFTA_DYNSET_SREG_DATA, 0));
	if (l && l->imm && set->data_type < EP_NFT_TYPE_COUNT) {
		l->parts[0].type = set->data_type;
		l->parts[0].host = ep_nft_type_is_host_order(set->data_type);
	}
	if (ep_attr_has(e, NFTA_DYNSET_SREG_DATA))
		data = ep_text_expr(t, ep_attr_num(e, NFTA_DYNSET_SREG_DATA, 0), set->data_len);
	ep_text_add(t, "%s @%s { %s%s%s%s%s }", ops[op], ep_escape(t->a, name, strlen(name)), key,
		    timeout ? timeout_text(t->a, timeout) : "", ep_text_nested(t, e),
		    data ? " : " : "", data ? data : "");
}

/* ---- objref ---- */

static const char *object_kind(uint64_t type)
{
	static const char *const kinds[] = {
		[NFT_OBJECT_COUNTER] = "counter name",
		[NFT_OBJECT_QUOTA] = "quota name",
		[NFT_OBJECT_CT_HELPER] = "ct helper set",
		[NFT_OBJECT_LIMIT] = "limit name",
		[NFT_OBJECT_CT_TIMEOUT] = "ct timeout set",
		[NFT_OBJECT_SECMARK] = "meta secmark set",
		[NFT_OBJECT_CT_EXPECT] = "ct expectation set",
		[NFT_OBJECT_SYNPROXY] = "synproxy name",
	};

	return type < EP_ARRAY_SIZE(kinds) ? kinds[type] : NULL;
}

/* A map of objects does not tell their type; the objects that it names do. */
static const char *kind_of_map(const struct ep_nft_table *t, const struct ep_nft_set *set)
{
	ep_each(e, &set->elems) {
		ep_each(it, &t->objs) {
			if (e->object && !strcmp((*it)->name, e->object))
				return object_kind((*it)->type);
		}
	}
	return NULL;
}

void ep_text_objref(struct ep_nft_text *t, const struct ep_expr *e)
{
	const char *name = ep_attr_str(e, NFTA_OBJREF_IMM_NAME);
	const char *set_name = ep_attr_str(e, NFTA_OBJREF_SET_NAME), *key, *kind;
	uint64_t type = ep_attr_num(e, NFTA_OBJREF_IMM_TYPE, 0);
	uint64_t sreg = ep_attr_num(e, NFTA_OBJREF_SET_SREG, 0);
	struct ep_nft_set *set;

	if (name && object_kind(type)) {
		ep_text_add(t, "%s \"%s\"", object_kind(type), ep_escape(t->a, name, strlen(name)));
		return;
	}
	set = set_name ? set_of(t, set_name) : NULL;
	key = set ? ep_text_expr(t, sreg, set->key_len) : NULL;
	kind = set ? kind_of_map(t->chain->table, set) : NULL;
	if (key)
		ep_text_add(t, "%s %s map %s", kind ? kind : "[objref]", key,
			    set_text(t, set, set_name, sreg));
	else
		ep_text_unknown(t, e);
}
