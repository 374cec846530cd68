// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Walks every rule of a namespace alone, and counts for each kind of expression, match and target how
 * many are decided and how many make the answer unknown:
 *
 *	coverage NAME
 *
 * A line each: "count", kind, how many, how many unknown; then "unknown", kind, reason, text of the
 * rule. A rule is alone in a base chain at each hook from which its own chain is reached; the packet
 * has the device, the destination and the port that the rule asks for, and any source.
 */
#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "edgepath/collect.h"
#include "edgepath/walk.h"

#define NEED (EP_NEED_LINKS | EP_NEED_ROUTES | EP_NEED_NFT | EP_NEED_XT | EP_NEED_HOOKS)

struct count {
	const char *kind;
	unsigned all, unknown;
};

struct world {
	struct ep_snapshot *s;
	struct ep_netns *ns;
	EP_VEC(struct count) counts;
	/* what the rule at hand asks for */
	struct ep_addr dst;
	uint16_t dport;
	uint32_t ifindex;
	uint8_t alen;
};

static struct count *count_of(struct world *w, const char *kind)
{
	struct count *c;

	ep_each(it, &w->counts)
		if (!strcmp(it->kind, kind))
			return it;
	c = ep_push(w->s->arena, &w->counts);
	*c = (struct count){.kind = kind};
	return c;
}

/* ---- the packet ---- */

static struct ep_addr own_address(const struct world *w, uint8_t alen)
{
	ep_each(a, &w->ns->addrs)
		if (a->addr.len == alen && a->ifindex == w->ifindex && a->scope == 0)
			return a->addr;
	return ep_addr_of((const uint8_t[16]){192, 0, 2, 1}, alen);
}

static uint32_t outside(const struct world *w)
{
	ep_each(r, &w->ns->routes)
		if (!r->dst_len && r->hops.n)
			return r->hops.v[0].ifindex;
	return w->ns->links.n ? w->ns->links.v[0].ifindex : 0;
}

static void usual_packet(struct world *w, uint8_t alen)
{
	w->alen = alen;
	w->ifindex = outside(w);
	w->dst = own_address(w, alen);
	w->dport = 80;
}

static void use_device(struct world *w, const char *name, size_t n)
{
	ep_each(l, &w->ns->links)
		if (n && !strncmp(l->name, name, strnlen(name, n)))
			w->ifindex = l->ifindex;
}

/* Which hooks can hold the packet: reasons of unknown outcomes, or NULL. */
static const char *unknown_reason(struct world *w, uint32_t hook)
{
	bool sent = hook == NF_INET_LOCAL_OUT || hook == NF_INET_POST_ROUTING;
	struct ep_query q = {
		.origin = sent ? EP_HOST : EP_EXTERNAL,
		.dst = hook == NF_INET_LOCAL_IN ? own_address(w, w->alen) : w->dst,
		.dport = w->dport,
		.netns = w->ns->ino,
		.ifindex = w->ifindex,
	};
	struct ep_result *r = ep_walk(w->s, &q, NULL);
	const char *why = NULL;

	ep_each(o, &r->outcomes)
		if (o->verdict == EP_UNKNOWN)
			why = ep_strdup(w->s->arena, o->reason ? o->reason : "?");
	ep_result_free(r);
	return why;
}

/* ---- kinds ---- */

static const char *ext_kind(struct world *w, bool is_target, const char *name)
{
	return ep_sprintf(w->s->arena, "%s %s", is_target ? "target" : "match", name);
}

static const char *expr_kind(struct world *w, const struct ep_expr *e)
{
	bool is_target = !strcmp(e->name, "target");
	const char *name = ep_attr_str(e, NFTA_MATCH_NAME);

	if ((is_target || !strcmp(e->name, "match")) && name)
		return ext_kind(w, is_target, name);
	return ep_sprintf(w->s->arena, "nft %s", e->name);
}

