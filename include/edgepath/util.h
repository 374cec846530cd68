/* SPDX-License-Identifier: GPL-2.0-or-later */
/* util: memory, strings, addresses and interval sets; knows nothing of the project's data. */
#ifndef EDGEPATH_UTIL_H
#define EDGEPATH_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EP_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define EP_PRINTF(f, a)  __attribute__((format(printf, f, a)))
#define EP_MUST          __attribute__((warn_unused_result))

/* ---- arena: everything of one snapshot or one result is freed at once ---- */

struct ep_arena;

/* Out of memory ends the process in one place (message, exit 3): none of these returns NULL. */
struct ep_arena *ep_arena_new(void);
void ep_arena_free(struct ep_arena *a);          /* takes NULL */
void *ep_alloc(struct ep_arena *a, size_t size); /* zeroed, aligned for any type */
void *ep_memdup(struct ep_arena *a, const void *p, size_t n);
char *ep_strdup(struct ep_arena *a, const char *s);
char *ep_strndup(struct ep_arena *a, const char *s, size_t n); /* stops at a NUL as well */
char *ep_sprintf(struct ep_arena *a, const char *fmt, ...) EP_PRINTF(2, 3);
size_t ep_arena_used(const struct ep_arena *a);

/* ---- vectors, grown in an arena ---- */

#define EP_VEC(T)              \
	struct {               \
		T *v;          \
		size_t n, cap; \
	}

void ep_vec_grow(struct ep_arena *a, void **v, size_t n, size_t *cap, size_t elem);

/* Appends a zeroed element and yields a pointer to it, valid until the next push. */
#define ep_push(a, vec)                                                                     \
	({                                                                                  \
		if ((vec)->n == (vec)->cap) {                                               \
			void *ep_v_ = (vec)->v;                                             \
			ep_vec_grow((a), &ep_v_, (vec)->n, &(vec)->cap, sizeof(*(vec)->v)); \
			(vec)->v = ep_v_;                                                   \
		}                                                                           \
		&(vec)->v[(vec)->n++];                                                      \
	})

#define ep_each(it, vec) \
	for (typeof(&*(vec)->v) it = (vec)->v; it && it < (vec)->v + (vec)->n; it++)

/* ---- growing string (malloc'd) ---- */

struct ep_buf {
	char *s; /* NUL-terminated once anything was added; else NULL */
	size_t len, cap;
};

void ep_buf_printf(struct ep_buf *b, const char *fmt, ...) EP_PRINTF(2, 3);
void ep_buf_puts(struct ep_buf *b, const char *s);
void ep_buf_putn(struct ep_buf *b, const char *s, size_t n);
/* Hostile text: control characters, invalid UTF-8 and the bytes of terminal escapes become \xNN. */
void ep_buf_put_escaped(struct ep_buf *b, const char *s, size_t n);
const char *ep_buf_str(const struct ep_buf *b); /* "" when empty */
void ep_buf_free(struct ep_buf *b);
/* Same escaping into an arena string; never NULL. */
char *ep_escape(struct ep_arena *a, const char *s, size_t n);

/* ---- addresses ---- */

typedef unsigned __int128 ep_u128;

struct ep_addr {
	uint8_t len;   /* 0 none, 4 IPv4, 16 IPv6 */
	uint8_t b[16]; /* network order; the first len bytes count */
};

#define EP_ADDRSTR 64

bool ep_addr_parse(const char *s, struct ep_addr *ret);
/* buf of EP_ADDRSTR bytes; returns buf. IPv6 as RFC 5952. */
const char *ep_addr_str(const struct ep_addr *a, char *buf);
/* "1.2.3.4:80" or "[::1]:80" */
const char *ep_addrport_str(const struct ep_addr *a, uint16_t port, char *buf);
struct ep_addr ep_addr_of(const void *bytes, uint8_t len);
bool ep_addr_eq(const struct ep_addr *a, const struct ep_addr *b);
bool ep_addr_is_any(const struct ep_addr *a); /* none, 0.0.0.0 or :: */
bool ep_addr_in(const struct ep_addr *a, const struct ep_addr *net, unsigned plen);
ep_u128 ep_addr_num(const struct ep_addr *a);
struct ep_addr ep_addr_from_num(ep_u128 n, uint8_t len);

/* ---- sets of unsigned numbers as sorted, disjoint, inclusive intervals ---- */

struct ep_iv {
	ep_u128 lo, hi;
};

struct ep_ivset {
	struct ep_iv *v; /* arena memory, treated as immutable: results are new sets */
	size_t n;
};

struct ep_ivset ep_iv_range(struct ep_arena *a, ep_u128 lo, ep_u128 hi);
struct ep_ivset ep_iv_full(struct ep_arena *a, unsigned bits);
struct ep_ivset ep_iv_and(struct ep_arena *a, struct ep_ivset x, struct ep_ivset y);
struct ep_ivset ep_iv_or(struct ep_arena *a, struct ep_ivset x, struct ep_ivset y);
struct ep_ivset ep_iv_minus(struct ep_arena *a, struct ep_ivset x, struct ep_ivset y);
/* Any order, overlaps allowed. */
struct ep_ivset ep_iv_of(struct ep_arena *a, const struct ep_iv *v, size_t n);
/* {x < 2^bits : (x & mask) == want}; false when that takes more than max intervals. */
bool ep_iv_masked(struct ep_arena *a, unsigned bits, ep_u128 mask, ep_u128 want, size_t max,
		  struct ep_ivset *ret);
bool ep_iv_eq(struct ep_ivset x, struct ep_ivset y);
bool ep_iv_has(struct ep_ivset x, ep_u128 n);
bool ep_iv_single(struct ep_ivset x, ep_u128 *ret);              /* exactly one number */
double ep_iv_share(struct ep_ivset part, struct ep_ivset whole); /* |part| / |whole| */
/* Appends CIDR prefixes ("10.0.0.0/8"; a single host without "/32") that cover x. */
typedef EP_VEC(const char *) ep_strs;
void ep_iv_prefixes(struct ep_arena *a, struct ep_ivset x, uint8_t addr_len, ep_strs *out);

/* ---- numbers ---- */

/* Decimal, no sign or blanks, whole string, at most max. */
bool ep_parse_u64(const char *s, uint64_t max, uint64_t *ret);
int ep_read_file(struct ep_arena *a, const char *path, size_t max, char **ret,
		 size_t *ret_len) EP_MUST; /* NUL-terminated; -EFBIG beyond max */

#endif
