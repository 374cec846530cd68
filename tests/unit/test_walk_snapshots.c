// SPDX-License-Identifier: GPL-2.0-or-later
/* Saved snapshots of real namespaces: the walk says of each packet what the kernel did with it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "golden.h"

static const struct snapshot {
	const char *name, *cases;
	enum ep_backend backend;
} snapshots[] = {
	{"dnat-nft", "dnat", EP_NFT},
	{"dnat-iptables-nft", "dnat", EP_IPTABLES_NFT},
	{"dnat-iptables-legacy", "dnat", EP_IPTABLES_LEGACY},
	{"maps", "maps", EP_NFT},
	{"sources", "sources", EP_IPTABLES_NFT},
	{"chance", "chance", EP_NFT},
	{"hops", "hops", EP_NFT},
	{"tproxy", "tproxy", EP_NFT},
	{"limits", "limits", EP_NFT},
	{"ipvs", "ipvs", EP_NFT},
};

/* ---- one outcome against one word of a case ---- */

static const char *const verdicts[] = {
	"delivered", "refused", "rejected", "dropped", "unreachable", "forwarded", "unknown",
};

static bool is_verdict(const char *word)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(verdicts); i++)
		if (!strcmp(verdicts[i], word))
			return true;
	return false;
}

/* who: a verdict, or a process with or without "@address:port". */
static bool fits(const struct ep_outcome *o, const char *who)
{
	const char *at = strchr(who, '@');
	char final[EP_ADDRSTR];

	if (is_verdict(who))
		return !strcmp(ep_verdict_name(o->verdict), who);
	return o->verdict == EP_DELIVERED && o->receiver &&
	       strlen(o->receiver->comm) == strcspn(who, "@") &&
	       !strncmp(o->receiver->comm, who, strcspn(who, "@")) &&
	       (!at || !strcmp(ep_addrport_str(&o->final.addr, o->final.port, final), at + 1));
}

static bool covers(const struct ep_outcome *o, const struct ep_query *q)
{
	return (!q->has_src || ep_iv_has(o->saddr, ep_addr_num(&q->src))) &&
	       (!q->has_sport || ep_iv_has(o->sport, q->sport));
}

/* "one=0.25|two=0.75" */
static void check_chances(const struct golden_case *c, const struct ep_result *r)
{
	char text[sizeof(c->who)], *save = NULL;
	double others = 0;

	snprintf(text, sizeof(text), "%s", c->who);
	ep_each(o, &r->outcomes)
		others += covers(o, &c->q) ? o->probability : 0;
	for (char *w = strtok_r(text, "|", &save); w; w = strtok_r(NULL, "|", &save)) {
		char *eq = strchr(w, '=');
		double want = atof(eq + 1), is = 0;

		*eq = '\0';
		ep_each(o, &r->outcomes)
			is += covers(o, &c->q) && fits(o, w) ? o->probability : 0;
		if (fabs(is - want) > 1e-6)
			fail_msg("%s\n%s has probability %f", c->line, w, is);
		others -= is;
	}
	if (fabs(others) > 1e-6)
		fail_msg("%s\nsomething else has probability %f", c->line, others);
}

/* "state:one": several outcomes, each in some state of the host, and it is one of them. */
static void check_states(const struct golden_case *c, const struct ep_result *r)
{
	size_t covering = 0, fitting = 0;

	ep_each(o, &r->outcomes) {
		if (!covers(o, &c->q))
			continue;
		if (!o->state.n)
			fail_msg("%s\nan outcome without a state", c->line);
		covering++;
		fitting += fits(o, c->who + strlen("state:"));
	}
	if (covering < 2 || !fitting)
		fail_msg("%s\n%zu outcomes, of which %zu fit", c->line, covering, fitting);
}

static void check_case(const struct golden_case *c, const struct ep_result *r)
{
	const char *who = strncmp(c->who, "unknown:", 8) ? c->who : "unknown";
	size_t covering = 0;

	if (!strncmp(who, "state:", 6)) {
		check_states(c, r);
		return;
	}

	if (strchr(who, '=')) {
		check_chances(c, r);
		return;
	}
	ep_each(o, &r->outcomes) {
		if (!covers(o, &c->q))
			continue;
		covering++;
		if (!fits(o, who))
			fail_msg("%s\nthe walk says %s (%s), process %s", c->line,
				 ep_verdict_name(o->verdict), o->reason ? o->reason : "",
				 o->receiver ? o->receiver->comm : "none");
	}
	if (covering != 1)
		fail_msg("%s\n%zu outcomes", c->line, covering);
}

