/* What control asks of a worker: views, limits, ends, lists; and what happens when descriptors run out. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <lb/log.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/worker_rig.h"

static struct rig rig;
static int web[2];
static uint16_t port[2];

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[4096];

static void keep_line(void *ctx, enum lb_log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	pthread_mutex_lock(&log_lock);
	snprintf(log_text, sizeof(log_text), "%s", line);
	pthread_mutex_unlock(&log_lock);
}

/* Does the newest line contain this? "" asks for an empty log. Empties it. */
static bool logged(const char *text)
{
	pthread_mutex_lock(&log_lock);
	bool yes = text[0] == '\0' ? log_text[0] == '\0' : strstr(log_text, text) != NULL;
	log_text[0] = '\0';
	pthread_mutex_unlock(&log_lock);
	return yes;
}

static void setup(void)
{
	lb_log_init(keep_line, NULL, LB_LOG_INFO);
	rig_start(&rig, "127.0.0.77");
	for (size_t i = 0; i < 2; i++) {
		web[i] = rig_listen(4096, &port[i]);
		rig_add_server(&rig, port[i]);
	}
	rig_publish(&rig);
}

static void teardown(void)
{
	rig_stop(&rig);
	close(web[0]);
	close(web[1]);
}

static void expect_reset(void)
{
	int client = rig_client(&rig);

	ck_assert_int_eq(rig_read_end(client), -ECONNRESET);
	close(client);
}

START_TEST(sessions_outlive_the_views_they_began_under)
{
	int client[3], server[3];

	rig_pair(&rig, web[0], &client[0], &server[0]);
	/* The first server goes. */
	struct pool_server former = rig.servers[0];
	rig.servers[0] = rig.servers[1];
	rig.server_count = 1;
	rig_publish(&rig);
	rig_say(client[0], server[0], "still here");
	ck_assert(!server_block_idle(former.block));
	rig_pair(&rig, web[1], &client[1], &server[1]);
	/* The service goes. */
	rig.service_count = 0;
	int listener = rig.listener.fd;
	rig_publish(&rig);
	ck_assert_int_eq(fcntl(listener, F_GETFD), -1);
	rig_say(server[0], client[0], "still here");
	rig_say(client[1], server[1], "me too");
	for (int i = 0; i < 2; i++) {
		close(client[i]);
		ck_assert_int_eq(rig_read_end(server[i]), 0);
		close(server[i]);
	}
	rig_wait_counter(&rig, &rig.block->slot[0].sessions, 0);
	ck_assert(server_block_idle(former.block));
	rig.servers[1] = former;
	/* One list for each publish, the last one without sessions. */
	rig_publish(&rig);
	ck_assert_uint_eq(rig.last[MESSAGE_SESSION_LIST]->count, 0);
}
END_TEST

START_TEST(who_waits_in_the_queue_of_a_listener_that_goes_is_served)
{
	int second[2] = {-1, -1}, client, server;

	/* Frozen: the worker accepts nothing while it has all the sessions that it may have. */
	rig.max_connections = 1;
	rig_publish(&rig);
	rig_pair(&rig, web[0], &client, &server);
	second[0] = rig_client(&rig);
	ck_assert_int_eq(poll(&(struct pollfd){.fd = web[0], .events = POLLIN}, 1, 150), 0);
	ck_assert_uint_eq(rig_sessions(&rig), 1);
	close(client);
	close(server);
	second[1] = rig_accept(web[0]);
	rig_say(second[0], second[1], "patience");
	close(second[0]);
	close(second[1]);

	rig.max_connections = 2;
	rig_publish(&rig);
	/* A view without the listener: whoever is queued at this moment still gets a session. */
	client = rig_client(&rig);
	rig.listener.fd = -1;
	rig_publish(&rig);
	server = rig_accept(web[0]);
	rig_say(client, server, "drained");
	close(client);
	close(server);
}
END_TEST

