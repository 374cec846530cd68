/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Netlink: requests to the kernel inside a namespace, and length-checked attributes. */
#ifndef EP_NL_H
#define EP_NL_H

#include "edgepath/collect.h"

#include <libmnl/libmnl.h>

/* ---- asking: ep_nl_open(), ep_nl_request() of the public header ---- */

#define EP_NL_REQ_SIZE 1024

/* Starts a request of a netfilter subsystem (NFNL_SUBSYS_*) in buf of EP_NL_REQ_SIZE bytes. */
struct nlmsghdr *ep_nl_nfnl(void *buf, uint8_t subsys, uint8_t msg, uint16_t flags, uint8_t family);
/* Appends a NUL-terminated string; false if it does not fit. */
bool ep_nl_put_str(struct nlmsghdr *req, uint16_t type, const char *s) EP_MUST;
/* The attributes after struct nfgenmsg; NULL if the message is too short for one. */
const void *ep_nl_nfnl_attrs(const struct nlmsghdr *nlh, uint8_t *ret_family, size_t *ret_len);

/* ---- attributes ---- */

struct ep_nla {
	uint16_t type;       /* without NLA_F_NESTED and NLA_F_NET_BYTEORDER */
	uint16_t len;        /* of data */
	const uint8_t *data; /* NULL: the attribute is absent */
};

struct ep_nla_iter {
	const uint8_t *p;
	size_t left;
};

/* Next attribute; false at the end, and then it->left != 0 means malformed. */
bool ep_nla_next(struct ep_nla_iter *it, struct ep_nla *ret);

enum ep_nla_kind { EP_NLA_IGNORED, EP_NLA_FIXED, EP_NLA_UPTO };

struct ep_nla_policy {
	uint8_t kind;
	uint16_t len; /* exactly, or at most */
};

#define EP_NLA_NUM(bytes)             \
	{                             \
		EP_NLA_FIXED, (bytes) \
	}
#define EP_NLA_MAX(bytes)            \
	{                            \
		EP_NLA_UPTO, (bytes) \
	}
#define EP_NLA_NEST                     \
	{                               \
		EP_NLA_UPTO, UINT16_MAX \
	}

/*
 * Fills tb[0..n-1] by attribute type; types from n on, and those that the policy ignores, are left
 * out (newer kernels send more). -EBADMSG if a length does not fit the policy or the bytes.
 */
int ep_nla_table(const void *p, size_t len, const struct ep_nla_policy *policy, unsigned n,
		 struct ep_nla *tb) EP_MUST;

/* Big-endian numbers of 1, 2, 4 or 8 bytes; dflt if the attribute is absent or of another length. */
uint64_t ep_nla_be(const struct ep_nla *at, uint64_t dflt);
/* A string up to its NUL or its end, copied; NULL if absent. */
char *ep_nla_str(struct ep_arena *a, const struct ep_nla *at);

#endif
