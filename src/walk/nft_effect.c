// SPDX-License-Identifier: GPL-2.0-or-later
/* Expressions that do something: translate, reject, mark, log, count; and the xt ones. */
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <string.h>

#include "walk/nft.h"

#define EP_META_BRI_BROUTE (NFT_META_SDIFNAME + 1) /* Linux 6.4 */

/* ---- constants out of registers ---- */

static bool get_addr(struct ep_nft_vm *vm, const struct ep_expr *e, uint16_t nla, uint8_t alen,
		     struct ep_addr *ret)
{
	uint8_t x[16];
	struct ep_byte *b = ep_reg(&vm->regs, ep_attr_num(e, nla, ~0ull), alen);

	if (!b || !ep_bytes_settle(vm->w, b, alen, x))
		return false;
	*ret = ep_addr_of(x, alen);
	return true;
}

static bool get_port(struct ep_nft_vm *vm, const struct ep_expr *e, uint16_t nla, uint16_t *ret)
{
	uint8_t x[2];
	struct ep_byte *b = ep_reg(&vm->regs, ep_attr_num(e, nla, ~0ull), 2);

	if (!b || !ep_bytes_settle(vm->w, b, 2, x))
		return false;
	*ret = (uint16_t)(x[0] << 8 | x[1]);
	return true;
}

static bool get_u32(struct ep_nft_vm *vm, uint64_t reg, uint32_t *ret)
{
	uint8_t x[4];
	struct ep_byte *b = ep_reg(&vm->regs, reg, 4);

	if (!b || !ep_bytes_settle(vm->w, b, 4, x))
		return false;
	memcpy(ret, x, 4);
	return true;
}

/* A port range from two register attributes; true also if there is none. */
static bool get_ports(struct ep_nft_vm *vm, const struct ep_expr *e, uint16_t min, uint16_t max,
		      struct ep_nat_range *r)
{
	if (!ep_attr_has(e, min))
		return true;
	r->flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	if (!get_port(vm, e, min, &r->pmin))
		return false;
	r->pmax = r->pmin;
	return !ep_attr_has(e, max) || get_port(vm, e, max, &r->pmax);
}

/* ---- nat (nft_nat.c, nft_masq.c, nft_redir.c) ---- */

static enum ep_nft_next nat_verdict(struct ep_nft_vm *vm, enum ep_ret r, const char *action,
				    const char *to)
{
	if (r == EP_RET_NONE)
		return EP_NFT_NEXT;
	vm->action = action;
	vm->to = to;
	if (r == EP_RET_ENDED)
		return EP_NFT_ENDED;
	vm->verdict = (struct ep_verdict){.code = r == EP_RET_DROP ? NF_DROP : NF_ACCEPT};
	return EP_NFT_VERDICT;
}

static enum ep_nft_next eval_nat(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint64_t family = ep_attr_num(e, NFTA_NAT_FAMILY, NFPROTO_INET);
	uint8_t alen = vm->w->p.alen;
	struct ep_nat_range r = {.flags = (uint32_t)ep_attr_num(e, NFTA_NAT_FLAGS, 0)};
	bool dnat = ep_attr_num(e, NFTA_NAT_TYPE, NFT_NAT_DNAT) == NFT_NAT_DNAT;
	const char *to = NULL;
	enum ep_ret ret;

	if (family != NFPROTO_INET && family != (alen == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6))
		return EP_NFT_NEXT;
	r.netmap = r.flags & NF_NAT_RANGE_NETMAP;
	if (ep_attr_has(e, NFTA_NAT_REG_ADDR_MIN)) {
		r.flags |= NF_NAT_RANGE_MAP_IPS;
		if (!get_addr(vm, e, NFTA_NAT_REG_ADDR_MIN, alen, &r.min))
			return ep_nft_unknown(vm, "the address to translate to is open");
		r.max = r.min;
		if (ep_attr_has(e, NFTA_NAT_REG_ADDR_MAX) &&
		    !get_addr(vm, e, NFTA_NAT_REG_ADDR_MAX, alen, &r.max))
			return ep_nft_unknown(vm, "the address to translate to is open");
	}
	if (!get_ports(vm, e, NFTA_NAT_REG_PROTO_MIN, NFTA_NAT_REG_PROTO_MAX, &r))
		return ep_nft_unknown(vm, "the port to translate to is open");
	ret = dnat ? ep_nat_dst(vm->w, &r, &to) : ep_nat_src(vm->w, &r, &to);
	return nat_verdict(vm, ret, dnat ? "dnat" : "snat", to);
}

static enum ep_nft_next eval_masq(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	struct ep_nat_range r = {.flags = (uint32_t)ep_attr_num(e, NFTA_MASQ_FLAGS, 0)};
	const char *to = NULL;

	if (!get_ports(vm, e, NFTA_MASQ_REG_PROTO_MIN, NFTA_MASQ_REG_PROTO_MAX, &r))
		return ep_nft_unknown(vm, "the port to translate to is open");
	return nat_verdict(vm, ep_nat_masquerade(vm->w, &r, &to), "masquerade", to);
}

