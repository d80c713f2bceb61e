#include "daemon/ipc/ipc_link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/ipc/ipc.h"

#define MAGIC 0x6c62646c696e6b31ull /* "lbdlink1" */

/* The same in every version. */
struct offer {
	uint64_t magic, fingerprint;
};

union rights {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int))];
};

bool ipc_link_pair(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0;
}

bool ipc_link_offer(int link, int channel)
{
	struct offer offer = {.magic = MAGIC, .fingerprint = ipc_fingerprint()};
	struct iovec iov = {.iov_base = &offer, .iov_len = sizeof(offer)};
	union rights rights;
	struct msghdr msg = {
	    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = rights.space, .msg_controllen = sizeof(rights.space)};
	struct cmsghdr *cmsg;

	memset(&rights, 0, sizeof(rights));
	cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &channel, sizeof(channel));
	return sendmsg(link, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof(offer);
}

enum ipc_link_news ipc_link_receive(int link, int *channel)
{
	struct offer offer = {0};
	struct iovec iov = {.iov_base = &offer, .iov_len = sizeof(offer)};
	union rights rights;
	struct msghdr msg = {
	    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = rights.space, .msg_controllen = sizeof(rights.space)};
	ssize_t n = recvmsg(link, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg;

	*channel = -1;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? IPC_LINK_NOTHING : IPC_LINK_CLOSED;
	if (n == 0)
		return IPC_LINK_CLOSED;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(channel, CMSG_DATA(cmsg), sizeof(*channel));
	if (n == (ssize_t)sizeof(offer) && offer.magic == MAGIC && offer.fingerprint == ipc_fingerprint() &&
	    *channel >= 0 && !(msg.msg_flags & MSG_TRUNC))
		return IPC_LINK_CHANNEL;
	if (*channel >= 0)
		close(*channel);
	*channel = -1;
	return IPC_LINK_FOREIGN;
}
