/*
 * When to try a second server beside the first: the delay from the smoothed connect time, and the budget that keeps
 * hedging from multiplying load.
 */
#ifndef LB_HEDGE_H
#define LB_HEDGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <lb/time.h>

/* Smoothed connect time of one server (RFC 6298 style, 1/8). Zero-initialise. */
struct hedge_rtt {
	lb_duration smoothed; /* 0 = no sample yet */
};
void hedge_rtt_sample(struct hedge_rtt *r, lb_duration connect_time);

/* Delay before the second attempt: 4 x smoothed within 20..250 ms; without a sample 100 ms. */
lb_duration hedge_delay(const struct hedge_rtt *r);

/*
 * At most 10 % extra connects per second beyond a burst of 10: within any time, be it a second or a year, no more
 * second attempts than 10 and a tenth of the first attempts of that time. Zero-initialise. Threads may share one.
 */
struct hedge_budget {
	_Atomic uint32_t spent; /* tenths of second attempts that first ones have not earned back */
};
/* A first attempt was made: earns a tenth of a second one. */
void hedge_earn(struct hedge_budget *b);
/* May a second attempt start? It is spent when true. */
bool hedge_spend(struct hedge_budget *b);

#endif
