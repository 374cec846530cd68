// SPDX-License-Identifier: GPL-2.0-or-later
/* Header fields by their bits (RFC 791, 8200, 826, 9293, 768, 792, 4443, IEEE 802.3). */
#include "model/nft_text.h"

#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#define LL(off, bits, text, type)                                            \
	{                                                                    \
		NFT_PAYLOAD_LL_HEADER, EP_LL_ETHER, off, bits, text, type, 0 \
	}
#define IP4(off, bits, text, type)                                                 \
	{                                                                          \
		NFT_PAYLOAD_NETWORK_HEADER, NFPROTO_IPV4, off, bits, text, type, 0 \
	}
#define IP6(off, bits, text, type)                                                 \
	{                                                                          \
		NFT_PAYLOAD_NETWORK_HEADER, NFPROTO_IPV6, off, bits, text, type, 0 \
	}
#define ARP(off, bits, text, type)                                                \
	{                                                                         \
		NFT_PAYLOAD_NETWORK_HEADER, NFPROTO_ARP, off, bits, text, type, 0 \
	}
#define TH(p, off, bits, text, type)                                      \
	{                                                                 \
		NFT_PAYLOAD_TRANSPORT_HEADER, p, off, bits, text, type, 0 \
	}
#define ICMP(p, off, bits, text, type, icmp)                                 \
	{                                                                    \
		NFT_PAYLOAD_TRANSPORT_HEADER, p, off, bits, text, type, icmp \
	}
#define PORTS(p, sport, dport) \
	TH(p, 0, 16, sport, EP_NFT_SERVICE), TH(p, 16, 16, dport, EP_NFT_SERVICE)

