#include "daemon/sys/processor.h"

#include <sched.h>
#include <unistd.h>

/* The first thread's: only others are bound. */
static bool allowed(cpu_set_t *set)
{
	return sched_getaffinity(getpid(), sizeof(*set), set) == 0;
}

bool processor_take(uint32_t index, uint32_t threads)
{
	cpu_set_t all, one;

	if (!allowed(&all) || CPU_COUNT(&all) != (int)threads)
		return false;
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || index-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		return sched_setaffinity(0, sizeof(one), &one) == 0;
	}
	return false;
}

void processor_leave(void)
{
	cpu_set_t all;

	if (allowed(&all))
		sched_setaffinity(0, sizeof(all), &all);
}
