/* Which files a secret is read from. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/keeper/secret_file.c"

static char directory[64], path[96];
static struct lb_err err;
static uint8_t bytes[64];

static void put(const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
	ck_assert_int_eq(chmod(path, 0600), 0);
}

static void setup(void)
{
	strcpy(directory, "/tmp/lbd-secret-XXXXXX");
	ck_assert(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/key", directory);
	put("0123456789");
}

static void teardown(void)
{
	unlink(path);
	rmdir(directory);
}

START_TEST(a_good_file_is_read)
{
	ck_assert(secret_file_check(path, 10, &err));
	ck_assert_int_eq(secret_file_read(path, bytes, sizeof(bytes), &err), 10);
	ck_assert_mem_eq(bytes, "0123456789", 10);
	ck_assert_int_eq(secret_file_read(path, bytes, 10, &err), 10);
}
END_TEST

START_TEST(too_long_and_too_short_are_refused)
{
	ck_assert_int_eq(secret_file_read(path, bytes, 9, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "more than 9 bytes"));
	ck_assert(!secret_file_check(path, 11, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "has 10 bytes; expected at least 11"));
}
END_TEST

START_TEST(others_must_not_read_it)
{
	ck_assert_int_eq(chmod(path, 0640), 0);
	ck_assert(!secret_file_check(path, 1, &err));
	ck_assert_int_eq(secret_file_read(path, bytes, sizeof(bytes), &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "mode 0640"));
}
END_TEST

START_TEST(a_link_is_no_file)
{
	char link[128];

	snprintf(link, sizeof(link), "%s.link", path);
	ck_assert_int_eq(symlink(path, link), 0);
	bool checked = secret_file_check(link, 1, &err);
	ssize_t n = secret_file_read(link, bytes, sizeof(bytes), &err);
	unlink(link);
	ck_assert(!checked);
	ck_assert_int_eq(n, -1);
}
END_TEST

START_TEST(what_is_missing_says_so)
{
	unlink(path);
	ck_assert(!secret_file_check(path, 1, &err));
	ck_assert_int_eq(secret_file_read(path, bytes, sizeof(bytes), &err), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

/* Whoever owns the file can put another secret there. */
START_TEST(a_stranger_must_not_own_it)
{
	struct stat st = {.st_mode = S_IFREG | 0600, .st_uid = geteuid()};

	ck_assert(acceptable(&st, path, &err));
	st.st_uid = 0;
	ck_assert(acceptable(&st, path, &err));
	st.st_uid = 4242;
	ck_assert(!acceptable(&st, path, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "uid 4242"));
}
END_TEST

START_TEST(a_stamp_tells_a_changed_file)
{
	struct secret_file_stamp first = secret_file_stamp(path), second;

	second = secret_file_stamp(path);
	ck_assert_mem_eq(&first, &second, sizeof(first));
	unlink(path);
	second = secret_file_stamp(path);
	ck_assert_uint_eq(second.inode, 0);
	put("9876543210");
	second = secret_file_stamp(path);
	ck_assert_int_ne(first.changed_ns, second.changed_ns);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("secret_file");
	TCase *all = tcase_create("all");

	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, a_good_file_is_read);
	tcase_add_test(all, too_long_and_too_short_are_refused);
	tcase_add_test(all, others_must_not_read_it);
	tcase_add_test(all, a_link_is_no_file);
	tcase_add_test(all, what_is_missing_says_so);
	tcase_add_test(all, a_stranger_must_not_own_it);
	tcase_add_test(all, a_stamp_tells_a_changed_file);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
