/* Rules every picker keeps (limits, backups, weight 0, skipped servers) and changes in place. */
#include "tests/unit/balance_rig.h"

/* ---- rules of every algorithm ---- */

static const enum lb_balance_kind kinds[] = {LB_LEASTCONN, LB_ROUNDROBIN, LB_RANDOM, LB_SOURCE, LB_FIRST};
#define KINDS (int)(sizeof(kinds) / sizeof(kinds[0]))

START_TEST(first_fills_in_order)
{
	size_t n = serve(equal);

	servers[0].max_connections = 2;
	servers[1].max_connections = 1;
	begin(LB_FIRST, n, 1);
	ck_assert_int_eq(pick(0), 0);
	balance_load(picker, 0, 1);
	ck_assert_int_eq(pick(1), 0);
	balance_load(picker, 0, 2);
	ck_assert_int_eq(pick(2), 1);
	balance_load(picker, 1, 1);
	ck_assert_int_eq(pick(3), 2);
	balance_load(picker, 0, 1);
	ck_assert_int_eq(pick(4), 0);
}
END_TEST

START_TEST(nobody_is_chosen_of_nobody)
{
	begin(kinds[_i], 0, 1);
	ck_assert_int_eq(pick(0), -1);
	serve(equal);
	servers[0].usable = servers[1].usable = false;
	servers[2].weight = 0;
	begin(kinds[_i], 3, 1);
	ck_assert_int_eq(pick(0), -1);
}
END_TEST

/* Every server is tried once, none twice, then there is none left. */
START_TEST(skip_passes_over)
{
	size_t n = serve(odd);

	begin(kinds[_i], n, 1);
	for (uint32_t i = 0; i < 100; i++) {
		bool skip[MAX] = {false};
		struct lb_addr c = client(i);

		for (size_t tries = 0; tries < n; tries++) {
			int s = balance_pick(picker, &c, skip);

			ck_assert_int_ge(s, 0);
			ck_assert(!skip[s]);
			skip[s] = true;
		}
		ck_assert_int_eq(balance_pick(picker, &c, skip), -1);
	}
	ck_assert_int_ge(pick(0), 0);
}
END_TEST

START_TEST(weight_zero_gets_nothing)
{
	size_t n = serve(equal);

	servers[1].weight = 0;
	begin(kinds[_i], n, 1);
	count(n, 1000);
	ck_assert_uint_eq(picked[1], 0);
	/* Drained and back in place. */
	balance_update(picker, 0, 0, true);
	balance_update(picker, 1, 100, true);
	count(n, 1000);
	ck_assert_uint_eq(picked[0], 0);
	ck_assert_uint_gt(picked[1], 0);
}
END_TEST

START_TEST(backups_wait_until_all_others_are_out)
{
	size_t n = serve((const uint16_t[MAX]){100, 100, 100, 100});

	servers[0].backup = servers[1].backup = true;
	begin(kinds[_i], n, 1);
	count(n, 1000);
	ck_assert_uint_eq(picked[0] + picked[1], 0);
	balance_update(picker, 2, 100, false);
	count(n, 1000);
	ck_assert_uint_eq(picked[3], 1000);
	balance_update(picker, 3, 0, true);
	count(n, 1000);
	ck_assert_uint_eq(picked[0] + picked[1], 1000);
	ck_assert(kinds[_i] == LB_FIRST || (picked[0] > 300 && picked[1] > 300));
	balance_update(picker, 3, 100, true);
	count(n, 1000);
	ck_assert_uint_eq(picked[3], 1000);
}
END_TEST

/* All others failed for this connection: the backup is its last chance. */
START_TEST(backups_help_out_when_all_others_were_tried)
{
	size_t n = serve(equal);
	const bool skip[] = {true, false, true};
	struct lb_addr c = client(1);

	servers[1].backup = true;
	begin(kinds[_i], n, 1);
	ck_assert_int_eq(balance_pick(picker, &c, skip), 1);
	ck_assert_int_ne(pick(1), 1);
}
END_TEST

START_TEST(limits_hold)
{
	size_t n = serve((const uint16_t[MAX]){100, 100, 100, 100});
	uint32_t load[MAX] = {0};

	for (size_t i = 0; i < 3; i++)
		servers[i].max_connections = (uint32_t)(10 * (i + 1));
	servers[3].backup = true;
	begin(kinds[_i], n, 1);
	for (uint32_t i = 0; i < 60; i++) {
		int s = pick(i);

		ck_assert_int_ge(s, 0);
		balance_load(picker, (size_t)s, ++load[s]);
	}
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_eq(load[i], servers[i].max_connections);
	/* Full is not failed: the backup stays out of it. */
	ck_assert_int_eq(pick(61), -1);
	balance_load(picker, 1, 19);
	ck_assert_int_eq(pick(62), 1);
}
END_TEST

/* ---- changes in place ---- */