typedef EP_VEC(const char *) kinds_t;

/* The kind that the reason names, or the last one of the rule. */
static void tally(struct world *w, const kinds_t *kinds, const char *why, const char *text)
{
	const char *blame = kinds->n ? kinds->v[kinds->n - 1] : "none";

	ep_each(k, kinds) {
		count_of(w, *k)->all++;
		if (why && strstr(why, strchr(*k, ' ') + 1))
			blame = *k;
	}
	if (!why)
		return;
	count_of(w, blame)->unknown++;
	printf("unknown\t%s\t%s\t%s\n", blame, why, text);
}

/* ---- nft ---- */

static void mark(const struct ep_nft_table *t, const struct ep_nft_chain *c, unsigned *hooks,
		 unsigned bit);

static void mark_verdict(const struct ep_nft_table *t, const struct ep_verdict *v, unsigned *hooks,
			 unsigned bit)
{
	const struct ep_nft_chain *c = v && v->chain ? ep_nft_chain_find(t, v->chain) : NULL;

	if (c)
		mark(t, c, hooks, bit);
}

static void mark(const struct ep_nft_table *t, const struct ep_nft_chain *c, unsigned *hooks,
		 unsigned bit)
{
	size_t n = 0;

	while (t->chains.v[n] != c)
		n++;
	if (hooks[n] & bit)
		return;
	hooks[n] |= bit;
	ep_each(r, &c->rules)
		ep_each(e, &r->exprs) {
			const struct ep_attr *at = ep_attr_get(e, NFTA_IMMEDIATE_DATA);
			const char *set =
				strcmp(e->name, "lookup") ? NULL : ep_attr_str(e, NFTA_LOOKUP_SET);
			const struct ep_nft_set *map = set ? ep_nft_set_find(t, set) : NULL;

			if (!strcmp(e->name, "immediate") && at && at->kind == EP_ATTR_VERDICT)
				mark_verdict(t, at->verdict, hooks, bit);
			for (size_t i = 0; map && i < map->elems.n; i++)
				mark_verdict(t, map->elems.v[i].verdict, hooks, bit);
		}
}

static bool is_nat(const struct ep_nft_rule *r)
{
	static const char *const names[] = {"nat",  "masq",       "redir",    "DNAT",
					    "SNAT", "MASQUERADE", "REDIRECT", "NETMAP"};

	ep_each(e, &r->exprs) {
		const char *name = strcmp(e->name, "target") ? e->name :
							       ep_attr_str(e, NFTA_TARGET_NAME);

		for (size_t i = 0; name && i < EP_ARRAY_SIZE(names); i++)
			if (!strcmp(name, names[i]))
				return true;
	}
	return false;
}

/* What plain comparisons ask for. */
static void packet_of_nft(struct world *w, const struct ep_nft_table *t,
			  const struct ep_nft_rule *r)
{
	const struct ep_expr *load = NULL;

	usual_packet(w, t->family == NFPROTO_IPV6 ? 16 : w->dst.len == 16 ? 16 : 4);
	ep_each(e, &r->exprs) {
		uint32_t n = 0;
		const uint8_t *v = strcmp(e->name, "cmp") ? NULL :
							    ep_attr_bytes(e, NFTA_CMP_DATA, &n);

		if (!v || !load || ep_attr_num(e, NFTA_CMP_OP, 9) != NFT_CMP_EQ) {
			load = e;
			continue;
		}
		if (!strcmp(load->name, "meta") &&
		    ep_attr_num(load, NFTA_META_KEY, 0) == NFT_META_IIFNAME)
			use_device(w, (const char *)v, n);
		if (strcmp(load->name, "payload"))
			continue;
		if (ep_attr_num(load, NFTA_PAYLOAD_BASE, 9) == NFT_PAYLOAD_TRANSPORT_HEADER &&
		    ep_attr_num(load, NFTA_PAYLOAD_OFFSET, 9) == 2 && n == 2)
			w->dport = (uint16_t)(v[0] << 8 | v[1]);
		if (ep_attr_num(load, NFTA_PAYLOAD_BASE, 9) == NFT_PAYLOAD_NETWORK_HEADER &&
		    ep_attr_num(load, NFTA_PAYLOAD_OFFSET, 0) == (n == 16 ? 24 : 16) &&
		    (n == 4 || n == 16)) {
			w->dst = ep_addr_of(v, (uint8_t)n);
			w->alen = (uint8_t)n;
		}
	}
}

