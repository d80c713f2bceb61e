/* The growing buffer, durations as people write them, and the nearest word. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/text.h>

START_TEST(text_grows)
{
	struct lb_text t = {0};

	ck_assert_str_eq(lb_text_str(&t), "");
	for (int i = 0; i < 1000; i++)
		lb_text_addf(&t, "%04d,", i);
	lb_text_addn(&t, "abcdef", 3);
	lb_text_add(&t, "");
	ck_assert(!t.failed);
	ck_assert_uint_eq(t.len, 5003);
	ck_assert_uint_eq(strlen(t.data), 5003);
	ck_assert_str_eq(t.data + 4995, "0999,abc");
	lb_text_free(&t);
	ck_assert_ptr_null(t.data);
	ck_assert_uint_eq(t.len, 0);
}
END_TEST

START_TEST(impossible_size_fails_once_and_stays)
{
	struct lb_text t = {0};

	lb_text_add(&t, "kept");
	lb_text_addn(&t, "x", SIZE_MAX);
	ck_assert(t.failed);
	lb_text_add(&t, "missing");
	ck_assert_str_eq(lb_text_str(&t), "kept");
	lb_text_free(&t);
}
END_TEST

/* canonical is NULL where the text is its own shortest form. */
static const struct {
	const char *text;
	lb_duration value;
	const char *canonical;
} durations[] = {
    {"0",		      0,	      NULL	 },
    {"0s",		     0,	      "0"	 },
    {"0ms",		    0,	       "0"	  },
    {"250us",		  LB_USEC(250),   NULL	},
    {"100ms",		  LB_MSEC(100),   NULL	},
    {"1500ms",		 LB_MSEC(1500),  NULL	  },
    {"1000ms",		 LB_SEC(1),	  "1s"     },
    {"1.5s",		   LB_MSEC(1500),  "1500ms" },
    {"40.95s",		 LB_MSEC(40950), "40950ms"},
    {"2s",		     LB_SEC(2),      NULL	  },
    {"60s",		    LB_SEC(60),	"1m"	    },
    {"90s",		    LB_SEC(90),	NULL	    },
    {"5m",		     LB_SEC(300),	NULL	    },
    {"1h",		     LB_SEC(3600),	 NULL     },
    {"0.5h",		   LB_SEC(1800),   "30m"	},
    {"0.001us",		1,		   NULL     },
    {"1.25us",		 1250,	     NULL	 },
    {"1.05us",		 1050,	     NULL	 },
    {"1.5000000000000000s",    LB_MSEC(1500),  "1500ms" },
    {"9223372036854775.807us", INT64_MAX,	  NULL     },
};

START_TEST(durations_round_trip)
{
	lb_duration d = -1;
	char buf[LB_DURATION_TEXT];

	ck_assert_msg(lb_duration_parse(durations[_i].text, &d), "%s", durations[_i].text);
	ck_assert_int_eq(d, durations[_i].value);
	ck_assert_str_eq(lb_duration_text(d, buf),
			 durations[_i].canonical ? durations[_i].canonical : durations[_i].text);
}
END_TEST

static const char *const bad_durations[] = {
    "",
    "1",
    "00",
    "-1s",
    "+1s",
    " 1s",
    "1s ",
    "1 s",
    "s",
    ".5s",
    "1.s",
    "1.5",
    "1,5s",
    "1S",
    "1sec",
    "1d",
    "1ns",
    "1e3s",
    "0x1s",
    "1s500ms",
    "0.0001us",
    "1.00000000000000000001s",
    "9223372036854775.808us",
    "99999999999999999999h",
    "2562048h",
};

START_TEST(bad_durations_leave_the_result)
{
	lb_duration d = 42;

	ck_assert_msg(!lb_duration_parse(bad_durations[_i], &d), "%s", bad_durations[_i]);
	ck_assert_int_eq(d, 42);
}
END_TEST

static const struct {
	const char *word, *nearest;
} words[] = {
    {"blance",							   "balance"},
    {"balnace",							  "balance"},
    {"Balance",							  "balance"},
    {"balance",							  "balance"},
    {"vip",							      "vips"	  },
    {"servres",							  "servers"},
    {"listne",							   "listen" },
    {"listening",							NULL     },
    {"xip",							      NULL	},
    {"xyz",							      NULL	},
    {"v",								NULL     },
    {"",								 NULL     },
    {"keepalive_keepalive_keepalive_keepalive_keepalive_keepalive_keep", NULL     },
};

START_TEST(nearest_word)
{
	static const char *const candidates[] = {"balance", "listen", "servers", "source", "vips"};
	const char *got = lb_text_nearest(words[_i].word, candidates, 5);

	if (words[_i].nearest)
		ck_assert_ptr_nonnull(got);
	if (got)
		ck_assert_pstr_eq(got, words[_i].nearest);
	else
		ck_assert_ptr_null(words[_i].nearest);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int main(void)
{
	Suite *suite = suite_create("text");
	TCase *all = tcase_create("all");

	tcase_add_test(all, text_grows);
	tcase_add_test(all, impossible_size_fails_once_and_stays);
	tcase_add_loop_test(all, durations_round_trip, 0, COUNT(durations));
	tcase_add_loop_test(all, bad_durations_leave_the_result, 0, COUNT(bad_durations));
	tcase_add_loop_test(all, nearest_word, 0, COUNT(words));
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
