// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Evidence from another host, walked: a snapshot that says what it likes must bring down neither the
 * walk nor the texts of the rules on the way.
 *
 * An input is the snapshot's text, if it begins with '{'. Else it is a list of edits to one of the
 * snapshots in DIR_OF_BASES: a byte that says which (and whether the packet comes from outside or
 * from the host), then one struct edit after another. So nearly every mutation is a snapshot that
 * loads, and goes further than the reader of JSON.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgepath/walk.h"

#define DIR_OF_BASES "tests/fuzz/corpus/walk"
#define MAX_EDITS    24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- walking ---- */

/* The host's first address of global scope, of whatever family. */
static const struct ep_ifaddr *edge_of(const struct ep_netns *ns)
{
	ep_each(i, &ns->addrs)
		if (i->addr.len && i->scope == 0)
			return i;
	return NULL;
}

static void walk(struct ep_snapshot *s, const struct ep_query *q)
{
	struct ep_result *r = ep_walk(s, q, NULL);

	if (!r->outcomes.n)
		abort();
	ep_each(o, &r->outcomes) {
		if (o->verdict == EP_UNKNOWN && !o->reason)
			abort();
		ep_each(step, &o->steps)
			if (step->rule.nft || step->rule.xt)
				ep_rule_text(r->arena, &step->rule);
	}
	ep_result_free(r);
}

static void load_and_walk(const char *text, size_t len, enum ep_origin origin)
{
	static const uint16_t ports[] = {443, 80};
	char err[256];
	struct ep_snapshot *s = ep_snapshot_from_json(text, len, err, sizeof(err));
	const struct ep_netns *host = s ? ep_netns_find(s, s->host_netns) : NULL;
	const struct ep_ifaddr *edge = host ? edge_of(host) : NULL;

	for (size_t i = 0; edge && i < EP_ARRAY_SIZE(ports); i++) {
		struct ep_query q = {
			.origin = origin,
			.dst = edge->addr,
			.dport = ports[i],
			.netns = origin == EP_CONTAINER ? s->netns.v[s->netns.n - 1]->ino :
							  host->ino,
			.ifindex = edge->ifindex,
			.max_runs = 64,
		};

		walk(s, &q);
	}
	ep_snapshot_free(s);
}

/* ---- the snapshots that are edited, and where their values are ---- */

struct span {
	size_t at, len;
	bool key, in_array;
};

struct base {
	char *text;
	size_t len;
	EP_VEC(struct span) spans;
};

typedef EP_VEC(struct base) bases;

static size_t string_end(const char *s, size_t i)
{
	for (i++; s[i] && s[i] != '"'; i++)
		if (s[i] == '\\' && s[i + 1])
			i++;
	return s[i] ? i + 1 : i;
}

/* Every value of a correct JSON text without blanks: scalars, lists and objects; and keys. */
static size_t find_spans(struct ep_arena *a, struct base *b, size_t i, bool in_array)
{
	struct span *sp = ep_push(a, &b->spans);
	size_t mine = b->spans.n - 1, at = i;
	const char *s = b->text;

	*sp = (struct span){.at = at, .in_array = in_array};
	if (s[i] == '[' || s[i] == '{') {
		bool object = s[i++] == '{';

		while (s[i] && s[i] != ']' && s[i] != '}') {
			if (object) {
				sp = ep_push(a, &b->spans);
				*sp = (struct span){.at = i, .key = true};
				i = string_end(s, i);
				sp->len = i - sp->at;
				i++;
			}
			i = find_spans(a, b, i, !object);
			i += s[i] == ',';
		}
		i += s[i] != '\0';
	} else if (s[i] == '"') {
		i = string_end(s, i);
	} else {
		i += strcspn(s + i, ",]}");
	}
	b->spans.v[mine].len = i - at;
	return i;
}

static int is_json(const struct dirent *d)
{
	return strstr(d->d_name, ".json") != NULL;
}

static void read_bases(struct ep_arena *a, bases *ret)
{
	struct dirent **names;
	int n = scandir(DIR_OF_BASES, &names, is_json, alphasort);

	for (int i = 0; i < n; i++) {
		char *path = ep_sprintf(a, DIR_OF_BASES "/%s", names[i]->d_name);
		struct base *b = ep_push(a, ret);

		if (ep_read_file(a, path, 1 << 20, &b->text, &b->len))
			abort();
		find_spans(a, b, 0, false);
		free(names[i]);
	}
	if (n <= 0) {
		fprintf(stderr, "fuzz_walk: no snapshots in " DIR_OF_BASES "\n");
		exit(2);
	}
	free(names);
}

/* ---- edits ---- */

struct edit {
	uint8_t how, span[2], value[2];
};

struct change {
	struct span span;
	const uint8_t *value;
	void (*how)(struct ep_buf *out, const struct base *b, const struct change *c);
};

static void put(struct ep_buf *out, const struct base *b, const struct span *s)
{
	ep_buf_putn(out, b->text + s->at, s->len);
}

static void set_number(struct ep_buf *out, const struct base *b, const struct change *c)
{
	static const char *const numbers[] = {
		"0",          "1",          "2",          "3",          "4",           "5",
		"7",          "8",          "10",         "15",         "16",          "17",
		"31",         "32",         "33",         "63",         "64",          "65",
		"80",         "127",        "128",        "129",        "255",         "256",
		"443",        "65535",      "65536",      "2147483647", "2147483648",  "4294967295",
		"4294967294", "4026532001", "4026532002", "-1",         "-2147483648", "true",
	};

	(void)b;
	ep_buf_puts(out, numbers[c->value[0] % EP_ARRAY_SIZE(numbers)]);
}

static void set_small_number(struct ep_buf *out, const struct base *b, const struct change *c)
{
	(void)b;
	ep_buf_printf(out, "%u", c->value[0]);
}

static void set_other(struct ep_buf *out, const struct base *b, const struct change *c)
{
	size_t n = c->value[0] | c->value[1] << 8;

	put(out, b, &b->spans.v[n % b->spans.n]);
}

/* A value of the same sort from nearby: names by names, numbers by numbers. */
static void set_alike(struct ep_buf *out, const struct base *b, const struct change *c)
{
	size_t n = c->value[0] | c->value[1] << 8;
	char first = b->text[c->span.at];

	for (size_t i = 0; i < b->spans.n; i++) {
		const struct span *s = &b->spans.v[(n + i) % b->spans.n];

		if (!s->key && b->text[s->at] == first) {
			put(out, b, s);
			return;
		}
	}
	put(out, b, &c->span);
}

static void remove_it(struct ep_buf *out, const struct base *b, const struct change *c)
{
	char first = b->text[c->span.at];

	if (c->span.key)
		ep_buf_puts(out, c->value[0] & 1 ? "\"name\"" : "\"_\"");
	else
		ep_buf_puts(out, first == '[' ? "[]" : first == '{' ? "{}" : "\"\"");
}

static void repeat(struct ep_buf *out, const struct base *b, const struct change *c)
{
	for (unsigned n = c->span.in_array ? c->value[0] % 8 : 0; n; n--) {
		put(out, b, &c->span);
		ep_buf_puts(out, ",");
	}
	put(out, b, &c->span);
}

/* A string without some of its end, or with more of it: bytes are two digits each. */
static void resize(struct ep_buf *out, const struct base *b, const struct change *c)
{
	const struct span *s = &c->span;
	size_t n = c->value[0], inner = s->len > 2 ? s->len - 2 : 0;

	if (b->text[s->at] != '"') {
		put(out, b, s);
		return;
	}
	ep_buf_puts(out, "\"");
	ep_buf_putn(out, b->text + s->at + 1, n < inner ? n : inner);
	for (; n > inner && n < 2 * inner; n--)
		ep_buf_puts(out, "f");
	ep_buf_puts(out, "\"");
}

static void set_digit(struct ep_buf *out, const struct base *b, const struct change *c)
{
	const struct span *s = &c->span;
	size_t n = s->len > 2 ? c->value[0] % (s->len - 2) : 0;
	char digit[2] = {"0123456789abcdef"[c->value[1] & 15], '\0'};

	if (b->text[s->at] != '"' || s->len < 3) {
		set_number(out, b, c);
		return;
	}
	ep_buf_putn(out, b->text + s->at, n + 1);
	ep_buf_puts(out, digit);
	ep_buf_putn(out, b->text + s->at + n + 2, s->len - n - 2);
}

static void (*const ways[])(struct ep_buf *, const struct base *, const struct change *) = {
	set_number, set_small_number, set_other, set_alike, remove_it,
	repeat,     resize,           set_digit, set_alike, set_digit,
};

static int by_place(const void *p, const void *q)
{
	const struct change *x = p, *y = q;

	return x->span.at < y->span.at ? -1 : x->span.at > y->span.at;
}

static size_t read_edits(const struct base *b, const uint8_t *data, size_t size, struct change *ret)
{
	size_t n = 0;

	for (; size >= sizeof(struct edit) && n < MAX_EDITS; n++) {
		const struct edit *e = (const struct edit *)data;

		ret[n] = (struct change){
			.span = b->spans.v[(e->span[0] | e->span[1] << 8) % b->spans.n],
			.value = e->value,
			.how = ways[e->how % EP_ARRAY_SIZE(ways)],
		};
		data += sizeof(*e);
		size -= sizeof(*e);
	}
	qsort(ret, n, sizeof(*ret), by_place);
	return n;
}

static void edit_and_walk(const struct base *b, const uint8_t *data, size_t size,
			  enum ep_origin origin)
{
	struct change changes[MAX_EDITS];
	size_t n = read_edits(b, data, size, changes), at = 0;
	struct ep_buf out = {};

	for (size_t i = 0; i < n; i++) {
		const struct change *c = &changes[i];

		if (c->span.at < at)
			continue;
		ep_buf_putn(&out, b->text + at, c->span.at - at);
		c->how(&out, b, c);
		at = c->span.at + c->span.len;
	}
	ep_buf_putn(&out, b->text + at, b->len - at);
	if (getenv("FUZZ_SHOW"))
		fputs(ep_buf_str(&out), stderr);
	load_and_walk(ep_buf_str(&out), out.len, origin);
	ep_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum ep_origin origins[] = {EP_HOST, EP_EXTERNAL, EP_CONTAINER, EP_EXTERNAL};
	static struct ep_arena *arena;
	static bases all;

	if (!arena) {
		arena = ep_arena_new();
		read_bases(arena, &all);
	}
	if (size && *data == '{')
		load_and_walk((const char *)data, size, EP_EXTERNAL);
	else if (size)
		edit_and_walk(&all.v[*data % all.n], data + 1, size - 1,
			      origins[*data / all.n % EP_ARRAY_SIZE(origins)]);
	return 0;
}
