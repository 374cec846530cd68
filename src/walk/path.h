/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of the packet's way: what receiving, sending and transmitting share. */
#ifndef EP_WALK_PATH_H
#define EP_WALK_PATH_H

#include "walk/engine.h"

#define EP_MAX_HOPS 16

/* Counts the hop and reads what must be known of w->ns; false if the run has ended. */
bool ep_path_enter(struct ep_walk *w);
/* Programs on a device that see the packet before any rule (or after them all: egress). */
bool ep_path_programs(struct ep_walk *w, const struct ep_link *l, bool egress);
/* programs.c: each is false if the run has ended. */
bool ep_path_netfilter_programs(struct ep_walk *w, unsigned hooknum);
bool ep_path_sk_lookup(struct ep_walk *w);
/* Of the listener itself and of its cgroup. */
bool ep_path_socket_programs(struct ep_walk *w, const struct ep_listener *l);
/* Of the sender's cgroup: at connect(), and when the packet leaves its routing. */
bool ep_path_connect_programs(struct ep_walk *w);
bool ep_path_egress_programs(struct ep_walk *w);
/* The choice whether a program does what it may. */
bool ep_path_program(struct ep_walk *w, const struct ep_hook *h, const char *what);
/* The packet is for the IP stack of w->ns, which has it from w->p.in; ends the run. */
void ep_path_ip(struct ep_walk *w);
/* Does the device that it came by forward? */
bool ep_path_forwarding(struct ep_walk *w);
/* The routing decision for w->p in w->ns, without a step. */
void ep_path_lookup(struct ep_walk *w, bool output, struct ep_fib *ret);
void ep_path_route_step(struct ep_walk *w, const struct ep_fib *f);
/* A destination that no packet goes to: ends the run. */
void ep_path_dead_end(struct ep_walk *w, const struct ep_fib *f);
/*
 * proxy.c: w->listener's w->receiver passes connections on. Its own connection is followed; where its
 * target is not known it is the receiver, and the outcome says so. Ends the run.
 */
void ep_path_proxy(struct ep_walk *w, const struct ep_proc *proxy, const struct ep_listener *l);
/* LOCAL_IN and the socket; type: RTN_LOCAL, or RTN_ANYCAST. */
void ep_path_input(struct ep_walk *w, uint8_t type);

#endif
