// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rules that iptables-nft keeps in nftables, as the rules of iptables that they are: it writes what
 * it can as expressions of nft's own and the rest as extensions of xtables, and reads both back.
 */
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>

#include "model/nft_types.h"
#include "model/xt_text.h"

#define REGS 20 /* NFT_REG_1 to NFT_REG_4, and NFT_REG32_00 to NFT_REG32_15 */

/* What a register was loaded with. */
struct load {
	enum { NOTHING, META, PAYLOAD } kind;
	uint64_t key, base, offset, len;
	const uint8_t *mask; /* len bytes; NULL: all of it */
};

struct reader {
	struct ep_arena *a;
	bool v6;
	struct load regs[REGS];
	struct ep_xt_rule *rule;
	void *ports; /* xt_tcp or xt_udp that the rule's ports and flags go to */
};

/* A value that a register is compared with. */
struct value {
	uint64_t op;
	const uint8_t *data;
	uint32_t len;
};

typedef bool (*read_fn)(struct reader *r, const struct ep_expr *e);

static struct load *reg_of(struct reader *r, uint64_t reg)
{
	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		return &r->regs[reg - NFT_REG_1];
	if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15)
		return &r->regs[4 + reg - NFT_REG32_00];
	return NULL;
}

static void *add_match(struct reader *r, const char *name, uint8_t rev, uint32_t size)
{
	struct ep_xt_ext *x = ep_push(r->a, &r->rule->matches);
	void *data = ep_alloc(r->a, size);

	*x = (struct ep_xt_ext){.name = name, .rev = rev, .len = size, .data = data};
	return data;
}

/* ---- the packet's own fields ---- */

static struct ep_addr mask_of(const struct reader *r, const struct load *l)
{
	uint8_t b[16] = {0};

	if (l->mask)
		memcpy(b, l->mask, l->len);
	else
		memset(b, 0xff, l->len);
	return ep_addr_of(b, r->v6 ? 16 : 4);
}

static bool read_address(struct reader *r, const struct load *l, const struct value *v, bool is_src)
{
	uint32_t size = r->v6 ? 16 : 4;
	struct ep_xt_rule *x = r->rule;
	uint8_t b[16] = {0};

	if (v->len > size || l->len > size)
		return false;
	memcpy(b, v->data, v->len);
	*(is_src ? &x->src : &x->dst) = ep_addr_of(b, (uint8_t)size);
	*(is_src ? &x->smask : &x->dmask) = mask_of(r, l);
	if (v->op == NFT_CMP_NEQ)
		x->invflags |= is_src ? IPT_INV_SRCIP : IPT_INV_DSTIP;
	return true;
}

static bool read_protocol(struct reader *r, const struct value *v)
{
	r->rule->proto = v->data[0];
	if (v->op == NFT_CMP_NEQ)
		r->rule->invflags |= XT_INV_PROTO;
	return true;
}

static bool read_ttl(struct reader *r, const struct value *v)
{
	static const int8_t modes[] = {
		[NFT_CMP_EQ] = IPT_TTL_EQ,
		[NFT_CMP_NEQ] = IPT_TTL_NE,
		[NFT_CMP_LT] = IPT_TTL_LT,
		[NFT_CMP_GT] = IPT_TTL_GT,
	};
	struct ipt_ttl_info *i;

	if (v->op == NFT_CMP_LTE || v->op == NFT_CMP_GTE)
		return false;
	i = add_match(r, r->v6 ? "hl" : "ttl", 0, sizeof(*i));
	i->mode = (uint8_t)modes[v->op];
	i->ttl = v->data[0];
	return true;
}

static bool read_network(struct reader *r, const struct load *l, const struct value *v)
{
	const unsigned src = r->v6 ? 8 : 12, dst = r->v6 ? 24 : 16;

	if (l->offset == src || l->offset == dst)
		return v->op <= NFT_CMP_NEQ && read_address(r, l, v, l->offset == src);
	if (l->offset == (r->v6 ? 6 : 9) && v->op <= NFT_CMP_NEQ)
		return read_protocol(r, v);
	if (l->offset == (r->v6 ? 7 : 8))
		return read_ttl(r, v);
	if (l->offset == 6 && !r->v6 && v->op <= NFT_CMP_NEQ) { /* frag_off & 0x1fff != 0 */
		r->rule->flags |= IPT_F_FRAG;
		if (v->op == NFT_CMP_EQ)
			r->rule->invflags |= IPT_INV_FRAG;
		return true;
	}
	return false;
}

