/* Who may change things over the admin socket. */
#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/proxy/control/access.h"

#define NOBODY 65534u
#define OTHERS 54321u

static int pair[2];

static void setup(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

static void teardown(void)
{
	close(pair[0]);
	close(pair[1]);
}

START_TEST(the_kernel_tells_who_it_is)
{
	struct access_peer peer;

	ck_assert(access_peer(pair[0], &peer));
	ck_assert_uint_eq(peer.uid, geteuid());
	ck_assert_uint_eq(peer.gid, getegid());
	ck_assert_int_eq(peer.pid, getpid());
	ck_assert(!access_peer(-1, &peer));
}
END_TEST

START_TEST(root_the_daemon_and_the_group_may)
{
	ck_assert(access_may_change(pair[0], &(struct access_peer){.uid = 0, .gid = 0}, (uint32_t)-1));
	ck_assert(access_may_change(pair[0], &(struct access_peer){.uid = geteuid(), .gid = OTHERS}, (uint32_t)-1));
	ck_assert(access_may_change(pair[0], &(struct access_peer){.uid = NOBODY, .gid = OTHERS}, OTHERS));
	ck_assert(!access_may_change(pair[0], &(struct access_peer){.uid = NOBODY, .gid = NOBODY}, OTHERS));
	ck_assert(!access_may_change(pair[0], &(struct access_peer){.uid = NOBODY, .gid = NOBODY}, (uint32_t)-1));
	ck_assert(!access_may_change(pair[0], &(struct access_peer){.uid = NOBODY, .gid = (gid_t)-1}, (uint32_t)-1));
}
END_TEST

/* The other end of the pair is this process, so its supplementary groups are ours. */
START_TEST(a_supplementary_group_counts)
{
	gid_t groups[256];
	int n = getgroups(256, groups);
	struct access_peer stranger = {.uid = NOBODY, .gid = NOBODY};

	for (int i = 0; i < n; i++)
		if (groups[i] != NOBODY)
			ck_assert(access_may_change(pair[0], &stranger, groups[i]));
	ck_assert(!access_may_change(pair[0], &stranger, OTHERS));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("access");
	TCase *tc = tcase_create("access");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_kernel_tells_who_it_is);
	tcase_add_test(tc, root_the_daemon_and_the_group_may);
	tcase_add_test(tc, a_supplementary_group_counts);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
