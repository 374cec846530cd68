/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model: the snapshot, plain data about one host at one moment. Everything lives in the
 * snapshot's arena; strings are NUL-terminated and raw (escape them when writing them out).
 * Numbers are in host order, addresses and register data in network order as the kernel keeps them.
 */
#ifndef EDGEPATH_MODEL_H
#define EDGEPATH_MODEL_H

#include "edgepath/util.h"

struct ep_snapshot;
struct ep_netns;

/* ---- completeness: every collector says what it could not read ---- */

enum ep_status { EP_MISSING, EP_PARTIAL, EP_COMPLETE };

struct ep_source {
	const char *name; /* "nft", "iptables-legacy", "routes", "links", "sockets", "docker", … */
	enum ep_status status;
	const char *reason; /* NULL when complete */
};

/* ---- links, addresses, routes (rtnetlink) ---- */

struct ep_link {
	uint32_t ifindex;
	const char *name;
	const char *kind; /* IFLA_INFO_KIND: "veth", "bridge", "macvlan", "vxlan"…; "" if none */
	uint32_t flags;   /* IFF_* */
	uint16_t type;    /* ARPHRD_* */
	uint32_t master;  /* ifindex of bridge, bond or VRF; 0 if none */
	const char *master_kind; /* IFLA_INFO_SLAVE_KIND of this port; "" if none */
	uint32_t group;
	uint32_t mtu;
	uint8_t mac[6];
	uint32_t peer_ifindex; /* IFLA_LINK: veth peer, or lower device of macvlan/vlan; 0 if none */
	uint64_t peer_netns;   /* inode of the peer's namespace; 0 unknown; own inode if the same */
	uint32_t vrf_table;    /* for kind "vrf" */
	uint32_t xdp_prog;     /* id of the attached XDP program, 0 if none */
	uint32_t xdp_second;   /* that of a second one, in another mode: beside an offloaded one */
	/* per-interface sysctls, read where the netns is entered; -1 unknown */
	int forwarding4, forwarding6, rp_filter, route_localnet, accept_local, src_valid_mark;
	int force_forwarding6; /* Linux 6.17 */
	int send_redirects, use_tempaddr;
	int proxy_arp, arp_ignore, proxy_ndp;
	uint32_t mode; /* of kind "macvlan": MACVLAN_MODE_*, "ipvlan": IPVLAN_MODE_* | EP_IPVLAN_* */
	uint16_t vlan_id, vlan_proto; /* kind "vlan"; the protocol as an ETH_P_* */
	bool vlan_filtering;          /* kind "bridge" */
	int nf_call_ip, nf_call_ip6;  /* kind "bridge": IFLA_BR_NF_CALL_IPTABLES; -1 not told */
	/* a bridge's port; blocked: in another state than BR_STATE_FORWARDING */
	bool port_blocked, port_hairpin, port_isolated;
	uint32_t vni; /* kind "vxlan" */
	struct ep_addr remote;
	bool l3_mode; /* kind "netkit" */
};

#define EP_IPVLAN_PRIVATE (1u << 16)
#define EP_IPVLAN_VEPA    (1u << 17)

struct ep_ifaddr {
	uint32_t ifindex;
	struct ep_addr addr; /* IFA_LOCAL if present, else IFA_ADDRESS */
	uint8_t plen;
	uint8_t scope;  /* RT_SCOPE_* */
	uint32_t flags; /* IFA_F_* */
};

struct ep_nexthop {
	struct ep_addr gw; /* len 0: on link */
	uint32_t ifindex;
	uint32_t weight; /* rtnh_hops + 1 */
	uint32_t flags;  /* RTNH_F_*, EP_NH_ENCAP */
};

#define EP_NH_ENCAP (1u << 31) /* RTA_ENCAP: a tunnel or MPLS label is put around the packet */

struct ep_route {
	uint8_t family; /* AF_* */
	uint32_t table;
	uint8_t type; /* RTN_* */
	uint8_t scope, protocol, tos;
	struct ep_addr dst; /* len 0 for default */
	uint8_t dst_len;
	struct ep_addr src; /* IPv6 source-specific routing; len 0 if none */
	uint8_t src_len;
	struct ep_addr prefsrc;
	uint32_t metric;
	uint32_t flags; /* RTM_F_* */
	uint8_t pref;   /* IPv6 router preference as RFC 4191 encodes it: 1 high, 0 medium, 3 low */
	bool realm;     /* RTA_FLOW is there; never saved: ep_netns.realms */
	EP_VEC(struct ep_nexthop) hops;
};

