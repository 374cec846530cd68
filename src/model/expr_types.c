// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nf_tables expressions and their attributes (uapi linux/netfilter/nf_tables.h). The netlink decoder
 * and the JSON reader and writer both follow these rows. Every number is big-endian on the wire;
 * NFTA_MATCH_INFO and NFTA_TARGET_INFO are kernel structures in host order, kept as bytes.
 */
#include "edgepath/model.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <string.h>

/* Linux 6.2; not in the headers of Debian 12. */
enum {
	EP_NFTA_INNER_NUM = 1,
	EP_NFTA_INNER_TYPE,
	EP_NFTA_INNER_FLAGS,
	EP_NFTA_INNER_HDRSIZE,
	EP_NFTA_INNER_EXPR,
};

/* Linux 6.13. */
#define EP_NFTA_BITWISE_SREG2 8

/* Set, chain and object names (NFT_NAME_MAXLEN), and nft_compat's private structures. */
#define NAME_MAX_LEN 256
#define DATA_MAX_LEN 64
#define INFO_MAX_LEN 8192
#define SUBEXPR_MAX  8192

#define NUM8(a, n)                                    \
	{                                             \
		a, n, 1, EP_ATTR_NUM, false, false, 1 \
	}
#define NUM16(a, n)                                   \
	{                                             \
		a, n, 2, EP_ATTR_NUM, false, false, 2 \
	}
#define NUM(a, n)                                     \
	{                                             \
		a, n, 4, EP_ATTR_NUM, false, false, 4 \
	}
#define NUM64(a, n)                                   \
	{                                             \
		a, n, 8, EP_ATTR_NUM, false, false, 8 \
	}
#define STR(a, n)                                                \
	{                                                        \
		a, n, 0, EP_ATTR_STR, false, false, NAME_MAX_LEN \
	}
#define DATA(a, n)                                                \
	{                                                         \
		a, n, 0, EP_ATTR_BYTES, true, false, DATA_MAX_LEN \
	}
#define INFO(a, n)                                                 \
	{                                                          \
		a, n, 0, EP_ATTR_BYTES, false, false, INFO_MAX_LEN \
	}
#define EXPRS(a, n)                                               \
	{                                                         \
		a, n, 0, EP_ATTR_BYTES, false, false, SUBEXPR_MAX \
	}
#define ROWS(...) ((const struct ep_attr_type[]){__VA_ARGS__ __VA_OPT__(, ){.name = NULL}})

