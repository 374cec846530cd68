// SPDX-License-Identifier: GPL-2.0-or-later
/* Matches whose state the kernel keeps to itself, or tells elsewhere: net/netfilter/xt_limit.c,
 * xt_quota.c, xt_cpu.c, xt_rateest.c, xt_nfacct.c, and xt_cluster.c, which hashes the source. */
#include <netinet/in.h>
#include <string.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_acct.h>
#include <linux/netfilter/xt_cluster.h>
#include <linux/netfilter/xt_cpu.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_nfacct.h>
#include <linux/netfilter/xt_quota.h>

#include "walk/bytes.h"
#include "walk/jhash.h"
#include "walk/xt.h"

const char *ep_xt_whose(const struct ep_xt_and *a, const struct ep_xt_in *in)
{
	struct ep_buf b = {};
	const char *ret;

	ep_xt_ext_text(&b, in->ext, false, in->v6 ? AF_INET6 : AF_INET, a->w->ns);
	ret = ep_w_sprintf(a->w, "%s of %s %s rule %u%s", ep_buf_str(&b), in->env->table,
			   in->env->chain, in->env->position, ep_w_elsewhere(a->w));
	ep_buf_free(&b);
	return ret;
}

static bool need_under(struct ep_xt_and *a, const struct ep_xt_in *in, bool want)
{
	const char *whose = ep_xt_whose(a, in);

	return ep_xt_need_state(a, want, ep_w_sprintf(a->w, "%s not exceeded", whose),
				ep_w_sprintf(a->w, "%s exceeded", whose));
}

bool ep_xt_limit(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	return need_under(a, in, true);
}

/* What the rule shows is what there was at first; what is left of it, the kernel does not tell. */
bool ep_xt_quota(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_quota_info *i = in->info;
	bool invert = i->flags & XT_QUOTA_INVERT;
	const char *whose;

	if (i->quota < ep_pkt_net_len(a->w) + 20u) /* less than any packet has */
		return invert;
	whose = ep_xt_whose(a, in);
	return ep_xt_need_state(a, !invert, ep_w_sprintf(a->w, "%s not used up", whose),
				ep_w_sprintf(a->w, "%s used up", whose));
}

bool ep_xt_cpu(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_cpu_info *i = in->info;
	uint32_t cpus = a->w->s->cpus;

	if (cpus && i->cpu >= cpus)
		return i->invert;
	if (cpus == 1)
		return !i->invert;
	return ep_xt_need_state(a, i->invert,
				ep_w_sprintf(a->w, "handled by a CPU other than %u", i->cpu),
				ep_w_sprintf(a->w, "handled by CPU %u", i->cpu));
}

bool ep_xt_rateest(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const char *whose = ep_xt_whose(a, in);

	return ep_xt_need_state(a, false,
				ep_w_sprintf(a->w, "the measured rate does not meet %s", whose),
				ep_w_sprintf(a->w, "the measured rate meets %s", whose));
}

/* nfnl_acct_overquota(), after the packet has been counted. Without a quota it always matches. */
bool ep_xt_nfacct(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_nfacct_match_info *i = in->info;
	struct ep_walk *w = a->w;
	const char *name = ep_w_sprintf(w, "%.*s", (int)strnlen(i->name, sizeof(i->name)), i->name);
	const struct ep_acct *acct = ep_acct_need(w->s, w->ns, name);
	uint64_t left;
	unsigned n;

	if (!acct)
		return ep_xt_need_state(
			a, false, ep_w_sprintf(w, "accounting object %s is within its quota", name),
			ep_w_sprintf(w, "accounting object %s is over its quota", name));
	if (!(acct->flags & (NFACCT_F_QUOTA_PKTS | NFACCT_F_QUOTA_BYTES)))
		return true;
	if (!ep_xt_settle(a))
		return false;
	n = ep_w_use(w, acct);
	if (acct->flags & NFACCT_F_QUOTA_PKTS) {
		ep_w_now(w, "accounting object %s: %llu of %llu packets", name,
			 (unsigned long long)acct->packets, (unsigned long long)acct->quota);
		return acct->packets + n > acct->quota;
	}
	ep_w_now(w, "accounting object %s: %llu of %llu bytes", name,
		 (unsigned long long)acct->bytes, (unsigned long long)acct->quota);
	left = acct->bytes < acct->quota ? (acct->quota - acct->bytes) / n : 0;
	return !ep_pkt_fits(w, left);
}

/* xt_cluster_hash(): of the connection's original source, of which it takes 32 bits for IPv6 as well.
 * An open one is as good as any. */
bool ep_xt_cluster(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_cluster_match_info *i = in->info;
	const struct ep_pkt *p = &a->w->p;
	bool invert = i->flags & XT_CLUSTER_F_INV;
	unsigned mine = 0;
	struct ep_addr src;
	uint64_t hash;

	if (p->ct != EP_CT_NEW || !i->total_nodes || i->total_nodes > 32)
		return false;
	for (unsigned node = 0; node < i->total_nodes; node++)
		mine += i->node_mask >> node & 1;
	if (p->o_saddr.var >= 0) {
		double share = (double)mine / i->total_nodes;

		return ep_xt_need_chance(a, invert ? 1 - share : share, "cluster");
	}
	src = ep_addr_from_num(p->o_saddr.c, p->alen);
	hash = (uint64_t)ep_jhash(src.b, 4, i->hash_seed) * i->total_nodes >> 32;
	return (i->node_mask >> hash & 1) != invert;
}
