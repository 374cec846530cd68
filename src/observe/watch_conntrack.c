// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>

#include "observe/observe_i.h"

static int ct_open(const struct ep_watch_spec *spec, const struct ep_scope *scope, void **ret,
		   char *err, size_t err_len)
{
	(void)spec, (void)scope, (void)ret;
	snprintf(err, err_len, "no");
	return -ENOSYS;
}

const struct ep_watch_ops ep_watch_conntrack = {.name = "conntrack", .open = ct_open};
