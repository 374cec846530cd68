// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where connections to the edge ports end. A connection is followed from the first SYN that leaves a
 * namespace translated (its conntrack entry says both tuples) to the SYN-ACK, whose packet still
 * points to the connection request and so to the socket that listens, to the change from SYN_RECV to
 * ESTABLISHED. Only namespaces in `scope` are looked at.
 */
#include "vmlinux_min.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "compat.bpf.h"
#include "edgepath/wire.h"

char LICENSE[] SEC("license") = "GPL";

#define IP_CT_NEW    2 /* enum ip_conntrack_info, in the low bits of skb->_nfct */
#define IP_CT_MASK   7
#define IPS_SRC_NAT  (1 << 4)
#define IPS_DST_NAT  (1 << 5)
#define ETH_P_IP     0x0800
#define ETH_P_IPV6   0x86dd
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10
#define SPARSE       64 /* every row tells its first flows one by one, then one in so many */
#define DROPS_APART_NS \
	120000000000ULL /* a SYN of one tuple and number is one attempt for so long */

struct addr {
	__u32 w[4];
};

struct tuple {
	struct addr src, dst;
	__u16 sport, dport; /* host order */
};

/* What is known of a connection on its way; found by the tuple that the next hop will see. */
struct flow {
	struct tuple orig; /* as it came to the diagnosed namespace */
	__u64 ns_syn, ns_synack;
	__u64 ino, cgroup;
	__u32 proxy;
	__u8 family;
	__u8 answered;
	__u16 pad;
};

struct attempt {
	struct tuple t;
	__u32 seq;
};

const volatile struct ep_wire_ask ask = {};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} scope SEC(".maps");

/* Addresses of the diagnosed namespace (EP_WIRE_HOST) and of those below (EP_WIRE_INSIDE). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct addr);
	__type(value, __u8);
} addresses SEC(".maps");

/* Userland proxies of the diagnosed namespace, by tgid. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} proxies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct tuple);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct attempt);
	__type(value, __u64);
} attempts SEC(".maps");

/* Connections that landed and that no process has touched yet, by the socket's address. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct ep_wire_row);
} untouched SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct ep_wire_row);
	__type(value, struct ep_wire_count);
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ep_wire_account);
} accounts SEC(".maps");

/* enum skb_drop_reason to its name in the running kernel. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, __u32);
	__type(value, char[EP_WIRE_REASON]);
} reasons SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} ring SEC(".maps");

/* How often the set of listeners in scope has changed. */
__u64 listeners_changed;
__u32 pid_level; /* depth of the watcher's pid namespace */
__u32 workers;   /* tell EP_WIRE_WORKER */

/* ---- small things ---- */

static __always_inline bool is_edge_port(__u16 port)
{
	return ask.ports[port >> 3] >> (port & 7) & 1;
}

static __always_inline bool in_scope(__u32 netns)
{
	return netns == ask.host || bpf_map_lookup_elem(&scope, &netns);
}

static __always_inline bool is_mapped(const struct addr *a)
{
	return !a->w[0] && !a->w[1] && a->w[2] == bpf_htonl(0xffff);
}

/* The tuple of a socket as its peer's packets have it: the peer is the source. */
static __always_inline __u8 tuple_of_sock(struct tuple *t, const struct sock_common *c)
{
	t->sport = bpf_ntohs(BPF_CORE_READ(c, skc_dport));
	t->dport = BPF_CORE_READ(c, skc_num);
	if (BPF_CORE_READ(c, skc_family) == AF_INET) {
		t->src.w[0] = BPF_CORE_READ(c, skc_daddr);
		t->dst.w[0] = BPF_CORE_READ(c, skc_rcv_saddr);
		return 4;
	}
	BPF_CORE_READ_INTO(&t->src, c, skc_v6_daddr);
	BPF_CORE_READ_INTO(&t->dst, c, skc_v6_rcv_saddr);
	if (!is_mapped(&t->dst))
		return 6;
	t->src = (struct addr){{t->src.w[3]}};
	t->dst = (struct addr){{t->dst.w[3]}};
	return 4;
}

/* ---- conntrack ---- */

struct nat {
	struct tuple orig; /* as the packet came */
	struct tuple sent; /* as it goes on */
	__u8 family;
};

