/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading what a BPF iterator writes: a stream of records of one size. */
#ifndef EP_COLLECT_BPF_ITER_H
#define EP_COLLECT_BPF_ITER_H

#include "edgepath/util.h"

/*
 * Reads the iterator behind a link (BPF_ITER_CREATE) to its end and calls each for every record of
 * size bytes, at most 256. 0, or negative errno; -EBADMSG if the stream ends within a record.
 */
int ep_bpf_iter_read(int link_fd, size_t size, void (*each)(void *ctx, const void *record),
		     void *ctx) EP_MUST;
/* Why BPF could not be used, for people. */
const char *ep_bpf_refusal(struct ep_arena *a, int err);

#endif
