#include "daemon/proxy/control/control.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/proxy/control/api.h"
#include "daemon/proxy/control/channel.h"
#include "daemon/proxy/control/collect.h"
#include "daemon/proxy/control/listen_set.h"
#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/publish.h"
#include "daemon/proxy/control/readiness.h"
#include "daemon/proxy/control/transition.h"
#include "daemon/sys/clock.h"

#define TICK_INTERVAL	LB_MSEC(50)
#define HEALTH_INTERVAL 0.5

struct control {
	struct ev_loop *loop;
	struct crew *crew;
	struct mailbox *mailbox;
	struct channel *channel;
	struct roster roster;
	struct listen_set listeners;
	struct publisher *publisher;
	struct checker *checker;
	struct recorder *recorder;
	struct transition transition;
	struct collect_source picture;
	struct api *api;
	struct ipc_page *page;
	int admin_fd, metrics_fd; /* -1 once the API has them */
	uint32_t admin_gid;
	struct conf_set *set; /* in force */
	ev_timer tick, health, health_soon;
	lb_time ticked_at;
};

/* ---- telling the keeper ---- */

static void tell_health(struct control *c)
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
	tell_health(w->data);
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

static void on_agent_weight(void *ctx, struct server *server)
{
	struct control *c = ctx;

	transition_agent(&c->transition, server);
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
	default:
		break;
	}
	message_free(m);
}

/* ---- servers that come and go with a reload ---- */

