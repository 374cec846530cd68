// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * GET over a Unix socket. HTTP/1.0 (RFC 1945): no chunks, and the connection's end ends the body.
 * A library for HTTP would cost more at start-up than everything else that is read.
 */
#include "collect/owners_i.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_HEADER 16384

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int wait_for(int fd, short events, int64_t deadline)
{
	int64_t left = deadline - now_ms();
	struct pollfd p = {.fd = fd, .events = events};
	int n;

	if (left <= 0)
		return -ETIMEDOUT;
	n = poll(&p, 1, (int)left);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n ? 0 : -ETIMEDOUT;
}

static int send_all(int fd, const char *s, size_t n, int64_t deadline)
{
	while (n) {
		ssize_t sent = send(fd, s, n, MSG_NOSIGNAL);

		if (sent >= 0) {
			s += sent;
			n -= (size_t)sent;
		} else if (errno == EAGAIN || errno == EINTR) {
			int r = wait_for(fd, POLLOUT, deadline);

			if (r < 0)
				return r;
		} else {
			return -errno;
		}
	}
	return 0;
}

/* 0 at the end of the stream. */
static ssize_t recv_some(int fd, char *buf, size_t size, int64_t deadline)
{
	for (;;) {
		ssize_t n = recv(fd, buf, size, 0);
		int r;

		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_for(fd, POLLIN, deadline);
		if (r < 0)
			return r;
	}
}

struct answer {
	int status;
	bool has_length;
	uint64_t length;
};

/* Status line and header fields, NUL-terminated, without the empty line. */
static int parse_header(char *h, struct answer *ret)
{
	char *save = NULL, *line = strtok_r(h, "\r\n", &save);

	if (!line || sscanf(line, "HTTP/1.%*1[01] %3d", &ret->status) != 1)
		return -EPROTO;
	while ((line = strtok_r(NULL, "\r\n", &save))) {
		char *value = strchr(line, ':');

		if (!value)
			return -EPROTO;
		*value++ = 0;
		value += strspn(value, " \t");
		if (!strcasecmp(line, "Transfer-Encoding"))
			return -EPROTO;
		if (!strcasecmp(line, "Content-Length")) {
			if (!ep_parse_u64(value, INT64_MAX, &ret->length))
				return -EPROTO;
			ret->has_length = true;
		}
	}
	return 0;
}

/* Reads up to the empty line; *ret_len bytes of the body are then already at buf. */
static int read_header(int fd, char buf[MAX_HEADER + 1], int64_t deadline, struct answer *ret,
		       size_t *ret_len)
{
	size_t len = 0, body;
	char *end = NULL;
	int r;

	while (!end) {
		ssize_t n;

		if (len == MAX_HEADER)
			return -EPROTO;
		n = recv_some(fd, buf + len, MAX_HEADER - len, deadline);
		if (n <= 0)
			return n < 0 ? (int)n : -EPROTO;
		len += (size_t)n;
		end = memmem(buf, len, "\r\n\r\n", 4);
	}
	*end = 0;
	r = strlen(buf) == (size_t)(end - buf) ? parse_header(buf, ret) : -EPROTO;
	body = len - (size_t)(end + 4 - buf);
	memmove(buf, end + 4, body);
	*ret_len = body;
	return r;
}

static int read_answer(int fd, int64_t deadline, int (*body)(void *ctx, const char *data, size_t n),
		       void *ctx, int *ret_status)
{
	char buf[MAX_HEADER + 1];
	struct answer a = {};
	uint64_t got = 0;
	size_t len = 0;
	int r;

	r = read_header(fd, buf, deadline, &a, &len);
	if (r < 0)
		return r;
	*ret_status = a.status;
	if (a.status != 200)
		return 0;
	for (;;) {
		ssize_t n;

		got += len;
		r = len ? body(ctx, buf, len) : 0;
		if (r < 0)
			return r;
		n = recv_some(fd, buf, MAX_HEADER, deadline);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		len = (size_t)n;
	}
	return a.has_length && got < a.length ? -EPROTO : 0;
}

int ep_http_unix_get(const char *socket_path, const char *target, int timeout_ms,
		     int (*body)(void *ctx, const char *data, size_t n), void *ctx, int *ret_status)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int64_t deadline = now_ms() + timeout_ms;
	char req[512];
	int fd, n, r;

	n = snprintf(req, sizeof(req), "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", target);
	if (n >= (int)sizeof(req) || strlen(socket_path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, socket_path, strlen(socket_path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	if (r == 0)
		r = send_all(fd, req, (size_t)n, deadline);
	if (r == 0)
		r = read_answer(fd, deadline, body, ctx, ret_status);
	close(fd);
	return r;
}
