/* Goal: whoever is visited may plan and look at the clock as everybody may; nobody is visited twice in a walk for it.
 */
#include <check.h>

#include "daemon/proxy/share/wheel.h"

#define TICK LB_MSEC(8)

static struct wheel wheel;
static struct wheel_entry entry;
static lb_time now;
static unsigned visits;

/* Its deadline lies beyond the ring, and meanwhile it is a tick later. */
static void on_due(void *ctx, struct wheel_entry *e)
{
	ck_assert_uint_lt(++visits, 10);
	wheel_advance(&wheel, now + TICK, on_due, ctx);
	wheel_need(&wheel, e, now + LB_SEC(60));
}

START_TEST(a_visit_may_look_at_the_clock)
{
	wheel_init(&wheel, TICK, now);
	wheel_entry_init(&entry);
	wheel_need(&wheel, &entry, now + TICK);
	now += 2 * TICK;
	wheel_advance(&wheel, now, on_due, NULL);
	ck_assert_uint_eq(visits, 1);
	ck_assert_int_gt(wheel_next(&wheel), now);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker_wheel");
	TCase *c = tcase_create("wheel");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(c, a_visit_may_look_at_the_clock);
	suite_add_tcase(suite, c);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
