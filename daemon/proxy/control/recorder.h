/*
 * The last things that happened, in order, each with its reason: what `lbctl events` and `lbctl why` tell. Our own
 * events also go to the log. The ring can live in a file, so that the next proxy goes on with it. Control thread only.
 */
#ifndef CONTROL_RECORDER_H
#define CONTROL_RECORDER_H

#include <stddef.h>

#include <lb/log.h>
#include <lb/snapshot.h>

#include <lb/state_file.h>

#define RECORDER_KEEPS STATE_EVENTS

struct recorder;

struct recorder *recorder_new(void);
void recorder_free(struct recorder *r);

/*
 * Go on with the ring in this file (taken) and write to it from now on; before the first event. A file that cannot be
 * used, or a part of it, is told with its reason and begun anew. Failing writes are told once and harm nothing.
 */
void recorder_keep(struct recorder *r, int fd);

/* Called after each new event, for those who follow. One watcher; NULL: none. */
void recorder_watch(struct recorder *r, void (*on_event)(void *ctx), void *ctx);

/* Something happened here: id and at are filled in, one line is logged at level. */
void recorder_note(struct recorder *r, enum lb_log_level level, const struct lb_event *event);
/*
 * The keeper's event, which it has logged itself: only the id is ours. The keeper repeats its last ones to each new
 * proxy; those that the ring has already are only counted.
 */
void recorder_import(struct recorder *r, const struct lb_event *event);

/*
 * The first event behind id `since` that is still kept, or NULL. An id that was never given (of a proxy that is gone)
 * counts as 0. Valid until the next event.
 */
const struct lb_event *recorder_next(const struct recorder *r, uint64_t since);

/* How reloads ended, as far as the keeper has told this proxy. One that changed nothing is applied too. */
struct recorder_reloads {
	uint64_t applied, refused;
	char refusal[96]; /* why the last one was refused; "" when it was not */
	lb_wall refused_at;
};
const struct recorder_reloads *recorder_reloads(const struct recorder *r);

#endif
