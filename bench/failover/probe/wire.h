/*
 * What the two programs that look at the wire share: the clock, hardware addresses, a packet socket, the end.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>

static inline double wire_now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static inline void wire_write_mac(FILE *out, const uint8_t mac[ETH_ALEN])
{
	fprintf(out, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* A packet socket for the protocol on the interface (NULL: on all), or exits. */
static inline int wire_open(int type, uint16_t protocol, const char *interface)
{
	struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol)};
	where.sll_ifindex = interface != NULL ? (int)if_nametoindex(interface) : 0;
	int fd = socket(AF_PACKET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(protocol));
	if (fd < 0 || (interface != NULL && where.sll_ifindex == 0) ||
	    bind(fd, (struct sockaddr *)&where, sizeof(where)) < 0) {
		perror(interface != NULL ? interface : "packet socket");
		exit(1);
	}
	return fd;
}

/* A descriptor that tells of SIGTERM and SIGINT. */
static inline int wire_end(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static inline FILE *wire_records(const char *path)
{
	FILE *file = fopen(path, "we");
	if (file == NULL) {
		perror(path);
		exit(1);
	}
	setvbuf(file, NULL, _IOLBF, 4096);
	return file;
}

#endif
