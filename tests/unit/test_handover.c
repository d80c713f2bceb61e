/* The promise of a planned hand-over: when a release is taken, and when it comes too late to be. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/keeper/handover.c"

#define A LB_MSEC(100)

/* Time as the tests say; the clocks of the system are not linked. */
static lb_time now, boot_ahead;

lb_time clock_now(void)
{
	return now;
}

lb_time clock_boot(void)
{
	return now + boot_ahead;
}

static struct {
	enum peer_msg_kind kind;
	uint64_t id;
	unsigned takes, yields, ends, settled, taken_back, revived;
	bool owner;
} seen;

static bool can_take(void *ctx, char text[64])
{
	(void)ctx;
	text[0] = '\0';
	return true;
}

static bool is_owner(void *ctx)
{
	(void)ctx;
	return seen.owner;
}

static bool node_owns(void *ctx, size_t node)
{
	(void)ctx;
	(void)node;
	return false;
}

static void record(void *ctx, size_t node, enum peer_msg_kind kind, uint64_t id, const char *text)
{
	(void)ctx;
	(void)node;
	(void)text;
	seen.kind = kind;
	seen.id = id;
}

static void close_to_new(void *ctx, bool on)
{
	(void)ctx;
	(void)on;
}

static void end_sessions(void *ctx, uint32_t id)
{
	(void)ctx;
	(void)id;
	seen.ends++;
}

static lb_duration interval(void *ctx)
{
	return *(lb_duration *)ctx;
}

static void yield(void *ctx)
{
	(void)ctx;
	seen.yields++;
}

static void take(void *ctx, size_t node)
{
	(void)ctx;
	ck_assert_uint_eq(node, 1);
	seen.takes++;
}

static struct handover h;
static lb_duration advert_interval;
static bool sessions_move;

static void send_sessions(void *ctx, size_t node, uint64_t id)
{
	(void)ctx;
	(void)node;
	(void)id;
	handover_on_sessions_sent(&h, sessions_move);
}

static void settle_sessions(void *ctx, bool released)
{
	(void)ctx;
	*(released ? &seen.settled : &seen.taken_back) += 1;
}

static void revive_sessions(void *ctx, uint64_t id, bool sent)
{
	(void)ctx;
	(void)id;
	seen.revived += sent;
}

static void setup(void)
{
	static const struct handover_hooks hooks = {
	    .can_take = can_take,
	    .is_owner = is_owner,
	    .node_owns = node_owns,
	    .send = record,
	    .close_to_new = close_to_new,
	    .end_sessions = end_sessions,
	    .interval = interval,
	    .send_sessions = send_sessions,
	    .settle_sessions = settle_sessions,
	    .revive_sessions = revive_sessions,
	    .yield = yield,
	    .take = take,
	    .ctx = &advert_interval,
	};

	now = LB_SEC(1000);
	boot_ahead = 0;
	advert_interval = A;
	sessions_move = false;
	memset(&seen, 0, sizeof(seen));
	handover_init(&h, ev_default_loop(0), 7, &hooks);
}

static void hear(size_t node, enum peer_msg_kind kind, uint64_t id)
{
	struct peer_msg msg = {.kind = kind, .handover = id};

	handover_on_message(&h, node, &msg);
}

/* Node 1 asked whether this one would take the VIP, and it said yes. */
static void promise(void)
{
	hear(1, PEER_ASK_TAKE, 42);
	ck_assert_int_eq(seen.kind, PEER_READY);
	ck_assert_uint_eq(seen.id, 42);
}

START_TEST(a_release_in_time_is_taken_once)
{
	promise();
	now += 2 * A;
	hear(1, PEER_RELEASED, 42);
	hear(1, PEER_RELEASED, 42);
	ck_assert_uint_eq(seen.takes, 1);
}
END_TEST

/* The former owner takes the VIP back 3 intervals after its release. */
START_TEST(a_late_release_is_left_to_the_election)
{
	promise();
	now += 2 * A + 1;
	hear(1, PEER_RELEASED, 42);
	now -= A;
	hear(1, PEER_RELEASED, 42);
	ck_assert_uint_eq(seen.takes, 0);
}
END_TEST

START_TEST(a_suspended_machine_keeps_no_promise)
{
	promise();
	boot_ahead = 3 * A;
	hear(1, PEER_RELEASED, 42);
	ck_assert_uint_eq(seen.takes, 0);
}
END_TEST

