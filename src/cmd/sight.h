/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host as it is predicted: a snapshot with walks to the edge ports, against which is held what is seen. */
#ifndef EP_CMD_SIGHT_H
#define EP_CMD_SIGHT_H

#include "cmd/cmd.h"
#include "edgepath/observe.h"

/* One walk. */
struct ep_forecast {
	struct ep_query query;
	struct ep_result *result;
};

struct ep_sight {
	struct ep_live live;
	ep_edges edges;
	ep_ports ports;
	EP_VEC(struct ep_forecast *) forecasts;
	struct ep_scope scope;
	uint64_t until_ns; /* when another took its place; 0: it is the present one */
};

/* Reads the host and walks to every edge port from outside; 0, or negative errno with live.err set. */
int ep_sight_open(const struct ep_args *args, struct ep_sight *s) EP_MUST;
void ep_sight_close(struct ep_sight *s); /* also one that was never opened */
/*
 * The walk to where the connections of a row went, made when it is first asked for; flow may be NULL. NULL
 * where it takes the flow to know by which device it came.
 */
const struct ep_result *ep_sight_forecast(struct ep_sight *s, const struct ep_wire_row *row,
					  const struct ep_wire_flow *flow);
/* Is it one of the diagnosed namespace's own addresses, or of those that were named? */
bool ep_sight_is_edge(const struct ep_sight *s, const struct ep_addr *a);

#endif
