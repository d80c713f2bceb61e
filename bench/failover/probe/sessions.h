/*
 * Sessions that stay: busy ones that have a line echoed again and again, and idle ones that have one line echoed, then
 * wait in silence for whatever comes, and at the end ask whether their path still exists. None is opened again.
 */
#ifndef BENCH_SESSIONS_H
#define BENCH_SESSIONS_H

#include "felt.h"

struct sessions;

/* Starts `count` sessions; `interval` in ns between the echoes of one, 0: idle. Ends the program where memory is short.
 */
struct sessions *sessions_new(struct felt *felt, size_t count, int64_t interval);
/* A millisecond has passed: the busy ones that are due speak; once felt->ended is set, the idle ones ask. */
void sessions_tick(struct sessions *sessions, int64_t now);
/* Whether each has had its first answer; a session that breaks before ends the program, since it would measure nothing.
 */
bool sessions_ready(const struct sessions *sessions);
/* Whether nobody waits for an answer. */
bool sessions_idle(const struct sessions *sessions);
/* Writes a record of each and frees everything. */
void sessions_free(struct sessions *sessions);

#endif
