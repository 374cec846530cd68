// SPDX-License-Identifier: GPL-2.0-or-later
/* Expressions that load what the packet, its connection or its host is like into a register. */
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "walk/bytes.h"
#include "walk/jhash.h"
#include "walk/nft.h"
#include "walk/xt.h"

/* ---- meta (net/netfilter/nft_meta.c) ---- */

enum meta_kind {
	META_IN_INDEX,
	META_OUT_INDEX,
	META_IN_NAME,
	META_OUT_NAME,
	META_IN_TYPE,
	META_OUT_TYPE,
	META_IN_GROUP,
	META_OUT_GROUP,
	META_IN_KIND,
	META_OUT_KIND,
	META_CONST8,
	META_CONST16,
	META_CONST32,
	META_MARK,
	META_PRIORITY,
	META_PKTTYPE,
	META_NFPROTO,
	META_PROTOCOL,
	META_CPU,
	META_TIME,
	META_DAY,
	META_HOUR,
	META_RANDOM,
	META_OWNER,
	META_BREAK,
	META_SDIF,
	META_SDIFNAME,
	META_LENGTH,
	META_BRIDGE_IN,
	META_BRIDGE_OUT,
	META_BRIDGE_PVID,
	META_BRIDGE_VPROTO,
	META_REALM,
};

static const struct {
	uint32_t key;
	enum meta_kind kind;
	uint32_t value;
	const char *what;
} meta_keys[] = {
	{NFT_META_LEN, META_LENGTH, 0, NULL},
	{NFT_META_PROTOCOL, META_PROTOCOL, 0, NULL},
	{NFT_META_PRIORITY, META_PRIORITY, 0, NULL},
	{NFT_META_MARK, META_MARK, 0, NULL},
	{NFT_META_IIF, META_IN_INDEX, 0, NULL},
	{NFT_META_OIF, META_OUT_INDEX, 0, NULL},
	{NFT_META_IIFNAME, META_IN_NAME, 0, NULL},
	{NFT_META_OIFNAME, META_OUT_NAME, 0, NULL},
	{NFT_META_IIFTYPE, META_IN_TYPE, 0, NULL},
	{NFT_META_OIFTYPE, META_OUT_TYPE, 0, NULL},
	{NFT_META_SKUID, META_OWNER, 0, "uid of the sending socket"},
	{NFT_META_SKGID, META_OWNER, 0, "gid of the sending socket"},
	{NFT_META_NFTRACE, META_CONST8, 0, NULL},
	{NFT_META_RTCLASSID, META_REALM, 0, NULL},
	{NFT_META_SECMARK, META_CONST32, 0, NULL},
	{NFT_META_NFPROTO, META_NFPROTO, 0, NULL},
	{NFT_META_L4PROTO, META_CONST8, IPPROTO_TCP, NULL},
	{NFT_META_BRI_IIFNAME, META_BRIDGE_IN, 0, NULL},
	{NFT_META_BRI_OIFNAME, META_BRIDGE_OUT, 0, NULL},
	{NFT_META_PKTTYPE, META_PKTTYPE, 0, NULL},
	{NFT_META_CPU, META_CPU, 0, NULL},
	{NFT_META_IIFGROUP, META_IN_GROUP, 0, NULL},
	{NFT_META_OIFGROUP, META_OUT_GROUP, 0, NULL},
	{NFT_META_CGROUP, META_OWNER, 0, "net_cls class of the sending socket"},
	{NFT_META_PRANDOM, META_RANDOM, 0, "meta random"},
	{NFT_META_SECPATH, META_CONST8, 0, NULL},
	{NFT_META_IIFKIND, META_IN_KIND, 0, NULL},
	{NFT_META_OIFKIND, META_OUT_KIND, 0, NULL},
	{NFT_META_BRI_IIFPVID, META_BRIDGE_PVID, 0, NULL},
	{NFT_META_BRI_IIFVPROTO, META_BRIDGE_VPROTO, 0, NULL},
	{NFT_META_TIME_NS, META_TIME, 0, NULL},
	{NFT_META_TIME_DAY, META_DAY, 0, NULL},
	{NFT_META_TIME_HOUR, META_HOUR, 0, NULL},
	{NFT_META_SDIF, META_SDIF, 0, NULL},
	{NFT_META_SDIFNAME, META_SDIFNAME, 0, NULL},
};

