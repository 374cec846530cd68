// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cmd/args.h"

#define FIELD(f) offsetof(struct ep_args, f)

static const struct ep_option common[] = {
	{"json", 0, EP_ARG_FLAG, FIELD(json), NULL, "write one JSON document"},
	{"netns", 0, EP_ARG_TEXT, FIELD(netns), "NAME|PATH",
	 "the network namespace to diagnose (default: this one)"},
	{"ports", 0, EP_ARG_PORTS, FIELD(ports), "LIST", "edge ports (default: 80,443,8080)"},
	{"dst", 0, EP_ARG_ADDR, FIELD(dst), "ADDRESS",
	 "destination (default: the addresses of the default-route device)"},
	{NULL, '4', EP_ARG_FLAG, FIELD(v4), NULL, "only IPv4"},
	{NULL, '6', EP_ARG_FLAG, FIELD(v6), NULL, "only IPv6"},
	{"without", 0, EP_ARG_WITHOUT, FIELD(without), "WHAT",
	 "as if it were gone: container:NAME, pod:NS/NAME, pid:N, unit:NAME, "
	 "rule:FAMILY/TABLE/CHAIN/HANDLE, chain:FAMILY/TABLE/CHAIN, table:FAMILY/TABLE"},
	{"origin", 0, EP_ARG_ORIGINS, FIELD(origins), "WHERE",
	 "where packets start: external, lan, host, container:NAME, pod:NS/NAME, "
	 "netns:NAME; check takes several, with commas between them"},
	{"iif", 0, EP_ARG_TEXT, FIELD(iif), "DEVICE",
	 "where packets arrive (default: the default-route device; with --origin lan the first "
	 "other device that has a network)"},
	{"config", 0, EP_ARG_TEXT, FIELD(config), "FILE",
	 "configuration (default: /etc/edgepath/edgepath.yaml, if it is there)"},
	{"color", 0, EP_ARG_CHOICE, FIELD(color), "auto|always|never", "colour the text"},
	{"help", 'h', EP_ARG_FLAG, FIELD(help), NULL, "show this"},
	{"version", 0, EP_ARG_FLAG, FIELD(version), NULL, "show the version"},
	{"from", 0, EP_ARG_LATER, 0, "BUNDLE", NULL},
	{},
};

static bool ends(const struct ep_option *o)
{
	return !o->name && !o->letter;
}

/* ---- values ---- */

static int fail(char *err, size_t len, const char *fmt, ...) EP_PRINTF(3, 4);
static int fail(char *err, size_t len, const char *fmt, ...)
{
	struct ep_arena *a = ep_arena_new();
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	snprintf(err, len, "%s", ep_escape(a, buf, strlen(buf)));
	ep_arena_free(a);
	return -EINVAL;
}

static bool parse_port(const char *s, uint16_t *ret)
{
	uint64_t n;

	if (!ep_parse_u64(s, 65535, &n) || !n)
		return false;
	*ret = (uint16_t)n;
	return true;
}

static int bad_port(const char *where, const char *s, char *err, size_t err_len)
{
	return fail(err, err_len, "%s: %.100s is no port (1 to 65535)", where, s);
}

int ep_args_ports(struct ep_args *args, const char *where, const char *s, char *err, size_t err_len)
{
	char *list = ep_strdup(args->arena, s), *rest = list, *word;

	while ((word = strsep(&rest, ","))) {
		bool twice = false;
		uint16_t port;

		if (!parse_port(word, &port))
			return bad_port(where, word, err, err_len);
		ep_each(p, &args->ports)
			twice |= *p == port;
		if (!twice)
			*ep_push(args->arena, &args->ports) = port;
	}
	return 0;
}

