/*
 * The client of a comparison: keeps a number of connections busy, each with one request at a time, and says how much
 * was done and how long each request took.
 *
 *     loadgen keepalive|connect|idle ADDRESS PORT CONNECTIONS SECONDS BYTES
 *
 * keepalive: request after request on connections that stay; connect: a connection for each request, closed by the
 * client once it has the whole answer; idle: one request each, then all stay open until standard input ends. With 0
 * SECONDS each connection makes one request. One JSON object is printed, times in microseconds; exit status 1 when any
 * connection failed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS	    256
#define SAMPLES_MAX (16u * 1024 * 1024)
#define DISCARD	    (1024 * 1024)

enum mode { KEEPALIVE, CONNECT, IDLE };

struct connection {
	int fd;
	int64_t started;
	uint64_t left; /* of the answer; unknown before its head has come */
	bool asked, in_body;
};

static struct {
	enum mode mode;
	struct sockaddr_in target;
	int count;
	int64_t duration;
	char request[128];
	size_t request_length;
} options;

static struct {
	uint32_t *sample; /* of each request, in ns */
	uint64_t requests, bytes, errors;
	int open; /* connections that are not finished */
} result;

static int epoll_fd;
static int64_t stop_at; /* no new request after this */

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void open_connection(struct connection *c)
{
	/* Edge-triggered once for both directions: no further call for the whole life of the connection. */
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};

	*c = (struct connection){.started = now_ns()};
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		fail("socket");
	if (connect(c->fd, (struct sockaddr *)&options.target, sizeof(options.target)) != 0 && errno != EINPROGRESS)
		fail("connect");
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0)
		fail("epoll_ctl");
}

static void finish(struct connection *c)
{
	if (options.mode != IDLE)
		close(c->fd);
	result.open--;
}

static void failed(struct connection *c)
{
	result.errors++;
	finish(c);
}

static void ask(struct connection *c)
{
	c->asked = true;
	c->in_body = false;
	if (send(c->fd, options.request, options.request_length, MSG_NOSIGNAL) != (ssize_t)options.request_length)
		failed(c);
}

/* The whole answer is here: the next request, if there is to be one. */
static void answered(struct connection *c)
{
	int64_t now = now_ns(), took = now - c->started;

	if (result.requests < SAMPLES_MAX)
		result.sample[result.requests] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
	result.requests++;
	if (now >= stop_at) {
		finish(c);
	} else if (options.mode == CONNECT) {
		close(c->fd);
		open_connection(c);
	} else {
		c->started = now;
		ask(c);
	}
}

/* Bytes of an answer, the first ones with its head; false when they are none. */
static bool take(struct connection *c, char *buffer, size_t n)
{
	char *end, *length;

	result.bytes += n;
	if (c->in_body) {
		c->left -= n;
		return true;
	}
	buffer[n] = 0;
	end = strstr(buffer, "\r\n\r\n");
	length = strstr(buffer, "Content-Length: ");
	if (end == NULL || length == NULL)
		return false;
	c->in_body = true;
	c->left = strtoull(length + 16, NULL, 10) - (uint64_t)(n - (size_t)(end + 4 - buffer));
	return true;
}

static void readable(struct connection *c)
{
	static char buffer[64 * 1024 + 1];

	for (;;) {
		/* What comes behind the head is counted and thrown away by the kernel. */
		bool discard = c->in_body && c->left >= sizeof(buffer);
		size_t room = discard ? DISCARD : sizeof(buffer) - 1;
		ssize_t n = recv(c->fd, discard ? NULL : buffer, room, discard ? MSG_TRUNC : 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || !take(c, buffer, (size_t)n)) {
			failed(c);
			return;
		}
		if (c->left == 0) {
			answered(c);
			return;
		}
		if ((size_t)n < room)
			return;
	}
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void print_result(double seconds)
{
	size_t n = result.requests < SAMPLES_MAX ? result.requests : SAMPLES_MAX;
	double p50, p99;

	qsort(result.sample, n, sizeof(*result.sample), by_size);
	p50 = n > 0 ? result.sample[n / 2] / 1e3 : 0;
	p99 = n > 0 ? result.sample[n - 1 - n / 100] / 1e3 : 0;
	printf("{\"requests\": %llu, \"bytes\": %llu, \"errors\": %llu, \"seconds\": %.6f, \"p50\": %.2f, \"p99\": "
	       "%.2f}\n",
	       (unsigned long long)result.requests, (unsigned long long)result.bytes, (unsigned long long)result.errors,
	       seconds, p50, p99);
	fflush(stdout);
}

static void parse(int argc, char **argv)
{
	static const char *const modes[] = {[KEEPALIVE] = "keepalive", [CONNECT] = "connect", [IDLE] = "idle"};
	int mode = 0;

	while (argc == 7 && mode < 3 && strcmp(argv[1], modes[mode]) != 0)
		mode++;
	if (argc != 7 || mode == 3) {
		fprintf(stderr, "usage: %s keepalive|connect|idle ADDRESS PORT CONNECTIONS SECONDS BYTES\n", argv[0]);
		exit(2);
	}
	options.mode = (enum mode)mode;
	options.target.sin_family = AF_INET;
	options.target.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	inet_pton(AF_INET, argv[2], &options.target.sin_addr);
	options.count = (int)strtol(argv[4], NULL, 10);
	options.duration = (int64_t)(strtod(argv[5], NULL) * 1e9);
	options.request_length =
	    (size_t)snprintf(options.request, sizeof(options.request),
			     "GET /%llu HTTP/1.1\r\nHost: bench.example\r\n\r\n", strtoull(argv[6], NULL, 10));
}

static void run(struct connection *connections)
{
	struct epoll_event events[EVENTS];

	for (int i = 0; i < options.count; i++)
		open_connection(&connections[i]);
	while (result.open > 0) {
		int n = epoll_wait(epoll_fd, events, EVENTS, 30000);

		if (n == 0) {
			fprintf(stderr, "%d connections hang\n", result.open);
			exit(1);
		}
		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;

			if ((events[i].events & EPOLLIN) != 0 || (events[i].events & EPOLLERR) != 0)
				readable(c);
			else if (!c->asked)
				ask(c);
		}
	}
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	struct connection *connections;
	int64_t started;

	parse(argc, argv);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	connections = calloc((size_t)options.count, sizeof(*connections));
	result.sample = calloc(SAMPLES_MAX, sizeof(*result.sample));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (connections == NULL || result.sample == NULL || epoll_fd < 0)
		fail("start");
	result.open = options.count;
	started = now_ns();
	stop_at = started + options.duration;
	run(connections);
	print_result((double)(now_ns() - started) / 1e9);
	if (options.mode == IDLE)
		while (getchar() != EOF)
			;
	return result.errors > 0;
}
