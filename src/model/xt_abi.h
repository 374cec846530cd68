/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel structures of xt extensions that have no uapi header, or had one that is gone, or one that
 * cannot be included beside another. */
#ifndef EP_MODEL_XT_ABI_H
#define EP_MODEL_XT_ABI_H

#include <linux/types.h>

/* ipt_iprange.h, revision 0 of iprange */
struct ep_ipt_iprange {
	__be32 min_ip, max_ip;
};
struct ep_ipt_iprange_info {
	struct ep_ipt_iprange src, dst;
	__u8 flags; /* IPRANGE_* */
};

/* xt_MARK.h, revisions 0 and 1 of MARK (until 2.6.35) */
struct ep_xt_mark_target_info {
	unsigned long mark;
};
enum { EP_XT_MARK_SET, EP_XT_MARK_AND, EP_XT_MARK_OR };
struct ep_xt_mark_target_info_v1 {
	unsigned long mark;
	__u8 mode;
};

/* ipt_TTL.h and ip6t_HL.h: their include guards clash with those of the matches */
enum { EP_TTL_SET, EP_TTL_INC, EP_TTL_DEC };
struct ep_ttl_target_info {
	__u8 mode, ttl;
};

/* ipt_icmp and ip6t_icmp */
struct ep_icmp_info {
	__u8 type, code[2], invflags;
};

#endif
