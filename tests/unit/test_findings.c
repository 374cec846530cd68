// SPDX-License-Identifier: GPL-2.0-or-later
/* Findings on saved hosts: two outages, and what is left when something of them is taken away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "check_world.h"

static struct check_world w;

static int open_outage(void **state)
{
	(void)state;
	check_world_open(&w, "outage");
	return 0;
}

static int open_hostport(void **state)
{
	(void)state;
	check_world_open(&w, "hostport");
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	check_world_close(&w);
	return 0;
}

static struct ep_container *container(const char *name)
{
	ep_each(c, &w.s->containers)
		if ((*c)->name && !strcmp((*c)->name, name))
			return *c;
	fail_msg("no container %s", name);
	return NULL;
}

static const struct ep_heard *heard(const char *addr, uint16_t port)
{
	struct ep_addr a;

	assert_true(ep_addr_parse(addr, &a));
	ep_each(h, &w.c->listeners)
		if (h->listener->port == port && ep_addr_eq(&h->listener->addr, &a))
			return h;
	fail_msg("nobody listens on %s port %u", addr, port);
	return NULL;
}

/* ---- the outage: nginx on the host, Docker's rules before it ---- */

static void test_intercepted(void **state)
{
	static const uint16_t ports[] = {80, 443, 8080};

	(void)state;
	assert_int_equal(w.c->status, EP_SEV_CRITICAL);
	for (size_t i = 0; i < EP_ARRAY_SIZE(ports); i++) {
		const struct ep_finding *f = check_world_find(&w, "intercepted-listener", ports[i]);
		struct ep_owner owner;

		assert_non_null(f);
		assert_int_equal(f->severity, EP_SEV_CRITICAL);
		assert_int_equal(f->family, AF_INET);
		assert_int_equal(f->subject.kind, EP_WHO_POD);
		assert_string_equal(f->subject.proc->comm, "nginx");
		assert_int_equal(f->taken_by.kind, EP_WHO_CONTAINER);
		assert_string_equal(f->taken_by.container->name, "traefik");
		assert_string_equal(f->step->chain, "DOCKER");
		owner = ep_rule_owner(w.s, w.c->arena, f->step);
		assert_string_equal(owner.kind, "docker");
		assert_string_equal(owner.name, "traefik");
		assert_non_null(strstr(f->summary, "nginx"));
		assert_non_null(strstr(f->summary, "traefik"));
		assert_null(strchr(f->summary, '\n'));
	}
}

static void test_remedy_is_walked(void **state)
{
	const struct ep_finding *f = check_world_find(&w, "intercepted-listener", 443);
	const struct ep_remedy *m = f->remedies.v;

	(void)state;
	assert_int_equal(f->remedies.n, 2);
	assert_null(m->command);
	assert_non_null(strstr(m->text, "compose"));
	assert_true(m->verified);
	m++;
	assert_string_equal(m->command, "docker stop traefik");
	assert_true(m->verified);
	assert_non_null(strstr(m->then, "nginx"));
	assert_non_null(strstr(m->then, "443/tcp"));
	assert_int_equal(m->side_effects.n, 0);
}

static void test_reached_from_outside(void **state)
{
	(void)state;
	assert_int_equal(heard("0.0.0.0", 443)->reached, EP_HEARD_NO);
	assert_int_equal(heard("::", 443)->reached, EP_HEARD_YES);
}

static void test_families_differ(void **state)
{
	const struct ep_finding *f = check_world_find(&w, "family-divergence", 443);

	(void)state;
	assert_non_null(f);
	assert_int_equal(f->severity, EP_SEV_WARNING);
	assert_int_equal(f->family, 0);
	assert_int_equal(f->edges.n, 2);
}

static void test_nobody_is_left(void **state)
{
	const struct ep_finding *f;

	(void)state;
	/* The container's process dies, and so does nginx; the rules stay. */
	w.s->listeners.n = 0;
	check_world_again(&w);
	f = check_world_find(&w, "no-receiver", 443);
	assert_non_null(f);
	assert_int_equal(f->severity, EP_SEV_CRITICAL);
	assert_string_equal(f->subject.container->name, "traefik");
	assert_null(check_world_find(&w, "intercepted-listener", 0));
	assert_int_equal(w.c->status, EP_SEV_CRITICAL);
	/* IPv6 has no rule: nobody says that somebody should be there. */
	ep_each(a, &w.c->answers)
		if (a->edge->addr.len == 16)
			assert_true(a->closed);
}

