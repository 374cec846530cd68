// SPDX-License-Identifier: GPL-2.0-or-later
/* --origin WHERE: from a word to the place where packets start. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <net/if.h>

#include "cmd/cmd.h"

#define MIN_ID    4  /* characters of a container's id that may stand for it */
#define MAX_NAMES 12 /* that a message lists */

static int no_such(struct ep_live *live, const char *word, const char *why)
{
	live->usage = true;
	snprintf(live->err, sizeof(live->err), "--origin %.100s: %.380s",
		 ep_escape(live->s->arena, word, strlen(word)), why);
	return -ENOENT;
}

/* ---- containers and pods ---- */

static bool is_text(const char *x, const char *y)
{
	return x && y && !strcmp(x, y);
}

/* "NS/NAME" */
static bool is_pod(const struct ep_container *c, const char *name)
{
	size_t n = c->pod.ns ? strlen(c->pod.ns) : 0;

	return n && !strncmp(name, c->pod.ns, n) && name[n] == '/' &&
	       is_text(c->pod.name, name + n + 1);
}

static bool is_container(const struct ep_container *c, const char *name)
{
	size_t n = strlen(name);

	return is_text(c->name, name) || is_pod(c, name) ||
	       (n >= MIN_ID && c->id && !strncmp(c->id, name, n));
}

/* How --origin would name it. */
static const char *word_of(struct ep_arena *a, const struct ep_container *c)
{
	if (c->pod.name && c->pod.ns)
		return ep_sprintf(a, "pod:%s/%s", c->pod.ns, c->pod.name);
	return ep_sprintf(a, "container:%.*s", c->name ? 200 : 12, c->name ? c->name : c->id);
}

static unsigned min3(unsigned x, unsigned y, unsigned z)
{
	unsigned m = x < y ? x : y;

	return m < z ? m : z;
}

/* Edits that make one word of the other (Levenshtein), of their first 63 characters. */
static unsigned distance(const char *x, const char *y)
{
	size_t nx = strnlen(x, 63), ny = strnlen(y, 63);
	unsigned row[64];

	for (size_t j = 0; j <= ny; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= nx; i++) {
		unsigned corner = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= ny; j++) {
			unsigned old = row[j];

			row[j] = min3(row[j] + 1, row[j - 1] + 1, corner + (x[i - 1] != y[j - 1]));
			corner = old;
		}
	}
	return row[ny];
}

struct known {
	const char *word;
	unsigned far;
};

typedef EP_VEC(struct known) known_list;

static void add_known(struct ep_arena *a, known_list *l, const char *word, const char *wanted)
{
	const char *bare = strchr(word, ':') + 1;
	unsigned far = strstr(bare, wanted) ? 0 : distance(bare, wanted);
	size_t i = l->n;

	ep_each(k, l)
		if (!strcmp(k->word, word))
			return;
	ep_push(a, l);
	for (; i && l->v[i - 1].far > far; i--)
		l->v[i] = l->v[i - 1];
	l->v[i] = (struct known){word, far};
}

/* "did you mean container:web? Known: …" */
static const char *hint(struct ep_live *live, const char *wanted)
{
	struct ep_arena *a = live->s->arena;
	struct ep_buf b = {};
	known_list l = {};
	const char *text;

	ep_each(c, &live->s->containers)
		if ((*c)->name || (*c)->id || (*c)->pod.name)
			add_known(a, &l, word_of(a, *c), wanted);
	if (!l.n)
		return "no container of that name, nor any other, is known on this host";
	ep_buf_puts(&b, "there is none of that name; ");
	if (l.v[0].far * 3 <= strlen(wanted) + 2)
		ep_buf_printf(&b, "did you mean %s? ",
			      ep_escape(a, l.v[0].word, strlen(l.v[0].word)));
	ep_buf_puts(&b, "Known:");
	for (size_t i = 0; i < l.n && i < MAX_NAMES; i++)
		ep_buf_printf(&b, "%s %s", i ? "," : "",
			      ep_escape(a, l.v[i].word, strlen(l.v[i].word)));
	if (l.n > MAX_NAMES)
		ep_buf_printf(&b, " and %zu more", l.n - MAX_NAMES);
	text = ep_strdup(a, ep_buf_str(&b));
	ep_buf_free(&b);
	return text;
}

static int find_container(struct ep_live *live, const char *word, struct ep_start *ret)
{
	bool (*const is)(const struct ep_container *, const char *) =
		strncmp(word, "pod:", 4) ? is_container : is_pod;
	const char *name = strchr(word, ':') + 1;
	const struct ep_container *stopped = NULL;

	if (live->collect)
		ep_collect_every_container(live->collect, live->s);
	ep_each(it, &live->s->containers) {
		const struct ep_container *c = *it;

		if (!is(c, name))
			continue;
		if (!c->netns) {
			stopped = c;
			continue;
		}
		if (ret->netns && ret->netns != c->netns)
			return no_such(live, word,
				       ep_sprintf(live->s->arena,
						  "more than one is called so: %s, %s", ret->name,
						  word_of(live->s->arena, c)));
		ret->netns = c->netns;
		ret->name = word_of(live->s->arena, c);
	}
	if (!ret->netns && !stopped)
		return no_such(live, word, hint(live, name));
	if (!ret->netns || !ep_netns_find(live->s, ret->netns)) {
		no_such(live, word, "it is not running, or its namespace could not be found");
		live->usage = false;
		return -ESRCH;
	}
	ret->origin = EP_CONTAINER;
	return 0;
}

