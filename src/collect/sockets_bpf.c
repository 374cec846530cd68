// SPDX-License-Identifier: GPL-2.0-or-later
/* Listeners with their processes through the BPF iterator bpf/listeners.bpf.c. */
#include "collect/owners_i.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "listeners.skel.h"

static int iter_create(int link_fd)
{
	union bpf_attr attr = {.iter_create = {.link_fd = (__u32)link_fd}};

	return skel_sys_bpf(BPF_ITER_CREATE, &attr, offsetofend(union bpf_attr, iter_create));
}

static int read_all(struct ep_arena *a, int iter_fd, ep_wires *out)
{
	struct ep_wire_listener buf[64];
	size_t have = 0; /* the kernel may cut the stream anywhere */
	ssize_t n;

	while ((n = read(iter_fd, (char *)buf + have, sizeof(buf) - have)) != 0) {
		size_t whole;

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		have += (size_t)n;
		whole = have / sizeof(buf[0]);
		for (size_t i = 0; i < whole; i++)
			*ep_push(a, out) = buf[i];
		have -= whole * sizeof(buf[0]);
		memmove(buf, buf + whole, have);
	}
	return have ? -EBADMSG : 0;
}

int ep_listeners_by_bpf(struct ep_arena *a, ep_wires *out, const char **ret_reason)
{
	struct listeners_bpf *skel = listeners_bpf__open();
	int r = skel ? listeners_bpf__load(skel) : -ENOMEM;
	int link_fd, iter_fd = -1;

	if (r == 0) {
		link_fd = listeners_bpf__ep_listeners__attach(skel);
		iter_fd = link_fd < 0 ? -1 : iter_create(link_fd);
		r = iter_fd < 0 ? -errno : read_all(a, iter_fd, out);
	}
	if (iter_fd >= 0)
		close(iter_fd);
	listeners_bpf__destroy(skel);
	if (r < 0) {
		bool no_btf = access("/sys/kernel/btf/vmlinux", F_OK) < 0;

		*ret_reason = no_btf ? "this kernel has no BTF" : ep_strdup(a, strerror(-r));
		out->n = 0;
	}
	return r;
}
