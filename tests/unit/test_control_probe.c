/* Every kind of check against real sockets: what a server says or does not say, and what becomes of it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#include "tests/unit/probe_rig.h"

/* A server of one connection: sends `says`, after it has read something if `listens`. */
struct peer {
	int fd;
	struct lb_endpoint address;
	const char *says;
	bool listens, silent;
	SSL_CTX *tls;
	char heard[4096];
	pthread_t thread;
};

static void serve_tls(struct peer *p, int fd)
{
	SSL *ssl = SSL_new(p->tls);

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1 && SSL_read(ssl, p->heard, sizeof(p->heard) - 1) > 0)
		SSL_write(ssl, p->says, (int)strlen(p->says));
	SSL_free(ssl);
}

static void *serve(void *ctx)
{
	struct peer *p = ctx;
	int fd = accept(p->fd, NULL, NULL);
	struct timeval limit = {.tv_sec = 5};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (p->tls)
		serve_tls(p, fd);
	else {
		if (p->listens && recv(fd, p->heard, sizeof(p->heard) - 1, 0) < 0)
			p->heard[0] = '\0';
		if (p->says)
			send(fd, p->says, strlen(p->says), MSG_NOSIGNAL);
		/* Until the other side has had enough. */
		if (p->silent)
			recv(fd, p->heard, sizeof(p->heard) - 1, 0);
	}
	close(fd);
	return NULL;
}

static void peer_start(struct peer *p)
{
	p->address = bind_loopback(&p->fd, 5);
	pthread_create(&p->thread, NULL, serve, p);
}

static void peer_end(struct peer *p)
{
	pthread_join(p->thread, NULL);
	close(p->fd);
	SSL_CTX_free(p->tls);
}

static struct probe *start(const struct lb_endpoint *address, enum lb_proxy_header header)
{
	return probe_start(&(struct probe_params){.loop = loop,
						  .knocks = knocks,
						  .plan = &plan,
						  .address = *address,
						  .send_proxy = header,
						  .orders = agent_orders_none(),
						  .on_done = on_done});
}

/* One check from start to end. */
static void probe(const struct lb_endpoint *address)
{
	make_plan();
	start(address, LB_PROXY_OFF);
	ev_run(loop, 0);
	ck_assert_uint_eq(outcomes, 1);
}

static void expect_answer(enum lb_check_type type, const char *says, enum health_result result, const char *text)
{
	struct peer p = {.says = says, .listens = type == LB_CHECK_HTTP};

	check.type = type;
	peer_start(&p);
	probe(&p.address);
	peer_end(&p);
	ck_assert_msg(outcome.result == result, "%s, not %s", health_result_name(outcome.result),
		      health_result_name(result));
	ck_assert_str_eq(outcome.text, text);
	check_plan_clear(&plan);
	outcomes = 0;
}

/* The server's kernel answers; its program has nothing to accept. */
START_TEST(tcp_knocks)
{
	int fd;
	struct lb_endpoint at = bind_loopback(&fd, 5);

	probe(&at);
	ck_assert_int_eq(outcome.result, HEALTH_RESULT_OK);
	ck_assert_str_eq(outcome.text, "connected");
	ck_assert_int_gt(outcome.duration, 0);
	ck_assert_int_lt(outcome.duration, LB_SEC(1));
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(accept(fd, NULL, NULL), -1);
	ck_assert_int_eq(errno, EAGAIN);
	close(fd);
	check_plan_clear(&plan);
}
END_TEST

START_TEST(tcp_refused)
{
	struct lb_endpoint closed;
	int fd;

	closed = bind_loopback(&fd, 0);
	probe(&closed);
	close(fd);
	ck_assert_int_eq(outcome.result, HEALTH_RESULT_REFUSED);
	ck_assert_str_eq(outcome.text, "refused");
}
END_TEST

/* A network that this host has no way to (no route for class E). */
START_TEST(tcp_unreachable_is_told_later_not_from_start)
{
	struct lb_endpoint nowhere = {.port = 1};

	ck_assert(lb_addr_parse("255.255.255.255", &nowhere.addr));
	make_plan();
	start(&nowhere, LB_PROXY_OFF);
	ck_assert_uint_eq(outcomes, 0);
	ev_run(loop, 0);
	ck_assert_uint_eq(outcomes, 1);
	ck_assert_int_eq(outcome.result, HEALTH_RESULT_UNREACHABLE);
}
END_TEST

