// SPDX-License-Identifier: GPL-2.0-or-later
/* Datatypes of nft's userspace, and their values as nft writes them. */
#include "model/nft_types.h"
#include "model/xt_text.h"

#include <endian.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <string.h>

struct symbol {
	uint64_t value;
	const char *name;
};

#define SYMBOLS(...) ((const struct symbol[]){__VA_ARGS__, {0, NULL}})

struct type {
	uint8_t len; /* bytes, 0 if it varies */
	bool host_order, flags;
	void (*put)(struct ep_buf *out, const uint8_t *v, uint32_t len);
	uint8_t hex; /* digits at least; 0: numbers are decimal */
	const struct symbol *symbols;
	void (*put_number)(struct ep_buf *out, uint64_t n); /* special form of a number */
};

static void put_addr(struct ep_buf *out, const uint8_t *v, uint32_t len)
{
	struct ep_addr a = ep_addr_of(v, (uint8_t)len);
	char s[EP_ADDRSTR];

	ep_buf_puts(out, ep_addr_str(&a, s));
}

static void put_ether(struct ep_buf *out, const uint8_t *v, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		ep_buf_printf(out, "%s%02x", i ? ":" : "", v[i]);
}

static void put_hex(struct ep_buf *out, const uint8_t *v, uint32_t len)
{
	ep_buf_puts(out, "0x");
	for (uint32_t i = 0; i < len; i++)
		ep_buf_printf(out, "%02x", v[i]);
}

void ep_nft_put_quoted(struct ep_buf *out, const char *s, size_t len)
{
	ep_buf_puts(out, "\"");
	ep_buf_put_escaped(out, s, strnlen(s, len));
	ep_buf_puts(out, "\"");
}

static void put_protocol(struct ep_buf *out, uint64_t n)
{
	if (n)
		ep_xt_put_protocol(out, (unsigned)n);
	else
		ep_buf_puts(out, "ip");
}

/* The bits that are set, by number. */
static void put_label(struct ep_buf *out, const uint8_t *v, uint32_t len)
{
	const char *sep = "";

	for (uint32_t i = 0; i < len * 8; i++) {
		if (v[i / 8] & 1u << i % 8) {
			ep_buf_printf(out, "%s%u", sep, i);
			sep = ",";
		}
	}
	if (!*sep)
		ep_buf_puts(out, "0x0");
}

/* "major:minor" of traffic control */
static void put_classid(struct ep_buf *out, uint64_t n)
{
	ep_buf_printf(out, "%x:%x", (unsigned)(n >> 16), (unsigned)(n & 0xffff));
}

/* Milliseconds. */
static void put_duration(struct ep_buf *out, uint64_t ms)
{
	static const struct {
		uint64_t ms;
		const char *name;
	} units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (ms >= units[i].ms)
			ep_buf_printf(out, "%llu%s", (unsigned long long)(ms / units[i].ms),
				      units[i].name);
		ms %= units[i].ms;
	}
}

