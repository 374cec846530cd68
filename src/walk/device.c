// SPDX-License-Identifier: GPL-2.0-or-later
/* What a device does to frames by itself: programs at XDP and tc, and chains of the netdev family. */
#include <netinet/in.h>
#include <linux/netfilter.h>

#include "walk/link.h"
#include "walk/path.h"

/* __netif_receive_skb_core(): programs first. A frame's packet is not the host's yet. */
bool ep_dev_ingress(struct ep_walk *w, const struct ep_link *l)
{
	const struct ep_link *in = w->p.in;

	if (!ep_path_programs(w, l, false))
		return false;
	w->p.in = l;
	ep_w_hook(w, NF_INET_INGRESS);
	w->p.in = in;
	return !w->ended;
}

/* __dev_queue_xmit(): chains first. */
bool ep_dev_egress(struct ep_walk *w, const struct ep_link *l)
{
	const struct ep_link *out = w->p.out;

	w->p.out = l;
	ep_w_hook(w, EP_HOOK_EGRESS);
	w->p.out = out;
	return !w->ended && ep_path_programs(w, l, true);
}
