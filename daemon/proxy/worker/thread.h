/*
 * What the modules of one worker thread share: its loop, clock, pools and lists. Everything here is touched by that
 * thread only.
 */
#ifndef WORKER_THREAD_H
#define WORKER_THREAD_H

#include <pthread.h>

#include "daemon/proxy/share/reserve.h"
#include "daemon/proxy/share/source_table.h"
#include "daemon/proxy/share/wheel.h"
#include "daemon/proxy/worker/buffer_pool.h"
#include "daemon/proxy/worker/listener.h"
#include "daemon/proxy/worker/poller.h"
#include "daemon/proxy/worker/pool.h"
#include "daemon/proxy/worker/session_log.h"
#include "daemon/proxy/worker/session_set.h"
#include "daemon/proxy/worker/splice_pool.h"
#include "daemon/proxy/worker/tuples.h"
#include "daemon/proxy/worker/worker.h"

/* One recv; what a direction moves at a time once it is busy. */
#define WORKER_SCRATCH (64 * 1024)

struct worker {
	struct worker_params params;
	pthread_t thread;
	struct poller poller;
	struct mailbox *box;
	struct poll_io orders; /* the mailbox */
	lb_time now;	       /* clock after the last wait */
	lb_time ticked_at, next_tick, drops_counted_at;
	lb_time place_at; /* when the thread takes a processor of its own; NEVER: not */
	bool placed;	  /* it has one */
	uint32_t count;	  /* of workers; 0: not known yet */
	bool stopped;	  /* nothing new is taken on */
	bool left;	  /* another process has everything: no order is followed any more */
	struct pool pool;
	struct listener_set listeners;
	struct session_set sessions;
	struct session_log log;
	struct ghost *ghosts;
	struct tuples tuples;
	struct wheel wheel;    /* deadlines of sessions, visited at each tick */
	struct wheel attempts; /* of connection attempts, to the millisecond */
	struct buffer_pool buffers;
	struct splice_pool pipes;
	struct reserve reserve;
	struct source_table *sources, *own_sources; /* own: when none was given to share */
	uint8_t *scratch;			    /* WORKER_SCRATCH bytes, for the time of one callback */
};

/* Inside a callback that visits every session: the keeper takes a thread that does not tick for one that hangs. */
static inline void worker_proceeds(struct worker *w)
{
	atomic_fetch_add_explicit(w->params.tick, 1, memory_order_relaxed);
}

#endif
