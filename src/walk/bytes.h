/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packet byte by byte. It is the SYN that a usual client sends:
 *
 *  - IPv4 without options and with "don't fragment", or IPv6 without extension headers (RFC 791, 8200);
 *  - a TCP segment without data, SYN its only flag besides ECE and CWR, which are open; acknowledgement
 *    and urgent pointer 0 (RFC 9293);
 *  - the TCP options MSS, SACK-permitted and window scale are there, since every common system sends
 *    them; whether timestamps are is a state of its own (Windows leaves them out), and so is any other
 *    option, usually absent. Their values and their order are open. So the header with its options is
 *    32 to 60 bytes long.
 *
 * Open as well: length, TTL, TOS or traffic class and flow label, id, checksums, sequence number, window.
 * Whatever a rule asks of those splits the answer by words such as "ip ttl 10-255", of which the usual
 * one comes first. Addresses and ports are the walk's own, after whatever translated them; bytes that a
 * rule wrote are as it wrote them.
 */
#ifndef EP_WALK_BYTES_H
#define EP_WALK_BYTES_H

#include "walk/nft_regs.h"

enum ep_at { EP_AT_LINK, EP_AT_NET, EP_AT_TCP };

/* A byte that a rule wrote. */
struct ep_edit {
	enum ep_at at;
	unsigned off;
	unsigned lowered; /* w->lowered then: the TTL sinks from there */
	struct ep_byte b;
};

/*
 * One byte where the packet is now. EP_AT_NET goes on into the TCP header. False: the packet ends
 * before it, or has no such header; for bytes of options that depends on its length, and is asked.
 */
bool ep_pkt_byte(struct ep_walk *w, enum ep_at at, unsigned off, struct ep_byte *ret);
/* len bytes from off: false if the packet ends before the last. */
bool ep_pkt_bytes(struct ep_walk *w, enum ep_at at, unsigned off, unsigned len,
		  struct ep_byte *ret);
/* Writes a byte; addresses and the destination port change with all of their bytes alone. False if
 * the walk can't follow that: part of the source is open, or turns open. */
bool ep_pkt_write(struct ep_walk *w, enum ep_at at, unsigned off, struct ep_byte b);
/* The packet has at least n bytes from the network header. */
bool ep_pkt_reaches(struct ep_walk *w, unsigned n);
/* Does a packet of this length fit into what is left of some bytes? */
bool ep_pkt_fits(struct ep_walk *w, uint64_t left);
/* Bytes of the network header, and those that every such packet has from there on. */
unsigned ep_pkt_net_len(const struct ep_walk *w);
/* The packet's length from the network header: skb->len. */
struct ep_val ep_pkt_len(struct ep_walk *w);

/* nft_route.c: has the packet a route already? The route's realm (tclassid). */
bool ep_pkt_routed(const struct ep_walk *w);
struct ep_val ep_pkt_realm(struct ep_walk *w);

/* A field by its name, made when first asked for: "ip ttl", "tcp mss", "uid of the sending socket"…
 * Names that this table does not have are open over all of their bits. */
struct ep_val ep_pkt_field(struct ep_walk *w, const char *name, unsigned bits);
/* Some field of the host's or the client's, of which `usual` is the value that comes first in words. */
struct ep_val ep_w_field(struct ep_walk *w, const char *name, unsigned bits, ep_u128 usual);
/* For the words of a choice: "ip ttl 10-255", "ip ttl != 3". */
const char *ep_field_words(struct ep_walk *w, const struct ep_var *v, struct ep_ivset set);
/* The one value of an open field, asked for one after the other, the usual one first. */
bool ep_w_settle(struct ep_walk *w, const struct ep_val *v, ep_u128 *ret);

/* Does the SYN have this TCP option? */
bool ep_pkt_option(struct ep_walk *w, unsigned type);
/* Byte off of that option; false if it is shorter. */
bool ep_pkt_option_byte(struct ep_walk *w, unsigned type, unsigned off, struct ep_byte *ret);
/* A rule took the option away, or changed its value. */
void ep_pkt_option_gone(struct ep_walk *w, unsigned type);
void ep_pkt_option_changed(struct ep_walk *w, unsigned type);

#endif