struct ep_policy { /* FRA_*: one `ip rule` */
	uint8_t family;
	uint32_t priority, table, target; /* target: FRA_GOTO */
	uint8_t action;                   /* FR_ACT_* */
	bool invert;                      /* FIB_RULE_INVERT */
	struct ep_addr src, dst;
	uint8_t src_len, dst_len, tos, ip_proto;
	const char *iif, *oif; /* NULL if unset */
	uint32_t fwmark, fwmask;
	bool l3mdev, has_uid;
	uint32_t uid_lo, uid_hi;
	uint16_t sport_lo, sport_hi, dport_lo, dport_hi; /* 0,0 unset */
	int suppress_prefixlen;                          /* -1 unset */
	int suppress_ifgroup;                            /* -1 unset */
	uint8_t tos_mask; /* bits of the packet's that tos is compared with; 0: not at all */
	uint16_t sport_mask, dport_mask; /* Linux 6.15: 0 unset; else only these bits of the port */
	uint32_t flowlabel, flowlabel_mask;
};

struct ep_neigh { /* what an administrator set: permanent entries, and addresses answered for */
	uint32_t ifindex; /* of proxies: 0 all devices */
	struct ep_addr addr;
	uint8_t mac[6];
	uint16_t state; /* NUD_* */
	uint8_t flags;  /* NTF_PROXY, or 0 */
};

/* ---- verdicts and attributes ---- */

struct ep_verdict {
	int32_t code; /* NF_DROP, NF_ACCEPT…, NFT_RETURN, NFT_JUMP, NFT_GOTO, NFT_CONTINUE, NFT_BREAK */
	const char *chain; /* for jump and goto */
};

enum ep_attr_kind { EP_ATTR_NUM, EP_ATTR_BYTES, EP_ATTR_STR, EP_ATTR_VERDICT };

/* One netlink attribute of an expression, already converted to host order if it is a number. */
struct ep_attr {
	uint16_t nla; /* NFTA_…; 0 for the raw payload of an expression that nobody knows */
	uint8_t kind; /* enum ep_attr_kind */
	uint32_t len; /* bytes: length */
	union {
		uint64_t num;
		const uint8_t *bytes;
		const char *str;
		const struct ep_verdict *verdict;
	};
};

/* ---- nftables (uapi linux/netfilter/nf_tables.h) ---- */

struct ep_exprs;

struct ep_expr {
	const char *name; /* as the kernel says: "cmp", "payload", "match"… */
	bool opaque;      /* not in ep_expr_types: raw bytes are attribute 0 */
	EP_VEC(struct ep_attr) attrs;
	const struct ep_exprs *sub; /* dynset: what each new element gets; NULL if nothing */
};

/* Expressions with a state of their own, which go with a set's element or a dynset. */
struct ep_exprs {
	struct ep_expr *v;
	size_t n, cap;
};

/* What one attribute of one expression is; the rows serve the netlink decoder and the JSON alike. */
struct ep_attr_type {
	uint16_t nla;
	const char *name; /* JSON key */
	uint8_t width; /* bytes of a big-endian number on the wire (1, 2, 4, 8); 0 if no number */
	uint8_t kind; /* enum ep_attr_kind; EP_ATTR_BYTES also stands for NFTA_DATA (value or verdict) */
	bool nested_data; /* value is a nested NFTA_DATA_VALUE / NFTA_DATA_VERDICT */
	bool host_order;  /* numbers that the kernel sends in host order */
	uint16_t max;     /* longest accepted payload */
};

struct ep_expr_type {
	const char *name;
	const struct ep_attr_type *attrs; /* ends with a row whose name is NULL */
};

extern const struct ep_expr_type ep_expr_types[]; /* ends with a row whose name is NULL */
const struct ep_expr_type *ep_expr_type_find(const char *name);           /* NULL if unknown */
const struct ep_attr *ep_attr_get(const struct ep_expr *e, uint16_t nla); /* NULL if absent */
bool ep_attr_has(const struct ep_expr *e, uint16_t nla);
uint64_t ep_attr_num(const struct ep_expr *e, uint16_t nla, uint64_t dflt);
const char *ep_attr_str(const struct ep_expr *e, uint16_t nla); /* NULL if absent */
const uint8_t *ep_attr_bytes(const struct ep_expr *e, uint16_t nla,
			     uint32_t *ret_len); /* or NULL */

enum ep_backend { EP_NFT, EP_IPTABLES_NFT, EP_IPTABLES_LEGACY };
const char *ep_backend_name(enum ep_backend b); /* "nft", "iptables-nft", "iptables-legacy" */

struct ep_nft_rule {
	uint64_t handle;
	uint32_t position;   /* 1-based in its chain */
	const char *comment; /* from userdata or xt comment; NULL if none */
	EP_VEC(struct ep_expr) exprs;
};

