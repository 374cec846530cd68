// SPDX-License-Identifier: GPL-2.0-or-later
/* The bytes of the SYN: RFC 791, 8200 and 9293, and what bytes.h says of the client. */
#include <netinet/in.h>
#include <linux/if_ether.h>
#include <string.h>

#include "walk/bytes.h"

#define TCP_MIN     32 /* with MSS, SACK-permitted and window scale */
#define TCP_MIN_ACK 20
#define TCP_MAX     60

enum field_source {
	F_CONST,
	F_OPEN,
	F_SADDR,
	F_DADDR,
	F_SPORT,
	F_DPORT,
	F_TTL,
	F_LEN,   /* IPv4's length */
	F_PLEN,  /* IPv6's payload length */
	F_DOFF,  /* TCP header's length in words, in the upper half */
	F_FLAGS, /* SYN; ECE and CWR are open */
	F_ACK,   /* of a SYN 0 */
	F_DMAC,
	F_SMAC,
	F_TYPE,
};

struct field {
	uint8_t off, len;
	enum field_source source;
	uint8_t value;    /* F_CONST: the first byte; the others are 0 */
	const char *what; /* F_OPEN */
};

static const struct field ipv4[] = {{0, 1, F_CONST, 0x45, NULL},
				    {1, 1, F_OPEN, 0, "ip tos"},
				    {2, 2, F_LEN, 0, NULL},
				    {4, 2, F_OPEN, 0, "ip id"},
				    {6, 2, F_CONST, 0x40, NULL},
				    {8, 1, F_TTL, 0, "ip ttl"},
				    {9, 1, F_CONST, IPPROTO_TCP, NULL},
				    {10, 2, F_OPEN, 0, "ip checksum"},
				    {12, 4, F_SADDR, 0, NULL},
				    {16, 4, F_DADDR, 0, NULL},
				    {}};

static const struct field ipv6[] = {{0, 4, F_OPEN, 0, "ip6 class and flowlabel"},
				    {4, 2, F_PLEN, 0, NULL},
				    {6, 1, F_CONST, IPPROTO_TCP, NULL},
				    {7, 1, F_TTL, 0, "ip6 hoplimit"},
				    {8, 16, F_SADDR, 0, NULL},
				    {24, 16, F_DADDR, 0, NULL},
				    {}};

static const struct field tcp[] = {
	{0, 2, F_SPORT, 0, NULL},          {2, 2, F_DPORT, 0, NULL},
	{4, 4, F_OPEN, 0, "tcp sequence"}, {8, 4, F_ACK, 0, "tcp ackseq"},
	{12, 1, F_DOFF, 0, NULL},          {13, 1, F_FLAGS, 0, NULL},
	{14, 2, F_OPEN, 0, "tcp window"},  {16, 2, F_OPEN, 0, "tcp checksum"},
	{18, 2, F_CONST, 0, NULL},         {}};

static const struct field ether[] = {
	{0, 6, F_DMAC, 0, NULL}, {6, 6, F_SMAC, 0, NULL}, {12, 2, F_TYPE, 0, NULL}, {}};

/* ---- fields by name ---- */

#define NONE       (~(ep_u128)0)
#define DOFF       "tcp doff, in the upper half of its byte"
#define LABEL_BITS 20 /* of the flow label, below the traffic class */

/* Domain and usual value; a name may have more words behind ("ip ttl after 2 hops"). */
static const struct named {
	const char *name;
	ep_u128 lo, hi, usual;
} named[] = {
	{"ip tos", 0, 255, 0},
	{"ip6 class and flowlabel", 0x60000000, 0x6fffffff, 0x60012345},
	{"ip ttl", 1, 255, 55},
	{"ip6 hoplimit", 1, 255, 55},
	{"tcp window", 1, 65535, 64240},
	{"tcp ecn flags", 0, 255, 0},
	{"tcp mss", 1, 65535, 1440},
	{"tcp window scale", 0, 14, 7},
};

struct ep_val ep_w_field(struct ep_walk *w, const char *name, unsigned bits, ep_u128 usual)
{
	for (size_t i = EP_VAR_FIRST_FREE; i < w->vars.n; i++)
		if (!strcmp(w->vars.v[i].what, name))
			return (struct ep_val){.var = (int)i};
	return (struct ep_val){
		.var = ep_w_state_var(w, bits, ep_iv_full(w->arena, bits), usual, name)};
}

