/* A session that could go on for ever stops after a few reads and is called again after all others. */
#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/proxy/worker/relay.h"
#include "daemon/proxy/worker/session.h"

/* Four reads, each of a scratch buffer at most. */
#define TURN_MAX (4 * WORKER_SCRATCH)

static struct worker worker;
static struct session session;
static struct worker_server server;
static struct worker_service service;
static struct server_slot server_slot;
static struct service_slot service_slot;
static int client[2], behind[2]; /* [0]: the session's end */

/* Sockets whose queue takes more than one turn moves. */
static void roomy_pair(int fds[2])
{
	int bytes = 8 * TURN_MAX;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static void setup(void)
{
	worker = (struct worker){.scratch = malloc(WORKER_SCRATCH)};
	ck_assert_ptr_nonnull(worker.scratch);
	ck_assert(poller_init(&worker.poller));
	wheel_init(&worker.wheel, LB_MSEC(50), 0);
	splice_pool_init(&worker.pipes, 4);
	roomy_pair(client);
	roomy_pair(behind);
	server.slot = &server_slot;
	service.slot = &service_slot;
	session = (struct session){.worker = &worker, .service = &service, .server = &server};
	session.limits = (struct flow_limits){.buffer_max = 1};
	wheel_entry_init(&session.timer);
	flow_init(&session.flow, 0);
	session.flow.state = FLOW_RELAYING;
	session_set_socket(&session, FLOW_CLIENT, client[0]);
	session_set_socket(&session, FLOW_SERVER, behind[0]);
}

static void teardown(void)
{
	relay_release(&session);
	splice_pool_free(&worker.pipes);
	poller_close(&worker.poller);
	free(worker.scratch);
	for (int i = 0; i < 2; i++) {
		close(client[i]);
		close(behind[i]);
	}
}

/* What the client can say before anybody listens. */
static size_t fill(void)
{
	static const uint8_t bytes[64 * 1024];
	size_t all = 0;
	ssize_t n;

	while ((n = send(client[1], bytes, sizeof(bytes), MSG_NOSIGNAL)) > 0)
		all += (size_t)n;
	return all;
}

START_TEST(a_stream_has_its_turn_and_waits_for_the_next)
{
	size_t all, moved;

	session_update_interest(&session);
	all = fill();
	ck_assert_uint_gt(all, TURN_MAX);
	ck_assert(relay_read(&session, FLOW_CLIENT));
	moved = session.flow.half[FLOW_CLIENT].bytes;
	ck_assert_uint_gt(moved, 0);
	ck_assert_uint_le(moved, TURN_MAX);
	ck_assert_uint_eq(session.flow.half[FLOW_CLIENT].pending, 0);
	/* It is called again, behind everybody whom the next round finds ready. */
	session_update_interest(&session);
	ck_assert(!lb_list_empty(&worker.poller.again));
	for (int i = 0; i < 8 && session.flow.half[FLOW_CLIENT].bytes < all; i++)
		ck_assert(relay_read(&session, FLOW_CLIENT));
	ck_assert_uint_eq(session.flow.half[FLOW_CLIENT].bytes, all);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker_turns");
	TCase *c = tcase_create("turns");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_stream_has_its_turn_and_waits_for_the_next);
	suite_add_tcase(suite, c);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
