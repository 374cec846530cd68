// SPDX-License-Identifier: GPL-2.0-or-later
/* A packet's way through one namespace: ip_rcv(), routing, then input or forward. */
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "walk/fib.h"
#include "walk/link.h"
#include "walk/path.h"
#include "walk/queue.h"

/* ---- what must be known of the namespace ---- */

static void need_tables(struct ep_walk *w)
{
	const struct ep_netns *ns = w->ns;
	int i = w->p.alen == 16;

	if (ns->nft.changed)
		ep_w_end(w, EP_UNKNOWN, "the nft ruleset changed while it was read");
	else if (ns->nft.status != EP_COMPLETE &&
		 ep_w_unknown(w, "nft rules could not be read: %s",
			      ns->nft.reason ? ns->nft.reason : "not captured"))
		ep_w_end(w, EP_UNKNOWN, "nft rules could not be read: %s",
			 ns->nft.reason ? ns->nft.reason : "not captured");
	else if (ns->xt.status[i] != EP_COMPLETE &&
		 ep_w_unknown(w, "legacy tables could not be read: %s",
			      ns->xt.reason[i] ? ns->xt.reason[i] : "not captured"))
		ep_w_end(w, EP_UNKNOWN, "legacy tables could not be read: %s",
			 ns->xt.reason[i] ? ns->xt.reason[i] : "not captured");
}

/* Twice before: what conntrack makes of a connection is settled after the first time. */
static bool in_a_circle(struct ep_walk *w)
{
	struct ep_visit now = {w->ns, w->p.in, w->p.daddr, w->p.dport, w->p.saddr};
	unsigned times = 0;

	ep_each(v, &w->visits)
		times += v->ns == now.ns && v->in == now.in && v->dport == now.dport &&
			 v->saddr.var == now.saddr.var && v->saddr.c == now.saddr.c &&
			 ep_addr_eq(&v->daddr, &now.daddr);
	*ep_push(w->arena, &w->visits) = now;
	return times > 1;
}

bool ep_path_enter(struct ep_walk *w)
{
	struct ep_netns *ns = w->ns;
	int r;

	if (in_a_circle(w)) {
		ep_w_end(w, EP_UNREACHABLE, "routed in a circle until its TTL is used up");
		return false;
	}
	if (++w->hops > EP_MAX_HOPS) {
		ep_w_end(w, EP_UNKNOWN, "more than %d namespaces in a row", EP_MAX_HOPS);
		return false;
	}
	r = ep_netns_need(w->s, ns,
			  EP_NEED_LINKS | EP_NEED_ROUTES | EP_NEED_NFT | EP_NEED_XT |
				  EP_NEED_HOOKS);
	if (r && (!(ns->have & EP_NEED_LINKS) || !(ns->have & EP_NEED_ROUTES) || !ns->links.n)) {
		ep_w_end(w, EP_UNKNOWN, "the namespace could not be read: %s",
			 ns->failed ? ns->failed : strerror(-r));
		return false;
	}
	need_tables(w);
	if (!(ns->have & EP_NEED_HOOKS) && !w->ended &&
	    ep_w_unknown(w, "programs in the way could not be listed"))
		ep_w_end(w, EP_UNKNOWN, "programs in the way could not be listed");
	return !w->ended;
}

/* ---- what is not followed ---- */

/* ---- routing ---- */

void ep_path_route_step(struct ep_walk *w, const struct ep_fib *f)
{
	struct ep_step *s = ep_w_step(w, EP_STEP_ROUTE);
	char gw[EP_ADDRSTR], dst[EP_ADDRSTR];

	s->hook = "route";
	ep_addr_str(&w->p.daddr, dst);
	s->to = f->out ? f->out->name : NULL;
	if (f->type == RTN_LOCAL)
		s->action = ep_w_sprintf(w, "%s is local", dst);
	else if (f->type == RTN_UNICAST && ep_addr_eq(&f->gw, &w->p.daddr))
		s->action = ep_w_sprintf(w, "%s dev %s", dst, f->out ? f->out->name : "?");
	else if (f->type == RTN_UNICAST)
		s->action = ep_w_sprintf(w, "%s via %s dev %s", dst, ep_addr_str(&f->gw, gw),
					 f->out ? f->out->name : "?");
	else
		s->action = ep_w_sprintf(w, "no route to %s", dst);
}

static const struct {
	uint8_t type;
	bool silent; /* nobody is told, even by a router */
	const char *reason;
} dead_ends[] = {
	{RTN_BLACKHOLE, true, "blackhole route to"},
	{RTN_UNREACHABLE, false, "no route to"},
	{RTN_PROHIBIT, false, "prohibit route to"},
	{RTN_BROADCAST, true, "TCP to the broadcast address"},
	{RTN_MULTICAST, true, "TCP to the multicast address"},
};

