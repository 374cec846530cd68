/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPVS inside the walk (net/netfilter/ipvs). */
#ifndef EP_WALK_IPVS_H
#define EP_WALK_IPVS_H

#include "walk/engine.h"

/* Does IPVS have a function at the hook for packets of w's family? Its priority, too. */
bool ep_ipvs_at_hook(const struct ep_walk *w, unsigned hooknum, int32_t *ret_priority);
/* ip_vs_in_hook(): EP_RET_ACCEPT, perhaps translated; or EP_RET_ENDED: sent on, and the run is over. */
enum ep_ret ep_ipvs_run(struct ep_walk *w);

/*
 * ipvs_sched.c: the server that a new connection gets; NULL if there is none, or the run has ended.
 * Where the kernel goes by a counter or by chance, servers share by their weights.
 */
const struct ep_ipvs_dest *ep_ipvs_schedule(struct ep_walk *w, const struct ep_ipvs_service *v);
/* "TCP 10.96.0.1:443", "FWM 100" */
const char *ep_ipvs_name(struct ep_walk *w, const struct ep_ipvs_service *v);

#endif