const struct ep_expr_type ep_expr_types[] = {
	{"payload", ROWS(NUM(NFTA_PAYLOAD_DREG, "dreg"), NUM(NFTA_PAYLOAD_BASE, "base"),
			 NUM(NFTA_PAYLOAD_OFFSET, "offset"), NUM(NFTA_PAYLOAD_LEN, "len"),
			 NUM(NFTA_PAYLOAD_SREG, "sreg"), NUM(NFTA_PAYLOAD_CSUM_TYPE, "csum_type"),
			 NUM(NFTA_PAYLOAD_CSUM_OFFSET, "csum_offset"),
			 NUM(NFTA_PAYLOAD_CSUM_FLAGS, "csum_flags"))},
	{"cmp",
	 ROWS(NUM(NFTA_CMP_SREG, "sreg"), NUM(NFTA_CMP_OP, "op"), DATA(NFTA_CMP_DATA, "data"))},
	{"meta",
	 ROWS(NUM(NFTA_META_DREG, "dreg"), NUM(NFTA_META_KEY, "key"), NUM(NFTA_META_SREG, "sreg"))},
	{"match", ROWS(STR(NFTA_MATCH_NAME, "name"), NUM(NFTA_MATCH_REV, "rev"),
		       INFO(NFTA_MATCH_INFO, "info"))},
	{"target", ROWS(STR(NFTA_TARGET_NAME, "name"), NUM(NFTA_TARGET_REV, "rev"),
			INFO(NFTA_TARGET_INFO, "info"))},
	{"counter",
	 ROWS(NUM64(NFTA_COUNTER_BYTES, "bytes"), NUM64(NFTA_COUNTER_PACKETS, "packets"))},
	{"immediate", ROWS(NUM(NFTA_IMMEDIATE_DREG, "dreg"), DATA(NFTA_IMMEDIATE_DATA, "data"))},
	{"lookup", ROWS(STR(NFTA_LOOKUP_SET, "set"), NUM(NFTA_LOOKUP_SREG, "sreg"),
			NUM(NFTA_LOOKUP_DREG, "dreg"), NUM(NFTA_LOOKUP_SET_ID, "set_id"),
			NUM(NFTA_LOOKUP_FLAGS, "flags"))},
	{"bitwise", ROWS(NUM(NFTA_BITWISE_SREG, "sreg"), NUM(NFTA_BITWISE_DREG, "dreg"),
			 NUM(NFTA_BITWISE_LEN, "len"), DATA(NFTA_BITWISE_MASK, "mask"),
			 DATA(NFTA_BITWISE_XOR, "xor"), NUM(NFTA_BITWISE_OP, "op"),
			 DATA(NFTA_BITWISE_DATA, "data"), NUM(EP_NFTA_BITWISE_SREG2, "sreg2"))},
	{"range", ROWS(NUM(NFTA_RANGE_SREG, "sreg"), NUM(NFTA_RANGE_OP, "op"),
		       DATA(NFTA_RANGE_FROM_DATA, "from"), DATA(NFTA_RANGE_TO_DATA, "to"))},
	{"byteorder", ROWS(NUM(NFTA_BYTEORDER_SREG, "sreg"), NUM(NFTA_BYTEORDER_DREG, "dreg"),
			   NUM(NFTA_BYTEORDER_OP, "op"), NUM(NFTA_BYTEORDER_LEN, "len"),
			   NUM(NFTA_BYTEORDER_SIZE, "size"))},
	{"ct", ROWS(NUM(NFTA_CT_DREG, "dreg"), NUM(NFTA_CT_KEY, "key"),
		    NUM8(NFTA_CT_DIRECTION, "direction"), NUM(NFTA_CT_SREG, "sreg"))},
	{"fib", ROWS(NUM(NFTA_FIB_DREG, "dreg"), NUM(NFTA_FIB_RESULT, "result"),
		     NUM(NFTA_FIB_FLAGS, "flags"))},
	{"rt", ROWS(NUM(NFTA_RT_DREG, "dreg"), NUM(NFTA_RT_KEY, "key"))},
	{"socket", ROWS(NUM(NFTA_SOCKET_KEY, "key"), NUM(NFTA_SOCKET_DREG, "dreg"),
			NUM(NFTA_SOCKET_LEVEL, "level"))},
	{"exthdr", ROWS(NUM(NFTA_EXTHDR_DREG, "dreg"), NUM8(NFTA_EXTHDR_TYPE, "type"),
			NUM(NFTA_EXTHDR_OFFSET, "offset"), NUM(NFTA_EXTHDR_LEN, "len"),
			NUM(NFTA_EXTHDR_FLAGS, "flags"), NUM(NFTA_EXTHDR_OP, "op"),
			NUM(NFTA_EXTHDR_SREG, "sreg"))},
	{"dynset", ROWS(STR(NFTA_DYNSET_SET_NAME, "set"), NUM(NFTA_DYNSET_SET_ID, "set_id"),
			NUM(NFTA_DYNSET_OP, "op"), NUM(NFTA_DYNSET_SREG_KEY, "sreg_key"),
			NUM(NFTA_DYNSET_SREG_DATA, "sreg_data"),
			NUM64(NFTA_DYNSET_TIMEOUT, "timeout"), EXPRS(NFTA_DYNSET_EXPR, "expr"),
			NUM(NFTA_DYNSET_FLAGS, "flags"), EXPRS(NFTA_DYNSET_EXPRESSIONS, "exprs"))},
	{"nat", ROWS(NUM(NFTA_NAT_TYPE, "type"), NUM(NFTA_NAT_FAMILY, "family"),
		     NUM(NFTA_NAT_REG_ADDR_MIN, "sreg_addr_min"),
		     NUM(NFTA_NAT_REG_ADDR_MAX, "sreg_addr_max"),
		     NUM(NFTA_NAT_REG_PROTO_MIN, "sreg_proto_min"),
		     NUM(NFTA_NAT_REG_PROTO_MAX, "sreg_proto_max"), NUM(NFTA_NAT_FLAGS, "flags"))},
	{"masq", ROWS(NUM(NFTA_MASQ_FLAGS, "flags"), NUM(NFTA_MASQ_REG_PROTO_MIN, "sreg_proto_min"),
		      NUM(NFTA_MASQ_REG_PROTO_MAX, "sreg_proto_max"))},
	{"redir",
	 ROWS(NUM(NFTA_REDIR_REG_PROTO_MIN, "sreg_proto_min"),
	      NUM(NFTA_REDIR_REG_PROTO_MAX, "sreg_proto_max"), NUM(NFTA_REDIR_FLAGS, "flags"))},
	{"tproxy", ROWS(NUM(NFTA_TPROXY_FAMILY, "family"), NUM(NFTA_TPROXY_REG_ADDR, "sreg_addr"),
			NUM(NFTA_TPROXY_REG_PORT, "sreg_port"))},
	{"reject", ROWS(NUM(NFTA_REJECT_TYPE, "type"), NUM8(NFTA_REJECT_ICMP_CODE, "icmp_code"))},
	{"log", ROWS(NUM16(NFTA_LOG_GROUP, "group"), STR(NFTA_LOG_PREFIX, "prefix"),
		     NUM(NFTA_LOG_SNAPLEN, "snaplen"), NUM16(NFTA_LOG_QTHRESHOLD, "qthreshold"),
		     NUM(NFTA_LOG_LEVEL, "level"), NUM(NFTA_LOG_FLAGS, "flags"))},
	{"limit", ROWS(NUM64(NFTA_LIMIT_RATE, "rate"), NUM64(NFTA_LIMIT_UNIT, "unit"),
		       NUM(NFTA_LIMIT_BURST, "burst"), NUM(NFTA_LIMIT_TYPE, "type"),
		       NUM(NFTA_LIMIT_FLAGS, "flags"))},
	{"quota", ROWS(NUM64(NFTA_QUOTA_BYTES, "bytes"), NUM(NFTA_QUOTA_FLAGS, "flags"),
		       NUM64(NFTA_QUOTA_CONSUMED, "consumed"))},
	{"connlimit", ROWS(NUM(NFTA_CONNLIMIT_COUNT, "count"), NUM(NFTA_CONNLIMIT_FLAGS, "flags"))},
	{"numgen", ROWS(NUM(NFTA_NG_DREG, "dreg"), NUM(NFTA_NG_MODULUS, "modulus"),
			NUM(NFTA_NG_TYPE, "type"), NUM(NFTA_NG_OFFSET, "offset"),
			STR(NFTA_NG_SET_NAME, "set"), NUM(NFTA_NG_SET_ID, "set_id"))},
	{"hash",
	 ROWS(NUM(NFTA_HASH_SREG, "sreg"), NUM(NFTA_HASH_DREG, "dreg"), NUM(NFTA_HASH_LEN, "len"),
	      NUM(NFTA_HASH_MODULUS, "modulus"), NUM(NFTA_HASH_SEED, "seed"),
	      NUM(NFTA_HASH_OFFSET, "offset"), NUM(NFTA_HASH_TYPE, "type"),
	      STR(NFTA_HASH_SET_NAME, "set"), NUM(NFTA_HASH_SET_ID, "set_id"))},
	{"queue", ROWS(NUM16(NFTA_QUEUE_NUM, "num"), NUM16(NFTA_QUEUE_TOTAL, "total"),
		       NUM16(NFTA_QUEUE_FLAGS, "flags"), NUM(NFTA_QUEUE_SREG_QNUM, "sreg_qnum"))},
	{"notrack", ROWS()},
	{"objref", ROWS(NUM(NFTA_OBJREF_IMM_TYPE, "type"), STR(NFTA_OBJREF_IMM_NAME, "name"),
			NUM(NFTA_OBJREF_SET_SREG, "sreg"), STR(NFTA_OBJREF_SET_NAME, "set"),
			NUM(NFTA_OBJREF_SET_ID, "set_id"))},
	{"dup", ROWS(NUM(NFTA_DUP_SREG_ADDR, "sreg_addr"), NUM(NFTA_DUP_SREG_DEV, "sreg_dev"))},
	{"fwd", ROWS(NUM(NFTA_FWD_SREG_DEV, "sreg_dev"), NUM(NFTA_FWD_SREG_ADDR, "sreg_addr"),
		     NUM(NFTA_FWD_NFPROTO, "nfproto"))},
	{"synproxy", ROWS(NUM16(NFTA_SYNPROXY_MSS, "mss"), NUM8(NFTA_SYNPROXY_WSCALE, "wscale"),
			  NUM(NFTA_SYNPROXY_FLAGS, "flags"))},
	{"last", ROWS(NUM(NFTA_LAST_SET, "set"), NUM64(NFTA_LAST_MSECS, "msecs"))},
	{"inner", ROWS(NUM(EP_NFTA_INNER_NUM, "num"), NUM(EP_NFTA_INNER_TYPE, "type"),
		       NUM(EP_NFTA_INNER_FLAGS, "flags"), NUM(EP_NFTA_INNER_HDRSIZE, "hdrsize"),
		       EXPRS(EP_NFTA_INNER_EXPR, "expr"))},
	{"osf",
	 ROWS(NUM(NFTA_OSF_DREG, "dreg"), NUM8(NFTA_OSF_TTL, "ttl"), NUM(NFTA_OSF_FLAGS, "flags"))},
	{"xfrm", ROWS(NUM(NFTA_XFRM_DREG, "dreg"), NUM(NFTA_XFRM_KEY, "key"),
		      NUM8(NFTA_XFRM_DIR, "dir"), NUM(NFTA_XFRM_SPNUM, "spnum"))},
	{"tunnel", ROWS(NUM(NFTA_TUNNEL_KEY, "key"), NUM(NFTA_TUNNEL_DREG, "dreg"),
			NUM(NFTA_TUNNEL_MODE, "mode"))},
	{"flow_offload", ROWS(STR(NFTA_FLOW_TABLE_NAME, "table"))},
	{NULL, NULL},
};

