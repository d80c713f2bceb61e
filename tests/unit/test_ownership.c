/* Who should own the VIP: facts change on a virtual clock, verdicts are read. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/ownership.h>

static struct ownership own;
static struct ownership_peer peer[2];
static struct ownership_facts facts;
static struct ownership_verdict verdict;

/* A healthy Backup of middle preference beside a healthy, more preferred owner; the second peer is away. */
static void healthy_backup(void)
{
	memset(&own, 0, sizeof(own));
	peer[0] = (struct ownership_peer){
	    .heard = true, .can_serve = true, .active = true, .priority = 250, .ready_servers = 9};
	peer[1] = (struct ownership_peer){.priority = 230};
	facts = (struct ownership_facts){.now = LB_SEC(100),
					 .state = VRRP_BACKUP,
					 .proxy_connected = true,
					 .proxy_ticking = true,
					 .link_up = true,
					 .ready_servers = 9,
					 .total_servers = 9,
					 .priority = 240,
					 .peers = peer,
					 .peer_count = 2};
	ownership_judge(&own, &facts, &verdict);
	ck_assert(verdict.can_serve);
}

static void judge_after(lb_duration d)
{
	facts.now += d;
	ownership_judge(&own, &facts, &verdict);
}

static void become_owner(void)
{
	peer[0].active = false;
	facts.state = VRRP_ACTIVE;
	judge_after(LB_SEC(10));
	ck_assert(verdict.can_serve);
	ck_assert_int_eq(verdict.obstacle, OWNERSHIP_CAN);
}

START_TEST(health_needs_no_further_call)
{
	ck_assert_int_eq(verdict.obstacle, OWNERSHIP_CAN);
	ck_assert_int_eq(verdict.yield_to, -1);
	ck_assert(!verdict.request_vip);
	ck_assert_int_eq(verdict.next, LB_TIME_NEVER);
}
END_TEST

/* ---- obstacles that act at once ---- */

static void set_proxy_down(void)
{
	facts.proxy_connected = false;
}
static void set_proxy_stalled(void)
{
	facts.proxy_ticking = false;
}
static void set_link_down(void)
{
	facts.link_up = false;
}
static void set_standby(void)
{
	facts.standby = true;
}
static void set_vip_lost(void)
{
	facts.vip_lost = true;
}

struct obstacle_row {
	void (*set)(void);
	enum ownership_obstacle obstacle;
	enum vrrp_reason reason;
};

static const struct obstacle_row obstacle_rows[] = {
    {set_proxy_down,    OWNERSHIP_PROXY_DOWN,	   VRRP_REASON_CANNOT_SERVE},
    {set_proxy_stalled, OWNERSHIP_PROXY_STALLED, VRRP_REASON_CANNOT_SERVE},
    {set_link_down,	    OWNERSHIP_LINK_DOWN,	 VRRP_REASON_CANNOT_SERVE},
    {set_standby,	  OWNERSHIP_STANDBY,	     VRRP_REASON_STANDBY	},
    {set_vip_lost,	   OWNERSHIP_VIP_LOST,      VRRP_REASON_VIP_LOST	   },
};
enum { OBSTACLE_ROWS = sizeof(obstacle_rows) / sizeof(obstacle_rows[0]) };

START_TEST(a_backup_is_out_at_once)
{
	obstacle_rows[_i].set();
	judge_after(1);
	ck_assert(!verdict.can_serve);
	ck_assert_int_eq(verdict.obstacle, obstacle_rows[_i].obstacle);
	ck_assert_int_eq(verdict.fault_reason, obstacle_rows[_i].reason);
	ck_assert_int_eq(verdict.yield_to, -1);
}
END_TEST

START_TEST(an_owner_is_out_at_once_where_waiting_cannot_help)
{
	static const int rows[] = {1, 2, 4};

	become_owner();
	obstacle_rows[rows[_i]].set();
	judge_after(1);
	ck_assert(!verdict.can_serve);
	ck_assert_int_eq(verdict.obstacle, obstacle_rows[rows[_i]].obstacle);
}
END_TEST

/* ---- the proxy of an owner restarts ---- */

