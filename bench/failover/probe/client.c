/*
 * What a client of the VIP feels, in one program and one loop: new connections in two ways, busy and idle sessions, a
 * download. Says `ready` and the server of the download once everything works, measures until SIGTERM or SIGINT, waits
 * a moment for what is under way, and leaves its records in a file. Times are CLOCK_MONOTONIC seconds.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "connects.h"
#include "download.h"
#include "sessions.h"

#define READY_WITHIN (10 * SEC)
#define SESSION_GAP  (20 * MSEC)

struct options {
	double interval_ms; /* between new connections of either kind */
	double retry_ms;
	double patience_ms;
	double grace_ms; /* for what is under way at the end */
	size_t sessions; /* busy ones, and as many idle ones */
	const char *records;
};

struct client {
	struct felt felt;
	struct options options;
	struct connects *plain, *retrying;
	struct sessions *busy, *idle;
	struct download *download;
	bool ready;
};

static void usage(void)
{
	fputs("usage: client [-i MS] [-r MS] [-p MS] [-g MS] [-n COUNT] -o RECORDS ADDRESS PORT\n"
	      "  -i  a new connection of either kind each MS milliseconds (5)\n"
	      "  -r  the kind that retries gives an attempt MS milliseconds (50)\n"
	      "  -p  a connection has failed after MS milliseconds (5000)\n"
	      "  -g  at the end wait MS milliseconds for what is under way (1100)\n"
	      "  -n  COUNT busy and COUNT idle sessions (200)\n"
	      "RECORDS gets, in seconds of CLOCK_MONOTONIC:\n"
	      "  connect k|r STARTED CONNECTED|0 ENDED OUTCOME RETRIES SERVER\n"
	      "  busy|idle lost|alive|unaware WHEN HOW ANSWERS STALL STALL_START\n"
	      "  stream BYTES BREAKS STALL STALL_START\n",
	      stderr);
	exit(2);
}

static double positive(const char *text)
{
	char *end;
	double value = strtod(text, &end);
	if (end == text || *end != '\0' || !(value > 0 && value < 1e7))
		usage();
	return value;
}

static struct options parse(int argc, char **argv, struct sockaddr_in *target)
{
	struct options options = {
	    .interval_ms = 5, .retry_ms = 50, .patience_ms = 5000, .grace_ms = 1100, .sessions = 200};
	for (int option; (option = getopt(argc, argv, "i:r:p:g:n:o:")) != -1;) {
		switch (option) {
		case 'i':
			options.interval_ms = positive(optarg);
			break;
		case 'r':
			options.retry_ms = positive(optarg);
			break;
		case 'p':
			options.patience_ms = positive(optarg);
			break;
		case 'g':
			options.grace_ms = positive(optarg);
			break;
		case 'n':
			options.sessions = (size_t)positive(optarg);
			break;
		case 'o':
			options.records = optarg;
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 2 || options.records == NULL || inet_pton(AF_INET, argv[optind], &target->sin_addr) != 1)
		usage();
	target->sin_family = AF_INET;
	target->sin_port = htons((uint16_t)positive(argv[optind + 1]));
	return options;
}

/* A descriptor that tells of SIGTERM and SIGINT. */
static int end_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int millisecond_ticks(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct itimerspec each = {.it_interval.tv_nsec = MSEC, .it_value.tv_nsec = MSEC};
	if (fd < 0 || timerfd_settime(fd, 0, &each, NULL) < 0) {
		perror("timerfd");
		exit(1);
	}
	return fd;
}

static int64_t ns(double milliseconds)
{
	return (int64_t)(milliseconds * (double)MSEC);
}

static void start(struct client *client)
{
	struct connects_params params = {
	    .letter = 'k', .interval = ns(client->options.interval_ms), .patience = ns(client->options.patience_ms)};
	client->plain = connects_new(&client->felt, &params);
	params.letter = 'r';
	params.try_for = ns(client->options.retry_ms);
	client->retrying = connects_new(&client->felt, &params);
	client->busy = sessions_new(&client->felt, client->options.sessions, SESSION_GAP);
	client->idle = sessions_new(&client->felt, client->options.sessions, 0);
	client->download = download_new(&client->felt);
}

/* Says `ready` once, where everything works; gives up where that takes too long. */
static void judge_readiness(struct client *client, int64_t waited)
{
	if (client->ready)
		return;
	client->ready = connects_ready(client->plain) && connects_ready(client->retrying) &&
			sessions_ready(client->busy) && sessions_ready(client->idle) &&
			download_ready(client->download);
	if (client->ready) {
		printf("ready %s\n", download_server(client->download));
		fflush(stdout);
	} else if (waited > READY_WITHIN) {
		fputs("client: not everything works within 10 s\n", stderr);
		exit(1);
	}
}

static void tick(struct client *client)
{
	int64_t now = now_ns();
	connects_tick(client->plain, now);
	connects_tick(client->retrying, now);
	sessions_tick(client->busy, now);
	sessions_tick(client->idle, now);
	download_tick(client->download, now);
}

static bool quiet(const struct client *client)
{
	return connects_idle(client->plain) && connects_idle(client->retrying) && sessions_idle(client->busy) &&
	       sessions_idle(client->idle);
}

static void run(struct client *client)
{
	struct watch ticks = {.fd = millisecond_ticks()}, end = {.fd = end_signals()};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &ticks};
	epoll_ctl(client->felt.epoll, EPOLL_CTL_ADD, ticks.fd, &event);
	event.data.ptr = &end;
	epoll_ctl(client->felt.epoll, EPOLL_CTL_ADD, end.fd, &event);
	int64_t began = now_ns();
	int64_t *ended = &client->felt.ended;
	start(client);
	bool asked = false;
	while (*ended == 0 || !asked || (!quiet(client) && now_ns() - *ended < ns(client->options.grace_ms))) {
		struct epoll_event ready[1]; /* one at a time: an event may end another connection than its own */
		if (epoll_wait(client->felt.epoll, ready, 1, 1000) != 1)
			continue;
		struct watch *watch = ready[0].data.ptr;
		uint64_t count;
		if (watch == &ticks && read(ticks.fd, &count, sizeof(count)) > 0) {
			asked = *ended != 0;
			tick(client);
			judge_readiness(client, now_ns() - began);
		} else if (watch == &end) {
			struct signalfd_siginfo info;
			if (read(end.fd, &info, sizeof(info)) > 0 && *ended == 0)
				*ended = now_ns();
		} else if (watch != &ticks) {
			watch->on_event(watch, ready[0].events);
		}
	}
	close(ticks.fd);
	close(end.fd);
}

int main(int argc, char **argv)
{
	struct client client = {0};
	client.options = parse(argc, argv, &client.felt.target);
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	client.felt.records = fopen(client.options.records, "we");
	client.felt.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (client.felt.records == NULL || client.felt.epoll < 0) {
		perror(client.options.records);
		return 1;
	}
	run(&client);
	connects_free(client.plain);
	connects_free(client.retrying);
	sessions_free(client.busy);
	sessions_free(client.idle);
	download_free(client.download);
	fprintf(client.felt.records, "ended %.6f\n", in_seconds(client.felt.ended));
	return fclose(client.felt.records) == 0 ? 0 : 1;
}
