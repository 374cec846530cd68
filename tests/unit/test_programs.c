// SPDX-License-Identifier: GPL-2.0-or-later
/* BPF programs of sockets, of control groups and of netfilter's hooks on the way of the walk. */
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net_world.h"

#define CLIENT "203.0.113.7"

static int setup(void **state)
{
	static struct net_world x;

	net_world_open(&x);
	*state = &x;
	return 0;
}

static int teardown(void **state)
{
	net_world_close(*state);
	return 0;
}

static const struct ep_outcome *only(struct net_world *x)
{
	assert_int_equal(x->r->outcomes.n, 1);
	return &x->r->outcomes.v[0];
}

static void takes(struct net_world *x, const char *dst, const struct ep_proc *p)
{
	bool v6 = strchr(dst, ':') != NULL;
	const struct ep_outcome *o;

	net_external(x, dst, 443, v6 ? "2001:db8:99::7" : CLIENT);
	o = only(x);
	assert_int_equal(o->verdict, p ? EP_DELIVERED : EP_REFUSED);
	assert_ptr_equal(o->receiver, p);
}

static const struct ep_outcome *ends(struct net_world *x, const char *dst,
				     enum ep_outcome_verdict v)
{
	net_external(x, dst, 443, CLIENT);
	assert_int_equal(only(x)->verdict, v);
	return only(x);
}

static struct ep_hook *program(struct net_world *x, const char *kind)
{
	struct ep_cgroup *c = ep_alloc(x->s->arena, sizeof(*c));
	struct ep_hook *h = ep_push(x->s->arena, &c->hooks);

	*ep_push(x->s->arena, &x->s->cgroups) = c;
	c->id = 100 + x->s->cgroups.n;
	c->path = x->s->cgroups.n == 1 ? "/" : "/inner";
	*h = (struct ep_hook){
		.kind = kind, .name = "prog", .prog_id = 7, .may_take = true, .at = c->path};
	return h;
}

static void programs_of_sockets(void **state)
{
	struct net_world *x = *state;
	struct ep_proc *web = net_proc(x, x->host, 10, "web");
	struct ep_listener *l = net_listener(x, x->host, "0.0.0.0", 443, web);
	struct ep_hook *root = program(x, "cgroup-ingress"), *own;
	struct ep_hook *inner = program(x, "cgroup-ingress");

	takes(x, "198.51.100.1", web);
	l->cgroup = 102;
	assert_non_null(strstr(ends(x, "198.51.100.1", EP_UNKNOWN)->reason,
			       "cgroup-ingress program prog (id 7) of cgroup /inner may drop"));
	inner->may_take = false;
	takes(x, "198.51.100.1", web);
	/* A group that was not read. */
	l->cgroup = 999;
	ends(x, "198.51.100.1", EP_UNKNOWN);
	l->cgroup = 102;
	own = ep_push(x->s->arena, &l->hooks);
	*own = (struct ep_hook){.kind = "socket-filter", .may_take = true};
	assert_non_null(strstr(ends(x, "198.51.100.1", EP_UNKNOWN)->reason, "without a name"));
	own->may_take = false;
	takes(x, "198.51.100.1", web);
	/* A process of this host is subject to the root's programs where it connects. */
	root->kind = "cgroup-connect4";
	takes(x, "198.51.100.1", web);
	net_from_host(x, "198.51.100.1", 443);
	assert_int_equal(only(x)->verdict, EP_UNKNOWN);
	root->kind = "cgroup-connect6";
	net_from_host(x, "198.51.100.1", 443);
	assert_int_equal(only(x)->verdict, EP_DELIVERED);
	root->kind = "cgroup-egress";
	net_from_host(x, "198.51.100.1", 443);
	assert_int_equal(only(x)->verdict, EP_UNKNOWN);
	root->may_take = false;
	net_from_host(x, "198.51.100.1", 443);
	assert_int_equal(only(x)->verdict, EP_DELIVERED);
}

static void programs_of_a_container(void **state)
{
	struct net_world *x = *state;
	struct ep_container *c = ep_alloc(x->s->arena, sizeof(*c));
	struct ep_query q = {.origin = EP_CONTAINER,
			     .dst = net_addr("172.18.0.1"),
			     .dport = 443,
			     .netns = NET_C1};

	program(x, "cgroup-connect6");
	program(x, "cgroup-connect4");
	*ep_push(x->s->arena, &x->s->containers) = c;
	c->netns = NET_C1;
	x->r = ep_walk(x->s, &q, NULL);
	assert_int_equal(only(x)->verdict, EP_REFUSED);
	ep_result_free(x->r);
	c->cgroup = 102;
	x->r = ep_walk(x->s, &q, NULL);
	assert_int_equal(only(x)->verdict, EP_UNKNOWN);
	assert_non_null(strstr(only(x)->reason, "may connect elsewhere"));
}

static void programs_that_pick(void **state)
{
	struct net_world *x = *state;
	struct ep_proc *one = net_proc(x, x->host, 10, "one"),
		       *two = net_proc(x, x->host, 11, "two");
	struct ep_listener *l = net_listener(x, x->host, "0.0.0.0", 443, one), *m;
	struct ep_hook *h;

	l->reuseport = true;
	h = ep_push(x->s->arena, &l->hooks);
	*h = (struct ep_hook){.kind = "reuseport", .name = "pick", .may_take = true};
	takes(x, "198.51.100.1", one);
	h->prog_id = 7; /* it may refuse */
	ends(x, "198.51.100.1", EP_UNKNOWN);
	h->prog_id = 0;
	m = net_listener(x, x->host, "0.0.0.0", 443, two);
	m->reuseport = true;
	assert_non_null(strstr(ends(x, "198.51.100.1", EP_UNKNOWN)->reason, "pick the socket"));
	h->may_take = false; /* by a hash: both */
	net_external(x, "198.51.100.1", 443, CLIENT);
	assert_int_equal(x->r->outcomes.n, 2);
}

static void programs_of_netfilter(void **state)
{
	struct net_world *x = *state;
	struct ep_hook *h = ep_push(x->s->arena, &x->host->hooks);

	*h = (struct ep_hook){.kind = "netfilter-bpf",
			      .family = NFPROTO_IPV4,
			      .hook = NF_INET_FORWARD,
			      .may_take = true};
	ends(x, "198.51.100.1", EP_REFUSED);
	h->hook = NF_INET_LOCAL_IN;
	ends(x, "198.51.100.1", EP_UNKNOWN);
	ends(x, "172.18.0.9", EP_UNREACHABLE);
	h->family = NFPROTO_IPV6;
	ends(x, "198.51.100.1", EP_REFUSED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(programs_of_sockets),
		TEST(programs_of_a_container),
		TEST(programs_that_pick),
		TEST(programs_of_netfilter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
