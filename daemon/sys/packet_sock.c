#include "daemon/sys/packet_sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lb/bytes.h>

/* Offsets in the frame. */
#define ARP_SENDER	    28
#define IPV6_NEXT_HEADER    20
#define ICMPV6_TYPE	    54
#define ND_TARGET_LAST_WORD 74

#define ND_ADVERTISEMENT 136
#define FILTER_MAX	 128

int packet_sock_open(struct lb_err *err)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		lb_err_errno(err, errno, "cannot open a packet socket; it needs CAP_NET_RAW");
	return fd;
}

int packet_sock_send(int fd, unsigned ifindex, const uint8_t *frame, size_t len)
{
	struct sockaddr_ll to = {
	    .sll_family = AF_PACKET,
	    .sll_ifindex = (int)ifindex,
	    .sll_halen = ETH_ALEN,
	};

	memcpy(to.sll_addr, frame, ETH_ALEN);
	to.sll_protocol = (uint16_t)(frame[12] | frame[13] << 8);
	return sendto(fd, frame, len, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

static uint16_t protocol_of(uint8_t family)
{
	return htons(family == AF_INET6 ? ETH_P_IPV6 : ETH_P_ARP);
}

/* Load one word and accept the frame where it is the last word of one of the addresses. */
static size_t filter_words(struct sock_filter *out, size_t n, uint32_t offset, uint8_t family,
			   const struct lb_addr *addresses, size_t count)
{
	out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
	for (size_t i = 0; i < count && n + 4 < FILTER_MAX; i++) {
		if (addresses[i].family != family)
			continue;
		uint32_t word = lb_get32(addresses[i].bytes + lb_addr_size(&addresses[i]) - 4);
		out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, word, 0, 1);
		out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT16_MAX);
	}
	out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	return n;
}

static size_t make_filter(struct sock_filter *out, uint8_t family, const struct lb_addr *addresses, size_t count)
{
	static const struct sock_filter is_advertisement[] = {
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, IPV6_NEXT_HEADER),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ICMPV6_TYPE),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ND_ADVERTISEMENT, 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	};

	if (family != AF_INET6)
		return filter_words(out, 0, ARP_SENDER, AF_INET, addresses, count);
	memcpy(out, is_advertisement, sizeof(is_advertisement));
	return filter_words(out, sizeof(is_advertisement) / sizeof(is_advertisement[0]), ND_TARGET_LAST_WORD, AF_INET6,
			    addresses, count);
}

int packet_sock_watch(uint8_t family, const struct lb_addr *addresses, size_t count, struct lb_err *err)
{
	struct sock_filter filter[FILTER_MAX];
	struct sock_fprog program = {
	    .len = (unsigned short)make_filter(filter, family, addresses, count),
	    .filter = filter,
	};
	int fd = packet_sock_open(err);

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0) {
		lb_err_errno(err, errno, "cannot filter a packet socket");
		close(fd);
		return -1;
	}
	return fd;
}

int packet_sock_bind(int fd, uint8_t family, unsigned ifindex)
{
	struct sockaddr_ll local = {
	    .sll_family = AF_PACKET,
	    .sll_protocol = protocol_of(family),
	    .sll_ifindex = (int)ifindex,
	};

	return bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0 ? -errno : 0;
}

int packet_sock_receive(int fd, uint8_t *frame, size_t cap)
{
	ssize_t n = recv(fd, frame, cap, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return (int)n;
}
