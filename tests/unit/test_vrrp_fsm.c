/* The election of one node as a story: events with their times go in, the actions are read back as text. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lb/vrrp_fsm.h>

#define A  LB_MSEC(100)
#define T0 LB_SEC(1000)

static struct vrrp_fsm fsm;
static lb_time now;
static char did[256];

static const struct lb_addr self = {
    AF_INET, {10, 196, 35, 26}
};
static const struct lb_addr lower = {
    AF_INET, {10, 196, 35, 25}
};
static const struct lb_addr higher = {
    AF_INET, {10, 196, 35, 200}
};

static const char *const action_names[] = {
    [VRRP_SEND_ADVERT] = "advert",    [VRRP_SEND_RESIGN] = "resign",	[VRRP_TAKE_VIP] = "take",
    [VRRP_END_SESSIONS] = "sessions", [VRRP_RELEASE_VIP] = "release",	[VRRP_ANNOUNCE] = "announce",
    [VRRP_REANNOUNCE] = "reannounce", [VRRP_STATE_CHANGED] = "changed",
};

/* Feed an event at the present time; the answer is the list of actions. */
static const char *feed(struct vrrp_event event)
{
	struct vrrp_actions actions;

	event.now = now;
	if (event.kind == VRRP_EVENT_ADVERT && event.received_at == 0)
		event.received_at = now;
	vrrp_fsm_step(&fsm, &event, &actions);
	did[0] = '\0';
	for (size_t i = 0; i < actions.count; i++) {
		strcat(did, i ? " " : "");
		strcat(did, action_names[actions.list[i]]);
	}
	return did;
}

static const char *happen(enum vrrp_event_kind kind)
{
	return feed((struct vrrp_event){.kind = kind});
}

static const char *hear(uint8_t priority, const struct lb_addr *from)
{
	return feed((struct vrrp_event){
	    .kind = VRRP_EVENT_ADVERT, .priority = priority, .interval = fsm.params.interval, .source = *from});
}

/* Let the virtual clock run to the deadline and feed the timer. */
static const char *timer(void)
{
	now = vrrp_fsm_deadline(&fsm);
	return happen(VRRP_EVENT_TIMER);
}

static void is(enum vrrp_state state, enum vrrp_reason reason)
{
	ck_assert_str_eq(vrrp_state_name(fsm.state), vrrp_state_name(state));
	ck_assert_str_eq(vrrp_reason_name(fsm.reason), vrrp_reason_name(reason));
}

static const struct vrrp_params usual = {.version = 3, .priority = 240, .interval = A};

static void begin(const struct vrrp_params *params)
{
	struct vrrp_params p = *params;

	p.address = self;
	now = T0;
	vrrp_fsm_init(&fsm, &p);
}

static void initialized(void)
{
	begin(&usual);
}

static void become_backup(void)
{
	ck_assert_str_eq(happen(VRRP_EVENT_STARTUP), "changed");
}

static void become_active(void)
{
	become_backup();
	ck_assert_str_eq(timer(), "advert take announce changed");
}

static lb_duration down(void)
{
	return vrrp_active_down_interval(3, 240, A);
}

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

START_TEST(startup_delay_holds_whatever_is_heard)
{
	struct vrrp_params p = usual;

	p.startup_delay = LB_SEC(2);
	begin(&p);
	become_backup();
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), T0 + LB_SEC(2) + down());
	now += LB_MSEC(50);
	hear(250, &lower);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), T0 + LB_SEC(2) + vrrp_skew_time(3, 240, A));
	hear(0, &lower);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), T0 + LB_SEC(2) + vrrp_skew_time(3, 240, A));
	/* Later on it is no hindrance. */
	now = T0 + LB_SEC(3);
	hear(0, &lower);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + vrrp_skew_time(3, 240, A));
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

/* ---- Active ---- */

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
	ck_assert_str_eq(did, "advert sessions release changed");
	is(VRRP_BACKUP, VRRP_REASON_HIGHER_PRIORITY);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + vrrp_active_down_interval(3, 240, LB_MSEC(200)));
	ck_assert(lb_addr_equal(&fsm.active, &lower));
}
END_TEST

START_TEST(higher_address_wins_a_tie)
{
	become_active();
	now += LB_MSEC(30);
	ck_assert_str_eq(hear(240, &higher), "advert sessions release changed");
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
	lb_time released = now;
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), released + down());
	hear(0, &self);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), released + down());
	now += LB_MSEC(1);
	hear(230, &lower);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());
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

static void add_stories(TCase *c)
{
	tcase_add_test(c, start_listens_before_it_takes);
	tcase_add_test(c, startup_delay_holds_whatever_is_heard);
	tcase_add_test(c, address_owner_starts_active);
	tcase_add_test(c, each_advert_postpones_the_take_over);
	tcase_add_test(c, lower_priority_is_followed_without_preemption);
	tcase_add_test(c, lower_priority_is_discarded_with_preemption);
	tcase_add_test(c, resignation_leaves_skew_time);
	tcase_add_test(c, resignation_of_another_than_the_active_is_ignored);
	tcase_add_test(c, another_advert_calls_the_resignation_off);
	tcase_add_test(c, interval_is_learned);
	tcase_add_test(c, timers_run_from_the_kernels_time);
	tcase_add_test(c, adverts_from_before_the_state_are_ignored);
	tcase_add_test(c, stalled_backup_listens_anew);
	tcase_add_test(c, adverts_keep_their_pace);
	tcase_add_test(c, losing_advert_is_answered);
	tcase_add_test(c, resignation_of_another_is_answered);
	tcase_add_test(c, higher_priority_wins);
	tcase_add_test(c, higher_address_wins_a_tie);
	tcase_add_test(c, shutdown_resigns_in_order);
	tcase_add_test(c, fault_is_silent_until_clear);
	tcase_add_test(c, fault_tells_its_reason);
	tcase_add_test(c, yielding_node_waits_a_whole_interval);
	tcase_add_test(c, stalled_owner_leaves_without_a_word);
	tcase_add_test(c, reload_shortens_running_timers_only);
	tcase_add_test(c, reload_keeps_what_was_learned);
}

int main(void)
{
	Suite *suite = suite_create("vrrp_fsm");
	TCase *formulas = tcase_create("formulas"), *stories = tcase_create("stories");

	tcase_add_loop_test(formulas, timers_follow_the_formulas, 0, sizeof(timer_rows) / sizeof(timer_rows[0]));
	tcase_add_test(formulas, lease_is_shorter_than_any_active_down_interval);
	tcase_add_test(formulas, words_are_those_of_the_contract);
	tcase_add_checked_fixture(stories, initialized, NULL);
	tcase_add_test(stories, every_pair_is_defined);
	tcase_add_test(stories, an_unknown_event_does_nothing);
	add_stories(stories);
	suite_add_tcase(suite, formulas);
	suite_add_tcase(suite, stories);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
