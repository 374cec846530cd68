// SPDX-License-Identifier: GPL-2.0-or-later
/* Which rules Docker, kube-proxy, the CNI plugins, firewalld and others write, and whose a rule is. */
#include <netinet/in.h>
#include <string.h>

#include "findings/owner.h"

/* ---- whose ---- */

static const char *container_name(struct ep_arena *a, const struct ep_container *c)
{
	struct ep_who w = {.kind = c->pod.name ? EP_WHO_POD : EP_WHO_CONTAINER, .container = c};

	return ep_who_name(a, &w);
}

static const struct ep_container *target_container(const struct ep_owner_query *q)
{
	struct ep_addr addr;
	uint16_t port;

	if (!ep_step_diverts(q->step) || !ep_parse_target(q->step->to, &addr, &port))
		return NULL;
	return ep_container_of_addr(q->s, &addr);
}

/* The container or pod that has the address it translates to. */
static const char *of_target(const struct ep_owner_query *q)
{
	const struct ep_container *c = target_container(q);

	return c ? container_name(q->a, c) : NULL;
}

static const char *of_container_id(const struct ep_owner_query *q, const char *id)
{
	ep_each(c, &q->s->containers)
		if ((*c)->id && !strcmp((*c)->id, id))
			return container_name(q->a, *c);
	return id;
}

/* comment `dnat name: "NETWORK" id: "CONTAINER"`, or of the nft backend the bare id */
static const char *of_portmap(const struct ep_owner_query *q)
{
	const char *name = of_target(q), *comment = ep_owner_comment(q), *id;

	if (name || !comment)
		return name;
	id = strstr(comment, "id: \"");
	if (!id)
		return *comment && !strchr(comment, ' ') ? of_container_id(q, comment) : NULL;
	id += strlen("id: \"");
	return of_container_id(q, ep_strndup(q->a, id, strcspn(id, "\"")));
}

/* The first word of the comment that reads NAMESPACE/SERVICE:PORT */
static const char *of_service_comment(const struct ep_owner_query *q)
{
	const char *p = ep_owner_comment(q);

	while (p && *p) {
		size_t n = strcspn(p, " ");

		if (n && memchr(p, '/', n) && (p[0] < '0' || p[0] > '9' || memchr(p, ':', n)))
			return ep_strndup(q->a, p, n);
		p += n + strspn(p + n, " ");
	}
	return NULL;
}

/* `service-HASH-NAMESPACE/NAME/PROTOCOL/PORT`, and behind it of an endpoint `__ADDRESS/PORT` */
static const char *service_of_chain(struct ep_arena *a, const char *chain)
{
	static const char *const kinds[] = {"service-", "endpoint-", "external-", "firewall-",
					    "affinity-"};
	const char *hash = NULL, *ns, *name, *proto, *port;

	for (size_t i = 0; chain && i < EP_ARRAY_SIZE(kinds); i++)
		if (!strncmp(chain, kinds[i], strlen(kinds[i])))
			hash = chain + strlen(kinds[i]);
	ns = hash ? strchr(hash, '-') : NULL;
	name = ns ? strchr(++ns, '/') : NULL;
	if (!name)
		return NULL;
	proto = strchr(name + 1, '/');
	port = proto ? strchr(proto + 1, '/') : NULL;
	if (!port)
		return ep_strndup(a, ns, strcspn(ns, "_"));
	port++;
	return ep_sprintf(a, "%.*s%s%.*s", (int)(proto - ns), ns, *port && *port != '_' ? ":" : "",
			  (int)(strstr(port, "__") ? (size_t)(strstr(port, "__") - port) :
						     strlen(port)),
			  port);
}

static const char *of_service_chain(const struct ep_owner_query *q)
{
	const char *name = service_of_chain(q->a, q->step->chain);

	return name ? name : service_of_chain(q->a, q->step->to);
}

/* The word after a text in the comment: `generated for LXD network lxdbr0` */
static const char *last_word(const struct ep_owner_query *q)
{
	const char *comment = ep_owner_comment(q), *space = comment ? strrchr(comment, ' ') : NULL;

	return space ? space + 1 : NULL;
}

/* A chain that is called after what it is for: `in.lxdbr0`, `filter_IN_public_allow` */
static const char *behind_dot(const struct ep_owner_query *q)
{
	const char *dot = q->step->chain ? strchr(q->step->chain, '.') : NULL;

	return dot ? dot + 1 : NULL;
}

/* The pod in whose namespace it stands. */
static const char *of_pod_here(const struct ep_owner_query *q)
{
	ep_each(c, &q->s->containers)
		if ((*c)->netns == q->step->netns && (*c)->pod.name)
			return container_name(q->a, *c);
	return NULL;
}

/* ---- what else must be so ---- */

/* A translation must go to a container that Docker runs; what else is in its chains is its own. */
static bool is_dockers(const struct ep_owner_query *q)
{
	const struct ep_container *c;

	if (!ep_step_diverts(q->step))
		return true;
	c = target_container(q);
	return c && c->runtime && !strcmp(c->runtime, "docker");
}

