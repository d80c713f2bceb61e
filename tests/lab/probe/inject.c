/*
 * Sends random datagrams to one address: IP protocol 112, or UDP with -u PORT. Sources are taken in turn from -f
 * (several may be given), the time to live is 255 or random. Every second payload is random from its first byte on; the
 * others begin like an advert of version 3 with the virtual router id of -v, so that they get past the first checks.
 * Prints how many were sent and how long that took.
 */
#include <getopt.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

#include "probe.h"

#define PAYLOAD_MAX   64
#define SOURCES_MAX   16
#define PROTOCOL_VRRP 112

struct options {
	uint64_t count, seed;
	double rate; /* datagrams a second */
	uint16_t port;
	uint8_t vrid;
	struct in_addr sources[SOURCES_MAX], destination;
	size_t source_count;
};

/* xorshift64*: the same seed sends the same bytes. */
static uint64_t draw(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static size_t fill_payload(const struct options *o, uint64_t *state, uint8_t *out)
{
	size_t len = draw(state) % (PAYLOAD_MAX + 1);

	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(draw(state) >> 56);
	if (o->port == 0 && len >= 12 && draw(state) % 2 == 0) {
		out[0] = 0x31;
		out[1] = o->vrid;
		out[3] = 1;
		len = draw(state) % 2 == 0 ? 12 : 40;
	}
	return len;
}

static size_t build(const struct options *o, uint64_t *state, uint64_t number, uint8_t *packet)
{
	size_t header = sizeof(struct iphdr) + (o->port != 0 ? sizeof(struct udphdr) : 0);
	size_t len = header + fill_payload(o, state, packet + header);
	struct iphdr ip = {
	    .version = 4,
	    .ihl = 5,
	    .tot_len = htons((uint16_t)len),
	    .ttl = draw(state) % 4 == 0 ? (uint8_t)(1 + draw(state) % 254) : 255,
	    .protocol = o->port != 0 ? IPPROTO_UDP : PROTOCOL_VRRP,
	    .saddr = o->sources[number % o->source_count].s_addr,
	    .daddr = o->destination.s_addr,
	};

	memcpy(packet, &ip, sizeof(ip)); /* the kernel fills in id and checksum */
	if (o->port != 0) {
		struct udphdr udp = {
		    .source = htons(o->port),
		    .dest = htons(o->port),
		    .len = htons((uint16_t)(len - sizeof(ip))),
		};
		memcpy(packet + sizeof(ip), &udp, sizeof(udp));
	}
	return len;
}

static int usage(void)
{
	fputs("usage: inject -f SOURCE [-f SOURCE ...] [-n COUNT] [-r RATE] [-s SEED] [-u PORT] [-v VRID] ADDRESS\n",
	      stderr);
	return 2;
}

static bool parse(int argc, char **argv, struct options *o)
{
	int option;

	*o = (struct options){.count = 1000, .rate = 10000, .seed = 1};
	while ((option = getopt(argc, argv, "f:n:r:s:u:v:")) != -1) {
		switch (option) {
		case 'f':
			if (o->source_count == SOURCES_MAX || inet_aton(optarg, &o->sources[o->source_count++]) == 0)
				return false;
			break;
		case 'n':
			o->count = strtoull(optarg, NULL, 10);
			break;
		case 'r':
			o->rate = strtod(optarg, NULL);
			break;
		case 's':
			o->seed = strtoull(optarg, NULL, 10) | 1;
			break;
		case 'u':
			o->port = (uint16_t)strtoul(optarg, NULL, 10);
			break;
		case 'v':
			o->vrid = (uint8_t)strtoul(optarg, NULL, 10);
			break;
		default:
			return false;
		}
	}
	return argc - optind == 1 && o->source_count > 0 && o->rate > 0 &&
	       inet_aton(argv[optind], &o->destination) != 0;
}

int main(int argc, char **argv)
{
	struct options o;

	if (!parse(argc, argv, &o))
		return usage();
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0) {
		perror("socket");
		return 1;
	}
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = o.destination};
	uint8_t packet[sizeof(struct iphdr) + sizeof(struct udphdr) + PAYLOAD_MAX];
	uint64_t state = o.seed, sent = 0;
	int64_t began = clock_ns(CLOCK_MONOTONIC), now;

	for (uint64_t i = 0; i < o.count; i++) {
		size_t len = build(&o, &state, i, packet);
		while (sendto(fd, packet, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0) {
			if (errno != ENOBUFS && errno != EAGAIN) {
				perror("sendto");
				return 1;
			}
			usleep(100);
		}
		sent++;
		while (((now = clock_ns(CLOCK_MONOTONIC)) - began) <
		       (int64_t)((double)i / o.rate * 1e9) - NSEC_PER_MSEC)
			usleep(500);
	}
	printf("{\"sent\": %llu, \"seconds\": %.3f}\n", (unsigned long long)sent,
	       seconds(clock_ns(CLOCK_MONOTONIC) - began));
	close(fd);
	return 0;
}
