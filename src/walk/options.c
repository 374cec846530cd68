// SPDX-License-Identifier: GPL-2.0-or-later
/* The TCP options of the SYN (RFC 9293, 7323, 2018), as bytes.h says which there are. */
#include <string.h>

#include "walk/bytes.h"

#define EP_AT_OPTION 3 /* in a struct ep_edit: off is its type */

static const struct option {
	uint8_t type, len;
	bool given, usual;
	const char *name;
	uint8_t value_len; /* of an open value behind type and length */
} options[] = {
	{0, 1, false, false, "end of list", 0},  {1, 1, false, true, "nop", 0},
	{2, 4, true, true, "tcp mss", 2},        {3, 3, true, true, "tcp window scale", 1},
	{4, 2, true, true, "sack-permitted", 0}, {5, 2, false, false, "sack", 0},
	{8, 10, false, true, "timestamps", 4},   {19, 18, false, false, "md5 signature", 16},
	{30, 4, false, false, "mptcp", 2},       {34, 2, false, false, "fast open", 0},
};

static const struct option *find(unsigned type)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(options); i++)
		if (options[i].type == type)
			return &options[i];
	return NULL;
}

static unsigned edits_of(const struct ep_walk *w, unsigned type, bool *ret_gone)
{
	unsigned n = 0;

	*ret_gone = false;
	for (size_t i = 0; i < w->edits.n; i++) {
		const struct ep_edit *e = &w->edits.v[i];

		if ((int)e->at != EP_AT_OPTION || e->off != type)
			continue;
		*ret_gone |= e->b.kind == EP_BYTE_UNDEF;
		n++;
	}
	return n;
}

/* With timestamps, the header is at least 40 bytes long. */
static bool room_for_timestamps(struct ep_walk *w)
{
	struct ep_val v = ep_pkt_len(w);
	struct ep_ivset with = ep_iv_and(w->arena, w->vars.v[v.var].dom,
					 ep_iv_range(w->arena, ep_pkt_net_len(w) + 40, 0xffff));

	if (with.n && ep_w_state(w, "the SYN has TCP option timestamps",
				 "the SYN has no TCP option timestamps")) {
		ep_w_narrow(w, v.var, with);
		return true;
	}
	return false;
}

bool ep_pkt_option(struct ep_walk *w, unsigned type)
{
	const struct option *o = find(type);
	const char *name, *yes, *no;
	bool gone;

	edits_of(w, type, &gone);
	if (gone || (o && o->given && w->p.ack))
		return false;
	if (o && o->given)
		return true;
	if (type == 8 && !w->p.ack)
		return room_for_timestamps(w);
	name = o ? o->name : ep_w_sprintf(w, "%u", type);
	yes = ep_w_sprintf(w, "the %s has TCP option %s", w->p.ack ? "client's ACK" : "SYN", name);
	no = ep_w_sprintf(w, "the %s has no TCP option %s", w->p.ack ? "client's ACK" : "SYN",
			  name);
	return o && o->usual ? ep_w_state(w, yes, no) : !ep_w_state(w, no, yes);
}

bool ep_pkt_option_byte(struct ep_walk *w, unsigned type, unsigned off, struct ep_byte *ret)
{
	const struct option *o = find(type);
	const char *name;
	struct ep_val v;
	unsigned at, n;
	bool gone;

	*ret = (struct ep_byte){.kind = EP_BYTE_CONST};
	if (o && off >= o->len)
		return false;
	if (!off || (o && off == 1)) {
		ret->c = (uint8_t)(off ? o->len : type);
		return true;
	}
	at = off - 2;
	if (o && type == 8 && at >= o->value_len)
		return true; /* a SYN echoes nothing */
	n = edits_of(w, type, &gone);
	name = o && at < o->value_len && type != 30 ?
		       type == 8 ? "tcp timestamp" : o->name :
		       ep_w_sprintf(w, "byte %u of TCP option %u", off, type);
	if (n)
		name = ep_w_sprintf(w, "%s after a rule's change", name);
	if (o && at < o->value_len && type != 30) {
		v = ep_pkt_field(w, name, o->value_len * 8u);
		*ret = ep_byte_of(&v, o->value_len, at);
	} else {
		v = ep_pkt_field(w, name, 8);
		*ret = ep_byte_of(&v, 1, 0);
	}
	return true;
}

void ep_pkt_option_gone(struct ep_walk *w, unsigned type)
{
	*ep_push(w->arena, &w->edits) =
		(struct ep_edit){.at = EP_AT_OPTION, .off = type, .b = {.kind = EP_BYTE_UNDEF}};
}

void ep_pkt_option_changed(struct ep_walk *w, unsigned type)
{
	*ep_push(w->arena, &w->edits) =
		(struct ep_edit){.at = EP_AT_OPTION, .off = type, .b = {.kind = EP_BYTE_CONST}};
}
