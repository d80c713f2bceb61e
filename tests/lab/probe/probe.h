/*
 * What the measuring programs share: clocks, the address to measure, names for what went wrong, and reading one HTTP
 * answer. They include nothing of lbd, so that a fault in lbd cannot hide in the ruler.
 */
#ifndef LAB_PROBE_H
#define LAB_PROBE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC  INT64_C(1000000000)
#define NSEC_PER_MSEC INT64_C(1000000)

/* How a connection ended. Everything but OUTCOME_OK is a failure. */
enum outcome {
	OUTCOME_OK,
	OUTCOME_REFUSED,
	OUTCOME_RESET,
	OUTCOME_TIMEOUT,
	OUTCOME_EOF,
	OUTCOME_UNREACHABLE,
	OUTCOME_ANSWER, /* an answer, but not the expected one */
	OUTCOME_OTHER,
	OUTCOMES
};

static const char *const outcome_names[OUTCOMES] = {"ok",  "refused",	  "reset",  "timeout",
						    "eof", "unreachable", "answer", "other"};

static inline enum outcome outcome_of_errno(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return OUTCOME_REFUSED;
	case ECONNRESET:
	case EPIPE:
		return OUTCOME_RESET;
	case ETIMEDOUT:
		return OUTCOME_TIMEOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
		return OUTCOME_UNREACHABLE;
	default:
		return OUTCOME_OTHER;
	}
}

static inline int64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static inline double seconds(int64_t ns)
{
	return (double)ns / 1e9;
}

static inline double milliseconds(int64_t ns)
{
	return (double)ns / 1e6;
}

/* A descriptor that becomes readable every interval_ns, or exits the program. */
static inline int ticker(int64_t interval_ns)
{
	struct itimerspec spec = {.it_value.tv_nsec = 1};
	spec.it_interval.tv_sec = interval_ns / NSEC_PER_SEC;
	spec.it_interval.tv_nsec = interval_ns % NSEC_PER_SEC;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (fd < 0 || timerfd_settime(fd, 0, &spec, NULL) < 0) {
		perror("timerfd");
		exit(1);
	}
	return fd;
}

/* A descriptor that becomes readable on SIGTERM or SIGINT; also lifts the limit on descriptors as far as allowed. */
static inline int end_signal(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0) {
		perror("signalfd");
		exit(1);
	}
	return fd;
}

/* True once the signal that end_signal() waits for has come; call when its descriptor is readable. */
static inline bool end_signal_taken(int fd)
{
	struct signalfd_siginfo info;
	return read(fd, &info, sizeof(info)) == sizeof(info);
}

/* A numeric option above zero, or exits with usage status 2. */
static inline double positive(const char *text)
{
	char *end;
	double value = strtod(text, &end);
	if (*text == '\0' || *end != '\0' || !(value > 0) || value > 1e9) {
		fprintf(stderr, "not a positive number: %s\n", text);
		exit(2);
	}
	return value;
}

/* The file for records, one line each and written at once so that it can be followed; NULL gives no file. */
static inline FILE *records_open(const char *path)
{
	if (path == NULL)
		return NULL;
	FILE *file = fopen(path, "we");
	if (file == NULL) {
		perror(path);
		exit(1);
	}
	setvbuf(file, NULL, _IOLBF, 4096);
	return file;
}

struct target {
	struct sockaddr_storage address;
	socklen_t length;
};

/* Reads a numeric address and port, or exits with usage status 2. */
static inline struct target target_parse(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int error = getaddrinfo(host, port, &hints, &found);
	if (error != 0) {
		fprintf(stderr, "%s port %s: %s\n", host, port, gai_strerror(error));
		exit(2);
	}
	struct target target = {.length = found->ai_addrlen};
	memcpy(&target.address, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return target;
}

/* One HTTP answer while it arrives: the first bytes are kept, the rest is counted. All zero is "nothing yet". */
struct answer {
	char text[1024];
	size_t kept;
	size_t got;  /* bytes of this answer so far */
	size_t need; /* bytes of the whole answer, 0 while the head is incomplete */
	size_t head; /* where the body begins */
};

enum answer_state { ANSWER_PARTIAL, ANSWER_COMPLETE, ANSWER_BAD };

/* Finds the end of the head and the length of the body; false for an answer that is not status 200 with a length. */
static inline bool answer_read_head(struct answer *answer)
{
	const char *end = memmem(answer->text, answer->kept, "\r\n\r\n", 4);
	if (end == NULL)
		return answer->kept < sizeof(answer->text) - 1;
	answer->head = (size_t)(end - answer->text) + 4;
	answer->text[answer->kept] = '\0';
	const char *length = strcasestr(answer->text, "\r\ncontent-length:");
	if (strncmp(answer->text, "HTTP/1.1 200", 12) != 0 || length == NULL)
		return false;
	answer->need = answer->head + strtoul(length + 17, NULL, 10);
	return true;
}

/* Takes the next bytes of an answer. */
static inline enum answer_state answer_feed(struct answer *answer, const char *bytes, size_t count)
{
	size_t room = sizeof(answer->text) - 1 - answer->kept;
	size_t keep = count < room ? count : room;
	memcpy(answer->text + answer->kept, bytes, keep);
	answer->kept += keep;
	answer->got += count;
	if (answer->need == 0 && !answer_read_head(answer))
		return ANSWER_BAD;
	return answer->need != 0 && answer->got >= answer->need ? ANSWER_COMPLETE : ANSWER_PARTIAL;
}

/* Copies the first word of the body, which in the lab is the name of the server; "-" where there is none. */
static inline void answer_server(const struct answer *answer, char name[static 32])
{
	size_t length = 0;
	for (size_t at = answer->head; at > 0 && at < answer->kept && length < 31; at++) {
		char byte = answer->text[at];
		if (byte <= ' ' || byte == '"' || byte == '\\' || byte > '~')
			break;
		name[length++] = byte;
	}
	if (length == 0)
		name[length++] = '-';
	name[length] = '\0';
}

#endif
