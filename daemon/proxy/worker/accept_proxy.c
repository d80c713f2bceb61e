#include "daemon/proxy/worker/accept_proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <lb/proxy_header.h>

#include "daemon/proxy/worker/session.h"

/* A proxy sends its header at once; who has not after this time is not one. */
#define WAIT LB_SEC(5)

/* The socket counts as readable only from so many bytes on, so that an unfinished header does not wake again and again.
 */
static void wake_at(int fd, int bytes)
{
	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

/* The whole header is there: take it away, and believe it. */
static void accept_header(struct session *s, const struct proxy_header *header)
{
	int fd = s->side[FLOW_CLIENT].io.fd;

	wake_at(fd, 1);
	if (recv(fd, s->worker->scratch, header->length, 0) != (ssize_t)header->length) {
		session_end(s, FLOW_END_CLIENT_GONE);
		return;
	}
	if (!header->local) {
		s->destination = malloc(sizeof(*s->destination));
		if (s->destination == NULL) {
			session_end(s, FLOW_END_RESOURCE);
			return;
		}
		*s->destination = header->destination;
		s->client = header->client;
	}
	session_admitted(s);
}

/* Nothing new although the socket is readable: it was closed, or it failed. */
static bool has_grown(struct session *s, ssize_t seen)
{
	if (seen <= (ssize_t)s->header_seen)
		return false;
	s->header_seen = (uint16_t)seen;
	return true;
}

void accept_proxy_continue(struct session *s)
{
	int fd = s->side[FLOW_CLIENT].io.fd;
	struct proxy_header header;
	ssize_t seen = recv(fd, s->worker->scratch, PROXY_HEADER_MAX, MSG_PEEK);

	if (seen < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (!has_grown(s, seen)) {
		session_end(s, FLOW_END_CLIENT_GONE);
		return;
	}
	switch (proxy_header_decode(s->worker->scratch, (size_t)seen, &header)) {
	case PROXY_HEADER_OK:
		accept_header(s, &header);
		break;
	case PROXY_HEADER_NEED_MORE:
		wake_at(fd, (int)seen + 1);
		break;
	case PROXY_HEADER_BAD:
		session_end(s, FLOW_END_BAD_PROXY_HEADER);
		break;
	}
}

void accept_proxy_start(struct session *s)
{
	if (!poller_add(&s->worker->poller, &s->side[FLOW_CLIENT].io, POLLER_READ)) {
		session_end(s, FLOW_END_RESOURCE);
		return;
	}
	wheel_need(&s->worker->wheel, &s->timer, s->worker->now + WAIT);
	/* Mostly it came together with the last packet of the handshake. */
	accept_proxy_continue(s);
}