START_TEST(a_new_weight_counts_from_now_on)
{
	size_t n = serve(equal);

	begin(LB_ROUNDROBIN, n, 1);
	count(n, 1000);
	balance_update(picker, 1, 200, true);
	servers[1].weight = 200;
	count(n, 4000);
	shares(n, 4000, 4);
}
END_TEST

/* From 1 to 256: the place in the queue that a pick at weight 1 cost is not kept. */
START_TEST(a_raised_weight_is_felt_at_once)
{
	size_t n = serve((const uint16_t[MAX]){1, 256});

	begin(LB_ROUNDROBIN, n, 1);
	while (pick(0) != 0)
		;
	balance_update(picker, 0, 256, true);
	count(n, 20);
	ck_assert_double_eq_tol(picked[0], 10, 2);
}
END_TEST

START_TEST(a_server_that_returns_catches_up_on_nothing)
{
	size_t n = serve(equal);

	begin(LB_ROUNDROBIN, n, 1);
	balance_update(picker, 2, 100, false);
	count(n, 10000);
	ck_assert_uint_eq(picked[2], 0);
	balance_update(picker, 2, 100, true);
	count(n, 300);
	ck_assert_double_eq_tol(picked[2], 100, 2);
}
END_TEST

/* The same for one that was full. */
START_TEST(a_server_with_room_again_catches_up_on_nothing)
{
	size_t n = serve(equal);

	servers[2].max_connections = 1;
	servers[2].load = 1;
	begin(LB_ROUNDROBIN, n, 1);
	count(n, 10000);
	balance_load(picker, 2, 0);
	count(n, 300);
	ck_assert_double_eq_tol(picked[2], 100, 2);
}
END_TEST

/* 2^24 picks of weight 1 fill 64 bits of virtual time; the turns go on. */
START_TEST(turns_never_run_out)
{
	size_t n = serve(two);

	begin(LB_ROUNDROBIN, n, 1);
	balance_update(picker, 1, 1, false);
	for (uint32_t i = 0; i < (1u << 24) - 10; i++)
		balance_pick(picker, NULL, NULL);
	balance_update(picker, 1, 1, true);
	for (int round = 0; round < 100; round++) {
		count(n, 20);
		ck_assert_double_eq_tol(picked[0], 10, 2);
	}
}
END_TEST

START_TEST(slow_start_ramps)
{
	const lb_duration over = LB_SEC(10);

	ck_assert_uint_eq(balance_ramp(100, 0, over), 1);
	ck_assert_uint_eq(balance_ramp(100, LB_SEC(1), over), 10);
	ck_assert_uint_eq(balance_ramp(100, LB_SEC(5), over), 50);
	ck_assert_uint_eq(balance_ramp(256, LB_MSEC(9999), over), 255);
	ck_assert_uint_eq(balance_ramp(100, over, over), 100);
	ck_assert_uint_eq(balance_ramp(100, LB_SEC(1000000), over), 100);
	ck_assert_uint_eq(balance_ramp(100, 0, 0), 100);
	ck_assert_uint_eq(balance_ramp(1, 0, over), 1);
	for (lb_duration t = 0, last = 0; t <= over; t += LB_MSEC(10)) {
		uint16_t w = balance_ramp(256, t, over);

		ck_assert_int_ge(w, last);
		last = w;
	}
}
END_TEST

/* A drained server stays drained however long it is up. */
START_TEST(slow_start_of_nothing_is_nothing)
{
	ck_assert_uint_eq(balance_ramp(0, 0, LB_SEC(10)), 0);
	ck_assert_uint_eq(balance_ramp(0, LB_SEC(5), LB_SEC(10)), 0);
}
END_TEST

START_TEST(freeing_nothing_is_fine)
{
	balance_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("balance");
	TCase *c = tcase_create("rules");

	tcase_add_checked_fixture(c, NULL, finish);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, first_fills_in_order);
	tcase_add_loop_test(c, nobody_is_chosen_of_nobody, 0, KINDS);
	tcase_add_loop_test(c, skip_passes_over, 0, KINDS);
	tcase_add_loop_test(c, weight_zero_gets_nothing, 0, KINDS);
	tcase_add_loop_test(c, backups_wait_until_all_others_are_out, 0, KINDS);
	tcase_add_loop_test(c, backups_help_out_when_all_others_were_tried, 0, KINDS);
	tcase_add_loop_test(c, limits_hold, 0, KINDS);
	tcase_add_test(c, a_new_weight_counts_from_now_on);
	tcase_add_test(c, a_raised_weight_is_felt_at_once);
	tcase_add_test(c, a_server_that_returns_catches_up_on_nothing);
	tcase_add_test(c, a_server_with_room_again_catches_up_on_nothing);
	tcase_add_test(c, turns_never_run_out);
	tcase_add_test(c, slow_start_ramps);
	tcase_add_test(c, slow_start_of_nothing_is_nothing);
	tcase_add_test(c, freeing_nothing_is_fine);
	suite_add_tcase(suite, c);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
