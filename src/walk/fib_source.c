// SPDX-License-Identifier: GPL-2.0-or-later
/* Which sources the kernel accepts: ip_route_input_slow(), fib_validate_source(), ip6_rcv_core(). */
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "walk/fib.h"

static bool martian(struct ep_walk *w, const char **why, const char *text)
{
	w->martian = true;
	*why = text;
	return false;
}

static bool in_loopback4(const struct ep_addr *a)
{
	return a->b[0] == 127;
}

/* IN_DEV_MAXCONF() and IN_DEV_ORCONF() of a device's and the namespace's sysctl. */
static int larger(int x, int y)
{
	return x > y ? x : y;
}

/* ---- before routing ---- */

static bool martian_free4(struct ep_walk *w, const char **why)
{
	const struct ep_link *in = w->p.in;
	bool localnet = larger(in->route_localnet, w->ns->route_localnet_all) > 0;
	struct ep_val *src = &w->p.saddr;

	if (ep_w_val_range(w, src, 0xe0000000u, 0xefffffffu))
		return martian(w, why, "martian source: multicast");
	if (ep_w_val_range(w, src, 0xffffffffu, 0xffffffffu))
		return martian(w, why, "martian source: broadcast");
	if (ep_w_val_range(w, src, 0, 0))
		return martian(w, why, "martian source: 0.0.0.0");
	if (ep_addr_is_any(&w->p.daddr)) {
		*why = "martian destination: 0.0.0.0";
		return false;
	}
	if (localnet)
		return true;
	if (in_loopback4(&w->p.daddr)) {
		*why = ep_w_sprintf(w, "martian destination 127.0.0.0/8: route_localnet is 0 on %s",
				    in->name);
		return false;
	}
	if (ep_w_val_range(w, src, 0x7f000000u, 0x7fffffffu))
		return martian(w, why, "martian source: 127.0.0.0/8");
	return true;
}

/* Refused before any rule sees the packet, but the walk asks after PREROUTING: nothing changes a
 * source until then. */
static bool martian_free6(struct ep_walk *w, const char **why)
{
	ep_u128 mapped = (ep_u128)0xffff << 32;
	struct ep_val *src = &w->p.saddr;

	if (ep_w_val_range(w, src, (ep_u128)0xff << 120, ~(ep_u128)0))
		return martian(w, why, "martian source: multicast");
	if (ep_w_val_range(w, src, 1, 1))
		return martian(w, why, "martian source: ::1");
	if (ep_w_val_range(w, src, 0, 0))
		return martian(w, why, "martian source: ::");
	if (ep_w_val_range(w, src, mapped, mapped + UINT32_MAX))
		return martian(w, why, "martian source: an IPv4-mapped address");
	return true;
}

/* Sources that are refused whatever else happens, as one set. */
static struct ep_ivset hopeless(struct ep_walk *w)
{
	static const struct ep_iv always4[] = {{0, 0}, {0xe0000000u, 0xefffffffu}, {~0u, ~0u}};
	ep_u128 mapped = (ep_u128)0xffff << 32;
	const struct ep_iv always6[] = {
		{0, 1}, {mapped, mapped + UINT32_MAX}, {(ep_u128)0xff << 120, ~(ep_u128)0}};
	const struct ep_link *in = w->p.in;
	struct ep_ivset set;

	if (w->p.alen == 16)
		return ep_iv_of(w->arena, always6, EP_ARRAY_SIZE(always6));
	set = ep_iv_of(w->arena, always4, EP_ARRAY_SIZE(always4));
	if (larger(in->route_localnet, w->ns->route_localnet_all) == 0)
		set = ep_iv_or(w->arena, set, ep_iv_range(w->arena, 0x7f000000u, 0x7fffffffu));
	if (larger(in->accept_local, w->ns->accept_local_all) == 0)
		set = ep_iv_or(w->arena, set, ep_fib_type_set(w, w->ns, 4, RTN_LOCAL, 0, NULL));
	return set;
}

bool ep_fib_hopeless_source(struct ep_walk *w)
{
	if (w->p.saddr.var != EP_VAR_SADDR || w->p.in->flags & IFF_LOOPBACK ||
	    !ep_w_in(w, EP_VAR_SADDR, hopeless(w)))
		return false;
	w->martian = true;
	return true;
}

bool ep_fib_martian_free(struct ep_walk *w, const char **why)
{
	return w->p.alen == 4 ? martian_free4(w, why) : martian_free6(w, why);
}

/* ---- after routing: fib_validate_source() ---- */

enum fate { FATE_OK, FATE_INVALID, FATE_NOT_BACK }; /* -EINVAL, -EXDEV */

struct check {
	struct ep_walk *w;
	int rp_filter;
	bool accept_local;
	bool no_addr; /* the device has no address */
	enum fate want;
};

/* fib_info_nh_uses_dev() */
static bool uses_dev(const struct ep_walk *w, const struct ep_route *r)
{
	const struct ep_link *in = w->p.in;

	ep_each(h, &r->hops) {
		const struct ep_link *l = ep_link_by_index(w->ns, h->ifindex);

		if (h->ifindex == in->ifindex ||
		    (l && !strcmp(in->kind, "vrf") && l->master == in->ifindex))
			return true;
	}
	return false;
}

