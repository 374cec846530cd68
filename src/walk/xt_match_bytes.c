// SPDX-License-Identifier: GPL-2.0-or-later
/* Matches that look at the packet's bytes as such: net/netfilter/xt_u32.c, xt_string.c, xt_bpf.c. */
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/xt_string.h>
#include <linux/netfilter/xt_u32.h>
#include <string.h>

#include "walk/word.h"
#include "walk/xt.h"

/* ---- u32 ---- */

/* skb_copy_bits() of four bytes; false if the packet is too short. */
static bool load32(struct ep_walk *w, uint32_t off, struct ep_word *ret)
{
	struct ep_byte b[4];

	if (off > 255 || !ep_pkt_bytes(w, EP_AT_NET, off, 4, b))
		return false;
	*ret = ep_word_bytes(w, b, 4);
	return true;
}

/* One test of u32_match_it(): a number, and the ranges that it may be in. */
static bool u32_test(struct ep_walk *w, const struct xt_u32_test *t)
{
	struct ep_word x;
	uint32_t at = 0, v;

	if (!load32(w, t->location[0].number, &x))
		return false;
	for (unsigned i = 1; i < t->nnums && i < EP_ARRAY_SIZE(t->location); i++) {
		uint32_t n = t->location[i].number;

		switch (t->location[i].nextop) {
		case XT_U32_AND:
			x = ep_word_and(x, n);
			break;
		case XT_U32_LEFTSH:
			x = ep_word_shl(x, n & 31);
			break;
		case XT_U32_RIGHTSH:
			x = ep_word_shr(x, n & 31);
			break;
		case XT_U32_AT:
			if (!ep_word_settle(w, &x, &v))
				return ep_w_unknown(w, "u32 goes on at an open offset");
			if (at + v < at)
				return false;
			at += v;
			if (at + n < at || !load32(w, at + n, &x))
				return false;
			break;
		}
	}
	for (unsigned i = 0; i < t->nvalues && i < EP_ARRAY_SIZE(t->value); i++)
		if (ep_word_between(w, &x, t->value[i].min, t->value[i].max))
			return true;
	return false;
}

static bool u32_all(struct ep_walk *w, const void *info)
{
	const struct xt_u32 *u = info;
	bool all = true;

	for (unsigned i = 0; all && i < u->ntests && i < EP_ARRAY_SIZE(u->tests); i++)
		all = u32_test(w, &u->tests[i]);
	return all != !!u->invert;
}

bool ep_xt_u32(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	return ep_xt_need_test(a, u32_all, in->info, sizeof(struct xt_u32));
}

/* ---- string: skb_find_text() over the bytes from the network header ---- */

#define MAX_PACKET 100 /* IPv6 and TCP headers with all options */
#define MAX_ASKED  8   /* places that are asked for one by one */

struct needle {
	uint8_t rev, bytes[XT_STRING_MAX_PATTERN_SIZE];
	unsigned from, to, len;
	bool any_case, invert;
};

struct haystack {
	struct ep_byte b[MAX_PACKET];
	unsigned len;
};

/* toupper() of lib/ctype.c: Latin-1. */
static uint8_t upper(uint8_t c)
{
	bool low = (c >= 'a' && c <= 'z') || (c >= 0xdf && c != 0xf7);

	return low ? (uint8_t)(c - 0x20) : c;
}

static bool same(const struct needle *n, uint8_t have, uint8_t want)
{
	return n->any_case ? upper(have) == upper(want) : have == want;
}

/* All bytes that there may be; those of options are there if the packet is that long. */
static void look(struct ep_walk *w, struct haystack *h)
{
	unsigned tcp = ep_pkt_net_len(w), fixed = tcp + (w->p.ack ? 20 : 32);

	h->len = tcp + 60;
	for (unsigned i = 0; i < h->len; i++)
		if (i >= fixed || !ep_pkt_byte(w, EP_AT_NET, i, &h->b[i]))
			h->b[i] = (struct ep_byte){.kind = EP_BYTE_UNDEF};
}

