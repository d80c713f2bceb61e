/* Threads that each get a processor of their own, as many as there are. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "daemon/sys/processor.h"

static cpu_set_t all;

struct thread {
	pthread_t id;
	uint32_t index, threads;
	bool got;
	cpu_set_t placed, left;
};

static void *run(void *arg)
{
	struct thread *t = arg;

	t->got = processor_take(t->index, t->threads);
	sched_getaffinity(0, sizeof(t->placed), &t->placed);
	processor_leave();
	sched_getaffinity(0, sizeof(t->left), &t->left);
	return NULL;
}

static struct thread try(uint32_t index, uint32_t threads)
{
	struct thread t = {.index = index, .threads = threads};

	ck_assert_int_eq(pthread_create(&t.id, NULL, run, &t), 0);
	pthread_join(t.id, NULL);
	return t;
}

START_TEST(each_has_another_one)
{
	uint32_t count = (uint32_t)CPU_COUNT(&all);
	cpu_set_t used;

	CPU_ZERO(&used);
	for (uint32_t i = 0; i < count; i++) {
		struct thread t = try(i, count);

		ck_assert(t.got);
		ck_assert_int_eq(CPU_COUNT(&t.placed), 1);
		CPU_OR(&used, &used, &t.placed);
		ck_assert(CPU_EQUAL(&t.left, &all));
	}
	ck_assert(CPU_EQUAL(&used, &all));
}
END_TEST

START_TEST(more_or_fewer_are_left_to_the_scheduler)
{
	uint32_t count = (uint32_t)CPU_COUNT(&all);
	struct thread more = try(0, count + 1), fewer = try(0, count - 1);

	ck_assert(!more.got && CPU_EQUAL(&more.placed, &all));
	ck_assert(!fewer.got && CPU_EQUAL(&fewer.placed, &all));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("processor");
	TCase *c = tcase_create("processor");
	SRunner *runner = srunner_create(suite);
	int failed;

	sched_getaffinity(0, sizeof(all), &all);
	tcase_add_test(c, each_has_another_one);
	tcase_add_test(c, more_or_fewer_are_left_to_the_scheduler);
	suite_add_tcase(suite, c);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
