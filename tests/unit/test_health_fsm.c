/* Health of a server told as stories: which results, how often, and what the checker is to do next. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/health_fsm.h>

#define START LB_SEC(1000)

static const struct health_params params = {
    .interval = LB_SEC(2), .fast_interval = LB_MSEC(500), .timeout = LB_MSEC(1500), .rise = 2, .fall = 3};

/* A server since START; now moves on with each result. */
static struct health_fsm server;
static lb_time now;

static void setup(void)
{
	now = START;
	health_init(&server, &params, 7, now);
}

/* The check that is due ends with this result. */
static bool ends(enum health_result result)
{
	now = health_next_check(&server);
	return health_result(&server, result, now);
}

/* The next check comes after about this long, up to 5 % earlier and never later. */
static void expect_wait(lb_duration wanted)
{
	lb_duration wait = health_next_check(&server) - now;

	ck_assert_int_ge(wait, wanted - wanted / 20);
	ck_assert_int_le(wait, wanted - wanted / 100 * 3);
}

static void expect_state(enum health_state state, enum health_state previous, enum health_reason reason)
{
	ck_assert_str_eq(health_state_name(server.state), health_state_name(state));
	ck_assert_str_eq(health_state_name(server.previous), health_state_name(previous));
	ck_assert_str_eq(health_reason_name(server.reason), health_reason_name(reason));
}

/* Bring the server up; its next check is a normal interval away. */
static void come_up(void)
{
	ck_assert(ends(HEALTH_RESULT_OK));
	ck_assert(!ends(HEALTH_RESULT_OK));
	ck_assert_int_eq(server.state, HEALTH_UP);
}

/* What each result makes of a server of which nothing is known. */
static const struct {
	enum health_result result;
	enum health_state state;
	enum health_reason reason;
} first_results[] = {
    {HEALTH_RESULT_OK,	       HEALTH_UP,	  HEALTH_REASON_CHECK_PASSED},
    {HEALTH_RESULT_ALIVE,	  HEALTH_UP,	     HEALTH_REASON_CHECK_PASSED},
    {HEALTH_RESULT_WRONG,	  HEALTH_NOT_READY, HEALTH_REASON_NOT_EXPECTED},
    {HEALTH_RESULT_GARBAGE,	    HEALTH_NOT_READY, HEALTH_REASON_NOT_EXPECTED},
    {HEALTH_RESULT_TLS,		HEALTH_NOT_READY, HEALTH_REASON_NOT_EXPECTED},
    {HEALTH_RESULT_REFUSED,	    HEALTH_DOWN,	 HEALTH_REASON_CHECK_FAILED},
    {HEALTH_RESULT_TIMEOUT,	    HEALTH_DOWN,	 HEALTH_REASON_CHECK_FAILED},
    {HEALTH_RESULT_RESET,	  HEALTH_DOWN,      HEALTH_REASON_CHECK_FAILED},
    {HEALTH_RESULT_UNREACHABLE, HEALTH_DOWN,	     HEALTH_REASON_CHECK_FAILED},
};

START_TEST(the_first_result_decides_at_once)
{
	ck_assert_int_eq(sizeof(first_results) / sizeof(first_results[0]), HEALTH_RESULT_COUNT_);
	ck_assert(ends(first_results[_i].result));
	expect_state(first_results[_i].state, HEALTH_UNKNOWN, first_results[_i].reason);
	ck_assert_int_eq(server.since, now);
	ck_assert_int_eq(server.alive_warning, first_results[_i].result == HEALTH_RESULT_ALIVE);
	ends(first_results[_i].result);
	expect_wait(params.interval);
}
END_TEST

START_TEST(fall_failures_take_it_down_with_fast_checks_in_between)
{
	come_up();
	expect_wait(params.interval);
	ck_assert(!ends(HEALTH_RESULT_TIMEOUT));
	expect_wait(params.fast_interval);
	ck_assert(!ends(HEALTH_RESULT_REFUSED));
	expect_wait(params.fast_interval);
	ck_assert(ends(HEALTH_RESULT_TIMEOUT));
	expect_state(HEALTH_DOWN, HEALTH_UP, HEALTH_REASON_CHECK_FAILED);
	ck_assert_int_eq(server.since, now);
	expect_wait(params.interval);
	ck_assert(!ends(HEALTH_RESULT_TIMEOUT));
	expect_wait(params.interval);
}
END_TEST