enum place { PLACE_NO, PLACE_YES, PLACE_SOURCE, PLACE_OPEN };

/* Can the needle be at this place? PLACE_SOURCE: for some sources, and for those surely. */
static enum place place_of(struct ep_walk *w, const struct haystack *h, const struct needle *n,
			   unsigned at)
{
	enum place p = PLACE_YES;

	for (unsigned i = 0; i < n->len; i++) {
		const struct ep_byte *b = &h->b[at + i];
		uint8_t want = n->bytes[i];
		struct ep_ivset set;
		int var;

		if (b->kind == EP_BYTE_CONST) {
			if (!same(n, b->c, want))
				return PLACE_NO;
			continue;
		}
		if (b->kind == EP_BYTE_UNDEF) {
			p = PLACE_OPEN;
			continue;
		}
		if (w->vars.v[b->var].kind != EP_VAR_FIELD || n->any_case)
			p = PLACE_OPEN;
		else if (p == PLACE_YES)
			p = PLACE_SOURCE;
		if (!n->any_case && ep_bytes_preimage(w, b, &want, &want, 1, &var, &set) &&
		    !ep_iv_and(w->arena, set, w->vars.v[var].dom).n)
			return PLACE_NO;
	}
	return p;
}

static const char *quoted(struct ep_walk *w, const struct needle *n)
{
	struct ep_buf b = {};
	const char *s;

	for (unsigned i = 0; i < n->len && i < 24; i++)
		if (n->bytes[i] >= ' ' && n->bytes[i] < 0x7f)
			ep_buf_printf(&b, "%c", n->bytes[i]);
		else
			ep_buf_printf(&b, "|%02x|", n->bytes[i]);
	s = ep_w_sprintf(w, "\"%s%s\"", ep_buf_str(&b), n->len > 24 ? "…" : "");
	ep_buf_free(&b);
	return s;
}

static bool found(struct ep_walk *w, const struct needle *n)
{
	unsigned asked = 0;
	struct haystack h;
	bool open = false;

	look(w, &h);
	for (unsigned at = n->from; at + n->len <= h.len && at + n->len <= n->to; at++)
		if (place_of(w, &h, n, at) == PLACE_YES)
			return true;
	for (unsigned at = n->from; at + n->len <= h.len && at + n->len <= n->to; at++) {
		enum place p = place_of(w, &h, n, at);

		if (p == PLACE_SOURCE && n->len > 1 && asked++ < MAX_ASKED) {
			if (ep_bytes_equal(w, &h.b[at], n->bytes, n->len))
				return true;
		} else if (p != PLACE_NO) {
			open = true;
		}
	}
	if (!open)
		return false;
	return !ep_w_state(
		w, ep_w_sprintf(w, "the packet's open fields do not spell %s", quoted(w, n)),
		ep_w_sprintf(w, "the packet's open fields spell %s", quoted(w, n)));
}

static bool string_test(struct ep_walk *w, const void *info)
{
	const struct needle *n = info;

	return found(w, n) != n->invert;
}

bool ep_xt_string(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_string_info *s = in->info;
	struct needle n = {.from = s->from_offset,
			   .to = s->to_offset,
			   .len = s->patlen,
			   .any_case = in->rev && s->u.v1.flags & XT_STRING_FLAG_IGNORECASE,
			   .invert = in->rev ? s->u.v1.flags & XT_STRING_FLAG_INVERT :
					       s->u.v0.invert};

	if (strncmp(s->algo, "bm", sizeof(s->algo)) && strncmp(s->algo, "kmp", sizeof(s->algo)))
		return ep_xt_need_unknown(a, "string search by %.*s",
					  (int)strnlen(s->algo, sizeof(s->algo)), s->algo);
	if (!n.len || n.len > sizeof(n.bytes))
		return ep_xt_need_unknown(a, "string of %u bytes", n.len);
	memcpy(n.bytes, s->pattern, n.len);
	return ep_xt_need_test(a, string_test, &n, sizeof(n));
}
