/*
 * Inside of the picker: what every algorithm shares. Private to lib/core/balance*.
 *
 * rr, leastconn and first keep the servers in a heap whose order is theirs; random and source look at the array.
 */
#ifndef BALANCE_OPS_H
#define BALANCE_OPS_H

#include <lb/balance.h>

struct balance_ops {
	/* once, when the list is known; false when memory is short; NULL if nothing is to do */
	bool (*prepare)(struct balance *b);
	/* heap order: negative when a comes before b; NULL for algorithms without a heap */
	int (*compare)(const struct balance *b, size_t x, size_t y);
	/* choose, for algorithms without a heap */
	int (*pick)(struct balance *b, const struct lb_addr *client, const bool *skip);
	/* server i was chosen: advance its place; NULL if nothing is to do */
	void (*picked)(struct balance *b, size_t i);
};

extern const struct balance_ops balance_rr_ops, balance_least_ops, balance_random_ops, balance_source_ops,
    balance_first_ops;

struct balance {
	const struct balance_ops *ops;
	size_t n;
	struct balance_server *servers;
	uint64_t *turn;	  /* virtual time of each server's next turn, advanced by 1/weight per pick */
	uint64_t present; /* virtual time: the turn of the latest pick; turn[i] <= present + one turn of i */
	uint64_t random;
	/* heap: indexes in heap order and the place of each index; scratch holds those passed over in one pick */
	uint32_t *heap, *place, *scratch;
	/* random: running sums of the weights in play, rebuilt when one changed */
	uint32_t *sums;
	bool sums_stale;
	/* source: which server has each place; primaries in play, counted when sums_stale */
	uint16_t *table;
	uint32_t places;
	size_t primaries;
};

/* In play at all: usable and with weight. */
static inline bool balance_in_play(const struct balance_server *s)
{
	return s->usable && s->weight > 0;
}

static inline bool balance_full(const struct balance_server *s)
{
	return s->max_connections != 0 && s->load >= s->max_connections;
}

/* 0 in play, 1 in play as backup, 2 out of play: the first thing every order looks at. */
static inline int balance_class(const struct balance_server *s)
{
	return !balance_in_play(s) ? 2 : s->backup;
}

/* Weighted load of x against y without division: negative when x has less. */
int balance_compare_load(const struct balance *b, size_t x, size_t y);
int balance_compare_turn(const struct balance *b, size_t x, size_t y);
void balance_advance_turn(struct balance *b, size_t i);

/* Which class may be used now, given skip: 0 primaries, 1 backups, -1 none (primaries exist but are full). */
int balance_usable_class(const struct balance *b, const bool *skip);

/* Fill table and places; false when memory is short. */
bool balance_table_build(struct balance *b);

void balance_heap_build(struct balance *b);
/* The order of index i may have changed. */
void balance_heap_update(struct balance *b, size_t i);
/* First in order that is neither skipped nor full nor of a class that may not be used; -1 none. */
int balance_heap_pick(struct balance *b, const bool *skip);

#endif
