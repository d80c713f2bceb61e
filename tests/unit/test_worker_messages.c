/* Messages of every length over several sessions at once, and in which mode the worker read them. */
#include <check.h>
#include <errno.h>
#include <lb/hash.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/worker_rig.h"

static struct rig rig;
static int web; /* the server's listener */

static void setup(void)
{
	uint16_t port;

	rig_start(&rig, NULL);
	web = rig_listen(16, &port);
	rig_add_server(&rig, port);
	rig_publish(&rig);
}

static void teardown(void)
{
	rig_stop(&rig);
	close(web);
}

/* --- what the worker does with each socket --- */

enum mode { MODE_NONE, MODE_COPY, MODE_SPLICE };

/* The mode in which the worker last read each descriptor, and how often one changed to the other. */
static _Atomic int modes[1024];
static _Atomic uint32_t to_splice[1024], to_copy[1024];
static _Thread_local bool of_the_test;

static void note_read(int fd, enum mode mode)
{
	int former;

	if (of_the_test || fd < 0 || fd >= 1024)
		return;
	former = atomic_exchange(&modes[fd], mode);
	if (former == MODE_COPY && mode == MODE_SPLICE)
		atomic_fetch_add(&to_splice[fd], 1);
	if (former == MODE_SPLICE && mode == MODE_COPY)
		atomic_fetch_add(&to_copy[fd], 1);
}

/* In place of the C library's: the worker's calls come by here. */
ssize_t noted_recv(int fd, void *data, size_t len, int flags) __asm__("recv");
ssize_t noted_recv(int fd, void *data, size_t len, int flags)
{
	ssize_t n = recvfrom(fd, data, len, flags, NULL, NULL);

	if (n > 0)
		note_read(fd, MODE_COPY);
	return n;
}

ssize_t noted_splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags) __asm__("splice");
ssize_t noted_splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags)
{
	ssize_t n = syscall(SYS_splice, in, in_at, out, out_at, len, flags);
	struct stat st;

	if (n > 0 && fstat(in, &st) == 0 && S_ISSOCK(st.st_mode))
		note_read(in, MODE_SPLICE);
	return n;
}

/* --- messages --- */

/* What one end says: messages of lengths and bytes that both ends know. */
struct speech {
	uint64_t lengths, content;
	size_t len, done; /* of the present message */
};

struct end {
	int fd;
	struct speech mine, theirs;
};

#define MESSAGE_MAX (1 << 20)
enum { ENDS = 16, MESSAGES = 150 };

/* The next message: any length from 1 byte to 1 MB, each order of magnitude as often. */
static void next_message(struct speech *s)
{
	uint32_t low = 1u << lb_random_below(&s->lengths, 20);

	s->len = low + lb_random_below(&s->lengths, low + 1);
	s->done = 0;
}

static void hear(struct end *e, char *bytes)
{
	ssize_t n = recv(e->fd, bytes, e->theirs.len - e->theirs.done, 0);

	if (n <= 0)
		ck_abort_msg("%zu of %zu came: %s", e->theirs.done, e->theirs.len, n < 0 ? strerror(errno) : "end");
	for (ssize_t i = 0; i < n; i++)
		if (bytes[i] != (char)(lb_random_next(&e->theirs.content) >> 11))
			ck_abort_msg("byte %zu of %zu differs", e->theirs.done + (size_t)i, e->theirs.len);
	e->theirs.done += (size_t)n;
}

/* Both ends speak at the same time, and again once each has said and heard a whole message. */
static void *converse(void *arg)
{
	struct end *e = arg;
	static _Thread_local char message[MESSAGE_MAX], heard[MESSAGE_MAX];

	of_the_test = true;
	for (int i = 0; i < MESSAGES; i++) {
		next_message(&e->mine);
		next_message(&e->theirs);
		for (size_t k = 0; k < e->mine.len; k++)
			message[k] = (char)(lb_random_next(&e->mine.content) >> 11);
		while (e->mine.done < e->mine.len || e->theirs.done < e->theirs.len) {
			bool says = e->mine.done < e->mine.len, hears = e->theirs.done < e->theirs.len;
			struct pollfd p = {.fd = e->fd, .events = (short)((hears ? POLLIN : 0) | (says ? POLLOUT : 0))};

			if (poll(&p, 1, 10000) != 1)
				ck_abort_msg("nothing came for 10 s");
			if (says && (p.revents & POLLOUT) != 0) {
				ssize_t n = send(e->fd, message + e->mine.done, e->mine.len - e->mine.done,
						 MSG_DONTWAIT | MSG_NOSIGNAL);
				e->mine.done += n > 0 ? (size_t)n : 0;
			}
			if (hears && (p.revents & (POLLIN | POLLHUP | POLLERR)) != 0)
				hear(e, heard);
		}
	}
	return NULL;
}

/* Each of the worker's sockets was read in both modes, and changed from one to the other and back. */
static void check_modes(void)
{
	uint32_t sockets = 0, splices = 0, copies = 0;

	for (int fd = 0; fd < 1024; fd++) {
		sockets += to_splice[fd] > 0 && to_copy[fd] > 0;
		splices += to_splice[fd];
		copies += to_copy[fd];
	}
	ck_assert_uint_eq(sockets, ENDS);
	ck_assert_uint_ge(splices, 3 * ENDS);
	ck_assert_uint_ge(copies, 3 * ENDS);
}

/*
 * Eight sessions at once that speak both ways at the same time, in messages of every length up to a megabyte: each byte
 * is compared while every direction changes from copying to splicing and back again and again.
 */
START_TEST(messages_of_up_to_a_megabyte_come_whole_while_modes_change)
{
	struct end ends[ENDS];
	pthread_t threads[ENDS];

	of_the_test = true;
	for (size_t i = 0; i < ENDS; i += 2) {
		rig_pair(&rig, web, &ends[i].fd, &ends[i + 1].fd);
		for (size_t k = i; k < i + 2; k++)
			ends[k].mine = (struct speech){.lengths = 4711 + k, .content = 42 + k};
		ends[i].theirs = ends[i + 1].mine;
		ends[i + 1].theirs = ends[i].mine;
	}
	for (size_t i = 0; i < ENDS; i++)
		pthread_create(&threads[i], NULL, converse, &ends[i]);
	for (size_t i = 0; i < ENDS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < ENDS; i++)
		close(ends[i].fd);
	rig_wait_counter(&rig, &rig.block->slot[0].sessions, 0);
	check_modes();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker_messages");
	TCase *tc = tcase_create("messages");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, messages_of_up_to_a_megabyte_come_whole_while_modes_change);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
