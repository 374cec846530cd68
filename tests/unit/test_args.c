// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line: what is accepted, and one clear line for what is not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/args.h"

#define MAX_ARGV 32

static int parse(struct ep_args *args, const char *line, char *err, size_t err_len)
{
	char *argv[MAX_ARGV + 1] = {"edgepath"}, *copy, *word;
	int argc = 1;

	*args = (struct ep_args){.arena = ep_arena_new()};
	copy = ep_strdup(args->arena, line);
	while ((word = strsep(&copy, " ")) && argc < MAX_ARGV)
		if (*word)
			argv[argc++] = word;
	err[0] = '\0';
	return ep_args_parse(argc, argv, args, err, err_len);
}

static struct ep_args good(const char *line)
{
	struct ep_args args;
	char err[512];

	if (parse(&args, line, err, sizeof(err)))
		fail_msg("\"%s\": %s", line, err);
	return args;
}

static void test_commands(void **state)
{
	static const struct {
		const char *line, *command;
		size_t ports;
	} cases[] = {
		{"", "check", 0},
		{"443", "check", 1},
		{"80,443 8080", "check", 3},
		{"check", "check", 0},
		{"check 443 443", "check", 1},
		{"--json 443", "check", 1},
		{"--netns path 443", "check", 1},
		{"--netns x path 443", "path", 0},
		{"path 443 --src 10.0.0.1", "path", 0},
		{"--color=never check -- 80", "check", 1},
		{"help path", "help", 0},
		{"--ports 25,26", "check", 2},
	};

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		struct ep_args args = good(cases[i].line);

		assert_string_equal(args.command->name, cases[i].command);
		assert_int_equal(args.ports.n, cases[i].ports);
		ep_arena_free(args.arena);
	}
}

static void test_targets(void **state)
{
	static const struct {
		const char *line, *dst;
		uint16_t port;
	} cases[] = {
		{"path 443", NULL, 443},
		{"path 203.0.113.10:443", "203.0.113.10", 443},
		{"path [2001:db8::10]:8080", "2001:db8::10", 8080},
		{"path --dst 2001:db8::10 --dport 1", "2001:db8::10", 1},
		{"path --dst 203.0.113.10 65535", "203.0.113.10", 65535},
		{"path --ports 80", NULL, 80},
	};

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		struct ep_args args = good(cases[i].line);
		char buf[EP_ADDRSTR];

		assert_int_equal(args.dport, cases[i].port);
		assert_int_equal(args.dst.len > 0, cases[i].dst != NULL);
		if (cases[i].dst)
			assert_string_equal(ep_addr_str(&args.dst, buf), cases[i].dst);
		ep_arena_free(args.arena);
	}
}

static void test_values(void **state)
{
	struct ep_args args = good("path -6 --json --netns n --color always --iif eth1 --sport 99 "
				   "--origin external --without container:a --without pid:1 443");

	(void)state;
	assert_true(args.v6 && args.json && !args.v4);
	assert_string_equal(args.netns, "n");
	assert_string_equal(args.color, "always");
	assert_string_equal(args.iif, "eth1");
	assert_string_equal(args.origins.v[0], "external");
	assert_int_equal(args.sport, 99);
	assert_int_equal(args.without.n, 2);
	assert_string_equal(args.without.v[1], "pid:1");
	ep_arena_free(args.arena);
}

static void test_errors(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{"--bogus", "--bogus"},
		{"-x", "-x"},
		{"frobnicate", "frobnicate"},
		{"203.0.113.10:443", "203.0.113.10:443"},
		{"check 0", "0 is no port"},
		{"check 70000", "70000 is no port"},
		{"check 80,,443", "is no port"},
		{"path", "which port"},
		{"path 443 444", "one"},
		{"path 443x", "443x"},
		{"path 2001:db8::1", "2001:db8::1"},
		{"path [1.2.3.4]:80", "IPv6"},
		{"path 1.2.3.4:", "no port"},
		{"path --dport -1", "-1"},
		{"path 80 --dport 81", "--dport"},
		{"path 1.2.3.4:80 --dst 1.2.3.5", "--dst"},
		{"path 443 --src x", "--src"},
		{"path -4 [2001:db8::1]:80", "-4"},
		{"path -6 --src 10.0.0.1 80", "-6"},
		{"path -4 -6 80", "-4"},
		{"path 10.0.0.1:80 --src 2001:db8::1", "--src"},
		{"path 80 --origin moon", "moon"},
		{"path 80 --origin container:", "container:"},
		{"path 80 --origin host,lan", "takes one --origin"},
		{"path 80 --origin container:x --iif eth0", "--iif"},
		{"path 80 --origin host --iif eth0", "--iif"},
		{"path 80 --proto udp", "udp"},
		{"path 80 --without nonsense", "nonsense"},
		{"check --src 10.0.0.1", "--src"},
		{"check --dst", "--dst"},
		{"--json=yes", "--json"},
		{"check --from x", "not in this version"},
		{"--color sometimes", "sometimes"},
	};

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		struct ep_args args;
		char err[512];

		assert_int_equal(parse(&args, cases[i].line, err, sizeof(err)), -EINVAL);
		if (!strstr(err, cases[i].says))
			fail_msg("\"%s\": %s", cases[i].line, err);
		assert_null(strchr(err, '\n'));
		ep_arena_free(args.arena);
	}
}

static void test_hostile_words(void **state)
{
	struct ep_args args = {.arena = ep_arena_new()};
	char *argv[] = {"edgepath", "\033[2Jx\n\xff", NULL}, err[512];

	(void)state;
	assert_int_equal(ep_args_parse(2, argv, &args, err, sizeof(err)), -EINVAL);
	for (const char *c = err; *c; c++)
		assert_true((unsigned char)*c >= 0x20 && (unsigned char)*c < 0x7f);
	ep_arena_free(args.arena);
}

static void test_usage(void **state)
{
	struct ep_buf out = {};
	size_t column = 0;

	(void)state;
	ep_args_usage(&out, NULL);
	for (const char *c = ep_buf_str(&out); *c; c++) {
		column = *c == '\n' ? 0 : column + 1;
		assert_true(column <= 80);
	}
	for (const struct ep_command *c = ep_commands; c->name; c++)
		assert_non_null(strstr(ep_buf_str(&out), c->name));
	assert_non_null(strstr(ep_buf_str(&out), "--sport PORT"));
	assert_null(strstr(ep_buf_str(&out), "--from"));
	ep_buf_free(&out);
	ep_args_usage(&out, ep_command_find("check"));
	assert_null(strstr(ep_buf_str(&out), "--sport"));
	ep_buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),      cmocka_unit_test(test_targets),
		cmocka_unit_test(test_values),        cmocka_unit_test(test_errors),
		cmocka_unit_test(test_hostile_words), cmocka_unit_test(test_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
