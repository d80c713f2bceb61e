/*
 * An open-loop client: starts a new TCP connection every few milliseconds and never waits for an earlier one,
 * so that an outage shows as failures and as a gap between successes, not as a client that slowed down.
 */
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "probe.h"

enum mode { MODE_HTTP, MODE_ANY, MODE_CONNECT, MODE_BANNER, MODE_ECHO, MODES };

static const char *const mode_names[MODES] = {"http", "any", "connect", "banner", "echo"};

/* Connections started in one go. */
#define ROUND 64

static const char echo_line[] = "ping\n";

struct options {
	enum mode mode;
	const char *path;
	const char *records;
	int64_t interval;
	int64_t timeout;
	int64_t duration; /* 0 = until a signal */
	struct target target;
};

/* One connection, in a list ordered by start so that the first to time out is at the front. */
struct conn {
	struct conn *next, *previous;
	int fd;
	int64_t started;
	int64_t connected; /* 0 while connecting */
	struct answer answer;
};

struct tally {
	uint64_t attempts;
	uint64_t by_outcome[OUTCOMES];
	int64_t last_ok;
	int64_t gap;
	int64_t gap_start;
	int64_t *latencies;
	size_t latency_count, latency_room;
};

struct client {
	struct options options;
	struct conn list; /* sentinel */
	struct tally tally;
	char request[512];
	size_t request_length;
	int epoll;
	FILE *records;
};

static void tally_ok(struct tally *tally, int64_t started, int64_t now)
{
	if (tally->last_ok != 0 && now - tally->last_ok > tally->gap) {
		tally->gap = now - tally->last_ok;
		tally->gap_start = tally->last_ok;
	}
	tally->last_ok = now;
	if (tally->latency_count == tally->latency_room) {
		tally->latency_room = tally->latency_room == 0 ? 4096 : tally->latency_room * 2;
		tally->latencies = reallocarray(tally->latencies, tally->latency_room, sizeof(int64_t));
		if (tally->latencies == NULL)
			abort();
	}
	tally->latencies[tally->latency_count++] = now - started;
}

/* The one way out of a connection: counts it, writes its record, frees it. */
static void conn_end(struct client *client, struct conn *conn, enum outcome outcome)
{
	int64_t now = clock_ns(CLOCK_MONOTONIC);
	client->tally.by_outcome[outcome]++;
	if (outcome == OUTCOME_OK)
		tally_ok(&client->tally, conn->started, now);
	if (client->records != NULL) {
		char server[32];
		answer_server(&conn->answer, server);
		fprintf(client->records, "%.6f %.6f %.6f %s %s\n", seconds(conn->started),
			conn->connected != 0 ? seconds(conn->connected) : -1.0, seconds(now), outcome_names[outcome],
			server);
	}
	conn->previous->next = conn->next;
	conn->next->previous = conn->previous;
	if (conn->fd >= 0)
		close(conn->fd);
	free(conn);
}

/* False when the host has no port left, which takes the kernel long to find out. */
static bool conn_start(struct client *client)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	if (conn == NULL)
		abort();
	conn->next = &client->list;
	conn->previous = client->list.previous;
	conn->previous->next = conn;
	client->list.previous = conn;
	client->tally.attempts++;
	conn->started = clock_ns(CLOCK_MONOTONIC);
	const struct target *target = &client->options.target;
	conn->fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (conn->fd < 0) {
		conn_end(client, conn, OUTCOME_OTHER);
		return true;
	}
	setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (connect(conn->fd, (const struct sockaddr *)&target->address, target->length) < 0 && errno != EINPROGRESS) {
		bool port_found = errno != EADDRNOTAVAIL;
		conn_end(client, conn, outcome_of_errno(errno));
		return port_found;
	}
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = conn};
	epoll_ctl(client->epoll, EPOLL_CTL_ADD, conn->fd, &event);
	return true;
}

/*
 * The connections that are due. Without a port the others of the round fail untried, as looking for one takes longer
 * than the time between two; and no round is so long that the signal to end is not seen.
 */
static uint64_t start_due(struct client *client, uint64_t due)
{
	uint64_t begun = 0;
	while (begun < due && begun < ROUND)
		if (begun++, !conn_start(client)) {
			client->tally.attempts += due - begun;
			client->tally.by_outcome[OUTCOME_OTHER] += due - begun;
			return 0;
		}
	return due - begun;
}

