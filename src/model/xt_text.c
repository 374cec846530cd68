// SPDX-License-Identifier: GPL-2.0-or-later
/* Text of legacy rules and of xt extensions, as iptables-save writes them. */
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include "model/xt_text.h"

/* ---- pieces ---- */

void ep_xt_put_not(struct ep_buf *b, bool invert)
{
	if (invert)
		ep_buf_puts(b, " !");
}

void ep_xt_put_quoted(struct ep_buf *b, const char *s, size_t n)
{
	static const char plain[] = "_-0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t len = strnlen(s, n), from = 0;
	bool quote = !len;

	for (size_t i = 0; i < len; i++)
		quote |= !strchr(plain, s[i]);
	ep_buf_puts(b, quote ? " \"" : " ");
	for (size_t i = 0; quote && i < len; i++) {
		if (!strchr("\"\\'", s[i]))
			continue;
		ep_buf_put_escaped(b, s + from, i - from);
		ep_buf_printf(b, "\\%c", s[i]);
		from = i + 1;
	}
	ep_buf_put_escaped(b, s + from, len - from);
	if (quote)
		ep_buf_puts(b, "\"");
}

void ep_xt_put_addr(struct ep_buf *b, const void *bytes, bool v6)
{
	struct ep_addr a = ep_addr_of(bytes, v6 ? 16 : 4);
	char buf[EP_ADDRSTR];

	ep_buf_puts(b, ep_addr_str(&a, buf));
}

/* Prefix length, or -1 if the mask has holes. */
static int plen_of(const uint8_t *mask, unsigned len)
{
	unsigned n = 0;

	while (n < len * 8 && mask[n / 8] & 0x80 >> n % 8)
		n++;
	for (unsigned i = n; i < len * 8; i++)
		if (mask[i / 8] & 0x80 >> i % 8)
			return -1;
	return (int)n;
}

void ep_xt_put_net(struct ep_buf *b, const void *addr, const void *mask, bool v6)
{
	int plen = plen_of(mask, v6 ? 16 : 4);

	ep_xt_put_addr(b, addr, v6);
	ep_buf_puts(b, "/");
	if (plen >= 0)
		ep_buf_printf(b, "%d", plen);
	else
		ep_xt_put_addr(b, mask, v6);
}

void ep_xt_put_iface(struct ep_buf *b, const char *name, const uint8_t *mask)
{
	size_t len = strnlen(name, 16), n = 0;

	while (n < len && mask[n])
		n++;
	ep_buf_puts(b, " ");
	ep_buf_put_escaped(b, name, n);
	if (n < 16 && !mask[n])
		ep_buf_puts(b, "+");
}

void ep_xt_put_range(struct ep_buf *b, unsigned lo, unsigned hi, const char *between)
{
	ep_buf_printf(b, "%u", lo);
	if (lo != hi)
		ep_buf_printf(b, "%s%u", between, hi);
}

void ep_xt_put_mark(struct ep_buf *b, const char *option, uint32_t value, uint32_t mask)
{
	ep_buf_printf(b, " %s 0x%x", option, value);
	if (mask != UINT32_MAX)
		ep_buf_printf(b, "/0x%x", mask);
}

void ep_xt_put_bits(struct ep_buf *b, unsigned bits, const struct ep_xt_word *words)
{
	const char *comma = " ";

	for (; words->name; words++)
		if (bits & words->value) {
			ep_buf_printf(b, "%s%s", comma, words->name);
			comma = ",";
		}
}

static const char *set_name(const struct ep_netns *ns, uint16_t index)
{
	for (size_t i = 0; ns && i < ns->ipsets.n; i++)
		if (ns->ipsets.v[i]->index == index)
			return ns->ipsets.v[i]->name;
	return NULL;
}

void ep_xt_put_set(const struct ep_xt_text *t, const char *option, uint16_t index, unsigned dims,
		   unsigned flags)
{
	struct ep_buf *b = t->b;
	const char *name = set_name(t->ns, index);

	if (name) {
		ep_buf_printf(b, " %s ", option);
		ep_buf_put_escaped(b, name, strlen(name));
		ep_buf_puts(b, " ");
	} else {
		ep_buf_printf(b, " %s #%u ", option, index);
	}
	for (unsigned d = 1; d <= dims && d <= IPSET_DIM_MAX; d++)
		ep_buf_printf(b, "%s%s", d > 1 ? "," : "", flags & 1u << d ? "src" : "dst");
}