struct ep_nft_table;

struct ep_nft_chain {
	struct ep_nft_table *table;
	const char *name;
	uint64_t handle;
	bool base;
	const char *type; /* "filter", "nat", "route"; NULL if not base */
	uint32_t hook;    /* NF_INET_*, NF_BR_* or NF_NETDEV_* */
	int32_t priority;
	uint32_t policy; /* NF_ACCEPT or NF_DROP */
	uint32_t use;
	ep_strs devs;   /* netdev family and inet ingress */
	uint32_t order; /* position in the kernel's dump, over all tables: earlier = older */
	bool loaded;    /* rules are there (perhaps none) */
	EP_VEC(struct ep_nft_rule) rules;
};

struct ep_nft_elem {
	/* key_len bytes each, inclusive bounds; concatenations: bounds hold field by field */
	const uint8_t *lo, *hi;
	bool catchall;
	const uint8_t *data;              /* data_len bytes for maps; NULL otherwise */
	const struct ep_verdict *verdict; /* for verdict maps */
	const char *object;               /* for object maps */
	uint64_t timeout_ms;              /* 0 none */
	uint64_t expires_ms;              /* what is left of it; 0 not told */
	const char *comment;
	bool conditional; /* a limit, quota or ct count of its own may refuse the match */
	const struct ep_exprs *exprs; /* these; NULL if none of them decides */
	bool fresh;                   /* the walk's: this packet made it */
};

struct ep_nft_asked {
	const uint8_t *key; /* of key_len bytes */
	const struct ep_nft_elem
		*elem; /* the one that has the key, else the catch-all one, or NULL */
};

struct ep_nft_set {
	struct ep_nft_table *table;
	const char *name;
	uint32_t flags; /* NFT_SET_* */
	uint32_t key_type,
		data_type; /* nft userspace's datatype ids; data_type NFT_DATA_VERDICT for vmaps */
	uint32_t key_len, data_len;
	uint8_t fields[16];           /* lengths in bytes (unpadded) of a concatenation's fields */
	uint8_t n_fields;             /* 0: not a concatenation, or not told */
	uint32_t size;                /* most elements; 0 no limit */
	uint32_t obj_type;            /* NFT_OBJECT_* that an object map leads to; 0 none */
	const struct ep_exprs *exprs; /* each new element gets these; NULL if none */
	bool loaded;
	EP_VEC(struct ep_nft_elem) elems;
	/* Single elements, which a provider was asked for while loaded is false; never saved. */
	EP_VEC(struct ep_nft_asked) asked;
};

struct ep_nft_obj {
	const char *name;
	uint32_t type;       /* NFT_OBJECT_* */
	const uint8_t *data; /* raw NFTA_OBJ_DATA payload */
	uint32_t len;
	const struct ep_exprs *exprs; /* the one that it works as: limit, quota, connlimit; or NULL */
};

struct ep_nft_table {
	uint8_t family; /* NFPROTO_* */
	const char *name;
	uint64_t handle;
	uint32_t flags; /* NFT_TABLE_F_DORMANT… */
	bool xtables;   /* kept by iptables-nft: backend of its rules is iptables-nft */
	EP_VEC(struct ep_nft_chain *) chains;
	EP_VEC(struct ep_nft_set *) sets;
	EP_VEC(struct ep_nft_obj *) objs;
	const struct ep_netns *ns; /* whose table it is; NULL where nobody said */
};

struct ep_nft {
	enum ep_status status; /* missing: not readable; a kernel without nf_tables is complete */
	const char *reason;
	uint32_t generation;  /* NFTA_GEN_ID */
	const char *gen_comm; /* NFTA_GEN_PROC_NAME of the last writer, if told */
	uint32_t gen_pid;
	bool changed; /* the generation moved while reading: nothing of it may be relied on */
	EP_VEC(struct ep_nft_table *) tables;
};

struct ep_nft_chain *ep_nft_chain_find(const struct ep_nft_table *t, const char *name);
struct ep_nft_set *ep_nft_set_find(const struct ep_nft_table *t, const char *name);
/* Bytes of a value of a datatype of nft's userspace; 0 if unknown or of no fixed length. */
unsigned ep_nft_type_len(uint32_t type);
struct ep_nft_obj *ep_nft_obj_find(const struct ep_nft_table *t, const char *name, uint32_t type);

/* ---- xtables (uapi linux/netfilter/x_tables.h, ip_tables.h, ip6_tables.h) ---- */

/*
 * A match or target in the kernel's own bytes (struct xt_entry_match.data), as they came from
 * iptables-legacy or from nft's NFTA_MATCH_INFO. src/walk interprets them, length-checked.
 */
