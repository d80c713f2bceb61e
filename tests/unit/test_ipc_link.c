/* The link by which another keeper comes to a running proxy, over a real socket pair. */
#include <check.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/ipc/ipc.h"
#include "daemon/ipc/ipc_link.h"

enum { KEEPER, PROXY };

static int ends[2], came;

static void setup(void)
{
	ck_assert(ipc_link_pair(ends));
}

static void teardown(void)
{
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			close(ends[i]);
}

static void leave(int end)
{
	close(ends[end]);
	ends[end] = -1;
}

START_TEST(a_channel_arrives)
{
	int pair[2];
	char byte = 0;

	ck_assert(ipc_pair(pair));
	ck_assert_int_eq(ipc_link_receive(ends[PROXY], &came), IPC_LINK_NOTHING);
	ck_assert(ipc_link_offer(ends[KEEPER], pair[1]));
	close(pair[1]);
	ck_assert_int_eq(ipc_link_receive(ends[PROXY], &came), IPC_LINK_CHANNEL);
	ck_assert(fcntl(came, F_GETFD) & FD_CLOEXEC);
	ck_assert_int_eq(send(pair[0], "x", 1, 0), 1);
	ck_assert_int_eq(recv(came, &byte, 1, 0), 1);
	ck_assert_int_eq(byte, 'x');
	close(came);
	close(pair[0]);
	ck_assert_int_eq(ipc_link_receive(ends[PROXY], &came), IPC_LINK_NOTHING);
	ck_assert_int_eq(came, -1);
}
END_TEST

/* As of another version: the same magic, another fingerprint; and what is none of ours at all. */
START_TEST(another_version_is_told_apart)
{
	uint64_t offer[2] = {0x6c62646c696e6b31ull, ipc_fingerprint() + 1};

	ck_assert_int_eq(send(ends[KEEPER], offer, sizeof(offer), 0), sizeof(offer));
	ck_assert_int_eq(ipc_link_receive(ends[PROXY], &came), IPC_LINK_FOREIGN);
	ck_assert_int_eq(send(ends[KEEPER], "?", 1, 0), 1);
	ck_assert_int_eq(ipc_link_receive(ends[PROXY], &came), IPC_LINK_FOREIGN);
	ck_assert_int_eq(came, -1);
}
END_TEST

START_TEST(an_offer_without_a_channel_is_none)
{
	uint64_t offer[2] = {0x6c62646c696e6b31ull, ipc_fingerprint()};

	ck_assert_int_eq(send(ends[KEEPER], offer, sizeof(offer), 0), sizeof(offer));
	ck_assert_int_eq(ipc_link_receive(ends[PROXY], &came), IPC_LINK_FOREIGN);
}
END_TEST

START_TEST(each_hears_that_the_other_is_gone)
{
	leave(KEEPER);
	ck_assert_int_eq(ipc_link_receive(ends[PROXY], &came), IPC_LINK_CLOSED);
	leave(PROXY);
	setup();
	leave(PROXY);
	ck_assert(!ipc_link_offer(ends[KEEPER], STDERR_FILENO));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ipc_link");
	TCase *tcase = tcase_create("ipc_link");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_channel_arrives);
	tcase_add_test(tcase, another_version_is_told_apart);
	tcase_add_test(tcase, an_offer_without_a_channel_is_none);
	tcase_add_test(tcase, each_hears_that_the_other_is_gone);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