/* struct nf_conntrack_tuple, read in one piece; read_nat() makes sure that it is laid out so. */
struct raw_tuple {
	struct addr src;
	__be16 sport;
	__u16 l3num;
	struct addr dst;
	__be16 dport;
	__u8 protonum, dir;
};

static __always_inline bool read_nat(struct nat *n, unsigned long nfct)
{
	const struct nf_conn *ct = (const void *)(nfct & ~(unsigned long)IP_CT_MASK);
	struct raw_tuple t;

	if (!ct || !bpf_core_type_exists(struct nf_conn) ||
	    bpf_core_field_offset(struct nf_conntrack_tuple, src.l3num) !=
		    __builtin_offsetof(struct raw_tuple, l3num) ||
	    bpf_core_field_offset(struct nf_conntrack_tuple, dst.u3) !=
		    __builtin_offsetof(struct raw_tuple, dst) ||
	    bpf_core_field_offset(struct nf_conntrack_tuple, dst.protonum) !=
		    __builtin_offsetof(struct raw_tuple, protonum))
		return false;
	if (bpf_probe_read_kernel(&t, sizeof(t), &ct->tuplehash[0].tuple) ||
	    t.protonum != IPPROTO_TCP)
		return false;
	n->family = t.l3num == AF_INET ? 4 : 6;
	n->orig.src = t.src;
	n->orig.dst = t.dst;
	n->orig.sport = bpf_ntohs(t.sport);
	n->orig.dport = bpf_ntohs(t.dport);
	/* The answers' tuple, turned round. */
	if (bpf_probe_read_kernel(&t, sizeof(t), &ct->tuplehash[1].tuple))
		return false;
	n->sent.dst = t.src;
	n->sent.src = t.dst;
	n->sent.dport = bpf_ntohs(t.sport);
	n->sent.sport = bpf_ntohs(t.dport);
	return true;
}

/* ---- counting and telling ---- */

/* Counters are per CPU, but a program in a process may be interrupted by one in a softirq. */
static __always_inline void add(__u64 *counter, __u64 n)
{
	__sync_fetch_and_add(counter, n);
}

static __always_inline struct ep_wire_account *account(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&accounts, &zero);
}

static __always_inline struct ep_wire_count *count_of(const struct ep_wire_row *row)
{
	struct ep_wire_count *c = bpf_map_lookup_elem(&rows, row);
	struct ep_wire_count zero = {};

	if (c)
		return c;
	bpf_map_update_elem(&rows, row, &zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&rows, row);
}

static __always_inline void tell(const struct ep_wire_row *row, const struct tuple *orig,
				 const struct tuple *landed, __u64 ns_synack)
{
	struct ep_wire_account *a = account();
	struct ep_wire_flow *f;

	if (!a)
		return;
	add(&a->seen, 1);
	f = bpf_ringbuf_reserve(&ring, sizeof(*f), 0);
	if (!f) {
		add(&a->lost, 1);
		return;
	}
	add(&a->delivered, 1);
	f->row = *row;
	f->ns = bpf_ktime_get_ns();
	f->ns_synack = ns_synack;
	__builtin_memcpy(f->saddr, &orig->src, 16);
	f->sport = orig->sport;
	__builtin_memcpy(f->peer, &landed->src, 16);
	f->peer_port = landed->sport;
	f->cpu = bpf_get_smp_processor_id();
	bpf_ringbuf_submit(f, BPF_F_NO_WAKEUP);
}

static __always_inline void count(struct ep_wire_row *row, const struct tuple *orig,
				  const struct tuple *landed, __u64 ns_synack)
{
	struct ep_wire_count *c;
	__u64 n;
	__u8 *class = bpf_map_lookup_elem(&addresses, &orig->src);

	row->origin = class ? *class : EP_WIRE_EXTERNAL;
	row->dport = orig->dport;
	__builtin_memcpy(row->daddr, &orig->dst, 16);
	row->lport = landed->dport;
	__builtin_memcpy(row->laddr, &landed->dst, 16);
	c = count_of(row);
	if (!c) {
		struct ep_wire_account *a = account();

		if (a)
			add(&a->unrowed, 1);
		return;
	}
	add(&c->n, 1);
	n = c->n;
	if (ns_synack) {
		add(&c->n_synack, 1);
		add(&c->ns_synack, ns_synack);
		if (ns_synack > c->ns_synack_max)
			c->ns_synack_max = ns_synack;
	}
	if (ask.all_flows || n <= SPARSE || !(n % SPARSE))
		tell(row, orig, landed, ns_synack);
}

