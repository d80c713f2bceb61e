#include "daemon/proxy/worker/ghost.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/proxy/worker/session.h"

/* A block of counters, which a record may read last of all. */
struct ghost {
	struct ghost *next;
	void *block;
};

/* False: memory is short, and the block was freed. */
static bool keep(struct worker *w, void *block)
{
	struct ghost *g = block != NULL ? malloc(sizeof(*g)) : NULL;

	if (g == NULL) {
		free(block);
		return false;
	}
	*g = (struct ghost){.next = w->ghosts, .block = block};
	w->ghosts = g;
	return true;
}

static uint32_t slots_of(const struct worker *w)
{
	return w->params.index + 1;
}

struct worker_service *ghost_service(struct worker *w, const char *name)
{
	struct worker_service *service;
	struct service_block *block;

	lb_list_foreach (node, &w->sessions.list) {
		const struct session *s = lb_container_of(node, struct session, node);

		if (s->service->conf == NULL && strcmp(s->service->block->name, name) == 0)
			return s->service;
	}
	block = service_block_new(name, slots_of(w));
	service = keep(w, block) ? calloc(1, sizeof(*service)) : NULL;
	if (service == NULL)
		return NULL;
	service->block = block;
	service->slot = &block->slot[w->params.index];
	return service;
}

struct worker_server *ghost_server(struct worker *w, const char *service, const char *name,
				   const struct lb_endpoint *address)
{
	struct worker_server *server;
	struct server_block *block;

	lb_list_foreach (node, &w->sessions.list) {
		const struct session *s = lb_container_of(node, struct session, node);

		if (s->server != NULL && s->server->service == NULL &&
		    strcmp(s->server->block->service, service) == 0 && strcmp(s->server->block->name, name) == 0)
			return s->server;
	}
	block = server_block_new(service, name, address, slots_of(w));
	server = keep(w, block) ? calloc(1, sizeof(*server)) : NULL;
	if (server == NULL)
		return NULL;
	server->block = block;
	server->slot = &block->slot[w->params.index];
	return server;
}

void ghost_free(struct worker *w)
{
	while (w->ghosts != NULL) {
		struct ghost *g = w->ghosts;

		w->ghosts = g->next;
		free(g->block);
		free(g);
	}
}
