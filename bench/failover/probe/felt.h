/*
 * What the parts of the client share: the clock, the loop, names for what went wrong. Nothing here or in the other
 * measuring programs of this directory comes from lbd, so that a fault in lbd cannot hide in the ruler.
 *
 * Every part is a `struct part`: it starts, is told of each tick of a millisecond, is told to finish, and says when it
 * is done; its sockets are `struct watch`es in one epoll.
 */
#ifndef BENCH_FELT_H
#define BENCH_FELT_H

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define MSEC INT64_C(1000000)
#define SEC  (1000 * MSEC)

/* How a connection ended. */
enum outcome {
	OUTCOME_OK,
	OUTCOME_REFUSED,
	OUTCOME_RESET,
	OUTCOME_TIMEOUT, /* no answer until the end of patience or of the measurement */
	OUTCOME_EOF,
	OUTCOME_UNREACHABLE,
	OUTCOME_WRONG, /* an answer, but not the expected one */
	OUTCOME_OTHER
};

/* A socket in the epoll: `on_event` is called with what epoll says of it. */
struct watch {
	void (*on_event)(struct watch *watch, uint32_t events);
	void *owner;
	int fd; /* -1: none */
};

/* What the client was asked for and the parts it consists of need. */
struct felt {
	struct sockaddr_in target;
	int epoll;
	FILE *records;
	int64_t ended; /* when it was told to finish, 0 before */
};

static inline int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SEC + now.tv_nsec;
}

static inline double in_seconds(int64_t ns)
{
	return (double)ns / (double)SEC;
}

/* The word for the outcome. */
const char *felt_outcome(enum outcome outcome);
/* The outcome that an error number of a socket means. */
enum outcome felt_outcome_of(int error);

/* Begins to connect to the target without waiting: a watched socket in watch->fd, told when writable. 0, or an error
 * number. */
int felt_connect(struct felt *felt, struct watch *watch);
/* The pending error of a socket that has become writable; 0: it is connected. Asks to be told of readability from then
 * on. */
int felt_connected(struct felt *felt, struct watch *watch);
/* Sends a short line; 0, or an error number (EMSGSIZE: only a part was taken). */
int felt_say(const struct watch *watch, const char *line);
/* Closes the socket where there is one. */
void felt_close(struct watch *watch);

#endif
