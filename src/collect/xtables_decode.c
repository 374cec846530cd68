// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Entries of a legacy table (uapi linux/netfilter/x_tables.h, ip_tables.h, ip6_tables.h): one after
 * another, first the chains of the hooks, each ended by its policy, then those of the user, each
 * begun by an ERROR target with its name and ended by a RETURN; an ERROR target ends it all. Jumps
 * are offsets of the first entry behind such a name.
 */
#include "collect/collect_i.h"
#include "collect/xtables.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <string.h>
#include <sys/socket.h>

#define EXT_HEADER    ((uint32_t)sizeof(struct xt_entry_target))
#define NAME_SIZE     XT_EXTENSION_MAXNAMELEN
#define ERRNAME_SIZE  XT_FUNCTION_MAXNAMELEN
#define MATCHES_MAX   1024
#define COUNTERS_SIZE ((uint32_t)sizeof(struct xt_counters))

_Static_assert(sizeof(struct xt_entry_match) == sizeof(struct xt_entry_target), "header");

/* What differs between struct ipt_entry and struct ip6t_entry. */
struct layout {
	uint32_t size, target_offset, next_offset, counters;
};

static const struct layout layouts[] = {
	{sizeof(struct ipt_entry), offsetof(struct ipt_entry, target_offset),
	 offsetof(struct ipt_entry, next_offset), offsetof(struct ipt_entry, counters)},
	{sizeof(struct ip6t_entry), offsetof(struct ip6t_entry, target_offset),
	 offsetof(struct ip6t_entry, next_offset), offsetof(struct ip6t_entry, counters)},
};

/* A chain's place: its first entry, and for those of hooks the entry with the policy. */
struct place {
	uint32_t start, underflow;
	uint32_t rules;
	struct ep_xt_chain *chain;
};

struct decoder {
	struct ep_arena *a;
	struct ep_xt_table *t;
	const struct layout *layout;
	const uint8_t *blob;
	uint32_t len;
	EP_VEC(struct place) places; /* by start */
};

struct entry {
	uint32_t offset, next; /* next: offset of the following entry */
	const uint8_t *p;
	const uint8_t *target;
	uint32_t matches_len;
	uint16_t target_size;
};

static uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static int32_t get32(const uint8_t *p)
{
	int32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Checks every length of the entry's frame; its matches are checked when they are read. */
static int entry_at(const struct decoder *d, uint32_t offset, struct entry *e)
{
	const struct layout *l = d->layout;
	uint32_t target, size;

	if (offset % __alignof__(struct ipt_entry) || d->len - offset < l->size)
		return -EBADMSG;
	e->offset = offset;
	e->p = d->blob + offset;
	target = get16(e->p + l->target_offset);
	size = get16(e->p + l->next_offset);
	if (target < l->size || target + EXT_HEADER > size || size > d->len - offset)
		return -EBADMSG;
	e->target = e->p + target;
	e->target_size = get16(e->target);
	if (e->target_size < EXT_HEADER || e->target_size > size - target)
		return -EBADMSG;
	e->matches_len = target - l->size;
	e->next = offset + size;
	return 0;
}

/* The name in an extension's header, behind its 16-bit size; NULL if it does not end there. */
static const char *ext_name(const uint8_t *ext)
{
	const char *name = (const char *)ext + offsetof(struct xt_entry_match, u.user.name);

	return strnlen(name, NAME_SIZE) < NAME_SIZE ? name : NULL;
}

static bool target_is(const struct entry *e, const char *name)
{
	const char *s = ext_name(e->target);

	return s && !strcmp(s, name);
}

/* ---- digest ---- */

static uint64_t mix(uint64_t h, const uint8_t *p, size_t n)
{
	uint64_t word;

	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 29;
	}
	for (; n; p++, n--)
		h = (h ^ *p) * 0x100000001b3ULL;
	return h;
}

uint64_t ep_xt_digest(int family, const void *blob, size_t len)
{
	struct decoder d = {
		.layout = &layouts[family == AF_INET6], .blob = blob, .len = (uint32_t)len};
	uint64_t h = len;
	struct entry e;
	uint32_t at = 0;

	while (at < d.len && entry_at(&d, at, &e) == 0) {
		uint32_t rest = d.layout->counters + COUNTERS_SIZE;

		h = mix(h, e.p, d.layout->counters);
		h = mix(h, e.p + rest, e.next - at - rest);
		at = e.next;
	}
	return mix(h, d.blob + at, d.len - at);
}

/* ---- chains ---- */

static struct place *add_place(struct decoder *d, uint32_t start, int hook, const char *name)
{
	struct place *p = ep_push(d->a, &d->places);

	p->start = start;
	p->chain = ep_alloc(d->a, sizeof(*p->chain));
	p->chain->name = name;
	p->chain->hook = hook;
	*ep_push(d->a, &d->t->chains) = p->chain;
	return p;
}