static const struct ep_field fields[] = {
	LL(0, 48, "ether daddr", EP_NFT_ETHERADDR),
	LL(48, 48, "ether saddr", EP_NFT_ETHERADDR),
	LL(96, 16, "ether type", EP_NFT_ETHERTYPE),
	LL(112, 3, "vlan pcp", EP_NFT_INTEGER),
	LL(115, 1, "vlan dei", EP_NFT_INTEGER),
	LL(116, 12, "vlan id", EP_NFT_INTEGER),
	LL(128, 16, "vlan type", EP_NFT_ETHERTYPE),

	IP4(0, 4, "ip version", EP_NFT_INTEGER),
	IP4(4, 4, "ip hdrlength", EP_NFT_INTEGER),
	IP4(8, 6, "ip dscp", EP_NFT_DSCP),
	IP4(14, 2, "ip ecn", EP_NFT_ECN),
	IP4(16, 16, "ip length", EP_NFT_INTEGER),
	IP4(32, 16, "ip id", EP_NFT_INTEGER),
	IP4(48, 16, "ip frag-off", EP_NFT_INTEGER),
	IP4(64, 8, "ip ttl", EP_NFT_INTEGER),
	IP4(72, 8, "ip protocol", EP_NFT_PROTO),
	IP4(80, 16, "ip checksum", EP_NFT_INTEGER),
	IP4(96, 32, "ip saddr", EP_NFT_IPADDR),
	IP4(128, 32, "ip daddr", EP_NFT_IPADDR),

	IP6(0, 4, "ip6 version", EP_NFT_INTEGER),
	IP6(4, 6, "ip6 dscp", EP_NFT_DSCP),
	IP6(10, 2, "ip6 ecn", EP_NFT_ECN),
	IP6(12, 20, "ip6 flowlabel", EP_NFT_INTEGER),
	IP6(32, 16, "ip6 length", EP_NFT_INTEGER),
	IP6(48, 8, "ip6 nexthdr", EP_NFT_PROTO),
	IP6(56, 8, "ip6 hoplimit", EP_NFT_INTEGER),
	IP6(64, 128, "ip6 saddr", EP_NFT_IP6ADDR),
	IP6(192, 128, "ip6 daddr", EP_NFT_IP6ADDR),

	ARP(0, 16, "arp htype", EP_NFT_INTEGER),
	ARP(16, 16, "arp ptype", EP_NFT_ETHERTYPE),
	ARP(32, 8, "arp hlen", EP_NFT_INTEGER),
	ARP(40, 8, "arp plen", EP_NFT_INTEGER),
	ARP(48, 16, "arp operation", EP_NFT_ARPOP),
	ARP(64, 48, "arp saddr ether", EP_NFT_ETHERADDR),
	ARP(112, 32, "arp saddr ip", EP_NFT_IPADDR),
	ARP(144, 48, "arp daddr ether", EP_NFT_ETHERADDR),
	ARP(192, 32, "arp daddr ip", EP_NFT_IPADDR),

	PORTS(IPPROTO_TCP, "tcp sport", "tcp dport"),
	TH(IPPROTO_TCP, 32, 32, "tcp sequence", EP_NFT_INTEGER),
	TH(IPPROTO_TCP, 64, 32, "tcp ackseq", EP_NFT_INTEGER),
	TH(IPPROTO_TCP, 96, 4, "tcp doff", EP_NFT_INTEGER),
	TH(IPPROTO_TCP, 104, 8, "tcp flags", EP_NFT_TCP_FLAG),
	TH(IPPROTO_TCP, 112, 16, "tcp window", EP_NFT_INTEGER),
	TH(IPPROTO_TCP, 128, 16, "tcp checksum", EP_NFT_INTEGER),
	TH(IPPROTO_TCP, 144, 16, "tcp urgptr", EP_NFT_INTEGER),
	PORTS(IPPROTO_UDP, "udp sport", "udp dport"),
	TH(IPPROTO_UDP, 32, 16, "udp length", EP_NFT_INTEGER),
	TH(IPPROTO_UDP, 48, 16, "udp checksum", EP_NFT_INTEGER),
	PORTS(IPPROTO_UDPLITE, "udplite sport", "udplite dport"),
	TH(IPPROTO_UDPLITE, 32, 16, "udplite csumcov", EP_NFT_INTEGER),
	TH(IPPROTO_UDPLITE, 48, 16, "udplite checksum", EP_NFT_INTEGER),
	PORTS(IPPROTO_SCTP, "sctp sport", "sctp dport"),
	TH(IPPROTO_SCTP, 32, 32, "sctp vtag", EP_NFT_INTEGER),
	TH(IPPROTO_SCTP, 64, 32, "sctp checksum", EP_NFT_INTEGER),
	PORTS(IPPROTO_DCCP, "dccp sport", "dccp dport"),
	TH(IPPROTO_DCCP, 67, 4, "dccp type", EP_NFT_DCCP_PKTTYPE),
	TH(IPPROTO_ICMP, 0, 8, "icmp type", EP_NFT_ICMP_TYPE),
	TH(IPPROTO_ICMP, 8, 8, "icmp code", EP_NFT_ICMP_CODE),
	TH(IPPROTO_ICMP, 16, 16, "icmp checksum", EP_NFT_INTEGER),
	ICMP(IPPROTO_ICMP, 32, 16, "icmp id", EP_NFT_INTEGER, 8),
	ICMP(IPPROTO_ICMP, 48, 16, "icmp sequence", EP_NFT_INTEGER, 8),
	ICMP(IPPROTO_ICMP, 32, 32, "icmp gateway", EP_NFT_INTEGER, 5),
	ICMP(IPPROTO_ICMP, 48, 16, "icmp mtu", EP_NFT_INTEGER, 3),
	TH(IPPROTO_ICMPV6, 0, 8, "icmpv6 type", EP_NFT_ICMP6_TYPE),
	TH(IPPROTO_ICMPV6, 8, 8, "icmpv6 code", EP_NFT_ICMP6_CODE),
	TH(IPPROTO_ICMPV6, 16, 16, "icmpv6 checksum", EP_NFT_INTEGER),
	ICMP(IPPROTO_ICMPV6, 32, 32, "icmpv6 parameter-problem", EP_NFT_INTEGER, 4),
	ICMP(IPPROTO_ICMPV6, 32, 32, "icmpv6 mtu", EP_NFT_INTEGER, 2),
	ICMP(IPPROTO_ICMPV6, 32, 16, "icmpv6 id", EP_NFT_INTEGER, 128),
	ICMP(IPPROTO_ICMPV6, 48, 16, "icmpv6 sequence", EP_NFT_INTEGER, 128),
	ICMP(IPPROTO_ICMPV6, 32, 16, "icmpv6 max-delay", EP_NFT_INTEGER, 130),
	TH(IPPROTO_IGMP, 0, 8, "igmp type", EP_NFT_IGMP_TYPE),
	TH(IPPROTO_IGMP, 8, 8, "igmp mrt", EP_NFT_INTEGER),
	TH(IPPROTO_IGMP, 16, 16, "igmp checksum", EP_NFT_INTEGER),
	TH(IPPROTO_IGMP, 32, 32, "igmp group", EP_NFT_INTEGER),
	TH(IPPROTO_ESP, 0, 32, "esp spi", EP_NFT_INTEGER),
	TH(IPPROTO_ESP, 32, 32, "esp sequence", EP_NFT_INTEGER),
	TH(IPPROTO_AH, 0, 8, "ah nexthdr", EP_NFT_PROTO),
	TH(IPPROTO_AH, 8, 8, "ah hdrlength", EP_NFT_INTEGER),
	TH(IPPROTO_AH, 16, 16, "ah reserved", EP_NFT_INTEGER),
	TH(IPPROTO_AH, 32, 32, "ah spi", EP_NFT_INTEGER),
	TH(IPPROTO_AH, 64, 32, "ah sequence", EP_NFT_INTEGER),
	TH(IPPROTO_COMP, 0, 8, "comp nexthdr", EP_NFT_PROTO),
	TH(IPPROTO_COMP, 8, 8, "comp flags", EP_NFT_NONE),
	TH(IPPROTO_COMP, 16, 16, "comp cpi", EP_NFT_INTEGER),
	TH(IPPROTO_TCP, 100, 4, "tcp reserved", EP_NFT_INTEGER),
	/* nobody knows the protocol */
	PORTS(UINT16_MAX, "th sport", "th dport"),
	{0, 0, 0, 0, NULL, EP_NFT_NONE, 0},
};

/* A protocol without fields of its own has at most ports. */
static uint16_t known_proto(uint8_t base, uint16_t proto)
{
	if (base != NFT_PAYLOAD_TRANSPORT_HEADER)
		return proto;
	for (const struct ep_field *f = fields; f->text; f++) {
		if (f->base == base && f->proto == proto)
			return proto;
	}
	return UINT16_MAX;
}

const struct ep_field *ep_field_find(uint8_t base, uint16_t proto, uint32_t offset, uint32_t bits,
				     bool prefix, int icmp_type)
{
	const struct ep_field *f = base >= EP_FIELD_EXTHDR ? ep_exthdr_fields : fields;

	bool any = base < EP_FIELD_EXTHDR; /* whether 0 stands for all */

	proto = known_proto(base, proto);
	for (; f->text; f++) {
		if (f->base != base || f->offset != offset ||
		    ((f->proto || !any) && f->proto != proto) ||
		    (f->icmp && icmp_type > 0 && f->icmp != icmp_type))
			continue;
		if (f->bits == bits || (prefix && bits < f->bits && ep_nft_type_is_addr(f->type)))
			return f;
	}
	return NULL;
}
