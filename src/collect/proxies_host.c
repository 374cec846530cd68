// SPDX-License-Identifier: GPL-2.0-or-later
/* Proxies that connect in their own namespace, or from another host. */
#include "collect/proxies.h"

#include <string.h>
#include <strings.h>

/* ---- docker-proxy -proto tcp -host-ip A -host-port P -container-ip A -container-port P ---- */

/* The value of -name, --name or -name=value; NULL if it is not there. */
static const char *go_flag(const struct ep_proc *p, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 1; i < p->argv.n; i++) {
		const char *arg = p->argv.v[i];

		if (*arg != '-')
			continue;
		arg += arg[1] == '-' ? 2 : 1;
		if (strncmp(arg, name, len))
			continue;
		if (arg[len] == '=')
			return arg + len + 1;
		if (!arg[len])
			return i + 1 < p->argv.n ? p->argv.v[i + 1] : NULL;
	}
	return NULL;
}

bool ep_proxy_docker(struct ep_proxy_reader *r)
{
	const char *proto = go_flag(r->p, "proto"), *ip = go_flag(r->p, "container-ip"),
		   *port = go_flag(r->p, "container-port");
	struct ep_addr addr;
	uint16_t num;

	if ((proto && strcmp(proto, "tcp")) || !ip || !port || !ep_addr_parse(ip, &addr) ||
	    !ep_proxy_port(port, &num))
		return false;
	r->p->proxy_target = addr;
	r->p->proxy_port = num;
	return true;
}

/* ---- systemd-socket-proxyd [OPTIONS] HOST[:PORT] | PATH: src/socket-proxy/socket-proxyd.c ---- */

bool ep_proxy_socket_proxyd(struct ep_proxy_reader *r)
{
	static const char *const values[] = {"connections-max", "exit-idle-time", NULL};
	static const struct ep_proxy_options options = {"c", values};
	struct ep_proc *p = r->p;
	struct ep_proxy_opt o;
	const char *target;
	size_t i = 1;

	while (ep_proxy_option(p, &options, &i, &o)) {
	}
	if (i < p->argv.n && !strcmp(p->argv.v[i], "--"))
		i++;
	target = i < p->argv.n ? p->argv.v[i] : NULL;
	if (!target)
		return true;
	if (*target == '/' || *target == '@')
		ep_proxy_name_add(r, ep_sprintf(r->a, "the Unix socket %s", target));
	else if (strrchr(target, ':') ?
			 !ep_proxy_host_port_add(r, (struct ep_proxy_way){}, target, 0) :
			 !ep_proxy_host_add(r, (struct ep_proxy_way){.port = 80}, target, 0))
		ep_proxy_name_add(r, target);
	return true;
}

/* ---- socat [OPTIONS] TCP-LISTEN:PORT,fork TCP:HOST:PORT ---- */

static const struct {
	const char *name;
	int family;
	bool listens;
} socat_types[] = {
	{"TCP-LISTEN", 0, true},
	{"TCP-L", 0, true},
	{"TCP4-LISTEN", 4, true},
	{"TCP4-L", 4, true},
	{"TCP6-LISTEN", 6, true},
	{"TCP6-L", 6, true},
	{"SSL-LISTEN", 0, true},
	{"OPENSSL-LISTEN", 0, true},
	{"SSL-L", 0, true},
	{"OPENSSL-L", 0, true},
	{"TCP", 0, false},
	{"TCP-CONNECT", 0, false},
	{"TCP4", 4, false},
	{"TCP4-CONNECT", 4, false},
	{"TCP6", 6, false},
	{"TCP6-CONNECT", 6, false},
	{"SSL", 0, false},
	{"OPENSSL", 0, false},
	{"OPENSSL-CONNECT", 0, false},
	{"SSL-CONNECT", 0, false},
};

