// SPDX-License-Identifier: GPL-2.0-or-later
/* Classic BPF over a packet of known and open bytes: net/netfilter/xt_bpf.c, net/core/filter.c. */
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/netfilter/xt_bpf.h>
#include <string.h>

#include "walk/word.h"
#include "walk/xt.h"

struct machine {
	struct ep_walk *w;
	struct ep_word a, x, mem[BPF_MEMWORDS];
	const char *stuck; /* what it can't compute */
	bool over;         /* a load behind the packet's end: the program returns 0 */
};

static struct ep_word stuck(struct machine *m, const char *why)
{
	m->stuck = why;
	return ep_word_const(0);
}

/* SKF_AD_*: what is not in the packet. */
static struct ep_word ancillary(struct machine *m, uint32_t what)
{
	const struct ep_pkt *p = &m->w->p;

	switch (what) {
	case SKF_AD_PROTOCOL:
		return ep_word_const(p->alen == 4 ? ETH_P_IP : ETH_P_IPV6);
	case SKF_AD_PKTTYPE:
		return ep_word_const(p->pkttype);
	case SKF_AD_MARK:
		return ep_word_const(p->mark);
	case SKF_AD_VLAN_TAG:
	case SKF_AD_VLAN_TAG_PRESENT:
		return ep_word_const(0);
	case SKF_AD_IFINDEX:
		if (p->in)
			return ep_word_const(p->in->ifindex);
		break;
	}
	return stuck(m, "a BPF program asks for more than the packet");
}

static struct ep_word load(struct machine *m, uint32_t off, unsigned size)
{
	enum ep_at at = EP_AT_NET;
	struct ep_byte b[4];

	if ((int32_t)off >= SKF_AD_OFF && (int32_t)off < 0)
		return ancillary(m, off - (uint32_t)SKF_AD_OFF);
	if ((int32_t)off < 0 && off >= (uint32_t)SKF_NET_OFF) {
		off -= (uint32_t)SKF_NET_OFF;
	} else if ((int32_t)off < 0 && off >= (uint32_t)SKF_LL_OFF) {
		off -= (uint32_t)SKF_LL_OFF;
		at = EP_AT_LINK;
	}
	if (off > 255 || !ep_pkt_bytes(m->w, at, off, size, b)) {
		m->over = true;
		return ep_word_const(0);
	}
	return ep_word_bytes(m->w, b, size);
}

static struct ep_word packet_length(struct ep_walk *w)
{
	struct ep_val v = ep_pkt_len(w);
	struct ep_byte b[2] = {ep_byte_of(&v, 2, 0), ep_byte_of(&v, 2, 1)};

	return ep_word_bytes(w, b, 2);
}

static unsigned size_of(uint16_t code)
{
	return BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
}

static struct ep_word load_any(struct machine *m, const struct sock_filter *f)
{
	uint32_t x = 0;

	switch (BPF_MODE(f->code)) {
	case BPF_IMM:
		return ep_word_const(f->k);
	case BPF_ABS:
		return load(m, f->k, size_of(f->code));
	case BPF_IND:
		if (!ep_word_settle(m->w, &m->x, &x))
			return stuck(m, "a BPF program loads from an open offset");
		return load(m, x + f->k, size_of(f->code));
	case BPF_MEM:
		return f->k < BPF_MEMWORDS ? m->mem[f->k] : stuck(m, "not a BPF program");
	case BPF_LEN:
		return packet_length(m->w);
	case BPF_MSH: /* (byte & 0xf) * 4 */
		return ep_word_shl(ep_word_and(load(m, f->k, 1), 0xf), 2);
	}
	return stuck(m, "not a BPF program");
}

static uint32_t compute(uint16_t op, uint32_t a, uint32_t v)
{
	switch (op) {
	case BPF_ADD:
		return a + v;
	case BPF_SUB:
		return a - v;
	case BPF_MUL:
		return a * v;
	case BPF_DIV:
		return v ? a / v : 0;
	case BPF_MOD:
		return v ? a % v : 0;
	}
	return -a; /* BPF_NEG */
}

/* The second operand: constant, since programs that test packets have it so. */
static bool operand(struct machine *m, const struct sock_filter *f, uint32_t *ret)
{
	*ret = f->k;
	if (BPF_SRC(f->code) == BPF_K || ep_word_settle(m->w, &m->x, ret))
		return true;
	stuck(m, "a BPF program computes with an open field");
	return false;
}

