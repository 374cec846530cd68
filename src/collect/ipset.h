/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ipset's answers, without I/O. */
#ifndef EP_COLLECT_IPSET_H
#define EP_COLLECT_IPSET_H

#include "edgepath/model.h"

/*
 * Takes the attributes of one message of an IPSET_CMD_LIST answer: the first one brings type, family
 * and header, all of them elements. netmask is kept between the messages, 0 at first. -EOPNOTSUPP: a
 * type or an option that is not understood (type is filled in); -EBADMSG.
 */
int ep_ipset_decode(struct ep_arena *a, const void *attrs, size_t len, struct ep_ipset *set,
		    uint8_t *netmask) EP_MUST;

#endif
