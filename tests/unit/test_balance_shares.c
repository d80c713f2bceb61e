/* Who gets how much: shares over many picks, loads, and which clients move when a server leaves. */
#include "tests/unit/balance_rig.h"

/* ---- shares ---- */

/* Within 1 % of each share, and smoothly: no server waits much longer than its turn. */
START_TEST(roundrobin_follows_weights)
{
	size_t n = serve(weight_rows[_i]);

	begin(LB_ROUNDROBIN, n, 1);
	count(n, PICKS);
	strict_shares(n, PICKS);
}
END_TEST

START_TEST(roundrobin_of_equals_takes_turns)
{
	size_t n = serve((const uint16_t[MAX]){100, 100, 100, 100});

	begin(LB_ROUNDROBIN, n, 1);
	for (int round = 0; round < 10000; round++) {
		count(n, 4);
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_eq(picked[i], 1);
	}
}
END_TEST

START_TEST(roundrobin_starts_elsewhere_with_another_seed)
{
	size_t n = serve(odd);
	bool differ = false;

	begin(LB_ROUNDROBIN, n, 0);
	int first = pick(0);
	for (uint64_t seed = 1; seed < 10; seed++) {
		begin(LB_ROUNDROBIN, n, seed);
		differ = differ || pick(0) != first;
	}
	ck_assert(differ);
}
END_TEST

/*
 * Draws that know nothing of each other: of n picks a server of share p gets np, give or take sqrt(np(1 - p)). With
 * 100,000 picks that is 0.3 % for one of two servers and 6 % for one of weight 1 beside 256: nobody can promise 1 % of
 * each share. What can be promised: 1 % of all picks, four of these deviations, and 1 % of each share over as many
 * picks as make four of them less than that (steep weights, 41 million, are left out).
 */
START_TEST(random_follows_weights)
{
	size_t n = serve(weight_rows[_i]);

	begin(LB_RANDOM, n, 42);
	count(n, PICKS);
	shares(n, PICKS, 0.01 * PICKS);
	drawn_shares(n, PICKS);
	if (weight_rows[_i] == steep)
		return;
	count(n, MANY_PICKS);
	strict_shares(n, MANY_PICKS);
}
END_TEST

/* As it is used: sessions stay, and the less loaded of two is taken. Then 1 % of each share holds over 100,000. */
START_TEST(random_follows_weights_where_sessions_stay)
{
	size_t n = serve(weight_rows[_i]);

	begin(LB_RANDOM, n, 42);
	fill(n, PICKS);
	strict_shares(n, PICKS);
}
END_TEST

START_TEST(random_differs_by_seed)
{
	size_t n = serve(equal), same = 0;
	int first[100];

	begin(LB_RANDOM, n, 1);
	for (uint32_t i = 0; i < 100; i++)
		first[i] = pick(i);
	begin(LB_RANDOM, n, 2);
	for (uint32_t i = 0; i < 100; i++)
		same += pick(i) == first[i];
	ck_assert_uint_lt(same, 60);
}
END_TEST

/* Two choices: sessions that stay spread far more evenly than draws alone would. */
START_TEST(random_prefers_the_less_loaded_of_two)
{
	size_t n = serve((const uint16_t[MAX]){100, 100, 100, 100, 100, 100, 100, 100});
	uint32_t load[MAX] = {0};

	begin(LB_RANDOM, n, 7);
	for (uint32_t i = 0; i < 8000; i++) {
		int s = pick(i);
		balance_load(picker, (size_t)s, ++load[s]);
	}
	for (size_t i = 0; i < n; i++)
		ck_assert_double_eq_tol(load[i], 1000, 10);
}
END_TEST

/* The share of a server that is full goes to all others, not to its neighbour in the list. */
START_TEST(random_spreads_what_a_full_server_cannot_take)
{
	size_t n = serve((const uint16_t[MAX]){100, 100, 100, 100});

	servers[1].max_connections = 5;
	servers[1].load = 5;
	begin(LB_RANDOM, n, 3);
	count(n, PICKS);
	ck_assert_uint_eq(picked[1], 0);
	for (size_t i = 0; i < n; i++)
		if (i != 1)
			ck_assert_double_eq_tol(picked[i], PICKS / 3.0, 0.01 * PICKS);
}
END_TEST

/* A client's server is drawn once and for all, from its address: over many clients the same as of random draws holds.
 */
START_TEST(source_follows_weights)
{
	size_t n = serve(weight_rows[_i]);

	begin(LB_SOURCE, n, 42);
	count(n, PICKS);
	shares(n, PICKS, 0.01 * PICKS);
	drawn_shares(n, PICKS);
	if (weight_rows[_i] == steep)
		return;
	count(n, MANY_PICKS);
	strict_shares(n, MANY_PICKS);
}
END_TEST

