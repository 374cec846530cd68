// SPDX-License-Identifier: GPL-2.0-or-later
/* What the command line of a userland proxy says about where it passes connections on to. No I/O. */
#include "collect/proxies.h"

#include <string.h>

#define MAX_WAYS 256

struct ep_proxy_way *ep_proxy_way_add(struct ep_proxy_reader *r, struct ep_proxy_way way)
{
	struct ep_proxy_way *w;

	if (r->p->proxy_ways.n >= MAX_WAYS)
		return NULL;
	w = ep_push(r->a, &r->p->proxy_ways);
	*w = way;
	return w;
}

void ep_proxy_name_add(struct ep_proxy_reader *r, const char *name)
{
	ep_proxy_way_add(r, (struct ep_proxy_way){.name = name});
}

/* ---- ports and addresses ---- */

bool ep_proxy_port(const char *s, uint16_t *ret)
{
	uint64_t n;

	if (!ep_parse_u64(s, UINT16_MAX, &n) || !n)
		return false;
	*ret = (uint16_t)n;
	return true;
}

/* "80" or "80-90" */
bool ep_proxy_port_range(struct ep_arena *a, const char *s, uint16_t *ret_lo, uint16_t *ret_hi)
{
	const char *dash = strchr(s, '-');

	if (!dash) {
		*ret_hi = 0;
		if (!ep_proxy_port(s, ret_lo))
			return false;
		*ret_hi = *ret_lo;
		return true;
	}
	return ep_proxy_port(ep_strndup(a, s, (size_t)(dash - s)), ret_lo) &&
	       ep_proxy_port(dash + 1, ret_hi) && *ret_lo <= *ret_hi;
}

/* "localhost" may be either address, unless the family is told (4 or 6; 0: open). */
bool ep_proxy_host_add(struct ep_proxy_reader *r, struct ep_proxy_way way, const char *host,
		       int family)
{
	static const char *const loopbacks[] = {"127.0.0.1", "::1"};
	size_t n = strlen(host);

	if (n > 2 && host[0] == '[' && host[n - 1] == ']')
		host = ep_strndup(r->a, host + 1, n - 2);
	if (ep_addr_parse(host, &way.addr)) {
		if (family && (family == 4) != (way.addr.len == 4))
			return false;
		ep_proxy_way_add(r, way);
		return true;
	}
	if (strcmp(host, "localhost"))
		return false;
	for (int i = 0; i < 2; i++) {
		if (family && (family == 4) != !i)
			continue;
		ep_addr_parse(loopbacks[i], &way.addr);
		ep_proxy_way_add(r, way);
	}
	return true;
}

/* "host:port", "[v6]:port" */
bool ep_proxy_host_port_add(struct ep_proxy_reader *r, struct ep_proxy_way way, const char *s,
			    int family)
{
	const char *colon = strrchr(s, ':');
	char *host;

	if (!colon || colon == s || !ep_proxy_port(colon + 1, &way.port))
		return false;
	host = ep_strndup(r->a, s, (size_t)(colon - s));
	return ep_proxy_host_add(r, way, host, family);
}

/* ---- options, as getopt_long() goes over them ---- */

static bool takes_value(const struct ep_proxy_options *o, const char *name, size_t len)
{
	for (const char *const *l = o->long_value; *l; l++)
		if (strlen(*l) == len && !memcmp(*l, name, len))
			return true;
	return false;
}

/*
 * The option at *i, which is moved behind it; false at the first word that is none. One dash with
 * more than one letter is a letter and its value, or a group of letters of which the last may have one.
 */
bool ep_proxy_option(const struct ep_proc *p, const struct ep_proxy_options *o, size_t *i,
		     struct ep_proxy_opt *ret)
{
	const char *arg = *i < p->argv.n ? p->argv.v[*i] : "";
	const char *more = *i + 1 < p->argv.n ? p->argv.v[*i + 1] : NULL, *eq;

