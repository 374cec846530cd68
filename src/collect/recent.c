// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lists of xt's recent match: /proc/net/xt_recent/NAME, a line for each address with the jiffies at which
 * its packets came (net/netfilter/xt_recent.c, recent_seq_show()). What jiffies it is now, and how
 * many make a second, /proc/timer_list tells.
 */
#include "collect/remember.h"
#include "collect/collect_i.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_TEXT  (16u << 20)
#define MAX_ROWS  (1u << 18)
#define MAX_CLOCK (512u << 10) /* of /proc/timer_list, until its first "jiffies" */

/* ---- the clock ---- */

/* The number behind a word. */
static bool number_after(const char *text, const char *word, uint64_t *ret)
{
	const char *p = strstr(text, word);
	char *end;

	if (!p)
		return false;
	p += strlen(word);
	errno = 0;
	*ret = strtoull(p, &end, 10);
	return end != p && !errno;
}

/*
 * jiffies start at INITIAL_JIFFIES, 300 seconds before 32 bits overflow; so their number and the
 * seconds since boot tell how many there are in one.
 */
void ep_jiffies_parse(const char *timer_list, struct ep_jiffies *ret)
{
	static const unsigned rates[] = {100, 250, 300, 1000};
	uint64_t nsecs, jiffies;

	*ret = (struct ep_jiffies){0};
	if (!number_after(timer_list, "now at ", &nsecs) ||
	    !number_after(timer_list, "jiffies: ", &jiffies))
		return;
	for (size_t i = 0; i < EP_ARRAY_SIZE(rates); i++) {
		double start = 4294967296.0 - 300.0 * rates[i];
		double up = ((double)jiffies - start) / rates[i];
		double differs = up - (double)nsecs / 1e9;

		if (differs < 0)
			differs = -differs;
		if (differs < 5) {
			*ret = (struct ep_jiffies){jiffies, rates[i]};
			return;
		}
	}
}

struct ep_jiffies ep_jiffies_read(void)
{
	int fd = open("/proc/timer_list", O_RDONLY | O_CLOEXEC);
	struct ep_jiffies j = {0};
	struct ep_buf b = {};
	char chunk[4096];
	ssize_t n;

	if (fd < 0)
		return j;
	while (b.len < MAX_CLOCK && (n = read(fd, chunk, sizeof(chunk))) > 0) {
		const char *at;

		ep_buf_putn(&b, chunk, (size_t)n);
		at = strstr(ep_buf_str(&b), "jiffies: ");
		if (at && strchr(at, '\n'))
			break;
	}
	close(fd);
	ep_jiffies_parse(ep_buf_str(&b), &j);
	ep_buf_free(&b);
	return j;
}

/* ---- the list ---- */

int ep_read_proc_net(struct ep_arena *a, const struct ep_netns *ns, const char *dir,
		     const char *name, char **ret)
{
	int back, r;

	if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	r = ep_ns_enter(ns, &back);
	if (r < 0)
		return r;
	r = ep_read_file(a, ep_sprintf(a, "/proc/thread-self/net/%s/%s", dir, name), MAX_TEXT, ret,
			 NULL);
	ep_ns_leave(back);
	return r;
}

/* Moves *p behind the word. */
static bool skip(const char **p, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*p, word, n))
		return false;
	*p += n;
	return true;
}

static bool take_num(const char **p, uint64_t *ret)
{
	char *end;

	if (**p < '0' || **p > '9')
		return false;
	errno = 0;
	*ret = strtoull(*p, &end, 10);
	*p = end;
	return !errno;
}

static bool take_addr(const char **p, struct ep_addr *ret)
{
	size_t n = strcspn(*p, " \n");
	char buf[64];

	if (n >= sizeof(buf))
		return false;
	memcpy(buf, *p, n);
	buf[n] = 0;
	*p += n;
	return ep_addr_parse(buf, ret);
}

/* "src=192.0.2.1 ttl: 64 last_seen: 4297 oldest_pkt: 2 4296, 4297" */
static bool take_line(struct ep_arena *a, const char **p, const struct ep_jiffies *j,
		      struct ep_recent_row *row)
{
	uint64_t ttl, ignored, stamp;

	if (!skip(p, "src=") || !take_addr(p, &row->addr) || !skip(p, " ttl: ") ||
	    !take_num(p, &ttl) || ttl > 255 || !skip(p, " last_seen: ") || !take_num(p, &ignored) ||
	    !skip(p, " oldest_pkt: ") || !take_num(p, &ignored))
		return false;
	row->ttl = (uint8_t)ttl;
	while (**p == ' ' || **p == ',') {
		uint64_t age;

		*p += strspn(*p, ", ");
		if (!take_num(p, &stamp))
			return false;
		age = j->hz && j->now > stamp ? j->now - stamp : 0;
		ep_push(a, &row->stamps)->age_ms = j->hz ? age * 1000 / j->hz : 0;
	}
	return skip(p, "\n") || !**p;
}

int ep_recent_parse(struct ep_arena *a, const char *text, const struct ep_jiffies *j,
		    struct ep_recent *ret)
{
	ret->ages = j->hz;
	while (*text) {
		struct ep_recent_row row = {};

		if (ret->rows.n >= MAX_ROWS || !take_line(a, &text, j, &row))
			return -EBADMSG;
		*ep_push(a, &ret->rows) = row;
	}
	return 0;
}

int ep_collect_recent(struct ep_snapshot *s, struct ep_netns *ns, struct ep_recent *ret)
{
	struct ep_arena *tmp = ep_arena_new();
	struct ep_jiffies j = {0};
	char *text = NULL;
	int r = ep_read_proc_net(tmp, ns, "xt_recent", ret->name, &text);

	if (r == 0 && *text)
		j = ep_jiffies_read();
	if (r == 0)
		r = ep_recent_parse(s->arena, text, &j, ret);
	ep_arena_free(tmp);
	return r;
}