/* ---- leastconn ---- */

START_TEST(leastconn_fills_by_weight)
{
	size_t n = serve(weight_rows[_i]);

	begin(LB_LEASTCONN, n, 1);
	fill(n, PICKS);
	strict_shares(n, PICKS);
}
END_TEST

START_TEST(leastconn_takes_the_least_loaded)
{
	size_t n = serve(equal);

	servers[0].load = 10;
	servers[1].load = 3;
	servers[2].load = 7;
	begin(LB_LEASTCONN, n, 1);
	ck_assert_int_eq(pick(0), 1);
	balance_load(picker, 1, 8);
	ck_assert_int_eq(pick(0), 2);
	balance_load(picker, 2, 11);
	balance_load(picker, 0, 0);
	ck_assert_int_eq(pick(0), 0);
}
END_TEST

/* Sessions so short that none is ever seen: idle servers still share by weight. */
START_TEST(leastconn_of_idle_servers_follows_weights)
{
	size_t n = serve(weight_rows[_i]);

	begin(LB_LEASTCONN, n, 1);
	count(n, PICKS);
	strict_shares(n, PICKS);
}
END_TEST

/* A server that was busy for long is not flooded for what it missed. */
START_TEST(leastconn_catches_up_on_nothing)
{
	size_t n = serve(equal);

	servers[0].load = 1;
	begin(LB_LEASTCONN, n, 1);
	count(n, 10000);
	ck_assert_uint_eq(picked[0], 0);
	balance_load(picker, 0, 0);
	count(n, 300);
	ck_assert_double_eq_tol(picked[0], 100, 2);
}
END_TEST

/* ---- source ---- */

/* Two nodes list the servers in another order and have other seeds: the client meets the same server by name. */
START_TEST(source_is_the_same_on_every_node)
{
	size_t n = serve(odd);
	struct balance_server other[MAX];

	for (size_t i = 0; i < n; i++)
		other[i] = servers[n - 1 - i];
	struct balance *second = balance_new(LB_SOURCE, other, n, 999);
	ck_assert_ptr_nonnull(second);
	begin(LB_SOURCE, n, 1);
	for (uint32_t i = 0; i < PICKS; i++) {
		struct lb_addr c = client(i);
		int mine = balance_pick(picker, &c, NULL), theirs = balance_pick(second, &c, NULL);

		ck_assert_int_eq((int)n - 1 - theirs, mine);
	}
	balance_free(second);
}
END_TEST

/* Only the clients of the server that left move, about 1/n of all, and all come back with it. */
START_TEST(source_moves_only_the_clients_of_a_server_that_left)
{
	size_t n = serve((const uint16_t[MAX]){100, 100, 100, 100, 100});
	static int before[PICKS];
	uint32_t moved = 0;

	begin(LB_SOURCE, n, 1);
	for (uint32_t i = 0; i < PICKS; i++)
		before[i] = pick(i);
	balance_update(picker, 2, 100, false);
	for (uint32_t i = 0; i < PICKS; i++) {
		int after = pick(i);

		ck_assert_int_ne(after, 2);
		moved += after != before[i];
		ck_assert(after == before[i] || before[i] == 2);
	}
	ck_assert_double_le(moved, PICKS * (1.0 / (double)n + 0.05));
	ck_assert_double_ge(moved, PICKS * (1.0 / (double)n - 0.05));
	balance_update(picker, 2, 100, true);
	for (uint32_t i = 0; i < PICKS; i++)
		ck_assert_int_eq(pick(i), before[i]);
}
END_TEST

/* A server that is taken off the list: the rest is built anew, and few clients of others move. */
START_TEST(source_moves_few_clients_when_the_list_gets_shorter)
{
	static const size_t sizes[] = {2, 3, 5, 10, 40, 200};
	size_t n = sizes[_i];
	struct balance_server *list = calloc(n, sizeof(*list));
	struct balance *longer, *shorter;
	uint32_t moved = 0;

	ck_assert_ptr_nonnull(list);
	for (size_t i = 0; i < n; i++)
		list[i] = (struct balance_server){
		    .key_hash = (uint32_t)lb_hash(&i, sizeof(i)), .weight = 100, .usable = true};
	longer = balance_new(LB_SOURCE, list, n, 1);
	/* The last but one goes: the index of the last one changes, which is no move. */
	list[n - 2] = list[n - 1];
	shorter = balance_new(LB_SOURCE, list, n - 1, 1);
	for (uint32_t i = 0; i < PICKS; i++) {
		struct lb_addr c = client(i);
		int before = balance_pick(longer, &c, NULL), after = balance_pick(shorter, &c, NULL);

		moved += after != (before == (int)n - 1 ? (int)n - 2 : before) || before == (int)n - 2;
	}
	ck_assert_double_le(moved, PICKS * (1.0 / (double)n + 0.05));
	ck_assert_double_ge(moved, PICKS * (1.0 / (double)n - 0.01));
	balance_free(longer);
	balance_free(shorter);
	free(list);
}
END_TEST

