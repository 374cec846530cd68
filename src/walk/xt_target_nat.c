// SPDX-License-Identifier: GPL-2.0-or-later
/* NAT targets: net/netfilter/xt_nat.c, xt_REDIRECT.c, xt_MASQUERADE.c, xt_NETMAP.c. The ranges are
 * nf_nat_ipv4_multi_range_compat in IPv4's revision 0, nf_nat_range else, nf_nat_range2 in revision 2. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>

#include "walk/xt.h"

static struct ep_nat_range from_v4(const struct nf_nat_ipv4_range *r)
{
	return (struct ep_nat_range){
		.flags = r->flags,
		.min = ep_addr_of(&r->min_ip, 4),
		.max = ep_addr_of(&r->max_ip, 4),
		.pmin = ntohs(r->min.all),
		.pmax = ntohs(r->max.all),
	};
}

static struct ep_nat_range from_range(const struct nf_nat_range2 *r, uint8_t rev, uint8_t alen)
{
	return (struct ep_nat_range){
		.flags = r->flags,
		.min = ep_addr_of(&r->min_addr, alen),
		.max = ep_addr_of(&r->max_addr, alen),
		.pmin = ntohs(r->min_proto.all),
		.pmax = ntohs(r->max_proto.all),
		.pbase = rev >= 2 ? ntohs(r->base_proto.all) : 0,
	};
}

static struct ep_nat_range range_of(const struct ep_walk *w, const struct ep_xt_in *in)
{
	const struct nf_nat_ipv4_multi_range_compat *v4 = in->info;

	if (in->rev == 0 && !in->v6)
		return from_v4(&v4->range[0]);
	return from_range(in->info, in->rev, w->p.alen);
}

/* A translation that was left out on request has no effect: the rule goes on. */
static enum ep_xt_ret as_xt(enum ep_ret r)
{
	static const enum ep_xt_ret map[] = {
		[EP_RET_ACCEPT] = EP_X_ACCEPT,
		[EP_RET_DROP] = EP_X_DROP,
		[EP_RET_ENDED] = EP_X_ENDED,
		[EP_RET_NONE] = EP_X_CONTINUE,
	};

	return map[r];
}

/* The kernel's targets return the verdict of nf_nat_setup_info(), which needs a conntrack entry. */
static enum ep_xt_ret translate(struct ep_walk *w, struct ep_xt_env *env,
				enum ep_ret (*fn)(struct ep_walk *, const struct ep_nat_range *,
						  const char **),
				const struct ep_nat_range *range)
{
	enum ep_ret r;

	if (w->p.ct != EP_CT_NEW)
		return EP_X_ACCEPT;
	r = fn(w, range, &env->to);
	if (r == EP_RET_NONE)
		env->action = NULL;
	return as_xt(r);
}

enum ep_xt_ret ep_xt_dnat(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	struct ep_nat_range r = range_of(w, in);

	return translate(w, env, ep_nat_dst, &r);
}

enum ep_xt_ret ep_xt_snat(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	struct ep_nat_range r = range_of(w, in);

	return translate(w, env, ep_nat_src, &r);
}

enum ep_xt_ret ep_xt_redirect(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	struct ep_nat_range r = range_of(w, in);

	return translate(w, env, ep_nat_redirect, &r);
}

enum ep_xt_ret ep_xt_masquerade(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	struct ep_nat_range r = range_of(w, in);

	return translate(w, env, ep_nat_masquerade, &r);
}

/* min and max differ in the host part: what they share replaces the network of the address. */
enum ep_xt_ret ep_xt_netmap(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	struct ep_nat_range r = range_of(w, in);
	bool dst = w->hooknum == NF_INET_PRE_ROUTING || w->hooknum == NF_INET_LOCAL_OUT;

	r.flags |= NF_NAT_RANGE_MAP_IPS;
	r.netmap = true;
	return translate(w, env, dst ? ep_nat_dst : ep_nat_src, &r);
}