static void test_without_container(void **state)
{
	struct ep_without without = {};

	(void)state;
	ep_without_container(w.s, w.s->arena, &without, container("traefik"));
	w.spec.without = &without;
	check_world_again(&w);
	assert_int_equal(w.c->status, EP_SEV_OK);
	assert_int_equal(w.c->findings.n, 0);
	assert_int_equal(heard("0.0.0.0", 443)->reached, EP_HEARD_YES);
}

static void test_succession(void **state)
{
	const struct ep_answer *a = NULL;

	(void)state;
	ep_each(it, &w.c->answers)
		if (it->origin == EP_EXTERNAL && it->port == 443 && it->edge->addr.len == 4)
			a = it;
	assert_non_null(a);
	assert_int_equal(a->heirs.n, 1);
	assert_null(a->heirs.v[0].by);
	assert_string_equal(a->heirs.v[0].who.proc->comm, "nginx");
}

static void test_void(void **state)
{
	(void)state;
	ep_check_void(w.c, "rules moved");
	assert_int_equal(w.c->status, EP_SEV_UNKNOWN);
	assert_int_equal(w.c->findings.n, 0);
	ep_each(a, &w.c->answers) {
		assert_int_equal(a->status, EP_SEV_UNKNOWN);
		ep_each(o, &a->result->outcomes) {
			assert_int_equal(o->verdict, EP_UNKNOWN);
			assert_string_equal(o->reason, "rules moved");
			assert_int_equal(o->steps.n, 0);
		}
	}
	ep_each(h, &w.c->listeners)
		assert_int_equal(h->reached, EP_HEARD_UNKNOWN);
}

static void test_opaque_hook(void **state)
{
	struct ep_netns *ns = ep_netns_find(w.s, w.s->host_netns);
	const struct ep_finding *f;

	(void)state;
	assert_null(check_world_find(&w, "opaque-hook", 0));
	*ep_push(w.s->arena, &ns->hooks) = (struct ep_hook){.kind = "xdp",
							    .ifindex = 2,
							    .name = "\033[31mevil",
							    .prog_id = 7,
							    .may_take = true};
	check_world_again(&w);
	f = check_world_find(&w, "opaque-hook", 0);
	assert_non_null(f);
	assert_null(strchr(f->summary, '\033'));
	assert_int_equal(w.c->answers.v[0].status, EP_SEV_UNKNOWN);
}

/* ---- hostPort rules behind Docker's ---- */

static void test_hostport(void **state)
{
	const struct ep_finding *f = check_world_find(&w, "intercepted-listener", 443);
	const struct ep_finding *shadowed = check_world_find(&w, "shadowed-rule", 443);

	(void)state;
	assert_non_null(f);
	assert_int_equal(f->subject.kind, EP_WHO_POD);
	assert_string_equal(f->subject.container->pod.name, "nginx-7d9");
	assert_string_equal(f->step->chain, "DOCKER");
	assert_non_null(shadowed);
	assert_int_equal(strncmp(shadowed->step->chain, "CNI-DN-", 7), 0);
	assert_string_equal(ep_rule_owner(w.s, w.c->arena, shadowed->step).kind, "cni-portmap");
	/* docker-proxy holds the ports for traefik: that is no interception. */
	ep_each(any, &w.c->findings)
		if (any->has_subject && any->subject.proc)
			assert_string_not_equal(any->subject.proc->comm, "docker-proxy");
	assert_true(f->remedies.v[0].verified);
	assert_true(f->remedies.v[0].side_effects.n > 0);
}

/* ---- parts ---- */

