// SPDX-License-Identifier: GPL-2.0-or-later
/* The xt targets there are, and what each does to the packet: net/netfilter/xt_*.c. */
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_CLASSIFY.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_DSCP.h>
#include <linux/netfilter/xt_HMARK.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_TCPOPTSTRIP.h>
#include <linux/netfilter/xt_TPROXY.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter_ipv4/ipt_ECN.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv4/ipt_TTL.h>
#include <linux/netfilter_ipv6/ip6t_REJECT.h>

#include "walk/xt.h"

/* ---- marks ---- */

static enum ep_xt_ret mark(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	const struct xt_mark_tginfo2 *i = in->info;

	w->p.mark = (w->p.mark & ~i->mask) ^ i->mark;
	env->to = ep_w_sprintf(w, "0x%x", w->p.mark);
	return EP_X_CONTINUE;
}

static uint32_t shifted(const struct xt_connmark_tginfo2 *i, uint8_t rev, uint32_t v)
{
	if (rev < 2 || !i->shift_bits)
		return v;
	if (i->shift_bits > 31)
		return 0;
	return i->shift_dir == D_SHIFT_RIGHT ? v >> i->shift_bits : v << i->shift_bits;
}

/* connmark_tg_shift() */
static enum ep_xt_ret connmark(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	const struct xt_connmark_tginfo1 *v1 = in->info;
	const struct xt_connmark_tginfo2 *i = in->info;
	unsigned mode = in->rev < 2 ? v1->mode : i->mode;
	struct ep_pkt *p = &w->p;

	if (p->ct != EP_CT_NEW)
		return EP_X_CONTINUE;
	if (mode == XT_CONNMARK_SET)
		p->ctmark = shifted(i, in->rev, (p->ctmark & ~i->ctmask) ^ i->ctmark);
	else if (mode == XT_CONNMARK_SAVE)
		p->ctmark = (p->ctmark & ~i->ctmask) ^ shifted(i, in->rev, p->mark & i->nfmask);
	else if (mode == XT_CONNMARK_RESTORE)
		p->mark = (p->mark & ~i->nfmask) ^ shifted(i, in->rev, p->ctmark & i->ctmask);
	env->to = ep_w_sprintf(w, "0x%x", mode == XT_CONNMARK_RESTORE ? p->mark : p->ctmark);
	return EP_X_CONTINUE;
}

/* A hash of addresses and ports: one of hmodulus values. */
static enum ep_xt_ret hmark(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	const struct xt_hmark_info *i = in->info;

	(void)env;
	w->p.mark = ep_w_pick(w, i->hmodulus, "HMARK") + i->hoffset;
	return w->ended ? EP_X_ENDED : EP_X_CONTINUE;
}

static enum ep_xt_ret classify(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	(void)env;
	w->p.priority = ((const struct xt_classify_target_info *)in->info)->priority;
	return EP_X_CONTINUE;
}

/* ---- conntrack ---- */

/* skb->_nfct is set already, by conntrack or by another CT rule's template. */
static const char *template_name(struct ep_walk *w)
{
	return ep_w_sprintf(w, "conntrack template at hop %u", w->hops);
}

static enum ep_xt_ret notrack(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	bool late = w->p.ct != EP_CT_NONE || ep_xt_is_rewritten(w, template_name(w));

	(void)in;
	env->action = late ? NULL : "notrack";
	if (!late)
		w->p.ct = EP_CT_UNTRACKED;
	return EP_X_CONTINUE;
}

static enum ep_xt_ret ct(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	const struct xt_ct_target_info *i = in->info;

	if (i->flags & XT_CT_NOTRACK)
		return notrack(w, env, in);
	if (w->p.ct != EP_CT_NONE || ep_xt_is_rewritten(w, template_name(w)))
		return EP_X_CONTINUE;
	ep_xt_rewritten(w, template_name(w));
	w->p.ct_zone = i->flags & XT_CT_ZONE_MARK ? w->p.mark : i->zone;
	return EP_X_CONTINUE;
}

/* ---- header fields and sets that later matches may ask for ---- */

static void set_changes(struct ep_walk *w, uint16_t index)
{
	if (index != IPSET_INVALID_ID)
		ep_xt_rewritten(w, ep_w_sprintf(w, "ipset %u", index));
}