/* Options that change nothing about where the connection goes. */
static bool socat_harmless(const char *opts)
{
	static const char *const harmless[] = {
		"fork",         "reuseaddr",
		"so-reuseaddr", "nodelay",
		"tcp-nodelay",  "keepalive",
		"so-keepalive", "keepidle",
		"keepintvl",    "keepcnt",
		"retry",        "interval",
		"forever",      "connect-timeout",
		"crnl",         "crlf",
		"cr",           "shut-none",
		"shut-down",    "shut-close",
		"shut-null",    "null-eof",
		"ignoreeof",    "max-children",
		"backlog",      "rcvbuf",
		"sndbuf",       "verify",
		"cert",         "key",
		"cafile",       "capath",
		"commonname",   "end-close",
		"linger",
	};

	while (*opts == ',') {
		size_t n = strcspn(++opts, ",="), i = 0;

		while (i < EP_ARRAY_SIZE(harmless) &&
		       (strlen(harmless[i]) != n || strncasecmp(harmless[i], opts, n)))
			i++;
		if (i == EP_ARRAY_SIZE(harmless))
			return false;
		opts += strcspn(opts, ",");
	}
	return true;
}

static bool socat_connects(struct ep_proxy_reader *r, const char *s)
{
	size_t type = strcspn(s, ":,"), host;

	/* Quotes, escapes and the joined "!!" addresses are left to socat. */
	if (s[type] != ':' || strpbrk(s, "\"'\\(){}!"))
		return false;
	host = strcspn(s + type + 1, ",");
	if (!socat_harmless(s + type + 1 + host))
		return false;
	for (size_t i = 0; i < EP_ARRAY_SIZE(socat_types); i++)
		if (!socat_types[i].listens && strlen(socat_types[i].name) == type &&
		    !strncasecmp(socat_types[i].name, s, type))
			return ep_proxy_host_port_add(r, (struct ep_proxy_way){},
						      ep_strndup(r->a, s + type + 1, host),
						      socat_types[i].family);
	return false;
}

static bool socat_listens(const char *s)
{
	size_t type = strcspn(s, ":,");

	for (size_t i = 0; i < EP_ARRAY_SIZE(socat_types); i++)
		if (socat_types[i].listens && strlen(socat_types[i].name) == type &&
		    !strncasecmp(socat_types[i].name, s, type))
			return true;
	return false;
}

bool ep_proxy_socat(struct ep_proxy_reader *r)
{
	const ep_strs *argv = &r->p->argv;
	const char *to;

	if (argv->n < 3)
		return true;
	to = argv->v[argv->n - 1];
	if (!socat_listens(argv->v[argv->n - 2]) || !socat_connects(r, to))
		ep_proxy_name_add(r, to);
	return true;
}

/* ---- those whose target is not of this host ---- */

bool ep_proxy_kubectl(struct ep_proxy_reader *r)
{
	const ep_strs *argv = &r->p->argv;

	for (size_t i = 1; i < argv->n; i++) {
		const char *target = NULL;

		if (strcmp(argv->v[i], "port-forward"))
			continue;
		for (size_t k = i + 1; k < argv->n && !target; k++)
			if (argv->v[k][0] != '-' && (strchr(argv->v[k], '/') || k == i + 1))
				target = argv->v[k];
		ep_proxy_name_add(r, ep_sprintf(r->a, "%s, by the API server",
						target ? target : "a pod"));
		return true;
	}
	return false;
}

/* The client listens for nothing else. */
bool ep_proxy_ssh(struct ep_proxy_reader *r)
{
	const ep_strs *argv = &r->p->argv;

	for (size_t i = 1; i + 1 < argv->n; i++)
		if (!strcmp(argv->v[i], "-L"))
			ep_proxy_name_add(r, ep_sprintf(r->a, "%s, from where ssh is logged in",
							argv->v[i + 1]));
	if (r->p->proxy_ways.n != 1) {
		r->p->proxy_ways.n = 0;
		ep_proxy_name_add(r, "what ssh connects to, from where it is logged in");
	}
	return true;
}

/* A session's own process (setproctitle: "sshd: user@pts/0") listens for -R of its client only. */
bool ep_proxy_sshd(struct ep_proxy_reader *r)
{
	const char *title = r->p->argv.n ? r->p->argv.v[0] : "";

	if (strncmp(title, "sshd: ", 6) || title[6] == '/' || strstr(title, "[listener]"))
		return false;
	ep_proxy_name_add(r, "what the client of this ssh session connects to");
	return true;
}
