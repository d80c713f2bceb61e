/*
 * Events and sessions of the API as tables. Pure: JSON in, text out.
 */
#ifndef LBCTL_LISTING_H
#define LBCTL_LISTING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include <lb/text.h>

/* The last count of an array of events, oldest first. */
void listing_events(const json_t *events, size_t count, bool colour, struct lb_text *out);
/* One event on a line of its own, for a stream. */
void listing_event(const json_t *event, bool colour, struct lb_text *out);

/* The titles over the lines of listing_event. */
void listing_event_titles(bool colour, struct lb_text *out);

/* GET /v1/connections: the sessions and, below them, how many there are. */
void listing_sessions(const json_t *answer, bool colour, struct lb_text *out);

#endif
