// SPDX-License-Identifier: GPL-2.0-or-later
/* Command lines of userland proxies, and how the walk follows them. */
#include <linux/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collect/owners_i.h"
#include "net_world.h"

static const struct {
	const char *kind,
		*ways; /* "8080-8081>10.0.0.1:80", "tap:80", "(name)", with blanks between */
	const char *exe, *argv[16];
} lines[] = {
	{"docker-proxy",
	 "",
	 "/usr/bin/docker-proxy",
	 {"p", "-container-ip", "10.0.0.1", "-container-port", "1"}},
	{"socat",
	 "0-0>10.0.0.1:80",
	 "/usr/bin/socat",
	 {"s", "TCP-LISTEN:1,fork", "TCP:10.0.0.1:80"}},
	{"socat",
	 "0-0>[fd00::1]:80",
	 "/usr/bin/socat1",
	 {"s", "-d", "-T", "3", "tcp6-l:1,FORK", "tcp6-connect:[fd00::1]:80,nodelay,retry=3"}},
	{"socat", "0-0>127.0.0.1:80 0-0>[::1]:80", "/b/socat", {"s", "TCP-L:1", "TCP:localhost:80"}},
	{"socat", "0-0>[::1]:80", "/b/socat", {"s", "TCP-L:1", "TCP6:localhost:80"}},
	{"socat", "(TCP6:10.0.0.1:80)", "/b/socat", {"s", "TCP-L:1", "TCP6:10.0.0.1:80"}},
	{"socat", "(TCP:db:80)", "/b/socat", {"s", "TCP-L:1", "TCP:db:80"}},
	{"socat", "(TCP:1.2.3.4:http)", "/b/socat", {"s", "TCP-L:1", "TCP:1.2.3.4:http"}},
	{"socat",
	 "(TCP:1.2.3.4:80,bind=9.9.9.9)",
	 "/b/socat",
	 {"s", "TCP-L:1", "TCP:1.2.3.4:80,bind=9.9.9.9"}},
	{"socat", "(TCP:1.2.3.4:80!!-)", "/b/socat", {"s", "TCP-L:1", "TCP:1.2.3.4:80!!-"}},
	{"socat", "(UNIX-CONNECT:/x)", "/b/socat", {"s", "TCP-L:1", "UNIX-CONNECT:/x"}},
	{"socat", "(TCP-L:1)", "/b/socat", {"s", "TCP:1.2.3.4:80", "TCP-L:1"}},
	{"socat", "", "/b/socat", {"s"}},
	{"systemd-socket-proxyd",
	 "0-0>10.0.0.1:8080",
	 "/lib/systemd/systemd-socket-proxyd",
	 {"p", "-c", "5", "--exit-idle-time=30s", "10.0.0.1:8080"}},
	{"systemd-socket-proxyd",
	 "0-0>127.0.0.1:80 0-0>[::1]:80",
	 "/x/systemd-socket-proxyd",
	 {"p", "--connections-max", "9", "localhost"}},
	{"systemd-socket-proxyd",
	 "(the Unix socket /run/x)",
	 "/x/systemd-socket-proxyd",
	 {"p", "--", "/run/x"}},
	{"systemd-socket-proxyd", "(db:80)", "/x/systemd-socket-proxyd", {"p", "db:80"}},
	{"pasta",
	 "8080-8080>tap:80 443-445>tap:1443 0-0>tap:0",
	 "/usr/bin/passt.avx2",
	 {"/usr/bin/pasta", "-4q", "-t8080:80", "--tcp-ports", "192.0.2.1%e0/443-445:1443-1445,~99",
	  "-P", "/x", "sh", "-t", "1:2"}},
	{"pasta", "0-0>tap:0", "/b/pasta", {"pasta", "--tcp-ports=auto"}},
	{"pasta", "", "/b/pasta", {"pasta", "-t", "80-90:1-3"}},
	{"pasta", "", "/b/pasta", {"pasta", "-t", "what"}},
	{"pasta", "", "/b/passt", {"passt", "-t", "80"}},
	{"slirp4netns", "", "/b/slirp4netns", {"s", "--mtu", "65520", "-r", "3", "1234", "tap0"}},
	{"rootlesskit",
	 "8080-8080>127.0.0.1:80 443-443>127.0.0.1:444 81-81>10.0.0.9:82",
	 "/b/rootlesskit",
	 {"r", "--net=slirp4netns", "-p", "0.0.0.0:8080:80/tcp", "--publish=443:444/tcp", "-p",
	  "1.2.3.4:81:10.0.0.9:82/tcp", "-p", "53:53/udp", "sh", "-p", "1:2/tcp"}},
	{"rootlesskit", "", "/b/rootlesskit", {"r", "--detach-netns", "-p", "1:2/tcp", "sh"}},
	{"rootlessport", "(a port that only Podman knows)", "/b/rootlessport", {"rootlessport"}},
	{"kubectl port-forward",
	 "(svc/web, by the API server)",
	 "/b/kubectl",
	 {"kubectl", "-n", "x", "port-forward", "svc/web", "80"}},
	{NULL, "", "/b/kubectl", {"kubectl", "get", "pods"}},
	{NULL, "", "/b/k3s", {"k3s", "server"}},
	{"ssh",
	 "(80:db:80, from where ssh is logged in)",
	 "/b/ssh",
	 {"ssh", "-N", "-L", "80:db:80", "h"}},
	{"ssh", "(what ssh connects to, from where it is logged in)", "/b/ssh", {"ssh", "h"}},
	{"sshd",
	 "(what the client of this ssh session connects to)",
	 "/usr/sbin/sshd",
	 {"sshd: u@pts/0"}},
	{NULL, "", "/usr/sbin/sshd", {"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"}},
	{NULL, "", "/usr/bin/python3", {"socat", "TCP-L:1", "TCP:1.2.3.4:80"}},
};

