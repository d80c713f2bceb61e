#include "daemon/sys/vrrp_sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/clock.h"

/* RFC 9568 wants network control; the queue discipline of the host then sends adverts before data. */
#define TOS_NETWORK_CONTROL 0xc0
#define PRIORITY_CONTROL    7

/* A node that stood still must not lose the adverts of that time (faults.md R4). */
#define RECEIVE_BUFFER (256 * 1024)

static int on_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static bool set_ipv4(int fd)
{
	return on_int(fd, IPPROTO_IP, IP_TTL, VRRP_TTL) == 0 &&
	       on_int(fd, IPPROTO_IP, IP_MULTICAST_TTL, VRRP_TTL) == 0 &&
	       on_int(fd, IPPROTO_IP, IP_TOS, TOS_NETWORK_CONTROL) == 0 &&
	       on_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT) == 0 &&
	       on_int(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0) == 0 && on_int(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) == 0;
}

static bool set_ipv6(int fd)
{
	return on_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, VRRP_TTL) == 0 &&
	       on_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, VRRP_TTL) == 0 &&
	       on_int(fd, IPPROTO_IPV6, IPV6_TCLASS, TOS_NETWORK_CONTROL) == 0 &&
	       on_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0) == 0 &&
	       on_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) == 0 &&
	       on_int(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) == 0;
}

static bool set_common(int fd)
{
	/* Beyond the limit of the host with CAP_NET_ADMIN, else as much as allowed. */
	if (on_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER) != 0)
		on_int(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
	return on_int(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1) == 0 &&
	       on_int(fd, SOL_SOCKET, SO_PRIORITY, PRIORITY_CONTROL) == 0;
}

int vrrp_sock_open(const struct lb_addr *own, bool multicast, struct lb_err *err)
{
	struct lb_endpoint local = {.addr = *own};
	struct sockaddr_storage sa;
	int fd = socket(own->family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, VRRP_IP_PROTOCOL);

	if (fd < 0) {
		lb_err_errno(err, errno, "cannot open the VRRP socket; it needs CAP_NET_RAW");
		return -1;
	}
	if (!set_common(fd) || !(own->family == AF_INET ? set_ipv4(fd) : set_ipv6(fd))) {
		lb_err_errno(err, errno, "cannot prepare the VRRP socket");
		goto close_socket;
	}
	/* A bound socket receives what is sent to this address alone, so a multicast one stays unbound. */
	if (!multicast && bind(fd, (struct sockaddr *)&sa, lb_endpoint_to_sockaddr(&local, &sa)) != 0) {
		lb_err_errno(err, errno, "cannot bind the VRRP socket to this node's address");
		goto close_socket;
	}
	return fd;

close_socket:
	close(fd);
	return -1;
}

struct lb_addr vrrp_sock_group(uint8_t family)
{
	if (family == AF_INET6)
		return (struct lb_addr){
		    .family = AF_INET6, .bytes = {0xff, 0x02, [15] = 0x12}
		  };
	return (struct lb_addr){
	    .family = AF_INET, .bytes = {224, 0, 0, 18}
	       };
}

static int join_ipv4(int fd, const struct lb_addr *own, unsigned ifindex)
{
	struct lb_addr group = vrrp_sock_group(AF_INET);
	struct ip_mreqn request = {.imr_ifindex = (int)ifindex};

	memcpy(&request.imr_multiaddr, group.bytes, 4);
	memcpy(&request.imr_address, own->bytes, 4);
	if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)) != 0 && errno != EADDRINUSE)
		return -errno;
	return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof(request)) == 0 ? 0 : -errno;
}

static int join_ipv6(int fd, unsigned ifindex)
{
	struct lb_addr group = vrrp_sock_group(AF_INET6);
	struct ipv6_mreq request = {.ipv6mr_interface = ifindex};

	memcpy(&request.ipv6mr_multiaddr, group.bytes, 16);
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &request, sizeof(request)) != 0 && errno != EADDRINUSE)
		return -errno;
	return on_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)ifindex) == 0 ? 0 : -errno;
}

int vrrp_sock_join(int fd, const struct lb_addr *own, unsigned ifindex)
{
	return own->family == AF_INET6 ? join_ipv6(fd, ifindex) : join_ipv4(fd, own, ifindex);
}

/* An unbound IPv6 socket would take a link-local source; the nodes know each other by their configured addresses. */
static void put_source(struct msghdr *msg, const struct lb_addr *source)
{
	struct in6_pktinfo info = {0};
	struct cmsghdr *c;

	memcpy(&info.ipi6_addr, source->bytes, 16);
	msg->msg_controllen = CMSG_SPACE(sizeof(info));
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
}

int vrrp_sock_send(int fd, const struct lb_addr *source, const struct lb_addr *destination, const uint8_t *bytes,
		   size_t len)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct cmsghdr align;
	} control = {0};
	struct lb_endpoint to = {.addr = *destination};
	struct sockaddr_storage sa;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
	struct msghdr msg = {
	    .msg_name = &sa,
	    .msg_namelen = lb_endpoint_to_sockaddr(&to, &sa),
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	};
	ssize_t sent;

	if (source->family == AF_INET6)
		put_source(&msg, source);
	sent = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent < 0 ? -errno : (size_t)sent == len ? 0 : -EMSGSIZE;
}

/* What came beside the bytes: receive time, and for IPv6 destination and hop limit. */
static void read_control(struct msghdr *msg, struct vrrp_received *out)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec ts;
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			out->at = clock_from_realtime((int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			out->datagram.destination.family = AF_INET6;
			memcpy(out->datagram.destination.bytes, CMSG_DATA(c), 16);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT) {
			memcpy(&out->datagram.ttl, CMSG_DATA(c), sizeof(int));
		}
	}
}

int vrrp_sock_receive(int fd, uint8_t family, struct vrrp_received *out)
{
	union {
		char bytes[256];
		struct cmsghdr align;
	} control;
	struct sockaddr_storage from;
	struct iovec iov = {.iov_base = out->buf, .iov_len = sizeof(out->buf)};
	struct msghdr msg = {
	    .msg_name = &from,
	    .msg_namelen = sizeof(from),
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes),
	};
	struct lb_endpoint source;
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	out->at = clock_now();
	out->datagram = (struct vrrp_datagram){.family = family, .bytes = out->buf, .len = (size_t)n, .ttl = -1};
	if (lb_endpoint_from_sockaddr((struct sockaddr *)&from, msg.msg_namelen, &source))
		out->datagram.source = source.addr;
	read_control(&msg, out);
	return 1;
}
