/* The other nodes' part: what the owner tells, and waking its clients and servers once it is dead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lb/log.h>

#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/wake_state.h"
#include "daemon/sys/clock.h"

/* The answers, and the resets that meet them, are work for this host as well: one message at a time, one a tick. */
#define TICK_SECONDS 0.003

/*
 * Clients come first, as fast as 5,000 within a quarter of a second. Once more, as a segment or the answer to it may be
 * lost; then, and slower, because nobody waits for it, the servers, and everybody for the last time.
 */
static const struct pass {
	lb_duration begins; /* after the first one did, at the earliest */
	uint32_t a_tick;
	bool servers;
} passes[] = {
    {0,	    IPC_WAKE_MAX,     false},
	 {LB_MSEC(200), IPC_WAKE_MAX / 2, false},
	  {0,	      IPC_WAKE_MAX / 2, true },
    {0,	    IPC_WAKE_MAX / 4, true },
	 {LB_MSEC(800), IPC_WAKE_MAX / 4, false},
};
#define PASSES (sizeof(passes) / sizeof(passes[0]))

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
	r->clients = clients;
	r->began = clock_now();
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
	r->pass = r->clients = 0;
}

static void send_some(struct wake *w, uint32_t end)
{
	struct wake_round *r = &w->round;
	uint32_t left = end - r->next, most = passes[r->pass].a_tick;
	struct ipc_wake message = {.count = left < most ? left : most};

	memcpy(message.targets, r->targets + r->next, message.count * sizeof(message.targets[0]));
	channel_wake(w->channel, &message);
	r->next += message.count;
	r->unanswered = true;
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct wake *w = timer->data;
	struct wake_round *r = &w->round;
	uint32_t end = passes[r->pass].servers ? r->count : r->clients;

	(void)loop;
	(void)revents;
	/* The keeper's election comes first. */
	if (r->unanswered)
		return;
	if (r->next < end) {
		if (clock_now() - r->began >= passes[r->pass].begins)
			send_some(w, end);
	} else if (++r->pass == PASSES) {
		wake_in_stop(w);
	} else {
		r->next = passes[r->pass].servers ? r->clients : 0;
	}
}

void wake_woken(struct wake *w, const struct ipc_woken *woken)
{
	w->sent += woken->sent;
	w->failed += woken->failed;
	w->round.unanswered = false;
}

void wake_in_init(struct wake *w)
{
	ev_timer_init(&w->round.timer, on_tick, 0., TICK_SECONDS);
	w->round.timer.data = w;
}
