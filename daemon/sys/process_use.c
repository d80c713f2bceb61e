#include "daemon/sys/process_use.h"

#include <sys/resource.h>
#include <sys/stat.h>

static lb_duration duration(struct timeval tv)
{
	return LB_SEC(tv.tv_sec) + LB_USEC(tv.tv_usec);
}

void process_use_fill(struct lb_snapshot_process *out)
{
	struct rusage usage;
	struct rlimit files;
	struct stat fds;

	*out = (struct lb_snapshot_process){0};
	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		out->cpu = duration(usage.ru_utime) + duration(usage.ru_stime);
		out->resident_peak = (uint64_t)usage.ru_maxrss * 1024;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		out->max_files = files.rlim_cur;
	/* Linux 6.2 and later tell the number of open files as the size of this directory. */
	if (stat("/proc/self/fd", &fds) == 0)
		out->open_files = (uint64_t)fds.st_size;
}