START_TEST(an_owner_waits_for_its_proxy)
{
	become_owner();
	set_proxy_down();
	judge_after(1);
	lb_time since = facts.now;
	ck_assert(verdict.can_serve);
	ck_assert_int_eq(verdict.obstacle, OWNERSHIP_PROXY_DOWN);
	ck_assert_int_eq(verdict.next, since + OWNERSHIP_PROXY_HOLD);
	judge_after(OWNERSHIP_PROXY_HOLD - 1);
	ck_assert(verdict.can_serve);
	judge_after(1);
	ck_assert(!verdict.can_serve);
	ck_assert_int_eq(verdict.yield_to, -1);
}
END_TEST

START_TEST(a_quick_restart_changes_nothing)
{
	become_owner();
	set_proxy_down();
	judge_after(1);
	judge_after(LB_MSEC(300));
	facts.proxy_connected = true;
	judge_after(LB_MSEC(300));
	ck_assert(verdict.can_serve);
	ck_assert_int_eq(verdict.obstacle, OWNERSHIP_CAN);
	/* Much later it has its whole hold time again. */
	judge_after(LB_SEC(5));
	set_proxy_down();
	judge_after(1);
	judge_after(OWNERSHIP_PROXY_HOLD - 1);
	ck_assert(verdict.can_serve);
}
END_TEST

/* A proxy that comes up and dies again and again is as good as none. */
START_TEST(a_crash_loop_is_no_restart)
{
	become_owner();
	for (int i = 0; i < 3; i++) {
		facts.proxy_connected = false;
		judge_after(LB_MSEC(200));
		ck_assert(verdict.can_serve);
		facts.proxy_connected = true;
		judge_after(LB_MSEC(200));
	}
	facts.proxy_connected = false;
	judge_after(LB_MSEC(200));
	ck_assert(!verdict.can_serve);
}
END_TEST

/* ---- recovery ---- */

START_TEST(first_start_is_not_damped)
{
	memset(&own, 0, sizeof(own));
	facts.state = VRRP_INIT;
	set_proxy_down();
	judge_after(1);
	ck_assert(!verdict.can_serve);
	judge_after(LB_SEC(2));
	facts.proxy_connected = true;
	judge_after(1);
	ck_assert(verdict.can_serve);
	ck_assert_int_eq(verdict.obstacle, OWNERSHIP_CAN);
}
END_TEST

static void lose_link_for(lb_duration d)
{
	set_link_down();
	judge_after(1);
	ck_assert(!verdict.can_serve);
	facts.link_up = true;
	judge_after(d);
}

START_TEST(a_rare_loss_and_return_is_no_flap)
{
	for (int i = 0; i < 3; i++) {
		lose_link_for(LB_MSEC(50));
		ck_assert(verdict.can_serve);
		ck_assert_int_eq(verdict.next, LB_TIME_NEVER);
		judge_after(OWNERSHIP_FLAP_WINDOW);
	}
}
END_TEST

START_TEST(recovery_must_last_where_it_did_not)
{
	lose_link_for(LB_MSEC(50));
	ck_assert(verdict.can_serve);
	judge_after(OWNERSHIP_FLAP_WINDOW - LB_MSEC(1));
	lose_link_for(LB_MSEC(50));
	lb_time up = facts.now;
	ck_assert(!verdict.can_serve);
	ck_assert_int_eq(verdict.obstacle, OWNERSHIP_LINK_DOWN);
	ck_assert_int_eq(verdict.next, up + OWNERSHIP_RECOVER_HOLD);
	judge_after(OWNERSHIP_RECOVER_HOLD - 1);
	ck_assert(!verdict.can_serve);
	judge_after(1);
	ck_assert(verdict.can_serve);
}
END_TEST

START_TEST(of_ten_link_flaps_only_the_first_is_followed)
{
	int changes = 0;
	bool before = true;

	for (int i = 0; i < 20; i++) {
		facts.link_up = i % 2 != 0;
		judge_after(LB_MSEC(50));
		changes += verdict.can_serve != before;
		before = verdict.can_serve;
	}
	judge_after(LB_SEC(1));
	changes += verdict.can_serve != before;
	ck_assert_int_eq(changes, 4);
}
END_TEST

/* ---- servers ---- */

START_TEST(none_anywhere_moves_nothing)
{
	become_owner();
	facts.ready_servers = peer[0].ready_servers = 0;
	for (int i = 0; i < 100; i++) {
		judge_after(LB_SEC(1));
		ck_assert(verdict.can_serve);
		ck_assert_int_eq(verdict.obstacle, OWNERSHIP_CAN);
		ck_assert_int_eq(verdict.yield_to, -1);
	}
}
END_TEST