struct ep_xt_ext {
	const char *name;
	uint8_t rev;
	uint32_t len;
	const uint8_t *data;
};

enum ep_xt_verdict {
	EP_XT_TARGET,
	EP_XT_ACCEPT,
	EP_XT_DROP,
	EP_XT_RETURN,
	EP_XT_QUEUE,
	EP_XT_JUMP,
	EP_XT_GOTO,
	EP_XT_CONTINUE
};

struct ep_xt_rule {
	uint32_t position; /* 1-based in its chain */
	/* struct ipt_ip / ip6t_ip6: addresses, masks, interfaces (0xff mask bytes count), proto, flags */
	struct ep_addr src, smask, dst, dmask;
	char iif[16], oif[16];
	uint8_t iif_mask[16], oif_mask[16];
	uint16_t proto;   /* 0 any */
	uint8_t flags;    /* IPT_F_*, IP6T_F_* */
	uint8_t invflags; /* IPT_INV_*, IP6T_INV_* */
	uint8_t tos;
	EP_VEC(struct ep_xt_ext) matches;
	enum ep_xt_verdict verdict;
	const char *chain;       /* jump, goto */
	struct ep_xt_ext target; /* EP_XT_TARGET */
	uint64_t packets;
};

struct ep_xt_chain {
	const char *name;
	int hook;                  /* NF_INET_*, -1 for user chains */
	enum ep_xt_verdict policy; /* EP_XT_ACCEPT or EP_XT_DROP for base chains */
	EP_VEC(struct ep_xt_rule) rules;
};

struct ep_xt_table {
	uint8_t family;   /* AF_INET or AF_INET6 */
	const char *name; /* "raw", "mangle", "nat", "filter", "security" */
	uint32_t valid_hooks;
	bool loaded;
	EP_VEC(struct ep_xt_chain *) chains;
	const struct ep_netns *ns; /* whose table it is; NULL where nobody said */
};

struct ep_xt {
	enum ep_status status[2]; /* [0] IPv4, [1] IPv6 */
	const char *reason[2];
	EP_VEC(struct ep_xt_table *) tables;
};

struct ep_xt_chain *ep_xt_chain_find(const struct ep_xt_table *t, const char *name);

struct ep_ipset_elem {
	struct ep_addr addr; /* len 0: any (port-only sets) */
	uint8_t plen, proto;
	uint16_t port_lo, port_hi; /* 0,0: the set has no ports */
	bool nomatch;
};

struct ep_ipset { /* an ipset that an xt `set` match names */
	const char *name, *type;
	uint16_t index;
	uint8_t family;
	bool loaded; /* elements are there */
	EP_VEC(struct ep_ipset_elem) elems;
};

/* ---- what the kernel remembers of packets, read when a rule asks for it ---- */

/* A list of xt's recent match (/proc/net/xt_recent/NAME). */
struct ep_recent_stamp {
	uint64_t age_ms; /* when the list was read */
};

struct ep_recent_row {
	struct ep_addr addr; /* as masked by the list */
	uint8_t ttl;         /* TTL or hop limit of the packet that was last noted */
	EP_VEC(struct ep_recent_stamp) stamps;
};

struct ep_recent {
	const char *name;
	bool loaded; /* rows are there */
	bool ages;   /* the ages are told: the kernel's clock (jiffies) could be read */
	EP_VEC(struct ep_recent_row) rows;
};

/* A table of xt's hashlimit match (/proc/net/ipt_hashlimit/NAME, /proc/net/ip6t_hashlimit/NAME). */
struct ep_hashlimit_row {
	struct ep_addr src, dst; /* masked; zeros if they are no part of the key */
	uint16_t sport, dport;
	uint64_t credit, cap, cost;
};

struct ep_hashlimit {
	const char *name;
	uint8_t family; /* AF_* */
	bool loaded;
	EP_VEC(struct ep_hashlimit_row) rows;
};

/* Connections with the same four addresses. */
struct ep_conn {
	struct ep_addr src, dst, reply_src, reply_dst;
	uint32_t n, closed; /* closed: of these, TCP in TIME_WAIT or CLOSE */
};

struct ep_conns {
	bool counted; /* total is told */
	bool loaded;  /* list is there */
	uint64_t total;
	EP_VEC(struct ep_conn) list;
};

struct ep_acct { /* an accounting object that an xt nfacct match names */
	const char *name;
	bool loaded;
	uint64_t packets, bytes, quota;
	uint32_t flags; /* NFACCT_F_* */
};

/* ---- programs and other hooks in the packet's way ---- */

