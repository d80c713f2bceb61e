/* A relayed session told as stories: what the sockets did, and what the session is to do then. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/flow.h>

#define START LB_SEC(1000)

static const struct flow_limits limits = {.buffer_max = 16, .idle_timeout = LB_SEC(60), .fin_timeout = LB_SEC(30)};
static struct flow flow;
static struct flow_todo todo;
static lb_time now;

static void happens(enum flow_event_kind kind, enum flow_side side, size_t n)
{
	struct flow_event event = {.kind = kind, .side = side, .n = n, .now = now};

	/* What an earlier step asked for must not be seen again. */
	memset(&todo, 0xff, sizeof(todo));
	flow_step(&flow, &limits, &event, &todo);
}

/* The last step asked for nothing. */
static void nothing(void)
{
	ck_assert(!todo.ended && !todo.shutdown[0] && !todo.shutdown[1] && !todo.reset[0] && !todo.reset[1]);
}

static void passes_fin_to(enum flow_side side)
{
	ck_assert(todo.shutdown[side]);
	ck_assert(!todo.shutdown[1 - side]);
	ck_assert(!todo.ended);
}

static void ended_by(enum flow_end end, bool reset)
{
	ck_assert(todo.ended);
	ck_assert_int_eq(todo.reset[FLOW_CLIENT], reset);
	ck_assert_int_eq(todo.reset[FLOW_SERVER], reset);
	ck_assert_str_eq(flow_end_name(flow.end), flow_end_name(end));
	ck_assert_int_eq(flow.state, FLOW_ENDED);
	ck_assert(!flow_wants_read(&flow, &limits, FLOW_CLIENT) && !flow_wants_read(&flow, &limits, FLOW_SERVER));
	ck_assert(!flow_wants_write(&flow, FLOW_CLIENT) && !flow_wants_write(&flow, FLOW_SERVER));
	ck_assert_int_eq(flow_deadline(&flow, &limits), LB_TIME_NEVER);
}

/* n bytes come from a side and go on at once. */
static void relays(enum flow_side from, size_t n)
{
	happens(FLOW_READ, from, n);
	nothing();
	happens(FLOW_WROTE, from, n);
	nothing();
}

static void setup(void)
{
	now = START;
	flow_init(&flow, now);
}

static void connect_it(void)
{
	happens(FLOW_CHOSEN, FLOW_SERVER, 0);
	nothing();
	ck_assert_int_eq(flow.state, FLOW_CONNECTING);
	happens(FLOW_CONNECTED, FLOW_SERVER, 0);
	nothing();
	ck_assert_int_eq(flow.state, FLOW_RELAYING);
}

START_TEST(a_new_session_waits_for_nothing)
{
	ck_assert_int_eq(flow.state, FLOW_CHOOSING);
	ck_assert(!flow_wants_read(&flow, &limits, FLOW_CLIENT));
	happens(FLOW_CHOSEN, FLOW_SERVER, 0);
	ck_assert(!flow_wants_read(&flow, &limits, FLOW_CLIENT));
	ck_assert(!flow_wants_write(&flow, FLOW_CLIENT));
	/* A second attempt beside the first. */
	happens(FLOW_CHOSEN, FLOW_SERVER, 0);
	ck_assert_int_eq(flow.state, FLOW_CONNECTING);
	ck_assert_int_eq(flow_deadline(&flow, &limits), LB_TIME_NEVER);
	happens(FLOW_CONNECTED, FLOW_SERVER, 0);
	ck_assert(flow_wants_read(&flow, &limits, FLOW_CLIENT));
	ck_assert(flow_wants_read(&flow, &limits, FLOW_SERVER));
}
END_TEST

