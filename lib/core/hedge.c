#include <lb/hedge.h>

#define DELAY_MIN	LB_MSEC(20)
#define DELAY_MAX	LB_MSEC(250)
#define DELAY_UNKNOWN	LB_MSEC(100)
#define SMOOTHING	8 /* RFC 6298: alpha = 1/8 */
#define BUDGET_BURST	10.0
#define BUDGET_FRACTION 0.1

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

/* No share is less than one attempt, or a worker could never hedge. */
static double burst(const struct hedge_budget *b)
{
	double share = b->sharers > 1 ? BUDGET_BURST / b->sharers : BUDGET_BURST;

	return share > 1.0 ? share : 1.0;
}

static void start(struct hedge_budget *b)
{
	if (b->started)
		return;
	b->started = true;
	b->tokens = burst(b);
}

void hedge_earn(struct hedge_budget *b)
{
	start(b);
	b->tokens += BUDGET_FRACTION;
	if (b->tokens > burst(b))
		b->tokens = burst(b);
}

bool hedge_spend(struct hedge_budget *b)
{
	start(b);
	/* Ten tenths make one token, though not to the last bit. */
	if (b->tokens < 1.0 - BUDGET_FRACTION / 2)
		return false;
	b->tokens -= 1.0;
	return true;
}
