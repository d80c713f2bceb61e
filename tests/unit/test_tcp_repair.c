/* Connections that are told, closed and set up again: the other end, an ordinary socket, must not notice. */
#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/tcp_repair.h"

#define WAIT_MS 5000

/* A connection: its client, and the end that moves, beside the listener it came from. */
struct pair {
	int listener, client, moved;
};

/* Repair needs CAP_NET_ADMIN, which everybody has in a namespace of his own. */
static void enter_namespace(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd;

	ck_assert_msg(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0, "a user namespace is needed: %s", strerror(errno));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
}

static struct pair connected(void)
{
	struct sockaddr_in sa = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(8080)};
	struct pair p = {.listener = socket(AF_INET, SOCK_STREAM, 0), .client = socket(AF_INET, SOCK_STREAM, 0)};
	int on = 1;

	setsockopt(p.listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	setsockopt(p.client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	ck_assert_int_eq(bind(p.listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(p.listener, 8), 0);
	ck_assert_int_eq(connect(p.client, (struct sockaddr *)&sa, sizeof(sa)), 0);
	p.moved = accept4(p.listener, NULL, NULL, SOCK_NONBLOCK);
	ck_assert_int_ge(p.moved, 0);
	return p;
}

/* The moving end is told and closed; what waited in its queues is kept. */
static void take_down(struct pair *p, struct tcp_image *image, struct tcp_repair_queues *queues)
{
	ck_assert(tcp_repair_enter(p->moved));
	ck_assert_msg(tcp_repair_dump(p->moved, image, queues), "dump: %s", strerror(errno));
	close(p->moved);
	p->moved = -1;
}

/* It is set up again, and takes up its work. */
static void set_up(struct pair *p, const struct tcp_image *image)
{
	p->moved = tcp_repair_socket(&image->local);
	ck_assert_msg(p->moved >= 0, "socket: %s", strerror(errno));
	ck_assert_msg(tcp_repair_restore(p->moved, image), "restore: %s", strerror(errno));
	ck_assert(tcp_repair_leave(p->moved));
}

static void move(struct pair *p)
{
	struct tcp_repair_queues queues;
	struct tcp_image image;

	take_down(p, &image, &queues);
	set_up(p, &image);
	tcp_repair_queues_free(&queues);
}

static void expect(int fd, const char *text)
{
	char got[256] = "";
	size_t want = strlen(text), have = 0;

	while (have < want) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		ssize_t n;

		ck_assert_msg(poll(&wait, 1, WAIT_MS) == 1, "\"%s\" did not come", text);
		n = recv(fd, got + have, want - have, 0);
		ck_assert_msg(n > 0, "\"%s\": %s", text, n == 0 ? "closed" : strerror(errno));
		have += (size_t)n;
	}
	ck_assert_str_eq(got, text);
}

static void expect_end(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char byte;

	ck_assert_int_eq(poll(&wait, 1, WAIT_MS), 1);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Drop whatever arrives for this socket, as a network that fails would; on = false mends it. */
static void deafen(int fd, bool on)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {.len = 1, .filter = &drop};

	if (on)
		ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0);
	else
		ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &program, sizeof(program)), 0);
}

static void done(struct pair *p)
{
	close(p->moved);
	expect_end(p->client);
	close(p->client);
	close(p->listener);
}

START_TEST(test_idle_connection_moves_many_times)
{
	enter_namespace();
	struct pair p = connected();

	say(p.client, "hello");
	expect(p.moved, "hello");
	for (int i = 0; i < 10; i++) {
		move(&p);
		say(p.client, "there");
		expect(p.moved, "there");
		say(p.moved, "and back");
		expect(p.client, "and back");
	}
	done(&p);
}
END_TEST