void ep_path_dead_end(struct ep_walk *w, const struct ep_fib *f)
{
	char dst[EP_ADDRSTR];

	ep_addr_str(&w->p.daddr, dst);
	for (size_t i = 0; i < EP_ARRAY_SIZE(dead_ends); i++)
		if (dead_ends[i].type == f->type)
			ep_w_end(w, dead_ends[i].silent ? EP_DROPPED : EP_UNREACHABLE, "%s %s",
				 dead_ends[i].reason, dst);
	ep_w_end(w, EP_UNKNOWN, "route of type %u to %s", f->type, dst);
}

/* rt6_need_strict(): such destinations are those of the arriving device alone. */
static bool need_strict(const struct ep_addr *a)
{
	return a->len == 16 &&
	       ((a->b[0] == 0xfe && a->b[1] >> 6 == 2) || a->b[0] == 0xff || ep_addr_num(a) == 1);
}

static bool is_multicast(const struct ep_addr *a)
{
	return a->len == 4 ? a->b[0] >> 4 == 0xe : a->b[0] == 0xff;
}

static bool is_broadcast(const struct ep_addr *a)
{
	return a->len == 4 && ep_addr_num(a) == UINT32_MAX;
}

/* An IPv4 sender's address must be this host's own, or RTM_GETROUTE refuses it. */
static bool is_own(const struct ep_walk *w, const struct ep_val *v)
{
	struct ep_addr a = ep_addr_from_num(v->c, w->p.alen);

	return w->p.alen == 16 || (v->var < 0 && ep_ifaddr_find(w->ns, &a));
}

/* For the comparison with the kernel's own answer; not for what it can't be asked. */
static void note_route(struct ep_walk *w, const struct ep_flow *q, const struct ep_fib *f)
{
	struct ep_route_note *n;

	w->route_note = NULL;
	if (w->route_open || w->p.slave || q->oif || is_multicast(&q->dst) ||
	    is_broadcast(&q->dst) || ep_addr_is_any(&q->dst) ||
	    (q->output && !q->no_src && !is_own(w, &q->src)))
		return;
	n = ep_push(w->arena, &w->routes);
	*n = (struct ep_route_note){
		.src = q->src,
		.sport = q->sport,
		.has_src = !q->no_src,
		.check = {.netns = w->ns->ino, .route = f->route, .type = f->type},
	};
	w->route_note = n;
	n->check.off = !q->output && w->p.alen == 4 && w->p.in->forwarding4 == 0;
	n->check.ask = (struct ep_route_ask){
		.dst = q->dst,
		.iif = q->output ? 0 : q->iif,
		.mark = q->mark,
		.dport = w->p.dport,
		.root = !q->output && w->p.alen == 16,
	};
}

void ep_path_lookup(struct ep_walk *w, bool output, struct ep_fib *f)
{
	const struct ep_link *lo = ep_link_by_name(w->ns, "lo");
	struct ep_flow q = {
		.dst = w->p.daddr,
		.src = w->p.saddr,
		.sport = w->p.sport,
		.dport = {.var = -1, .c = w->p.dport},
		.open_tos = true,
		.socket = output,
		.mark = w->p.mark,
		.iif = output ? (lo ? lo->ifindex : 1) : w->p.in->ifindex,
		.output = output,
		.no_src = output && w->p.saddr.var == EP_VAR_SADDR &&
			  !w->p.proxied, /* none chosen yet */
	};

	if (!output && need_strict(&w->p.daddr))
		q.oif = w->p.in->ifindex;
	w->route_open = false;
	ep_fib_lookup(w, w->ns, &q, f);
	note_route(w, &q, f);
}

/* ---- arriving ---- */

bool ep_path_forwarding(struct ep_walk *w)
{
	const struct ep_link *in = w->p.in;
	int on = in->forwarding4 >= 0 ? in->forwarding4 : w->ns->ip_forward;

	/* IPv4 asks the device, IPv6 the whole namespace; the device as well since 6.17. */
	if (w->p.alen == 16)
		on = in->force_forwarding6 > 0 ? 1 : w->ns->forwarding6_all;
	if (on < 0)
		return ep_w_unknown(w, "whether %s forwards could not be read", in->name);
	return on > 0;
}

static void not_a_router(struct ep_walk *w)
{
	ep_w_end(w, EP_DROPPED, "%s is 0 on %s: not a router",
		 w->p.alen == 4 ? "ip_forward" : "ipv6 forwarding", w->p.in->name);
}

static void forward(struct ep_walk *w, const struct ep_fib *f)
{
	if (w->p.tproxy) { /* ip_forward(): skb->sk is set */
		ep_w_end(w, EP_DROPPED,
			 "TPROXY gave it to a socket, but it is routed off this host");
		return;
	}
	w->p.out = f->out;
	w->p.gw = f->gw;
	w->lowered++;
	if (ep_w_hook(w, NF_INET_FORWARD) || ep_w_hook(w, NF_INET_POST_ROUTING))
		return;
	ep_w_transmit(w, f);
}

