/* Token buckets and backoff on virtual time. */
#include <check.h>
#include <stdlib.h>

#include <lb/ratelimit.h>

#define START LB_SEC(1000)

/* Ask until refused; returns how often it was allowed. */
static int allowed(struct ratelimit *r, lb_time now)
{
	int n = 0;

	while (n < 1000 && ratelimit_ok(r, now))
		n++;
	return n;
}

START_TEST(a_burst_then_one_each_period)
{
	struct ratelimit r = RATELIMIT_INIT(5, LB_MSEC(100));

	ck_assert_int_eq(allowed(&r, START), 5);
	ck_assert_int_eq(allowed(&r, START + LB_MSEC(100) - 1), 0);
	for (int i = 1; i <= 100; i++)
		ck_assert_int_eq(allowed(&r, START + i * LB_MSEC(100)), 1);
}
END_TEST

START_TEST(part_of_a_period_is_not_lost)
{
	struct ratelimit r = RATELIMIT_INIT(5, LB_MSEC(100));

	allowed(&r, START);
	ck_assert_int_eq(allowed(&r, START + LB_MSEC(250)), 2);
	ck_assert_int_eq(allowed(&r, START + LB_MSEC(300)), 1);
}
END_TEST

START_TEST(quiet_time_saves_no_more_than_the_burst)
{
	struct ratelimit r = RATELIMIT_INIT(3, LB_MSEC(100));

	ck_assert(ratelimit_ok(&r, START));
	ck_assert_int_eq(allowed(&r, START + LB_SEC(3600)), 3);
	/* Nor does a full bucket save the time in which it was full. */
	ck_assert_int_eq(allowed(&r, START + LB_SEC(3600) + LB_MSEC(99)), 0);
	ck_assert_int_eq(allowed(&r, START + LB_SEC(3600) + LB_MSEC(100)), 1);
}
END_TEST

START_TEST(a_full_bucket_starts_its_period_when_it_is_used)
{
	struct ratelimit r = RATELIMIT_INIT(1, LB_MSEC(100));

	ck_assert(ratelimit_ok(&r, START));
	ck_assert(ratelimit_ok(&r, START + LB_MSEC(190)));
	ck_assert(!ratelimit_ok(&r, START + LB_MSEC(289)));
	ck_assert(ratelimit_ok(&r, START + LB_MSEC(290)));
}
END_TEST

START_TEST(refusals_are_counted_until_the_next_grant)
{
	struct ratelimit r = RATELIMIT_INIT(1, LB_MSEC(100));

	ratelimit_ok(&r, START);
	ck_assert_uint_eq(r.suppressed, 0);
	for (int i = 0; i < 7; i++)
		ck_assert(!ratelimit_ok(&r, START + i));
	ck_assert_uint_eq(r.suppressed, 7);
	ck_assert(ratelimit_ok(&r, START + LB_MSEC(100)));
	ck_assert_uint_eq(r.suppressed, 0);
}
END_TEST

/* A caller that mixes clocks of two moments neither gains nor loses by it. */
START_TEST(time_that_stands_still_or_steps_back_earns_nothing)
{
	struct ratelimit r = RATELIMIT_INIT(2, LB_MSEC(100));

	ck_assert_int_eq(allowed(&r, START), 2);
	ck_assert(!ratelimit_ok(&r, START));
	ck_assert(!ratelimit_ok(&r, START - LB_SEC(5)));
	ck_assert_int_eq(allowed(&r, START + LB_MSEC(100)), 1);
}
END_TEST

START_TEST(without_a_period_the_burst_is_all)
{
	struct ratelimit r = RATELIMIT_INIT(2, 0);

	ck_assert_int_eq(allowed(&r, START), 2);
	ck_assert_int_eq(allowed(&r, START + LB_SEC(3600)), 0);
}
END_TEST

/* Whatever the kinds do, together they keep to the common rate, and none of them pays for nothing. */
START_TEST(kinds_share_a_rate)
{
	struct ratelimit all = RATELIMIT_INIT(1, LB_SEC(2)), a = RATELIMIT_INIT(1, LB_SEC(10)),
			 b = RATELIMIT_INIT(1, LB_SEC(10));

	ck_assert(ratelimit_ok_among(&a, &all, START));
	ck_assert(!ratelimit_ok_among(&b, &all, START));
	/* The first kind may not yet, which leaves the common token to the second. */
	ck_assert(!ratelimit_ok_among(&a, &all, START + LB_SEC(2)));
	ck_assert(ratelimit_ok_among(&b, &all, START + LB_SEC(2)));
	ck_assert(!ratelimit_ok_among(&b, &all, START + LB_SEC(4)));
	ck_assert_uint_eq(b.suppressed, 1);
	ck_assert(ratelimit_ok_among(&a, &all, START + LB_SEC(10)));
	ck_assert(!ratelimit_ok_among(&b, &all, START + LB_SEC(12) - 1));
	ck_assert(ratelimit_ok_among(&b, &all, START + LB_SEC(12)));
}
END_TEST

START_TEST(backoff_doubles_up_to_its_limit)
{
	static const lb_duration wanted[] = {LB_MSEC(100), LB_MSEC(200),  LB_MSEC(400),
					     LB_MSEC(800), LB_MSEC(1000), LB_MSEC(1000)};

	for (unsigned n = 0; n < sizeof(wanted) / sizeof(wanted[0]); n++)
		ck_assert_int_eq(backoff_delay(LB_MSEC(100), LB_SEC(1), n), wanted[n]);
	/* No number of attempts overflows. */
	ck_assert_int_eq(backoff_delay(LB_MSEC(100), LB_SEC(1), 1000000), LB_SEC(1));
	ck_assert_int_eq(backoff_delay(LB_SEC(5), LB_SEC(1), 0), LB_SEC(1));
	ck_assert_int_eq(backoff_delay(0, LB_SEC(1), 4000000000u), 0);
	ck_assert_int_eq(backoff_delay(1, INT64_MAX, 100), INT64_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ratelimit");
	TCase *all = tcase_create("all");

	tcase_add_test(all, a_burst_then_one_each_period);
	tcase_add_test(all, part_of_a_period_is_not_lost);
	tcase_add_test(all, quiet_time_saves_no_more_than_the_burst);
	tcase_add_test(all, a_full_bucket_starts_its_period_when_it_is_used);
	tcase_add_test(all, refusals_are_counted_until_the_next_grant);
	tcase_add_test(all, time_that_stands_still_or_steps_back_earns_nothing);
	tcase_add_test(all, without_a_period_the_burst_is_all);
	tcase_add_test(all, kinds_share_a_rate);
	tcase_add_test(all, backoff_doubles_up_to_its_limit);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
