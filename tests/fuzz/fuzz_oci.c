// SPDX-License-Identifier: GPL-2.0-or-later
/* Input: an OCI config.json, or containers/storage's containers.json. */
#include <string.h>

#include "collect/owners_i.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ID "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *config = json_loadb((const char *)data, size, 0, NULL);
	struct ep_container c = {.id = ID}, stored = {.id = ID};
	struct ep_arena *a = ep_arena_new();
	const json_t *o;
	size_t i;

	ep_oci_apply(a, config, &c);
	json_array_foreach(config, i, o) ep_oci_apply_storage(a, o, &stored);
	json_decref(config);
	ep_arena_free(a);
	return 0;
}
