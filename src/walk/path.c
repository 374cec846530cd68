// SPDX-License-Identifier: GPL-2.0-or-later
/* A packet's way through one namespace: ip_rcv(), routing, input or forward; and a sender's, ip_output(). */
#include <netinet/in.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "walk/engine.h"

#define EP_MAX_HOPS 16

/* ---- what must be known of the namespace ---- */

static bool load(struct ep_walk *w)
{
	struct ep_netns *ns = w->ns;
	int i = w->p.alen == 16;
	int r = ep_netns_need(w->s, ns,
			      EP_NEED_LINKS | EP_NEED_ROUTES | EP_NEED_NFT | EP_NEED_XT |
				      EP_NEED_HOOKS);

	if (r && (!(ns->have & EP_NEED_LINKS) || !ns->links.n)) {
		ep_w_end(w, EP_UNKNOWN, "the namespace could not be read: %s",
			 ns->failed ? ns->failed : strerror(-r));
		return false;
	}
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
	return !w->ended;
}

/* XDP and tc see the packet before any rule does. */
static bool past_programs(struct ep_walk *w)
{
	ep_each(h, &w->ns->hooks) {
		if (!h->may_take || (h->ifindex && h->ifindex != w->p.in->ifindex) ||
		    !strcmp(h->kind, "sk_lookup"))
			continue;
		if (ep_w_unknown(w, "%s program %s may take the packet first", h->kind, h->name))
			ep_w_end(w, EP_UNKNOWN, "%s program %s on %s may take the packet first",
				 h->kind, h->name, w->p.in->name);
	}
	return !w->ended;
}

/* ---- routing ---- */

static void route_step(struct ep_walk *w, const struct ep_fib *f)
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
	enum ep_outcome_verdict verdict;
	const char *reason;
} dead_ends[] = {
	{RTN_BLACKHOLE, EP_DROPPED, "blackhole route to"},
	{RTN_UNREACHABLE, EP_UNREACHABLE, "no route to"},
	{RTN_PROHIBIT, EP_UNREACHABLE, "prohibit route to"},
	{RTN_BROADCAST, EP_DROPPED, "TCP to the broadcast address"},
	{RTN_MULTICAST, EP_DROPPED, "TCP to the multicast address"},
};

static void dead_end(struct ep_walk *w, const struct ep_fib *f)
{
	char dst[EP_ADDRSTR];

	ep_addr_str(&w->p.daddr, dst);
	for (size_t i = 0; i < EP_ARRAY_SIZE(dead_ends); i++)
		if (dead_ends[i].type == f->type)
			ep_w_end(w, dead_ends[i].verdict, "%s %s", dead_ends[i].reason, dst);
	ep_w_end(w, EP_UNKNOWN, "route of type %u to %s", f->type, dst);
}

static void lookup(struct ep_walk *w, bool output, struct ep_fib *f)
{
	const struct ep_link *lo = ep_link_by_name(w->ns, "lo");
	struct ep_flow q = {
		.dst = w->p.daddr,
		.src = w->p.saddr,
		.sport = w->p.sport,
		.dport = w->p.dport,
		.mark = w->p.mark,
		.iif = output ? (lo ? lo->ifindex : 1) : w->p.in->ifindex,
		.output = output,
	};

	/* rt6_need_strict(): link-local addresses are those of the arriving device. */
	if (!output && w->p.alen == 16 && w->p.daddr.b[0] == 0xfe && w->p.daddr.b[1] >> 6 == 2)
		q.oif = w->p.in->ifindex;
	ep_fib_lookup(w, w->ns, &q, f);
}

/* ---- arriving ---- */

static bool forwarding_on(struct ep_walk *w)
{
	const struct ep_link *in = w->p.in;
	/* IPv4 asks the device, IPv6 the whole namespace (ip6_forward). */
	int on = w->p.alen == 16      ? w->ns->forwarding6_all :
		 in->forwarding4 >= 0 ? in->forwarding4 :
					w->ns->ip_forward;

	if (on < 0)
		return ep_w_unknown(w, "whether %s forwards could not be read", in->name);
	return on > 0;
}

static void forward(struct ep_walk *w, const struct ep_fib *f)
{
	if (!forwarding_on(w)) {
		ep_w_end(w, EP_DROPPED, "%s is 0 on %s: not a router",
			 w->p.alen == 4 ? "ip_forward" : "ipv6 forwarding", w->p.in->name);
		return;
	}
	w->p.out = f->out;
	if (ep_w_hook(w, NF_INET_FORWARD) || ep_w_hook(w, NF_INET_POST_ROUTING))
		return;
	ep_w_transmit(w, f);
}

