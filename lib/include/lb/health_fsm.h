/*
 * Health of one server as a pure machine: check results and connection failures go in, a state and the time of the
 * next check come out. Three answers: up, not-ready (answers wrongly), down (does not answer).
 */
#ifndef LB_HEALTH_FSM_H
#define LB_HEALTH_FSM_H

#include <stdbool.h>
#include <stdint.h>

#include <lb/time.h>

enum health_state { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_NOT_READY, HEALTH_DOWN };

/* Result of one check; the order of severity is ok < alive < wrong < no answer. */
enum health_result {
	HEALTH_RESULT_OK,    /* answered as expected */
	HEALTH_RESULT_ALIVE, /* answered with a code of `alive`: counts as up, with a warning */
	HEALTH_RESULT_WRONG, /* answered, but not as expected */
	HEALTH_RESULT_REFUSED,
	HEALTH_RESULT_TIMEOUT,
	HEALTH_RESULT_RESET, /* closed or reset before an answer */
	HEALTH_RESULT_TLS,   /* handshake or certificate failed */
	HEALTH_RESULT_UNREACHABLE,
	HEALTH_RESULT_GARBAGE, /* not HTTP */
	HEALTH_RESULT_COUNT_,
};

enum health_reason {
	HEALTH_REASON_NONE,
	HEALTH_REASON_INITIAL,
	HEALTH_REASON_CHECK_PASSED,
	HEALTH_REASON_CHECK_FAILED,
	HEALTH_REASON_NOT_EXPECTED,   /* answers, but not as expected */
	HEALTH_REASON_CONNECT_ERRORS, /* the data path could not connect */
	HEALTH_REASON_COUNT_,
};

const char *health_state_name(enum health_state s);   /* "unknown", "up", "not-ready", "down" */
const char *health_result_name(enum health_result r); /* kebab-case */
const char *health_reason_name(enum health_reason r);

struct health_params {
	lb_duration interval, fast_interval;
	lb_duration timeout;	    /* the budget of one check */
	lb_duration initial_spread; /* the first check is due within it; 0: 50 ms */
	uint16_t rise, fall;
};

struct health_fsm {
	struct health_params params;
	enum health_state state, previous;
	enum health_reason reason;
	lb_time since;
	uint16_t successes, failures; /* consecutive */
	bool last_was_answer;	      /* the last failure was an answer (WRONG), not silence */
	uint16_t connect_errors;      /* consecutive failures of the data path since the last good check */
	lb_time next_check, checked;  /* due; when the last one ended */
	lb_duration urgent;	      /* no server of the service is up: the interval then; 0: some is */
	bool alive_warning;	      /* the last result was ALIVE */
	uint64_t jitter;	      /* generator state; seeds the spread of checks */
};

/* start: the first check is due within params->initial_spread, where by seed. */
void health_init(struct health_fsm *h, const struct health_params *params, uint64_t seed, lb_time now);
/* New params of a reload; state is kept. */
void health_set_params(struct health_fsm *h, const struct health_params *params, lb_time now);

/*
 * A check ended. Returns true when the state changed. The first result after start decides at once (one success is
 * up, one failure is not-ready/down); later `rise` successes or `fall` failures in a row. A failure series is down
 * when its last result was silence, not-ready when it was an answer.
 */
bool health_result(struct health_fsm *h, enum health_result result, lb_time now);

/*
 * The same for an answer that is an order and no observation (an agent's word): it decides at once, whatever `rise` and
 * `fall` say.
 */
bool health_told(struct health_fsm *h, enum health_result result, lb_time now);

/*
 * The data path failed to connect (refused or timed out). Moves the next check to now (rate-limited by
 * fast_interval); `fall` in a row without a good check in between count as down. Returns true when state changed.
 */
bool health_connect_failed(struct health_fsm *h, lb_time now);
/*
 * The data path had to turn to another server while this one was silent. That is no failure yet: the next check comes
 * sooner, as after a connection that failed.
 */
void health_hasten(struct health_fsm *h, lb_time now);
/*
 * No server of the service is up (`urgent` > 0), or some is again (0). While none is, checks are at most that far
 * apart, and one good one brings the server back: whoever answers is better than nobody.
 */
void health_set_urgent(struct health_fsm *h, lb_duration urgent, lb_time now);
/* The data path connected: consecutive connection failures are forgotten. */
void health_connect_ok(struct health_fsm *h);

/* When the next check is due; the pause before it is up to 5 % shorter than the interval, never longer. */
lb_time health_next_check(const struct health_fsm *h);

/*
 * When another check is due beside those that are under way without an answer, so that a server that has fallen silent
 * is known when the first of them has had its whole budget, not after a budget for each. under_way: how many (at least
 * one); youngest: when the last of them began. LB_TIME_NEVER: their results are enough to decide.
 */
lb_time health_check_beside(const struct health_fsm *h, unsigned under_way, lb_time youngest);
/*
 * A check has had its whole budget without an answer: does one that was asked beside it and has waited for so long
 * count as unanswered, too? Where each began when it was due, all do.
 */
bool health_counts_beside(const struct health_fsm *h, lb_duration waited);

#endif