const struct ep_expr_type *ep_expr_type_find(const char *name)
{
	for (const struct ep_expr_type *t = ep_expr_types; t->name; t++) {
		if (!strcmp(t->name, name))
			return t;
	}
	return NULL;
}

const struct ep_attr *ep_attr_get(const struct ep_expr *e, uint16_t nla)
{
	ep_each(at, &e->attrs) {
		if (at->nla == nla)
			return at;
	}
	return NULL;
}

bool ep_attr_has(const struct ep_expr *e, uint16_t nla)
{
	return ep_attr_get(e, nla);
}

uint64_t ep_attr_num(const struct ep_expr *e, uint16_t nla, uint64_t dflt)
{
	const struct ep_attr *at = ep_attr_get(e, nla);

	return at && at->kind == EP_ATTR_NUM ? at->num : dflt;
}

const char *ep_attr_str(const struct ep_expr *e, uint16_t nla)
{
	const struct ep_attr *at = ep_attr_get(e, nla);

	return at && at->kind == EP_ATTR_STR ? at->str : NULL;
}

const uint8_t *ep_attr_bytes(const struct ep_expr *e, uint16_t nla, uint32_t *ret_len)
{
	const struct ep_attr *at = ep_attr_get(e, nla);

	if (!at || at->kind != EP_ATTR_BYTES)
		return NULL;
	if (ret_len)
		*ret_len = at->len;
	return at->bytes;
}
