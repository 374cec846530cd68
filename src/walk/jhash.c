// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's jhash() (include/linux/jhash.h): Bob Jenkins' lookup3 hash, of May 2006. */
#include <string.h>

#include "walk/jhash.h"

#define EP_JHASH_INITVAL 0xdeadbeefu

static uint32_t rol(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static void mix(uint32_t s[3])
{
	static const uint8_t by[] = {4, 6, 8, 16, 19, 4};

	for (unsigned i = 0; i < 6; i++) {
		uint32_t *x = &s[i % 3], *y = &s[(i + 1) % 3], *z = &s[(i + 2) % 3];

		*x -= *z;
		*x ^= rol(*z, by[i]);
		*z += *y;
	}
}

static void final(uint32_t s[3])
{
	static const uint8_t by[] = {14, 11, 25, 16, 4, 14, 24};

	/* c ^= b, a ^= c, b ^= a, and so on round */
	for (unsigned i = 0; i < 7; i++) {
		uint32_t *x = &s[(i + 2) % 3], *y = &s[(i + 1) % 3];

		*x ^= *y;
		*x -= rol(*y, by[i]);
	}
}

uint32_t ep_jhash(const uint8_t *key, size_t len, uint32_t seed)
{
	uint32_t s[3];
	uint8_t tail[12] = {};

	s[0] = s[1] = s[2] = EP_JHASH_INITVAL + (uint32_t)len + seed;
	for (; len > 12; key += 12, len -= 12) {
		for (unsigned i = 0; i < 3; i++) {
			uint32_t word;

			memcpy(&word, key + i * 4, 4);
			s[i] += word;
		}
		mix(s);
	}
	if (!len)
		return s[2];
	memcpy(tail, key, len);
	for (unsigned i = 0; i < 3; i++)
		s[i] += (uint32_t)tail[i * 4] | (uint32_t)tail[i * 4 + 1] << 8 |
			(uint32_t)tail[i * 4 + 2] << 16 | (uint32_t)tail[i * 4 + 3] << 24;
	final(s);
	return s[2];
}
