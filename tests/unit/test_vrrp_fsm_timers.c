/* The timers of the election: their formulas, what sets them and what does not, stalls and reloads. */
#include "vrrp_rig.h"

/* ---- formulas ---- */

struct timer_row {
	uint8_t version, priority;
	lb_duration interval, skew_us, down_us;
};

/* Computed by hand from the formulas of RFC 9568 section 6.1 and RFC 3768 section 6.1, in microseconds. */
static const struct timer_row timer_rows[] = {
    {3, 50,  LB_SEC(1), 804687, 3804687 },
    {3, 100, LB_SEC(1), 609375, 3609375 },
    {3, 150, LB_SEC(1), 414062, 3414062 },
    {3, 200, LB_SEC(1), 218750, 3218750 },
    {3, 254, LB_SEC(1), 7812,   3007812 },
    {3, 50,  A,	       80468,  380468  },
    {3, 100, A,		60937,  360937  },
    {3, 150, A,		41406,  341406  },
    {3, 200, A,		21875,  321875  },
    {3, 254, A,		781,    300781  },
    {2, 100, LB_SEC(1), 609375, 3609375 },
    {2, 150, LB_SEC(1), 414062, 3414062 },
    {2, 150, LB_SEC(5), 414062, 15414062},
};

START_TEST(timers_follow_the_formulas)
{
	const struct timer_row *r = &timer_rows[_i];

	ck_assert_int_eq(vrrp_skew_time(r->version, r->priority, r->interval) / 1000, r->skew_us);
	ck_assert_int_eq(vrrp_active_down_interval(r->version, r->priority, r->interval) / 1000, r->down_us);
}
END_TEST

/* A lease ends before the earliest take-over, whatever the interval. */
START_TEST(lease_is_shorter_than_any_active_down_interval)
{
	ck_assert_int_eq(vrrp_lease(LB_MSEC(100)), LB_MSEC(290));
	ck_assert_int_eq(vrrp_lease(LB_SEC(1)), LB_MSEC(2900));
	ck_assert_int_eq(vrrp_lease(LB_MSEC(10)), LB_MSEC(20));
	for (lb_duration i = LB_MSEC(10); i <= LB_MSEC(40950); i += LB_MSEC(10)) {
		ck_assert_int_lt(vrrp_lease(i), vrrp_active_down_interval(3, 254, i));
		ck_assert_int_gt(vrrp_lease(i), i);
	}
}
END_TEST

/* ---- running timers ---- */

static void begin_with_delay(void)
{
	struct vrrp_params p = usual;

	p.startup_delay = LB_SEC(2);
	begin(&p);
	become_backup();
}

START_TEST(startup_delay_holds_for_a_node_that_hears_nobody)
{
	begin_with_delay();
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), T0 + LB_SEC(2) + down());
	now += LB_MSEC(50);
	hear(250, &lower);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), T0 + LB_SEC(2) + vrrp_skew_time(3, 240, A));
	/* Not the one that leads. */
	hear(0, &higher);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), T0 + LB_SEC(2) + vrrp_skew_time(3, 240, A));

	/* A resignation alone does not tell who else may lead. */
	begin_with_delay();
	hear(0, &lower);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), T0 + LB_SEC(2) + vrrp_skew_time(3, 240, A));
}
END_TEST

START_TEST(startup_delay_ends_with_the_active_that_was_heard)
{
	begin_with_delay();
	now += LB_MSEC(50);
	hear(250, &lower);
	now += LB_MSEC(50);
	hear(0, &lower);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + vrrp_skew_time(3, 240, A));
	ck_assert_str_eq(timer(), "advert take announce changed");
	is(VRRP_ACTIVE, VRRP_REASON_PEER_RESIGNED);
}
END_TEST

/* Both had queued up while this node stood still: somebody else may lead since then. */
START_TEST(old_resignation_does_not_end_listening)
{
	struct vrrp_event e = {.kind = VRRP_EVENT_ADVERT, .source = lower, .priority = 250, .interval = A};

	become_backup();
	now += LB_SEC(5);
	happen(VRRP_EVENT_STALL);
	e.received_at = now - LB_SEC(3);
	feed(e);
	e.received_at += LB_MSEC(10);
	e.priority = 0;
	feed(e);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());
	/* What is heard from now on counts. */
	hear(250, &lower);
	hear(0, &lower);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + vrrp_skew_time(3, 240, A));
}
END_TEST

