// SPDX-License-Identifier: GPL-2.0-or-later
/* Packets that a rule gives away: to a program's queue (net/netfilter/nf_queue.c), to another device
 * (nft_fwd_netdev.c). */
#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "walk/fib.h"
#include "walk/link.h"
#include "walk/nft.h"
#include "walk/queue.h"

static const struct ep_nfqueue *find(const struct ep_netns *ns, unsigned num)
{
	ep_each(q, &ns->queues)
		if (q->num == num)
			return q;
	return NULL;
}

static void program_decides(struct ep_walk *w, const struct ep_nfqueue *q)
{
	if (q->comm)
		ep_w_end(w, EP_UNKNOWN, "queue %u: %s (pid %u) decides", q->num, q->comm,
			 q->portid);
	else
		ep_w_end(w, EP_UNKNOWN, "queue %u: a program (netlink port %u) decides", q->num,
			 q->portid);
}

bool ep_w_queue(struct ep_walk *w, unsigned num, unsigned total, bool bypass)
{
	const struct ep_nfqueue *q = NULL, *found;
	unsigned n = 0;

	if (!w->ns->queues_known) {
		ep_w_end(w, EP_UNKNOWN, "queue %u: who listens could not be read", num);
		return false;
	}
	for (unsigned i = 0; i < (total ? total : 1); i++) {
		found = find(w->ns, (num + i) & 0xffff);
		q = q ? q : found;
		n += found != NULL;
	}
	if (n && (n == total || total < 2 ||
		  ep_w_chance(w, (double)n / total, "a hash of the addresses over queues"))) {
		program_decides(w, q);
		return false;
	}
	w->bypassed = bypass;
	if (bypass)
		return true;
	ep_w_end(w, EP_DROPPED, "queue %u: no program listens", num);
	return false;
}

/* nft_queue.c; a queue number from a register is settled. */
enum ep_nft_next ep_nft_eval_queue(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	unsigned num = (unsigned)ep_attr_num(e, NFTA_QUEUE_NUM, 0);
	unsigned total = (unsigned)ep_attr_num(e, NFTA_QUEUE_TOTAL, 1);
	uint64_t sreg = ep_attr_num(e, NFTA_QUEUE_SREG_QNUM, 0);
	uint8_t x[4];
	uint32_t v;

	vm->action = "queue";
	if (sreg) {
		struct ep_byte *b = ep_reg(&vm->regs, sreg, 4);

		if (!b || !ep_bytes_settle(vm->w, b, 4, x))
			return ep_nft_unknown(vm, "the number of the queue is open");
		memcpy(&v, x, sizeof(v));
		num = v & 0xffff;
		total = 1;
	}
	vm->to = ep_w_sprintf(vm->w, "%u", num);
	if (!ep_w_queue(vm->w, num, total,
			ep_attr_num(e, NFTA_QUEUE_FLAGS, 0) & NFT_QUEUE_FLAG_BYPASS))
		return EP_NFT_ENDED;
	vm->verdict = (struct ep_verdict){.code = NF_ACCEPT};
	return EP_NFT_VERDICT;
}

static void transmit(struct ep_walk *w, void *ctx)
{
	const struct ep_fib *f = ctx;

	w->lowered++;
	w->p.out = f->out;
	w->p.gw = f->gw;
	ep_w_transmit(w, f);
}

/* The frame leaves by another device as it is, for the one who has its MAC address. */
static void send_frame(struct ep_walk *w, void *ctx)
{
	const struct ep_link *l = ctx;
	struct ep_l2_who who = {.keep = true};
	uint8_t mac[6];

	if (!w->p.framed || w->p.dmac.var >= 0) {
		ep_w_end(w, EP_UNKNOWN, "forwarded to %s, to a MAC address that is not told",
			 l->name);
		return;
	}
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)(w->p.dmac.c >> (5 - i) * 8);
	who.mac = mac;
	w->p.out = NULL;
	ep_l2_send(w, l, &who);
}

enum ep_nft_next ep_nft_eval_fwd(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	struct ep_byte *b = ep_reg(&vm->regs, ep_attr_num(e, NFTA_FWD_SREG_DEV, ~0ull), 4), *a;
	struct ep_walk *w = vm->w;
	struct ep_fib *f = ep_alloc(w->arena, sizeof(*f));
	const struct ep_link *l;
	uint32_t ifindex;
	uint8_t x[16];

	if (!b || !ep_bytes_const(b, 4, x))
		return ep_nft_unknown(vm, "the rule forwards the frame to an open device");
	memcpy(&ifindex, x, sizeof(ifindex));
	l = ep_link_by_index(w->ns, ifindex);
	if (!l) /* nf_fwd_netdev_egress(): no such device */
		return ep_nft_unknown(vm, "the rule forwards the frame to a device that is gone");
	vm->action = "fwd";
	vm->to = l->name;
	if (!(l->flags & IFF_UP)) {
		ep_w_end(w, EP_DROPPED, "forwarded to %s, which is down", l->name);
		return EP_NFT_ENDED;
	}
	*f = (struct ep_fib){.type = RTN_UNICAST, .out = l};
	if (ep_attr_has(e, NFTA_FWD_SREG_ADDR)) {
		a = ep_reg(&vm->regs, ep_attr_num(e, NFTA_FWD_SREG_ADDR, ~0ull), w->p.alen);
		if (!a || !ep_bytes_const(a, w->p.alen, x))
			return ep_nft_unknown(vm, "the rule forwards to an open address");
		f->gw = ep_addr_of(x, w->p.alen);
		w->then = transmit;
		w->then_ctx = f;
		return EP_NFT_ENDED;
	}
	w->then = send_frame;
	w->then_ctx = (void *)l;
	return EP_NFT_ENDED;
}
