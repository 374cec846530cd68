// SPDX-License-Identifier: GPL-2.0-or-later
/* A snapshot survives being saved and loaded, byte for byte; a hostile one is refused with its place. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include "edgepath/model.h"

static struct ep_attr num(uint16_t nla, uint64_t n)
{
	return (struct ep_attr){.nla = nla, .kind = EP_ATTR_NUM, .num = n};
}

static void add_rule(struct ep_arena *a, struct ep_nft_chain *c)
{
	static const uint8_t data[2] = {0x01, 0xbb};
	static const struct ep_verdict jump = {.code = NFT_JUMP, .chain = "DOCKER"};
	struct ep_nft_rule *r = ep_push(a, &c->rules);
	struct ep_expr *e = ep_push(a, &r->exprs);

	r->handle = 9;
	r->position = 1;
	r->comment = "bad \xff utf-8";
	e->name = "cmp";
	*ep_push(a, &e->attrs) = num(NFTA_CMP_SREG, 1);
	*ep_push(a, &e->attrs) = num(NFTA_CMP_OP, 1);
	*ep_push(a, &e->attrs) = (struct ep_attr){
		.nla = NFTA_CMP_DATA, .kind = EP_ATTR_BYTES, .len = 2, .bytes = data};
	e = ep_push(a, &r->exprs);
	e->name = "immediate";
	*ep_push(a, &e->attrs) = num(NFTA_IMMEDIATE_DREG, 0);
	*ep_push(a, &e->attrs) = (struct ep_attr){
		.nla = NFTA_IMMEDIATE_DATA, .kind = EP_ATTR_VERDICT, .verdict = &jump};
	e = ep_push(a, &r->exprs);
	e->name = "from-the-future";
	e->opaque = true;
	*ep_push(a, &e->attrs) =
		(struct ep_attr){.kind = EP_ATTR_BYTES, .len = sizeof(data), .bytes = data};
}

static const struct ep_exprs *quota(struct ep_arena *a)
{
	struct ep_exprs *list = ep_alloc(a, sizeof(*list));
	struct ep_expr *e = ep_push(a, list);

	e->name = "quota";
	*ep_push(a, &e->attrs) = num(NFTA_QUOTA_BYTES, 1000);
	*ep_push(a, &e->attrs) = num(NFTA_QUOTA_CONSUMED, 10);
	return list;
}

static void add_memory(struct ep_arena *a, struct ep_netns *ns)
{
	struct ep_recent *r = ep_alloc(a, sizeof(*r));
	struct ep_hashlimit *h = ep_alloc(a, sizeof(*h));
	struct ep_acct *acct = ep_alloc(a, sizeof(*acct));
	struct ep_recent_row *row = ep_push(a, &r->rows);
	struct ep_conn *conn = ep_push(a, &ns->conns.list);

	*ep_push(a, &ns->recents) = r;
	*ep_push(a, &ns->hashlimits) = h;
	*ep_push(a, &ns->accts) = acct;
	r->name = "SSH";
	r->loaded = r->ages = true;
	ep_addr_parse("192.0.2.1", &row->addr);
	row->ttl = 64;
	ep_push(a, &row->stamps)->age_ms = 1234;
	*h = (struct ep_hashlimit){.name = "web", .family = 2, .loaded = true};
	*ep_push(a, &h->rows) = (struct ep_hashlimit_row){
		.src = row->addr, .dport = 443, .credit = 7, .cap = ~0ull, .cost = 3};
	*acct = (struct ep_acct){.name = "acct",
				 .loaded = true,
				 .packets = 5,
				 .bytes = ~0ull,
				 .quota = 9,
				 .flags = 1};
	*conn = (struct ep_conn){.src = row->addr, .n = 3, .closed = 2};
	ns->conns.counted = ns->conns.loaded = true;
	ns->conns.total = 3;
}

static void add_nft(struct ep_arena *a, struct ep_netns *ns)
{
	struct ep_nft_table *t = ep_alloc(a, sizeof(*t));
	struct ep_nft_chain *c = ep_alloc(a, sizeof(*c));
	struct ep_nft_set *set = ep_alloc(a, sizeof(*set));
	static const uint8_t lo[8] = {1}, hi[8] = {9};
	struct ep_nft_obj *obj = ep_alloc(a, sizeof(*obj));
	struct ep_nft_elem *el;

	ns->nft.status = EP_COMPLETE;
	*t = (struct ep_nft_table){.family = 2, .name = "nat", .handle = ~0ull, .xtables = true};
	*ep_push(a, &ns->nft.tables) = t;
	*c = (struct ep_nft_chain){.table = t,
				   .name = "PREROUTING",
				   .base = true,
				   .type = "nat",
				   .priority = -100,
				   .loaded = true};
	*ep_push(a, &t->chains) = c;
	add_rule(a, c);
	*set = (struct ep_nft_set){.table = t,
				   .name = "s",
				   .key_len = 8,
				   .fields = {4, 2},
				   .n_fields = 2,
				   .loaded = true};
	*ep_push(a, &t->sets) = set;
	el = ep_push(a, &set->elems);
	el->lo = lo;
	el->hi = hi;
	el->conditional = true;
	el->exprs = quota(a);
	el->expires_ms = 1234;
	set->exprs = quota(a);
	set->size = 99;
	*ep_push(a, &t->objs) = obj;
	obj->name = "q";
	obj->type = NFT_OBJECT_QUOTA;
	obj->exprs = quota(a);
	c->rules.v[0].exprs.v[0].sub = quota(a);
	ep_push(a, &set->elems)->catchall = true;
}

static void add_xt(struct ep_arena *a, struct ep_netns *ns)
{
	struct ep_xt_table *t = ep_alloc(a, sizeof(*t));
	struct ep_xt_chain *c = ep_alloc(a, sizeof(*c));
	struct ep_xt_rule *r;

	*t = (struct ep_xt_table){.family = 2, .name = "filter", .valid_hooks = 14, .loaded = true};
	*ep_push(a, &ns->xt.tables) = t;
	*c = (struct ep_xt_chain){.name = "INPUT", .hook = 1, .policy = EP_XT_DROP};
	*ep_push(a, &t->chains) = c;
	r = ep_push(a, &c->rules);
	*r = (struct ep_xt_rule){.position = 1, .iif = "eth+", .verdict = EP_XT_TARGET, .proto = 6};
	memset(r->iif_mask, 0xff, 3);
	r->target = (struct ep_xt_ext){
		.name = "DNAT", .rev = 2, .len = 3, .data = (const uint8_t *)"abc"};
	*ep_push(a, &r->matches) = (struct ep_xt_ext){.name = "tcp"};
}

static struct ep_snapshot *build(void)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct ep_arena *a = s->arena;
	struct ep_netns *ns = ep_netns_add(s, 4026531840u);
	struct ep_container *c = ep_alloc(a, sizeof(*c));
	struct ep_proc *p = ep_alloc(a, sizeof(*p));
	struct ep_cgroup *group = ep_alloc(a, sizeof(*group));
	struct ep_listener *l;
	struct ep_link *link = ep_push(a, &ns->links);
	struct ep_ipvs_service *service;

	s->hostname = "edge-01";
	s->host_netns = ns->ino;
	*link = (struct ep_link){.ifindex = 2,
				 .name = "eth0",
				 .kind = "",
				 .master_kind = "",
				 .mac = {2, 0, 0, 0, 0, 1},
				 .forwarding4 = -1};
	ep_addr_parse("203.0.113.10", &ep_push(a, &ns->addrs)->addr);
	service = ep_push(a, &ns->ipvs);
	*service = (struct ep_ipvs_service){.family = 2, .proto = 6, .port = 80, .sched = "rr"};
	ep_addr_parse("10.0.0.1", &service->addr);
	*ep_push(a, &service->dests) = (struct ep_ipvs_dest){.port = 81, .method = 3, .weight = 9};
	ep_addr_parse("10.0.0.2", &service->dests.v[0].addr);
	ns->have = EP_NEED_LINKS | EP_NEED_NFT | EP_NEED_XT | EP_NEED_ORDER;
	*ep_push(a, &ns->hook_fns) = (struct ep_hook_fn){.family = 2,
							 .hook = 3,
							 .nat = true,
							 .nft = true,
							 .priority = -100,
							 .table = 7,
							 .chain = 9};
	add_nft(a, ns);
	add_xt(a, ns);
	add_memory(a, ns);
	s->has_tz = true;
	s->tz_minuteswest = -60;
	s->cpus = 4;
	*c = (struct ep_container){
		.runtime = "docker", .id = "892b", .name = "traefik", .running = true};
	*ep_push(a, &s->containers) = c;
	*p = (struct ep_proc){.pid = 4247, .comm = "traefik", .cgroup = "/", .container = c};
	p->proxy_kind = "pasta";
	*ep_push(a, &p->proxy_ways) = (struct ep_proxy_way){.lo = 1,
							    .hi = 2,
							    .port = 3,
							    .netns = 4,
							    .by_device = true,
							    .own_addr = true,
							    .name = "x"};
	ep_addr_parse("10.0.0.1", &p->proxy_ways.v[0].addr);
	*ep_push(a, &s->procs) = p;
	l = ep_push(a, &s->listeners);
	l->netns = ns->ino;
	ep_addr_parse("::", &l->addr);
	l->port = 443;
	*ep_push(a, &l->procs) = p;
	l->cgroup = 77;
	*ep_push(a, &l->hooks) = (struct ep_hook){.kind = "socket-filter", .may_take = true};
	group->id = 77;
	group->path = "/a";
	*ep_push(a, &group->hooks) = (struct ep_hook){.kind = "cgroup-ingress",
						      .name = "n",
						      .at = "/",
						      .prog_id = 3,
						      .family = 2,
						      .hook = 1};
	*ep_push(a, &s->cgroups) = group;
	ep_source_set(s, "docker", EP_PARTIAL, "daemon is down");
	return s;
}

static void test_round_trip(void **state)
{
	struct ep_snapshot *s = build(), *t;
	char *one = ep_snapshot_to_json(s), *two, err[256];

	(void)state;
	t = ep_snapshot_from_json(one, strlen(one), err, sizeof(err));
	if (!t)
		fail_msg("%s", err);
	two = ep_snapshot_to_json(t);
	assert_string_equal(one, two);
	assert_ptr_equal(t->listeners.v[0].procs.v[0]->container, t->containers.v[0]);
	assert_int_equal(t->netns.v[0]->ip_forward, -1);
	assert_int_equal(t->netns.v[0]->hook_fns.v[0].priority, -100);
	assert_int_equal(t->netns.v[0]->hook_fns.v[0].chain, 9);
	assert_int_equal(t->netns.v[0]->ipvs.v[0].dests.v[0].weight, 9);
	assert_int_equal(t->netns.v[0]->ipvs_conntrack, -1);
	assert_string_equal(t->netns.v[0]->nft.tables.v[0]->chains.v[0]->rules.v[0].comment,
			    "bad \xff utf-8");
	assert_true(t->netns.v[0]->nft.tables.v[0]->handle == ~0ull);
	assert_int_equal(t->sources.v[0].status, EP_PARTIAL);
	assert_int_equal(t->netns.v[0]->recents.v[0]->rows.v[0].stamps.v[0].age_ms, 1234);
	assert_true(t->netns.v[0]->hashlimits.v[0]->rows.v[0].cap == ~0ull);
	assert_int_equal(t->netns.v[0]->conns.list.v[0].closed, 2);
	assert_int_equal(t->netns.v[0]->accts.v[0]->quota, 9);
	assert_int_equal(t->tz_minuteswest, -60);
	assert_int_equal(
		ep_attr_num(&t->netns.v[0]->nft.tables.v[0]->sets.v[0]->elems.v[0].exprs->v[0],
			    NFTA_QUOTA_CONSUMED, 0),
		10);
	free(one);
	free(two);
	ep_snapshot_free(s);
	ep_snapshot_free(t);
}

static void test_refusals_name_the_place(void **state)
{
	static const struct {
		const char *text, *err;
	} cases[] = {
		{"", "snapshot: line 1"},
		{"[]", "not an edgepath.snapshot/1"},
		{"{\"schema\":\"edgepath.snapshot/1\",\"netns\":[{\"links\":[{\"ifindex\":-1}]}]}",
		 "netns[0].links[0].ifindex: not a number"},
		{"{\"schema\":\"edgepath.snapshot/1\",\"netns\":[{\"links\":[{}]}]}",
		 "a link has no name"},
		{"{\"schema\":\"edgepath.snapshot/1\",\"netns\":[{\"ipvs\":[{}]}]}",
		 "an IPVS service has no address"},
		{"{\"schema\":\"edgepath.snapshot/1\",\"netns\":[{\"ipvs\":[{\"fwmark\":1,"
		 "\"dests\":[{}]}]}]}",
		 "an IPVS server has no address"},
		{"{\"schema\":\"edgepath.snapshot/1\",\"listeners\":[{\"procs\":[7]}]}",
		 "listeners[0].procs: no process 7"},
		{"{\"schema\":\"edgepath.snapshot/1\",\"procs\":[{\"container\":{\"runtime\":\"d\","
		 "\"id\":\"x\"}}]}",
		 "no such container"},
		{"{\"schema\":\"edgepath.snapshot/1\",\"netns\":[{\"nft\":{\"tables\":[{\"name\":"
		 "\"t\",\"sets\":[{\"name\":\"s\",\"key_len\":4,\"elems\":[{\"lo\":\"00\"}]}]}]}}]}",
		 "tables[0].sets[0].elems: lo is not of 4 bytes"},
		{"{\"schema\":\"edgepath.snapshot/1\",\"netns\":[{\"nft\":{\"tables\":[{\"name\":"
		 "\"t\",\"objs\":[{\"name\":\"o\",\"exprs\":[{\"name\":\"x\",\"sub\":[]}]}]}]}}]}",
		 "nested too deep"},
		{"{\"schema\":\"edgepath.snapshot/1\",\"hostname\":{\"hex\":\"6x\"}}",
		 "hostname: not a string of hexadecimal"},
	};

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(cases); i++) {
		char err[256] = "";

		assert_null(ep_snapshot_from_json(cases[i].text, strlen(cases[i].text), err,
						  sizeof(err)));
		if (!strstr(err, cases[i].err))
			fail_msg("case %zu says: %s", i, err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refusals_name_the_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
