/* Descriptors that a program leaves to the one that it executes in its place. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sys/fdstore.h"

#define NAME "LBD_DESCRIPTORS"

static struct fdstore_item items[2];

static void setup(void)
{
	static const char *const names[] = {"vrrp", "listen-10.196.35.30:6443"};
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	for (size_t i = 0; i < 2; i++) {
		strcpy(items[i].name, names[i]);
		items[i].fd = ends[i];
	}
	unsetenv(NAME);
}

static void teardown(void)
{
	for (size_t i = 0; i < 2; i++)
		close(items[i].fd);
	unsetenv(NAME);
}

static bool inherited(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	ck_assert_int_ge(flags, 0);
	return !(flags & FD_CLOEXEC);
}

START_TEST(the_next_program_has_them_under_their_names)
{
	struct fdstore_item *taken;
	size_t count;

	ck_assert(!fdstore_in_place());
	ck_assert(fdstore_pass_on(items, 2));
	ck_assert(inherited(items[0].fd) && inherited(items[1].fd));
	/* As the next program finds it. */
	ck_assert(fdstore_in_place());
	taken = fdstore_take(&count);
	ck_assert_uint_eq(count, 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_int_eq(taken[i].fd, items[i].fd);
		ck_assert_str_eq(taken[i].name, items[i].name);
		ck_assert(!inherited(taken[i].fd));
	}
	/* Nobody takes them twice. */
	ck_assert(!fdstore_in_place());
	free(taken);
}
END_TEST

START_TEST(they_stay_where_it_could_not_be_executed)
{
	ck_assert(fdstore_pass_on(items, 2));
	fdstore_keep_back(items, 2);
	ck_assert(!fdstore_in_place());
	ck_assert(!inherited(items[0].fd) && !inherited(items[1].fd));
}
END_TEST

START_TEST(one_that_is_closed_passes_on_none)
{
	struct fdstore_item broken[] = {
	    items[0], {"gone", 1000000}
	       };

	ck_assert(!fdstore_pass_on(broken, 2));
	ck_assert(!fdstore_in_place());
	ck_assert(!inherited(items[0].fd));
}
END_TEST

/* Of whoever starts the program: what is none, or one of the first three, is not taken; nor what follows nonsense. */
START_TEST(an_environment_is_not_believed)
{
	static const char *const texts[] = {"", "x", "=", "7", "7=", "1=vrrp", "-1=vrrp", "1000000=vrrp", "x 5=vrrp"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct fdstore_item *taken;
		size_t count = 7;

		ck_assert_int_eq(setenv(NAME, texts[i], 1), 0);
		taken = fdstore_take(&count);
		ck_assert_msg(count == 0, "%s", texts[i]);
		free(taken);
	}
	ck_assert(inherited(STDOUT_FILENO));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fdstore");
	TCase *tc = tcase_create("fdstore");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_next_program_has_them_under_their_names);
	tcase_add_test(tc, they_stay_where_it_could_not_be_executed);
	tcase_add_test(tc, one_that_is_closed_passes_on_none);
	tcase_add_test(tc, an_environment_is_not_believed);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
