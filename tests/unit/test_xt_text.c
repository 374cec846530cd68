// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "edgepath/model.h"
#include "xt_fixtures.h"

/* What we leave out or cannot know: the match that -p implies, and the names of ipsets. */
static char *as_ours(struct ep_arena *a, const char *text)
{
	static const char *const changes[][2] = {
		{"-set s1 ", "-set #0 "},
		{"-set s2 ", "-set #1 "},
		{"-set s3 ", "-set #2 "},
	};
	char *s = ep_strdup(a, text);

	for (size_t i = 0; i < EP_ARRAY_SIZE(changes); i++) {
		char *at = strstr(s, changes[i][0]);

		if (at)
			s = ep_sprintf(a, "%.*s%s%s", (int)(at - s), s, changes[i][1],
				       at + strlen(changes[i][0]));
	}
	return s;
}

static void rules_read_like_iptables(void **state)
{
	struct ep_arena *a = ep_arena_new();
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < n_xt_fixtures; i++) {
		const struct xt_fixture *f = &xt_fixtures[i];
		struct ep_xt_table t = {.family = f->family, .name = f->table};
		const char *text = ep_xt_rule_text(a, &t, xt_fixture_rule(a, f));
		const char *want = as_ours(a, f->text);

		if (strcmp(text, want)) {
			fprintf(stderr, "ours: %s\nwant: %s\n", text, want);
			bad++;
		}
	}
	assert_int_equal(bad, 0);
	ep_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rules_read_like_iptables)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