int ep_args_target(const char *s, struct ep_addr *ret, uint16_t *ret_port, char *err,
		   size_t err_len)
{
	const char *colon = strrchr(s, ':');
	char addr[EP_ADDRSTR] = "";
	size_t n;

	*ret = (struct ep_addr){};
	if (!colon)
		return parse_port(s, ret_port) ? 0 : bad_port("path", s, err, err_len);
	n = (size_t)(colon - s);
	if (n < sizeof(addr))
		memcpy(addr, s, n);
	if (n >= 2 && s[0] == '[' && s[n - 1] == ']' && n < sizeof(addr)) {
		addr[n - 1] = '\0';
		if (!ep_addr_parse(addr + 1, ret) || ret->len != 16)
			return fail(err, err_len, "path: %.100s: no IPv6 address in brackets", s);
	} else if (!ep_addr_parse(addr, ret) || ret->len != 4) {
		return fail(err, err_len,
			    "path: %.100s is neither PORT, ADDRESS:PORT nor [IPV6-ADDRESS]:PORT",
			    s);
	}
	return parse_port(colon + 1, ret_port) ? 0 : bad_port("path", colon + 1, err, err_len);
}

/* A day at most. */
static bool parse_time(const char *s, uint64_t *ret_ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	size_t n = strspn(s, "0123456789");
	char digits[16];
	uint64_t value;

	if (!n || n >= sizeof(digits))
		return false;
	memcpy(digits, s, n);
	digits[n] = '\0';
	if (!ep_parse_u64(digits, 86400000, &value) || !value)
		return false;
	for (size_t i = 0; i < EP_ARRAY_SIZE(units); i++)
		if (!strcmp(s + n, units[i].unit)) {
			*ret_ms = value * units[i].ms;
			return *ret_ms <= 86400000;
		}
	return false;
}

static bool is_choice(const char *choices, const char *s)
{
	size_t n = strlen(s);

	for (const char *c = choices; *c; c += strcspn(c, "|"), c += *c == '|')
		if (n && strcspn(c, "|") == n && !strncmp(c, s, n))
			return true;
	return false;
}

static int take_origins(struct ep_args *args, const char *where, const char *value, char *err,
			size_t err_len)
{
	char *rest = ep_strdup(args->arena, value), *word;

	while ((word = strsep(&rest, ","))) {
		bool twice = false;

		if (!ep_origin_word(word))
			return fail(err, err_len,
				    "%s: %.100s is none of external, lan, host, container:NAME, "
				    "pod:NS/NAME, netns:NAME",
				    where, word);
		ep_each(o, &args->origins)
			twice |= !strcmp(*o, word);
		if (!twice)
			*ep_push(args->arena, &args->origins) = word;
	}
	return 0;
}

static int set(struct ep_args *args, const struct ep_option *o, const char *value, char *err,
	       size_t err_len)
{
	void *field = (char *)args + o->offset;
	char where[64];

	snprintf(where, sizeof(where), "--%s", o->name ? o->name : "");
	switch (o->type) {
	case EP_ARG_FLAG:
		*(bool *)field = true;
		return 0;
	case EP_ARG_CHOICE:
		if (!is_choice(o->value, value))
			return fail(err, err_len, "%s: %.100s is none of %s", where, value,
				    o->value);
		*(const char **)field = value;
		return 0;
	case EP_ARG_TEXT:
		if (!*value)
			return fail(err, err_len, "%s: needs a value: %s", where, o->value);
		*(const char **)field = value;
		return 0;
	case EP_ARG_ADDR:
		if (!ep_addr_parse(value, field))
			return fail(err, err_len, "%s: %.100s is no IPv4 or IPv6 address", where,
				    value);
		return 0;
	case EP_ARG_PORT:
		return parse_port(value, field) ? 0 : bad_port(where, value, err, err_len);
	case EP_ARG_PORTS:
		return ep_args_ports(args, where, value, err, err_len);
	case EP_ARG_ORIGINS:
		return take_origins(args, where, value, err, err_len);
	case EP_ARG_WITHOUT:
		if (!ep_without_kind(value))
			return fail(err, err_len,
				    "%s: %.100s: begin with container:, pod:, pid:, unit:, rule:, "
				    "chain: or table:",
				    where, value);
		*ep_push(args->arena, (ep_strs *)field) = value;
		return 0;
	case EP_ARG_COUNT:
		if (!ep_parse_u64(value, UINT32_MAX, field) || !*(uint64_t *)field)
			return fail(err, err_len, "%s: %.100s is no number from 1 on", where,
				    value);
		return 0;
	case EP_ARG_TIME:
		if (!parse_time(value, field))
			return fail(err, err_len,
				    "%s: %.100s is no time: 5, 5s, 500ms, 2m; a day at most", where,
				    value);
		return 0;
	default:
		return fail(err, err_len, "%s is not in this version", where);
	}
}

