/* Sessions that stay, in the order of their life: connect, first echo, busy or silent, lost or asked at the end. */
#include "sessions.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static const char line[] = "echo\n";

struct session {
	struct sessions *sessions;
	struct watch watch;
	bool connected;
	bool waiting; /* for an answer */
	int64_t asked;
	size_t got; /* bytes of the answer */
	uint64_t answers;
	int64_t stall, stall_start; /* the longest wait for an answer */
	int64_t lost;		    /* when, 0: not */
	enum outcome how;
};

struct sessions {
	struct felt *felt;
	size_t count;
	int64_t interval;
	struct session *all;
	size_t waiting;
	size_t unready;
};

/* The session is gone; it keeps only what is known of it. */
static void session_lose(struct session *session, enum outcome how)
{
	if (session->answers == 0) {
		fprintf(stderr, "a session broke before its first answer: %s\n", felt_outcome(how));
		exit(1);
	}
	session->lost = now_ns();
	session->how = how;
	session->sessions->waiting -= session->waiting;
	session->waiting = false;
	felt_close(&session->watch);
}

static void session_ask(struct session *session)
{
	int error = felt_say(&session->watch, line);
	session->asked = now_ns();
	session->got = 0;
	if (error != 0) {
		session_lose(session, felt_outcome_of(error));
		return;
	}
	session->waiting = true;
	session->sessions->waiting++;
}

static void session_note_stall(struct session *session, int64_t now)
{
	if (now - session->asked > session->stall) {
		session->stall = now - session->asked;
		session->stall_start = session->asked;
	}
}

static void session_on_answer(struct session *session)
{
	char bytes[64];
	ssize_t count = recv(session->watch.fd, bytes, sizeof(bytes), 0);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0) {
		session_lose(session, count == 0 ? OUTCOME_EOF : felt_outcome_of(errno));
		return;
	}
	size_t left = sizeof(line) - 1 - session->got;
	if (!session->waiting || (size_t)count > left || memcmp(bytes, line + session->got, (size_t)count) != 0) {
		session_lose(session, OUTCOME_WRONG);
		return;
	}
	session->got += (size_t)count;
	if (session->got < sizeof(line) - 1)
		return;
	session_note_stall(session, now_ns());
	if (session->answers == 0) {
		/* From here on they speak one after another and not all at once. */
		session->sessions->unready--;
		session->asked += (session - session->sessions->all) % 20 * MSEC;
	}
	session->answers++;
	session->sessions->waiting--;
	session->waiting = false;
}

static void session_on_event(struct watch *watch, uint32_t events)
{
	struct session *session = watch->owner;
	(void)events;
	if (session->connected) {
		session_on_answer(session);
		return;
	}
	int error = felt_connected(session->sessions->felt, watch);
	if (error != 0) {
		session_lose(session, felt_outcome_of(error));
		return;
	}
	session->connected = true;
	session_ask(session);
}

struct sessions *sessions_new(struct felt *felt, size_t count, int64_t interval)
{
	struct sessions *sessions = calloc(1, sizeof(*sessions));
	if (sessions == NULL)
		abort();
	*sessions = (struct sessions){.felt = felt, .count = count, .interval = interval, .unready = count};
	sessions->all = calloc(count, sizeof(*sessions->all));
	if (sessions->all == NULL)
		abort();
	for (size_t i = 0; i < count; i++) {
		struct session *session = &sessions->all[i];
		session->sessions = sessions;
		session->watch = (struct watch){.on_event = session_on_event, .owner = session, .fd = -1};
		int error = felt_connect(felt, &session->watch);
		if (error != 0)
			session_lose(session, felt_outcome_of(error));
	}
	return sessions;
}

void sessions_tick(struct sessions *sessions, int64_t now)
{
	int64_t ended = sessions->felt->ended;
	for (size_t i = 0; i < sessions->count; i++) {
		struct session *session = &sessions->all[i];
		if (!session->connected || session->waiting || session->lost != 0)
			continue;
		bool due = sessions->interval != 0 ? ended == 0 && now - session->asked >= sessions->interval
						   : ended != 0 && session->answers == 1;
		if (due)
			session_ask(session);
	}
}

bool sessions_ready(const struct sessions *sessions)
{
	return sessions->unready == 0;
}

bool sessions_idle(const struct sessions *sessions)
{
	return sessions->waiting == 0;
}

/* What is known of one: a busy one with its stall, an idle one with whether it learned, is alive or knows nothing. */
static void session_write(struct session *session)
{
	const struct sessions *sessions = session->sessions;
	FILE *out = sessions->felt->records;
	if (session->lost != 0) {
		fprintf(out, "%s lost %.6f %s", sessions->interval != 0 ? "busy" : "idle", in_seconds(session->lost),
			felt_outcome(session->how));
	} else {
		if (session->waiting)
			session_note_stall(session, now_ns());
		bool unaware = session->waiting;
		fprintf(out, "%s %s %.6f -", sessions->interval != 0 ? "busy" : "idle", unaware ? "unaware" : "alive",
			in_seconds(session->asked));
	}
	fprintf(out, " %lu %.6f %.6f\n", session->answers, in_seconds(session->stall),
		in_seconds(session->stall_start));
}

void sessions_free(struct sessions *sessions)
{
	for (size_t i = 0; i < sessions->count; i++) {
		session_write(&sessions->all[i]);
		felt_close(&sessions->all[i].watch);
	}
	free(sessions->all);
	free(sessions);
}
