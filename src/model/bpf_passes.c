// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Is a BPF program one that lets every packet pass as it is? Its translated instructions (uapi
 * linux/bpf.h, struct bpf_insn, as BPF_OBJ_GET_INFO_BY_FD gives them) are gone over until nothing
 * new is learned, with what each register may hold. The answer is yes only if all that it can return is
 * known to let packets pass, it writes to nothing but its stack and its maps, and calls nothing that
 * does more. That the verifier accepted the program is relied on: pointers are not made from numbers,
 * two of them are not added up, and reads stay where they may.
 */
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "edgepath/model.h"

#define MAX_INSNS  4096
#define MAX_STEPS  (64 * MAX_INSNS)
#define MAX_VALUES 4
#define N_REGS     11

/* From what is known best to what is known least. */
enum kind {
	NOTHING, /* not reached yet */
	CONSTS,  /* one of some numbers */
	NUMBER,  /* no pointer */
	MAP,     /* into a map or a ring buffer, or read from there; or NULL */
	STACK,
	ANYTHING, /* perhaps the packet, or its context */
};

struct reg {
	enum kind kind;
	unsigned n;
	uint64_t v[MAX_VALUES];
};

struct state {
	struct reg r[N_REGS];
};

struct check {
	const struct bpf_insn *insns;
	size_t n;
	const struct ep_bpf_pass *pass;
	ep_bpf_caller call;
	void *ctx;
	struct state *at; /* before each instruction */
	bool *queued;
	size_t *queue, n_queue;
	bool bad;
};

/* ---- what a register may hold ---- */

static struct reg of_kind(enum kind k)
{
	return (struct reg){.kind = k};
}

static struct reg of_const(uint64_t v)
{
	return (struct reg){.kind = CONSTS, .n = 1, .v = {v}};
}

static bool has(const struct reg *r, uint64_t v)
{
	for (unsigned i = 0; i < r->n; i++)
		if (r->v[i] == v)
			return true;
	return false;
}

/* Joins y into x; true if x has changed. A number beside a pointer is its NULL, or never followed. */
static bool join(struct reg *x, const struct reg *y)
{
	bool changed = false;

	if (x->kind == CONSTS && y->kind == CONSTS) {
		for (unsigned i = 0; i < y->n; i++) {
			if (has(x, y->v[i]))
				continue;
			changed = true;
			if (x->n == MAX_VALUES) {
				*x = of_kind(NUMBER);
				break;
			}
			x->v[x->n++] = y->v[i];
		}
		return changed;
	}
	if (y->kind <= x->kind)
		return false;
	*x = y->kind == CONSTS ? *y : of_kind(y->kind);
	return true;
}

static void go(struct check *c, size_t to, const struct state *s)
{
	bool changed = false;

	if (to >= c->n) {
		c->bad = true;
		return;
	}
	for (int i = 0; i < N_REGS; i++)
		changed |= join(&c->at[to].r[i], &s->r[i]);
	if (changed && !c->queued[to]) {
		c->queued[to] = true;
		c->queue[c->n_queue++] = to;
	}
}

/* ---- arithmetic ---- */

static bool compute(uint8_t op, uint64_t x, uint64_t y, bool wide, uint64_t *ret)
{
	unsigned bits = wide ? 63 : 31;

	switch (op) {
	case BPF_ADD:
		*ret = x + y;
		break;
	case BPF_SUB:
		*ret = x - y;
		break;
	case BPF_OR:
		*ret = x | y;
		break;
	case BPF_AND:
		*ret = x & y;
		break;
	case BPF_XOR:
		*ret = x ^ y;
		break;
	case BPF_LSH:
		*ret = x << (y & bits);
		break;
	case BPF_RSH:
		*ret = (wide ? x : (uint32_t)x) >> (y & bits);
		break;
	default:
		return false;
	}
	if (!wide)
		*ret = (uint32_t)*ret;
	return true;
}

static struct reg operand(const struct bpf_insn *in, const struct state *s)
{
	return BPF_SRC(in->code) == BPF_X ? s->r[in->src_reg] :
					    of_const((uint64_t)(int64_t)in->imm);
}

