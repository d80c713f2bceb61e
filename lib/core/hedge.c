#include <lb/hedge.h>

#define DELAY_MIN     LB_MSEC(20)
#define DELAY_MAX     LB_MSEC(250)
#define DELAY_UNKNOWN LB_MSEC(100)
#define SMOOTHING     8 /* RFC 6298: alpha = 1/8 */
/* In tenths: a first attempt earns one of them, 10 %. */
#define ATTEMPT 10u
#define BURST	(10 * ATTEMPT)

void hedge_rtt_sample(struct hedge_rtt *r, lb_duration connect_time)
{
	if (r->smoothed == 0)
		r->smoothed = connect_time;
	else
		r->smoothed += (connect_time - r->smoothed) / SMOOTHING;
	/* Zero means "no sample", which a measured time never is. */
	if (r->smoothed <= 0)
		r->smoothed = 1;
}

lb_duration hedge_delay(const struct hedge_rtt *r)
{
	lb_duration delay = r->smoothed > 0 ? 4 * r->smoothed : DELAY_UNKNOWN;

	if (delay < DELAY_MIN)
		return DELAY_MIN;
	return delay > DELAY_MAX ? DELAY_MAX : delay;
}

void hedge_earn(struct hedge_budget *b)
{
	uint32_t spent = atomic_load_explicit(&b->spent, memory_order_relaxed);

	/* Mostly nothing was spent, and then nobody writes. */
	while (spent > 0 && !atomic_compare_exchange_weak_explicit(&b->spent, &spent, spent - 1, memory_order_relaxed,
								   memory_order_relaxed))
		;
}

bool hedge_spend(struct hedge_budget *b)
{
	uint32_t spent = atomic_load_explicit(&b->spent, memory_order_relaxed);

	do {
		if (spent + ATTEMPT > BURST)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&b->spent, &spent, spent + ATTEMPT, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}
