/* The other nodes' part: what the owner tells, and waking its clients and servers once it is dead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lb/log.h>

#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/wake_state.h"
#include "daemon/sys/clock.h"

/* Segments a second, and how many of them the keeper gets at a time: its election comes first. */
#define RATE	     24000
#define TICK_SECONDS 0.003
#define TICK_MAX     (4 * IPC_WAKE_MAX)
/* Messages that it has not answered: while it is busy nothing piles up before it. */
#define WINDOW 4

/* When a round begins, since the first one did: a segment, or the answer to it, may be lost. */
static const lb_duration rounds[] = {0, LB_MSEC(200), LB_MSEC(800)};
#define ROUNDS (sizeof(rounds) / sizeof(rounds[0]))

static void close_in(struct wake_peer *p)
{
	move_stream_free(p->in);
	p->in = NULL;
}

/* ---- being told ---- */

static void refuse(struct wake_peer *p, const char *why)
{
	lb_warning("node=%s told of connections what is none: %s; it has to begin anew",
		   p->wake->conf->nodes[p - p->wake->peers].name, why);
	close_in(p);
}

static void take_batch(struct wake_peer *p, const uint8_t *batch, size_t len)
{
	enum tuple_drop drop = tuple_batch_check(batch, len);
	struct tuple_reader reader;
	struct tuple_change change;

	/* All of it or nothing; what was told before stays. */
	if (drop != TUPLE_OK) {
		refuse(p, tuple_drop_name(drop));
		return;
	}
	tuple_reader_init(&reader, batch, len);
	if (reader.anew)
		tuple_table_clear(&p->table);
	while (tuple_reader_next(&reader, &change))
		if (!tuple_table_apply(&p->table, &change))
			p->wake->dropped++;
}

static void on_frame(void *ctx, enum move_frame type, const uint8_t *data, size_t len)
{
	if (type == MOVE_FRAME_TUPLES)
		take_batch(ctx, data, len);
	else
		refuse(ctx, "another frame");
}

static void on_lost(void *ctx, const char *why)
{
	struct wake_peer *p = ctx;

	/* It may have died: what it has told is kept. */
	lb_debug("stream of connections ended: %s", why);
	close_in(p);
}

void wake_greeted(struct wake *w, uint32_t node, struct move_stream *stream, const uint8_t *batch, size_t len)
{
	struct wake_peer *p = &w->peers[node];

	/* The VIP has an owner: what others told that do not any more was of former ones. */
	for (uint32_t i = 0; i < LB_NODES_MAX; i++)
		if (i != node && w->peers[i].in == NULL)
			tuple_table_clear(&w->peers[i].table);
	close_in(p);
	p->in = stream;
	move_stream_set_hooks(stream, &(struct move_stream_hooks){.frame = on_frame, .lost = on_lost, .ctx = p});
	take_batch(p, batch, len);
}

void wake_in_forget(struct wake *w)
{
	for (uint32_t i = 0; i < LB_NODES_MAX; i++) {
		close_in(&w->peers[i]);
		tuple_table_clear(&w->peers[i].table);
	}
}

/* ---- waking ---- */

static void add_target(struct wake_round *r, const struct lb_endpoint *from, const struct lb_endpoint *to)
{
	r->targets[r->count++] = (struct ipc_wake_target){.from = *from, .to = *to};
}

/* Clients come first: a server is not in a hurry. Returns how many. */
static uint32_t add_clients(struct wake *w, const struct tuple_table *table)
{
	const struct lb_tuple *t;
	uint32_t before = w->round.count;

	for (uint32_t slot = 0; (t = tuple_table_from(table, &slot)) != NULL; slot++)
		if (lb_conf_has_vip(w->conf, &t->vip.addr))
			add_target(&w->round, &t->vip, &t->client);
	return w->round.count - before;
}

