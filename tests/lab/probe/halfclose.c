/*
 * Half-closed connections, many of them: one end sends a random piece and finishes, the other reads to the end and then
 * sends the same back. Whoever spoke first compares every byte.
 *
 *     halfclose [-o RECORDS] -n COUNT ADDRESS PORT       a client that speaks first; the server is an echo
 *     halfclose [-o RECORDS] -e -n COUNT ADDRESS PORT    a client that answers
 *     halfclose [-o RECORDS] -l ADDRESS PORT             a server that speaks first, until SIGTERM
 *
 * The summary counts the connections on which everything came back, and the others.
 */
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "probe.h"

#define THREADS	  16
#define PIECE_MAX 20000

static atomic_int whole, broken, left;
static bool answers;
static struct target target;
static FILE *records;

static void count_one(bool is_whole)
{
	if (is_whole) {
		atomic_fetch_add(&whole, 1);
		return;
	}
	atomic_fetch_add(&broken, 1);
	if (records != NULL)
		fprintf(records, "%.6f broken errno %d\n", seconds(clock_ns(CLOCK_MONOTONIC)), errno);
}

static bool send_all(int fd, const char *bytes, size_t count)
{
	for (size_t done = 0; done < count;) {
		ssize_t n = send(fd, bytes + done, count - done, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* Everything up to the end; -1 when it does not end well. */
static ssize_t read_all(int fd, char *bytes, size_t room)
{
	size_t got = 0;
	ssize_t n;

	while (got < room && (n = recv(fd, bytes + got, room - got, 0)) != 0) {
		if (n < 0)
			return -1;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

static bool speak_first(int fd, unsigned *seed)
{
	static _Thread_local char piece[PIECE_MAX], back[PIECE_MAX + 1];
	size_t length = (size_t)rand_r(seed) % PIECE_MAX + 1;

	for (size_t i = 0; i < length; i++)
		piece[i] = (char)rand_r(seed);
	return send_all(fd, piece, length) && shutdown(fd, SHUT_WR) == 0 &&
	       read_all(fd, back, sizeof(back)) == (ssize_t)length && memcmp(piece, back, length) == 0;
}

static bool answer(int fd)
{
	static _Thread_local char piece[PIECE_MAX + 1];
	ssize_t length = read_all(fd, piece, sizeof(piece));

	return length > 0 && send_all(fd, piece, (size_t)length);
}

static void limit_time(int fd)
{
	struct timeval limit = {.tv_sec = 10};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static void *be_clients(void *argument)
{
	unsigned seed = (unsigned)(uintptr_t)argument;

	while (atomic_fetch_sub(&left, 1) > 0) {
		int fd = socket(target.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		limit_time(fd);
		bool ok = connect(fd, (struct sockaddr *)&target.address, target.length) == 0 &&
			  (answers ? answer(fd) : speak_first(fd, &seed));
		count_one(ok);
		close(fd);
	}
	return NULL;
}

static void *be_servers(void *argument)
{
	int listener = *(const int *)argument;
	unsigned seed = (unsigned)clock_ns(CLOCK_MONOTONIC);

	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		limit_time(fd);
		count_one(speak_first(fd, &seed));
		close(fd);
	}
	return NULL;
}

static int listen_at_target(void)
{
	int fd = socket(target.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(fd, (struct sockaddr *)&target.address, target.length) < 0 || listen(fd, 4096) < 0) {
		perror("listen");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	const char *file = NULL;
	bool listens = false;
	pthread_t threads[THREADS];
	int option, count = 0;

	while ((option = getopt(argc, argv, "o:n:el")) != -1) {
		switch (option) {
		case 'o':
			file = optarg;
			break;
		case 'n':
			count = (int)positive(optarg);
			break;
		case 'e':
			answers = true;
			break;
		case 'l':
			listens = true;
			break;
		default:
			argc = 0;
		}
	}
	if (argc - optind != 2 || listens == (count > 0)) {
		fputs("usage: halfclose [-o RECORDS] -l|[-e] -n COUNT ADDRESS PORT\n", stderr);
		return 2;
	}
	int signals = end_signal();
	target = target_parse(argv[optind], argv[optind + 1]);
	records = records_open(file);
	atomic_store(&left, count);
	int listener = listens ? listen_at_target() : -1;
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, listens ? be_servers : be_clients,
			       listens ? (void *)&listener : (void *)(i + 1));
	if (listens) {
		if (records != NULL)
			fputs("0 listens\n", records);
		poll(&(struct pollfd){.fd = signals, .events = POLLIN}, 1, -1);
	}
	for (int i = 0; i < THREADS && !listens; i++)
		pthread_join(threads[i], NULL);
	printf("{\"whole\": %d, \"broken\": %d}\n", atomic_load(&whole), atomic_load(&broken));
	fflush(stdout);
	_exit(0);
}
