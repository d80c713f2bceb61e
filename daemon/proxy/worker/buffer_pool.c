#include "daemon/proxy/worker/buffer_pool.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Whole pages with the record before them. */
#define SMALL	   ((uint32_t)(20 * 1024 - sizeof(struct buffer)))
#define LARGE	   ((uint32_t)(68 * 1024 - sizeof(struct buffer)))
#define SMALL_KEPT 64
#define LARGE_KEPT 16

/*
 * Buffers are what grows when clients do not read. They come from the kernel directly, so that they never take the last
 * of the heap from those who cannot do without.
 */
static struct buffer *map_buffer(size_t size)
{
	void *b = mmap(NULL, sizeof(struct buffer) + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return b != MAP_FAILED ? b : NULL;
}

static void unmap_buffer(struct buffer *b)
{
	munmap(b, sizeof(*b) + b->size);
}

struct buffer *buffer_keep(struct buffer_pool *pool, const uint8_t *data, size_t len)
{
	bool small = len <= SMALL;
	struct buffer **list = small ? &pool->small : &pool->large;
	struct buffer *b = len <= LARGE ? *list : NULL;

	if (b != NULL) {
		*list = b->next;
		--*(small ? &pool->small_count : &pool->large_count);
	} else {
		size_t size = small ? SMALL : len <= LARGE ? LARGE : len;

		b = map_buffer(size);
		if (b == NULL)
			return NULL;
		b->size = (uint32_t)size;
	}
	b->next = NULL;
	b->start = 0;
	b->end = (uint32_t)len;
	memcpy(b->data, data, len);
	return b;
}

void buffer_release(struct buffer_pool *pool, struct buffer *b)
{
	if (b == NULL)
		return;
	bool small = b->size == SMALL;
	struct buffer **list = small ? &pool->small : &pool->large;
	uint32_t *count = small ? &pool->small_count : &pool->large_count;

	if (b->size > LARGE || *count >= (small ? SMALL_KEPT : LARGE_KEPT)) {
		unmap_buffer(b);
		return;
	}
	b->next = *list;
	*list = b;
	++*count;
}

static void free_list(struct buffer *b)
{
	while (b != NULL) {
		struct buffer *next = b->next;

		unmap_buffer(b);
		b = next;
	}
}

void buffer_pool_free(struct buffer_pool *pool)
{
	free_list(pool->small);
	free_list(pool->large);
	*pool = (struct buffer_pool){0};
}