START_TEST(question_answer_close)
{
	connect_it();
	relays(FLOW_CLIENT, 10);
	relays(FLOW_SERVER, 1000);
	happens(FLOW_READ_EOF, FLOW_SERVER, 0);
	passes_fin_to(FLOW_CLIENT);
	happens(FLOW_READ_EOF, FLOW_CLIENT, 0);
	ended_by(FLOW_END_CLOSED, false);
	ck_assert_uint_eq(flow.half[FLOW_CLIENT].bytes, 10);
	ck_assert_uint_eq(flow.half[FLOW_SERVER].bytes, 1000);
}
END_TEST

START_TEST(client_half_closes_and_the_server_goes_on_sending)
{
	connect_it();
	relays(FLOW_CLIENT, 10);
	happens(FLOW_READ_EOF, FLOW_CLIENT, 0);
	passes_fin_to(FLOW_SERVER);
	ck_assert(!flow_wants_read(&flow, &limits, FLOW_CLIENT));
	for (int i = 0; i < 100; i++) {
		now += LB_SEC(20);
		ck_assert(flow_wants_read(&flow, &limits, FLOW_SERVER));
		happens(FLOW_TIMER, FLOW_CLIENT, 0);
		nothing();
		relays(FLOW_SERVER, 1000);
	}
	happens(FLOW_READ_EOF, FLOW_SERVER, 0);
	ended_by(FLOW_END_CLOSED, false);
	ck_assert_uint_eq(flow.half[FLOW_SERVER].bytes, 100000);
}
END_TEST

/* A FIN stands behind the bytes that were sent before it. */
START_TEST(server_fin_waits_for_pending_bytes)
{
	connect_it();
	happens(FLOW_READ, FLOW_SERVER, 12);
	happens(FLOW_READ_EOF, FLOW_SERVER, 0);
	nothing();
	ck_assert(flow_wants_write(&flow, FLOW_CLIENT));
	happens(FLOW_WROTE, FLOW_SERVER, 5);
	nothing();
	happens(FLOW_WROTE, FLOW_SERVER, 7);
	passes_fin_to(FLOW_CLIENT);
	ck_assert(!flow_wants_write(&flow, FLOW_CLIENT));
	/* It is passed on once. */
	relays(FLOW_CLIENT, 3);
}
END_TEST

START_TEST(both_close_with_pending_bytes_both_ways)
{
	connect_it();
	happens(FLOW_READ, FLOW_CLIENT, 1);
	happens(FLOW_READ, FLOW_SERVER, 1);
	happens(FLOW_READ_EOF, FLOW_CLIENT, 0);
	nothing();
	happens(FLOW_READ_EOF, FLOW_SERVER, 0);
	nothing();
	happens(FLOW_WROTE, FLOW_CLIENT, 1);
	passes_fin_to(FLOW_SERVER);
	happens(FLOW_WROTE, FLOW_SERVER, 1);
	ended_by(FLOW_END_CLOSED, false);
}
END_TEST

/* A client may say all it has to say before a server is found. */
START_TEST(client_closes_its_side_before_the_server_is_connected)
{
	happens(FLOW_READ, FLOW_CLIENT, 5);
	happens(FLOW_CHOSEN, FLOW_SERVER, 0);
	happens(FLOW_READ_EOF, FLOW_CLIENT, 0);
	nothing();
	happens(FLOW_CONNECTED, FLOW_SERVER, 0);
	nothing();
	ck_assert(flow_wants_write(&flow, FLOW_SERVER));
	ck_assert(!flow_wants_read(&flow, &limits, FLOW_CLIENT));
	happens(FLOW_WROTE, FLOW_CLIENT, 5);
	passes_fin_to(FLOW_SERVER);
}
END_TEST

START_TEST(an_early_fin_without_bytes_is_passed_on_at_once)
{
	happens(FLOW_CHOSEN, FLOW_SERVER, 0);
	happens(FLOW_READ_EOF, FLOW_CLIENT, 0);
	happens(FLOW_CONNECTED, FLOW_SERVER, 0);
	passes_fin_to(FLOW_SERVER);
}
END_TEST

