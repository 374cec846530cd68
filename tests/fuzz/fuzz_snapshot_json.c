// SPDX-License-Identifier: GPL-2.0-or-later
/* A saved snapshot is refused or loaded; what was loaded can be saved and loaded again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "edgepath/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[256];
	struct ep_snapshot *s = ep_snapshot_from_json((const char *)data, size, err, sizeof(err));
	char *text;

	if (!s)
		return 0;
	text = ep_snapshot_to_json(s);
	ep_snapshot_free(s);
	if (!text)
		return 0;
	s = ep_snapshot_from_json(text, strlen(text), err, sizeof(err));
	if (!s)
		abort();
	ep_snapshot_free(s);
	free(text);
	return 0;
}
