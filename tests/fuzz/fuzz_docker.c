// SPDX-License-Identifier: GPL-2.0-or-later
/* Input: the answer to GET /containers/json, and the same bytes as config.v2.json. */
#include <string.h>

#include "collect/owners_i.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool add(void *ctx, const json_t *o)
{
	return ep_docker_add_listed(ctx, o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct ep_json_each j = {.each = add, .ctx = s};
	size_t half = size / 2;
	json_t *config;
	int r;

	r = ep_json_each_feed(&j, (const char *)data, half);
	if (r == 0)
		r = ep_json_each_feed(&j, (const char *)data + half, size - half);
	r = ep_json_each_end(&j);
	(void)r;
	config = json_loadb((const char *)data, size, 0, NULL);
	if (config)
		ep_docker_add_config(s, config, config);
	json_decref(config);
	ep_snapshot_free(s);
	return 0;
}
