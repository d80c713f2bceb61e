/*
 * The worker's own record of services and servers, kept from one view to the next: pickers, connect times, loads. A
 * record lives as long as a view lists it or a session uses it.
 */
#ifndef WORKER_POOL_H
#define WORKER_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <lb/balance.h>
#include <lb/hedge.h>

#include "daemon/proxy/share/pool_view.h"
#include "daemon/sys/tcp_sock.h"

struct worker;
struct worker_service;

struct worker_server {
	struct server_block *block;
	struct server_slot *slot;	/* this worker's */
	struct worker_service *service; /* NULL: no view lists it any more */
	size_t index;			/* in service->servers and its picker */
	uint16_t weight;
	bool usable, backup;
	uint32_t max_connections;
	uint32_t told;	/* load that the picker knows */
	uint32_t users; /* attempts and sessions of this worker */
	struct hedge_rtt rtt;
	bool failing; /* control was told that it cannot be connected */
	lb_time reported_at;
	lb_time no_port_until; /* no local port was free towards it: not tried before */
	lb_time silent_until;  /* it left a connection waiting that another server took: not the first choice before */
};

struct worker_service {
	struct service_block *block;
	struct service_slot *slot;		   /* this worker's */
	const struct lb_conf_service *conf;	   /* NULL: no view lists it any more */
	const struct admission *clients, *proxies; /* as in the view; read only while conf is there */
	struct tcp_sock_options tcp;
	struct balance *picker;
	enum lb_balance_kind kind; /* of the picker */
	bool wants_load;	   /* the picker looks at loads */
	uint32_t generation;	   /* of the list of servers */
	uint64_t told;		   /* load changes of all workers that the picker knows; UINT64_MAX: tell all anew */
	struct worker_server **servers;
	size_t server_count;
	uint32_t users; /* sessions of this worker */
};

struct pool {
	struct pool_view *view; /* NULL before the first */
	struct worker_service **services;
	size_t service_count;
};

/* Servers that were tried for one connection. Zero-initialise; pool_tried_clear releases. */
struct pool_tried {
	bool *skip;
	uint32_t generation;
};

/*
 * Take over a view and its listeners. Returns the view that is no longer used: the former one (NULL the first time), or
 * the new one when memory was short and nothing changed.
 */
struct pool_view *pool_publish(struct worker *w, struct pool_view *view);
/* Let go of the view and every record without sessions; returns the view. No listener is left. */
struct pool_view *pool_close(struct worker *w);

/* Tell the pickers of large services what other workers did; small ones are told before each choice. */
void pool_refresh(struct worker *w);

/*
 * Choose a server and enter it (pool_leave releases), passing over tried ones and those that are full or have no port
 * left; one that was silent a moment ago only when there is no other. NULL when none is left.
 */
struct worker_server *pool_choose(struct worker *w, struct worker_service *service, const struct lb_addr *client,
				  struct pool_tried *tried);
/* The same for a server that was chosen elsewhere; false when it has all the sessions that it may have. */
bool pool_enter(struct worker_server *server);
/* Who was there already, in another process: whatever the limit is now. */
void pool_enter_again(struct worker_server *server);
/* Pass over this server from now on. */
void pool_tried_add(struct pool_tried *tried, const struct worker_server *server);
void pool_tried_clear(struct pool_tried *tried);
/* One attempt or session less. The server may be gone afterwards. */
void pool_leave(struct worker_server *server);

/* A session of the service begins, ends. The service may be gone afterwards. */
void pool_service_enter(struct worker_service *service);
void pool_service_leave(struct worker_service *service);
/* Sessions of the service over all workers. */
uint64_t pool_service_sessions(const struct worker_service *service);

#endif