/* The link's VRF, if it is a port of one. */
static const struct ep_link *vrf_of(const struct ep_walk *w, const struct ep_link *l)
{
	const struct ep_link *m = l && l->master ? ep_link_by_index(w->ns, l->master) : NULL;

	return m && m->kind && !strcmp(m->kind, "vrf") ? m : NULL;
}

static enum ep_nft_next store_link(struct ep_nft_vm *vm, const struct ep_expr *e,
				   enum meta_kind kind, uint64_t dreg)
{
	bool out = kind == META_OUT_INDEX || kind == META_OUT_NAME || kind == META_OUT_TYPE ||
		   kind == META_OUT_GROUP || kind == META_OUT_KIND;
	const struct ep_link *l = out ? vm->w->p.out : vm->w->p.in;
	struct ep_regs *r = &vm->regs;

	if (kind == META_IN_TYPE && vm->w->hooknum == EP_HOOK_EGRESS)
		l = vm->w->p.out; /* so that rules on Ethernet addresses fit there */
	switch (kind) {
	case META_IN_INDEX:
	case META_OUT_INDEX:
		return ep_nft_stored(vm, e, ep_reg_u32(r, dreg, l ? l->ifindex : 0));
	case META_IN_NAME:
	case META_OUT_NAME:
		return ep_nft_stored(vm, e, ep_reg_name(r, dreg, l ? l->name : ""));
	case META_IN_TYPE:
	case META_OUT_TYPE:
		return l ? ep_nft_stored(vm, e, ep_reg_u16(r, dreg, l->type)) : EP_NFT_BREAK;
	case META_IN_GROUP:
	case META_OUT_GROUP:
		return l ? ep_nft_stored(vm, e, ep_reg_u32(r, dreg, l->group)) : EP_NFT_BREAK;
	default:
		return l && l->kind && *l->kind ?
			       ep_nft_stored(vm, e, ep_reg_name(r, dreg, l->kind)) :
			       EP_NFT_BREAK;
	}
}

/* A number of the host's byte order that nobody told us. */
static enum ep_nft_next store_open(struct ep_nft_vm *vm, const struct ep_expr *e, uint64_t dreg,
				   const char *what, unsigned bytes)
{
	struct ep_val v = ep_w_unknown_val(vm->w, what, bytes * 8);

	return ep_nft_stored(vm, e, ep_reg_val(&vm->regs, dreg, &v, bytes, true));
}

/* nft_meta_bridge.c: of the ports' bridges; some kernels have no such keys. */
static enum ep_nft_next store_bridge(struct ep_nft_vm *vm, const struct ep_expr *e,
				     enum meta_kind kind, uint64_t dreg)
{
	struct ep_walk *w = vm->w;
	const struct ep_link *port = kind == META_BRIDGE_OUT ? w->p.out : w->p.in;
	const struct ep_link *bridge =
		port && port->master ? ep_link_by_index(w->ns, port->master) : NULL;

	if (bridge && strcmp(bridge->kind, "bridge"))
		bridge = NULL;
	if (kind == META_BRIDGE_IN || kind == META_BRIDGE_OUT)
		return ep_nft_stored(vm, e,
				     ep_reg_name(&vm->regs, dreg, bridge ? bridge->name : ""));
	if (!bridge || !bridge->vlan_filtering)
		return EP_NFT_BREAK;
	return store_open(
		vm, e, dreg,
		kind == META_BRIDGE_PVID ? "the port's VLAN" : "the bridge's VLAN protocol", 2);
}