static void cover_nft_rule(struct world *w, struct ep_nft_table *t, const struct ep_nft_chain *c,
			   const struct ep_nft_rule *r, unsigned hooks)
{
	struct ep_arena *a = w->s->arena;
	struct ep_nft_table alone = *t, *tables[] = {&alone};
	struct ep_nft_chain base = {.table = &alone,
				    .name = "alone",
				    .base = true,
				    .type = is_nat(r) ? "nat" : "filter",
				    .policy = NF_ACCEPT,
				    .loaded = true};
	struct ep_nft kept = w->ns->nft;
	struct ep_xt kept_xt = w->ns->xt;
	const char *why = NULL;
	kinds_t kinds = {0};

	packet_of_nft(w, t, r);
	alone.chains.n = 0;
	alone.chains.v = NULL;
	alone.chains.cap = 0;
	*ep_push(a, &alone.chains) = &base;
	ep_each(other, &t->chains) {
		struct ep_nft_chain *empty = ep_memdup(a, *other, sizeof(**other));

		empty->base = false;
		empty->rules.n = 0;
		*ep_push(a, &alone.chains) = empty;
	}
	*ep_push(a, &base.rules) = *r;
	w->ns->nft.tables.v = tables;
	w->ns->nft.tables.n = 1;
	w->ns->xt.tables.n = 0;
	for (uint32_t h = 0; h < NF_INET_NUMHOOKS && !why; h++) {
		base.hook = h;
		if (hooks & 1u << h)
			why = unknown_reason(w, h);
	}
	w->ns->nft = kept;
	w->ns->xt = kept_xt;
	ep_each(e, &r->exprs)
		*ep_push(a, &kinds) = expr_kind(w, e);
	tally(w, &kinds, why, ep_nft_rule_text(a, c, r));
}

static void cover_nft(struct world *w)
{
	ep_each(t, &w->ns->nft.tables) {
		unsigned *hooks = ep_alloc(w->s->arena, ((*t)->chains.n + 1) * sizeof(*hooks));
		size_t n = 0;

		ep_each(c, &(*t)->chains)
			if ((*c)->base && (*c)->hook < NF_INET_NUMHOOKS)
				mark(*t, *c, hooks, 1u << (*c)->hook);
		ep_each(c, &(*t)->chains) {
			ep_each(r, &(*c)->rules)
				cover_nft_rule(w, *t, *c, r, hooks[n]);
			n++;
		}
	}
}

/* ---- legacy ---- */

static void mark_xt(const struct ep_xt_table *t, const struct ep_xt_chain *c, unsigned *hooks,
		    unsigned bit)
{
	size_t n = 0;

	while (t->chains.v[n] != c)
		n++;
	if (hooks[n] & bit)
		return;
	hooks[n] |= bit;
	ep_each(r, &c->rules)
		if (r->chain && ep_xt_chain_find(t, r->chain))
			mark_xt(t, ep_xt_chain_find(t, r->chain), hooks, bit);
}

static void packet_of_xt(struct world *w, const struct ep_xt_table *t, const struct ep_xt_rule *r)
{
	usual_packet(w, t->family == AF_INET6 ? 16 : 4);
	if (!ep_addr_is_any(&r->dmask))
		w->dst = r->dst;
	use_device(w, r->iif, sizeof(r->iif));
	ep_each(m, &r->matches)
		if (!strcmp(m->name, "tcp") && m->len >= sizeof(struct xt_tcp))
			w->dport = ((const struct xt_tcp *)m->data)->dpts[0];
}

