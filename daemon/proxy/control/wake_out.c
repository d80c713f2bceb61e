/* The owner's part: a stream to each other node, and what the workers tell, in batches. */
#include <stdlib.h>
#include <string.h>

#include <lb/log.h>

#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/wake_state.h"
#include "daemon/sys/clock.h"

/* Workers tell at times of their own; what comes within this is one batch. */
#define GATHER_SECONDS 0.05
#define LOOK_SECONDS   0.25
#define LINGER_SECONDS 1.
#define READY_LIMIT    LB_SEC(2)
#define TRY_AGAIN      LB_MSEC(250)
/* A node that takes no more is told everything anew once it does. */
#define QUEUE_MAX (4u * 1024 * 1024)

static const struct tcp_sock_options stream_options = {
    .keepalive_idle = LB_SEC(5), .keepalive_interval = LB_SEC(1), .keepalive_count = 3, .user_timeout = LB_SEC(5)};

/* ---- streams ---- */

static void close_out(struct wake_peer *p)
{
	move_stream_free(p->out);
	p->out = NULL;
	p->out_ready = false;
	p->out_deadline = clock_now() + TRY_AGAIN;
}

static void send_batch(struct wake *w, const uint8_t *batch, size_t len)
{
	for (uint32_t i = 0; i < LB_NODES_MAX; i++) {
		struct wake_peer *p = &w->peers[i];

		if (!p->out_ready)
			continue;
		if (move_stream_queued(p->out) > QUEUE_MAX)
			close_out(p);
		else
			move_stream_send(p->out, MOVE_FRAME_TUPLES, batch, len);
	}
}

static void forget_pending(struct wake_pending *p)
{
	p->count = 0;
	p->workers = 0;
}

/* Whoever listens knows nothing, then everything. */
static void tell_anew(struct wake *w, bool telling)
{
	uint8_t batch[2 + TUPLE_RECORD_MAX];
	struct tuple_writer writer;

	w->token++;
	w->told = 0;
	forget_pending(&w->pending);
	for (uint32_t i = 0; i < crew_size(w->params.crew); i++) {
		struct message *m = message_new(MESSAGE_TELL_TUPLES);

		m->token = w->token;
		m->count = telling ? crew_size(w->params.crew) : 0;
		crew_post(w->params.crew, i, m);
	}
	tuple_writer_init(&writer, batch, sizeof(batch), true);
	send_batch(w, batch, writer.len);
}

static void on_ready(void *ctx)
{
	struct wake_peer *p = ctx;

	p->out_ready = true;
	move_stream_set_options(p->out, &stream_options);
	lb_info("node=%s is told of connections", p->wake->conf->nodes[p - p->wake->peers].name);
	tell_anew(p->wake, p->wake->role == VRRP_ACTIVE);
}

static void on_frame(void *ctx, enum move_frame type, const uint8_t *data, size_t len)
{
	(void)type;
	(void)data;
	(void)len;
	/* It has nothing to say. */
	close_out(ctx);
}

static void on_lost(void *ctx, const char *why)
{
	struct wake_peer *p = ctx;

	if (p->out_ready)
		lb_info("node=%s is not told of connections any more: %s",
			p->wake->conf->nodes[p - p->wake->peers].name, why);
	close_out(p);
}

static void open_out(struct wake *w, struct wake_peer *p, const struct lb_addr *to)
{
	struct move_stream_hooks hooks = {.ready = on_ready, .frame = on_frame, .lost = on_lost, .ctx = p};
	struct lb_endpoint peer = {.addr = *to, .port = w->conf->peer_port};

	p->out = move_stream_connect(w->params.loop, w->keys, &peer, &w->conf->nodes[w->own_node].address, &hooks);
	p->out_deadline = clock_now() + (p->out != NULL ? READY_LIMIT : TRY_AGAIN);
}

static void look_after_streams(struct wake *w)
{
	lb_time now = clock_now();

	for (uint32_t i = 0; w->keys != NULL && w->conf != NULL && i < w->conf->node_count; i++) {
		struct wake_peer *p = &w->peers[i];

		if (i == w->own_node || p->out_ready || now < p->out_deadline)
			continue;
		if (p->out != NULL)
			close_out(p);
		else
			open_out(w, p, &w->conf->nodes[i].address);
	}
}

static void on_connect(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	look_after_streams(timer->data);
}

/* ---- batches ---- */

