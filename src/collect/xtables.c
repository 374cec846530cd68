// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Legacy iptables and ip6tables: IPT_SO_GET_INFO and IPT_SO_GET_ENTRIES of the tables that exist
 * already, for asking for another one would create it. There is no generation: all tables are read
 * twice, and the second reading counts if both are the same but for the packet counters.
 */
#include "collect/xtables.h"
#include "collect/collect_i.h"

#include <errno.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_TRIES    5
#define MAX_TABLES   16
#define MAX_BLOB     (1u << 30)
#define NAMES_LENGTH 4096

/* Both families share these two layouts. */
_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo), "getinfo");
_Static_assert(sizeof(struct ipt_get_entries) == sizeof(struct ip6t_get_entries), "get_entries");

static const struct family {
	int af, level, get_info, get_entries;
	const char *names; /* of this thread's namespace, as /proc/net may be another one's */
} families[] = {
	{AF_INET, IPPROTO_IP, IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES,
	 "/proc/thread-self/net/ip_tables_names"},
	{AF_INET6, IPPROTO_IPV6, IP6T_SO_GET_INFO, IP6T_SO_GET_ENTRIES,
	 "/proc/thread-self/net/ip6_tables_names"},
};

struct table {
	struct ep_xt_table *t;
	struct ipt_getinfo info;
	uint64_t digest;
	void *blob;
};

/* Names of the tables that exist (split in place), and a socket to ask for them if there are any. */
static int enter_and_open(struct ep_snapshot *s, const struct ep_netns *ns, const struct family *f,
			  char **ret_names, int *ret_fd)
{
	size_t len;
	int back, r;

	*ret_fd = -1;
	r = ep_ns_enter(ns, &back);
	if (r < 0)
		return r;
	r = ep_read_file(s->arena, f->names, NAMES_LENGTH, ret_names, &len);
	if (r == 0 && **ret_names) {
		*ret_fd = socket(f->af, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		r = *ret_fd < 0 ? -errno : 0;
	}
	ep_ns_leave(back);
	return r;
}

static int read_info(int fd, const struct family *f, struct table *tb)
{
	socklen_t len = sizeof(tb->info);

	memset(&tb->info, 0, sizeof(tb->info));
	strncpy(tb->info.name, tb->t->name, sizeof(tb->info.name) - 1);
	if (getsockopt(fd, f->level, f->get_info, &tb->info, &len) < 0)
		return -errno;
	return tb->info.size > MAX_BLOB ? -EFBIG : 0;
}

/* e has room for the entries that info told of. -EAGAIN: the table has another size by now. */
static int read_entries(int fd, const struct family *f, const struct table *tb,
			struct ipt_get_entries *e)
{
	socklen_t len = (socklen_t)(sizeof(*e) + tb->info.size);

	memcpy(e->name, tb->info.name, sizeof(e->name));
	e->size = tb->info.size;
	return getsockopt(fd, f->level, f->get_entries, e, &len) < 0 ? -errno : 0;
}

/* First reading: the digest is all that is kept. */
static int read_first(int fd, const struct family *f, struct table *tb)
{
	struct ipt_get_entries *e;
	int r = read_info(fd, f, tb);

	if (r < 0)
		return r;
	e = calloc(1, sizeof(*e) + tb->info.size);
	if (!e)
		return -ENOMEM;
	r = read_entries(fd, f, tb, e);
	if (r == 0)
		tb->digest = ep_xt_digest(f->af, e->entrytable, e->size);
	free(e);
	return r;
}

/* Second reading, into the memory where the entries stay; -EAGAIN if it differs from the first. */
static int read_second(struct ep_arena *a, int fd, const struct family *f, struct table *tb)
{
	uint32_t size = tb->info.size;
	struct ipt_get_entries *e;
	int r = read_info(fd, f, tb);

	if (r < 0)
		return r;
	if (tb->info.size != size)
		return -EAGAIN;
	e = ep_alloc(a, sizeof(*e) + size);
	r = read_entries(fd, f, tb, e);
	if (r < 0)
		return r;
	tb->blob = e->entrytable;
	return ep_xt_digest(f->af, tb->blob, size) == tb->digest ? 0 : -EAGAIN;
}

static int read_twice(struct ep_arena *a, int fd, const struct family *f, struct table *tables,
		      size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = read_first(fd, f, &tables[i]);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = read_second(a, fd, f, &tables[i]);
	return r;
}

static int decode(struct ep_snapshot *s, struct ep_netns *ns, struct table *tables, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct ep_xt_table *t = tables[i].t;
		int r;

		t->valid_hooks = tables[i].info.valid_hooks;
		r = ep_xt_decode(s->arena, t, tables[i].blob, tables[i].info.size,
				 tables[i].info.hook_entry, tables[i].info.underflow);
		if (r < 0)
			return r;
		t->loaded = true;
		*ep_push(s->arena, &ns->xt.tables) = t;
	}
	return 0;
}

static size_t list_tables(struct ep_arena *a, int af, char *names, struct table *tables)
{
	size_t n = 0;
	char *save;

	for (char *name = strtok_r(names, "\n", &save); name && n < MAX_TABLES;
	     name = strtok_r(NULL, "\n", &save)) {
		tables[n].t = ep_alloc(a, sizeof(*tables[n].t));
		tables[n].t->family = (uint8_t)af;
		tables[n].t->name = name;
		n++;
	}
	return n;
}

static int read_family(struct ep_snapshot *s, struct ep_netns *ns, const struct family *f)
{
	struct table tables[MAX_TABLES] = {0};
	char *names;
	size_t n;
	int fd, r;

	r = enter_and_open(s, ns, f, &names, &fd);
	if (r == -ENOENT) /* the kernel has no legacy tables, or none were ever made */
		return 0;
	if (r < 0 || fd < 0)
		return r;
	n = list_tables(s->arena, f->af, names, tables);
	r = -EAGAIN;
	for (int i = 0; r == -EAGAIN && i < MAX_TRIES; i++)
		r = read_twice(s->arena, fd, f, tables, n);
	close(fd);
	return r < 0 ? r : decode(s, ns, tables, n);
}

static const char *reason_of(struct ep_arena *a, const struct family *f, int err)
{
	const char *what = f->af == AF_INET ? "iptables-legacy" : "ip6tables-legacy";

	if (err == -EPERM || err == -EACCES)
		return ep_sprintf(a, "%s: not permitted, needs CAP_NET_ADMIN", what);
	if (err == -EAGAIN)
		return ep_sprintf(a, "%s: the rules kept changing while they were read", what);
	return ep_sprintf(a, "%s: %s", what, strerror(-err));
}

int ep_collect_xtables(struct ep_snapshot *s, struct ep_netns *ns)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(families); i++) {
		int r = read_family(s, ns, &families[i]);

		ns->xt.status[i] = r < 0 ? EP_MISSING : EP_COMPLETE;
		ns->xt.reason[i] = r < 0 ? reason_of(s->arena, &families[i], r) : NULL;
		ep_source_set(s, "iptables-legacy", ns->xt.status[i], ns->xt.reason[i]);
	}
	return 0;
}
