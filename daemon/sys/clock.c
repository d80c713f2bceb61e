#include "daemon/sys/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

lb_time clock_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

lb_time clock_boot(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

int64_t clock_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

lb_time clock_from_realtime(int64_t realtime_ns)
{
	lb_time now = clock_now();
	int64_t age = clock_wall() - realtime_ns;

	/* A stepped wall clock must not move "last heard" into the future or far into the past (faults.md R5). */
	if (age < 0 || age > LB_SEC(1))
		return now;
	return now - age;
}
