// SPDX-License-Identifier: GPL-2.0-or-later
/* Docker's own answers and files, cut and broken ones, and a daemon that misbehaves. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "collect/owners_i.h"

#define DATA "tests/unit/data/docker/"

#define TRAEFIK "7b868e829583f168d2044bfc6d3444d6fbf654f01212d2bb06a5d6085b89ec67"
#define OLD     "3e9400cbafec0ec030180c24b3b498ed8b14e5bc35d318622d142b4dc7bf12aa"

static bool add(void *ctx, const json_t *o)
{
	return ep_docker_add_listed(ctx, o);
}

static char *data_file(struct ep_arena *a, const char *name, size_t *len)
{
	char *text = NULL;

	assert_int_equal(ep_read_file(a, ep_sprintf(a, DATA "%s", name), 1 << 20, &text, len), 0);
	return text;
}

static json_t *data_json(const char *name)
{
	char path[128];
	json_t *j;
	int err;

	snprintf(path, sizeof(path), DATA "%s", name);
	j = ep_json_file(path, 1 << 20, &err);
	assert_non_null(j);
	return j;
}

static void assert_traefik(const struct ep_container *c)
{
	char buf[EP_ADDRSTR];

	assert_non_null(c);
	assert_string_equal(c->runtime, "docker");
	assert_string_equal(c->name, "traefik");
	assert_string_equal(c->image, "traefik:2.11");
	assert_string_equal(c->compose_project, "edge");
	assert_string_equal(c->compose_service, "traefik");
	assert_null(c->pod.name);
	assert_int_equal(c->addrs.n, 1);
	assert_string_equal(c->addrs.v[0].network, "hermes-net");
	assert_string_equal(ep_addr_str(&c->addrs.v[0].addr, buf), "172.18.0.2");
	assert_int_equal(c->published.n, 6);
	for (size_t i = 0; i < c->published.n; i++) {
		assert_true(ep_addr_is_any(&c->published.v[i].host));
		assert_int_equal(c->published.v[i].port, c->published.v[i].host_port);
		assert_string_equal(c->published.v[i].proto, "tcp");
	}
}

/* However the answer arrives. */
static void the_list_in_pieces(void **state)
{
	struct ep_arena *a = ep_arena_new();
	size_t len;
	char *text = data_file(a, "containers.json", &len);

	(void)state;
	for (size_t piece = 1; piece < 4000; piece = piece * 3 + 1) {
		struct ep_snapshot *s = ep_snapshot_new();
		struct ep_json_each j = {.each = add, .ctx = s};

		for (size_t at = 0; at < len; at += piece)
			assert_int_equal(ep_json_each_feed(&j, text + at,
							   len - at < piece ? len - at : piece),
					 0);
		assert_int_equal(ep_json_each_end(&j), 0);
		assert_int_equal(j.n, 2);
		assert_int_equal(j.n_bad, 0);
		assert_int_equal(s->containers.n, 2);
		assert_traefik(ep_container_find(s, TRAEFIK));
		assert_true(ep_container_find(s, TRAEFIK)->running);
		assert_string_equal(ep_container_find(s, OLD)->name, "old");
		assert_false(ep_container_find(s, OLD)->running);
		assert_int_equal(ep_container_find(s, OLD)->addrs.n, 0);
		ep_snapshot_free(s);
	}
	ep_arena_free(a);
}

static void a_cut_list(void **state)
{
	struct ep_arena *a = ep_arena_new();
	size_t len;
	char *text = data_file(a, "containers.json", &len);

	(void)state;
	for (size_t n = 0; n + 2 < len; n += 7) {
		struct ep_snapshot *s = ep_snapshot_new();
		struct ep_json_each j = {.each = add, .ctx = s};

		assert_int_equal(ep_json_each_feed(&j, text, n), 0);
		assert_int_equal(ep_json_each_end(&j), -EBADMSG);
		ep_snapshot_free(s);
	}
	ep_arena_free(a);
}

static const struct {
	const char *text;
	int feed, end;
	size_t n, n_bad;
} lists[] = {
	{"[]", 0, 0, 0, 0},
	{" [ ] \n", 0, 0, 0, 0},
	{"[1, \"a]b\", [2, [3]], {\"x\": \"\\\"]\"}]", 0, 0, 4, 4},
	{"[{\"Id\": \"../../etc\"}]", 0, 0, 1, 1},
	{"[{\"Id\": 5}, {}]", 0, 0, 2, 2},
	{"[}]", 0, 0, 1, 1},
	{"{\"message\": \"no\"}", -EBADMSG, -EBADMSG, 0, 0},
	{"[] []", -EBADMSG, 0, 0, 0},
	{"", 0, -EBADMSG, 0, 0},
	{"[\"", 0, -EBADMSG, 0, 0},
};

static void odd_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(lists); i++) {
		struct ep_snapshot *s = ep_snapshot_new();
		struct ep_json_each j = {.each = add, .ctx = s};

		assert_int_equal(ep_json_each_feed(&j, lists[i].text, strlen(lists[i].text)),
				 lists[i].feed);
		assert_int_equal(ep_json_each_end(&j), lists[i].end);
		assert_int_equal(j.n, lists[i].n);
		assert_int_equal(j.n_bad, lists[i].n_bad);
		assert_int_equal(s->containers.n, 0);
		ep_snapshot_free(s);
	}
}

