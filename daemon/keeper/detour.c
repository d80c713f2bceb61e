#include "daemon/keeper/detour.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lb/log.h>

#include "daemon/sys/echo_sock.h"

/* Ways that are taken in turn: enough of them that some work while a rack of servers is away. */
#define WAYS_MAX	 16
#define WAYS_A_MESSAGE	 2
#define PACKETS_PER_WAKE 16

struct detour {
	struct detour_params params;
	struct echo_sock sock;
	ev_io io;
	unsigned wished, ifindex; /* to be bound to, and bound to; 0: nothing goes or comes */
	struct lb_addr by[WAYS_MAX];
	size_t count, next;
	uint8_t packet[ECHO_PACKET_MAX];
};

static bool knows(const struct detour *d, const struct lb_addr *host)
{
	for (size_t i = 0; i < d->count; i++)
		if (lb_addr_equal(&d->by[i], host))
			return true;
	return false;
}

/* Not this node or another one, whose kernel may be the one that cannot be reached. */
static bool is_way(const struct lb_conf *conf, const struct lb_addr *host)
{
	return host->family == AF_INET && host->bytes[0] != 127 && !lb_conf_has_vip(conf, host) &&
	       lb_conf_node_by_addr(conf, host) < 0;
}

void detour_bind(struct detour *d, unsigned ifindex)
{
	int rc = 0;

	if (d->sock.out < 0 || d->wished == ifindex)
		return;
	d->wished = ifindex;
	if (ifindex)
		rc = echo_sock_bind(&d->sock, ifindex);
	if (rc < 0)
		lb_warning("nodes cannot hear each other by way of the servers: %s", strerror(-rc));
	d->ifindex = rc == 0 ? ifindex : 0;
}

void detour_set_conf(struct detour *d, const struct lb_conf *conf)
{
	d->count = d->next = 0;
	for (size_t i = 0; conf->election.detour && i < conf->service_count; i++) {
		const struct lb_conf_service *service = &conf->services[i];

		for (size_t j = 0; j < service->server_count && d->count < WAYS_MAX; j++) {
			const struct lb_addr *host = &service->servers[j].address.addr;

			if (is_way(conf, host) && !knows(d, host))
				d->by[d->count++] = *host;
		}
	}
}

void detour_send(struct detour *d, const struct lb_addr *node, const uint8_t *bytes, size_t len)
{
	size_t ways = d->count < WAYS_A_MESSAGE ? d->count : WAYS_A_MESSAGE;

	for (size_t i = 0; d->ifindex && i < ways; i++) {
		const struct lb_addr *by = &d->by[d->next++ % d->count];
		size_t size = echo_packet_encode(node, by, bytes, len, d->packet);

		/* What does not go this time goes the next, by way of others. */
		if (size > 0)
			echo_sock_send(&d->sock, by, d->packet, size);
	}
}

void detour_drain(struct detour *d, unsigned budget)
{
	lb_time at;
	int size;

	while (budget-- > 0 && d->sock.in >= 0 && (size = echo_sock_receive(&d->sock, d->packet, &at)) != 0) {
		size_t len;
		const uint8_t *bytes =
		    size > 0 && d->ifindex ? echo_packet_decode(d->packet, (size_t)size, &len) : NULL;

		if (bytes)
			d->params.heard(d->params.ctx, bytes, len, at);
	}
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	detour_drain(w->data, PACKETS_PER_WAKE);
}

struct detour *detour_new(const struct detour_params *params)
{
	struct detour *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->params = *params;
	ev_init(&d->io, on_readable);
	d->io.data = d;
	if (!echo_sock_open(&d->sock))
		lb_warning("nodes cannot hear each other by way of the servers: %s", strerror(errno));
	return d;
}

void detour_start(struct detour *d)
{
	if (d->sock.in < 0)
		return;
	ev_io_set(&d->io, d->sock.in, EV_READ);
	ev_io_start(d->params.loop, &d->io);
}

void detour_free(struct detour *d)
{
	if (!d)
		return;
	ev_io_stop(d->params.loop, &d->io);
	echo_sock_close(&d->sock);
	free(d);
}
