/*
 * What the tests of the election share: one node on a virtual clock that is fed events and tells its actions as text.
 */
#ifndef VRRP_RIG_H
#define VRRP_RIG_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lb/vrrp_fsm.h>

#define A  LB_MSEC(100)
#define T0 LB_SEC(1000)

/* The node of the running test, its time, and what it did at the last event. */
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
static inline const char *feed(struct vrrp_event event)
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

static inline const char *happen(enum vrrp_event_kind kind)
{
	return feed((struct vrrp_event){.kind = kind});
}

static inline const char *hear(uint8_t priority, const struct lb_addr *from)
{
	return feed((struct vrrp_event){
	    .kind = VRRP_EVENT_ADVERT, .priority = priority, .interval = fsm.params.interval, .source = *from});
}

/* Let the virtual clock run to the deadline and feed the timer. */
static inline const char *timer(void)
{
	now = vrrp_fsm_deadline(&fsm);
	return happen(VRRP_EVENT_TIMER);
}

static inline void is(enum vrrp_state state, enum vrrp_reason reason)
{
	ck_assert_str_eq(vrrp_state_name(fsm.state), vrrp_state_name(state));
	ck_assert_str_eq(vrrp_reason_name(fsm.reason), vrrp_reason_name(reason));
}

static const struct vrrp_params usual = {.version = 3, .priority = 240, .interval = A};

static inline void begin(const struct vrrp_params *params)
{
	struct vrrp_params p = *params;

	p.address = self;
	now = T0;
	vrrp_fsm_init(&fsm, &p);
}

static inline void initialized(void)
{
	begin(&usual);
}

static inline void become_backup(void)
{
	ck_assert_str_eq(happen(VRRP_EVENT_STARTUP), "changed");
}

static inline void become_active(void)
{
	become_backup();
	ck_assert_str_eq(timer(), "advert take announce changed");
}

static inline lb_duration down(void)
{
	return vrrp_active_down_interval(3, 240, A);
}

/* Run the suite's cases: what main returns. */
static inline int run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
