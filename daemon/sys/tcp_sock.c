#include "daemon/sys/tcp_sock.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a narrowed socket's queue is to hold at most, and what a widened one may hold until the kernel's tuning acts. */
#define NARROW (256 * 1024)
#define WIDE   (4 * 1024 * 1024)

int tcp_sock_accept(int listener, struct lb_endpoint *peer)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	int fd = accept4(listener, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0 && !lb_endpoint_from_sockaddr((struct sockaddr *)&sa, len, peer))
		*peer = (struct lb_endpoint){0};
	return fd;
}

bool tcp_sock_local(int fd, struct lb_endpoint *local)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	return getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
	       lb_endpoint_from_sockaddr((struct sockaddr *)&sa, len, local);
}

bool tcp_sock_remote(int fd, struct lb_endpoint *remote)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	return getpeername(fd, (struct sockaddr *)&sa, &len) == 0 &&
	       lb_endpoint_from_sockaddr((struct sockaddr *)&sa, len, remote);
}

/* The port is chosen at connect, when the server is known, so that a source address serves 64k ports per server. */
static bool bind_source(int fd, const struct lb_addr *source)
{
	struct lb_endpoint local = {.addr = *source};
	struct sockaddr_storage sa;
	socklen_t len = lb_endpoint_to_sockaddr(&local, &sa);
	int on = 1;

	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) != 0)
		return false;
	if (bind(fd, (struct sockaddr *)&sa, len) == 0)
		return true;
	/* The address has just left: the connection may still be set up when it returns in time. */
	if (errno != EADDRNOTAVAIL)
		return false;
	if (source->family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&sa, len) == 0;
}

uint32_t tcp_sock_queue_dropped(int listener)
{
	uint32_t values[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(values);

	return getsockopt(listener, SOL_SOCKET, SO_MEMINFO, values, &len) == 0 ? values[SK_MEMINFO_DROPS] : 0;
}

static int new_socket(uint8_t family)
{
	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static bool begin_connect(int fd, const struct lb_endpoint *server)
{
	struct sockaddr_storage sa;
	socklen_t len = lb_endpoint_to_sockaddr(server, &sa);

	return connect(fd, (struct sockaddr *)&sa, len) == 0 || errno == EINPROGRESS;
}

/* The kernel keeps the third packet of the handshake back: it goes out with the first data or never. */
static void hold_acknowledgement(int fd)
{
	int off = 0;

	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
}

void tcp_sock_acknowledge(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

int tcp_sock_connect(const struct lb_endpoint *server, const struct lb_addr *source)
{
	int fd = new_socket(server->addr.family), on = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	hold_acknowledgement(fd);
	if ((source == NULL || source->family != server->addr.family || bind_source(fd, source)) &&
	    begin_connect(fd, server))
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* Of a socket that connects this option says that whoever made it speaks first, which holds the acknowledgement back.
 */
int tcp_sock_knocker(uint8_t family)
{
	int fd = new_socket(family), seconds = 1;

	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
	return fd;
}

bool tcp_sock_knock(int fd, const struct lb_endpoint *server)
{
	return begin_connect(fd, server);
}

bool tcp_sock_cut(int fd)
{
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	return connect(fd, &nobody, sizeof(nobody)) == 0;
}

int tcp_sock_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

/* Whole seconds for the kernel, at least one. */
static int seconds(lb_duration d)
{
	return d < LB_SEC(1) ? 1 : (int)(d / LB_SEC(1));
}

void tcp_sock_set_options(int fd, const struct tcp_sock_options *options)
{
	int on = 1, idle = seconds(options->keepalive_idle), interval = seconds(options->keepalive_interval);
	int count = options->keepalive_count;
	unsigned user_timeout = (unsigned)(options->user_timeout / LB_MSEC(1));

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (options->keepalive_idle > 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
		if (options->keepalive_interval > 0)
			setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
		if (count > 0)
			setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	if (user_timeout > 0)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof(user_timeout));
}

uint32_t tcp_sock_narrow(int fd)
{
	int queued = 0, room = NARROW, now = 0;
	socklen_t len = sizeof(now);

	if (ioctl(fd, SIOCINQ, &queued) != 0 || queued <= 0)
		return 0;
	/* A size that was set stands: the kernel's tuning leaves it alone. The kernel tells twice what is set. */
	if (queued > NARROW && getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &now, &len) == 0 && now > 2 * room)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	return (uint32_t)queued;
}

void tcp_sock_widen(int fd)
{
	int room = WIDE, unlocked = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &unlocked, sizeof(unlocked));
}

bool tcp_sock_deafen(int fd)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {.len = 1, .filter = &nothing};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;
}

void tcp_sock_hear(int fd)
{
	int unused = 0;

	setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));
}

void tcp_sock_reset(int fd)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}
