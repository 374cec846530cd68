/* SPDX-License-Identifier: GPL-2.0-or-later */
/* render: results as text for people and as JSON for programs. Nothing here prints. */
#ifndef EDGEPATH_RENDER_H
#define EDGEPATH_RENDER_H

#include "edgepath/findings.h"

/* ---- a structured document, written as it is walked over ---- */

struct ep_writer;

/* key is NULL inside an array and for the document itself; strings are raw. */
struct ep_writer_ops {
	void (*object)(struct ep_writer *w, const char *key);
	void (*array)(struct ep_writer *w, const char *key);
	void (*end)(struct ep_writer *w);
	void (*string)(struct ep_writer *w, const char *key, const char *s); /* NULL: null */
	void (*number)(struct ep_writer *w, const char *key, int64_t n);
	void (*real)(struct ep_writer *w, const char *key, double d);
	void (*boolean)(struct ep_writer *w, const char *key, bool b);
	void (*null)(struct ep_writer *w, const char *key);
};

#define EP_WRITER_DEPTH 32

struct ep_writer {
	const struct ep_writer_ops *ops;
	struct ep_buf *out; /* not owned */
	unsigned depth;
	struct {
		bool array, any;
	} level[EP_WRITER_DEPTH];
};

/* JSON (RFC 8259), indented, valid UTF-8 whatever the strings hold. */
struct ep_writer ep_json_writer(struct ep_buf *out);

/* ---- what can be shown ---- */

struct ep_doc {
	const struct ep_snapshot *s;
	const char *generated_at; /* RFC 3339 */
	ep_strs without;          /* as asked for: "container:traefik" */
	ep_strs notes;            /* what had to be assumed; sentences for people */
	const char *netns_arg;    /* what --netns was given; NULL if it was not */
};

struct ep_path_doc {
	struct ep_doc doc;
	const struct ep_query *query;
	const char *iif; /* NULL for origin host */
	const struct ep_result *result;
	const ep_heirs *heirs; /* NULL: not asked for */
};

struct ep_check_doc {
	struct ep_doc doc;
	const struct ep_check *check;
};

/* ---- formats ---- */

struct ep_style {
	bool utf8;      /* box drawing and arrows may be used */
	bool colour;    /* terminal escapes may be used */
	unsigned width; /* columns; at least 60 */
};

struct ep_format {
	const char *name;
	void (*path)(struct ep_buf *out, const struct ep_path_doc *d, const struct ep_style *st);
	void (*check)(struct ep_buf *out, const struct ep_check_doc *d, const struct ep_style *st);
};

const struct ep_format *ep_format_find(const char *name); /* "text", "json"; NULL if unknown */

#endif
