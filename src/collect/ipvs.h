/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of the generic netlink family "IPVS"; the decoders stand alone for the fuzzer. */
#ifndef EP_COLLECT_IPVS_H
#define EP_COLLECT_IPVS_H

#include "collect/nl.h"

/* The family's id in one answer to CTRL_CMD_GETFAMILY; 0 if it is another's. */
uint16_t ep_ipvs_family(const struct nlmsghdr *nlh);
/* One IPVS_CMD_NEW_SERVICE, without its destinations; and one IPVS_CMD_NEW_DEST of a service. 0, or
 * -EBADMSG if it is malformed. */
int ep_ipvs_service(struct ep_arena *a, const struct nlmsghdr *nlh,
		    struct ep_ipvs_service *ret) EP_MUST;
int ep_ipvs_dest(const struct nlmsghdr *nlh, const struct ep_ipvs_service *of,
		 struct ep_ipvs_dest *ret) EP_MUST;

#endif
