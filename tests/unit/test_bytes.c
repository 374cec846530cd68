// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/filter.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/xt_string.h>

#include <cmocka.h>

#include "collect/collect_i.h"
#include "walk/queue.h"
#include "walk/word.h"
#include "walk/xt.h"
#include "xt_world.h"

static struct ep_byte byte_at(struct xt_world *x, enum ep_at at, unsigned off)
{
	struct ep_byte b = {};

	assert_true(ep_pkt_byte(&x->w, at, off, &b));
	return b;
}

/* ---- the SYN ---- */

static void header_bytes(void **state)
{
	struct xt_world x;
	struct ep_byte b;

	(void)state;
	xt_world_open(&x, AF_INET);
	assert_int_equal(byte_at(&x, EP_AT_NET, 0).c, 0x45);
	assert_int_equal(byte_at(&x, EP_AT_NET, 9).c, IPPROTO_TCP);
	assert_int_equal(byte_at(&x, EP_AT_NET, 16).c, 198);
	assert_int_equal(byte_at(&x, EP_AT_NET, 12).var, EP_VAR_SADDR);
	assert_int_equal(byte_at(&x, EP_AT_NET, 22).c, 443 >> 8); /* goes on into TCP's header */
	assert_int_equal(byte_at(&x, EP_AT_TCP, 8).c, 0);
	b = ep_byte_and_xor(byte_at(&x, EP_AT_TCP, 13), 0x3f, 0);
	assert_int_equal(b.kind, EP_BYTE_CONST);
	assert_int_equal(b.c, 0x02);
	assert_int_equal(x.w.trace.n, 0);
	assert_true(ep_pkt_byte(&x.w, EP_AT_TCP, 31, &b)); /* with its options it is that long */
	assert_int_equal(x.w.trace.n, 0);
	assert_true(ep_pkt_byte(&x.w, EP_AT_TCP, 39, &b)); /* as usual */
	assert_int_equal(x.w.trace.n, 1);
	assert_false(ep_pkt_byte(&x.w, EP_AT_TCP, 60, &b));
	xt_world_close(&x);
}

/* Packet length and doff are one quantity: a choice about one settles the other. */
static void lengths_agree(void **state)
{
	struct ep_val len;
	struct xt_world x;
	struct ep_byte b;

	(void)state;
	xt_world_open(&x, AF_INET);
	b = byte_at(&x, EP_AT_TCP, 12);
	len = ep_pkt_len(&x.w);
	assert_true(ep_bytes_equal(&x.w, &b, (const uint8_t[]){0xa0}, 1));
	assert_int_equal(x.w.trace.n, 1);
	assert_string_equal(x.w.trace.v[0].reason, "tcp doff 10");
	assert_true(ep_w_val_range(&x.w, &len, 60, 60));
	assert_false(ep_w_val_range(&x.w, &len, 0, 59));
	assert_int_equal(x.w.trace.n, 1);
	xt_world_close(&x);
}

static void written_bytes(void **state)
{
	struct ep_byte ten = {.kind = EP_BYTE_CONST, .c = 10};
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	assert_true(ep_pkt_write(&x.w, EP_AT_NET, 8, ten));
	x.w.lowered += 2;
	assert_int_equal(byte_at(&x, EP_AT_NET, 8).c, 8);     /* two routers later */
	assert_false(ep_pkt_write(&x.w, EP_AT_NET, 12, ten)); /* part of an open source */
	assert_true(ep_pkt_write(&x.w, EP_AT_TCP, 3, ten));
	assert_int_equal(x.w.p.dport, (443 & 0xff00) | 10);
	xt_world_close(&x);
}