START_TEST(test_received_bytes_are_told_and_not_received_again)
{
	enter_namespace();
	struct tcp_repair_queues queues;
	struct tcp_image image;
	struct pair p = connected();

	say(p.client, "unread");
	take_down(&p, &image, &queues);
	ck_assert_uint_eq(queues.received.len, 6);
	ck_assert_mem_eq(queues.received.data, "unread", 6);
	ck_assert_uint_eq(queues.unacked.len + queues.unsent.len, 0);
	set_up(&p, &image);
	tcp_repair_queues_free(&queues);
	say(p.client, "next");
	expect(p.moved, "next");
	done(&p);
}
END_TEST

START_TEST(test_unacked_bytes_are_sent_again)
{
	enter_namespace();
	struct tcp_repair_queues queues;
	struct tcp_image image;
	struct pair p = connected();

	deafen(p.client, true);
	say(p.moved, "lost on the way");
	take_down(&p, &image, &queues);
	ck_assert_uint_eq(image.unacked.len, 15);
	ck_assert_mem_eq(image.unacked.data, "lost on the way", 15);
	set_up(&p, &image);
	tcp_repair_queues_free(&queues);
	deafen(p.client, false);
	expect(p.client, "lost on the way");
	say(p.moved, "more");
	expect(p.client, "more");
	done(&p);
}
END_TEST

START_TEST(test_unsent_bytes_are_told_apart)
{
	enter_namespace();
	static char bulk[1 << 20];
	struct tcp_repair_queues queues;
	struct tcp_image image;
	struct pair p = connected();
	size_t read_by_client = 0;
	ssize_t written = 0, n;

	/* Until the client's window and the send queue are full. */
	while ((n = send(p.moved, bulk, sizeof(bulk), MSG_NOSIGNAL)) > 0)
		written += n;
	take_down(&p, &image, &queues);
	ck_assert_uint_gt(queues.unsent.len, 0);
	set_up(&p, &image);
	for (size_t left = queues.unsent.len; left > 0;) {
		struct pollfd both[2] = {
		    {.fd = p.client, .events = POLLIN },
			{.fd = p.moved,	.events = POLLOUT}
		  };

		ck_assert_int_gt(poll(both, 2, WAIT_MS), 0);
		if ((both[0].revents & POLLIN) != 0)
			read_by_client += (size_t)recv(p.client, bulk, sizeof(bulk), 0);
		n = send(p.moved, queues.unsent.data + queues.unsent.len - left, left, MSG_NOSIGNAL);
		left -= n > 0 ? (size_t)n : 0;
	}
	tcp_repair_queues_free(&queues);
	close(p.moved);
	while ((n = recv(p.client, bulk, sizeof(bulk), 0)) > 0)
		read_by_client += (size_t)n;
	ck_assert_int_eq(n, 0);
	ck_assert_uint_eq(read_by_client, (size_t)written);
}
END_TEST

START_TEST(test_half_closed_by_the_client)
{
	enter_namespace();
	struct tcp_repair_queues queues;
	struct tcp_image image;
	struct pair p = connected();

	say(p.client, "last");
	shutdown(p.client, SHUT_WR);
	take_down(&p, &image, &queues);
	ck_assert(queues.fin_received && !queues.fin_sent);
	ck_assert_uint_eq(queues.received.len, 4);
	set_up(&p, &image);
	tcp_repair_queues_free(&queues);
	say(p.moved, "answer");
	expect(p.client, "answer");
	done(&p);
}
END_TEST

START_TEST(test_half_closed_by_the_moving_end)
{
	enter_namespace();
	struct tcp_repair_queues queues;
	struct tcp_image image;
	struct pair p = connected();

	say(p.moved, "last");
	shutdown(p.moved, SHUT_WR);
	expect(p.client, "last");
	take_down(&p, &image, &queues);
	ck_assert(queues.fin_sent && !queues.fin_received);
	set_up(&p, &image);
	shutdown(p.moved, SHUT_WR);
	tcp_repair_queues_free(&queues);
	say(p.client, "question");
	expect(p.moved, "question");
	expect_end(p.client);
	close(p.client);
	expect_end(p.moved);
}
END_TEST

