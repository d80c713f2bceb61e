#include "daemon/proxy/control/roster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lb/balance.h>

#include "daemon/proxy/control/must.h"

/* The most that a weight can be, in the file and by an agent. */
#define WEIGHT_MAX 256u

struct service *roster_service(const struct roster *r, const char *name)
{
	for (size_t i = 0; i < r->service_count; i++)
		if (strcmp(r->services[i]->conf->name, name) == 0)
			return r->services[i];
	return NULL;
}

static struct server *find_server(const struct service *service, const char *name)
{
	for (size_t i = 0; service && i < service->server_count; i++)
		if (strcmp(service->servers[i]->conf->name, name) == 0)
			return service->servers[i];
	return NULL;
}

struct server *roster_server(const struct roster *r, const char *service, const char *server)
{
	return find_server(roster_service(r, service), server);
}

struct server *roster_server_by_block(const struct roster *r, const struct server_block *block)
{
	for (size_t s = 0; s < r->service_count; s++)
		for (size_t i = 0; i < r->services[s]->server_count; i++)
			if (r->services[s]->servers[i]->block == block)
				return r->services[s]->servers[i];
	return NULL;
}

/* ---- applying a configuration ---- */

static struct server *new_server(const struct roster *r, struct service *service, const struct lb_conf_server *conf)
{
	struct server *server = must(calloc(1, sizeof(*server)));

	server->service = service;
	server->conf = conf;
	server->block = must(server_block_new(service->conf->name, conf->name, &conf->address, r->workers));
	server->weight = conf->weight;
	server->limit = conf->max_connections;
	server->agent = agent_orders_none();
	return server;
}

static void remove_server(struct server *server, const struct roster_hooks *hooks)
{
	hooks->removed(hooks->ctx, server);
	hooks->server_block(hooks->ctx, server->block);
	free(server);
}

static void remove_service(struct service *service, const struct roster_hooks *hooks)
{
	for (size_t i = 0; i < service->server_count; i++)
		if (service->servers[i])
			remove_server(service->servers[i], hooks);
	if (service->block)
		hooks->service_block(hooks->ctx, service->block);
	free(service->servers);
	free(service);
}

/* The old server lives on under the new configuration. */
static void keep_server(struct server *server, struct service *service, const struct lb_conf_server *conf,
			const struct roster_hooks *hooks)
{
	bool check_changed = !check_plan_same(server->conf->check, conf->check) ||
			     server->service->conf->send_proxy != service->conf->send_proxy;

	if (server->conf->weight != conf->weight)
		server->weight = conf->weight;
	if (server->conf->max_connections != conf->max_connections)
		server->limit = conf->max_connections;
	server->conf = conf;
	server->service = service;
	hooks->kept(hooks->ctx, server, check_changed);
}

/*
 * Fill service from conf, taking over from old (NULL: there was none) what is the same. What is taken is cleared in
 * old, the rest of it is removed by the caller. service->conf of old is still the former configuration.
 */
static void fill_service(const struct roster *r, struct service *service, struct service *old,
			 const struct roster_hooks *hooks)
{
	const struct lb_conf_service *conf = service->conf;

	service->servers = must(calloc(conf->server_count + 1, sizeof(*service->servers)));
	for (size_t i = 0; i < conf->server_count; i++) {
		struct server *known = NULL;
		size_t at = 0;

		for (; old && at < old->server_count; at++)
			if (old->servers[at] && strcmp(old->servers[at]->block->name, conf->servers[i].name) == 0) {
				known = old->servers[at];
				break;
			}
		if (known && lb_endpoint_equal(&known->block->address, &conf->servers[i].address)) {
			old->servers[at] = NULL;
			service->servers[service->server_count++] = known;
			keep_server(known, service, &conf->servers[i], hooks);
			continue;
		}
		service->servers[service->server_count] = new_server(r, service, &conf->servers[i]);
		if (known)
			service->servers[service->server_count]->admin = known->admin;
		hooks->added(hooks->ctx, service->servers[service->server_count++]);
	}
}

