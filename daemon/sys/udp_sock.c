#include "daemon/sys/udp_sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/clock.h"

#define TOS_NETWORK_CONTROL 0xc0
#define PRIORITY_CONTROL    7

/* As much as for adverts: what came while this process could not run is read, not lost. */
#define RECEIVE_BUFFER (256 * 1024)

static void mark_control(int fd, uint8_t family)
{
	int tos = TOS_NETWORK_CONTROL, priority = PRIORITY_CONTROL, on = 1, buffer = RECEIVE_BUFFER;

	/* Wishes: the link works without. */
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	else
		setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority));
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	/* The address may come and go with its interface. */
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
}

int udp_sock_open(const struct lb_endpoint *local, struct lb_err *err)
{
	struct sockaddr_storage sa;
	socklen_t len = lb_endpoint_to_sockaddr(local, &sa);
	char text[LB_ENDPOINT_TEXT];
	int fd = socket(local->addr.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0) {
		lb_err_errno(err, errno, "cannot open the peer link");
		return -1;
	}
	mark_control(fd, local->addr.family);
	if (bind(fd, (struct sockaddr *)&sa, len) != 0) {
		lb_err_errno(err, errno, "cannot bind the peer link to UDP %s", lb_endpoint_text(local, text));
		close(fd);
		return -1;
	}
	return fd;
}

int udp_sock_send(int fd, const struct lb_endpoint *to, const void *data, size_t len)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = lb_endpoint_to_sockaddr(to, &sa);

	return sendto(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&sa, sa_len) < 0 ? -errno : 0;
}

/* Now, where the kernel gave no stamp. */
static lb_time receive_time(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct timespec ts;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		return clock_from_realtime((int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
	}
	return clock_now();
}

int udp_sock_receive(int fd, void *data, size_t cap, struct lb_endpoint *from, lb_time *at)
{
	union {
		char bytes[64];
		struct cmsghdr align;
	} control;
	struct sockaddr_storage sa;
	struct iovec iov = {.iov_base = data, .iov_len = cap};
	struct msghdr msg = {
	    .msg_name = &sa,
	    .msg_namelen = sizeof(sa),
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	*at = receive_time(&msg);
	if (!lb_endpoint_from_sockaddr((struct sockaddr *)&sa, msg.msg_namelen, from))
		return -EAFNOSUPPORT;
	/* An empty datagram is none of the link's, but not the end of the queue either. */
	return n > 0 ? (int)n : -EBADMSG;
}
