// SPDX-License-Identifier: GPL-2.0-or-later
/* What both texts say in the same words: ends of packets, namespaces, what was read. */
#include <string.h>

#include "render/render_i.h"

const char *ep_text_netns(struct ep_text *t, const struct ep_snapshot *s, uint64_t ino)
{
	const struct ep_netns *ns = ep_netns_find(s, ino);

	if (ino == s->host_netns)
		return t->elsewhere && ns && ns->name ?
			       ep_sprintf(t->a, "namespace %s (diagnosed as the host)",
					  ep_text_escape(t, ns->name)) :
			       "the host";
	ep_each(c, &s->containers) {
		struct ep_who w = {.kind = (*c)->pod.name ? EP_WHO_POD : EP_WHO_CONTAINER,
				   .container = *c};

		if ((*c)->netns == ino)
			return ep_sprintf(t->a, "namespace of %s", ep_who_text(t->a, &w));
	}
	if (ns && ns->name)
		return ep_sprintf(t->a, "namespace %s", ep_text_escape(t, ns->name));
	return ep_sprintf(t->a, "namespace %llu", (unsigned long long)ino);
}

static const char *delivered(struct ep_text *t, const struct ep_snapshot *s,
			     const struct ep_outcome *o)
{
	struct ep_who w = ep_who_of_outcome(o);
	const char *text = ep_who_text(t->a, &w);
	char buf[EP_ADDRSTR];

	if (o->final.netns != s->host_netns && o->final.addr.len)
		text = ep_sprintf(t->a, "%s at %s", text,
				  ep_addrport_str(&o->final.addr, o->final.port, buf));
	if (o->via.n)
		text = ep_sprintf(t->a, "%s, via %s (pid %d)", text,
				  ep_text_escape(t, o->via.v[0]->comm), o->via.v[0]->pid);
	if (o->reason)
		text = ep_sprintf(t->a, "%s; %s", text, ep_text_escape(t, o->reason));
	return text;
}

const char *ep_text_end(struct ep_text *t, const struct ep_snapshot *s, const struct ep_outcome *o)
{
	const struct ep_step *block = ep_block_step(o);
	char buf[EP_ADDRSTR];

	ep_addrport_str(&o->final.addr, o->final.port, buf);
	switch (o->verdict) {
	case EP_DELIVERED:
		return delivered(t, s, o);
	case EP_FORWARDED:
		return ep_sprintf(t->a, "leaves this host to %s%s%s", buf,
				  o->final.dev ? " by " : "", ep_text_escape(t, o->final.dev));
	case EP_UNKNOWN:
		return ep_sprintf(t->a, "unknown: %s", ep_text_escape(t, o->reason));
	case EP_REFUSED:
		return ep_divert_step(o) ? ep_sprintf(t->a, "nobody: refused at %s", buf) :
					   "nobody: refused";
	case EP_UNREACHABLE:
		return ep_sprintf(t->a, "nobody: %s unreachable", buf);
	default:
		if (block)
			return ep_sprintf(t->a, "nobody: %s by %s", ep_verdict_name(o->verdict),
					  ep_step_place(t->a, block));
		return ep_sprintf(t->a, "nobody: %s%s%s", ep_verdict_name(o->verdict),
				  o->reason ? ", " : "", ep_text_escape(t, o->reason));
	}
}

/* Conditions are in nft's words; these are for people. */
static const struct {
	const char *nft, *people;
	bool others;
} words[] = {
	{"ip saddr != ", "not from ", true},
	{"ip6 saddr != ", "not from ", true},
	{"ip saddr ", "from ", false},
	{"ip6 saddr ", "from ", false},
	{"tcp sport != ", "not from port ", true},
	{"tcp sport ", "from port ", false},
};

static size_t word_of(const char *cond)
{
	size_t i = 0;

	while (i < EP_ARRAY_SIZE(words) && strncmp(cond, words[i].nft, strlen(words[i].nft)) != 0)
		i++;
	return i;
}

static bool is_state(const struct ep_outcome *o, const char *cond)
{
	ep_each(s, &o->state)
		if (*s == cond)
			return true;
	return false;
}

const char *ep_text_clients(struct ep_text *t, const struct ep_outcome *o, unsigned width)
{
	ep_strs out = {};
	bool others = true;

	ep_each(c, &o->conditions) {
		size_t i = word_of(*c);

		if (is_state(o, *c)) {
			*ep_push(t->a, &out) = ep_sprintf(t->a, "while %s", ep_text_escape(t, *c));
			others = false;
			continue;
		}

		others = others && i < EP_ARRAY_SIZE(words) && words[i].others;
		*ep_push(t->a, &out) =
			i == EP_ARRAY_SIZE(words) ?
				ep_text_escape(t, *c) :
				ep_sprintf(t->a, "%s%s", words[i].people,
					   ep_text_escape(t, *c + strlen(words[i].nft)));
	}
	if (!out.n)
		return "";
	return others ? "from all others" : ep_text_cut(t, ep_text_join(t->a, &out, ", "), width);
}

const char *ep_text_start(struct ep_text *t, const char *name)
{
	const char *colon = name ? strchr(name, ':') : NULL;

	if (!colon)
		return name ? ep_text_escape(t, name) : "a container";
	if (!strncmp(name, "netns:", 6))
		return ep_sprintf(t->a, "namespace %s", ep_text_escape(t, colon + 1));
	return ep_sprintf(t->a, "%.*s %s", (int)(colon - name), name, ep_text_escape(t, colon + 1));
}

void ep_text_completeness(struct ep_text *t, const struct ep_snapshot *s)
{
	static const struct {
		enum ep_status status;
		const char *word;
		bool reasons;
	} rows[] = {
		{EP_COMPLETE, "Read:", false},
		{EP_PARTIAL, "Read in part:", true},
		{EP_MISSING, "Not read:", true},
	};

	for (size_t i = 0; i < EP_ARRAY_SIZE(rows); i++) {
		ep_strs names = {};

		ep_each(src, &s->sources) {
			const char *name = ep_text_escape(t, src->name);

			if (src->status != rows[i].status)
				continue;
			*ep_push(t->a, &names) =
				rows[i].reasons && src->reason ?
					ep_sprintf(t->a, "%s (%s)", name,
						   ep_text_escape(t, src->reason)) :
					name;
		}
		if (names.n)
			ep_text_wrap(t, "", "  ",
				     ep_sprintf(t->a, "%s %s.", rows[i].word,
						ep_text_join(t->a, &names, ", ")));
	}
}
