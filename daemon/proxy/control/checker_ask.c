#include <string.h>

#include <lb/http_probe.h>
#include <lb/log.h>

#include "daemon/proxy/control/checker_state.h"
#include "daemon/sys/clock.h"

static unsigned under_way(const struct server_check *check)
{
	unsigned count = 0;

	for (size_t i = 0; i < QUESTIONS; i++)
		count += check->questions[i].probe != NULL;
	return count;
}

/* Of the questions that are under way those over a connection made for them: silence on another one proves nothing. */
static unsigned under_way_anew(const struct server_check *check)
{
	unsigned count = 0;

	for (size_t i = 0; i < QUESTIONS; i++)
		count += check->questions[i].probe != NULL && !check->questions[i].kept;
	return count;
}

lb_time checker_ask_next(const struct server_check *check)
{
	const struct health_fsm *health = &check->server->health;
	unsigned asking = under_way(check);

	if (asking == 0)
		return health_next_check(health);
	if (asking >= QUESTIONS)
		return LB_TIME_NEVER;
	return health_check_beside(health, under_way_anew(check), check->youngest);
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

/* The open connection is taken from the check; NULL: there is none. */
static struct probe *take_resting(struct server_check *check)
{
	struct probe *probe = check->resting;

	check->checker->resting -= probe != NULL;
	check->resting = NULL;
	return probe;
}

static void close_resting(struct server_check *check)
{
	probe_cancel(take_resting(check));
}

void checker_ask_stop(struct server_check *check)
{
	stop_asking(check);
	close_resting(check);
}

/* Nothing hints at a change, so a question over a connection that is open already tells enough. */
static bool is_calm(const struct server_check *check)
{
	const struct health_fsm *health = &check->server->health;

	return health->state == HEALTH_UP && health->failures == 0;
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

/* A server that closes a connection which it used to keep may have died: look at it at once. */
static void on_resting_closed(void *ctx, bool proven)
{
	struct server_check *check = ctx;

	/* The probe is gone by now. */
	take_resting(check);
	if (!proven || check->server->admin == LB_ADMIN_MAINT)
		return;
	health_hasten(&check->server->health, clock_now());
	checker_schedule(check);
}

/* Leave the connection open for the next question, where one is wanted and there is room for it. */
static void rest(struct server_check *check, struct probe *open)
{
	struct checker *c = check->checker;

	if (check->resting || !is_calm(check) || c->resting >= c->resting_max) {
		probe_cancel(open);
		return;
	}
	check->resting = open;
	c->resting++;
	probe_rest(open, on_resting_closed, check);
}

/* A question has had its whole budget in vain: those beside it that have waited long enough have failed, too. */
static unsigned give_up_beside(struct server_check *check, lb_time now)
{
	unsigned count = 0;

	for (size_t i = 0; i < QUESTIONS; i++) {
		struct question *q = &check->questions[i];

		if (!q->probe || !health_counts_beside(&check->server->health, now - q->began))
			continue;
		withdraw(q);
		count++;
	}
	return count;
}

/* What the machine makes of an outcome that came so many times; true when the state changed. */
static bool judge(struct server_check *check, const struct probe_outcome *outcome, unsigned times, lb_time now)
{
	struct health_fsm *health = &check->server->health;
	bool changed = false;

	for (unsigned i = 0; i < times; i++) {
		check->checker->stats.results[outcome->result]++;
		changed |= outcome->told ? health_told(health, outcome->result, now)
					 : health_result(health, outcome->result, now);
	}
	check->server->report.failures += check->server->report.failures > 0 ? times - 1 : 0;
	return changed;
}

static void on_probe_done(void *ctx, const struct probe_outcome *outcome)
{
	struct question *question = ctx;
	struct server_check *check = question->check;
	struct server *server = check->server;
	struct checker *c = check->checker;
	struct agent_orders former = server->agent;
	lb_time now = clock_now();
	bool warning_changed, changed;
	unsigned times = 1;

	question->probe = NULL;
	withdraw(question);
	if (outcome->result == HEALTH_RESULT_TIMEOUT)
		times += give_up_beside(check, now);
	/* Silence on an old connection alone is no word about the server: it is asked over a new one. */
	if (outcome->result == HEALTH_RESULT_TIMEOUT && question->kept && times == 1) {
		checker_schedule(check);
		return;
	}
	warning_changed = report(check, outcome);
	/* A server that answers well is asked nothing more beside: a question that got lost before is no failure now.
	 */
	if (outcome->told || server->report.failures == 0)
		stop_asking(check);
	server->agent = outcome->orders;
	changed = judge(check, outcome, times, now);
	if (outcome->open)
		rest(check, outcome->open);
	if (!is_calm(check))
		close_resting(check);
	if (changed)
		checker_tell_transition(check);
	else if (server->agent.percent != former.percent || server->agent.maxconn != former.maxconn)
		c->params.on_orders(c->params.ctx, server);
	if (warning_changed)
		c->params.on_warning(c->params.ctx, server);
	checker_schedule(check);
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

/* May this question leave its connection open? Not one beside others, and not while the state is changing. */
static bool may_keep(const struct server_check *check)
{
	bool asked_calmly = is_calm(check) || check->server->health.state == HEALTH_UNKNOWN;

	return asked_calmly && under_way(check) == 0 && check->checker->resting < check->checker->resting_max;
}

/* Ask over the connection that is open from the last time, where that will do, otherwise over a new one. */
static void ask(struct server_check *check, struct question *question, const struct probe_params *params)
{
	struct probe *open = take_resting(check);

	question->kept = open && probe_again(open, params);
	if (question->kept) {
		question->probe = open;
		return;
	}
	probe_cancel(open);
	question->probe = probe_start(params);
}

void checker_ask(struct server_check *check, lb_time due, lb_time now)
{
	struct checker *c = check->checker;
	const struct server *server = check->server;
	struct question *question = spare(check);
	struct check_plan *plan = plan_of(check);
	struct probe_params params = {
	    .loop = c->params.loop,
	    .knocks = c->knocks,
	    .plan = plan,
	    .address = server->conf->address,
	    .send_proxy = server->service->conf->send_proxy,
	    .orders = server->agent,
	    .on_done = on_probe_done,
	    .ctx = question,
	};
	lb_duration delay = now - due;

	if (delay > c->stats.delay_max)
		c->stats.delay_max = delay;
	refresh(plan, server->block->service, now);
	if (plan->check->port)
		params.address.port = plan->check->port;
	check->youngest = question->began = now;
	question->check = check;
	question->asked = conf_set_hold(c->set);
	/* The one it rests on makes room for itself. */
	c->resting -= check->resting != NULL;
	params.keep = may_keep(check);
	c->resting += check->resting != NULL;
	ask(check, question, &params);
}
