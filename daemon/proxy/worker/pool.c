#include "daemon/proxy/worker/pool.h"

#include <stdlib.h>

#include "daemon/proxy/worker/thread.h"

/* Up to so many servers the picker is told every load before each choice; beyond it at each tick. */
#define TELL_ALWAYS 16

static void tell_load(struct worker_server *server)
{
	uint32_t load = atomic_load_explicit(&server->block->sessions, memory_order_relaxed);

	if (load == server->told)
		return;
	server->told = load;
	balance_load(server->service->picker, server->index, load);
}

static void tell_loads(struct worker_service *service)
{
	for (size_t i = 0; i < service->server_count; i++)
		tell_load(service->servers[i]);
}

/* This worker changed the load of a server; whoever sees that sees the load as well. */
static void note_change(struct worker_service *service)
{
	_Atomic uint64_t *changes = &service->slot->load_changes;
	uint64_t former = atomic_load_explicit(changes, memory_order_relaxed);

	atomic_store_explicit(changes, former + 1, memory_order_release);
}

/* So many changes were made by all workers. */
static uint64_t changes_of(const struct worker_service *service)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < service->block->workers; i++)
		sum += atomic_load_explicit(&service->block->slot[i].load_changes, memory_order_acquire);
	return sum;
}

void pool_refresh(struct worker *w)
{
	for (size_t i = 0; i < w->pool.service_count; i++) {
		struct worker_service *service = w->pool.services[i];
		uint64_t changes;

		if (!service->wants_load || service->server_count <= TELL_ALWAYS)
			continue;
		changes = changes_of(service);
		if (changes == service->told)
			continue;
		service->told = changes;
		tell_loads(service);
	}
}

static void count_in(struct worker_server *server)
{
	counter_add(&server->slot->sessions, 1);
	server->users++;
	if (server->service == NULL)
		return;
	note_change(server->service);
	if (server->service->wants_load)
		tell_load(server);
}

bool pool_enter(struct worker_server *server)
{
	uint32_t load = atomic_fetch_add_explicit(&server->block->sessions, 1, memory_order_relaxed);

	if (server->max_connections != 0 && load >= server->max_connections) {
		atomic_fetch_sub_explicit(&server->block->sessions, 1, memory_order_relaxed);
		return false;
	}
	count_in(server);
	return true;
}

void pool_enter_again(struct worker_server *server)
{
	atomic_fetch_add_explicit(&server->block->sessions, 1, memory_order_relaxed);
	count_in(server);
}

void pool_leave(struct worker_server *server)
{
	atomic_fetch_sub_explicit(&server->block->sessions, 1, memory_order_relaxed);
	if (server->service != NULL) {
		note_change(server->service);
		if (server->service->wants_load)
			tell_load(server);
	}
	/* From here on the block may be freed. */
	counter_leave(&server->slot->sessions);
	if (--server->users == 0 && server->service == NULL)
		free(server);
}

void pool_tried_clear(struct pool_tried *tried)
{
	free(tried->skip);
	*tried = (struct pool_tried){0};
}

void pool_tried_add(struct pool_tried *tried, const struct worker_server *server)
{
	const struct worker_service *service = server->service;

	if (service == NULL)
		return;
	/* After a change of the list the indexes mean other servers: begin anew. */
	if (tried->skip != NULL && tried->generation != service->generation)
		pool_tried_clear(tried);
	if (tried->skip == NULL)
		tried->skip = calloc(service->server_count, sizeof(*tried->skip));
	if (tried->skip == NULL)
		return;
	tried->generation = service->generation;
	tried->skip[server->index] = true;
}

struct worker_server *pool_choose(struct worker *w, struct worker_service *service, const struct lb_addr *client,
				  struct pool_tried *tried)
{
	struct worker_server *silent = NULL;

	if (service->conf == NULL)
		return NULL;
	if (service->wants_load && service->server_count <= TELL_ALWAYS)
		tell_loads(service);
	if (tried->skip != NULL && tried->generation != service->generation)
		pool_tried_clear(tried);
	for (;;) {
		int i = balance_pick(service->picker, client, tried->skip);

		if (i < 0)
			return silent != NULL && pool_enter(silent) ? silent : NULL;
		struct worker_server *server = service->servers[i];
		if (server->silent_until > w->now && silent == NULL)
			silent = server;
		else if (server->silent_until <= w->now && server->no_port_until <= w->now && pool_enter(server))
			return server;
		pool_tried_add(tried, server);
		if (tried->skip == NULL)
			return NULL;
	}
}

void pool_service_enter(struct worker_service *service)
{
	service->users++;
	counter_add(&service->slot->sessions, 1);
}

void pool_service_leave(struct worker_service *service)
{
	counter_leave(&service->slot->sessions);
	if (--service->users > 0 || service->conf != NULL)
		return;
	balance_free(service->picker);
	free(service->servers);
	free(service);
}

uint64_t pool_service_sessions(const struct worker_service *service)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < service->block->workers; i++)
		sum += counter_get(&service->block->slot[i].sessions);
	return sum;
}
