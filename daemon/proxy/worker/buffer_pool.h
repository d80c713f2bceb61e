/*
 * Buffers for bytes that one side sent and the other could not take yet. A session has one only as long as such bytes
 * exist; freed ones wait in a short list for the next.
 */
#ifndef WORKER_BUFFER_POOL_H
#define WORKER_BUFFER_POOL_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
	struct buffer *next;	   /* private to the pool */
	uint32_t size, start, end; /* data[start .. end) is still to be written */
	uint8_t data[];
};

struct buffer_pool {
	struct buffer *small, *large;
	uint32_t small_count, large_count;
};

/* A buffer that holds a copy of len bytes; NULL when memory is short. One of more than 64 kB is not kept for the next.
 */
struct buffer *buffer_keep(struct buffer_pool *pool, const uint8_t *data, size_t len);
/* Give it back; NULL is fine. */
void buffer_release(struct buffer_pool *pool, struct buffer *b);
/* Free what waits in the pool. */
void buffer_pool_free(struct buffer_pool *pool);

#endif