	if (arg[0] != '-' || !arg[1] || !strcmp(arg, "--"))
		return false;
	(*i)++;
	*ret = (struct ep_proxy_opt){.name = arg + 1, .name_len = 1};
	if (arg[1] == '-') {
		eq = strchr(arg, '=');
		ret->name = arg + 2;
		ret->name_len = eq ? (size_t)(eq - ret->name) : strlen(ret->name);
		ret->value = eq ? eq + 1 : NULL;
		if (eq || !takes_value(o, ret->name, ret->name_len))
			return true;
		ret->value = more;
		*i += more != NULL;
		return true;
	}
	for (arg++; *arg; arg++) {
		ret->name = arg;
		if (!strchr(o->with_value, *arg))
			continue;
		ret->value = arg[1] ? arg + 1 : more;
		*i += !arg[1] && more;
		return true;
	}
	return true;
}

bool ep_proxy_is_option(const struct ep_proxy_opt *o, const char *letter, const char *name)
{
	if (o->name_len == 1)
		return *o->name == *letter;
	return o->name_len == strlen(name) && !memcmp(o->name, name, o->name_len);
}

/* ---- which program it is ---- */

static const struct {
	const char *exe; /* base name of its program */
	const char *kind;
	bool (*parse)(struct ep_proxy_reader *r); /* false: it does something else */
} proxies[] = {
	{"docker-proxy", "docker-proxy", ep_proxy_docker},
	{"rootlesskit-docker-proxy", "rootlesskit-docker-proxy", ep_proxy_docker},
	{"systemd-socket-proxyd", "systemd-socket-proxyd", ep_proxy_socket_proxyd},
	{"socat", "socat", ep_proxy_socat},
	{"socat1", "socat", ep_proxy_socat},
	{"passt", "pasta", ep_proxy_pasta},
	{"passt.avx2", "pasta", ep_proxy_pasta},
	{"pasta", "pasta", ep_proxy_pasta},
	{"pasta.avx2", "pasta", ep_proxy_pasta},
	{"slirp4netns", "slirp4netns", ep_proxy_slirp4netns},
	{"rootlesskit", "rootlesskit", ep_proxy_rootlesskit},
	{"rootlessport", "rootlessport", ep_proxy_rootlessport},
	{"kubectl", "kubectl port-forward", ep_proxy_kubectl},
	{"oc", "oc port-forward", ep_proxy_kubectl},
	{"k3s", "kubectl port-forward", ep_proxy_kubectl},
	{"ssh", "ssh", ep_proxy_ssh},
	{"sshd", "sshd", ep_proxy_sshd},
	{"sshd-session", "sshd", ep_proxy_sshd},
};

/* Base name of its program: of the file, since argv[0] is what the process says about itself. */
static bool runs(const struct ep_proc *p, const char *name)
{
	static const char deleted[] = " (deleted)";
	const char *path = p->exe ? p->exe : p->argv.n ? p->argv.v[0] : "";
	const char *slash = strrchr(path, '/');
	size_t len = strlen(name);

	path = slash ? slash + 1 : path;
	return !strncmp(path, name, len) && (!path[len] || !strcmp(path + len, deleted));
}

/* What was cut off could have said something else (proc.c reads so much). */
static bool whole(const struct ep_proc *p)
{
	size_t len = 0;

	ep_each(arg, &p->argv)
		len += strlen(*arg) + 1;
	return p->argv.n < EP_MAX_ARGS && len < EP_MAX_CMDLINE;
}

void ep_proxy_parse(struct ep_arena *a, struct ep_proc *p, struct ep_proxy *ret)
{
	struct ep_proxy_reader r = {.a = a, .p = p, .proxy = ret};

	*ret = (struct ep_proxy){};
	for (size_t i = 0; i < EP_ARRAY_SIZE(proxies); i++) {
		if (!runs(p, proxies[i].exe))
			continue;
		if (!proxies[i].parse(&r))
			return;
		p->proxy_kind = proxies[i].kind;
		if (whole(p))
			return;
		*ret = (struct ep_proxy){};
		p->proxy_target.len = 0;
		p->proxy_ways.n = 0;
		ep_proxy_name_add(&r, "what the rest of its long command line says");
		return;
	}
}
