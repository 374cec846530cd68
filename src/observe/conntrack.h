/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EP_OBSERVE_CONNTRACK_H
#define EP_OBSERVE_CONNTRACK_H

#include "observe/observe_i.h"

struct ep_ct_tuple {
	struct ep_addr src, dst;
	uint16_t sport, dport;
};

#define EP_CT_NO_STATE 255

struct ep_ct {
	struct ep_ct_tuple orig, reply;
	uint32_t status; /* IPS_* */
	uint8_t state;   /* enum tcp_conntrack; EP_CT_NO_STATE: not told */
};

typedef void (*ep_ct_cb)(void *ctx, const struct ep_ct *ct);

/* A message of ctnetlink from its struct nfgenmsg on; false if it is no TCP entry, or malformed. */
bool ep_ct_decode(const void *msg, size_t len, struct ep_ct *ret);
/* Every entry of a namespace whose original destination port is one of these; 0 or -errno. */
int ep_ct_dump(const struct ep_netns *ns, const uint16_t *ports, size_t n_ports, ep_ct_cb cb,
	       void *ctx) EP_MUST;
enum ep_ct_event { EP_CT_NEW, EP_CT_CHANGED, EP_CT_GONE };
typedef void (*ep_ct_event_cb)(void *ctx, enum ep_ct_event e, const struct ep_ct *ct);

/* Events of a namespace, of these ports if the kernel filters; file descriptor or -errno. */
int ep_ct_listen(const struct ep_netns *ns, const uint16_t *ports, size_t n_ports) EP_MUST;
/* Those that wait; how often some were lost, or -errno. */
int ep_ct_read(int fd, ep_ct_event_cb cb, void *ctx) EP_MUST;

/* Sockets on these ports that are or were connected, as their peers' packets have the tuple. */
int ep_established_read(const struct ep_netns *ns, const uint16_t *ports, size_t n_ports,
			void (*cb)(void *ctx, const struct ep_ct_tuple *t), void *ctx) EP_MUST;

/* The entry of one original tuple, by a socket of its namespace; 0, -ENOENT or -errno. */
int ep_ct_get(int fd, const struct ep_ct_tuple *orig, struct ep_ct *ret) EP_MUST;
/* A socket for that; file descriptor or -errno. */
int ep_ct_open(const struct ep_netns *ns) EP_MUST;

const char *ep_ct_state_name(uint8_t state); /* "ESTABLISHED" */

#endif
