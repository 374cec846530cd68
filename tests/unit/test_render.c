// SPDX-License-Identifier: GPL-2.0-or-later
/* JSON that every parser takes, text that fits its terminal, whatever the names in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <cmocka.h>

#include "check_world.h"
#include "edgepath/render.h"

static const struct ep_style plain = {.utf8 = true, .width = 80},
			     ascii = {.utf8 = false, .width = 80},
			     coloured = {.utf8 = true, .colour = true, .width = 80};

static struct check_world w;

static int open_outage(void **state)
{
	(void)state;
	check_world_open(&w, "outage");
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	check_world_close(&w);
	return 0;
}

static json_t *parsed(const struct ep_buf *b)
{
	json_error_t e;
	json_t *j = json_loads(ep_buf_str(b), JSON_REJECT_DUPLICATES, &e);

	if (!j)
		fail_msg("line %d: %s", e.line, e.text);
	return j;
}

static void assert_fits(const char *text, unsigned width)
{
	for (const char *line = text; *line;) {
		unsigned columns = 0;
		const char *c = line;

		for (; *c && *c != '\n'; c++)
			columns += ((unsigned char)*c & 0xc0) != 0x80;
		if (columns > width)
			fail_msg("%u columns: %.*s", columns, (int)(c - line), line);
		assert_true(c == line || c[-1] != ' ');
		line = *c ? c + 1 : c;
	}
}

static void run_check(struct ep_buf *out, const char *format, const struct ep_style *st)
{
	struct ep_check_doc d = {.doc = {.s = w.s, .generated_at = "2026-06-11T12:00:00Z"},
				 .check = w.c};

	ep_format_find(format)->check(out, &d, st);
}

/* Draws the walk to that port. */
static void run_path(struct ep_buf *out, const char *format, const struct ep_style *st,
		     const char *dst, uint16_t port)
{
	struct ep_query q = {.origin = EP_EXTERNAL,
			     .dport = port,
			     .netns = w.s->host_netns,
			     .ifindex = w.spec.edges.v[0].ifindex};
	struct ep_path_doc d = {.doc = {.s = w.s, .generated_at = "2026-06-11T12:00:00Z"},
				.query = &q,
				.iif = "eth0"};
	struct ep_result *r;
	ep_heirs heirs = {};

	assert_true(ep_addr_parse(dst, &q.dst));
	r = ep_walk(w.s, &q, NULL);
	ep_succession(w.s, w.s->arena, &q, NULL, r, 0, &heirs);
	d.result = r;
	d.heirs = &heirs;
	ep_format_find(format)->path(out, &d, st);
	ep_heirs_free(&heirs);
	ep_result_free(r);
}

/* ---- the writer ---- */

static void test_json_strings(void **state)
{
	static const char *const strings[] = {
		"",         "plain",        "quote\" back\\slash",  "tab\there\nline",
		"\033[31m", "\xff\xfe bad", "\xc3\xa9\xe2\x82\xac", "\xe2\x80\xae override",
		"\x7f",
	};

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(strings); i++) {
		struct ep_buf out = {};
		struct ep_writer jw = ep_json_writer(&out);
		json_t *j;

		jw.ops->object(&jw, NULL);
		jw.ops->string(&jw, "s", strings[i]);
		jw.ops->string(&jw, strings[i], NULL);
		jw.ops->end(&jw);
		j = parsed(&out);
		assert_true(json_is_string(json_object_get(j, "s")));
		json_decref(j);
		ep_buf_free(&out);
	}
}

static void test_json_values(void **state)
{
	struct ep_buf out = {};
	struct ep_writer jw = ep_json_writer(&out);
	json_t *j;

	(void)state;
	jw.ops->object(&jw, NULL);
	jw.ops->number(&jw, "n", INT64_MIN);
	jw.ops->real(&jw, "one", 1);
	jw.ops->real(&jw, "third", 1.0 / 3);
	jw.ops->boolean(&jw, "b", true);
	jw.ops->null(&jw, "z");
	jw.ops->array(&jw, "empty");
	jw.ops->end(&jw);
	jw.ops->array(&jw, "a");
	jw.ops->number(&jw, NULL, 1);
	jw.ops->object(&jw, NULL);
	jw.ops->end(&jw);
	jw.ops->end(&jw);
	jw.ops->end(&jw);
	j = parsed(&out);
	assert_true(json_integer_value(json_object_get(j, "n")) == INT64_MIN);
	assert_true(json_is_real(json_object_get(j, "one")));
	assert_true(json_real_value(json_object_get(j, "third")) > 0.333);
	assert_true(json_is_true(json_object_get(j, "b")));
	assert_true(json_is_null(json_object_get(j, "z")));
	assert_int_equal(json_array_size(json_object_get(j, "empty")), 0);
	assert_int_equal(json_array_size(json_object_get(j, "a")), 2);
	json_decref(j);
	ep_buf_free(&out);
}

/* ---- documents ---- */

