/*
 * The server behind every proxy of a comparison, cheap enough not to be what is measured: answers "GET /N" with N
 * bytes, over and over on one connection. One thread, one epoll set; large answers come out of a file in memory.
 *
 *     origin ADDRESS PORT [PORT ...]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX 1024
#define SMALL_MAX   (64 * 1024)
#define FILE_BYTES  (8 * 1024 * 1024)
#define EVENTS	    256

struct connection {
	bool listens, writing;
	uint16_t got;
	uint64_t left; /* of a large answer */
	char *request; /* an unfinished one */
};

static struct connection *connections; /* by descriptor */
static int epoll_fd, file_fd;
static char answer[256 + SMALL_MAX];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(int fd, int op, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	if (epoll_ctl(epoll_fd, op, fd, &event) != 0)
		fail("epoll_ctl");
}

static void end(int fd)
{
	free(connections[fd].request);
	connections[fd] = (struct connection){0};
	close(fd);
}

/* Ask for EPOLLOUT only while something waits to be written. */
static void want_write(int fd, bool wanted)
{
	struct connection *c = &connections[fd];

	if (c->writing == wanted)
		return;
	c->writing = wanted;
	watch(fd, EPOLL_CTL_MOD, wanted ? EPOLLOUT : EPOLLIN);
}

/* The rest of a large answer, as much as fits. */
static void write_large(int fd)
{
	struct connection *c = &connections[fd];

	while (c->left > 0) {
		off_t from = 0;
		ssize_t n = sendfile(fd, file_fd, &from, c->left < FILE_BYTES ? c->left : FILE_BYTES);

		if (n < 0 && errno == EAGAIN) {
			want_write(fd, true);
			return;
		}
		if (n <= 0) {
			end(fd);
			return;
		}
		c->left -= (uint64_t)n;
	}
	want_write(fd, false);
}

static void respond(int fd, uint64_t size)
{
	struct connection *c = &connections[fd];
	int head = snprintf(answer, 256, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n", (unsigned long long)size);
	size_t small = size <= SMALL_MAX ? (size_t)size : 0;
	ssize_t n;

	memset(answer + head, 'x', small);
	n = send(fd, answer, (size_t)head + small, MSG_NOSIGNAL);
	/* A client of a benchmark reads; one that does not is cut off. */
	if (n != (ssize_t)((size_t)head + small)) {
		end(fd);
		return;
	}
	c->left = size - small;
	write_large(fd);
}

static void readable(int fd)
{
	static char buffer[REQUEST_MAX + 1];
	struct connection *c = &connections[fd];
	ssize_t n;

	if (c->got > 0)
		memcpy(buffer, c->request, c->got);
	n = recv(fd, buffer + c->got, REQUEST_MAX - (size_t)c->got, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		end(fd);
		return;
	}
	c->got = (uint16_t)(c->got + n);
	buffer[c->got] = 0;
	if (strstr(buffer, "\r\n\r\n") == NULL) {
		free(c->request);
		c->request = c->got < REQUEST_MAX ? strdup(buffer) : NULL;
		if (c->request == NULL)
			end(fd);
		return;
	}
	free(c->request);
	c->request = NULL;
	c->got = 0;
	respond(fd, strncmp(buffer, "GET /", 5) == 0 ? strtoull(buffer + 5, NULL, 10) : 0);
}

static void accept_all(int listener)
{
	for (int i = 0; i < EVENTS; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		connections[fd] = (struct connection){0};
		watch(fd, EPOLL_CTL_ADD, EPOLLIN);
		readable(fd);
	}
}

static void listen_on(const char *address, const char *port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, seconds = 1;

	inet_pton(AF_INET, address, &sa.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Nothing is to do for a connection before its first request. */
	setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(fd, 4096) != 0)
		fail("listen");
	connections[fd].listens = true;
	watch(fd, EPOLL_CTL_ADD, EPOLLIN);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	struct rlimit limit;

	if (argc < 3) {
		fprintf(stderr, "usage: %s ADDRESS PORT [PORT ...]\n", argv[0]);
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		fail("getrlimit");
	limit.rlim_cur = limit.rlim_max < 1048576 ? limit.rlim_max : 1048576;
	setrlimit(RLIMIT_NOFILE, &limit);
	connections = calloc(limit.rlim_cur, sizeof(*connections));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	file_fd = memfd_create("answer", 0);
	if (connections == NULL || epoll_fd < 0 || file_fd < 0 || ftruncate(file_fd, FILE_BYTES) != 0)
		fail("start");
	for (int i = 2; i < argc; i++)
		listen_on(argv[1], argv[i]);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (connections[fd].listens)
				accept_all(fd);
			else if (connections[fd].writing)
				write_large(fd);
			else
				readable(fd);
		}
	}
}
