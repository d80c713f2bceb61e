#include "daemon/proxy/control/readiness.h"

#include <string.h>

#include <lb/hash.h>

/* lb_hash folded to the 32 bits that travel between nodes. */
static uint32_t name_hash(const char *name)
{
	uint64_t h = lb_hash(name, strlen(name));

	return (uint32_t)(h ^ (h >> 32));
}

void readiness_fill(const struct roster *roster, struct ipc_health *out)
{
	*out = (struct ipc_health){0};
	for (size_t s = 0; s < roster->service_count; s++) {
		const struct service *service = roster->services[s];
		uint32_t ready = 0, total = (uint32_t)service->server_count;

		for (size_t i = 0; i < service->server_count; i++)
			ready += server_ready(service->servers[i]);
		out->ready_servers += ready;
		out->total_servers += total;
		if (out->service_count < PEER_MSG_SERVICES_MAX)
			out->services[out->service_count++] =
			    (struct peer_service){.name_hash = name_hash(service->conf->name),
						  .ready = (uint16_t)ready,
						  .total = (uint16_t)total};
	}
}
