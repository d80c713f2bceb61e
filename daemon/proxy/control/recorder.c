#include "daemon/proxy/control/recorder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/proxy/control/must.h"
#include "daemon/sys/clock.h"

struct recorder {
	struct lb_event ring[RECORDER_KEEPS]; /* id 0: damaged in the file */
	uint64_t newest;		      /* id; the first one is 1 */
	uint64_t restored;		      /* id up to which the former proxy wrote them */
	int fd;				      /* -1: kept in memory only */
	bool failing;
	struct recorder_reloads reloads;
	void (*on_event)(void *ctx);
	void *ctx;
};

struct recorder *recorder_new(void)
{
	struct recorder *r = must(calloc(1, sizeof(*r)));

	/* The ring fills within days; its pages are taken now, so that memory that grows means something else. */
	explicit_bzero(r->ring, sizeof(r->ring));
	r->fd = -1;
	return r;
}

void recorder_free(struct recorder *r)
{
	if (r && r->fd >= 0)
		close(r->fd);
	free(r);
}

/* ---- the file ---- */

static bool write_at(struct recorder *r, const void *bytes, size_t size, size_t offset)
{
	ssize_t n = pwrite(r->fd, bytes, size, (off_t)offset);
	bool ok = n == (ssize_t)size;

	if (!ok && !r->failing)
		lb_warning("events are not kept in their file: %s", strerror(n < 0 ? errno : ENOSPC));
	r->failing = !ok;
	return ok;
}

static void begin_file(struct recorder *r)
{
	uint8_t head[STATE_EVENTS_HEAD];

	if (ftruncate(r->fd, 0) != 0)
		lb_warning("events of the former proxy cannot be cleared: %s", strerror(errno));
	state_events_head(head);
	write_at(r, head, sizeof(head), 0);
}

static void write_event(struct recorder *r, const struct lb_event *event)
{
	uint8_t record[STATE_EVENT_RECORD];

	if (r->fd < 0)
		return;
	state_event_encode(event, record);
	write_at(r, record, sizeof(record), state_event_offset(event->id));
}

/* Each record stands where its id belongs; what is older than a ring's length is left from a round before. */
static void restore(struct recorder *r, const uint8_t *bytes, size_t len)
{
	struct lb_event event;
	size_t damaged = 0;

	for (size_t i = 0; state_event_offset(i) + STATE_EVENT_RECORD <= len && i < STATE_EVENTS; i++) {
		static const uint8_t never[STATE_EVENT_RECORD];
		const uint8_t *record = bytes + state_event_offset(i);

		if (memcmp(record, never, sizeof(never)) == 0)
			continue;
		if (!state_event_decode(record, &event) || event.id % STATE_EVENTS != i || event.id > INT64_MAX) {
			damaged++;
			continue;
		}
		r->ring[i] = event;
		r->newest = event.id > r->newest ? event.id : r->newest;
	}
	for (size_t i = 0; i < RECORDER_KEEPS; i++)
		if (r->ring[i].id + RECORDER_KEEPS <= r->newest)
			r->ring[i].id = 0;
	if (damaged > 0)
		lb_warning("events of the former proxy: %zu are damaged and left out", damaged);
}

void recorder_keep(struct recorder *r, int fd)
{
	uint8_t *bytes = must(malloc(STATE_EVENTS_SIZE));
	ssize_t n = pread(fd, bytes, STATE_EVENTS_SIZE, 0);

	r->fd = fd;
	memset(r->ring, 0, sizeof(r->ring));
	r->newest = 0;
	if (n >= STATE_EVENTS_HEAD && state_events_head_good(bytes)) {
		restore(r, bytes, (size_t)n);
	} else {
		if (n != 0)
			lb_warning("events of the former proxy are ignored: %s",
				   n < 0 ? strerror(errno) : "the file is damaged or of another version of lbd");
		begin_file(r);
	}
	r->restored = r->newest;
	free(bytes);
}

/* ---- events ---- */

void recorder_watch(struct recorder *r, void (*on_event)(void *ctx), void *ctx)
{
	r->on_event = on_event;
	r->ctx = ctx;
}

static void add(struct recorder *r, const struct lb_event *event)
{
	struct lb_event *slot = &r->ring[++r->newest % RECORDER_KEEPS];

	*slot = *event;
	slot->id = r->newest;
	write_event(r, slot);
	if (r->on_event)
		r->on_event(r->ctx);
}

static bool same(const struct lb_event *a, const struct lb_event *b)
{
	return a->at == b->at && strcmp(a->kind, b->kind) == 0 && strcmp(a->subject, b->subject) == 0 &&
	       strcmp(a->from, b->from) == 0 && strcmp(a->to, b->to) == 0;
}

static bool restored(const struct recorder *r, const struct lb_event *event)
{
	for (size_t i = 0; i < RECORDER_KEEPS; i++)
		if (r->ring[i].id > 0 && r->ring[i].id <= r->restored && same(&r->ring[i], event))
			return true;
	return false;
}

/* Reloads are the keeper's; it tells how each ended. */
static void count_reload(struct recorder_reloads *reloads, const struct lb_event *event)
{
	if (strcmp(event->to, "refused") == 0) {
		reloads->refused++;
		reloads->refused_at = event->at;
		snprintf(reloads->refusal, sizeof(reloads->refusal), "%s", event->reason);
	} else {
		reloads->applied++;
		reloads->refusal[0] = '\0';
	}
}

void recorder_import(struct recorder *r, const struct lb_event *event)
{
	if (strcmp(event->kind, "config") == 0)
		count_reload(&r->reloads, event);
	if (!restored(r, event))
		add(r, event);
}

void recorder_note(struct recorder *r, enum lb_log_level level, const struct lb_event *event)
{
	struct lb_event stamped = *event;

	if (stamped.at == 0)
		stamped.at = clock_wall();
	lb_log(level, "event=%s subject=%s from=%s to=%s reason=\"%s\"", event->kind, event->subject, event->from,
	       event->to, event->reason);
	add(r, &stamped);
}

const struct lb_event *recorder_next(const struct recorder *r, uint64_t since)
{
	uint64_t oldest = r->newest > RECORDER_KEEPS ? r->newest - RECORDER_KEEPS + 1 : 1;
	uint64_t next = since > r->newest || since + 1 < oldest ? oldest : since + 1;

	/* One that was damaged in the file leaves a gap. */
	while (next <= r->newest && r->ring[next % RECORDER_KEEPS].id != next)
		next++;
	return next > r->newest ? NULL : &r->ring[next % RECORDER_KEEPS];
}

const struct recorder_reloads *recorder_reloads(const struct recorder *r)
{
	return &r->reloads;
}
