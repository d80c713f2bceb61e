/* Notes every VRRP advert that a port of the switch takes in, also of a port that forwards nothing; runs at the switch.
 */
#include <linux/filter.h>
#include <poll.h>
#include <unistd.h>

#include "wire.h"

#define PROTO_VRRP 112

/* Only IPv4 packets of that protocol reach the socket. */
static void filter(int fd)
{
	static struct sock_filter program[] = {
	    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_IP, 0, 3),
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ETH_HLEN + 9),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROTO_VRRP, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, 256),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog whole = {.len = sizeof(program) / sizeof(program[0]), .filter = program};
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &whole, sizeof(whole)) < 0) {
		perror("filter");
		exit(1);
	}
}

/* Takes what has come in; what leaves a port is the same packet once more. */
static void receive(int fd, FILE *records)
{
	uint8_t frame[256];
	struct sockaddr_ll from;
	socklen_t size = sizeof(from);
	for (ssize_t count; (count = recvfrom(fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &size)) > 0;) {
		size_t header = ETH_HLEN + (frame[ETH_HLEN] & 15U) * 4;
		if (from.sll_pkttype == PACKET_OUTGOING || (size_t)count < header + 8)
			continue;
		fprintf(records, "advert %.6f ", wire_now());
		wire_write_mac(records, frame + ETH_ALEN);
		fprintf(records, " %u\n", frame[header + 2]);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: adverts RECORDS\n"
		      "RECORDS gets `advert WHEN MAC PRIORITY`, in seconds of CLOCK_MONOTONIC.\n",
		      stderr);
		return 2;
	}
	int fd = wire_open(SOCK_RAW, ETH_P_ALL, NULL);
	filter(fd);
	FILE *records = wire_records(argv[1]);
	fprintf(records, "began %.6f\n", wire_now());
	struct pollfd files[] = {
	    {.fd = fd,	       .events = POLLIN},
		  {.fd = wire_end(), .events = POLLIN}
	      };
	while (files[1].revents == 0) {
		if (poll(files, 2, -1) > 0 && files[0].revents != 0)
			receive(fd, records);
	}
	return fclose(records) == 0 ? 0 : 1;
}
