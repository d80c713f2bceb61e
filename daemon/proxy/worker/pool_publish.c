/*
 * From one view to the next: everything that may fail is built beside the present records first, then taken over.
 */
#include <lb/hash.h>
#include <lb/log.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/proxy/worker/pool.h"
#include "daemon/proxy/worker/thread.h"

/* What will become of one service of the view. */
struct service_plan {
	const struct pool_service *from;
	struct worker_service *service; /* users 0 and block unknown to the pool: new */
	struct worker_server **servers; /* new ones have no service yet */
	struct balance *picker;		/* NULL: the present one is updated in place */
};

/* Views keep their order mostly, so the record is looked for at the same place first. */
static struct worker_service *find_service(const struct pool *pool, const struct service_block *block, size_t hint)
{
	if (hint < pool->service_count && pool->services[hint]->block == block)
		return pool->services[hint];
	for (size_t i = 0; i < pool->service_count; i++)
		if (pool->services[i]->block == block)
			return pool->services[i];
	return NULL;
}

static struct worker_server *find_server(const struct worker_service *service, const struct server_block *block,
					 size_t hint)
{
	if (hint < service->server_count && service->servers[hint]->block == block)
		return service->servers[hint];
	for (size_t i = 0; i < service->server_count; i++)
		if (service->servers[i]->block == block)
			return service->servers[i];
	return NULL;
}

static struct worker_server *new_server(struct server_block *block, uint32_t worker)
{
	struct worker_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	server->block = block;
	server->slot = &block->slot[worker];
	return server;
}

static struct balance *new_picker(const struct pool_service *from, uint32_t worker)
{
	struct balance_server *list = calloc(from->server_count + 1, sizeof(*list));
	struct balance *picker = NULL;

	if (list == NULL)
		return NULL;
	for (size_t i = 0; i < from->server_count; i++) {
		const struct pool_server *p = &from->servers[i];

		list[i] = (struct balance_server){
		    .key_hash = (uint32_t)lb_hash(p->block->name, strlen(p->block->name)),
		    .weight = p->weight,
		    .backup = p->backup,
		    .usable = p->usable,
		    .load = atomic_load_explicit(&p->block->sessions, memory_order_relaxed),
		    .max_connections = p->max_connections,
		};
	}
	picker = balance_new(from->conf->balance, list, from->server_count,
			     lb_hash_mix(lb_hash(from->block->name, strlen(from->block->name)), worker));
	free(list);
	return picker;
}

/* Same servers in the same places, with the same unchanging settings? Then the picker keeps its position. */
static bool same_list(const struct worker_service *service, const struct pool_service *from)
{
	if (service->picker == NULL || service->kind != from->conf->balance ||
	    service->server_count != from->server_count)
		return false;
	for (size_t i = 0; i < from->server_count; i++) {
		const struct worker_server *server = service->servers[i];
		const struct pool_server *p = &from->servers[i];

		if (server->block != p->block || server->backup != p->backup ||
		    server->max_connections != p->max_connections)
			return false;
	}
	return true;
}

static bool plan_service(struct worker *w, const struct pool_service *from, size_t hint, struct service_plan *plan)
{
	struct worker_service *service = find_service(&w->pool, from->block, hint);

	plan->from = from;
	if (service == NULL) {
		service = calloc(1, sizeof(*service));
		if (service == NULL)
			return false;
		service->block = from->block;
		service->slot = &from->block->slot[w->params.index];
	}
	plan->service = service;
	if (!same_list(service, from)) {
		plan->servers = calloc(from->server_count + 1, sizeof(struct worker_server *));
		plan->picker = new_picker(from, w->params.index);
		if (plan->servers == NULL || plan->picker == NULL)
			return false;
		for (size_t i = 0; i < from->server_count; i++) {
			plan->servers[i] = find_server(service, from->servers[i].block, i);
			if (plan->servers[i] == NULL)
				plan->servers[i] = new_server(from->servers[i].block, w->params.index);
			if (plan->servers[i] == NULL)
				return false;
		}
	}
	for (size_t i = 0; i < from->listener_count; i++)
		if (listener_prepare(w, &from->listeners[i]) == NULL)
			return false;
	return true;
}

static void drop_plan(struct worker *w, struct service_plan *plans, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct service_plan *plan = &plans[i];

		for (size_t k = 0; plan->servers != NULL && k < plan->from->server_count; k++)
			if (plan->servers[k] != NULL && plan->servers[k]->service == NULL)
				free(plan->servers[k]);
		free(plan->servers);
		balance_free(plan->picker);
		if (plan->service != NULL && plan->service->conf == NULL)
			free(plan->service);
	}
	listener_rollback(w);
}

/* No view lists the server any more: sessions keep the record until the last one ends. */
static void unlist_server(struct worker_server *server)
{
	server->service = NULL;
	if (server->users == 0)
		free(server);
}