START_TEST(a_full_buffer_stops_the_reader_and_only_this_one)
{
	connect_it();
	happens(FLOW_READ, FLOW_SERVER, 15);
	ck_assert(flow_wants_read(&flow, &limits, FLOW_SERVER));
	happens(FLOW_READ, FLOW_SERVER, 1);
	ck_assert(!flow_wants_read(&flow, &limits, FLOW_SERVER));
	ck_assert(flow_wants_read(&flow, &limits, FLOW_CLIENT));
	ck_assert(flow_wants_write(&flow, FLOW_CLIENT));
	ck_assert(!flow_wants_write(&flow, FLOW_SERVER));
	happens(FLOW_WROTE, FLOW_SERVER, 1);
	ck_assert(flow_wants_read(&flow, &limits, FLOW_SERVER));
	ck_assert(flow_wants_write(&flow, FLOW_CLIENT));
	happens(FLOW_WROTE, FLOW_SERVER, 14);
	ck_assert(flow_wants_write(&flow, FLOW_CLIENT));
	happens(FLOW_WROTE, FLOW_SERVER, 1);
	ck_assert(!flow_wants_write(&flow, FLOW_CLIENT));
}
END_TEST

/* Both sockets are closed with RST, whatever was on its way. */
static const struct {
	enum flow_event_kind kind;
	enum flow_side side;
	enum flow_end end;
} failures[] = {
    {FLOW_RESET,	 FLOW_CLIENT, FLOW_END_CLIENT_RESET  },
    {FLOW_RESET,	 FLOW_SERVER, FLOW_END_SERVER_RESET  },
    {FLOW_PEER_TIMEOUT, FLOW_CLIENT, FLOW_END_CLIENT_TIMEOUT},
    {FLOW_PEER_TIMEOUT, FLOW_SERVER, FLOW_END_SERVER_TIMEOUT},
};

START_TEST(a_reset_in_mid_transfer_resets_the_other_side)
{
	connect_it();
	happens(FLOW_READ, FLOW_SERVER, 12);
	happens(FLOW_READ, FLOW_CLIENT, 3);
	happens(failures[_i].kind, failures[_i].side, 0);
	ended_by(failures[_i].end, true);
}
END_TEST

START_TEST(a_reset_after_a_fin_still_resets)
{
	connect_it();
	happens(FLOW_READ_EOF, FLOW_CLIENT, 0);
	happens(failures[_i].kind, failures[_i].side, 0);
	ended_by(failures[_i].end, true);
}
END_TEST

START_TEST(a_client_that_leaves_before_a_server_answered_is_gone)
{
	happens(FLOW_CHOSEN, FLOW_SERVER, 0);
	happens(FLOW_RESET, FLOW_CLIENT, 0);
	ended_by(FLOW_END_CLIENT_GONE, true);
	setup();
	happens(FLOW_RESET, FLOW_CLIENT, 0);
	ended_by(FLOW_END_CLIENT_GONE, true);
}
END_TEST

START_TEST(any_state_ends_for_a_given_reason)
{
	for (int end = FLOW_END_CLOSED; end < FLOW_END_COUNT_; end++)
		for (int state = FLOW_CHOOSING; state <= FLOW_RELAYING; state++) {
			struct flow_event event = {.kind = FLOW_FAIL, .end = (enum flow_end)end};

			setup();
			if (state > FLOW_CHOOSING)
				happens(FLOW_CHOSEN, FLOW_SERVER, 0);
			if (state > FLOW_CONNECTING)
				happens(FLOW_CONNECTED, FLOW_SERVER, 0);
			flow_step(&flow, &limits, &event, &todo);
			ended_by((enum flow_end)end, end != FLOW_END_CLOSED);
		}
}
END_TEST