struct ep_hook {
	const char *kind; /* "xdp", "tc-ingress", "sk_lookup", "netfilter-bpf" */
	uint32_t ifindex; /* 0: the whole namespace */
	const char *name; /* program name, "" if unknown */
	uint32_t prog_id;
	bool may_take;  /* it could redirect, drop or answer packets */
	const char *at; /* path of the cgroup that it is attached to; NULL elsewhere */
	uint8_t family; /* "netfilter-bpf": NFPROTO_*, and hook is NF_INET_* */
	uint32_t hook;
};

/* A function at a netfilter hook; of one hook they stand in the order in which they run. */
struct ep_hook_fn {
	uint8_t family; /* AF_INET or AF_INET6: whose packets */
	uint8_t hook;   /* NF_INET_* */
	bool nat;       /* called by the NAT core, not by the hook */
	bool nft;       /* a base chain, with these handles */
	int32_t priority;
	uint64_t table, chain;
	uint32_t prog_id; /* a BPF program */
};

/* A control group (version 2) that a socket belongs to. */
struct ep_cgroup {
	uint64_t id;      /* inode of its directory */
	const char *path; /* below the mount: "/system.slice/x.service"; NULL if it is gone */
	EP_VEC(struct ep_hook) hooks; /* programs for its sockets, its ancestors' included */
};

/* What a program of a kind may return for the packet to pass. */
struct ep_bpf_pass {
	const char *kind; /* of struct ep_hook; "tc-class": a classifier without direct action */
	uint32_t values[4];
	unsigned n;
	bool all_others; /* the values are those that do not let it pass */
};
const struct ep_bpf_pass *ep_bpf_pass_of(const char *kind); /* NULL if unknown */
bool ep_bpf_passes(const struct ep_bpf_pass *p, uint32_t value);

/* What a call of a helper function, by its offset in the kernel (bpf_insn.imm), does to a packet. */
enum ep_bpf_call {
	EP_BPF_CALL_OTHER,  /* perhaps something */
	EP_BPF_CALL_NUMBER, /* nothing; returns a number */
	EP_BPF_CALL_MEMORY, /* nothing; returns a pointer into a map or a ring buffer */
};
typedef enum ep_bpf_call (*ep_bpf_caller)(void *ctx, int32_t imm);

/*
 * True if a program certainly lets every packet pass unchanged. insns: len bytes of translated struct
 * bpf_insn; pass may be NULL (then nothing is certain), and so may call.
 */
bool ep_bpf_only_passes(const void *insns, size_t len, const struct ep_bpf_pass *pass,
			ep_bpf_caller call, void *ctx);

/* ---- IPVS (uapi linux/ip_vs.h): services that it balances, and their real servers ---- */

struct ep_ipvs_dest {
	struct ep_addr addr;
	uint16_t port;   /* 0: the packet's own */
	uint32_t method; /* IP_VS_CONN_F_MASQ, _LOCALNODE, _TUNNEL, _DROUTE */
	uint32_t weight; /* 0: no new connections */
	uint32_t u_thresh, l_thresh;
	uint32_t active, inactive; /* connections, when it was read */
};

struct ep_ipvs_service {
	uint8_t family;      /* AF_* */
	uint16_t proto;      /* IPPROTO_*; 0 with a mark */
	struct ep_addr addr; /* len 0 with a mark */
	uint16_t port;       /* 0: all, or a mark */
	uint32_t fwmark;     /* 0: by address */
	const char *sched;   /* "rr", "wlc"… */
	uint32_t flags;      /* IP_VS_SVC_F_* */
	uint32_t netmask; /* of clients that stay together: IPv4 mask in network order, IPv6 length */
	EP_VEC(struct ep_ipvs_dest) dests; /* in the kernel's order */
};

/* ---- sockets, processes, containers ---- */

struct ep_pod {
	const char *ns, *name, *container, *uid; /* NULL if not a pod */
};

struct ep_container_addr {
	const char *network;
	struct ep_addr addr;
};

struct ep_published {
	struct ep_addr host; /* len 0 or wildcard: all addresses */
	uint16_t host_port, port;
	const char *proto;
};

struct ep_container {
	const char *runtime; /* "docker", "containerd", "cri-o", "podman" */
	const char *id, *name, *image;
	const char *compose_project, *compose_service; /* NULL if none */
	struct ep_pod pod;
	bool running;
	int pid;         /* of its first process, 0 if unknown */
	uint64_t netns;  /* inode, 0 if unknown */
	uint64_t cgroup; /* struct ep_cgroup.id of its first process; 0 if unknown */
	EP_VEC(struct ep_container_addr) addrs;
	EP_VEC(struct ep_published) published;
};