START_TEST(a_stall_drops_the_promise)
{
	promise();
	handover_on_stall(&h, A - 1);
	ck_assert_uint_eq(h.promised_id, 42);
	handover_on_stall(&h, A);
	hear(1, PEER_RELEASED, 42);
	ck_assert_uint_eq(seen.takes, 0);
}
END_TEST

/* At 10 ms, too, the promise is shorter than the time after which the former owner would take the VIP back. */
START_TEST(the_promise_follows_the_interval)
{
	advert_interval = LB_MSEC(10);
	promise();
	now += LB_MSEC(21);
	hear(1, PEER_RELEASED, 42);
	ck_assert_uint_eq(seen.takes, 0);
	promise();
	now += LB_MSEC(20);
	hear(1, PEER_RELEASED, 42);
	ck_assert_uint_eq(seen.takes, 1);
}
END_TEST

START_TEST(only_what_was_promised_is_taken)
{
	hear(1, PEER_RELEASED, 42);
	hear(1, PEER_RELEASED, 0);
	promise();
	hear(2, PEER_RELEASED, 42);
	hear(1, PEER_RELEASED, 43);
	ck_assert_uint_eq(seen.takes, 0);
	hear(1, PEER_RELEASED, 42);
	ck_assert_uint_eq(seen.takes, 1);
}
END_TEST

/* What went ahead stays away with the release, and goes on here without it. */
START_TEST(sessions_follow_the_vip)
{
	seen.owner = sessions_move = true;
	handover_give(&h, 1, NULL, NULL);
	hear(1, PEER_READY, seen.id);
	ck_assert_uint_eq(seen.settled, 1);
	handover_on_sessions_ended(&h, (uint32_t)seen.id);
	ck_assert_int_eq(seen.kind, PEER_RELEASED_SESSIONS);
	ck_assert_uint_eq(seen.taken_back, 0);
}
END_TEST

START_TEST(sessions_come_back_from_a_refused_hand_over)
{
	seen.owner = sessions_move = true;
	handover_give(&h, 1, NULL, NULL);
	hear(1, PEER_REFUSE, seen.id);
	ck_assert_uint_eq(seen.taken_back, 1);
	ck_assert_uint_eq(seen.settled + seen.yields, 0);
}
END_TEST

START_TEST(sessions_are_revived_only_by_the_release_that_says_so)
{
	promise();
	seen.owner = true;
	hear(1, PEER_RELEASED, 42);
	ck_assert_uint_eq(seen.revived, 0);
	seen.owner = false;
	promise();
	seen.owner = true;
	hear(1, PEER_RELEASED_SESSIONS, 42);
	ck_assert_uint_eq(seen.revived, 1);
}
END_TEST

/* Sessions that do not end in time must not use up the peer's promise. */
START_TEST(an_owner_releases_within_the_promise)
{
	seen.owner = true;
	advert_interval = LB_MSEC(10);
	handover_give(&h, 1, NULL, NULL);
	ck_assert_int_eq(seen.kind, PEER_ASK_TAKE);
	hear(1, PEER_READY, seen.id);
	ck_assert_uint_eq(seen.ends, 1);
	ck_assert_int_le(h.deadline, now + LB_MSEC(10));
	now = h.deadline;
	on_timer(h.loop, &h.timer, 0);
	ck_assert_uint_eq(seen.yields, 1);
	ck_assert_int_eq(seen.kind, PEER_RELEASED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("handover");
	TCase *all = tcase_create("all");

	tcase_add_checked_fixture(all, setup, NULL);
	tcase_add_test(all, a_release_in_time_is_taken_once);
	tcase_add_test(all, a_late_release_is_left_to_the_election);
	tcase_add_test(all, a_suspended_machine_keeps_no_promise);
	tcase_add_test(all, a_stall_drops_the_promise);
	tcase_add_test(all, the_promise_follows_the_interval);
	tcase_add_test(all, only_what_was_promised_is_taken);
	tcase_add_test(all, an_owner_releases_within_the_promise);
	tcase_add_test(all, sessions_follow_the_vip);
	tcase_add_test(all, sessions_come_back_from_a_refused_hand_over);
	tcase_add_test(all, sessions_are_revived_only_by_the_release_that_says_so);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
