/* New connections at a steady rate: start, perhaps try again, ask, end. */
#include "connects.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* One connection, in a list ordered by start, so that the first to lose patience is at the front. */
struct conn {
	struct conn *next, *previous;
	struct connects *connects;
	struct watch watch;
	int64_t started;
	int64_t tried;	   /* when the present attempt began */
	int64_t connected; /* 0 while none stands */
	unsigned retries;
};

struct connects {
	struct felt *felt;
	struct connects_params params;
	struct conn list; /* sentinel */
	int64_t next_start;
	bool ready;
};

/* The one way out of a connection: its record, its memory. */
static void conn_end(struct conn *conn, enum outcome outcome, const char *server)
{
	struct connects *connects = conn->connects;
	connects->ready = connects->ready || outcome == OUTCOME_OK;
	fprintf(connects->felt->records, "connect %c %.6f %.6f %.6f %s %u %s\n", connects->params.letter,
		in_seconds(conn->started), in_seconds(conn->connected), in_seconds(now_ns()), felt_outcome(outcome),
		conn->retries, server);
	conn->previous->next = conn->next;
	conn->next->previous = conn->previous;
	felt_close(&conn->watch);
	free(conn);
}

/* Begins an attempt; where that fails at once, it ends or is repeated like one that failed later. */
static void conn_try(struct conn *conn)
{
	conn->tried = now_ns();
	int error = felt_connect(conn->connects->felt, &conn->watch);
	if (error == 0)
		return;
	if (conn->connects->params.try_for == 0)
		conn_end(conn, felt_outcome_of(error), "-");
	else
		felt_close(&conn->watch);
}

static void conn_on_connect(struct conn *conn)
{
	int error = felt_connected(conn->connects->felt, &conn->watch);
	if (error != 0 && conn->connects->params.try_for != 0) {
		felt_close(&conn->watch);
		return;
	}
	conn->connected = error == 0 ? now_ns() : 0;
	if (error == 0)
		error = felt_say(&conn->watch, "name\n");
	if (error != 0)
		conn_end(conn, felt_outcome_of(error), "-");
}

static void conn_on_answer(struct conn *conn)
{
	char answer[64];
	ssize_t count = recv(conn->watch.fd, answer, sizeof(answer) - 1, 0);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0) {
		conn_end(conn, count == 0 ? OUTCOME_EOF : felt_outcome_of(errno), "-");
		return;
	}
	answer[count] = '\0';
	char *end = strchr(answer, '\n');
	if (end == NULL || strncmp(answer, "I am ", 5) != 0) {
		conn_end(conn, OUTCOME_WRONG, "-");
		return;
	}
	*end = '\0';
	conn_end(conn, OUTCOME_OK, answer + 5);
}

static void conn_on_event(struct watch *watch, uint32_t events)
{
	struct conn *conn = watch->owner;
	(void)events;
	if (conn->connected == 0)
		conn_on_connect(conn);
	else
		conn_on_answer(conn);
}

static void conn_start(struct connects *connects)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	if (conn == NULL)
		abort();
	conn->connects = connects;
	conn->watch = (struct watch){.on_event = conn_on_event, .owner = conn, .fd = -1};
	conn->next = &connects->list;
	conn->previous = connects->list.previous;
	conn->previous->next = conn;
	connects->list.previous = conn;
	conn->started = now_ns();
	conn_try(conn);
}

struct connects *connects_new(struct felt *felt, const struct connects_params *params)
{
	struct connects *connects = calloc(1, sizeof(*connects));
	if (connects == NULL)
		abort();
	connects->felt = felt;
	connects->params = *params;
	connects->list.next = connects->list.previous = &connects->list;
	return connects;
}

void connects_tick(struct connects *connects, int64_t now)
{
	if (connects->next_start == 0)
		connects->next_start = now;
	for (; now >= connects->next_start && connects->felt->ended == 0;
	     connects->next_start += connects->params.interval)
		conn_start(connects);
	for (struct conn *conn = connects->list.next, *next; conn != &connects->list; conn = next) {
		next = conn->next;
		if (now - conn->started >= connects->params.patience) {
			conn_end(conn, OUTCOME_TIMEOUT, "-");
		} else if (connects->params.try_for != 0 && conn->connected == 0 &&
			   now - conn->tried >= connects->params.try_for) {
			felt_close(&conn->watch);
			conn->retries++;
			conn_try(conn);
		}
	}
}

bool connects_ready(const struct connects *connects)
{
	return connects->ready;
}

bool connects_idle(const struct connects *connects)
{
	return connects->list.next == &connects->list;
}

void connects_free(struct connects *connects)
{
	while (!connects_idle(connects))
		conn_end(connects->list.next, OUTCOME_TIMEOUT, "-");
	free(connects);
}
