/* HAProxy's agent protocol: every word, words together, and that what a line leaves out stays. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/agent_line.h>

static bool say(struct agent_orders *orders, const char *line)
{
	return agent_line_apply(orders, line, strlen(line));
}

static const struct {
	const char *line;
	struct agent_orders orders;
	enum health_result result;
} lines[] = {
    {"up",			{AGENT_READY, false, 100, 0},		 HEALTH_RESULT_OK	 },
    {"UP\n",		      {AGENT_READY, false, 100, 0},		   HEALTH_RESULT_OK	   },
    {"ready\r\n",		  {AGENT_READY, false, 100, 0},		HEALTH_RESULT_OK	},
    {"drain",		     {AGENT_DRAIN, false, 100, 0},		    HEALTH_RESULT_WRONG  },
    {"maint",		     {AGENT_MAINT, false, 100, 0},		    HEALTH_RESULT_WRONG  },
    {"down#disk is full",	  {AGENT_READY, true, 100, 0},		       HEALTH_RESULT_REFUSED},
    {"fail # out",		   {AGENT_READY, true, 100, 0},		HEALTH_RESULT_REFUSED},
    {"failed",		    {AGENT_READY, true, 100, 0},		    HEALTH_RESULT_REFUSED},
    {"stopped",		   {AGENT_READY, true, 100, 0},		     HEALTH_RESULT_REFUSED},
    {"75%",		       {AGENT_READY, false, 75, 0},		 HEALTH_RESULT_OK	 },
    {"0%",			{AGENT_READY, false, 0, 0},		       HEALTH_RESULT_OK     },
    {"300%",		      {AGENT_READY, false, 300, 0},		   HEALTH_RESULT_OK	   },
    {"99999999999999999999%",     {AGENT_READY, false, AGENT_PERCENT_MAX, 0}, HEALTH_RESULT_OK	  },
    {"maxconn:30",		   {AGENT_READY, false, 100, 30},		  HEALTH_RESULT_OK	  },
    {"ready up 50% maxconn:7",    {AGENT_READY, false, 50, 7},		    HEALTH_RESULT_OK	    },
    {"drain,up,50%\t\tMAXCONN:7", {AGENT_DRAIN, false, 50, 7},		       HEALTH_RESULT_WRONG  },
    {"down drain",		   {AGENT_DRAIN, true, 100, 0},		HEALTH_RESULT_REFUSED},
    {"up\ndown",		  {AGENT_READY, false, 100, 0},	       HEALTH_RESULT_OK     },
    {"load:0.3 up 20%",		{AGENT_READY, false, 20, 0},		     HEALTH_RESULT_OK     },
};

START_TEST(a_line_is_understood)
{
	struct agent_orders orders = agent_orders_none();

	ck_assert(say(&orders, lines[_i].line));
	ck_assert_int_eq(orders.admin, lines[_i].orders.admin);
	ck_assert_int_eq(orders.down, lines[_i].orders.down);
	ck_assert_uint_eq(orders.percent, lines[_i].orders.percent);
	ck_assert_uint_eq(orders.maxconn, lines[_i].orders.maxconn);
	ck_assert_int_eq(agent_orders_result(&orders), lines[_i].result);
}
END_TEST

static const char *const nonsense[] = {"",	    "\n",	"#up", " , ",	   "upp",	  "u p",
				       "50",	    "-5%",	"%",   "5 %",	   "maxconn:",	  "maxconn: 5",
				       "maxconn:x", "HTTP/1.1", "5%%", "maxconn5", "\x15\x03\x01"};

START_TEST(nonsense_changes_nothing)
{
	struct agent_orders orders = {AGENT_DRAIN, true, 7, 9};

	ck_assert(!say(&orders, nonsense[_i]));
	ck_assert_int_eq(orders.admin, AGENT_DRAIN);
	ck_assert(orders.down);
	ck_assert_uint_eq(orders.percent, 7);
	ck_assert_uint_eq(orders.maxconn, 9);
}
END_TEST

START_TEST(what_is_left_out_stays)
{
	struct agent_orders orders = agent_orders_none();

	ck_assert(say(&orders, "drain 40% maxconn:5"));
	ck_assert(say(&orders, "up"));
	ck_assert_int_eq(agent_orders_result(&orders), HEALTH_RESULT_WRONG);
	ck_assert(say(&orders, "down"));
	ck_assert(say(&orders, "ready"));
	ck_assert_int_eq(agent_orders_result(&orders), HEALTH_RESULT_REFUSED);
	ck_assert(say(&orders, "up"));
	ck_assert_int_eq(agent_orders_result(&orders), HEALTH_RESULT_OK);
	ck_assert_uint_eq(orders.percent, 40);
	ck_assert_uint_eq(orders.maxconn, 5);
}
END_TEST

START_TEST(the_length_is_kept_to)
{
	struct agent_orders orders = agent_orders_none();

	ck_assert(agent_line_apply(&orders, "75%0", 3));
	ck_assert_uint_eq(orders.percent, 75);
	ck_assert(!agent_line_apply(&orders, "up", 1));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("agent_line");
	TCase *all = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(all, a_line_is_understood, 0, (int)(sizeof(lines) / sizeof(lines[0])));
	tcase_add_loop_test(all, nonsense_changes_nothing, 0, (int)(sizeof(nonsense) / sizeof(nonsense[0])));
	tcase_add_test(all, what_is_left_out_stays);
	tcase_add_test(all, the_length_is_kept_to);
	suite_add_tcase(suite, all);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