START_TEST(silence_is_met_with_further_checks_until_fall_can_be_reached)
{
	come_up();
	/* Three that fail decide: two more may begin beside the first, each a pause after the one before. */
	ck_assert_int_eq(health_check_beside(&server, 1, now), now + params.timeout / 6);
	ck_assert_int_eq(health_check_beside(&server, 2, now + 7), now + 7 + params.timeout / 6);
	ck_assert_int_eq(health_check_beside(&server, 3, now), LB_TIME_NEVER);
	/* When the budget of the first one ends both have waited long enough, even where each began 50 ms late. */
	ck_assert(health_counts_beside(&server, params.timeout - params.timeout * 2 / 6 - LB_MSEC(100)));
	ck_assert(!health_counts_beside(&server, params.timeout / 2));
	/* What has failed already counts. */
	ends(HEALTH_RESULT_TIMEOUT);
	ck_assert_int_eq(health_check_beside(&server, 1, now), now + params.timeout / 6);
	ck_assert_int_eq(health_check_beside(&server, 2, now), LB_TIME_NEVER);
	ends(HEALTH_RESULT_TIMEOUT);
	ck_assert_int_eq(health_check_beside(&server, 1, now), LB_TIME_NEVER);
	/* Who is down has time; so has who was never asked. */
	ends(HEALTH_RESULT_TIMEOUT);
	ck_assert_int_eq(server.state, HEALTH_DOWN);
	ends(HEALTH_RESULT_OK);
	ck_assert_int_eq(health_check_beside(&server, 1, now), LB_TIME_NEVER);
	setup();
	ck_assert_int_eq(health_check_beside(&server, 1, now), LB_TIME_NEVER);
}
END_TEST

START_TEST(rise_successes_bring_it_back)
{
	ends(HEALTH_RESULT_REFUSED);
	ck_assert(!ends(HEALTH_RESULT_OK));
	expect_wait(params.fast_interval);
	ck_assert(!ends(HEALTH_RESULT_REFUSED));
	expect_wait(params.interval);
	ck_assert(!ends(HEALTH_RESULT_OK));
	ck_assert(ends(HEALTH_RESULT_ALIVE));
	expect_state(HEALTH_UP, HEALTH_DOWN, HEALTH_REASON_CHECK_PASSED);
	ck_assert(server.alive_warning);
	expect_wait(params.interval);
	ck_assert(!ends(HEALTH_RESULT_OK));
	ck_assert(!server.alive_warning);
}
END_TEST

START_TEST(single_failures_never_add_up)
{
	come_up();
	for (int i = 0; i < 20; i++) {
		ck_assert(!ends(HEALTH_RESULT_TIMEOUT));
		ck_assert(!ends(HEALTH_RESULT_TIMEOUT));
		ck_assert(!ends(HEALTH_RESULT_OK));
		expect_wait(params.interval);
	}
	ck_assert_int_eq(server.state, HEALTH_UP);
}
END_TEST

/* The last of the series tells what kind of trouble it is. */
START_TEST(a_series_that_ends_with_an_answer_is_not_ready)
{
	come_up();
	ends(HEALTH_RESULT_TIMEOUT);
	ends(HEALTH_RESULT_TIMEOUT);
	ck_assert(ends(HEALTH_RESULT_WRONG));
	expect_state(HEALTH_NOT_READY, HEALTH_UP, HEALTH_REASON_NOT_EXPECTED);
}
END_TEST

START_TEST(a_series_that_ends_in_silence_is_down)
{
	come_up();
	ends(HEALTH_RESULT_WRONG);
	ends(HEALTH_RESULT_WRONG);
	ck_assert(ends(HEALTH_RESULT_RESET));
	expect_state(HEALTH_DOWN, HEALTH_UP, HEALTH_REASON_CHECK_FAILED);
}
END_TEST

