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
	bool flat;          /* a document is one line */
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

/* ---- watching: what `edgepath watch` says, piece by piece ---- */

enum ep_expected { EP_EXPECT_UNKNOWN, EP_EXPECT_YES, EP_EXPECT_NO };

struct ep_watch_worker {
	struct ep_who who;
	uint64_t n;
	const char *by; /* "read", "close": what it was seen to do; "listener": it holds the socket */
};

/* Connections that came to one address and port and had one end. */
struct ep_watch_end {
	uint16_t port;
	struct ep_addr addr;
	const char *origin;        /* "external", "host", "inside" */
	const char *result;        /* "landed", "refused", "dropped", "overflowed" */
	struct ep_who who;         /* landed, overflowed */
	const struct ep_proc *via; /* the userland proxy that it came through; NULL if none */
	uint64_t netns;
	struct ep_addr final;
	uint16_t final_port;
	const char *reason, *location; /* dropped */
	enum ep_expected expected;
	const char *prediction; /* what the rules say instead; NULL if nothing else */
	uint64_t n, total;      /* since the last piece, since the start */
	double per_second;
	uint64_t synack_ns, synack_ns_max; /* mean and largest; 0: not known */
	EP_VEC(struct ep_watch_worker) workers;
};

struct ep_watch_flow {
	const struct ep_watch_end *end;
	const char *time;
	struct ep_addr src, peer; /* the client; the same as the receiver sees it */
	uint16_t sport, peer_port;
	uint64_t synack_ns;
};

struct ep_watch_cpu {
	unsigned cpu;
	uint64_t seen, delivered, lost;
};

enum ep_watch_piece {
	EP_WATCH_START,
	EP_WATCH_INTERVAL,
	EP_WATCH_FLOW,
	EP_WATCH_CHANGE, /* of rules, listeners or devices: predicted anew */
	EP_WATCH_END,
};

struct ep_watch_doc {
	struct ep_doc doc;
	enum ep_watch_piece piece;
	const char *source, *lacks; /* "bpf"; why not, NULL if it is */
	EP_VEC(uint16_t) ports;
	EP_VEC(struct ep_addr) edges;
	double seconds; /* of this piece; EP_WATCH_END: of all */
	EP_VEC(struct ep_watch_end) ends;
	const struct ep_watch_flow *flow;
	const char *change;
	EP_VEC(struct ep_watch_cpu) cpus;
	uint64_t unrowed; /* connections that are in no row */
	bool live;        /* text: drawn over what was there before */
	unsigned rows;    /* text, live: of the terminal */
};

/* A connection that check --verify made. */
struct ep_watch_probe {
	uint16_t port, sport;
	struct ep_addr addr, src;
	const char *met;                /* by the client: "connected", "refused", "no answer"… */
	const struct ep_watch_end *end; /* what was seen of it; NULL: nothing */
};

/* What was seen beside a check. */
struct ep_watch_seen {
	struct ep_watch_doc watch; /* ends, seconds, source */
	bool verified;
	const char *via;
	EP_VEC(struct ep_watch_probe) probes;
};

struct ep_check_doc {
	struct ep_doc doc;
	const struct ep_check *check;
	const struct ep_watch_seen *seen; /* NULL: nothing was watched */
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
	void (*watch)(struct ep_buf *out, const struct ep_watch_doc *d, const struct ep_style *st);
};

const struct ep_format *ep_format_find(const char *name); /* "text", "json"; NULL if unknown */

#endif