/* ---- devices, mark, type of packet ---- */

static bool read_device(const struct value *v, char name[16], uint8_t mask[16], uint8_t *invflags,
			unsigned flag)
{
	if (v->len > 16 || v->op > NFT_CMP_NEQ)
		return false;
	memset(name, 0, 16);
	memset(mask, 0, 16);
	memcpy(name, v->data, v->len);
	memset(mask, 0xff, strnlen(name, v->len) + (memchr(name, 0, v->len) ? 1 : 0));
	if (v->op == NFT_CMP_NEQ)
		*invflags |= flag;
	else if (!strcmp(name, "INVAL/D")) { /* "! -i +", which nothing fits */
		memset(mask, 0, 16);
		*invflags |= flag;
		mask[0] = mask[1] = 0xff;
		memcpy(name, "+\0", 3);
	}
	return true;
}

static bool read_mark(struct reader *r, const struct load *l, const struct value *v)
{
	struct xt_mark_mtinfo1 *i;

	if (v->len != 4 || v->op > NFT_CMP_NEQ)
		return false;
	i = add_match(r, "mark", 1, sizeof(*i));
	memcpy(&i->mark, v->data, 4);
	i->mask = UINT32_MAX;
	if (l->mask)
		memcpy(&i->mask, l->mask, 4);
	i->invert = v->op == NFT_CMP_NEQ;
	return true;
}

static bool read_pkttype(struct reader *r, const struct value *v)
{
	struct xt_pkttype_info *i;

	if (v->op > NFT_CMP_NEQ)
		return false;
	i = add_match(r, "pkttype", 0, sizeof(*i));
	i->pkttype = v->data[0];
	i->invert = v->op == NFT_CMP_NEQ;
	return true;
}

static bool read_meta(struct reader *r, const struct load *l, const struct value *v)
{
	struct ep_xt_rule *x = r->rule;

	switch (l->key) {
	case NFT_META_L4PROTO:
		return v->op <= NFT_CMP_NEQ && read_protocol(r, v);
	case NFT_META_IIFNAME:
		return read_device(v, x->iif, x->iif_mask, &x->invflags, IPT_INV_VIA_IN);
	case NFT_META_OIFNAME:
		return read_device(v, x->oif, x->oif_mask, &x->invflags, IPT_INV_VIA_OUT);
	case NFT_META_MARK:
		return read_mark(r, l, v);
	case NFT_META_PKTTYPE:
		return read_pkttype(r, v);
	}
	return false;
}

/* ---- ports and flags ---- */

static struct xt_tcp *tcp_of(struct reader *r)
{
	struct xt_tcp *i = r->ports;

	if (i || r->rule->proto != IPPROTO_TCP)
		return i;
	i = r->ports = add_match(r, "tcp", 0, sizeof(*i));
	i->spts[1] = i->dpts[1] = UINT16_MAX;
	return i;
}

static struct xt_udp *udp_of(struct reader *r)
{
	struct xt_udp *i = r->ports;

	if (i)
		return i;
	i = r->ports = add_match(r, "udp", 0, sizeof(*i));
	i->spts[1] = i->dpts[1] = UINT16_MAX;
	return i;
}

static uint16_t port_of(const uint8_t *v)
{
	return (uint16_t)(v[0] << 8 | v[1]);
}

static bool set_ports(struct reader *r, bool is_src, uint16_t lo, uint16_t hi, bool invert)
{
	bool tcp = r->rule->proto == IPPROTO_TCP;
	uint16_t *pair;

	/* Both have the same names for what is inverted. */
	_Static_assert(XT_TCP_INV_SRCPT == XT_UDP_INV_SRCPT, "flags");
	if (!tcp && r->rule->proto != IPPROTO_UDP)
		return false;
	if (tcp)
		pair = is_src ? tcp_of(r)->spts : tcp_of(r)->dpts;
	else
		pair = is_src ? udp_of(r)->spts : udp_of(r)->dpts;
	pair[0] = lo;
	pair[1] = hi;
	if (invert)
		*(tcp ? &tcp_of(r)->invflags : &udp_of(r)->invflags) |= is_src ? XT_TCP_INV_SRCPT :
										 XT_TCP_INV_DSTPT;
	return true;
}

