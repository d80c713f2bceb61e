/* What lbd needs of a node's ports, and what is in its way. Pure. */
#include "daemon/lbctl/ports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool every_address(const struct lb_addr *addr)
{
	static const uint8_t zero[sizeof(addr->bytes)];

	return memcmp(addr->bytes, zero, sizeof(zero)) == 0;
}

bool ports_clash(const struct ports_place *place, const struct ports_socket *socket)
{
	uint8_t wanted = place->at.addr.family, family = socket->at.addr.family;

	if (place->udp != socket->udp || place->at.port != socket->at.port)
		return false;
	if (every_address(&socket->at.addr))
		return family == wanted || (family == AF_INET6 && !socket->v6_only);
	/* What lbd has on [::] takes no IPv4. */
	if (every_address(&place->at.addr))
		return family == wanted;
	return lb_addr_equal(&place->at.addr, &socket->at.addr);
}

static void visit_services(const struct lb_conf *conf, ports_visit *visit, void *ctx)
{
	static struct lb_endpoint endpoints[LB_LISTEN_MAX * LB_VIPS_MAX];
	struct ports_place place = {0};

	for (size_t i = 0; i < conf->service_count; i++) {
		size_t n = lb_conf_service_endpoints(conf, &conf->services[i], endpoints, LB_LISTEN_MAX * LB_VIPS_MAX);

		snprintf(place.what, sizeof(place.what), "service %s", conf->services[i].name);
		for (size_t e = 0; e < n; e++) {
			place.at = endpoints[e];
			visit(ctx, &place);
		}
	}
}

/* Only this node's address can be taken here, so that the others do no harm. */
static void visit_peer_port(const struct lb_conf *conf, ports_visit *visit, void *ctx)
{
	for (size_t i = 0; i < conf->node_count; i++) {
		struct ports_place place = {
		    .what = "peer_port", .at = {.addr = conf->nodes[i].address, .port = conf->peer_port}
		};

		place.udp = true;
		visit(ctx, &place);
		/* Sessions of other nodes come by TCP, and only with a key. */
		place.udp = false;
		if (conf->key_file[0] != '\0')
			visit(ctx, &place);
	}
}

void ports_of_conf(const struct lb_conf *conf, ports_visit *visit, void *ctx)
{
	struct ports_place metrics = {.what = "metrics.listen", .at = conf->metrics_listen};

	visit_services(conf, visit, ctx);
	visit_peer_port(conf, visit, ctx);
	if (metrics.at.port != 0)
		visit(ctx, &metrics);
}

void ports_free(struct ports_list *list)
{
	free(list->sockets);
	*list = (struct ports_list){0};
}
