/*
 * The server behind the balancer: one loop. It answers `name` with who it is, sends `echo` back, sends a steady stream
 * to who asks for `stream`, and answers any GET with 200, for health checks.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define STREAM_TICK_NS INT64_C(5000000)
#define STREAM_CHUNK   5000 /* bytes a tick: 1 MB/s */

struct conn {
	struct conn *next, *previous; /* of those that stream; alone, it points to itself */
	int fd;
	size_t kept;
	char line[1024];
};

static struct conn streaming = {.next = &streaming, .previous = &streaming};
static char name_line[64];
static int loop;

static void conn_end(struct conn *conn)
{
	conn->next->previous = conn->previous;
	conn->previous->next = conn->next;
	close(conn->fd);
	free(conn);
}

static bool say(const struct conn *conn, const char *text)
{
	return send(conn->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)strlen(text);
}

/* Answers one line; false ends the connection. */
static bool conn_take_line(struct conn *conn, const char *line)
{
	if (strcmp(line, "echo") == 0)
		return say(conn, "echo\n");
	if (strcmp(line, "name") == 0)
		return say(conn, name_line);
	if (strncmp(line, "GET ", 4) == 0) {
		say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n");
		return false;
	}
	if (strcmp(line, "stream") != 0 || conn->next != conn)
		return false;
	conn->next = streaming.next;
	conn->previous = &streaming;
	streaming.next->previous = conn;
	streaming.next = conn;
	return say(conn, name_line);
}

static void conn_on_readable(struct conn *conn)
{
	ssize_t count = recv(conn->fd, conn->line + conn->kept, sizeof(conn->line) - 1 - conn->kept, MSG_DONTWAIT);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0) {
		conn_end(conn);
		return;
	}
	conn->kept += (size_t)count;
	conn->line[conn->kept] = '\0';
	for (char *end; (end = strchr(conn->line, '\n')) != NULL;) {
		*end = '\0';
		if (!conn_take_line(conn, conn->line)) {
			/* What the client still sends must not turn the answer into a reset. */
			shutdown(conn->fd, SHUT_WR);
			while (recv(conn->fd, conn->line, sizeof(conn->line), MSG_DONTWAIT) > 0) {
			}
			conn_end(conn);
			return;
		}
		conn->kept -= (size_t)(end + 1 - conn->line);
		memmove(conn->line, end + 1, conn->kept + 1);
	}
	if (conn->kept == sizeof(conn->line) - 1)
		conn_end(conn);
}

static void stream(void)
{
	static const char chunk[STREAM_CHUNK];
	for (struct conn *conn = streaming.next, *next; conn != &streaming; conn = next) {
		next = conn->next;
		if (send(conn->fd, chunk, sizeof(chunk), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
			conn_end(conn);
	}
}

static void accept_all(int listener)
{
	for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
		struct conn *conn = calloc(1, sizeof(*conn));
		if (conn == NULL)
			abort();
		conn->next = conn->previous = conn;
		conn->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
		epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
	}
}

static int listen_on(uint16_t port)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(listener, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(listener, 4096) < 0) {
		perror("origin");
		exit(1);
	}
	return listener;
}

int main(int argc, char **argv)
{
	if (argc != 3 || atoi(argv[2]) <= 0) {
		fputs("usage: origin NAME PORT\n", stderr);
		return 2;
	}
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	signal(SIGPIPE, SIG_IGN);
	snprintf(name_line, sizeof(name_line), "I am %.50s\n", argv[1]);
	loop = epoll_create1(EPOLL_CLOEXEC);
	int listener = listen_on((uint16_t)atoi(argv[2]));
	int ticks = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct itimerspec each = {.it_interval.tv_nsec = STREAM_TICK_NS, .it_value.tv_nsec = STREAM_TICK_NS};
	timerfd_settime(ticks, 0, &each, NULL);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener};
	epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
	event.data.ptr = &ticks;
	epoll_ctl(loop, EPOLL_CTL_ADD, ticks, &event);
	for (;;) {
		struct epoll_event ready[1]; /* one at a time: an event may end another connection than its own */
		uint64_t count;
		if (epoll_wait(loop, ready, 1, -1) != 1)
			continue;
		if (ready[0].data.ptr == &listener)
			accept_all(listener);
		else if (ready[0].data.ptr != &ticks)
			conn_on_readable(ready[0].data.ptr);
		else if (read(ticks, &count, sizeof(count)) > 0)
			stream();
	}
}
