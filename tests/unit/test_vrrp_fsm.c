/* The election of one node as a story: events with their times go in, the actions are read back as text. */
#include "vrrp_rig.h"

/* ---- the whole table ---- */

/* What each event leads to when nothing else is known. Rows: init, backup, active, fault; columns: events in order. */
START_TEST(every_pair_is_defined)
{
	enum { I = VRRP_INIT, B = VRRP_BACKUP, M = VRRP_ACTIVE, F = VRRP_FAULT };
	static const int next[4][VRRP_EVENT_COUNT_] = {
  /*   startup shutdown timer advert fault clear yield take stall */
	    [I] = {B, I, I, I, I, I, I, I, I},
	    [B] = {B, I, B, B, F, B, B, M, B},
	    [M] = {M, I, M, M, F, M, B, M, B},
	    [F] = {F, I, F, F, F, B, F, F, F},
	};

	for (int state = I; state <= F; state++)
		for (int event = 0; event < VRRP_EVENT_COUNT_; event++) {
			begin(&usual);
			if (state == B || state == F)
				become_backup();
			if (state == F)
				happen(VRRP_EVENT_FAULT);
			if (state == M)
				become_active();
			ck_assert_int_eq(fsm.state, state);
			enum vrrp_state before = fsm.state;
			now += 1;
			feed((struct vrrp_event){
			    .kind = (enum vrrp_event_kind)event, .priority = 100, .interval = A, .source = lower});
			ck_assert_msg((int)fsm.state == next[state][event], "%s, event %d -> %s",
				      vrrp_state_name(before), event, vrrp_state_name(fsm.state));
			/* A change is told exactly when there is one, stamped, with a reason; timers fit the state. */
			ck_assert_int_eq(strstr(did, "changed") != NULL, fsm.state != before);
			if (fsm.state != before) {
				ck_assert_int_eq(fsm.previous, before);
				ck_assert_int_eq(fsm.since, now);
				ck_assert_int_ne(fsm.reason, VRRP_REASON_NONE);
			}
			ck_assert_int_eq(fsm.adver_timer != LB_TIME_NEVER, fsm.state == VRRP_ACTIVE);
			ck_assert_int_eq(fsm.active_down_timer != LB_TIME_NEVER, fsm.state == VRRP_BACKUP);
		}
}
END_TEST

START_TEST(an_unknown_event_does_nothing)
{
	become_active();
	ck_assert_str_eq(happen(VRRP_EVENT_COUNT_), "");
	is(VRRP_ACTIVE, VRRP_REASON_ACTIVE_DOWN_TIMER);
}
END_TEST

/* ---- Initialize ---- */

START_TEST(start_listens_before_it_takes)
{
	become_backup();
	is(VRRP_BACKUP, VRRP_REASON_STARTUP);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), T0 + down());
	now = T0 + down() - 1;
	ck_assert_str_eq(happen(VRRP_EVENT_TIMER), "");
	ck_assert_str_eq(timer(), "advert take announce changed");
	is(VRRP_ACTIVE, VRRP_REASON_ACTIVE_DOWN_TIMER);
	ck_assert(lb_addr_equal(&fsm.active, &self));
}
END_TEST

START_TEST(address_owner_starts_active)
{
	struct vrrp_params p = usual;

	p.priority = 255;
	begin(&p);
	ck_assert_str_eq(happen(VRRP_EVENT_STARTUP), "advert take announce changed");
	is(VRRP_ACTIVE, VRRP_REASON_STARTUP);
}
END_TEST

/* ---- Backup ---- */

START_TEST(each_advert_postpones_the_take_over)
{
	become_backup();
	for (int i = 0; i < 20; i++) {
		now += A;
		ck_assert_str_eq(hear(250, &lower), "");
		ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());
	}
	ck_assert(lb_addr_equal(&fsm.active, &lower));
	ck_assert_uint_eq(fsm.active_priority, 250);
	ck_assert_int_eq(fsm.last_advert, now);
	ck_assert_str_eq(timer(), "advert take announce changed");
}
END_TEST

/* Preempt_Mode false: the present Active stays, however low. */
START_TEST(lower_priority_is_followed_without_preemption)
{
	become_backup();
	now += A;
	hear(1, &lower);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());
}
END_TEST

START_TEST(lower_priority_is_discarded_with_preemption)
{
	struct vrrp_params p = usual;

	p.preempt = true;
	begin(&p);
	become_backup();
	now += A;
	hear(100, &lower);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), T0 + down());
	timer();
	is(VRRP_ACTIVE, VRRP_REASON_PREEMPT);
}
END_TEST

