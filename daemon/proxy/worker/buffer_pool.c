#include "daemon/proxy/worker/buffer_pool.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SMALL	   (16 * 1024)
#define LARGE	   (64 * 1024)
#define SMALL_KEPT 64
#define LARGE_KEPT 16

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

		b = malloc(sizeof(*b) + size);
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
		free(b);
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

		free(b);
		b = next;
	}
}

void buffer_pool_free(struct buffer_pool *pool)
{
	free_list(pool->small);
	free_list(pool->large);
	*pool = (struct buffer_pool){0};
}
