// SPDX-License-Identifier: GPL-2.0-or-later
/* The live snapshot: what is read at once, and the provider that reads the rest on demand. */
#include "collect/owners_i.h"
#include "collect/remember.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct ep_collect {
	struct ep_provider provider;
	struct ep_route_asker *routes;
};

/* What is read of a namespace on demand. */
static const struct {
	unsigned need;
	const char *source;
	int (*read)(struct ep_snapshot *s, struct ep_netns *ns);
} sources[] = {
	{EP_NEED_LINKS, "links", ep_collect_links},
	{EP_NEED_ROUTES, "routes", ep_collect_routes},
	{EP_NEED_NFT, "nft", ep_collect_nft},
	{EP_NEED_XT, "iptables-legacy", ep_collect_xtables},
	{EP_NEED_HOOKS, "hooks", ep_collect_hooks},
	{EP_NEED_ORDER, "hook-order", ep_collect_hook_order},
};

/* A source that failed is asked again at the next need: it must not find its half-read data. */
static void forget(struct ep_netns *ns, unsigned need)
{
	if (need & EP_NEED_LINKS)
		ns->links.n = ns->addrs.n = 0;
	if (need & EP_NEED_ROUTES)
		ns->routes.n = ns->policies.n = 0;
	if (need & EP_NEED_NFT)
		ns->nft.tables.n = 0;
	if (need & EP_NEED_XT)
		ns->xt.tables.n = 0;
	if (need & EP_NEED_HOOKS)
		ns->hooks.n = ns->ipvs.n = 0;
	if (need & EP_NEED_ORDER)
		ns->hook_fns.n = 0;
}

static int provide_netns(void *ctx, struct ep_snapshot *s, struct ep_netns *ns, unsigned need)
{
	int ret = 0;

	(void)ctx;
	ep_container_name_netns(s, ns);
	for (size_t i = 0; i < EP_ARRAY_SIZE(sources); i++) {
		int r;

		if (!(sources[i].need & need))
			continue;
		forget(ns, sources[i].need);
		r = sources[i].read(s, ns);
		if (r == 0) {
			ns->have |= sources[i].need;
			ep_source_set(s, sources[i].source, EP_COMPLETE, NULL);
			continue;
		}
		if (!ns->failed)
			ns->failed =
				ep_sprintf(s->arena, "%s: %s", sources[i].source, strerror(-r));
		ep_source_set(s, sources[i].source, EP_PARTIAL, ns->failed);
		ret = ret ? ret : r;
	}
	return ret;
}

static int provide_chain(void *ctx, struct ep_snapshot *s, struct ep_netns *ns,
			 struct ep_nft_chain *c)
{
	(void)ctx;
	return ep_collect_nft_chain(s, ns, c);
}

static int provide_set(void *ctx, struct ep_snapshot *s, struct ep_netns *ns,
		       struct ep_nft_set *set)
{
	(void)ctx;
	return ep_collect_nft_set(s, ns, set);
}

static int provide_elem(void *ctx, struct ep_snapshot *s, struct ep_netns *ns,
			const struct ep_nft_set *set, struct ep_nft_asked *a)
{
	(void)ctx;
	return ep_collect_nft_elem(s, ns, set, a);
}

static int provide_ipset(void *ctx, struct ep_snapshot *s, struct ep_netns *ns, uint16_t index)
{
	(void)ctx;
	return ep_collect_ipset(s, ns, index);
}

static int provide_route(void *ctx, struct ep_snapshot *s, struct ep_netns *ns,
			 const struct ep_route_ask *ask, struct ep_route_told *ret)
{
	struct ep_collect *c = ctx;

	return ep_route_ask(&c->routes, s, ns, ask, ret);
}

static int provide_recent(void *ctx, struct ep_snapshot *s, struct ep_netns *ns,
			  struct ep_recent *r)
{
	(void)ctx;
	return ep_collect_recent(s, ns, r);
}