static void cover_xt_rule(struct world *w, struct ep_xt_table *t, const struct ep_xt_rule *r,
			  unsigned hooks)
{
	struct ep_arena *a = w->s->arena;
	struct ep_xt_table alone = *t, *tables[] = {&alone};
	struct ep_xt_chain base = {.name = "alone", .policy = EP_XT_ACCEPT};
	struct ep_nft kept = w->ns->nft;
	struct ep_xt kept_xt = w->ns->xt;
	const char *why = NULL;
	kinds_t kinds = {0};

	packet_of_xt(w, t, r);
	alone.chains.n = alone.chains.cap = 0;
	alone.chains.v = NULL;
	*ep_push(a, &alone.chains) = &base;
	ep_each(other, &t->chains) {
		struct ep_xt_chain *empty = ep_memdup(a, *other, sizeof(**other));

		empty->hook = -1;
		empty->rules.n = 0;
		*ep_push(a, &alone.chains) = empty;
	}
	*ep_push(a, &base.rules) = *r;
	w->ns->xt.tables.v = tables;
	w->ns->xt.tables.n = 1;
	w->ns->nft.tables.n = 0;
	for (int h = 0; h < NF_INET_NUMHOOKS && !why; h++) {
		base.hook = h;
		alone.valid_hooks = 1u << h;
		if (hooks & 1u << h)
			why = unknown_reason(w, (uint32_t)h);
	}
	w->ns->nft = kept;
	w->ns->xt = kept_xt;
	ep_each(m, &r->matches)
		*ep_push(a, &kinds) = ext_kind(w, false, m->name);
	if (r->verdict == EP_XT_TARGET)
		*ep_push(a, &kinds) = ext_kind(w, true, r->target.name);
	tally(w, &kinds, why, ep_xt_rule_text(a, t, r));
}

static void cover_xt(struct world *w)
{
	ep_each(t, &w->ns->xt.tables) {
		unsigned *hooks = ep_alloc(w->s->arena, ((*t)->chains.n + 1) * sizeof(*hooks));
		size_t n = 0;

		ep_each(c, &(*t)->chains)
			if ((*c)->hook >= 0)
				mark_xt(*t, *c, hooks, 1u << (*c)->hook);
		ep_each(c, &(*t)->chains) {
			ep_each(r, &(*c)->rules)
				cover_xt_rule(w, *t, r, hooks[n]);
			n++;
		}
	}
}

/* ---- all ---- */

static int load(struct world *w, const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	if (stat(path, &st))
		return -errno;
	w->ns = ep_netns_find(w->s, st.st_ino);
	if (!w->ns || ep_netns_need(w->s, w->ns, NEED))
		return -ENOENT;
	ep_each(t, &w->ns->nft.tables) {
		ep_each(c, &(*t)->chains)
			if (ep_nft_chain_need(w->s, w->ns, *c))
				return -EIO;
		ep_each(set, &(*t)->sets)
			if (ep_nft_set_need(w->s, w->ns, *set))
				return -EIO;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct ep_collect *c;
	struct world w = {0};
	char err[256];

	if (argc != 2 || ep_collect_open(argv[1], &c, &w.s, err, sizeof(err)) < 0) {
		fprintf(stderr, "usage: coverage NAME\n");
		return 1;
	}
	if (load(&w, argv[1]) < 0) {
		fprintf(stderr, "coverage: %s could not be read\n", argv[1]);
		return 1;
	}
	cover_nft(&w);
	cover_xt(&w);
	ep_each(k, &w.counts)
		printf("count\t%s\t%u\t%u\n", k->kind, k->all, k->unknown);
	ep_collect_free(c);
	ep_snapshot_free(w.s);
	return 0;
}
