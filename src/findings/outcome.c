// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading outcomes: which step decided, and where it stands. */
#include <stdlib.h>
#include <string.h>

#include "findings/findings_i.h"

static bool one_of(const char *s, const char *const *words)
{
	if (!s)
		return false;
	for (; *words; words++)
		if (!strcmp(s, *words))
			return true;
	return false;
}

bool ep_step_diverts(const struct ep_step *s)
{
	static const char *const words[] = {"dnat", "redirect", "netmap", "tproxy", NULL};

	return s->kind == EP_STEP_RULE && one_of(s->action, words) &&
	       !(s->hook && !strcmp(s->hook, "postrouting"));
}

const struct ep_step *ep_divert_step(const struct ep_outcome *o)
{
	ep_each(s, &o->steps)
		if (ep_step_diverts(s))
			return s;
	return NULL;
}

const struct ep_step *ep_block_step(const struct ep_outcome *o)
{
	static const char *const words[] = {"drop", "reject", "policy drop", NULL};
	const struct ep_step *last = NULL;

	if (o->verdict != EP_DROPPED && o->verdict != EP_REJECTED)
		return NULL;
	ep_each(s, &o->steps)
		if (s->kind == EP_STEP_RULE || s->kind == EP_STEP_CHAIN)
			last = s;
	return last && one_of(last->action, words) ? last : NULL;
}

/* Of random outcomes of one share, one that somebody gets stands for the others. */
const struct ep_outcome *ep_main_outcome(const struct ep_result *r)
{
	const struct ep_outcome *first = NULL;

	ep_each_usual(o, r)
	{
		if (o->martian)
			continue;
		if (!first)
			first = o;
		if (first->probability >= 1 || o->probability < first->probability ||
		    !ep_iv_eq(o->saddr, first->saddr) || !ep_iv_eq(o->sport, first->sport))
			break;
		if (o->verdict == EP_DELIVERED)
			return o;
	}
	return first;
}

const char *ep_step_place(struct ep_arena *a, const struct ep_step *s)
{
	const char *legacy = s->backend == EP_IPTABLES_LEGACY ? "legacy " : "";
	const char *family = s->family ? s->family : "";
	const char *table = s->table ? ep_escape(a, s->table, strlen(s->table)) : "";
	const char *chain = s->chain ? ep_escape(a, s->chain, strlen(s->chain)) : "";

	if (s->kind == EP_STEP_RULE)
		return ep_sprintf(a, "%s%s %s %s #%u", legacy, family, table, chain,
				  ep_rule_position(&s->rule));
	return ep_sprintf(a, "%s%s %s %s policy", legacy, family, table, chain);
}

bool ep_result_delivers(const struct ep_result *r)
{
	ep_each(o, &r->outcomes)
		if (o->verdict == EP_DELIVERED || o->verdict == EP_FORWARDED)
			return true;
	return false;
}

bool ep_result_reaches(const struct ep_result *r, const struct ep_who *w)
{
	ep_each(o, &r->outcomes) {
		struct ep_who got = ep_who_of_outcome(o);

		if (got.kind != EP_WHO_NONE && ep_who_same(&got, w))
			return true;
	}
	return false;
}

bool ep_result_unknown(const struct ep_result *r)
{
	ep_each(o, &r->outcomes)
		if (o->verdict == EP_UNKNOWN)
			return true;
	return false;
}

void ep_result_void(struct ep_result *r, const char *reason)
{
	ep_each(o, &r->outcomes) {
		o->verdict = EP_UNKNOWN;
		o->reason = ep_strdup(r->arena, reason);
		o->martian = false;
		o->listener = NULL;
		o->receiver = NULL;
		o->via.n = 0;
		o->steps.n = 0;
	}
}

bool ep_parse_target(const char *s, struct ep_addr *ret, uint16_t *ret_port)
{
	const char *colon = s ? strrchr(s, ':') : NULL;
	char addr[EP_ADDRSTR];
	uint64_t port;
	size_t n;

	if (!colon || !ep_parse_u64(colon + 1, 65535, &port))
		return false;
	n = (size_t)(colon - s);
	if (n >= 2 && s[0] == '[' && s[n - 1] == ']') {
		s++;
		n -= 2;
	}
	if (n >= sizeof(addr))
		return false;
	memcpy(addr, s, n);
	addr[n] = '\0';
	*ret_port = (uint16_t)port;
	return ep_addr_parse(addr, ret);
}

const char *ep_shell_word(struct ep_arena *a, const char *s)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_@%+=:,./-";
	struct ep_buf b = {};
	char *out;

	s = ep_escape(a, s, strlen(s));
	if (*s && strspn(s, safe) == strlen(s))
		return s;
	ep_buf_puts(&b, "'");
	for (; *s; s++) {
		if (*s == '\'')
			ep_buf_puts(&b, "'\\''");
		else
			ep_buf_putn(&b, s, 1);
	}
	ep_buf_puts(&b, "'");
	out = ep_strdup(a, ep_buf_str(&b));
	ep_buf_free(&b);
	return out;
}