/* One side of a range leaves the other as it is. */
static bool compare_port(struct reader *r, bool is_src, uint64_t op, uint16_t port)
{
	switch (op) {
	case NFT_CMP_EQ:
	case NFT_CMP_NEQ:
		return set_ports(r, is_src, port, port, op == NFT_CMP_NEQ);
	case NFT_CMP_LT:
		return set_ports(r, is_src, 0, port > 1 ? port - 1 : 1, false);
	case NFT_CMP_LTE:
		return set_ports(r, is_src, 0, port, false);
	case NFT_CMP_GT:
		return set_ports(r, is_src, port < UINT16_MAX ? port + 1 : port, UINT16_MAX, false);
	case NFT_CMP_GTE:
		return set_ports(r, is_src, port, UINT16_MAX, false);
	}
	return false;
}

static bool read_icmp(struct reader *r, const struct load *l, const struct value *v)
{
	struct ep_xt_icmp *i;

	if (l->offset || v->len > 2 || v->op != NFT_CMP_EQ)
		return false;
	i = add_match(r, r->v6 ? "icmp6" : "icmp", 0, sizeof(*i));
	i->type = v->data[0];
	i->code[0] = v->len > 1 ? v->data[1] : 0;
	i->code[1] = v->len > 1 ? v->data[1] : UINT8_MAX;
	return true;
}

static bool read_tcp_flags(struct reader *r, const struct load *l, const struct value *v)
{
	struct xt_tcp *i = v->len == 1 && v->op <= NFT_CMP_NEQ ? tcp_of(r) : NULL;

	if (!i)
		return false;
	i->flg_cmp = v->data[0];
	i->flg_mask = l->mask ? l->mask[0] : UINT8_MAX;
	if (v->op == NFT_CMP_NEQ)
		i->invflags |= XT_TCP_INV_FLAGS;
	return true;
}

static bool read_transport(struct reader *r, const struct load *l, const struct value *v)
{
	if (r->rule->proto == IPPROTO_ICMP || r->rule->proto == IPPROTO_ICMPV6)
		return read_icmp(r, l, v);
	if (l->offset == 13 && r->rule->proto == IPPROTO_TCP)
		return read_tcp_flags(r, l, v);
	if (l->mask)
		return false;
	if (l->offset == 0 && v->len == 4)
		return compare_port(r, true, v->op, port_of(v->data)) &&
		       compare_port(r, false, v->op, port_of(v->data + 2));
	if ((l->offset == 0 || l->offset == 2) && v->len == 2)
		return compare_port(r, l->offset == 0, v->op, port_of(v->data));
	return false;
}

/* ---- expressions ---- */

static bool load_meta(struct reader *r, const struct ep_expr *e)
{
	struct load *l = reg_of(r, ep_attr_num(e, NFTA_META_DREG, 0));

	if (ep_attr_has(e, NFTA_META_SREG)) { /* "meta nftrace set 1" */
		r->rule->verdict = EP_XT_TARGET;
		r->rule->target = (struct ep_xt_ext){.name = "TRACE", .data = (const uint8_t *)""};
		return ep_attr_num(e, NFTA_META_KEY, 0) == NFT_META_NFTRACE;
	}
	if (!l)
		return false;
	*l = (struct load){.kind = META, .key = ep_attr_num(e, NFTA_META_KEY, UINT32_MAX)};
	return true;
}

static bool load_payload(struct reader *r, const struct ep_expr *e)
{
	struct load *l = reg_of(r, ep_attr_num(e, NFTA_PAYLOAD_DREG, 0));

	if (!l || ep_attr_has(e, NFTA_PAYLOAD_SREG))
		return false;
	*l = (struct load){.kind = PAYLOAD,
			   .base = ep_attr_num(e, NFTA_PAYLOAD_BASE, UINT32_MAX),
			   .offset = ep_attr_num(e, NFTA_PAYLOAD_OFFSET, UINT32_MAX),
			   .len = ep_attr_num(e, NFTA_PAYLOAD_LEN, 0)};
	return l->len <= 16;
}

