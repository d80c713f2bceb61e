#include <errno.h>
#include <sys/socket.h>

#include <lb/proxy_header.h>

#include "daemon/proxy/control/probe_step.h"

static bool would_block(int errnum)
{
	return errnum == EAGAIN || errnum == EWOULDBLOCK || errnum == EINTR;
}

enum probe_step probe_stream_receive(struct probe *p, void *buf, size_t cap, size_t *len)
{
	ssize_t n;

	if (p->ssl) {
		int rc = SSL_read(p->ssl, buf, (int)cap);

		*len = rc > 0 ? (size_t)rc : 0;
		if (rc > 0 || SSL_get_error(p->ssl, rc) == SSL_ERROR_ZERO_RETURN)
			return PROBE_NEXT;
		return probe_tls_failed(p, rc);
	}
	n = recv(p->fd, buf, cap, MSG_DONTWAIT);
	*len = n > 0 ? (size_t)n : 0;
	if (n >= 0)
		return PROBE_NEXT;
	return would_block(errno) ? PROBE_READ : probe_failed(p, errno);
}

enum probe_step probe_stream_send(struct probe *p)
{
	while (p->request_sent < p->request_len) {
		const char *from = p->request + p->request_sent;
		size_t left = p->request_len - p->request_sent;
		ssize_t n;

		if (p->ssl) {
			n = SSL_write(p->ssl, from, (int)left);
			if (n <= 0)
				return probe_tls_failed(p, (int)n);
		} else {
			n = send(p->fd, from, left, MSG_DONTWAIT | MSG_NOSIGNAL);
			if (n < 0)
				return would_block(errno) ? PROBE_WRITE : probe_failed(p, errno);
		}
		p->request_sent += (size_t)n;
	}
	return PROBE_NEXT;
}

enum probe_step probe_stream_await(struct probe *p)
{
	if (p->awaited)
		return PROBE_NEXT;
	p->awaited = true;
	return PROBE_READ;
}

/* A check speaks for no client: HAProxy's PROXY protocol, section 2, has UNKNOWN and LOCAL for that. */
enum probe_step probe_stream_proxy_header(struct probe *p)
{
	uint8_t header[PROXY_HEADER_ENCODED_MAX];
	size_t len = proxy_header_encode(p->params.send_proxy, NULL, NULL, header, sizeof(header));
	ssize_t n;

	if (len == 0)
		return PROBE_NEXT;
	/* The first bytes of a fresh connection always fit its buffer. */
	n = send(p->fd, header, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return probe_failed(p, errno);
	return (size_t)n == len ? PROBE_NEXT : probe_failed(p, EPIPE);
}
