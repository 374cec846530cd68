/* SPDX-License-Identifier: GPL-2.0-or-later */
/* collect's inside: who holds a socket, and which container that is. */
#ifndef EP_OWNERS_I_H
#define EP_OWNERS_I_H

#include <jansson.h>

#include "collect/collect_i.h"
#include "edgepath/wire.h"

/* ---- listeners: sockets.c joins what sockets_bpf.c or sockets_diag.c reads ---- */

/* One record per process and socket; pid 0: the owner is not known (yet). */
typedef EP_VEC(struct ep_wire_listener) ep_wires;

/* All namespaces, by the BPF iterator; on failure -errno and why. */
int ep_listeners_by_bpf(struct ep_arena *a, ep_wires *out, const char **ret_reason) EP_MUST;
/* One namespace, by NETLINK_SOCK_DIAG; records without pid. */
int ep_listeners_by_diag(struct ep_arena *a, const struct ep_netns *ns, ep_wires *out) EP_MUST;
/* One pass over /proc/PID/fd: adds a record per process that holds a socket of out. */
int ep_listeners_find_owners(struct ep_arena *a, ep_wires *out) EP_MUST;
/* Puts records into the snapshot, one listener per socket; reads the processes. Sorts the records. */
void ep_listeners_add(struct ep_snapshot *s, ep_wires *w);
/* All namespaces known to the snapshot without BPF; why: the reason to report with it. */
int ep_collect_sockets_diag(struct ep_snapshot *s, const char *why) EP_MUST;

/* ---- processes ---- */

/* So much of a command line is read, in words and bytes. */
#define EP_MAX_ARGS    64
#define EP_MAX_CMDLINE 4096

/* As ep_collect_proc, below the directory proc_fd instead of /proc; NULL if there is no such process. */
struct ep_proc *ep_proc_read_at(struct ep_snapshot *s, int proc_fd, int pid);
/* The most telling cgroup path of a process; NULL if it is gone. */
const char *ep_proc_cgroup(struct ep_arena *a, int pid);

/* Its parent's pid, 0 if not known; proc_fd: /proc. */
int ep_proc_parent(int proc_fd, int pid);
/* Does it have a child in that network namespace? */
bool ep_proc_child_in(int proc_fd, int pid, uint64_t ino);
/* Fills exe and argv of p->pid; false if there is no such process. */
bool ep_proc_command(struct ep_arena *a, int proc_fd, struct ep_proc *p);

/* ---- userland proxies ---- */

/* Whose network namespace a proxy connects in. */
enum ep_proxy_place {
	EP_PLACE_OWN,
	EP_PLACE_CHILD,  /* that of its child of the same program, which is not its own */
	EP_PLACE_HELD,   /* that which it holds a descriptor of */
	EP_PLACE_NAMED,  /* a process's, or a path's: struct ep_proxy.where */
	EP_PLACE_PARENT, /* the same, and the parent process tells the ports */
};

struct ep_proxy {
	enum ep_proxy_place place;
	const char *where; /* a pid in decimal, or a path */
};

/* proxies.c: fills proxy_* from exe and argv if the process is a known userland proxy. No I/O. */
void ep_proxy_parse(struct ep_arena *a, struct ep_proc *p, struct ep_proxy *ret);
/* proxies_podman.c: ways of Podman's rootlessport into the namespace ino, in place of those it has. */
void ep_podman_ways(struct ep_snapshot *s, int proc_fd, struct ep_proc *p, uint64_t ino);
/* The port mappings of container id in Podman's database; false if it is not there. Also for the fuzzer. */
bool ep_podman_read_db(struct ep_arena *a, const char *data, size_t len, const char *id,
		       struct ep_proc *p);
/* proxies_place.c: the same, and the namespace it connects in; proc_fd: /proc. */
void ep_proxy_find(struct ep_snapshot *s, int proc_fd, struct ep_proc *p);

/* ---- cgroups ---- */

#define EP_CONTAINER_ID 64