/* Half the weight: about half of its clients leave the server, and no others move. */
START_TEST(source_moves_only_the_clients_of_a_server_that_got_lighter)
{
	size_t n = serve(equal);
	static int before[PICKS];
	uint32_t left = 0, had = 0;

	begin(LB_SOURCE, n, 1);
	for (uint32_t i = 0; i < PICKS; i++) {
		before[i] = pick(i);
		had += before[i] == 1;
	}
	balance_update(picker, 1, 50, true);
	for (uint32_t i = 0; i < PICKS; i++) {
		int after = pick(i);

		ck_assert(after == before[i] || before[i] == 1);
		left += before[i] == 1 && after != 1;
	}
	/* From 100 of 300 to 50 of 250. */
	ck_assert_double_eq_tol(had - left, PICKS / 5.0, 0.01 * PICKS);
}
END_TEST

/* The last few of many, and the smallest weights: still by weight, still the same for each client. */
START_TEST(source_finds_the_few_that_are_left)
{
	enum { MANY = 500 };
	static struct balance_server list[MANY];
	struct balance *b;
	uint32_t first = 0;

	for (size_t i = 0; i < MANY; i++)
		list[i] = (struct balance_server){.key_hash = (uint32_t)lb_hash(&i, sizeof(i)), .weight = 256};
	list[17].usable = list[430].usable = true;
	list[17].weight = 2;
	list[430].weight = 1;
	b = balance_new(LB_SOURCE, list, MANY, 1);
	for (uint32_t i = 0; i < PICKS / 10; i++) {
		struct lb_addr c = client(i);
		int chosen = balance_pick(b, &c, NULL);

		ck_assert(chosen == 17 || chosen == 430);
		ck_assert_int_eq(balance_pick(b, &c, NULL), chosen);
		first += chosen == 17;
	}
	ck_assert_double_eq_tol(first, PICKS / 10 * 2 / 3.0, 0.02 * PICKS / 10);
	balance_free(b);
}
END_TEST

START_TEST(source_reads_whole_ipv6_addresses)
{
	size_t n = serve(equal);

	begin(LB_SOURCE, n, 1);
	for (size_t i = 0; i < n; i++)
		picked[i] = 0;
	for (int i = 0; i < 3000; i++) {
		struct lb_addr c = {
		    AF_INET6, {0x20, 1, 0xd, 0xb8, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i}
		       };
		picked[balance_pick(picker, &c, NULL)]++;
	}
	shares(n, 3000, 100);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("balance_shares");
	TCase *c = tcase_create("picks");

	tcase_add_checked_fixture(c, NULL, finish);
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, NULL, finish);
	tcase_add_loop_test(c, roundrobin_follows_weights, 0, WEIGHT_ROWS);
	tcase_add_test(c, roundrobin_of_equals_takes_turns);
	tcase_add_test(c, roundrobin_starts_elsewhere_with_another_seed);
	tcase_add_loop_test(c, random_follows_weights, 0, WEIGHT_ROWS);
	tcase_add_loop_test(c, random_follows_weights_where_sessions_stay, 0, WEIGHT_ROWS);
	tcase_add_test(c, random_differs_by_seed);
	tcase_add_test(c, random_prefers_the_less_loaded_of_two);
	tcase_add_test(c, random_spreads_what_a_full_server_cannot_take);
	tcase_add_loop_test(c, source_follows_weights, 0, WEIGHT_ROWS);
	tcase_add_loop_test(c, leastconn_fills_by_weight, 0, WEIGHT_ROWS);
	tcase_add_test(c, leastconn_takes_the_least_loaded);
	tcase_add_loop_test(c, leastconn_of_idle_servers_follows_weights, 0, WEIGHT_ROWS);
	tcase_add_test(c, leastconn_catches_up_on_nothing);
	tcase_add_test(c, source_is_the_same_on_every_node);
	tcase_add_test(c, source_moves_only_the_clients_of_a_server_that_left);
	tcase_add_loop_test(c, source_moves_few_clients_when_the_list_gets_shorter, 0, 6);
	tcase_add_test(c, source_moves_only_the_clients_of_a_server_that_got_lighter);
	tcase_add_test(c, source_finds_the_few_that_are_left);
	tcase_add_test(c, source_reads_whole_ipv6_addresses);
	suite_add_tcase(suite, c);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