START_TEST(a_server_that_is_not_usable_gets_no_new_sessions)
{
	int client, server;

	rig.servers[0].usable = false;
	rig_publish(&rig);
	rig_pair(&rig, web[1], &client, &server);
	rig_say(client, server, "x");
	close(client);
	close(server);
	rig.servers[0].usable = true;
	rig.servers[0].weight = 0;
	rig_publish(&rig);
	rig_pair(&rig, web[1], &client, &server);
	close(client);
	close(server);
	rig.servers[0].weight = 1;
	rig_publish(&rig);
	rig_pair(&rig, web[0], &client, &server);
	close(client);
	close(server);
}
END_TEST

static struct message *end_order(enum end_scope scope, enum flow_end reason)
{
	struct message *m = message_new(MESSAGE_END_SESSIONS);

	m->scope = scope;
	m->reason = reason;
	m->token = 4711;
	return m;
}

START_TEST(sessions_end_by_server_by_id_and_all)
{
	int client[6], server[6];

	for (int i = 0; i < 6; i++) {
		rig.servers[0].usable = i < 3;
		rig_publish(&rig);
		rig_pair(&rig, web[i >= 3], &client[i], &server[i]);
		rig_say(client[i], server[i], "x");
	}
	struct message *m = end_order(END_SERVER, FLOW_END_SERVER_DOWN);
	m->server = rig.servers[0].block;
	rig_send(&rig, m);
	m = rig_wait(&rig, MESSAGE_SESSIONS_ENDED, 1);
	ck_assert_uint_eq(m->count, 3);
	ck_assert_uint_eq(m->token, 4711);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(rig_read_end(client[i]), -ECONNRESET);
		ck_assert_int_eq(rig_read_end(server[i]), -ECONNRESET);
	}
	rig_say(client[3], server[3], "unharmed");

	rig_send(&rig, message_new(MESSAGE_LIST_SESSIONS));
	m = rig_wait(&rig, MESSAGE_SESSION_LIST, rig.seen[MESSAGE_SESSION_LIST] + 1);
	ck_assert_uint_eq(m->count, 3);
	ck_assert_str_eq(m->sessions[0].service, "web");
	ck_assert_str_eq(m->sessions[0].server, "s1");
	ck_assert_uint_eq(m->sessions[0].bytes_in, 9);
	ck_assert_int_eq(m->sessions[0].state, FLOW_RELAYING);
	ck_assert(lb_endpoint_equal(&m->sessions[0].local, &rig.listener.endpoint));
	struct message *kill = end_order(END_SESSION, FLOW_END_KILLED);
	kill->session_id = m->sessions[0].id;
	rig_send(&rig, kill);
	ck_assert_uint_eq(rig_wait(&rig, MESSAGE_SESSIONS_ENDED, 2)->count, 1);
	ck_assert_int_eq(rig_read_end(client[3]), -ECONNRESET);

	rig_send(&rig, end_order(END_VIP, FLOW_END_HANDOVER));
	ck_assert_uint_eq(rig_wait(&rig, MESSAGE_SESSIONS_ENDED, 3)->count, 2);
	ck_assert_uint_eq(rig_sessions(&rig), 0);
	for (int i = 0; i < 6; i++) {
		close(client[i]);
		close(server[i]);
	}
}
END_TEST

START_TEST(clients_over_a_limit_or_denied_are_reset)
{
	struct lb_cidr here, elsewhere;
	int client, server;

	rig.service.max_connections = 1;
	rig_publish(&rig);
	rig_pair(&rig, web[0], &client, &server);
	expect_reset();
	rig.service.max_connections = 0;
	rig.service.max_connections_per_source = 1;
	rig_publish(&rig);
	/* The first session began before the limit and is not counted against it. */
	int counted = rig_client(&rig);
	close(rig_accept(web[0]));
	close(counted);
	rig_wait_counter(&rig, &rig.block->slot[0].sessions, 1);
	counted = rig_client(&rig);
	int counted_server = rig_accept(web[0]);
	expect_reset();
	close(counted);
	close(counted_server);
	rig_wait_counter(&rig, &rig.block->slot[0].sessions, 1);
	close(client);
	close(server);
	rig_wait_counter(&rig, &rig.block->slot[0].sessions, 0);
	rig_pair(&rig, web[0], &client, &server);
	close(client);
	close(server);
	rig.service.max_connections_per_source = 0;

	ck_assert(lb_cidr_parse("127.0.0.0/8", &here) && lb_cidr_parse("10.0.0.0/8", &elsewhere));
	rig.service.deny = &here;
	rig.service.deny_count = 1;
	rig_publish(&rig);
	expect_reset();
	rig.service.deny_count = 0;
	rig.service.allow = &here;
	rig.service.allow_count = 1;
	rig_publish(&rig);
	rig_pair(&rig, web[0], &client, &server);
	close(client);
	close(server);
	rig.service.allow = &elsewhere;
	rig_publish(&rig);
	expect_reset();
	rig_wait_counter(&rig, &rig.block->slot[0].refused, 4);
}
END_TEST