START_TEST(idle_for_too_long)
{
	now += LB_SEC(5);
	connect_it();
	ck_assert_int_eq(flow_deadline(&flow, &limits), now + limits.idle_timeout);
	now += LB_SEC(59);
	relays(FLOW_SERVER, 1);
	ck_assert_int_eq(flow_deadline(&flow, &limits), now + limits.idle_timeout);
	/* A timer that comes early changes nothing. */
	now += limits.idle_timeout - 1;
	happens(FLOW_TIMER, FLOW_CLIENT, 0);
	nothing();
	now += 1;
	happens(FLOW_TIMER, FLOW_CLIENT, 0);
	ended_by(FLOW_END_CLIENT_TIMEOUT, true);
}
END_TEST

START_TEST(one_side_closed_and_the_other_does_not_follow)
{
	connect_it();
	now += LB_SEC(1);
	happens(FLOW_READ_EOF, FLOW_CLIENT, 0);
	now += LB_SEC(29);
	ck_assert_int_eq(flow_deadline(&flow, &limits), now + LB_SEC(1));
	/* An answer that is still coming may take its time. */
	relays(FLOW_SERVER, 1);
	ck_assert_int_eq(flow_deadline(&flow, &limits), now + limits.fin_timeout);
	now += limits.fin_timeout;
	happens(FLOW_TIMER, FLOW_CLIENT, 0);
	ended_by(FLOW_END_FIN_TIMEOUT, true);
}
END_TEST

/* Of the two the one that passes first is the reason. */
START_TEST(a_short_idle_timeout_counts_after_a_fin_too)
{
	struct flow_limits quick = {.buffer_max = 16, .idle_timeout = LB_SEC(10), .fin_timeout = LB_SEC(30)};
	struct flow_event timer = {.kind = FLOW_TIMER, .now = START + LB_SEC(10)};

	connect_it();
	happens(FLOW_READ_EOF, FLOW_SERVER, 0);
	ck_assert_int_eq(flow_deadline(&flow, &quick), START + LB_SEC(10));
	flow_step(&flow, &quick, &timer, &todo);
	ended_by(FLOW_END_CLIENT_TIMEOUT, true);

	/* Of equals the FIN tells more. */
	quick.fin_timeout = LB_SEC(10);
	setup();
	connect_it();
	happens(FLOW_READ_EOF, FLOW_SERVER, 0);
	flow_step(&flow, &quick, &timer, &todo);
	ended_by(FLOW_END_FIN_TIMEOUT, true);
}
END_TEST

START_TEST(timeouts_may_be_off)
{
	struct flow_limits off = {.buffer_max = 16}, only_fin = {.buffer_max = 16, .fin_timeout = LB_SEC(30)};
	struct flow_event timer = {.kind = FLOW_TIMER, .now = LB_TIME_NEVER - 1};

	connect_it();
	ck_assert_int_eq(flow_deadline(&flow, &only_fin), LB_TIME_NEVER);
	happens(FLOW_READ_EOF, FLOW_SERVER, 0);
	ck_assert_int_eq(flow_deadline(&flow, &off), LB_TIME_NEVER);
	flow_step(&flow, &off, &timer, &todo);
	nothing();
}
END_TEST

/* Late news of a socket that is closed already, or of an attempt when another has won, changes nothing. */
START_TEST(what_cannot_happen_any_more_is_ignored)
{
	connect_it();
	happens(FLOW_CHOSEN, FLOW_SERVER, 0);
	nothing();
	ck_assert_int_eq(flow.state, FLOW_RELAYING);
	now += LB_SEC(1);
	happens(FLOW_CONNECTED, FLOW_SERVER, 0);
	nothing();
	ck_assert_int_eq(flow.last_activity, START);

	happens(FLOW_RESET, FLOW_SERVER, 0);
	for (int kind = FLOW_CHOSEN; kind <= FLOW_FAIL; kind++) {
		happens((enum flow_event_kind)kind, FLOW_CLIENT, 0);
		nothing();
		ck_assert_int_eq(flow.end, FLOW_END_SERVER_RESET);
		ck_assert_int_eq(flow.state, FLOW_ENDED);
	}
}
END_TEST