/* ---- all options of all commands, for getopt ---- */

#define MAX_OPTIONS 64
#define LONG_BASE   256

struct spread {
	const struct ep_option *row[MAX_OPTIONS];
	struct option longs[MAX_OPTIONS + 1];
	char shorts[MAX_OPTIONS * 2 + 8];
	size_t n, n_longs;
};

static void spread_rows(struct spread *s, const struct ep_option *o)
{
	for (; !ends(o) && s->n < MAX_OPTIONS; o++) {
		s->row[s->n] = o;
		if (o->name)
			s->longs[s->n_longs++] = (struct option){
				o->name, o->type == EP_ARG_FLAG ? no_argument : required_argument,
				NULL, LONG_BASE + (int)s->n};
		if (o->letter) {
			size_t len = strlen(s->shorts);

			s->shorts[len] = o->letter;
		}
		s->n++;
	}
}

static const struct ep_option *row_of(const struct spread *s, int code)
{
	if (code >= LONG_BASE)
		return s->row[code - LONG_BASE];
	for (size_t i = 0; i < s->n; i++)
		if (s->row[i]->letter == code)
			return s->row[i];
	return NULL;
}

static bool belongs(const struct ep_command *c, const struct ep_option *row)
{
	const struct ep_option *const tables[] = {common, c->options};

	for (size_t i = 0; i < EP_ARRAY_SIZE(tables); i++)
		for (const struct ep_option *o = tables[i]; o && !ends(o); o++)
			if (o == row)
				return true;
	return false;
}

static int wrong_option(const struct spread *s, int code, char **argv, char *err, size_t err_len)
{
	const struct ep_option *o = optopt ? row_of(s, optopt) : NULL;

	if (code == ':' && o)
		return fail(err, err_len, "--%s: needs a value: %s", o->name, o->value);
	if (o)
		return fail(err, err_len, "--%s: takes no value", o->name ? o->name : "");
	if (optopt)
		return fail(err, err_len, "unknown option -%c (see `edgepath --help`)", optopt);
	return fail(err, err_len, "unknown option %.100s (see `edgepath --help`)",
		    argv[optind - 1]);
}

/* ---- which command ---- */

