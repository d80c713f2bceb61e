#include "daemon/proxy/control/checker.h"

#include <stdlib.h>
#include <string.h>

#include <lb/hash.h>
#include <lb/http_probe.h>
#include <lb/log.h>

#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/probe.h"
#include "daemon/sys/clock.h"

/* First checks begin within this long and a little for each server, so that thousands do not begin at once. */
#define INITIAL_SPREAD_MIN  LB_MSEC(50)
#define INITIAL_SPREAD_STEP LB_USEC(50)

/* How often a server is asked while none of its service is up; of many servers each one less often. */
#define URGENT_INTERVAL	       LB_MSEC(100)
#define URGENT_INTERVAL_SERVER LB_MSEC(10)

struct checker {
	struct checker_params params;
	struct conf_set *set;
	lb_duration initial_spread; /* of the first checks of this set's servers */
	struct checker_stats stats;
	bool asleep;
};

struct server_check {
	struct checker *checker;
	struct server *server;
	ev_timer due;
	struct probe *probe;	/* NULL: none under way */
	struct conf_set *asked; /* the set that the probe points into */
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

/* Arm the timer for the machine's next due time; never while a check is under way or in maint. */
static void schedule(struct server_check *check)
{
	struct ev_loop *loop = check->checker->params.loop;
	lb_duration wait = health_next_check(&check->server->health) - clock_now();

	ev_timer_stop(loop, &check->due);
	if (check->probe || check->server->admin == LB_ADMIN_MAINT || check->checker->asleep)
		return;
	ev_timer_set(&check->due, wait > 0 ? lb_duration_seconds(wait) : 0., 0.);
	ev_timer_start(loop, &check->due);
}

static void stop_probe(struct server_check *check)
{
	probe_cancel(check->probe);
	check->probe = NULL;
	conf_set_release(check->asked);
	check->asked = NULL;
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
	const struct check_plan *plan = conf_set_plan(check->asked, check->server->conf->check);
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
	struct server_check *check = ctx;
	struct server *server = check->server;
	struct checker *c = check->checker;
	struct agent_orders former = server->agent;
	lb_time now = clock_now();
	bool warning_changed = report(check, outcome), changed;

	check->probe = NULL;
	stop_probe(check);
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

static void on_due(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct server_check *check = w->data;
	struct checker *c = check->checker;
	const struct server *server = check->server;
	struct check_plan *plan = conf_set_plan(c->set, server->conf->check);
	struct lb_endpoint address = server->conf->address;
	lb_time now = clock_now();
	lb_duration delay = now - health_next_check(&server->health);

	(void)revents;
	if (delay > c->stats.delay_max)
		c->stats.delay_max = delay;
	refresh(plan, server->block->service, now);
	if (plan->check->port)
		address.port = plan->check->port;
	check->asked = conf_set_hold(c->set);
	check->probe = probe_start(&(struct probe_params){
	    .loop = loop,
	    .plan = plan,
	    .address = address,
	    .send_proxy = server->service->conf->send_proxy,
	    .orders = server->agent,
	    .on_done = on_probe_done,
	    .ctx = check,
	});
}

struct checker *checker_new(const struct checker_params *params)
{
	struct checker *c = must(calloc(1, sizeof(*c)));

	c->params = *params;
	return c;
}

void checker_set_conf(struct checker *c, struct conf_set *set)
{
	conf_set_hold(set);
	conf_set_release(c->set);
	c->set = set;
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
	ev_timer_init(&check->due, on_due, 0., 0.);
	check->due.data = check;
	server->check = check;
	begin(check);
}

void checker_keep(struct checker *c, struct server *server, bool changed)
{
	struct server_check *check = server->check;
	struct health_params params = params_of(c, server->conf->check);

	if (!changed)
		return;
	stop_probe(check);
	server->agent = agent_orders_none();
	server->report.certificate_ends = server->report.client_certificate_ends = 0;
	health_set_params(&server->health, &params, clock_now());
	server->health.next_check = clock_now();
	schedule(check);
}

void checker_remove(struct checker *c, struct server *server)
{
	stop_probe(server->check);
	ev_timer_stop(c->params.loop, &server->check->due);
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
	stop_probe(server->check);
	ev_timer_stop(c->params.loop, &server->check->due);
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
	conf_set_release(c->set);
	free(c);
}