/* not-ready keeps its sessions, down loses them: going on to down takes `fall` silences again, checked fast. */
START_TEST(an_order_decides_at_once)
{
	come_up();
	ck_assert(health_told(&server, HEALTH_RESULT_WRONG, now));
	expect_state(HEALTH_NOT_READY, HEALTH_UP, HEALTH_REASON_NOT_EXPECTED);
	ck_assert(health_told(&server, HEALTH_RESULT_REFUSED, now));
	expect_state(HEALTH_DOWN, HEALTH_NOT_READY, HEALTH_REASON_CHECK_FAILED);
	ck_assert(!health_told(&server, HEALTH_RESULT_REFUSED, now));
	ck_assert(health_told(&server, HEALTH_RESULT_OK, now));
	expect_state(HEALTH_UP, HEALTH_DOWN, HEALTH_REASON_CHECK_PASSED);
	/* Nothing of it counts towards what is observed afterwards. */
	ck_assert(!ends(HEALTH_RESULT_TIMEOUT));
}
END_TEST

START_TEST(not_ready_becomes_down_only_after_fall_silences)
{
	ends(HEALTH_RESULT_WRONG);
	for (int i = 0; i < 5; i++)
		ck_assert(!ends(HEALTH_RESULT_WRONG));
	expect_wait(params.interval);
	ck_assert(!ends(HEALTH_RESULT_REFUSED));
	expect_wait(params.fast_interval);
	ck_assert(!ends(HEALTH_RESULT_REFUSED));
	ck_assert(ends(HEALTH_RESULT_REFUSED));
	expect_state(HEALTH_DOWN, HEALTH_NOT_READY, HEALTH_REASON_CHECK_FAILED);
	expect_wait(params.interval);
}
END_TEST

START_TEST(down_becomes_not_ready_when_it_answers)
{
	ends(HEALTH_RESULT_REFUSED);
	ck_assert(!ends(HEALTH_RESULT_WRONG));
	expect_wait(params.fast_interval);
	ck_assert(!ends(HEALTH_RESULT_WRONG));
	ck_assert(ends(HEALTH_RESULT_WRONG));
	expect_state(HEALTH_NOT_READY, HEALTH_DOWN, HEALTH_REASON_NOT_EXPECTED);
}
END_TEST

START_TEST(the_data_path_takes_it_down_after_fall_failures)
{
	come_up();
	now += LB_MSEC(600);
	ck_assert(!health_connect_failed(&server, now));
	ck_assert(!health_connect_failed(&server, now));
	ck_assert(health_connect_failed(&server, now));
	expect_state(HEALTH_DOWN, HEALTH_UP, HEALTH_REASON_CONNECT_ERRORS);
	ck_assert_int_eq(server.since, now);
	ck_assert(!health_connect_failed(&server, now));
	/* Only checks bring it back, `rise` of them. */
	ck_assert(!ends(HEALTH_RESULT_OK));
	ck_assert(ends(HEALTH_RESULT_OK));
	expect_state(HEALTH_UP, HEALTH_DOWN, HEALTH_REASON_CHECK_PASSED);
}
END_TEST

START_TEST(connect_failures_must_be_in_a_row)
{
	come_up();
	for (int i = 0; i < 10; i++) {
		ck_assert(!health_connect_failed(&server, now));
		ck_assert(!health_connect_failed(&server, now));
		if (i % 2)
			health_connect_ok(&server);
		else
			ends(HEALTH_RESULT_OK);
	}
	ck_assert_int_eq(server.state, HEALTH_UP);
}
END_TEST

START_TEST(a_not_ready_server_that_refuses_connections_is_down)
{
	ends(HEALTH_RESULT_WRONG);
	health_connect_failed(&server, now);
	health_connect_failed(&server, now);
	ck_assert(health_connect_failed(&server, now));
	expect_state(HEALTH_DOWN, HEALTH_NOT_READY, HEALTH_REASON_CONNECT_ERRORS);
}
END_TEST

START_TEST(connect_failures_do_not_decide_before_the_first_check)
{
	for (int i = 0; i < 10; i++)
		ck_assert(!health_connect_failed(&server, START));
	ck_assert_int_eq(server.state, HEALTH_UNKNOWN);
	ck_assert_int_eq(health_next_check(&server), START);
	ck_assert(ends(HEALTH_RESULT_OK));
}
END_TEST

