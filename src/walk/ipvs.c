// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IPVS (net/netfilter/ipvs/ip_vs_core.c, ip_vs_xmit.c), a new connection's SYN. What is not for this
 * host is stolen from INPUT or OUTPUT and sent by a route of its own: OUTPUT and POSTROUTING see it,
 * FORWARD does not.
 */
#include <netinet/in.h>
#include <linux/if_packet.h>
#include <linux/ip_vs.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_ipvs.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>

#include "walk/ipvs.h"
#include "walk/path.h"
#include "walk/xt.h"

static uint8_t family(const struct ep_walk *w)
{
	return w->p.alen == 4 ? AF_INET : AF_INET6;
}

bool ep_ipvs_at_hook(const struct ep_walk *w, unsigned hooknum, int32_t *ret_priority)
{
	bool any = w->ns->ipvs_unread != NULL;

	if (hooknum != NF_INET_LOCAL_IN && hooknum != NF_INET_LOCAL_OUT)
		return false;
	ep_each(v, &w->ns->ipvs)
		any |= v->family == family(w);
	*ret_priority = hooknum == NF_INET_LOCAL_IN ? NF_IP_PRI_NAT_SRC - 1 : NF_IP_PRI_NAT_DST + 2;
	return any;
}

/* ip_vs_service_find(): a mark first, then address and port, then the address with all its ports. */
static const struct ep_ipvs_service *find(const struct ep_walk *w)
{
	const struct ep_ipvs_service *all = NULL, *one = NULL;

	ep_each(v, &w->ns->ipvs) {
		if (v->family != family(w))
			continue;
		if (v->fwmark) {
			if (v->fwmark == w->p.mark)
				return v;
		} else if (v->proto == IPPROTO_TCP && ep_addr_eq(&v->addr, &w->p.daddr)) {
			if (v->port == w->p.dport)
				one = v;
			else if (!v->port)
				all = v;
		}
	}
	return one ? one : all;
}

static void add_step(struct ep_walk *w, const struct ep_ipvs_service *v, const char *to)
{
	struct ep_step *s = ep_w_step(w, EP_STEP_IPVS);

	s->table = ep_ipvs_name(w, v);
	s->chain = v->sched;
	s->action = "ipvs";
	s->to = to;
}

/* ---- the server's route: __ip_vs_get_out_rt(), which looks at the address alone ---- */

static bool is_loopback(const struct ep_addr *a)
{
	return a->len == 4 ? a->b[0] == 127 : ep_addr_num(a) == 1;
}

static bool source_is_loopback(struct ep_walk *w)
{
	return w->p.alen == 4 ? ep_w_val_range(w, &w->p.saddr, 0x7f000000u, 0x7fffffffu) :
				ep_w_val_range(w, &w->p.saddr, 1, 1);
}

static bool route(struct ep_walk *w, const struct ep_ipvs_dest *d, struct ep_fib *f)
{
	const struct ep_link *lo = ep_link_by_name(w->ns, "lo");
	struct ep_flow q = {
		.dst = d->addr,
		.src = {.var = -1},
		EP_FLOW_NO_PORTS,
		.iif = lo ? lo->ifindex : 1,
		.no_proto = true,
		.output = true,
		.no_src = true,
	};
	char buf[EP_ADDRSTR];

	ep_fib_lookup(w, w->ns, &q, f);
	if (w->ended)
		return false;
	if (f->type == RTN_LOCAL || f->type == RTN_UNICAST || f->type == RTN_ANYCAST)
		return true;
	ep_w_end(w, EP_UNREACHABLE, "no route to IPVS server %s", ep_addr_str(&d->addr, buf));
	return false;
}

/* crosses_local_route_boundary() */
static bool may_go(struct ep_walk *w, const struct ep_ipvs_dest *d, bool local)
{
	bool was_local = w->hooknum == NF_INET_LOCAL_IN ||
			 (w->out_route && w->out_route->type == RTN_LOCAL);
	bool masq = d->method == IP_VS_CONN_F_MASQ;

	if (local && !masq && !was_local)
		ep_w_end(w, EP_DROPPED, "IPVS sends a packet for another host to no local server");
	else if (local && masq && w->hooknum == NF_INET_LOCAL_IN && is_loopback(&d->addr))
		ep_w_end(w, EP_DROPPED,
			 "IPVS translates nothing from outside to a loopback server");
	else if (!local && source_is_loopback(w))
		ep_w_end(w, EP_DROPPED, "IPVS sends nothing from a loopback address off this host");
	return !w->ended;
}

