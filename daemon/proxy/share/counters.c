#include "daemon/proxy/share/counters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Zeroed memory on a cache line of its own, so that the slots of two workers never share one. */
static void *new_block(size_t size)
{
	void *block = aligned_alloc(64, size);

	if (block != NULL)
		memset(block, 0, size);
	return block;
}

struct server_block *server_block_new(const char *service, const char *name, const struct lb_endpoint *address,
				      uint32_t workers)
{
	struct server_block *b = new_block(sizeof(*b) + workers * sizeof(b->slot[0]));

	if (b == NULL)
		return NULL;
	snprintf(b->service, sizeof(b->service), "%s", service);
	snprintf(b->name, sizeof(b->name), "%s", name);
	b->address = *address;
	b->workers = workers;
	return b;
}

struct service_block *service_block_new(const char *name, uint32_t workers)
{
	struct service_block *b = new_block(sizeof(*b) + workers * sizeof(b->slot[0]));

	if (b == NULL)
		return NULL;
	snprintf(b->name, sizeof(b->name), "%s", name);
	b->workers = workers;
	return b;
}

bool server_block_idle(const struct server_block *block)
{
	for (uint32_t i = 0; i < block->workers; i++)
		if (atomic_load_explicit(&block->slot[i].sessions, memory_order_acquire) != 0)
			return false;
	return true;
}

bool service_block_idle(const struct service_block *block)
{
	for (uint32_t i = 0; i < block->workers; i++)
		if (atomic_load_explicit(&block->slot[i].sessions, memory_order_acquire) != 0)
			return false;
	return true;
}
