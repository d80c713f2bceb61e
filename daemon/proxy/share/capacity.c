#include "daemon/proxy/share/capacity.h"

#include <sys/resource.h>

/* Descriptors that are no session's: listeners, checks, the API, logs. */
#define RESERVED_DESCRIPTORS 64
/* Pipes of a worker at most; each is two descriptors and up to 256 kB of kernel memory while it is filled. */
#define PIPES_MAX 64

static uint32_t descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 10000000)
		return 10000000;
	return (uint32_t)limit.rlim_cur;
}

/* A quarter of the descriptors for pipes at the very most. */
uint32_t capacity_pipes(void)
{
	uint32_t share = descriptor_limit() / 16;

	return share < PIPES_MAX ? share : PIPES_MAX;
}

/* Two sockets each, and a third one while hedging. */
uint32_t capacity_sessions(uint32_t workers, uint32_t worker_pipes)
{
	uint32_t all = descriptor_limit(), pipes = 2 * worker_pipes * workers;

	if (all <= RESERVED_DESCRIPTORS + pipes + 4 * workers)
		return 2;
	return (all - RESERVED_DESCRIPTORS - pipes) / workers / 2;
}