/* `-d ADDRESS ! -i BRIDGE -j DROP` in raw: the address is that of a container that Docker runs. */
static bool guards_docker(const struct ep_owner_query *q)
{
	const struct ep_xt_rule *r = q->step->rule.xt;
	const struct ep_container *c = NULL;

	if (r)
		c = ep_container_of_addr(q->s, &r->dst);
	return c && c->runtime && !strcmp(c->runtime, "docker");
}

static bool in_swarm_sandbox(const struct ep_owner_query *q)
{
	const struct ep_netns *ns = ep_netns_find(q->s, q->step->netns);

	return ns && ns->name && strstr(ns->name, "ingress_sbox");
}

/* k3s' servicelb: the pods that it makes are called after the service. */
static bool in_svclb_pod(const struct ep_owner_query *q)
{
	ep_each(c, &q->s->containers)
		if ((*c)->netns == q->step->netns && (*c)->pod.name &&
		    !strncmp((*c)->pod.name, "svclb-", strlen("svclb-")))
			return true;
	return false;
}

/* firewalld's iptables backend names its chains so that they could be anybody's: one is enough. */
static bool beside_zones(const struct ep_owner_query *q)
{
	const struct ep_rule_ref *r = &q->step->rule;

	if (r->xt_table)
		return ep_xt_chain_find(r->xt_table, "INPUT_ZONES") ||
		       ep_xt_chain_find(r->xt_table, "PREROUTING_ZONES");
	if (r->nft_chain)
		return ep_nft_chain_find(r->nft_chain->table, "INPUT_ZONES") ||
		       ep_nft_chain_find(r->nft_chain->table, "PREROUTING_ZONES");
	return false;
}

