// SPDX-License-Identifier: GPL-2.0-or-later
/* Options of the less usual xt targets, after iptables' extensions/lib{xt,ipt,ip6t}_*.c. */
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_CONNSECMARK.h>
#include <linux/netfilter/xt_HMARK.h>
#include <linux/netfilter/xt_IDLETIMER.h>
#include <linux/netfilter/xt_LED.h>
#include <linux/netfilter/xt_RATEEST.h>
#include <linux/netfilter/xt_SECMARK.h>
#include <linux/netfilter/xt_TCPOPTSTRIP.h>
#include <linux/netfilter_ipv4/ipt_CLUSTERIP.h>
#include <linux/netfilter_ipv6/ip6t_NPT.h>

#include "model/xt_text.h"

#define MICROSECONDS 1000000u

static void put_name(struct ep_buf *b, const char *option, const char *name, size_t size)
{
	ep_buf_printf(b, " %s ", option);
	ep_buf_put_escaped(b, name, strnlen(name, size));
}

static void put_hmark_prefix(const struct ep_xt_text *t, const char *option, const void *mask)
{
	const uint8_t *m = mask;
	unsigned n = 0;

	while (n < (t->v6 ? 128 : 32) && m[n / 8] & 0x80 >> n % 8)
		n++;
	ep_buf_printf(t->b, " --hmark-%s-prefix %u", option, n);
}

static void hmark(const struct ep_xt_text *t)
{
	const struct xt_hmark_info *i = t->info;
	const struct {
		unsigned flag;
		const char *format;
		uint32_t value;
	} options[] = {
		{XT_HMARK_SPORT_MASK, " --hmark-sport-mask 0x%04x", ntohs(i->port_mask.p16.src)},
		{XT_HMARK_DPORT_MASK, " --hmark-dport-mask 0x%04x", ntohs(i->port_mask.p16.dst)},
		{XT_HMARK_SPI_MASK, " --hmark-spi-mask 0x%08x", ntohl(i->port_mask.v32)},
		{XT_HMARK_SPORT, " --hmark-sport 0x%04x", ntohs(i->port_set.p16.src)},
		{XT_HMARK_DPORT, " --hmark-dport 0x%04x", ntohs(i->port_set.p16.dst)},
		{XT_HMARK_SPI, " --hmark-spi 0x%08x", ntohl(i->port_set.v32)},
		{XT_HMARK_PROTO_MASK, " --hmark-proto-mask 0x%02x", i->proto_mask},
		{XT_HMARK_RND, " --hmark-rnd 0x%08x", i->hashrnd},
		{XT_HMARK_MODULUS, " --hmark-mod %u", i->hmodulus},
		{XT_HMARK_OFFSET, " --hmark-offset %u", i->hoffset},
	};

	if (i->flags & XT_HMARK_FLAG(XT_HMARK_SADDR_MASK))
		put_hmark_prefix(t, "src", &i->src_mask);
	if (i->flags & XT_HMARK_FLAG(XT_HMARK_DADDR_MASK))
		put_hmark_prefix(t, "dst", &i->dst_mask);
	for (size_t k = 0; k < EP_ARRAY_SIZE(options); k++)
		if (i->flags & XT_HMARK_FLAG(options[k].flag))
			ep_buf_printf(t->b, options[k].format, options[k].value);
	if (i->flags & XT_HMARK_FLAG(XT_HMARK_CT))
		ep_buf_puts(t->b, " --hmark-tuple ct");
}

static void put_duration(struct ep_buf *b, const char *option, uint32_t us)
{
	if (us >= MICROSECONDS)
		ep_buf_printf(b, " %s %.1fs", option, us / (double)MICROSECONDS);
	else if (us >= MICROSECONDS / 1000)
		ep_buf_printf(b, " %s %.1fms", option, us / (MICROSECONDS / 1000.0));
	else
		ep_buf_printf(b, " %s %uus", option, us);
}

static void rateest(const struct ep_xt_text *t)
{
	const struct xt_rateest_target_info *i = t->info;
	uint32_t interval = i->interval >= -2 && i->interval <= 10 ?
				    (MICROSECONDS << (i->interval + 2)) / 4 :
				    0;

	put_name(t->b, "--rateest-name", i->name, sizeof(i->name));
	put_duration(t->b, "--rateest-interval", interval);
	put_duration(t->b, "--rateest-ewmalog", interval << (i->ewma_log & 31));
}

static void connsecmark(const struct ep_xt_text *t)
{
	const struct xt_connsecmark_target_info *i = t->info;

	ep_buf_puts(t->b, i->mode == CONNSECMARK_SAVE ? " --save" : " --restore");
}

