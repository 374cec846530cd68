// SPDX-License-Identifier: GPL-2.0-or-later
/* Targets that write into headers, and those that give packets away: net/netfilter/xt_DSCP.c, ipt_ECN.c,
 * xt_HL.c, xt_TCPMSS.c, xt_TCPOPTSTRIP.c, xt_NFQUEUE.c, ipt_SYNPROXY.c. */
#include <linux/netfilter/xt_DSCP.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netfilter/xt_TCPOPTSTRIP.h>
#include <linux/netfilter_ipv4/ipt_ECN.h>
#include <linux/netfilter_ipv4/ipt_TTL.h>

#include "walk/bytes.h"
#include "walk/queue.h"
#include "walk/xt.h"

/* TOS or traffic class: (old & mask) ^ value. */
static void change_tos(struct ep_walk *w, bool v6, uint8_t mask, uint8_t value)
{
	struct ep_byte b[2];

	if (!v6) {
		ep_pkt_byte(w, EP_AT_NET, 1, b);
		ep_pkt_write(w, EP_AT_NET, 1, ep_byte_and_xor(b[0], mask, value));
		return;
	}
	ep_pkt_bytes(w, EP_AT_NET, 0, 2, b);
	ep_pkt_write(w, EP_AT_NET, 0, ep_byte_and_xor(b[0], 0xf0 | mask >> 4, value >> 4));
	ep_pkt_write(w, EP_AT_NET, 1,
		     ep_byte_and_xor(b[1], (uint8_t)(mask << 4 | 0x0f), (uint8_t)(value << 4)));
}

enum ep_xt_ret ep_xt_set_dscp(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	const struct xt_DSCP_info *i = in->info;

	(void)env;
	change_tos(w, in->v6, 0x03, (uint8_t)(i->dscp << XT_DSCP_SHIFT));
	return EP_X_CONTINUE;
}

enum ep_xt_ret ep_xt_set_tos(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	const struct xt_tos_target_info *i = in->info;

	(void)env;
	change_tos(w, in->v6, (uint8_t)~i->tos_mask, i->tos_value);
	return EP_X_CONTINUE;
}

enum ep_xt_ret ep_xt_set_ecn(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	const struct ipt_ECN_info *i = in->info;
	uint8_t mask = 0xff, set = 0;
	struct ep_byte b;

	(void)env;
	if (i->operation & IPT_ECN_OP_SET_IP)
		change_tos(w, false, (uint8_t)~IPT_ECN_IP_MASK, i->ip_ect & IPT_ECN_IP_MASK);
	if (!(i->operation & (IPT_ECN_OP_SET_ECE | IPT_ECN_OP_SET_CWR)))
		return EP_X_CONTINUE;
	if (i->operation & IPT_ECN_OP_SET_ECE) {
		mask &= 0xbf;
		set |= i->proto.tcp.ece ? 0x40 : 0;
	}
	if (i->operation & IPT_ECN_OP_SET_CWR) {
		mask &= 0x7f;
		set |= i->proto.tcp.cwr ? 0x80 : 0;
	}
	ep_pkt_byte(w, EP_AT_TCP, 13, &b);
	ep_pkt_write(w, EP_AT_TCP, 13, ep_byte_and_xor(b, mask, set));
	return EP_X_CONTINUE;
}

enum ep_xt_ret ep_xt_set_ttl(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	const struct ipt_TTL_info *i = in->info;
	unsigned at = in->v6 ? 7 : 8;
	struct ep_byte b;
	struct ep_val v;
	int c;

	(void)env;
	ep_pkt_byte(w, EP_AT_NET, at, &b);
	if (i->mode == IPT_TTL_SET) {
		b = (struct ep_byte){.kind = EP_BYTE_CONST, .c = i->ttl};
	} else if (b.kind == EP_BYTE_CONST) {
		c = i->mode == IPT_TTL_INC ? b.c + i->ttl : b.c - i->ttl;
		b.c = (uint8_t)(c < 0 ? 0 : c > 255 ? 255 : c);
	} else {
		v = ep_pkt_field(
			w, ep_w_sprintf(w, "%s after a rule's change", w->vars.v[b.var].what), 8);
		b = ep_byte_of(&v, 1, 0);
	}
	ep_pkt_write(w, EP_AT_NET, at, b);
	return EP_X_CONTINUE;
}

/* Lowered, or left as it is: the value is open all the same. */
enum ep_xt_ret ep_xt_set_mss(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	(void)env;
	(void)in;
	ep_pkt_option_changed(w, 2);
	return EP_X_CONTINUE;
}

enum ep_xt_ret ep_xt_strip_options(struct ep_walk *w, struct ep_xt_env *env,
				   const struct ep_xt_in *in)
{
	const struct xt_tcpoptstrip_target_info *i = in->info;

	(void)env;
	for (unsigned type = 2; type < 256; type++)
		if (i->strip_bmap[type / 32] >> type % 32 & 1)
			ep_pkt_option_gone(w, type);
	return EP_X_CONTINUE;
}

enum ep_xt_ret ep_xt_nfqueue(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	const struct xt_NFQ_info_v3 *i = in->info;
	bool bypass = in->rev == 2 ? ((const struct xt_NFQ_info_v2 *)in->info)->bypass & 1 :
				     in->rev == 3 && i->flags & NFQ_FLAG_BYPASS;

	env->action = "queue";
	env->to = ep_w_sprintf(w, "%u", i->queuenum);
	return ep_w_queue(w, i->queuenum, in->rev ? i->queues_total : 1, bypass) ? EP_X_ACCEPT :
										   EP_X_ENDED;
}

enum ep_xt_ret ep_xt_synproxy(struct ep_walk *w, struct ep_xt_env *env, const struct ep_xt_in *in)
{
	(void)in;
	env->action = "synproxy";
	ep_w_synproxy(w);
	return EP_X_ENDED;
}