static double cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void wait_ms(double ms)
{
	usleep((useconds_t)(ms * 1e3));
}

enum { CROWD = 100 };

/* Sockets made before descriptors get short, connected after. */
static void connect_crowd(const int crowd[CROWD])
{
	struct sockaddr_storage sa;
	socklen_t len = lb_endpoint_to_sockaddr(&rig.listener.endpoint, &sa);

	for (int i = 0; i < CROWD; i++)
		ck_assert_int_eq(connect(crowd[i], (struct sockaddr *)&sa, len), 0);
}

/* Reset the connection, keep the socket. */
static void disconnect_crowd(const int crowd[CROWD])
{
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	for (int i = 0; i < CROWD; i++)
		connect(crowd[i], &nobody, sizeof(nobody));
}

/* Leaves room for so many descriptors from here on. */
static void limit_descriptors(unsigned room)
{
	struct rlimit limit;
	int lowest = dup(0);

	close(lowest);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = (rlim_t)lowest + room;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* F31: descriptors run out: accepting pauses without spinning, the thread lives, and all goes on when clients leave. */
START_TEST(out_of_descriptors_pauses_and_recovers)
{
	int crowd[CROWD];

	for (int i = 0; i < CROWD; i++)
		crowd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rig.max_connections = 1000;
	rig_publish(&rig);
	limit_descriptors(31);
	connect_crowd(crowd);
	wait_ms(50);
	double cpu = cpu_ms();
	uint64_t tick = counter_get(&rig.tick);
	wait_ms(500);
	ck_assert_uint_ge(rig_sessions(&rig), 10);
	ck_assert_uint_le(rig_sessions(&rig), 16);
	ck_assert_double_lt(cpu_ms() - cpu, 50);
	ck_assert_uint_ge(counter_get(&rig.tick) - tick, 5);

	disconnect_crowd(crowd);
	rig_wait_counter(&rig, &rig.block->slot[0].sessions, 0);
	uint64_t before = counter_get(&rig_slot(&rig, 0)->sessions_total);
	ck_assert_uint_ge(before, 10);
	int client = rig_client(&rig);
	rig_wait_counter(&rig, &rig_slot(&rig, 0)->sessions, 1);
	close(client);
}
END_TEST

/* The limit that follows from the descriptors: who is over it waits in the kernel's queue and is not refused. */
START_TEST(the_descriptor_limit_makes_clients_wait)
{
	int crowd[CROWD];

	for (int i = 0; i < CROWD; i++)
		crowd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	limit_descriptors(40);
	rig_publish(&rig);
	connect_crowd(crowd);
	wait_ms(300);
	uint64_t some = rig_sessions(&rig);
	ck_assert_uint_ge(some, 2);
	ck_assert_uint_lt(some, CROWD);
	ck_assert_uint_eq(counter_get(&rig.block->slot[0].failed), 0);
	/* As clients go, those who waited get their turn at once, until all had one. */
	double before = rig_now_ms();
	for (int i = 0; i < CROWD; i++) {
		uint64_t served = (uint64_t)i + some;

		rig_wait_counter(&rig, &rig_slot(&rig, 0)->sessions_total, served < CROWD ? served : CROWD);
		shutdown(crowd[i], SHUT_RDWR);
		rig_reset(rig_accept(web[0]));
	}
	rig_wait_counter(&rig, &rig_slot(&rig, 0)->sessions_total, CROWD);
	ck_assert_double_lt(rig_now_ms() - before, 2000);
	ck_assert_uint_eq(counter_get(&rig.block->slot[0].failed), 0);
}
END_TEST

static size_t resident_bytes(void)
{
	size_t size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	ck_assert(f != NULL && fscanf(f, "%zu %zu", &size, &resident) == 2);
	fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

START_TEST(an_idle_session_is_small)
{
	enum { SESSIONS = 2000 };
	static int client[SESSIONS];
	struct rlimit limit;
	char byte;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < 3 * SESSIONS + 100)
		return;
	rig.max_connections = SESSIONS;
	rig_publish(&rig);
	for (int i = 0; i < SESSIONS; i++)
		client[i] = i;
	size_t before = resident_bytes();
	for (int i = 0; i < SESSIONS; i++)
		client[i] = rig_client(&rig);
	rig_wait_counter(&rig, &rig_slot(&rig, 0)->sessions_total, SESSIONS);
	for (int i = 0; i < SESSIONS; i++)
		rig_write(client[i], "hello", 5);
	rig_wait_counter(&rig, &rig_slot(&rig, 0)->bytes_in, 5 * SESSIONS);
	size_t each = (resident_bytes() - before) / SESSIONS;
	printf("resident bytes for each idle session: %zu\n", each);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	ck_assert_uint_le(each, 700);
#endif

	/* All of them end at once, on both sides, quickly. */
	double start = rig_now_ms();
	rig_send(&rig, end_order(END_ALL, FLOW_END_SHUTDOWN));
	ck_assert_uint_eq(rig_wait(&rig, MESSAGE_SESSIONS_ENDED, 1)->count, SESSIONS);
	ck_assert_double_lt(rig_now_ms() - start, 1000);
	printf("ms to end %d sessions: %.1f\n", SESSIONS, rig_now_ms() - start);
	for (int i = 0; i < SESSIONS; i++) {
		ck_assert(recv(client[i], &byte, 1, 0) == -1 && errno == ECONNRESET);
		close(client[i]);
	}
}
END_TEST

START_TEST(ends_are_logged_as_the_configuration_asks)
{
	int client, server;

	rig.conf.log_connections = LB_LOG_SESSIONS_ABNORMAL;
	rig_publish(&rig);
	rig_pair(&rig, web[0], &client, &server);
	rig_say(client, server, "abc");
	close(client);
	close(server);
	rig_wait_counter(&rig, &rig.block->slot[0].sessions, 0);
	ck_assert(logged(""));
	rig_pair(&rig, web[0], &client, &server);
	rig_say(client, server, "abc");
	rig_reset(client);
	ck_assert_int_eq(rig_read_end(server), -ECONNRESET);
	close(server);
	rig_wait_counter(&rig, &rig.block->slot[0].sessions, 0);
	ck_assert(logged(" in=3 out=0 end=CD reason=client-reset"));
	rig.conf.log_connections = LB_LOG_SESSIONS_ALL;
	rig_publish(&rig);
	rig_pair(&rig, web[0], &client, &server);
	rig_say(server, client, "abcd");
	close(server);
	close(client);
	rig_wait_counter(&rig, &rig.block->slot[0].sessions, 0);
	ck_assert(logged(" service=web server=s0 "));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker_orders");
	TCase *tc = tcase_create("orders");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, sessions_outlive_the_views_they_began_under);
	tcase_add_test(tc, who_waits_in_the_queue_of_a_listener_that_goes_is_served);
	tcase_add_test(tc, a_server_that_is_not_usable_gets_no_new_sessions);
	tcase_add_test(tc, sessions_end_by_server_by_id_and_all);
	tcase_add_test(tc, clients_over_a_limit_or_denied_are_reset);
	tcase_add_test(tc, out_of_descriptors_pauses_and_recovers);
	tcase_add_test(tc, the_descriptor_limit_makes_clients_wait);
	tcase_add_test(tc, an_idle_session_is_small);
	tcase_add_test(tc, ends_are_logged_as_the_configuration_asks);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