struct ep_cgroup_id {
	const char *
		runtime; /* "docker", "containerd", "cri-o", "podman"; NULL: the path does not tell */
	char id[EP_CONTAINER_ID + 1];
	char pod_uid[37]; /* "" if not below a pod */
};

/* Containers that a cgroup path names, outermost first; returns how many (at most max). */
size_t ep_cgroup_parse(const char *path, struct ep_cgroup_id *ret, size_t max);
/* The line of /proc/PID/cgroup that tells most; "" if there is none. */
const char *ep_cgroup_pick(struct ep_arena *a, const char *text);
/* systemd's unit of a /proc/PID/cgroup text; NULL if none. */
const char *ep_cgroup_unit(struct ep_arena *a, const char *text);

/* cgroup_bpf.c: cgroups of all listeners and containers, and the root, with their programs. Reports
 * "cgroups". */
int ep_collect_cgroups(struct ep_snapshot *s);

/* ---- containers ---- */

struct ep_container *ep_container_find(const struct ep_snapshot *s, const char *id);
struct ep_container *ep_container_add(struct ep_snapshot *s, const char *runtime, const char *id);
/* The container that a cgroup path names, read from its runtime's files if need be; NULL if none. */
struct ep_container *ep_container_of(struct ep_snapshot *s, const char *cgroup);
/* Sets p->container once containers are known; before that, does nothing. */
void ep_container_attach(struct ep_snapshot *s, struct ep_proc *p);
/* Compose project, pod, image… from Docker's labels or OCI annotations; what is set stays. */
void ep_container_labels(struct ep_arena *a, const json_t *labels, struct ep_container *c);
/* Gives a namespace without a name that of the container or pod that lives in it. */
/* Adds the containers of the processes that namespaces are known by. */
void ep_container_add_by_netns(struct ep_snapshot *s);
void ep_container_name_netns(struct ep_snapshot *s, struct ep_netns *ns);

/* Docker Engine API, or its files where the daemon does not answer. Reports source "docker". */
int ep_docker_read(struct ep_snapshot *s) EP_MUST;
/* One element of GET /containers/json; false if it is not usable. */
bool ep_docker_add_listed(struct ep_snapshot *s, const json_t *o);
/* config.v2.json and hostconfig.json (may be NULL) of one container. */
bool ep_docker_add_config(struct ep_snapshot *s, const json_t *config, const json_t *host);

/* The OCI config.json of one container into c; false if it tells nothing. */
bool ep_oci_apply(struct ep_arena *a, const json_t *config, struct ep_container *c);
/* One element of containers/storage's containers.json (Podman, CRI-O) into c. */
bool ep_oci_apply_storage(struct ep_arena *a, const json_t *o, struct ep_container *c);
/* Finds and reads what runtimes keep about c->id; -ENOENT if nothing. Reports source "oci". */
int ep_oci_read(struct ep_snapshot *s, struct ep_container *c) EP_MUST;

/* ---- JSON from others ---- */

/* Strings of objects: NULL unless it is a string. */
const char *ep_json_str(const json_t *o, const char *key);
char *ep_json_dup(struct ep_arena *a, const json_t *o, const char *key);
json_t *ep_json_file(const char *path, size_t max, int *ret_err); /* NULL with -errno */

/* A top-level array element by element, however it is cut into pieces. */
struct ep_json_each {
	bool (*each)(void *ctx, const json_t *o); /* false: this one was not usable */
	void *ctx;
	struct ep_buf elem;
	unsigned depth;
	bool started, ended, in_string, escaped;
	size_t n, n_bad;
};

#define EP_JSON_ELEM_MAX (1 << 20)

int ep_json_each_feed(struct ep_json_each *j, const char *data, size_t n) EP_MUST;
/* 0, or -EBADMSG if the array did not end; frees. */
int ep_json_each_end(struct ep_json_each *j) EP_MUST;

/* GET over a Unix socket, HTTP/1.0; body gets the body of a 200 answer in pieces, negative ends it. */
int ep_http_unix_get(const char *socket_path, const char *target, int timeout_ms,
		     int (*body)(void *ctx, const char *data, size_t n), void *ctx,
		     int *ret_status) EP_MUST;

#endif