/* Seconds of the day. nft writes the time zone of its reader; here it is UTC. */
static void put_hour(struct ep_buf *out, uint64_t s)
{
	s %= 86400;
	ep_buf_printf(out, "\"%02u:%02u", (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
	if (s % 60)
		ep_buf_printf(out, ":%02u", (unsigned)(s % 60));
	ep_buf_puts(out, "\"");
}

/* Nanoseconds since 1970, in UTC; the calendar of Gregory in eras of 400 years from March on. */
static void put_date(struct ep_buf *out, uint64_t ns)
{
	uint64_t s = ns / 1000000000, days = s / 86400 + 719468, era = days / 146097;
	unsigned day = (unsigned)(days % 146097), year, month;

	s %= 86400;
	year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	month = month < 10 ? month + 3 : month - 9;
	ep_buf_printf(out, "\"%llu-%02u-%02u %02u:%02u:%02u\"",
		      (unsigned long long)(era * 400 + year + (month <= 2)), month, day + 1,
		      (unsigned)(s / 3600), (unsigned)(s / 60 % 60), (unsigned)(s % 60));
}

/* Without its NUL it is the beginning of a name: nft writes "eth*". */
static void put_string(struct ep_buf *out, const uint8_t *v, uint32_t len)
{
	size_t n = strnlen((const char *)v, len);
	bool star = n && n < len && v[n - 1] == '*';

	ep_buf_puts(out, "\"");
	ep_buf_put_escaped(out, (const char *)v, n - star);
	ep_buf_puts(out, n == len ? "*\"" : star ? "\\*\"" : "\"");
}

/* Columns: bytes, host order, flags, special form, format of numbers, names of numbers. */
static const struct type types[EP_NFT_TYPE_COUNT] = {
	[EP_NFT_NONE] = {0, .hex = 1},
	[EP_NFT_NFPROTO] = {1, .symbols = SYMBOLS({2, "ipv4"}, {10, "ipv6"})},
	[EP_NFT_STRING] = {0, .put = put_string},
	[EP_NFT_LLADDR] = {0, .put = put_ether},
	[EP_NFT_IPADDR] = {4, .put = put_addr},
	[EP_NFT_IP6ADDR] = {16, .put = put_addr},
	[EP_NFT_ETHERADDR] = {6, .put = put_ether},
	[EP_NFT_ETHERTYPE] = {2, .hex = 4,
			      .symbols = SYMBOLS({0x0800, "ip"}, {0x0806, "arp"}, {0x86dd, "ip6"},
						 {0x8100, "8021q"}, {0x88a8, "8021ad"})},
	[EP_NFT_ARPOP] = {2, .symbols = SYMBOLS({1, "request"}, {2, "reply"})},
	[EP_NFT_PROTO] = {1, .put_number = put_protocol},
	[EP_NFT_SERVICE] = {2},
	[EP_NFT_ICMP_TYPE] = {1, .symbols = SYMBOLS(
					 {0, "echo-reply"}, {3, "destination-unreachable"},
					 {4, "source-quench"}, {5, "redirect"}, {8, "echo-request"},
					 {9, "router-advertisement"}, {10, "router-solicitation"},
					 {11, "time-exceeded"}, {12, "parameter-problem"},
					 {13, "timestamp-request"}, {14, "timestamp-reply"})},
	[EP_NFT_TCP_FLAG] = {1, .flags = true, .hex = 1,
			     .symbols = SYMBOLS({1, "fin"}, {2, "syn"}, {4, "rst"}, {8, "psh"},
						{16, "ack"}, {32, "urg"}, {64, "ecn"},
						{128, "cwr"})},
	[EP_NFT_DCCP_PKTTYPE] = {1},
	[EP_NFT_MH_TYPE] = {1},
	[EP_NFT_TIME] = {8, .host_order = true, .put_number = put_duration},
	[EP_NFT_MARK] = {4, .host_order = true, .hex = 8},
	/* The loopback device is 1 in every namespace. */
	[EP_NFT_IFINDEX] = {4, .host_order = true, .symbols = SYMBOLS({1, "\"lo\""})},
	[EP_NFT_ARPHRD] = {2, .host_order = true,
			   .symbols = SYMBOLS({1, "ether"}, {512, "ppp"}, {772, "loopback"},
					      {65534, "none"})},
	[EP_NFT_REALM] = {4, .host_order = true},
	[EP_NFT_CLASSID] = {4, .host_order = true, .put_number = put_classid},
	[EP_NFT_UID] = {4, .host_order = true},
	[EP_NFT_GID] = {4, .host_order = true},
	[EP_NFT_CT_STATE] = {4, .host_order = true, .flags = true, .hex = 1,
			     .symbols = SYMBOLS({1, "invalid"}, {2, "established"}, {4, "related"},
						{8, "new"}, {64, "untracked"})},
	[EP_NFT_CT_DIR] = {1, .symbols = SYMBOLS({0, "original"}, {1, "reply"})},
	[EP_NFT_CT_STATUS] = {4, .host_order = true, .flags = true, .hex = 1,
			      .symbols = SYMBOLS(
				      {IPS_EXPECTED, "expected"}, {IPS_SEEN_REPLY, "seen-reply"},
				      {IPS_ASSURED, "assured"}, {IPS_CONFIRMED, "confirmed"},
				      {IPS_SRC_NAT, "snat"}, {IPS_DST_NAT, "dnat"},
				      {IPS_DYING, "dying"})},
	[EP_NFT_ICMP6_TYPE] = {1, .symbols = SYMBOLS(
					  {1, "destination-unreachable"}, {2, "packet-too-big"},
					  {3, "time-exceeded"}, {4, "parameter-problem"},
					  {128, "echo-request"}, {129, "echo-reply"},
					  {130, "mld-listener-query"}, {131, "mld-listener-report"},
					  {132, "mld-listener-done"}, {133, "nd-router-solicit"},
					  {134, "nd-router-advert"}, {135, "nd-neighbor-solicit"},
					  {136, "nd-neighbor-advert"}, {137, "nd-redirect"},
					  {143, "mld2-listener-report"})},
	[EP_NFT_CT_LABEL] = {16, .put = put_label},
	[EP_NFT_PKTTYPE] = {1, .symbols = SYMBOLS({0, "host"}, {1, "broadcast"}, {2, "multicast"},
						  {3, "other"})},
	[EP_NFT_ICMP_CODE] = {1,
			      .symbols = SYMBOLS({0, "net-unreachable"}, {1, "host-unreachable"},
						 {2, "prot-unreachable"}, {3, "port-unreachable"},
						 {9, "net-prohibited"}, {10, "host-prohibited"},
						 {13, "admin-prohibited"})},
	[EP_NFT_ICMP6_CODE] = {1,
			       .symbols = SYMBOLS({0, "no-route"}, {1, "admin-prohibited"},
						  {3, "addr-unreachable"}, {4, "port-unreachable"},
						  {5, "policy-fail"}, {6, "reject-route"})},
	[EP_NFT_ICMPX_CODE] = {1},
	[EP_NFT_DEVGROUP] = {4, .host_order = true, .symbols = SYMBOLS({0, "\"default\""})},
	[EP_NFT_DSCP] = {1, .hex = 2,
			 .symbols = SYMBOLS({0, "cs0"}, {1, "lephb"}, {8, "cs1"}, {16, "cs2"},
					    {24, "cs3"}, {32, "cs4"}, {40, "cs5"}, {48, "cs6"},
					    {56, "cs7"}, {10, "af11"}, {12, "af12"}, {14, "af13"},
					    {18, "af21"}, {20, "af22"}, {22, "af23"}, {26, "af31"},
					    {28, "af32"}, {30, "af33"}, {34, "af41"}, {36, "af42"},
					    {38, "af43"}, {44, "va"}, {46, "ef"})},
	[EP_NFT_ECN] = {1, .symbols = SYMBOLS({0, "not-ect"}, {1, "ect1"}, {2, "ect0"}, {3, "ce"})},
	[EP_NFT_FIB_ADDR] = {4, .host_order = true,
			     .symbols = SYMBOLS({0, "unspec"}, {1, "unicast"}, {2, "local"},
						{3, "broadcast"}, {4, "anycast"}, {5, "multicast"},
						{6, "blackhole"}, {7, "unreachable"},
						{8, "prohibit"})},
	[EP_NFT_BOOLEAN] = {1, .symbols = SYMBOLS({0, "missing"}, {1, "exists"})},
	[EP_NFT_CT_EVENTBIT] = {4, .host_order = true},
	[EP_NFT_IFNAME] = {16, .put = put_string},
	[EP_NFT_IGMP_TYPE] = {1},
	[EP_NFT_TIME_DATE] = {8, .host_order = true, .put_number = put_date},
	[EP_NFT_TIME_HOUR] = {4, .host_order = true, .put_number = put_hour},
	[EP_NFT_TIME_DAY] = {1, .symbols = SYMBOLS({0, "\"Sunday\""}, {1, "\"Monday\""},
						   {2, "\"Tuesday\""}, {3, "\"Wednesday\""},
						   {4, "\"Thursday\""}, {5, "\"Friday\""},
						   {6, "\"Saturday\""})},
	[EP_NFT_CGROUPV2] = {8, .host_order = true},
};

static const struct type *type_of(enum ep_nft_type type)
{
	return type < EP_NFT_TYPE_COUNT ? &types[type] : &types[EP_NFT_NONE];
}

unsigned ep_nft_type_len(uint32_t type)
{
	return type_of(type)->len;
}

bool ep_nft_type_is_host_order(enum ep_nft_type type)
{
	return type_of(type)->host_order;
}

bool ep_nft_type_is_flags(enum ep_nft_type type)
{
	return type_of(type)->flags;
}

bool ep_nft_type_is_addr(enum ep_nft_type type)
{
	return type == EP_NFT_IPADDR || type == EP_NFT_IP6ADDR;
}

unsigned ep_nft_type_fields(uint32_t type, enum ep_nft_type ret[static 5])
{
	unsigned n = 0;

	for (int shift = 24; shift >= 0; shift -= 6) {
		uint32_t t = type >> shift & 0x3f;

		if (t || n)
			ret[n++] = t;
	}
	return n;
}

uint64_t ep_nft_value_num(const uint8_t *v, uint32_t len, bool host_order)
{
	bool from_end = host_order && __BYTE_ORDER == __LITTLE_ENDIAN;
	uint64_t n = 0;

	for (uint32_t i = 0; i < len; i++)
		n = n << 8 | v[from_end ? len - 1 - i : i];
	return n;
}

static const char *symbol_of(const struct type *t, uint64_t n)
{
	for (const struct symbol *s = t->symbols; s && s->name; s++) {
		if (s->value == n)
			return s->name;
	}
	return NULL;
}

static void put_num(struct ep_buf *out, const struct type *t, uint64_t n)
{
	const char *name = symbol_of(t, n);

	if (name)
		ep_buf_puts(out, name);
	else if (t->put_number)
		t->put_number(out, n);
	else if (t->hex)
		ep_buf_printf(out, "0x%0*llx", t->hex, (unsigned long long)n);
	else
		ep_buf_printf(out, "%llu", (unsigned long long)n);
}

void ep_nft_put_flags(struct ep_buf *out, enum ep_nft_type type, uint64_t flags, const char *sep)
{
	const struct type *t = type_of(type);
	bool any = false;

	for (const struct symbol *s = t->symbols; s && s->name; s++) {
		if (!(flags & s->value))
			continue;
		ep_buf_printf(out, "%s%s", any ? sep : "", s->name);
		flags &= ~s->value;
		any = true;
	}
	if (flags || !any)
		ep_buf_printf(out, "%s0x%llx", any ? sep : "", (unsigned long long)flags);
}

void ep_nft_put_value(struct ep_buf *out, enum ep_nft_type type, const uint8_t *v, uint32_t len,
		      bool host_order)
{
	const struct type *t = type_of(type);
	uint64_t n;

	if (ep_nft_type_is_addr(type) && len != t->len)
		t = type_of(EP_NFT_NONE);
	if (t->put) {
		t->put(out, v, len);
		return;
	}
	if (len > 8) {
		put_hex(out, v, len);
		return;
	}
	n = ep_nft_value_num(v, len, host_order);
	if (t->flags)
		ep_nft_put_flags(out, type, n, ",");
	else
		put_num(out, t, n);
}

/* Length of the prefix that is exactly lo..hi; -1 if there is none. */
static int prefix_of(const uint8_t *lo, const uint8_t *hi, uint32_t len)
{
	uint32_t i = 0, bits;

	while (i < len && lo[i] == hi[i])
		i++;
	bits = i * 8;
	if (i < len) {
		uint8_t d = lo[i] ^ hi[i];

		if ((d & (d + 1)) || (lo[i] & d))
			return -1;
		bits += (uint32_t)__builtin_clz(d) - 24;
		while (++i < len) {
			if (lo[i] || hi[i] != 0xff)
				return -1;
		}
	}
	return (int)bits;
}

/* Interfaces by the beginning of their names: what is common to both ends. */
static bool put_name_range(struct ep_buf *out, const uint8_t *lo, const uint8_t *hi, uint32_t len)
{
	uint32_t i = 0;

	while (i < len && lo[i] == hi[i])
		i++;
	for (uint32_t k = i; k < len; k++) {
		if (lo[k] || hi[k] != 0xff)
			return false;
	}
	put_string(out, lo, i);
	return true;
}

/* nft writes the ends of a range as numbers, and times in seconds. */
static void put_bound(struct ep_buf *out, enum ep_nft_type type, const uint8_t *v, uint32_t len,
		      bool host_order)
{
	const struct type *t = type_of(type);
	uint64_t n;

	if (len > 8 || (!t->symbols && type != EP_NFT_TIME && type != EP_NFT_PROTO)) {
		ep_nft_put_value(out, type, v, len, host_order);
		return;
	}
	n = ep_nft_value_num(v, len, host_order);
	if (type == EP_NFT_TIME)
		ep_buf_printf(out, "%llus", (unsigned long long)(n / 1000));
	else
		ep_buf_printf(out, t->hex ? "0x%0*llx" : "%.*llu", t->hex ? t->hex : 1,
			      (unsigned long long)n);
}

void ep_nft_put_bounds(struct ep_buf *out, enum ep_nft_type type, const uint8_t *lo,
		       const uint8_t *hi, uint32_t len, bool host_order)
{
	put_bound(out, type, lo, len, host_order);
	ep_buf_puts(out, "-");
	put_bound(out, type, hi, len, host_order);
}

void ep_nft_put_range(struct ep_buf *out, enum ep_nft_type type, const uint8_t *lo,
		      const uint8_t *hi, uint32_t len, bool host_order)
{
	int plen;

	if (!memcmp(lo, hi, len)) {
		ep_nft_put_value(out, type, lo, len, host_order);
		return;
	}
	if (type == EP_NFT_IFNAME && put_name_range(out, lo, hi, len))
		return;
	plen = ep_nft_type_is_addr(type) ? prefix_of(lo, hi, len) : -1;
	if (plen >= 0) {
		ep_nft_put_value(out, type, lo, len, host_order);
		ep_buf_printf(out, "/%d", plen);
		return;
	}
	ep_nft_put_bounds(out, type, lo, hi, len, host_order);
}
