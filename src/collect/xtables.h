/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Legacy tables among themselves: the blob of entries that the kernel gives, without I/O. */
#ifndef EP_COLLECT_XTABLES_H
#define EP_COLLECT_XTABLES_H

#include "edgepath/model.h"

/* A digest of the entries but for their packet counters; family AF_*. */
uint64_t ep_xt_digest(int family, const void *blob, size_t len);

#endif
