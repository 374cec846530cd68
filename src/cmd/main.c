// SPDX-License-Identifier: GPL-2.0-or-later
#include <locale.h>
#include <stdio.h>

#include "cmd/cmd.h"

static int usage(const struct ep_args *args)
{
	struct ep_buf out = {};

	/* Of one command if one was named. */
	ep_args_usage(&out, args->named ? args->command : NULL);
	fputs(ep_buf_str(&out), stdout);
	ep_buf_free(&out);
	return EP_EXIT_OK;
}

int main(int argc, char **argv)
{
	struct ep_args args = {.arena = ep_arena_new()};
	char err[512];
	int code;

	setlocale(LC_CTYPE, "");
	if (ep_args_parse(argc, argv, &args, err, sizeof(err))) {
		ep_say("%s", err);
		code = EP_EXIT_USAGE;
	} else if (args.version) {
		puts("edgepath " EP_VERSION);
		code = EP_EXIT_OK;
	} else if (args.help) {
		code = usage(&args);
	} else {
		code = args.command->run(&args);
	}
	ep_arena_free(args.arena);
	return code;
}