START_TEST(test_unacked_fin_is_sent_again)
{
	enter_namespace();
	struct tcp_repair_queues queues;
	struct tcp_image image;
	struct pair p = connected();

	deafen(p.client, true);
	say(p.moved, "last");
	shutdown(p.moved, SHUT_WR);
	take_down(&p, &image, &queues);
	ck_assert(queues.fin_sent);
	ck_assert_uint_eq(image.unacked.len, 4);
	set_up(&p, &image);
	shutdown(p.moved, SHUT_WR);
	tcp_repair_queues_free(&queues);
	deafen(p.client, false);
	expect(p.client, "last");
	expect_end(p.client);
}
END_TEST

START_TEST(test_a_window_that_was_taken_back)
{
	enter_namespace();
	struct tcp_repair_queues queues;
	struct tcp_image image;
	struct pair p = connected();

	say(p.client, "read");
	expect(p.moved, "read");
	take_down(&p, &image, &queues);
	/* Out of room a kernel says 0, whatever it has promised; what came last lies in what was promised. */
	image.window.receive_window = 0;
	image.window.receive_wup = image.receive_seq;
	image.window.send_wl1 = image.receive_seq + 4096;
	set_up(&p, &image);
	say(p.client, "next");
	expect(p.moved, "next");
	say(p.moved, "and back");
	expect(p.client, "and back");
	done(&p);
}
END_TEST

START_TEST(test_what_is_left_of_a_connection_that_is_over)
{
	enter_namespace();
	struct pollfd hup = {.events = 0};
	struct tcp_repair_queues queues;
	struct tcp_image image;
	struct pair p = connected();

	shutdown(p.moved, SHUT_WR);
	expect_end(p.client);
	ck_assert(!tcp_repair_rest(p.moved, &queues));
	say(p.client, "last words");
	shutdown(p.client, SHUT_WR);
	hup.fd = p.moved;
	ck_assert_int_eq(poll(&hup, 1, WAIT_MS), 1);
	ck_assert(tcp_repair_enter(p.moved));
	ck_assert(!tcp_repair_dump(p.moved, &image, &queues));
	ck_assert(tcp_repair_rest(p.moved, &queues));
	ck_assert_uint_eq(queues.received.len, 10);
	ck_assert_mem_eq(queues.received.data, "last words", 10);
	ck_assert(queues.fin_sent && queues.fin_received);
	tcp_repair_queues_free(&queues);
	close(p.moved);
	close(p.client);
	close(p.listener);
}
END_TEST

START_TEST(test_what_cannot_be_told_stays_as_it_is)
{
	enter_namespace();
	struct tcp_repair_queues queues;
	struct tcp_image image;
	struct pair p = connected();

	ck_assert(!tcp_repair_enter(p.listener));
	/* Not under repair: nothing can be read, nothing is changed. */
	say(p.client, "still here");
	ck_assert(!tcp_repair_dump(p.moved, &image, &queues));
	ck_assert_ptr_null(queues.data);
	expect(p.moved, "still here");
	done(&p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tcp_repair");
	TCase *tc = tcase_create("moves");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, test_idle_connection_moves_many_times);
	tcase_add_test(tc, test_received_bytes_are_told_and_not_received_again);
	tcase_add_test(tc, test_unacked_bytes_are_sent_again);
	tcase_add_test(tc, test_unsent_bytes_are_told_apart);
	tcase_add_test(tc, test_half_closed_by_the_client);
	tcase_add_test(tc, test_half_closed_by_the_moving_end);
	tcase_add_test(tc, test_unacked_fin_is_sent_again);
	tcase_add_test(tc, test_a_window_that_was_taken_back);
	tcase_add_test(tc, test_what_is_left_of_a_connection_that_is_over);
	tcase_add_test(tc, test_what_cannot_be_told_stays_as_it_is);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
