/*
 * The daemon's log sink: one line per event on stderr with a "<N>" priority that journald reads. Never blocks: what
 * cannot be written at once is dropped and counted.
 */
#ifndef SYS_LOGSINK_H
#define SYS_LOGSINK_H

#include <stdint.h>

#include <lb/log.h>

/* Install as the sink of the process; prefix (borrowed for ever, e.g. "lbd") opens each line after the priority. */
void logsink_init(const char *program, enum lb_log_level max);

/* Lines dropped so far because stderr could not take them. */
uint64_t logsink_dropped(void);

#endif