static void replace_servers(struct service_plan *plan)
{
	struct worker_service *service = plan->service;

	for (size_t i = 0; i < service->server_count; i++)
		service->servers[i]->service = NULL;
	for (size_t i = 0; i < plan->from->server_count; i++) {
		struct worker_server *server = plan->servers[i];
		const struct pool_server *p = &plan->from->servers[i];

		server->service = service;
		server->index = i;
		server->backup = p->backup;
		server->max_connections = p->max_connections;
		server->weight = p->weight;
		server->usable = p->usable;
		server->told = UINT32_MAX;
	}
	for (size_t i = 0; i < service->server_count; i++)
		if (service->servers[i]->service == NULL)
			unlist_server(service->servers[i]);
	free(service->servers);
	balance_free(service->picker);
	service->servers = plan->servers;
	service->server_count = plan->from->server_count;
	service->picker = plan->picker;
	service->told = UINT64_MAX;
	service->generation++;
}

static void update_servers(struct worker_service *service, const struct pool_service *from)
{
	for (size_t i = 0; i < from->server_count; i++) {
		struct worker_server *server = service->servers[i];
		const struct pool_server *p = &from->servers[i];

		if (server->weight == p->weight && server->usable == p->usable)
			continue;
		server->weight = p->weight;
		server->usable = p->usable;
		balance_update(service->picker, i, p->weight, p->usable);
	}
}

static void commit_service(struct worker *w, struct service_plan *plan)
{
	struct worker_service *service = plan->service;
	const struct lb_conf_service *conf = plan->from->conf;

	service->conf = conf;
	service->clients = plan->from->clients;
	service->proxies = plan->from->proxies;
	service->kind = conf->balance;
	service->tcp = (struct tcp_sock_options){
	    .keepalive_idle = conf->keepalive_idle,
	    .keepalive_interval = conf->keepalive_interval,
	    .keepalive_count = conf->keepalive_count,
	    .user_timeout = conf->user_timeout,
	};
	service->wants_load = conf->balance == LB_LEASTCONN || conf->balance == LB_RANDOM;
	for (size_t i = 0; i < plan->from->server_count; i++)
		if (plan->from->servers[i].max_connections != 0)
			service->wants_load = true;
	if (plan->servers != NULL)
		replace_servers(plan);
	else
		update_servers(service, plan->from);
	for (size_t i = 0; i < plan->from->listener_count; i++) {
		const struct pool_listener *from = &plan->from->listeners[i];

		listener_commit(listener_prepare(w, from), from, service);
	}
}

static void unlist_service(struct worker_service *service)
{
	for (size_t i = 0; i < service->server_count; i++)
		unlist_server(service->servers[i]);
	service->server_count = 0;
	service->conf = NULL;
	if (service->users > 0)
		return;
	balance_free(service->picker);
	free(service->servers);
	free(service);
}

/* The pool's services become those of the plans; what is in none of them is unlisted. */
static void replace_services(struct pool *pool, struct worker_service **services, const struct service_plan *plans,
			     size_t count)
{
	for (size_t i = 0; i < pool->service_count; i++) {
		const struct service_block *block = pool->services[i]->block;
		bool listed = i < count && plans[i].from->block == block;

		for (size_t k = 0; !listed && k < count; k++)
			listed = plans[k].from->block == block;
		if (!listed)
			unlist_service(pool->services[i]);
	}
	for (size_t i = 0; i < count; i++)
		services[i] = plans[i].service;
	free(pool->services);
	pool->services = services;
	pool->service_count = count;
}

struct pool_view *pool_publish(struct worker *w, struct pool_view *view)
{
	struct service_plan *plans = calloc(view->service_count + 1, sizeof(*plans));
	struct worker_service **services = calloc(view->service_count + 1, sizeof(struct worker_service *));
	struct pool_view *former = w->pool.view;
	size_t planned = 0;

	if (plans == NULL || services == NULL)
		goto refuse;
	for (size_t i = 0; i < view->service_count; i++) {
		planned++;
		if (!plan_service(w, &view->services[i], i, &plans[i]))
			goto refuse;
	}

	/* What still waits in the queue of a listener that goes is served as the former view says. */
	listener_drop_unlisted(w);
	replace_services(&w->pool, services, plans, planned);
	for (size_t i = 0; i < planned; i++)
		commit_service(w, &plans[i]);
	w->pool.view = view;
	free(plans);
	return former;

refuse:
	lb_error("worker=%u out of memory: services and servers stay as they were", w->params.index);
	if (plans != NULL)
		drop_plan(w, plans, planned);
	free(plans);
	free(services);
	return view;
}

struct pool_view *pool_close(struct worker *w)
{
	struct pool_view *view = w->pool.view;

	for (size_t i = 0; i < w->pool.service_count; i++)
		unlist_service(w->pool.services[i]);
	free(w->pool.services);
	w->pool = (struct pool){0};
	return view;
}