static void on_server_added(void *ctx, struct server *server)
{
	struct control *c = ctx;

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

static struct roster_hooks hooks_of(struct control *c)
{
	return (struct roster_hooks){.added = on_server_added,
				     .kept = on_server_kept,
				     .removed = on_server_removed,
				     .server_block = on_server_block,
				     .service_block = on_service_block,
				     .ctx = c};
}

/* ---- what the keeper says ---- */

/* Nothing works without the page, a worker or the API: end, the keeper tries again. Threads may run already. */
static _Noreturn void give_up(const char *why)
{
	lb_error("proxy cannot start: %s", why);
	_exit(EXIT_FAILURE);
}

static void on_hello(void *ctx, const struct ipc_hello *hello, int page_fd, int admin_fd, int metrics_fd)
{
	struct control *c = ctx;
	uint32_t workers = hello->workers < IPC_WORKERS_MAX ? hello->workers : IPC_WORKERS_MAX;
	struct lb_err err;

	c->admin_fd = admin_fd;
	c->metrics_fd = metrics_fd;
	c->admin_gid = hello->admin_gid;
	c->page = mmap(NULL, sizeof(*c->page), PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
	close(page_fd);
	if (c->page == MAP_FAILED)
		give_up("the shared page cannot be mapped");
	if (!crew_start(c->crew, workers ? workers : 1, c->mailbox, c->page->worker_tick, &err))
		give_up(err.text);
	c->roster.workers = crew_size(c->crew);
	c->ticked_at = clock_now();
	ev_timer_start(c->loop, &c->tick);
}

static void start_api(struct control *c)
{
	struct lb_err err;

	c->api = api_new(&(struct api_params){.loop = c->loop,
					      .listen_fd = c->admin_fd,
					      .metrics_fd = c->metrics_fd,
					      .admin_gid = c->admin_gid,
					      .roster = &c->roster,
					      .recorder = c->recorder,
					      .crew = c->crew,
					      .channel = c->channel,
					      .transition = &c->transition,
					      .picture = &c->picture},
			 &err);
	c->admin_fd = c->metrics_fd = -1;
	if (!c->api)
		give_up(err.text);
}

static void on_commit(void *ctx, struct conf_set *set, struct listen_set *listeners)
{
	struct control *c = ctx;
	struct conf_set *former = c->set;
	struct roster_hooks hooks = hooks_of(c);

	c->set = conf_set_hold(set);
	checker_set_conf(c->checker, set);
	roster_apply(&c->roster, set->conf, &hooks);
	listen_set_replace(&c->listeners, listeners);
	publisher_set_conf(c->publisher, set);
	c->picture.set = set;
	lb_log_set_level((enum lb_log_level)set->conf->log_level);
	conf_set_release(former);
	if (!former) {
		ev_timer_start(c->loop, &c->health);
		start_api(c);
	}
	tell_health(c);
}

static void on_keeper_status(void *ctx, const struct lb_snapshot_keeper *keeper)
{
	struct control *c = ctx;

	c->picture.keeper = *keeper;
	c->picture.keeper_at = clock_now();
}

static void on_keeper_event(void *ctx, const struct lb_event *event)
{
	struct control *c = ctx;

	recorder_import(c->recorder, event);
}

/* An order to end the VIP's sessions and how many have ended so far. */
struct ending {
	struct control *control;
	uint32_t id, count;
};

static void on_some_ended(void *ctx, struct message *m)
{
	struct ending *e = ctx;

	e->count += m->count;
}

static void on_all_ended(void *ctx)
{
	struct ending *e = ctx;

	channel_sessions_ended(e->control->channel, e->id, e->count);
	free(e);
}

static void on_end_sessions(void *ctx, uint32_t id)
{
	struct control *c = ctx;
	struct ending *e = must(calloc(1, sizeof(*e)));

	e->control = c;
	e->id = id;
	crew_ask(c->crew, &(struct crew_question){.kind = MESSAGE_END_SESSIONS,
						  .scope = END_VIP,
						  .reason = FLOW_END_HANDOVER,
						  .on_answer = on_some_ended,
						  .on_done = on_all_ended,
						  .ctx = e});
}

static void on_all_stopped(void *ctx)
{
	struct control *c = ctx;

	ev_break(c->loop, EVBREAK_ALL);
}

static void on_stop(void *ctx)
{
	struct control *c = ctx;

	if (crew_size(c->crew) == 0)
		on_all_stopped(c);
	else
		crew_ask(c->crew, &(struct crew_question){.kind = MESSAGE_STOP,
							  .scope = END_ALL,
							  .reason = FLOW_END_SHUTDOWN,
							  .on_done = on_all_stopped,
							  .ctx = c});
}

/* Without the keeper nobody owns the VIP for us: every connection must end, and the kernel does that best. */
static void on_closed(void *ctx, const char *why)
{
	(void)ctx;
	lb_error("proxy ends: the keeper is gone (%s)", why);
	_exit(EXIT_FAILURE);
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

	c->loop = params->loop;
	c->admin_fd = c->metrics_fd = -1;
	c->mailbox = must(mailbox_new(c->loop, on_worker_message, c));
	c->crew = crew_new(&params->workers);
	c->recorder = recorder_new();
	c->checker = checker_new(&(struct checker_params){
	    .loop = c->loop, .on_transition = on_transition, .on_weight = on_agent_weight, .ctx = c});
	c->publisher = publisher_new(&(struct publisher_params){
	    .loop = c->loop, .crew = c->crew, .roster = &c->roster, .listeners = &c->listeners});
	c->transition = (struct transition){.checker = c->checker,
					    .publisher = c->publisher,
					    .recorder = c->recorder,
					    .crew = c->crew,
					    .changed = on_readiness_changed,
					    .ctx = c};
	c->picture = (struct collect_source){
	    .roster = &c->roster, .recorder = c->recorder, .crew = c->crew, .started = clock_now()};
	init_timers(c);
	c->channel = must(channel_new(c->loop, params->channel_fd,
				      &(struct channel_hooks){.hello = on_hello,
							      .commit = on_commit,
							      .keeper_status = on_keeper_status,
							      .event = on_keeper_event,
							      .end_sessions = on_end_sessions,
							      .stop = on_stop,
							      .closed = on_closed,
							      .ctx = c}));
	return c;
}

void control_run(struct control *c)
{
	ev_run(c->loop, 0);
}

void control_free(struct control *c)
{
	struct roster_hooks hooks = hooks_of(c);

	api_free(c->api);
	ev_timer_stop(c->loop, &c->tick);
	ev_timer_stop(c->loop, &c->health);
	ev_timer_stop(c->loop, &c->health_soon);
	channel_free(c->channel);
	/* Threads first: they count on blocks and use views. */
	crew_join(c->crew);
	mailbox_free(c->mailbox);
	roster_clear(&c->roster, &hooks);
	checker_free(c->checker);
	publisher_free(c->publisher);
	crew_free(c->crew);
	recorder_free(c->recorder);
	listen_set_forget(&c->listeners);
	conf_set_release(c->set);
	if (c->page)
		munmap(c->page, sizeof(*c->page));
	free(c);
}
