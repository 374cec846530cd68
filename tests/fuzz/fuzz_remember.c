// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Input: a letter, and what the kernel would tell: r a recent list, h and H a hashlimit table (IPv4,
 * IPv6), t the timer list, c the attributes of a connection, a those of an accounting object.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "collect/remember.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rows(const struct ep_recent *r)
{
	ep_each(row, &r->rows)
		if (row->addr.len != 4 && row->addr.len != 16)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ep_arena *a = ep_arena_new();
	struct ep_jiffies j = {.now = 1u << 31, .hz = 250};
	struct ep_hashlimit h = {.family = AF_INET};
	const char *text = size ? ep_strndup(a, (const char *)data + 1, size - 1) : "";
	struct ep_recent r = {0};
	struct ep_acct acct;
	struct ep_conn c;
	int ret = 0;

	switch (size ? data[0] : 0) {
	case 'r':
		ret = ep_recent_parse(a, text, &j, &r);
		check_rows(&r);
		break;
	case 'H':
		h.family = AF_INET6;
		/* fall through */
	case 'h':
		ret = ep_hashlimit_parse(a, text, &h);
		break;
	case 't':
		ep_jiffies_parse(text, &j);
		break;
	case 'c':
		ret = ep_conn_decode(data + 1, size - 1, &c);
		break;
	case 'a':
		ret = ep_acct_decode(data + 1, size - 1, &acct);
		break;
	}
	if (ret > 0)
		abort();
	ep_arena_free(a);
	return 0;
}
