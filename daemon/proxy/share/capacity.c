#include "daemon/proxy/share/capacity.h"

#include <stdbool.h>
#include <stddef.h>
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
uint32_t capacity_sessions(uint32_t workers, uint32_t worker_pipes, uint32_t resting)
{
	uint32_t all = descriptor_limit(), others = RESERVED_DESCRIPTORS + 2 * worker_pipes * workers + resting;

	if (all <= others + 4 * workers)
		return 2;
	return (all - others) / workers / 2;
}

static bool by_http(const struct lb_conf_check *check)
{
	return check->type == LB_CHECK_HTTP || check->type == LB_CHECK_HTTPS;
}

uint32_t capacity_resting(const struct lb_conf *conf)
{
	uint64_t all = descriptor_limit(), most = all / 2, sessions = 2 * (uint64_t)conf->max_connections, checks = 0;

	for (size_t i = 0; i < conf->service_count; i++)
		for (size_t k = 0; k < conf->services[i].server_count; k++)
			checks += by_http(conf->services[i].servers[k].check);
	if (most + sessions > all)
		most = sessions < all ? all - sessions : 0;
	return (uint32_t)(checks < most ? checks : most);
}
