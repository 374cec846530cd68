// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "render/render_i.h"

static const struct ep_format formats[] = {
	{"text", ep_text_path, ep_text_check, ep_text_watch},
	{"json", ep_json_path, ep_json_check, ep_json_watch},
};

const struct ep_format *ep_format_find(const char *name)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(formats); i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	return NULL;
}
