/*
 * Long-lived sessions of several kinds against an echo server, every byte compared. After SIGTERM each finishes what it
 * has begun, closes its side, and must get the rest and the end.
 */
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "probe.h"

#define KINDS_MAX     16
#define PATTERN_BYTES (UINT64_C(1) << 20)
#define PIECE	      65536
#define TICK	      (2 * NSEC_PER_MSEC)
/* Begun in one tick. */
#define STARTS 20
#define FINISH (10 * NSEC_PER_SEC)
/* The receive buffer of one that does not read: what is sent to it stays on the way. */
#define SMALL 4096
/* A wait that is worth a record. */
#define STALL (50 * NSEC_PER_MSEC)

struct kind {
	char name[32];
	size_t count, chunk;
	int64_t interval; /* 0: as fast as it goes */
	bool half;	  /* sends a chunk, closes its side, and reads nothing before the end */
};

enum state { STATE_NEW, STATE_CONNECTING, STATE_OPEN, STATE_DONE, STATE_BROKEN };

struct session {
	const struct kind *kind;
	enum state state;
	enum outcome outcome;
	int fd;
	uint32_t interest;
	bool shut;
	uint64_t first, sent, wanted, received; /* first: where in the pattern it begins */
	int64_t due, waits_since, longest_stall;
};

struct client {
	struct kind kinds[KINDS_MAX];
	size_t kind_count, count, started, speaking, over;
	struct session *sessions;
	struct target target;
	char *pattern;
	int epoll;
	int64_t finish_by; /* 0 until the signal */
	FILE *records;
};

static const char *bytes_at(const struct client *c, const struct session *s, uint64_t offset)
{
	return c->pattern + (s->first + offset) % PATTERN_BYTES;
}

static void session_over(struct client *c, struct session *s, enum outcome how)
{
	s->state = how == OUTCOME_OK ? STATE_DONE : STATE_BROKEN;
	s->outcome = how;
	c->over++;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	if (how != OUTCOME_OK && c->records != NULL)
		fprintf(c->records, "broken %.6f %s %s %lu\n", seconds(clock_ns(CLOCK_MONOTONIC)), s->kind->name,
			outcome_names[how], s->received);
}

static bool reads(const struct client *c, const struct session *s)
{
	return !s->kind->half || c->finish_by != 0;
}

/* What it waits for, from its state. */
static void watch(struct client *c, struct session *s)
{
	uint32_t interest = s->state == STATE_CONNECTING || s->sent < s->wanted ? EPOLLOUT : 0;
	struct epoll_event event = {.data.ptr = s};

	if (reads(c, s))
		interest |= EPOLLIN;
	if (s->fd < 0 || interest == s->interest)
		return;
	event.events = interest;
	epoll_ctl(c->epoll, EPOLL_CTL_MOD, s->fd, &event);
	s->interest = interest;
}

static void send_more(struct client *c, struct session *s)
{
	while (s->sent < s->wanted) {
		uint64_t left = s->wanted - s->sent;
		ssize_t n = send(s->fd, bytes_at(c, s, s->sent), left < PIECE ? left : PIECE, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			session_over(c, s, outcome_of_errno(errno));
			return;
		}
		if (s->sent == s->received)
			s->waits_since = clock_ns(CLOCK_MONOTONIC);
		s->sent += (uint64_t)n;
	}
	if (s->sent == s->wanted && !s->shut && (c->finish_by != 0 || s->kind->half)) {
		s->shut = true;
		shutdown(s->fd, SHUT_WR);
	}
	watch(c, s);
}

static void note_wait(const struct client *c, struct session *s, int64_t now)
{
	int64_t waited = !s->kind->half && s->sent > s->received ? now - s->waits_since : 0;

	if (waited > s->longest_stall)
		s->longest_stall = waited;
	if (waited > STALL && c->records != NULL)
		fprintf(c->records, "stall %.6f %s %zu %.3f\n", seconds(now), s->kind->name, (size_t)(s - c->sessions),
			milliseconds(waited));
	s->waits_since = now;
}

static void on_bytes(struct client *c, struct session *s, const char *bytes, size_t n)
{
	if (s->received + n > s->sent || memcmp(bytes, bytes_at(c, s, s->received), n) != 0) {
		session_over(c, s, OUTCOME_ANSWER);
		return;
	}
	note_wait(c, s, clock_ns(CLOCK_MONOTONIC));
	if (s->received == 0)
		c->speaking++;
	s->received += n;
}

