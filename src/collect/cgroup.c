// SPDX-License-Identifier: GPL-2.0-or-later
/* What the path of a cgroup says: container, pod, systemd unit. No I/O. */
#include "collect/owners_i.h"

#include <string.h>

#define ID_MIN 12 /* runtimes' ids have 64 digits; a prefix in the name allows shorter ones */

struct part {
	const char *s;
	size_t n;
};

/* Splits at '/' and at the ':' of runc's "slice:prefix:name" form. */
static bool next_part(const char **at, struct part *ret)
{
	const char *s = *at + strspn(*at, "/:");

	ret->s = s;
	ret->n = strcspn(s, "/:");
	*at = s + ret->n;
	return ret->n > 0;
}

static bool ends_with(struct part p, const char *suffix)
{
	size_t n = strlen(suffix);

	return p.n > n && !memcmp(p.s + p.n - n, suffix, n);
}

static bool equals(struct part p, const char *s)
{
	return p.n == strlen(s) && !memcmp(p.s, s, p.n);
}

static bool is_hex(struct part p)
{
	for (size_t i = 0; i < p.n; i++) {
		if (!memchr("0123456789abcdef", p.s[i], 16))
			return false;
	}
	return true;
}

/* Names in front of the id, with or without .scope behind it. */
static const struct {
	const char *prefix, *runtime;
} forms[] = {
	{"docker-", "docker"}, {"cri-containerd-", "containerd"}, {"crio-", "cri-o"},
	{"libpod-", "podman"}, {"nerdctl-", "containerd"},
};

static bool container_of_part(struct part prev, struct part p, struct ep_cgroup_id *ret)
{
	const char *runtime = equals(prev, "docker")         ? "docker" :
			      equals(prev, "cri-containerd") ? "containerd" :
			      equals(prev, "crio")           ? "cri-o" :
							       NULL;
	size_t min = EP_CONTAINER_ID;

	if (ends_with(p, ".scope"))
		p.n -= strlen(".scope");
	for (size_t i = 0; i < EP_ARRAY_SIZE(forms); i++) {
		size_t n = strlen(forms[i].prefix);

		if (p.n > n && !memcmp(p.s, forms[i].prefix, n)) {
			runtime = forms[i].runtime;
			p.s += n;
			p.n -= n;
			min = ID_MIN;
			break;
		}
	}
	if (p.n < min || p.n > EP_CONTAINER_ID || !is_hex(p))
		return false;
	ret->runtime = runtime;
	memcpy(ret->id, p.s, p.n);
	ret->id[p.n] = 0;
	return true;
}

/* "pod<uid>" (cgroupfs driver) or "kubepods-burstable-pod<uid>.slice", '-' written as '_' (systemd). */
static bool pod_of_part(struct part p, char uid[37])
{
	if (ends_with(p, ".slice")) {
		p.n -= strlen(".slice");
		for (size_t i = p.n; i-- > 0;) {
			if (p.s[i] == '-') {
				p.s += i + 1;
				p.n -= i + 1;
				break;
			}
		}
	}
	if (p.n <= 3 || p.n - 3 > 36 || memcmp(p.s, "pod", 3))
		return false;
	for (size_t i = 3; i < p.n; i++) {
		char c = p.s[i] == '_' ? '-' : p.s[i];

		if (!memchr("0123456789abcdef-", c, 17))
			return false;
		uid[i - 3] = c;
	}
	uid[p.n - 3] = 0;
	return true;
}

size_t ep_cgroup_parse(const char *path, struct ep_cgroup_id *ret, size_t max)
{
	struct part p, prev = {"", 0};
	char pod_uid[37] = "";
	size_t n = 0;

	while (n < max && next_part(&path, &p)) {
		struct ep_cgroup_id id = {};

		if (pod_of_part(p, pod_uid)) {
			prev = p;
			continue;
		}
		if (container_of_part(prev, p, &id)) {
			memcpy(id.pod_uid, pod_uid, sizeof(pod_uid));
			pod_uid[0] = 0;
			ret[n++] = id;
		}
		prev = p;
	}
	return n;
}

/* ---- /proc/PID/cgroup: lines "hierarchy:controllers:path" (cgroups(7)) ---- */

struct line {
	struct part controllers, path;
};

static bool next_line(const char **at, struct line *ret)
{
	while (**at) {
		const char *s = *at, *end = s + strcspn(s, "\n");
		const char *a = memchr(s, ':', (size_t)(end - s));
		const char *b = a ? memchr(a + 1, ':', (size_t)(end - a - 1)) : NULL;

		*at = *end ? end + 1 : end;
		if (!b)
			continue;
		ret->controllers = (struct part){a + 1, (size_t)(b - a - 1)};
		ret->path = (struct part){b + 1, (size_t)(end - b - 1)};
		return true;
	}
	return false;
}

static int telling(struct ep_arena *a, struct line l)
{
	const char *path = ep_strndup(a, l.path.s, l.path.n);
	struct ep_cgroup_id id;
	int score = 0;

	if (ep_cgroup_parse(path, &id, 1))
		score = 8;
	else if (strstr(path, ".service") || strstr(path, ".scope"))
		score = 6;
	else if (strcmp(path, "/") != 0)
		score = 2;
	return score + (!l.controllers.n || equals(l.controllers, "name=systemd"));
}

const char *ep_cgroup_pick(struct ep_arena *a, const char *text)
{
	struct part best = {"", 0};
	int best_score = -1;
	struct line l;

	while (next_line(&text, &l)) {
		int score = telling(a, l);

		if (score > best_score) {
			best = l.path;
			best_score = score;
		}
	}
	return ep_strndup(a, best.s, best.n);
}

static bool is_user_manager(struct part p)
{
	return p.n > 5 && !memcmp(p.s, "user@", 5);
}

/* systemd puts '_' before a name that cgroupfs would misunderstand (cg_escape). */
static const char *unit_of_path(struct ep_arena *a, const char *path)
{
	struct part p, unit = {NULL, 0};
	struct ep_cgroup_id id;

	if (ep_cgroup_parse(path, &id, 1))
		return NULL;
	while (next_part(&path, &p)) {
		if (!ends_with(p, ".service") && !ends_with(p, ".scope"))
			continue;
		if (unit.n && equals(p, "init.scope"))
			break;
		unit = p;
		if (!is_user_manager(p))
			break;
	}
	if (unit.n && *unit.s == '_') {
		unit.s++;
		unit.n--;
	}
	return unit.n ? ep_strndup(a, unit.s, unit.n) : NULL;
}

const char *ep_cgroup_unit(struct ep_arena *a, const char *text)
{
	const char *unit = NULL;
	struct line l;

	while (!unit && next_line(&text, &l)) {
		if (!l.controllers.n || equals(l.controllers, "name=systemd"))
			unit = unit_of_path(a, ep_strndup(a, l.path.s, l.path.n));
	}
	return unit;
}
