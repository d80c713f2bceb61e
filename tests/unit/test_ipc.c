/* The channel between keeper and proxy over a real socket pair and loop. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/ipc/ipc.h"

/* One end and what it has seen. */
struct end {
	struct ipc *ipc;
	unsigned messages, closed;
	enum ipc_type type;
	uint32_t generation;
	size_t nfds;
	int fd;
	char why[64];
};

static struct ev_loop *loop;
static struct end keeper, proxy;

static void on_message(void *ctx, enum ipc_type type, const void *body, size_t size, const int *fds, size_t nfds)
{
	struct end *e = ctx;

	e->messages++;
	e->type = type;
	if (size == sizeof(struct ipc_conf))
		e->generation = ((const struct ipc_conf *)body)->generation;
	e->nfds = nfds;
	if (nfds > 0)
		e->fd = fds[0];
	for (size_t i = 1; i < nfds; i++)
		close(fds[i]);
}

static void on_closed(void *ctx, const char *why)
{
	struct end *e = ctx;

	e->closed++;
	snprintf(e->why, sizeof(e->why), "%s", why);
}

static void setup(void)
{
	int pair[2];

	loop = ev_loop_new(0);
	keeper = proxy = (struct end){.fd = -1};
	ck_assert(ipc_pair(pair));
	keeper.ipc = ipc_new(loop, pair[0], on_message, on_closed, &keeper);
	proxy.ipc = ipc_new(loop, pair[1], on_message, on_closed, &proxy);
}

static void teardown(void)
{
	ipc_free(keeper.ipc);
	ipc_free(proxy.ipc);
	ev_loop_destroy(loop);
}

/* Let the loop deliver what is under way. */
static void settle(void)
{
	for (int i = 0; i < 2000; i++)
		ev_run(loop, EVRUN_NOWAIT);
}

START_TEST(message_arrives_whole_with_its_descriptor)
{
	struct ipc_conf what = {.generation = 7};
	int pipe_fds[2];
	char byte = 0;

	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	ck_assert(ipc_send(keeper.ipc, IPC_CONF_BEGIN, &what, sizeof(what), &pipe_fds[0], 1));
	close(pipe_fds[0]);
	settle();
	ck_assert_uint_eq(proxy.messages, 1);
	ck_assert_int_eq(proxy.type, IPC_CONF_BEGIN);
	ck_assert_uint_eq(proxy.generation, 7);
	ck_assert_uint_eq(proxy.nfds, 1);
	ck_assert(fcntl(proxy.fd, F_GETFD) & FD_CLOEXEC);
	ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
	ck_assert_int_eq(read(proxy.fd, &byte, 1), 1);
	ck_assert_int_eq(byte, 'x');
	close(proxy.fd);
	close(pipe_fds[1]);
}
END_TEST

START_TEST(wrong_size_is_not_sent)
{
	char body[3] = {0};

	ck_assert(!ipc_post(keeper.ipc, IPC_CONF_END, body, sizeof(body)));
	ck_assert(!ipc_post(keeper.ipc, (enum ipc_type)999, body, sizeof(body)));
	settle();
	ck_assert_uint_eq(proxy.messages, 0);
	ck_assert_uint_eq(proxy.closed, 0);
}
END_TEST

/* More than the socket takes is queued, in order, and nothing is lost. */
START_TEST(burst_is_queued_in_order)
{
	struct ipc_conf_result result = {.ok = true};
	unsigned sent = 0;

	for (; sent < 500; sent++) {
		result.generation = sent;
		ck_assert(ipc_post(proxy.ipc, IPC_CONF_PREPARED, &result, sizeof(result)));
	}
	settle();
	ck_assert_uint_eq(keeper.messages, sent);
	ck_assert_uint_eq(keeper.closed, 0);
}
END_TEST

START_TEST(queue_has_a_bound)
{
	struct ipc_conf_result result = {.ok = true};
	unsigned sent = 0;

	while (sent < 100000 && ipc_post(proxy.ipc, IPC_CONF_PREPARED, &result, sizeof(result)))
		sent++;
	ck_assert_uint_lt(sent, 10000);
	settle();
	ck_assert_uint_eq(proxy.closed, 1);
	ck_assert_uint_eq(keeper.closed, 1);
}
END_TEST

START_TEST(malformed_message_ends_the_channel)
{
	int raw[2];
	struct end e = {.fd = -1};

	ck_assert(ipc_pair(raw));
	e.ipc = ipc_new(loop, raw[0], on_message, on_closed, &e);
	ck_assert_int_eq(send(raw[1], "nonsense that is no head", 24, 0), 24);
	settle();
	ck_assert_uint_eq(e.messages, 0);
	ck_assert_uint_eq(e.closed, 1);
	ck_assert_str_eq(e.why, "malformed message");
	ipc_free(e.ipc);
	close(raw[1]);
}
END_TEST

START_TEST(loss_is_told_once)
{
	ipc_free(proxy.ipc);
	proxy.ipc = NULL;
	settle();
	ck_assert_uint_eq(keeper.closed, 1);
	ck_assert(!ipc_post(keeper.ipc, IPC_STOP, NULL, 0));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ipc");
	TCase *tcase = tcase_create("ipc");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, message_arrives_whole_with_its_descriptor);
	tcase_add_test(tcase, wrong_size_is_not_sent);
	tcase_add_test(tcase, burst_is_queued_in_order);
	tcase_add_test(tcase, queue_has_a_bound);
	tcase_add_test(tcase, malformed_message_ends_the_channel);
	tcase_add_test(tcase, loss_is_told_once);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
