/*
 * The only reader of clocks in the daemon.
 */
#ifndef SYS_CLOCK_H
#define SYS_CLOCK_H

#include <stdint.h>

#include <lb/time.h>

/* CLOCK_MONOTONIC in nanoseconds. */
lb_time clock_now(void);

/* CLOCK_BOOTTIME in nanoseconds: as clock_now, but it runs on while the machine is suspended. */
lb_time clock_boot(void);

/* Wall time in nanoseconds since 1970, for logs and people only. */
int64_t clock_wall(void);

/* A kernel CLOCK_REALTIME receive stamp on the monotonic scale; never later than now. */
lb_time clock_from_realtime(int64_t realtime_ns);

#endif