static enum ep_nft_next eval_redir(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	struct ep_nat_range r = {.flags = (uint32_t)ep_attr_num(e, NFTA_REDIR_FLAGS, 0)};
	const char *to = NULL;

	if (!get_ports(vm, e, NFTA_REDIR_REG_PROTO_MIN, NFTA_REDIR_REG_PROTO_MAX, &r))
		return ep_nft_unknown(vm, "the port to translate to is open");
	return nat_verdict(vm, ep_nat_redirect(vm->w, &r, &to), "redirect", to);
}

/* nft_tproxy.c: without a listener the rule does not match. */
static enum ep_nft_next eval_tproxy(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint64_t family = ep_attr_num(e, NFTA_TPROXY_FAMILY, NFPROTO_INET);
	uint8_t alen = vm->w->p.alen;
	struct ep_addr addr = {};
	uint16_t port = 0;
	const struct ep_listener *l;

	if (family != NFPROTO_INET && family != NFPROTO_UNSPEC &&
	    family != (alen == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6))
		return EP_NFT_BREAK;
	if (ep_attr_has(e, NFTA_TPROXY_REG_ADDR) &&
	    !get_addr(vm, e, NFTA_TPROXY_REG_ADDR, alen, &addr))
		return ep_nft_unknown(vm, "tproxy to an open address");
	if (ep_attr_has(e, NFTA_TPROXY_REG_PORT) && !get_port(vm, e, NFTA_TPROXY_REG_PORT, &port))
		return ep_nft_unknown(vm, "tproxy to an open port");
	l = ep_tproxy_lookup(vm->w, &addr, port);
	if (!l)
		return EP_NFT_BREAK;
	vm->w->p.tproxy = l;
	vm->action = "tproxy";
	vm->to = ep_w_sprintf(vm->w, "port %u", l->port);
	return EP_NFT_NEXT;
}

static enum ep_nft_next eval_reject(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	static const char *const icmpx[] = {"icmp no-route", "icmp port-unreachable",
					    "icmp host-unreachable", "icmp admin-prohibited"};
	uint64_t code = ep_attr_num(e, NFTA_REJECT_ICMP_CODE, 0);

	vm->action = "reject";
	switch (ep_attr_num(e, NFTA_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH)) {
	case NFT_REJECT_TCP_RST:
		vm->to = "tcp reset";
		break;
	case NFT_REJECT_ICMPX_UNREACH:
		vm->to = code < EP_ARRAY_SIZE(icmpx) ? icmpx[code] : "icmp";
		break;
	default:
		vm->to = ep_w_sprintf(vm->w, "icmp unreachable, code %u", (unsigned)code);
	}
	ep_w_reject(vm->w, vm->to);
	return EP_NFT_ENDED;
}

/* ---- marks and conntrack's properties ---- */

enum ep_nft_next ep_nft_meta_set(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint64_t key = ep_attr_num(e, NFTA_META_KEY, ~0ull);
	uint64_t sreg = ep_attr_num(e, NFTA_META_SREG, ~0ull);
	uint32_t v;

	if (key == NFT_META_NFTRACE || key == NFT_META_SECMARK)
		return EP_NFT_NEXT;
	if (key == EP_META_BRI_BROUTE) {
		struct ep_byte *b = ep_reg(&vm->regs, sreg, 1);

		if (!b || b->kind != EP_BYTE_CONST)
			return ep_nft_unknown(vm, "meta broute set to something open");
		vm->w->p.broute = b->c;
		vm->action = "broute";
		return EP_NFT_NEXT;
	}
	if (key == NFT_META_PKTTYPE) {
		struct ep_byte *b = ep_reg(&vm->regs, sreg, 1);

		if (!b || b->kind != EP_BYTE_CONST)
			return ep_nft_unknown(vm, "packet type set to something open");
		vm->w->p.pkttype = b->c;
		return EP_NFT_NEXT;
	}
	if (key != NFT_META_MARK && key != NFT_META_PRIORITY)
		return ep_nft_unknown(vm, "meta set of a key that edgepath does not know");
	if (!get_u32(vm, sreg, &v))
		return ep_nft_unknown(vm, "mark set to something open");
	if (key == NFT_META_PRIORITY) {
		vm->w->p.priority = v;
		return EP_NFT_NEXT;
	}
	vm->w->p.mark = v;
	vm->action = "mark";
	vm->to = ep_w_sprintf(vm->w, "0x%x", v);
	return EP_NFT_NEXT;
}

/* nf_connlabels_replace() with the bits as their own mask: labels are added. */
static enum ep_nft_next set_labels(struct ep_nft_vm *vm, uint64_t sreg)
{
	uint8_t *labels = vm->w->p.labels, add[sizeof(vm->w->p.labels)];
	const struct ep_byte *b = ep_reg(&vm->regs, sreg, sizeof(add));

