// SPDX-License-Identifier: GPL-2.0-or-later
/* Asking some kernel interfaces loads the module behind them; edgepath must not. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "collect/collect_i.h"

#define EP_MAX_PROC_MODULES (1 << 20)
#define EP_MAX_MODULES_DEP  (16 << 20)

static bool loaded(struct ep_arena *a, const char *name)
{
	size_t n = strlen(name);
	char *text;

	/* Unreadable, or a kernel without modules: nothing can be loaded either. */
	if (ep_read_file(a, "/proc/modules", EP_MAX_PROC_MODULES, &text, NULL))
		return true;
	for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
		if (!strncmp(p, name, n) && p[n] == ' ')
			return true;
	return false;
}

bool ep_module_unloaded(const char *name)
{
	struct ep_arena *a = ep_arena_new();
	struct utsname u;
	bool is_module = false;
	char *text, file[80];

	snprintf(file, sizeof(file), "/%s.ko", name);
	if (!loaded(a, name) && !uname(&u) &&
	    !ep_read_file(a, ep_sprintf(a, "/lib/modules/%s/modules.dep", u.release),
			  EP_MAX_MODULES_DEP, &text, NULL))
		is_module = strstr(text, file) != NULL;
	ep_arena_free(a);
	return is_module;
}

bool ep_module_present(const char *name)
{
	struct ep_arena *a = ep_arena_new();
	char *text;
	bool there = !ep_read_file(a, "/proc/modules", EP_MAX_PROC_MODULES, &text, NULL) &&
		     loaded(a, name);

	ep_arena_free(a);
	return there;
}
