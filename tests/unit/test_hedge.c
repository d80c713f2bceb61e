/* When a second server is tried beside the first, and how often that may happen. */
#include <check.h>
#include <stdlib.h>

#include <lb/hedge.h>

START_TEST(the_delay_is_four_connect_times_within_bounds)
{
	static const struct {
		lb_duration smoothed, delay;
	} rows[] = {
	    {0,		LB_MSEC(100)  }, /* nothing is known yet */
	    {1,		LB_MSEC(20)   },
	    {LB_USEC(300),   LB_MSEC(20)   },
	    {LB_MSEC(5),	 LB_MSEC(20)   },
	    {LB_USEC(5001),  LB_USEC(20004)},
	    {LB_MSEC(30),	  LB_MSEC(120)  },
	    {LB_USEC(62500), LB_MSEC(250)	 },
	    {LB_USEC(62501), LB_MSEC(250)	 },
	    {LB_SEC(100),	  LB_MSEC(250)  },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hedge_rtt rtt = {.smoothed = rows[i].smoothed};

		ck_assert_int_eq(hedge_delay(&rtt), rows[i].delay);
	}
}
END_TEST

START_TEST(the_first_sample_is_taken_as_it_is)
{
	struct hedge_rtt rtt = {0};

	hedge_rtt_sample(&rtt, LB_MSEC(10));
	ck_assert_int_eq(rtt.smoothed, LB_MSEC(10));
	/* One eighth of what differs, up and down. */
	hedge_rtt_sample(&rtt, LB_MSEC(18));
	ck_assert_int_eq(rtt.smoothed, LB_MSEC(11));
	hedge_rtt_sample(&rtt, LB_MSEC(3));
	ck_assert_int_eq(rtt.smoothed, LB_MSEC(10));
}
END_TEST

START_TEST(samples_converge)
{
	struct hedge_rtt rtt = {0};

	hedge_rtt_sample(&rtt, LB_SEC(1));
	for (int i = 0; i < 100; i++)
		hedge_rtt_sample(&rtt, LB_MSEC(1));
	ck_assert_int_ge(rtt.smoothed, LB_MSEC(1));
	ck_assert_int_lt(rtt.smoothed, LB_USEC(1010));
}
END_TEST

/* A sample of no time at all is still a sample. */
START_TEST(zero_is_not_unknown)
{
	struct hedge_rtt rtt = {0};

	hedge_rtt_sample(&rtt, 0);
	ck_assert_int_eq(hedge_delay(&rtt), LB_MSEC(20));
}
END_TEST

static int spend_all(struct hedge_budget *b)
{
	int n = 0;

	while (n < 1000 && hedge_spend(b))
		n++;
	return n;
}

START_TEST(a_burst_of_ten_then_one_in_ten)
{
	struct hedge_budget b = {0};

	ck_assert_int_eq(spend_all(&b), 10);
	for (int round = 0; round < 1000; round++) {
		for (int i = 0; i < 9; i++)
			hedge_earn(&b);
		ck_assert(!hedge_spend(&b));
		hedge_earn(&b);
		ck_assert(hedge_spend(&b));
		ck_assert(!hedge_spend(&b));
	}
}
END_TEST

START_TEST(no_more_than_the_burst_is_saved)
{
	struct hedge_budget b = {0};

	for (int i = 0; i < 10000; i++)
		hedge_earn(&b);
	ck_assert_int_eq(spend_all(&b), 10);
}
END_TEST

START_TEST(threads_share_the_burst)
{
	struct hedge_budget two = {.sharers = 2}, many = {.sharers = 64};

	for (int i = 0; i < 1000; i++) {
		hedge_earn(&two);
		hedge_earn(&many);
	}
	ck_assert_int_eq(spend_all(&two), 5);
	ck_assert_int_eq(spend_all(&many), 1);
}
END_TEST

START_TEST(refusals_cost_nothing)
{
	struct hedge_budget b = {0};

	spend_all(&b);
	for (int i = 0; i < 100; i++)
		ck_assert(!hedge_spend(&b));
	for (int i = 0; i < 10; i++)
		hedge_earn(&b);
	ck_assert(hedge_spend(&b));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hedge");
	TCase *all = tcase_create("all");

	tcase_add_test(all, the_delay_is_four_connect_times_within_bounds);
	tcase_add_test(all, the_first_sample_is_taken_as_it_is);
	tcase_add_test(all, samples_converge);
	tcase_add_test(all, zero_is_not_unknown);
	tcase_add_test(all, a_burst_of_ten_then_one_in_ten);
	tcase_add_test(all, no_more_than_the_burst_is_saved);
	tcase_add_test(all, threads_share_the_burst);
	tcase_add_test(all, refusals_cost_nothing);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
