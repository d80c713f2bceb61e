/* The recorder's ring: ids grow, the oldest go, and a reader who was elsewhere gets everything. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

static void tell(const char *kind, const char *to, const char *reason, lb_wall at)
{
	struct lb_event event = {.at = at};

	snprintf(event.kind, sizeof(event.kind), "%s", kind);
	snprintf(event.to, sizeof(event.to), "%s", to);
	snprintf(event.reason, sizeof(event.reason), "%s", reason);
	recorder_import(recorder, &event);
}

START_TEST(reloads_are_counted_from_what_the_keeper_tells)
{
	tell("config", "applied", "reload", 1);
	tell("config", "refused", "line 3", 2);
	tell("server", "refused", "other", 3);
	ck_assert_uint_eq(recorder_reloads(recorder)->applied, 1);
	ck_assert_uint_eq(recorder_reloads(recorder)->refused, 1);
	ck_assert_str_eq(recorder_reloads(recorder)->refusal, "line 3");
	ck_assert_int_eq(recorder_reloads(recorder)->refused_at, 2);
	tell("config", "unchanged", "reload", 4);
	ck_assert_uint_eq(recorder_reloads(recorder)->applied, 2);
	ck_assert_str_eq(recorder_reloads(recorder)->refusal, "");
}
END_TEST

/* ---- the ring in a file ---- */

static int file_of_ring(void)
{
	int fd = memfd_create("events", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* The recorder ends as with its process; the next one reads the same file. */
static void next_life(int file)
{
	recorder_free(recorder);
	recorder = recorder_new();
	recorder_keep(recorder, fcntl(file, F_DUPFD_CLOEXEC, 0));
}

START_TEST(a_restart_goes_on_with_the_ring)
{
	int file = file_of_ring();

	recorder_keep(recorder, fcntl(file, F_DUPFD_CLOEXEC, 0));
	add("server", "up");
	tell("vip", "active", "startup", 77);
	next_life(file);
	ck_assert_str_eq(recorder_next(recorder, 0)->to, "up");
	ck_assert_int_eq(recorder_next(recorder, 1)->at, 77);
	/* The keeper repeats what is there already, then something new. */
	tell("vip", "active", "startup", 77);
	ck_assert_ptr_null(recorder_next(recorder, 2));
	tell("vip", "backup", "handover", 78);
	ck_assert_uint_eq(recorder_next(recorder, 2)->id, 3);
	next_life(file);
	ck_assert_str_eq(recorder_next(recorder, 2)->to, "backup");
	close(file);
}
END_TEST

START_TEST(a_full_ring_survives_with_its_last_events)
{
	int file = file_of_ring();

	recorder_keep(recorder, fcntl(file, F_DUPFD_CLOEXEC, 0));
	for (int i = 0; i < RECORDER_KEEPS + 5; i++)
		add("server", "up");
	next_life(file);
	ck_assert_uint_eq(recorder_next(recorder, 0)->id, 6);
	ck_assert_ptr_null(recorder_next(recorder, RECORDER_KEEPS + 5));
	ck_assert_int_le(lseek(file, 0, SEEK_END), (off_t)STATE_EVENTS_SIZE);
	close(file);
}
END_TEST

static char warned[1024];

static void on_line(void *ctx, enum lb_log_level level, const char *line)
{
	(void)ctx;
	if (level == LB_LOG_WARNING)
		snprintf(warned, sizeof(warned), "%s", line);
}

START_TEST(a_damaged_file_is_told_and_begun_anew)
{
	int file = file_of_ring();

	lb_log_init(on_line, NULL, LB_LOG_INFO);
	ck_assert_int_eq(write(file, "this is no ring of events", 25), 25);
	next_life(file);
	ck_assert_ptr_nonnull(strstr(warned, "damaged or of another version"));
	ck_assert_ptr_null(recorder_next(recorder, 0));
	add("server", "up");
	add("server", "down");
	add("server", "up");
	/* One byte of the second event. */
	ck_assert_int_eq(pwrite(file, "x", 1, (off_t)state_event_offset(2) + 60), 1);
	next_life(file);
	ck_assert_ptr_nonnull(strstr(warned, "1 are damaged"));
	ck_assert_uint_eq(recorder_next(recorder, 0)->id, 1);
	ck_assert_uint_eq(recorder_next(recorder, 1)->id, 3);
	lb_log_init(NULL, NULL, LB_LOG_INFO);
	close(file);
}
END_TEST

START_TEST(a_full_disk_harms_nothing)
{
	int file = file_of_ring();

	lb_log_init(on_line, NULL, LB_LOG_INFO);
	recorder_keep(recorder, fcntl(file, F_DUPFD_CLOEXEC, 0));
	ck_assert_int_eq(fcntl(file, F_ADD_SEALS, F_SEAL_GROW), 0);
	warned[0] = '\0';
	add("server", "up");
	ck_assert_ptr_nonnull(strstr(warned, "not kept"));
	warned[0] = '\0';
	add("server", "down");
	ck_assert_str_eq(warned, "");
	ck_assert_str_eq(recorder_next(recorder, 1)->to, "down");
	lb_log_init(NULL, NULL, LB_LOG_INFO);
	close(file);
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
	tcase_add_test(tc, a_restart_goes_on_with_the_ring);
	tcase_add_test(tc, a_full_ring_survives_with_its_last_events);
	tcase_add_test(tc, a_damaged_file_is_told_and_begun_anew);
	tcase_add_test(tc, a_full_disk_harms_nothing);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
