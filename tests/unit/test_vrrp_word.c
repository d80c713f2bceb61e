/* The word of a peer that it is Active, come by another way than its adverts: it counts as an advert does. */
#include "vrrp_rig.h"

/* An owner says so; the kernel received it that long ago. */
static const char *word(uint8_t priority, const struct lb_addr *from, lb_duration ago)
{
	return feed((struct vrrp_event){.kind = VRRP_EVENT_ADVERT,
					.by_word = true,
					.priority = priority,
					.source = *from,
					.received_at = now - ago});
}

/* Adverts stop, the word goes on: the Active lives. */
START_TEST(an_active_whose_adverts_are_lost_is_not_dead)
{
	become_backup();
	hear(250, &lower);
	for (int i = 0; i < 20; i++) {
		now += A;
		ck_assert_str_eq(word(250, &lower, 0), "");
	}
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());
	/* It ends as adverts do: not a moment later. */
	ck_assert_str_eq(timer(), "advert take announce changed");
	is(VRRP_ACTIVE, VRRP_REASON_ACTIVE_DOWN_TIMER);
}
END_TEST

/* Both ways are read one after the other; the later one read does not put the clock back. */
START_TEST(an_old_word_shortens_nothing)
{
	become_backup();
	now += A;
	hear(250, &lower);
	word(250, &lower, LB_MSEC(50));
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());
	now += A;
	word(250, &lower, 0);
	feed((struct vrrp_event){.kind = VRRP_EVENT_ADVERT,
				 .priority = 250,
				 .interval = A,
				 .source = lower,
				 .received_at = now - LB_MSEC(50)});
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());
}
END_TEST

/* It says nothing of the interval, and is no advert to those who look at adverts. */
START_TEST(a_word_teaches_no_interval)
{
	become_backup();
	feed((struct vrrp_event){.kind = VRRP_EVENT_ADVERT, .priority = 250, .interval = LB_SEC(1), .source = lower});
	lb_time advert = fsm.last_advert;
	now += LB_MSEC(10);
	word(250, &lower, 0);
	ck_assert_int_eq(fsm.active_adver_interval, LB_SEC(1));
	ck_assert_int_eq(fsm.last_advert, advert);
	ck_assert_int_eq(fsm.last_heard, now);
}
END_TEST

START_TEST(the_lower_of_two_yields_to_a_word)
{
	become_active();
	now += 1;
	ck_assert_str_eq(word(250, &lower, 0), "sessions release advert changed");
	is(VRRP_BACKUP, VRRP_REASON_HIGHER_PRIORITY);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());

	begin(&usual);
	become_active();
	ck_assert_str_eq(word(240, &higher, 0), "sessions release advert changed");
	is(VRRP_BACKUP, VRRP_REASON_HIGHER_ADDRESS);
}
END_TEST

START_TEST(the_higher_of_two_answers_a_word)
{
	become_active();
	now += 1;
	ck_assert_str_eq(word(100, &lower, 0), "advert reannounce");
	ck_assert_str_eq(word(240, &lower, 0), "advert reannounce");
	is(VRRP_ACTIVE, VRRP_REASON_ACTIVE_DOWN_TIMER);
}
END_TEST

/* Said before this node took over, by whoever it took over from. */
START_TEST(an_old_word_deposes_nobody)
{
	become_active();
	ck_assert_str_eq(word(250, &lower, 1), "");
	is(VRRP_ACTIVE, VRRP_REASON_ACTIVE_DOWN_TIMER);
}
END_TEST

/* What the node that resigned had said before comes later; another node's word is that of a successor. */
START_TEST(a_word_does_not_undo_the_resignation)
{
	become_backup();
	hear(250, &lower);
	now += LB_MSEC(10);
	hear(0, &lower);
	lb_time due = vrrp_fsm_deadline(&fsm);
	word(250, &lower, 0);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), due);
	now += LB_USEC(1);
	word(230, &higher, 0);
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), now + down());
	ck_assert(lb_addr_equal(&fsm.active, &higher));
}
END_TEST

START_TEST(with_preemption_a_lower_word_is_discarded)
{
	struct vrrp_params p = usual;

	p.preempt = true;
	begin(&p);
	become_backup();
	lb_time due = vrrp_fsm_deadline(&fsm);
	now += A;
	ck_assert_str_eq(word(100, &lower, 0), "");
	ck_assert_int_eq(vrrp_fsm_deadline(&fsm), due);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vrrp_word");
	TCase *tc = tcase_create("word");

	tcase_add_checked_fixture(tc, initialized, NULL);
	tcase_add_test(tc, an_active_whose_adverts_are_lost_is_not_dead);
	tcase_add_test(tc, an_old_word_shortens_nothing);
	tcase_add_test(tc, a_word_teaches_no_interval);
	tcase_add_test(tc, the_lower_of_two_yields_to_a_word);
	tcase_add_test(tc, the_higher_of_two_answers_a_word);
	tcase_add_test(tc, an_old_word_deposes_nobody);
	tcase_add_test(tc, a_word_does_not_undo_the_resignation);
	tcase_add_test(tc, with_preemption_a_lower_word_is_discarded);
	suite_add_tcase(suite, tc);
	return run(suite);
}
