// SPDX-License-Identifier: GPL-2.0-or-later
/* Address translation as nf_nat_setup_info() and its callers do it, for the first packet. */
#include <netinet/in.h>
#include <linux/if_addr.h>
#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/rtnetlink.h>

#include <stdio.h>

#include "walk/engine.h"

#ifndef NF_NAT_RANGE_PROTO_OFFSET
#define NF_NAT_RANGE_PROTO_OFFSET (1 << 5) /* Linux 4.18 */
#endif

static const char *addrport(struct ep_walk *w, const struct ep_addr *a, uint16_t port)
{
	char buf[EP_ADDRSTR];

	return ep_strdup(w->arena, ep_addrport_str(a, port, buf));
}

/* nf_nat_setup_netmap(): the network part is replaced, the host part stays. */
static ep_u128 netmap(ep_u128 orig, const struct ep_nat_range *r)
{
	ep_u128 host = ep_addr_num(&r->min) ^ ep_addr_num(&r->max);

	return (orig & host) | (ep_addr_num(&r->min) & ~host);
}

static struct ep_addr pick_addr(struct ep_walk *w, const struct ep_nat_range *r,
				const struct ep_addr *orig)
{
	ep_u128 lo = ep_addr_num(&r->min), hi = ep_addr_num(&r->max);
	unsigned n;

	if (!(r->flags & NF_NAT_RANGE_MAP_IPS))
		return *orig;
	if (r->netmap)
		return ep_addr_from_num(netmap(ep_addr_num(orig), r), orig->len);
	if (hi <= lo)
		return r->min;
	n = hi - lo >= 1000 ? 1000 : (unsigned)(hi - lo) + 1;
	return ep_addr_from_num(lo + ep_w_pick(w, n, "address range of dnat"), orig->len);
}

/* Linux 6.8 tries the range from its first port on again; from 4.18 on it began anywhere. */
static bool range_from_first(const struct ep_walk *w)
{
	unsigned major = 0, minor = 0;

	return sscanf(w->s->kernel, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 8));
}

static uint16_t pick_port(struct ep_walk *w, const struct ep_nat_range *range, uint16_t orig)
{
	struct ep_nat_range swapped = *range, *r = &swapped;
	unsigned n;

	if (!(r->flags & NF_NAT_RANGE_PROTO_SPECIFIED))
		return orig;
	if (r->pmax < r->pmin) {
		r->pmin = range->pmax;
		r->pmax = range->pmin;
	}
	n = (unsigned)(r->pmax - r->pmin) + 1;
	if (r->flags & NF_NAT_RANGE_PROTO_OFFSET)
		return (uint16_t)(r->pmin + (uint16_t)(orig - r->pbase) % n);
	if (!(r->flags & NF_NAT_RANGE_PROTO_RANDOM_ALL)) {
		if (orig >= r->pmin && orig <= r->pmax)
			return orig;
		if (range_from_first(w))
			return r->pmin;
	}
	return (uint16_t)(r->pmin + ep_w_pick(w, n, "port range of dnat"));
}

static bool target_gone(const struct ep_walk *w, const struct ep_addr *a)
{
	if (!w->without)
		return false;
	ep_each(g, &w->without->dnat_to)
		if (ep_addr_eq(g, a))
			return true;
	return false;
}

/* nf_nat_setup_info(): a packet that came back through the loopback device was confirmed on its way
 * out, and is not translated any more, though its translation may be undecided. */
static bool is_confirmed(const struct ep_walk *w)
{
	return w->p.in && w->p.in->flags & IFF_LOOPBACK;
}

enum ep_ret ep_nat_dst(struct ep_walk *w, const struct ep_nat_range *r, const char **to)
{
	struct ep_addr addr;
	uint16_t port;

	if (w->p.dnat_done || is_confirmed(w))
		return EP_RET_ACCEPT;
	addr = pick_addr(w, r, &w->p.daddr);
	if (addr.len != w->p.alen) {
		ep_w_end(w, EP_UNKNOWN, "dnat to an address of another family");
		return EP_RET_ENDED;
	}
	if (target_gone(w, &addr))
		return EP_RET_NONE;
	port = pick_port(w, r, w->p.dport);
	w->p.dst_nat = !ep_addr_eq(&addr, &w->p.daddr) || port != w->p.dport;
	w->p.dnat_done = true;
	w->p.daddr = addr;
	w->p.dport = port;
	*to = addrport(w, &addr, port);
	return w->ended ? EP_RET_ENDED : EP_RET_ACCEPT;
}

static struct ep_val source_in(struct ep_walk *w, ep_u128 lo, ep_u128 hi, unsigned bits,
			       const char *what)
{
	if (lo >= hi)
		return (struct ep_val){.var = -1, .c = lo};
	return (struct ep_val){
		.var = ep_w_var(w, EP_VAR_UNKNOWN, bits, ep_iv_range(w->arena, lo, hi), what)};
}

static void src_port(struct ep_walk *w, const struct ep_nat_range *r)
{
	bool random = r->flags & (NF_NAT_RANGE_PROTO_RANDOM | NF_NAT_RANGE_PROTO_RANDOM_FULLY);

	if (r->flags & NF_NAT_RANGE_PROTO_SPECIFIED) {
		if (!random && ep_w_val_range(w, &w->p.sport, r->pmin, r->pmax))
			return;
		w->p.sport = source_in(w, r->pmin, r->pmax, 16, "translated source port");
	} else if (random) {
		w->p.sport = source_in(w, 1, 65535, 16, "translated source port");
	}
}

