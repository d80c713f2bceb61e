#include "daemon/sys/echo_sock.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/raw_sock.h"
#include "daemon/sys/udp_sock.h"

#define RECEIVE_BUFFER (64 * 1024)

/* Of all ICMP that this host receives only replies with our identifier come up; the rest costs the kernel four steps.
 */
static bool filter(int fd)
{
	struct sock_filter program[] = {
	    BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
	    BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_ECHOREPLY, 0, 3),
	    BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ECHO_PACKET_ID, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, UINT16_MAX),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog whole = {.len = sizeof(program) / sizeof(program[0]), .filter = program};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &whole, sizeof(whole)) == 0;
}

static int open_in(void)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP), on = 1, size = RECEIVE_BUFFER;

	if (fd < 0)
		return -1;
	/* Wishes. */
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (filter(fd))
		return fd;
	close(fd);
	return -1;
}

bool echo_sock_open(struct echo_sock *s)
{
	s->out = raw_sock_open(AF_INET);
	s->in = s->out >= 0 ? open_in() : -1;
	if (s->in >= 0)
		return true;
	echo_sock_close(s);
	return false;
}

void echo_sock_close(struct echo_sock *s)
{
	int saved = errno;

	if (s->out >= 0)
		close(s->out);
	if (s->in >= 0)
		close(s->in);
	s->out = s->in = -1;
	errno = saved;
}

int echo_sock_bind(const struct echo_sock *s, unsigned ifindex)
{
	int to = (int)ifindex;

	if (setsockopt(s->out, SOL_SOCKET, SO_BINDTOIFINDEX, &to, sizeof(to)) != 0 ||
	    setsockopt(s->in, SOL_SOCKET, SO_BINDTOIFINDEX, &to, sizeof(to)) != 0)
		return -errno;
	return 0;
}

int echo_sock_send(const struct echo_sock *s, const struct lb_addr *by, const uint8_t *packet, size_t len)
{
	struct lb_endpoint to = {.addr = *by};

	return udp_sock_send(s->out, &to, packet, len);
}

int echo_sock_receive(const struct echo_sock *s, uint8_t packet[ECHO_PACKET_MAX], lb_time *at)
{
	struct lb_endpoint from;

	return udp_sock_receive(s->in, packet, ECHO_PACKET_MAX, &from, at);
}