static void on_readable(struct client *c, struct session *s)
{
	static char bytes[PIECE];
	ssize_t n = recv(s->fd, bytes, sizeof(bytes), 0);

	if (n > 0)
		on_bytes(c, s, bytes, (size_t)n);
	else if (n < 0 && errno != EAGAIN)
		session_over(c, s, outcome_of_errno(errno));
	else if (n == 0)
		session_over(c, s, s->shut && s->received == s->sent ? OUTCOME_OK : OUTCOME_EOF);
}

static void on_connected(struct client *c, struct session *s)
{
	int error = 0;

	getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
	if (error != 0) {
		session_over(c, s, outcome_of_errno(error));
		return;
	}
	s->state = STATE_OPEN;
	s->due = clock_ns(CLOCK_MONOTONIC) + s->kind->interval;
	/* An idle one speaks once now and once at the end. */
	s->wanted = s->kind->chunk == 0 ? 1 : s->kind->interval == 0 && !s->kind->half ? UINT64_MAX : s->kind->chunk;
	if (s->kind->half)
		c->speaking++;
	send_more(c, s);
}

static void on_event(struct client *c, struct session *s, uint32_t events)
{
	if (s->state == STATE_CONNECTING && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
		on_connected(c, s);
	if (s->state == STATE_OPEN && (events & EPOLLOUT) != 0)
		send_more(c, s);
	if (s->state == STATE_OPEN && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
		on_readable(c, s);
}

static void start(struct client *c, struct session *s)
{
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = s};
	int small = SMALL;

	s->state = STATE_CONNECTING;
	s->interest = EPOLLOUT;
	s->fd = socket(c->target.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (s->kind->half)
		setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (s->fd < 0 || (connect(s->fd, (const struct sockaddr *)&c->target.address, c->target.length) < 0 &&
			  errno != EINPROGRESS)) {
		session_over(c, s, outcome_of_errno(errno));
		return;
	}
	epoll_ctl(c->epoll, EPOLL_CTL_ADD, s->fd, &event);
}

static void on_tick(struct client *c)
{
	int64_t now = clock_ns(CLOCK_MONOTONIC);

	for (int i = 0; i < STARTS && c->started < c->count && c->finish_by == 0; i++)
		start(c, &c->sessions[c->started++]);
	for (size_t i = 0; i < c->started && c->finish_by == 0; i++) {
		struct session *s = &c->sessions[i];

		if (s->state != STATE_OPEN || s->kind->interval == 0 || now < s->due || s->sent < s->wanted)
			continue;
		s->due = now + s->kind->interval;
		s->wanted += s->kind->chunk;
		send_more(c, s);
	}
}

/* The signal came: everybody says his last, and closes his side. */
static void finish(struct client *c)
{
	c->finish_by = clock_ns(CLOCK_MONOTONIC) + FINISH;
	for (size_t i = 0; i < c->count; i++) {
		struct session *s = &c->sessions[i];

		if (s->state != STATE_OPEN)
			continue;
		if (s->kind->chunk == 0)
			s->wanted++;
		else if (s->wanted == UINT64_MAX)
			s->wanted = s->sent;
		send_more(c, s);
	}
}

static void run(struct client *c)
{
	int tick = ticker(TICK), quit = end_signal(), tick_mark, quit_mark;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &tick_mark};
	bool told = false;

	epoll_ctl(c->epoll, EPOLL_CTL_ADD, tick, &event);
	event.data.ptr = &quit_mark;
	epoll_ctl(c->epoll, EPOLL_CTL_ADD, quit, &event);
	while (c->finish_by == 0 || (c->over < c->count && clock_ns(CLOCK_MONOTONIC) < c->finish_by)) {
		struct epoll_event ready[64];
		int count = epoll_wait(c->epoll, ready, 64, 100);

		for (int i = 0; i < count; i++) {
			uint64_t ticks;
			if (ready[i].data.ptr == &quit_mark && end_signal_taken(quit))
				finish(c);
			else if (ready[i].data.ptr != &tick_mark)
				on_event(c, ready[i].data.ptr, ready[i].events);
			else if (read(tick, &ticks, sizeof(ticks)) > 0)
				on_tick(c);
		}
		if (!told && c->speaking == c->count && c->records != NULL)
			fprintf(c->records, "ready %.6f\n", seconds(clock_ns(CLOCK_MONOTONIC)));
		told = told || c->speaking == c->count;
	}
	for (size_t i = 0; i < c->count; i++)
		if (c->sessions[i].state != STATE_DONE && c->sessions[i].state != STATE_BROKEN)
			session_over(c, &c->sessions[i], OUTCOME_TIMEOUT);
}

static void print_summary(const struct client *c)
{
	printf("{\"sessions\": [");
	for (size_t i = 0; i < c->count; i++) {
		const struct session *s = &c->sessions[i];

		printf("%s{\"kind\": \"%s\", \"end\": \"%s\", \"bytes\": %lu, \"sent\": %lu, \"stall_ms\": %.3f}",
		       i > 0 ? ",\n " : "", s->kind->name, outcome_names[s->outcome], s->received, s->sent,
		       milliseconds(s->longest_stall));
	}
	printf("]}\n");
}

static void usage(FILE *out)
{
	fputs("usage: streams [-o RECORDS] -k NAME:COUNT:BYTES:MS[:half] [-k ...] ADDRESS PORT\n"
	      "  -k  COUNT sessions that each send BYTES every MS milliseconds; MS 0: as fast as they go,\n"
	      "      BYTES 0: once at the beginning and once at the end; half: send BYTES, close their side and read\n"
	      "      nothing before the end\n"
	      "RECORDS gets `ready TIME` once all have been answered, `broken TIME NAME KIND BYTES`, and after a wait "
	      "for\n"
	      "more than 50 ms `stall TIME NAME SESSION MS`.\n",
	      out);
}

static void parse_kind(struct client *c, const char *text)
{
	struct kind *kind = &c->kinds[c->kind_count];
	unsigned long ms;
	char half[8] = "";

	if (c->kind_count == KINDS_MAX ||
	    sscanf(text, "%31[^:]:%zu:%zu:%lu:%7s", kind->name, &kind->count, &kind->chunk, &ms, half) < 4) {
		usage(stderr);
		exit(2);
	}
	kind->interval = (int64_t)ms * NSEC_PER_MSEC;
	kind->half = strcmp(half, "half") == 0;
	c->kind_count++;
	c->count += kind->count;
}

static void parse_options(struct client *c, int argc, char **argv)
{
	const char *records = NULL;
	int option;

	while ((option = getopt(argc, argv, "k:o:h")) != -1) {
		if (option == 'k') {
			parse_kind(c, optarg);
		} else if (option == 'o') {
			records = optarg;
		} else {
			usage(option == 'h' ? stdout : stderr);
			exit(option == 'h' ? 0 : 2);
		}
	}
	if (argc - optind != 2 || c->count == 0) {
		usage(stderr);
		exit(2);
	}
	c->target = target_parse(argv[optind], argv[optind + 1]);
	c->records = records_open(records);
}

/* Bytes that repeat nowhere near, with the beginning once more behind the end so that every piece lies in a row. */
static char *make_pattern(void)
{
	uint64_t word = UINT64_C(0x9e3779b97f4a7c15);
	char *pattern = malloc(PATTERN_BYTES + PIECE);

	if (pattern == NULL)
		abort();
	for (size_t at = 0; at < PATTERN_BYTES; at += sizeof(word)) {
		word ^= word << 13;
		word ^= word >> 7;
		word ^= word << 17;
		memcpy(pattern + at, &word, sizeof(word));
	}
	memcpy(pattern + PATTERN_BYTES, pattern, PIECE);
	return pattern;
}

int main(int argc, char **argv)
{
	static struct client c;
	size_t at = 0;

	parse_options(&c, argc, argv);
	c.pattern = make_pattern();
	c.epoll = epoll_create1(EPOLL_CLOEXEC);
	c.sessions = calloc(c.count, sizeof(*c.sessions));
	if (c.sessions == NULL)
		abort();
	for (size_t i = 0; i < c.kind_count; i++)
		for (size_t j = 0; j < c.kinds[i].count; j++, at++)
			c.sessions[at] = (struct session){.kind = &c.kinds[i], .fd = -1, .first = at * 7919};
	run(&c);
	print_summary(&c);
	free(c.sessions);
	free(c.pattern);
	if (c.records != NULL)
		fclose(c.records);
	return 0;
}