struct ep_val ep_pkt_field(struct ep_walk *w, const char *name, unsigned bits)
{
	size_t before = w->vars.n;
	struct ep_val v;

	if (w->p.ack)
		name = ep_w_sprintf(w, "%s of the client's ACK", name);
	v = ep_w_field(w, name, bits, NONE);
	if (w->vars.n == before)
		return v;
	for (size_t i = 0; i < EP_ARRAY_SIZE(named); i++)
		if (!strncmp(named[i].name, name, strlen(named[i].name))) {
			w->vars.v[v.var].dom = ep_iv_range(w->arena, named[i].lo, named[i].hi);
			w->vars.v[v.var].usual = named[i].usual;
		}
	return v;
}

/* ---- words ---- */

static bool aligned(struct ep_ivset s, unsigned bits)
{
	ep_u128 low = ((ep_u128)1 << bits) - 1;

	for (size_t i = 0; i < s.n; i++)
		if (s.v[i].lo & low || (s.v[i].hi & low) != low)
			return false;
	return true;
}

static void put_number(struct ep_buf *b, const struct ep_var *v, ep_u128 n)
{
	if (v->bits > 64) /* a name, padded with zeros */
		for (unsigned i = v->bits / 8; i-- > 0 && (uint8_t)(n >> i * 8);)
			ep_buf_printf(b, "%c", (char)(n >> i * 8));
	else if (v->bits > 32)
		ep_buf_printf(b, "0x%llx", (unsigned long long)n);
	else
		ep_buf_printf(b, "%llu", (unsigned long long)n);
}

static void put_set(struct ep_buf *b, const struct ep_var *v, struct ep_ivset s, unsigned shift)
{
	for (size_t i = 0; i < s.n && i < 8; i++) {
		ep_u128 lo = s.v[i].lo >> shift, hi = s.v[i].hi >> shift;

		if (shift) { /* the traffic class, without the version */
			lo &= 0xff;
			hi &= 0xff;
		}
		ep_buf_puts(b, i ? ", " : "");
		put_number(b, v, lo);
		if (lo != hi) {
			ep_buf_puts(b, "-");
			put_number(b, v, hi);
		}
	}
	if (s.n > 8)
		ep_buf_puts(b, "…");
}

const char *ep_field_words(struct ep_walk *w, const struct ep_var *v, struct ep_ivset set)
{
	struct ep_ivset out = ep_iv_minus(w->arena, v->dom, set);
	bool inverse = out.n < set.n || (out.n == set.n && ep_iv_share(set, v->dom) > 0.5 &&
					 out.n == 1 && out.v[0].lo == out.v[0].hi);
	const char *name = v->what;
	struct ep_buf b = {};
	unsigned shift = 0;

	if (!strcmp(name, "ip6 class and flowlabel") && aligned(set, LABEL_BITS) &&
	    aligned(v->dom, LABEL_BITS)) {
		name = "ip6 traffic class";
		shift = LABEL_BITS;
	}
	if (!strncmp(name, DOFF, strlen(DOFF))) {
		name = "tcp doff";
		shift = 4;
	}
	ep_buf_printf(&b, "%s %s", name, inverse ? "!= " : "");
	put_set(&b, v, inverse ? out : set, shift);
	name = ep_strdup(w->arena, ep_buf_str(&b));
	ep_buf_free(&b);
	return name;
}

bool ep_w_settle(struct ep_walk *w, const struct ep_val *v, ep_u128 *ret)
{
	struct ep_var *var;

	if (v->var < 0) {
		*ret = v->c;
		return true;
	}
	for (unsigned tries = 0; tries <= 64 && !w->ended; tries++) {
		ep_u128 n;

		var = &w->vars.v[v->var];
		if (ep_iv_single(var->dom, ret))
			return true;
		n = ep_iv_has(var->dom, var->usual) ? var->usual : var->dom.v[0].lo;
		if (ep_w_in(w, v->var, ep_iv_range(w->arena, n, n))) {
			*ret = n;
			return true;
		}
	}
	return false;
}

/* ---- length ---- */

unsigned ep_pkt_net_len(const struct ep_walk *w)
{
	return w->p.alen == 4 ? 20 : 40;
}