	if (!b || !ep_bytes_const(b, sizeof(add), add))
		return ep_nft_unknown(vm, "ct label set to something open");
	for (size_t i = 0; i < sizeof(add); i++)
		labels[i] |= add[i];
	return EP_NFT_NEXT;
}

enum ep_nft_next ep_nft_ct_set(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint64_t key = ep_attr_num(e, NFTA_CT_KEY, ~0ull);
	uint64_t sreg = ep_attr_num(e, NFTA_CT_SREG, ~0ull);
	uint32_t v;

	if (key == NFT_CT_ZONE) {
		struct ep_byte *b = ep_reg(&vm->regs, sreg, 2);
		uint8_t x[2];

		if (!b || !ep_bytes_settle(vm->w, b, 2, x))
			return ep_nft_unknown(vm, "ct zone set to something open");
		memcpy(&vm->w->p.ct_zone, x, 2);
		return EP_NFT_NEXT;
	}
	if (key == NFT_CT_LABELS && vm->w->p.ct == EP_CT_NEW)
		return set_labels(vm, sreg);
	if (key != NFT_CT_MARK || vm->w->p.ct != EP_CT_NEW)
		return EP_NFT_NEXT; /* events, secmark: nothing that decides a way */
	if (!get_u32(vm, sreg, &v))
		return ep_nft_unknown(vm, "ct mark set to something open");
	vm->w->p.ctmark = v;
	vm->action = "ct mark";
	vm->to = ep_w_sprintf(vm->w, "0x%x", v);
	return EP_NFT_NEXT;
}

static enum ep_nft_next eval_notrack(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	(void)e;
	if (vm->w->p.ct == EP_CT_NONE)
		vm->w->p.ct = EP_CT_UNTRACKED;
	vm->action = "notrack";
	return EP_NFT_NEXT;
}

/* ---- those without a say ---- */

static enum ep_nft_next eval_nothing(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	(void)vm;
	(void)e;
	return EP_NFT_NEXT;
}

/* ---- xt extensions inside nft rules (nft_compat.c) ---- */

static enum ep_nft_next eval_xt_match(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	struct ep_xt_env env = {
		.table = vm->chain->table->name,
		.chain = vm->chain->name,
		.position = vm->rule->position,
		.nft = true,
		.bridge = vm->chain->table->family == NFPROTO_BRIDGE,
	};
	struct ep_xt_ext x = {.name = ep_attr_str(e, NFTA_MATCH_NAME),
			      .rev = (uint8_t)ep_attr_num(e, NFTA_MATCH_REV, 0)};
	int r;

	x.data = ep_attr_bytes(e, NFTA_MATCH_INFO, &x.len);
	if (!x.name || !x.data)
		return ep_nft_bad(vm, e);
	r = ep_xt_match(vm->w, &env, &x);
	if (r >= 0)
		return r ? EP_NFT_NEXT : EP_NFT_BREAK;
	vm->verdict = (struct ep_verdict){.code = NF_DROP};
	return EP_NFT_VERDICT;
}

static enum ep_nft_next eval_xt_target(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	static const int32_t codes[] = {[EP_X_CONTINUE] = NFT_CONTINUE,
					[EP_X_ACCEPT] = NF_ACCEPT,
					[EP_X_DROP] = NF_DROP,
					[EP_X_RETURN] = NFT_RETURN};
	struct ep_xt_env env = {.table = vm->chain->table->name,
				.chain = vm->chain->name,
				.nft = true,
				.bridge = vm->chain->table->family == NFPROTO_BRIDGE};
	struct ep_xt_ext x = {.name = ep_attr_str(e, NFTA_TARGET_NAME),
			      .rev = (uint8_t)ep_attr_num(e, NFTA_TARGET_REV, 0)};
	enum ep_xt_ret r;

	x.data = ep_attr_bytes(e, NFTA_TARGET_INFO, &x.len);
	if (!x.name || !x.data)
		return ep_nft_bad(vm, e);
	r = ep_xt_target(vm->w, &env, &x);
	vm->action = env.action;
	vm->to = env.to;
	if (r == EP_X_ENDED)
		return EP_NFT_ENDED;
	vm->verdict = (struct ep_verdict){.code = codes[r]};
	return EP_NFT_VERDICT;
}

const struct ep_nft_row ep_nft_rows_effect[] = {
	{"nat", eval_nat},
	{"masq", eval_masq},
	{"redir", eval_redir},
	{"tproxy", eval_tproxy},
	{"reject", eval_reject},
	{"notrack", eval_notrack},
	{"counter", eval_nothing},
	{"log", eval_nothing},
	{"last", eval_nothing},
	{"dup", eval_nothing},
	{"queue", ep_nft_eval_queue},
	{"synproxy", ep_nft_eval_synproxy},
	{"fwd", ep_nft_eval_fwd},
	{"match", eval_xt_match},
	{"target", eval_xt_target},
	{NULL, NULL},
};
