// SPDX-License-Identifier: GPL-2.0-or-later
/* Arena: blocks that grow with use, freed at once. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edgepath/util.h"

#define EP_BLOCK_MIN (8 * 1024)
#define EP_BLOCK_MAX (256 * 1024)
#define EP_ALIGN     16

struct ep_block {
	struct ep_block *next;
	size_t size, used;
	_Alignas(EP_ALIGN) unsigned char data[];
};

struct ep_arena {
	struct ep_block *blocks; /* the newest first */
	size_t used, next_size;
};

/* The one place where running out of memory ends the process. */
static _Noreturn void out_of_memory(void)
{
	static const char msg[] = "edgepath: out of memory\n";

	if (write(STDERR_FILENO, msg, sizeof(msg) - 1) < 0)
		_exit(3);
	_exit(3);
}

struct ep_arena *ep_arena_new(void)
{
	struct ep_arena *a = calloc(1, sizeof(*a));

	if (!a)
		out_of_memory();
	a->next_size = EP_BLOCK_MIN;
	return a;
}

void ep_arena_free(struct ep_arena *a)
{
	if (!a)
		return;
	while (a->blocks) {
		struct ep_block *b = a->blocks;

		a->blocks = b->next;
		free(b);
	}
	free(a);
}

static struct ep_block *block_add(struct ep_arena *a, size_t size)
{
	size_t want = size > a->next_size ? size : a->next_size;
	struct ep_block *b;

	if (want > SIZE_MAX - sizeof(*b))
		out_of_memory();
	b = calloc(1, sizeof(*b) + want);
	if (!b)
		out_of_memory();
	b->size = want;
	if (a->next_size < EP_BLOCK_MAX)
		a->next_size *= 2;
	/* A block for one large object does not displace the one that still has room. */
	if (a->blocks && want == size) {
		b->next = a->blocks->next;
		a->blocks->next = b;
	} else {
		b->next = a->blocks;
		a->blocks = b;
	}
	return b;
}

void *ep_alloc(struct ep_arena *a, size_t size)
{
	struct ep_block *b = a->blocks;
	void *p;

	if (size > SIZE_MAX - EP_ALIGN)
		out_of_memory();
	size = (size + EP_ALIGN - 1) & ~(size_t)(EP_ALIGN - 1);
	if (!size)
		size = EP_ALIGN;
	if (!b || b->size - b->used < size)
		b = block_add(a, size);
	p = b->data + b->used;
	b->used += size;
	a->used += size;
	return p;
}

size_t ep_arena_used(const struct ep_arena *a)
{
	return a->used;
}

void *ep_memdup(struct ep_arena *a, const void *p, size_t n)
{
	void *q = ep_alloc(a, n);

	if (n)
		memcpy(q, p, n);
	return q;
}

char *ep_strndup(struct ep_arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *q = ep_alloc(a, len + 1);

	memcpy(q, s, len);
	return q;
}

char *ep_strdup(struct ep_arena *a, const char *s)
{
	return ep_memdup(a, s, strlen(s) + 1);
}

char *ep_sprintf(struct ep_arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return ep_strdup(a, "");
	s = ep_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}

void ep_vec_grow(struct ep_arena *a, void **v, size_t n, size_t *cap, size_t elem)
{
	size_t want = *cap ? *cap * 2 : 4;
	struct ep_block *b = a->blocks;
	size_t old = (*cap * elem + EP_ALIGN - 1) & ~(size_t)(EP_ALIGN - 1);
	void *q;

	if (want > SIZE_MAX / 2 / elem)
		out_of_memory();
	/* The last thing allocated grows where it stands. */
	if (*v && b && (unsigned char *)*v + old == b->data + b->used) {
		size_t full = (want * elem + EP_ALIGN - 1) & ~(size_t)(EP_ALIGN - 1);

		if (b->size - b->used >= full - old) {
			b->used += full - old;
			a->used += full - old;
			*cap = want;
			return;
		}
	}
	q = ep_alloc(a, want * elem);
	if (n)
		memcpy(q, *v, n * elem);
	*v = q;
	*cap = want;
}

/* ---- growing string ---- */

static void buf_room(struct ep_buf *b, size_t more)
{
	size_t want = b->cap ? b->cap : 128;
	char *s;

	if (more > SIZE_MAX / 2 - b->len - 1)
		out_of_memory();
	while (want < b->len + more + 1)
		want *= 2;
	if (want == b->cap)
		return;
	s = realloc(b->s, want);
	if (!s)
		out_of_memory();
	b->s = s;
	b->cap = want;
}

void ep_buf_putn(struct ep_buf *b, const char *s, size_t n)
{
	buf_room(b, n);
	if (n)
		memcpy(b->s + b->len, s, n);
	b->len += n;
	b->s[b->len] = '\0';
}

void ep_buf_puts(struct ep_buf *b, const char *s)
{
	ep_buf_putn(b, s, strlen(s));
}

void ep_buf_printf(struct ep_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	buf_room(b, (size_t)n);
	va_start(ap, fmt);
	vsnprintf(b->s + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

const char *ep_buf_str(const struct ep_buf *b)
{
	return b->s ? b->s : "";
}

void ep_buf_free(struct ep_buf *b)
{
	free(b->s);
	*b = (struct ep_buf){};
}
