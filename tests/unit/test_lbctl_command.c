/* lbctl's command lines and its lists of events and sessions. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lbctl/command.h"
#include "daemon/lbctl/listing.h"

#define WORDS_MAX 8

/* Parse "drain a/b --wait 5s"; the words live in line. */
static bool parse(char *line, struct command_call *call, struct lb_err *err)
{
	char *words[WORDS_MAX];
	int count = 0;

	for (char *word = strtok(line, " "); word && count < WORDS_MAX; word = strtok(NULL, " "))
		words[count++] = word;
	*call = (struct command_call){.command = command_find(words[0])};
	ck_assert_ptr_nonnull(call->command);
	return command_parse(call, count - 1, words + 1, err);
}

START_TEST(options_and_arguments)
{
	char drain[] = "drain a/b --wait 5s --kill-after=1m", joined[] = "events -fn3";
	char follow[] = "events -f -n3", status[] = "status --json";
	struct command_call call;
	struct lb_err err;

	ck_assert(parse(drain, &call, &err));
	ck_assert_str_eq(call.arguments[0], "a/b");
	ck_assert_str_eq(call.values[COMMAND_WAIT_FOR], "5s");
	ck_assert_str_eq(call.values[COMMAND_KILL_AFTER], "1m");
	ck_assert_ptr_null(call.values[COMMAND_WAIT]);
	ck_assert(parse(follow, &call, &err));
	ck_assert_str_eq(call.values[COMMAND_FOLLOW], "");
	ck_assert_str_eq(call.values[COMMAND_LINES], "3");
	ck_assert(parse(status, &call, &err));
	ck_assert(call.json);
	/* Short options are not joined. */
	ck_assert(!parse(joined, &call, &err));
}
END_TEST

START_TEST(wrong_usage)
{
	static const struct {
		const char *line, *sentence;
	} wrong[] = {
	    {"drain",	      "drain needs SERVICE/SERVER [--wait DUR] [--kill-after DUR]"},
	    {"reload now",	   "unexpected argument \"now\"; reload takes none"		   },
	    {"drain a/b --wait",	 "--wait needs a value: DUR"				    },
	    {"failover --wait=5s", "--wait=5s takes no value"				     },
	    {"status --to x",      "status has no option --to"				 },
	    {"status --watc",      "status has no option --watc"				   },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char *line = strdup(wrong[i].line);
		struct command_call call;
		struct lb_err err;

		ck_assert_msg(!parse(line, &call, &err), "%s", wrong[i].line);
		ck_assert_str_eq(err.text, wrong[i].sentence);
		free(line);
	}
}
END_TEST

START_TEST(targets)
{
	static const char *const wrong[] = {"", "a", "/b", "a/", "a/b/c", "/"};
	struct command_target target;

	ck_assert(command_target("kube-api/k8s-master-1", &target));
	ck_assert_str_eq(target.service, "kube-api");
	ck_assert_str_eq(target.server, "k8s-master-1");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(!command_target(wrong[i], &target), "%s", wrong[i]);
}
END_TEST

START_TEST(every_command_is_explained)
{
	struct lb_text all = {0};

	command_help(NULL, &all);
	for (const struct command *c = command_table; c->name; c++) {
		struct lb_text one = {0};

		ck_assert_ptr_nonnull(strstr(lb_text_str(&all), c->summary));
		command_help(c, &one);
		ck_assert_ptr_nonnull(strstr(lb_text_str(&one), c->name));
		ck_assert_ptr_eq(command_find(c->name), c);
		lb_text_free(&one);
	}
	ck_assert_ptr_null(command_find("drian"));
	lb_text_free(&all);
}
END_TEST

START_TEST(session_list)
{
	json_t *answer = json_pack("{s:i,s:[{s:i,s:s,s:s,s:s,s:s,s:f,s:i,s:i}]}", "total", 2, "connections", "id", 7,
				   "service", "kube-api", "server", "k8s-master-1", "client", "10.1.2.3:4567", "state",
				   "established", "age_seconds", 61.0, "bytes_in", 10, "bytes_out", 2500);
	struct lb_text out = {0};

	listing_sessions(answer, false, &out);
	ck_assert_str_eq(lb_text_str(&out),
			 "ID  SERVICE   SERVER        CLIENT         STATE           AGE    IN     OUT\n"
			 " 7  kube-api  k8s-master-1  10.1.2.3:4567  established  1m 01s  10 B  2.5 kB\n"
			 "1 of 2 sessions\n");
	lb_text_free(&out);
	json_object_set_new(answer, "total", json_integer(1));
	listing_sessions(answer, false, &out);
	ck_assert_ptr_nonnull(strstr(lb_text_str(&out), "2.5 kB\n1 session\n"));
	lb_text_free(&out);
	json_decref(answer);
}
END_TEST

START_TEST(last_events)
{
	json_t *list = json_pack("[{s:s,s:s,s:s,s:s,s:s,s:s,s:f}, {s:s,s:s,s:s,s:n}]", "at", "?", "kind", "vip",
				 "subject", "vip", "from", "backup", "to", "active", "reason", "handover",
				 "duration_ms", 4.1, "at", "?", "kind", "config", "to", "7f3a21c0", "duration_ms");
	struct lb_text out = {0};

	listing_events(list, 1, false, &out);
	ck_assert_str_eq(lb_text_str(&out), "TIME  KIND    SUBJECT  FROM  TO        TOOK  REASON\n"
					    "?     config                 7f3a21c0\n");
	lb_text_free(&out);
	listing_event(json_array_get(list, 0), false, &out);
	ck_assert_str_eq(
	    lb_text_str(&out),
	    "?                        vip      vip                           backup      active       4.10 ms"
	    "  handover\n");
	json_object_set_new(json_array_get(list, 0), "from", json_string("alarm"));
	json_object_set_new(json_array_get(list, 0), "to", json_string(""));
	lb_text_free(&out);
	listing_events(list, 2, false, &out);
	ck_assert_ptr_nonnull(strstr(lb_text_str(&out), "alarm  ok        4.10 ms"));
	lb_text_free(&out);
	json_decref(list);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lbctl commands");
	TCase *tc = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, options_and_arguments);
	tcase_add_test(tc, wrong_usage);
	tcase_add_test(tc, targets);
	tcase_add_test(tc, every_command_is_explained);
	tcase_add_test(tc, session_list);
	tcase_add_test(tc, last_events);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
