/* Finding a server that answers: refused, silent, none, out of ports; what control is told. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/worker_rig.h"

static struct rig rig;

static void setup(void)
{
	rig_start(&rig, NULL);
}

static void teardown(void)
{
	rig_stop(&rig);
}

/* A port where nobody listens. */
static uint16_t dead_port(void)
{
	uint16_t port;

	close(rig_listen(1, &port));
	return port;
}

/* A listener whose queue is full: the kernel drops further SYNs, so a connect stays unanswered. */
static int silent_port(uint16_t *port, int filler[4])
{
	int fd = rig_listen(0, port);
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(*port)};

	inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
	for (int i = 0; i < 4; i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(filler[i], (struct sockaddr *)&sa, sizeof(sa));
	}
	usleep(10000);
	return fd;
}

static void close_all(int fd, const int filler[4])
{
	close(fd);
	for (int i = 0; i < 4; i++)
		close(filler[i]);
}

/* F34: lost 0. */
START_TEST(a_refused_connection_goes_to_the_next_server_at_once)
{
	uint16_t port;
	int web = rig_listen(16, &port), client, server;

	rig_add_server(&rig, dead_port());
	rig_add_server(&rig, dead_port());
	rig_add_server(&rig, port);
	rig_publish(&rig);
	double before = rig_now_ms();
	rig_pair(&rig, web, &client, &server);
	rig_say(client, server, "x");
	ck_assert_double_lt(rig_now_ms() - before, 100);
	struct message *m = rig_wait(&rig, MESSAGE_CONNECT_FAILED, 2);
	ck_assert_ptr_eq(m->server, rig.servers[1].block);
	ck_assert_uint_eq(counter_get(&rig_slot(&rig, 0)->connect_errors), 1);
	ck_assert_uint_eq(counter_get(&rig_slot(&rig, 2)->sessions), 1);
	close(client);
	close(server);
	close(web);
}
END_TEST