/* __fib_validate_source(), of what the lookup of the way back found. */
static enum fate fate_of(const struct check *c, const struct ep_route *r, uint8_t type)
{
	bool none = type == RTN_BLACKHOLE || type == RTN_UNREACHABLE || type == RTN_PROHIBIT;
	enum fate last = c->rp_filter ? FATE_NOT_BACK : FATE_OK;

	if (none || !r)
		return last;
	if (type != RTN_UNICAST && !(type == RTN_LOCAL && c->accept_local))
		return FATE_INVALID;
	if (uses_dev(c->w, r))
		return FATE_OK;
	if (c->no_addr)
		return last;
	return c->rp_filter == 1 ? FATE_NOT_BACK : FATE_OK;
}

static bool has_fate(const struct ep_route *r, uint8_t type, void *ctx)
{
	const struct check *c = ctx;

	return fate_of(c, r, type) == c->want;
}

static struct ep_flow way_back(const struct ep_walk *w, uint32_t oif)
{
	const struct ep_link *in = w->p.in, *lo = ep_link_by_name(w->ns, "lo");
	const struct ep_link *vrf = ep_fib_vrf(w->ns, in->ifindex);
	struct ep_flow f = {
		.dst = {.len = 4},
		.src = {.var = -1, .c = ep_addr_num(&w->p.daddr)},
		.sport = {.var = -1, .c = w->p.dport},
		.dport = w->p.sport,
		.open_tos = true,
		.no_pick = true,
		.iif = oif ? oif :
		       lo  ? lo->ifindex :
			     1,
		.l3mdev = vrf ? vrf->ifindex : 0,
	};

	if (larger(in->src_valid_mark, w->ns->src_valid_mark_all) > 0)
		f.mark = w->p.mark;
	return f;
}

static enum fate full_check(struct ep_walk *w, struct check *c, uint32_t oif)
{
	struct ep_flow f = way_back(w, oif);
	struct ep_ivset dom;
	struct ep_fib fib;

	if (w->p.saddr.var < 0) {
		f.dst = ep_addr_from_num(w->p.saddr.c, 4);
		ep_fib_lookup(w, w->ns, &f, &fib);
		return fate_of(c, fib.route, fib.type);
	}
	for (c->want = FATE_INVALID; c->want <= FATE_NOT_BACK; c->want++) {
		dom = w->vars.v[w->p.saddr.var].dom;
		if (ep_w_in(w, w->p.saddr.var, ep_fib_dst_set(w, w->ns, &f, dom, has_fate, c)))
			return c->want;
	}
	return FATE_OK;
}

/* fib_has_custom_local_routes: somebody made a local route by hand. */
static bool custom_local_routes(const struct ep_netns *ns)
{
	ep_each(r, &ns->routes)
		if (r->family == AF_INET && r->type == RTN_LOCAL && r->protocol != RTPROT_KERNEL &&
		    r->protocol)
			return true;
	return false;
}

/* inet_lookup_ifaddr_rcu() */
static bool own_address(struct ep_walk *w)
{
	EP_VEC(struct ep_iv) own = {};

	ep_each(i, &w->ns->addrs)
		if (i->addr.len == 4)
			*ep_push(w->arena, &own) =
				(struct ep_iv){ep_addr_num(&i->addr), ep_addr_num(&i->addr)};
	return ep_w_val_in(w, &w->p.saddr, ep_iv_of(w->arena, own.v, own.n));
}

static bool has_addr4(const struct ep_netns *ns, const struct ep_link *l)
{
	ep_each(i, &ns->addrs)
		if (i->ifindex == l->ifindex && i->addr.len == 4)
			return true;
	return false;
}

static bool source_ok4(struct ep_walk *w, uint32_t oif, const char **why)
{
	const struct ep_link *in = w->p.in;
	struct check c = {
		.w = w,
		.rp_filter = larger(larger(in->rp_filter, w->ns->rp_filter_all), 0),
		.accept_local = larger(in->accept_local, w->ns->accept_local_all) > 0,
		.no_addr = !has_addr4(w->ns, in),
	};
	/* Back out by the device it came in: the check is made for the sake of redirects. */
	bool hairpin = oif == in->ifindex && larger(in->send_redirects, w->ns->send_redirects_all);

	if (!c.rp_filter && !hairpin) {
		if (c.accept_local)
			return true;
		if (!custom_local_routes(w->ns) && !ep_fib_custom_rules(w->ns, AF_INET))
			return own_address(w) ?
				       martian(w, why, "martian source: this host's own address") :
				       true;
	}
	switch (full_check(w, &c, oif)) {
	case FATE_INVALID:
		return martian(w, why,
			       "martian source: this host's own address, or a broadcast address");
	case FATE_NOT_BACK:
		*why = ep_w_sprintf(w, "rp_filter on %s: the way back does not lead there",
				    in->name);
		return false;
	default:
		return true;
	}
}

/* ip6_forward(): the rest of what may not be a source; local delivery asks no more. */
static bool source_ok6(struct ep_walk *w, uint32_t oif, const char **why)
{
	ep_u128 link_local = (ep_u128)0xfe80 << 112;

	if (oif &&
	    ep_w_val_range(w, &w->p.saddr, link_local, link_local | (((ep_u128)1 << 118) - 1)))
		return martian(w, why, "a link-local source is not forwarded");
	return true;
}

bool ep_fib_source_ok(struct ep_walk *w, uint32_t oif, const char **why)
{
	return w->p.alen == 4 ? source_ok4(w, oif, why) : source_ok6(w, oif, why);
}
