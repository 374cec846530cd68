// SPDX-License-Identifier: GPL-2.0-or-later
/* Matches on devices, sockets and chance: net/netfilter/xt_mac.c, xt_physdev.c, xt_pkttype.c,
 * xt_devgroup.c, xt_owner.c, xt_cgroup.c, xt_socket.c, xt_policy.c, xt_statistic.c. */
#include <string.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_cgroup.h>
#include <linux/netfilter/xt_devgroup.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_osf.h>
#include <linux/netfilter/xt_owner.h>
#include <linux/netfilter/xt_physdev.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_policy.h>
#include <linux/netfilter/xt_realm.h>
#include <linux/netfilter/xt_socket.h>
#include <linux/netfilter/xt_statistic.h>

#include "walk/bytes.h"
#include "walk/xt.h"

/* ---- devices ---- */

bool ep_xt_mac(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_mac_info *i = in->info;
	struct ep_walk *w = a->w;
	ep_u128 mac = 0;

	if (!w->p.in || w->p.in->type != ARPHRD_ETHER || !w->p.framed)
		return false;
	for (int k = 0; k < ETH_ALEN; k++)
		mac = mac << 8 | i->srcaddr[k];
	return ep_xt_need_range(a, &w->p.smac, mac, mac, i->invert);
}

static bool port_fits(const struct ep_link *port, const char *want, const char *mask)
{
	char have[IFNAMSIZ] = {};

	strncpy(have, port->name, IFNAMSIZ - 1);
	for (int k = 0; k < IFNAMSIZ; k++)
		if ((have[k] ^ want[k]) & mask[k])
			return false;
	return true;
}

/* A routed packet keeps the port that it came in by, where br_netfilter showed it to the rules. */
bool ep_xt_physdev(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_physdev_info *i = in->info;
	const struct ep_pkt *p = &a->w->p;
	unsigned used = i->bitmask & XT_PHYSDEV_OP_MASK;
	bool fits;

	if (!p->br_nf)
		return !(used & ~i->invert);
	if (used & XT_PHYSDEV_OP_BRIDGED && !p->phys_out == !(i->invert & XT_PHYSDEV_OP_BRIDGED))
		return false;
	if (used & XT_PHYSDEV_OP_ISIN && i->invert & XT_PHYSDEV_OP_ISIN)
		return false;
	if (used & XT_PHYSDEV_OP_ISOUT && !p->phys_out == !(i->invert & XT_PHYSDEV_OP_ISOUT))
		return false;
	if (used & XT_PHYSDEV_OP_OUT) {
		fits = p->phys_out && port_fits(p->phys_out, i->physoutdev, i->out_mask);
		if (fits == !!(i->invert & XT_PHYSDEV_OP_OUT))
			return false;
	}
	if (!(used & XT_PHYSDEV_OP_IN))
		return true;
	if (!p->phys_in)
		return ep_xt_need_unknown(a, "depends on the port of the bridge it came in by");
	fits = port_fits(p->phys_in, i->physindev, i->in_mask);
	return fits != !!(i->invert & XT_PHYSDEV_OP_IN);
}

bool ep_xt_pkttype(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_pkttype_info *i = in->info;
	const struct ep_pkt *p = &a->w->p;
	int type = p->pkttype;

	if (type == PACKET_LOOPBACK) {
		bool multicast = p->alen == 4 ? (p->daddr.b[0] & 0xf0) == 0xe0 :
						p->daddr.b[0] == 0xff;

		type = multicast ? PACKET_MULTICAST : PACKET_BROADCAST;
	}
	return (type == i->pkttype) != !!i->invert;
}

static bool group_ok(const struct ep_link *l, uint32_t group, uint32_t mask, bool invert)
{
	return !(((l ? l->group : 0) ^ group) & mask) != invert;
}

bool ep_xt_devgroup(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_devgroup_info *i = in->info;
	const struct ep_pkt *p = &a->w->p;

	if (i->flags & XT_DEVGROUP_MATCH_SRC &&
	    !group_ok(p->in, i->src_group, i->src_mask, i->flags & XT_DEVGROUP_INVERT_SRC))
		return false;
	return !(i->flags & XT_DEVGROUP_MATCH_DST) ||
	       group_ok(p->out, i->dst_group, i->dst_mask, i->flags & XT_DEVGROUP_INVERT_DST);
}

/* ---- the socket ---- */

/* Only a packet that a process of this host sends has a socket. */
bool ep_xt_owner(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_owner_match_info *i = in->info;
	struct ep_val uid, gid;

	if (!a->w->p.local_out)
		return !(i->match ^ i->invert);
	if (i->match & i->invert & XT_OWNER_SOCKET)
		return false;
	uid = ep_w_field(a->w, "uid of the sending socket", 32, 0);
	gid = ep_w_field(a->w, "gid of the sending socket", 32, 0);
	if (i->match & XT_OWNER_UID &&
	    !ep_xt_need_range(a, &uid, i->uid_min, i->uid_max, i->invert & XT_OWNER_UID))
		return false;
	if (!(i->match & XT_OWNER_GID))
		return true;
	if (i->match & XT_OWNER_SUPPL_GROUPS)
		return ep_xt_need_unknown(a, "depends on the sender's groups");
	return ep_xt_need_range(a, &gid, i->gid_min, i->gid_max, i->invert & XT_OWNER_GID);
}

