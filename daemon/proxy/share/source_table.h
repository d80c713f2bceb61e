/*
 * How many connections each client address has, over all workers: a fixed table of atomic cells that any thread
 * counts in without a lock. Bounded on purpose: where no cell is left a connection is admitted uncounted.
 */
#ifndef SHARE_SOURCE_TABLE_H
#define SHARE_SOURCE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>

struct source_table;

/* For about `sources` addresses at a time (8 bytes each, rounded up to a power of two). NULL when memory is short. */
struct source_table *source_table_new(size_t sources);
void source_table_free(struct source_table *t);

/* Identity of a client within a scope (a service): what enter and leave take. Never 0. */
uint64_t source_table_key(const void *scope, const struct lb_addr *client);

enum source_verdict {
	SOURCE_ENTERED,	  /* counted: one source_table_leave belongs to it */
	SOURCE_UNCOUNTED, /* table full: admitted, nothing to leave */
	SOURCE_OVER,	  /* max connections are there already */
};

/* Count one more connection of key unless it has max already. */
enum source_verdict source_table_enter(struct source_table *t, uint64_t key, uint32_t max);
void source_table_leave(struct source_table *t, uint64_t key);

#endif
