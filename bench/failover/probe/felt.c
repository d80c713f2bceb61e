/* The sockets of the client. */
#include "felt.h"

#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

const char *felt_outcome(enum outcome outcome)
{
	static const char *const names[] = {
	    [OUTCOME_OK] = "ok",	   [OUTCOME_REFUSED] = "refused", [OUTCOME_RESET] = "reset",
	    [OUTCOME_TIMEOUT] = "timeout", [OUTCOME_EOF] = "eof",	  [OUTCOME_UNREACHABLE] = "unreachable",
	    [OUTCOME_WRONG] = "wrong",	   [OUTCOME_OTHER] = "other",
	};
	return names[outcome];
}

enum outcome felt_outcome_of(int error)
{
	switch (error) {
	case 0:
		return OUTCOME_OK;
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

int felt_connect(struct felt *felt, struct watch *watch)
{
	watch->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (watch->fd < 0)
		return errno;
	setsockopt(watch->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (connect(watch->fd, (const struct sockaddr *)&felt->target, sizeof(felt->target)) < 0 &&
	    errno != EINPROGRESS)
		return errno;
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = watch};
	return epoll_ctl(felt->epoll, EPOLL_CTL_ADD, watch->fd, &event) < 0 ? errno : 0;
}

int felt_connected(struct felt *felt, struct watch *watch)
{
	int error = 0;
	getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
	if (error != 0)
		return error;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};
	return epoll_ctl(felt->epoll, EPOLL_CTL_MOD, watch->fd, &event) < 0 ? errno : 0;
}

int felt_say(const struct watch *watch, const char *line)
{
	size_t length = strlen(line);
	ssize_t sent = send(watch->fd, line, length, MSG_NOSIGNAL);
	if (sent < 0)
		return errno;
	return (size_t)sent == length ? 0 : EMSGSIZE;
}

void felt_close(struct watch *watch)
{
	if (watch->fd >= 0)
		close(watch->fd);
	watch->fd = -1;
}
