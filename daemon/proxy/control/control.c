#include "daemon/proxy/control/control.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/proxy/control/control_state.h"
#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/readiness.h"
#include "daemon/sys/clock.h"

#define TICK_INTERVAL	LB_MSEC(50)
#define HEALTH_INTERVAL 0.5

/* ---- telling the keeper ---- */

void control_tell_health(struct control *c)
{
	struct ipc_health health;

	ev_timer_stop(c->loop, &c->health_soon);
	if (!c->set)
		return;
	readiness_fill(&c->roster, &health);
	channel_health(c->channel, &health);
}

static void on_health_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	control_tell_health(w->data);
}

/* Once a loop round, however many servers changed in it. */
static void on_readiness_changed(void *ctx)
{
	struct control *c = ctx;

	if (!ev_is_active(&c->health_soon)) {
		ev_timer_set(&c->health_soon, 0., 0.);
		ev_timer_start(c->loop, &c->health_soon);
	}
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct control *c = w->data;
	lb_time now = clock_now();
	lb_duration late = now - c->ticked_at - TICK_INTERVAL;

	(void)loop;
	(void)revents;
	c->ticked_at = now;
	if (late > c->picture.stall_max)
		c->picture.stall_max = late;
	atomic_fetch_add_explicit(&c->page->control_tick, 1, memory_order_relaxed);
}

/* ---- what workers and checks say ---- */

static void on_transition(void *ctx, struct server *server)
{
	struct control *c = ctx;

	transition_health(&c->transition, server);
}

static void on_agent_orders(void *ctx, struct server *server)
{
	struct control *c = ctx;

	transition_agent(&c->transition, server);
}

static void on_check_warning(void *ctx, struct server *server)
{
	struct control *c = ctx;

	transition_warning(&c->transition, server);
}

static void on_worker_message(void *ctx, struct message *m)
{
	struct control *c = ctx;
	struct server *server;

	if (crew_on_message(c->crew, m))
		return;
	switch (m->kind) {
	case MESSAGE_VIEW_RETIRED:
		publisher_on_retired(c->publisher, m->view);
		break;
	case MESSAGE_CONNECT_FAILED:
		server = roster_server_by_block(&c->roster, m->server);
		if (server)
			checker_connect_failed(c->checker, server);
		break;
	case MESSAGE_CONNECT_OK:
		server = roster_server_by_block(&c->roster, m->server);
		if (server)
			checker_connect_ok(c->checker, server);
		break;
	case MESSAGE_CONNECT_SILENT:
		server = roster_server_by_block(&c->roster, m->server);
		if (server)
			checker_connect_silent(c->checker, server);
		break;
	case MESSAGE_TUPLES:
		wake_on_news(c->wake, m);
		break;
	default:
		break;
	}
	message_free(m);
}

/* ---- servers that come and go with a reload ---- */

static void on_server_added(void *ctx, struct server *server)
{
	struct control *c = ctx;

	/* Before its first check: none is due in maint. */
	order_book_apply(c->orders, server);
	checker_add(c->checker, server);
}

static void on_server_kept(void *ctx, struct server *server, bool check_changed)
{
	struct control *c = ctx;

	checker_keep(c->checker, server, check_changed);
}

static void on_server_removed(void *ctx, struct server *server)
{
	struct control *c = ctx;

	checker_remove(c->checker, server);
}

static void on_server_block(void *ctx, struct server_block *block)
{
	struct control *c = ctx;

	publisher_retire_server(c->publisher, block);
}

static void on_service_block(void *ctx, struct service_block *block)
{
	struct control *c = ctx;

	publisher_retire_service(c->publisher, block);
}

struct roster_hooks control_roster_hooks(struct control *c)
{
	return (struct roster_hooks){.added = on_server_added,
				     .kept = on_server_kept,
				     .removed = on_server_removed,
				     .server_block = on_server_block,
				     .service_block = on_service_block,
				     .ctx = c};
}

/* ---- other nodes ---- */

