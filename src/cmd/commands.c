// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stdio.h>

#include "cmd/cmd.h"

const struct ep_command ep_commands[] = {
	{"check", "[PORT...]",
	 "who receives what comes from outside on the edge ports, and what is wrong",
	 ep_check_options, ep_check_take, ep_check_main},
	{"path", "[ADDRESS:]PORT", "one connection request, hop by hop and rule by rule",
	 ep_path_options, ep_path_take, ep_path_main},
	{"watch", "[PORT...]",
	 "where connections to the edge ports really end, now, and whether that was predicted",
	 ep_watch_options, ep_watch_take, ep_watch_main},
	{"help", "[COMMAND]", "how to use edgepath, or a command of it", NULL, NULL, ep_help_main},
	{},
};

void ep_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("edgepath: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputs("\n", stderr);
	va_end(ap);
}

int ep_help_main(const struct ep_args *args)
{
	const struct ep_command *c = NULL;
	struct ep_buf out = {};

	if (args->operands.n) {
		c = ep_command_find(args->operands.v[0]);
		if (!c) {
			ep_say("help: unknown command (see `edgepath --help`)");
			return EP_EXIT_USAGE;
		}
	}
	ep_args_usage(&out, c);
	fputs(ep_buf_str(&out), stdout);
	ep_buf_free(&out);
	return EP_EXIT_OK;
}
