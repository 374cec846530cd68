// SPDX-License-Identifier: GPL-2.0-or-later
/* Listeners of a namespace of this test's own, as BPF and as sock_diag tell them. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "collect/owners_i.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum { V6ONLY = 1, REUSEPORT = 2, TRANSPARENT = 4, ON_LO = 8, MPTCP = 16 };

static const struct spec {
	const char *addr;
	uint16_t port;
	unsigned flags;
} specs[] = {
	{"0.0.0.0", 80, 0},
	{"127.0.0.1", 81, 0},
	{"::", 82, V6ONLY},
	{"::", 83, 0},
	{"::1", 84, ON_LO | V6ONLY},
	/* bind() to such an address sets v6only by itself */ {"127.0.0.1", 85, REUSEPORT},
	{"127.0.0.1", 85, REUSEPORT},
	{"203.0.113.7", 86, TRANSPARENT},
	{"::ffff:127.0.0.1", 87, 0},
	{"0.0.0.0", 88, MPTCP},
};

struct fixture {
	int fds[EP_ARRAY_SIZE(specs)]; /* -1: this kernel has no such thing */
	pid_t child;                   /* has them all as well */
};

static void set(int fd, int level, int opt)
{
	int one = 1;

	assert_int_equal(setsockopt(fd, level, opt, &one, sizeof(one)), 0);
}

static int listen_on(const struct spec *sp)
{
	struct sockaddr_storage ss = {};
	struct sockaddr_in6 *s6 = (struct sockaddr_in6 *)&ss;
	struct sockaddr_in *s4 = (struct sockaddr_in *)&ss;
	bool six = strchr(sp->addr, ':');
	int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC,
			sp->flags & MPTCP ? IPPROTO_MPTCP : 0);

	if (fd < 0 && sp->flags & MPTCP)
		return -1;
	assert_true(fd >= 0);
	ss.ss_family = six ? AF_INET6 : AF_INET;
	*(six ? &s6->sin6_port : &s4->sin_port) = htons(sp->port);
	inet_pton(ss.ss_family, sp->addr, six ? (void *)&s6->sin6_addr : &s4->sin_addr);
	if (sp->flags & V6ONLY)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (sp->flags & REUSEPORT)
		set(fd, SOL_SOCKET, SO_REUSEPORT);
	if (sp->flags & TRANSPARENT)
		set(fd, IPPROTO_IP, IP_TRANSPARENT);
	if (sp->flags & ON_LO)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, six ? sizeof(*s6) : sizeof(*s4)), 0);
	assert_int_equal(listen(fd, 9), 0);
	return fd;
}

static int set_up(void **state)
{
	static struct fixture f;
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd;

	*state = NULL;
	if (unshare(CLONE_NEWNET) < 0)
		return 0; /* not root: the tests skip */
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return -1;
	close(fd);
	for (size_t i = 0; i < EP_ARRAY_SIZE(specs); i++)
		f.fds[i] = listen_on(&specs[i]);
	f.child = fork();
	if (!f.child) {
		pause();
		_exit(0);
	}
	*state = &f;
	return f.child < 0;
}

static int tear_down(void **state)
{
	const struct fixture *f = *state;

	if (f) {
		kill(f->child, SIGKILL);
		waitpid(f->child, NULL, 0);
	}
	return 0;
}

/* A snapshot that knows only this test's namespace. */
static struct ep_snapshot *snapshot_of_here(void)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct ep_netns *ns;
	char err[128];

	assert_int_equal(ep_netns_resolve(s, NULL, &ns, err, sizeof(err)), 0);
	s->host_netns = ns->ino;
	return s;
}

static const struct ep_listener *find(const struct ep_snapshot *s, int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	ep_each(it, &s->listeners) {
		if (it->ino == st.st_ino)
			return it;
	}
	return NULL;
}

static size_t count_here(const struct ep_snapshot *s)
{
	size_t n = 0;

	ep_each(it, &s->listeners)
		n += it->netns == s->host_netns;
	return n;
}

static void assert_as_bound(const struct fixture *f, const struct ep_snapshot *s)
{
	size_t n = 0;

	for (size_t i = 0; i < EP_ARRAY_SIZE(specs); i++) {
		const struct ep_listener *l;
		unsigned flags = specs[i].flags;
		struct ep_addr addr;

		if (f->fds[i] < 0)
			continue;
		n++;
		l = find(s, f->fds[i]);
		assert_non_null(l);
		assert_int_equal(l->netns, s->host_netns);
		assert_int_equal(l->port, specs[i].port);
		assert_true(ep_addr_parse(specs[i].addr, &addr));
		assert_true(ep_addr_eq(&l->addr, &addr));
		assert_int_equal(l->v6only, !!(flags & V6ONLY));
		assert_int_equal(l->reuseport, !!(flags & REUSEPORT));
		assert_int_equal(l->transparent, !!(flags & TRANSPARENT));
		assert_int_equal(l->bound_ifindex, flags & ON_LO ? 1 : 0);
		assert_int_equal(l->backlog, 9);
		assert_int_equal(l->qlen, 0);
		assert_int_equal(l->uid, geteuid());
		assert_int_equal(l->procs.n, 2);
		assert_int_equal(l->procs.v[0]->pid, getpid());
		assert_int_equal(l->procs.v[1]->pid, f->child);
		assert_string_equal(l->procs.v[0]->comm, "test_sockets");
	}
	assert_int_equal(count_here(s), n);
}

