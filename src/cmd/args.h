/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line. Options are rows of a table; parsing, usage and the check of what belongs to
 * which command come from the rows.
 */
#ifndef EP_CMD_ARGS_H
#define EP_CMD_ARGS_H

#include "edgepath/walk.h"

enum ep_exit { EP_EXIT_OK, EP_EXIT_WARNING, EP_EXIT_CRITICAL, EP_EXIT_UNKNOWN, EP_EXIT_USAGE = 64 };

struct ep_command;

struct ep_args {
	struct ep_arena *arena; /* of what is in here */
	const struct ep_command *command;
	bool named; /* the command was given, not assumed */
	bool help, version, json, v4, v6;
	bool learn;
	const char *netns, *color, *iif, *proto, *config; /* NULL: not given */
	EP_VEC(uint16_t) ports;
	struct ep_addr dst, src; /* len 0: not given */
	uint16_t dport, sport;   /* 0: not given */
	ep_strs without, origins, operands;
	bool flows;
	uint64_t once, ring_kib;                       /* 0: not given */
	uint64_t duration_ms, interval_ms, observe_ms; /* 0: not given */
	const char *source, *via;                      /* NULL: not given */
	bool verify;
};

enum ep_arg_type {
	EP_ARG_FLAG,
	EP_ARG_TEXT,
	EP_ARG_CHOICE,
	EP_ARG_ADDR,
	EP_ARG_PORT,
	EP_ARG_PORTS,
	EP_ARG_WITHOUT,
	EP_ARG_ORIGINS,
	EP_ARG_COUNT, /* uint64_t, at least 1 */
	EP_ARG_TIME,  /* uint64_t of milliseconds, at least 1: "5", "5s", "500ms", "2m" */
	EP_ARG_LATER
};

struct ep_option {
	const char *name; /* long name */
	char letter;      /* 0: none */
	enum ep_arg_type type;
	size_t offset;     /* in struct ep_args */
	const char *value; /* "NAME|PATH"; for EP_ARG_CHOICE the choices, "auto|always|never" */
	const char *help;  /* NULL: accepted by the parser, but not shown */
};

struct ep_command {
	const char *name, *operands, *summary;
	const struct ep_option *options; /* beside the common ones; ends with a row without name */
	/* Takes the operands; 0 or negative errno with one line in err. */
	int (*take)(struct ep_args *args, char *err, size_t err_len);
	int (*run)(const struct ep_args *args); /* returns an exit code */
};

extern const struct ep_command ep_commands[]; /* ends with a row without name */
const struct ep_command *ep_command_find(const char *name);

/*
 * Parses argv (which getopt may permute). 0, or -EINVAL with one line in err: what is wrong, where,
 * and what would be right. args->arena must be set.
 */
int ep_args_parse(int argc, char **argv, struct ep_args *args, char *err, size_t err_len) EP_MUST;
/* Does a WHAT of --without begin with a kind that there is? */
bool ep_without_kind(const char *what);
/* Is it a WHERE of --origin: external, host, lan, container:NAME or pod:NS/NAME? */
bool ep_origin_word(const char *word);
/* Adds "80", "80,443" to args->ports. */
int ep_args_ports(struct ep_args *args, const char *where, const char *s, char *err,
		  size_t err_len) EP_MUST;
/* "443", "203.0.113.10:443", "[2001:db8::10]:443" */
int ep_args_target(const char *s, struct ep_addr *ret, uint16_t *ret_port, char *err,
		   size_t err_len) EP_MUST;
/* Usage of a command, or of all (NULL). */
void ep_args_usage(struct ep_buf *out, const struct ep_command *c);

#endif