static void on_greeted(void *ctx, uint32_t node, struct move_stream *stream, enum move_frame type, const uint8_t *data,
		       size_t len)
{
	struct control *c = ctx;

	if (type == MOVE_FRAME_HELLO)
		move_greeted(c->move, stream, data, len);
	else if (type == MOVE_FRAME_TUPLES)
		wake_greeted(c->wake, node, stream, data, len);
	else
		move_stream_free(stream);
}

/* ---- life ---- */

static void init_timers(struct control *c)
{
	double tick = lb_duration_seconds(TICK_INTERVAL);

	ev_timer_init(&c->tick, on_tick, tick, tick);
	ev_timer_init(&c->health, on_health_timer, HEALTH_INTERVAL, HEALTH_INTERVAL);
	ev_timer_init(&c->health_soon, on_health_timer, 0., 0.);
	c->tick.data = c->health.data = c->health_soon.data = c;
	/* A busy loop must not look like one that stands still. */
	ev_set_priority(&c->tick, EV_MAXPRI);
}

struct control *control_new(const struct control_params *params)
{
	struct control *c = must(calloc(1, sizeof(*c)));
	struct channel_hooks hooks;

	c->loop = params->loop;
	c->admin_fd = c->metrics_fd = -1;
	c->mailbox = must(mailbox_new(c->loop, on_worker_message, c));
	c->crew = crew_new(&params->workers);
	c->recorder = recorder_new();
	c->orders = order_book_new(&c->roster);
	c->checker = checker_new(&(struct checker_params){.loop = c->loop,
							  .on_transition = on_transition,
							  .on_orders = on_agent_orders,
							  .on_warning = on_check_warning,
							  .ctx = c});
	c->publisher = publisher_new(&(struct publisher_params){
	    .loop = c->loop, .crew = c->crew, .roster = &c->roster, .listeners = &c->listeners});
	c->transition = (struct transition){.checker = c->checker,
					    .publisher = c->publisher,
					    .recorder = c->recorder,
					    .crew = c->crew,
					    .orders = c->orders,
					    .changed = on_readiness_changed,
					    .ctx = c};
	c->wake = wake_new(&(struct wake_params){.loop = c->loop, .crew = c->crew, .recorder = c->recorder});
	c->door = peer_door_new(c->loop, &(struct peer_door_hooks){.greeted = on_greeted, .ctx = c});
	c->picture = (struct collect_source){.roster = &c->roster,
					     .recorder = c->recorder,
					     .checker = c->checker,
					     .crew = c->crew,
					     .wake = c->wake,
					     .started = clock_now()};
	init_timers(c);
	hooks = control_keeper_hooks(c);
	c->channel = must(channel_new(c->loop, params->channel_fd, &hooks));
	c->link = control_keeper_link(c);
	keeper_link_open(&c->link, c->loop, params->link_fd);
	c->move = move_new(c->loop, c->crew);
	move_set_channel(c->move, c->channel);
	wake_set_channel(c->wake, c->channel);
	control_init_succession(c);
	return c;
}

void control_run(struct control *c)
{
	ev_run(c->loop, 0);
}

void control_free(struct control *c)
{
	struct roster_hooks hooks = control_roster_hooks(c);

	api_free(c->api);
	ev_timer_stop(c->loop, &c->tick);
	ev_timer_stop(c->loop, &c->health);
	ev_timer_stop(c->loop, &c->health_soon);
	peer_door_free(c->door);
	wake_free(c->wake);
	move_keys_free(c->keys);
	explicit_bzero(&c->setup, sizeof(c->setup));
	move_free(c->move);
	ev_timer_stop(c->loop, &c->farewell);
	succession_free(c->succession);
	keeper_link_close(&c->link);
	channel_free(c->channel);
	/* Threads first: they count on blocks and use views. */
	crew_join(c->crew);
	mailbox_free(c->mailbox);
	roster_clear(&c->roster, &hooks);
	checker_free(c->checker);
	publisher_free(c->publisher);
	crew_free(c->crew);
	order_book_free(c->orders);
	recorder_free(c->recorder);
	listen_set_forget(&c->listeners);
	conf_set_release(c->set);
	if (c->page)
		munmap(c->page, sizeof(*c->page));
	free(c);
}