static const struct ep_source *sockets_source(const struct ep_snapshot *s)
{
	ep_each(it, &s->sources) {
		if (!strcmp(it->name, "sockets"))
			return it;
	}
	fail_msg("no report on sockets");
	return NULL;
}

static void by_bpf(void **state)
{
	struct ep_snapshot *s;
	bool bpf;

	if (!*state)
		skip();
	s = snapshot_of_here();
	assert_int_equal(ep_collect_sockets(s), 0);
	assert_as_bound(*state, s);
	bpf = sockets_source(s)->status == EP_COMPLETE;
	if (!bpf)
		print_message("%s\n", sockets_source(s)->reason);
	ep_snapshot_free(s);
	if (!bpf)
		skip();
}

static void by_sock_diag(void **state)
{
	struct ep_snapshot *s;

	if (!*state)
		skip();
	s = snapshot_of_here();
	assert_int_equal(ep_collect_sockets_diag(s, "BPF refused: in this test; "), 0);
	assert_as_bound(*state, s);
	assert_int_equal(sockets_source(s)->status, EP_PARTIAL);
	assert_string_equal(sockets_source(s)->reason,
			    "BPF refused: in this test; read by sock_diag");
	assert_false(s->listeners_partial);
	ep_snapshot_free(s);
}

static void a_namespace_that_cannot_be_entered(void **state)
{
	struct ep_snapshot *s;

	if (!*state)
		skip();
	s = snapshot_of_here();
	ep_netns_add(s, 12)->path = "/dev/null";
	assert_int_equal(ep_collect_sockets_diag(s, ""), 0);
	assert_true(s->listeners_partial);
	assert_int_equal(sockets_source(s)->status, EP_PARTIAL);
	assert_non_null(strstr(sockets_source(s)->reason, "1 of 2"));
	ep_snapshot_free(s);
}

/* A process in a namespace of its own that listens on port 90; says so on the pipe. */
static pid_t start_elsewhere(void)
{
	static const struct spec sp = {"0.0.0.0", 90, 0};
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (unshare(CLONE_NEWNET) == 0 && listen_on(&sp) >= 0 &&
		    write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void another_namespace(void **state)
{
	struct ep_netns *there, *here;
	struct ep_snapshot *s;
	char path[32], err[64];
	struct stat before, after;
	pid_t pid;

	if (!*state)
		skip();
	pid = start_elsewhere();
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	s = snapshot_of_here();
	here = ep_netns_find(s, s->host_netns);
	assert_int_equal(ep_netns_resolve(s, path, &there, err, sizeof(err)), 0);
	assert_true(there != here);
	assert_int_equal(stat("/proc/thread-self/ns/net", &before), 0);
	assert_int_equal(ep_collect_sockets_diag(s, ""), 0);
	assert_int_equal(stat("/proc/thread-self/ns/net", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(s->listeners.n - count_here(s), 1);
	ep_each(it, &s->listeners) {
		if (it->netns != there->ino)
			continue;
		assert_int_equal(it->port, 90);
		assert_int_equal(it->procs.n, 1);
		assert_int_equal(it->procs.v[0]->pid, pid);
		assert_int_equal(it->procs.v[0]->netns, there->ino);
	}
	there->ino = 1; /* another namespace than the one that the path leads to */
	assert_int_equal(ep_ns_enter(there, &(int){0}), -ESTALE);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(ep_ns_enter(there, &(int){0}), -ENOENT);
	ep_snapshot_free(s);
}

/* On its way in a message: nobody has a descriptor, and still it takes connections. */
static void a_listener_in_flight(void **state)
{
	struct spec sp = {"127.0.0.1", 99, 0};
	char control[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	const struct ep_listener *found = NULL;
	struct ep_snapshot *s;
	int pair[2], fd;

	if (!*state)
		skip();
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	fd = listen_on(&sp);
	*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &fd, sizeof(fd));
	assert_int_equal(sendmsg(pair[0], &msg, 0), 1);
	close(fd);

	s = snapshot_of_here();
	assert_int_equal(ep_collect_sockets(s), 0);
	ep_each(it, &s->listeners) {
		if (it->netns == s->host_netns && it->port == 99)
			found = it;
	}
	assert_non_null(found);
	assert_int_equal(found->procs.n, 0);
	ep_snapshot_free(s);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_bpf),
		cmocka_unit_test(by_sock_diag),
		cmocka_unit_test(a_namespace_that_cannot_be_entered),
		cmocka_unit_test(another_namespace),
		cmocka_unit_test(a_listener_in_flight),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
