#include <lb/ratelimit.h>

static void refill(struct ratelimit *r, lb_time now)
{
	if (!r->started) {
		r->started = true;
		r->tokens = r->burst;
		r->refilled = now;
	}
	/* Whole tokens only, so that the remainder of the time counts towards the next one. */
	if (now > r->refilled && r->per > 0) {
		int64_t earned = (now - r->refilled) / r->per;

		r->refilled += earned * r->per;
		r->tokens = earned >= (int64_t)(r->burst - r->tokens) ? r->burst : r->tokens + (uint32_t)earned;
		/* A full bucket does not save up time. */
		if (r->tokens == r->burst)
			r->refilled = now;
	}
}

static bool pay(struct ratelimit *r, bool granted)
{
	r->tokens -= granted;
	r->suppressed = granted ? 0 : r->suppressed + 1;
	return granted;
}

bool ratelimit_ok(struct ratelimit *r, lb_time now)
{
	refill(r, now);
	return pay(r, r->tokens > 0);
}

bool ratelimit_ok_among(struct ratelimit *own, struct ratelimit *all, lb_time now)
{
	bool granted;

	refill(own, now);
	refill(all, now);
	granted = own->tokens > 0 && all->tokens > 0;
	pay(all, granted);
	return pay(own, granted);
}

lb_duration backoff_delay(lb_duration first, lb_duration max, unsigned n)
{
	lb_duration delay = first;

	if (delay <= 0)
		return 0;
	for (; n > 0; n--) {
		if (delay > max / 2)
			return max;
		delay *= 2;
	}
	return delay < max ? delay : max;
}