/* Where a userland proxy passes on what it accepts; of several ways for one port it takes one. */
struct ep_proxy_way {
	uint16_t lo, hi;     /* ports that it listens on; 0, 0: any */
	struct ep_addr addr; /* it connects to; len 0: not known, or told by the device */
	uint16_t port;  /* for lo, and the ports after it in order; 0: the same as it accepted on */
	uint64_t netns; /* where it connects; 0: in its own */
	bool by_device; /* clients' packets enter that namespace by its tap device, rewritten to its address */
	bool own_addr;    /* to the IPv4 address that the namespace has besides loopback's */
	const char *name; /* what it calls its target, where that is no address; NULL if addr tells */
};

struct ep_proc {
	int pid;
	const char *comm;   /* thread group leader's */
	const char *exe;    /* readlink of /proc/PID/exe, NULL if unreadable */
	const char *cgroup; /* v2 path, or the most telling v1 path */
	const char *unit;   /* systemd unit, NULL if none */
	ep_strs argv;       /* bounded */
	uint64_t netns;
	uint32_t uid;
	const struct ep_container *container; /* NULL if none */
	/* userland proxy with one target (docker-proxy): where it connects to; else target.len is 0 */
	struct ep_addr proxy_target;
	uint16_t proxy_port;
	const char *proxy_kind; /* "docker-proxy", "pasta"…; NULL if it is no proxy */
	EP_VEC(struct ep_proxy_way) proxy_ways; /* of the others */
};

struct ep_listener {
	uint64_t netns;
	struct ep_addr addr; /* 4 or 16 bytes; zeros: wildcard; v4-mapped is kept as 16 bytes */
	uint16_t port;
	bool v6only, reuseport, transparent;
	uint32_t bound_ifindex;
	uint64_t ino; /* socket inode */
	uint32_t uid, backlog, qlen;
	uint64_t cgroup;              /* struct ep_cgroup.id of the socket; 0 not told */
	EP_VEC(struct ep_hook) hooks; /* its own programs: "socket-filter", "reuseport" */
	/* place among its family's listeners in the kernel's hash chain, from 1; 0 not told */
	uint32_t order;
	bool mark_known;
	uint32_t mark; /* SO_MARK */
	EP_VEC(const struct ep_proc *)
	procs; /* those that hold it, lowest pid first; may be empty */
};

/* ---- namespaces ---- */

/* What a provider may be asked to load for one namespace. */
enum ep_need {
	EP_NEED_LINKS = 1 << 0,  /* links, their sysctls, addresses */
	EP_NEED_ROUTES = 1 << 1, /* routes and policy rules */
	EP_NEED_NFT =
		1 << 2, /* tables, base and other chains (no rules), sets (no elements), objects */
	EP_NEED_XT = 1 << 3,    /* legacy tables, whole */
	EP_NEED_HOOKS = 1 << 4, /* XDP, tc, sk_lookup…; IPVS */
	EP_NEED_ORDER = 1 << 5, /* the order of hook functions; none if the kernel does not tell */
	/* not asked of provider.netns: marks in have that provider.conns was asked */
	EP_NEED_CONNS = 1 << 30,
	EP_NEED_CONN_LIST = 1u << 31,
};

/* A queue that a program reads packets from (NFQUEUE). */
struct ep_nfqueue {
	uint16_t num;
	uint32_t portid;  /* of its netlink socket: its pid, as a rule */
	const char *comm; /* NULL if that is no process that holds such a socket */
};

