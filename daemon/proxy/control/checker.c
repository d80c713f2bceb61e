#include <stdlib.h>
#include <string.h>

#include <lb/hash.h>

#include "daemon/proxy/control/checker_state.h"
#include "daemon/proxy/control/must.h"
#include "daemon/proxy/share/capacity.h"
#include "daemon/sys/clock.h"

/*
 * Checks that are due within so long begin together: waking up for each would cost nearly as much as the check. With
 * this tick the default interval fits the wheel, so that each is visited once.
 */
#define TICK LB_MSEC(8)

/* Behind so many checks of a turn their answers are taken, so that few sockets, still in the cache, do for thousands.
 */
#define ANSWERS_EVERY 16

/* First checks begin within this long and a little for each server, so that thousands do not begin at once. */
#define INITIAL_SPREAD_MIN  LB_MSEC(50)
#define INITIAL_SPREAD_STEP LB_USEC(100)

/* How often a server is asked while none of its service is up; of many servers each one less often. */
#define URGENT_INTERVAL	       LB_MSEC(100)
#define URGENT_INTERVAL_SERVER LB_MSEC(10)

static struct health_params params_of(const struct checker *c, const struct lb_conf_check *check)
{
	/* A third of the time that the first answers may take is left for answering. */
	lb_duration most = check->timeout / 3 * 2;

	return (struct health_params){.initial_spread = c->initial_spread < most ? c->initial_spread : most,
				      .interval = check->interval,
				      .fast_interval = check->fast_interval,
				      .timeout = check->timeout,
				      .rise = check->rise,
				      .fall = check->fall};
}

static void on_due(void *ctx, struct wheel_entry *e);

/* Wake up when the next check is due. */
static void arm(struct checker *c)
{
	lb_time next = wheel_next(&c->due), now;

	if (next == c->next_tick)
		return;
	c->next_tick = next;
	ev_timer_stop(c->params.loop, &c->tick);
	if (next == LB_TIME_NEVER)
		return;
	now = clock_now();
	ev_timer_set(&c->tick, next > now ? lb_duration_seconds(next - now) : 0., 0.);
	ev_timer_start(c->params.loop, &c->tick);
}

/* The next check goes to the wheel; none in maint, and none while all sleep. */
static void plan_next(struct server_check *check)
{
	struct checker *c = check->checker;

	if (check->server->admin != LB_ADMIN_MAINT && !c->asleep)
		wheel_need(&c->due, &check->due, checker_ask_next(check));
}

/* Forget what was planned before and plan anew. */
void checker_schedule(struct server_check *check)
{
	struct checker *c = check->checker;

	wheel_remove(&c->due, &check->due);
	/* While nobody waits the wheel stands still. */
	if (c->due.entries == 0)
		wheel_advance(&c->due, clock_now(), on_due, c);
	plan_next(check);
	arm(c);
}

/* A server came or went: where none of the service is left, every one of them is asked again soon. */
static void judge_urgency(struct service *service)
{
	lb_duration urgent = (lb_duration)service->server_count * URGENT_INTERVAL_SERVER;

	if (urgent < URGENT_INTERVAL)
		urgent = URGENT_INTERVAL;
	if (service_use(service) == SERVICE_USE_UP)
		urgent = 0;
	if (service->urgency_told && service->urgency == urgent)
		return;
	service->urgency = urgent;
	service->urgency_told = true;
	for (size_t i = 0; i < service->server_count; i++) {
		struct server *server = service->servers[i];

		/* One that is being added has no check yet. */
		if (!server->check || server->health.urgent == urgent)
			continue;
		health_set_urgent(&server->health, urgent, clock_now());
		checker_schedule(server->check);
	}
}

void checker_tell_transition(struct server_check *check)
{
	struct checker *c = check->checker;

	check->server->since = clock_wall();
	judge_urgency(check->server->service);
	c->params.on_transition(c->params.ctx, check->server);
}

static void on_due(void *ctx, struct wheel_entry *e)
{
	struct server_check *check = lb_container_of(e, struct server_check, due);
	struct checker *c = ctx;
	lb_time now = clock_now(), due = checker_ask_next(check);

	if (due <= now)
		checker_ask(check, due, now);
	/* What lies far ahead was visited early; one that has just begun may need another beside it. */
	plan_next(check);
	if (++c->visits % ANSWERS_EVERY == 0)
		knock_set_hear(c->knocks);
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct checker *c = w->data;

	(void)loop;
	(void)revents;
	c->next_tick = LB_TIME_NEVER;
	wheel_advance(&c->due, clock_now(), on_due, c);
	arm(c);
}

