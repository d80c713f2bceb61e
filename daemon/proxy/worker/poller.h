/*
 * What a worker waits for: an epoll set of its own. A change is told once (edge-triggered), so that a connection is
 * entered once and costs no call and no wake-up beyond what happens on it; who leaves something unread asks to be
 * called again.
 */
#ifndef WORKER_POLLER_H
#define WORKER_POLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include <lb/list.h>

enum {
	POLLER_READ = 1,
	POLLER_WRITE = 2,
	POLLER_HUP = 4,	  /* the other end has closed or reset: nothing further is told, so read until the end */
	POLLER_LEVEL = 8, /* only to ask for: tell again as long as it is so */
};

struct poll_io;
/* ready: a mask of the first three. The object may be freed inside. */
typedef void poll_io_on_ready(struct poll_io *io, unsigned ready);

/* A watched descriptor, part of the object that owns it. Must not be moved in memory while it is watched. */
struct poll_io {
	poll_io_on_ready *on_ready;
	struct lb_list again;
	int fd;		  /* -1: none */
	uint32_t turn;	  /* which registration of the descriptor an event belongs to */
	unsigned watched; /* what is asked for; 0: not in the set */
};

#define POLLER_EVENTS 256

struct poller {
	int fd;
	struct poll_io **by_fd;
	size_t size;
	uint32_t turn;
	struct lb_list again;
	int count; /* of events that were taken and not handed out yet */
	struct epoll_event events[POLLER_EVENTS];
};

/* False with errno set. poller_close is fine after a failure and on a zeroed object. */
bool poller_init(struct poller *p);
void poller_close(struct poller *p);

void poll_io_init(struct poll_io *io, poll_io_on_ready *on_ready, int fd);
/* Begin to watch; what is already there is told as well. False with errno set when it cannot be watched. */
bool poller_add(struct poller *p, struct poll_io *io, unsigned what);
/* Ask for something else from now on. */
void poller_change(struct poller *p, struct poll_io *io, unsigned what);
/* The descriptor goes on in another object; what was told and not yet used, too, the caller must hand over itself. */
void poller_move(struct poller *p, struct poll_io *from, struct poll_io *to);
/* Stop watching; the descriptor stays open. */
void poller_remove(struct poller *p, struct poll_io *io);
/* The same when the descriptor is closed right afterwards, which takes it out of the set. io->fd is left to the caller.
 */
void poller_forget(struct poller *p, struct poll_io *io);

/* Call on_ready (POLLER_READ) once more in the next round. */
void poller_again(struct poller *p, struct poll_io *io);

/* Wait at most so many milliseconds, not at all while somebody asked to be called again. */
void poller_wait(struct poller *p, int timeout_ms);
/* Call everybody to whom something happened. */
void poller_dispatch(struct poller *p);

#endif
