/*
 * A table of many places that servers share evenly, built from their names alone ("Maglev: A Fast and Reliable Software
 * Network Load Balancer", 3.4): each server has a permutation of all places of its own, and in turns each takes its
 * next free one. A server more or less changes little beyond its own places.
 */
#include <stdlib.h>

#include <lb/hash.h>

#include "lib/core/balance_ops.h"

#define FREE UINT16_MAX

/*
 * A prime, so that every step width reaches all places; a hundred for each server and more, so that shares are even
 * within 1 %. Another size is another table altogether, so there are few.
 */
static uint32_t places_for(size_t servers)
{
	return servers <= 32 ? 4093 : servers <= 512 ? 65521 : 524287;
}

/* One server's walk through all places. */
struct walk {
	uint32_t key_hash;
	uint32_t index;
	uint32_t at, step;
};

/* Names decide who is asked first, as the order of the list may differ from node to node. */
static int by_name(const void *a, const void *b)
{
	const struct walk *x = a, *y = b;

	return x->key_hash < y->key_hash ? -1 : x->key_hash > y->key_hash;
}

static void begin_walks(const struct balance *b, struct walk *walks)
{
	for (size_t i = 0; i < b->n; i++) {
		uint32_t key = b->servers[i].key_hash;

		walks[i] = (struct walk){.key_hash = key,
					 .index = (uint32_t)i,
					 .at = (uint32_t)(lb_hash_mix(key, 1) % b->places),
					 .step = (uint32_t)(lb_hash_mix(key, 2) % (b->places - 1) + 1)};
	}
	qsort(walks, b->n, sizeof(*walks), by_name);
}

static void take_next_free(struct balance *b, struct walk *walk)
{
	while (b->table[walk->at] != FREE)
		walk->at = (walk->at + walk->step) % b->places;
	b->table[walk->at] = (uint16_t)walk->index;
}

bool balance_table_build(struct balance *b)
{
	struct walk *walks = calloc(b->n + 1, sizeof(*walks));

	b->places = places_for(b->n);
	b->table = malloc(b->places * sizeof(*b->table));
	if (walks == NULL || b->table == NULL) {
		free(walks);
		return false;
	}
	for (uint32_t i = 0; i < b->places; i++)
		b->table[i] = FREE;
	begin_walks(b, walks);
	for (uint32_t taken = 0; b->n > 0 && taken < b->places; taken++)
		take_next_free(b, &walks[taken % b->n]);
	free(walks);
	return true;
}