static bool mask_load(struct reader *r, const struct ep_expr *e)
{
	const struct load *from = reg_of(r, ep_attr_num(e, NFTA_BITWISE_SREG, 0));
	struct load *to = reg_of(r, ep_attr_num(e, NFTA_BITWISE_DREG, 0)), copy;
	uint32_t n = 0, n_xor = 0, len;
	const uint8_t *mask = ep_attr_bytes(e, NFTA_BITWISE_MASK, &n);
	const uint8_t *flip = ep_attr_bytes(e, NFTA_BITWISE_XOR, &n_xor);

	if (!from || !to || !mask || !flip || from->kind == NOTHING || from->mask ||
	    ep_attr_num(e, NFTA_BITWISE_OP, NFT_BITWISE_BOOL) != NFT_BITWISE_BOOL)
		return false;
	copy = *from;
	len = copy.kind == META ? 4 : (uint32_t)copy.len;
	for (uint32_t i = 0; i < n_xor; i++)
		if (flip[i])
			return false;
	copy.mask = mask;
	*to = copy;
	return n == len;
}

static bool read_cmp(struct reader *r, const struct ep_expr *e)
{
	const struct load *l = reg_of(r, ep_attr_num(e, NFTA_CMP_SREG, 0));
	struct value v = {.op = ep_attr_num(e, NFTA_CMP_OP, UINT32_MAX)};

	v.data = ep_attr_bytes(e, NFTA_CMP_DATA, &v.len);
	if (!l || !v.data || !v.len || v.op > NFT_CMP_GTE)
		return false;
	if (l->kind == META)
		return read_meta(r, l, &v);
	if (l->kind != PAYLOAD || v.len > l->len)
		return false;
	return l->base == NFT_PAYLOAD_NETWORK_HEADER   ? read_network(r, l, &v) :
	       l->base == NFT_PAYLOAD_TRANSPORT_HEADER ? read_transport(r, l, &v) :
							 false;
}

static bool read_range(struct reader *r, const struct ep_expr *e)
{
	const struct load *l = reg_of(r, ep_attr_num(e, NFTA_RANGE_SREG, 0));
	uint32_t n_lo = 0, n_hi = 0;
	const uint8_t *lo = ep_attr_bytes(e, NFTA_RANGE_FROM_DATA, &n_lo);
	const uint8_t *hi = ep_attr_bytes(e, NFTA_RANGE_TO_DATA, &n_hi);

	if (!l || !lo || !hi || n_lo != 2 || n_hi != 2 || l->kind != PAYLOAD || l->mask ||
	    l->base != NFT_PAYLOAD_TRANSPORT_HEADER || (l->offset != 0 && l->offset != 2))
		return false;
	return set_ports(r, l->offset == 0, port_of(lo), port_of(hi),
			 ep_attr_num(e, NFTA_RANGE_OP, NFT_RANGE_EQ) == NFT_RANGE_NEQ);
}

static bool read_verdict(struct reader *r, const struct ep_expr *e)
{
	static const struct {
		int32_t code;
		enum ep_xt_verdict verdict;
	} verdicts[] = {
		{NF_ACCEPT, EP_XT_ACCEPT},  {NF_DROP, EP_XT_DROP},  {NF_QUEUE, EP_XT_QUEUE},
		{NFT_RETURN, EP_XT_RETURN}, {NFT_JUMP, EP_XT_JUMP}, {NFT_GOTO, EP_XT_GOTO},
	};
	const struct ep_attr *at = ep_attr_get(e, NFTA_IMMEDIATE_DATA);

	if (!at || at->kind != EP_ATTR_VERDICT) /* what a later expression may store somewhere */
		return at;
	for (size_t i = 0; i < EP_ARRAY_SIZE(verdicts); i++)
		if (verdicts[i].code == at->verdict->code) {
			r->rule->verdict = verdicts[i].verdict;
			r->rule->chain = at->verdict->chain;
			return true;
		}
	return false;
}

