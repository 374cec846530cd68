// SPDX-License-Identifier: GPL-2.0-or-later
/* Input: messages of generic netlink, one after the other, as the controller and IPVS send them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collect/ipvs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(struct ep_snapshot *s, const struct nlmsghdr *nlh)
{
	struct ep_ipvs_service v;
	struct ep_ipvs_dest d;
	int r = ep_ipvs_service(s->arena, nlh, &v);

	ep_ipvs_family(nlh);
	if (r && r != -EBADMSG)
		abort();
	if (!r && (!v.sched || (!v.fwmark && !v.addr.len)))
		abort();
	if (r)
		v = (struct ep_ipvs_service){.family = 2};
	r = ep_ipvs_dest(nlh, &v, &d);
	if (r > 0 || (!r && d.addr.len != 4 && d.addr.len != 16))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ep_snapshot *s = ep_snapshot_new();

	for (size_t off = 0; size - off >= sizeof(struct nlmsghdr);) {
		struct nlmsghdr h, *copy;

		memcpy(&h, data + off, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > size - off)
			break;
		copy = malloc(h.nlmsg_len); /* of its size, so that a byte too many is seen */
		if (!copy)
			abort();
		memcpy(copy, data + off, h.nlmsg_len);
		take(s, copy);
		free(copy);
		off += NLMSG_ALIGN((size_t)h.nlmsg_len) > size - off ?
			       size - off :
			       NLMSG_ALIGN((size_t)h.nlmsg_len);
	}
	ep_snapshot_free(s);
	return 0;
}
