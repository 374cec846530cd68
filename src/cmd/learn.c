// SPDX-License-Identifier: GPL-2.0-or-later
/* check --learn: the present receivers as a configuration. */
#include <string.h>

#include "cmd/cmd.h"

/* Kubernetes' names end in random parts of these letters (k8s.io/apimachinery/pkg/util/rand). */
static bool cut_random(char *name, size_t least, size_t most)
{
	char *dash = strrchr(name, '-');
	size_t n = dash ? strlen(dash + 1) : 0;

	if (!dash || n < least || n > most || strspn(dash + 1, "bcdfghjklmnpqrstvwxz2456789") != n)
		return false;
	*dash = '\0';
	return true;
}

/* What the pods of one Deployment or DaemonSet have in common: the name without what is made up. */
static const char *lasting_name(struct ep_arena *a, const char *pod)
{
	char *name = ep_strdup(a, pod);

	if (cut_random(name, 5, 5))
		cut_random(name, 8, 10);
	return *name ? name : pod;
}

static const char *owner_word(struct ep_arena *a, const struct ep_who *w)
{
	const char *name = ep_who_name(a, w);

	switch (w->kind) {
	case EP_WHO_NONE:
		return "nobody";
	case EP_WHO_POD:
		return ep_sprintf(a, "pod:%s/%s", w->container->pod.ns ? w->container->pod.ns : "?",
				  lasting_name(a, w->container->pod.name));
	case EP_WHO_PROCESS:
		if (w->proc && w->proc->unit)
			return ep_sprintf(a, "unit:%s", w->proc->unit);
		break;
	default:
		break;
	}
	return name ? ep_sprintf(a, "%s:%s", ep_who_kind_name(w->kind), name) : NULL;
}

/* A YAML scalar: double-quoted unless it is of harmless letters. */
static void put_scalar(struct ep_buf *out, const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_.:/@[]-";

	if (strspn(s, plain) == strlen(s) && !strstr(s, ": ")) {
		ep_buf_puts(out, s);
		return;
	}
	ep_buf_puts(out, "\"");
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			ep_buf_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			ep_buf_printf(out, "\\x%02x", c);
		else
			ep_buf_putn(out, s, 1);
	}
	ep_buf_puts(out, "\"");
}

struct seen {
	const char *word, *where;
};

typedef EP_VEC(struct seen) seen_list;

static void see(struct ep_arena *a, seen_list *l, const struct ep_answer *answer)
{
	const struct ep_outcome *o = ep_main_outcome(answer->result);
	struct ep_who w = o ? ep_who_of_outcome(o) : (struct ep_who){};
	const char *word = !o || o->verdict == EP_UNKNOWN ? NULL : owner_word(a, &w);
	char addr[EP_ADDRSTR];
	const char *where = ep_addr_str(&answer->edge->addr, addr);

	if (!word)
		word = "not known";
	ep_each(s, l)
		if (!strcmp(s->word, word)) {
			s->where = ep_sprintf(a, "%s, %s", s->where, where);
			return;
		}
	*ep_push(a, l) = (struct seen){word, ep_strdup(a, where)};
}

static void put_port(struct ep_buf *out, const struct ep_check *c, uint16_t port)
{
	seen_list l = {};

	ep_each(a, &c->answers)
		if (a->origin == EP_EXTERNAL && a->port == port)
			see(c->arena, &l, a);
	if (l.n == 1 && strcmp(l.v[0].word, "not known") != 0) {
		ep_buf_printf(out, "  %u: ", port);
		put_scalar(out, l.v[0].word);
		ep_buf_printf(out, " # %s\n", l.v[0].where);
		return;
	}
	ep_buf_printf(out, "  # %u: has no one owner now:\n", port);
	ep_each(s, &l)
		ep_buf_printf(out, "  #   %s at %s\n",
			      ep_escape(c->arena, s->word, strlen(s->word)), s->where);
}

void ep_learn(struct ep_buf *out, const struct ep_check *c)
{
	ep_buf_puts(out, "# Who receives now. Judge it before you keep it; then\n"
			 "#   edgepath check --config FILE    (default: " EP_CONFIG_FILE ")\n"
			 "# says unexpected-receiver when it changes.\nports: [");
	for (size_t i = 0; i < c->spec->ports.n; i++)
		ep_buf_printf(out, "%s%u", i ? ", " : "", c->spec->ports.v[i]);
	ep_buf_puts(out, "]\nowners:\n");
	ep_each(p, &c->spec->ports)
		put_port(out, c, *p);
}
