// SPDX-License-Identifier: GPL-2.0-or-later
/* A snapshot that stands still: read, work, and again if rules changed meanwhile. */
#include <errno.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cmd/cmd.h"

#define MAX_TRIES 5

static const char *now(struct ep_arena *a)
{
	time_t t = time(NULL);
	struct tm tm;
	char buf[32];

	if (!gmtime_r(&t, &tm) || !strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%SZ", &tm))
		return "1970-01-01T00:00:00Z";
	return ep_strdup(a, buf);
}

static int open_live(const struct ep_args *args, struct ep_live *live)
{
	int r;

	*live = (struct ep_live){.args = args};
	r = ep_collect_open(args->netns, &live->collect, &live->s, live->err, sizeof(live->err));
	if (r < 0)
		return r;
	live->host = ep_netns_find(live->s, live->s->host_netns);
	live->doc = (struct ep_doc){
		.s = live->s,
		.generated_at = now(live->s->arena),
		.netns_arg = args->netns,
	};
	ep_each(w, &args->without) {
		r = ep_without_resolve(live, *w);
		if (r < 0)
			return r;
		*ep_push(live->s->arena, &live->doc.without) = *w;
	}
	return 0;
}

void ep_live_close(struct ep_live *live)
{
	ep_collect_free(live->collect);
	ep_snapshot_free(live->s);
	live->collect = NULL;
	live->s = NULL;
}

int ep_live_run(const struct ep_args *args, const struct ep_job *job, void *ctx,
		struct ep_live *live)
{
	for (unsigned i = 1;; i++) {
		int r = open_live(args, live);

		if (r == 0)
			r = job->work(ctx, live);
		if (r < 0) {
			ep_live_close(live);
			return r;
		}
		if (!ep_collect_changed(live->collect, live->s) && (i > 1 || !job->doubtful(ctx)))
			return 0;
		if (i == MAX_TRIES) {
			job->void_all(ctx, "the ruleset changed while it was read");
			return 0;
		}
		job->drop(ctx);
		ep_live_close(live);
	}
}

static bool is_complete(const struct ep_snapshot *s)
{
	ep_each(src, &s->sources)
		if (src->status != EP_COMPLETE)
			return false;
	return true;
}

int ep_live_finish(const struct ep_live *live, const struct ep_buf *out, int code)
{
	if (fwrite(ep_buf_str(out), 1, out->len, stdout) != out->len || fflush(stdout)) {
		ep_say("standard output: %s", strerror(errno));
		return EP_EXIT_UNKNOWN;
	}
	if (geteuid() != 0 && !is_complete(live->s)) {
		ep_say("not root: rules, sockets of other users and namespaces can't be read; "
		       "run with sudo");
		return EP_EXIT_UNKNOWN;
	}
	return code;
}

static bool wants_colour(const struct ep_args *args)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (args->color && strcmp(args->color, "auto"))
		return !strcmp(args->color, "always");
	if (!args->color && no && *no)
		return false;
	return isatty(STDOUT_FILENO) && !(term && !strcmp(term, "dumb"));
}

const struct ep_format *ep_live_format(const struct ep_args *args, struct ep_style *ret)
{
	struct winsize size;

	*ret = (struct ep_style){
		.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8"),
		.colour = wants_colour(args),
		.width = 80,
	};
	if (isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col >= 60)
		ret->width = size.ws_col > 100 ? 100 : size.ws_col;
	return ep_format_find(args->json ? "json" : "text");
}
