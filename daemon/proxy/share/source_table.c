/*
 * A cell holds 40 bits of the key and a 24-bit count; 0 is free. A key lives in one of WINDOW neighbouring cells, all
 * of which are looked at, so a cell that gets free leaves no mark behind. Two threads that enter a new key at the same
 * moment may use two cells: both are counted.
 */
#include "daemon/proxy/share/source_table.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <lb/hash.h>

#define WINDOW	   16
#define COUNT_BITS 24
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

struct source_table {
	size_t mask;
	_Atomic uint64_t cell[];
};

struct source_table *source_table_new(size_t sources)
{
	struct source_table *t;
	size_t size = 64;

	while (size < sources && size < (SIZE_MAX >> 4))
		size *= 2;
	t = calloc(1, sizeof(*t) + size * sizeof(t->cell[0]));
	if (t != NULL)
		t->mask = size - 1;
	return t;
}

void source_table_free(struct source_table *t)
{
	free(t);
}

uint64_t source_table_key(const void *scope, const struct lb_addr *client)
{
	uint64_t key = lb_hash_mix(lb_hash(client->bytes, sizeof(client->bytes)), (uint64_t)(uintptr_t)scope);

	/* A free cell is 0, so no key may have an empty upper part. */
	return key >> COUNT_BITS != 0 ? key : key | UINT64_C(1) << COUNT_BITS;
}

static _Atomic uint64_t *cell_of(struct source_table *t, uint64_t key, size_t i)
{
	return &t->cell[((size_t)key + i) & t->mask];
}

static bool is_of(uint64_t cell, uint64_t key)
{
	return cell >> COUNT_BITS == key >> COUNT_BITS;
}

enum source_verdict source_table_enter(struct source_table *t, uint64_t key, uint32_t max)
{
	for (;;) {
		uint64_t count = 0, seen = 0;
		_Atomic uint64_t *mine = NULL, *empty = NULL;

		for (size_t i = 0; i < WINDOW; i++) {
			uint64_t cell = atomic_load_explicit(cell_of(t, key, i), memory_order_relaxed);

			if (cell == 0) {
				empty = empty != NULL ? empty : cell_of(t, key, i);
			} else if (is_of(cell, key)) {
				count += cell & COUNT_MASK;
				mine = cell_of(t, key, i);
				seen = cell;
			}
		}
		if (count >= max)
			return SOURCE_OVER;
		if (mine == NULL && empty == NULL)
			return SOURCE_UNCOUNTED;
		uint64_t expected = mine != NULL ? seen : 0;
		uint64_t wanted = (mine != NULL ? seen : key & ~COUNT_MASK) + 1;
		if (atomic_compare_exchange_strong(mine != NULL ? mine : empty, &expected, wanted))
			return SOURCE_ENTERED;
	}
}

void source_table_leave(struct source_table *t, uint64_t key)
{
	for (size_t i = 0; i < WINDOW; i++) {
		uint64_t cell = atomic_load_explicit(cell_of(t, key, i), memory_order_relaxed);

		while (cell != 0 && is_of(cell, key)) {
			uint64_t less = (cell & COUNT_MASK) == 1 ? 0 : cell - 1;

			if (atomic_compare_exchange_weak(cell_of(t, key, i), &cell, less))
				return;
		}
	}
}
