#include "daemon/proxy/control/retire.h"

#include <stdlib.h>

#include "daemon/proxy/control/must.h"

/* One of the two is NULL. */
struct retiree {
	struct lb_list node;
	struct server_block *server;
	struct service_block *service;
	uint64_t last;
};

void retire_init(struct retired *r)
{
	lb_list_init(&r->list);
}

static void add(struct retired *r, struct server_block *server, struct service_block *service, uint64_t last)
{
	struct retiree *item = must(calloc(1, sizeof(*item)));

	item->server = server;
	item->service = service;
	item->last = last;
	lb_list_add_tail(&r->list, &item->node);
}

void retire_server(struct retired *r, struct server_block *block, uint64_t last)
{
	add(r, block, NULL, last);
}

void retire_service(struct retired *r, struct service_block *block, uint64_t last)
{
	add(r, NULL, block, last);
}

static void drop(struct retiree *item)
{
	lb_list_del(&item->node);
	free(item->server);
	free(item->service);
	free(item);
}

void retire_sweep(struct retired *r, uint64_t oldest)
{
	lb_list_foreach (node, &r->list) {
		struct retiree *item = lb_container_of(node, struct retiree, node);

		if (item->last < oldest &&
		    (item->server ? server_block_idle(item->server) : service_block_idle(item->service)))
			drop(item);
	}
}

bool retire_empty(const struct retired *r)
{
	return lb_list_empty(&r->list);
}

void retire_free(struct retired *r)
{
	lb_list_foreach (node, &r->list)
		drop(lb_container_of(node, struct retiree, node));
}