static enum ep_xt_ret set(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	const struct xt_set_info_target_v0 *v0 = in->info;
	const struct xt_set_info_target_v3 *i = in->info;

	(void)env;
	set_changes(w, in->rev ? i->add_set.index : v0->add_set.index);
	set_changes(w, in->rev ? i->del_set.index : v0->del_set.index);
	if (in->rev >= 3 && i->map_set.index != IPSET_INVALID_ID &&
	    i->flags & IPSET_FLAG_MAP_SKBMARK) {
		ep_w_end(w, EP_UNKNOWN, "the packet's mark comes from an ipset (SET --map-set)");
		return EP_X_ENDED;
	}
	return EP_X_CONTINUE;
}

/* ---- ends ---- */

static enum ep_xt_ret reject4(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	static const char *const how[] = {
		[IPT_ICMP_NET_UNREACHABLE] = "icmp net-unreachable",
		[IPT_ICMP_HOST_UNREACHABLE] = "icmp host-unreachable",
		[IPT_ICMP_PROT_UNREACHABLE] = "icmp prot-unreachable",
		[IPT_ICMP_PORT_UNREACHABLE] = "icmp port-unreachable",
		[IPT_ICMP_NET_PROHIBITED] = "icmp net-prohibited",
		[IPT_ICMP_HOST_PROHIBITED] = "icmp host-prohibited",
		[IPT_TCP_RESET] = "tcp reset",
		[IPT_ICMP_ADMIN_PROHIBITED] = "icmp admin-prohibited",
	};
	uint32_t with = *(const uint32_t *)in->info;

	if (with >= EP_ARRAY_SIZE(how) || !how[with])
		return EP_X_DROP; /* nothing is sent */
	env->to = how[with];
	ep_w_reject(w, how[with]);
	return EP_X_ENDED;
}

static enum ep_xt_ret reject6(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	static const char *const how[] = {
		[IP6T_ICMP6_NO_ROUTE] = "icmpv6 no-route",
		[IP6T_ICMP6_ADM_PROHIBITED] = "icmpv6 admin-prohibited",
		[IP6T_ICMP6_NOT_NEIGHBOUR] = "icmpv6 not-neighbour",
		[IP6T_ICMP6_ADDR_UNREACH] = "icmpv6 addr-unreachable",
		[IP6T_ICMP6_PORT_UNREACH] = "icmpv6 port-unreachable",
		[IP6T_TCP_RESET] = "tcp reset",
		[IP6T_ICMP6_POLICY_FAIL] = "icmpv6 policy-fail",
		[IP6T_ICMP6_REJECT_ROUTE] = "icmpv6 reject-route",
	};
	const struct ip6t_reject_info *i = in->info;

	if (i->with >= EP_ARRAY_SIZE(how) || !how[i->with])
		return EP_X_DROP;
	env->to = how[i->with];
	ep_w_reject(w, how[i->with]);
	return EP_X_ENDED;
}

/* xt_TPROXY.c: diverts to a transparent listener; without one the packet is dropped. */
static enum ep_xt_ret tproxy(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	const struct xt_tproxy_target_info *v0 = in->info;
	const struct xt_tproxy_target_info_v1 *v1 = in->info;
	uint16_t port = ntohs(in->rev ? v1->lport : v0->lport);
	struct ep_addr addr = in->rev ? ep_addr_of(&v1->laddr, w->p.alen) :
					ep_addr_of(&v0->laddr, 4);
	const struct ep_listener *l;
	char buf[EP_ADDRSTR];

	if (ep_netns_need(w->s, w->ns, EP_NEED_LINKS)) {
		ep_w_end(w, EP_UNKNOWN, "addresses could not be read, which TPROXY needs");
		return EP_X_ENDED;
	}
	l = ep_tproxy_lookup(w, &addr, port);
	if (!port)
		port = w->p.dport;
	env->to = ep_addr_is_any(&addr) ? ep_w_sprintf(w, "port %u", port) :
					  ep_w_sprintf(w, "%s", ep_addrport_str(&addr, port, buf));
	if (!l && w->s->listeners_partial) {
		ep_w_end(w, EP_UNKNOWN, "TPROXY to %s: not all sockets could be read", env->to);
		return EP_X_ENDED;
	}
	if (!l)
		return EP_X_DROP;
	w->p.tproxy = l;
	w->p.mark = (w->p.mark & ~v1->mark_mask) ^ v1->mark_value;
	return EP_X_ACCEPT;
}

