/* SPDX-License-Identifier: GPL-2.0-or-later */
/* render's inside */
#ifndef EP_RENDER_I_H
#define EP_RENDER_I_H

#include "edgepath/render.h"

void ep_json_path(struct ep_buf *out, const struct ep_path_doc *d, const struct ep_style *st);
void ep_json_check(struct ep_buf *out, const struct ep_check_doc *d, const struct ep_style *st);
void ep_text_path(struct ep_buf *out, const struct ep_path_doc *d, const struct ep_style *st);
void ep_text_check(struct ep_buf *out, const struct ep_check_doc *d, const struct ep_style *st);
void ep_json_watch(struct ep_buf *out, const struct ep_watch_doc *d, const struct ep_style *st);
void ep_text_watch(struct ep_buf *out, const struct ep_watch_doc *d, const struct ep_style *st);

/* ---- parts of JSON documents ---- */

/* schema, generated_at, host, completeness, notes, without */
void ep_json_put_head(struct ep_writer *w, struct ep_arena *a, const struct ep_doc *d,
		      const char *schema);
void ep_json_put_who(struct ep_writer *w, struct ep_arena *a, const char *key,
		     const struct ep_who *who);

/* "observed" and "verified" of a check; seen NULL: both null */
void ep_json_put_seen(struct ep_writer *w, struct ep_arena *a, const struct ep_snapshot *s,
		      const struct ep_watch_seen *seen);

/* ---- text ---- */

struct ep_text;
/* What was seen beside a check. */
void ep_text_seen(struct ep_text *t, const struct ep_snapshot *s, const struct ep_watch_seen *seen);

enum ep_paint { EP_PLAIN, EP_BOLD, EP_DIM, EP_RED, EP_YELLOW, EP_GREEN, EP_MAGENTA };

struct ep_text {
	struct ep_buf *out;
	const struct ep_style *style;
	struct ep_arena *a; /* scratch */
	bool elsewhere;     /* a namespace was named that stands for the host */
};

unsigned ep_text_width(const char *s); /* columns: code points */
/* Adds s, padded with blanks to width columns. */
void ep_text_cell(struct ep_text *t, const char *s, unsigned width, enum ep_paint p);
/*
 * Adds s as a paragraph: first before the first line, rest before the others, lines not wider than
 * the style says; words that do not fit are broken. Ends with a newline.
 */
void ep_text_wrap(struct ep_text *t, const char *first, const char *rest, const char *s);
/* The lines that s breaks into at width columns. */
ep_strs ep_text_lines(struct ep_arena *a, const char *s, unsigned width);
/* The same for a shell command: broken lines end with a backslash. */
void ep_text_command(struct ep_text *t, const char *indent, const char *s);
const char *ep_text_escape(struct ep_text *t, const char *s); /* "" for NULL */
/* s, or s cut to width columns with an ellipsis. */
const char *ep_text_cut(struct ep_text *t, const char *s, unsigned width);
const char *ep_text_paint(struct ep_text *t, const char *s, enum ep_paint p);
/* Ends the line, without the blanks that it ended with. */
void ep_text_newline(struct ep_text *t);
/* Words joined by sep. */
const char *ep_text_join(struct ep_arena *a, const ep_strs *l, const char *sep);

enum ep_paint ep_text_severity_paint(enum ep_severity s);
const char *ep_text_severity(enum ep_severity s); /* "CRITICAL", "ok" */
/* Everything that a check found. */
void ep_text_findings(struct ep_text *t, const struct ep_check_doc *d);
/* "container traefik" of the start "container:traefik" */
const char *ep_text_start(struct ep_text *t, const char *name);
/* What was read and what was not. */
void ep_text_completeness(struct ep_text *t, const struct ep_snapshot *s);
/* "container traefik (172.18.0.2:443)", "nobody: dropped by ip filter INPUT policy" */
const char *ep_text_end(struct ep_text *t, const struct ep_snapshot *s, const struct ep_outcome *o);
/* For which clients an outcome holds: "from 10.0.0.0/8", "from all others"; "" for all. */
const char *ep_text_clients(struct ep_text *t, const struct ep_outcome *o, unsigned width);
const char *ep_text_netns(struct ep_text *t, const struct ep_snapshot *s, uint64_t ino);
/* "33 %" */
const char *ep_text_share(struct ep_text *t, double p);

#endif