/* All lengths are the TCP header's, in other words: packet, payload, doff. */
static int tcp_length(struct ep_walk *w)
{
	size_t before = w->vars.n;
	struct ep_val v = ep_pkt_field(w, "tcp header length", 8);
	unsigned min = w->p.ack ? TCP_MIN_ACK : TCP_MIN, n = 0;
	struct ep_iv iv[TCP_MAX / 4];

	if (w->vars.n == before)
		return v.var;
	/* an ACK has timestamps, or no options */
	for (unsigned len = min; len <= (w->p.ack ? 32 : TCP_MAX); len += w->p.ack ? 12 : 4)
		iv[n++] = (struct ep_iv){len, len};
	w->vars.v[v.var].dom = ep_iv_of(w->arena, iv, n);
	w->vars.v[v.var].usual = w->p.ack ? 32 : 40;
	return v.var;
}

static struct ep_val length(struct ep_walk *w, const char *name, unsigned mul, unsigned add,
			    unsigned bits)
{
	int base = tcp_length(w);

	if (w->p.ack)
		name = ep_w_sprintf(w, "%s of the client's ACK", name);
	for (size_t i = EP_VAR_FIRST_FREE; i < w->vars.n; i++)
		if (!strcmp(w->vars.v[i].what, name))
			return (struct ep_val){.var = (int)i};
	return (struct ep_val){.var = ep_w_derived_var(w, base, mul, add, bits, name)};
}

struct ep_val ep_pkt_len(struct ep_walk *w)
{
	return length(w, "packet length", 1, ep_pkt_net_len(w), 16);
}

bool ep_pkt_reaches(struct ep_walk *w, unsigned n)
{
	struct ep_val v = ep_pkt_len(w);

	return ep_w_val_range(w, &v, n, 0xffff);
}

bool ep_pkt_fits(struct ep_walk *w, uint64_t left)
{
	return left >= 0xffff || !ep_pkt_reaches(w, (unsigned)left + 1);
}

/* ---- single bytes ---- */

static const struct field *find(const struct field *h, unsigned off)
{
	for (; h->len; h++)
		if (off >= h->off && off < h->off + (unsigned)h->len)
			return h;
	return NULL;
}

static struct ep_byte constant(unsigned c)
{
	return (struct ep_byte){.kind = EP_BYTE_CONST, .c = (uint8_t)c};
}

static struct ep_byte open_byte(struct ep_walk *w, const char *what, unsigned len, unsigned i)
{
	struct ep_val v = ep_pkt_field(w, what, len * 8u);

	return ep_byte_of(&v, len, i);
}

static const char *ttl_name(struct ep_walk *w, const char *what, unsigned lowered)
{
	return lowered ? ep_w_sprintf(w, "%s after %u hops", what, lowered) : what;
}

static struct ep_byte flags(struct ep_walk *w)
{
	struct ep_byte b;

	if (w->p.ack)
		return constant(0x10);
	b = open_byte(w, "tcp ecn flags", 1, 0);
	return ep_byte_and_xor(b, 0xc0, 0x02);
}

static struct ep_byte load(struct ep_walk *w, const struct field *f, unsigned i)
{
	struct ep_val v;

	switch (f->source) {
	case F_SADDR:
		return ep_byte_of(&w->p.saddr, f->len, i);
	case F_SPORT:
		return ep_byte_of(&w->p.sport, f->len, i);
	case F_DADDR:
		return constant(w->p.daddr.b[i]);
	case F_DPORT:
		return constant(i ? w->p.dport : w->p.dport >> 8);
	case F_TTL:
		return open_byte(w, ttl_name(w, f->what, w->lowered), 1, 0);
	case F_LEN:
	case F_PLEN:
		if (!i)
			return constant(0); /* it is less than 256 */
		v = f->source == F_LEN ? ep_pkt_len(w) : length(w, "ip6 payload length", 1, 0, 16);
		return ep_byte_of(&v, 2, 1);
	case F_DOFF:
		v = length(w, DOFF, 4, 0, 8);
		return ep_byte_of(&v, 1, 0);
	case F_FLAGS:
		return flags(w);
	case F_ACK:
		return w->p.ack ? open_byte(w, f->what, f->len, i) : constant(0);
	case F_DMAC:
		return ep_byte_of(&w->p.dmac, f->len, i);
	case F_SMAC:
		return ep_byte_of(&w->p.smac, f->len, i);
	case F_TYPE:
		return constant((w->p.alen == 4 ? ETH_P_IP : ETH_P_IPV6) >> (i ? 0 : 8));
	case F_OPEN:
		return open_byte(w, f->what, f->len, i);
	case F_CONST:
		break;
	}
	return constant(i ? 0 : f->value);
}