struct checker *checker_new(const struct checker_params *params)
{
	struct checker *c = must(calloc(1, sizeof(*c)));

	c->params = *params;
	c->knocks = must(knock_set_new(params->loop));
	wheel_init(&c->due, TICK, clock_now());
	ev_timer_init(&c->tick, on_tick, 0., 0.);
	c->tick.data = c;
	c->next_tick = LB_TIME_NEVER;
	return c;
}

void checker_set_conf(struct checker *c, struct conf_set *set)
{
	c->resting_max = capacity_resting(set->conf);
	conf_set_hold(set);
	conf_set_release(c->set);
	c->set = set;
	c->generation++;
	c->initial_spread = INITIAL_SPREAD_MIN;
	for (size_t i = 0; i < set->conf->service_count; i++)
		c->initial_spread += (lb_duration)set->conf->services[i].server_count * INITIAL_SPREAD_STEP;
}

/* Spread by name and process start, so that nodes and servers do not check in step. */
static uint64_t seed_of(const struct server *server)
{
	const struct server_block *b = server->block;
	uint64_t seed = lb_hash_mix((uint64_t)clock_now(), lb_hash(b->service, strlen(b->service)));

	return lb_hash_mix(seed, lb_hash(b->name, strlen(b->name)));
}

static void begin(struct server_check *check)
{
	struct health_params params = params_of(check->checker, check->server->conf->check);

	health_init(&check->server->health, &params, seed_of(check->server), clock_now());
	check->server->since = clock_wall();
	check->server->report.failures = 0;
	check->server->service->urgency_told = false;
	checker_schedule(check);
}

void checker_add(struct checker *c, struct server *server)
{
	struct server_check *check = must(calloc(1, sizeof(*check)));

	check->checker = c;
	check->server = server;
	wheel_entry_init(&check->due);
	server->check = check;
	begin(check);
}

void checker_keep(struct checker *c, struct server *server, bool changed)
{
	struct server_check *check = server->check;
	struct health_params params = params_of(c, server->conf->check);

	if (!changed)
		return;
	checker_ask_stop(check);
	server->agent = agent_orders_none();
	server->report.certificate_ends = server->report.client_certificate_ends = 0;
	health_set_params(&server->health, &params, clock_now());
	server->health.next_check = clock_now();
	checker_schedule(check);
}

void checker_remove(struct checker *c, struct server *server)
{
	checker_ask_stop(server->check);
	wheel_remove(&c->due, &server->check->due);
	free(server->check);
	server->check = NULL;
}

void checker_sleep(struct checker *c)
{
	c->asleep = true;
}

void checker_wake(struct checker *c, const struct roster *roster)
{
	c->asleep = false;
	for (size_t s = 0; s < roster->service_count; s++) {
		judge_urgency(roster->services[s]);
		for (size_t i = 0; i < roster->services[s]->server_count; i++)
			checker_schedule(roster->services[s]->servers[i]->check);
	}
}

void checker_pause(struct checker *c, struct server *server)
{
	checker_ask_stop(server->check);
	wheel_remove(&c->due, &server->check->due);
}

void checker_resume(struct checker *c, struct server *server)
{
	(void)c;
	server->returning = true;
	begin(server->check);
}

void checker_connect_failed(struct checker *c, struct server *server)
{
	(void)c;
	if (server->admin == LB_ADMIN_MAINT)
		return;
	if (health_connect_failed(&server->health, clock_now()))
		checker_tell_transition(server->check);
	checker_schedule(server->check);
}

void checker_connect_silent(struct checker *c, struct server *server)
{
	(void)c;
	if (server->admin == LB_ADMIN_MAINT)
		return;
	health_hasten(&server->health, clock_now());
	checker_schedule(server->check);
}

void checker_connect_ok(struct checker *c, struct server *server)
{
	(void)c;
	health_connect_ok(&server->health);
}

const struct checker_stats *checker_stats(const struct checker *c)
{
	return &c->stats;
}

void checker_forget_delay(struct checker *c)
{
	c->stats.delay_max = 0;
}

void checker_free(struct checker *c)
{
	if (!c)
		return;
	ev_timer_stop(c->params.loop, &c->tick);
	knock_set_free(c->knocks);
	conf_set_release(c->set);
	free(c);
}