static void elements_are_bounded(void **state)
{
	struct ep_json_each j = {.each = add};
	char text[4096];
	int r;

	(void)state;
	memset(text, '[', sizeof(text));
	do
		r = ep_json_each_feed(&j, text, sizeof(text));
	while (r == 0);
	assert_int_equal(r, -EFBIG);
	assert_int_equal(ep_json_each_end(&j), -EBADMSG);
}

static void files_of_a_container(void **state)
{
	json_t *config = data_json("config.v2.json"), *host = data_json("hostconfig.json");
	struct ep_snapshot *s = ep_snapshot_new();

	(void)state;
	assert_true(ep_docker_add_config(s, config, host));
	assert_traefik(ep_container_find(s, TRAEFIK));
	assert_true(ep_container_find(s, TRAEFIK)->running);
	assert_true(ep_container_find(s, TRAEFIK)->pid > 0);
	assert_false(ep_docker_add_config(s, config, host)); /* known already */
	assert_int_equal(s->containers.n, 1);
	ep_snapshot_free(s);
	json_decref(config);
	json_decref(host);
}

static void files_of_a_stopped_container(void **state)
{
	json_t *config = data_json("stopped-config.v2.json");
	json_t *host = data_json("stopped-hostconfig.json");
	struct ep_snapshot *s = ep_snapshot_new();
	const struct ep_container *c;
	char buf[EP_ADDRSTR];

	(void)state;
	assert_true(ep_docker_add_config(s, config, host));
	c = ep_container_find(s, OLD);
	assert_false(c->running);
	assert_int_equal(c->pid, 0);
	assert_int_equal(c->published.n, 1);
	assert_string_equal(ep_addr_str(&c->published.v[0].host, buf), "127.0.0.1");
	assert_int_equal(c->published.v[0].host_port, 8443);
	assert_int_equal(c->published.v[0].port, 443);
	assert_false(ep_docker_add_config(s, host, config));
	assert_false(ep_docker_add_config(s, NULL, NULL));
	ep_snapshot_free(s);
	json_decref(config);
	json_decref(host);
}

/* ---- HTTP ---- */

static int append(void *ctx, const char *data, size_t n)
{
	ep_buf_putn(ctx, data, n);
	return 0;
}

/* A child that answers one request on a socket of its own; hang: keeps the connection open. */
static pid_t serve(const char *path, const char *answer, bool hang)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		char buf[1024];
		int c = accept(fd, NULL, NULL);
		ssize_t n = read(c, buf, sizeof(buf)), sent = 0;

		for (const char *p = answer; n > 0 && *p && sent >= 0; p++)
			sent = send(c, p, 1, MSG_NOSIGNAL);
		if (hang)
			pause();
		_exit(0);
	}
	close(fd);
	return pid;
}

static const struct {
	const char *answer;
	bool hang;
	int ret, status;
	const char *body;
} answers[] = {
	{"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n[]", false, 0, 200, "[]"},
	{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]", false, 0, 200,
	 "[]"},
	{"HTTP/1.0 200 OK\r\n\r\n", false, 0, 200, ""},
	{"HTTP/1.0 403 Forbidden\r\n\r\nno", false, 0, 403, ""},
	{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n[]", false, -EPROTO, 200, "[]"},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]", false, -EPROTO, 0, ""},
	{"HTTP/1.1 200 OK\r\nbroken\r\n\r\n[]", false, -EPROTO, 0, ""},
	{"SSH-2.0-x\r\n\r\n", false, -EPROTO, 0, ""},
	{"HTTP/1.0 200 OK\r\n", false, -EPROTO, 0, ""},
	{"", false, -EPROTO, 0, ""},
	{"HTTP/1.0 200 OK\r\n\r\n[", true, -ETIMEDOUT, 200, "["},
	{"", true, -ETIMEDOUT, 0, ""},
};

static void answers_over_http(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/ept-%d-docker.sock", getpid());
	for (size_t i = 0; i < EP_ARRAY_SIZE(answers); i++) {
		pid_t pid = serve(path, answers[i].answer, answers[i].hang);
		struct ep_buf body = {};
		int status = 0, r;

		r = ep_http_unix_get(path, "/x", answers[i].hang ? 100 : 5000, append, &body,
				     &status);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (r != answers[i].ret && !(r == -ECONNRESET && answers[i].ret == -EPROTO))
			fail_msg("answer %zu: %s", i, strerror(-r));
		assert_int_equal(status, answers[i].status);
		assert_string_equal(ep_buf_str(&body), answers[i].body);
		ep_buf_free(&body);
	}
	assert_int_equal(ep_http_unix_get(path, "/x", 1000, append, NULL, NULL), -ECONNREFUSED);
	unlink(path);
	assert_int_equal(ep_http_unix_get(path, "/x", 1000, append, NULL, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_in_pieces),
		cmocka_unit_test(a_cut_list),
		cmocka_unit_test(odd_lists),
		cmocka_unit_test(elements_are_bounded),
		cmocka_unit_test(files_of_a_container),
		cmocka_unit_test(files_of_a_stopped_container),
		cmocka_unit_test(answers_over_http),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
