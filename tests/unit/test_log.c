/* The logger formats one line and leaves the rest to its sink. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/log.h>

struct captured {
	int lines;
	enum lb_log_level level;
	char line[2000];
};

static void capture(void *ctx, enum lb_log_level level, const char *line)
{
	struct captured *c = ctx;

	c->lines++;
	c->level = level;
	ck_assert_uint_lt(strlen(line), sizeof(c->line));
	strcpy(c->line, line);
}

START_TEST(level_decides)
{
	struct captured c = {0};

	lb_log_init(capture, &c, LB_LOG_INFO);
	lb_debug("hidden=%d", 1);
	ck_assert_int_eq(c.lines, 0);
	lb_info("role=%s", "active");
	ck_assert_int_eq(c.lines, 1);
	ck_assert_int_eq(c.level, LB_LOG_INFO);
	ck_assert_str_eq(c.line, "role=active");
	lb_log_set_level(LB_LOG_DEBUG);
	lb_debug("shown=1");
	ck_assert_int_eq(c.lines, 2);
	lb_log_set_level(LB_LOG_ERROR);
	lb_warning("hidden=1");
	lb_error("shown=1");
	ck_assert_int_eq(c.lines, 3);
}
END_TEST

START_TEST(no_sink_discards)
{
	lb_log_init(NULL, NULL, LB_LOG_DEBUG);
	lb_error("nobody=listens");
}
END_TEST

START_TEST(one_event_is_one_line_of_bounded_length)
{
	struct captured c = {0};
	char longer[1500];

	lb_log_init(capture, &c, LB_LOG_INFO);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	lb_info("%s", longer);
	ck_assert_uint_eq(strlen(c.line), 1000);
	lb_info("path=%s", "/a\nforged=1\x1b[2J\x7f\xc3\xa9");
	ck_assert_str_eq(c.line, "path=/a?forged=1?[2J?\xc3\xa9");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *all = tcase_create("all");

	tcase_add_test(all, level_decides);
	tcase_add_test(all, no_sink_discards);
	tcase_add_test(all, one_event_is_one_line_of_bounded_length);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