static bool read_limit(struct reader *r, const struct ep_expr *e)
{
	uint64_t rate = ep_attr_num(e, NFTA_LIMIT_RATE, 0);
	struct xt_rateinfo *i;

	if (!rate || ep_attr_num(e, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS) != NFT_LIMIT_PKTS ||
	    ep_attr_num(e, NFTA_LIMIT_FLAGS, 0))
		return false;
	i = add_match(r, "limit", 0, sizeof(*i));
	i->avg = (uint32_t)(XT_LIMIT_SCALE * ep_attr_num(e, NFTA_LIMIT_UNIT, 1) / rate);
	i->burst = (uint32_t)ep_attr_num(e, NFTA_LIMIT_BURST, 0);
	return true;
}

static bool read_log(struct reader *r, const struct ep_expr *e)
{
	const char *prefix = ep_attr_str(e, NFTA_LOG_PREFIX);
	struct ep_xt_nflog *i;

	if (!ep_attr_has(e, NFTA_LOG_GROUP) || ep_attr_has(e, NFTA_LOG_LEVEL))
		return false;
	i = ep_alloc(r->a, sizeof(*i));
	i->group = (uint16_t)ep_attr_num(e, NFTA_LOG_GROUP, 0);
	i->threshold = (uint16_t)ep_attr_num(e, NFTA_LOG_QTHRESHOLD, 0);
	if (ep_attr_has(e, NFTA_LOG_SNAPLEN)) {
		i->len = (uint32_t)ep_attr_num(e, NFTA_LOG_SNAPLEN, 0);
		i->flags = XT_NFLOG_F_COPY_LEN;
	}
	if (prefix)
		memcpy(i->prefix, prefix, strnlen(prefix, sizeof(i->prefix) - 1));
	r->rule->verdict = EP_XT_TARGET;
	r->rule->target =
		(struct ep_xt_ext){.name = "NFLOG", .len = sizeof(*i), .data = (const uint8_t *)i};
	return true;
}

/* NFTA_TARGET_* and NFTA_MATCH_* have the same numbers. */
static bool read_ext(const struct ep_expr *e, struct ep_xt_ext *x)
{
	x->name = ep_attr_str(e, NFTA_MATCH_NAME);
	x->rev = (uint8_t)ep_attr_num(e, NFTA_MATCH_REV, 0);
	x->data = ep_attr_bytes(e, NFTA_MATCH_INFO, &x->len);
	return x->name && x->data;
}

static bool read_match(struct reader *r, const struct ep_expr *e)
{
	return read_ext(e, ep_push(r->a, &r->rule->matches));
}

static bool read_target(struct reader *r, const struct ep_expr *e)
{
	r->rule->verdict = EP_XT_TARGET;
	return read_ext(e, &r->rule->target);
}

static bool read_counter(struct reader *r, const struct ep_expr *e)
{
	(void)r;
	(void)e;
	return true;
}

static const struct {
	const char *name;
	read_fn fn;
} rows[] = {
	{"meta", load_meta},   {"payload", load_payload}, {"bitwise", mask_load},
	{"cmp", read_cmp},     {"range", read_range},     {"immediate", read_verdict},
	{"match", read_match}, {"target", read_target},   {"limit", read_limit},
	{"log", read_log},     {"counter", read_counter},
};

static bool read_expr(struct reader *r, const struct ep_expr *e)
{
	for (size_t i = 0; !e->opaque && i < EP_ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].name, e->name))
			return rows[i].fn(r, e);
	return false;
}

bool ep_xt_rule_of_nft(struct ep_arena *a, const struct ep_nft_chain *c,
		       const struct ep_nft_rule *rule, struct ep_xt_rule *ret)
{
	struct reader r = {.a = a, .rule = ret};

	if (!c->table || (c->table->family != NFPROTO_IPV4 && c->table->family != NFPROTO_IPV6))
		return false;
	r.v6 = c->table->family == NFPROTO_IPV6;
	*ret = (struct ep_xt_rule){.position = rule->position, .verdict = EP_XT_CONTINUE};
	ep_each(e, &rule->exprs)
		if (!read_expr(&r, e))
			return false;
	return true;
}