START_TEST(none_here_some_there_moves_the_vip)
{
	become_owner();
	facts.ready_servers = 0;
	judge_after(1);
	lb_time since = facts.now;
	ck_assert(verdict.can_serve);
	ck_assert_int_eq(verdict.obstacle, OWNERSHIP_NO_SERVERS);
	ck_assert_int_eq(verdict.yield_to, -1);
	ck_assert_int_eq(verdict.next, since + OWNERSHIP_NO_SERVERS_HOLD);
	judge_after(OWNERSHIP_NO_SERVERS_HOLD);
	ck_assert(verdict.can_serve);
	ck_assert_int_eq(verdict.yield_to, 0);
	ck_assert_int_eq(verdict.next, facts.now + OWNERSHIP_YIELD_GRACE);

	/* The peer took: this node steps back until it reaches servers again. */
	facts.state = VRRP_BACKUP;
	judge_after(LB_MSEC(5));
	ck_assert(!verdict.can_serve);
	ck_assert_int_eq(verdict.yield_to, -1);
	facts.state = VRRP_FAULT;
	facts.ready_servers = 1;
	judge_after(LB_MSEC(5));
	ck_assert(verdict.can_serve);
}
END_TEST

START_TEST(a_hand_over_that_fails_ends_in_resignation)
{
	become_owner();
	facts.ready_servers = 0;
	judge_after(1);
	judge_after(OWNERSHIP_NO_SERVERS_HOLD);
	judge_after(OWNERSHIP_YIELD_GRACE - 1);
	ck_assert(verdict.can_serve);
	ck_assert_int_eq(verdict.yield_to, 0);
	judge_after(1);
	ck_assert(!verdict.can_serve);
	ck_assert_int_eq(verdict.yield_to, -1);
	ck_assert_int_eq(verdict.fault_reason, VRRP_REASON_CANNOT_SERVE);
}
END_TEST

/* Nobody who could take over reaches a server, so the owner keeps what it has. */
START_TEST(without_a_successor_an_owner_keeps_the_vip)
{
	become_owner();
	facts.ready_servers = 0;
	switch (_i) {
	case 0:
		peer[0].heard = false;
		break;
	case 1:
		peer[0].can_serve = false;
		break;
	case 2:
		peer[0].standby = true;
		break;
	default:
		facts.total_servers = 0; /* no service is configured at all */
	}
	judge_after(1);
	judge_after(LB_SEC(60));
	ck_assert(verdict.can_serve);
	ck_assert_int_eq(verdict.obstacle, OWNERSHIP_CAN);
}
END_TEST

START_TEST(a_short_lack_of_servers_is_forgiven)
{
	become_owner();
	for (int i = 0; i < 5; i++) {
		facts.ready_servers = 0;
		judge_after(LB_SEC(2));
		ck_assert(verdict.can_serve);
		facts.ready_servers = 1;
		judge_after(LB_MSEC(1));
		judge_after(LB_MSEC(600));
	}
	ck_assert(verdict.can_serve);
	ck_assert_int_eq(verdict.yield_to, -1);
}
END_TEST

START_TEST(successor_reaches_servers_then_is_preferred)
{
	become_owner();
	peer[1] = (struct ownership_peer){.heard = true, .can_serve = true, .priority = 230, .ready_servers = 5};
	set_standby();
	judge_after(1);
	ck_assert_int_eq(verdict.yield_to, 0);
	peer[0].ready_servers = 0;
	judge_after(1);
	ck_assert_int_eq(verdict.yield_to, 1);
	peer[1].standby = true;
	judge_after(1);
	ck_assert_int_eq(verdict.yield_to, 0);
}
END_TEST

/* ---- standby ---- */

START_TEST(standby_of_an_owner_is_a_hand_over_first)
{
	become_owner();
	set_standby();
	judge_after(1);
	ck_assert(verdict.can_serve);
	ck_assert_int_eq(verdict.yield_to, 0);
	ck_assert_int_eq(verdict.obstacle, OWNERSHIP_STANDBY);
	judge_after(OWNERSHIP_YIELD_GRACE);
	ck_assert(!verdict.can_serve);
	ck_assert_int_eq(verdict.fault_reason, VRRP_REASON_STANDBY);
}
END_TEST

START_TEST(standby_without_a_successor_is_immediate)
{
	become_owner();
	peer[0].heard = false;
	set_standby();
	judge_after(1);
	ck_assert(!verdict.can_serve);
	ck_assert_int_eq(verdict.fault_reason, VRRP_REASON_STANDBY);
}
END_TEST

