/*
 * Listening sockets of the worker: accepting with a budget, pausing when descriptors run out, draining at the end.
 */
#ifndef WORKER_LISTENER_H
#define WORKER_LISTENER_H

#include <stdbool.h>

#include <lb/list.h>
#include <lb/ratelimit.h>

#include "daemon/proxy/share/pool_view.h"
#include "daemon/proxy/worker/poller.h"
#include "daemon/sys/tcp_sock.h"

struct worker;
struct worker_service;

struct listener {
	struct poll_io io;
	struct worker *worker;
	struct worker_service *service;
	struct lb_endpoint endpoint;
	struct tcp_sock_options applied;
	bool on_vip;
	bool wildcard;		/* each session asks for its own local address */
	bool fresh;		/* connections from before the options were set may still be queued */
	bool listed;		/* by the view that is being published */
	uint32_t queue_dropped; /* counted so far */
	struct lb_list node;
};

struct listener_set {
	struct lb_list list;
	struct listener **by_fd;
	size_t by_fd_size;
	lb_time resume_at;
	bool paused;
	bool full;   /* paused because the worker has all the sessions it may have */
	bool held;   /* another process accepts, or will */
	int reserve; /* descriptor that is given back to the process while accepting is paused; -1 given back */
	struct ratelimit log;
};

void listener_set_init(struct worker *w);
/* Drain and close every listener, release the reserve. */
void listener_set_close(struct worker *w);

/* A new, unwatched record for a descriptor, or the known one with this descriptor. NULL when memory is short. */
struct listener *listener_prepare(struct worker *w, const struct pool_listener *from);
/* The view lists it under this service: options are set, accepting begins. */
void listener_commit(struct listener *l, const struct pool_listener *from, struct worker_service *service);
/* Accept what is queued, then close each listener that was not prepared since the last call. */
void listener_drop_unlisted(struct worker *w);
/* Forget records that were prepared but will not be committed. */
void listener_rollback(struct worker *w);

/* Accept now whatever waits for the VIP. */
void listener_drain_vip(struct worker *w);

/* Accept nothing, whatever is listed, until the release. */
void listener_hold(struct worker *w);
void listener_release(struct worker *w);

/* Stop accepting for 100 ms; full: until a session ends, too. */
void listener_pause(struct worker *w, bool full, const char *why);
/* Count what the kernel has dropped at full queues since the last call. */
void listener_count_drops(struct worker *w);
/* At each tick: go on accepting after a pause, if there is room. */
void listener_try_resume(struct worker *w);
/* A session ended: room again. */
void listener_room(struct worker *w);

#endif
