#include <errno.h>
#include <sys/socket.h>

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

/*
 * HAProxy's PROXY protocol, sections 2.1 and 2.2: a health check speaks for no client, which v1 says with UNKNOWN and
 * v2 with the LOCAL command (version 2, command 0, unspecified family, no addresses).
 */
enum probe_step probe_stream_proxy_header(struct probe *p)
{
	static const char v1[] = "PROXY UNKNOWN\r\n";
	static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
	const char *header = p->params.send_proxy == LB_PROXY_V1 ? v1 : v2;
	size_t len = (p->params.send_proxy == LB_PROXY_V1 ? sizeof(v1) : sizeof(v2)) - 1;
	ssize_t n;

	if (p->params.send_proxy == LB_PROXY_OFF)
		return PROBE_NEXT;
	/* The first bytes of a fresh connection always fit its buffer. */
	n = send(p->fd, header, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return probe_failed(p, errno);
	return (size_t)n == len ? PROBE_NEXT : probe_failed(p, EPIPE);
}
