// SPDX-License-Identifier: GPL-2.0-or-later
/* route-disagreement: the kernel's own routing decisions are not those of a walk. */
#include <string.h>

#include "findings/findings_i.h"

static void add(struct ep_check *c, struct ep_finding *f, const struct ep_route_check *r)
{
	char dst[EP_ADDRSTR], src[EP_ADDRSTR] = "any";
	const char *text;

	if (r->ask.src.len)
		ep_addr_str(&r->ask.src, src);
	text = ep_sprintf(c->arena, "from %s to %s%s%s, mark %u: walked as %s; the kernel: %s", src,
			  ep_addr_str(&r->ask.dst, dst), r->ask.iif ? " arriving on device " : "",
			  r->ask.iif ? ep_sprintf(c->arena, "%u", r->ask.iif) : ", sent from here",
			  r->ask.mark, r->said, r->kernel);
	ep_each(old, &f->evidence)
		if (!strcmp(*old, text))
			return;
	ep_finding_evidence(c, f, "%s", text);
}

/* One finding for the host: what is wrong then is edgepath's reading, not one port. */
void ep_find_route_disagreement(struct ep_check *c)
{
	struct ep_finding *f = NULL;

	ep_each(a, &c->answers) {
		if (!ep_result_misrouted(a->result))
			continue;
		if (!f) {
			f = ep_finding_new(c, "route-disagreement", EP_SEV_WARNING, NULL, NULL,
					   NULL);
			if (!f)
				return;
			ep_finding_gist(c, f,
					"the kernel routes packets otherwise than they were "
					"walked: what rests on that is unknown");
		}
		ep_each(r, &a->result->routes)
			if (r->kernel)
				add(c, f, r);
	}
}