static void input(struct ep_walk *w)
{
	if (!ep_w_hook(w, NF_INET_LOCAL_IN))
		ep_w_deliver(w);
}

static void after_prerouting(struct ep_walk *w)
{
	struct ep_fib f;
	const char *why = NULL;

	lookup(w, false, &f);
	route_step(w, &f);
	if (f.type != RTN_LOCAL && f.type != RTN_UNICAST && f.type != RTN_ANYCAST) {
		dead_end(w, &f);
		return;
	}
	if (f.type == RTN_UNICAST && !forwarding_on(w)) {
		forward(w, &f);
		return;
	}
	if (!ep_fib_source_ok(w, &why)) {
		ep_w_end(w, EP_DROPPED, "%s", why);
		return;
	}
	if (w->ended)
		return;
	if (f.type == RTN_UNICAST)
		forward(w, &f);
	else
		input(w);
}

void ep_w_receive(struct ep_walk *w)
{
	if (++w->hops > EP_MAX_HOPS) {
		ep_w_end(w, EP_UNKNOWN, "more than %d namespaces in a row", EP_MAX_HOPS);
		return;
	}
	if (!load(w) || !past_programs(w) || ep_w_hook(w, NF_INET_INGRESS) ||
	    ep_w_hook(w, NF_INET_PRE_ROUTING))
		return;
	after_prerouting(w);
}

/* ---- sending ---- */

static void choose_source(struct ep_walk *w, const struct ep_fib *f)
{
	struct ep_addr src = f->prefsrc;

	if (!src.len && f->type == RTN_LOCAL)
		src = w->p.daddr;
	ep_each(i, &w->ns->addrs) {
		if (src.len)
			break;
		if (f->out && i->ifindex == f->out->ifindex && i->addr.len == w->p.alen &&
		    ep_addr_in(&f->gw, &i->addr, i->plen))
			src = i->addr;
	}
	ep_each(i, &w->ns->addrs) {
		if (src.len)
			break;
		if (f->out && i->ifindex == f->out->ifindex && i->addr.len == w->p.alen)
			src = i->addr;
	}
	if (src.len)
		w->p.saddr = (struct ep_val){.var = -1, .c = ep_addr_num(&src)};
}

/* A local destination comes back through the loopback device, with its connection's state. */
static void loop_back(struct ep_walk *w)
{
	w->p.in = w->p.out;
	w->p.out = NULL;
	w->p.pkttype = PACKET_LOOPBACK;
	if (!w->p.in) {
		ep_w_end(w, EP_UNKNOWN, "no loopback device");
		return;
	}
	if (ep_w_hook(w, NF_INET_PRE_ROUTING))
		return;
	w->p.pkttype = PACKET_HOST;
	input(w);
}

void ep_w_send(struct ep_walk *w)
{
	struct ep_fib f;
	struct ep_addr dst;
	uint32_t mark;

	if (++w->hops > EP_MAX_HOPS) {
		ep_w_end(w, EP_UNKNOWN, "more than %d hops in a row", EP_MAX_HOPS);
		return;
	}
	if (!load(w))
		return;
	w->p.local_out = true;
	lookup(w, true, &f);
	if (f.type != RTN_LOCAL && f.type != RTN_UNICAST) {
		route_step(w, &f);
		dead_end(w, &f);
		return;
	}
	if (w->p.saddr.var == EP_VAR_SADDR)
		choose_source(w, &f);
	w->p.out = f.type == RTN_LOCAL ? ep_link_by_name(w->ns, "lo") : f.out;
	dst = w->p.daddr;
	mark = w->p.mark;
	if (ep_w_hook(w, NF_INET_LOCAL_OUT))
		return;
	if (!ep_addr_eq(&dst, &w->p.daddr) || mark != w->p.mark) /* ip_route_me_harder() */
		lookup(w, true, &f);
	route_step(w, &f);
	if (f.type != RTN_LOCAL && f.type != RTN_UNICAST) {
		dead_end(w, &f);
		return;
	}
	w->p.out = f.type == RTN_LOCAL ? ep_link_by_name(w->ns, "lo") : f.out;
	if (ep_w_hook(w, NF_INET_POST_ROUTING))
		return;
	if (f.type == RTN_LOCAL)
		loop_back(w);
	else
		ep_w_transmit(w, &f);
}
