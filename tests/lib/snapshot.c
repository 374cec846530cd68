// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes what a walk could ask of some namespaces as a saved snapshot, for tests:
 *
 *	snapshot --netns NAME [NAME...]
 *	snapshot --rules NAME
 *
 * The first is the host; all are names of /run/netns. Other namespaces, listeners and processes are
 * left out, and what is of the machine or of the moment (inodes, pids, host name) becomes numbers
 * that are the same each time. A namespace keeps the part of its name after the last '-'.
 *
 * --rules writes the text of every rule of a namespace instead, a line each, with tabs between
 * backend, family (NFPROTO_*), table, chain, handle (legacy: position) and text.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "edgepath/collect.h"

#define FIRST_INODE 4026532001u
#define FIRST_PID   1001
#define NEED        (EP_NEED_LINKS | EP_NEED_ROUTES | EP_NEED_NFT | EP_NEED_XT | EP_NEED_HOOKS)

struct keep {
	struct ep_snapshot *s;
	EP_VEC(struct ep_netns *) netns; /* by place: the new inode is FIRST_INODE + place */
};

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "snapshot: %s: %s\n", what, why);
	return 1;
}

/* 0 for one that is left out, as for one that is not known. */
static uint64_t new_inode(const struct keep *k, uint64_t ino)
{
	for (size_t i = 0; i < k->netns.n; i++)
		if (k->netns.v[i]->ino == ino)
			return FIRST_INODE + i;
	return 0;
}

static int load_tables(struct ep_snapshot *s, struct ep_netns *ns)
{
	ep_each(t, &ns->nft.tables) {
		ep_each(c, &(*t)->chains) {
			if (ep_nft_chain_need(s, ns, *c))
				return fail((*c)->name, "the chain could not be read");
		}
		ep_each(set, &(*t)->sets) {
			if (ep_nft_set_need(s, ns, *set))
				return fail((*set)->name, "the set could not be read");
		}
	}
	return 0;
}

static int load(struct keep *k, const char *name)
{
	char path[256];
	struct ep_netns *ns;
	struct stat st;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	if (stat(path, &st))
		return fail(name, strerror(errno));
	ns = ep_netns_find(k->s, st.st_ino);
	if (!ns)
		return fail(name, "not found among the namespaces");
	*ep_push(k->s->arena, &k->netns) = ns;
	if (ep_netns_need(k->s, ns, NEED) || ns->failed)
		return fail(name, ns->failed ? ns->failed : "could not be read");
	if (ns->nft.status != EP_COMPLETE || ns->xt.status[0] != EP_COMPLETE ||
	    ns->xt.status[1] != EP_COMPLETE)
		return fail(name, "its rules could not be read");
	ns->name = strrchr(name, '-') ? strrchr(name, '-') + 1 : name;
	return load_tables(k->s, ns);
}

static void scrub_proc(const struct keep *k, struct ep_proc *p, int pid)
{
	*p = (struct ep_proc){
		.pid = pid,
		.comm = p->comm,
		.cgroup = "/",
		.netns = new_inode(k, p->netns),
		.uid = p->uid,
	};
}

/* Listeners of the namespaces that are kept, and the processes that hold them. */
static void keep_listeners(struct keep *k)
{
	struct ep_snapshot *s = k->s;
	size_t n = 0, n_procs = 0;

	ep_each(l, &s->listeners) {
		if (!new_inode(k, l->netns))
			continue;
		ep_each(p, &l->procs) {
			size_t i = 0, j;

			while (s->procs.v[i] != *p)
				i++;
			if (i < n_procs)
				continue;
			for (j = i; j > n_procs; j--)
				s->procs.v[j] = s->procs.v[j - 1];
			s->procs.v[n_procs++] = (struct ep_proc *)*p;
		}
		l->netns = new_inode(k, l->netns);
		l->ino = n + 1;
		s->listeners.v[n++] = *l;
	}
	s->listeners.n = n;
	s->procs.n = n_procs;
	for (size_t i = 0; i < n_procs; i++)
		scrub_proc(k, s->procs.v[i], FIRST_PID + (int)i);
}

