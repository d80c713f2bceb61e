#include <lb/health_fsm.h>

#include <lb/hash.h>

/* First checks are spread over this long at least, so that a start does not send all of them at the same instant. */
#define INITIAL_SPREAD LB_MSEC(50)

const char *health_state_name(enum health_state s)
{
	static const char *const names[] = {
	    [HEALTH_UNKNOWN] = "unknown", [HEALTH_UP] = "up", [HEALTH_NOT_READY] = "not-ready", [HEALTH_DOWN] = "down"};

	return names[s];
}

const char *health_result_name(enum health_result r)
{
	static const char *const names[] = {
	    [HEALTH_RESULT_OK] = "ok",		 [HEALTH_RESULT_ALIVE] = "alive",
	    [HEALTH_RESULT_WRONG] = "wrong",	 [HEALTH_RESULT_REFUSED] = "refused",
	    [HEALTH_RESULT_TIMEOUT] = "timeout", [HEALTH_RESULT_RESET] = "reset",
	    [HEALTH_RESULT_TLS] = "tls",	 [HEALTH_RESULT_UNREACHABLE] = "unreachable",
	    [HEALTH_RESULT_GARBAGE] = "garbage",
	};

	return names[r];
}

const char *health_reason_name(enum health_reason r)
{
	static const char *const names[] = {
	    [HEALTH_REASON_NONE] = "none",
	    [HEALTH_REASON_INITIAL] = "initial",
	    [HEALTH_REASON_CHECK_PASSED] = "check-passed",
	    [HEALTH_REASON_CHECK_FAILED] = "check-failed",
	    [HEALTH_REASON_NOT_EXPECTED] = "not-expected",
	    [HEALTH_REASON_CONNECT_ERRORS] = "connect-errors",
	};

	return names[r];
}

/* The only place that writes the state. */
static bool enter(struct health_fsm *h, enum health_state state, enum health_reason reason, lb_time now)
{
	if (h->state == state)
		return false;
	h->previous = h->state;
	h->state = state;
	h->reason = reason;
	h->since = now;
	return true;
}

/* An answer of any kind: the server is there, whatever it says. */
static bool is_answer(enum health_result result)
{
	return result == HEALTH_RESULT_WRONG || result == HEALTH_RESULT_GARBAGE || result == HEALTH_RESULT_TLS;
}

static bool is_success(enum health_result result)
{
	return result == HEALTH_RESULT_OK || result == HEALTH_RESULT_ALIVE;
}

/* True while results point to another state than the present one but have not yet decided it. */
static bool changing(const struct health_fsm *h)
{
	switch (h->state) {
	case HEALTH_UP:
		return h->failures > 0;
	case HEALTH_NOT_READY:
		return h->successes > 0 || (h->failures > 0 && !h->last_was_answer);
	case HEALTH_DOWN:
		return h->successes > 0 || (h->failures > 0 && h->last_was_answer);
	case HEALTH_UNKNOWN:
		break;
	}
	return true;
}

static lb_duration random_below(struct health_fsm *h, lb_duration most)
{
	return most > 0 ? (lb_duration)(lb_random_next(&h->jitter) % (uint64_t)most) : 0;
}

/*
 * The next check: 3 to 5 % before the interval is over, so that many servers do not stay in step and none is ever asked
 * later than was promised. The first checks of all came within a moment; the second ones are spread over the interval.
 */
static void schedule(struct health_fsm *h, bool first, lb_time now)
{
	lb_duration interval = changing(h) ? h->params.fast_interval : h->params.interval;

	if (h->urgent > 0 && h->urgent < interval && h->state != HEALTH_UP)
		interval = h->urgent;
	interval -= interval / 100 * 3 + random_below(h, interval / 50);
	if (first)
		interval -= random_below(h, interval - interval / 20);
	h->next_check = now + interval;
}

void health_init(struct health_fsm *h, const struct health_params *params, uint64_t seed, lb_time now)
{
	*h = (struct health_fsm){.params = *params,
				 .state = HEALTH_UNKNOWN,
				 .previous = HEALTH_UNKNOWN,
				 .reason = HEALTH_REASON_INITIAL,
				 .since = now,
				 .jitter = seed};
	h->next_check = now + random_below(h, params->initial_spread > 0 ? params->initial_spread : INITIAL_SPREAD);
	h->checked = now - params->fast_interval;
}

