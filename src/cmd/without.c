// SPDX-License-Identifier: GPL-2.0-or-later
/* --without WHAT: from words to what a walk leaves out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "cmd/cmd.h"
#include "edgepath/findings.h"

static int nothing(struct ep_live *live, const char *what, const char *why)
{
	snprintf(live->err, sizeof(live->err), "--without %.200s: %s",
		 ep_escape(live->s->arena, what, strlen(what)), why);
	return -ENOENT;
}

/* ---- containers, pods, processes ---- */

static bool is_container(const struct ep_container *c, const char *name)
{
	size_t n = strlen(name);

	if (c->name && !strcmp(c->name, name))
		return true;
	return c->id && n >= 12 && !strncmp(c->id, name, n);
}

static bool is_pod(const struct ep_container *c, const char *name)
{
	size_t n = c->pod.ns ? strlen(c->pod.ns) : 0;

	return n && c->pod.name && !strncmp(name, c->pod.ns, n) && name[n] == '/' &&
	       !strcmp(name + n + 1, c->pod.name);
}

static int without_containers(struct ep_live *live, const char *what, const char *name,
			      bool (*is)(const struct ep_container *, const char *))
{
	bool any = false;

	ep_each(c, &live->s->containers) {
		if (!is(*c, name))
			continue;
		any = true;
		ep_without_container(live->s, live->s->arena, &live->without, *c);
	}
	return any ? 0 : nothing(live, what, "there is none of that name");
}

static int without_container(struct ep_live *live, const char *what, char *name)
{
	return without_containers(live, what, name, is_container);
}

static int without_pod(struct ep_live *live, const char *what, char *name)
{
	return without_containers(live, what, name, is_pod);
}

static int without_pid(struct ep_live *live, const char *what, char *name)
{
	const struct ep_proc *p;
	uint64_t pid;

	if (!ep_parse_u64(name, INT32_MAX, &pid))
		return nothing(live, what, "that is no process id");
	p = ep_proc_find(live->s, (int)pid);
	if (!p)
		return nothing(live, what, "no process of that id listens or holds a container");
	*ep_push(live->s->arena, &live->without.procs) = p;
	return 0;
}

static int without_unit(struct ep_live *live, const char *what, char *name)
{
	bool any = false;

	ep_each(p, &live->s->procs) {
		if (!(*p)->unit || strcmp((*p)->unit, name))
			continue;
		any = true;
		*ep_push(live->s->arena, &live->without.procs) = *p;
	}
	return any ? 0 : nothing(live, what, "no listening process belongs to that unit");
}

/* ---- rules ---- */

struct place {
	const char *family, *table, *chain, *rule; /* NULL: all */
	bool nft, legacy;                          /* where to look */
};

/* "legacy-ip" and "nft-ip" are of one backend only; "ip" may be of either. */
static void narrow(struct place *at)
{
	static const char legacy[] = "legacy-", nft[] = "nft-";

	at->nft = at->legacy = true;
	if (!strncmp(at->family, legacy, sizeof(legacy) - 1)) {
		at->family += sizeof(legacy) - 1;
		at->nft = false;
	} else if (!strncmp(at->family, nft, sizeof(nft) - 1)) {
		at->family += sizeof(nft) - 1;
		at->legacy = false;
	}
}

static const char *family_word(uint8_t nfproto)
{
	static const struct {
		uint8_t num;
		const char *name;
	} rows[] = {{1, "inet"}, {2, "ip"}, {5, "netdev"}, {7, "bridge"}, {10, "ip6"}};

	for (size_t i = 0; i < EP_ARRAY_SIZE(rows); i++)
		if (rows[i].num == nfproto)
			return rows[i].name;
	return "";
}

static bool fits(const char *wanted, const char *have)
{
	return !wanted || (have && !strcmp(wanted, have));
}

/* A handle, or "#5" for the position, which is all that legacy rules have. */
static bool is_rule(const char *wanted, uint64_t handle, uint32_t position)
{
	uint64_t n;

	if (!wanted)
		return true;
	if (*wanted == '#')
		return ep_parse_u64(wanted + 1, UINT32_MAX, &n) && n == position;
	return handle && ep_parse_u64(wanted, UINT64_MAX, &n) && n == handle;
}