static int provide_hashlimit(void *ctx, struct ep_snapshot *s, struct ep_netns *ns,
			     struct ep_hashlimit *h)
{
	(void)ctx;
	return ep_collect_hashlimit(s, ns, h);
}

static int provide_acct(void *ctx, struct ep_snapshot *s, struct ep_netns *ns, struct ep_acct *a)
{
	(void)ctx;
	return ep_collect_acct(s, ns, a);
}

static int provide_conns(void *ctx, struct ep_snapshot *s, struct ep_netns *ns, bool list)
{
	(void)ctx;
	return ep_collect_conns(s, ns, list);
}

static void read_host_facts(struct ep_snapshot *s)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct timezone tz = {0};
	struct timeval ignored;
	struct utsname u;
	char *boot_id;
	size_t len;

	s->taken_at = (uint64_t)time(NULL);
	/* the C library's own no longer tells the time zone */
	s->has_tz = syscall(SYS_gettimeofday, &ignored, &tz) == 0;
	s->tz_minuteswest = tz.tz_minuteswest;
	s->cpus = cpus > 0 ? (uint32_t)cpus : 0;
	if (uname(&u) == 0) {
		s->hostname = ep_strdup(s->arena, u.nodename);
		s->kernel = ep_strdup(s->arena, u.release);
	}
	if (ep_read_file(s->arena, "/proc/sys/kernel/random/boot_id", 128, &boot_id, &len) == 0) {
		boot_id[strcspn(boot_id, "\n")] = 0;
		s->boot_id = boot_id;
	}
}

/* Each source reports its own failure into the snapshot, and the others go on. */
static void read_at_once(struct ep_snapshot *s)
{
	static int (*const readers[])(struct ep_snapshot *) = {
		ep_collect_netns,
		ep_collect_sockets,
		ep_collect_containers,
		ep_collect_cgroups,
	};

	read_host_facts(s);
	for (size_t i = 0; i < EP_ARRAY_SIZE(readers); i++) {
		int ignored = readers[i](s);

		(void)ignored;
	}
}

int ep_collect_open(const char *netns, struct ep_collect **ret, struct ep_snapshot **ret_snap,
		    char *err, size_t err_len)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct ep_netns *host;
	struct ep_collect *c;
	int r;

	r = ep_netns_resolve(s, netns, &host, err, err_len);
	if (r < 0) {
		ep_snapshot_free(s);
		return r;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		snprintf(err, err_len, "out of memory");
		ep_snapshot_free(s);
		return -ENOMEM;
	}
	s->host_netns = host->ino;
	read_at_once(s);
	c->provider = (struct ep_provider){
		.ctx = c,
		.netns = provide_netns,
		.nft_chain = provide_chain,
		.nft_set = provide_set,
		.nft_elem = provide_elem,
		.ipset = provide_ipset,
		.route = provide_route,
		.recent = provide_recent,
		.hashlimit = provide_hashlimit,
		.acct = provide_acct,
		.conns = provide_conns,
	};
	s->provider = &c->provider;
	*ret = c;
	*ret_snap = s;
	return 0;
}

bool ep_collect_changed(struct ep_collect *c, struct ep_snapshot *s)
{
	(void)c;
	ep_each(it, &s->netns) {
		struct ep_netns *ns = *it;
		uint32_t generation;

		if (!(ns->have & EP_NEED_NFT) || ns->nft.status == EP_MISSING)
			continue;
		if (ns->nft.changed || ep_collect_nft_generation(ns, &generation) < 0 ||
		    generation != ns->nft.generation)
			return true;
	}
	return false;
}

void ep_collect_every_container(struct ep_collect *c, struct ep_snapshot *s)
{
	(void)c;
	ep_container_add_by_netns(s);
}

void ep_collect_free(struct ep_collect *c)
{
	if (c)
		ep_route_asker_close(c->routes);
	free(c);
}
