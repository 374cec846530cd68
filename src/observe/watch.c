// SPDX-License-Identifier: GPL-2.0-or-later
/* A watch, whatever watches: the sources in order of preference. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "observe/observe_i.h"

struct ep_watch {
	const struct ep_watch_ops *ops;
	void *state;
	char lacks[512]; /* "" if nothing */
};

static const struct ep_watch_ops *const sources[] = {&ep_watch_bpf, &ep_watch_conntrack};

int ep_watch_open(const struct ep_watch_spec *spec, const struct ep_scope *scope,
		  struct ep_watch **ret, char *err, size_t err_len)
{
	struct ep_watch *w = calloc(1, sizeof(*w));
	int r = -EINVAL;

	if (!w)
		return -ENOMEM;
	for (size_t i = 0; i < EP_ARRAY_SIZE(sources); i++) {
		const struct ep_watch_ops *o = sources[i];

		if (spec->source && strcmp(spec->source, o->name))
			continue;
		if (spec->source && o != sources[0])
			snprintf(w->lacks, sizeof(w->lacks), "BPF was not asked for");
		r = o->open(spec, scope, &w->state, err, err_len);
		if (r == 0) {
			w->ops = o;
			*ret = w;
			return 0;
		}
		if (!w->lacks[0])
			snprintf(w->lacks, sizeof(w->lacks), "%s", err);
	}
	/* What the best source lacked tells more than what the last one did. */
	if (!spec->source)
		snprintf(err, err_len, "%s", w->lacks);
	free(w);
	return r;
}

void ep_watch_close(struct ep_watch *w)
{
	if (!w)
		return;
	w->ops->close(w->state);
	free(w);
}

const char *ep_watch_source(const struct ep_watch *w)
{
	return w->ops->name;
}

const char *ep_watch_lacks(const struct ep_watch *w)
{
	return w->ops == sources[0] ? NULL : w->lacks;
}

int ep_watch_rescope(struct ep_watch *w, const struct ep_scope *scope)
{
	return w->ops->rescope(w->state, scope);
}

int ep_watch_fd(const struct ep_watch *w)
{
	return w->ops->fd ? w->ops->fd(w->state) : -1;
}

int ep_watch_read(struct ep_watch *w, ep_flow_cb cb, void *ctx)
{
	return w->ops->read(w->state, cb, ctx);
}

int ep_watch_rows(struct ep_watch *w, struct ep_arena *a, ep_seens *ret)
{
	return w->ops->rows(w->state, a, ret);
}

int ep_watch_accounts(struct ep_watch *w, struct ep_arena *a, ep_accounts *ret)
{
	return w->ops->accounts(w->state, a, ret);
}

uint64_t ep_watch_listeners_changed(const struct ep_watch *w)
{
	return w->ops->listeners_changed ? w->ops->listeners_changed(w->state) : 0;
}

const char *ep_watch_reason(struct ep_watch *w, struct ep_arena *a, uint32_t reason)
{
	const char *name = w->ops->reason ? w->ops->reason(w->state, a, reason) : NULL;

	return name ? name : ep_sprintf(a, "reason %u", reason);
}
