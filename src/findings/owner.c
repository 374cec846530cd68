// SPDX-License-Identifier: GPL-2.0-or-later
/* Who wrote a rule, by the shape that the writers' rules have; what fits no row is unowned. */
#include <string.h>

#include "findings/findings_i.h"

const struct ep_container *ep_container_of_addr(const struct ep_snapshot *s,
						const struct ep_addr *a)
{
	ep_each(c, &s->containers) {
		ep_each(at, &(*c)->addrs)
			if (a->len && ep_addr_eq(&at->addr, a))
				return *c;
	}
	return NULL;
}

static const char *container_name(struct ep_arena *a, const struct ep_container *c)
{
	struct ep_who w = {.kind = c->pod.name ? EP_WHO_POD : EP_WHO_CONTAINER, .container = c};

	return ep_who_name(a, &w);
}

/* struct xt_comment_info: 256 bytes of text */
static const char *xt_comment(struct ep_arena *a, const struct ep_xt_rule *r)
{
	ep_each(m, &r->matches)
		if (!strcmp(m->name, "comment"))
			return ep_strndup(a, (const char *)m->data, m->len);
	return NULL;
}

static const char *rule_comment(struct ep_arena *a, const struct ep_rule_ref *r)
{
	if (r->nft)
		return r->nft->comment;
	return r->xt ? xt_comment(a, r->xt) : NULL;
}

/* ---- one function per writer: true if the rule is his ---- */

/* `-j DNAT --to-destination ADDRESS:PORT` to an address that a container of Docker has */
static bool by_docker(const struct ep_snapshot *s, struct ep_arena *a, const struct ep_step *st,
		      const char **name)
{
	const struct ep_container *c;
	struct ep_addr addr;
	uint16_t port;

	if (!ep_step_diverts(st))
		return true;
	if (!ep_parse_target(st->to, &addr, &port))
		return false;
	c = ep_container_of_addr(s, &addr);
	if (!c || !c->runtime || strcmp(c->runtime, "docker"))
		return false;
	*name = container_name(a, c);
	return true;
}

/* comment `dnat name: "NETWORK" id: "CONTAINER"` */
static bool by_portmap(const struct ep_snapshot *s, struct ep_arena *a, const struct ep_step *st,
		       const char **name)
{
	const char *comment = rule_comment(a, &st->rule);
	const char *id = comment ? strstr(comment, "id: \"") : NULL;
	struct ep_addr addr;
	uint16_t port;

	if (id) {
		id += strlen("id: \"");
		id = ep_strndup(a, id, strcspn(id, "\""));
		*name = id;
		ep_each(c, &s->containers)
			if ((*c)->id && !strcmp((*c)->id, id))
				*name = container_name(a, *c);
	}
	if (ep_step_diverts(st) && ep_parse_target(st->to, &addr, &port)) {
		const struct ep_container *c = ep_container_of_addr(s, &addr);

		if (c)
			*name = container_name(a, c);
	}
	return true;
}

/* comment `NAMESPACE/SERVICE:PORT`, perhaps with more words */
static bool by_kube_proxy(const struct ep_snapshot *s, struct ep_arena *a, const struct ep_step *st,
			  const char **name)
{
	const char *comment = rule_comment(a, &st->rule);
	size_t n = comment ? strcspn(comment, " ") : 0;

	(void)s;
	if (n && memchr(comment, '/', n))
		*name = ep_strndup(a, comment, n);
	return true;
}

static const struct {
	const char *chain; /* prefix */
	bool exact;
	const char *kind;
	bool (*fn)(const struct ep_snapshot *s, struct ep_arena *a, const struct ep_step *st,
		   const char **name);
} writers[] = {
	{"DOCKER", true, "docker", by_docker},
	{"DOCKER-FORWARD", true, "docker", by_docker},
	{"DOCKER-CT", true, "docker", by_docker},
	{"DOCKER-BRIDGE", true, "docker", by_docker},
	{"DOCKER-INTERNAL", true, "docker", by_docker},
	{"DOCKER-ISOLATION-STAGE-", false, "docker", by_docker},
	{"CNI-HOSTPORT-", false, "cni-portmap", by_portmap},
	{"CNI-DN-", false, "cni-portmap", by_portmap},
	{"KUBE-", false, "kube-proxy", by_kube_proxy},
};

static bool chain_fits(const char *chain, const char *row, bool exact)
{
	return chain && (exact ? !strcmp(chain, row) : !strncmp(chain, row, strlen(row)));
}

struct ep_owner ep_rule_owner(const struct ep_snapshot *s, struct ep_arena *a,
			      const struct ep_step *st)
{
	/* A jump into a writer's chain is his rule, wherever it stands. */
	const char *into = st->action && !strcmp(st->action, "jump") ? st->to : NULL;

	for (size_t i = 0; i < EP_ARRAY_SIZE(writers); i++) {
		const char *name = NULL;

		if (!chain_fits(st->chain, writers[i].chain, writers[i].exact) &&
		    !chain_fits(into, writers[i].chain, writers[i].exact))
			continue;
		if (writers[i].fn(s, a, st, &name))
			return (struct ep_owner){writers[i].kind, name};
	}
	return (struct ep_owner){"unowned", NULL};
}