struct in_cgroup {
	const char *path;
	bool invert;
};

static bool sender_in_cgroup(struct ep_walk *w, const void *info)
{
	const struct in_cgroup *c = info;
	const char *no = ep_w_sprintf(w, "the sender is not in cgroup %s", c->path);
	const char *yes = ep_w_sprintf(w, "the sender is in cgroup %s", c->path);

	return w->ended || !ep_w_state(w, no, yes) != c->invert;
}

/* cgroup_mt(): without a socket it does not match, inverted or not. */
bool ep_xt_cgroup(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_cgroup_info_v0 *v0 = in->info;
	const struct xt_cgroup_info_v1 *v1 = in->info; /* v2 begins with the same */
	const struct xt_cgroup_info_v2 *v2 = in->info;
	struct in_cgroup c = {.invert = v1->invert_path};
	size_t max = in->rev == 1 ? sizeof(v1->path) : sizeof(v2->path);
	struct ep_val v;

	if (!a->w->p.local_out)
		return false;
	if (in->rev && v1->has_path) {
		c.path = ep_strndup(a->w->arena, v1->path, strnlen(v1->path, max));
		return ep_xt_need_test(a, sender_in_cgroup, &c, sizeof(c));
	}
	v = ep_w_field(a->w, "net_cls class of the sending socket", 32, 0);
	if (!in->rev)
		return ep_xt_need_range(a, &v, v0->id, v0->id, v0->invert);
	return ep_xt_need_range(a, &v, in->rev == 1 ? v1->classid : v2->classid,
				in->rev == 1 ? v1->classid : v2->classid, v1->invert_classid);
}

/* XT_SOCKET_RESTORESKMARK: the socket's mark becomes the packet's. */
static bool restore_mark(struct ep_walk *w, const void *info)
{
	const struct ep_listener *l = *(const struct ep_listener *const *)info;

	if (l->mark_known)
		w->p.mark = l->mark;
	return l->mark_known || ep_w_unknown(w, "depends on the mark of the listening socket");
}

/* The listener that the packet would reach now; established connections are other packets' concern. */
bool ep_xt_socket(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	unsigned flags = in->rev ? ((const struct xt_socket_mtinfo1 *)in->info)->flags : 0;
	struct ep_walk *w = a->w;
	const struct ep_listener *l;

	if (in->rev < 3)
		flags &= ~XT_SOCKET_RESTORESKMARK;
	if (in->rev < 2)
		flags &= ~XT_SOCKET_NOWILDCARD;
	l = w->p.tproxy ? w->p.tproxy : ep_listener_lookup(w);
	if (!l)
		return w->s->listeners_partial &&
		       ep_xt_need_unknown(a, "not all sockets could be read");
	if (!(flags & XT_SOCKET_NOWILDCARD) && ep_addr_is_any(&l->addr))
		return false;
	if (flags & XT_SOCKET_TRANSPARENT && !l->transparent)
		return false;
	return !(flags & XT_SOCKET_RESTORESKMARK) ||
	       ep_xt_need_test(a, restore_mark, &l, sizeof(l));
}

/* The route's realm; without a route (ipt realm in PREROUTING is refused) there is none. */
bool ep_xt_realm(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_realm_info *i = in->info;
	struct ep_val v = ep_pkt_realm(a->w);

	return ep_xt_need_masked(a, &v, 32, i->mask, i->id, i->invert);
}

static bool looks_like(struct ep_walk *w, const void *info)
{
	const struct xt_osf_info *i = info;
	int len = (int)strnlen(i->genre, sizeof(i->genre));
	bool yes = !ep_w_state(
		w, ep_w_sprintf(w, "osf does not take the client for %.*s", len, i->genre),
		ep_w_sprintf(w, "osf takes the client for %.*s", len, i->genre));

	return yes != !!(i->flags & XT_OSF_INVERT);
}

/* Fingerprints are loaded into the kernel, which does not tell them. */
bool ep_xt_osf(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	return !a->w->p.ack && ep_xt_need_test(a, looks_like, in->info, sizeof(struct xt_osf_info));
}

/* No packet of ours comes from or goes through IPsec. */
bool ep_xt_policy(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_policy_info *i = in->info;

	(void)a;
	return i->flags & XT_POLICY_MATCH_NONE;
}

/* ---- chance ---- */

bool ep_xt_statistic(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_statistic_info *i = in->info;
	double p;

	if (i->mode == XT_STATISTIC_MODE_RANDOM)
		p = i->u.random.probability / (double)0x80000000u;
	else if (i->mode == XT_STATISTIC_MODE_NTH)
		p = 1 / ((double)i->u.nth.every + 1);
	else
		p = 0;
	if (i->flags & XT_STATISTIC_INVERT)
		p = 1 - p;
	return ep_xt_need_chance(
		a, p, i->mode == XT_STATISTIC_MODE_NTH ? "statistic nth" : "statistic random");
}