static uint32_t add_servers(struct wake *w, const struct tuple_table *table)
{
	const struct lb_tuple *t;
	uint32_t before = w->round.count;

	for (uint32_t slot = 0; (t = tuple_table_from(table, &slot)) != NULL; slot++) {
		struct lb_endpoint source = {.addr = t->vip.addr, .port = t->source_port};

		if (t->server.addr.family != 0 && lb_conf_has_vip(w->conf, &t->vip.addr))
			add_target(&w->round, &source, &t->server);
	}
	return w->round.count - before;
}

static void note(const struct wake *w, uint32_t clients, uint32_t servers)
{
	struct lb_event event = {.kind = "vip", .subject = "vip", .from = "connections", .to = "woken"};

	snprintf(event.reason, sizeof(event.reason), "owner died: %u clients and %u server connections are told",
		 (unsigned)clients, (unsigned)servers);
	recorder_note(w->params.recorder, LB_LOG_NOTICE, &event);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int revents);

void wake_in_wake(struct wake *w)
{
	struct wake_round *r = &w->round;
	uint32_t held = 0, clients = 0, servers = 0;

	wake_in_stop(w);
	for (uint32_t i = 0; i < LB_NODES_MAX; i++)
		held += w->peers[i].table.count;
	if (held == 0 || w->conf == NULL)
		return;
	r->targets = must(calloc(2 * (size_t)held, sizeof(*r->targets)));
	for (uint32_t i = 0; i < LB_NODES_MAX; i++)
		clients += add_clients(w, &w->peers[i].table);
	for (uint32_t i = 0; i < LB_NODES_MAX; i++)
		servers += add_servers(w, &w->peers[i].table);
	w->woken_clients += clients;
	w->woken_servers += servers;
	note(w, clients, servers);
	r->began = clock_now();
	r->sent_at = r->began - TICK_MAX * LB_SEC(1) / RATE;
	on_tick(w->params.loop, &r->timer, 0);
	ev_timer_again(w->params.loop, &r->timer);
}

void wake_in_stop(struct wake *w)
{
	struct wake_round *r = &w->round;

	ev_timer_stop(w->params.loop, &r->timer);
	free(r->targets);
	r->targets = NULL;
	r->count = r->next = 0;
	r->number = 0;
}

static void send_some(struct wake *w, uint32_t count)
{
	struct ipc_wake message = {0};

	message.count = count;
	memcpy(message.targets, w->round.targets + w->round.next, count * sizeof(message.targets[0]));
	channel_wake(w->channel, &message);
	w->round.next += count;
	w->round.unanswered++;
}

/* As many as time has passed for; what a pause of this thread has cost is not made up for. */
static void send_due(struct wake *w, lb_time now)
{
	struct wake_round *r = &w->round;
	lb_duration passed = lb_time_min(now - r->sent_at, TICK_MAX * LB_SEC(1) / RATE);
	uint32_t due = (uint32_t)(passed * RATE / LB_SEC(1));

	if (due == 0)
		return;
	r->sent_at = now;
	while (r->next < r->count && due > 0 && r->unanswered < WINDOW) {
		uint32_t some = r->count - r->next;

		some = some < due ? some : due;
		some = some < IPC_WAKE_MAX ? some : IPC_WAKE_MAX;
		send_some(w, some);
		due -= some;
	}
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct wake *w = timer->data;
	struct wake_round *r = &w->round;
	lb_time now = clock_now();

	(void)loop;
	(void)revents;
	if (r->next == r->count) {
		if (r->number + 1 == ROUNDS) {
			wake_in_stop(w);
			return;
		}
		if (now - r->began < rounds[r->number + 1])
			return;
		r->number++;
		r->next = 0;
	}
	send_due(w, now);
}

void wake_woken(struct wake *w, const struct ipc_woken *woken)
{
	w->sent += woken->sent;
	w->failed += woken->failed;
	w->round.unanswered -= w->round.unanswered > 0;
}

void wake_in_init(struct wake *w)
{
	ev_timer_init(&w->round.timer, on_tick, 0., TICK_SECONDS);
	w->round.timer.data = w;
}
