/* What threads share: the mailbox (order per sender, every message once), idle blocks, counts of client addresses. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "daemon/proxy/share/counters.h"
#include "daemon/proxy/share/mailbox.h"
#include "daemon/proxy/share/source_table.h"

#define SENDERS 4
#define EACH	20000

struct reader {
	struct ev_loop *loop;
	struct mailbox *box;
	uint32_t last[SENDERS], taken;
	bool disorder;
};

static void on_message(void *ctx, struct message *m)
{
	struct reader *r = ctx;

	if (m->token != r->last[m->worker] + 1)
		r->disorder = true;
	r->last[m->worker] = m->token;
	message_free(m);
	if (++r->taken == SENDERS * EACH)
		ev_break(r->loop, EVBREAK_ALL);
}

struct sender {
	struct mailbox *box;
	uint32_t id;
};

static void *send_all(void *arg)
{
	struct sender *s = arg;

	for (uint32_t i = 1; i <= EACH; i++) {
		struct message *m = message_new(MESSAGE_CONNECT_OK);

		m->worker = s->id;
		m->token = i;
		mailbox_post(s->box, m);
	}
	return NULL;
}

static void on_late(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

START_TEST(every_message_arrives_once_in_its_senders_order)
{
	struct reader r = {.loop = ev_loop_new(0)};
	struct sender senders[SENDERS];
	pthread_t threads[SENDERS];
	ev_timer late;

	r.box = mailbox_new(r.loop, on_message, &r);
	ev_timer_init(&late, on_late, 20, 0);
	ev_timer_start(r.loop, &late);
	for (uint32_t i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){r.box, i};
		pthread_create(&threads[i], NULL, send_all, &senders[i]);
	}
	ev_run(r.loop, 0);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(r.taken, SENDERS * EACH);
	ck_assert(!r.disorder);
	mailbox_free(r.box);
	ev_loop_destroy(r.loop);
}
END_TEST

START_TEST(free_releases_what_was_not_taken)
{
	struct reader r = {.loop = ev_loop_new(0)};
	struct message *m = message_new(MESSAGE_SESSION_LIST);

	r.box = mailbox_new(r.loop, on_message, &r);
	m->sessions = calloc(3, sizeof(*m->sessions));
	mailbox_post(r.box, m);
	mailbox_post(r.box, message_new(MESSAGE_STOPPED));
	mailbox_free(r.box);
	mailbox_free(NULL);
	ck_assert_uint_eq(r.taken, 0);
	ev_loop_destroy(r.loop);
}
END_TEST

START_TEST(a_block_is_idle_when_every_slot_is_empty)
{
	struct lb_endpoint address = {.port = 80};
	struct server_block *server = server_block_new("web", "w1", &address, 3);
	struct service_block *service = service_block_new("web", 3);

	ck_assert_str_eq(server->service, "web");
	ck_assert_str_eq(server->name, "w1");
	ck_assert_uint_eq((uintptr_t)&server->slot[1] % 64, 0);
	ck_assert(server_block_idle(server) && service_block_idle(service));
	counter_add(&server->slot[2].sessions, 1);
	counter_add(&service->slot[2].sessions, 1);
	ck_assert(!server_block_idle(server) && !service_block_idle(service));
	counter_leave(&server->slot[2].sessions);
	counter_leave(&service->slot[2].sessions);
	ck_assert(server_block_idle(server) && service_block_idle(service));
	free(server);
	free(service);
}
END_TEST

enum { SOURCES = 50, LIMIT = 20 };

/* Every address tries to have more than it may; each thread gives back what it got. */
static void *enter_and_leave(void *arg)
{
	struct source_table *t = arg;

	for (int round = 0; round < 200; round++) {
		uint64_t mine[SOURCES];
		size_t count = 0;

		for (uint8_t i = 0; i < SOURCES; i++) {
			struct lb_addr client = {
			    .family = 2, .bytes = {10, 0, 0, i}
			       };
			uint64_t key = source_table_key(t, &client);

			if (source_table_enter(t, key, LIMIT) == SOURCE_ENTERED)
				mine[count++] = key;
		}
		for (size_t i = 0; i < count; i++)
			source_table_leave(t, mine[i]);
	}
	return NULL;
}

START_TEST(sources_are_counted_over_all_threads)
{
	struct source_table *t = source_table_new(1024);
	pthread_t threads[SENDERS];
	struct lb_addr client = {
	    .family = 2, .bytes = {10, 0, 0, 1}
	       };
	uint64_t key = source_table_key(t, &client);
	int other_service;

	for (int i = 0; i < SENDERS; i++)
		pthread_create(&threads[i], NULL, enter_and_leave, t);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	/* Nothing is left over, so exactly as many as allowed get in. */
	for (int i = 0; i < LIMIT; i++)
		ck_assert_int_eq(source_table_enter(t, key, LIMIT), SOURCE_ENTERED);
	ck_assert_int_eq(source_table_enter(t, key, LIMIT), SOURCE_OVER);
	ck_assert_int_eq(source_table_enter(t, source_table_key(&other_service, &client), LIMIT), SOURCE_ENTERED);
	source_table_leave(t, key);
	ck_assert_int_eq(source_table_enter(t, key, LIMIT), SOURCE_ENTERED);
	source_table_free(t);
}
END_TEST

START_TEST(a_full_table_admits_without_counting)
{
	struct source_table *t = source_table_new(1);
	enum source_verdict last = SOURCE_ENTERED;

	for (uint8_t i = 0; i < 255 && last == SOURCE_ENTERED; i++) {
		struct lb_addr client = {
		    .family = 2, .bytes = {10, 0, 1, i}
		       };

		last = source_table_enter(t, source_table_key(t, &client), 1);
	}
	ck_assert_int_eq(last, SOURCE_UNCOUNTED);
	source_table_free(t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mailbox");
	TCase *tc = tcase_create("mailbox");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, every_message_arrives_once_in_its_senders_order);
	tcase_add_test(tc, free_releases_what_was_not_taken);
	tcase_add_test(tc, a_block_is_idle_when_every_slot_is_empty);
	tcase_add_test(tc, sources_are_counted_over_all_threads);
	tcase_add_test(tc, a_full_table_admits_without_counting);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
