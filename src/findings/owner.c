// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who wrote a rule: the rows of owner_rows.c are held against where it stands, where it jumps to and
 * what its comment says. What fits no row is unowned.
 */
#include <string.h>

#include "findings/owner.h"

const struct ep_container *ep_container_of_addr(const struct ep_snapshot *s,
						const struct ep_addr *a)
{
	ep_each(c, &s->containers) {
		ep_each(at, &(*c)->addrs)
			if (a->len && ep_addr_eq(&at->addr, a))
				return *c;
	}
	return NULL;
}

/* struct xt_comment_info: 256 bytes of text */
static const char *xt_comment(struct ep_arena *a, const struct ep_xt_rule *r)
{
	ep_each(m, &r->matches)
		if (!strcmp(m->name, "comment"))
			return ep_strndup(a, (const char *)m->data, m->len);
	return NULL;
}

const char *ep_owner_comment(const struct ep_owner_query *q)
{
	const struct ep_rule_ref *r = &q->step->rule;

	if (r->nft)
		return r->nft->comment;
	return r->xt ? xt_comment(q->a, r->xt) : NULL;
}

bool ep_owner_fits(const char *pattern, const char *text)
{
	size_t n = strlen(pattern);

	if (!text)
		return false;
	if (n && pattern[n - 1] == '*')
		return !strncmp(text, pattern, n - 1);
	return !strcmp(text, pattern);
}

/* A jump into a writer's chain is his rule, wherever it stands. */
static const char *jump_target(const struct ep_step *st)
{
	if (!st->action || (strcmp(st->action, "jump") != 0 && strcmp(st->action, "goto") != 0))
		return NULL;
	return st->to;
}

static bool row_fits(const struct ep_owner_query *q, const struct ep_owner_row *row)
{
	const struct ep_step *st = q->step;

	if (row->table && !ep_owner_fits(row->table, st->table))
		return false;
	if (row->chain && !ep_owner_fits(row->chain, st->chain) &&
	    !ep_owner_fits(row->chain, jump_target(st)))
		return false;
	if (row->comment && !ep_owner_fits(row->comment, ep_owner_comment(q)))
		return false;
	return !row->shape || row->shape(q);
}

struct ep_owner ep_rule_owner(const struct ep_snapshot *s, struct ep_arena *a,
			      const struct ep_step *st)
{
	const struct ep_owner_query q = {.s = s, .a = a, .step = st};

	for (const struct ep_owner_row *row = ep_owner_rows; row->kind; row++)
		if (row_fits(&q, row))
			return (struct ep_owner){row->kind, row->name ? row->name(&q) : NULL};
	return (struct ep_owner){"unowned", NULL};
}
