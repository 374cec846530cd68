// SPDX-License-Identifier: GPL-2.0-or-later
/* What an nft rule may ask of the moment: the clock and the CPU (net/netfilter/nft_meta.c), and the counters
 * of a connection that this packet opens (nft_ct.c). */
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>

#include "walk/bytes.h"
#include "walk/civil.h"
#include "walk/nft.h"

#define SECONDS_PER_DAY 86400
#define CPU             "the CPU that handles the packet"

static enum ep_nft_next store_open(struct ep_nft_vm *vm, const struct ep_expr *e, uint64_t dreg,
				   const char *what, unsigned bytes)
{
	struct ep_val v = ep_w_unknown_val(vm->w, what, bytes * 8);

	return ep_nft_stored(vm, e, ep_reg_val(&vm->regs, dreg, &v, bytes, true));
}

static enum ep_nft_next load_cpu(struct ep_nft_vm *vm, const struct ep_expr *e, uint64_t dreg)
{
	struct ep_walk *w = vm->w;
	uint32_t cpus = w->s->cpus;
	struct ep_val v;

	if (cpus == 1)
		return ep_nft_stored(vm, e, ep_reg_u32(&vm->regs, dreg, 0));
	v = ep_w_field(w, CPU, 32, 0);
	if (cpus)
		w->vars.v[v.var].dom = ep_iv_and(w->arena, w->vars.v[v.var].dom,
						 ep_iv_range(w->arena, 0, cpus - 1));
	return ep_nft_stored(vm, e, ep_reg_val(&vm->regs, dreg, &v, 4, true));
}

enum ep_nft_next ep_nft_load_host(struct ep_nft_vm *vm, const struct ep_expr *e, uint64_t key)
{
	uint64_t dreg = ep_attr_num(e, NFTA_META_DREG, ~0ull), ns;
	const struct ep_snapshot *s = vm->w->s;
	int64_t now = (int64_t)s->taken_at;
	struct ep_civil c;

	if (key == NFT_META_CPU)
		return load_cpu(vm, e, dreg);
	/* The day is that of the kernel's time zone; nft itself turns hours into UTC. */
	if (key == NFT_META_TIME_DAY && s->has_tz)
		now -= (int64_t)60 * s->tz_minuteswest;
	if (!s->taken_at || s->taken_at > EP_CIVIL_MAX || now < 0 ||
	    (key == NFT_META_TIME_DAY && !s->has_tz))
		return store_open(vm, e, dreg, "time",
				  key == NFT_META_TIME_NS  ? 8 :
				  key == NFT_META_TIME_DAY ? 1 :
							     4);
	c = ep_civil_of(now);
	ep_w_now(vm->w, "it is %s, %04u-%02u-%02u %02u:%02u %s", ep_weekday_name(c.weekday), c.year,
		 c.month, c.day, c.hour, c.minute,
		 key == NFT_META_TIME_DAY ? "by the kernel's time zone" : "UTC");
	if (key == NFT_META_TIME_DAY)
		return ep_nft_stored(vm, e, ep_reg_u8(&vm->regs, dreg, (uint8_t)c.weekday));
	if (key == NFT_META_TIME_HOUR)
		return ep_nft_stored(
			vm, e, ep_reg_u32(&vm->regs, dreg, (uint32_t)(now % SECONDS_PER_DAY)));
	ns = s->taken_at * 1000000000u;
	return ep_nft_stored(vm, e, ep_reg_const(&vm->regs, dreg, &ns, sizeof(ns)));
}

/* Rules that ask for counters switch them on; the SYN is counted before any rule sees it. */
enum ep_nft_next ep_nft_load_counter(struct ep_nft_vm *vm, const struct ep_expr *e, uint64_t key)
{
	bool reply = ep_attr_num(e, NFTA_CT_DIRECTION, IP_CT_DIR_ORIGINAL) == IP_CT_DIR_REPLY;
	uint64_t dreg = ep_attr_num(e, NFTA_CT_DREG, ~0ull), n = reply ? 0 : 1;
	struct ep_byte *b;
	struct ep_val len;

	if (reply || key == NFT_CT_PKTS)
		return ep_nft_stored(vm, e, ep_reg_const(&vm->regs, dreg, &n, sizeof(n)));
	n = 0;
	if (!ep_reg_const(&vm->regs, dreg, &n, sizeof(n)))
		return ep_nft_bad(vm, e);
	len = ep_pkt_len(vm->w);
	b = ep_reg(&vm->regs, dreg, sizeof(n));
	b[0] = ep_byte_of(&len, 2, 1); /* the low byte comes first in host order */
	b[1] = ep_byte_of(&len, 2, 0);
	return EP_NFT_NEXT;
}
