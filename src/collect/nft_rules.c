// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules of one chain: an NFT_MSG_GETRULE dump that the kernel filters by table and chain. */
#include "collect/collect_i.h"
#include "collect/nft.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <unistd.h>

#define MAX_RULES (1 << 20)
/* nft's and iptables-nft's userdata of a rule: TLVs, of which type 0 is the comment. */
#define UDATA_COMMENT 0

char *ep_nft_userdata_comment(struct ep_arena *a, const struct ep_nla *userdata)
{
	size_t at = 0;

	while (userdata->data && at + 2 <= userdata->len) {
		const uint8_t *tlv = userdata->data + at;

		if (tlv[1] > userdata->len - at - 2)
			return NULL;
		if (tlv[0] == UDATA_COMMENT)
			return ep_strndup(a, (const char *)tlv + 2, tlv[1]);
		at += 2 + (size_t)tlv[1];
	}
	return NULL;
}

/* iptables' `-m comment`: struct xt_comment_info is the text itself, of 256 bytes. */
static const char *xt_comment(struct ep_arena *a, const struct ep_nft_rule *rule)
{
	ep_each(e, &rule->exprs) {
		const char *name = strcmp(e->name, "match") ? NULL :
							      ep_attr_str(e, NFTA_MATCH_NAME);
		const uint8_t *info;
		uint32_t len;

		if (!name || strcmp(name, "comment"))
			continue;
		info = ep_attr_bytes(e, NFTA_MATCH_INFO, &len);
		if (!info)
			return NULL;
		if (strnlen((const char *)info, len) < len)
			return (const char *)info;
		return ep_strndup(a, (const char *)info, len);
	}
	return NULL;
}

struct rules {
	struct ep_arena *a;
	struct ep_nft_chain *c;
};

static bool is_str(const struct ep_nla *at, const char *s)
{
	size_t n = strlen(s);

	return at->data && strnlen((const char *)at->data, at->len) == n && !memcmp(at->data, s, n);
}

static int take_rule(const struct nlmsghdr *nlh, void *ctx)
{
	static const struct ep_nla_policy policy[] = {
		[NFTA_RULE_TABLE] = EP_NLA_MAX(256),     [NFTA_RULE_CHAIN] = EP_NLA_MAX(256),
		[NFTA_RULE_HANDLE] = EP_NLA_NUM(8),      [NFTA_RULE_EXPRESSIONS] = EP_NLA_NEST,
		[NFTA_RULE_USERDATA] = EP_NLA_MAX(4096),
	};
	struct ep_nla tb[EP_ARRAY_SIZE(policy)];
	struct rules *rs = ctx;
	struct ep_nft_rule *rule;
	uint8_t family;
	const void *p;
	size_t len;
	int r;

	p = ep_nl_nfnl_attrs(nlh, &family, &len);
	if (!p)
		return -EBADMSG;
	r = ep_nla_table(p, len, policy, EP_ARRAY_SIZE(tb), tb);
	if (r < 0)
		return r;
	/* A kernel that does not know this filter sends the rules of all chains. */
	if (family != rs->c->table->family || !is_str(&tb[NFTA_RULE_CHAIN], rs->c->name) ||
	    !is_str(&tb[NFTA_RULE_TABLE], rs->c->table->name))
		return 0;
	if (rs->c->rules.n >= MAX_RULES)
		return -E2BIG;
	rule = ep_push(rs->a, &rs->c->rules);
	rule->handle = ep_nla_be(&tb[NFTA_RULE_HANDLE], 0);
	rule->position = (uint32_t)rs->c->rules.n;
	r = ep_nft_decode_exprs(rs->a, tb[NFTA_RULE_EXPRESSIONS].data,
				tb[NFTA_RULE_EXPRESSIONS].len, rule);
	if (r < 0)
		return r;
	rule->comment = ep_nft_userdata_comment(rs->a, &tb[NFTA_RULE_USERDATA]);
	if (!rule->comment)
		rule->comment = xt_comment(rs->a, rule);
	return 0;
}

int ep_collect_nft_chain(struct ep_snapshot *s, struct ep_netns *ns, struct ep_nft_chain *c)
{
	struct rules rs = {.a = s->arena, .c = c};
	char buf[EP_NL_REQ_SIZE];
	struct nlmsghdr *req = ep_nl_nfnl(buf, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE, NLM_F_DUMP,
					  c->table->family);
	int r, fd;

	if (!ep_nl_put_str(req, NFTA_RULE_TABLE, c->table->name) ||
	    !ep_nl_put_str(req, NFTA_RULE_CHAIN, c->name))
		return -ENAMETOOLONG;
	fd = ep_nl_open(ns, NETLINK_NETFILTER);
	if (fd < 0)
		return fd;
	c->rules.n = 0;
	r = ep_nl_request(fd, req, take_rule, &rs);
	close(fd);
	if (r < 0)
		c->rules.n = 0;
	return r;
}
