/* What one worker does to the loads of a large service's servers is known to the picker of another after its tick. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/proxy/worker/pool.h"
#include "daemon/proxy/worker/thread.h"

#define SERVERS 40
#define WORKERS 2

static struct worker workers[WORKERS];
static struct lb_conf_service conf;
static struct pool_server servers[SERVERS];
static struct pool_service service;
static struct pool_view view;

static void setup(void)
{
	struct lb_endpoint address = {.port = 1};
	char name[8];

	conf = (struct lb_conf_service){.balance = LB_LEASTCONN};
	for (int i = 0; i < SERVERS; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		servers[i] = (struct pool_server){
		    .block = server_block_new("web", name, &address, WORKERS), .weight = 100, .usable = true};
	}
	service = (struct pool_service){
	    .block = service_block_new("web", WORKERS), .conf = &conf, .servers = servers, .server_count = SERVERS};
	view = (struct pool_view){.services = &service, .service_count = 1};
	for (uint32_t i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){.params.index = i, .now = LB_SEC(1)};
		lb_list_init(&workers[i].listeners.list);
		ck_assert_ptr_null(pool_publish(&workers[i], &view));
		/* What the loads are at first is known. */
		pool_refresh(&workers[i]);
	}
}

static void teardown(void)
{
	for (int i = 0; i < WORKERS; i++)
		pool_close(&workers[i]);
	for (int i = 0; i < SERVERS; i++)
		free(servers[i].block);
	free(service.block);
}

/* The server that the picker thinks has the fewest sessions; nobody enters it. */
static struct worker_server *choice_of(struct worker *w)
{
	struct pool_tried tried = {0};
	struct worker_server *server = pool_choose(w, w->pool.services[0], NULL, &tried);

	ck_assert_ptr_nonnull(server);
	pool_leave(server);
	pool_tried_clear(&tried);
	return server;
}

/* A session at each server but one. */
static void fill_but(struct worker *w, size_t left)
{
	for (size_t i = 0; i < SERVERS; i++)
		if (i != left)
			ck_assert(pool_enter(w->pool.services[0]->servers[i]));
}

static void empty_but(struct worker *w, size_t left)
{
	for (size_t i = 0; i < SERVERS; i++)
		if (i != left)
			pool_leave(w->pool.services[0]->servers[i]);
}

START_TEST(loads_of_another_worker_are_known_after_a_tick)
{
	for (size_t left = 0; left < SERVERS; left += 13) {
		fill_but(&workers[1], left);
		pool_refresh(&workers[0]);
		ck_assert_uint_eq(choice_of(&workers[0])->index, left);
		empty_but(&workers[1], left);
		pool_refresh(&workers[0]);
	}
}
END_TEST

/* As many came as went, and each at another server. */
START_TEST(sessions_that_changed_places_are_known)
{
	fill_but(&workers[1], 7);
	pool_refresh(&workers[0]);
	ck_assert(pool_enter(workers[1].pool.services[0]->servers[7]));
	pool_leave(workers[1].pool.services[0]->servers[21]);
	pool_refresh(&workers[0]);
	ck_assert_uint_eq(choice_of(&workers[0])->index, 21);
	empty_but(&workers[1], 21);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker_pool");
	TCase *all = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, loads_of_another_worker_are_known_after_a_tick);
	tcase_add_test(all, sessions_that_changed_places_are_known);
	suite_add_tcase(suite, all);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
