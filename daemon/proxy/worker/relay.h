/*
 * Moving bytes between the two sockets of a session: copied through the worker's scratch buffer, or spliced through a
 * pipe while a direction is busy. Each returns false when the session has ended.
 */
#ifndef WORKER_RELAY_H
#define WORKER_RELAY_H

#include <stdbool.h>

#include <lb/flow.h>

struct session;

/* This side may have something to read: pass it on, a bounded amount at a time. */
bool relay_read(struct session *s, enum flow_side from);
/* This side may take bytes again: write what is held for it, then go on reading the other side. */
bool relay_write(struct session *s, enum flow_side to);
/* Drop what is held for either side. */
void relay_release(struct session *s);

#endif