/* ---- failback ---- */

START_TEST(failback_comes_after_its_time)
{
	peer[0].priority = 200;
	facts.failback = LB_SEC(60);
	judge_after(1);
	lb_time healthy = LB_SEC(100);
	ck_assert(!verdict.request_vip);
	ck_assert_int_eq(verdict.next, healthy + LB_SEC(60));
	facts.now = healthy + LB_SEC(60) - 1;
	judge_after(0);
	ck_assert(!verdict.request_vip);
	judge_after(1);
	ck_assert(verdict.request_vip);
	facts.state = VRRP_ACTIVE;
	judge_after(1);
	ck_assert(!verdict.request_vip);
}
END_TEST

START_TEST(an_obstacle_starts_the_wait_again)
{
	peer[0].priority = 200;
	facts.failback = LB_SEC(60);
	judge_after(LB_SEC(30));
	set_link_down();
	judge_after(1);
	facts.link_up = true;
	judge_after(1);
	lb_time up = facts.now;
	judge_after(LB_SEC(59));
	ck_assert(!verdict.request_vip);
	ck_assert_int_eq(verdict.next, up + LB_SEC(60));
	judge_after(LB_SEC(1));
	ck_assert(verdict.request_vip);
}
END_TEST

START_TEST(failback_has_its_conditions)
{
	peer[0].priority = 200;
	facts.failback = LB_SEC(1);
	switch (_i) {
	case 0:
		facts.failback = 0;
		break;
	case 1:
		peer[0].priority = 250; /* the owner is preferred */
		break;
	case 2:
		peer[0].active = false; /* nobody is known to own it */
		break;
	case 3:
		peer[0].heard = false;
		break;
	case 4:
		facts.ready_servers = 0; /* the owner reaches servers, we do not */
		break;
	default: /* a third node is preferred to us and should ask instead */
		peer[1] = (struct ownership_peer){.heard = true, .can_serve = true, .priority = 245};
	}
	judge_after(LB_SEC(2));
	ck_assert(!verdict.request_vip);
}
END_TEST

START_TEST(words_are_distinct)
{
	for (int i = 0; i <= OWNERSHIP_NO_SERVERS; i++)
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(ownership_obstacle_name((enum ownership_obstacle)i),
					 ownership_obstacle_name((enum ownership_obstacle)j));
	ck_assert_str_eq(ownership_obstacle_name(OWNERSHIP_NO_SERVERS), "no-servers");
	ck_assert_str_eq(ownership_obstacle_name((enum ownership_obstacle)99), "unknown");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ownership");
	TCase *c = tcase_create("verdicts");

	tcase_add_checked_fixture(c, healthy_backup, NULL);
	tcase_add_test(c, health_needs_no_further_call);
	tcase_add_loop_test(c, a_backup_is_out_at_once, 0, OBSTACLE_ROWS);
	tcase_add_loop_test(c, an_owner_is_out_at_once_where_waiting_cannot_help, 0, 3);
	tcase_add_test(c, an_owner_waits_for_its_proxy);
	tcase_add_test(c, a_quick_restart_changes_nothing);
	tcase_add_test(c, a_crash_loop_is_no_restart);
	tcase_add_test(c, first_start_is_not_damped);
	tcase_add_test(c, recovery_must_last_where_it_did_not);
	tcase_add_test(c, of_ten_link_flaps_only_the_first_is_followed);
	tcase_add_test(c, a_rare_loss_and_return_is_no_flap);
	tcase_add_test(c, none_anywhere_moves_nothing);
	tcase_add_test(c, none_here_some_there_moves_the_vip);
	tcase_add_test(c, a_hand_over_that_fails_ends_in_resignation);
	tcase_add_loop_test(c, without_a_successor_an_owner_keeps_the_vip, 0, 4);
	tcase_add_test(c, a_short_lack_of_servers_is_forgiven);
	tcase_add_test(c, successor_reaches_servers_then_is_preferred);
	tcase_add_test(c, standby_of_an_owner_is_a_hand_over_first);
	tcase_add_test(c, standby_without_a_successor_is_immediate);
	tcase_add_test(c, failback_comes_after_its_time);
	tcase_add_test(c, an_obstacle_starts_the_wait_again);
	tcase_add_loop_test(c, failback_has_its_conditions, 0, 6);
	tcase_add_test(c, words_are_distinct);
	suite_add_tcase(suite, c);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
