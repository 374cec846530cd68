// SPDX-License-Identifier: GPL-2.0-or-later
/* Words of the result, and what a rule reference points at. */
#include <linux/netfilter.h>

#include "walk/engine.h"
#include "walk/names.h"

const char *ep_verdict_name(enum ep_outcome_verdict v)
{
	static const char *const names[] = {
		[EP_DELIVERED] = "delivered",     [EP_REFUSED] = "refused",
		[EP_REJECTED] = "rejected",       [EP_DROPPED] = "dropped",
		[EP_UNREACHABLE] = "unreachable", [EP_FORWARDED] = "forwarded",
		[EP_UNKNOWN] = "unknown",
	};

	return names[v];
}

enum ep_backend ep_rule_backend(const struct ep_rule_ref *r)
{
	if (r->xt_table)
		return EP_IPTABLES_LEGACY;
	return r->nft_chain && r->nft_chain->table->xtables ? EP_IPTABLES_NFT : EP_NFT;
}

const char *ep_origin_name(enum ep_origin o)
{
	static const char *const names[] = {
		[EP_EXTERNAL] = "external",
		[EP_HOST] = "host",
		[EP_LAN] = "lan",
		[EP_CONTAINER] = "container",
	};

	return names[o];
}

bool ep_origin_sends(enum ep_origin o)
{
	return o == EP_HOST || o == EP_CONTAINER;
}

const char *ep_rule_text(struct ep_arena *a, const struct ep_rule_ref *r)
{
	if (r->nft)
		return ep_nft_rule_text(a, r->nft_chain, r->nft);
	return r->xt ? ep_xt_rule_text(a, r->xt_table, r->xt) : "";
}

uint32_t ep_rule_position(const struct ep_rule_ref *r)
{
	return r->nft ? r->nft->position : r->xt ? r->xt->position : 0;
}

uint64_t ep_rule_handle(const struct ep_rule_ref *r)
{
	return r->nft ? r->nft->handle : 0;
}

const char *ep_family_name(uint8_t nfproto)
{
	static const char *const names[] = {
		[NFPROTO_INET] = "inet",     [NFPROTO_IPV4] = "ip",       [NFPROTO_ARP] = "arp",
		[NFPROTO_NETDEV] = "netdev", [NFPROTO_BRIDGE] = "bridge", [NFPROTO_IPV6] = "ip6",
	};

	return nfproto < EP_ARRAY_SIZE(names) && names[nfproto] ? names[nfproto] : "?";
}

const char *ep_hook_name(unsigned hooknum)
{
	static const char *const names[] = {
		[NF_INET_PRE_ROUTING] = "prerouting",
		[NF_INET_LOCAL_IN] = "input",
		[NF_INET_FORWARD] = "forward",
		[NF_INET_LOCAL_OUT] = "output",
		[NF_INET_POST_ROUTING] = "postrouting",
		[NF_INET_INGRESS] = "ingress",
		[EP_HOOK_EGRESS] = "egress",
	};

	return hooknum < EP_ARRAY_SIZE(names) ? names[hooknum] : "?";
}
