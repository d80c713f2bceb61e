/* Connections that checks leave open: how often they are asked, and what their end means. */
#include <pthread.h>

#include "tests/unit/probe_rig.h"

/* A server of so many connections that takes so many questions on each, and closes it at the next one or at once. */
struct many {
	int fd;
	struct lb_endpoint address;
	unsigned connections, questions;
	bool at_once;
	unsigned asked, closing; /* questions; those that asked for the end of the connection */
	SSL_CTX *tls;
	pthread_t thread;
};

/* False: the other side has left, or wants no more. */
static bool serve_question(struct many *m, int fd, SSL *ssl)
{
	static const char says[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	char heard[1024];
	ssize_t n = ssl ? SSL_read(ssl, heard, sizeof(heard) - 1) : recv(fd, heard, sizeof(heard) - 1, 0);

	if (n <= 0)
		return false;
	heard[n] = '\0';
	m->asked++;
	m->closing += strstr(heard, "Connection: close") != NULL;
	if (ssl)
		SSL_write(ssl, says, sizeof(says) - 1);
	else
		send(fd, says, sizeof(says) - 1, MSG_NOSIGNAL);
	return strstr(heard, "Connection: close") == NULL;
}

static void *serve_many(void *ctx)
{
	struct many *m = ctx;

	for (unsigned i = 0; i < m->connections; i++) {
		int fd = accept(m->fd, NULL, NULL);
		SSL *ssl = m->tls ? SSL_new(m->tls) : NULL;
		char byte;

		if (ssl) {
			SSL_set_fd(ssl, fd);
			SSL_set_accept_state(ssl);
		}
		for (unsigned k = 0; k < m->questions && serve_question(m, fd, ssl); k++)
			;
		if (!m->at_once)
			recv(fd, &byte, 1, MSG_PEEK);
		SSL_free(ssl);
		close(fd);
	}
	return NULL;
}

static void many_start(struct many *m)
{
	m->address = bind_loopback(&m->fd, 5);
	pthread_create(&m->thread, NULL, serve_many, m);
}

static void many_end(struct many *m)
{
	pthread_join(m->thread, NULL);
	close(m->fd);
	SSL_CTX_free(m->tls);
}

static int closings, proofs;

static void on_closed(void *ctx, bool proven)
{
	(void)ctx;
	closings++;
	proofs += proven;
	ev_break(loop, EVBREAK_ALL);
}

static struct probe_params params_to(const struct lb_endpoint *address)
{
	return (struct probe_params){.loop = loop,
				     .knocks = knocks,
				     .plan = &plan,
				     .address = *address,
				     .orders = agent_orders_none(),
				     .keep = true,
				     .on_done = on_done};
}

/* One question, over the connection that rests where that will do; what rests afterwards. */
static struct probe *ask(struct probe *resting, const struct lb_endpoint *address)
{
	struct probe_params params = params_to(address);

	outcomes = 0;
	if (!resting || !probe_again(resting, &params)) {
		probe_cancel(resting);
		probe_start(&params);
	}
	ck_assert_uint_eq(outcomes, 0);
	ev_run(loop, 0);
	ck_assert_uint_eq(outcomes, 1);
	ck_assert_str_eq(outcome.text, "200");
	ck_assert_int_eq(outcome.result, HEALTH_RESULT_OK);
	if (outcome.open)
		probe_rest(outcome.open, on_closed, NULL);
	return outcome.open;
}

START_TEST(a_connection_is_asked_eight_times)
{
	struct many m = {.connections = 2, .questions = 100};
	struct probe *resting = NULL;

	check.type = LB_CHECK_HTTP;
	make_plan();
	many_start(&m);
	for (int i = 1; i <= 2 * PROBE_USES; i++) {
		resting = ask(resting, &m.address);
		ck_assert_int_eq(resting == NULL, i % PROBE_USES == 0);
	}
	many_end(&m);
	ck_assert_uint_eq(m.asked, 2 * PROBE_USES);
	ck_assert_uint_eq(m.closing, 2);
	ck_assert_int_eq(closings, 0);
}
END_TEST

/* The server closes with the question on its way to it: no failure, the next connection answers. */
START_TEST(a_question_that_meets_the_end_of_its_connection_is_asked_again)
{
	struct many m = {.connections = 3, .questions = 2};
	struct probe *resting = NULL;

	check.type = LB_CHECK_HTTP;
	make_plan();
	many_start(&m);
	for (int i = 0; i < 6; i++)
		resting = ask(resting, &m.address);
	probe_cancel(resting);
	many_end(&m);
	ck_assert_uint_eq(m.asked, 6);
	ck_assert_int_eq(closings, 0);
}
END_TEST

/* Told at once; a server that never kept one says nothing by it, one that did may have died. */
START_TEST(the_end_of_a_resting_connection_is_told)
{
	for (unsigned questions = 1; questions <= 2; questions++) {
		struct many m = {.connections = 1, .questions = questions, .at_once = true};
		struct probe *resting = NULL;

		check.type = LB_CHECK_HTTP;
		make_plan();
		many_start(&m);
		closings = proofs = 0;
		for (unsigned i = 0; i < questions; i++)
			resting = ask(resting, &m.address);
		ck_assert_ptr_nonnull(resting);
		ev_run(loop, 0);
		ck_assert_int_eq(closings, 1);
		ck_assert_int_eq(proofs, questions == 2);
		many_end(&m);
		check_plan_clear(&plan);
	}
}
END_TEST

START_TEST(a_connection_elsewhere_or_with_a_header_is_not_used)
{
	struct many m = {.connections = 1, .questions = 100};
	struct probe_params other, header, agent;
	struct probe *resting;

	check.type = LB_CHECK_HTTP;
	make_plan();
	many_start(&m);
	resting = ask(NULL, &m.address);
	other = header = agent = params_to(&m.address);
	other.address.port++;
	header.send_proxy = LB_PROXY_V2;
	ck_assert(!probe_again(resting, &other));
	ck_assert(!probe_again(resting, &header));
	check.type = LB_CHECK_AGENT;
	ck_assert(!probe_again(resting, &agent));
	check.type = LB_CHECK_HTTPS;
	ck_assert(!probe_again(resting, &agent));
	check.type = LB_CHECK_HTTP;
	resting = ask(resting, &m.address);
	ck_assert_ptr_nonnull(resting);
	probe_cancel(resting);
	many_end(&m);
	ck_assert_uint_eq(m.asked, 2);
}
END_TEST

/* What was shaken hands over is asked again, but not with certificates that were read anew. */
START_TEST(tls_connections_stay_open)
{
	char path[] = "/tmp/lbd-ca-XXXXXX";
	struct many m = {.connections = 3, .questions = 100};
	struct probe *resting = NULL;
	lb_wall ends;

	close(mkstemp(path));
	m.tls = make_server(-7200, 3600, path);
	check.type = LB_CHECK_HTTPS;
	check.verify = true;
	strcpy(check.ca_file, path);
	make_plan();
	many_start(&m);
	for (int i = 0; i <= PROBE_USES; i++) {
		resting = ask(resting, &m.address);
		if (i == 0)
			ends = outcome.certificate_ends;
		ck_assert_int_eq(outcome.certificate_ends, ends);
	}
	check_plan_clear(&plan);
	make_plan();
	resting = ask(resting, &m.address);
	probe_cancel(resting);
	many_end(&m);
	unlink(path);
	ck_assert_uint_eq(m.asked, PROBE_USES + 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("probe_kept");
	TCase *tc = tcase_create("probe_kept");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_connection_is_asked_eight_times);
	tcase_add_test(tc, a_question_that_meets_the_end_of_its_connection_is_asked_again);
	tcase_add_test(tc, the_end_of_a_resting_connection_is_told);
	tcase_add_test(tc, a_connection_elsewhere_or_with_a_header_is_not_used);
	tcase_add_test(tc, tls_connections_stay_open);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
