/* One sentence, cut at the end of its buffer, and always false. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lb/err.h>

START_TEST(sentence_is_written)
{
	struct lb_err err;

	ck_assert(!lb_err_set(&err, "port %d is taken", 443));
	ck_assert_str_eq(err.text, "port 443 is taken");
	ck_assert(!lb_err_errno(&err, ENOENT, "cannot open %s", "/etc/lbd/lbd.yaml"));
	ck_assert_str_eq(err.text, "cannot open /etc/lbd/lbd.yaml: No such file or directory");
}
END_TEST

START_TEST(nobody_wants_to_know)
{
	ck_assert(!lb_err_set(NULL, "x"));
	ck_assert(!lb_err_errno(NULL, EPERM, "x"));
}
END_TEST

START_TEST(long_sentences_are_cut)
{
	struct lb_err err;
	char longer[400];

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	lb_err_set(&err, "%s", longer);
	ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
	lb_err_errno(&err, EPERM, "%s", longer);
	ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
	longer[250] = '\0';
	lb_err_errno(&err, EPERM, "%s", longer);
	ck_assert_str_eq(err.text + 250, ": Ope");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("err");
	TCase *all = tcase_create("all");

	tcase_add_test(all, sentence_is_written);
	tcase_add_test(all, nobody_wants_to_know);
	tcase_add_test(all, long_sentences_are_cut);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
