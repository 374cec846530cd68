/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of a frame: from a device, through bridges, cables and stacked devices, to the device of the
 * one who takes it. First it is found out who that is (neigh.c: what ARP and neighbour discovery would
 * tell), then the frame goes there and meets what is in its way (transmit.c, bridge.c, device.c).
 */
#ifndef EP_WALK_LINK_H
#define EP_WALK_LINK_H

#include "walk/engine.h"

#define EP_MAX_L2 32 /* places on one way */

enum ep_l2_kind {
	EP_L2_OUT,    /* dev transmits it */
	EP_L2_IN,     /* dev receives it from a cable: a new start for the packet */
	EP_L2_WITHIN, /* dev receives it from a device below, or a port of it */
	EP_L2_BRIDGE, /* bridge dev passes it on, from port to port (from NULL: its own host's) */
	EP_L2_HOST,   /* bridge dev hands it up to its own host */
};

struct ep_l2_hop {
	enum ep_l2_kind kind;
	struct ep_netns *ns;
	const struct ep_link *dev, *from, *port;
};

/* Who is looked for: the one who answers for an address, or who has a MAC (mac not NULL). */
struct ep_l2_who {
	const struct ep_addr *addr;
	const uint8_t *mac;
	bool keep; /* the frame keeps the addresses that it has */
};

struct ep_l2_way {
	struct ep_l2_hop v[EP_MAX_L2];
	unsigned n;
	struct ep_netns *ns;       /* the owner's, */
	const struct ep_link *dev; /* and the device where it arrives */
};

struct ep_l2_search {
	struct ep_walk *w;
	struct ep_l2_who who;
	struct ep_l2_way way; /* so far; complete if one was found */
	bool own;             /* only by addresses of one's own */
	bool routes;          /* also ask those who answer for others' addresses, by their routes */
	uint16_t vlan;        /* tag on the frame; 0 none */
	/* places behind which it may be as well */
	struct ep_l2_way off; /* leads off the host, by its last device */
	unsigned n_off;
	const struct ep_link *unread; /* could not be read, or is not understood */
	const char *why;              /* for unread: what is wrong; NULL: could not be read */
	const struct ep_link *deaf;   /* has the address, but this frame never gets there */
};

/* From device dev of ns; from the inside of a bridge that got the frame by a port. */
bool ep_l2_find(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *dev);
bool ep_l2_find_from(struct ep_l2_search *s, struct ep_netns *ns, const struct ep_link *port);
/* Does ns answer for the address on device in, by an address of its own? */
bool ep_l2_owns(const struct ep_netns *ns, const struct ep_link *in, const struct ep_addr *a);
/* A permanent neighbour entry of ns for the address on the device; NULL if none. */
const struct ep_neigh *ep_l2_static(const struct ep_netns *ns, const struct ep_link *dev,
				    const struct ep_addr *a);

/* Sends the frame that w->p is in out of dev as it is; ends the run. */
void ep_l2_send(struct ep_walk *w, const struct ep_link *dev, const struct ep_l2_who *who);
/* The frame that w->p is in arrives at w->p.in, from outside of what is known; ends the run. */
void ep_l2_arrive(struct ep_walk *w);

/* Along a way that was found, from its first place on; ends the run. */
void ep_l2_follow(struct ep_walk *w, const struct ep_l2_way *way);
/* From a bridge's port (NULL: not known) to the bridge itself; false: the run has ended. */
bool ep_l2_up(struct ep_walk *w, const struct ep_link *bridge, const struct ep_link *port);
struct ep_val ep_l2_mac(const uint8_t *mac);

/* Programs and chains of a device (device.c); false: the run has ended. */
bool ep_dev_ingress(struct ep_walk *w, const struct ep_link *l);
bool ep_dev_egress(struct ep_walk *w, const struct ep_link *l);

/* ---- bridges (bridge.c) ---- */

enum ep_bridged {
	EP_BR_ON,     /* as planned */
	EP_BR_HOST,   /* to the bridge's own host, whatever was planned */
	EP_BR_NEW,    /* to another neighbour on the bridge: its address is in w->p.gw */
	EP_BR_ROUTED, /* brouted: the port itself receives it */
	EP_BR_ENDED,
};

/* What meets a frame that comes in by a port. */
enum ep_bridged ep_bridge_in(struct ep_walk *w, const struct ep_link *bridge,
			     const struct ep_link *from);
/* …then one that is handed up, or passed on; false: the run has ended. */
bool ep_bridge_up(struct ep_walk *w, const struct ep_link *bridge, const struct ep_link *from);
bool ep_bridge_on(struct ep_walk *w, const struct ep_link *from, const struct ep_link *port);
/* br_netfilter's function among the bridge's hooks. */
enum ep_ret ep_bridge_nf(struct ep_walk *w, unsigned hooknum);
/* Is it registered at this hook, and does it act on this packet? *priority: where. */
bool ep_bridge_nf_at(const struct ep_walk *w, unsigned hooknum, int32_t *priority);

#endif
