// SPDX-License-Identifier: GPL-2.0-or-later
/* Loading on demand, lookups and completeness of the snapshot. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "edgepath/model.h"

struct counter {
	unsigned asked, calls;
	int fail;
};

static int provide_netns(void *ctx, struct ep_snapshot *s, struct ep_netns *ns, unsigned need)
{
	struct counter *c = ctx;

	c->asked |= need;
	c->calls++;
	if (!c->fail)
		ep_push(s->arena, &ns->links)->name = "eth0";
	return c->fail;
}

static int provide_chain(void *ctx, struct ep_snapshot *s, struct ep_netns *ns,
			 struct ep_nft_chain *chain)
{
	struct counter *c = ctx;

	(void)s;
	(void)ns;
	(void)chain;
	c->calls++;
	return c->fail;
}

static int provide_set(void *ctx, struct ep_snapshot *s, struct ep_netns *ns,
		       struct ep_nft_set *set)
{
	(void)set;
	return provide_chain(ctx, s, ns, NULL);
}

static int provide_ipset(void *ctx, struct ep_snapshot *s, struct ep_netns *ns, uint16_t index)
{
	struct counter *c = ctx;
	struct ep_ipset *set = ep_alloc(s->arena, sizeof(*set));

	c->calls++;
	if (c->fail)
		return c->fail;
	set->index = index;
	*ep_push(s->arena, &ns->ipsets) = set;
	return 0;
}

static struct ep_provider provider_of(struct counter *c)
{
	return (struct ep_provider){.ctx = c,
				    .netns = provide_netns,
				    .nft_chain = provide_chain,
				    .nft_set = provide_set,
				    .ipset = provide_ipset};
}

static void what_is_loaded_is_not_asked_again(void **state)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct counter c = {};
	struct ep_provider p = provider_of(&c);
	struct ep_netns *ns = ep_netns_add(s, 4026531840);

	(void)state;
	s->provider = &p;
	assert_int_equal(ep_netns_need(s, ns, EP_NEED_LINKS), 0);
	assert_int_equal(ep_netns_need(s, ns, EP_NEED_LINKS), 0);
	assert_int_equal(c.calls, 1);
	assert_int_equal(ep_netns_need(s, ns, EP_NEED_LINKS | EP_NEED_NFT), 0);
	assert_int_equal(c.asked, EP_NEED_LINKS | EP_NEED_NFT);
	assert_int_equal(c.calls, 2);
	assert_int_equal(ns->have, EP_NEED_LINKS | EP_NEED_NFT);
	assert_null(ns->failed);
	ep_snapshot_free(s);
}

static void a_failure_stays_a_failure(void **state)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct counter c = {.fail = -EPERM};
	struct ep_provider p = provider_of(&c);
	struct ep_netns *ns = ep_netns_add(s, 1);
	struct ep_nft_chain chain = {};
	struct ep_nft_set set = {};

	(void)state;
	s->provider = &p;
	assert_int_equal(ep_netns_need(s, ns, EP_NEED_ROUTES), -EPERM);
	assert_int_equal(ep_netns_need(s, ns, EP_NEED_ROUTES), -EPERM);
	assert_int_equal(ns->have, 0);
	assert_string_equal(ns->failed, strerror(EPERM));
	assert_int_equal(ep_nft_chain_need(s, ns, &chain), -EPERM);
	assert_false(chain.loaded);
	assert_int_equal(ep_nft_set_need(s, ns, &set), -EPERM);
	assert_false(set.loaded);
	assert_null(ep_ipset_need(s, ns, 3));
	c.fail = 0;
	assert_int_equal(ep_nft_chain_need(s, ns, &chain), 0);
	assert_int_equal(ep_nft_set_need(s, ns, &set), 0);
	assert_true(chain.loaded && set.loaded);
	c.calls = 0;
	assert_int_equal(ep_nft_chain_need(s, ns, &chain), 0);
	assert_int_equal(ep_nft_set_need(s, ns, &set), 0);
	assert_int_equal(c.calls, 0);
	ep_snapshot_free(s);
}

static void an_ipset_is_read_once(void **state)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct counter c = {};
	struct ep_provider p = provider_of(&c);
	struct ep_netns *ns = ep_netns_add(s, 1);

	(void)state;
	s->provider = &p;
	assert_non_null(ep_ipset_need(s, ns, 3));
	assert_ptr_equal(ep_ipset_need(s, ns, 3), ns->ipsets.v[0]);
	assert_int_equal(c.calls, 1);
	ep_snapshot_free(s);
}

static void a_saved_snapshot_knows_what_it_lacks(void **state)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct ep_netns *ns = ep_netns_add(s, 1);
	struct ep_nft_chain chain = {};

	(void)state;
	ns->have = EP_NEED_LINKS;
	assert_int_equal(ep_netns_need(s, ns, EP_NEED_LINKS), 0);
	assert_int_equal(ep_netns_need(s, ns, EP_NEED_LINKS | EP_NEED_XT), -ENODATA);
	assert_non_null(ns->failed);
	assert_int_equal(ep_nft_chain_need(s, ns, &chain), -ENODATA);
	assert_null(ep_ipset_need(s, ns, 1));
	ep_snapshot_free(s);
}

static void new_namespaces_know_nothing(void **state)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct ep_netns *ns = ep_netns_add(s, 7);

	(void)state;
	assert_ptr_equal(ep_netns_add(s, 7), ns);
	assert_ptr_equal(ep_netns_find(s, 7), ns);
	assert_null(ep_netns_find(s, 8));
	assert_int_equal(ns->ip_forward, -1);
	assert_int_equal(ns->bridge_nf_call_ip6, -1);
	assert_int_equal(ns->fwmark_reflect, -1);
	ep_snapshot_free(s);
	ep_snapshot_free(NULL);
}

static void lookups(void **state)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct ep_netns *ns = ep_netns_add(s, 1);
	struct ep_nft_chain chain = {.name = "DOCKER"};
	struct ep_nft_obj obj = {.name = "helper", .type = 3};
	struct ep_nft_table t = {};
	struct ep_addr a;

	(void)state;
	*ep_push(s->arena, &ns->links) = (struct ep_link){.ifindex = 2, .name = "eth0"};
	assert_int_equal(ep_link_by_name(ns, "eth0")->ifindex, 2);
	assert_string_equal(ep_link_by_index(ns, 2)->name, "eth0");
	assert_null(ep_link_by_index(ns, 3));
	assert_null(ep_link_by_name(ns, "eth"));
	assert_true(ep_addr_parse("2001:db8::1", &a));
	ep_push(s->arena, &ns->addrs)->addr = a;
	assert_non_null(ep_ifaddr_find(ns, &a));
	assert_true(ep_addr_parse("2001:db8::2", &a));
	assert_null(ep_ifaddr_find(ns, &a));
	*ep_push(s->arena, &t.chains) = &chain;
	*ep_push(s->arena, &t.objs) = &obj;
	assert_ptr_equal(ep_nft_chain_find(&t, "DOCKER"), &chain);
	assert_null(ep_nft_chain_find(&t, "DOCKER-USER"));
	assert_ptr_equal(ep_nft_obj_find(&t, "helper", 3), &obj);
	assert_null(ep_nft_obj_find(&t, "helper", 4));
	assert_null(ep_nft_set_find(&t, "x"));
	assert_string_equal(ep_backend_name(EP_IPTABLES_LEGACY), "iptables-legacy");
	assert_string_equal(ep_backend_name((enum ep_backend)99), "unknown");
	ep_snapshot_free(s);
}

static void the_worse_report_wins(void **state)
{
	struct ep_snapshot *s = ep_snapshot_new();

	(void)state;
	ep_source_set(s, "nft", EP_COMPLETE, NULL);
	ep_source_set(s, "links", EP_MISSING, "no permission");
	ep_source_set(s, "nft", EP_PARTIAL, "half");
	ep_source_set(s, "nft", EP_COMPLETE, NULL);
	ep_source_set(s, "links", EP_PARTIAL, "half");
	assert_int_equal(s->sources.n, 2);
	assert_int_equal(s->sources.v[0].status, EP_PARTIAL);
	assert_string_equal(s->sources.v[0].reason, "half");
	assert_int_equal(s->sources.v[1].status, EP_MISSING);
	assert_string_equal(s->sources.v[1].reason, "no permission");
	ep_snapshot_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_loaded_is_not_asked_again),
		cmocka_unit_test(a_failure_stays_a_failure),
		cmocka_unit_test(an_ipset_is_read_once),
		cmocka_unit_test(a_saved_snapshot_knows_what_it_lacks),
		cmocka_unit_test(new_namespaces_know_nothing),
		cmocka_unit_test(lookups),
		cmocka_unit_test(the_worse_report_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