static void test_who_same(void **state)
{
	struct ep_container x = {.id = "1", .name = "a"}, y = {.id = "1", .name = "a"},
			    p = {.id = "2", .pod = {.ns = "n", .name = "p"}},
			    q = {.id = "3", .pod = {.ns = "n", .name = "p"}};
	struct ep_proc px = {.pid = 1, .comm = "w", .container = &x},
		       py = {.pid = 2, .comm = "w", .container = &y},
		       pp = {.pid = 3, .container = &p}, pq = {.pid = 4, .container = &q},
		       a = {.pid = 5, .comm = "w", .exe = "/w", .netns = 1},
		       b = {.pid = 6, .comm = "w", .exe = "/w", .netns = 1},
		       c = {.pid = 7, .comm = "w", .exe = "/w", .netns = 2};
	const struct {
		const struct ep_proc *x, *y;
		bool same;
	} cases[] = {
		{&px, &py, true}, {&pp, &pq, true}, {&px, &pp, false}, {&a, &b, true},
		{&a, &c, false},  {&a, &px, false}, {NULL, &a, false}, {NULL, NULL, true},
	};

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		struct ep_who l = ep_who_of_proc(cases[i].x), r = ep_who_of_proc(cases[i].y);

		assert_int_equal(ep_who_same(&l, &r), cases[i].same);
		assert_int_equal(ep_who_same(&r, &l), cases[i].same);
	}
}

static void test_owner_of_hand_written(void **state)
{
	struct ep_nft_rule rule = {.position = 1};
	static const struct {
		const char *chain, *action, *to, *kind;
	} cases[] = {
		{"DOCKER", "dnat", "172.18.0.2:443", "docker"},
		{"DOCKER", "dnat", "172.18.0.77:443", "unowned"},
		{"DOCKER", "dnat", "nonsense", "unowned"},
		{"DOCKER-USER", "accept", NULL, "unowned"},
		{"DOCKERISH", "dnat", "172.18.0.2:443", "unowned"},
		{"PREROUTING", "jump", "DOCKER", "docker"},
		{"PREROUTING", "dnat", "172.18.0.2:443", "unowned"},
		{"KUBE-SVC-ABC", "jump", "KUBE-SEP-X", "kube-proxy"},
		{"CNI-HOSTPORT-DNAT", "jump", "CNI-DN-1", "cni-portmap"},
	};

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		struct ep_step s = {.kind = EP_STEP_RULE,
				    .hook = "prerouting",
				    .family = "ip",
				    .table = "nat",
				    .chain = cases[i].chain,
				    .action = cases[i].action,
				    .to = cases[i].to,
				    .rule.nft = &rule};

		assert_string_equal(ep_rule_owner(w.s, w.c->arena, &s).kind, cases[i].kind);
	}
}

static void test_main_outcome(void **state)
{
	struct ep_arena *a = ep_arena_new();
	struct ep_result r = {.arena = a};

	(void)state;
	assert_null(ep_main_outcome(&r));
	*ep_push(a, &r.outcomes) = check_world_outcome(a, EP_DROPPED, "192.0.2.1", 1);
	r.outcomes.v[0].martian = true;
	assert_null(ep_main_outcome(&r));
	for (int i = 0; i < 2; i++) {
		struct ep_outcome *o = ep_push(a, &r.outcomes);

		*o = check_world_outcome(a, i ? EP_DELIVERED : EP_REFUSED, "192.0.2.1", 1);
		o->probability = 0.5;
	}
	assert_int_equal(ep_main_outcome(&r)->verdict, EP_DELIVERED);
	r.outcomes.v[1].probability = 0.6;
	assert_int_equal(ep_main_outcome(&r)->verdict, EP_REFUSED);
	ep_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest outage[] = {
		cmocka_unit_test_setup_teardown(test_intercepted, open_outage, close_world),
		cmocka_unit_test_setup_teardown(test_remedy_is_walked, open_outage, close_world),
		cmocka_unit_test_setup_teardown(test_reached_from_outside, open_outage,
						close_world),
		cmocka_unit_test_setup_teardown(test_families_differ, open_outage, close_world),
		cmocka_unit_test_setup_teardown(test_nobody_is_left, open_outage, close_world),
		cmocka_unit_test_setup_teardown(test_without_container, open_outage, close_world),
		cmocka_unit_test_setup_teardown(test_succession, open_outage, close_world),
		cmocka_unit_test_setup_teardown(test_void, open_outage, close_world),
		cmocka_unit_test_setup_teardown(test_opaque_hook, open_outage, close_world),
		cmocka_unit_test_setup_teardown(test_hostport, open_hostport, close_world),
		cmocka_unit_test_setup_teardown(test_owner_of_hand_written, open_outage,
						close_world),
		cmocka_unit_test(test_who_same),
		cmocka_unit_test(test_main_outcome),
	};

	return cmocka_run_group_tests(outage, NULL, NULL);
}