/* ---- on its way ---- */

/* ip_vs_notrack(), unless net.ipv4.vs.conntrack is set. */
static void untrack(struct ep_walk *w)
{
	int on = w->ns->ipvs_conntrack;

	w->p.ipvs = true;
	if (on < 0)
		on = ep_w_unknown(w, "net.ipv4.vs.conntrack could not be read");
	if (!on)
		w->p.ct = EP_CT_UNTRACKED;
}

static void translate(struct ep_walk *w, const struct ep_ipvs_service *v,
		      const struct ep_ipvs_dest *d)
{
	/* ip_vs_sched_persist(): only a service with this very port has its port translated. */
	bool persistent = v->flags & IP_VS_SVC_F_PERSISTENT;

	w->p.daddr = d->addr;
	if (d->port && (!persistent || w->p.dport == v->port))
		w->p.dport = d->port;
}

static enum ep_ret stay(struct ep_walk *w, struct ep_fib *f)
{
	if (w->out_route)
		*w->out_route = *f;
	return EP_RET_ACCEPT;
}

static enum ep_ret leave(struct ep_walk *w, const struct ep_fib *f)
{
	w->out_route = NULL;
	w->p.local_out = false;
	w->p.out = f->out;
	w->p.gw = f->gw;
	ep_path_route_step(w, f);
	if (!ep_w_hook(w, NF_INET_LOCAL_OUT) && !ep_w_hook(w, NF_INET_POST_ROUTING))
		ep_w_transmit(w, f);
	return EP_RET_ENDED;
}

/* ip_vs_tunnel_xmit(): a packet of another protocol, whose end on this host is not followed. */
static enum ep_ret tunnel(struct ep_walk *w, const struct ep_ipvs_dest *d, const struct ep_fib *f)
{
	char buf[EP_ADDRSTR];

	ep_addr_str(&d->addr, buf);
	ep_each(n, &w->s->netns)
		if (!ep_netns_need(w->s, *n, EP_NEED_LINKS) && ep_ifaddr_find(*n, &d->addr))
			ep_w_end(w, EP_UNKNOWN, "IPVS sends it in a tunnel to %s, on this host",
				 buf);
	ep_path_route_step(w, f);
	w->end_dev = f->out ? f->out->name : NULL;
	w->p.daddr = d->addr;
	ep_w_end(w, EP_FORWARDED, "leaves this host by %s in an IPVS tunnel to %s",
		 f->out ? f->out->name : "?", buf);
	return EP_RET_ENDED;
}

static enum ep_ret send_to(struct ep_walk *w, const struct ep_ipvs_service *v,
			   const struct ep_ipvs_dest *d)
{
	struct ep_fib f;
	bool local;

	if (d->method == IP_VS_CONN_F_LOCALNODE) {
		untrack(w);
		return EP_RET_ACCEPT;
	}
	if (!route(w, d, &f))
		return EP_RET_ENDED;
	local = f.type != RTN_UNICAST;
	if (!may_go(w, d, local))
		return EP_RET_ENDED;
	if (d->method == IP_VS_CONN_F_TUNNEL && !local)
		return tunnel(w, d, &f);
	untrack(w);
	w->p.ipvs_method = (uint8_t)d->method;
	w->p.ipvs_vaddr = w->p.daddr;
	w->p.ipvs_vport = w->p.dport;
	if (d->method == IP_VS_CONN_F_MASQ)
		translate(w, v, d);
	return local ? stay(w, &f) : leave(w, &f);
}