/* off: 0 plain; 8, 16, 32 sign-extending; -1 a per-CPU address (Linux 6.10). */
static struct reg moved(const struct bpf_insn *in, struct reg src, bool wide)
{
	if (in->off == 8 || in->off == 16 || in->off == 32)
		return of_kind(NUMBER);
	if (in->off && !(in->off == -1 && wide))
		return of_kind(ANYTHING);
	if (wide)
		return src;
	for (unsigned i = 0; src.kind == CONSTS && i < src.n; i++)
		src.v[i] = (uint32_t)src.v[i];
	return src.kind == CONSTS ? src : of_kind(NUMBER);
}

static bool alu(const struct bpf_insn *in, struct state *s)
{
	bool wide = BPF_CLASS(in->code) == BPF_ALU64;
	struct reg *dst = &s->r[in->dst_reg], src = operand(in, s), out;

	if (BPF_OP(in->code) > BPF_END) /* the last that is known */
		return false;
	if (BPF_OP(in->code) == BPF_MOV) {
		*dst = moved(in, src, wide);
		return true;
	}
	if (BPF_OP(in->code) == BPF_NEG || BPF_OP(in->code) == BPF_END)
		src = of_const(0);
	out = of_kind(dst->kind > src.kind ? dst->kind : src.kind);
	if (!wide || out.kind < NUMBER) /* 32-bit results are no pointers */
		out = of_kind(NUMBER);
	if (dst->kind == CONSTS && dst->n == 1 && src.kind == CONSTS && src.n == 1 && !in->off) {
		uint64_t v;

		if (compute(BPF_OP(in->code), dst->v[0], src.v[0], wide, &v))
			out = of_const(v);
	}
	*dst = out;
	return true;
}

/* ---- memory ---- */

static bool may_write(const struct reg *base)
{
	return base->kind == STACK || base->kind == MAP;
}

/* Modes of reading that the kernel alone gives: of memory that may fail to be there. */
#define PROBE_MEM   0x20
#define PROBE_MEMSX 0x40
#define MEMSX       0x80

static bool load(const struct bpf_insn *in, struct state *s)
{
	enum kind from = s->r[in->src_reg].kind;
	uint8_t mode = BPF_MODE(in->code);

	if (mode != BPF_MEM && mode != MEMSX && mode != PROBE_MEM && mode != PROBE_MEMSX)
		return false;
	if (BPF_SIZE(in->code) != BPF_DW)
		s->r[in->dst_reg] = of_kind(NUMBER);
	else
		s->r[in->dst_reg] = of_kind(from == MAP ? MAP : ANYTHING);
	return true;
}

static bool atomic(const struct bpf_insn *in, struct state *s)
{
	switch (in->imm) {
	case BPF_ADD:
	case BPF_AND:
	case BPF_OR:
	case BPF_XOR:
		return true;
	case BPF_ADD | BPF_FETCH:
	case BPF_AND | BPF_FETCH:
	case BPF_OR | BPF_FETCH:
	case BPF_XOR | BPF_FETCH:
	case BPF_XCHG:
		s->r[in->src_reg] = of_kind(ANYTHING);
		return true;
	case BPF_CMPXCHG:
		s->r[BPF_REG_0] = of_kind(ANYTHING);
		return true;
	default:
		return false;
	}
}

static bool store(const struct bpf_insn *in, struct state *s)
{
	if (!may_write(&s->r[in->dst_reg]))
		return false;
	if (BPF_MODE(in->code) == BPF_ATOMIC)
		return BPF_CLASS(in->code) == BPF_STX && atomic(in, s);
	return BPF_MODE(in->code) == BPF_MEM;
}

/* ---- jumps ---- */

static bool compare(uint8_t op, uint64_t x, uint64_t y, bool wide, bool *ret)
{
	if (!wide) {
		x = (uint32_t)x;
		y = (uint32_t)y;
	}
	switch (op) {
	case BPF_JEQ:
		*ret = x == y;
		return true;
	case BPF_JNE:
		*ret = x != y;
		return true;
	case BPF_JGT:
		*ret = x > y;
		return true;
	case BPF_JGE:
		*ret = x >= y;
		return true;
	case BPF_JLT:
		*ret = x < y;
		return true;
	case BPF_JLE:
		*ret = x <= y;
		return true;
	case BPF_JSET:
		*ret = (x & y) != 0;
		return true;
	default:
		return false;
	}
}

