// SPDX-License-Identifier: GPL-2.0-or-later
/* Which nft tables iptables-nft keeps: by the base chains that it makes (iptables, nft.c). */
#include "collect/nft.h"

#include <linux/netfilter.h>
#include <linux/netfilter_arp.h>
#include <linux/netfilter_bridge.h>
#include <string.h>

#define IP_ (1 << 0)
#define ARP (1 << 1)
#define BRI (1 << 2)

static const struct {
	const char *table, *chain, *type;
	uint8_t families;
	uint8_t hook;
	int32_t priority;
} base_chains[] = {
	{"filter", "INPUT", "filter", IP_, NF_INET_LOCAL_IN, 0},
	{"filter", "FORWARD", "filter", IP_, NF_INET_FORWARD, 0},
	{"filter", "OUTPUT", "filter", IP_, NF_INET_LOCAL_OUT, 0},
	{"nat", "PREROUTING", "nat", IP_, NF_INET_PRE_ROUTING, -100},
	{"nat", "INPUT", "nat", IP_, NF_INET_LOCAL_IN, 100},
	{"nat", "OUTPUT", "nat", IP_, NF_INET_LOCAL_OUT, -100},
	{"nat", "POSTROUTING", "nat", IP_, NF_INET_POST_ROUTING, 100},
	{"mangle", "PREROUTING", "filter", IP_, NF_INET_PRE_ROUTING, -150},
	{"mangle", "INPUT", "filter", IP_, NF_INET_LOCAL_IN, -150},
	{"mangle", "FORWARD", "filter", IP_, NF_INET_FORWARD, -150},
	{"mangle", "OUTPUT", "route", IP_, NF_INET_LOCAL_OUT, -150},
	{"mangle", "POSTROUTING", "filter", IP_, NF_INET_POST_ROUTING, -150},
	{"raw", "PREROUTING", "filter", IP_, NF_INET_PRE_ROUTING, -300},
	{"raw", "OUTPUT", "filter", IP_, NF_INET_LOCAL_OUT, -300},
	/* iptables-nft's own priority, not NF_IP_PRI_SECURITY. */
	{"security", "INPUT", "filter", IP_, NF_INET_LOCAL_IN, 150},
	{"security", "FORWARD", "filter", IP_, NF_INET_FORWARD, 150},
	{"security", "OUTPUT", "filter", IP_, NF_INET_LOCAL_OUT, 150},
	{"filter", "INPUT", "filter", ARP, NF_ARP_IN, 0},
	{"filter", "OUTPUT", "filter", ARP, NF_ARP_OUT, 0},
	{"filter", "INPUT", "filter", BRI, NF_BR_LOCAL_IN, -200},
	{"filter", "FORWARD", "filter", BRI, NF_BR_FORWARD, -200},
	{"filter", "OUTPUT", "filter", BRI, NF_BR_LOCAL_OUT, -200},
	{"nat", "PREROUTING", "filter", BRI, NF_BR_PRE_ROUTING, -300},
	{"nat", "OUTPUT", "filter", BRI, NF_BR_LOCAL_OUT, 100},
	{"nat", "POSTROUTING", "filter", BRI, NF_BR_POST_ROUTING, 300},
	{"broute", "BROUTING", "filter", BRI, NF_BR_PRE_ROUTING, -470},
};

static unsigned family_bit(uint8_t family)
{
	switch (family) {
	case NFPROTO_IPV4:
	case NFPROTO_IPV6:
		return IP_;
	case NFPROTO_ARP:
		return ARP;
	case NFPROTO_BRIDGE:
		return BRI;
	}
	return 0;
}

static bool is_xtables_chain(const struct ep_nft_chain *c)
{
	unsigned family = family_bit(c->table->family);

	for (size_t i = 0; i < EP_ARRAY_SIZE(base_chains); i++) {
		if ((base_chains[i].families & family) && base_chains[i].hook == c->hook &&
		    base_chains[i].priority == c->priority &&
		    !strcmp(base_chains[i].table, c->table->name) &&
		    !strcmp(base_chains[i].chain, c->name) && c->type &&
		    !strcmp(base_chains[i].type, c->type))
			return true;
	}
	return false;
}

bool ep_nft_is_xtables(const struct ep_nft_table *t)
{
	bool any = false;

	ep_each(it, &t->chains) {
		if (!(*it)->base)
			continue;
		if (!is_xtables_chain(*it))
			return false;
		any = true;
	}
	return any;
}