/* The connection stands or has failed: say our line and wait for the answer. */
static void conn_on_connect(struct client *client, struct conn *conn)
{
	int error = 0;
	getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
	if (error != 0) {
		conn_end(client, conn, outcome_of_errno(error));
		return;
	}
	conn->connected = clock_ns(CLOCK_MONOTONIC);
	if (client->options.mode == MODE_CONNECT) {
		conn_end(client, conn, OUTCOME_OK);
		return;
	}
	ssize_t sent = send(conn->fd, client->request, client->request_length, MSG_NOSIGNAL);
	if (sent != (ssize_t)client->request_length) {
		conn_end(client, conn, sent < 0 ? outcome_of_errno(errno) : OUTCOME_OTHER);
		return;
	}
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
	epoll_ctl(client->epoll, EPOLL_CTL_MOD, conn->fd, &event);
}

/* What the bytes that came mean for the connection. */
static enum answer_state conn_judge(struct client *client, struct conn *conn, const char *bytes, size_t count)
{
	struct answer *answer = &conn->answer;
	if (client->options.mode == MODE_HTTP)
		return answer_feed(answer, bytes, count);
	if (client->options.mode == MODE_BANNER || client->options.mode == MODE_ANY)
		return ANSWER_COMPLETE;
	size_t expected = sizeof(echo_line) - 1;
	if (answer->got + count > expected || memcmp(echo_line + answer->got, bytes, count) != 0)
		return ANSWER_BAD;
	answer->got += count;
	return answer->got == expected ? ANSWER_COMPLETE : ANSWER_PARTIAL;
}

static void conn_on_readable(struct client *client, struct conn *conn)
{
	char bytes[16384];
	ssize_t count = recv(conn->fd, bytes, sizeof(bytes), 0);
	if (count < 0) {
		if (errno != EAGAIN && errno != EINTR)
			conn_end(client, conn, outcome_of_errno(errno));
		return;
	}
	if (count == 0) {
		conn_end(client, conn, OUTCOME_EOF);
		return;
	}
	enum answer_state state = conn_judge(client, conn, bytes, (size_t)count);
	if (state != ANSWER_PARTIAL)
		conn_end(client, conn, state == ANSWER_COMPLETE ? OUTCOME_OK : OUTCOME_ANSWER);
}

static int compare_latency(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
	return (a > b) - (a < b);
}

static double quantile(const struct tally *tally, double q)
{
	if (tally->latency_count == 0)
		return -1;
	return milliseconds(tally->latencies[(size_t)(q * (double)(tally->latency_count - 1))]);
}

static void print_summary(struct tally *tally)
{
	if (tally->latency_count > 0)
		qsort(tally->latencies, tally->latency_count, sizeof(int64_t), compare_latency);
	printf("{\"attempts\": %lu, \"ok\": %lu, \"failures\": {", tally->attempts, tally->by_outcome[OUTCOME_OK]);
	const char *comma = "";
	for (int outcome = OUTCOME_OK + 1; outcome < OUTCOMES; outcome++) {
		if (tally->by_outcome[outcome] == 0)
			continue;
		printf("%s\"%s\": %lu", comma, outcome_names[outcome], tally->by_outcome[outcome]);
		comma = ", ";
	}
	int64_t real_offset = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
	printf("}, \"gap_ms\": %.3f, \"gap_start\": %.6f, \"gap_start_realtime\": %.6f", milliseconds(tally->gap),
	       seconds(tally->gap_start), tally->gap_start != 0 ? seconds(tally->gap_start + real_offset) : 0.0);
	printf(", \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n", quantile(tally, 0.5), quantile(tally, 0.99),
	       quantile(tally, 1));
}

/* Milliseconds until the oldest connection runs out of time, at most 1000. */
static int until_next_timeout(const struct client *client)
{
	if (client->list.next == &client->list)
		return 1000;
	int64_t left = client->list.next->started + client->options.timeout - clock_ns(CLOCK_MONOTONIC);
	if (left <= 0)
		return 0;
	return left > NSEC_PER_SEC ? 1000 : (int)(left / NSEC_PER_MSEC) + 1;
}

