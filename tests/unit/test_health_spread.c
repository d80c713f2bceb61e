/* When the checks of very many servers begin: spread at the start, spread afterwards, never later than promised. */
#include <check.h>
#include <stdlib.h>

#include <lb/health_fsm.h>

#define START LB_SEC(1000)

static const struct health_params params = {
    .interval = LB_SEC(2), .fast_interval = LB_MSEC(500), .timeout = LB_MSEC(1500), .rise = 2, .fall = 3};

static struct health_fsm server;
static lb_time now;

/* The check that is due ends with this result. */
static void ends(enum health_result result)
{
	now = health_next_check(&server);
	health_result(&server, result, now);
}

START_TEST(first_checks_are_due_at_once_and_spread)
{
	lb_time first = 0;
	bool differ = false;

	for (uint64_t seed = 0; seed < 20; seed++) {
		health_init(&server, &params, seed, START);
		ck_assert_int_ge(health_next_check(&server), START);
		ck_assert_int_lt(health_next_check(&server), START + LB_MSEC(50));
		differ = differ || (seed > 0 && health_next_check(&server) != first);
		first = health_next_check(&server);
	}
	ck_assert(differ);
}
END_TEST

/* The first checks of thousands come within a moment; the second ones do not. */
START_TEST(second_checks_are_spread_over_the_interval)
{
	unsigned in_quarter[4] = {0};

	for (uint64_t seed = 0; seed < 400; seed++) {
		lb_duration wait;

		health_init(&server, &params, seed, START);
		ends(HEALTH_RESULT_OK);
		wait = health_next_check(&server) - now;
		ck_assert_int_gt(wait, 0);
		ck_assert_int_lt(wait, params.interval);
		in_quarter[wait * 4 / params.interval]++;
	}
	for (int i = 0; i < 4; i++)
		ck_assert_uint_gt(in_quarter[i], 50);
}
END_TEST

START_TEST(intervals_are_up_to_five_percent_shorter_and_never_longer)
{
	lb_duration least = LB_SEC(9), most = 0;

	health_init(&server, &params, 7, START);
	ends(HEALTH_RESULT_OK);
	for (int i = 0; i < 1000; i++) {
		lb_duration wait;

		ends(HEALTH_RESULT_OK);
		wait = health_next_check(&server) - now;
		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
	}
	ck_assert_int_ge(least, LB_MSEC(1900));
	ck_assert_int_lt(least, LB_MSEC(1902));
	ck_assert_int_gt(most, LB_MSEC(1938));
	ck_assert_int_le(most, LB_MSEC(1940));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("health_spread");
	TCase *all = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_test(all, first_checks_are_due_at_once_and_spread);
	tcase_add_test(all, second_checks_are_spread_over_the_interval);
	tcase_add_test(all, intervals_are_up_to_five_percent_shorter_and_never_longer);
	suite_add_tcase(suite, all);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