static size_t leave_out_nft(struct ep_live *live, const struct place *at)
{
	size_t before = live->without.rules.n;

	ep_each(t, &live->host->nft.tables) {
		if (!fits(at->family, family_word((*t)->family)) || !fits(at->table, (*t)->name))
			continue;
		ep_each(c, &(*t)->chains) {
			if (!fits(at->chain, (*c)->name) ||
			    ep_nft_chain_need(live->s, live->host, *c))
				continue;
			ep_each(r, &(*c)->rules)
				if (is_rule(at->rule, r->handle, r->position))
					*ep_push(live->s->arena, &live->without.rules) = r;
		}
	}
	return live->without.rules.n - before;
}

static size_t leave_out_xt(struct ep_live *live, const struct place *at)
{
	size_t before = live->without.rules.n;

	ep_each(t, &live->host->xt.tables) {
		if (!fits(at->family, (*t)->family == AF_INET ? "ip" : "ip6") ||
		    !fits(at->table, (*t)->name))
			continue;
		ep_each(c, &(*t)->chains) {
			if (!fits(at->chain, (*c)->name))
				continue;
			ep_each(r, &(*c)->rules)
				if (is_rule(at->rule, 0, r->position))
					*ep_push(live->s->arena, &live->without.rules) = r;
		}
	}
	return live->without.rules.n - before;
}

static int without_place(struct ep_live *live, const char *what, char *words, unsigned parts,
			 const char *form)
{
	struct place at = {};
	const char **const fields[] = {&at.family, &at.table, &at.chain, &at.rule};
	size_t of_nft, of_legacy;
	unsigned n = 0;
	char *word;

	while (n < parts && (word = n + 1 == parts ? words : strsep(&words, "/")) && *word)
		*fields[n++] = word;
	if (n < parts)
		return nothing(live, what, form);
	if (ep_netns_need(live->s, live->host, EP_NEED_NFT | EP_NEED_XT))
		return nothing(live, what, "the rules could not be read");
	narrow(&at);
	of_nft = at.nft ? leave_out_nft(live, &at) : 0;
	of_legacy = at.legacy ? leave_out_xt(live, &at) : 0;
	if (of_nft && of_legacy)
		return nothing(live, what,
			       "legacy iptables and nftables both have it: write nft-FAMILY or "
			       "legacy-FAMILY");
	return of_nft || of_legacy ? 0 : nothing(live, what, "there is no such rule");
}

static int without_rule(struct ep_live *live, const char *what, char *words)
{
	return without_place(live, what, words, 4,
			     "must be rule:FAMILY/TABLE/CHAIN/HANDLE, or #POSITION for HANDLE");
}

static int without_chain(struct ep_live *live, const char *what, char *words)
{
	return without_place(live, what, words, 3, "must be chain:FAMILY/TABLE/CHAIN");
}

static int without_table(struct ep_live *live, const char *what, char *words)
{
	return without_place(live, what, words, 2, "must be table:FAMILY/TABLE");
}

static const struct {
	const char *prefix;
	int (*fn)(struct ep_live *live, const char *what, char *rest);
} kinds[] = {
	{"container:", without_container}, {"pod:", without_pod},   {"pid:", without_pid},
	{"unit:", without_unit},           {"rule:", without_rule}, {"chain:", without_chain},
	{"table:", without_table},
};

static size_t kind_of(const char *what)
{
	size_t i = 0;

	while (i < EP_ARRAY_SIZE(kinds) &&
	       strncmp(what, kinds[i].prefix, strlen(kinds[i].prefix)) != 0)
		i++;
	return i;
}

bool ep_without_kind(const char *what)
{
	return kind_of(what) < EP_ARRAY_SIZE(kinds);
}

int ep_without_resolve(struct ep_live *live, const char *what)
{
	size_t i = kind_of(what);

	if (i == EP_ARRAY_SIZE(kinds))
		return nothing(live, what, "there is no such kind");
	return kinds[i].fn(live, what, ep_strdup(live->s->arena, what + strlen(kinds[i].prefix)));
}
