// SPDX-License-Identifier: GPL-2.0-or-later
/* Which programs are known to let every packet pass, instruction by instruction. */
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "edgepath/model.h"

#define I(c, d, s, o, i)                                                            \
	{                                                                           \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) \
	}
#define MOV(d, imm)    I(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, imm)
#define MOVR(d, s)     I(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ADD(d, imm)    I(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, imm)
#define ADDR(d, s)     I(BPF_ALU64 | BPF_ADD | BPF_X, d, s, 0, 0)
#define LD8(d, s, o)   I(BPF_LDX | BPF_MEM | BPF_DW, d, s, o, 0)
#define LD4(d, s, o)   I(BPF_LDX | BPF_MEM | BPF_W, d, s, o, 0)
#define ST4(d, o, s)   I(BPF_STX | BPF_MEM | BPF_W, d, s, o, 0)
#define ST8(d, o, s)   I(BPF_STX | BPF_MEM | BPF_DW, d, s, o, 0)
#define JEQ(d, imm, o) I(BPF_JMP | BPF_JEQ | BPF_K, d, 0, o, imm)
#define JMP(o)         I(BPF_JMP | BPF_JA, 0, 0, o, 0)
#define CALL(imm)      I(BPF_JMP | BPF_CALL, 0, 0, 0, imm)
#define EXIT           I(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define MAP(d)         I(BPF_LD | BPF_IMM | BPF_DW, d, BPF_PSEUDO_MAP_FD, 0, 1), I(0, 0, 0, 0, 0)

enum { LOOKUP = 100, UPDATE = 200 };

static enum ep_bpf_call caller(void *ctx, int32_t imm)
{
	(void)ctx;
	return imm == LOOKUP ? EP_BPF_CALL_MEMORY :
	       imm == UPDATE ? EP_BPF_CALL_NUMBER :
			       EP_BPF_CALL_OTHER;
}

