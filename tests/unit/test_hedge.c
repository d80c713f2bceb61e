/* When a second server is tried beside the first, and how often that may happen. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include <lb/hash.h>
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

/*
 * At most 10 % extra connects per second beyond a burst of 10, in whichever second one begins to count: connections
 * come in bursts, in trickles and not at all, and every one of them would like a second attempt, or few of them.
 */
START_TEST(no_second_has_more_than_a_tenth_and_ten)
{
	enum { MS = 120000 };
	static uint32_t firsts[MS + 1], extras[MS + 1]; /* before this millisecond */
	struct hedge_budget b = {0};
	uint64_t random = 4711 + (uint64_t)_i;
	uint32_t each = 0, most = 0;

	for (uint32_t ms = 0; ms < MS; ms++) {
		uint32_t now;

		if (lb_random_below(&random, 500) == 0)
			each = lb_random_below(&random, 3) == 0 ? 0 : 1 + lb_random_below(&random, 40);
		now = each > 0 ? lb_random_below(&random, each) : 0;
		firsts[ms + 1] = firsts[ms] + now;
		extras[ms + 1] = extras[ms];
		for (uint32_t i = 0; i < now; i++) {
			hedge_earn(&b);
			if (_i == 0 || lb_random_below(&random, 8) == 0)
				extras[ms + 1] += hedge_spend(&b);
		}
	}
	for (uint32_t from = 0; from + 1000 <= MS; from++) {
		uint32_t extra = extras[from + 1000] - extras[from];

		if (10 * extra > 100 + firsts[from + 1000] - firsts[from])
			ck_abort_msg("%u extra in the second that begins at %u ms", extra, from);
		most = extra > most ? extra : most;
	}
	/* What is allowed is also given: 10 % over the whole time where everybody asks. */
	ck_assert_uint_gt(most, 100);
	ck_assert(_i != 0 || 10 * extras[MS] + 10 > firsts[MS]);
}
END_TEST

static struct hedge_budget shared;

static void *hammer(void *arg)
{
	uintptr_t spent = 0;

	(void)arg;
	for (int i = 0; i < 100000; i++) {
		hedge_earn(&shared);
		spent += hedge_spend(&shared);
	}
	return (void *)spent;
}

/* However many threads: the burst is 10, not 10 for each. */
START_TEST(threads_share_one_budget)
{
	enum { THREADS = 8 };
	pthread_t threads[THREADS];
	uintptr_t all = 0;

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		void *spent;

		pthread_join(threads[i], &spent);
		all += (uintptr_t)spent;
	}
	ck_assert_uint_le(all, 10 + THREADS * 10000);
	ck_assert_uint_ge(all + (uintptr_t)spend_all(&shared), THREADS * 10000);
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
	tcase_add_loop_test(all, no_second_has_more_than_a_tenth_and_ten, 0, 2);
	tcase_add_test(all, threads_share_one_budget);
	tcase_add_test(all, refusals_cost_nothing);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