/* ---- packets on their way out ---- */

/*
 * What a packet of that tuple was when it came to the diagnosed namespace: true if it was for an edge
 * port there.
 */
static __always_inline bool find_origin(struct tuple *orig, struct flow **known, __u32 netns,
					const struct tuple *t)
{
	struct flow *f = bpf_map_lookup_elem(&flows, t);

	*known = f;
	if (f) {
		*orig = f->orig;
		return true;
	}
	*orig = *t;
	return netns == ask.host && is_edge_port(t->dport);
}

/* The first packet of a connection leaves a namespace translated. */
static __always_inline void syn_sent_on(unsigned long nfct)
{
	const struct nf_conn *ct = (const void *)(nfct & ~(unsigned long)IP_CT_MASK);
	struct flow new = {}, *known, *old;
	struct nat n = {};
	unsigned long status;
	__u32 netns;

	if (!bpf_core_type_exists(struct nf_conn))
		return;
	status = BPF_CORE_READ(ct, status);
	if (!(status & (IPS_SRC_NAT | IPS_DST_NAT)))
		return;
	netns = BPF_CORE_READ(ct, ct_net.net, ns.inum);
	if (!in_scope(netns) || !read_nat(&n, nfct))
		return;
	old = bpf_map_lookup_elem(&flows, &n.sent);
	if (old && !old->answered)
		return; /* the same packet on another device, or sent again */
	if (!find_origin(&new.orig, &known, netns, &n.orig) ||
	    (netns == ask.host && !(status & IPS_DST_NAT) && !known))
		return;
	new.family = n.family;
	new.ns_syn = known && known->ns_syn ? known->ns_syn : bpf_ktime_get_ns();
	if (known)
		new.proxy = known->proxy;
	bpf_map_update_elem(&flows, &n.sent, &new, BPF_ANY);
}

/* A listener answers: the packet's socket is the connection request. */
static __always_inline void synack(struct sock *req, unsigned long nfct)
{
	const struct sock_common *c = (const void *)req;
	__u32 netns = BPF_CORE_READ(c, skc_net.net, ns.inum);
	struct flow new = {}, *known;
	struct tuple landed = {}, orig;
	struct nat n = {};
	struct sock *listener;

	if (!in_scope(netns))
		return;
	new.family = tuple_of_sock(&landed, c);
	if (nfct && read_nat(&n, nfct))
		orig = n.orig;
	else
		orig = landed;
	if (!find_origin(&new.orig, &known, netns, &orig))
		return;
	if (known) {
		if (known->ns_synack)
			return; /* sent again */
		new.ns_syn = known->ns_syn;
		new.proxy = known->proxy;
	}
	new.ns_synack = bpf_ktime_get_ns();
	new.answered = 1;
	listener = BPF_CORE_READ(c, skc_listener);
	new.ino = BPF_CORE_READ(listener, sk_socket, file, f_inode, i_ino);
	new.cgroup = BPF_CORE_READ(listener, sk_cgrp_data.cgroup, kn, id);
	bpf_map_update_elem(&flows, &landed, &new, BPF_ANY);
}

/* A userland proxy of the diagnosed namespace connects onward. */
static __always_inline void proxy_connects(struct sock *sk)
{
	__u32 tgid = ep_pid_at_level((struct task_struct *)bpf_get_current_task(), pid_level);
	struct flow new = {};
	struct tuple t = {}, sent;

	if (!bpf_map_lookup_elem(&proxies, &tgid))
		return;
	new.family = tuple_of_sock(&t, (const void *)sk);
	sent = (struct tuple){.src = t.dst, .dst = t.src, .sport = t.dport, .dport = t.sport};
	if (bpf_map_lookup_elem(&flows, &sent))
		return;
	new.orig = sent;
	new.proxy = tgid;
	new.ns_syn = bpf_ktime_get_ns();
	bpf_map_update_elem(&flows, &sent, &new, BPF_ANY);
}

