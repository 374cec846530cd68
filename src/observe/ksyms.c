// SPDX-License-Identifier: GPL-2.0-or-later
/* Kernel functions by address: /proc/kallsyms, "ffffffff81000000 T name [module]". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "observe/observe_i.h"

const char *ep_watch_symbol(struct ep_arena *a, uint64_t address)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[512], best[128] = "";
	uint64_t best_at = 0;

	if (!f)
		return NULL;
	while (fgets(line, sizeof(line), f)) {
		char *end, *name;
		uint64_t at = strtoull(line, &end, 16);

		/* Functions only: " t " and " T "; the address is one after the call. */
		if (at >= address || at < best_at || end[0] != ' ' ||
		    (end[1] != 't' && end[1] != 'T') || end[2] != ' ')
			continue;
		name = end + 3;
		name[strcspn(name, " \t\n")] = '\0';
		best_at = at;
		snprintf(best, sizeof(best), "%.*s", (int)sizeof(best) - 1, name);
	}
	fclose(f);
	return best_at ? ep_strdup(a, best) : NULL;
}