/* Which of the two ways the numbers that are known allow: bit 0 straight on, bit 1 the jump. */
static unsigned ways(const struct bpf_insn *in, const struct state *s)
{
	const struct reg *x = &s->r[in->dst_reg];
	struct reg y = operand(in, s);
	unsigned ret = 0;

	if (x->kind != CONSTS || y.kind != CONSTS)
		return 3;
	for (unsigned i = 0; i < x->n; i++)
		for (unsigned k = 0; k < y.n; k++) {
			bool taken;

			if (!compare(BPF_OP(in->code), x->v[i], y.v[k],
				     BPF_CLASS(in->code) == BPF_JMP, &taken))
				return 3;
			ret |= taken ? 2 : 1;
		}
	return ret;
}

static void leave(struct check *c, const struct state *s)
{
	const struct reg *r0 = &s->r[BPF_REG_0];

	if (r0->kind != CONSTS)
		c->bad = true;
	for (unsigned i = 0; i < r0->n && !c->bad; i++)
		c->bad = !ep_bpf_passes(c->pass, (uint32_t)r0->v[i]);
}

static void call(struct check *c, const struct bpf_insn *in, struct state *s)
{
	enum ep_bpf_call what = in->src_reg || !c->call ? EP_BPF_CALL_OTHER :
							  c->call(c->ctx, in->imm);

	if (what == EP_BPF_CALL_OTHER)
		c->bad = true;
	s->r[BPF_REG_0] = of_kind(what == EP_BPF_CALL_MEMORY ? MAP : NUMBER);
	for (int i = BPF_REG_1; i <= BPF_REG_5; i++)
		s->r[i] = of_kind(ANYTHING);
}

static void jump(struct check *c, size_t i, struct state *s)
{
	const struct bpf_insn *in = &c->insns[i];
	bool wide = BPF_CLASS(in->code) == BPF_JMP;
	unsigned way = 3;

	switch (BPF_OP(in->code)) {
	case BPF_EXIT:
		leave(c, s);
		return;
	case BPF_CALL:
		call(c, in, s);
		way = 1;
		break;
	case BPF_JA:
		go(c, (size_t)((int64_t)i + 1 + (wide ? in->off : in->imm)), s);
		return;
	case 0xe0: /* BPF_JCOND */
		break;
	default:
		way = ways(in, s);
	}
	if (way & 1)
		go(c, i + 1, s);
	if (way & 2)
		go(c, (size_t)((int64_t)i + 1 + in->off), s);
}

/* ---- one instruction ---- */

static void load_imm64(struct check *c, size_t i, struct state *s)
{
	const struct bpf_insn *in = &c->insns[i];
	struct reg *dst = &s->r[in->dst_reg];

	if (in->code != (BPF_LD | BPF_IMM | BPF_DW) || i + 1 >= c->n || c->insns[i + 1].code) {
		c->bad = true;
		return;
	}
	switch (in->src_reg) {
	case 0:
		*dst = of_const((uint32_t)in->imm | (uint64_t)(uint32_t)c->insns[i + 1].imm << 32);
		break;
	case BPF_PSEUDO_MAP_FD:
	case BPF_PSEUDO_MAP_VALUE:
	case BPF_PSEUDO_MAP_IDX:
	case BPF_PSEUDO_MAP_IDX_VALUE:
		*dst = of_kind(MAP);
		break;
	default:
		*dst = of_kind(ANYTHING);
	}
	go(c, i + 2, s);
}