static const struct {
	const char *what, *kind;
	bool passes;
	struct bpf_insn insns[24];
} programs[] = {
	{"returns XDP_PASS", "xdp", true, {MOV(0, 2), EXIT}},
	{"returns XDP_DROP", "xdp", false, {MOV(0, 1), EXIT}},
	{"returns what it was given", "xdp", false, {MOVR(0, 1), EXIT}},
	{"either of two that pass",
	 "tc-ingress",
	 true,
	 {LD4(2, 1, 0), MOV(0, 0), JEQ(2, 5, 1), MOV(0, -1), EXIT}},
	{"one of two",
	 "tc-ingress",
	 false,
	 {LD4(2, 1, 0), MOV(0, 0), JEQ(2, 5, 1), MOV(0, 2), EXIT}},
	{"a class is a match", "tc-class", false, {MOV(0, -1), EXIT}},
	{"a way that is never taken",
	 "cgroup-ingress",
	 true,
	 {MOV(8, 0), MOV(0, 1), JEQ(8, 2, 1), JMP(1), MOV(0, 0), EXIT}},
	{"a flag that may be set",
	 "cgroup-ingress",
	 false,
	 {LD4(2, 1, 0), MOV(8, 0), JEQ(2, 7, 1), MOV(8, 2), MOV(0, 1), JEQ(8, 2, 1), JMP(1),
	  MOV(0, 0), EXIT}},
	{"writes its stack",
	 "xdp",
	 true,
	 {MOV(2, 1), ST4(10, -4, 2), MOVR(3, 10), ADD(3, -16), ST8(3, 0, 1), MOV(0, 2), EXIT}},
	{"writes its context", "tc-ingress", false, {MOV(2, 1), ST4(1, 8, 2), MOV(0, 0), EXIT}},
	{"writes the packet", "xdp", false, {LD8(2, 1, 0), ST4(2, 0, 0), MOV(0, 2), EXIT}},
	{"writes the packet by a pointer from its stack",
	 "xdp",
	 false,
	 {LD8(2, 1, 0), ST8(10, -8, 2), LD8(3, 10, -8), ST4(3, 0, 3), MOV(0, 2), EXIT}},
	{"writes the packet at a place from a map",
	 "xdp",
	 false,
	 {MAP(6), LD8(6, 6, 0), LD8(2, 1, 0), ADDR(2, 6), ST4(2, 0, 6), MOV(0, 2), EXIT}},
	{"the same, added the other way round",
	 "xdp",
	 false,
	 {MAP(6), LD8(6, 6, 0), LD8(2, 1, 0), ADDR(6, 2), ST4(6, 0, 6), MOV(0, 2), EXIT}},
	{"counts in a map by an inlined lookup",
	 "xdp",
	 true,
	 {MOV(2, 1), ST4(10, -4, 2), MOVR(2, 10), ADD(2, -4), MAP(1), ADD(1, 312), LD4(0, 2, 0),
	  I(BPF_JMP | BPF_JGE | BPF_K, 0, 0, 3, 4), I(BPF_ALU64 | BPF_LSH | BPF_K, 0, 0, 0, 3),
	  ADDR(0, 1), JMP(1), MOV(0, 0), JEQ(0, 0, 2), MOV(1, 1),
	  I(BPF_STX | BPF_ATOMIC | BPF_DW, 0, 1, 0, BPF_ADD), MOV(0, 2), EXIT}},
	{"counts in a map by calls",
	 "xdp",
	 true,
	 {CALL(LOOKUP), JEQ(0, 0, 2), LD8(2, 0, 0), ST8(0, 0, 2), CALL(UPDATE), MOV(0, 2), EXIT}},
	{"calls something else", "xdp", false, {CALL(23), MOV(0, 2), EXIT}},
	{"a call forgets what registers held",
	 "xdp",
	 false,
	 {MOVR(1, 10), CALL(UPDATE), ST4(1, 0, 1), MOV(0, 2), EXIT}},
	{"calls a function of its own",
	 "xdp",
	 false,
	 {I(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, 1), EXIT, MOV(0, 2), EXIT}},
	{"a loop",
	 "xdp",
	 true,
	 {MOV(1, 0), ADD(1, 1), I(BPF_JMP | BPF_JLT | BPF_K, 1, 0, -2, 100), MOV(0, 2), EXIT}},
	{"runs over its end", "xdp", false, {MOV(0, 2)}},
	{"jumps out of itself", "xdp", false, {MOV(0, 2), JMP(30000), EXIT}},
	{"jumps before its begin", "xdp", false, {MOV(0, 2), JMP(-9), EXIT}},
	{"an operation of tomorrow", "xdp", false, {I(0xff, 0, 0, 0, 0), MOV(0, 2), EXIT}},
	{"an atomic operation of tomorrow",
	 "xdp",
	 false,
	 {I(BPF_STX | BPF_ATOMIC | BPF_DW, 10, 1, -8, 0x110), MOV(0, 2), EXIT}},
	{"half of a long constant",
	 "xdp",
	 false,
	 {MOV(0, 2), I(BPF_LD | BPF_IMM | BPF_DW, 1, 0, 0, 0)}},
	{"no such register", "xdp", false, {I(BPF_ALU64 | BPF_MOV | BPF_K, 12, 0, 0, 2), EXIT}},
	{"32 bits of it",
	 "sk_lookup",
	 true,
	 {I(BPF_LD | BPF_IMM | BPF_DW, 0, 0, 0, 1), I(0, 0, 0, 0, 1), EXIT}},
	{"any length but none", "socket-filter", true, {MOV(0, -1), EXIT}},
	{"none", "socket-filter", false, {MOV(0, 0), EXIT}},
	{"a kind that nobody knows", "lsm", false, {MOV(0, 0), EXIT}},
};

static size_t length(const struct bpf_insn *insns)
{
	size_t n = 24;

	while (n && !insns[n - 1].code)
		n--;
	/* The second half of a long constant is all zeros. */
	return n;
}

static void by_instruction(void **state)
{
	(void)state;
	for (size_t i = 0; i < EP_ARRAY_SIZE(programs); i++) {
		size_t n = length(programs[i].insns);
		bool got = ep_bpf_only_passes(programs[i].insns, n * sizeof(struct bpf_insn),
					      ep_bpf_pass_of(programs[i].kind), caller, NULL);

		if (got != programs[i].passes)
			fail_msg("%s", programs[i].what);
	}
}

static void odd_inputs(void **state)
{
	static const struct bpf_insn pass[] = {MOV(0, 2), EXIT};
	static struct bpf_insn many[4097];
	const struct ep_bpf_pass *xdp = ep_bpf_pass_of("xdp");

	(void)state;
	assert_true(ep_bpf_only_passes(pass, sizeof(pass), xdp, NULL, NULL));
	assert_false(ep_bpf_only_passes(pass, sizeof(pass) - 1, xdp, NULL, NULL));
	assert_false(ep_bpf_only_passes(pass, 0, xdp, NULL, NULL));
	assert_false(ep_bpf_only_passes(many, sizeof(many), xdp, NULL, NULL));
	assert_false(ep_bpf_only_passes(pass, sizeof(pass), NULL, NULL, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_instruction),
		cmocka_unit_test(odd_inputs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
