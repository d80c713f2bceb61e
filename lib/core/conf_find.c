#include <string.h>

#include <lb/conf.h>

int lb_conf_node_by_addr(const struct lb_conf *conf, const struct lb_addr *addr)
{
	for (size_t i = 0; i < conf->node_count; i++)
		if (lb_addr_equal(&conf->nodes[i].address, addr))
			return (int)i;
	return -1;
}

bool lb_conf_has_vip(const struct lb_conf *conf, const struct lb_addr *addr)
{
	for (size_t i = 0; i < conf->vip_count; i++)
		if (lb_addr_equal(&conf->vips[i].address, addr))
			return true;
	return false;
}

const struct lb_conf_service *lb_conf_service_by_name(const struct lb_conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->service_count; i++)
		if (strcmp(conf->services[i].name, name) == 0)
			return &conf->services[i];
	return NULL;
}

const struct lb_conf_server *lb_conf_server_by_name(const struct lb_conf_service *service, const char *name)
{
	for (size_t i = 0; i < service->server_count; i++)
		if (strcmp(service->servers[i].name, name) == 0)
			return &service->servers[i];
	return NULL;
}

/* Append an endpoint that is not there yet. */
static size_t add_once(const struct lb_endpoint *ep, struct lb_endpoint *out, size_t count, size_t max)
{
	for (size_t i = 0; i < count; i++)
		if (lb_endpoint_equal(&out[i], ep))
			return count;
	if (count < max)
		out[count++] = *ep;
	return count;
}

size_t lb_conf_service_endpoints(const struct lb_conf *conf, const struct lb_conf_service *service,
				 struct lb_endpoint *out, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < service->listen_count; i++) {
		const struct lb_endpoint *ep = &service->listen[i].endpoint;

		if (ep->addr.family != 0) {
			count = add_once(ep, out, count, max);
			continue;
		}
		for (size_t v = 0; v < conf->vip_count; v++) {
			struct lb_endpoint on_vip = {conf->vips[v].address, ep->port};

			count = add_once(&on_vip, out, count, max);
		}
	}
	return count;
}