struct ep_netns {
	uint64_t ino;
	const char *name;   /* of /run/netns or of the container that owns it; NULL if none */
	int pid;            /* a process in it, 0 if none */
	const char *path;   /* something to open for setns; NULL in a saved snapshot */
	unsigned have;      /* enum ep_need bits that were loaded (or tried) */
	const char *failed; /* why something asked for could not be read; NULL if all was */
	EP_VEC(struct ep_link) links;
	EP_VEC(struct ep_ifaddr) addrs;
	EP_VEC(struct ep_neigh) neighs;
	EP_VEC(struct ep_route) routes;
	EP_VEC(struct ep_policy) policies;
	EP_VEC(struct ep_hook) hooks;
	EP_VEC(struct ep_hook_fn) hook_fns;
	EP_VEC(struct ep_ipset *) ipsets;
	EP_VEC(struct ep_recent *) recents;
	EP_VEC(struct ep_hashlimit *) hashlimits;
	EP_VEC(struct ep_acct *) accts;
	struct ep_conns conns;
	EP_VEC(struct ep_ipvs_service) ipvs;
	const char *ipvs_unread; /* why its services could not be read; NULL if they were */
	int ipvs_conntrack, ipvs_backup_only, ipvs_cache_bypass; /* net.ipv4.vs.*; -1 unknown */
	struct ep_nft nft;
	struct ep_xt xt;
	int ip_forward;      /* net.ipv4.ip_forward: same as conf.all.forwarding; -1 unknown */
	int forwarding6_all; /* net.ipv6.conf.all.forwarding */
	int rp_filter_all;   /* net.ipv4.conf.all.rp_filter */
	int route_localnet_all, accept_local_all, src_valid_mark_all, send_redirects_all;
	int bridge_nf_call_ip, bridge_nf_call_ip6; /* net.bridge.*; -1: no br_netfilter here */
	int tcp_l3mdev_accept, fwmark_reflect;
	int proxy_arp_all, arp_ignore_all, proxy_ndp_all;
	int conntrack_count; /* net.netfilter.nf_conntrack_count; -1 unknown */
	int tcp_loose;       /* net.netfilter.nf_conntrack_tcp_loose */
	bool realms;         /* some route or policy rule names a realm */
	bool queues_known;   /* with EP_NEED_HOOKS */
	EP_VEC(struct ep_nfqueue) queues;
	int tracked[2]; /* the walk's: is conntrack on for IPv4, IPv6; never saved */
	void *fib;      /* the walk's index over routes, made on demand; never saved */
};

/* A routing decision as the kernel can be asked for it (RTM_GETROUTE). */
struct ep_route_ask {
	struct ep_addr dst, src; /* src: len 0 for a local sender that has none yet */
	uint32_t iif, mark;      /* iif: where it arrives; 0: sent by this host */
	uint16_t sport, dport;
	bool root; /* uid 0 is to be said: IPv6 takes what arrives for nobody's otherwise */
};

struct ep_route_told {
	int error; /* errno that the kernel gives in place of a route; 0: there is one */
	struct ep_route route;
};

/* Live: the kernel is asked on demand. Saved: NULL, and what is not there is unknown. */
struct ep_provider {
	void *ctx;
	/* Each fills the snapshot, and is called once per object; negative errno on failure. */
	int (*netns)(void *ctx, struct ep_snapshot *s, struct ep_netns *ns, unsigned need);
	int (*nft_chain)(void *ctx, struct ep_snapshot *s, struct ep_netns *ns,
			 struct ep_nft_chain *c);
	int (*nft_set)(void *ctx, struct ep_snapshot *s, struct ep_netns *ns,
		       struct ep_nft_set *set);
	/* one element instead of the whole set: *elem of a, whose key is given */
	int (*nft_elem)(void *ctx, struct ep_snapshot *s, struct ep_netns *ns,
			const struct ep_nft_set *set, struct ep_nft_asked *a);
	/* the ipset of that kernel index; adds to ns->ipsets */
	int (*ipset)(void *ctx, struct ep_snapshot *s, struct ep_netns *ns, uint16_t index);
	/* the kernel's own routing decision; negative errno if it could not be asked */
	int (*route)(void *ctx, struct ep_snapshot *s, struct ep_netns *ns,
		     const struct ep_route_ask *ask, struct ep_route_told *ret);
	/* what xt matches remember: each fills the structure, whose name and family are set */
	int (*recent)(void *ctx, struct ep_snapshot *s, struct ep_netns *ns, struct ep_recent *r);
	int (*hashlimit)(void *ctx, struct ep_snapshot *s, struct ep_netns *ns,
			 struct ep_hashlimit *h);
	int (*acct)(void *ctx, struct ep_snapshot *s, struct ep_netns *ns, struct ep_acct *a);
	/* ns->conns: how many there are; with list also which, unless there are too many */
	int (*conns)(void *ctx, struct ep_snapshot *s, struct ep_netns *ns, bool list);
};

struct ep_snapshot {
	struct ep_arena *arena;
	const struct ep_provider *provider; /* not owned */
	const char *hostname, *kernel, *boot_id;
	uint64_t host_netns; /* the namespace that is diagnosed */
	uint64_t taken_at;   /* unix seconds; 0 not told */
	bool has_tz;
	int tz_minuteswest; /* the kernel's time zone (sys_tz), if has_tz */
	uint32_t cpus;      /* that the host may have; 0 not told */
	EP_VEC(struct ep_source) sources;
	EP_VEC(struct ep_netns *) netns;
	EP_VEC(struct ep_proc *) procs;
	EP_VEC(struct ep_container *) containers;
	EP_VEC(struct ep_cgroup *) cgroups;   /* of the listeners, and the root */
	EP_VEC(struct ep_listener) listeners; /* of all namespaces */
	bool listeners_partial;               /* sockets of some namespace could not be read */
};

