#include <stdlib.h>
#include <string.h>

#include "lib/core/conf_check.h"

/* One place where something listens, by port; family 0 stands for every VIP and is not written out. */
struct place {
	struct lb_endpoint endpoint;
	bool on_vip;
	struct lb_mark mark;
	const char *service; /* NULL: metrics.listen */
};

static int by_port_address_line(const void *left, const void *right)
{
	const struct place *a = left, *b = right;
	int order = (a->endpoint.port > b->endpoint.port) - (a->endpoint.port < b->endpoint.port);

	if (order == 0)
		order = lb_addr_compare(&a->endpoint.addr, &b->endpoint.addr);
	if (order == 0)
		order = (a->mark.line > b->mark.line) - (a->mark.line < b->mark.line);
	if (order == 0)
		order = (a->mark.column > b->mark.column) - (a->mark.column < b->mark.column);
	return order;
}

static bool is_vip(const struct lb_conf *conf, const struct lb_addr *addr)
{
	for (size_t v = 0; v < conf->vip_count; v++)
		if (lb_addr_equal(&conf->vips[v].address, addr))
			return true;
	return false;
}

/* Every place, sorted; NULL when memory is short. */
static struct place *collect(const struct lb_conf *conf, size_t *count)
{
	size_t n = 1;
	struct place *places;

	for (size_t i = 0; i < conf->service_count; i++)
		n += conf->services[i].listen_count;
	places = calloc(n, sizeof(*places));
	*count = 0;
	if (!places)
		return NULL;
	if (conf->metrics_listen.port != 0)
		places[(*count)++] = (struct place){.endpoint = conf->metrics_listen};
	for (size_t i = 0; i < conf->service_count; i++) {
		const struct lb_conf_service *service = &conf->services[i];

		for (size_t l = 0; l < service->listen_count; l++)
			places[(*count)++] = (struct place){.endpoint = service->listen[l].endpoint,
							    .mark = service->listen[l].mark,
							    .service = service->name};
	}
	for (size_t i = 0; i < *count; i++)
		places[i].on_vip = is_vip(conf, &places[i].endpoint.addr);
	qsort(places, *count, sizeof(*places), by_port_address_line);
	return places;
}

/* Told at the one that stands later in the file. */
static void refuse(const struct place *a, const struct place *b, struct lb_conf_errors *errors)
{
	bool a_later = a->mark.line != b->mark.line ? a->mark.line > b->mark.line : a->mark.column > b->mark.column;
	const struct place *first = a_later ? b : a, *later = a_later ? a : b;
	char text[LB_ENDPOINT_TEXT];

	if (later->endpoint.addr.family == 0)
		strcpy(text, "every VIP");
	else
		lb_endpoint_text(&later->endpoint, text);
	if (first->service)
		lb_conf_errors_add(errors, later->mark,
				   "port %u on %s is taken by service \"%s\" on line %u; use another port or address",
				   later->endpoint.port, text, first->service, first->mark.line);
	else
		lb_conf_errors_add(errors, later->mark,
				   "port %u on %s is taken by \"metrics.listen\"; use another port or address",
				   later->endpoint.port, text);
}

void conf_check_listen(const struct lb_conf *conf, struct lb_conf_errors *errors)
{
	size_t count, every_vip = 0;
	struct place *places = collect(conf, &count);

	if (!places) {
		lb_conf_errors_add(errors, (struct lb_mark){1, 1}, "out of memory");
		return;
	}
	for (size_t i = 1; i < count; i++) {
		const struct place *first = &places[every_vip];
		bool same_port = first->endpoint.port == places[i].endpoint.port;

		/* The first of a port is the one for every VIP, where there is one. */
		if (!same_port)
			every_vip = i;
		else if (first->endpoint.addr.family == 0 && (places[i].endpoint.addr.family == 0 || places[i].on_vip))
			refuse(first, &places[i], errors);
		else if (lb_endpoint_equal(&places[i - 1].endpoint, &places[i].endpoint))
			refuse(&places[i - 1], &places[i], errors);
	}
	free(places);
}
