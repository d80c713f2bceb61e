#include "daemon/proxy/control/peer_door.h"

#include <stdlib.h>
#include <unistd.h>

#include <lb/list.h>
#include <lb/log.h>

#include "daemon/proxy/control/must.h"

/* To show the key and to say what for. */
#define WAIT_SECONDS 2.
/* Of one node that have not said it yet; a node has no reason to come more often. */
#define WAITING_MAX 4

/* Somebody who has come in and not yet said what for. */
struct visitor {
	struct lb_list node;
	struct peer_door *door;
	struct move_stream *stream;
	uint32_t index;
	ev_timer limit;
};

struct peer_door {
	struct ev_loop *loop;
	struct peer_door_hooks hooks;
	const struct lb_conf *conf;
	struct move_keys *keys;
	ev_io listener; /* fd -1: none */
	struct lb_list visitors;
	uint32_t waiting[LB_NODES_MAX];
};

static void forget(struct visitor *v)
{
	ev_timer_stop(v->door->loop, &v->limit);
	lb_list_del(&v->node);
	v->door->waiting[v->index]--;
	free(v);
}

static void shut_out(struct visitor *v)
{
	move_stream_free(v->stream);
	forget(v);
}

static void on_ready(void *ctx)
{
	(void)ctx;
}

static void on_frame(void *ctx, enum move_frame type, const uint8_t *data, size_t len)
{
	struct visitor *v = ctx;
	struct peer_door *d = v->door;
	struct move_stream *stream = v->stream;
	uint32_t index = v->index;

	forget(v);
	d->hooks.greeted(d->hooks.ctx, index, stream, type, data, len);
}

static void on_lost(void *ctx, const char *why)
{
	lb_debug("a node's proxy did not come in: %s", why);
	shut_out(ctx);
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	shut_out(w->data);
}

static void let_in(struct peer_door *d, int fd, const struct lb_endpoint *from)
{
	struct move_stream_hooks hooks = {.ready = on_ready, .frame = on_frame, .lost = on_lost};
	int index = d->conf != NULL ? lb_conf_node_by_addr(d->conf, &from->addr) : -1;
	struct visitor *v;

	if (d->keys == NULL || index < 0 || d->waiting[index] >= WAITING_MAX) {
		close(fd);
		return;
	}
	v = must(calloc(1, sizeof(*v)));
	v->door = d;
	v->index = (uint32_t)index;
	hooks.ctx = v;
	ev_timer_init(&v->limit, on_limit, WAIT_SECONDS, 0.);
	v->limit.data = v;
	lb_list_add_tail(&d->visitors, &v->node);
	d->waiting[index]++;
	v->stream = move_stream_accept(d->loop, d->keys, fd, &hooks);
	if (v->stream == NULL)
		forget(v);
	else
		ev_timer_start(d->loop, &v->limit);
}

static void on_acceptable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct lb_endpoint from;
	int fd = tcp_sock_accept(io->fd, &from);

	(void)loop;
	(void)revents;
	if (fd >= 0)
		let_in(io->data, fd, &from);
}

struct peer_door *peer_door_new(struct ev_loop *loop, const struct peer_door_hooks *hooks)
{
	struct peer_door *d = must(calloc(1, sizeof(*d)));

	d->loop = loop;
	d->hooks = *hooks;
	lb_list_init(&d->visitors);
	ev_io_init(&d->listener, on_acceptable, -1, EV_READ);
	d->listener.data = d;
	return d;
}

void peer_door_set_conf(struct peer_door *d, const struct lb_conf *conf)
{
	d->conf = conf;
}

void peer_door_open(struct peer_door *d, struct move_keys *keys, int listener)
{
	lb_list_foreach (node, &d->visitors)
		shut_out(lb_container_of(node, struct visitor, node));
	ev_io_stop(d->loop, &d->listener);
	if (d->listener.fd >= 0)
		close(d->listener.fd);
	d->keys = keys;
	ev_io_set(&d->listener, listener, EV_READ);
	if (listener >= 0)
		ev_io_start(d->loop, &d->listener);
}

void peer_door_free(struct peer_door *d)
{
	if (d == NULL)
		return;
	peer_door_open(d, NULL, -1);
	free(d);
}
