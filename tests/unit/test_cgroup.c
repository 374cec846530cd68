// SPDX-License-Identifier: GPL-2.0-or-later
/* cgroup paths as runtimes, kubelet and systemd make them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collect/owners_i.h"

#define A64  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define B64  "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define UID  "0f8fad5b-d9cb-469f-a165-70867728950e"
#define UID_ "0f8fad5b_d9cb_469f_a165_70867728950e"

static const struct {
	const char *path;
	size_t n;
	const char *runtime, *id, *pod; /* of the innermost one */
} paths[] = {
	{"/system.slice/docker-" A64 ".scope", 1, "docker", A64, ""},
	{"/docker/" A64, 1, "docker", A64, ""},
	{"/docker/" A64 "/init.scope", 1, "docker", A64, ""},
	{"/machine.slice/libpod-" A64 ".scope", 1, "podman", A64, ""},
	{"/machine.slice/libpod-" A64 ".scope/container", 1, "podman", A64, ""},
	{"/libpod_parent/libpod-" A64, 1, "podman", A64, ""},
	{"/machine.slice/libpod-conmon-" A64 ".scope", 0, NULL, NULL, NULL},
	{"/kubepods/besteffort/pod" UID "/" A64, 1, NULL, A64, UID},
	{"/kubepods/pod" UID "/" A64, 1, NULL, A64, UID},
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
	 ".slice/cri-containerd-" A64 ".scope",
	 1, "containerd", A64, UID},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" A64 ".scope/container", 1, "cri-o", A64,
	 UID},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-conmon-" A64 ".scope", 0, NULL, NULL,
	 NULL},
	{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_
	 ".slice/docker-" A64 ".scope",
	 1, "docker", A64, UID},
	{"/system.slice/containerd.service/kubepods-besteffort-pod" UID_
	 ".slice:cri-containerd:" A64,
	 1, "containerd", A64, UID},
	{"/kubepods/burstable/pod6d7b1a1c2f3e4d5c6b7a8f9e0d1c2b3a/" A64, 1, NULL, A64,
	 "6d7b1a1c2f3e4d5c6b7a8f9e0d1c2b3a"}, /* a static pod's hash */
	{"/docker/" A64 "/kubelet/kubepods/besteffort/pod" UID "/" B64, 2, NULL, B64, UID},
	{"/../../docker/" A64, 1, "docker", A64, ""},
	{"/default/" A64, 1, NULL, A64, ""},
	{"/system.slice/nerdctl-" A64 ".scope", 1, "containerd", A64, ""},
	{"/", 0, NULL, NULL, NULL},
	{"", 0, NULL, NULL, NULL},
	{"/system.slice/docker.service", 0, NULL, NULL, NULL},
	{"/docker/" A64 "0", 0, NULL, NULL, NULL},
	{"/docker/0123", 0, NULL, NULL, NULL},
	{"/system.slice/docker-0123.scope", 0, NULL, NULL, NULL},
	{"/kubepods/pod/" A64, 1, NULL, A64, ""},
	{"/kubepods/podXYZ/" A64, 1, NULL, A64, ""},
	{"/kubepods/pod" UID, 0, NULL, NULL, NULL},
};

static void containers_in_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(paths); i++) {
		struct ep_cgroup_id ids[4];
		size_t n = ep_cgroup_parse(paths[i].path, ids, 4);

		if (n != paths[i].n)
			fail_msg("%s: %zu containers", paths[i].path, n);
		if (!n)
			continue;
		assert_string_equal(ids[n - 1].id, paths[i].id);
		assert_string_equal(ids[n - 1].pod_uid, paths[i].pod);
		if (paths[i].runtime)
			assert_string_equal(ids[n - 1].runtime, paths[i].runtime);
		else
			assert_null(ids[n - 1].runtime);
	}
}

static void no_more_than_asked_for(void **state)
{
	struct ep_cgroup_id id;

	(void)state;
	assert_int_equal(ep_cgroup_parse("/docker/" A64 "/docker/" B64, &id, 1), 1);
	assert_string_equal(id.id, A64);
}

static const struct {
	const char *text, *path, *unit;
} files[] = {
	{"0::/system.slice/nginx.service\n", "/system.slice/nginx.service", "nginx.service"},
	{"9:name=systemd:/system.slice/nginx.service\n4:memory:/system.slice/nginx.service\n0::/\n",
	 "/system.slice/nginx.service", "nginx.service"},
	{"9:name=systemd:/\n4:memory:/docker/" A64 "\n0::/\n", "/docker/" A64, NULL},
	{"0::/system.slice/docker-" A64 ".scope\n", "/system.slice/docker-" A64 ".scope", NULL},
	{"0::/system.slice/containerd.service/kubepods-pod" UID_ ".slice:cri-containerd:" A64 "\n",
	 "/system.slice/containerd.service/kubepods-pod" UID_ ".slice:cri-containerd:" A64, NULL},
	{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/caddy.service\n",
	 "/user.slice/user-1000.slice/user@1000.service/app.slice/caddy.service", "caddy.service"},
	{"0::/user.slice/user-1000.slice/user@1000.service/init.scope\n",
	 "/user.slice/user-1000.slice/user@1000.service/init.scope", "user@1000.service"},
	{"0::/user.slice/user-0.slice/session-3.scope\n",
	 "/user.slice/user-0.slice/session-3.scope", "session-3.scope"},
	{"0::/system.slice/system-haproxy.slice/haproxy@edge\\x2d1.service\n",
	 "/system.slice/system-haproxy.slice/haproxy@edge\\x2d1.service",
	 "haproxy@edge\\x2d1.service"},
	{"0::/system.slice/_cpu.service\n", "/system.slice/_cpu.service", "cpu.service"},
	{"0::/system.slice/docker.service/payload\n", "/system.slice/docker.service/payload",
	 "docker.service"},
	{"0::/init.scope\n", "/init.scope", "init.scope"},
	{"9:name=systemd:/\n0::/\n", "/", NULL},
	{"4:memory:/some/where\n0::/\n", "/some/where", NULL},
	{"0::/with:colon/x.service", "/with:colon/x.service", "x.service"},
	{"", "", NULL},
	{"nonsense\n:\n::\n", "", NULL},
};

static void lines_of_proc(void **state)
{
	struct ep_arena *a = ep_arena_new();

	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(files); i++) {
		const char *unit = ep_cgroup_unit(a, files[i].text);

		assert_string_equal(ep_cgroup_pick(a, files[i].text), files[i].path);
		if (files[i].unit)
			assert_string_equal(unit ? unit : "none", files[i].unit);
		else
			assert_null(unit);
	}
	ep_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(containers_in_paths),
		cmocka_unit_test(no_more_than_asked_for),
		cmocka_unit_test(lines_of_proc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