/* nf_hook_state.pf; ingress chains of the inet family have the packet's own. */
static uint8_t protocol_of(const struct ep_nft_vm *vm)
{
	uint8_t family = vm->chain->table->family;

	if (family == NFPROTO_BRIDGE || family == NFPROTO_NETDEV)
		return family;
	return vm->w->p.alen == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

static enum ep_nft_next load_meta(struct ep_nft_vm *vm, const struct ep_expr *e, unsigned i)
{
	uint64_t dreg = ep_attr_num(e, NFTA_META_DREG, ~0ull);
	struct ep_walk *w = vm->w;
	struct ep_regs *r = &vm->regs;
	bool v4 = w->p.alen == 4;
	const struct ep_link *vrf = vrf_of(w, w->p.in);
	struct ep_val v;

	switch (meta_keys[i].kind) {
	case META_CONST8:
		return ep_nft_stored(vm, e, ep_reg_u8(r, dreg, (uint8_t)meta_keys[i].value));
	case META_CONST16:
		return ep_nft_stored(vm, e, ep_reg_u16(r, dreg, (uint16_t)meta_keys[i].value));
	case META_CONST32:
		return ep_nft_stored(vm, e, ep_reg_u32(r, dreg, meta_keys[i].value));
	case META_MARK:
		return ep_nft_stored(vm, e, ep_reg_u32(r, dreg, w->p.mark));
	case META_PRIORITY:
		return ep_nft_stored(vm, e, ep_reg_u32(r, dreg, w->p.priority));
	case META_PKTTYPE:
		/* Looped back packets count by their address: nft_meta_get_eval_pkttype_lo() */
		return ep_nft_stored(vm, e,
				     ep_reg_u8(r, dreg,
					       w->p.pkttype == PACKET_LOOPBACK ? PACKET_HOST :
										 w->p.pkttype));
	case META_NFPROTO:
		return ep_nft_stored(vm, e, ep_reg_u8(r, dreg, protocol_of(vm)));
	case META_PROTOCOL:
		return ep_nft_stored(vm, e, ep_reg_u16(r, dreg, htons(v4 ? ETH_P_IP : ETH_P_IPV6)));
	case META_CPU:
	case META_TIME:
	case META_DAY:
	case META_HOUR:
		return ep_nft_load_host(vm, e, meta_keys[i].key);
	case META_OWNER: /* only packets of a local socket have one */
		if (!w->p.local_out)
			return EP_NFT_BREAK;
		v = ep_w_field(w, meta_keys[i].what, 32, 0);
		return ep_nft_stored(vm, e, ep_reg_val(r, dreg, &v, 4, true));
	case META_RANDOM:
		v.var = ep_w_var(w, EP_VAR_RANDOM, 32, ep_iv_full(w->arena, 32), "meta random");
		return ep_nft_stored(vm, e, ep_reg_val(r, dreg, &v, 4, true));
	case META_SDIF:
		return ep_nft_stored(vm, e, ep_reg_u32(r, dreg, vrf ? w->p.in->ifindex : 0));
	case META_SDIFNAME:
		return ep_nft_stored(vm, e, ep_reg_name(r, dreg, vrf ? w->p.in->name : ""));
	case META_LENGTH: /* skb->len: the IP packet's */
		v = ep_pkt_len(w);
		return ep_nft_stored(vm, e, ep_reg_val(r, dreg, &v, 2, true));
	case META_REALM:
		v = ep_pkt_realm(w);
		return ep_pkt_routed(w) ? ep_nft_stored(vm, e, ep_reg_val(r, dreg, &v, 4, true)) :
					  EP_NFT_BREAK;
	case META_BREAK:
		return EP_NFT_BREAK;
	case META_BRIDGE_IN:
	case META_BRIDGE_OUT:
	case META_BRIDGE_PVID:
	case META_BRIDGE_VPROTO:
		return store_bridge(vm, e, meta_keys[i].kind, dreg);
	default:
		return store_link(vm, e, meta_keys[i].kind, dreg);
	}
}

static enum ep_nft_next eval_meta(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint64_t key = ep_attr_num(e, NFTA_META_KEY, ~0ull);

	if (ep_attr_has(e, NFTA_META_SREG))
		return ep_nft_meta_set(vm, e);
	for (unsigned i = 0; i < EP_ARRAY_SIZE(meta_keys); i++)
		if (meta_keys[i].key == key)
			return load_meta(vm, e, i);
	return store_open(vm, e, ep_attr_num(e, NFTA_META_DREG, ~0ull),
			  ep_w_sprintf(vm->w, "meta key %u", (unsigned)key), 4);
}

/* ---- ct (net/netfilter/nft_ct.c) ---- */

static bool store_addr(struct ep_regs *r, uint64_t dreg, const struct ep_addr *a)
{
	return ep_reg_const(r, dreg, a->b, a->len);
}

static enum ep_nft_next load_tuple(struct ep_nft_vm *vm, const struct ep_expr *e, uint64_t key,
				   bool reply)
{
	uint64_t dreg = ep_attr_num(e, NFTA_CT_DREG, ~0ull);
	const struct ep_pkt *p = &vm->w->p;
	bool src = key == NFT_CT_SRC || key == NFT_CT_SRC_IP || key == NFT_CT_SRC_IP6 ||
		   key == NFT_CT_PROTO_SRC;
	bool port = key == NFT_CT_PROTO_SRC || key == NFT_CT_PROTO_DST;
	struct ep_regs *r = &vm->regs;

	/* The reply's source is the (translated) destination, and the other way round. */
	if (src == reply && port)
		return ep_nft_stored(vm, e,
				     ep_reg_u16(r, dreg, htons(reply ? p->dport : p->o_dport)));
	if (src == reply)
		return ep_nft_stored(vm, e, store_addr(r, dreg, reply ? &p->daddr : &p->o_daddr));
	if (port)
		return ep_nft_stored(
			vm, e, ep_reg_val(r, dreg, reply ? &p->sport : &p->o_sport, 2, false));
	return ep_nft_stored(vm, e,
			     ep_reg_val(r, dreg, reply ? &p->saddr : &p->o_saddr, p->alen, false));
}

static uint32_t ct_state(const struct ep_pkt *p)
{
	if (p->ct == EP_CT_UNTRACKED)
		return NF_CT_STATE_UNTRACKED_BIT;
	return p->ct == EP_CT_NEW ? NF_CT_STATE_BIT(IP_CT_NEW) : NF_CT_STATE_INVALID_BIT;
}

/* A packet that comes back through the loopback device has been confirmed on its way out. */
static uint32_t ct_status(const struct ep_pkt *p)
{
	return (p->in && p->in->flags & IFF_LOOPBACK ? IPS_CONFIRMED : 0) |
	       (p->src_nat ? IPS_SRC_NAT : 0) | (p->dst_nat ? IPS_DST_NAT : 0) |
	       (p->snat_done ? IPS_SRC_NAT_DONE : 0) | (p->dnat_done ? IPS_DST_NAT_DONE : 0);
}

static enum ep_nft_next eval_ct(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint64_t key = ep_attr_num(e, NFTA_CT_KEY, ~0ull),
		 dreg = ep_attr_num(e, NFTA_CT_DREG, ~0ull);
	struct ep_regs *r = &vm->regs;
	struct ep_pkt *p = &vm->w->p;

	if (ep_attr_has(e, NFTA_CT_SREG))
		return ep_nft_ct_set(vm, e);
	if (key == NFT_CT_STATE)
		return ep_nft_stored(vm, e, ep_reg_u32(r, dreg, ct_state(p)));
	if (p->ct != EP_CT_NEW)
		return EP_NFT_BREAK;
	switch (key) {
	case NFT_CT_DIRECTION:
		return ep_nft_stored(vm, e, ep_reg_u8(r, dreg, 0));
	case NFT_CT_STATUS:
		return ep_nft_stored(vm, e, ep_reg_u32(r, dreg, ct_status(p)));
	case NFT_CT_MARK:
		return ep_nft_stored(vm, e, ep_reg_u32(r, dreg, p->ctmark));
	case NFT_CT_SECMARK:
		return ep_nft_stored(vm, e, ep_reg_u32(r, dreg, 0));
	case NFT_CT_HELPER:
		return EP_NFT_BREAK;
	case NFT_CT_L3PROTOCOL:
		return ep_nft_stored(
			vm, e, ep_reg_u8(r, dreg, p->alen == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6));
	case NFT_CT_PROTOCOL:
		return ep_nft_stored(vm, e, ep_reg_u8(r, dreg, IPPROTO_TCP));
	case NFT_CT_LABELS:
		return ep_nft_stored(vm, e, ep_reg_const(r, dreg, p->labels, sizeof(p->labels)));
	case NFT_CT_ZONE:
		return ep_nft_stored(vm, e, ep_reg_u16(r, dreg, p->ct_zone));
	case NFT_CT_SRC_IP:
	case NFT_CT_DST_IP:
		if (p->alen != 4)
			return EP_NFT_BREAK;
		break;
	case NFT_CT_SRC_IP6:
	case NFT_CT_DST_IP6:
		if (p->alen != 16)
			return EP_NFT_BREAK;
		break;
	case NFT_CT_SRC:
	case NFT_CT_DST:
	case NFT_CT_PROTO_SRC:
	case NFT_CT_PROTO_DST:
		break;
	case NFT_CT_PKTS:
	case NFT_CT_BYTES:
	case NFT_CT_AVGPKT:
		return ep_nft_load_counter(vm, e, key);
	default:
		return store_open(vm, e, dreg, ep_w_sprintf(vm->w, "ct key %u", (unsigned)key), 4);
	}
	return load_tuple(vm, e, key, ep_attr_num(e, NFTA_CT_DIRECTION, 0) == IP_CT_DIR_REPLY);
}

/* ---- socket, random numbers, and what a SYN never has ---- */

/* A packet that a process sends has its socket with it, until it comes back in by lo. */
static enum ep_nft_next senders_socket(struct ep_nft_vm *vm, const struct ep_expr *e, uint64_t key,
				       uint64_t dreg)
{
	struct ep_val v;

	switch (key) {
	case NFT_SOCKET_TRANSPARENT:
	case NFT_SOCKET_WILDCARD: /* a connecting socket has an address */
		return ep_nft_stored(vm, e, ep_reg_u8(&vm->regs, dreg, 0));
	case NFT_SOCKET_MARK:
		v = ep_w_field(vm->w, "mark of the sending socket", 32, 0);
		return ep_nft_stored(vm, e, ep_reg_val(&vm->regs, dreg, &v, 4, true));
	}
	return store_open(vm, e, dreg, "cgroup of the sending socket", 8);
}

static enum ep_nft_next eval_socket(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	const struct ep_listener *l;
	uint64_t dreg = ep_attr_num(e, NFTA_SOCKET_DREG, ~0ull);
	uint64_t key = ep_attr_num(e, NFTA_SOCKET_KEY, ~0ull);
	struct ep_walk *w = vm->w;

	if (w->p.local_out && w->hooknum == NF_INET_LOCAL_OUT)
		return senders_socket(vm, e, key, dreg);
	l = w->p.tproxy ? w->p.tproxy : ep_listener_lookup(w);
	if (!l)
		return w->s->listeners_partial && ep_w_unknown(w, "not all sockets could be read") ?
			       ep_nft_unknown(vm, "not all sockets could be read") :
			       EP_NFT_BREAK;
	switch (key) {
	case NFT_SOCKET_TRANSPARENT:
		return ep_nft_stored(vm, e, ep_reg_u8(&vm->regs, dreg, l->transparent));
	case NFT_SOCKET_WILDCARD:
		return ep_nft_stored(vm, e, ep_reg_u8(&vm->regs, dreg, ep_addr_is_any(&l->addr)));
	case NFT_SOCKET_MARK:
		if (l->mark_known)
			return ep_nft_stored(vm, e, ep_reg_u32(&vm->regs, dreg, l->mark));
		return store_open(vm, e, dreg, "mark of the listener's socket", 4);
	}
	return store_open(vm, e, dreg, "cgroup of the listener", 8);
}

/* 0..modulus-1, plus an offset, in host order. */
static enum ep_nft_next store_random(struct ep_nft_vm *vm, const struct ep_expr *e, uint64_t dreg,
				     uint64_t mod, uint64_t off, const char *what)
{
	struct ep_val v;

	if (!mod || mod > UINT32_MAX || off > UINT32_MAX - (mod - 1))
		return ep_nft_bad(vm, e);
	v.var = ep_w_var(vm->w, EP_VAR_RANDOM, 32, ep_iv_range(vm->w->arena, off, off + mod - 1),
			 what);
	return ep_nft_stored(vm, e, ep_reg_val(&vm->regs, dreg, &v, 4, true));
}

static enum ep_nft_next eval_numgen(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	return store_random(vm, e, ep_attr_num(e, NFTA_NG_DREG, ~0ull),
			    ep_attr_num(e, NFTA_NG_MODULUS, 0), ep_attr_num(e, NFTA_NG_OFFSET, 0),
			    "numgen");
}

/* nft_jhash_eval(). A seed that the kernel made itself it does not tell: then any value may be. */
static enum ep_nft_next eval_hash(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	uint64_t len = ep_attr_num(e, NFTA_HASH_LEN, 0), mod = ep_attr_num(e, NFTA_HASH_MODULUS, 0);
	struct ep_byte *b = ep_reg(&vm->regs, ep_attr_num(e, NFTA_HASH_SREG, ~0ull), len);
	uint8_t key[EP_NFT_REGBYTES];

	if (ep_attr_num(e, NFTA_HASH_TYPE, NFT_HASH_JENKINS) == NFT_HASH_JENKINS && b && len &&
	    ep_attr_has(e, NFTA_HASH_SEED) && ep_bytes_const(b, len, key)) {
		uint64_t h = ep_jhash(key, len, (uint32_t)ep_attr_num(e, NFTA_HASH_SEED, 0));

		return ep_nft_stored(
			vm, e,
			ep_reg_u32(&vm->regs, ep_attr_num(e, NFTA_HASH_DREG, ~0ull),
				   (uint32_t)(h * (uint32_t)mod >> 32) +
					   (uint32_t)ep_attr_num(e, NFTA_HASH_OFFSET, 0)));
	}
	return store_random(vm, e, ep_attr_num(e, NFTA_HASH_DREG, ~0ull),
			    ep_attr_num(e, NFTA_HASH_MODULUS, 0),
			    ep_attr_num(e, NFTA_HASH_OFFSET, 0), "hash");
}

/* IPsec's state, an inner header of a tunnel; a flow to offload must be established. */
static enum ep_nft_next eval_absent(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	(void)vm;
	(void)e;
	return EP_NFT_BREAK;
}

/* nft_tunnel.c: the packet came through no tunnel of the kind that keeps its metadata. */
static enum ep_nft_next eval_tunnel(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	if (ep_attr_num(e, NFTA_TUNNEL_KEY, ~0ull) != NFT_TUNNEL_PATH)
		return EP_NFT_BREAK;
	return ep_nft_stored(vm, e,
			     ep_reg_u8(&vm->regs, ep_attr_num(e, NFTA_TUNNEL_DREG, ~0ull), 0));
}

/* nft_osf.c: the name that a fingerprint gives the client, "unknown" where none fits. */
static enum ep_nft_next eval_osf(struct ep_nft_vm *vm, const struct ep_expr *e)
{
	static const char unknown[16] = "unknown";
	struct ep_val v = ep_w_field(vm->w, "osf name", 128, ep_xt_num(unknown, true));

	if (vm->w->p.ack)
		return EP_NFT_BREAK;
	return ep_nft_stored(
		vm, e, ep_reg_val(&vm->regs, ep_attr_num(e, NFTA_OSF_DREG, ~0ull), &v, 16, false));
}

const struct ep_nft_row ep_nft_rows_field[] = {
	{"meta", eval_meta},
	{"ct", eval_ct},
	{"fib", ep_nft_eval_fib},
	{"socket", eval_socket},
	{"numgen", eval_numgen},
	{"hash", eval_hash},
	{"rt", ep_nft_eval_rt},
	{"exthdr", ep_nft_eval_exthdr},
	{"payload", ep_nft_eval_payload},
	{"xfrm", eval_absent},
	{"tunnel", eval_tunnel},
	{"osf", eval_osf},
	{"inner", eval_absent},
	{"flow_offload", eval_absent},
	{NULL, NULL},
};
