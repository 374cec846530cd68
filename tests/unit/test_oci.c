// SPDX-License-Identifier: GPL-2.0-or-later
/* OCI configurations as containerd's CRI plugin, CRI-O and Podman write them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collect/owners_i.h"

#define AB64 "abababababababababababababababababababababababababababababababab"
#define CD64 "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"

static json_t *data_json(const char *name)
{
	char path[128];
	json_t *j;
	int err;

	snprintf(path, sizeof(path), "tests/unit/data/oci/%s", name);
	j = ep_json_file(path, 1 << 20, &err);
	assert_non_null(j);
	return j;
}

static void assert_text(const char *got, const char *want)
{
	assert_string_equal(got ? got : "(none)", want ? want : "(none)");
}

static const struct {
	const char *file, *runtime, *name, *image;
	struct ep_pod pod;
} configs[] = {
	{"containerd.json",
	 NULL,
	 "controller",
	 "registry.k8s.io/ingress-nginx/controller:v1.9.4",
	 {"ingress", "nginx-7d9", "controller", "0f8fad5b-d9cb-469f-a165-70867728950e"}},
	{"containerd-sandbox.json",
	 NULL,
	 "nginx-7d9",
	 NULL,
	 {"ingress", "nginx-7d9", NULL, "0f8fad5b-d9cb-469f-a165-70867728950e"}},
	{"crio.json",
	 "cri-o",
	 "router",
	 "quay.io/openshift/router:4.14",
	 {"openshift-ingress", "router-default-6", "router",
	  "7c9e6679-7425-40de-944b-e07fc1f90ae7"}},
	{"podman.json", "podman", NULL, NULL, {NULL, NULL, NULL, NULL}},
};

static void annotations(void **state)
{
	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(configs); i++) {
		json_t *config = data_json(configs[i].file);
		struct ep_container c = {.id = AB64};
		struct ep_arena *a = ep_arena_new();

		assert_true(ep_oci_apply(a, config, &c));
		assert_text(c.runtime, configs[i].runtime);
		assert_text(c.name, configs[i].name);
		assert_text(c.image, configs[i].image);
		assert_text(c.pod.ns, configs[i].pod.ns);
		assert_text(c.pod.name, configs[i].pod.name);
		assert_text(c.pod.container, configs[i].pod.container);
		assert_text(c.pod.uid, configs[i].pod.uid);
		json_decref(config);
		ep_arena_free(a);
	}
}

static void podmans_index(void **state)
{
	json_t *all = data_json("storage-containers.json");
	struct ep_container c = {.id = CD64};
	struct ep_arena *a = ep_arena_new();
	const json_t *o;
	size_t i;

	(void)state;
	json_array_foreach(all, i, o) assert_true(ep_oci_apply_storage(a, o, &c));
	assert_text(c.name, "web");
	assert_text(c.image, "docker.io/library/caddy:2");
	assert_false(ep_oci_apply_storage(a, all, &c));
	json_decref(all);
	ep_arena_free(a);
}

static const char *const odd[] = {
	"{}",
	"{\"annotations\": null}",
	"{\"annotations\": []}",
	"{\"annotations\": {\"io.kubernetes.pod.name\": 5, \"io.container.manager\": {}}}",
	"{\"annotations\": {\"io.kubernetes.pod.name\": \"\"}}",
};

static void odd_configs(void **state)
{
	struct ep_arena *a = ep_arena_new();
	json_t *list = json_array();

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(odd); i++) {
		json_t *j = json_loads(odd[i], 0, NULL);
		struct ep_container c = {.id = AB64};

		assert_true(ep_oci_apply(a, j, &c));
		assert_null(c.name);
		assert_null(c.pod.name);
		json_decref(j);
	}
	assert_false(ep_oci_apply(a, list, &(struct ep_container){.id = AB64}));
	assert_false(ep_oci_apply(a, NULL, &(struct ep_container){.id = AB64}));
	json_decref(list);
	ep_arena_free(a);
}

/* A container that nobody knows is still a container, and the snapshot says what is missing. */
static void an_unknown_container(void **state)
{
	struct ep_snapshot *s = ep_snapshot_new();
	const char *cgroup = "/kubepods/pod0f8fad5b-d9cb-469f-a165-70867728950e/" AB64;
	struct ep_proc p = {.pid = 12, .cgroup = cgroup, .netns = 7};

	(void)state;
	ep_container_attach(s, &p);
	assert_null(p.container); /* containers are not read yet */
	ep_source_set(s, "docker", EP_COMPLETE, NULL);
	ep_container_attach(s, &p);
	assert_non_null(p.container);
	assert_string_equal(p.container->id, AB64);
	assert_string_equal(p.container->name, "abababababab");
	assert_string_equal(p.container->runtime, "unknown");
	assert_string_equal(p.container->pod.uid, "0f8fad5b-d9cb-469f-a165-70867728950e");
	assert_int_equal(p.container->pid, 12);
	assert_int_equal(p.container->netns, 7);
	assert_string_equal(s->sources.v[1].name, "oci");
	assert_int_equal(s->sources.v[1].status, EP_PARTIAL);
	assert_ptr_equal(ep_container_of(s, cgroup), p.container);
	assert_null(ep_container_of(s, "/system.slice/nginx.service"));
	ep_snapshot_free(s);
}

/* In a container's own containers, the one that is known counts. */
static void a_nested_container(void **state)
{
	struct ep_snapshot *s = ep_snapshot_new();
	struct ep_container *outer = ep_container_add(s, "docker", AB64);

	(void)state;
	assert_ptr_equal(ep_container_of(s, "/docker/" AB64 "/kubelet/kubepods/podf/" CD64), outer);
	assert_int_equal(s->containers.n, 1);
	ep_snapshot_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(annotations),        cmocka_unit_test(podmans_index),
		cmocka_unit_test(odd_configs),        cmocka_unit_test(an_unknown_container),
		cmocka_unit_test(a_nested_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
