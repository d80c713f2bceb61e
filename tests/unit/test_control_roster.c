/* Which servers get sessions, what a reload keeps, and when views and counters are given up. Workers are played. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/proxy/control/checker.h"
#include "daemon/proxy/control/publish.h"

#define HEAD                                                                                          \
	"cluster: k8s\nnodes: {a: 192.0.2.1}\nvips: [192.0.2.9]\nservices:\n  web:\n    listen: 80\n" \
	"    slow_start: 10s\n    servers:\n"

/* One worker: its mailbox is in our own loop, the newest view and how many came is all it keeps. */
struct worker {
	struct mailbox *box;
	struct pool_view *view, *former;
	unsigned views;
};

static struct ev_loop *loop;
static struct worker worker;
static struct crew *crew;
static struct mailbox *control_box;
static struct roster roster;
static struct listen_set listeners;
static struct publisher *publisher;
static struct conf_set *set;
static unsigned added, kept, changed, removed;

static void on_order(void *ctx, struct message *m)
{
	struct worker *w = ctx;

	if (m->kind == MESSAGE_PUBLISH) {
		w->former = w->view;
		w->view = m->view;
		w->views++;
	}
	message_free(m);
}

static void on_report(void *ctx, struct message *m)
{
	(void)ctx;
	message_free(m);
}

static struct worker *start_worker(const struct crew_start *start, struct lb_err *err)
{
	(void)start;
	(void)err;
	worker = (struct worker){.box = mailbox_new(loop, on_order, &worker)};
	return &worker;
}

static struct mailbox *box_of(struct worker *w)
{
	return w->box;
}

static void join_worker(struct worker *w)
{
	mailbox_free(w->box);
}

static void count_added(void *ctx, struct server *server)
{
	(void)ctx;
	server->health.state = HEALTH_UNKNOWN;
	added++;
}

static void count_kept(void *ctx, struct server *server, bool check_changed)
{
	(void)ctx;
	(void)server;
	kept++;
	changed += check_changed;
}

static void count_removed(void *ctx, struct server *server)
{
	(void)ctx;
	(void)server;
	removed++;
}

static void take_server_block(void *ctx, struct server_block *block)
{
	(void)ctx;
	publisher_retire_server(publisher, block);
}

static void take_service_block(void *ctx, struct service_block *block)
{
	(void)ctx;
	publisher_retire_service(publisher, block);
}

static const struct roster_hooks hooks = {.added = count_added,
					  .kept = count_kept,
					  .removed = count_removed,
					  .server_block = take_server_block,
					  .service_block = take_service_block};

/* Let everything that was posted arrive. */
static void settle(void)
{
	for (int i = 0; i < 3; i++)
		ev_run(loop, EVRUN_NOWAIT);
}

static struct conf_set *load(const char *yaml)
{
	struct lb_text refusal = {0};
	int fd = memfd_create("conf", MFD_CLOEXEC);
	struct conf_set *loaded;

	ck_assert_int_eq(write(fd, yaml, strlen(yaml)), (ssize_t)strlen(yaml));
	loaded = conf_set_load(fd, 0, &refusal);
	close(fd);
	ck_assert_msg(loaded != NULL, "%s", lb_text_str(&refusal));
	return loaded;
}

static void apply(const char *yaml)
{
	struct conf_set *next = load(yaml);

	added = kept = changed = removed = 0;
	roster_apply(&roster, next->conf, &hooks);
	publisher_set_conf(publisher, next);
	conf_set_release(set);
	set = next;
	settle();
}

static void setup(void)
{
	struct lb_err err;

	loop = ev_loop_new(0);
	control_box = mailbox_new(loop, on_report, NULL);
	crew = crew_new(&(struct crew_ops){.start = start_worker, .mailbox = box_of, .join = join_worker});
	ck_assert(crew_start(crew, 1, control_box, NULL, &err));
	roster = (struct roster){.workers = 1};
	publisher = publisher_new(
	    &(struct publisher_params){.loop = loop, .crew = crew, .roster = &roster, .listeners = &listeners});
	set = NULL;
}

static void teardown(void)
{
	crew_join(crew);
	mailbox_free(control_box);
	roster_clear(&roster, &hooks);
	publisher_free(publisher);
	crew_free(crew);
	listen_set_forget(&listeners);
	conf_set_release(set);
	ev_loop_destroy(loop);
}

static struct server *server(const char *name)
{
	struct server *found = roster_server(&roster, "web", name);

	ck_assert_ptr_nonnull(found);
	return found;
}