static void step(struct check *c, size_t i)
{
	const struct bpf_insn *in = &c->insns[i];
	struct state s = c->at[i];

	if (in->dst_reg >= N_REGS || in->src_reg >= N_REGS) {
		c->bad = true;
		return;
	}
	switch (BPF_CLASS(in->code)) {
	case BPF_LD:
		load_imm64(c, i, &s);
		return;
	case BPF_JMP:
	case BPF_JMP32:
		jump(c, i, &s);
		return;
	case BPF_ALU:
	case BPF_ALU64:
		c->bad = !alu(in, &s);
		break;
	case BPF_LDX:
		c->bad = !load(in, &s);
		break;
	default:
		c->bad = !store(in, &s);
	}
	if (in->dst_reg == BPF_REG_10 && BPF_CLASS(in->code) != BPF_ST &&
	    BPF_CLASS(in->code) != BPF_STX)
		c->bad = true; /* no program may write the frame pointer */
	if (!c->bad)
		go(c, i + 1, &s);
}

/* ---- what lets a packet pass ---- */

/* Values as uapi linux/bpf.h, pkt_cls.h and netfilter.h name them. */
static const struct ep_bpf_pass passes[] = {
	{.kind = "xdp", .values = {2 /* XDP_PASS */}, .n = 1},
	/* TC_ACT_OK, TC_ACT_UNSPEC, TC_ACT_PIPE; a classifier that is no action: no match */
	{.kind = "tc-ingress", .values = {0, 0xffffffff, 3}, .n = 3},
	{.kind = "tc-egress", .values = {0, 0xffffffff, 3}, .n = 3},
	{.kind = "tc-class", .values = {0}, .n = 1},
	/* TCX_PASS, TCX_NEXT; NETKIT_PASS, NETKIT_NEXT */
	{.kind = "tcx-ingress", .values = {0, 0xffffffff}, .n = 2},
	{.kind = "tcx-egress", .values = {0, 0xffffffff}, .n = 2},
	{.kind = "netkit-primary", .values = {0, 0xffffffff}, .n = 2},
	{.kind = "netkit-peer", .values = {0, 0xffffffff}, .n = 2},
	{.kind = "sk_lookup", .values = {1 /* SK_PASS */}, .n = 1},
	{.kind = "reuseport", .values = {1 /* SK_PASS */}, .n = 1},
	{.kind = "netfilter-bpf", .values = {1 /* NF_ACCEPT */}, .n = 1},
	{.kind = "cgroup-ingress", .values = {1}, .n = 1},
	{.kind = "cgroup-egress", .values = {1}, .n = 1},
	{.kind = "cgroup-connect4", .values = {1}, .n = 1},
	{.kind = "cgroup-connect6", .values = {1}, .n = 1},
	{.kind = "socket-filter", .values = {0}, .n = 1, .all_others = true},
};

const struct ep_bpf_pass *ep_bpf_pass_of(const char *kind)
{
	for (size_t i = 0; i < EP_ARRAY_SIZE(passes); i++)
		if (!strcmp(passes[i].kind, kind))
			return &passes[i];
	return NULL;
}

bool ep_bpf_passes(const struct ep_bpf_pass *p, uint32_t value)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->values[i] == value)
			return !p->all_others;
	return p->all_others;
}

bool ep_bpf_only_passes(const void *insns, size_t len, const struct ep_bpf_pass *pass,
			ep_bpf_caller call, void *ctx)
{
	struct check c = {
		.n = len / sizeof(struct bpf_insn), .pass = pass, .call = call, .ctx = ctx};
	struct state first = {};
	struct ep_arena *a;

	/* Where pointers have 4 bytes, so may those that are read from the context. */
	if (sizeof(void *) != 8 || !pass || !c.n || len % sizeof(struct bpf_insn) ||
	    c.n > MAX_INSNS)
		return false;
	a = ep_arena_new();
	c.insns = ep_memdup(a, insns, len);
	c.at = ep_alloc(a, c.n * sizeof(*c.at));
	c.queued = ep_alloc(a, c.n * sizeof(*c.queued));
	c.queue = ep_alloc(a, c.n * sizeof(*c.queue));
	for (int i = 0; i < N_REGS; i++)
		first.r[i] = of_kind(i == BPF_REG_10 ? STACK : ANYTHING);
	go(&c, 0, &first);
	for (size_t steps = 0; c.n_queue && !c.bad; steps++) {
		size_t i = c.queue[--c.n_queue];

		c.queued[i] = false;
		step(&c, i);
		c.bad |= steps > MAX_STEPS;
	}
	ep_arena_free(a);
	return !c.bad;
}
