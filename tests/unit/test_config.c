// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration file: what is in it, and the place of what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "edgepath/config.h"
#include "edgepath/findings.h"

static int parse(struct ep_arena *a, const char *text, struct ep_config *c, char *err, size_t len)
{
	return ep_config_parse(a, "edgepath.yaml", text, strlen(text), c, err, len);
}

static void test_what_is_in_it(void **state)
{
	struct ep_arena *a = ep_arena_new();
	struct ep_config c;
	char err[300];

	(void)state;
	assert_int_equal(parse(a,
			       "# ours\nports: [443, 80, 443]\nowners:\n"
			       "  443: pod ingress/nginx\n  80: \"container:traefik\"\n",
			       &c, err, sizeof(err)),
			 0);
	assert_int_equal(c.ports.n, 2);
	assert_int_equal(c.ports.v[0], 443);
	assert_int_equal(c.owners.n, 2);
	assert_int_equal(c.owners.v[1].port, 80);
	assert_string_equal(c.owners.v[1].who, "container:traefik");
	assert_int_equal(c.owners.v[1].line, 5);
	assert_int_equal(c.owners.v[1].column, 7);
	assert_int_equal(parse(a, "", &c, err, sizeof(err)), 0);
	assert_int_equal(c.ports.n, 0);
	assert_int_equal(parse(a, "# nothing\n", &c, err, sizeof(err)), 0);
	ep_arena_free(a);
}

static void test_what_is_wrong_has_a_place(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"ports: [80, 70000]\n", "edgepath.yaml:1:13: 70000 is no port"},
		{"ports: 80\n", "edgepath.yaml:1:8: ports: a list is wanted"},
		{"ports: [[80]]\n", "edgepath.yaml:1:9: this is no port"},
		{"owner:\n  80: nobody\n", "edgepath.yaml:1:1: owner is not known here"},
		{"owners:\n  80: nobody\n  80: nobody\n",
		 "edgepath.yaml:3:3: port 80 has an owner"},
		{"owners: [80]\n", "edgepath.yaml:1:9: owners: a port and its owner"},
		{"owners:\n  80:\n", "edgepath.yaml:2:6: owner of port 80: a text"},
		{"owners:\n  80: [a]\n", "edgepath.yaml:2:7: owner of port 80: a text"},
		{"- 1\n", "edgepath.yaml:1:1: keys are wanted here"},
		{"ports: [80\n", "edgepath.yaml:2:1: while parsing a flow sequence"},
		{"ports: \"\x01\"\n", "edgepath.yaml:1:1: control characters"},
	};
	struct ep_arena *a = ep_arena_new();

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		struct ep_config c;
		char err[300] = "";

		assert_true(parse(a, cases[i].text, &c, err, sizeof(err)) < 0);
		if (strncmp(err, cases[i].message, strlen(cases[i].message)) != 0)
			fail_msg("%s: %s", cases[i].text, err);
		assert_int_equal(c.ports.n, 0);
		assert_int_equal(c.owners.n, 0);
	}
	ep_arena_free(a);
}

static void test_no_file(void **state)
{
	struct ep_arena *a = ep_arena_new();
	struct ep_config c;
	char err[300];

	(void)state;
	assert_true(ep_config_load(a, "/nonexistent/a\tb.yaml", &c, err, sizeof(err)) < 0);
	assert_string_equal(err, "/nonexistent/a\\x09b.yaml: No such file or directory");
	ep_arena_free(a);
}

/* ---- owners ---- */

static void test_owners(void **state)
{
	static const struct {
		const char *text, *said; /* NULL: refused */
	} cases[] = {
		{"container:traefik", "container traefik"},
		{"container traefik", "container traefik"},
		{"pod ingress/nginx", "pod ingress/nginx"},
		{"unit: nginx.service", "unit nginx.service"},
		{"nobody", "nobody"},
		{"remote:[2001:db8::1]:443", "remote [2001:db8::1]:443"},
		{"pod nginx", NULL},
		{"pod /nginx", NULL},
		{"nobody:x", NULL},
		{"container", NULL},
		{"traefik", NULL},
		{"", NULL},
	};
	struct ep_arena *a = ep_arena_new();

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		struct ep_intent in;
		char err[300] = "";
		int r = ep_intent_parse(a, cases[i].text, &in, err, sizeof(err));

		assert_int_equal(r == 0, cases[i].said != NULL);
		if (cases[i].said)
			assert_string_equal(ep_intent_text(a, &in), cases[i].said);
		else
			assert_non_null(strstr(err, "container:traefik"));
	}
	ep_arena_free(a);
}

static bool fits(struct ep_arena *a, const char *text, const struct ep_who *w)
{
	struct ep_intent in;
	char err[300];

	assert_int_equal(ep_intent_parse(a, text, &in, err, sizeof(err)), 0);
	return ep_intent_fits(&in, w);
}

static void test_who_fits(void **state)
{
	struct ep_arena *a = ep_arena_new();
	struct ep_container docker = {.name = "traefik", .id = "892b00112233445566"};
	struct ep_container pod = {.name = "k8s_x",
				   .pod = {.ns = "ingress", .name = "nginx-7d4f9c6b8-x2x4z"}};
	struct ep_proc nginx = {.pid = 8, .comm = "nginx", .unit = "nginx.service"};
	struct ep_who in_docker = {.kind = EP_WHO_CONTAINER, .container = &docker};
	struct ep_who in_pod = {.kind = EP_WHO_POD, .container = &pod};
	struct ep_who alone = {.kind = EP_WHO_PROCESS, .proc = &nginx}, none = {};

	(void)state;
	assert_true(fits(a, "container:traefik", &in_docker));
	assert_true(fits(a, "container:892b00112233", &in_docker));
	assert_false(fits(a, "container:892b", &in_docker));
	assert_false(fits(a, "container:trae", &in_docker));
	assert_true(fits(a, "pod:ingress/nginx", &in_pod));
	assert_true(fits(a, "pod:ingress/nginx-7d4f9c6b8-x2x4z", &in_pod));
	assert_false(fits(a, "pod:ingress/ngin", &in_pod));
	assert_false(fits(a, "pod:ingres/nginx", &in_pod));
	assert_false(fits(a, "container:k8s_x", &in_pod));
	assert_true(fits(a, "unit:nginx", &alone));
	assert_true(fits(a, "unit:nginx.service", &alone));
	assert_false(fits(a, "unit:ngin", &alone));
	assert_true(fits(a, "process:nginx", &alone));
	assert_true(fits(a, "nobody", &none));
	assert_false(fits(a, "nobody", &alone));
	ep_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_in_it),
		cmocka_unit_test(test_what_is_wrong_has_a_place),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_who_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