void roster_apply(struct roster *r, const struct lb_conf *conf, const struct roster_hooks *hooks)
{
	struct roster old = *r;

	r->services = must(calloc(conf->service_count + 1, sizeof(*r->services)));
	r->service_count = conf->service_count;
	for (size_t s = 0; s < conf->service_count; s++) {
		struct service *service = must(calloc(1, sizeof(*service))), *former = NULL;

		for (size_t i = 0; i < old.service_count; i++)
			if (strcmp(old.services[i]->block->name, conf->services[s].name) == 0)
				former = old.services[i];
		service->conf = &conf->services[s];
		fill_service(r, service, former, hooks);
		r->services[s] = service;
	}
	/* Names are unique in a configuration, so each block is taken over at most once. */
	for (size_t i = 0; i < old.service_count; i++) {
		struct service *heir = roster_service(r, old.services[i]->block->name);

		if (heir) {
			heir->block = old.services[i]->block;
			old.services[i]->block = NULL;
		}
		remove_service(old.services[i], hooks);
	}
	for (size_t s = 0; s < r->service_count; s++)
		if (!r->services[s]->block)
			r->services[s]->block = must(service_block_new(r->services[s]->conf->name, r->workers));
	free(old.services);
}

void roster_clear(struct roster *r, const struct roster_hooks *hooks)
{
	for (size_t i = 0; i < r->service_count; i++)
		remove_service(r->services[i], hooks);
	free(r->services);
	r->services = NULL;
	r->service_count = 0;
}

/* ---- judging ---- */

bool server_ready(const struct server *server)
{
	return server->admin == LB_ADMIN_READY && server->health.state == HEALTH_UP;
}

/* An agent that asks for 0 % takes its server out as drain does. */
static bool admitted(const struct server *server)
{
	return server->admin == LB_ADMIN_READY && server->agent.percent > 0;
}

enum service_use service_use(const struct service *service)
{
	bool unknown = false;

	for (size_t i = 0; i < service->server_count; i++) {
		const struct server *server = service->servers[i];

		if (admitted(server) && server->health.state == HEALTH_UP)
			return SERVICE_USE_UP;
		unknown |= admitted(server) && server->health.state == HEALTH_UNKNOWN;
	}
	if (unknown)
		return SERVICE_USE_UNKNOWN;
	return service->conf->when_all_down == LB_ALL_DOWN_TRY_ALL ? SERVICE_USE_ALL : SERVICE_USE_NONE;
}

bool server_usable(const struct server *server, enum service_use use)
{
	switch (use) {
	case SERVICE_USE_UP:
		return admitted(server) && server->health.state == HEALTH_UP;
	case SERVICE_USE_UNKNOWN:
		return admitted(server) && server->health.state == HEALTH_UNKNOWN;
	case SERVICE_USE_ALL:
		return admitted(server);
	case SERVICE_USE_NONE:
		break;
	}
	return false;
}

bool server_ramping(const struct server *server, lb_time now)
{
	return server->ramp_from != 0 && now - server->ramp_from < server->service->conf->slow_start;
}

uint16_t server_weight(const struct server *server, lb_time now)
{
	uint32_t weight = server->weight;

	if (server_ramping(server, now))
		weight = balance_ramp(server->weight, now - server->ramp_from, server->service->conf->slow_start);
	if (server->agent.percent == 0)
		return 0;
	weight = weight * server->agent.percent / 100;
	if (weight > WEIGHT_MAX)
		weight = WEIGHT_MAX;
	return weight ? (uint16_t)weight : 1;
}

uint32_t server_max_connections(const struct server *server)
{
	/* What an administrator ordered comes before an agent's word. */
	if (server->agent.maxconn && server->limit == server->conf->max_connections)
		return server->agent.maxconn;
	return server->limit;
}

const char *server_subject(const struct server *server, char buf[static SERVER_SUBJECT])
{
	snprintf(buf, SERVER_SUBJECT, "%s/%s", server->block->service, server->block->name);
	return buf;
}
