/*
 * What workers count and control reads: one block per server (and per service) with a slot for each worker, so that no
 * two threads write the same cache line. All accesses are relaxed atomics. Control allocates and frees the blocks; a
 * block outlives every view that names it and every session that counts on it (control frees it only when the views are
 * retired and its sessions add up to zero).
 */
#ifndef SHARE_COUNTERS_H
#define SHARE_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <lb/conf.h>
#include <lb/hedge.h>
#include <lb/snapshot.h>

struct server_slot {
	_Alignas(64) _Atomic uint64_t sessions; /* now, of this worker */
	_Atomic uint64_t sessions_total, bytes_in, bytes_out, connect_errors, hedged;
	_Atomic int64_t connect_time; /* smoothed, ns; 0 none */
};

struct server_block {
	lb_name service, name;
	struct lb_endpoint address;
	_Atomic uint32_t sessions; /* over all workers, for leastconn and limits */
	struct lb_totals cleared;  /* control's alone: the totals when an administrator cleared them */
	uint32_t workers;
	struct server_slot slot[];
};

struct service_slot {
	_Alignas(64) _Atomic uint64_t sessions;
	_Atomic uint64_t sessions_total, bytes_in, bytes_out, refused, failed;
	_Atomic uint64_t hedge_won, hedge_lost, hedge_denied;
	_Atomic uint64_t queue_dropped; /* by the kernel, as the accept queue was full */
	_Atomic uint64_t load_changes;	/* of its servers by this worker, for those that look for changes */
};

struct service_block {
	lb_name name;
	struct lb_totals cleared; /* as a server's */
	uint32_t workers;
	struct hedge_budget hedging; /* of all workers together */
	struct service_slot slot[];
};

/* Zeroed blocks; NULL when memory is short. Freed with free(). */
struct server_block *server_block_new(const char *service, const char *name, const struct lb_endpoint *address,
				      uint32_t workers);
struct service_block *service_block_new(const char *name, uint32_t workers);

/*
 * True when no worker has a session or a connection attempt on the block. The slots' sessions are the last thing that a
 * worker touches, so a block that no view names any more may be freed once this is true. A report that is still in
 * the mailbox may name it: compare its pointer before reading through it.
 */
bool server_block_idle(const struct server_block *block);
bool service_block_idle(const struct service_block *block);

static inline void counter_add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

/* As counter_add for a counter that only this thread writes: no locked instruction. */
static inline void counter_add_own(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

/* One less in a slot's sessions; what this thread did to the block before is visible to who then finds it idle. */
static inline void counter_leave(_Atomic uint64_t *sessions)
{
	atomic_fetch_sub_explicit(sessions, 1, memory_order_release);
}

static inline uint64_t counter_get(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

#endif
