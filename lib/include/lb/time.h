/*
 * Typed time. Every instant in liblb is monotonic and comes from the caller: the library never reads a clock.
 */
#ifndef LB_TIME_H
#define LB_TIME_H

#include <stdint.h>

/* An instant on the caller's monotonic clock, in nanoseconds since an arbitrary origin. */
typedef int64_t lb_time;

/* A length of time in nanoseconds; never negative unless a header says so. */
typedef int64_t lb_duration;

#define LB_USEC(n) ((lb_duration)(n)*1000)
#define LB_MSEC(n) ((lb_duration)(n)*1000000)
#define LB_SEC(n)  ((lb_duration)(n)*1000000000)

/* "No instant": a deadline that never comes, later than every real instant. */
#define LB_TIME_NEVER INT64_MAX

static inline lb_time lb_time_min(lb_time a, lb_time b)
{
	return a < b ? a : b;
}

static inline lb_time lb_time_max(lb_time a, lb_time b)
{
	return a > b ? a : b;
}

/* For libraries that count in double seconds (libev, human output). */
static inline double lb_duration_seconds(lb_duration d)
{
	return (double)d / 1e9;
}

static inline double lb_duration_ms(lb_duration d)
{
	return (double)d / 1e6;
}

#endif