START_TEST(resignation_leaves_skew_time)
{
	become_backup();
	now += A;
	hear(250, &lower);
	now += LB_MSEC(20);
	ck_assert_str_eq(hear(0, &lower), "");
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + LB_MSEC(100) * 16 / 256);
	ck_assert_int_eq(fsm.active.family, 0);
	timer();
	is(VRRP_ACTIVE, VRRP_REASON_PEER_RESIGNED);
}
END_TEST

/* The former owner's resignation, overtaken by the first advert of its successor, must not depose the successor. */
START_TEST(resignation_of_another_than_the_active_is_ignored)
{
	become_backup();
	now += A;
	hear(230, &higher);
	lb_time deadline = vrrp_fsm_deadline(&fsm);
	now += LB_MSEC(1);
	hear(0, &lower);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), deadline);
	ck_assert(lb_addr_equal(&fsm.active, &higher));
}
END_TEST

START_TEST(another_advert_calls_the_resignation_off)
{
	become_backup();
	now += A;
	hear(0, &lower);
	now += LB_MSEC(2);
	hear(250, &lower);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());
	timer();
	is(VRRP_ACTIVE, VRRP_REASON_ACTIVE_DOWN_TIMER);
}
END_TEST

/* ---- Active ---- */

START_TEST(losing_advert_is_answered)
{
	become_active();
	now += LB_MSEC(30);
	ck_assert_str_eq(hear(100, &higher), "advert reannounce");
	ck_assert_str_eq(hear(240, &lower), "advert reannounce");
	is(VRRP_ACTIVE, VRRP_REASON_ACTIVE_DOWN_TIMER);
	ck_assert(lb_addr_equal(&fsm.active, &self));
}
END_TEST

START_TEST(resignation_of_another_is_answered)
{
	become_active();
	now += LB_MSEC(30);
	ck_assert_str_eq(hear(0, &lower), "advert");
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + A);
}
END_TEST

/* One losing advert, so that the winner announces itself again; then sessions, address and lease go. */
START_TEST(higher_priority_wins)
{
	become_active();
	now += LB_MSEC(30);
	feed(
	    (struct vrrp_event){.kind = VRRP_EVENT_ADVERT, .priority = 241, .interval = LB_MSEC(200), .source = lower});
	ck_assert_str_eq(did, "sessions release advert changed");
	is(VRRP_BACKUP, VRRP_REASON_HIGHER_PRIORITY);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + vrrp_active_down_interval(3, 240, LB_MSEC(200)));
	ck_assert(lb_addr_equal(&fsm.active, &lower));
}
END_TEST

START_TEST(higher_address_wins_a_tie)
{
	become_active();
	now += LB_MSEC(30);
	ck_assert_str_eq(hear(240, &higher), "sessions release advert changed");
	is(VRRP_BACKUP, VRRP_REASON_HIGHER_ADDRESS);
}
END_TEST

START_TEST(shutdown_resigns_in_order)
{
	become_active();
	ck_assert_str_eq(happen(VRRP_EVENT_SHUTDOWN), "sessions resign release changed");
	is(VRRP_INIT, VRRP_REASON_SHUTDOWN);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), LB_TIME_NEVER);
	ck_assert_str_eq(hear(0, &lower), "");
}
END_TEST

START_TEST(fault_is_silent_until_clear)
{
	become_active();
	ck_assert_str_eq(feed((struct vrrp_event){.kind = VRRP_EVENT_FAULT, .reason = VRRP_REASON_VIP_LOST}),
			 "sessions resign release changed");
	is(VRRP_FAULT, VRRP_REASON_VIP_LOST);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), LB_TIME_NEVER);
	now += LB_SEC(10);
	ck_assert_str_eq(happen(VRRP_EVENT_TIMER), "");
	ck_assert_str_eq(hear(1, &lower), "");
	ck_assert(lb_addr_equal(&fsm.active, &lower));
	ck_assert_str_eq(happen(VRRP_EVENT_CLEAR), "changed");
	is(VRRP_BACKUP, VRRP_REASON_CAN_SERVE);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());
}
END_TEST

START_TEST(fault_tells_its_reason)
{
	static const enum vrrp_reason reasons[] = {VRRP_REASON_STANDBY, VRRP_REASON_VIP_LOST, VRRP_REASON_CANNOT_SERVE};

	for (size_t i = 0; i < 6; i++) {
		begin(&usual);
		if (i < 3)
			become_backup();
		else
			become_active();
		feed((struct vrrp_event){.kind = VRRP_EVENT_FAULT, .reason = reasons[i % 3]});
		is(VRRP_FAULT, reasons[i % 3]);
	}
}
END_TEST

