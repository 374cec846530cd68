/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where rules give packets away: programs' queues, and the proxy for handshakes. */
#ifndef EP_WALK_QUEUE_H
#define EP_WALK_QUEUE_H

#include "walk/engine.h"

/* nf_queue(): total queues from num. True: nobody listens and the rule says to go on with the next
 * hook function; false: the run has ended. */
bool ep_w_queue(struct ep_walk *w, unsigned num, unsigned total, bool bypass);
/* synproxy.c: the packet met a synproxy: the hook is left, and what follows is walked. */
void ep_w_synproxy(struct ep_walk *w);
/* Keeps the packet as it comes into a namespace. */
void ep_synproxy_remember(struct ep_walk *w);

#endif
