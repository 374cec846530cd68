// SPDX-License-Identifier: GPL-2.0-or-later
/* Entries and events of ctnetlink. */
#include <stddef.h>
#include <stdint.h>

#include "observe/conntrack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ep_ct ct;

	if (ep_ct_decode(data, size, &ct) && ct.orig.src.len != ct.orig.dst.len)
		__builtin_trap();
	return 0;
}
