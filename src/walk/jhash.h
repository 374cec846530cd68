/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EP_WALK_JHASH_H
#define EP_WALK_JHASH_H

#include <stddef.h>
#include <stdint.h>

uint32_t ep_jhash(const uint8_t *key, size_t len, uint32_t seed);

#endif
