// SPDX-License-Identifier: GPL-2.0-or-later
/* /proc/PID of made-up processes, and of this one. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "collect/owners_i.h"

struct tree {
	char path[64];
	int fd;
	struct ep_snapshot *s;
};

static int make_tree(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	snprintf(t->path, sizeof(t->path), "/tmp/ept-%d-proc-XXXXXX", getpid());
	if (!mkdtemp(t->path))
		return -1;
	t->fd = open(t->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	t->s = ep_snapshot_new();
	*state = t;
	return t->fd < 0;
}

static int remove_tree(void **state)
{
	static const char *const names[] = {"comm", "cmdline", "cgroup", "status", "exe", "ns/net"};
	struct tree *t = *state;
	char path[128];

	for (size_t i = 0; i < EP_ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "812/%s", names[i]);
		unlinkat(t->fd, path, 0);
	}
	unlinkat(t->fd, "812/ns", AT_REMOVEDIR);
	unlinkat(t->fd, "812", AT_REMOVEDIR);
	close(t->fd);
	rmdir(t->path);
	ep_snapshot_free(t->s);
	free(t);
	return 0;
}

static void write_at(const struct tree *t, const char *name, const char *data, size_t n)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "812/%s", name);
	fd = openat(t->fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), (ssize_t)n);
	close(fd);
}

#define WRITE(t, name, text) write_at(t, name, text, sizeof(text) - 1)

static void start(const struct tree *t)
{
	assert_int_equal(mkdirat(t->fd, "812", 0700), 0);
	assert_int_equal(mkdirat(t->fd, "812/ns", 0700), 0);
}

static void a_proxy(void **state)
{
	struct tree *t = *state;
	char buf[EP_ADDRSTR];
	struct ep_proc *p;

	start(t);
	WRITE(t, "comm", "docker-proxy\n");
	WRITE(t, "cmdline",
	      "/usr/bin/docker-proxy\0-proto\0tcp\0-host-ip\0000.0.0.0\0-host-port\0"
	      "443\0-container-ip\000172.18.0.2\0-container-port\0008443\0-use-listen-fd\0");
	WRITE(t, "cgroup", "0::/system.slice/docker.service\n");
	WRITE(t, "status", "Name:\tdocker-proxy\nUmask:\t0022\nUid:\t1000\t33\t33\t33\nGid:\t0\n");
	assert_int_equal(symlinkat("/usr/bin/docker-proxy (deleted)", t->fd, "812/exe"), 0);
	assert_int_equal(symlinkat("net:[4026531840]", t->fd, "812/ns/net"), 0);

	p = ep_proc_read_at(t->s, t->fd, 812);
	assert_non_null(p);
	assert_ptr_equal(ep_proc_find(t->s, 812), p);
	assert_string_equal(p->comm, "docker-proxy");
	assert_string_equal(p->unit, "docker.service");
	assert_string_equal(p->cgroup, "/system.slice/docker.service");
	assert_int_equal(p->uid, 33);
	assert_int_equal(p->netns, 4026531840);
	assert_int_equal(p->argv.n, 12);
	assert_string_equal(p->proxy_kind, "docker-proxy");
	assert_string_equal(ep_addrport_str(&p->proxy_target, p->proxy_port, buf),
			    "172.18.0.2:8443");
	assert_null(ep_proc_read_at(t->s, t->fd, 813));
}

static void hardly_readable(void **state)
{
	struct tree *t = *state;
	struct ep_proc *p;

	start(t);
	WRITE(t, "comm", "nginx\n");
	WRITE(t, "status", "Uid:");
	p = ep_proc_read_at(t->s, t->fd, 812);
	assert_non_null(p);
	assert_string_equal(p->comm, "nginx");
	assert_null(p->exe);
	assert_null(p->unit);
	assert_string_equal(p->cgroup, "");
	assert_int_equal(p->argv.n, 0);
	assert_int_equal(p->netns, 0);
	assert_int_equal(t->s->sources.v[0].status, EP_PARTIAL);
}

static void arguments_are_bounded(void **state)
{
	struct tree *t = *state;
	static char many[100000];
	struct ep_proc *p;

	memset(many, 'x', sizeof(many));
	for (size_t i = 1; i < 400; i += 2)
		many[i] = 0;
	start(t);
	WRITE(t, "comm", "x\n");
	write_at(t, "cmdline", many, sizeof(many));
	p = ep_proc_read_at(t->s, t->fd, 812);
	assert_int_equal(p->argv.n, 64);
	memset(many, 'x', sizeof(many));
	write_at(t, "cmdline", many, sizeof(many));
	p = ep_proc_read_at(t->s, t->fd, 812);
	assert_int_equal(p->argv.n, 1);
	assert_true(strlen(p->argv.v[0]) <= 4096);
}

static const struct {
	const char *target, *exe, *argv[12]; /* target NULL: no proxy */
} proxies[] = {
	{"[fd00::2]:80",
	 "/usr/bin/docker-proxy",
	 {"docker-proxy", "--proto=tcp", "--container-ip=fd00::2", "--container-port=80"}},
	{"10.0.0.1:1",
	 NULL,
	 {"/x/docker-proxy", "-container-ip", "10.0.0.1", "-container-port", "1"}},
	{NULL,
	 "/usr/bin/python3",
	 {"docker-proxy", "-container-ip", "10.0.0.1", "-container-port", "1"}},
	{NULL,
	 "/b/docker-proxy",
	 {"p", "-proto", "udp", "-container-ip", "10.0.0.1", "-container-port", "53"}},
	{NULL, "/b/docker-proxy", {"p", "-container-ip", "10.0.0.1", "-container-port", "65536"}},
	{NULL, "/b/docker-proxy", {"p", "-container-ip", "10.0.0.256", "-container-port", "80"}},
	{NULL, "/b/docker-proxy", {"p", "-container-port", "80", "-container-ip"}},
	{NULL, "/b/docker-proxy-2", {"p", "-container-ip", "10.0.0.1", "-container-port", "1"}},
	{NULL, "/b/docker-proxy", {NULL}},
};