static void scrub(struct keep *k)
{
	struct ep_snapshot *s = k->s;

	s->hostname = "edge-01";
	s->kernel = "6.1.0";
	s->boot_id = "00000000-0000-4000-8000-000000000001";
	s->taken_at = 1781179200;
	s->sources.n = 0;
	s->containers.n = 0;
	keep_listeners(k);
	ep_each(i, &k->netns) {
		struct ep_netns *ns = *i;

		ns->pid = 0;
		ns->nft.generation = 1;
		ns->nft.gen_comm = NULL;
		ns->nft.gen_pid = 0;
		ep_each(l, &ns->links)
			l->peer_netns = new_inode(k, l->peer_netns);
	}
	for (size_t i = 0; i < k->netns.n; i++)
		k->netns.v[i]->ino = FIRST_INODE + i;
	s->netns.n = 0;
	ep_each(i, &k->netns)
		*ep_push(s->arena, &s->netns) = *i;
	s->host_netns = FIRST_INODE;
}

/* As it is after a first loading, which puts attributes in the order of their tables. */
static int write_json(const struct ep_snapshot *s)
{
	char err[256], *text = ep_snapshot_to_json(s);
	struct ep_snapshot *again;
	int r;

	if (!text)
		return fail("JSON", strerror(errno));
	again = ep_snapshot_from_json(text, strlen(text), err, sizeof(err));
	free(text);
	if (!again)
		return fail("JSON", err);
	text = ep_snapshot_to_json(again);
	r = text ? puts(text) < 0 : fail("JSON", strerror(errno));
	free(text);
	ep_snapshot_free(again);
	return r;
}

static void write_rules(struct ep_snapshot *s, struct ep_netns *ns)
{
	for (uint16_t index = 0; ep_ipset_need(s, ns, index); index++)
		;
	ep_each(t, &ns->nft.tables) {
		ep_each(c, &(*t)->chains) {
			ep_each(r, &(*c)->rules)
				printf("%s\t%u\t%s\t%s\t%llu\t%s\n",
				       ep_backend_name((*t)->xtables ? EP_IPTABLES_NFT : EP_NFT),
				       (*t)->family, (*t)->name, (*c)->name,
				       (unsigned long long)r->handle,
				       ep_nft_rule_text(s->arena, *c, r));
		}
	}
	ep_each(t, &ns->xt.tables) {
		ep_each(c, &(*t)->chains) {
			ep_each(r, &(*c)->rules)
				printf("%s\t%u\t%s\t%s\t%u\t%s\n",
				       ep_backend_name(EP_IPTABLES_LEGACY), (*t)->family,
				       (*t)->name, (*c)->name, r->position,
				       ep_xt_rule_text(s->arena, *t, r));
		}
	}
}

int main(int argc, char **argv)
{
	struct ep_collect *c;
	struct keep k = {};
	char err[256];
	int r = 0;

	if (argc < 3 || (strcmp(argv[1], "--netns") && strcmp(argv[1], "--rules")))
		return fail("usage", "snapshot --netns NAME [NAME...] | --rules NAME");
	if (ep_collect_open(argv[2], &c, &k.s, err, sizeof(err)) < 0)
		return fail(argv[2], err);
	for (int i = 2; i < argc && !r; i++)
		r = load(&k, argv[i]);
	if (!r && ep_collect_changed(c, k.s))
		r = fail(argv[2], "its rules changed while they were read");
	if (!r && !strcmp(argv[1], "--rules")) {
		write_rules(k.s, k.netns.v[0]);
	} else if (!r) {
		scrub(&k);
		r = write_json(k.s);
	}
	ep_collect_free(c);
	ep_snapshot_free(k.s);
	return r;
}
