// SPDX-License-Identifier: GPL-2.0-or-later
/* Small programs of each kind that a lab attaches: some let everything pass, some do not. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} percpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} by_length SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} chosen SEC(".maps");

static __always_inline void account(__u32 length)
{
	__u32 key = 1;
	__u64 one = 1, *n = bpf_map_lookup_elem(&counts, &key);

	if (n)
		__sync_fetch_and_add(n, length);
	n = bpf_map_lookup_elem(&percpu, &key);
	if (n)
		*n += 1;
	n = bpf_map_lookup_elem(&by_length, &length);
	if (n)
		__sync_fetch_and_add(n, 1);
	else
		bpf_map_update_elem(&by_length, &length, &one, BPF_ANY);
}

SEC("xdp")
int xdp_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int xdp_count(struct xdp_md *ctx)
{
	account(ctx->data_end - ctx->data);
	return XDP_PASS;
}

SEC("xdp")
int xdp_drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

/* Returns PASS, and yet the packet is another one afterwards. */
SEC("xdp")
int xdp_write(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (data + 54 <= end && data[12] == 8 && data[13] == 0)
		data[36] ^= 1; /* the port that it is for */
	return XDP_PASS;
}

SEC("tc")
int tc_pass(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

SEC("tc")
int tc_count(struct __sk_buff *skb)
{
	account(skb->len);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int tc_drop(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}

SEC("tc")
int tc_mark(struct __sk_buff *skb)
{
	skb->mark = 7;
	return TC_ACT_OK;
}

SEC("sk_lookup")
int lookup_pass(struct bpf_sk_lookup *ctx)
{
	return SK_PASS;
}

SEC("sk_lookup")
int lookup_steer(struct bpf_sk_lookup *ctx)
{
	struct bpf_sock *sk;
	__u32 key = 0;

	if (ctx->local_port != 443)
		return SK_PASS;
	sk = bpf_map_lookup_elem(&chosen, &key);
	if (!sk)
		return SK_PASS;
	bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return SK_PASS;
}

SEC("cgroup_skb/ingress")
int in_pass(struct __sk_buff *skb)
{
	return 1;
}

SEC("cgroup_skb/ingress")
int in_count(struct __sk_buff *skb)
{
	account(skb->len);
	return 1;
}

SEC("cgroup_skb/ingress")
int in_drop(struct __sk_buff *skb)
{
	return 0;
}

SEC("cgroup_skb/egress")
int out_drop(struct __sk_buff *skb)
{
	return skb->len > 1000000;
}

SEC("cgroup/connect4")
int connect_pass(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("cgroup/connect4")
int connect_other(struct bpf_sock_addr *ctx)
{
	ctx->user_port = bpf_htons(9444);
	return 1;
}

SEC("socket")
int filter_pass(struct __sk_buff *skb)
{
	return -1;
}

SEC("socket")
int filter_drop(struct __sk_buff *skb)
{
	return 0;
}

SEC("sk_reuseport")
int pick_none(struct sk_reuseport_md *ctx)
{
	return SK_PASS;
}

SEC("sk_reuseport")
int pick_refuse(struct sk_reuseport_md *ctx)
{
	return SK_DROP;
}
