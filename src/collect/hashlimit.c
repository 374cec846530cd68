// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tables of xt's hashlimit match: /proc/net/ipt_hashlimit/NAME and ip6t_hashlimit/NAME, a line for each
 * bucket, brought up to date as it is shown (net/netfilter/xt_hashlimit.c, dl_seq_real_show()).
 */
#include "collect/remember.h"
#include "collect/collect_i.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROWS (1u << 18)

static bool take_num(const char **p, char after, uint64_t max, uint64_t *ret)
{
	char *end;

	if (**p < '0' || **p > '9')
		return false;
	errno = 0;
	*ret = strtoull(*p, &end, 10);
	if (errno || *end != after || *ret > max)
		return false;
	*p = end + 1;
	return true;
}

/* An address (%pI4, or %pI6 with all of its 39 characters), ":" and a port; stop follows. */
static bool take_end(const char **p, bool v6, char stop, struct ep_addr *addr, uint16_t *port)
{
	size_t n = v6 ? 39 : strcspn(*p, ":\n");
	uint64_t num;
	char buf[40];

	if (n >= sizeof(buf) || strnlen(*p, n + 1) <= n || (*p)[n] != ':')
		return false;
	memcpy(buf, *p, n);
	buf[n] = 0;
	*p += n + 1;
	if (!ep_addr_parse(buf, addr) || addr->len != (v6 ? 16 : 4) ||
	    !take_num(p, stop, 65535, &num))
		return false;
	*port = (uint16_t)num;
	return true;
}

/* "59 192.0.2.1:0->0.0.0.0:0 1280000 1600000 320000": seconds left, key, credit, cap, cost */
static bool take_line(const char **p, bool v6, struct ep_hashlimit_row *row)
{
	if (**p == '-')
		(*p)++;
	*p += strspn(*p, "0123456789");
	if (**p != ' ')
		return false;
	(*p)++;
	if (!take_end(p, v6, '-', &row->src, &row->sport) || **p != '>')
		return false;
	(*p)++;
	return take_end(p, v6, ' ', &row->dst, &row->dport) &&
	       take_num(p, ' ', UINT64_MAX, &row->credit) &&
	       take_num(p, ' ', UINT64_MAX, &row->cap) && take_num(p, '\n', UINT64_MAX, &row->cost);
}

int ep_hashlimit_parse(struct ep_arena *a, const char *text, struct ep_hashlimit *ret)
{
	while (*text) {
		struct ep_hashlimit_row row = {};

		if (ret->rows.n >= MAX_ROWS || !take_line(&text, ret->family == AF_INET6, &row))
			return -EBADMSG;
		*ep_push(a, &ret->rows) = row;
	}
	return 0;
}

int ep_collect_hashlimit(struct ep_snapshot *s, struct ep_netns *ns, struct ep_hashlimit *h)
{
	struct ep_arena *tmp = ep_arena_new();
	char *text = NULL;
	int r = ep_read_proc_net(tmp, ns,
				 h->family == AF_INET6 ? "ip6t_hashlimit" : "ipt_hashlimit",
				 h->name, &text);

	if (r == 0)
		r = ep_hashlimit_parse(s->arena, text, h);
	ep_arena_free(tmp);
	return r;
}