/* The interval of the Active rules the timers (version 3), and version 2 keeps its own. */
START_TEST(interval_is_learned)
{
	struct vrrp_event e = {.kind = VRRP_EVENT_ADVERT, .priority = 250, .interval = LB_SEC(1), .source = lower};
	struct vrrp_params p = usual;

	become_backup();
	feed(e);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + vrrp_active_down_interval(3, 240, LB_SEC(1)));
	timer();
	ck_assert_int_eq(fsm.active_adver_interval, A);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + A);

	p.version = 2;
	p.interval = LB_SEC(2);
	begin(&p);
	become_backup();
	feed(e);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + vrrp_active_down_interval(2, 240, LB_SEC(2)));
}
END_TEST

/* Own starvation must not look like the death of the Active: the kernel's time counts. */
START_TEST(timers_run_from_the_kernels_time)
{
	become_backup();
	now += LB_MSEC(250);
	feed((struct vrrp_event){.kind = VRRP_EVENT_ADVERT,
				 .priority = 250,
				 .interval = A,
				 .source = lower,
				 .received_at = T0 + LB_MSEC(200)});
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), T0 + LB_MSEC(200) + down());
	ck_assert_int_eq(fsm.last_advert, T0 + LB_MSEC(200));
}
END_TEST

START_TEST(adverts_from_before_the_state_are_ignored)
{
	struct vrrp_event e = {.kind = VRRP_EVENT_ADVERT, .source = lower, .received_at = T0 - LB_SEC(5)};

	become_backup();
	feed(e);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), T0 + down());

	/* The former owner's last advert, read after its release arrived on the peer link. */
	now += A;
	ck_assert_str_eq(happen(VRRP_EVENT_TAKE), "advert take announce changed");
	is(VRRP_ACTIVE, VRRP_REASON_HANDOVER);
	e.priority = 250;
	e.received_at = now - 1;
	ck_assert_str_eq(feed(e), "");
	is(VRRP_ACTIVE, VRRP_REASON_HANDOVER);
}
END_TEST

/* The former owner's last advert, which its release has overtaken; one of a later time is as good as any. */
START_TEST(parting_advert_does_not_depose_the_successor)
{
	become_backup();
	hear(250, &lower);
	now += A;
	feed((struct vrrp_event){.kind = VRRP_EVENT_TAKE, .source = lower});
	now += LB_USEC(50);
	ck_assert_str_eq(hear(250, &lower), "");
	is(VRRP_ACTIVE, VRRP_REASON_HANDOVER);
	ck_assert_str_eq(hear(250, &higher), "sessions release advert changed");

	begin(&usual);
	become_active();
	happen(VRRP_EVENT_TAKE);
	is(VRRP_ACTIVE, VRRP_REASON_ACTIVE_DOWN_TIMER);
	ck_assert_str_eq(hear(250, &lower), "sessions release advert changed");

	begin(&usual);
	become_backup();
	feed((struct vrrp_event){.kind = VRRP_EVENT_TAKE, .source = lower});
	now += A;
	ck_assert_str_eq(hear(250, &lower), "sessions release advert changed");
}
END_TEST

START_TEST(stalled_backup_listens_anew)
{
	become_backup();
	now += LB_SEC(5);
	ck_assert_str_eq(happen(VRRP_EVENT_STALL), "");
	ck_assert_str_eq(happen(VRRP_EVENT_TIMER), "");
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());
	/* What had queued up meanwhile does not shorten it. */
	feed((struct vrrp_event){.kind = VRRP_EVENT_ADVERT, .source = lower, .received_at = now - LB_SEC(3)});
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());
}
END_TEST

/* Somebody who was in time may have taken over just now: a late node looks again when that one has been heard. */
START_TEST(late_backup_lets_those_in_time_go_first)
{
	become_backup();
	hear(250, &lower);
	lb_time due = vrrp_fsm_deadline(&fsm);

	now = due + LB_MSEC(30);
	ck_assert_str_eq(happen(VRRP_EVENT_TIMER), "");
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), due + A);
	/* Once: late again, it takes. */
	now = due + A + LB_MSEC(30);
	ck_assert_str_eq(happen(VRRP_EVENT_TIMER), "advert take announce changed");

	/* By as many intervals as it was late, and not at all for what any machine is late. */
	begin(&usual);
	become_backup();
	hear(250, &lower);
	due = vrrp_fsm_deadline(&fsm);
	now = due + A + LB_MSEC(30);
	ck_assert_str_eq(happen(VRRP_EVENT_TIMER), "");
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), due + 2 * A);
	hear(250, &lower);
	now = vrrp_fsm_deadline(&fsm) + A / 50;
	ck_assert_str_eq(happen(VRRP_EVENT_TIMER), "advert take announce changed");
}
END_TEST