/* A failed connection asks the server itself at once, however often it happens at most each fast_interval. */
START_TEST(a_connect_failure_hastens_the_next_check)
{
	lb_time checked;

	come_up();
	checked = now;
	health_connect_failed(&server, checked + LB_MSEC(900));
	ck_assert_int_eq(health_next_check(&server), checked + LB_MSEC(900));

	for (int i = 0; i < 10; i++) {
		ends(HEALTH_RESULT_OK);
		checked = now;
		health_connect_failed(&server, checked + LB_MSEC(10));
		health_connect_ok(&server);
		health_connect_failed(&server, checked + LB_MSEC(20));
		ck_assert_int_eq(health_next_check(&server), checked + params.fast_interval);
		health_connect_ok(&server);
	}
}
END_TEST

START_TEST(where_none_is_up_checks_are_urgent_and_one_good_one_is_enough)
{
	come_up();
	for (int i = 0; i < params.fall; i++)
		ends(HEALTH_RESULT_REFUSED);
	expect_state(HEALTH_DOWN, HEALTH_UP, HEALTH_REASON_CHECK_FAILED);
	expect_wait(LB_SEC(2));
	/* The last one of the service has gone, too. */
	now += LB_MSEC(300);
	health_set_urgent(&server, LB_MSEC(100), now);
	ck_assert_int_eq(health_next_check(&server), now);
	ck_assert(!ends(HEALTH_RESULT_REFUSED));
	expect_wait(LB_MSEC(100));
	ck_assert(ends(HEALTH_RESULT_OK));
	expect_state(HEALTH_UP, HEALTH_DOWN, HEALTH_REASON_CHECK_PASSED);
	expect_wait(LB_SEC(2));
}
END_TEST

START_TEST(urgency_ends_with_the_first_server_that_is_back)
{
	come_up();
	for (int i = 0; i < params.fall; i++)
		ends(HEALTH_RESULT_TIMEOUT);
	health_set_urgent(&server, LB_MSEC(100), now);
	health_set_urgent(&server, 0, now);
	ck_assert(!ends(HEALTH_RESULT_TIMEOUT));
	expect_wait(LB_SEC(2));
	ck_assert(!ends(HEALTH_RESULT_OK));
	expect_wait(LB_MSEC(500));
}
END_TEST

START_TEST(urgency_does_not_touch_a_server_that_is_up)
{
	come_up();
	health_set_urgent(&server, LB_MSEC(100), now);
	expect_wait(LB_SEC(2));
	ck_assert(!ends(HEALTH_RESULT_OK));
	expect_wait(LB_SEC(2));
}
END_TEST

START_TEST(a_reload_keeps_what_is_known)
{
	struct health_params eager = {.interval = LB_MSEC(300), .fast_interval = LB_MSEC(100), .rise = 1, .fall = 1};

	come_up();
	health_set_params(&server, &eager, now);
	expect_state(HEALTH_UP, HEALTH_UNKNOWN, HEALTH_REASON_CHECK_PASSED);
	ck_assert_int_le(health_next_check(&server), now + eager.interval);
	ck_assert(ends(HEALTH_RESULT_REFUSED));
	ck_assert(ends(HEALTH_RESULT_OK));
	expect_wait(eager.interval);
}
END_TEST

/* Reload after reload does not put the check off that is due. */
START_TEST(a_reload_never_postpones_a_check)
{
	struct health_params lazy = {.interval = LB_SEC(60), .fast_interval = LB_SEC(30), .rise = 2, .fall = 3};

	come_up();
	lb_time due = health_next_check(&server);
	for (int i = 0; i < 3; i++) {
		now += LB_MSEC(100);
		health_set_params(&server, &lazy, now);
		ck_assert_int_eq(health_next_check(&server), due);
	}
}
END_TEST

/* Two days of one kind of result: what is counted stays at its maximum instead of starting anew. */
START_TEST(counters_never_run_over)
{
	struct health_params patient = params;

	patient.fall = UINT16_MAX;
	come_up();
	health_set_params(&server, &patient, now);
	for (int i = 1; i <= UINT16_MAX; i++)
		ck_assert_int_eq(ends(HEALTH_RESULT_TIMEOUT), i == UINT16_MAX);
	for (int i = 0; i < 10; i++) {
		ck_assert(!ends(HEALTH_RESULT_TIMEOUT));
		ck_assert(!health_connect_failed(&server, now));
	}
	ck_assert_uint_eq(server.failures, UINT16_MAX);
	for (int i = 0; i < UINT16_MAX + 10; i++) {
		ck_assert(!health_connect_failed(&server, now));
		ck_assert_int_eq(server.connect_errors, i + 11 < UINT16_MAX ? i + 11 : UINT16_MAX);
	}
	for (int i = 0; i < UINT16_MAX + 10; i++)
		ends(HEALTH_RESULT_OK);
	ck_assert_uint_eq(server.successes, UINT16_MAX);
	expect_state(HEALTH_UP, HEALTH_DOWN, HEALTH_REASON_CHECK_PASSED);
}
END_TEST

