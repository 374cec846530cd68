/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rtnetlink messages for tests: what a kernel sent, and ones made by hand. */
#ifndef RTNL_BYTES_H
#define RTNL_BYTES_H

#include "collect/rtnl.h"

/* Gives every message of a file of the fuzzer's corpus to take, which must return 0. */
void rtnl_each(struct ep_arena *a, const char *name,
	       int (*take)(const struct nlmsghdr *nlh, void *ctx), void *ctx);
/* Starts a message in buf (EP_NL_REQ_SIZE bytes, zeroed) with a header of its own of that size. */
struct nlmsghdr *rtnl_start(void *buf, uint16_t type, const void *head, size_t head_len);

#endif