static const char *const hook_chains[NF_INET_NUMHOOKS] = {"PREROUTING", "INPUT", "FORWARD",
							  "OUTPUT", "POSTROUTING"};

/* The chain that begins at this entry, if one does. */
static int find_start(struct decoder *d, const struct entry *e, const uint32_t hook_entry[5],
		      const uint32_t underflow[5])
{
	const char *name = (const char *)e->target + EXT_HEADER;

	for (int h = 0; h < NF_INET_NUMHOOKS; h++) {
		if (d->t->valid_hooks & 1u << h && hook_entry[h] == e->offset)
			add_place(d, e->offset, h, hook_chains[h])->underflow = underflow[h];
	}
	if (!target_is(e, XT_ERROR_TARGET) || e->next == d->len)
		return 0;
	if (e->target_size < EXT_HEADER + ERRNAME_SIZE ||
	    strnlen(name, ERRNAME_SIZE) == ERRNAME_SIZE)
		return -EBADMSG;
	add_place(d, e->next, -1, name);
	return 0;
}

static int find_chains(struct decoder *d, const uint32_t hook_entry[5], const uint32_t underflow[5])
{
	struct entry e;

	for (uint32_t at = 0; at < d->len; at = e.next) {
		int r = entry_at(d, at, &e);

		if (r == 0)
			r = find_start(d, &e, hook_entry, underflow);
		if (r < 0)
			return r;
		/* Its name and the last ERROR are no rules; the RETURN or policy goes below. */
		if (d->places.n && !target_is(&e, XT_ERROR_TARGET))
			d->places.v[d->places.n - 1].rules++;
	}
	return 0;
}

