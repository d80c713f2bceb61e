#include "daemon/proxy/control/recorder.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/proxy/control/must.h"
#include "daemon/sys/clock.h"

struct recorder {
	struct lb_event ring[RECORDER_KEEPS];
	uint64_t newest; /* id; the first one is 1 */
	struct recorder_reloads reloads;
	void (*on_event)(void *ctx);
	void *ctx;
};

struct recorder *recorder_new(void)
{
	return must(calloc(1, sizeof(struct recorder)));
}

void recorder_free(struct recorder *r)
{
	free(r);
}

void recorder_watch(struct recorder *r, void (*on_event)(void *ctx), void *ctx)
{
	r->on_event = on_event;
	r->ctx = ctx;
}

void recorder_import(struct recorder *r, const struct lb_event *event)
{
	struct lb_event *slot = &r->ring[++r->newest % RECORDER_KEEPS];

	*slot = *event;
	slot->id = r->newest;
	/* Reloads are the keeper's; it tells how each ended. */
	if (strcmp(event->kind, "config") == 0) {
		r->reloads.applied += strcmp(event->to, "applied") == 0;
		r->reloads.refused += strcmp(event->to, "refused") == 0;
	}
	if (r->on_event)
		r->on_event(r->ctx);
}

void recorder_note(struct recorder *r, enum lb_log_level level, const struct lb_event *event)
{
	struct lb_event stamped = *event;

	if (stamped.at == 0)
		stamped.at = clock_wall();
	lb_log(level, "event=%s subject=%s from=%s to=%s reason=\"%s\"", event->kind, event->subject, event->from,
	       event->to, event->reason);
	recorder_import(r, &stamped);
}

const struct lb_event *recorder_next(const struct recorder *r, uint64_t since)
{
	uint64_t oldest = r->newest > RECORDER_KEEPS ? r->newest - RECORDER_KEEPS + 1 : 1;
	uint64_t next = since > r->newest || since + 1 < oldest ? oldest : since + 1;

	return next > r->newest ? NULL : &r->ring[next % RECORDER_KEEPS];
}

struct recorder_reloads recorder_reloads(const struct recorder *r)
{
	return r->reloads;
}
