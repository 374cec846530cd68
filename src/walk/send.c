// SPDX-License-Identifier: GPL-2.0-or-later
/* A packet of a local process: ip_route_output_key(), LOCAL_OUT, POST_ROUTING; and back in by lo. */
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "walk/fib.h"
#include "walk/link.h"
#include "walk/path.h"

/* ---- the source address that a sender gets ---- */

/* inet_select_addr(): the device's first address; failing that, any other device's. */
static struct ep_addr select4(const struct ep_walk *w, const struct ep_fib *f)
{
	struct ep_addr any = {};

	ep_each(i, &w->ns->addrs) {
		if (i->addr.len != 4 || i->flags & IFA_F_SECONDARY)
			continue;
		if (f->out && i->ifindex == f->out->ifindex && i->scope <= RT_SCOPE_LINK &&
		    (ep_addr_eq(&f->gw, &w->p.daddr) || ep_addr_in(&f->gw, &i->addr, i->plen)))
			return i->addr;
		if (!any.len && i->scope < RT_SCOPE_LINK)
			any = i->addr;
	}
	ep_each(i, &w->ns->addrs)
		if (f->out && i->ifindex == f->out->ifindex && i->addr.len == 4 &&
		    i->scope <= RT_SCOPE_LINK)
			return i->addr;
	return any;
}

static unsigned common_bits(const struct ep_addr *x, const struct ep_addr *y)
{
	ep_u128 diff = ep_addr_num(x) ^ ep_addr_num(y);
	unsigned n = 0;

	for (; n < 128 && !(diff >> 127); n++)
		diff <<= 1;
	return n;
}

static bool link_local(const struct ep_addr *a)
{
	return a->b[0] == 0xfe && a->b[1] >> 6 == 2;
}

/* ipv6_dev_get_saddr(), RFC 6724 in its main points: scope, deprecation, device, longest match. */
static struct ep_addr select6(const struct ep_walk *w, const struct ep_fib *f)
{
	const struct ep_ifaddr *best = NULL;
	unsigned best_score = 0;

	ep_each(i, &w->ns->addrs) {
		bool here = f->out && i->ifindex == f->out->ifindex;
		unsigned score;

		if (i->addr.len != 16 || i->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) ||
		    i->scope == RT_SCOPE_HOST || (link_local(&i->addr) && !here))
			continue;
		score = 1 + (link_local(&i->addr) == link_local(&w->p.daddr)) * 1024 +
			!(i->flags & IFA_F_DEPRECATED) * 512 + here * 256 +
			common_bits(&i->addr, &w->p.daddr);
		if (score > best_score) {
			best = i;
			best_score = score;
		}
	}
	return best ? best->addr : (struct ep_addr){};
}

static void choose_source(struct ep_walk *w, const struct ep_fib *f)
{
	struct ep_addr src = f->prefsrc;

	if (!src.len && f->type == RTN_LOCAL)
		src = w->p.daddr;
	if (!src.len)
		src = w->p.alen == 4 ? select4(w, f) : select6(w, f);
	if (src.len)
		w->p.saddr = (struct ep_val){.var = -1, .c = ep_addr_num(&src)};
	else
		w->p.saddr = ep_w_unknown_val(w, "the sender's address", w->p.alen * 8u);
}

/* ---- routing, once before LOCAL_OUT and again if that changed something ---- */

/* __mkroute_output(): loopback addresses stay in, unless route_localnet says otherwise. */
static bool source_may_leave(struct ep_walk *w, const struct ep_fib *f)
{
	const struct ep_link *out = f->out;

	if (w->p.alen != 4 || f->type != RTN_UNICAST || !out || out->flags & IFF_LOOPBACK ||
	    out->route_localnet > 0 || w->ns->route_localnet_all > 0 ||
	    !ep_w_val_range(w, &w->p.saddr, 0x7f000000u, 0x7fffffffu))
		return true;
	if (w->route_note)
		w->route_note->check.refused = true;
	ep_w_end(w, EP_DROPPED, "a loopback source may not leave by %s: route_localnet is 0",
		 out->name);
	return false;
}

static bool route_out(struct ep_walk *w, struct ep_fib *f)
{
	ep_path_lookup(w, true, f);
	if (f->type == RTN_LOCAL || f->type == RTN_UNICAST || f->type == RTN_ANYCAST) {
		if (w->p.saddr.var == EP_VAR_SADDR && !w->p.proxied)
			choose_source(w, f);
		w->p.out = f->type == RTN_UNICAST ? f->out : ep_link_by_name(w->ns, "lo");
		w->p.gw = f->gw;
		return source_may_leave(w, f);
	}
	ep_path_route_step(w, f);
	ep_path_dead_end(w, f);
	return false;
}

bool ep_w_reroute(struct ep_walk *w)
{
	const struct ep_link *out = w->p.out;
	bool ok = !w->out_route || route_out(w, w->out_route);

	w->p.out = out; /* nf_hook_state.out stays what it was */
	return ok;
}

/* A local destination comes back through the loopback device, with its connection's state. */
static void loop_back(struct ep_walk *w, const struct ep_fib *f)
{
	w->p.in = w->p.out;
	w->p.out = NULL;
	w->p.sk_in = f->out; /* rt_iif: the device of the local route */
	w->p.pkttype = PACKET_HOST;
	if (!w->p.in) {
		ep_w_end(w, EP_UNKNOWN, "no loopback device");
		return;
	}
	if (!ep_dev_egress(w, w->p.in) || !ep_dev_ingress(w, w->p.in))
		return;
	/* It brings its route along, so PREROUTING moves it no more. */
	if (!ep_w_hook(w, NF_INET_PRE_ROUTING))
		ep_path_input(w);
}

void ep_w_send(struct ep_walk *w)
{
	if (!ep_path_enter(w) || !ep_path_connect_programs(w))
		return;
	w->p.local_out = true;
	ep_w_send_raw(w);
}

void ep_w_send_raw(struct ep_walk *w)
{
	struct ep_fib f;

	if (!route_out(w, &f))
		return;
	w->out_route = &f;
	if (ep_w_hook(w, NF_INET_LOCAL_OUT))
		return;
	w->out_route = NULL;
	w->p.out = f.type == RTN_UNICAST ? f.out : ep_link_by_name(w->ns, "lo");
	ep_path_route_step(w, &f);
	if (!ep_path_past_ipvs(w) || ep_w_hook(w, NF_INET_POST_ROUTING) ||
	    !ep_path_egress_programs(w))
		return;
	if (f.type == RTN_UNICAST)
		ep_w_transmit(w, &f);
	else
		loop_back(w, &f);
}
