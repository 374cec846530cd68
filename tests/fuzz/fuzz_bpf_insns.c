// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Input: a byte that says what kind of program, then its instructions. A program that is said to let
 * everything pass is run here, on made-up registers: it may return nothing else, and may write only
 * through the stack's pointer and those of maps.
 */
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "edgepath/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_RUN 5000

static enum ep_bpf_call caller(void *ctx, int32_t imm)
{
	(void)ctx;
	return imm == 1 ? EP_BPF_CALL_MEMORY : imm == 2 ? EP_BPF_CALL_NUMBER : EP_BPF_CALL_OTHER;
}

/* A value, and whether the packet's or the context's pointer went into it. */
struct value {
	uint64_t v;
	bool tainted;
};

static struct value stack_mem;

/* Straight arithmetic and jumps only; anything else ends the run without a verdict. */
static void run(const struct bpf_insn *in, size_t n, const struct ep_bpf_pass *pass)
{
	struct value r[11] = {};
	size_t pc = 0;

	stack_mem = (struct value){};
	for (int i = 1; i < 6; i++)
		r[i] = (struct value){0x1000u * (unsigned)i, true};
	for (int steps = 0; steps < MAX_RUN && pc < n; steps++) {
		const struct bpf_insn *x = &in[pc++];
		struct value src = {(uint64_t)(int64_t)x->imm, false};

		if (BPF_SRC(x->code) == BPF_X)
			src = r[x->src_reg];
		switch (x->code) {
		case BPF_ALU64 | BPF_MOV | BPF_K:
		case BPF_ALU64 | BPF_MOV | BPF_X:
			if (x->off)
				return;
			r[x->dst_reg] = src;
			break;
		case BPF_ALU64 | BPF_ADD | BPF_K:
		case BPF_ALU64 | BPF_ADD | BPF_X:
			r[x->dst_reg].v += src.v;
			r[x->dst_reg].tainted |= src.tainted;
			break;
		case BPF_ALU | BPF_ADD | BPF_K:
		case BPF_ALU | BPF_ADD | BPF_X:
			r[x->dst_reg] = (struct value){(uint32_t)(r[x->dst_reg].v + src.v), false};
			break;
		case BPF_ALU64 | BPF_AND | BPF_K:
		case BPF_ALU64 | BPF_AND | BPF_X:
			r[x->dst_reg].v &= src.v;
			r[x->dst_reg].tainted |= src.tainted;
			break;
		case BPF_STX | BPF_MEM | BPF_DW:
			if (r[x->dst_reg].tainted)
				abort();
			stack_mem = r[x->src_reg];
			break;
		case BPF_LDX | BPF_MEM | BPF_DW:
			r[x->dst_reg] = (struct value){stack_mem.v, true};
			break;
		case BPF_JMP | BPF_JA:
			pc += (size_t)(int64_t)x->off;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JEQ | BPF_X:
			if (r[x->dst_reg].v == src.v)
				pc += (size_t)(int64_t)x->off;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
		case BPF_JMP | BPF_JNE | BPF_X:
			if (r[x->dst_reg].v != src.v)
				pc += (size_t)(int64_t)x->off;
			break;
		case BPF_JMP | BPF_EXIT:
			if (!ep_bpf_passes(pass, (uint32_t)r[0].v))
				abort();
			return;
		default:
			return;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const kinds[] = {"xdp", "tc-ingress", "cgroup-ingress", "socket-filter"};
	const struct ep_bpf_pass *pass;
	struct bpf_insn *insns;
	size_t n;

	if (size < 1)
		return 0;
	pass = ep_bpf_pass_of(kinds[data[0] % EP_ARRAY_SIZE(kinds)]);
	n = (size - 1) / sizeof(*insns);
	insns = calloc(n + 1, sizeof(*insns));
	memcpy(insns, data + 1, n * sizeof(*insns));
	if (ep_bpf_only_passes(insns, n * sizeof(*insns), pass, caller, NULL))
		run(insns, n, pass);
	free(insns);
	return 0;
}