/* A part of the way: unknown or right, never wrong. */
static void check_bounded(const struct golden_case *c, const struct ep_result *r)
{
	char text[sizeof(c->who)], *save = NULL;

	ep_each(o, &r->outcomes) {
		bool ok = o->verdict == EP_UNKNOWN || o->state.n;

		snprintf(text, sizeof(text), "%s", c->who);
		for (char *w = strtok_r(text, "|", &save); w; w = strtok_r(NULL, "|", &save)) {
			w[strcspn(w, "=")] = '\0';
			ok |= fits(o, w);
		}
		if (covers(o, &c->q) && !ok)
			fail_msg("%s\nwith %u runs the walk says %s", c->line, r->runs,
				 ep_verdict_name(o->verdict));
	}
}

static void walk_case(struct ep_snapshot *s, const struct golden_case *c)
{
	struct ep_query open = c->q;
	struct ep_result *r = golden_walk(s, c->q);

	check_case(c, r);
	if (c->q.has_src && c->q.has_sport && !strchr(c->who, '=') && strncmp(c->who, "state:", 6))
		assert_int_equal(r->outcomes.n, 1);
	ep_result_free(r);
	for (unsigned i = 1; i < 4 && c->q.origin == EP_EXTERNAL; i++) {
		open.has_src = i & 1;
		open.has_sport = i & 2 && i != 3;
		r = golden_walk(s, open);
		check_case(c, r);
		ep_result_free(r);
	}
	for (open.max_runs = 1; open.max_runs < 10; open.max_runs++) {
		open.has_src = open.has_sport = c->q.origin == EP_HOST && c->q.has_src;
		r = golden_walk(s, open);
		check_bounded(c, r);
		ep_result_free(r);
	}
}

static void test_cases(void **state)
{
	const struct snapshot *which = *state;
	struct ep_snapshot *s = golden_load(which->name);
	golden_cases cases = {};

	golden_read_cases(s->arena, which->cases, &cases);
	ep_each(c, &cases)
		walk_case(s, c);
	ep_snapshot_free(s);
}

static void test_saved_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(snapshots); i++) {
		struct ep_snapshot *s = golden_load(snapshots[i].name);
		const char *was = golden_text(s, snapshots[i].name);
		char *is = ep_snapshot_to_json(s);

		assert_int_equal(strncmp(is, was, strlen(is)), 0);
		assert_string_equal(was + strlen(is), "\n");
		free(is);
		ep_snapshot_free(s);
	}
}

/* ---- the way, not only its end ---- */

static const struct ep_step *step_that(const struct ep_outcome *o, enum ep_step_kind kind,
				       const char *action)
{
	ep_each(st, &o->steps)
		if (st->kind == kind && (!action || (st->action && !strcmp(st->action, action))))
			return st;
	return NULL;
}

/* Whoever comes: traefik gets it by Docker's rule; the host's own listener never does. */
static void test_intercepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct ep_snapshot *s = golden_load(snapshots[i].name);
		struct ep_result *r = golden_walk(s, golden_query("198.51.100.1", 443));
		const struct ep_outcome *o = &r->outcomes.v[0];
		const struct ep_step *dnat = step_that(o, EP_STEP_RULE, "dnat");

		assert_int_equal(golden_earthly(r), 1);
		assert_string_equal(o->receiver->comm, "traefik");
		assert_non_null(dnat);
		assert_int_equal(dnat->backend, snapshots[i].backend);
		assert_int_equal(ep_rule_backend(&dnat->rule), snapshots[i].backend);
		assert_string_equal(dnat->to, "172.18.0.2:8443");
		assert_string_equal(dnat->hook, "prerouting");
		assert_int_equal(dnat->netns, s->host_netns);
		assert_non_null(strstr(ep_rule_text(r->arena, &dnat->rule), "172.18.0.2:8443"));
		assert_non_null(step_that(o, EP_STEP_HOP, NULL));
		assert_int_not_equal(o->final.netns, s->host_netns);
		assert_string_equal(o->final.dev, "eth0");
		ep_result_free(r);
		ep_snapshot_free(s);
	}
}

static void test_without_its_rule_the_host_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct ep_snapshot *s = golden_load(snapshots[i].name);
		struct ep_query q = golden_query_from("198.51.100.1", 443, "198.51.100.2", 40001);
		struct ep_result *r = golden_walk(s, q), *without;
		const struct ep_step *dnat = step_that(&r->outcomes.v[0], EP_STEP_RULE, "dnat");
		struct ep_without w = {};

		*ep_push(s->arena, &w.rules) = dnat->rule.nft ? (const void *)dnat->rule.nft :
								dnat->rule.xt;
		q.netns = s->host_netns;
		q.ifindex = ep_link_by_name(ep_netns_find(s, q.netns), "eth0")->ifindex;
		without = ep_walk(s, &q, &w);
		assert_int_equal(without->outcomes.n, 1);
		assert_string_equal(without->outcomes.v[0].receiver->comm, "web");
		ep_result_free(without);
		ep_result_free(r);
		ep_snapshot_free(s);
	}
}