static void end_overdue(struct client *client)
{
	int64_t now = clock_ns(CLOCK_MONOTONIC);
	while (client->list.next != &client->list && now - client->list.next->started >= client->options.timeout)
		conn_end(client, client->list.next, OUTCOME_TIMEOUT);
}

/* Runs until told to stop, then lets the connections that are under way finish or time out. */
static void run(struct client *client, int tick, int quit)
{
	int64_t began = clock_ns(CLOCK_MONOTONIC);
	bool starting = true;
	uint64_t due = 0;
	int tick_mark, quit_mark;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &tick_mark};
	epoll_ctl(client->epoll, EPOLL_CTL_ADD, tick, &event);
	event.data.ptr = &quit_mark;
	epoll_ctl(client->epoll, EPOLL_CTL_ADD, quit, &event);
	while (starting || client->list.next != &client->list) {
		struct epoll_event ready[64];
		int count = epoll_wait(client->epoll, ready, 64, due > 0 ? 0 : until_next_timeout(client));
		uint64_t ticks = 0;
		for (int i = 0; i < count; i++) {
			struct conn *conn = ready[i].data.ptr;
			if (ready[i].data.ptr == &tick_mark)
				(void)!read(tick, &ticks, sizeof(ticks));
			else if (ready[i].data.ptr == &quit_mark)
				starting = starting && !end_signal_taken(quit);
			else if (conn->connected == 0)
				conn_on_connect(client, conn);
			else
				conn_on_readable(client, conn);
		}
		if (client->options.duration != 0 && clock_ns(CLOCK_MONOTONIC) - began >= client->options.duration)
			starting = false;
		due = starting ? start_due(client, due + ticks) : 0;
		end_overdue(client);
	}
}

static void usage(FILE *out)
{
	fputs("usage: openloop [-i MS] [-T MS] [-t SECONDS] [-m http|any|connect|banner|echo] [-p PATH] [-o RECORDS] "
	      "ADDRESS PORT\n"
	      "  -i  a new connection every MS milliseconds (5)\n"
	      "  -T  a connection fails after MS milliseconds (3000)\n"
	      "  -t  stop after SECONDS (on SIGTERM or SIGINT)\n"
	      "  -m  http: a whole good answer; any: whatever a request is answered, also a refusal of TLS\n"
	      "Each line of RECORDS: start, connect (-1: never) and end in seconds of CLOCK_MONOTONIC, outcome, "
	      "server.\n",
	      out);
}

static enum mode parse_mode(const char *name)
{
	for (enum mode mode = MODE_HTTP; mode < MODES; mode++)
		if (strcmp(name, mode_names[mode]) == 0)
			return mode;
	fprintf(stderr, "not a mode: %s\n", name);
	exit(2);
}

static struct options parse_options(int argc, char **argv)
{
	struct options options = {.path = "/", .interval = 5 * NSEC_PER_MSEC, .timeout = 3 * NSEC_PER_SEC};
	int option;
	while ((option = getopt(argc, argv, "i:T:t:m:p:o:h")) != -1) {
		switch (option) {
		case 'i':
			options.interval = (int64_t)(positive(optarg) * 1e6);
			break;
		case 'T':
			options.timeout = (int64_t)(positive(optarg) * 1e6);
			break;
		case 't':
			options.duration = (int64_t)(positive(optarg) * 1e9);
			break;
		case 'p':
			options.path = optarg;
			break;
		case 'o':
			options.records = optarg;
			break;
		case 'm':
			options.mode = parse_mode(optarg);
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
	client.list.next = client.list.previous = &client.list;
	client.records = records_open(client.options.records);
	client.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (client.options.mode == MODE_HTTP || client.options.mode == MODE_ANY)
		snprintf(client.request, sizeof(client.request),
			 "GET %.400s HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n", client.options.path);
	else if (client.options.mode == MODE_ECHO)
		snprintf(client.request, sizeof(client.request), "%s", echo_line);
	client.request_length = strlen(client.request);
	run(&client, ticker(client.options.interval), end_signal());
	print_summary(&client.tally);
	free(client.tally.latencies);
	if (client.records != NULL)
		fclose(client.records);
	return 0;
}
