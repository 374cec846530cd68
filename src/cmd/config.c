// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration: which file, and what its words mean for a check. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"

int ep_config_use(struct ep_live *live, struct ep_config *ret)
{
	const char *file = live->args->config;

	*ret = (struct ep_config){};
	if (!file && access(EP_CONFIG_FILE, F_OK) < 0 && errno == ENOENT)
		return 0;
	return ep_config_load(live->s->arena, file ? file : EP_CONFIG_FILE, ret, live->err,
			      sizeof(live->err));
}

int ep_config_intents(struct ep_live *live, const struct ep_config *config,
		      struct ep_check_spec *spec)
{
	ep_each(o, &config->owners) {
		struct ep_intent *i = ep_push(live->s->arena, &spec->intents);
		char err[400];
		int r = ep_intent_parse(live->s->arena, o->who, i, err, sizeof(err));

		if (r < 0) {
			snprintf(live->err, sizeof(live->err), "%s:%u:%u: %s",
				 ep_escape(live->s->arena, config->file, strlen(config->file)),
				 o->line, o->column, err);
			return r;
		}
		i->port = o->port;
	}
	return 0;
}
