/*
 * What the keeper tells the proxy's API: the picture of the election, on every change and at least each 200 ms, and
 * events for the recorder, of which the last ones are repeated to a proxy that starts.
 */
#ifndef KEEPER_BULLETIN_H
#define KEEPER_BULLETIN_H

#include <ev.h>

#include <lb/snapshot.h>

#include "daemon/keeper/election.h"
#include "daemon/keeper/supervise.h"

#define BULLETIN_EVENTS 64

struct bulletin {
	struct ev_loop *loop;
	struct election *election;   /* borrowed */
	struct supervise *supervise; /* borrowed */
	ev_timer regular, changed;
	char upgrade[LB_UPGRADE_TEXT]; /* part of the picture, see snapshot.h */
	struct lb_event events[BULLETIN_EVENTS];
	size_t event_count; /* of all times; the ring holds the last BULLETIN_EVENTS */
};

/* Events may be recorded at once, pictures are sent from bulletin_start on. */
void bulletin_init(struct bulletin *b, struct ev_loop *loop);
void bulletin_start(struct bulletin *b, struct election *election, struct supervise *supervise);

/* Something changed: a picture follows in this loop round, however many changes there are. */
void bulletin_changed(struct bulletin *b);
/* Keep an event and send it. */
void bulletin_event(struct bulletin *b, const struct lb_event *event);
/* An event of the keeper itself: kind is its subject as well. */
void bulletin_record(struct bulletin *b, const char *kind, const char *from, const char *to, const char *reason);
/* What is to be known of an upgrade from now on: as in snapshot.h. */
void bulletin_upgrade(struct bulletin *b, const char *text);
/* A new proxy, at the other end of ipc, knows nothing yet: picture and kept events. */
void bulletin_repeat(const struct bulletin *b, struct ipc *ipc);

#endif