/* iptables' own names, then those of /etc/protocols. */
static const struct ep_xt_word protocols[] = {
	{IPPROTO_TCP, "tcp"},
	{IPPROTO_SCTP, "sctp"},
	{IPPROTO_UDP, "udp"},
	{IPPROTO_UDPLITE, "udplite"},
	{IPPROTO_ICMP, "icmp"},
	{IPPROTO_ICMPV6, "ipv6-icmp"},
	{IPPROTO_ESP, "esp"},
	{IPPROTO_AH, "ah"},
	{IPPROTO_MH, "mobility-header"},
	{IPPROTO_IGMP, "igmp"},
	{3, "ggp"},
	{IPPROTO_IPIP, "ipencap"},
	{5, "st"},
	{IPPROTO_EGP, "egp"},
	{9, "igp"},
	{IPPROTO_PUP, "pup"},
	{20, "hmp"},
	{IPPROTO_IDP, "xns-idp"},
	{27, "rdp"},
	{29, "iso-tp4"},
	{IPPROTO_DCCP, "dccp"},
	{36, "xtp"},
	{37, "ddp"},
	{38, "idpr-cmtp"},
	{IPPROTO_IPV6, "ipv6"},
	{IPPROTO_ROUTING, "ipv6-route"},
	{IPPROTO_FRAGMENT, "ipv6-frag"},
	{45, "idrp"},
	{IPPROTO_RSVP, "rsvp"},
	{IPPROTO_GRE, "gre"},
	{57, "skip"},
	{IPPROTO_NONE, "ipv6-nonxt"},
	{IPPROTO_DSTOPTS, "ipv6-opts"},
	{73, "rspf"},
	{81, "vmtp"},
	{88, "eigrp"},
	{89, "ospf"},
	{93, "ax.25"},
	{94, "ipip"},
	{97, "etherip"},
	{98, "encap"},
	{IPPROTO_PIM, "pim"},
	{108, "ipcomp"},
	{112, "vrrp"},
	{115, "l2tp"},
	{124, "isis"},
	{133, "fc"},
	{137, "mpls-in-ip"},
	{138, "manet"},
	{139, "hip"},
	{140, "shim6"},
	{141, "wesp"},
	{142, "rohc"},
	{143, "ethernet"},
	{0, NULL},
};

void ep_xt_put_protocol(struct ep_buf *b, unsigned proto)
{
	const struct ep_xt_word *w = protocols;

	while (w->name && w->value != proto)
		w++;
	if (w->name)
		ep_buf_puts(b, w->name);
	else
		ep_buf_printf(b, "%u", proto);
}

/* ---- extensions ---- */

static const struct ep_xt_text_row *find(const struct ep_xt_text_row *r, const struct ep_xt_ext *x,
					 uint8_t family)
{
	for (; r->name; r++)
		if (x->rev >= r->rev_min && x->rev <= r->rev_max &&
		    (!r->family || r->family == family) && !strcmp(r->name, x->name) &&
		    (!r->size || x->len == r->size || x->len == XT_ALIGN((unsigned)r->size)))
			return r;
	return NULL;
}

/* state and NOTRACK live on as flags of conntrack and CT. */
static const char *shown_name(const struct ep_xt_ext *x, bool is_target)
{
	struct xt_conntrack_mtinfo3 i;
	struct xt_ct_target_info ct;

	if (is_target && !strcmp(x->name, "CT") && x->len >= sizeof(ct)) {
		memcpy(&ct, x->data, sizeof(ct));
		return ct.flags & XT_CT_NOTRACK_ALIAS ? "NOTRACK" : x->name;
	}
	if (is_target || strcmp(x->name, "conntrack") || x->len < sizeof(i) || x->rev < 1)
		return x->name;
	memcpy(&i, x->data, sizeof(i));
	return i.match_flags & XT_CONNTRACK_STATE_ALIAS ? "state" : x->name;
}

static const struct ep_xt_text_row *const matches[] = {
	ep_xt_text_usual, ep_xt_text_unusual, ep_xt_text_headers, ep_xt_text_rare, NULL,
};

static const struct ep_xt_text_row *const targets[] = {
	ep_xt_text_targets,
	ep_xt_text_targets_rare,
	NULL,
};

