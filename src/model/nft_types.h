/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Datatypes of nft's userspace: what the bytes of a register or a set's element mean. */
#ifndef EP_NFT_TYPES_H
#define EP_NFT_TYPES_H

#include "edgepath/model.h"

/* Numbers of nft's include/datatype.h; the kernel keeps them with each set for userspace. */
enum ep_nft_type {
	EP_NFT_NONE,
	EP_NFT_VERDICT,
	EP_NFT_NFPROTO,
	EP_NFT_BITMASK,
	EP_NFT_INTEGER,
	EP_NFT_STRING,
	EP_NFT_LLADDR,
	EP_NFT_IPADDR,
	EP_NFT_IP6ADDR,
	EP_NFT_ETHERADDR,
	EP_NFT_ETHERTYPE,
	EP_NFT_ARPOP,
	EP_NFT_PROTO,
	EP_NFT_SERVICE,
	EP_NFT_ICMP_TYPE,
	EP_NFT_TCP_FLAG,
	EP_NFT_DCCP_PKTTYPE,
	EP_NFT_MH_TYPE,
	EP_NFT_TIME,
	EP_NFT_MARK,
	EP_NFT_IFINDEX,
	EP_NFT_ARPHRD,
	EP_NFT_REALM,
	EP_NFT_CLASSID,
	EP_NFT_UID,
	EP_NFT_GID,
	EP_NFT_CT_STATE,
	EP_NFT_CT_DIR,
	EP_NFT_CT_STATUS,
	EP_NFT_ICMP6_TYPE,
	EP_NFT_CT_LABEL,
	EP_NFT_PKTTYPE,
	EP_NFT_ICMP_CODE,
	EP_NFT_ICMP6_CODE,
	EP_NFT_ICMPX_CODE,
	EP_NFT_DEVGROUP,
	EP_NFT_DSCP,
	EP_NFT_ECN,
	EP_NFT_FIB_ADDR,
	EP_NFT_BOOLEAN,
	EP_NFT_CT_EVENTBIT,
	EP_NFT_IFNAME,
	EP_NFT_IGMP_TYPE,
	EP_NFT_TIME_DATE,
	EP_NFT_TIME_HOUR,
	EP_NFT_TIME_DAY,
	EP_NFT_CGROUPV2,
	EP_NFT_TYPE_COUNT,
};

/* The kernel keeps values of this type in host order (unless a byteorder expression swapped them). */
bool ep_nft_type_is_host_order(enum ep_nft_type type);
/* A set of flags (ct state, ct status, tcp flags), not one value. */
bool ep_nft_type_is_flags(enum ep_nft_type type);
bool ep_nft_type_is_addr(enum ep_nft_type type);
/* Datatypes of a concatenation (6 bits each, the first one highest), or of a plain type; count. */
unsigned ep_nft_type_fields(uint32_t type, enum ep_nft_type ret[static 5]);

/* The number in len bytes (at most 8 of them). */
uint64_t ep_nft_value_num(const uint8_t *v, uint32_t len, bool host_order);
/* One value as nft writes it; host_order counts for numbers only. */
void ep_nft_put_value(struct ep_buf *out, enum ep_nft_type type, const uint8_t *v, uint32_t len,
		      bool host_order);
/* Flags of a flag type, separated by sep; "0x0" if none. */
void ep_nft_put_flags(struct ep_buf *out, enum ep_nft_type type, uint64_t flags, const char *sep);
/* lo-hi, a prefix, or one value. */
void ep_nft_put_range(struct ep_buf *out, enum ep_nft_type type, const uint8_t *lo,
		      const uint8_t *hi, uint32_t len, bool host_order);
/* lo-hi, whatever they are. */
void ep_nft_put_bounds(struct ep_buf *out, enum ep_nft_type type, const uint8_t *lo,
		       const uint8_t *hi, uint32_t len, bool host_order);
void ep_nft_put_quoted(struct ep_buf *out, const char *s, size_t len);

#endif