/* Where the byte really is: what lies behind the network header is TCP's. */
static const struct field *locate(const struct ep_walk *w, enum ep_at *at, unsigned *off)
{
	if (*at == EP_AT_LINK) {
		if (!w->p.framed)
			return NULL;
		if (*off < ETH_HLEN)
			return ether;
		*off -= ETH_HLEN;
		*at = EP_AT_NET;
	}
	if (*at == EP_AT_NET && *off >= ep_pkt_net_len(w)) {
		*off -= ep_pkt_net_len(w);
		*at = EP_AT_TCP;
	}
	return *at == EP_AT_TCP ? tcp : w->p.alen == 4 ? ipv4 : ipv6;
}

static bool edited(struct ep_walk *w, enum ep_at at, unsigned off, const struct field *f,
		   struct ep_byte *ret)
{
	for (size_t i = w->edits.n; i-- > 0;) {
		const struct ep_edit *e = &w->edits.v[i];
		unsigned lowered = w->lowered - e->lowered;

		if (e->at != at || e->off != off)
			continue;
		*ret = e->b;
		if (f && f->source == F_TTL && lowered && e->b.kind == EP_BYTE_CONST)
			ret->c = (uint8_t)(ret->c - lowered);
		else if (f && f->source == F_TTL && lowered)
			*ret = open_byte(w, ttl_name(w, w->vars.v[e->b.var].what, lowered), 1, 0);
		return true;
	}
	return false;
}

bool ep_pkt_byte(struct ep_walk *w, enum ep_at at, unsigned off, struct ep_byte *ret)
{
	const struct field *h = locate(w, &at, &off), *f;

	if (!h || (at == EP_AT_TCP && off >= TCP_MAX))
		return false;
	if (at == EP_AT_TCP && off >= (w->p.ack ? TCP_MIN_ACK : TCP_MIN) &&
	    !ep_pkt_reaches(w, ep_pkt_net_len(w) + off + 1))
		return false;
	f = find(h, off);
	if (edited(w, at, off, f, ret))
		return true;
	*ret = f ? load(w, f, off - f->off) :
		   open_byte(w, ep_w_sprintf(w, "byte %u of the TCP header", off), 1, 0);
	return true;
}

bool ep_pkt_bytes(struct ep_walk *w, enum ep_at at, unsigned off, unsigned len, struct ep_byte *ret)
{
	/* the last one first: is it there? */
	for (unsigned i = len; i-- > 0;)
		if (!ep_pkt_byte(w, at, off + i, &ret[i]))
			return false;
	return true;
}

bool ep_pkt_write(struct ep_walk *w, enum ep_at at, unsigned off, struct ep_byte b)
{
	const struct field *h = locate(w, &at, &off), *f = h ? find(h, off) : NULL;
	struct ep_byte had;
	struct ep_val *v;
	unsigned shift;

	if (!h)
		return false;
	if (f && (f->source == F_DADDR || f->source == F_DPORT || f->source == F_SADDR ||
		  f->source == F_SPORT)) {
		had = load(w, f, off - f->off);
		if (!memcmp(&had, &b, sizeof(b)))
			return true;
		if (b.kind != EP_BYTE_CONST)
			return false;
		if (f->source == F_DADDR) {
			w->p.daddr.b[off - f->off] = b.c;
			return true;
		}
		shift = 8 * (f->len - 1 - (off - f->off));
		if (f->source == F_DPORT) {
			w->p.dport = (uint16_t)((w->p.dport & ~(0xff << shift)) | b.c << shift);
			return true;
		}
		v = f->source == F_SADDR ? &w->p.saddr : &w->p.sport;
		if (v->var >= 0)
			return false;
		v->c = (v->c & ~((ep_u128)0xff << shift)) | (ep_u128)b.c << shift;
		return true;
	}
	if (f && (f->source == F_SMAC || f->source == F_DMAC)) {
		v = f->source == F_SMAC ? &w->p.smac : &w->p.dmac;
		if (b.kind != EP_BYTE_CONST || (v->var >= 0 && off != f->off))
			return false;
		if (v->var >= 0) /* its first byte: the others follow */
			*v = (struct ep_val){.var = -1};
		shift = 8 * (f->len - 1 - (off - f->off));
		v->c = (v->c & ~((ep_u128)0xff << shift)) | (ep_u128)b.c << shift;
		w->p.remac = true;
		return true;
	}
	*ep_push(w->arena, &w->edits) =
		(struct ep_edit){.at = at, .off = off, .lowered = w->lowered, .b = b};
	return true;
}