static const char *ways_text(struct ep_arena *a, const struct ep_proc *p)
{
	const char *text = "";
	char buf[EP_ADDRSTR];

	ep_each(w, &p->proxy_ways) {
		const char *to = w->name ? ep_sprintf(a, "(%s)", w->name) :
				 w->by_device ?
					   ep_sprintf(a, "%u-%u>tap:%u", w->lo, w->hi, w->port) :
					   ep_sprintf(a, "%u-%u>%s", w->lo, w->hi,
						      ep_addrport_str(&w->addr, w->port, buf));

		text = ep_sprintf(a, "%s%s%s", text, *text ? " " : "", to);
	}
	return text;
}

static void command_lines(void **state)
{
	struct ep_arena *a = ep_arena_new();

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(lines); i++) {
		struct ep_proc p = {.exe = lines[i].exe};
		struct ep_proxy proxy;

		for (size_t k = 0; k < 16 && lines[i].argv[k]; k++)
			*ep_push(a, &p.argv) = lines[i].argv[k];
		ep_proxy_parse(a, &p, &proxy);
		if (lines[i].kind)
			assert_string_equal(p.proxy_kind, lines[i].kind);
		else
			assert_null(p.proxy_kind);
		assert_string_equal(ways_text(a, &p), lines[i].ways);
	}
	ep_arena_free(a);
}

static void a_line_that_was_cut(void **state)
{
	struct ep_arena *a = ep_arena_new();
	struct ep_proc p = {.exe = "/b/pasta"};
	struct ep_proxy proxy;

	(void)state;
	*ep_push(a, &p.argv) = "pasta";
	while (p.argv.n < EP_MAX_ARGS)
		*ep_push(a, &p.argv) = "-t80";
	ep_proxy_parse(a, &p, &proxy);
	assert_int_equal(proxy.place, EP_PLACE_OWN);
	assert_int_equal(p.proxy_ways.n, 1);
	assert_non_null(p.proxy_ways.v[0].name);
	ep_arena_free(a);
}

#define DB                                                                                \
	"\0\0junk config{\"spec\":{},\"id\":\"aa\",\"newPortMappings\":[]}\0\0config{\"x" \
	"\0config{\"spec\":{\"id\":1},\"id\":\"bb\",\"newPortMappings\":["                \
	"{\"host_ip\":\"\",\"container_port\":80,\"host_port\":8080,\"range\":2,"         \
	"\"protocol\":\"tcp\"},{\"container_port\":53,\"host_port\":53,\"range\":1,"      \
	"\"protocol\":\"udp\"},{\"container_port\":65535,\"host_port\":1,\"range\":2,"    \
	"\"protocol\":\"tcp\"},{\"host_port\":9,\"protocol\":\"tcp\"}]}\0\0"

static void database_of_podman(void **state)
{
	struct ep_arena *a = ep_arena_new();
	struct ep_proc p = {};

	(void)state;
	*ep_push(a, &p.proxy_ways) = (struct ep_proxy_way){.name = "?"};
	assert_false(ep_podman_read_db(a, DB, sizeof(DB), "cc", &p));
	assert_false(ep_podman_read_db(a, DB, 100, "bb", &p));
	assert_int_equal(p.proxy_ways.n, 1);
	assert_true(ep_podman_read_db(a, DB, sizeof(DB), "bb", &p));
	assert_int_equal(p.proxy_ways.n, 1);
	assert_int_equal(p.proxy_ways.v[0].lo, 8080);
	assert_int_equal(p.proxy_ways.v[0].hi, 8081);
	assert_int_equal(p.proxy_ways.v[0].port, 80);
	assert_true(p.proxy_ways.v[0].own_addr);
	assert_true(ep_podman_read_db(a, DB, sizeof(DB), "aa", &p));
	assert_int_equal(p.proxy_ways.n, 0);
	ep_arena_free(a);
}