/* "a b" for the servers of the newest view that may get sessions. */
static const char *usable(void)
{
	static char names[256];
	const struct pool_service *web = &worker.view->services[0];

	names[0] = '\0';
	for (size_t i = 0; i < web->server_count; i++)
		if (web->servers[i].usable && web->servers[i].weight > 0) {
			strcat(names, *names ? " " : "");
			strcat(names, web->servers[i].block->name);
		}
	return names;
}

static void publish(void)
{
	publisher_request(publisher);
	settle();
}

START_TEST(unknown_servers_wait_for_the_first_that_is_up)
{
	apply(HEAD "      a: 192.0.2.11:80\n      b: 192.0.2.12:80\n");
	ck_assert_str_eq(usable(), "a b");
	server("b")->health.state = HEALTH_UP;
	publish();
	ck_assert_str_eq(usable(), "b");
	server("b")->health.state = HEALTH_DOWN;
	publish();
	ck_assert_str_eq(usable(), "a");
	server("a")->health.state = HEALTH_NOT_READY;
	publish();
	ck_assert_str_eq(usable(), "");
}
END_TEST

START_TEST(drain_and_maint_take_out_and_an_agent_too)
{
	apply(HEAD "      a: 192.0.2.11:80\n      b: 192.0.2.12:80\n      c: 192.0.2.13:80\n");
	for (const char *name = "abc"; *name; name++)
		server((char[]){*name, '\0'})->health.state = HEALTH_UP;
	server("a")->admin = LB_ADMIN_DRAIN;
	server("b")->admin = LB_ADMIN_MAINT;
	publish();
	ck_assert_str_eq(usable(), "c");
	server("a")->admin = LB_ADMIN_READY;
	server("c")->agent.percent = 0;
	publish();
	ck_assert_str_eq(usable(), "a");
}
END_TEST

START_TEST(try_all_uses_servers_that_are_down_but_not_drained_ones)
{
	apply("cluster: k8s\nnodes: {a: 192.0.2.1}\nvips: [192.0.2.9]\nservices:\n  web:\n    listen: 80\n"
	      "    when_all_down: try_all\n    servers: {a: 192.0.2.11:80, b: 192.0.2.12:80}\n");
	server("a")->health.state = server("b")->health.state = HEALTH_DOWN;
	server("b")->admin = LB_ADMIN_DRAIN;
	publish();
	ck_assert_str_eq(usable(), "a");
}
END_TEST

START_TEST(weights_ramp_and_follow_the_agent)
{
	struct server *a;

	apply(HEAD "      a: {address: 192.0.2.11:80, weight: 200}\n");
	a = server("a");
	ck_assert_uint_eq(server_weight(a, LB_SEC(100)), 200);
	a->ramp_from = LB_SEC(100);
	ck_assert(server_ramping(a, LB_SEC(105)));
	ck_assert_uint_lt(server_weight(a, LB_SEC(100)), 10);
	ck_assert_uint_ge(server_weight(a, LB_SEC(105)), 90);
	ck_assert_uint_le(server_weight(a, LB_SEC(105)), 110);
	ck_assert(!server_ramping(a, LB_SEC(110)));
	a->agent.percent = 50;
	ck_assert_uint_eq(server_weight(a, LB_SEC(110)), 100);
	a->agent.percent = 300;
	ck_assert_uint_eq(server_weight(a, LB_SEC(110)), 256);
	ck_assert_uint_eq(server_max_connections(a), 0);
	a->agent.maxconn = 30;
	ck_assert_uint_eq(server_max_connections(a), 30);
	publish();
	ck_assert_uint_eq(worker.view->services[0].servers[0].max_connections, 30);
}
END_TEST

START_TEST(a_reload_keeps_what_did_not_change)
{
	struct server *a;
	struct server_block *block, *b_block;

	apply(HEAD "      a: 192.0.2.11:80\n      b: 192.0.2.12:80\n");
	a = server("a");
	block = a->block;
	b_block = server("b")->block;
	a->health.state = HEALTH_UP;
	a->admin = LB_ADMIN_DRAIN;
	a->weight = 7;
	server("b")->admin = LB_ADMIN_MAINT;
	/* b moves to another address, c is new, a stands elsewhere in the file. */
	apply(HEAD "      c: 192.0.2.13:80\n      b: 192.0.2.99:80\n      a: 192.0.2.11:80\n");
	ck_assert_uint_eq(added, 2);
	ck_assert_uint_eq(kept, 1);
	ck_assert_uint_eq(changed, 0);
	ck_assert_uint_eq(removed, 1);
	ck_assert_ptr_eq(server("a"), a);
	ck_assert_ptr_eq(a->block, block);
	ck_assert_int_eq(a->health.state, HEALTH_UP);
	ck_assert_int_eq(a->admin, LB_ADMIN_DRAIN);
	ck_assert_uint_eq(a->weight, 7);
	ck_assert_ptr_ne(server("b")->block, b_block);
	ck_assert_int_eq(server("b")->admin, LB_ADMIN_MAINT);
	ck_assert_int_eq(server("b")->health.state, HEALTH_UNKNOWN);
	/* The file's own change of a weight wins over the administrator's. */
	apply(HEAD "      a: {address: 192.0.2.11:80, weight: 50, check: {type: http, path: /x}}\n");
	ck_assert_uint_eq(a->weight, 50);
	ck_assert_uint_eq(changed, 1);
	ck_assert_uint_eq(removed, 2);
}
END_TEST