static void test_check_json(void **state)
{
	struct ep_buf out = {};
	json_t *j, *findings;
	size_t i;
	json_t *f;
	unsigned intercepted = 0;

	(void)state;
	run_check(&out, "json", &plain);
	j = parsed(&out);
	assert_string_equal(json_string_value(json_object_get(j, "schema")), "edgepath.check/1");
	assert_string_equal(json_string_value(json_object_get(j, "status")), "critical");
	assert_int_equal(json_array_size(json_object_get(j, "ports")), 18);
	findings = json_object_get(j, "findings");
	json_array_foreach(findings, i, f) intercepted +=
		!strcmp(json_string_value(json_object_get(f, "id")), "intercepted-listener");
	assert_int_equal(intercepted, 3);
	json_decref(j);
	ep_buf_free(&out);
}

static void test_path_json(void **state)
{
	struct ep_buf out = {};
	const char *name = NULL, *kind = NULL;
	json_t *j;

	(void)state;
	run_path(&out, "json", &plain, "203.0.113.10", 443);
	j = parsed(&out);
	assert_int_equal(json_unpack(j, "{s:[{s:{s:s,s:s}}]}", "outcomes", "receiver", "kind",
				     &kind, "name", &name),
			 0);
	assert_string_equal(kind, "container");
	assert_string_equal(name, "traefik");
	json_decref(j);
	ep_buf_free(&out);
}

static void test_check_text(void **state)
{
	struct ep_buf out = {};
	const char *text;

	(void)state;
	run_check(&out, "text", &plain);
	text = ep_buf_str(&out);
	assert_fits(text, 80);
	/* Findings that say the same of several ports are told once. */
	assert_non_null(strstr(text, "CRITICAL intercepted-listener  80, 443, 8080 (IPv4)"));
	assert_null(strstr(strstr(text, "CRITICAL intercepted") + 1, "CRITICAL intercepted"));
	assert_non_null(strstr(text, "docker stop traefik"));
	assert_null(strchr(text, '\033'));
	ep_buf_free(&out);
}

static void test_path_text(void **state)
{
	struct ep_buf out = {};
	const char *text;

	(void)state;
	run_path(&out, "text", &plain, "203.0.113.10", 443);
	text = ep_buf_str(&out);
	assert_fits(text, 80);
	assert_non_null(strstr(text, "PREROUTING #1 → DOCKER #"));
	assert_non_null(strstr(text, "✂ never reached: listener 0.0.0.0:443"));
	assert_non_null(strstr(text, "Received by container traefik at 172.18.0.2:443"));
	ep_buf_free(&out);
}

static void test_ascii(void **state)
{
	struct ep_buf out = {};

	(void)state;
	run_path(&out, "text", &ascii, "203.0.113.10", 443);
	run_check(&out, "text", &ascii);
	for (const char *c = ep_buf_str(&out); *c; c++)
		assert_true((unsigned char)*c < 0x80);
	ep_buf_free(&out);
}

static void test_colour(void **state)
{
	struct ep_buf out = {};

	(void)state;
	run_check(&out, "text", &coloured);
	assert_non_null(strstr(ep_buf_str(&out), "\033[1;31mCRITICAL\033[0m"));
	ep_buf_free(&out);
}

/* Names that try to own the terminal, or are longer than it. */
static void test_hostile_names(void **state)
{
	static const char evil[] = "\033]0;x\a\n\xff\"'$(reboot)";
	char *longest = ep_alloc(w.s->arena, 301);
	struct ep_buf out = {};
	json_t *j;

	(void)state;
	memset(longest, 'x', 300);
	for (int round = 0; round < 2; round++) {
		const char *name = round ? longest : evil;

		ep_each(c, &w.s->containers) {
			(*c)->name = (*c)->image = name;
			if ((*c)->pod.name)
				(*c)->pod.name = (*c)->pod.ns = name;
		}
		ep_each(p, &w.s->procs)
			(*p)->comm = name;
		ep_netns_find(w.s, w.s->host_netns)->name = name;
		check_world_again(&w);
		run_check(&out, "text", &plain);
		run_path(&out, "text", &plain, "203.0.113.10", 443);
		assert_fits(ep_buf_str(&out), 80);
		assert_null(strpbrk(ep_buf_str(&out), "\033\a\xff"));
		if (!round)
			assert_non_null(strstr(ep_buf_str(&out), "docker stop '"));
		ep_buf_free(&out);
		run_check(&out, "json", &plain);
		j = parsed(&out);
		json_decref(j);
		ep_buf_free(&out);
	}
}

static void test_narrow(void **state)
{
	struct ep_style narrow = {.utf8 = true, .width = 60};
	struct ep_buf out = {};

	(void)state;
	run_check(&out, "text", &narrow);
	run_path(&out, "text", &narrow, "2001:db8::10", 443);
	assert_fits(ep_buf_str(&out), 60);
	ep_buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_strings),
		cmocka_unit_test(test_json_values),
		cmocka_unit_test_setup_teardown(test_check_json, open_outage, close_world),
		cmocka_unit_test_setup_teardown(test_path_json, open_outage, close_world),
		cmocka_unit_test_setup_teardown(test_check_text, open_outage, close_world),
		cmocka_unit_test_setup_teardown(test_path_text, open_outage, close_world),
		cmocka_unit_test_setup_teardown(test_ascii, open_outage, close_world),
		cmocka_unit_test_setup_teardown(test_colour, open_outage, close_world),
		cmocka_unit_test_setup_teardown(test_hostile_names, open_outage, close_world),
		cmocka_unit_test_setup_teardown(test_narrow, open_outage, close_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