START_TEST(http_answers)
{
	expect_answer(LB_CHECK_HTTP, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", HEALTH_RESULT_OK, "200");
	expect_answer(LB_CHECK_HTTP, "HTTP/1.1 403 Forbidden\r\n\r\n", HEALTH_RESULT_ALIVE, "403");
	expect_answer(LB_CHECK_HTTP, "HTTP/1.1 500 Broken\r\n\r\n", HEALTH_RESULT_WRONG, "500");
	expect_answer(LB_CHECK_HTTP, "SSH-2.0-OpenSSH_9.2\r\n", HEALTH_RESULT_GARBAGE, "not HTTP");
	expect_answer(LB_CHECK_HTTP, NULL, HEALTH_RESULT_RESET, "closed without an answer");
	strcpy(check.body, "ready");
	expect_answer(LB_CHECK_HTTP, "HTTP/1.1 200 OK\r\n\r\nbusy", HEALTH_RESULT_WRONG, "200 without the body");
	expect_answer(LB_CHECK_HTTP, "HTTP/1.1 200 OK\r\n\r\nall ready", HEALTH_RESULT_OK, "200");
}
END_TEST

START_TEST(http_asks_with_path_host_and_token)
{
	char path[] = "/tmp/lbd-bearer-XXXXXX";
	int fd = mkstemp(path);
	struct peer p = {.says = "HTTP/1.1 200 OK\r\n\r\n", .listens = true};

	ck_assert_int_eq(write(fd, " sesame\n", 8), 8);
	close(fd);
	check.type = LB_CHECK_HTTP;
	strcpy(check.host, "api.example");
	strcpy(check.bearer_file, path);
	peer_start(&p);
	probe(&p.address);
	peer_end(&p);
	unlink(path);
	ck_assert_ptr_nonnull(strstr(p.heard, "GET /readyz HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(p.heard, "Host: api.example\r\n"));
	ck_assert_ptr_nonnull(strstr(p.heard, "Authorization: Bearer sesame\r\n"));
}
END_TEST

START_TEST(silence_ends_with_the_budget)
{
	struct peer p = {.silent = true, .listens = true};

	check.type = LB_CHECK_HTTP;
	check.timeout = LB_MSEC(100);
	peer_start(&p);
	probe(&p.address);
	peer_end(&p);
	ck_assert_int_eq(outcome.result, HEALTH_RESULT_TIMEOUT);
	ck_assert_str_eq(outcome.text, "timeout");
	ck_assert_int_ge(outcome.duration, LB_MSEC(90));
	ck_assert_int_lt(outcome.duration, LB_SEC(1));
}
END_TEST

START_TEST(cancel_is_silent)
{
	struct peer p = {.silent = true, .listens = true};
	struct probe *asking;

	check.type = LB_CHECK_AGENT;
	peer_start(&p);
	make_plan();
	asking = start(&p.address, LB_PROXY_OFF);
	ev_run(loop, EVRUN_ONCE);
	probe_cancel(asking);
	ev_run(loop, 0); /* nothing is left to wait for */
	ck_assert_uint_eq(outcomes, 0);
	peer_end(&p);
}
END_TEST

START_TEST(agent_lines)
{
	static const struct {
		const char *line;
		enum health_result result;
		uint16_t percent;
		const char *text;
	} rows[] = {
	    {"up\n",		      HEALTH_RESULT_OK,      100, "agent: up"	       },
	    {"75%\n",		      HEALTH_RESULT_OK,	75,  "agent: 75%"		},
	    {"ready, 10% # cold cache\n", HEALTH_RESULT_OK,	    10,	"agent: ready, 10% "	    },
	    {"drain\r\n",		  HEALTH_RESULT_WRONG,   100, "agent: drain"		  },
	    {"up maint\n",		   HEALTH_RESULT_WRONG,	100, "agent: up maint"	      },
	    {"down\n",		       HEALTH_RESULT_REFUSED, 100, "agent: down"		},
	    {"up",			HEALTH_RESULT_OK,	     100, "agent: up"		     },
	    {"hello\n",			HEALTH_RESULT_GARBAGE, 100, "agent: not understood"   },
	    {NULL,			HEALTH_RESULT_RESET,	100, "closed without an answer"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		expect_answer(LB_CHECK_AGENT, rows[i].line, rows[i].result, rows[i].text);
		ck_assert_uint_eq(outcome.orders.percent, rows[i].percent);
		ck_assert_int_eq(outcome.told, rows[i].result < HEALTH_RESULT_RESET);
	}
}
END_TEST

START_TEST(proxy_header_comes_first)
{
	struct peer p = {.says = "HTTP/1.1 200 OK\r\n\r\n", .listens = true};

	check.type = LB_CHECK_HTTP;
	peer_start(&p);
	make_plan();
	start(&p.address, LB_PROXY_V1);
	ev_run(loop, 0);
	peer_end(&p);
	ck_assert_int_eq(strncmp(p.heard, "PROXY UNKNOWN\r\n", 15), 0);
}
END_TEST

/* ---- TLS ---- */

static void expect_tls(bool trust, bool verify, long to, enum health_result result, const char *text)
{
	char path[] = "/tmp/lbd-ca-XXXXXX";
	struct peer p = {.says = "HTTP/1.1 200 OK\r\n\r\n"};

	close(mkstemp(path));
	p.tls = make_server(-7200, to, path);
	check.type = LB_CHECK_HTTPS;
	check.verify = verify;
	strcpy(check.ca_file, trust ? path : "");
	peer_start(&p);
	probe(&p.address);
	peer_end(&p);
	unlink(path);
	ck_assert_str_eq(outcome.text, text);
	ck_assert_int_eq(outcome.result, result);
	/* Its end is seen whether the certificate is accepted or not. */
	ck_assert_int_le(llabs(outcome.certificate_ends / LB_SEC(1) - (time(NULL) + to)), 5);
	check_plan_clear(&plan);
	outcomes = 0;
}

START_TEST(tls_verdicts)
{
	expect_tls(false, false, 3600, HEALTH_RESULT_OK, "200");
	expect_tls(true, true, 3600, HEALTH_RESULT_OK, "200");
	expect_tls(false, true, 3600, HEALTH_RESULT_TLS, "tls: self-signed certificate");
	expect_tls(true, true, -3600, HEALTH_RESULT_TLS, "tls: certificate has expired");
	strcpy(check.sni, "other.example");
	expect_tls(true, true, 3600, HEALTH_RESULT_TLS, "tls: hostname mismatch");
}
END_TEST

START_TEST(tls_against_a_plain_server)
{
	struct peer p = {.says = "HTTP/1.1 400 Bad Request\r\n\r\n", .listens = true};

	check.type = LB_CHECK_HTTPS;
	peer_start(&p);
	probe(&p.address);
	peer_end(&p);
	ck_assert_int_eq(outcome.result, HEALTH_RESULT_TLS);
	ck_assert_int_eq(strncmp(outcome.text, "tls: ", 5), 0);
}
END_TEST

START_TEST(files_that_cannot_be_used_refuse)
{
	struct lb_err err;

	check.type = LB_CHECK_HTTPS;
	strcpy(check.ca_file, "/nonexistent/ca.pem");
	ck_assert(!check_plan_init(&plan, &check, &err));
	ck_assert_str_eq(err.text, "ca_file /nonexistent/ca.pem cannot be read: No such file or directory");
	strcpy(check.ca_file, "/dev/null");
	ck_assert(!check_plan_init(&plan, &check, &err));
	ck_assert_int_eq(strncmp(err.text, "ca_file /dev/null cannot be used: ", 34), 0);
	check.ca_file[0] = '\0';
	strcpy(check.bearer_file, "/dev/null");
	ck_assert(!check_plan_init(&plan, &check, &err));
	ck_assert_str_eq(err.text, "bearer_file /dev/null is empty");
}
END_TEST

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	fputs(text, file);
	fclose(file);
}

/* Looked at once a second; what cannot be used is told once and changes nothing. */
START_TEST(files_that_changed_are_read_again)
{
	char path[] = "/tmp/lbd-token-XXXXXX";
	struct lb_err err;

	close(mkstemp(path));
	write_file(path, "one\n");
	check.type = LB_CHECK_HTTP;
	strcpy(check.bearer_file, path);
	make_plan();
	ck_assert_str_eq(plan.bearer, "one");
	ck_assert_int_eq(check_plan_refresh(&plan, LB_SEC(10), &err), CHECK_PLAN_SAME);
	write_file(path, "two, longer\n");
	ck_assert_int_eq(check_plan_refresh(&plan, LB_SEC(10), &err), CHECK_PLAN_SAME);
	ck_assert_int_eq(check_plan_refresh(&plan, LB_SEC(11), &err), CHECK_PLAN_REFUSED);
	ck_assert_ptr_nonnull(strstr(err.text, "more than one token"));
	ck_assert_str_eq(plan.bearer, "one");
	ck_assert_int_eq(check_plan_refresh(&plan, LB_SEC(12), &err), CHECK_PLAN_SAME);
	write_file(path, "three\n");
	ck_assert_int_eq(check_plan_refresh(&plan, LB_SEC(13), &err), CHECK_PLAN_RENEWED);
	ck_assert_str_eq(plan.bearer, "three");
	unlink(path);
	ck_assert_int_eq(check_plan_refresh(&plan, LB_SEC(14), &err), CHECK_PLAN_REFUSED);
	ck_assert_str_eq(plan.bearer, "three");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("probe");
	TCase *tc = tcase_create("probe");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, tcp_knocks);
	tcase_add_test(tc, tcp_refused);
	tcase_add_test(tc, tcp_unreachable_is_told_later_not_from_start);
	tcase_add_test(tc, http_answers);
	tcase_add_test(tc, http_asks_with_path_host_and_token);
	tcase_add_test(tc, silence_ends_with_the_budget);
	tcase_add_test(tc, cancel_is_silent);
	tcase_add_test(tc, agent_lines);
	tcase_add_test(tc, proxy_header_comes_first);
	tcase_add_test(tc, tls_verdicts);
	tcase_add_test(tc, tls_against_a_plain_server);
	tcase_add_test(tc, files_that_cannot_be_used_refuse);
	tcase_add_test(tc, files_that_changed_are_read_again);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