const struct ep_command *ep_command_find(const char *name)
{
	for (const struct ep_command *c = ep_commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static bool looks_like_port(const char *s)
{
	return *s && strspn(s, "0123456789,") == strlen(s);
}

static int choose_command(struct ep_args *args, char *err, size_t err_len)
{
	const char *first = args->operands.n ? args->operands.v[0] : NULL;

	args->command = ep_command_find("check");
	if (!first || looks_like_port(first))
		return 0;
	args->command = ep_command_find(first);
	if (!args->command)
		return fail(err, err_len, "unknown command %.100s (see `edgepath --help`)", first);
	args->named = true;
	args->operands.v++;
	args->operands.n--;
	return 0;
}

/* ---- what fits together ---- */

static const char *family_of(const struct ep_addr *a)
{
	return a->len == 4 ? "IPv4" : "IPv6";
}

static int check_families(const struct ep_args *args, char *err, size_t err_len)
{
	const struct {
		const char *name;
		const struct ep_addr *addr;
	} given[] = {{"--dst", &args->dst}, {"--src", &args->src}};
	char x[EP_ADDRSTR], y[EP_ADDRSTR];

	if (args->v4 && args->v6)
		return fail(err, err_len, "-4 and -6 exclude each other; leave both out for both");
	for (size_t i = 0; i < EP_ARRAY_SIZE(given); i++) {
		const struct ep_addr *a = given[i].addr;

		if ((args->v4 && a->len == 16) || (args->v6 && a->len == 4))
			return fail(err, err_len, "%s: %s is an %s address, but %s was given",
				    i ? "--src" : "destination", ep_addr_str(a, x), family_of(a),
				    args->v4 ? "-4" : "-6");
	}
	if (args->dst.len && args->src.len && args->dst.len != args->src.len)
		return fail(err, err_len,
			    "--src: %s is an %s address, but the destination %s is %s",
			    ep_addr_str(&args->src, x), family_of(&args->src),
			    ep_addr_str(&args->dst, y), family_of(&args->dst));
	return 0;
}

static int parse_options(int argc, char **argv, struct ep_args *args, const struct ep_option **used,
			 size_t *n_used, char *err, size_t err_len)
{
	struct spread s = {.shorts = "-:"};
	int code;

	spread_rows(&s, common);
	for (const struct ep_command *c = ep_commands; c->name; c++)
		if (c->options)
			spread_rows(&s, c->options);
	optind = 0;
	opterr = 0;
	while ((code = getopt_long(argc, argv, s.shorts, s.longs, NULL)) != -1) {
		const struct ep_option *o = row_of(&s, code);
		int r;

		if (code == 1) {
			*ep_push(args->arena, &args->operands) = optarg;
			continue;
		}
		if (!o)
			return wrong_option(&s, code, argv, err, err_len);
		r = set(args, o, optarg, err, err_len);
		if (r)
			return r;
		if (*n_used < MAX_OPTIONS)
			used[(*n_used)++] = o;
	}
	for (; optind < argc; optind++)
		*ep_push(args->arena, &args->operands) = argv[optind];
	return 0;
}

int ep_args_parse(int argc, char **argv, struct ep_args *args, char *err, size_t err_len)
{
	const struct ep_option *used[MAX_OPTIONS];
	size_t n_used = 0;
	int r;

	r = parse_options(argc, argv, args, used, &n_used, err, err_len);
	if (r == 0)
		r = choose_command(args, err, err_len);
	if (r)
		return r;
	for (size_t i = 0; i < n_used; i++)
		if (!belongs(args->command, used[i]))
			return fail(err, err_len, "%s: has no option --%s (see `edgepath help %s`)",
				    args->command->name, used[i]->name, args->command->name);
	if (args->help || args->version)
		return 0;
	r = args->command->take ? args->command->take(args, err, err_len) : 0;
	return r ? r : check_families(args, err, err_len);
}

/* ---- usage ---- */

/* Words of s from the column on, at most to column 79. */
static void put_words(struct ep_buf *out, unsigned column, const char *s)
{
	unsigned at = column;

	while (*s) {
		size_t n = strcspn(s, " ");

		if (at > column && at + 1 + n > 79) {
			ep_buf_printf(out, "\n%*s", (int)column, "");
			at = column;
		} else if (at > column) {
			ep_buf_puts(out, " ");
			at++;
		}
		ep_buf_putn(out, s, n);
		at += (unsigned)n;
		s += n + strspn(s + n, " ");
	}
	ep_buf_puts(out, "\n");
}

static void put_options(struct ep_buf *out, const struct ep_option *o)
{
	for (; o && !ends(o); o++) {
		char left[64];

		if (!o->help)
			continue;
		if (o->name)
			snprintf(left, sizeof(left), "--%s%s%s", o->name, o->value ? " " : "",
				 o->value ? o->value : "");
		else
			snprintf(left, sizeof(left), "-%c", o->letter);
		if (strlen(left) > 24)
			ep_buf_printf(out, "  %s\n%27s", left, "");
		else
			ep_buf_printf(out, "  %-24s ", left);
		put_words(out, 27, o->help);
	}
}

void ep_args_usage(struct ep_buf *out, const struct ep_command *only)
{
	ep_buf_puts(
		out,
		"edgepath: who receives public TCP traffic on this host, and by which rule\n\n");
	for (const struct ep_command *c = ep_commands; c->name; c++) {
		if (only && c != only)
			continue;
		ep_buf_printf(out, "  edgepath %s [OPTION...] %s\n      ", c->name, c->operands);
		put_words(out, 6, c->summary);
	}
	if (!only)
		ep_buf_puts(out, "\nWithout a command: check.\n");
	ep_buf_puts(out, "\nOptions:\n");
	put_options(out, common);
	for (const struct ep_command *c = ep_commands; c->name; c++) {
		if (!c->options || (only && c != only))
			continue;
		ep_buf_printf(out, "\nOptions of %s:\n", c->name);
		put_options(out, c->options);
	}
	ep_buf_puts(out,
		    "\nExit code: 0 ok, 1 warning, 2 critical, 3 unknown or failed, 64 usage.\n");
}