/* After a planned release nothing, not even a resignation, makes this node take again at once. */
START_TEST(yielding_node_waits_a_whole_interval)
{
	become_active();
	ck_assert_str_eq(happen(VRRP_EVENT_YIELD), "sessions resign release changed");
	is(VRRP_BACKUP, VRRP_REASON_HANDOVER);

	/* A third node must not follow a resignation before the successor can. */
	begin(&usual);
	become_active();
	ck_assert_str_eq(feed((struct vrrp_event){.kind = VRRP_EVENT_YIELD, .others = true}),
			 "sessions release advert changed");
	is(VRRP_BACKUP, VRRP_REASON_HANDOVER);
	lb_time released = now;
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), released + down());
	hear(0, &self);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), released + down());
	now += LB_MSEC(1);
	hear(230, &lower);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());
}
END_TEST

/* The owner releases to this node, but a third one has followed a resignation first: two must not lead. */
START_TEST(a_release_is_not_taken_from_a_third_node)
{
	struct vrrp_event take = {.kind = VRRP_EVENT_TAKE, .source = lower};

	become_backup();
	hear(250, &lower);
	hear(0, &lower);
	hear(230, &higher);
	ck_assert_str_eq(feed(take), "");
	is(VRRP_BACKUP, VRRP_REASON_STARTUP);
	/* From the one that leads, with or without its resignation, it is. */
	hear(250, &lower);
	ck_assert_str_eq(feed(take), "advert take announce changed");
	is(VRRP_ACTIVE, VRRP_REASON_HANDOVER);
}
END_TEST

START_TEST(words_are_those_of_the_contract)
{
	ck_assert_str_eq(vrrp_state_name(VRRP_INIT), "init");
	ck_assert_str_eq(vrrp_state_name(VRRP_BACKUP), "backup");
	ck_assert_str_eq(vrrp_state_name(VRRP_ACTIVE), "active");
	ck_assert_str_eq(vrrp_state_name(VRRP_FAULT), "fault");
	ck_assert_str_eq(vrrp_state_name((enum vrrp_state)9), "unknown");
	ck_assert_str_eq(vrrp_reason_name(VRRP_REASON_ACTIVE_DOWN_TIMER), "active-down-timer");
	for (int i = 0; i < VRRP_REASON_COUNT_; i++)
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(vrrp_reason_name((enum vrrp_reason)i), vrrp_reason_name((enum vrrp_reason)j));
	ck_assert_str_eq(vrrp_reason_name(VRRP_REASON_COUNT_), "unknown");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vrrp_fsm");
	TCase *table = tcase_create("table"), *stories = tcase_create("stories");

	tcase_add_checked_fixture(table, initialized, NULL);
	tcase_add_test(table, every_pair_is_defined);
	tcase_add_test(table, an_unknown_event_does_nothing);
	tcase_add_test(table, words_are_those_of_the_contract);
	tcase_add_checked_fixture(stories, initialized, NULL);
	tcase_add_test(stories, start_listens_before_it_takes);
	tcase_add_test(stories, address_owner_starts_active);
	tcase_add_test(stories, each_advert_postpones_the_take_over);
	tcase_add_test(stories, lower_priority_is_followed_without_preemption);
	tcase_add_test(stories, lower_priority_is_discarded_with_preemption);
	tcase_add_test(stories, resignation_leaves_skew_time);
	tcase_add_test(stories, resignation_of_another_than_the_active_is_ignored);
	tcase_add_test(stories, another_advert_calls_the_resignation_off);
	tcase_add_test(stories, losing_advert_is_answered);
	tcase_add_test(stories, resignation_of_another_is_answered);
	tcase_add_test(stories, higher_priority_wins);
	tcase_add_test(stories, higher_address_wins_a_tie);
	tcase_add_test(stories, shutdown_resigns_in_order);
	tcase_add_test(stories, fault_is_silent_until_clear);
	tcase_add_test(stories, fault_tells_its_reason);
	tcase_add_test(stories, yielding_node_waits_a_whole_interval);
	tcase_add_test(stories, a_release_is_not_taken_from_a_third_node);
	suite_add_tcase(suite, table);
	suite_add_tcase(suite, stories);
	return run(suite);
}
