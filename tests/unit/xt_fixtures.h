/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef XT_FIXTURES_H
#define XT_FIXTURES_H

#include "edgepath/model.h"

struct xt_fixture {
	uint8_t family;
	const char *table, *chain;
	const char *text; /* as iptables -S */
	const char *ip;   /* hex of struct ipt_ip or ip6t_ip6 */
	const char *exts; /* lines "M|T name revision length hex" */
};

extern const struct xt_fixture xt_fixtures[];
extern const size_t n_xt_fixtures;

struct ep_xt_rule *xt_fixture_rule(struct ep_arena *a, const struct xt_fixture *f);
const struct xt_fixture *xt_fixture_find(uint8_t family, const char *text); /* aborts if absent */

#endif
