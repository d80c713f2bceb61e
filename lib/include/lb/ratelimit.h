/*
 * Token bucket for announcements, logs and retries; exponential backoff with a cap.
 */
#ifndef LB_RATELIMIT_H
#define LB_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include <lb/time.h>

/* burst tokens at most, one more each `per`. Initialise with RATELIMIT_INIT or assignment of burst and per. */
struct ratelimit {
	uint32_t burst;
	lb_duration per;
	uint32_t tokens;
	lb_time refilled;
	bool started;
	uint64_t suppressed; /* refusals since the last grant */
};
#define RATELIMIT_INIT(burst_, per_)             \
	{                                        \
		.burst = (burst_), .per = (per_) \
	}

/* True when the event may happen now. */
bool ratelimit_ok(struct ratelimit *r, lb_time now);
/* For one kind of event among several: true when both may, its own bucket and that of all kinds; else neither pays. */
bool ratelimit_ok_among(struct ratelimit *own, struct ratelimit *all, lb_time now);

/* Delay before attempt n (0-based): first doubled n times, never above max. */
lb_duration backoff_delay(lb_duration first, lb_duration max, unsigned n);

#endif