static const struct ep_ipvs_dest *choose(struct ep_walk *w, const struct ep_ipvs_service *v)
{
	const struct ep_ipvs_dest *d;

	if (v->flags & IP_VS_SVC_F_PERSISTENT)
		ep_w_now(w, "the server that IPVS service %s gave a client before",
			 ep_ipvs_name(w, v));
	else if (!v->fwmark && v->port != w->p.dport)
		return NULL; /* ip_vs_schedule(): all ports, but not persistent */
	d = ep_ipvs_schedule(w, v);
	if (d && d->addr.len != w->p.alen && !w->ended)
		ep_w_end(w, EP_UNKNOWN, "IPVS sends %s to a server of the other family",
			 ep_ipvs_name(w, v));
	return d;
}

enum ep_ret ep_ipvs_run(struct ep_walk *w)
{
	const struct ep_ipvs_service *v;
	const struct ep_ipvs_dest *d;
	char buf[EP_ADDRSTR];

	if (w->p.ipvs || (w->hooknum == NF_INET_LOCAL_IN && w->p.pkttype != PACKET_HOST))
		return EP_RET_ACCEPT;
	if (w->ns->ipvs_unread && ep_w_unknown(w, "%s", w->ns->ipvs_unread)) {
		ep_w_end(w, EP_UNKNOWN, "%s", w->ns->ipvs_unread);
		return EP_RET_ENDED;
	}
	v = find(w);
	if (!v || (w->ns->ipvs_backup_only > 0 &&
		   ep_w_unknown(w, "IPVS may be a mere backup: net.ipv4.vs.backup_only")))
		return EP_RET_ACCEPT;
	d = choose(w, v);
	if (w->ended)
		return EP_RET_ENDED;
	if (!d && v->fwmark && w->ns->ipvs_cache_bypass > 0) {
		ep_w_end(w, EP_UNKNOWN, "IPVS service %s has no server, and cache_bypass is set",
			 ep_ipvs_name(w, v));
		return EP_RET_ENDED;
	}
	if (!d) { /* ip_vs_leave() */
		add_step(w, v, NULL);
		ep_w_end(w, EP_REJECTED, "IPVS service %s has no server to take it",
			 ep_ipvs_name(w, v));
		return EP_RET_ENDED;
	}
	add_step(w, v,
		 ep_w_sprintf(w, "%s",
			      ep_addrport_str(&d->addr, d->port ? d->port : w->p.dport, buf)));
	return send_to(w, v, d);
}

/* ---- the match of that name (net/netfilter/xt_ipvs.c) ---- */

static bool vaddr_is(const struct ep_walk *w, const struct xt_ipvs_mtinfo *i)
{
	const uint8_t *want = (const uint8_t *)&i->vaddr, *mask = (const uint8_t *)&i->vmask;

	for (uint8_t k = 0; k < w->p.ipvs_vaddr.len; k++)
		if ((w->p.ipvs_vaddr.b[k] ^ want[k]) & mask[k])
			return false;
	return true;
}

bool ep_xt_ipvs(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_ipvs_mtinfo *i = in->info;
	const struct ep_walk *w = a->w;
	const struct {
		uint8_t bit;
		bool is;
	} facts[] = {
		{XT_IPVS_PROTO, i->l4proto == IPPROTO_TCP},
		{XT_IPVS_VADDR, vaddr_is(w, i)},
		{XT_IPVS_VPORT, ntohs(i->vport) == w->p.ipvs_vport},
		{XT_IPVS_DIR, false}, /* a reply */
		{XT_IPVS_METHOD, i->fwd_method == w->p.ipvs_method},
		{XT_IPVS_VPORTCTL, false}, /* of another connection's */
	};

	if (i->bitmask == XT_IPVS_IPVS_PROPERTY)
		return w->p.ipvs != !!(i->invert & XT_IPVS_IPVS_PROPERTY);
	/* It looks for the connection by its server, whom only a translated packet names. */
	if (!w->p.ipvs || w->p.ipvs_method != IP_VS_CONN_F_MASQ)
		return false;
	/* nf_ct_get() finds none. */
	if (i->bitmask & XT_IPVS_DIR && w->p.ct == EP_CT_UNTRACKED)
		return false;
	for (size_t k = 0; k < EP_ARRAY_SIZE(facts); k++)
		if (i->bitmask & facts[k].bit && facts[k].is == !!(i->invert & facts[k].bit))
			return false;
	return true;
}
