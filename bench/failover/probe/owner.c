/*
 * Who owns an address: asks for it by ARP in each slot of time, and notes which stations answered whenever that
 * changes; and each announcement it hears. It runs on a host that is neither client nor server, because an answer also
 * teaches the kernel of the host that asked.
 */
#include <netinet/if_ether.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "wire.h"

#define MAX_STATIONS  8
#define NSEC_PER_MSEC 1000000

struct owner {
	FILE *records;
	int socket;
	struct in_addr address;
	struct sockaddr_ll everybody;
	struct ether_arp question;
	uint8_t stations[MAX_STATIONS][ETH_ALEN];
	size_t count;
	uint32_t answered; /* a bit a station, in this slot */
	uint32_t before;   /* the same, of the slot before */
	double slot;	   /* when it began, 0 at first */
};

/* The question that goes out in every slot, in the name of the interface's own addresses. */
static void prepare(struct owner *owner, const char *interface)
{
	struct ifreq hardware = {0}, inet = {0};
	snprintf(hardware.ifr_name, IFNAMSIZ, "%s", interface);
	snprintf(inet.ifr_name, IFNAMSIZ, "%s", interface);
	int plain = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (plain < 0 || ioctl(plain, SIOCGIFHWADDR, &hardware) < 0 || ioctl(plain, SIOCGIFADDR, &inet) < 0) {
		perror(interface);
		exit(1);
	}
	close(plain);
	owner->everybody = (struct sockaddr_ll){
	    .sll_family = AF_PACKET,
	    .sll_protocol = htons(ETH_P_ARP),
	    .sll_ifindex = (int)if_nametoindex(interface),
	    .sll_halen = ETH_ALEN,
	};
	memset(owner->everybody.sll_addr, 0xff, ETH_ALEN);
	struct ether_arp *question = &owner->question;
	question->arp_hrd = htons(ARPHRD_ETHER);
	question->arp_pro = htons(ETHERTYPE_IP);
	question->arp_hln = ETH_ALEN;
	question->arp_pln = sizeof(owner->address);
	question->arp_op = htons(ARPOP_REQUEST);
	memcpy(question->arp_sha, hardware.ifr_hwaddr.sa_data, ETH_ALEN);
	memcpy(question->arp_spa, &((struct sockaddr_in *)&inet.ifr_addr)->sin_addr, sizeof(owner->address));
	memcpy(question->arp_tpa, &owner->address, sizeof(owner->address));
}

static uint32_t bit_of(struct owner *owner, const uint8_t mac[ETH_ALEN])
{
	size_t at = 0;
	while (at < owner->count && memcmp(owner->stations[at], mac, ETH_ALEN) != 0)
		at++;
	if (at == MAX_STATIONS) {
		fputs("owner: more stations answer than the cluster has\n", stderr);
		exit(1);
	}
	if (at == owner->count)
		memcpy(owner->stations[owner->count++], mac, ETH_ALEN);
	return 1U << at;
}

/* Takes what has come: answers to the question, and announcements by whoever. */
static void receive(struct owner *owner)
{
	struct ether_arp arp;
	while (recv(owner->socket, &arp, sizeof(arp), 0) >= (ssize_t)sizeof(arp)) {
		if (memcmp(arp.arp_spa, &owner->address, sizeof(owner->address)) != 0)
			continue;
		bool for_us = memcmp(arp.arp_tpa, owner->question.arp_spa, sizeof(owner->address)) == 0;
		if (arp.arp_op == htons(ARPOP_REPLY) && for_us) {
			owner->answered |= bit_of(owner, arp.arp_sha);
			continue;
		}
		fprintf(owner->records, "announce %.6f ", wire_now());
		wire_write_mac(owner->records, arp.arp_sha);
		fputc('\n', owner->records);
	}
}

/* The slot is over: note who answered in it where that is news, and ask again. */
static void turn(struct owner *owner)
{
	if (owner->slot != 0 && owner->answered != owner->before) {
		fprintf(owner->records, "owners %.6f ", owner->slot);
		const char *comma = "";
		for (size_t i = 0; i < owner->count; i++) {
			if ((owner->answered & 1U << i) == 0)
				continue;
			fputs(comma, owner->records);
			wire_write_mac(owner->records, owner->stations[i]);
			comma = ",";
		}
		fputs(owner->answered == 0 ? "-\n" : "\n", owner->records);
		owner->before = owner->answered;
	}
	owner->answered = 0;
	owner->slot = wire_now();
	sendto(owner->socket, &owner->question, sizeof(owner->question), 0, (struct sockaddr *)&owner->everybody,
	       sizeof(owner->everybody));
}

int main(int argc, char **argv)
{
	struct owner owner = {.before = UINT32_MAX};
	if (argc != 5 || atoi(argv[3]) <= 0 || inet_pton(AF_INET, argv[2], &owner.address) != 1) {
		fputs(
		    "usage: owner INTERFACE IPV4-ADDRESS MILLISECONDS RECORDS\n"
		    "RECORDS gets, in seconds of CLOCK_MONOTONIC, `owners SINCE MAC,...|-` and `announce WHEN MAC`.\n",
		    stderr);
		return 2;
	}
	prepare(&owner, argv[1]);
	owner.socket = wire_open(SOCK_DGRAM, ETH_P_ARP, argv[1]);
	owner.records = wire_records(argv[4]);
	int ticks = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	long interval = atoi(argv[3]) * NSEC_PER_MSEC;
	struct itimerspec each = {.it_interval.tv_nsec = interval, .it_value.tv_nsec = interval};
	timerfd_settime(ticks, 0, &each, NULL);
	struct pollfd files[] = {
	    {.fd = owner.socket, .events = POLLIN},
	    {.fd = ticks,	  .events = POLLIN},
	    {.fd = wire_end(),   .events = POLLIN}
	};
	while (files[2].revents == 0) {
		uint64_t count;
		if (poll(files, 3, -1) < 0)
			continue;
		if (files[0].revents != 0)
			receive(&owner);
		if (files[1].revents != 0 && read(ticks, &count, sizeof(count)) > 0)
			turn(&owner);
	}
	fprintf(owner.records, "ended %.6f\n", wire_now());
	return fclose(owner.records) == 0 ? 0 : 1;
}
