/* Questions to servers' kernels on sockets that ask again: who answers, who refuses, who is silent, and what is kept.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/proxy/control/knock.h"

static struct ev_loop *loop;
static struct knock_set *knocks;
static int listener;
static struct lb_endpoint server;

struct question {
	struct knock *knock, *cancels;
	unsigned answers;
	int errnum;
};

static struct lb_endpoint bind_loopback(int *fd, int backlog)
{
	struct sockaddr_storage sa;
	struct lb_endpoint any = {0}, at;
	socklen_t len = sizeof(sa);

	ck_assert(lb_addr_parse("127.0.0.1", &any.addr));
	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(*fd, (struct sockaddr *)&sa, lb_endpoint_to_sockaddr(&any, &sa)), 0);
	if (backlog > 0)
		ck_assert_int_eq(listen(*fd, backlog), 0);
	ck_assert_int_eq(getsockname(*fd, (struct sockaddr *)&sa, &len), 0);
	ck_assert(lb_endpoint_from_sockaddr((struct sockaddr *)&sa, len, &at));
	return at;
}

static void setup(void)
{
	loop = ev_loop_new(0);
	knocks = knock_set_new(loop);
	ck_assert_ptr_nonnull(knocks);
	server = bind_loopback(&listener, 16);
}

static void teardown(void)
{
	knock_set_free(knocks);
	ev_loop_destroy(loop);
	close(listener);
}

static void on_done(void *ctx, int errnum)
{
	struct question *q = ctx;

	q->knock = NULL;
	q->answers++;
	q->errnum = errnum;
	knock_cancel(q->cancels);
}

static void on_limit(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(l, EVBREAK_ALL);
}

/* So long, in seconds. */
static void run(double limit)
{
	ev_timer timer;

	ev_timer_init(&timer, on_limit, limit, 0.);
	ev_timer_start(loop, &timer);
	ev_run(loop, 0);
}

static void ask(struct question *q, const struct lb_endpoint *whom)
{
	*q = (struct question){0};
	q->knock = knock_start(knocks, whom, on_done, q);
	ck_assert_ptr_nonnull(q->knock);
}

/* Ask and wait for the answer. */
static int answer_of(const struct lb_endpoint *whom)
{
	struct question q;
	double until = ev_time() + 5;

	ask(&q, whom);
	ck_assert_uint_eq(q.answers, 0);
	while (q.answers == 0 && ev_time() < until)
		run(0.001);
	ck_assert_uint_eq(q.answers, 1);
	return q.errnum;
}

/* The lowest descriptor that is free. */
static int next_descriptor(void)
{
	int fd = dup(listener);

	close(fd);
	return fd;
}

START_TEST(one_socket_asks_again_and_again)
{
	int before;

	ck_assert_int_eq(answer_of(&server), 0);
	before = next_descriptor();
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(answer_of(&server), 0);
	ck_assert_int_eq(next_descriptor(), before);
	/* No handshake was finished. */
	ck_assert_int_eq(accept(listener, NULL, NULL), -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(a_refusal_is_told_and_the_next_question_is_answered)
{
	int fd;
	struct lb_endpoint closed = bind_loopback(&fd, 0);

	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(answer_of(&closed), ECONNREFUSED);
		ck_assert_int_eq(answer_of(&server), 0);
	}
	close(fd);
}
END_TEST

/* Its socket has just rested with news of its own: none of them is taken for an answer. */
START_TEST(a_silent_server_gives_no_answer)
{
	struct question filler[4], q;
	int fd;
	struct lb_endpoint silent = bind_loopback(&fd, 1);
	int held[4];

	for (int i = 0; i < 4; i++) {
		struct sockaddr_storage sa;
		socklen_t len = lb_endpoint_to_sockaddr(&silent, &sa);

		held[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(held[i], (struct sockaddr *)&sa, len);
	}
	for (int i = 0; i < 4; i++)
		ask(&filler[i], &server);
	run(0.05);
	ask(&q, &silent);
	run(0.2);
	for (int i = 0; i < 4; i++) {
		ck_assert_uint_eq(filler[i].answers, 1);
		close(held[i]);
	}
	ck_assert_uint_eq(q.answers, 0);
	knock_cancel(q.knock);
	close(fd);
}
END_TEST

START_TEST(one_answer_may_cancel_another)
{
	struct question q[2];
	unsigned answers;

	for (int i = 0; i < 2; i++)
		ask(&q[i], &server);
	q[0].cancels = q[1].knock;
	q[1].cancels = q[0].knock;
	run(0.1);
	answers = q[0].answers + q[1].answers;
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(answer_of(&server), 0);
}
END_TEST

START_TEST(a_network_without_a_way_is_told_at_once)
{
	struct lb_endpoint nowhere = {.port = 1};
	struct question q = {0};

	ck_assert(lb_addr_parse("255.255.255.255", &nowhere.addr));
	ck_assert_ptr_null(knock_start(knocks, &nowhere, on_done, &q));
	ck_assert(errno == ENETUNREACH || errno == EACCES);
	run(0.02);
	ck_assert_uint_eq(q.answers, 0);
}
END_TEST

#define MANY 300

/* This process did not run for a while: whoever has answered by then is heard before any time has run out. */
START_TEST(all_answers_are_taken_at_once)
{
	struct question questions[MANY] = {0};
	unsigned answers = 0;

	close(listener);
	server = bind_loopback(&listener, MANY);
	for (int i = 0; i < MANY; i++)
		ask(&questions[i], &server);
	usleep(50000);
	ev_run(loop, EVRUN_NOWAIT);
	for (int i = 0; i < MANY; i++)
		answers += questions[i].answers;
	ck_assert_uint_eq(answers, MANY);
}
END_TEST

/* In the middle of a turn: nobody waits for the loop, and the sockets of those who were answered ask for others. */
START_TEST(answers_are_heard_without_the_loop)
{
	struct question questions[8] = {0};
	int before;

	for (int i = 0; i < 8; i++)
		ask(&questions[i], &server);
	usleep(50000);
	knock_set_hear(knocks);
	before = next_descriptor();
	for (int i = 0; i < 8; i++) {
		ck_assert_uint_eq(questions[i].answers, 1);
		ck_assert_int_eq(questions[i].errnum, 0);
		ask(&questions[i], &server);
	}
	ck_assert_int_eq(next_descriptor(), before);
	for (int i = 0; i < 8; i++)
		knock_cancel(questions[i].knock);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("knock");
	TCase *tc = tcase_create("knock");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_socket_asks_again_and_again);
	tcase_add_test(tc, all_answers_are_taken_at_once);
	tcase_add_test(tc, answers_are_heard_without_the_loop);
	tcase_add_test(tc, a_refusal_is_told_and_the_next_question_is_answered);
	tcase_add_test(tc, a_silent_server_gives_no_answer);
	tcase_add_test(tc, one_answer_may_cancel_another);
	tcase_add_test(tc, a_network_without_a_way_is_told_at_once);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
