// SPDX-License-Identifier: GPL-2.0-or-later
#include "collect/bpf_iter.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int iter_create(int link_fd)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.iter_create.link_fd = (__u32)link_fd;
	return (int)syscall(__NR_bpf, BPF_ITER_CREATE, &attr,
			    offsetof(union bpf_attr, iter_create) + sizeof(attr.iter_create));
}

static int read_all(int fd, size_t size, void (*each)(void *ctx, const void *record), void *ctx)
{
	_Alignas(16) char buf[8192];
	size_t have = 0; /* the kernel may cut the stream anywhere */
	ssize_t n;

	while ((n = read(fd, buf + have, sizeof(buf) - have)) != 0) {
		size_t used = 0;

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		have += (size_t)n;
		for (; have - used >= size; used += size) {
			_Alignas(16) char record[256];

			memcpy(record, buf + used, size);
			each(ctx, record);
		}
		have -= used;
		memmove(buf, buf + used, have);
	}
	return have ? -EBADMSG : 0;
}

int ep_bpf_iter_read(int link_fd, size_t size, void (*each)(void *ctx, const void *record),
		     void *ctx)
{
	int fd, r;

	if (!size || size > 256)
		return -EINVAL;
	fd = iter_create(link_fd);
	if (fd < 0)
		return -errno;
	r = read_all(fd, size, each, ctx);
	close(fd);
	return r;
}

const char *ep_bpf_refusal(struct ep_arena *a, int err)
{
	if (access("/sys/kernel/btf/vmlinux", F_OK) < 0)
		return "this kernel has no BTF";
	return ep_strdup(a, strerror(err < 0 ? -err : err));
}
