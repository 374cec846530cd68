// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One xt extension of any name, revision and bytes, as match, as target and as text.
 * Input: flags (1 IPv6, 2 prerouting, 4 sent by this host), revision, length of the name, name, bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <linux/netfilter.h>

#include "walk/engine.h"

#include "../unit/xt_world.c"

#define F_V6         1
#define F_PREROUTING 2
#define F_LOCAL      4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What sets and sockets ask for. */
static void furnish(struct xt_world *x)
{
	static const char *const types[] = {"hash:net", "hash:net,port", "bitmap:port", "list:set"};

	for (uint16_t i = 0; i < EP_ARRAY_SIZE(types); i++) {
		struct ep_ipset *s = ep_alloc(x->s->arena, sizeof(*s));

		*s = (struct ep_ipset){
			.name = types[i], .type = types[i], .index = i, .loaded = true};
		*ep_push(x->s->arena, &s->elems) = (struct ep_ipset_elem){
			.addr = x->q.dst, .plen = 24, .port_lo = 1, .port_hi = 1000};
		*ep_push(x->s->arena, &s->elems) = (struct ep_ipset_elem){
			.addr = x->q.dst, .plen = 30, .nomatch = i == 0, .port_hi = 65535};
		*ep_push(x->s->arena, &x->w.ns->ipsets) = s;
	}
	*ep_push(x->s->arena, &x->s->listeners) = (struct ep_listener){
		.netns = x->w.ns->ino, .addr = x->q.dst, .port = x->q.dport, .transparent = true};
}

static void world(struct xt_world *x, unsigned flags)
{
	xt_world_open(x, flags & F_V6 ? AF_INET6 : AF_INET);
	furnish(x);
	if (flags & F_PREROUTING) {
		x->w.hooknum = NF_INET_PRE_ROUTING;
		x->w.hook = "prerouting";
		x->w.p.dnat_done = false;
	}
	x->w.p.local_out = flags & F_LOCAL;
}

static void show(const struct ep_xt_ext *e, unsigned flags)
{
	uint8_t family = flags & F_V6 ? AF_INET6 : AF_INET;

	for (int is_target = 0; is_target < 2; is_target++) {
		struct ep_buf b = {};

		ep_xt_ext_text(&b, e, is_target, family, NULL);
		for (size_t i = 0; i < b.len; i++)
			if ((uint8_t)b.s[i] < 0x20 || b.s[i] == 0x7f)
				abort(); /* text is escaped */
		ep_buf_free(&b);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ep_xt_env env = {.table = "nat", .chain = "PREROUTING"};
	struct ep_xt_ext e = {};
	struct xt_world x;
	size_t n;

	if (size < 3 || (n = data[2] % 32) > size - 3)
		return 0;
	world(&x, data[0]);
	e.name = ep_strndup(x.s->arena, (const char *)data + 3, n);
	e.rev = data[1];
	e.len = (uint32_t)(size - 3 - n);
	e.data = data + 3 + n;
	show(&e, data[0]);
	ep_xt_match(&x.w, &env, &e);
	ep_xt_target(&x.w, &env, &e);
	ep_xt_match(&x.w, &env, &e);
	xt_world_close(&x);
	return 0;
}