static enum ep_xt_ret clusterip(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	(void)env;
	(void)in;
	ep_w_end(w, EP_UNKNOWN, "CLUSTERIP: another node may be responsible");
	return EP_X_ENDED;
}

static enum ep_xt_ret npt(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	(void)env;
	(void)in;
	ep_w_end(w, EP_UNKNOWN, "IPv6 prefix translation is not followed");
	return EP_X_ENDED;
}

/* Head of a user chain in the kernel's blob; no packet gets there. */
static enum ep_xt_ret error(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	(void)w;
	(void)env;
	(void)in;
	return EP_X_DROP;
}

static enum ep_xt_ret standard(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	int verdict = *(const int *)in->info;

	if (verdict == XT_RETURN) {
		env->action = "return";
		return EP_X_RETURN;
	}
	if (verdict == -NF_ACCEPT - 1 || verdict == -NF_DROP - 1) {
		env->action = verdict == -NF_DROP - 1 ? "drop" : "accept";
		return verdict == -NF_DROP - 1 ? EP_X_DROP : EP_X_ACCEPT;
	}
	ep_w_end(w, EP_UNKNOWN, "standard verdict %d is not understood", verdict);
	return EP_X_ENDED;
}

/* ---- the table ---- */

#define SIZE(T)  sizeof(struct T)
#define V4_RANGE SIZE(nf_nat_ipv4_multi_range_compat)
#define RANGE    SIZE(nf_nat_range)
#define RANGE2   SIZE(nf_nat_range2)

static const struct ep_xt_target_row target_rows[] = {
	{"DNAT", 0, 0, V4_RANGE, AF_INET, ep_xt_dnat},
	{"DNAT", 1, 1, RANGE, 0, ep_xt_dnat},
	{"DNAT", 2, 2, RANGE2, 0, ep_xt_dnat},
	{"SNAT", 0, 0, V4_RANGE, AF_INET, ep_xt_snat},
	{"SNAT", 1, 1, RANGE, 0, ep_xt_snat},
	{"SNAT", 2, 2, RANGE2, 0, ep_xt_snat},
	{"REDIRECT", 0, 0, V4_RANGE, AF_INET, ep_xt_redirect},
	{"REDIRECT", 0, 0, RANGE, AF_INET6, ep_xt_redirect},
	{"MASQUERADE", 0, 0, V4_RANGE, AF_INET, ep_xt_masquerade},
	{"MASQUERADE", 0, 0, RANGE, AF_INET6, ep_xt_masquerade},
	{"NETMAP", 0, 0, V4_RANGE, AF_INET, ep_xt_netmap},
	{"NETMAP", 0, 0, RANGE, AF_INET6, ep_xt_netmap},
	{"TPROXY", 0, 0, SIZE(xt_tproxy_target_info), AF_INET, tproxy},
	{"TPROXY", 1, 1, SIZE(xt_tproxy_target_info_v1), 0, tproxy},
	{"REJECT", 0, 0, SIZE(ipt_reject_info), AF_INET, reject4},
	{"REJECT", 0, 0, SIZE(ip6t_reject_info), AF_INET6, reject6},
	{"MARK", 2, 2, SIZE(xt_mark_tginfo2), 0, mark},
	{"CONNMARK", 1, 1, SIZE(xt_connmark_tginfo1), 0, connmark},
	{"CONNMARK", 2, 2, SIZE(xt_connmark_tginfo2), 0, connmark},
	{"HMARK", 0, 0, SIZE(xt_hmark_info), 0, hmark},
	{"CLASSIFY", 0, 0, SIZE(xt_classify_target_info), 0, classify},
	{"CT", 0, 0, SIZE(xt_ct_target_info), 0, ct},
	{"CT", 1, 2, SIZE(xt_ct_target_info_v1), 0, ct},
	{"NOTRACK", 0, 0, 0, 0, notrack},
	{"NFQUEUE", 0, 0, SIZE(xt_NFQ_info), 0, ep_xt_nfqueue},
	{"NFQUEUE", 1, 1, SIZE(xt_NFQ_info_v1), 0, ep_xt_nfqueue},
	{"NFQUEUE", 2, 2, SIZE(xt_NFQ_info_v2), 0, ep_xt_nfqueue},
	{"NFQUEUE", 3, 3, SIZE(xt_NFQ_info_v3), 0, ep_xt_nfqueue},
	{"SYNPROXY", 0, 0, 0, 0, ep_xt_synproxy},
	{"CLUSTERIP", 0, 0, 0, AF_INET, clusterip},
	{"SNPT", 0, 0, 0, AF_INET6, npt},
	{"DNPT", 0, 0, 0, AF_INET6, npt},
	{"SET", 0, 0, SIZE(xt_set_info_target_v0), 0, set},
	{"SET", 1, 1, SIZE(xt_set_info_target_v1), 0, set},
	{"SET", 2, 2, SIZE(xt_set_info_target_v2), 0, set},
	{"SET", 3, 3, SIZE(xt_set_info_target_v3), 0, set},
	{"DSCP", 0, 0, SIZE(xt_DSCP_info), 0, ep_xt_set_dscp},
	{"TOS", 1, 1, SIZE(xt_tos_target_info), 0, ep_xt_set_tos},
	{"ECN", 0, 0, SIZE(ipt_ECN_info), AF_INET, ep_xt_set_ecn},
	{"TTL", 0, 0, SIZE(ipt_TTL_info), AF_INET, ep_xt_set_ttl},
	{"HL", 0, 0, SIZE(ipt_TTL_info), AF_INET6, ep_xt_set_ttl},
	{"TCPMSS", 0, 0, SIZE(xt_tcpmss_info), 0, ep_xt_set_mss},
	{"TCPOPTSTRIP", 0, 0, SIZE(xt_tcpoptstrip_target_info), 0, ep_xt_strip_options},
	{"", 0, 0, sizeof(int), 0, standard},
	{"standard", 0, 0, sizeof(int), 0, standard},
	{"ERROR", 0, 0, 0, 0, error},
	/* these look, and leave the packet as it is */
	{"LOG", 0, 0, 0, 0, NULL},
	{"NFLOG", 0, 0, 0, 0, NULL},
	{"ULOG", 0, 0, 0, 0, NULL},
	{"TRACE", 0, 0, 0, 0, NULL},
	{"AUDIT", 0, 0, 0, 0, NULL},
	{"TEE", 0, 1, 0, 0, NULL},
	{"CHECKSUM", 0, 0, 0, 0, NULL},
	{"RATEEST", 0, 0, 0, 0, NULL},
	{"LED", 0, 0, 0, 0, NULL},
	{"IDLETIMER", 0, 1, 0, 0, NULL},
	{"SECMARK", 0, 1, 0, 0, NULL},
	{"CONNSECMARK", 0, 0, 0, 0, NULL},
};