static void test_drop_by_policy(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct ep_snapshot *s = golden_load(snapshots[i].name);
		struct ep_result *r = golden_walk(s, golden_query_from("2001:db8:1::1", 448,
								       "2001:db8:1::2", 40010));
		const struct ep_outcome *o = &r->outcomes.v[0];

		assert_int_equal(o->verdict, EP_DROPPED);
		assert_false(o->martian);
		assert_non_null(step_that(o, EP_STEP_CHAIN, "policy drop"));
		ep_result_free(r);
		ep_snapshot_free(s);
	}
}

static size_t hops_of(const struct ep_outcome *o)
{
	size_t n = 0;

	ep_each(st, &o->steps)
		n += st->kind == EP_STEP_HOP;
	return n;
}

static void test_two_hops(void **state)
{
	struct ep_snapshot *s = golden_load("hops");
	struct ep_result *r = golden_walk(s, golden_query("198.51.100.1", 80));
	const struct ep_outcome *o = &r->outcomes.v[0];
	bool legacy = false, native = false;

	(void)state;
	assert_string_equal(o->receiver->comm, "two");
	assert_true(hops_of(o) >= 2);
	ep_each(st, &o->steps) {
		if (st->kind != EP_STEP_RULE || !st->action || strcmp(st->action, "dnat"))
			continue;
		legacy |= st->backend == EP_IPTABLES_LEGACY && st->netns == s->host_netns;
		native |= st->backend == EP_NFT && st->netns != s->host_netns;
	}
	assert_true(legacy && native);
	ep_result_free(r);
	ep_snapshot_free(s);
}

/* What was not captured is not taken for empty. */
static void test_what_was_not_saved_is_unknown(void **state)
{
	struct ep_query q = golden_query_from("198.51.100.1", 443, "198.51.100.2", 40001);
	struct ep_snapshot *s = golden_load("dnat-nft");
	struct ep_netns *host = ep_netns_find(s, s->host_netns), *other;
	struct ep_result *r;

	(void)state;
	ep_each(c, &host->nft.tables.v[0]->chains)
		if (!strcmp((*c)->name, "docker"))
			(*c)->loaded = false;
	r = golden_walk(s, q);
	assert_int_equal(r->outcomes.v[0].verdict, EP_UNKNOWN);
	ep_result_free(r);
	ep_snapshot_free(s);

	s = golden_load("dnat-nft");
	other = s->netns.v[1];
	other->have = 0;
	r = golden_walk(s, q);
	assert_int_equal(r->outcomes.v[0].verdict, EP_UNKNOWN);
	ep_result_free(r);
	ep_snapshot_free(s);
}

/* A saved snapshot may say anything; what no kernel says is refused before it is walked. */
static void test_what_no_kernel_says_is_refused(void **state)
{
	static const struct {
		const char *key, *value, *err;
	} cases[] = {
		{"\"dst_len\": 24", "\"dst_len\": 33", "route"},
		{"\"dst\": \"198.51.100.0\"", "\"dst\": \"2001:db8::\"", "route"},
		{"\"plen\": 24", "\"plen\": 99", "address"},
		{"\"type\": \"nat\"", "\"tpye\": \"nat\"", "base chain"},
		{"\"hook\": 2", "\"hook\": 99", "base chain"},
		{"\"key_len\": 2", "\"key_len\": 65", ""},
		{"\"chain\": \"ufw\"", "\"chian\": \"ufw\"", "jump"},
	};
	struct ep_snapshot *s = golden_load("dnat-nft");
	const char *text = golden_text(s, "dnat-nft");

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		const char *at = strstr(text, cases[i].key);
		char err[256] = "", *bad;

		if (!at)
			fail_msg("there is no %s", cases[i].key);
		bad = ep_sprintf(s->arena, "%.*s%s%s", (int)(at - text), text, cases[i].value,
				 at + strlen(cases[i].key));
		assert_null(ep_snapshot_from_json(bad, strlen(bad), err, sizeof(err)));
		if (!*err || !strstr(err, cases[i].err))
			fail_msg("%s: %s", cases[i].value, err);
	}
	ep_snapshot_free(s);
}

int main(void)
{
	struct CMUnitTest cases[EP_ARRAY_SIZE(snapshots)];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_saved_again),
		cmocka_unit_test(test_intercepted),
		cmocka_unit_test(test_without_its_rule_the_host_answers),
		cmocka_unit_test(test_drop_by_policy),
		cmocka_unit_test(test_two_hops),
		cmocka_unit_test(test_what_was_not_saved_is_unknown),
		cmocka_unit_test(test_what_no_kernel_says_is_refused),
	};
	int failed;

	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++)
		cases[i] = (struct CMUnitTest){snapshots[i].name, test_cases, NULL, NULL,
					       (void *)&snapshots[i]};
	failed = cmocka_run_group_tests_name("what the kernel did", cases, NULL, NULL);
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
