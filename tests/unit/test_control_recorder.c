/* The recorder's ring: ids grow, the oldest go, and a reader who was elsewhere gets everything. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "daemon/proxy/control/recorder.h"

static struct recorder *recorder;
static unsigned told;

static void setup(void)
{
	recorder = recorder_new();
	told = 0;
}

static void teardown(void)
{
	recorder_free(recorder);
}

static void on_event(void *ctx)
{
	(void)ctx;
	told++;
}

static void add(const char *kind, const char *to)
{
	struct lb_event event = {0};

	snprintf(event.kind, sizeof(event.kind), "%s", kind);
	snprintf(event.to, sizeof(event.to), "%s", to);
	recorder_note(recorder, LB_LOG_INFO, &event);
}

START_TEST(ids_grow_by_one_and_times_are_filled_in)
{
	const struct lb_event *event;

	ck_assert_ptr_null(recorder_next(recorder, 0));
	recorder_watch(recorder, on_event, NULL);
	add("server", "up");
	add("server", "down");
	ck_assert_uint_eq(told, 2);
	event = recorder_next(recorder, 0);
	ck_assert_uint_eq(event->id, 1);
	ck_assert_int_gt(event->at, 0);
	ck_assert_str_eq(recorder_next(recorder, 1)->to, "down");
	ck_assert_ptr_null(recorder_next(recorder, 2));
}
END_TEST

START_TEST(the_oldest_go_when_it_is_full)
{
	for (int i = 0; i < RECORDER_KEEPS + 5; i++)
		add("server", "up");
	ck_assert_uint_eq(recorder_next(recorder, 0)->id, 6);
	ck_assert_uint_eq(recorder_next(recorder, 6)->id, 7);
	ck_assert_uint_eq(recorder_next(recorder, RECORDER_KEEPS + 4)->id, RECORDER_KEEPS + 5);
	ck_assert_ptr_null(recorder_next(recorder, RECORDER_KEEPS + 5));
}
END_TEST

START_TEST(an_id_of_another_life_means_everything)
{
	add("server", "up");
	ck_assert_uint_eq(recorder_next(recorder, 5000)->id, 1);
}
END_TEST

START_TEST(reloads_are_counted_from_what_the_keeper_tells)
{
	add("config", "applied");
	add("config", "refused");
	add("config", "applied");
	add("server", "refused");
	ck_assert_uint_eq(recorder_reloads(recorder).applied, 2);
	ck_assert_uint_eq(recorder_reloads(recorder).refused, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recorder");
	TCase *tc = tcase_create("recorder");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, ids_grow_by_one_and_times_are_filled_in);
	tcase_add_test(tc, the_oldest_go_when_it_is_full);
	tcase_add_test(tc, an_id_of_another_life_means_everything);
	tcase_add_test(tc, reloads_are_counted_from_what_the_keeper_tells);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