START_TEST(control_hears_of_the_first_success_after_a_failure)
{
	uint16_t port;
	int web = rig_listen(16, &port), client, server;

	close(web);
	rig_add_server(&rig, port);
	rig_publish(&rig);
	client = rig_client(&rig);
	ck_assert_int_eq(rig_read_end(client), -ECONNRESET);
	close(client);
	rig_wait(&rig, MESSAGE_CONNECT_FAILED, 1);

	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
	int on = 1;
	inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
	web = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(web, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(bind(web, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(web, 16), 0);
	for (int i = 0; i < 3; i++) {
		rig_pair(&rig, web, &client, &server);
		rig_say(client, server, "x");
		close(client);
		close(server);
	}
	rig_wait(&rig, MESSAGE_CONNECT_OK, 1);
	rig_wait_counter(&rig, &rig.block->slot[0].sessions, 0);
	ck_assert_uint_eq(rig.seen[MESSAGE_CONNECT_OK], 1);
	close(web);
}
END_TEST

START_TEST(when_every_server_refuses_the_client_is_reset)
{
	for (int i = 0; i < 3; i++)
		rig_add_server(&rig, dead_port());
	rig_publish(&rig);
	for (int i = 0; i < 5; i++) {
		int client = rig_client(&rig);

		ck_assert_int_eq(rig_read_end(client), -ECONNRESET);
		close(client);
	}
	rig_wait_counter(&rig, &rig.block->slot[0].failed, 5);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_eq(counter_get(&rig_slot(&rig, i)->connect_errors), 5);
	/* Failures close together are one report for each server. */
	rig_wait(&rig, MESSAGE_CONNECT_FAILED, 3);
	ck_assert_uint_le(rig.seen[MESSAGE_CONNECT_FAILED], 15);
}
END_TEST

START_TEST(without_a_usable_server_the_client_is_reset)
{
	rig_add_server(&rig, dead_port());
	rig.servers[0].usable = false;
	rig_publish(&rig);
	int client = rig_client(&rig);
	ck_assert_int_eq(rig_read_end(client), -ECONNRESET);
	close(client);
	rig_wait_counter(&rig, &rig.block->slot[0].failed, 1);
	ck_assert_uint_eq(counter_get(&rig_slot(&rig, 0)->connect_errors), 0);
}
END_TEST

/* F35: a silent server costs a new client the hedge delay, not the connect timeout. */
START_TEST(a_second_server_is_tried_beside_a_silent_one)
{
	uint16_t silent, port;
	int filler[4], hole = silent_port(&silent, filler), web = rig_listen(16, &port), client, server;

	rig.service.hedge = true;
	rig.service.hedge_after = LB_MSEC(50);
	rig_add_server(&rig, silent);
	rig_add_server(&rig, port);
	rig_publish(&rig);
	double before = rig_now_ms();
	rig_pair(&rig, web, &client, &server);
	rig_say(client, server, "x");
	ck_assert_double_ge(rig_now_ms() - before, 45);
	ck_assert_double_lt(rig_now_ms() - before, 400);
	rig_wait_counter(&rig, &rig.block->slot[0].hedge_won, 1);
	ck_assert_uint_eq(counter_get(&rig_slot(&rig, 0)->hedged), 1);
	rig_wait_counter(&rig, &rig_slot(&rig, 0)->sessions, 0);
	ck_assert_uint_eq(rig.servers[0].block->sessions, 0);
	ck_assert_uint_eq(rig.servers[1].block->sessions, 1);
	close(client);
	close(server);
	close(web);
	close_all(hole, filler);
}
END_TEST

/* Ten tokens, one more for each ten connections: silent servers cannot double the load. Who has no token waits. */
START_TEST(second_attempts_have_a_budget)
{
	enum { CLIENTS = 30, BUDGET = 10 + CLIENTS / 10 };
	uint16_t port[2];
	int filler[2][4], hole[2], client[CLIENTS];

	rig.service.hedge = true;
	rig.service.hedge_after = LB_MSEC(20);
	rig.service.connect_timeout = LB_MSEC(200);
	for (int i = 0; i < 2; i++) {
		hole[i] = silent_port(&port[i], filler[i]);
		rig_add_server(&rig, port[i]);
	}
	rig_publish(&rig);
	for (int i = 0; i < CLIENTS; i++)
		client[i] = rig_client(&rig);
	rig_wait_counter(&rig, &rig.block->slot[0].sessions_total, CLIENTS);
	rig_wait_counter(&rig, &rig.block->slot[0].sessions, 0);
	uint64_t hedged = counter_get(&rig_slot(&rig, 0)->hedged) + counter_get(&rig_slot(&rig, 1)->hedged);
	ck_assert_uint_ge(hedged, 10);
	ck_assert_uint_le(hedged, BUDGET);
	ck_assert_uint_ge(counter_get(&rig.block->slot[0].hedge_denied), CLIENTS - BUDGET);
	for (int i = 0; i < CLIENTS; i++)
		close(client[i]);
	for (int i = 0; i < 2; i++)
		close_all(hole[i], filler[i]);
}
END_TEST

/* Those who wait change to the server that answered the first ones, which costs no budget and no connect timeout. */
START_TEST(one_that_waits_changes_to_the_server_that_answers)
{
	enum { CLIENTS = 30 };
	uint16_t silent, port;
	int filler[4], hole = silent_port(&silent, filler), web = rig_listen(64, &port), client[CLIENTS];

	rig.service.hedge = true;
	rig.service.hedge_after = LB_MSEC(20);
	rig.service.connect_timeout = LB_MSEC(600);
	rig_add_server(&rig, silent);
	rig_add_server(&rig, port);
	rig_publish(&rig);
	double before = rig_now_ms();
	for (int i = 0; i < CLIENTS; i++)
		client[i] = rig_client(&rig);
	for (int i = 0; i < CLIENTS; i++)
		close(rig_accept(web));
	ck_assert_double_lt(rig_now_ms() - before, 400);
	for (int i = 0; i < CLIENTS; i++)
		close(client[i]);
	rig_wait_counter(&rig, &rig.block->slot[0].sessions, 0);
	uint64_t won = counter_get(&rig.block->slot[0].hedge_won);
	ck_assert_uint_ge(won, 1);
	ck_assert_uint_le(won, 10 + CLIENTS / 10);
	close(web);
	close_all(hole, filler);
}
END_TEST

/* Who comes after the one that found it silent does not wait, and control is told so that the server is checked. */
START_TEST(a_server_that_was_silent_is_not_the_first_choice)
{
	uint16_t silent, port;
	int filler[4], hole = silent_port(&silent, filler), web = rig_listen(16, &port), client, server;

	rig.service.balance = LB_FIRST;
	rig.service.hedge = true;
	rig.service.hedge_after = LB_MSEC(100);
	rig_add_server(&rig, silent);
	rig_add_server(&rig, port);
	rig_publish(&rig);
	rig_pair(&rig, web, &client, &server);
	rig_wait(&rig, MESSAGE_CONNECT_SILENT, 1);
	close(client);
	close(server);
	double before = rig_now_ms();
	rig_pair(&rig, web, &client, &server);
	ck_assert_double_lt(rig_now_ms() - before, 90);
	ck_assert_uint_eq(counter_get(&rig_slot(&rig, 0)->hedged), 1);
	close(client);
	close(server);
	close(web);
	close_all(hole, filler);
}
END_TEST

START_TEST(a_silent_server_is_given_up_after_the_connect_timeout)
{
	uint16_t silent, port;
	int filler[4], hole = silent_port(&silent, filler), web = rig_listen(16, &port), client, server;

	rig.service.connect_timeout = LB_MSEC(200);
	rig_add_server(&rig, silent);
	rig_add_server(&rig, port);
	rig_publish(&rig);
	double before = rig_now_ms();
	rig_pair(&rig, web, &client, &server);
	ck_assert_double_ge(rig_now_ms() - before, 195);
	rig_wait(&rig, MESSAGE_CONNECT_FAILED, 1);
	close(client);
	close(server);

	rig.servers[1].usable = false;
	rig_publish(&rig);
	client = rig_client(&rig);
	ck_assert_int_eq(rig_read_end(client), -ECONNRESET);
	close(client);
	close(web);
	close_all(hole, filler);
}
END_TEST

/* The end of the handshake is kept back for the first bytes, but not where none have come. */
START_TEST(a_server_that_speaks_first_is_not_kept_waiting)
{
	uint16_t port;
	int web = rig_listen(16, &port), client, server;
	double shortest = 1000;

	rig_add_server(&rig, port);
	rig_publish(&rig);
	/* The kernel would wait for 200 ms each time; a busy machine may do so sometimes. */
	for (int i = 0; i < 5; i++) {
		double began = rig_now_ms(), took;

		rig_pair(&rig, web, &client, &server);
		took = rig_now_ms() - began;
		shortest = took < shortest ? took : shortest;
		rig_say(server, client, "220 mail.example");
		close(client);
		close(server);
	}
	ck_assert_double_lt(shortest, 100);
	close(web);
}
END_TEST

START_TEST(the_server_sees_the_vip_as_its_client)
{
	uint16_t port;
	int web = rig_listen(16, &port), client, server;
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	char text[INET_ADDRSTRLEN];

	rig_stop(&rig);
	rig_start(&rig, "127.0.0.99");
	rig.service.source = LB_SOURCE_VIP;
	rig_add_server(&rig, port);
	rig_publish(&rig);
	rig_pair(&rig, web, &client, &server);
	getpeername(server, (struct sockaddr *)&peer, &len);
	ck_assert_str_eq(inet_ntop(AF_INET, &peer.sin_addr, text, sizeof(text)), "127.0.0.99");
	close(client);
	close(server);

	rig.service.source = LB_SOURCE_NODE;
	rig_publish(&rig);
	rig_pair(&rig, web, &client, &server);
	getpeername(server, (struct sockaddr *)&peer, &len);
	ck_assert_str_eq(inet_ntop(AF_INET, &peer.sin_addr, text, sizeof(text)), "127.0.0.1");
	close(client);
	close(server);
	close(web);
}
END_TEST

START_TEST(leastconn_spreads_and_a_full_server_is_passed_over)
{
	uint16_t port[3];
	int web[3], client[30];
	size_t expected[3] = {13, 13, 4};

	rig.service.balance = LB_LEASTCONN;
	for (size_t i = 0; i < 3; i++) {
		web[i] = rig_listen(64, &port[i]);
		rig_add_server(&rig, port[i]);
	}
	rig.servers[2].max_connections = 4;
	rig_publish(&rig);
	for (size_t i = 0; i < 30; i++)
		client[i] = rig_client(&rig);
	rig_wait_counter(&rig, &rig.block->slot[0].sessions_total, 30);
	for (size_t i = 0; i < 3; i++)
		rig_wait_counter(&rig, &rig_slot(&rig, i)->sessions_total, expected[i]);
	for (size_t i = 0; i < 30; i++)
		rig_reset(client[i]);
	rig_wait_counter(&rig, &rig.block->slot[0].sessions, 0);
	for (size_t i = 0; i < 3; i++)
		close(web[i]);
}
END_TEST

static void expect_text(int fd, const char *text)
{
	char got[128];

	rig_read(fd, got, strlen(text));
	ck_assert(memcmp(got, text, strlen(text)) == 0);
}

START_TEST(a_server_is_told_who_the_client_is)
{
	uint16_t port;
	int web = rig_listen(16, &port), client, server;
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	char line[128];

	rig.service.send_proxy = LB_PROXY_V1;
	rig_add_server(&rig, port);
	rig_publish(&rig);
	rig_pair(&rig, web, &client, &server);
	getsockname(client, (struct sockaddr *)&sa, &len);
	snprintf(line, sizeof(line), "PROXY TCP4 127.0.0.1 127.0.0.1 %u %u\r\n", ntohs(sa.sin_port),
		 rig.listener.endpoint.port);
	expect_text(server, line);
	rig_say(client, server, "hello");
	rig_wait_counter(&rig, &rig.block->slot[0].bytes_in, 5);
	close(client);
	close(server);
	close(web);
}
END_TEST

/* A chain of proxies: the header comes in pieces, is believed, judged by allow and deny, and passed on. */
START_TEST(a_trusted_client_says_who_it_speaks_for)
{
	struct lb_cidr trusted, bad;
	uint16_t port;
	int web = rig_listen(16, &port), client, server;
	static const char header[] = "PROXY TCP4 192.0.2.7 198.51.100.1 1234 443\r\n";

	ck_assert(lb_cidr_parse("127.0.0.0/8", &trusted) && lb_cidr_parse("203.0.113.0/24", &bad));
	rig.service.accept_proxy = true;
	rig.service.accept_proxy_from = &trusted;
	rig.service.accept_proxy_from_count = 1;
	rig.service.deny = &bad;
	rig.service.deny_count = 1;
	rig.service.send_proxy = LB_PROXY_V1;
	rig_add_server(&rig, port);
	rig_publish(&rig);

	client = rig_client(&rig);
	for (size_t i = 0; i < sizeof(header) - 1; i += 5) {
		rig_write(client, header + i, sizeof(header) - 1 - i < 5 ? sizeof(header) - 1 - i : 5);
		usleep(1000);
	}
	server = rig_accept(web);
	expect_text(server, header);
	rig_say(client, server, "hello");
	rig_send(&rig, message_new(MESSAGE_LIST_SESSIONS));
	struct message *m = rig_wait(&rig, MESSAGE_SESSION_LIST, rig.seen[MESSAGE_SESSION_LIST] + 1);
	char text[LB_ENDPOINT_TEXT];
	ck_assert_str_eq(lb_endpoint_text(&m->sessions[0].client, text), "192.0.2.7:1234");
	close(client);
	close(server);

	static const char *const refused[] = {"GET / HTTP/1.1\r\n\r\n",
					      "PROXY TCP4 203.0.113.9 198.51.100.1 1234 443\r\n"};
	for (int i = 0; i < 2; i++) {
		client = rig_client(&rig);
		rig_write(client, refused[i], strlen(refused[i]));
		ck_assert_int_eq(rig_read_end(client), -ECONNRESET);
		close(client);
	}
	rig_wait_counter(&rig, &rig.block->slot[0].refused, 2);
	/* Half a header, then nothing: gone without a trace. */
	client = rig_client(&rig);
	rig_write(client, "PROXY TC", 8);
	usleep(20000);
	close(client);
	rig_wait_counter(&rig, &rig.block->slot[0].sessions, 0);
	close(web);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker_connect");
	TCase *tc = tcase_create("connect");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_refused_connection_goes_to_the_next_server_at_once);
	tcase_add_test(tc, control_hears_of_the_first_success_after_a_failure);
	tcase_add_test(tc, when_every_server_refuses_the_client_is_reset);
	tcase_add_test(tc, without_a_usable_server_the_client_is_reset);
	tcase_add_test(tc, a_second_server_is_tried_beside_a_silent_one);
	tcase_add_test(tc, second_attempts_have_a_budget);
	tcase_add_test(tc, one_that_waits_changes_to_the_server_that_answers);
	tcase_add_test(tc, a_server_that_was_silent_is_not_the_first_choice);
	tcase_add_test(tc, a_silent_server_is_given_up_after_the_connect_timeout);
	tcase_add_test(tc, a_server_that_speaks_first_is_not_kept_waiting);
	tcase_add_test(tc, the_server_sees_the_vip_as_its_client);
	tcase_add_test(tc, leastconn_spreads_and_a_full_server_is_passed_over);
	tcase_add_test(tc, a_server_is_told_who_the_client_is);
	tcase_add_test(tc, a_trusted_client_says_who_it_speaks_for);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
