/*
 * Holds long-lived sessions: each asks again and again over its one connection, and reports whether that connection
 * ever broke and how long it once had to wait for an answer. A session that broke is not opened again.
 */
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "probe.h"

#define STALL (50 * NSEC_PER_MSEC)

enum mode { MODE_HTTP, MODE_ECHO };

struct options {
	enum mode mode;
	const char *path;
	const char *records;
	size_t count;
	int64_t interval;
	int64_t duration; /* 0 = until a signal */
	struct target target;
};

enum state { STATE_CONNECTING, STATE_RESTING, STATE_WAITING, STATE_BROKEN };

struct session {
	enum state state;
	int fd;
	int64_t asked; /* when the current or last question was sent (or connecting began) */
	uint64_t answers;
	int64_t longest_stall;
	int64_t longest_stall_start;
	enum outcome broken_kind;
	int64_t broken_at;
	char server[32];
	struct answer answer;
};

struct client {
	struct options options;
	struct session *sessions;
	size_t answered_once;
	char request[512];
	size_t request_length;
	int epoll;
	FILE *records;
};

/* A wait is over (or still lasts at the end): keep the longest. */
static void session_note_stall(struct session *session, int64_t now)
{
	if (now - session->asked <= session->longest_stall)
		return;
	session->longest_stall = now - session->asked;
	session->longest_stall_start = session->asked;
}

/* What everybody had to wait for at first is none. */
static void session_record_stall(const struct client *client, const struct session *session, int64_t now)
{
	if (client->records != NULL && client->answered_once == client->options.count && now - session->asked > STALL)
		fprintf(client->records, "stall %.6f %zu %.3f\n", seconds(now), (size_t)(session - client->sessions),
			milliseconds(now - session->asked));
}

static void session_break(struct client *client, struct session *session, enum outcome kind)
{
	int64_t now = clock_ns(CLOCK_MONOTONIC);
	if (session->state != STATE_RESTING)
		session_note_stall(session, now);
	session->state = STATE_BROKEN;
	session->broken_kind = kind;
	session->broken_at = now;
	if (session->fd >= 0)
		close(session->fd);
	session->fd = -1;
	if (client->records != NULL)
		fprintf(client->records, "broken %.6f %zu %s\n", seconds(now), (size_t)(session - client->sessions),
			outcome_names[kind]);
}

static void session_start(struct client *client, struct session *session)
{
	const struct target *target = &client->options.target;
	session->asked = clock_ns(CLOCK_MONOTONIC);
	strcpy(session->server, "-");
	session->fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (session->fd < 0) {
		session_break(client, session, OUTCOME_OTHER);
		return;
	}
	setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (connect(session->fd, (const struct sockaddr *)&target->address, target->length) < 0 &&
	    errno != EINPROGRESS) {
		session_break(client, session, outcome_of_errno(errno));
		return;
	}
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = session};
	epoll_ctl(client->epoll, EPOLL_CTL_ADD, session->fd, &event);
}

static void session_ask(struct client *client, struct session *session)
{
	session->asked = clock_ns(CLOCK_MONOTONIC);
	session->answer = (struct answer){0};
	session->state = STATE_WAITING;
	ssize_t sent = send(session->fd, client->request, client->request_length, MSG_NOSIGNAL);
	if (sent != (ssize_t)client->request_length)
		session_break(client, session, sent < 0 ? outcome_of_errno(errno) : OUTCOME_OTHER);
}

static void session_on_connect(struct client *client, struct session *session)
{
	int error = 0;
	getsockopt(session->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
	if (error != 0) {
		session_break(client, session, outcome_of_errno(error));
		return;
	}
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};
	epoll_ctl(client->epoll, EPOLL_CTL_MOD, session->fd, &event);
	session_ask(client, session);
}

static void session_on_answer(struct client *client, struct session *session)
{
	int64_t now = clock_ns(CLOCK_MONOTONIC);
	session_note_stall(session, now);
	session_record_stall(client, session, now);
	session->state = STATE_RESTING;
	if (session->answers++ > 0)
		return;
	answer_server(&session->answer, session->server);
	client->answered_once++;
	if (client->answered_once == client->options.count && client->records != NULL)
		fprintf(client->records, "ready %.6f\n", seconds(clock_ns(CLOCK_MONOTONIC)));
}

static enum answer_state session_judge(struct client *client, struct session *session, const char *bytes, size_t count)
{
	struct answer *answer = &session->answer;
	if (client->options.mode == MODE_HTTP)
		return answer_feed(answer, bytes, count);
	if (answer->got + count > client->request_length || memcmp(client->request + answer->got, bytes, count) != 0)
		return ANSWER_BAD;
	answer->got += count;
	return answer->got == client->request_length ? ANSWER_COMPLETE : ANSWER_PARTIAL;
}

static void session_on_readable(struct client *client, struct session *session)
{
	char bytes[16384];
	ssize_t count = recv(session->fd, bytes, sizeof(bytes), 0);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0) {
		session_break(client, session, count < 0 ? outcome_of_errno(errno) : OUTCOME_EOF);
		return;
	}
	enum answer_state state = ANSWER_BAD;
	if (session->state == STATE_WAITING)
		state = session_judge(client, session, bytes, (size_t)count);
	if (state == ANSWER_BAD)
		session_break(client, session, OUTCOME_ANSWER);
	else if (state == ANSWER_COMPLETE)
		session_on_answer(client, session);
}

static void session_on_event(struct client *client, struct session *session)
{
	if (session->state == STATE_CONNECTING)
		session_on_connect(client, session);
	else if (session->state != STATE_BROKEN)
		session_on_readable(client, session);
}