static void options(void **state)
{
	struct xt_world x;
	struct ep_byte b;

	(void)state;
	xt_world_open(&x, AF_INET);
	assert_true(ep_pkt_option(&x.w, 2) && ep_pkt_option(&x.w, 3) && ep_pkt_option(&x.w, 4));
	assert_int_equal(x.w.trace.n, 0);
	assert_true(ep_pkt_option(&x.w, 8));
	assert_false(ep_pkt_option(&x.w, 34));
	assert_int_equal(x.w.trace.n, 2);
	assert_true(ep_pkt_option_byte(&x.w, 8, 9, &b) && b.kind == EP_BYTE_CONST && !b.c);
	assert_false(ep_pkt_option_byte(&x.w, 2, 4, &b));
	ep_pkt_option_gone(&x.w, 8);
	assert_false(ep_pkt_option(&x.w, 8));
	xt_world_close(&x);
}

/* ---- computing with open bits ---- */

static void words(void **state)
{
	struct xt_world x;
	struct ep_byte b[4];
	struct ep_word v;
	uint32_t n;

	(void)state;
	xt_world_open(&x, AF_INET);
	assert_true(ep_pkt_bytes(&x.w, EP_AT_NET, 12, 4, b));
	v = ep_word_shr(ep_word_bytes(&x.w, b, 4), 24);
	assert_false(ep_word_is_const(&v, &n));
	assert_true(ep_word_between(&x.w, &v, 10, 10));
	assert_int_equal(x.w.vars.v[EP_VAR_SADDR].dom.n, 1);
	assert_true(x.w.vars.v[EP_VAR_SADDR].dom.v[0].lo == 0x0a000000u);
	assert_true(x.w.vars.v[EP_VAR_SADDR].dom.v[0].hi == 0x0affffffu);
	assert_true(ep_word_any(&x.w, &v, 0x08));
	assert_false(ep_word_any(&x.w, &v, 0xf0));
	v = ep_word_and(ep_word_bytes(&x.w, b, 4), 0x00ff0000);
	assert_true(ep_word_between(&x.w, &v, 0, 0x007fffff));
	assert_true(x.w.vars.v[EP_VAR_SADDR].dom.v[0].hi == 0x0a7fffffu);
	v = ep_word_xor(ep_word_or(ep_word_const(0xf0), 0x0f), 0xff);
	assert_true(ep_word_is_const(&v, &n) && !n);
	xt_world_close(&x);
}

static int match(struct xt_world *x, const char *name, uint8_t rev, const void *info, uint32_t len)
{
	struct ep_xt_env env = {.table = "filter", .chain = "INPUT"};
	struct ep_xt_ext m = {.name = name, .rev = rev, .len = len, .data = info};

	return ep_xt_match(&x->w, &env, &m);
}

static int bpf(struct xt_world *x, const struct sock_filter *f, unsigned n)
{
	struct xt_bpf_info_v1 i = {.mode = XT_BPF_MODE_BYTECODE, .bpf_program_num_elem = (__u16)n};

	memcpy(i.bpf_program, f, n * sizeof(*f));
	return match(x, "bpf", 1, &i, sizeof(i));
}

static void programs(void **state)
{
	static const struct sock_filter port[] = {{BPF_LDX | BPF_B | BPF_MSH, 0, 0, 0},
						  {BPF_LD | BPF_H | BPF_IND, 0, 0, 2},
						  {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 443},
						  {BPF_RET | BPF_K, 0, 0, 1},
						  {BPF_RET | BPF_K, 0, 0, 0}};
	static const struct sock_filter beyond[] = {{BPF_LD | BPF_B | BPF_ABS, 0, 0, 90},
						    {BPF_RET | BPF_K, 0, 0, 1}};
	static const struct sock_filter payload[] = {/* length - 20 - doff: the data's length */
						     {BPF_LD | BPF_B | BPF_ABS, 0, 0, 32},
						     {BPF_ALU | BPF_RSH | BPF_K, 0, 0, 2},
						     {BPF_MISC | BPF_TAX, 0, 0, 0},
						     {BPF_LD | BPF_W | BPF_LEN, 0, 0, 0},
						     {BPF_ALU | BPF_SUB | BPF_K, 0, 0, 20},
						     {BPF_ALU | BPF_SUB | BPF_X, 0, 0, 0},
						     {BPF_RET | BPF_A, 0, 0, 0}};
	static const struct sock_filter endless[] = {{BPF_JMP | BPF_JA, 0, 0, 0xffffffff}};
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	assert_int_equal(bpf(&x, port, 5), 1);
	assert_int_equal(bpf(&x, beyond, 2), 0);
	assert_int_equal(x.w.trace.n, 0);
	assert_int_equal(bpf(&x, payload, 7), 0);
	assert_int_equal(bpf(&x, endless, 1), 0);
	xt_world_close(&x);
}

