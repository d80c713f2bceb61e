/*
 * What systemd is told: readiness, reloads, stop, status line, watchdog. All calls do nothing outside systemd.
 */
#ifndef SYS_NOTIFY_H
#define SYS_NOTIFY_H

#include <lb/time.h>

void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *status);
void notify_watchdog(void);

/* How often notify_watchdog is wanted (half of WatchdogSec); 0 = no watchdog. */
lb_duration notify_watchdog_interval(void);

#endif