/* Every session that has rested for the interval asks again. */
static void ask_where_due(struct client *client)
{
	int64_t now = clock_ns(CLOCK_MONOTONIC);
	for (size_t i = 0; i < client->options.count; i++) {
		struct session *session = &client->sessions[i];
		if (session->state == STATE_RESTING && now - session->asked >= client->options.interval)
			session_ask(client, session);
	}
}

static void run(struct client *client)
{
	int64_t began = clock_ns(CLOCK_MONOTONIC);
	int tick = ticker(client->options.interval / 20), quit = end_signal();
	int tick_mark, quit_mark;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &tick_mark};
	epoll_ctl(client->epoll, EPOLL_CTL_ADD, tick, &event);
	event.data.ptr = &quit_mark;
	epoll_ctl(client->epoll, EPOLL_CTL_ADD, quit, &event);
	for (size_t i = 0; i < client->options.count; i++)
		session_start(client, &client->sessions[i]);
	for (bool running = true; running;) {
		struct epoll_event ready[64];
		int count = epoll_wait(client->epoll, ready, 64, 1000);
		for (int i = 0; i < count; i++) {
			uint64_t ticks;
			if (ready[i].data.ptr == &quit_mark)
				running = !end_signal_taken(quit);
			else if (ready[i].data.ptr != &tick_mark)
				session_on_event(client, ready[i].data.ptr);
			else if (read(tick, &ticks, sizeof(ticks)) > 0)
				ask_where_due(client);
		}
		if (client->options.duration != 0 && clock_ns(CLOCK_MONOTONIC) - began >= client->options.duration)
			running = false;
	}
}

static void print_session(const struct session *session, int64_t now)
{
	struct session last = *session;
	if (last.state == STATE_WAITING || last.state == STATE_CONNECTING)
		session_note_stall(&last, now);
	printf("{\"server\": \"%s\", \"answers\": %lu, \"longest_stall_ms\": %.3f, \"longest_stall_start\": %.6f",
	       last.server, last.answers, milliseconds(last.longest_stall), seconds(last.longest_stall_start));
	if (last.state == STATE_BROKEN)
		printf(", \"broken\": \"%s\", \"broken_at\": %.6f}", outcome_names[last.broken_kind],
		       seconds(last.broken_at));
	else
		printf(", \"broken\": null, \"broken_at\": null}");
}

static void print_summary(const struct client *client)
{
	int64_t now = clock_ns(CLOCK_MONOTONIC);
	printf("{\"sessions\": [");
	for (size_t i = 0; i < client->options.count; i++) {
		printf("%s", i > 0 ? ",\n " : "");
		print_session(&client->sessions[i], now);
	}
	printf("]}\n");
}

/* Those that still wait. */
static void record_last_stalls(const struct client *client)
{
	int64_t now = clock_ns(CLOCK_MONOTONIC);
	for (size_t i = 0; i < client->options.count; i++)
		if (client->sessions[i].state == STATE_WAITING)
			session_record_stall(client, &client->sessions[i], now);
}

static void usage(FILE *out)
{
	fputs("usage: sessions [-n COUNT] [-i MS] [-t SECONDS] [-e] [-p PATH] [-o RECORDS] ADDRESS PORT\n"
	      "  -n  so many sessions (10)\n"
	      "  -i  each asks every MS milliseconds (20)\n"
	      "  -t  stop after SECONDS (on SIGTERM or SIGINT)\n"
	      "  -e  the server echoes lines; otherwise it speaks HTTP with keep-alive\n"
	      "RECORDS gets `ready TIME` once all have been answered and `broken TIME SESSION KIND`, CLOCK_MONOTONIC; "
	      "from then\n"
	      "on, for each wait for an answer of more than 50 ms, `stall TIME SESSION MS`.\n",
	      out);
}

static struct options parse_options(int argc, char **argv)
{
	struct options options = {.path = "/", .count = 10, .interval = 20 * NSEC_PER_MSEC};
	int option;
	while ((option = getopt(argc, argv, "n:i:t:ep:o:h")) != -1) {
		switch (option) {
		case 'n':
			options.count = (size_t)positive(optarg);
			break;
		case 'i':
			options.interval = (int64_t)(positive(optarg) * 1e6);
			break;
		case 't':
			options.duration = (int64_t)(positive(optarg) * 1e9);
			break;
		case 'e':
			options.mode = MODE_ECHO;
			break;
		case 'p':
			options.path = optarg;
			break;
		case 'o':
			options.records = optarg;
			break;
		default:
			usage(option == 'h' ? stdout : stderr);
			exit(option == 'h' ? 0 : 2);
		}
	}
	if (argc - optind != 2) {
		usage(stderr);
		exit(2);
	}
	options.target = target_parse(argv[optind], argv[optind + 1]);
	return options;
}

int main(int argc, char **argv)
{
	static struct client client;
	client.options = parse_options(argc, argv);
	client.sessions = calloc(client.options.count, sizeof(*client.sessions));
	if (client.sessions == NULL)
		abort();
	client.records = records_open(client.options.records);
	client.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (client.options.mode == MODE_HTTP)
		snprintf(client.request, sizeof(client.request), "GET %.400s HTTP/1.1\r\nHost: lab\r\n\r\n",
			 client.options.path);
	else
		snprintf(client.request, sizeof(client.request), "ping\n");
	client.request_length = strlen(client.request);
	run(&client);
	record_last_stalls(&client);
	print_summary(&client);
	free(client.sessions);
	if (client.records != NULL)
		fclose(client.records);
	return 0;
}
