/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xt extensions in the language of iptables-save. Every option is written with a blank before it. */
#ifndef EP_XT_TEXT_H
#define EP_XT_TEXT_H

#include <linux/types.h>

#include "edgepath/model.h"

#define EP_XT_TEXT_MAX 2048 /* largest structure that a row decodes */

struct ep_xt_text {
	struct ep_buf *b;
	uint8_t rev;
	bool v6;
	const void *info;          /* aligned copy of the kernel's structure */
	const struct ep_netns *ns; /* or NULL */
};

typedef void (*ep_xt_text_fn)(const struct ep_xt_text *t);

struct ep_xt_text_row {
	const char *name;
	uint8_t rev_min, rev_max;
	uint16_t size;  /* 0: nothing is looked at */
	uint8_t family; /* AF_*, 0 for all */
	ep_xt_text_fn fn;
};

/* Each ends with a row whose name is NULL. */
extern const struct ep_xt_text_row ep_xt_text_usual[]; /* matches */
extern const struct ep_xt_text_row ep_xt_text_unusual[];
extern const struct ep_xt_text_row ep_xt_text_headers[];
extern const struct ep_xt_text_row ep_xt_text_rare[];
extern const struct ep_xt_text_row ep_xt_text_targets[];
extern const struct ep_xt_text_row ep_xt_text_targets_rare[];

struct ep_xt_word {
	unsigned value;
	const char *name;
};

/* "tcp", or a number that has no name. */
void ep_xt_put_protocol(struct ep_buf *b, unsigned proto);
void ep_xt_put_not(struct ep_buf *b, bool invert);
/* A string as iptables-save quotes it, n bytes at most. */
void ep_xt_put_quoted(struct ep_buf *b, const char *s, size_t n);
void ep_xt_put_addr(struct ep_buf *b, const void *bytes, bool v6);
/* "10.0.0.0/8"; a mask with holes as an address. */
void ep_xt_put_net(struct ep_buf *b, const void *addr, const void *mask, bool v6);
void ep_xt_put_iface(struct ep_buf *b, const char *name, const uint8_t *mask);
/* "80", "80:90" */
void ep_xt_put_range(struct ep_buf *b, unsigned lo, unsigned hi, const char *between);
void ep_xt_put_mark(struct ep_buf *b, const char *option, uint32_t value, uint32_t mask);
/* Names of the bits that are set, with commas. */
void ep_xt_put_bits(struct ep_buf *b, unsigned bits, const struct ep_xt_word *words);
void ep_xt_put_set(const struct ep_xt_text *t, const char *option, uint16_t index, unsigned dims,
		   unsigned flags);

/* Structures without a uapi header that can be included beside the others. */
struct ep_xt_icmp {
	__u8 type, code[2], invflags;
};
struct ep_xt_ttl { /* ipt_TTL.h, ip6t_HL.h */
	__u8 mode, ttl;
};
struct ep_xt_nflog { /* xt_nflog_info with the longer prefix (NF_LOG_PREFIXLEN) of nft's log */
	__u32 len;
	__u16 group, threshold, flags, pad;
	char prefix[128];
};

/*
 * A rule that iptables-nft wrote, as the rule of iptables that it is (xt_text_nft.c); it points into
 * r and the arena. False if it holds what iptables has no word for.
 */
bool ep_xt_rule_of_nft(struct ep_arena *a, const struct ep_nft_chain *c,
		       const struct ep_nft_rule *r, struct ep_xt_rule *ret);

#endif
