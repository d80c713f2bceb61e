/* What a worker tells of its connections: those that last, once opened and once closed, and everything when asked anew.
 */
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/sys/tcp_sock.h"
#include "tests/unit/worker_rig.h"

static struct rig rig;
static int web;

static void setup(void)
{
	uint16_t port;

	rig_start(&rig, "127.0.0.78");
	web = rig_listen(1024, &port);
	rig_add_server(&rig, port);
	rig_publish(&rig);
}

static void teardown(void)
{
	rig_stop(&rig);
	close(web);
}

/* workers 0: stop telling. */
static void order(uint32_t token, uint32_t workers)
{
	struct message *m = message_new(MESSAGE_TELL_TUPLES);

	m->token = token;
	m->count = workers;
	rig_send(&rig, m);
}

/* The next batch. */
static const struct tuple_news *news(uint32_t token)
{
	struct message *m = rig_wait(&rig, MESSAGE_TUPLES, rig.seen[MESSAGE_TUPLES] + 1);

	ck_assert_uint_eq(m->token, token);
	return m->news;
}

/* Nothing is told for longer than a batch waits. */
static void expect_silence(void)
{
	uint32_t before = rig.seen[MESSAGE_TUPLES];
	double until = rig_now_ms() + 350;

	while (rig_now_ms() < until) {
		rig_send(&rig, message_new(MESSAGE_LIST_SESSIONS));
		rig_wait(&rig, MESSAGE_SESSION_LIST, rig.seen[MESSAGE_SESSION_LIST] + 1);
		usleep(10000);
	}
	ck_assert_uint_eq(rig.seen[MESSAGE_TUPLES], before);
}

START_TEST(a_connection_is_told_as_the_kernel_knows_it)
{
	struct lb_endpoint end;
	const struct tuple_news *n;
	int client, server;

	order(1, 1);
	rig_pair(&rig, web, &client, &server);
	n = news(1);
	ck_assert_uint_eq(n->count, 1);
	ck_assert_int_eq(n->changes[0].kind, TUPLE_OPENED);
	ck_assert_uint_eq(n->changes[0].slot, 0);
	ck_assert(tcp_sock_local(client, &end) && lb_endpoint_equal(&end, &n->changes[0].tuple.client));
	ck_assert(tcp_sock_remote(client, &end) && lb_endpoint_equal(&end, &n->changes[0].tuple.vip));
	/* The server sees the VIP's address, so that it can be told, too. */
	ck_assert(tcp_sock_remote(server, &end));
	ck_assert_uint_eq(end.port, n->changes[0].tuple.source_port);
	ck_assert(tcp_sock_local(server, &end) && lb_endpoint_equal(&end, &n->changes[0].tuple.server));
	close(client);
	close(server);
	n = news(1);
	ck_assert_uint_eq(n->count, 1);
	ck_assert_int_eq(n->changes[0].kind, TUPLE_CLOSED);
	ck_assert_uint_eq(n->changes[0].slot, 0);
}
END_TEST

START_TEST(a_server_that_sees_the_node_is_not_told)
{
	const struct tuple_news *n;
	int client, server;

	rig.service.source = LB_SOURCE_NODE;
	rig_publish(&rig);
	order(1, 1);
	rig_pair(&rig, web, &client, &server);
	n = news(1);
	ck_assert_uint_eq(n->count, 1);
	ck_assert_uint_eq(n->changes[0].tuple.server.addr.family, 0);
	ck_assert_uint_eq(n->changes[0].tuple.source_port, 0);
	close(client);
	close(server);
}
END_TEST

/* A connection that ends after a third of what a batch waits: until the worker has seen its end. */
static double pair_lasts_ms(void)
{
	double began = rig_now_ms();
	int client, server;

	rig_pair(&rig, web, &client, &server);
	usleep(30000);
	close(client);
	close(server);
	while (rig_sessions(&rig) > 0 && rig_now_ms() < began + 1000)
		usleep(100);
	return rig_now_ms() - began;
}

START_TEST(short_ones_never_travel)
{
	bool short_enough = false;

	/* On a machine that stands still meanwhile they are no short ones, and are told. */
	for (uint32_t attempt = 0; attempt < 10 && !short_enough; attempt++) {
		if (attempt > 0) {
			teardown();
			setup();
		}
		order(1, 1);
		short_enough = true;
		for (int i = 0; i < 5; i++)
			short_enough = short_enough && pair_lasts_ms() < 80;
	}
	ck_assert(short_enough);
	expect_silence();
}
END_TEST

START_TEST(nothing_is_told_unasked)
{
	int client, server;

	rig_pair(&rig, web, &client, &server);
	expect_silence();
	/* Then those that were there before. */
	order(7, 1);
	ck_assert_uint_eq(news(7)->count, 1);
	order(8, 1);
	ck_assert_uint_eq(news(8)->count, 1);
	order(9, 0);
	close(client);
	close(server);
	expect_silence();
}
END_TEST

START_TEST(slots_are_used_again_and_run_out)
{
	int client[3], server[3];
	const struct tuple_news *n;

	/* One slot for each of so many workers. */
	order(1, TUPLE_SLOTS);
	rig_pair(&rig, web, &client[0], &server[0]);
	n = news(1);
	ck_assert_uint_eq(n->changes[0].slot, 0);
	ck_assert_uint_eq(n->untold, 0);
	rig_pair(&rig, web, &client[1], &server[1]);
	expect_silence();
	close(client[0]);
	close(server[0]);
	n = news(1);
	ck_assert_uint_eq(n->count, 1);
	ck_assert_int_eq(n->changes[0].kind, TUPLE_CLOSED);
	ck_assert_uint_eq(n->untold, 1);
	rig_pair(&rig, web, &client[2], &server[2]);
	n = news(1);
	ck_assert_int_eq(n->changes[0].kind, TUPLE_OPENED);
	ck_assert_uint_eq(n->changes[0].slot, 0);
	for (int i = 1; i < 3; i++) {
		close(client[i]);
		close(server[i]);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker_tuples");
	TCase *all = tcase_create("all");

	tcase_add_checked_fixture(all, setup, teardown);
	tcase_set_timeout(all, 20);
	tcase_add_test(all, a_connection_is_told_as_the_kernel_knows_it);
	tcase_add_test(all, a_server_that_sees_the_node_is_not_told);
	tcase_add_test(all, short_ones_never_travel);
	tcase_add_test(all, nothing_is_told_unasked);
	tcase_add_test(all, slots_are_used_again_and_run_out);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