SEC("tp_btf/net_dev_queue")
int BPF_PROG(ep_net_dev_queue, struct sk_buff *skb)
{
	struct sock *sk = skb->sk;
	unsigned long nfct = skb->_nfct;

	if (sk) {
		unsigned char state = sk->__sk_common.skc_state;

		if (state == TCP_NEW_SYN_RECV) {
			synack(sk, nfct);
			return 0;
		}
		if (state == TCP_SYN_SENT && sk->__sk_common.skc_net.net->ns.inum == ask.host)
			proxy_connects(sk);
	}
	if ((nfct & IP_CT_MASK) == IP_CT_NEW)
		syn_sent_on(nfct);
	return 0;
}

/* ---- sockets ---- */

static __always_inline void landed_on(const struct sock *sk)
{
	__u32 netns = sk->__sk_common.skc_net.net->ns.inum;
	struct ep_wire_row row = {.result = EP_WIRE_LANDED};
	struct tuple landed = {};
	struct flow *f, copy;
	__u64 ns_synack = 0;

	if (!in_scope(netns))
		return;
	row.family = tuple_of_sock(&landed, &sk->__sk_common);
	f = bpf_map_lookup_elem(&flows, &landed);
	if (f) {
		copy = *f;
		bpf_map_delete_elem(&flows, &landed);
	} else if (netns == ask.host && is_edge_port(landed.dport)) {
		/* Answered with a SYN cookie, or before the watch began: no request was seen. */
		copy = (struct flow){.orig = landed};
		copy.cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
	} else {
		return;
	}
	row.netns = netns;
	row.ino = copy.ino;
	row.cgroup = copy.cgroup;
	row.proxy = copy.proxy;
	if (copy.ns_syn && copy.ns_synack > copy.ns_syn)
		ns_synack = copy.ns_synack - copy.ns_syn;
	count(&row, &copy.orig, &landed, ns_synack);
	if (workers) {
		__u64 key = (__u64)sk;

		bpf_map_update_elem(&untouched, &key, &row, BPF_ANY);
	}
}

