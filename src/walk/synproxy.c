// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SYNPROXY (net/netfilter/nf_synproxy_core.c). The SYN is answered by the proxy. The ACK that follows
 * comes the same way and must meet the proxy again; then it sends a SYN of its own, from the client's
 * address, the way that this host's packets go: LOCAL_OUT, POST_ROUTING, and back in by lo if the
 * server is here. Where that one ends is where the connection ends.
 */
#include <linux/if_packet.h>
#include <string.h>

#include "walk/fib.h"
#include "walk/bytes.h"
#include "walk/nft.h"
#include "walk/path.h"
#include "walk/queue.h"

struct ep_synproxy {
	struct ep_pkt p;
	size_t steps, edits;
	unsigned lowered, hops;
};

void ep_synproxy_remember(struct ep_walk *w)
{
	struct ep_synproxy *s = ep_alloc(w->arena, sizeof(*s));

	*s = (struct ep_synproxy){.p = w->p,
				  .steps = w->steps.n,
				  .edits = w->edits.n,
				  .lowered = w->lowered,
				  .hops = w->hops};
	w->syn = s;
}

/* The client's ACK, from where the SYN came into this namespace. */
static void walk_ack(struct ep_walk *w)
{
	const struct ep_synproxy *s = w->syn;
	const char *why = "synproxy answers, but the client's ACK does not get to it";

	w->p = s->p;
	w->p.ack = true;
	w->steps.n = s->steps;
	w->edits.n = s->edits;
	w->lowered = s->lowered;
	w->hops = s->hops;
	ep_w_receive(w);
	if (w->p.ack) { /* it ended, wherever: no connection is made */
		w->ended = false;
		w->listener = NULL;
		w->receiver = NULL;
		w->via.n = 0;
		ep_w_end(w, EP_UNKNOWN, "%s", why);
	}
}

static void connect_server(struct ep_walk *w)
{
	struct ep_step *s = ep_w_step(w, EP_STEP_LOCAL);
	struct ep_pkt *p = &w->p;

	s->hook = "synproxy";
	s->action = "answers the client, then connects to the server in its name";
	p->ack = p->framed = false;
	p->proxied = true;
	p->ct = EP_CT_NONE;
	p->mark = p->ctmark = p->priority = 0;
	p->dnat_done = p->snat_done = p->dst_nat = p->src_nat = false;
	p->in = p->out = p->slave = p->sk_in = NULL;
	p->tproxy = NULL;
	w->edits.n = 0;
	ep_w_send_raw(w);
}

static void answer(struct ep_walk *w, void *ctx)
{
	(void)ctx;
	if (w->p.ack)
		connect_server(w);
	else if (w->p.proxied || !w->syn)
		ep_w_end(w, EP_UNKNOWN, "synproxy for a connection that this host itself makes");
	else
		walk_ack(w);
}

void ep_w_synproxy(struct ep_walk *w)
{
	w->then = answer;
}

/* nft_synproxy_do_eval() */
enum ep_nft_next ep_nft_eval_synproxy(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	(void)e;
	vm->action = "synproxy";
	ep_w_synproxy(vm->w);
	return EP_NFT_ENDED;
}