/* ---- the walk ---- */

static struct net_world x;
static struct ep_proc *proxy, *web;

static int setup(void **state)
{
	(void)state;
	net_world_open(&x);
	proxy = net_proc(&x, x.host, 10, "proxy");
	proxy->proxy_kind = "pasta";
	web = net_proc(&x, x.c1, 11, "web");
	net_listener(&x, x.host, "0.0.0.0", 443, proxy);
	net_listener(&x, x.c1, "0.0.0.0", 8443, web);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	net_world_close(&x);
	return 0;
}

static struct ep_proxy_way *way(struct ep_proxy_way w)
{
	struct ep_proxy_way *p = ep_push(x.s->arena, &proxy->proxy_ways);

	*p = w;
	return p;
}

static const struct ep_outcome *walk(void)
{
	net_external(&x, "198.51.100.1", 443, "203.0.113.7");
	assert_int_equal(x.r->outcomes.n, 1);
	return &x.r->outcomes.v[0];
}

static void by_port(void **state)
{
	const struct ep_outcome *o;

	(void)state;
	way((struct ep_proxy_way){.lo = 1, .hi = 400, .addr = net_addr("10.9.9.9"), .port = 1});
	way((struct ep_proxy_way){
		.lo = 440, .hi = 450, .addr = net_addr("172.18.0.2"), .port = 8440});
	way((struct ep_proxy_way){.addr = net_addr("10.9.9.9")});
	o = walk();
	assert_ptr_equal(o->receiver, web);
	assert_int_equal(o->via.n, 1);
	assert_ptr_equal(o->via.v[0], proxy);
	/* It connects in the namespace that the way names. */
	proxy->proxy_ways.v[1].addr = net_addr("198.51.100.1");
	assert_int_equal(walk()->verdict, EP_REFUSED);
	assert_int_equal(walk()->final.netns, NET_HOST);
	proxy->proxy_ways.v[1].addr = net_addr("172.18.0.2");
	proxy->proxy_ways.v[1].netns = NET_C1;
	assert_ptr_equal(walk()->receiver, web);
	proxy->proxy_ways.v[1].netns = 77;
	assert_ptr_equal(walk()->receiver, proxy);
}

static void not_known(void **state)
{
	const struct ep_outcome *o = walk();

	(void)state;
	assert_int_equal(o->verdict, EP_DELIVERED);
	assert_ptr_equal(o->receiver, proxy);
	assert_non_null(strstr(o->reason, "is a proxy"));
	way((struct ep_proxy_way){.name = "db:80"});
	assert_non_null(strstr(walk()->reason, "db:80"));
	assert_int_equal(walk()->via.n, 0);
}

static void one_of_two(void **state)
{
	const struct ep_outcome *o;

	(void)state;
	way((struct ep_proxy_way){.addr = net_addr("172.18.0.2"), .port = 8443});
	way((struct ep_proxy_way){.addr = net_addr("172.18.0.2"), .port = 8444});
	o = walk();
	assert_int_equal(o->verdict, EP_UNKNOWN);
	assert_non_null(strstr(o->reason, "which of its target's addresses"));
	proxy->proxy_ways.v[1].port = 8443;
	assert_ptr_equal(walk()->receiver, web);
}

static void by_device(void **state)
{
	struct ep_link *eth = net_link_of(x.c1, NET_ETH0);
	const struct ep_outcome *o;

	(void)state;
	way((struct ep_proxy_way){.by_device = true, .port = 8443, .netns = NET_C1});
	assert_int_equal(walk()->verdict, EP_UNKNOWN);
	eth->kind = "tun";
	o = walk();
	assert_ptr_equal(o->receiver, web);
	assert_string_equal(o->final.dev, "eth0");
	/* Sockets of the other direction. */
	proxy->proxy_ways.v[0].netns = NET_HOST;
	assert_ptr_equal(walk()->receiver, proxy);
}

static void to_its_own_address(void **state)
{
	(void)state;
	way((struct ep_proxy_way){.own_addr = true, .port = 8443, .netns = NET_C1});
	assert_ptr_equal(walk()->receiver, web);
	assert_int_equal(walk()->via.n, 1);
	net_ifaddr(&x, x.c1, NET_ETH0, "172.18.0.3/16");
	assert_int_equal(walk()->verdict, EP_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines),
		cmocka_unit_test(a_line_that_was_cut),
		cmocka_unit_test(database_of_podman),
		cmocka_unit_test_setup_teardown(to_its_own_address, setup, teardown),
		cmocka_unit_test_setup_teardown(by_port, setup, teardown),
		cmocka_unit_test_setup_teardown(not_known, setup, teardown),
		cmocka_unit_test_setup_teardown(one_of_two, setup, teardown),
		cmocka_unit_test_setup_teardown(by_device, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
