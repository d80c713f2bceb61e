/*
 * An immutable picture of services and servers that control publishes to one worker. The worker keeps the newest and
 * sends the former one back (MESSAGE_VIEW_RETIRED); only control allocates and frees views.
 */
#ifndef SHARE_POOL_VIEW_H
#define SHARE_POOL_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/admission.h>
#include <lb/conf.h>
#include <lb/health_fsm.h>

#include "daemon/proxy/share/counters.h"

struct pool_server {
	struct server_block *block; /* identity: the same pointer is the same server */
	uint16_t weight;	    /* effective: admin weight after slow start; 0 = no new sessions */
	bool usable;		    /* may get new sessions (up and ready; or tried as if up) */
	bool backup;
	uint32_t max_connections;
};

/* One listening socket of this worker. The worker owns fd from the first view that lists it until one does not. */
struct pool_listener {
	int fd;
	struct lb_endpoint endpoint;
	bool on_vip;
};

struct pool_service {
	struct service_block *block;	    /* identity */
	const struct lb_conf_service *conf; /* settings; lives as long as the view */
	const struct admission *clients;    /* who is served; NULL: everybody; lives as long as the view */
	const struct admission *proxies;    /* who speaks for others (accept_proxy); NULL: nobody; likewise */
	const struct pool_server *servers;
	size_t server_count;
	const struct pool_listener *listeners;
	size_t listener_count;
};

struct pool_view {
	uint64_t generation;
	uint32_t worker; /* index of the worker it is for */
	const struct lb_conf *conf;
	uint32_t max_connections; /* of this worker; 0 = from the descriptor limit */
	struct pool_service *services;
	size_t service_count;
};

#endif