static const struct ep_xt_chain *chain_at(const struct decoder *d, uint32_t offset)
{
	size_t lo = 0, hi = d->places.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (d->places.v[mid].start == offset)
			return d->places.v[mid].chain;
		if (d->places.v[mid].start < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* ---- rules ---- */

static int take_matches(struct decoder *d, const struct entry *e, struct ep_xt_rule *r)
{
	const uint8_t *first = e->p + d->layout->size;
	uint32_t n = 0, size;

	for (uint32_t at = 0; at < e->matches_len; at += size, n++) {
		if (e->matches_len - at < EXT_HEADER || n >= MATCHES_MAX)
			return -EBADMSG;
		size = get16(first + at);
		if (size < EXT_HEADER || size > e->matches_len - at || !ext_name(first + at))
			return -EBADMSG;
	}
	r->matches.v = n ? ep_alloc(d->a, n * sizeof(*r->matches.v)) : NULL;
	r->matches.cap = n;
	for (; r->matches.n < n; first += size) {
		struct ep_xt_ext *x = &r->matches.v[r->matches.n++];

		size = get16(first);
		x->name = ext_name(first);
		x->rev = first[offsetof(struct xt_entry_match, u.user.revision)];
		x->data = first + EXT_HEADER;
		x->len = size - EXT_HEADER;
	}
	return 0;
}

static const struct {
	int32_t code; /* of struct xt_standard_target: -verdict - 1 */
	enum ep_xt_verdict verdict;
} verdicts[] = {
	{-NF_ACCEPT - 1, EP_XT_ACCEPT},
	{-NF_DROP - 1, EP_XT_DROP},
	{-NF_QUEUE - 1, EP_XT_QUEUE},
	{XT_RETURN, EP_XT_RETURN},
};

static int take_standard(const struct decoder *d, const struct entry *e, bool is_goto,
			 struct ep_xt_rule *r)
{
	const struct ep_xt_chain *c;
	int32_t code;

	if (e->target_size < EXT_HEADER + sizeof(code))
		return -EBADMSG;
	code = get32(e->target + EXT_HEADER);
	for (size_t i = 0; i < EP_ARRAY_SIZE(verdicts); i++) {
		if (verdicts[i].code == code) {
			r->verdict = verdicts[i].verdict;
			return 0;
		}
	}
	if (code < 0)
		return -EBADMSG;
	if ((uint32_t)code == e->next) {
		r->verdict = EP_XT_CONTINUE;
		return 0;
	}
	c = chain_at(d, (uint32_t)code);
	if (!c)
		return -EBADMSG;
	r->verdict = is_goto ? EP_XT_GOTO : EP_XT_JUMP;
	r->chain = c->name;
	return 0;
}

static int take_target(const struct decoder *d, const struct entry *e, bool is_goto,
		       struct ep_xt_rule *r)
{
	const char *name = ext_name(e->target);

	if (!name)
		return -EBADMSG;
	if (!strcmp(name, XT_STANDARD_TARGET))
		return take_standard(d, e, is_goto, r);
	r->verdict = EP_XT_TARGET;
	r->target.name = name;
	r->target.rev = e->target[offsetof(struct xt_entry_target, u.user.revision)];
	r->target.data = e->target + EXT_HEADER;
	r->target.len = e->target_size - EXT_HEADER;
	return 0;
}

static void take_ip(const uint8_t *p, struct ep_xt_rule *r)
{
	struct ipt_ip ip;

	memcpy(&ip, p, sizeof(ip));
	r->src = ep_addr_of(&ip.src, 4);
	r->smask = ep_addr_of(&ip.smsk, 4);
	r->dst = ep_addr_of(&ip.dst, 4);
	r->dmask = ep_addr_of(&ip.dmsk, 4);
	memcpy(r->iif, ip.iniface, sizeof(r->iif));
	memcpy(r->oif, ip.outiface, sizeof(r->oif));
	memcpy(r->iif_mask, ip.iniface_mask, sizeof(r->iif_mask));
	memcpy(r->oif_mask, ip.outiface_mask, sizeof(r->oif_mask));
	r->proto = ip.proto;
	r->flags = ip.flags;
	r->invflags = ip.invflags;
}

static void take_ip6(const uint8_t *p, struct ep_xt_rule *r)
{
	struct ip6t_ip6 ip;

	memcpy(&ip, p, sizeof(ip));
	r->src = ep_addr_of(&ip.src, 16);
	r->smask = ep_addr_of(&ip.smsk, 16);
	r->dst = ep_addr_of(&ip.dst, 16);
	r->dmask = ep_addr_of(&ip.dmsk, 16);
	memcpy(r->iif, ip.iniface, sizeof(r->iif));
	memcpy(r->oif, ip.outiface, sizeof(r->oif));
	memcpy(r->iif_mask, ip.iniface_mask, sizeof(r->iif_mask));
	memcpy(r->oif_mask, ip.outiface_mask, sizeof(r->oif_mask));
	r->proto = ip.flags & IP6T_F_PROTO ? ip.proto : 0;
	r->flags = ip.flags;
	r->invflags = ip.invflags;
	r->tos = ip.tos;
}

static int take_rule(struct decoder *d, const struct entry *e, struct ep_xt_rule *r)
{
	bool v6 = d->t->family == AF_INET6;
	struct xt_counters counters;
	int err;

	if (v6)
		take_ip6(e->p, r);
	else
		take_ip(e->p, r);
	r->iif[sizeof(r->iif) - 1] = r->oif[sizeof(r->oif) - 1] = 0;
	memcpy(&counters, e->p + d->layout->counters, sizeof(counters));
	r->packets = counters.pcnt;
	err = take_matches(d, e, r);
	if (err < 0)
		return err;
	return take_target(d, e, r->flags & (v6 ? IP6T_F_GOTO : IPT_F_GOTO), r);
}

static int take_chain(struct decoder *d, const struct place *p, uint32_t end)
{
	struct ep_xt_chain *c = p->chain;
	bool ended = false; /* by the policy */
	struct entry e;

	c->rules.v = p->rules ? ep_alloc(d->a, p->rules * sizeof(*c->rules.v)) : NULL;
	c->rules.cap = p->rules;
	for (uint32_t at = p->start; at < end; at = e.next) {
		struct ep_xt_rule *r;
		int err = entry_at(d, at, &e);

		if (err < 0)
			return err;
		if (target_is(&e, XT_ERROR_TARGET))
			break; /* the next chain's name, or the end */
		if (ended || c->rules.n == c->rules.cap)
			return -EBADMSG;
		r = &c->rules.v[c->rules.n++];
		r->position = (uint32_t)c->rules.n;
		err = take_rule(d, &e, r);
		if (err < 0)
			return err;
		if (c->hook >= 0 && at == p->underflow) {
			ended = true;
			c->policy = r->verdict;
			c->rules.n--;
		}
	}
	if (c->hook >= 0)
		return ended && (c->policy == EP_XT_ACCEPT || c->policy == EP_XT_DROP) ? 0 :
											 -EBADMSG;
	if (!c->rules.n || c->rules.v[c->rules.n - 1].verdict != EP_XT_RETURN)
		return -EBADMSG;
	c->policy = EP_XT_RETURN;
	c->rules.n--;
	return 0;
}

/* The result points into blob, which has to live as long as the arena. */
int ep_xt_decode(struct ep_arena *a, struct ep_xt_table *t, const void *blob, size_t len,
		 const uint32_t hook_entry[5], const uint32_t underflow[5])
{
	struct decoder d = {
		.a = a, .t = t, .layout = &layouts[t->family == AF_INET6], .blob = blob};
	int r;

	if (len > INT32_MAX)
		return -EFBIG;
	d.len = (uint32_t)len;
	r = find_chains(&d, hook_entry, underflow);
	for (size_t i = 0; r == 0 && i < d.places.n; i++)
		r = take_chain(&d, &d.places.v[i],
			       i + 1 < d.places.n ? d.places.v[i + 1].start : d.len);
	return r;
}