static void secmark(const struct ep_xt_text *t)
{
	const struct xt_secmark_target_info *i = t->info;

	put_name(t->b, "--selctx", i->secctx, sizeof(i->secctx));
}

static void secmark1(const struct ep_xt_text *t)
{
	const struct xt_secmark_target_info_v1 *i = t->info;

	put_name(t->b, "--selctx", i->secctx, sizeof(i->secctx));
}

static void tcpoptstrip(const struct ep_xt_text *t)
{
	const struct xt_tcpoptstrip_target_info *i = t->info;
	const char *sep = " --strip-options ";

	for (unsigned k = 0; k < 256; k++)
		if (i->strip_bmap[k / 32] & 1u << k % 32) {
			ep_buf_printf(t->b, "%s%u", sep, k);
			sep = ",";
		}
}

/* The kernel's trigger is called "netfilter-" and the name. */
static void led(const struct ep_xt_text *t)
{
	const struct xt_led_info *i = t->info;
	size_t n = strnlen(i->id, sizeof(i->id)), from = n < 10 ? n : 10;

	ep_buf_puts(t->b, " --led-trigger-id \"");
	ep_buf_put_escaped(t->b, i->id + from, n - from);
	ep_buf_puts(t->b, "\"");
	if (i->delay == UINT32_MAX)
		ep_buf_puts(t->b, " --led-delay inf");
	else if (i->delay)
		ep_buf_printf(t->b, " --led-delay %u", i->delay);
	if (i->always_blink)
		ep_buf_puts(t->b, " --led-always-blink");
}

static void idletimer1(const struct ep_xt_text *t)
{
	const struct idletimer_tg_info_v1 *i = t->info;

	ep_buf_printf(t->b, " --timeout %u", i->timeout);
	put_name(t->b, "--label", i->label, sizeof(i->label));
	if (i->timer_type == XT_IDLETIMER_ALARM)
		ep_buf_puts(t->b, " --alarm");
}

static void put_npt(const struct ep_xt_text *t, const char *option, const void *addr, unsigned len)
{
	static const uint8_t zero[16];

	if (!len && !memcmp(addr, zero, sizeof(zero)))
		return;
	ep_buf_printf(t->b, " --%s-pfx ", option);
	ep_xt_put_addr(t->b, addr, true);
	ep_buf_printf(t->b, "/%u", len);
}

static void npt(const struct ep_xt_text *t)
{
	const struct ip6t_npt_tginfo *i = t->info;

	put_npt(t, "src", &i->src_pfx, i->src_pfx_len);
	put_npt(t, "dst", &i->dst_pfx, i->dst_pfx_len);
}

static void clusterip(const struct ep_xt_text *t)
{
	static const char *const modes[] = {"sourceip", "sourceip-sourceport",
					    "sourceip-sourceport-destport"};
	const struct ipt_clusterip_tgt_info *i = t->info;
	const uint8_t *m = i->clustermac;

	if (!(i->flags & CLUSTERIP_FLAG_NEW))
		return;
	ep_buf_printf(t->b,
		      " --new --hashmode %s --clustermac %02X:%02X:%02X:%02X:%02X:%02X"
		      " --total-nodes %u --local-node %u --hash-init %u",
		      i->hash_mode < EP_ARRAY_SIZE(modes) ? modes[i->hash_mode] : "?", m[0], m[1],
		      m[2], m[3], m[4], m[5], i->num_total_nodes, i->local_nodes[0],
		      i->hash_initval);
}

#define SIZE(T) sizeof(struct T)

const struct ep_xt_text_row ep_xt_text_targets_rare[] = {
	{"HMARK", 0, 0, SIZE(xt_hmark_info), 0, hmark},
	{"RATEEST", 0, 0, SIZE(xt_rateest_target_info), 0, rateest},
	{"CONNSECMARK", 0, 0, SIZE(xt_connsecmark_target_info), 0, connsecmark},
	{"SECMARK", 0, 0, SIZE(xt_secmark_target_info), 0, secmark},
	{"SECMARK", 1, 1, SIZE(xt_secmark_target_info_v1), 0, secmark1},
	{"TCPOPTSTRIP", 0, 0, SIZE(xt_tcpoptstrip_target_info), 0, tcpoptstrip},
	{"LED", 0, 0, SIZE(xt_led_info), 0, led},
	{"IDLETIMER", 1, 1, SIZE(idletimer_tg_info_v1), 0, idletimer1},
	{"SNPT", 0, 0, SIZE(ip6t_npt_tginfo), AF_INET6, npt},
	{"DNPT", 0, 0, SIZE(ip6t_npt_tginfo), AF_INET6, npt},
	{"CLUSTERIP", 0, 0, SIZE(ipt_clusterip_tgt_info), AF_INET, clusterip},
	{NULL, 0, 0, 0, 0, NULL},
};
