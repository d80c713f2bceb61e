/*
 * Choosing a server. A picker is built from a list of candidates (by the worker, from its pool view) and asked once
 * per connection; load changes between picks are told by the caller. Pure; no clock, no allocation in balance_pick.
 */
#ifndef LB_BALANCE_H
#define LB_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>
#include <lb/conf.h>

/* What a picker must know of one server. index is its place in the caller's array. */
struct balance_server {
	uint32_t key_hash;	  /* lb_hash of the server's name: `source` gives the same answer on every node */
	uint16_t weight;	  /* effective weight 0..256; 0 = no new sessions */
	bool backup;		  /* only used while no non-backup server is usable */
	bool usable;		  /* up (or to be tried as if up), ready */
	uint32_t load;		  /* sessions now; only leastconn, random and limits read it */
	uint32_t max_connections; /* 0 = none; at the limit the server is passed over */
};

struct balance; /* opaque picker: algorithm plus its private state */

/*
 * Build a picker over n servers (copied). NULL when memory is short. seed feeds `random` and the start point of
 * `roundrobin` so that workers do not walk in step. A `source` picker over a longer or shorter list sends few clients
 * of other servers elsewhere, unless the list grows past 32 or 512 servers.
 */
struct balance *balance_new(enum lb_balance_kind kind, const struct balance_server *servers, size_t n, uint64_t seed);
void balance_free(struct balance *b);

/*
 * Choose a server for a client; skip[i] true passes server i over (already tried for this connection); skip may be
 * NULL. Returns the index, or -1 when none is left. Does not change any load: call balance_load.
 */
int balance_pick(struct balance *b, const struct lb_addr *client, const bool *skip);

/* Server index now has load sessions (this worker's count plus what others reported). */
void balance_load(struct balance *b, size_t index, uint32_t load);

/* Change weight or usability in place (slow start, state change) without losing the picker's position. */
void balance_update(struct balance *b, size_t index, uint16_t weight, bool usable);

/* Slow start: the effective weight of a server that came up `up_for` ago, ramping from 1 to weight over slow_start. */
uint16_t balance_ramp(uint16_t weight, lb_duration up_for, lb_duration slow_start);

#endif
