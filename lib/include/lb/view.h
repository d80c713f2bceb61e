/*
 * One picture of the daemon (struct lb_snapshot) as the JSON of the API and as Prometheus text. Pure: the caller fills
 * the picture, sends the text. Every JSON text is malloc'd and the caller's; NULL means that memory is short.
 */
#ifndef LB_VIEW_H
#define LB_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include <lb/snapshot.h>
#include <lb/text.h>

/* How much of its services a status tells. */
enum view_detail {
	VIEW_FULL,  /* all that is known */
	VIEW_BRIEF, /*
		     * Of each server what a screen has room for, and of that what is not as usual: effective_weight
		     * where it is not the weight, backup where true, sessions to connect_ms where there was a session.
		     */
	VIEW_NODE,  /* no services at all */
};

/* GET /v1/status */
char *view_status_json(const struct lb_snapshot *s, enum view_detail detail);
/* GET /v1/services: {"services": [...]} as in status */
char *view_services_json(const struct lb_snapshot *s);
/* {"events": [...]}, oldest first */
char *view_events_json(const struct lb_event *events, size_t count);
/* One event as one line of JSON without a newline (the stream of ?follow=1). */
char *view_event_json(const struct lb_event *event);
/* {"error": {"code": "...", "message": "..."}} */
char *view_error_json(const char *code, const char *message);

/* GET /metrics; false when memory is short. */
bool view_metrics(const struct lb_snapshot *s, struct lb_text *out);

#define VIEW_TIME_TEXT 32
/* "2026-01-01T10:00:00.123Z"; "" for 0. Returns buf. */
const char *view_time_text(lb_wall at, char buf[static VIEW_TIME_TEXT]);

#endif