void ep_path_input(struct ep_walk *w, uint8_t type)
{
	if (ep_w_hook(w, NF_INET_LOCAL_IN))
		return;
	if (type == RTN_ANYCAST && !w->p.ipvs) /* tcp_v6_conn_request(), tcp_v6_send_reset() */
		ep_w_end(w, EP_DROPPED, "an anycast address takes no TCP connections");
	else
		ep_w_deliver(w);
}

/* ip_error(): a host that does not forward tells nobody that there is no route. */
static void no_route(struct ep_walk *w, const struct ep_fib *f)
{
	char dst[EP_ADDRSTR];

	if (w->p.alen == 4 && (f->type == RTN_UNREACHABLE || f->type == RTN_PROHIBIT) &&
	    !ep_path_forwarding(w))
		ep_w_end(w, EP_DROPPED, "no route to %s, and ip_forward is 0 on %s: not a router",
			 ep_addr_str(&w->p.daddr, dst), w->p.in->name);
	else
		ep_path_dead_end(w, f);
}

static void refuse(struct ep_walk *w, const char *why)
{
	ep_w_end(w, EP_DROPPED, "%s", why);
}

static void refuse_source(struct ep_walk *w, const char *why)
{
	if (w->route_note && w->p.alen == 4) /* IPv6 asks for it after routing */
		w->route_note->check.refused = true;
	refuse(w, why);
}

static void accept_source(struct ep_walk *w, const struct ep_fib *f)
{
	const char *why = NULL;
	bool ok = ep_fib_source_ok(w, f->type == RTN_UNICAST && f->out ? f->out->ifindex : 0, &why);

	if (w->route_note && w->route_open) { /* the way back rests on an unknown */
		w->routes.n--;
		w->route_note = NULL;
	}
	if (!ok)
		refuse_source(w, why);
	else if (f->type == RTN_UNICAST)
		forward(w, f);
	else
		ep_path_input(w, f->type);
}

static void after_prerouting(struct ep_walk *w)
{
	struct ep_fib f = {.type = is_broadcast(&w->p.daddr) ? RTN_BROADCAST : RTN_MULTICAST};
	const char *why = NULL;

	if (is_multicast(&w->p.daddr) || is_broadcast(&w->p.daddr)) {
		ep_path_dead_end(w, &f);
		return;
	}
	if (!ep_fib_martian_free(w, &why)) {
		refuse(w, why);
		return;
	}
	ep_path_lookup(w, false, &f);
	ep_path_route_step(w, &f);
	if (f.type != RTN_LOCAL && f.type != RTN_UNICAST && f.type != RTN_ANYCAST)
		no_route(w, &f);
	else if (f.type == RTN_UNICAST && !ep_path_forwarding(w))
		not_a_router(w);
	else
		accept_source(w, &f);
}

/* vrf_ip_rcv(): a port's packets belong to its VRF, and see PREROUTING once more as such. */
static bool into_vrf(struct ep_walk *w)
{
	const struct ep_link *vrf = ep_fib_vrf(w->ns, w->p.in->ifindex);

	if (!vrf || vrf == w->p.in)
		return true;
	w->p.slave = w->p.in;
	w->p.in = vrf;
	return !ep_w_hook(w, NF_INET_PRE_ROUTING);
}

/*
 * What comes in by a bridge came by a port of it, though a query may not say which: there br_netfilter
 * showed it to the rules, and ip_rcv_core() takes away the socket that TPROXY gave it.
 */
static bool prerouted_by_port(const struct ep_walk *w)
{
	int call = w->p.alen == 4 ? w->ns->bridge_nf_call_ip : w->ns->bridge_nf_call_ip6;

	return call == 1 && w->p.in->kind && !strcmp(w->p.in->kind, "bridge");
}

void ep_path_ip(struct ep_walk *w)
{
	if (w->hops == 1 && ep_fib_hopeless_source(w)) {
		ep_w_end(w, EP_DROPPED, "martian source: no client can have it");
		return;
	}
	/* ip6_rcv_core(), before any rule */
	if (w->p.alen == 16 && ep_addr_num(&w->p.daddr) == 1 && !(w->p.in->flags & IFF_LOOPBACK)) {
		ep_w_end(w, EP_DROPPED, "martian destination: ::1 on %s", w->p.in->name);
		return;
	}
	/* ip_sabotage_in(): not twice, but for a VRF's ports */
	if (w->p.prerouted && !ep_fib_vrf(w->ns, w->p.in->ifindex)) {
		w->p.prerouted = false;
		w->p.tproxy = NULL;
		after_prerouting(w);
		return;
	}
	if (ep_w_hook(w, NF_INET_PRE_ROUTING))
		return;
	if (prerouted_by_port(w))
		w->p.tproxy = NULL;
	if (into_vrf(w))
		after_prerouting(w);
}

void ep_w_receive(struct ep_walk *w)
{
	if (!w->p.ack)
		ep_synproxy_remember(w);
	if (ep_path_enter(w))
		ep_l2_arrive(w);
}
