// SPDX-License-Identifier: GPL-2.0-or-later
/* Proxies into the network namespace of a container. */
#include "collect/proxies.h"

#include <string.h>

/* ---- pasta [OPTIONS] [PID | COMMAND]: conf.c of passt ---- */

/* [ADDRESS[%DEVICE]/]PORTS[:PORTS], comma-separated; false: not understood. */
static bool pasta_ports(struct ep_proxy_reader *r, const char *spec)
{
	while (*spec) {
		struct ep_proxy_way way = {.by_device = true};
		const char *one = ep_strndup(r->a, spec, strcspn(spec, ",")), *colon, *slash;
		uint16_t last;

		spec += strlen(one);
		spec += *spec == ',';
		slash = strchr(one, '/');
		one = slash ? slash + 1 : one;
		if (*one == '~' || !strcmp(one, "none") || !strcmp(one, "auto") ||
		    !strcmp(one, "all") || !*one)
			continue;
		colon = strchr(one, ':');
		if (!ep_proxy_port_range(r->a,
					 colon ? ep_strndup(r->a, one, (size_t)(colon - one)) : one,
					 &way.lo, &way.hi))
			return false;
		way.port = way.lo;
		if (colon && (!ep_proxy_port_range(r->a, colon + 1, &way.port, &last) ||
			      last - way.port != way.hi - way.lo))
			return false;
		if (!ep_proxy_way_add(r, way))
			return false;
	}
	return true;
}

bool ep_proxy_pasta(struct ep_proxy_reader *r)
{
	static const char *const values[] = {"pid",
					     "socket",
					     "pcap",
					     "mtu",
					     "address",
					     "netmask",
					     "mac-addr",
					     "gateway",
					     "interface",
					     "outbound",
					     "outbound-if4",
					     "outbound-if6",
					     "dns",
					     "search",
					     "tcp-ports",
					     "udp-ports",
					     "tcp-ns",
					     "udp-ns",
					     "userns",
					     "netns",
					     "ns-mac-addr",
					     "ns-ifname",
					     "dns-forward",
					     "dns-host",
					     "runas",
					     "log-file",
					     "log-size",
					     "fd",
					     "hostname",
					     "fqdn",
					     "map-host-loopback",
					     "map-guest-addr",
					     "repair-path",
					     "chroot",
					     NULL};
	static const struct ep_proxy_options options = {"lsFIpPmanMgioDStuTUH", values};
	const char *name = r->p->argv.n ? r->p->argv.v[0] : "";
	const char *slash = strrchr(name, '/');
	struct ep_proxy_opt o;
	size_t i = 1;

	if (strncmp(slash ? slash + 1 : name, "pasta", 5)) /* passt: into a virtual machine */
		return true;
	r->proxy->place = EP_PLACE_HELD;
	while (ep_proxy_option(r->p, &options, &i, &o))
		if (ep_proxy_is_option(&o, "t", "tcp-ports") && o.value &&
		    !pasta_ports(r, o.value)) {
			r->p->proxy_ways.n = 0;
			return true;
		}
	/* What was not mapped goes to the same port. */
	ep_proxy_way_add(r, (struct ep_proxy_way){.by_device = true});
	return true;
}

/* ---- slirp4netns [OPTIONS] PID | PATH [TAPNAME] ---- */

bool ep_proxy_slirp4netns(struct ep_proxy_reader *r)
{
	static const char *const values[] = {"exit-fd",       "ready-fd",       "mtu",
					     "cidr",          "api-socket",     "netns-type",
					     "userns-path",   "target-type",    "macaddress",
					     "outbound-addr", "outbound-addr6", NULL};
	static const struct ep_proxy_options options = {"erma", values};
	struct ep_proxy_opt o;
	size_t i = 1;

	while (ep_proxy_option(r->p, &options, &i, &o)) {
	}
	if (i >= r->p->argv.n)
		return true;
	r->proxy->place = EP_PLACE_PARENT;
	r->proxy->where = r->p->argv.v[i];
	return true;
}

/* ---- rootlesskit [OPTIONS] COMMAND; -p [IP:]PORT:[CHILDIP:]CHILDPORT/PROTO ---- */

static char *cut_last(struct ep_arena *a, const char **s)
{
	const char *colon = strrchr(*s, ':');
	char *last;

	if (!colon)
		return NULL;
	last = ep_strdup(a, colon + 1);
	*s = ep_strndup(a, *s, (size_t)(colon - *s));
	return last;
}

static void published(struct ep_proxy_reader *r, const char *spec)
{
	const char *slash = strchr(spec, '/');
	struct ep_proxy_way way = {};
	const char *last;

	if (!slash || strncmp(slash, "/tcp", 4))
		return;
	spec = ep_strndup(r->a, spec, (size_t)(slash - spec));
	last = cut_last(r->a, &spec);
	if (!last || !ep_proxy_port(last, &way.port))
		return;
	ep_addr_parse("127.0.0.1", &way.addr);
	last = strrchr(spec, ':');
	last = last ? last + 1 : spec;
	if (!ep_proxy_port(last, &way.lo)) { /* it ends with the address in there */
		const char *inner = cut_last(r->a, &spec);

		if (!inner || !ep_addr_parse(inner, &way.addr))
			return;
		last = strrchr(spec, ':');
		if (!ep_proxy_port(last ? last + 1 : spec, &way.lo))
			return;
	}
	way.hi = way.lo;
	ep_proxy_way_add(r, way);
}

bool ep_proxy_rootlesskit(struct ep_proxy_reader *r)
{
	static const char *const values[] = {"net",
					     "mtu",
					     "slirp4netns-binary",
					     "slirp4netns-sandbox",
					     "slirp4netns-seccomp",
					     "vpnkit-binary",
					     "lxc-user-nic-binary",
					     "lxc-user-nic-bridge",
					     "pasta-binary",
					     "cidr",
					     "ifname",
					     "copy-up",
					     "copy-up-mode",
					     "port-driver",
					     "publish",
					     "state-dir",
					     "subid-source",
					     "propagation",
					     NULL};
	static const struct ep_proxy_options options = {"p", values};
	struct ep_proxy_opt o;
	size_t i = 1;

	r->proxy->place = EP_PLACE_CHILD;
	while (ep_proxy_option(r->p, &options, &i, &o)) {
		if (ep_proxy_is_option(&o, "p", "publish") && o.value)
			published(r, o.value);
		if (ep_proxy_is_option(&o, "", "detach-netns")) { /* its child is elsewhere */
			r->p->proxy_ways.n = 0;
			return true;
		}
	}
	return true;
}

/* Podman tells it the ports on its standard input, and nobody else. */
bool ep_proxy_rootlessport(struct ep_proxy_reader *r)
{
	r->proxy->place = EP_PLACE_CHILD;
	ep_proxy_name_add(r, "a port that only Podman knows");
	return true;
}
