/* What is told of a descriptor, how often, and to whom. */
#include <check.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/proxy/share/wheel.h"
#include "daemon/proxy/worker/poller.h"

static struct poller poller;
static struct poll_io io, other;
static int fds[2], others[2];
static unsigned told, told_other;
static int times;

static void on_ready(struct poll_io *which, unsigned ready)
{
	*(which == &io ? &told : &told_other) |= ready;
	times++;
}

static void setup(void)
{
	poller = (struct poller){0};
	ck_assert(poller_init(&poller));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	poll_io_init(&io, on_ready, fds[0]);
	told = told_other = 0;
	times = 0;
}

static void teardown(void)
{
	poller_close(&poller);
	close(fds[0]);
	close(fds[1]);
}

static void turn(void)
{
	told = told_other = 0;
	poller_wait(&poller, 0);
	poller_dispatch(&poller);
}

START_TEST(a_change_is_told_once)
{
	ck_assert(poller_add(&poller, &io, POLLER_READ));
	turn();
	ck_assert_uint_eq(told, 0);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	turn();
	ck_assert_uint_eq(told, POLLER_READ);
	turn();
	ck_assert_uint_eq(told, 0);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	turn();
	ck_assert_uint_eq(told, POLLER_READ);
}
END_TEST

START_TEST(what_is_asked_for_by_level_is_told_again)
{
	ck_assert(poller_add(&poller, &io, POLLER_READ | POLLER_LEVEL));
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	turn();
	turn();
	ck_assert_uint_eq(told, POLLER_READ);
	poller_remove(&poller, &io);
	turn();
	ck_assert_uint_eq(told, 0);
}
END_TEST

START_TEST(a_close_behind_bytes_is_told_with_them)
{
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	ck_assert_int_eq(shutdown(fds[1], SHUT_WR), 0);
	ck_assert(poller_add(&poller, &io, POLLER_READ));
	turn();
	ck_assert_uint_eq(told, POLLER_READ | POLLER_HUP);
}
END_TEST

START_TEST(who_asks_is_called_again_once)
{
	ck_assert(poller_add(&poller, &io, POLLER_READ));
	poller_again(&poller, &io);
	poller_again(&poller, &io);
	/* Nobody waits while somebody wants to be called. */
	poller_wait(&poller, 60000);
	poller_dispatch(&poller);
	ck_assert_int_eq(times, 1);
	turn();
	ck_assert_int_eq(times, 1);
	poller_again(&poller, &io);
	poller_forget(&poller, &io);
	turn();
	ck_assert_int_eq(times, 1);
}
END_TEST

/* The number of a closed descriptor comes back at once: what happened to the old one is not told of the new one. */
START_TEST(events_of_a_former_owner_are_dropped)
{
	ck_assert(poller_add(&poller, &io, POLLER_READ));
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	poller_wait(&poller, 0);
	ck_assert_int_eq(poller.count, 1);
	poller_forget(&poller, &io);
	close(fds[0]);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, others), 0);
	ck_assert_int_eq(others[0], fds[0]);
	poll_io_init(&other, on_ready, others[0]);
	ck_assert(poller_add(&poller, &other, POLLER_READ));
	poller_dispatch(&poller);
	ck_assert_int_eq(times, 0);
	close(others[1]);
}
END_TEST

START_TEST(a_descriptor_goes_on_in_another_object)
{
	ck_assert(poller_add(&poller, &io, POLLER_READ));
	poll_io_init(&other, on_ready, -1);
	poller_move(&poller, &io, &other);
	ck_assert_int_eq(io.fd, -1);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	turn();
	ck_assert_uint_eq(told, 0);
	ck_assert_uint_eq(told_other, POLLER_READ);
}
END_TEST

static int visits;

static void on_due(void *ctx, struct wheel_entry *e)
{
	(void)ctx;
	(void)e;
	visits++;
}

START_TEST(the_next_deadline_is_known)
{
	static struct wheel wheel;
	struct wheel_entry near = {0}, far = {0};
	lb_time start = LB_SEC(7);

	wheel_init(&wheel, LB_MSEC(1), start);
	wheel_entry_init(&near);
	wheel_entry_init(&far);
	ck_assert_int_eq(wheel_next(&wheel), LB_TIME_NEVER);
	wheel_need(&wheel, &far, start + LB_MSEC(90));
	wheel_need(&wheel, &near, start + LB_MSEC(20));
	ck_assert_int_ge(wheel_next(&wheel), start + LB_MSEC(20));
	ck_assert_int_le(wheel_next(&wheel), start + LB_MSEC(22));
	wheel_advance(&wheel, start + LB_MSEC(19), on_due, NULL);
	ck_assert_int_eq(visits, 0);
	wheel_advance(&wheel, wheel_next(&wheel), on_due, NULL);
	ck_assert_int_eq(visits, 1);
	ck_assert_int_ge(wheel_next(&wheel), start + LB_MSEC(90));
	wheel_remove(&wheel, &far);
	ck_assert_int_eq(wheel_next(&wheel), LB_TIME_NEVER);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker_poller");
	TCase *c = tcase_create("poller");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_change_is_told_once);
	tcase_add_test(c, what_is_asked_for_by_level_is_told_again);
	tcase_add_test(c, a_close_behind_bytes_is_told_with_them);
	tcase_add_test(c, who_asks_is_called_again_once);
	tcase_add_test(c, events_of_a_former_owner_are_dropped);
	tcase_add_test(c, a_descriptor_goes_on_in_another_object);
	tcase_add_test(c, the_next_deadline_is_known);
	suite_add_tcase(suite, c);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