static void arithmetic(struct machine *m, const struct sock_filter *f)
{
	uint32_t v, a;

	if (!operand(m, f, &v))
		return;
	switch (BPF_OP(f->code)) {
	case BPF_AND:
		m->a = ep_word_and(m->a, v);
		return;
	case BPF_OR:
		m->a = ep_word_or(m->a, v);
		return;
	case BPF_XOR:
		m->a = ep_word_xor(m->a, v);
		return;
	case BPF_LSH:
		m->a = ep_word_shl(m->a, v & 31);
		return;
	case BPF_RSH:
		m->a = ep_word_shr(m->a, v & 31);
		return;
	}
	if (BPF_SRC(f->code) == BPF_X && !v &&
	    (BPF_OP(f->code) == BPF_DIV || BPF_OP(f->code) == BPF_MOD))
		m->over = true; /* division by zero ends with 0 */
	else if (!ep_word_settle(m->w, &m->a, &a))
		stuck(m, "a BPF program computes with an open field");
	else
		m->a = ep_word_const(compute(BPF_OP(f->code), a, v));
}

static bool jumps(struct machine *m, const struct sock_filter *f)
{
	uint32_t v;

	if (!operand(m, f, &v))
		return false;
	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return ep_word_between(m->w, &m->a, v, v);
	case BPF_JGT:
		return v < UINT32_MAX && ep_word_between(m->w, &m->a, v + 1, UINT32_MAX);
	case BPF_JGE:
		return ep_word_between(m->w, &m->a, v, UINT32_MAX);
	case BPF_JSET:
		return ep_word_any(m->w, &m->a, v);
	}
	stuck(m, "not a BPF program");
	return false;
}

/* One instruction but for jumps and returns. */
static void step(struct machine *m, const struct sock_filter *f)
{
	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
		m->a = load_any(m, f);
		break;
	case BPF_LDX:
		m->x = load_any(m, f);
		break;
	case BPF_ST:
	case BPF_STX:
		if (f->k < BPF_MEMWORDS)
			m->mem[f->k] = BPF_CLASS(f->code) == BPF_ST ? m->a : m->x;
		break;
	case BPF_ALU:
		arithmetic(m, f);
		break;
	case BPF_MISC:
		if (BPF_MISCOP(f->code) == BPF_TAX)
			m->x = m->a;
		else
			m->a = m->x;
		break;
	}
}

struct program {
	unsigned n;
	struct sock_filter f[XT_BPF_MAX_NUM_INSTR];
};

static bool run(struct ep_walk *w, const void *info)
{
	const struct program *p = info;
	struct machine m = {.w = w, .a = ep_word_const(0), .x = ep_word_const(0)};

	for (unsigned i = 0; i < BPF_MEMWORDS; i++)
		m.mem[i] = ep_word_const(0);
	for (unsigned pc = 0; pc < p->n && !w->ended; pc++) {
		const struct sock_filter *f = &p->f[pc];

		if (BPF_CLASS(f->code) == BPF_RET)
			return BPF_RVAL(f->code) == BPF_A ? ep_word_any(w, &m.a, UINT32_MAX) : f->k;
		if (BPF_CLASS(f->code) != BPF_JMP)
			step(&m, f);
		else if (BPF_OP(f->code) == BPF_JA)
			pc += f->k < XT_BPF_MAX_NUM_INSTR ? f->k : XT_BPF_MAX_NUM_INSTR;
		else
			pc += jumps(&m, f) ? f->jt : f->jf;
		if (m.stuck)
			return ep_w_unknown(w, "%s", m.stuck);
		if (m.over)
			return false;
	}
	return false;
}

bool ep_xt_bpf(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_bpf_info *v0 = in->info;
	const struct xt_bpf_info_v1 *v1 = in->info;
	struct program p = {.n = in->rev ? v1->bpf_program_num_elem : v0->bpf_program_num_elem};

	if (in->rev && v1->mode != XT_BPF_MODE_BYTECODE)
		return ep_xt_need_unknown(a, "depends on a BPF program that is not in the rule");
	if (p.n > XT_BPF_MAX_NUM_INSTR)
		return ep_xt_need_unknown(a, "not a BPF program");
	memcpy(p.f, in->rev ? v1->bpf_program : v0->bpf_program, p.n * sizeof(p.f[0]));
	return ep_xt_need_test(a, run, &p, sizeof(p));
}