static __always_inline void touched(const struct sock *sk, __u8 how)
{
	__u64 key = (__u64)sk;
	struct ep_wire_row *found = bpf_map_lookup_elem(&untouched, &key), row;
	struct ep_wire_count *c;

	if (!found)
		return;
	row = *found;
	bpf_map_delete_elem(&untouched, &key);
	row.result = EP_WIRE_WORKER;
	row.how = how;
	row.worker = ep_pid_at_level((struct task_struct *)bpf_get_current_task(), pid_level);
	c = count_of(&row);
	if (c)
		add(&c->n, 1);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(ep_inet_sock_set_state, const struct sock *sk, int oldstate, int newstate)
{
	if (sk->sk_protocol != IPPROTO_TCP && sk->sk_protocol != IPPROTO_MPTCP)
		return 0;
	if (oldstate == TCP_SYN_RECV && newstate == TCP_ESTABLISHED)
		landed_on(sk);
	else if (newstate == TCP_LISTEN || oldstate == TCP_LISTEN) {
		/* A child that is being made changes from LISTEN to SYN_RECV. */
		if (newstate != TCP_SYN_RECV && in_scope(sk->__sk_common.skc_net.net->ns.inum))
			__sync_fetch_and_add(&listeners_changed, 1);
	} else if (workers && sk->sk_lock.owned &&
		   (newstate == TCP_FIN_WAIT1 || newstate == TCP_LAST_ACK ||
		    newstate == TCP_CLOSE)) {
		/* In a system call of a process that works with it, mostly close(). */
		touched(sk, EP_WIRE_CLOSED);
	}
	return 0;
}

/* In the context of the process that has read, whatever way it accepted. */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(ep_tcp_rcv_space_adjust, struct sock *sk)
{
	if (workers)
		touched(sk, EP_WIRE_READ);
	return 0;
}

/* ---- packets that end ---- */

struct ipv4 {
	__u8 ihl_version, tos;
	__be16 len, id, frag;
	__u8 ttl, protocol;
	__u16 check;
	__be32 saddr, daddr;
};

struct ipv6 {
	__u32 flow;
	__be16 len;
	__u8 nexthdr, hops;
	struct addr saddr, daddr;
};

struct tcp {
	__be16 sport, dport;
	__be32 seq, ack;
	__u8 doff, flags;
};

/* The family if the packet is a connection request; else 0. */
static __always_inline __u8 read_syn(struct tuple *t, __u32 *seq, const struct sk_buff *skb)
{
	const unsigned char *at = skb->head + skb->network_header;
	__u16 protocol = bpf_ntohs(skb->protocol);
	struct ipv4 ip4;
	struct ipv6 ip6;
	struct tcp tcp;
	__u8 family;

	if (protocol == ETH_P_IP) {
		if (bpf_probe_read_kernel(&ip4, sizeof(ip4), at) || ip4.protocol != IPPROTO_TCP ||
		    ip4.frag & bpf_htons(0x1fff))
			return 0;
		t->src.w[0] = ip4.saddr;
		t->dst.w[0] = ip4.daddr;
		at += (ip4.ihl_version & 15) * 4;
		family = 4;
	} else if (protocol == ETH_P_IPV6) {
		if (bpf_probe_read_kernel(&ip6, sizeof(ip6), at) || ip6.nexthdr != IPPROTO_TCP)
			return 0;
		t->src = ip6.saddr;
		t->dst = ip6.daddr;
		at += sizeof(ip6);
		family = 6;
	} else {
		return 0;
	}
	if (bpf_probe_read_kernel(&tcp, sizeof(tcp), at) ||
	    (tcp.flags & (TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK)) != TCP_FLAG_SYN)
		return 0;
	t->sport = bpf_ntohs(tcp.sport);
	t->dport = bpf_ntohs(tcp.dport);
	*seq = tcp.seq;
	return family;
}

static __always_inline void name_reason(enum skb_drop_reason reason)
{
	struct btf_ptr p = {.ptr = &reason,
			    .type_id = bpf_core_type_id_kernel(enum skb_drop_reason)};
	char name[EP_WIRE_REASON] = {};
	__u32 key = reason;

	if (!p.type_id || bpf_map_lookup_elem(&reasons, &key))
		return;
	bpf_snprintf_btf(name, sizeof(name), &p, sizeof(p), BPF_F_NONAME);
	bpf_map_update_elem(&reasons, &key, name, BPF_NOEXIST);
}

/* True once for a SYN, false when it is sent again. */
static __always_inline bool first_time(const struct tuple *t, __u32 seq)
{
	struct attempt key = {.t = *t, .seq = seq};
	__u64 now = bpf_ktime_get_ns(), *before = bpf_map_lookup_elem(&attempts, &key);

	if (before && now - *before < DROPS_APART_NS)
		return false;
	bpf_map_update_elem(&attempts, &key, &now, BPF_ANY);
	return true;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(ep_kfree_skb, struct sk_buff *skb, void *location, enum skb_drop_reason reason)
{
	struct ep_wire_row row = {};
	struct tuple t = {}, before, orig;
	struct net_device *dev = skb->dev;
	struct sock *sk = skb->sk;
	struct flow *known;
	struct nat n = {};
	__u32 seq;

	row.family = read_syn(&t, &seq, skb);
	if (!row.family)
		return 0;
	if (dev)
		row.netns = dev->nd_net.net->ns.inum;
	else if (sk)
		row.netns = sk->__sk_common.skc_net.net->ns.inum;
	if (!in_scope(row.netns))
		return 0;
	before = t;
	if (skb->_nfct && read_nat(&n, skb->_nfct)) {
		before = n.orig;
		/* Where it would have gone. */
		t = n.sent;
	}
	if (!find_origin(&orig, &known, row.netns, &before))
		return 0;
	if (known)
		row.proxy = known->proxy;
	if (!first_time(&orig, seq))
		return 0;
	row.result = EP_WIRE_REFUSED;
	if (reason != bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NO_SOCKET)) {
		row.result = EP_WIRE_DROPPED;
		row.location = (__u64)location;
		row.reason = reason;
		name_reason(reason);
	}
	count(&row, &orig, &t, 0);
	return 0;
}

/* Run once by the watcher itself: how deep its pid namespace is. */
SEC("syscall")
int ep_find_pid_level(void *ctx)
{
	struct task_struct *me = (struct task_struct *)bpf_get_current_task();

	pid_level = BPF_CORE_READ(me, thread_pid, level);
	return 0;
}
