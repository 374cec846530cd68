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

static unsigned common_bits(ep_u128 x, ep_u128 y)
{
	ep_u128 diff = x ^ y;
	unsigned n = 0;

	for (; n < 128 && !(diff >> 127); n++)
		diff <<= 1;
	return n;
}

/* ipv6_addr_src_scope(): loopback counts as link-local. */
static int scope6(ep_u128 a)
{
	return a == 1 || a >> 118 == 0x3fa ? 2 : a >> 118 == 0x3fb ? 5 : 14;
}

/* ipv6_addr_label(), the table that every namespace begins with. */
static unsigned label6(ep_u128 a)
{
	static const struct {
		uint64_t hi;
		unsigned plen, label;
	} rows[] = {{0x2001001000000000u, 28, 7},
		    {0x2001000000000000u, 32, 6},
		    {0x2002000000000000u, 16, 2},
		    {0xfc00000000000000u, 7, 5}};

	if (a == 1)
		return 0;
	if (a >> 32 == 0xffff)
		return 4;
	if (a >> 32 == 0)
		return 3;
	for (size_t i = 0; i < EP_ARRAY_SIZE(rows); i++)
		if (common_bits(a, (ep_u128)rows[i].hi << 64) >= rows[i].plen)
			return rows[i].label;
	return 1;
}

#define RULES6 7

/* ipv6_get_saddr_eval(): RFC 6724 as the kernel weighs it, the first difference decides. */
static void weigh6(const struct ep_walk *w, const struct ep_fib *f, const struct ep_ifaddr *i,
		   int score[RULES6])
{
	const struct ep_link *l = ep_link_by_index(w->ns, i->ifindex);
	ep_u128 a = ep_addr_num(&i->addr), dst = ep_addr_num(&w->p.daddr);
	int scope = scope6(a);
	unsigned bits = common_bits(a, dst);

	score[0] = a == dst;
	score[1] = scope >= scope6(dst) ? -scope : scope - 128;
	score[2] = !(i->flags & (IFA_F_DEPRECATED | IFA_F_OPTIMISTIC));
	score[3] = f->out && i->ifindex == f->out->ifindex;
	score[4] = label6(a) == label6(dst);
	score[5] = !(i->flags & IFA_F_TEMPORARY) ^ (l && l->use_tempaddr >= 2);
	score[6] = (int)(bits < i->plen ? bits : i->plen);
}

/* ipv6_dev_get_saddr(): of equals the first in the device's list. */
static struct ep_addr select6(const struct ep_walk *w, const struct ep_fib *f)
{
	const struct ep_ifaddr *best = NULL;
	int best_score[RULES6];

	ep_each(i, &w->ns->addrs) {
		bool here = f->out && i->ifindex == f->out->ifindex;
		int score[RULES6];
		size_t k = 0;

		if (i->addr.len != 16 || !ep_ifaddr_valid(i) ||
		    (scope6(ep_addr_num(&w->p.daddr)) == 2 && f->out && !here))
			continue;
		weigh6(w, f, i, score);
		while (best && k < RULES6 && score[k] == best_score[k])
			k++;
		if (best && (k == RULES6 || score[k] < best_score[k]))
			continue;
		best = i;
		memcpy(best_score, score, sizeof(score));
	}
	return best ? best->addr : (struct ep_addr){};
}

static void choose_source(struct ep_walk *w, const struct ep_fib *f)
{
	struct ep_addr src = f->prefsrc;

	if (!src.len && f->type == RTN_LOCAL && w->p.alen == 4)
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

static bool leads_somewhere(const struct ep_fib *f)
{
	return f->type == RTN_LOCAL || f->type == RTN_UNICAST || f->type == RTN_ANYCAST;
}

/*
 * A sender without an address gets the one that the route tells. IPv4 then looks the route up anew with
 * it (ip_route_connect()); IPv6 only if there was none (ip6_dst_lookup_tail()).
 */
static void route_unbound(struct ep_walk *w, struct ep_fib *f)
{
	bool found = leads_somewhere(f);
	char buf[EP_ADDRSTR];
	struct ep_addr src;

	if (w->p.alen == 4 && !found)
		return;
	choose_source(w, f);
	if (w->p.saddr.var >= 0 || (w->p.alen == 16 && found))
		return;
	src = ep_addr_from_num(w->p.saddr.c, w->p.alen);
	if (w->p.alen == 4 && ep_fib_addr_type(w, w->ns, &src, 0, NULL) != RTN_LOCAL)
		ep_w_end(w, EP_UNREACHABLE,
			 "connect() fails: %s would be its source, which is not this host's",
			 ep_addr_str(&src, buf));
	else
		ep_path_lookup(w, true, f);
}

static bool route_out(struct ep_walk *w, struct ep_fib *f)
{
	ep_path_lookup(w, true, f);
	if (w->p.saddr.var == EP_VAR_SADDR && !w->p.proxied)
		route_unbound(w, f);
	if (w->ended)
		return false;
	if (leads_somewhere(f)) {
		w->p.out = f->type == RTN_UNICAST ? f->out : ep_link_by_name(w->ns, "lo");
		w->p.gw = f->gw;
		return source_may_leave(w, f);
	}
	ep_path_route_step(w, f);
	if (f->type == RTN_BLACKHOLE && !w->out_route)
		ep_w_end(w, EP_UNREACHABLE, "blackhole route: connect() fails at once");
	else
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
		ep_path_input(w, f->type);
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
	if (ep_w_hook(w, NF_INET_POST_ROUTING) || !ep_path_egress_programs(w))
		return;
	if (f.type == RTN_UNICAST)
		ep_w_transmit(w, &f);
	else
		loop_back(w, &f);
}