static void proxies_by_argv(void **state)
{
	struct ep_arena *a = ep_arena_new();
	char buf[EP_ADDRSTR];

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(proxies); i++) {
		struct ep_proc p = {.exe = proxies[i].exe};
		struct ep_proxy proxy;

		for (size_t k = 0; proxies[i].argv[k]; k++)
			*ep_push(a, &p.argv) = proxies[i].argv[k];
		ep_proxy_parse(a, &p, &proxy);
		if (!proxies[i].target) {
			assert_null(p.proxy_kind);
			assert_int_equal(p.proxy_target.len, 0);
			continue;
		}
		assert_string_equal(p.proxy_kind, "docker-proxy");
		assert_string_equal(ep_addrport_str(&p.proxy_target, p.proxy_port, buf),
				    proxies[i].target);
	}
	ep_arena_free(a);
}

static void this_process(void **state)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct ep_proc *p = ep_collect_proc(s, getpid());

	(void)state;
	assert_non_null(p);
	assert_ptr_equal(ep_collect_proc(s, getpid()), p);
	assert_true(p->netns != 0);
	assert_int_equal(p->uid, geteuid());
	assert_non_null(strstr(p->exe, "test_proc"));
	ep_snapshot_free(s);
}

static void links_of_namespaces(void **state)
{
	(void)state;
	assert_int_equal(ep_netns_of_link("net:[4026531840]", 16), 4026531840);
	assert_int_equal(ep_netns_of_link("net:[4026531840]", 15), 0);
	assert_int_equal(ep_netns_of_link("mnt:[4026531840]", 16), 0);
	assert_int_equal(ep_netns_of_link("net:[]", 6), 0);
	assert_int_equal(ep_netns_of_link("net:[99999999999999999999999]", 29), 0);
	assert_int_equal(ep_netns_of_link("", 0), 0);
}

static const struct {
	const char *name;
	int ret;
	const char *err;
} namespaces[] = {
	{NULL, 0, NULL},
	{"/proc/self/ns/net", 0, NULL},
	{"ept-nope", -ENOENT, "no such network namespace: ept-nope (see `ip netns`)"},
	{"", -ENOENT, "no such network namespace:  (see `ip netns`)"},
	{"..", -ENOENT, "no such network namespace: .. (see `ip netns`)"},
	{"/proc/self/ns/mnt", -EINVAL, "not a network namespace: /proc/self/ns/mnt"},
	{"/dev/null", -EINVAL, "not a network namespace: /dev/null"},
	{"/\033[2J", -ENOENT, "no such network namespace: /\\x1b[2J (see `ip netns`)"},
};

static void namespaces_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(namespaces); i++) {
		struct ep_snapshot *s = ep_snapshot_new();
		struct ep_netns *ns = NULL;
		char err[256] = "";

		assert_int_equal(ep_netns_resolve(s, namespaces[i].name, &ns, err, sizeof(err)),
				 namespaces[i].ret);
		assert_string_equal(err, namespaces[i].err ? namespaces[i].err : "");
		assert_int_equal(ns != NULL, namespaces[i].ret == 0);
		if (ns)
			assert_ptr_equal(ep_netns_find(s, ns->ino), ns);
		ep_snapshot_free(s);
	}
}

static void all_namespaces(void **state)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct ep_netns *here;
	char err[64];

	(void)state;
	assert_int_equal(ep_collect_netns(s), 0);
	assert_int_equal(ep_netns_resolve(s, NULL, &here, err, sizeof(err)), 0);
	assert_true(here->pid > 0);
	ep_each(it, &s->netns) {
		assert_non_null((*it)->path);
		assert_true((*it)->ino > 0);
	}
	ep_snapshot_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_proxy, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(hardly_readable, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(arguments_are_bounded, make_tree, remove_tree),
		cmocka_unit_test(proxies_by_argv),
		cmocka_unit_test(this_process),
		cmocka_unit_test(links_of_namespaces),
		cmocka_unit_test(namespaces_by_name),
		cmocka_unit_test(all_namespaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
