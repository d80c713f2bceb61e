/*
 * Many connections that do nothing: opened at once or at a rate, then held until SIGTERM; with -s each first sends a
 * text and reads nothing of the answer. Each record is "seconds open ended": how many are open and how many have ended,
 * whenever either changed by a hundredth; the summary counts the ways they ended.
 *
 *     crowd [-o RECORDS] -n COUNT [-r PER_SECOND] [-s TEXT] ADDRESS PORT
 */
#include <getopt.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include "probe.h"

struct member {
	int fd;
	bool open;
};

struct crowd {
	struct member *members;
	int count, started, open, ended;
	int by_outcome[OUTCOMES];
	const char *text;
	struct target target;
	int epoll;
	FILE *records;
	int told_open, told_ended;
};

static void tell(struct crowd *c, bool at_once)
{
	int step = c->count / 100 + 1;

	if (c->records == NULL)
		return;
	if (!at_once && abs(c->open - c->told_open) < step && abs(c->ended - c->told_ended) < step)
		return;
	c->told_open = c->open;
	c->told_ended = c->ended;
	fprintf(c->records, "%.6f %d %d\n", seconds(clock_ns(CLOCK_MONOTONIC)), c->open, c->ended);
}

static void end(struct crowd *c, struct member *m, enum outcome how)
{
	if (m->open)
		c->open--;
	m->open = false;
	c->ended++;
	c->by_outcome[how]++;
	close(m->fd);
	m->fd = -1;
	tell(c, c->ended == c->count);
}

static void begin(struct crowd *c)
{
	int number = c->started++;
	struct member *m = &c->members[number];
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = (uint32_t)number};

	m->fd = socket(c->target.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (m->fd < 0) {
		perror("socket");
		exit(1);
	}
	if (connect(m->fd, (struct sockaddr *)&c->target.address, c->target.length) < 0 && errno != EINPROGRESS) {
		end(c, m, outcome_of_errno(errno));
		return;
	}
	epoll_ctl(c->epoll, EPOLL_CTL_ADD, m->fd, &event);
}

static void on_event(struct crowd *c, struct member *m, uint32_t events)
{
	char bytes[4096];
	ssize_t n = 1;

	if (m->fd < 0)
		return;
	if (!m->open && (events & EPOLLOUT) != 0 && (events & (EPOLLERR | EPOLLHUP)) == 0) {
		m->open = true;
		c->open++;
		if (c->text != NULL && send(m->fd, c->text, strlen(c->text), MSG_NOSIGNAL) < 0)
			perror("send");
		tell(c, c->open + c->ended == c->count);
	}
	if (c->text != NULL && (events & (EPOLLERR | EPOLLHUP)) == 0)
		return;
	while ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 && (n = recv(m->fd, bytes, sizeof(bytes), 0)) > 0)
		;
	if (n == 0)
		end(c, m, OUTCOME_EOF);
	else if (n < 0 && errno != EAGAIN)
		end(c, m, outcome_of_errno(errno));
}

/* How many should have been started by now. */
static int due(const struct crowd *c, int64_t began, double rate)
{
	double wanted = rate > 0 ? seconds(clock_ns(CLOCK_MONOTONIC) - began) * rate : (double)c->count;

	return wanted < (double)c->count ? (int)wanted : c->count;
}

static void run(struct crowd *c, double rate)
{
	int signals = end_signal(), tick = ticker(5 * NSEC_PER_MSEC);
	int64_t began = clock_ns(CLOCK_MONOTONIC);
	uint32_t other = (uint32_t)c->count;
	struct epoll_event events[256];
	uint64_t ticks;

	epoll_ctl(c->epoll, EPOLL_CTL_ADD, signals, &(struct epoll_event){.events = EPOLLIN, .data.u32 = other});
	epoll_ctl(c->epoll, EPOLL_CTL_ADD, tick, &(struct epoll_event){.events = EPOLLIN, .data.u32 = other + 1});
	for (;;) {
		int n = epoll_wait(c->epoll, events, 256, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.u32 == other && end_signal_taken(signals))
				return;
			if (events[i].data.u32 == other + 1 && read(tick, &ticks, sizeof(ticks)) > 0)
				while (c->started < due(c, began, rate))
					begin(c);
			else if (events[i].data.u32 < other)
				on_event(c, &c->members[events[i].data.u32], events[i].events);
		}
	}
}

int main(int argc, char **argv)
{
	struct crowd c = {.epoll = epoll_create1(EPOLL_CLOEXEC)};
	const char *records = NULL;
	double rate = 0;
	int option;

	while ((option = getopt(argc, argv, "o:n:r:s:")) != -1) {
		switch (option) {
		case 'o':
			records = optarg;
			break;
		case 'n':
			c.count = (int)positive(optarg);
			break;
		case 'r':
			rate = positive(optarg);
			break;
		case 's':
			c.text = optarg;
			break;
		default:
			argc = 0;
		}
	}
	if (argc - optind != 2 || c.count == 0) {
		fputs("usage: crowd [-o RECORDS] -n COUNT [-r PER_SECOND] [-s TEXT] ADDRESS PORT\n", stderr);
		return 2;
	}
	c.target = target_parse(argv[optind], argv[optind + 1]);
	c.members = calloc((size_t)c.count, sizeof(*c.members));
	c.records = records_open(records);
	if (c.members == NULL || c.epoll < 0)
		return 1;
	tell(&c, true);
	run(&c, rate);
	tell(&c, true);
	printf("{\"started\": %d, \"open\": %d, \"ended\": {", c.started, c.open);
	for (int i = 0; i < OUTCOMES; i++)
		printf("%s\"%s\": %d", i == 0 ? "" : ", ", outcome_names[i], c.by_outcome[i]);
	puts("}}");
	free(c.members);
	return 0;
}
