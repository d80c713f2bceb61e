#include "daemon/sys/realtime.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <lb/log.h>

/* Locked memory the keeper may need; below this limit a lock would make later allocations fail. */
#define LOCK_BYTES_MIN (64ul * 1024 * 1024)

static void lock_memory(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	/* For the program that is executed in place of this one, which may not any more. */
	setrlimit(RLIMIT_MEMLOCK, &limit);
	if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur < LOCK_BYTES_MIN)
		lb_warning("memory is not locked: RLIMIT_MEMLOCK is below 64 MB; set LimitMEMLOCK=infinity");
	else if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		lb_warning("memory is not locked: %s", strerror(errno));
}

void realtime_enter(void)
{
	struct sched_param param = {.sched_priority = sched_get_priority_min(SCHED_RR)};

	lock_memory();
	if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) != 0)
		lb_warning("no realtime priority: %s; elections may be late under load", strerror(errno));
}

void realtime_raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}
