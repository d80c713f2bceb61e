#include "daemon/sys/raw_sock.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Room for what a batch or two weigh while a neighbour is being asked for. */
#define SEND_BUFFER (1024 * 1024)

int raw_sock_open(uint8_t family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW), size = SEND_BUFFER;

	/* A wish. */
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return fd;
}

size_t raw_sock_send(int fd, const struct raw_sock_packet *packets, size_t count)
{
	struct mmsghdr messages[RAW_SOCK_BATCH];
	struct iovec parts[RAW_SOCK_BATCH];
	struct sockaddr_storage to[RAW_SOCK_BATCH];
	size_t at = 0, sent = 0;

	if (count > RAW_SOCK_BATCH)
		count = RAW_SOCK_BATCH;
	memset(messages, 0, sizeof(messages));
	for (size_t i = 0; i < count; i++) {
		struct lb_endpoint host = {.addr = packets[i].to};

		parts[i] = (struct iovec){.iov_base = (void *)(uintptr_t)packets[i].bytes, .iov_len = packets[i].len};
		messages[i].msg_hdr.msg_name = &to[i];
		messages[i].msg_hdr.msg_namelen = lb_endpoint_to_sockaddr(&host, &to[i]);
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (at < count) {
		int n = sendmmsg(fd, messages + at, (unsigned)(count - at), MSG_DONTWAIT | MSG_NOSIGNAL);

		/* The first of them cannot be sent. */
		sent += n > 0 ? (size_t)n : 0;
		at += n > 0 ? (size_t)n : 1;
	}
	return sent;
}