enum ep_ret ep_nat_src(struct ep_walk *w, const struct ep_nat_range *r, const char **to)
{
	ep_u128 lo = ep_addr_num(&r->min), hi = ep_addr_num(&r->max);
	struct ep_val saddr = w->p.saddr, sport = w->p.sport;
	char buf[EP_ADDRSTR];

	if (w->p.snat_done || is_confirmed(w))
		return EP_RET_ACCEPT;
	w->p.snat_done = true;
	if (r->flags & NF_NAT_RANGE_MAP_IPS) {
		if (r->min.len != w->p.alen) {
			ep_w_end(w, EP_UNKNOWN, "snat to an address of another family");
			return EP_RET_ENDED;
		}
		if (r->netmap && w->p.saddr.var >= 0)
			w->p.saddr = source_in(w, lo, hi, w->p.alen * 8u, "translated source");
		else if (r->netmap)
			w->p.saddr.c = netmap(w->p.saddr.c, r);
		else if (hi <= lo ||
			 !ep_w_val_range(w, &w->p.saddr, lo, hi)) /* in range: stays as it is */
			w->p.saddr = source_in(w, lo, hi, w->p.alen * 8u, "translated source");
		*to = ep_strdup(w->arena, ep_addr_str(&r->min, buf));
	}
	src_port(w, r);
	/* IPS_SRC_NAT is set if something really became another. */
	w->p.src_nat = saddr.var != w->p.saddr.var || saddr.c != w->p.saddr.c ||
		       sport.var != w->p.sport.var || sport.c != w->p.sport.c;
	return w->ended ? EP_RET_ENDED : EP_RET_ACCEPT;
}

/* Like net/netfilter/nf_nat_redirect.c: the arriving device's first address, or loopback's. */
enum ep_ret ep_nat_redirect(struct ep_walk *w, const struct ep_nat_range *r, const char **to)
{
	static const uint8_t lo4[4] = {127, 0, 0, 1};
	struct ep_nat_range d = *r;

	d.flags |= NF_NAT_RANGE_MAP_IPS;
	d.netmap = false;
	d.min = (struct ep_addr){};
	if (w->hooknum == NF_INET_LOCAL_OUT) {
		d.min = w->p.alen == 4 ? ep_addr_of(lo4, 4) : ep_addr_of(&in6addr_loopback, 16);
	} else if (w->p.in) {
		ep_each(i, &w->ns->addrs)
			if (i->ifindex == w->p.in->ifindex && i->addr.len == w->p.alen &&
			    !(i->flags & IFA_F_TENTATIVE && !(i->flags & IFA_F_OPTIMISTIC))) {
				d.min = i->addr;
				break;
			}
	}
	if (!d.min.len)
		return EP_RET_DROP;
	d.max = d.min;
	return ep_nat_dst(w, &d, to);
}

/* inet_select_addr(): the device's address in the next hop's network, or its first; else another's. */
static const struct ep_ifaddr *select4(const struct ep_walk *w)
{
	const struct ep_addr *near = w->p.gw.len ? &w->p.gw : &w->p.daddr;
	const struct ep_ifaddr *first = NULL, *other = NULL;

	ep_each(i, &w->ns->addrs) {
		bool here = w->p.out && i->ifindex == w->p.out->ifindex;

		if (i->addr.len != 4 || i->scope != RT_SCOPE_UNIVERSE || i->flags & IFA_F_SECONDARY)
			continue;
		if (here && ep_addr_in(near, &i->addr, i->plen))
			return i;
		if (here && !first)
			first = i;
		if (!other)
			other = i;
	}
	return first ? first : other;
}

/* ipv6_dev_get_saddr() in its main points: the destination itself, the device's, another's. */
static const struct ep_ifaddr *select6(const struct ep_walk *w)
{
	const struct ep_ifaddr *best = ep_ifaddr_find(w->ns, &w->p.daddr);
	unsigned best_score = 0;

	if (best)
		return best;
	ep_each(i, &w->ns->addrs) {
		unsigned score = 1;

		if (i->addr.len != 16 || i->flags & (IFA_F_TENTATIVE | IFA_F_DEPRECATED) ||
		    i->scope == RT_SCOPE_HOST)
			continue;
		score += i->scope == RT_SCOPE_UNIVERSE ? 4 : 0;
		score += w->p.out && i->ifindex == w->p.out->ifindex ? 2 : 0;
		score += ep_addr_in(&w->p.daddr, &i->addr, i->plen);
		if (score > best_score) {
			best = i;
			best_score = score;
		}
	}
	return best;
}

enum ep_ret ep_nat_masquerade(struct ep_walk *w, const struct ep_nat_range *r, const char **to)
{
	const struct ep_ifaddr *i;
	struct ep_nat_range s = *r;

	if (w->p.snat_done)
		return EP_RET_ACCEPT;
	i = w->p.alen == 4 ? select4(w) : select6(w);
	if (!i)
		return EP_RET_DROP;
	s.flags |= NF_NAT_RANGE_MAP_IPS;
	s.netmap = false;
	s.min = s.max = i->addr;
	return ep_nat_src(w, &s, to);
}

void ep_w_reject(struct ep_walk *w, const char *how)
{
	ep_w_end(w, EP_REJECTED, "answered with %s", how);
}
