/* What is short: memory, the kernel's accept queue, room in the log. What there is room for goes on, what is lost is
 * counted. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <lb/log.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/proxy/share/reserve.h"
#include "daemon/proxy/worker/session_log.h"
#include "tests/unit/worker_rig.h"

static struct rig rig;
static int web;

static void setup(void)
{
	uint16_t port;

	/* As lbd-proxy does. */
	ev_set_allocator(reserve_realloc);
	rig_start(&rig, NULL);
	web = rig_listen(4096, &port);
	rig_add_server(&rig, port);
	rig_publish(&rig);
}

static void teardown(void)
{
	rig_stop(&rig);
	close(web);
}

/* F32: connections beyond the queue are dropped by the kernel, which the service counts; those in it wait. */
START_TEST(drops_at_a_full_accept_queue_are_counted)
{
	enum { QUEUE = 3, CLIENTS = 12 };
	struct sockaddr_storage sa;
	socklen_t len = lb_endpoint_to_sockaddr(&rig.listener.endpoint, &sa);
	const _Atomic uint64_t *dropped = &rig.block->slot[0].queue_dropped;
	int first, server, crowd[CLIENTS];

	ck_assert_int_eq(listen(rig.listener.fd, QUEUE), 0);
	rig.max_connections = 1;
	rig_publish(&rig);
	rig_pair(&rig, web, &first, &server);
	for (int i = 0; i < CLIENTS; i++) {
		crowd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(crowd[i], (struct sockaddr *)&sa, len);
	}
	for (int i = 0; i < 300 && counter_get(dropped) == 0; i++)
		usleep(10000);
	ck_assert_uint_ge(counter_get(dropped), CLIENTS - QUEUE - 2);
	ck_assert_uint_eq(rig_sessions(&rig), 1);
	for (int i = 0; i < CLIENTS; i++)
		rig_reset(crowd[i]);
	close(first);
	close(server);
}
END_TEST

/* Private memory that may be written to; what RLIMIT_DATA limits. */
static size_t data_bytes(void)
{
	size_t kb = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "re");

	ck_assert(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmData: %zu", &kb) == 1)
			break;
	fclose(f);
	return kb * 1024;
}

static void limit_memory(size_t more)
{
	struct rlimit limit;

	getrlimit(RLIMIT_DATA, &limit);
	limit.rlim_cur = more == 0 ? limit.rlim_max : data_bytes() + more;
	ck_assert_int_eq(setrlimit(RLIMIT_DATA, &limit), 0);
}

/* Push until nothing moves any more. */
static void fill(int fd)
{
	static char block[1 << 16];

	for (int quiet = 0; quiet < 2;) {
		if (send(fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
			quiet = 0;
		} else {
			usleep(1000);
			quiet++;
		}
	}
}

static bool is_reset(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return error == ECONNRESET;
}

/* F30: sessions whose bytes there is no memory for end, the others and the thread go on. */
START_TEST(without_memory_sessions_are_shed)
{
	enum { SLOW = 200 };
	int client[SLOW], server[SLOW], kept[2], small = 4096;
	unsigned shed = 0;

	rig_pair(&rig, web, &kept[0], &kept[1]);
	setsockopt(rig.listener.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	for (int i = 0; i < SLOW; i++)
		rig_pair(&rig, web, &client[i], &server[i]);
	limit_memory(1 << 20);
	for (int i = 0; i < SLOW; i++)
		fill(server[i]);
	for (int i = 0; i < SLOW; i++)
		shed += is_reset(server[i]);
	printf("without memory %u of %d sessions were shed\n", shed, SLOW);
	ck_assert_uint_ge(shed, 1);
	ck_assert_uint_lt(shed, SLOW / 2);
	rig_say(kept[0], kept[1], "still here");
	for (int i = 0; i < SLOW; i++) {
		rig_reset(client[i]);
		close(server[i]);
	}
	/* Room again: new clients are served. */
	rig_wait_counter(&rig, &rig.block->slot[0].sessions, 1);
	rig_pair(&rig, web, &client[0], &server[0]);
	rig_say(client[0], server[0], "welcome");
	limit_memory(0);
	close(client[0]);
	close(server[0]);
	close(kept[0]);
	close(kept[1]);
}
END_TEST

static unsigned lines;

static void count_line(void *ctx, enum lb_log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	lines += strstr(line, "reason=client-reset") != NULL;
}

/* A storm of resets on each of four workers for ten seconds is ten lines a second, and tells what it left out. */
START_TEST(workers_share_the_lines_of_a_reason)
{
	enum { WORKERS = 4, SECONDS = 10 };
	struct lb_endpoint client = {0};
	struct session_log_entry entry = {.client = &client, .service = "web", .end = FLOW_END_CLIENT_RESET};
	struct session_log log;

	lb_log_init(count_line, NULL, LB_LOG_INFO);
	lines = 0;
	for (int i = 0; i < WORKERS; i++) {
		session_log_init(&log);
		session_log_set(&log, LB_LOG_SESSIONS_ABNORMAL, WORKERS);
		for (lb_time now = 0; now < LB_SEC(SECONDS); now += LB_MSEC(1))
			session_log_write(&log, &entry, now);
	}
	ck_assert_uint_ge(lines, 10 * SECONDS);
	ck_assert_uint_le(lines, 10 * SECONDS + 10);
	lb_log_init(NULL, NULL, LB_LOG_INFO);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker_shortage");
	TCase *tc = tcase_create("shortage");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, workers_share_the_lines_of_a_reason);
	tcase_add_test(tc, drops_at_a_full_accept_queue_are_counted);
	/* A sanitizer ends the program where malloc would say no. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	tcase_add_test(tc, without_memory_sessions_are_shed);
#else
	(void)without_memory_sessions_are_shed;
#endif
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
