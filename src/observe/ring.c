// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * BPF_MAP_TYPE_RINGBUF from user space: a page with the consumer's position, one with the producer's,
 * and the data, mapped twice so that records do not break. Each record has a header of 8 bytes, whose
 * first 4 are its length with two flags (uapi linux/bpf.h, BPF_RINGBUF_*).
 */
#include <errno.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "observe/observe_i.h"

int ep_ring_open(struct ep_ring *r, int map_fd, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *consumer, *producer;

	consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (consumer == MAP_FAILED)
		return -errno;
	producer = mmap(NULL, page + 2 * size, PROT_READ, MAP_SHARED, map_fd, (off_t)page);
	if (producer == MAP_FAILED) {
		int r2 = -errno;

		munmap(consumer, page);
		return r2;
	}
	*r = (struct ep_ring){
		.consumer = consumer,
		.producer = producer,
		.data = (const uint8_t *)producer + page,
		.size = size,
		.page = page,
	};
	return 0;
}

void ep_ring_close(struct ep_ring *r)
{
	if (!r->consumer)
		return;
	munmap(r->consumer, r->page);
	munmap((void *)(uintptr_t)r->producer, r->page + 2 * r->size);
	*r = (struct ep_ring){};
}

int ep_ring_read(struct ep_ring *r, size_t size, void (*cb)(void *ctx, const void *record),
		 void *ctx)
{
	unsigned long at = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
	unsigned long end = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
	int n = 0;

	while (at < end) {
		const uint8_t *p = r->data + (at & (r->size - 1));
		uint32_t head = __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
		uint32_t len = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (head & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(head & BPF_RINGBUF_DISCARD_BIT) && len == size) {
			cb(ctx, p + BPF_RINGBUF_HDR_SZ);
			n++;
		}
		at += (len + BPF_RINGBUF_HDR_SZ + 7) & ~7ul;
		__atomic_store_n(r->consumer, at, __ATOMIC_RELEASE);
	}
	return n;
}