const struct ep_owner_row ep_owner_rows[] = {
	/* by the namespace */
	{"docker-swarm", NULL, NULL, NULL, in_swarm_sandbox, NULL},
	{"k3s-servicelb", NULL, "PREROUTING", NULL, in_svclb_pod, of_pod_here},
	{"k3s-servicelb", NULL, "POSTROUTING", NULL, in_svclb_pod, of_pod_here},
	{"k3s-servicelb", NULL, "FORWARD", NULL, in_svclb_pod, of_pod_here},
	/* Docker: moby/libnetwork/drivers/bridge; DOCKER-USER's own rules are the operator's */
	{"docker-swarm", NULL, "DOCKER-INGRESS", NULL, NULL, NULL},
	{"docker", NULL, "DOCKER", NULL, is_dockers, of_target},
	{"docker", NULL, "DOCKER-FORWARD", NULL, is_dockers, of_target},
	{"docker", NULL, "DOCKER-CT", NULL, is_dockers, of_target},
	{"docker", NULL, "DOCKER-BRIDGE", NULL, is_dockers, of_target},
	{"docker", NULL, "DOCKER-INTERNAL", NULL, is_dockers, of_target},
	{"docker", NULL, "DOCKER-ISOLATION-STAGE-*", NULL, is_dockers, of_target},
	{"docker", "raw", "PREROUTING", NULL, guards_docker, NULL},
	{"docker", "docker-bridges", NULL, NULL, NULL, of_target},
	/* Kubernetes */
	{"cni-portmap", NULL, "CNI-HOSTPORT-*", NULL, NULL, of_portmap},
	{"cni-portmap", NULL, "CNI-DN-*", NULL, NULL, of_portmap},
	{"cni-portmap", "cni_hostport", NULL, NULL, NULL, of_portmap},
	{"cni", "cni_plugins_masquerade", NULL, NULL, NULL, of_portmap},
	{"cni", NULL, "CNI-*", "name: \"*", NULL, of_portmap},
	{"kubelet", NULL, "KUBE-FIREWALL", NULL, NULL, NULL},
	{"kubelet", NULL, "KUBE-MARK-DROP", NULL, NULL, NULL},
	{"crio", NULL, "KUBE-HOSTPORTS", NULL, NULL, of_target},
	{"crio", NULL, "KUBE-HP-*", NULL, NULL, of_target},
	{"crio", "crio-hostports*", NULL, NULL, NULL, of_target},
	{"kube-router", NULL, "KUBE-ROUTER-*", NULL, NULL, NULL},
	{"kube-router", NULL, "KUBE-POD-FW-*", NULL, NULL, NULL},
	{"kube-router", NULL, "KUBE-NWPLCY-*", NULL, NULL, NULL},
	{"kube-proxy", NULL, "KUBE-*", NULL, NULL, of_service_comment},
	{"kube-proxy", "kube-proxy", NULL, NULL, NULL, of_service_chain},
	{"calico", NULL, "cali-*", NULL, NULL, NULL},
	{"calico", "calico", NULL, NULL, NULL, NULL},
	{"calico", NULL, NULL, "cali:*", NULL, NULL},
	{"cilium", NULL, "CILIUM_*", NULL, NULL, NULL},
	{"cilium", NULL, "OLD_CILIUM_*", NULL, NULL, NULL},
	{"cilium", NULL, NULL, "cilium: *", NULL, NULL},
	{"flannel", NULL, "FLANNEL-*", NULL, NULL, NULL},
	{"flannel", "flannel-ipv*", NULL, NULL, NULL, NULL},
	{"flannel", NULL, NULL, "flanneld *", NULL, NULL},
	{"antrea", NULL, "ANTREA-*", NULL, NULL, NULL},
	{"weave", NULL, "WEAVE*", NULL, NULL, NULL},
	{"istio", NULL, "ISTIO_*", NULL, NULL, of_pod_here},
	{"istio", "istio-proxy-*", NULL, NULL, NULL, of_pod_here},
	{"linkerd", NULL, "PROXY_INIT_*", NULL, NULL, of_pod_here},
	/* Podman */
	{"netavark", NULL, "NETAVARK*", NULL, NULL, of_target},
	{"netavark", "netavark", NULL, NULL, NULL, of_target},
	/* firewalls */
	{"firewalld", "firewalld", NULL, NULL, NULL, NULL},
	{"firewalld", NULL, "INPUT_ZONES*", NULL, NULL, NULL},
	{"firewalld", NULL, "PREROUTING_ZONES*", NULL, NULL, NULL},
	{"firewalld", NULL, "POSTROUTING_ZONES*", NULL, NULL, NULL},
	{"firewalld", NULL, "FORWARD_IN_ZONES*", NULL, NULL, NULL},
	{"firewalld", NULL, "FORWARD_OUT_ZONES*", NULL, NULL, NULL},
	{"firewalld", NULL, "IN_*", NULL, beside_zones, NULL},
	{"firewalld", NULL, "PRE_*", NULL, beside_zones, NULL},
	{"firewalld", NULL, "POST_*", NULL, beside_zones, NULL},
	{"firewalld", NULL, "FWDI_*", NULL, beside_zones, NULL},
	{"firewalld", NULL, "FWDO_*", NULL, beside_zones, NULL},
	{"ufw", NULL, "ufw-*", NULL, NULL, NULL},
	{"ufw", NULL, "ufw6-*", NULL, NULL, NULL},
	{"fail2ban", NULL, "f2b-*", NULL, NULL, NULL},
	{"fail2ban", "f2b-table", NULL, NULL, NULL, NULL},
	{"crowdsec", "crowdsec*", NULL, NULL, NULL, NULL},
	{"openwrt", "fw4", NULL, NULL, NULL, NULL},
	/* virtual machines and system containers */
	{"libvirt", NULL, "LIBVIRT_*", NULL, NULL, NULL},
	{"libvirt", "libvirt_network", NULL, NULL, NULL, NULL},
	{"lxd", "lxd", NULL, NULL, NULL, behind_dot},
	{"lxd", NULL, NULL, "generated for LXD *", NULL, last_word},
	{"incus", "incus", NULL, NULL, NULL, behind_dot},
	{"incus", NULL, NULL, "generated for Incus *", NULL, last_word},
	{"openstack", NULL, "neutron-*", NULL, NULL, NULL},
	/* networks */
	{"tailscale", NULL, "ts-*", NULL, NULL, NULL},
	{"wg-quick", "wg-quick-*", NULL, NULL, NULL, NULL},
	{"wg-quick", NULL, NULL, "wg-quick(8) rule for *", NULL, last_word},
	{"systemd-networkd", "io.systemd.nat", NULL, NULL, NULL, NULL},
	{"miniupnpd", NULL, "MINIUPNPD*", NULL, NULL, NULL},
	{"miniupnpd", "miniupnpd", NULL, NULL, NULL, NULL},
	{NULL, NULL, NULL, NULL, NULL, NULL},
};

/* ---- their names ---- */

static const struct {
	const char *kind, *title;
} titles[] = {
	{"docker", "Docker"},
	{"docker-swarm", "Docker Swarm"},
	{"cni-portmap", "CNI portmap"},
	{"cni", "CNI"},
	{"crio", "CRI-O"},
	{"k3s-servicelb", "k3s servicelb"},
	{"calico", "Calico"},
	{"cilium", "Cilium"},
	{"antrea", "Antrea"},
	{"weave", "Weave Net"},
	{"istio", "Istio"},
	{"linkerd", "Linkerd"},
	{"netavark", "Podman"},
	{"crowdsec", "CrowdSec"},
	{"openwrt", "OpenWrt"},
	{"lxd", "LXD"},
	{"incus", "Incus"},
	{"openstack", "OpenStack Neutron"},
	{"tailscale", "Tailscale"},
};

const char *ep_owner_title(const struct ep_owner *o)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(titles); i++)
		if (!strcmp(o->kind, titles[i].kind))
			return titles[i].title;
	return !strcmp(o->kind, "unowned") ? NULL : o->kind;
}