START_TEST(adverts_keep_their_pace)
{
	become_active();
	lb_time first = now;
	for (int i = 1; i <= 5; i++) {
		ck_assert_int_eq(vrrp_fsm_deadline(&fsm), first + i * A);
		now = vrrp_fsm_deadline(&fsm) + LB_MSEC(3); /* woken late */
		ck_assert_str_eq(happen(VRRP_EVENT_TIMER), "advert");
	}
	now += LB_MSEC(150);
	ck_assert_str_eq(happen(VRRP_EVENT_TIMER), "advert");
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), first + 7 * A);
	now += LB_MSEC(250);
	happen(VRRP_EVENT_TIMER);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + A);
}
END_TEST

/* The lease is long over: nothing may be sent, and the election begins anew. */
START_TEST(stalled_owner_leaves_without_a_word)
{
	become_active();
	now += LB_SEC(5);
	ck_assert_str_eq(happen(VRRP_EVENT_STALL), "sessions release changed");
	is(VRRP_BACKUP, VRRP_REASON_STALL);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());
	feed((struct vrrp_event){
	    .kind = VRRP_EVENT_ADVERT, .source = lower, .priority = 200, .received_at = now - LB_SEC(1)});
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());
}
END_TEST

/* ---- reload ---- */

START_TEST(reload_shortens_running_timers_only)
{
	struct vrrp_params p = usual;

	become_active();
	p.address = self;
	p.interval = LB_MSEC(10);
	now += LB_MSEC(20);
	vrrp_fsm_set_params(&fsm, &p, now);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + LB_MSEC(10));
	p.interval = LB_SEC(1);
	vrrp_fsm_set_params(&fsm, &p, now);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + LB_MSEC(10));
	ck_assert_int_eq(fsm.state, VRRP_ACTIVE);
	now += LB_MSEC(10);
	ck_assert_str_eq(happen(VRRP_EVENT_TIMER), "advert");
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + LB_SEC(1));
}
END_TEST

/* A Backup keeps the interval that it learned: the Active still advertises at its own. */
START_TEST(reload_keeps_what_was_learned)
{
	struct vrrp_params p = usual;

	become_backup();
	feed((struct vrrp_event){.kind = VRRP_EVENT_ADVERT, .priority = 250, .interval = LB_SEC(1), .source = lower});
	lb_time before = vrrp_fsm_deadline(&fsm);
	p.interval = LB_MSEC(10);
	vrrp_fsm_set_params(&fsm, &p, now);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), before);
	p.priority = 254;
	vrrp_fsm_set_params(&fsm, &p, now);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + vrrp_active_down_interval(3, 254, LB_SEC(1)));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vrrp_fsm_timers");
	TCase *formulas = tcase_create("formulas"), *running = tcase_create("running");

	tcase_add_loop_test(formulas, timers_follow_the_formulas, 0, sizeof(timer_rows) / sizeof(timer_rows[0]));
	tcase_add_test(formulas, lease_is_shorter_than_any_active_down_interval);
	tcase_add_checked_fixture(running, initialized, NULL);
	tcase_add_test(running, startup_delay_holds_for_a_node_that_hears_nobody);
	tcase_add_test(running, startup_delay_ends_with_the_active_that_was_heard);
	tcase_add_test(running, old_resignation_does_not_end_listening);
	tcase_add_test(running, parting_advert_does_not_depose_the_successor);
	tcase_add_test(running, interval_is_learned);
	tcase_add_test(running, timers_run_from_the_kernels_time);
	tcase_add_test(running, adverts_from_before_the_state_are_ignored);
	tcase_add_test(running, stalled_backup_listens_anew);
	tcase_add_test(running, late_backup_lets_those_in_time_go_first);
	tcase_add_test(running, adverts_keep_their_pace);
	tcase_add_test(running, stalled_owner_leaves_without_a_word);
	tcase_add_test(running, reload_shortens_running_timers_only);
	tcase_add_test(running, reload_keeps_what_was_learned);
	suite_add_tcase(suite, formulas);
	suite_add_tcase(suite, running);
	return run(suite);
}