const struct ep_xt_target_row *ep_xt_target_find(const struct ep_walk *w, const struct ep_xt_ext *t)
{
	uint8_t family = w->p.alen == 4 ? AF_INET : AF_INET6;

	for (size_t i = 0; i < EP_ARRAY_SIZE(target_rows); i++) {
		const struct ep_xt_target_row *r = &target_rows[i];

		if (t->rev >= r->rev_min && t->rev <= r->rev_max &&
		    (!r->family || r->family == family) && !strcmp(r->name, t->name))
			return r;
	}
	return NULL;
}

static const char *lower_case(struct ep_walk *w, const char *name)
{
	char *s = ep_strdup(w->arena, name);

	for (char *c = s; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
	return s;
}

enum ep_xt_ret ep_xt_target(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_ext *t)
{
	_Alignas(16) uint8_t info[EP_XT_INFO_MAX] = {};
	struct ep_xt_in in = {.env = env, .rev = t->rev, .v6 = w->p.alen == 16, .info = info};
	const struct ep_xt_target_row *r = env->bridge ? ep_ebt_target_find(t) :
							 ep_xt_target_find(w, t);

	env->action = lower_case(w, t->name);
	env->to = NULL;
	if (!r || (r->size && t->len != r->size && t->len != XT_ALIGN((unsigned)r->size))) {
		if (!r)
			ep_w_end(w, EP_UNKNOWN, "xt target %s revision %u is not understood",
				 t->name, t->rev);
		else
			ep_w_end(w, EP_UNKNOWN, "xt target %s revision %u has %u bytes, not %u",
				 t->name, t->rev, t->len, r->size);
		return EP_X_ENDED;
	}
	if (r->size)
		memcpy(info, t->data, r->size);
	return r->fn ? r->fn(w, env, &in) : EP_X_CONTINUE;
}
