// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "edgepath/util.h"

bool ep_addr_parse(const char *s, struct ep_addr *ret)
{
	struct ep_addr a = {};

	if (inet_pton(AF_INET, s, a.b) == 1)
		a.len = 4;
	else if (inet_pton(AF_INET6, s, a.b) == 1)
		a.len = 16;
	else
		return false;
	*ret = a;
	return true;
}

const char *ep_addr_str(const struct ep_addr *a, char *buf)
{
	if (a->len != 4 && a->len != 16)
		return strcpy(buf, "any");
	if (!inet_ntop(a->len == 4 ? AF_INET : AF_INET6, a->b, buf, EP_ADDRSTR))
		buf[0] = '\0';
	return buf;
}

const char *ep_addrport_str(const struct ep_addr *a, uint16_t port, char *buf)
{
	char tmp[EP_ADDRSTR];

	ep_addr_str(a, tmp);
	snprintf(buf, EP_ADDRSTR, a->len == 16 ? "[%.48s]:%u" : "%.48s:%u", tmp, port);
	return buf;
}

struct ep_addr ep_addr_of(const void *bytes, uint8_t len)
{
	struct ep_addr a = {};

	if (len == 4 || len == 16) {
		a.len = len;
		memcpy(a.b, bytes, len);
	}
	return a;
}

bool ep_addr_eq(const struct ep_addr *a, const struct ep_addr *b)
{
	return a->len == b->len && !memcmp(a->b, b->b, a->len);
}

bool ep_addr_is_any(const struct ep_addr *a)
{
	for (unsigned i = 0; i < a->len; i++)
		if (a->b[i])
			return false;
	return true;
}

bool ep_addr_in(const struct ep_addr *a, const struct ep_addr *net, unsigned plen)
{
	unsigned bytes = plen / 8, bits = plen % 8;

	if (a->len != net->len || plen > a->len * 8u)
		return false;
	if (memcmp(a->b, net->b, bytes))
		return false;
	return !bits || !((a->b[bytes] ^ net->b[bytes]) >> (8 - bits));
}

ep_u128 ep_addr_num(const struct ep_addr *a)
{
	ep_u128 n = 0;

	for (unsigned i = 0; i < a->len; i++)
		n = n << 8 | a->b[i];
	return n;
}

struct ep_addr ep_addr_from_num(ep_u128 n, uint8_t len)
{
	struct ep_addr a = {.len = len};

	for (unsigned i = len; i-- > 0; n >>= 8)
		a.b[i] = (uint8_t)n;
	return a;
}
