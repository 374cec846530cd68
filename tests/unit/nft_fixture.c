// SPDX-License-Identifier: GPL-2.0-or-later
#include "nft_fixture.h"

#include "collect/collect_i.h"
#include "collect/nft.h"

#include <ctype.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool nft_fixture_usable(void)
{
	return __BYTE_ORDER == __LITTLE_ENDIAN;
}

static _Noreturn void bad(const char *what)
{
	fprintf(stderr, "fixture: %.60s\n", what);
	abort();
}

void *nft_fixture_file(struct ep_arena *a, const char *path, size_t *ret_len)
{
	char *text;

	if (ep_read_file(a, path, 1 << 22, &text, ret_len) < 0)
		bad(path);
	return text;
}

uint8_t *nft_fixture_bytes(struct ep_arena *a, const char *hex, size_t *ret_len)
{
	size_t n = strspn(hex, "0123456789abcdef") / 2;
	uint8_t *v = ep_alloc(a, n);

	for (size_t i = 0; i < n; i++) {
		unsigned byte;

		if (sscanf(hex + i * 2, "%2x", &byte) != 1)
			bad(hex);
		v[i] = (uint8_t)byte;
	}
	*ret_len = n;
	return v;
}

static void add_table(struct ep_arena *a, struct nft_fixture *f, char *words)
{
	struct ep_nft_table *t = ep_alloc(a, sizeof(*t));
	struct ep_nft_chain *c = ep_alloc(a, sizeof(*c));
	char name[64], xt[16] = "";
	unsigned family;

	if (sscanf(words, "%u %63s %15s", &family, name, xt) < 2)
		bad(words);
	t->family = (uint8_t)family;
	t->name = ep_strdup(a, name);
	t->xtables = !strcmp(xt, "xtables");
	c->table = t;
	c->name = "c";
	*ep_push(a, &t->chains) = c;
	*ep_push(a, &f->tables) = t;
}

static void add_set(struct ep_arena *a, struct ep_nft_table *t, const char *hex)
{
	struct ep_nft_set *set = ep_alloc(a, sizeof(*set));
	struct ep_nla table;
	size_t len;
	const uint8_t *v = nft_fixture_bytes(a, hex, &len);

	if (ep_nft_decode_set(a, v, len, set, &table) < 0)
		bad(hex);
	set->table = t;
	set->loaded = true;
	*ep_push(a, &t->sets) = set;
}

/* A set's elements may come in several messages, one after another. */
struct pending {
	struct ep_nft_set *set;
	ep_nft_raw_elems raw;
};

static void add_elems(struct ep_arena *a, struct ep_nft_table *t, struct pending *p, char *words)
{
	char *hex = strchr(words, ' ');
	struct ep_nft_set *set;
	size_t len;
	const uint8_t *v;

	if (!hex)
		bad(words);
	*hex++ = 0;
	set = ep_nft_set_find(t, words);
	v = nft_fixture_bytes(a, hex, &len);
	if (set != p->set)
		*p = (struct pending){.set = set};
	if (!set || ep_nft_decode_elems(a, a, set, v, len, &p->raw) < 0)
		bad(words);
	ep_nft_join_intervals(a, set, &p->raw);
}

static void add_rule(struct ep_arena *a, struct nft_fixture *f, struct ep_nft_table *t, char *words)
{
	struct nft_fixture_rule *r = ep_push(a, &f->rules);
	char *text = strchr(words, ' ');

	r->chain = t->chains.v[0];
	r->payload = nft_fixture_bytes(a, words, &r->len);
	r->text = text ? text + 1 : "";
}

void nft_fixture_load(struct ep_arena *a, const char *name, struct nft_fixture *ret)
{
	size_t len;
	char *text = nft_fixture_file(a, ep_sprintf(a, "tests/unit/data/nft/%s.txt", name), &len);
	struct pending pending = {0};
	char *save, *line;

	memset(ret, 0, sizeof(*ret));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *words = strchr(line, ' ');
		struct ep_nft_table *t = ret->tables.n ? ret->tables.v[ret->tables.n - 1] : NULL;

		if (!words || (!t && strncmp(line, "table ", 6)))
			bad(line);
		words++;
		if (!strncmp(line, "table ", 6))
			add_table(a, ret, words);
		else if (!strncmp(line, "set ", 4))
			add_set(a, t, words);
		else if (!strncmp(line, "elems ", 6))
			add_elems(a, t, &pending, words);
		else if (!strncmp(line, "rule ", 5))
			add_rule(a, ret, t, words);
		else
			bad(line);
	}
}