static int string(struct xt_world *x, const void *pattern, unsigned len, unsigned from, unsigned to)
{
	struct xt_string_info s = {.from_offset = (__u16)from,
				   .to_offset = (__u16)to,
				   .algo = "bm",
				   .patlen = (__u8)len};

	memcpy(s.pattern, pattern, len);
	return match(x, "string", 1, &s, sizeof(s));
}

static void strings(void **state)
{
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	assert_int_equal(string(&x, "\xc6\x33\x64\x01", 4, 0, 65535), 1); /* its destination */
	assert_int_equal(string(&x, "\xc6\x33\x64\x01", 4, 17, 20), 0);
	assert_int_equal(string(&x, "\x01\xbb", 2, 22, 24), 1);
	assert_int_equal(string(&x, "GET", 3, 80, 65535), 0); /* behind the end */
	assert_int_equal(x.w.trace.n, 0);
	assert_int_equal(string(&x, "GET / HTTP", 10, 0, 65535), 0); /* not usually */
	assert_int_equal(x.w.trace.v[0].kind, EP_VAR_STATE);
	xt_world_close(&x);
	xt_world_open(&x, AF_INET);
	assert_int_equal(string(&x, "\x0a\x01\x02\x03", 4, 12, 16), 1); /* for one client */
	assert_int_equal(x.w.trace.v[0].kind, EP_VAR_FIELD);
	xt_world_close(&x);
}

/* ---- queues ---- */

static void queues(void **state)
{
	struct xt_world x;

	(void)state;
	xt_world_open(&x, AF_INET);
	x.w.ns->queues_known = true;
	assert_true(ep_w_queue(&x.w, 7, 1, true));
	assert_false(x.w.ended);
	assert_false(ep_w_queue(&x.w, 7, 1, false));
	assert_int_equal(x.w.verdict, EP_DROPPED);
	x.w.ended = false;
	*ep_push(x.s->arena, &x.w.ns->queues) =
		(struct ep_nfqueue){.num = 7, .portid = 812, .comm = "suricata"};
	assert_false(ep_w_queue(&x.w, 7, 1, true));
	assert_string_equal(x.w.reason, "queue 7: suricata (pid 812) decides");
	xt_world_close(&x);
}

static void proc_lines(void **state)
{
	static const char queue[] = "    7   4711     0 2 65531     0     0        0  1";
	static const char nl[] = "00000000c0a8 12  4711     00000000 0 0 0 2 0 991122";
	struct ep_nfqueue q;

	(void)state;
	assert_true(ep_nfqueue_line(queue, strlen(queue), &q));
	assert_int_equal(q.num, 7);
	assert_int_equal(q.portid, 4711);
	assert_false(ep_nfqueue_line("x", 1, &q));
	assert_false(ep_nfqueue_line("70000 1", 7, &q));
	assert_int_equal(ep_netlink_line(nl, strlen(nl), 4711), 991122);
	assert_int_equal(ep_netlink_line(nl, strlen(nl), 4712), 0);
	assert_int_equal(ep_netlink_line("sk Eth Pid", 10, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_bytes),  cmocka_unit_test(lengths_agree),
		cmocka_unit_test(written_bytes), cmocka_unit_test(options),
		cmocka_unit_test(words),         cmocka_unit_test(programs),
		cmocka_unit_test(strings),       cmocka_unit_test(queues),
		cmocka_unit_test(proc_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
