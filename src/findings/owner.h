/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The writers of rules, as data. */
#ifndef EP_FINDINGS_OWNER_H
#define EP_FINDINGS_OWNER_H

#include "findings/findings_i.h"

struct ep_owner_query {
	const struct ep_snapshot *s;
	struct ep_arena *a;
	const struct ep_step *step;
};

/*
 * One shape of rules that one program writes. All that is given must fit; a pattern is a whole name, or
 * with a * at its end how it begins. Rows are tried in order, so that a more telling one comes first.
 */
struct ep_owner_row {
	const char *kind;                              /* the JSON's owner.kind */
	const char *table;                             /* that it is in; NULL: any */
	const char *chain;                             /* that it is in, or jumps into; NULL: any */
	const char *comment;                           /* NULL: any or none */
	bool (*shape)(const struct ep_owner_query *q); /* what else must be so; NULL: nothing */
	const char *(*name)(const struct ep_owner_query *q); /* whose; raw, NULL if not known */
};

extern const struct ep_owner_row ep_owner_rows[]; /* ends with a row whose kind is NULL */

bool ep_owner_fits(const char *pattern, const char *text);    /* text may be NULL: no */
const char *ep_owner_comment(const struct ep_owner_query *q); /* raw; NULL if it has none */

#endif
