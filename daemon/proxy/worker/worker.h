/*
 * A data-plane thread: its own loop, listeners, sessions, splice pipes and counters. It takes views and orders from
 * its mailbox, reports to control's, ticks its counter in the shared page at least each 100 ms, and shares nothing
 * else.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdatomic.h>
#include <stdint.h>

#include <lb/err.h>

#include "daemon/proxy/share/mailbox.h"
#include "daemon/proxy/share/source_table.h"

struct worker;

struct worker_params {
	uint32_t index;
	struct mailbox *control; /* where reports go */
	_Atomic uint64_t *tick;
	/* Connections of each client address over all workers; outlives them. NULL: each worker counts for itself. */
	struct source_table *sources;
	_Atomic int64_t *stall_max; /* longest gap between two loop rounds beyond the tick interval, ns; written here */
};

/* Start the thread (named lbd-worker-N). NULL with a sentence. */
struct worker *worker_start(const struct worker_params *params, struct lb_err *err);
/* Where its orders are posted. */
struct mailbox *worker_mailbox(struct worker *w);
/* After MESSAGE_STOPPED arrived: join the thread and free. */
void worker_join(struct worker *w);

#endif
