#include "daemon/proxy/control/checker.h"

#include <stdlib.h>
#include <string.h>

#include <lb/hash.h>
#include <lb/http_probe.h>
#include <lb/log.h>

#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/probe.h"
#include "daemon/proxy/share/wheel.h"
#include "daemon/sys/clock.h"

/* Checks that are due within so long begin together: waking up for each would cost nearly as much as the check. */
#define TICK LB_MSEC(4)

/* First checks begin within this long and a little for each server, so that thousands do not begin at once. */
#define INITIAL_SPREAD_MIN  LB_MSEC(50)
#define INITIAL_SPREAD_STEP LB_USEC(50)

/* How often a server is asked while none of its service is up; of many servers each one less often. */
#define URGENT_INTERVAL	       LB_MSEC(100)
#define URGENT_INTERVAL_SERVER LB_MSEC(10)

struct checker {
	struct checker_params params;
	struct conf_set *set;
	uint64_t generation;	    /* of the set */
	lb_duration initial_spread; /* of the first checks of this set's servers */
	struct knock_set *knocks;
	struct wheel due; /* of struct server_check */
	ev_timer tick;
	lb_time next_tick; /* NEVER: nobody is waited for */
	struct checker_stats stats;
	bool asleep;
};

/* Checks of one server that may be under way at the same time while it does not answer; the usual `fall`. */
#define QUESTIONS 3

/* One check that is under way. */
struct question {
	struct server_check *check;
	struct probe *probe;	/* NULL: none under way */
	struct conf_set *asked; /* the set that the probe points into */
};

struct server_check {
	struct checker *checker;
	struct server *server;
	struct wheel_entry due;
	struct question questions[QUESTIONS];
	lb_time youngest;	 /* when the last of them began */
	struct check_plan *plan; /* of the generation below */
	uint64_t generation;	 /* 0: the plan was not looked up yet */
};

static struct health_params params_of(const struct checker *c, const struct lb_conf_check *check)
{
	/* Half of the time that the first answers may take is left for answering. */
	lb_duration most = check->timeout / 2;

	return (struct health_params){.initial_spread = c->initial_spread < most ? c->initial_spread : most,
				      .interval = check->interval,
				      .fast_interval = check->fast_interval,
				      .rise = check->rise,
				      .fall = check->fall};
}

static void on_due(void *ctx, struct wheel_entry *e);

/* Wake up when the next check is due. */
static void arm(struct checker *c)
{
	lb_time next = wheel_next(&c->due), now = clock_now();

	if (next == c->next_tick)
		return;
	c->next_tick = next;
	ev_timer_stop(c->params.loop, &c->tick);
	if (next == LB_TIME_NEVER)
		return;
	ev_timer_set(&c->tick, next > now ? lb_duration_seconds(next - now) : 0., 0.);
	ev_timer_start(c->params.loop, &c->tick);
}

static unsigned under_way(const struct server_check *check)
{
	unsigned count = 0;

	for (size_t i = 0; i < QUESTIONS; i++)
		count += check->questions[i].probe != NULL;
	return count;
}

/* When the server is asked next: as its machine wants it, or beside the questions that it has not answered. */
static lb_time next_check(const struct server_check *check)
{
	const struct health_fsm *health = &check->server->health;
	unsigned asking = under_way(check);

	if (asking == 0)
		return health_next_check(health);
	return asking < QUESTIONS ? health_check_beside(health, asking, check->youngest) : LB_TIME_NEVER;
}

/* The next check goes to the wheel; none in maint, and none while all sleep. */
static void plan_next(struct server_check *check)
{
	struct checker *c = check->checker;

	if (check->server->admin != LB_ADMIN_MAINT && !c->asleep)
		wheel_need(&c->due, &check->due, next_check(check));
}

/* Forget what was planned before and plan anew. */
static void schedule(struct server_check *check)
{
	struct checker *c = check->checker;

	wheel_remove(&c->due, &check->due);
	/* While nobody waits the wheel stands still. */
	if (c->due.entries == 0)
		wheel_advance(&c->due, clock_now(), on_due, c);
	plan_next(check);
	arm(c);
}

static void withdraw(struct question *question)
{
	if (!question->asked)
		return;
	probe_cancel(question->probe);
	question->probe = NULL;
	conf_set_release(question->asked);
	question->asked = NULL;
}

static void stop_asking(struct server_check *check)
{
	for (size_t i = 0; i < QUESTIONS; i++)
		withdraw(&check->questions[i]);
}

/* A server came or went: where none of the service is left, every one of them is asked again soon. */
static void judge_urgency(struct service *service)
{
	lb_duration urgent = (lb_duration)service->server_count * URGENT_INTERVAL_SERVER;

	if (urgent < URGENT_INTERVAL)
		urgent = URGENT_INTERVAL;
	if (service_use(service) == SERVICE_USE_UP)
		urgent = 0;
	for (size_t i = 0; i < service->server_count; i++) {
		struct server *server = service->servers[i];

		/* One that is being added has no check yet. */
		if (!server->check || server->health.urgent == urgent)
			continue;
		health_set_urgent(&server->health, urgent, clock_now());
		schedule(server->check);
	}
}

static void tell_transition(struct server_check *check)
{
	struct checker *c = check->checker;

	check->server->since = clock_wall();
	judge_urgency(check->server->service);
	c->params.on_transition(c->params.ctx, check->server);
}