struct ep_snapshot *ep_snapshot_new(void);    /* owns an arena; free with ep_snapshot_free */
void ep_snapshot_free(struct ep_snapshot *s); /* takes NULL */

struct ep_netns *ep_netns_find(const struct ep_snapshot *s, uint64_t ino); /* NULL if unknown */
struct ep_netns *ep_netns_add(struct ep_snapshot *s, uint64_t ino);        /* finds or adds */
/* Notes with each table of ns that it is of ns; for those who make tables. */
void ep_netns_own_tables(struct ep_netns *ns);
/* Loads what is missing of need; 0, or negative errno with ns->failed set. */
int ep_netns_need(struct ep_snapshot *s, struct ep_netns *ns, unsigned need);
/* Rules of a chain, elements of a set, on demand; 0 or negative errno. */
int ep_nft_chain_need(struct ep_snapshot *s, struct ep_netns *ns, struct ep_nft_chain *c);
int ep_nft_set_need(struct ep_snapshot *s, struct ep_netns *ns, struct ep_nft_set *set);
/*
 * The element of a set that has the key (of key_len bytes, padding zero), or the catch-all one, or NULL,
 * without loading the set. Negative errno if that can't be told alone: then ep_nft_set_need().
 */
int ep_nft_elem_need(struct ep_snapshot *s, struct ep_netns *ns, struct ep_nft_set *set,
		     const uint8_t *key, const struct ep_nft_elem **ret);
struct ep_ipset *ep_ipset_need(struct ep_snapshot *s, struct ep_netns *ns,
			       uint16_t index); /* or NULL */
/* What the kernel remembers, on demand; NULL if it could not be read. */
const struct ep_recent *ep_recent_need(struct ep_snapshot *s, struct ep_netns *ns,
				       const char *name);
const struct ep_hashlimit *ep_hashlimit_need(struct ep_snapshot *s, struct ep_netns *ns,
					     uint8_t family, const char *name);
const struct ep_acct *ep_acct_need(struct ep_snapshot *s, struct ep_netns *ns, const char *name);
const struct ep_conns *ep_conns_need(struct ep_snapshot *s, struct ep_netns *ns);
const struct ep_conns *ep_conns_list_need(struct ep_snapshot *s, struct ep_netns *ns);

const struct ep_link *ep_link_by_index(const struct ep_netns *ns, uint32_t ifindex);
const struct ep_link *ep_link_by_name(const struct ep_netns *ns, const char *name);
/* Not tentative (unless optimistic) and no duplicate: the kernel uses it. */
bool ep_ifaddr_valid(const struct ep_ifaddr *i);
/* The first valid one. */
const struct ep_ifaddr *ep_ifaddr_find(const struct ep_netns *ns, const struct ep_addr *a);
struct ep_proc *ep_proc_find(const struct ep_snapshot *s, int pid);
const struct ep_cgroup *ep_cgroup_find(const struct ep_snapshot *s, uint64_t id); /* or NULL */
const struct ep_cgroup *ep_cgroup_root(const struct ep_snapshot *s); /* NULL if not read */

/* Records what a collector could read; a later, worse report for the same name wins. */
void ep_source_set(struct ep_snapshot *s, const char *name, enum ep_status st, const char *reason);

/* ---- rule text, in the language of its own tool, for people ---- */

/* nft syntax, e.g. `iifname != "br-1" tcp dport 443 dnat to 172.18.0.2:443`; arena string, escaped. */
const char *ep_nft_rule_text(struct ep_arena *a, const struct ep_nft_chain *c,
			     const struct ep_nft_rule *r);
/* As iptables-save: `! -i br-1 -p tcp -m tcp --dport 443 -j DNAT --to-destination 172.18.0.2:443`. */
const char *ep_xt_rule_text(struct ep_arena *a, const struct ep_xt_table *t,
			    const struct ep_xt_rule *r);
/* One xt extension alone (also inside nft rules); family AF_*; ns (or NULL) knows names of ipsets. */
void ep_xt_ext_text(struct ep_buf *out, const struct ep_xt_ext *x, bool is_target, uint8_t family,
		    const struct ep_netns *ns);

/* ---- saving and loading ---- */

/* JSON text (malloc'd) of all that is loaded; NULL with errno. */
char *ep_snapshot_to_json(const struct ep_snapshot *s);
/* Refuses what does not fit, naming the place ("netns[0].links[2].ifindex") in err. NULL on refusal. */
struct ep_snapshot *ep_snapshot_from_json(const char *text, size_t len, char *err, size_t err_len);

#endif