static void options(struct ep_buf *out, const struct ep_xt_ext *x, bool is_target, uint8_t family,
		    const struct ep_netns *ns)
{
	_Alignas(16) uint8_t info[EP_XT_TEXT_MAX] = {};
	const struct ep_xt_text_row *r = NULL;
	struct ep_xt_text t = {
		.b = out, .rev = x->rev, .v6 = family == AF_INET6, .info = info, .ns = ns};

	for (const struct ep_xt_text_row *const *table = is_target ? targets : matches;
	     *table && !r; table++)
		r = find(*table, x, family);
	if (!r) {
		ep_buf_printf(out, " [%u bytes]", x->len);
		return;
	}
	if (r->size)
		memcpy(info, x->data, r->size);
	if (r->fn)
		r->fn(&t);
}

void ep_xt_ext_text(struct ep_buf *out, const struct ep_xt_ext *x, bool is_target, uint8_t family,
		    const struct ep_netns *ns)
{
	const char *name = shown_name(x, is_target);

	ep_buf_puts(out, is_target ? "-j " : "-m ");
	ep_buf_put_escaped(out, name, strlen(name));
	options(out, x, is_target, family, ns);
}

/* ---- rules ---- */

static void put_addr(struct ep_buf *b, const char *option, const struct ep_addr *addr,
		     const struct ep_addr *mask, bool invert)
{
	bool any = ep_addr_is_any(addr) && ep_addr_is_any(mask);

	if (any && !invert)
		return;
	ep_xt_put_not(b, invert);
	ep_buf_printf(b, " %s ", option);
	ep_xt_put_net(b, addr->b, mask->b, addr->len == 16 || mask->len == 16);
}

static void put_iface(struct ep_buf *b, const char *option, const char *name, const uint8_t *mask,
		      bool invert)
{
	if (!mask[0])
		return;
	ep_xt_put_not(b, invert);
	ep_buf_printf(b, " %s", option);
	ep_xt_put_iface(b, name, mask);
}

static void put_ip(struct ep_buf *b, const struct ep_xt_table *t, const struct ep_xt_rule *r)
{
	unsigned inv = r->invflags;

	put_addr(b, "-s", &r->src, &r->smask, inv & IPT_INV_SRCIP);
	put_addr(b, "-d", &r->dst, &r->dmask, inv & IPT_INV_DSTIP);
	put_iface(b, "-i", r->iif, r->iif_mask, inv & IPT_INV_VIA_IN);
	put_iface(b, "-o", r->oif, r->oif_mask, inv & IPT_INV_VIA_OUT);
	if (r->proto) {
		ep_xt_put_not(b, inv & XT_INV_PROTO);
		ep_buf_puts(b, " -p ");
		ep_xt_put_protocol(b, r->proto);
	}
	if (t->family == AF_INET && r->flags & IPT_F_FRAG) {
		ep_xt_put_not(b, inv & IPT_INV_FRAG);
		ep_buf_puts(b, " -f");
	}
	if (t->family == AF_INET6 && r->flags & IP6T_F_TOS)
		ep_buf_printf(b, " [tos 0x%02x]", r->tos);
}

static void put_verdict(struct ep_buf *b, const struct ep_xt_table *t, const struct ep_xt_rule *r)
{
	static const char *const words[] = {
		[EP_XT_ACCEPT] = "ACCEPT",
		[EP_XT_DROP] = "DROP",
		[EP_XT_RETURN] = "RETURN",
		[EP_XT_QUEUE] = "QUEUE",
	};

	if (r->verdict == EP_XT_TARGET) {
		ep_buf_puts(b, " ");
		ep_xt_ext_text(b, &r->target, true, t->family, t->ns);
	} else if (r->verdict == EP_XT_JUMP || r->verdict == EP_XT_GOTO) {
		ep_buf_puts(b, r->verdict == EP_XT_JUMP ? " -j " : " -g ");
		if (r->chain)
			ep_buf_put_escaped(b, r->chain, strlen(r->chain));
	} else if (r->verdict < EP_ARRAY_SIZE(words) && words[r->verdict]) {
		ep_buf_printf(b, " -j %s", words[r->verdict]);
	}
}

const char *ep_xt_rule_text(struct ep_arena *a, const struct ep_xt_table *t,
			    const struct ep_xt_rule *r)
{
	struct ep_buf b = {};
	const char *s;

	put_ip(&b, t, r);
	ep_each(m, &r->matches) {
		ep_buf_puts(&b, " ");
		ep_xt_ext_text(&b, m, false, t->family, t->ns);
	}
	put_verdict(&b, t, r);
	s = ep_strdup(a, b.len ? b.s + 1 : "");
	ep_buf_free(&b);
	return s;
}