START_TEST(one_view_for_a_round_of_changes)
{
	unsigned before;

	apply(HEAD "      a: 192.0.2.11:80\n");
	before = worker.views;
	publisher_request(publisher);
	publisher_request(publisher);
	settle();
	ck_assert_uint_eq(worker.views, before + 1);
}
END_TEST

/* Also a check of memory: the sanitizers see a block or configuration that is used after it was freed. */
START_TEST(what_a_view_names_lives_until_it_comes_back)
{
	const struct lb_conf_service *web;

	apply(HEAD "      a: 192.0.2.11:80\n");
	worker.former = worker.view;
	apply(HEAD "      b: 192.0.2.12:80\n");
	web = worker.former->services[0].conf;
	ck_assert_str_eq(worker.former->services[0].servers[0].block->name, "a");
	ck_assert_str_eq(web->servers[0].name, "a");
	publisher_on_retired(publisher, worker.former);
	ck_assert_str_eq(worker.view->services[0].servers[0].block->name, "b");
}
END_TEST

START_TEST(sockets_that_are_known_keep_their_number)
{
	struct listen_set next = {0};
	struct ipc_listener what = {.worker = 0, .service = "web", .endpoint = {.port = 80}};
	int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), second = dup(first), other = dup(first);
	int foreign = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	listen_set_add(&next, &what, first);
	listen_set_replace(&listeners, &next);
	listen_set_add(&next, &what, second);
	what.endpoint.port = 81;
	listen_set_add(&next, &what, other);
	listen_set_replace(&listeners, &next);
	ck_assert_uint_eq(listeners.count, 2);
	ck_assert_int_eq(listeners.list[0].fd, first);
	ck_assert_int_eq(listeners.list[1].fd, other);
	ck_assert_int_eq(fcntl(second, F_GETFD), -1);
	apply(HEAD "      a: 192.0.2.11:80\n");
	ck_assert_uint_eq(worker.view->services[0].listener_count, 2);
	ck_assert_int_eq(worker.view->services[0].listeners[0].fd, first);
	/* Another keeper's: it listens where the known one did. */
	what.endpoint.port = 80;
	listen_set_add(&next, &what, foreign);
	listen_set_replace(&listeners, &next);
	ck_assert_int_eq(listeners.list[0].fd, foreign);
	ck_assert_int_ne(fcntl(first, F_GETFD), -1);
	close(first);
	close(other);
	close(foreign);
}
END_TEST

START_TEST(a_bad_file_of_a_check_refuses)
{
	static const char yaml[] =
	    HEAD "      a: {address: 192.0.2.11:80, check: {type: https, ca_file: /nonexistent}}\n";
	struct lb_text refusal = {0};
	int fd = memfd_create("conf", MFD_CLOEXEC);

	ck_assert_int_eq(write(fd, yaml, strlen(yaml)), (ssize_t)strlen(yaml));
	ck_assert_ptr_null(conf_set_load(fd, 0, &refusal));
	ck_assert_ptr_nonnull(strstr(lb_text_str(&refusal), "service web"));
	ck_assert_ptr_nonnull(strstr(lb_text_str(&refusal), "/nonexistent"));
	lb_text_free(&refusal);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("roster");
	TCase *tc = tcase_create("roster");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, unknown_servers_wait_for_the_first_that_is_up);
	tcase_add_test(tc, drain_and_maint_take_out_and_an_agent_too);
	tcase_add_test(tc, try_all_uses_servers_that_are_down_but_not_drained_ones);
	tcase_add_test(tc, weights_ramp_and_follow_the_agent);
	tcase_add_test(tc, a_reload_keeps_what_did_not_change);
	tcase_add_test(tc, one_view_for_a_round_of_changes);
	tcase_add_test(tc, what_a_view_names_lives_until_it_comes_back);
	tcase_add_test(tc, sockets_that_are_known_keep_their_number);
	tcase_add_test(tc, a_bad_file_of_a_check_refuses);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