START_TEST(every_value_has_a_name)
{
	static const char *const results[] = {"ok",    "alive", "wrong",       "refused", "timeout",
					      "reset", "tls",	"unreachable", "garbage"};
	static const char *const reasons[] = {"none",	      "initial",      "check-passed",
					      "check-failed", "not-expected", "connect-errors"};
	static const char *const states[] = {"unknown", "up", "not-ready", "down"};

	ck_assert_int_eq(sizeof(results) / sizeof(results[0]), HEALTH_RESULT_COUNT_);
	ck_assert_int_eq(sizeof(reasons) / sizeof(reasons[0]), HEALTH_REASON_COUNT_);
	for (int i = 0; i < HEALTH_RESULT_COUNT_; i++)
		ck_assert_str_eq(health_result_name((enum health_result)i), results[i]);
	for (int i = 0; i < HEALTH_REASON_COUNT_; i++)
		ck_assert_str_eq(health_reason_name((enum health_reason)i), reasons[i]);
	for (int i = 0; i <= HEALTH_DOWN; i++)
		ck_assert_str_eq(health_state_name((enum health_state)i), states[i]);
}
END_TEST

START_TEST(silence_towards_the_data_path_hastens_the_check_and_is_no_failure)
{
	struct health_fsm busy;
	struct health_params usual = {.interval = LB_SEC(2), .fast_interval = LB_MSEC(500), .rise = 2, .fall = 3};
	lb_time start = LB_SEC(100);

	health_init(&busy, &usual, 1, start);
	for (int i = 0; i < 2; i++)
		health_result(&busy, HEALTH_RESULT_OK, start);
	for (int i = 0; i < 10; i++)
		health_hasten(&busy, start + LB_MSEC(100));
	ck_assert_int_eq(health_next_check(&busy), start + LB_MSEC(500));
	ck_assert_int_eq(busy.state, HEALTH_UP);
	ck_assert_uint_eq(busy.connect_errors, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("health_fsm");
	TCase *all = tcase_create("all");

	tcase_add_checked_fixture(all, setup, NULL);
	tcase_add_loop_test(all, the_first_result_decides_at_once, 0, HEALTH_RESULT_COUNT_);
	tcase_add_test(all, fall_failures_take_it_down_with_fast_checks_in_between);
	tcase_add_test(all, rise_successes_bring_it_back);
	tcase_add_test(all, silence_is_met_with_further_checks_until_fall_can_be_reached);
	tcase_add_test(all, single_failures_never_add_up);
	tcase_add_test(all, a_series_that_ends_with_an_answer_is_not_ready);
	tcase_add_test(all, a_series_that_ends_in_silence_is_down);
	tcase_add_test(all, an_order_decides_at_once);
	tcase_add_test(all, not_ready_becomes_down_only_after_fall_silences);
	tcase_add_test(all, down_becomes_not_ready_when_it_answers);
	tcase_add_test(all, the_data_path_takes_it_down_after_fall_failures);
	tcase_add_test(all, connect_failures_must_be_in_a_row);
	tcase_add_test(all, a_not_ready_server_that_refuses_connections_is_down);
	tcase_add_test(all, connect_failures_do_not_decide_before_the_first_check);
	tcase_add_test(all, a_connect_failure_hastens_the_next_check);
	tcase_add_test(all, where_none_is_up_checks_are_urgent_and_one_good_one_is_enough);
	tcase_add_test(all, urgency_ends_with_the_first_server_that_is_back);
	tcase_add_test(all, urgency_does_not_touch_a_server_that_is_up);
	tcase_add_test(all, a_reload_keeps_what_is_known);
	tcase_add_test(all, a_reload_never_postpones_a_check);
	tcase_add_test(all, counters_never_run_over);
	tcase_add_test(all, every_value_has_a_name);
	tcase_add_test(all, silence_towards_the_data_path_hastens_the_check_and_is_no_failure);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