/* A namespace that `ip netns` names: what runs there may be in no container. */
static int find_netns(struct ep_live *live, const char *word, struct ep_start *ret)
{
	struct ep_arena *a = live->s->arena;
	const char *name = strchr(word, ':') + 1;
	ep_strs names = {};
	struct ep_buf b = {};

	ep_each(it, &live->s->netns) {
		const struct ep_netns *ns = *it;

		if (is_text(ns->name, name)) {
			*ret = (struct ep_start){.origin = EP_CONTAINER,
						 .netns = ns->ino,
						 .name = ep_sprintf(a, "netns:%s", ns->name)};
			return 0;
		}
		if (ns->name && names.n < MAX_NAMES)
			*ep_push(a, &names) = ns->name;
	}
	ep_each(n, &names)
		ep_buf_printf(&b, "%s %s", n == names.v ? "Known:" : ",",
			      ep_escape(a, *n, strlen(*n)));
	no_such(live, word, ep_sprintf(a, "there is none of that name. %s", ep_buf_str(&b)));
	ep_buf_free(&b);
	return -ENOENT;
}

/* ---- the LAN ---- */

/* A bridge that leads to containers and virtual machines of this host only. */
static bool is_inner_bridge(const struct ep_netns *ns, const struct ep_link *l)
{
	if (strcmp(l->kind, "bridge"))
		return false;
	ep_each(port, &ns->links)
		if (port->master == l->ifindex && strcmp(port->kind, "veth") != 0 &&
		    strcmp(port->kind, "tun") != 0)
			return false;
	return true;
}

/* The networks that are connected to a device, as sets of addresses; false if it has none. */
static bool networks(struct ep_live *live, const struct ep_link *l, struct ep_ivset ret[2])
{
	struct ep_arena *a = live->s->arena;
	bool any = false;

	ret[0] = ret[1] = (struct ep_ivset){};
	ep_each(i, &live->host->addrs) {
		unsigned bits = i->addr.len * 8u;
		ep_u128 host, lo;

		if (i->ifindex != l->ifindex || !ep_addr_public(i, i->addr.len) || i->plen >= bits)
			continue;
		host = ((ep_u128)1 << (bits - i->plen)) - 1;
		lo = ep_addr_num(&i->addr) & ~host;
		if (!i->plen)
			continue;
		ret[bits == 128] = ep_iv_or(a, ret[bits == 128], ep_iv_range(a, lo, lo + host));
		any = true;
	}
	return any;
}

static bool is_uplink(const struct ep_netns *ns, const struct ep_link *l)
{
	return l == ep_default_device(ns, AF_INET) || l == ep_default_device(ns, AF_INET6);
}

static const struct ep_link *lan_device(struct ep_live *live, bool uplink, struct ep_ivset ret[2])
{
	ep_each(l, &live->host->links)
		if (l->flags & IFF_UP && !(l->flags & IFF_LOOPBACK) && strcmp(l->kind, "dummy") &&
		    is_uplink(live->host, l) == uplink && !is_inner_bridge(live->host, l) &&
		    networks(live, l, ret))
			return l;
	return NULL;
}

static int find_lan(struct ep_live *live, const char *word, struct ep_start *ret)
{
	const char *name = live->args->iif;
	const struct ep_link *l;
	int r = ep_netns_need(live->s, live->host, EP_NEED_LINKS | EP_NEED_ROUTES);

	if (r < 0)
		return no_such(live, word, "devices could not be read");
	ret->origin = EP_LAN;
	l = name ? ep_link_by_name(live->host, name) : lan_device(live, false, ret->clients);
	if (!l && !name) {
		l = lan_device(live, true, ret->clients);
		if (l)
			*ep_push(live->s->arena, &live->doc.notes) = ep_sprintf(
				live->s->arena,
				"The LAN is the network of the uplink %s: no other device has one.",
				l->name);
	}
	if (!l)
		return no_such(live, word,
			       name ? "there is no such device as --iif names" :
				      "no device has a network: name one with --iif");
	if (name && !networks(live, l, ret->clients))
		return no_such(live, word, "the device that --iif names has no network");
	ret->dev = l->name;
	return 0;
}

/* ---- the table ---- */

static int find_external(struct ep_live *live, const char *word, struct ep_start *ret)
{
	(void)live;
	(void)word;
	ret->origin = EP_EXTERNAL;
	return 0;
}

static int find_host(struct ep_live *live, const char *word, struct ep_start *ret)
{
	(void)live;
	(void)word;
	ret->origin = EP_HOST;
	return 0;
}

static const struct {
	const char *word; /* ends with a colon if a name follows */
	int (*find)(struct ep_live *live, const char *word, struct ep_start *ret);
} kinds[] = {
	{"external", find_external},    {"host", find_host},      {"lan", find_lan},
	{"container:", find_container}, {"pod:", find_container}, {"netns:", find_netns},
};

static size_t kind_of(const char *word)
{
	size_t i = 0;

	for (; i < EP_ARRAY_SIZE(kinds); i++) {
		size_t n = strlen(kinds[i].word);

		if (kinds[i].word[n - 1] == ':' ? !strncmp(word, kinds[i].word, n) && word[n] :
						  !strcmp(word, kinds[i].word))
			break;
	}
	return i;
}

bool ep_origin_word(const char *word)
{
	return kind_of(word) < EP_ARRAY_SIZE(kinds);
}

int ep_origin_find(struct ep_live *live, const char *word, struct ep_start *ret)
{
	size_t i = kind_of(word);

	*ret = (struct ep_start){};
	if (i == EP_ARRAY_SIZE(kinds))
		return no_such(live, word, "there is no such place");
	return kinds[i].find(live, word, ret);
}
