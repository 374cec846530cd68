// SPDX-License-Identifier: GPL-2.0-or-later
/* Hostile text made harmless, numbers and small files read within bounds. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "edgepath/util.h"

/* Length of the well-formed UTF-8 sequence at s (RFC 3629), 0 if there is none. */
static size_t utf8_len(const unsigned char *s, size_t n)
{
	size_t len = s[0] < 0x80                 ? 1 :
		     s[0] >= 0xc2 && s[0] < 0xe0 ? 2 :
		     s[0] >= 0xe0 && s[0] < 0xf0 ? 3 :
		     s[0] >= 0xf0 && s[0] < 0xf5 ? 4 :
						   0;

	if (!len || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

/* C1 controls, and the characters that reorder or hide text on a terminal. */
static bool utf8_harmful(const unsigned char *s, size_t len)
{
	if (len == 2 && s[0] == 0xc2 && s[1] < 0xa0)
		return true;
	if (len == 3 && s[0] == 0xe2 && s[1] == 0x80 &&
	    ((s[2] >= 0x8b && s[2] <= 0x8f) || (s[2] >= 0xa8 && s[2] <= 0xae)))
		return true;
	if (len == 3 && s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xa0 && s[2] <= 0xaf)
		return true;
	return len == 3 && s[0] == 0xef && s[1] == 0xbb && s[2] == 0xbf;
}

void ep_buf_put_escaped(struct ep_buf *b, const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;

	for (size_t i = 0; i < n;) {
		size_t len = utf8_len(u + i, n - i);

		if (len && u[i] >= 0x20 && u[i] != 0x7f && !utf8_harmful(u + i, len)) {
			ep_buf_putn(b, s + i, len);
			i += len;
			continue;
		}
		ep_buf_printf(b, "\\x%02x", u[i]);
		i++;
	}
}

char *ep_escape(struct ep_arena *a, const char *s, size_t n)
{
	struct ep_buf b = {};
	char *out;

	ep_buf_put_escaped(&b, s, strnlen(s, n));
	out = ep_strdup(a, ep_buf_str(&b));
	ep_buf_free(&b);
	return out;
}

bool ep_parse_u64(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		uint64_t d = (uint64_t)(*s - '0');

		if (*s < '0' || *s > '9' || v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	if (v > max)
		return false;
	*ret = v;
	return true;
}

int ep_read_file(struct ep_arena *a, const char *path, size_t max, char **ret, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct ep_buf b = {};
	char chunk[4096];
	ssize_t n;
	int r = 0;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		else if ((size_t)n > max - b.len)
			r = -EFBIG;
		if (r)
			break;
		ep_buf_putn(&b, chunk, (size_t)n);
	}
	close(fd);
	if (!r) {
		char *copy = ep_alloc(a, b.len + 1);

		if (b.len)
			memcpy(copy, b.s, b.len);
		*ret = copy;
		if (ret_len)
			*ret_len = b.len;
	}
	ep_buf_free(&b);
	return r;
}
