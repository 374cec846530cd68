/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the snapshot's structures are made of, as tables: one row a field. The JSON writer and the
 * JSON reader both go by them, so that a new field is one new row.
 */
#ifndef EP_MODEL_FIELDS_H
#define EP_MODEL_FIELDS_H

#include <jansson.h>

#include "edgepath/model.h"

enum ep_field_kind {
	EP_F_BOOL,
	EP_F_U8,
	EP_F_U16,
	EP_F_U32,
	EP_F_U64,
	EP_F_INT,
	EP_F_ENUM,  /* u32 by name */
	EP_F_STR,   /* const char *, may be NULL */
	EP_F_CHARS, /* char[size] */
	EP_F_FIXED, /* uint8_t[size] as hex */
	EP_F_BLOB,  /* pointer here, uint32_t length at off2 */
	EP_F_ADDR,
	EP_F_STRS,   /* ep_strs */
	EP_F_REC,    /* embedded structure */
	EP_F_VEC,    /* EP_VEC(structure) */
	EP_F_PVEC,   /* EP_VEC(structure *) */
	EP_F_CUSTOM, /* by the two functions */
};

struct ep_rec;
struct ep_loader;

struct ep_field {
	const char *name;
	enum ep_field_kind kind;
	size_t off, off2, size;
	const struct ep_rec *rec;
	const char *const *names;           /* EP_F_ENUM: NULL-terminated */
	json_t *(*save)(const void *owner); /* NULL: nothing to say */
	bool (*load)(struct ep_loader *l, void *owner, const json_t *j);
};

struct ep_rec {
	size_t size;
	const struct ep_field *fields; /* ends with a NULL name */
};

extern const struct ep_rec ep_rec_snapshot, ep_rec_expr;

struct ep_loader {
	struct ep_arena *arena;
	struct ep_snapshot *s;
	char path[256]; /* where the reader is: "netns[0].links[2].ifindex" */
	char *err;
	size_t err_len;
};

/* Writes "PATH: message" into the caller's buffer (the first one stays); returns false. */
bool ep_load_fail(struct ep_loader *l, const char *fmt, ...) EP_PRINTF(2, 3);
bool ep_load_rec(struct ep_loader *l, const struct ep_rec *r, void *obj, const json_t *j);
json_t *ep_save_rec(const struct ep_rec *r, const void *obj);

/* json_check.c: prefixes, hooks and key lengths as a kernel could have them, or why not. */
bool ep_load_check(struct ep_loader *l, const struct ep_snapshot *s);

/* Strings that are no UTF-8 are kept as {"hex": …}. */
json_t *ep_save_str(const char *s);
bool ep_load_str(struct ep_loader *l, const json_t *j, const char **ret);
json_t *ep_save_hex(const uint8_t *p, size_t n);
bool ep_load_hex(struct ep_loader *l, const json_t *j, const uint8_t **ret, size_t *ret_len);
bool ep_load_num(struct ep_loader *l, const json_t *j, uint64_t max, uint64_t *ret);

/* json_refs.c: what is more than a field */
json_t *ep_save_attrs(const void *expr);
bool ep_load_attrs(struct ep_loader *l, void *expr, const json_t *j);
/* For owners that have it where ep_expr, ep_nft_set and ep_nft_obj do. */
json_t *ep_save_expr_sub(const void *expr);
bool ep_load_expr_sub(struct ep_loader *l, void *expr, const json_t *j);
json_t *ep_save_set_exprs(const void *set);
bool ep_load_set_exprs(struct ep_loader *l, void *set, const json_t *j);
json_t *ep_save_obj_exprs(const void *obj);
bool ep_load_obj_exprs(struct ep_loader *l, void *obj, const json_t *j);
json_t *ep_save_elems(const void *set);
bool ep_load_elems(struct ep_loader *l, void *set, const json_t *j);
json_t *ep_save_owners(const void *listener);
bool ep_load_owners(struct ep_loader *l, void *listener, const json_t *j);
json_t *ep_save_container(const void *proc);
bool ep_load_container(struct ep_loader *l, void *proc, const json_t *j);
json_t *ep_save_set_fields(const void *set);
bool ep_load_set_fields(struct ep_loader *l, void *set, const json_t *j);

#endif