void health_set_params(struct health_fsm *h, const struct health_params *params, lb_time now)
{
	h->params = *params;
	h->next_check = lb_time_min(h->next_check, now + params->interval);
}

static bool on_success(struct health_fsm *h, uint16_t quorum, lb_time now)
{
	if (h->successes < UINT16_MAX)
		h->successes++;
	h->failures = 0;
	h->connect_errors = 0;
	/* The first answer of all decides; a server that was out must prove itself `rise` times, unless none is up. */
	if (h->state == HEALTH_UNKNOWN || h->successes >= quorum || h->urgent > 0)
		return enter(h, HEALTH_UP, HEALTH_REASON_CHECK_PASSED, now);
	return false;
}

static bool on_failure(struct health_fsm *h, bool answered, uint16_t quorum, lb_time now)
{
	enum health_state target = answered ? HEALTH_NOT_READY : HEALTH_DOWN;

	if (h->failures < UINT16_MAX)
		h->failures++;
	h->successes = 0;
	h->last_was_answer = answered;
	/* Silence and a wrong answer may also take turns while the server is out: the last `fall` results decide. */
	if (h->state != HEALTH_UNKNOWN && h->failures < quorum)
		return false;
	return enter(h, target, answered ? HEALTH_REASON_NOT_EXPECTED : HEALTH_REASON_CHECK_FAILED, now);
}

static bool on_result(struct health_fsm *h, enum health_result result, uint16_t rise, uint16_t fall, lb_time now)
{
	bool first = h->state == HEALTH_UNKNOWN, changed;

	if (is_success(result)) {
		h->alive_warning = result == HEALTH_RESULT_ALIVE;
		changed = on_success(h, rise, now);
	} else {
		/* A series of one kind: the other kind starts counting again only once the server is out. */
		if (h->state != HEALTH_UP && h->state != HEALTH_UNKNOWN && h->failures > 0 &&
		    h->last_was_answer != is_answer(result))
			h->failures = 0;
		h->alive_warning = false;
		changed = on_failure(h, is_answer(result), fall, now);
	}
	h->checked = now;
	schedule(h, first, now);
	return changed;
}

bool health_result(struct health_fsm *h, enum health_result result, lb_time now)
{
	return on_result(h, result, h->params.rise, h->params.fall, now);
}

bool health_told(struct health_fsm *h, enum health_result result, lb_time now)
{
	return on_result(h, result, 1, 1, now);
}

/* Ask the server itself soon, but not more often than while its state is changing. */
void health_hasten(struct health_fsm *h, lb_time now)
{
	h->next_check = lb_time_min(h->next_check, lb_time_max(now, h->checked + h->params.fast_interval));
}

bool health_connect_failed(struct health_fsm *h, lb_time now)
{
	health_hasten(h, now);
	if (h->connect_errors < UINT16_MAX)
		h->connect_errors++;
	/* What is not known yet is left to the first check, which is due. */
	if (h->state == HEALTH_UNKNOWN || h->state == HEALTH_DOWN || h->connect_errors < h->params.fall)
		return false;
	h->successes = h->failures = 0;
	h->last_was_answer = false;
	return enter(h, HEALTH_DOWN, HEALTH_REASON_CONNECT_ERRORS, now);
}

void health_set_urgent(struct health_fsm *h, lb_duration urgent, lb_time now)
{
	h->urgent = urgent;
	if (urgent > 0 && h->state != HEALTH_UP)
		h->next_check = lb_time_min(h->next_check, lb_time_max(now, h->checked + urgent));
}

void health_connect_ok(struct health_fsm *h)
{
	h->connect_errors = 0;
}

lb_time health_next_check(const struct health_fsm *h)
{
	return h->next_check;
}

lb_time health_check_beside(const struct health_fsm *h, unsigned under_way, lb_time youngest)
{
	/* What is not in use, or not known yet, can wait for its answer. */
	if ((h->state != HEALTH_UP && h->state != HEALTH_NOT_READY) || h->failures + under_way >= h->params.fall)
		return LB_TIME_NEVER;
	return youngest + lb_time_min(h->params.fast_interval, h->params.timeout / 6);
}

/* The third of three begins when a third of the first one's budget is over; the rest is for beginning late. */
bool health_counts_beside(const struct health_fsm *h, lb_duration waited)
{
	return waited >= h->params.timeout * 3 / 5;
}