/* Ends first, as a slot may be used again; then place by place, client by client: what is alike is said once. */
static int compare(const void *va, const void *vb)
{
	const struct tuple_change *a = va, *b = vb;
	int order = (a->kind == TUPLE_OPENED) - (b->kind == TUPLE_OPENED);

	if (order == 0)
		order = lb_addr_compare(&a->tuple.vip.addr, &b->tuple.vip.addr);
	if (order == 0)
		order = (int)a->tuple.vip.port - (int)b->tuple.vip.port;
	if (order == 0)
		order = lb_addr_compare(&a->tuple.server.addr, &b->tuple.server.addr);
	if (order == 0)
		order = (int)a->tuple.server.port - (int)b->tuple.server.port;
	if (order == 0)
		order = lb_addr_compare(&a->tuple.client.addr, &b->tuple.client.addr);
	return order != 0 ? order : (int)a->tuple.client.port - (int)b->tuple.client.port;
}

static void send_pending(struct wake *w)
{
	static uint8_t batch[TUPLE_BATCH_MAX];
	struct wake_pending *p = &w->pending;
	struct tuple_writer writer;

	ev_timer_stop(w->params.loop, &p->timer);
	if (p->count == 0)
		return;
	qsort(p->list, p->count, sizeof(p->list[0]), compare);
	tuple_writer_init(&writer, batch, sizeof(batch), false);
	for (uint32_t i = 0; i < p->count; i++) {
		if (writer.size - writer.len < TUPLE_RECORD_MAX) {
			send_batch(w, batch, writer.len);
			tuple_writer_init(&writer, batch, sizeof(batch), false);
		}
		if (!tuple_writer_add(&writer, &p->list[i]))
			w->dropped++;
		else if (p->list[i].kind == TUPLE_OPENED)
			w->told++;
		else
			w->told--;
	}
	send_batch(w, batch, writer.len);
	forget_pending(p);
}

static void on_gathered(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	send_pending(timer->data);
}

void wake_on_news(struct wake *w, const struct message *m)
{
	struct wake_pending *p = &w->pending;
	const struct tuple_news *news = m->news;
	uint64_t share = (uint64_t)1 << (m->worker % IPC_WORKERS_MAX);

	w->untold[m->worker % IPC_WORKERS_MAX] = news->untold;
	if (m->token != w->token || w->role != VRRP_ACTIVE)
		return;
	/* What one worker has opened before it closed it must not change places. */
	if ((p->workers & share) != 0)
		send_pending(w);
	p->workers |= share;
	if (p->size - p->count < news->count) {
		p->size = 2 * p->size > p->count + news->count ? 2 * p->size : p->count + news->count;
		p->list = must(reallocarray(p->list, p->size, sizeof(p->list[0])));
	}
	memcpy(p->list + p->count, news->changes, news->count * sizeof(news->changes[0]));
	p->count += news->count;
	if (!ev_is_active(&p->timer))
		ev_timer_again(w->params.loop, &p->timer);
}

/* ---- the VIP comes and goes ---- */

void wake_out_begin(struct wake *w)
{
	ev_timer_stop(w->params.loop, &w->linger);
	if (w->keys == NULL || w->conf == NULL)
		return;
	for (uint32_t i = 0; i < LB_NODES_MAX; i++)
		w->peers[i].out_deadline = 0;
	/* Streams of a moment ago may still be there. */
	tell_anew(w, true);
	look_after_streams(w);
	ev_timer_again(w->params.loop, &w->connect);
}

static void on_lingered(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	wake_out_close(timer->data);
}

void wake_out_end(struct wake *w)
{
	ev_timer_stop(w->params.loop, &w->connect);
	ev_timer_stop(w->params.loop, &w->pending.timer);
	tell_anew(w, false);
	ev_timer_set(&w->linger, LINGER_SECONDS, 0.);
	ev_timer_start(w->params.loop, &w->linger);
}

void wake_out_close(struct wake *w)
{
	ev_timer_stop(w->params.loop, &w->connect);
	ev_timer_stop(w->params.loop, &w->linger);
	ev_timer_stop(w->params.loop, &w->pending.timer);
	forget_pending(&w->pending);
	for (uint32_t i = 0; i < LB_NODES_MAX; i++)
		close_out(&w->peers[i]);
}

void wake_out_init(struct wake *w)
{
	ev_timer_init(&w->pending.timer, on_gathered, 0., GATHER_SECONDS);
	ev_timer_init(&w->connect, on_connect, 0., LOOK_SECONDS);
	ev_timer_init(&w->linger, on_lingered, LINGER_SECONDS, 0.);
	w->pending.timer.data = w->connect.data = w->linger.data = w;
}

void wake_out_free(struct wake *w)
{
	free(w->pending.list);
}
