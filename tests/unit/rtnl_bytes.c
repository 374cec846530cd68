// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rtnl_bytes.h"

void rtnl_each(struct ep_arena *a, const char *name,
	       int (*take)(const struct nlmsghdr *nlh, void *ctx), void *ctx)
{
	const struct nlmsghdr *nlh;
	char *text;
	size_t len;
	int left;

	assert_int_equal(ep_read_file(a, ep_sprintf(a, "tests/fuzz/corpus/rtnl/%s", name), 1 << 20,
				      &text, &len),
			 0);
	nlh = (const void *)text;
	left = (int)len;
	assert_true(mnl_nlmsg_ok(nlh, left));
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		assert_int_equal(take(nlh, ctx), 0);
}

struct nlmsghdr *rtnl_start(void *buf, uint16_t type, const void *head, size_t head_len)
{
	struct nlmsghdr *nlh;

	memset(buf, 0, EP_NL_REQ_SIZE);
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	memcpy(mnl_nlmsg_put_extra_header(nlh, head_len), head, head_len);
	return nlh;
}