/* What people are shown of the check; the text of a warning is the same literal as long as its cause is the same. */
static bool report(struct server_check *check, const struct probe_outcome *outcome)
{
	struct server_report *r = &check->server->report;
	const struct check_plan *plan = check->plan;
	const char *former = r->warning;
	bool failed = outcome->result != HEALTH_RESULT_OK && outcome->result != HEALTH_RESULT_ALIVE;

	r->duration = outcome->duration;
	r->at = clock_wall();
	r->failures = failed ? r->failures + 1 : 0;
	memcpy(r->result, outcome->text, sizeof(r->result));
	r->warning = NULL;
	if (outcome->result == HEALTH_RESULT_ALIVE)
		r->warning = http_probe_warning(outcome->code, plan && (plan->bearer || plan->certificate_ends));
	if (outcome->certificate_ends)
		r->certificate_ends = outcome->certificate_ends;
	r->client_certificate_ends = plan ? plan->certificate_ends : 0;
	return r->warning != former;
}

static void on_probe_done(void *ctx, const struct probe_outcome *outcome)
{
	struct question *question = ctx;
	struct server_check *check = question->check;
	struct server *server = check->server;
	struct checker *c = check->checker;
	struct agent_orders former = server->agent;
	lb_time now = clock_now();
	bool warning_changed = report(check, outcome), changed;

	question->probe = NULL;
	withdraw(question);
	/* A server that answers well is asked nothing more beside: a question that got lost before is no failure now.
	 */
	if (outcome->told || server->report.failures == 0)
		stop_asking(check);
	c->stats.results[outcome->result]++;
	server->agent = outcome->orders;
	changed = outcome->told ? health_told(&server->health, outcome->result, now)
				: health_result(&server->health, outcome->result, now);
	if (changed)
		tell_transition(check);
	else if (server->agent.percent != former.percent || server->agent.maxconn != former.maxconn)
		c->params.on_orders(c->params.ctx, server);
	if (warning_changed)
		c->params.on_warning(c->params.ctx, server);
	schedule(check);
}

/* Tokens and certificates are renewed while checks go on. */
static void refresh(struct check_plan *plan, const char *service, lb_time now)
{
	struct lb_err err;

	switch (check_plan_refresh(plan, now, &err)) {
	case CHECK_PLAN_RENEWED:
		lb_notice("check files service=%s changed: read again", service);
		break;
	case CHECK_PLAN_REFUSED:
		lb_warning("check files service=%s changed: %s; the former ones stay in use", service, err.text);
		break;
	case CHECK_PLAN_SAME:
		break;
	}
}

/* The present plan of a server's check, which is searched for once in each set. */
static struct check_plan *plan_of(struct server_check *check)
{
	struct checker *c = check->checker;

	if (check->generation != c->generation) {
		check->plan = conf_set_plan(c->set, check->server->conf->check);
		check->generation = c->generation;
	}
	return check->plan;
}

/* Room for one more; next_check leaves some. */
static struct question *spare(struct server_check *check)
{
	size_t i = 0;

	while (i + 1 < QUESTIONS && check->questions[i].probe)
		i++;
	return &check->questions[i];
}

/* A check that was `due` begins. */
static void start(struct server_check *check, lb_time due, lb_time now)
{
	struct checker *c = check->checker;
	const struct server *server = check->server;
	struct question *question = spare(check);
	struct check_plan *plan = plan_of(check);
	struct lb_endpoint address = server->conf->address;
	lb_duration delay = now - due;

	if (delay > c->stats.delay_max)
		c->stats.delay_max = delay;
	refresh(plan, server->block->service, now);
	if (plan->check->port)
		address.port = plan->check->port;
	check->youngest = now;
	question->check = check;
	question->asked = conf_set_hold(c->set);
	question->probe = probe_start(&(struct probe_params){
	    .loop = c->params.loop,
	    .knocks = c->knocks,
	    .plan = plan,
	    .address = address,
	    .send_proxy = server->service->conf->send_proxy,
	    .orders = server->agent,
	    .on_done = on_probe_done,
	    .ctx = question,
	});
}

static void on_due(void *ctx, struct wheel_entry *e)
{
	struct server_check *check = lb_container_of(e, struct server_check, due);
	lb_time now = clock_now(), due = next_check(check);

	(void)ctx;
	if (due <= now)
		start(check, due, now);
	/* What lies far ahead was visited early; one that has just begun may need another beside it. */
	plan_next(check);
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
	schedule(check);
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
	stop_asking(check);
	server->agent = agent_orders_none();
	server->report.certificate_ends = server->report.client_certificate_ends = 0;
	health_set_params(&server->health, &params, clock_now());
	server->health.next_check = clock_now();
	schedule(check);
}

void checker_remove(struct checker *c, struct server *server)
{
	stop_asking(server->check);
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
			schedule(roster->services[s]->servers[i]->check);
	}
}

void checker_pause(struct checker *c, struct server *server)
{
	stop_asking(server->check);
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
		tell_transition(server->check);
	schedule(server->check);
}

void checker_connect_silent(struct checker *c, struct server *server)
{
	(void)c;
	if (server->admin == LB_ADMIN_MAINT)
		return;
	health_hasten(&server->health, clock_now());
	schedule(server->check);
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
