/*
 * The last things that happened, in order, each with its reason: what `lbctl events` and `lbctl why` tell. Our own
 * events also go to the log. Control thread only.
 */
#ifndef CONTROL_RECORDER_H
#define CONTROL_RECORDER_H

#include <stddef.h>

#include <lb/log.h>
#include <lb/snapshot.h>

#define RECORDER_KEEPS 1024

struct recorder;

struct recorder *recorder_new(void);
void recorder_free(struct recorder *r);

/* Called after each new event, for those who follow. One watcher; NULL: none. */
void recorder_watch(struct recorder *r, void (*on_event)(void *ctx), void *ctx);

/* Something happened here: id and at are filled in, one line is logged at level. */
void recorder_note(struct recorder *r, enum lb_log_level level, const struct lb_event *event);
/* The keeper's event, which it has logged itself: only the id is ours. */
void recorder_import(struct recorder *r, const struct lb_event *event);

/*
 * The first event behind id `since` that is still kept, or NULL. An id that was never given (of a proxy that is gone)
 * counts as 0. Valid until the next event.
 */
const struct lb_event *recorder_next(const struct recorder *r, uint64_t since);

/* How often `to` was reached in events of this kind, over all times. */
struct recorder_reloads {
	uint64_t applied, refused;
};
struct recorder_reloads recorder_reloads(const struct recorder *r);

#endif
