/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nftables collectors among themselves: decoders without I/O. */
#ifndef EP_COLLECT_NFT_H
#define EP_COLLECT_NFT_H

#include "collect/nl.h"

/* NFTA_DATA_VALUE (copied to *ret, length in *ret_len) or NFTA_DATA_VERDICT (*ret_verdict). */
int ep_nft_decode_data(struct ep_arena *a, const struct ep_nla *data, uint16_t max,
		       const uint8_t **ret, uint32_t *ret_len,
		       const struct ep_verdict **ret_verdict) EP_MUST;

/* NFTA_EXPR_NAME and NFTA_EXPR_DATA of one expression; -EBADMSG if it is malformed. */
int ep_nft_decode_expr(struct ep_arena *a, const struct ep_nla *elem, struct ep_expr *e) EP_MUST;
/* Of one attribute with an expression (one) or a list of them (list), either may be absent; NULL in
 * *ret if there is none, or if they only count. */
int ep_nft_decode_state(struct ep_arena *a, const struct ep_nla *one, const struct ep_nla *list,
			const struct ep_exprs **ret) EP_MUST;
/* NFTA_OBJ_DATA of limits, quotas and connection counts: their attributes are the expressions'. */
int ep_nft_decode_object(struct ep_arena *a, struct ep_nft_obj *o) EP_MUST;

/* Attributes of NFT_MSG_NEWSET; *ret_table points to the table's name in them. */
int ep_nft_decode_set(struct ep_arena *a, const void *attrs, size_t len, struct ep_nft_set *set,
		      struct ep_nla *ret_table) EP_MUST;
/* Fields of a concatenation from nft's key type (6 bits a field), if they fit key_len. */
void ep_nft_fields_of_type(struct ep_nft_set *set);

/* Elements as the kernel sends them, before the ends of intervals are joined to their starts. */
struct ep_nft_raw_elem {
	struct ep_nft_elem e;
	bool interval_end;
	bool has_key_end;
};

typedef EP_VEC(struct ep_nft_raw_elem) ep_nft_raw_elems;

/* Payload of NFTA_SET_ELEM_LIST_ELEMENTS: appends to raw, which grows in tmp. */
int ep_nft_decode_elems(struct ep_arena *a, struct ep_arena *tmp, const struct ep_nft_set *set,
			const void *payload, size_t len, ep_nft_raw_elems *raw) EP_MUST;
/* Fills set->elems; sorts raw. */
void ep_nft_join_intervals(struct ep_arena *a, struct ep_nft_set *set, ep_nft_raw_elems *raw);

/* Comment in nft's userdata (TLVs of one byte type, one byte length); NULL if there is none. */
char *ep_nft_userdata_comment(struct ep_arena *a, const struct ep_nla *userdata);

/* True when chains and priorities are those that iptables-nft (or ebtables, arptables) makes. */
bool ep_nft_is_xtables(const struct ep_nft_table *t);

#endif