START_TEST(reasons_have_haproxys_letters)
{
	static const struct {
		enum flow_end end;
		const char *name, *code;
	} rows[] = {
	    {FLOW_END_NONE,		    "none",		    "--"},
	    {FLOW_END_CLOSED,	      "closed",		"--"},
	    {FLOW_END_CLIENT_RESET,	    "client-reset",	    "CD"},
	    {FLOW_END_SERVER_RESET,	    "server-reset",	    "SD"},
	    {FLOW_END_CLIENT_TIMEOUT,   "client-timeout",	"cD"},
	    {FLOW_END_SERVER_TIMEOUT,   "server-timeout",	"sD"},
	    {FLOW_END_FIN_TIMEOUT,	   "fin-timeout",	  "cD"},
	    {FLOW_END_CLIENT_GONE,	   "client-gone",	  "CC"},
	    {FLOW_END_CONNECT_FAILED,   "connect-failed",	"SC"},
	    {FLOW_END_NO_SERVER,	 "no-server",	      "SC"},
	    {FLOW_END_CONNECT_TIMEOUT,  "connect-timeout",  "sC"},
	    {FLOW_END_REFUSED,	       "refused",	  "PR"},
	    {FLOW_END_LIMIT,	     "limit",	      "PR"},
	    {FLOW_END_BAD_PROXY_HEADER, "bad-proxy-header", "PR"},
	    {FLOW_END_SERVER_DOWN,	   "server-down",	  "DD"},
	    {FLOW_END_KILLED,	      "killed",		"KK"},
	    {FLOW_END_HANDOVER,		"handover",	    "LH"},
	    {FLOW_END_MOVED,	     "moved",	      "HH"},
	    {FLOW_END_RESOURCE,		"resource",	    "RR"},
	    {FLOW_END_SHUTDOWN,		"shutdown",	    "LL"},
	};

	ck_assert_uint_eq(sizeof(rows) / sizeof(rows[0]), FLOW_END_COUNT_);
	for (size_t i = 0; i < FLOW_END_COUNT_; i++) {
		ck_assert_int_eq(rows[i].end, (int)i);
		ck_assert_str_eq(flow_end_name(rows[i].end), rows[i].name);
		ck_assert_str_eq(flow_end_code(rows[i].end), rows[i].code);
	}
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int main(void)
{
	Suite *suite = suite_create("flow");
	TCase *all = tcase_create("all");

	tcase_add_checked_fixture(all, setup, NULL);
	tcase_add_test(all, a_new_session_waits_for_nothing);
	tcase_add_test(all, question_answer_close);
	tcase_add_test(all, client_half_closes_and_the_server_goes_on_sending);
	tcase_add_test(all, server_fin_waits_for_pending_bytes);
	tcase_add_test(all, both_close_with_pending_bytes_both_ways);
	tcase_add_test(all, client_closes_its_side_before_the_server_is_connected);
	tcase_add_test(all, an_early_fin_without_bytes_is_passed_on_at_once);
	tcase_add_test(all, a_full_buffer_stops_the_reader_and_only_this_one);
	tcase_add_loop_test(all, a_reset_in_mid_transfer_resets_the_other_side, 0, COUNT(failures));
	tcase_add_loop_test(all, a_reset_after_a_fin_still_resets, 0, COUNT(failures));
	tcase_add_test(all, a_client_that_leaves_before_a_server_answered_is_gone);
	tcase_add_test(all, any_state_ends_for_a_given_reason);
	tcase_add_test(all, idle_for_too_long);
	tcase_add_test(all, one_side_closed_and_the_other_does_not_follow);
	tcase_add_test(all, a_short_idle_timeout_counts_after_a_fin_too);
	tcase_add_test(all, timeouts_may_be_off);
	tcase_add_test(all, what_cannot_happen_any_more_is_ignored);
	tcase_add_test(all, reasons_have_haproxys_letters);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
