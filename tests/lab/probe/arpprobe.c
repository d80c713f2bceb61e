/*
 * Asks who has an address in every time slot and notes which stations answered in that slot, so that one sees for how
 * long nobody and for how long two owned the address. Run it on a host of its own: an answer also teaches the kernel
 * that asked.
 */
#include <getopt.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "probe.h"

#define MAX_STATIONS 16

struct options {
	const char *interface;
	const char *records;
	struct in_addr address;
	int64_t interval;
	int64_t duration; /* 0 = until a signal */
};

struct station {
	uint8_t mac[ETH_ALEN];
	uint64_t slots;
};

struct probe {
	struct options options;
	int socket;
	struct sockaddr_ll broadcast;
	struct ether_arp question;
	struct station stations[MAX_STATIONS];
	size_t station_count;
	uint32_t answered;     /* bit per station, this slot */
	uint32_t run_answered; /* the same, of the slots before this one that were alike */
	int64_t slot_start;
	int64_t run_start;
	int64_t none, longest_none, longest_none_start;
	int64_t both, longest_both, longest_both_start;
	uint64_t slots;
	FILE *records;
};

/* Opens the packet socket and prepares the question in the name of the interface's own addresses. */
static void probe_open(struct probe *probe)
{
	const char *name = probe->options.interface;
	struct ifreq hardware = {0}, inet = {0};
	snprintf(hardware.ifr_name, IFNAMSIZ, "%s", name);
	snprintf(inet.ifr_name, IFNAMSIZ, "%s", name);
	int plain = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	probe->socket = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ARP));
	if (plain < 0 || probe->socket < 0 || ioctl(plain, SIOCGIFHWADDR, &hardware) < 0 ||
	    ioctl(plain, SIOCGIFADDR, &inet) < 0) {
		perror(name);
		exit(1);
	}
	close(plain);
	probe->broadcast = (struct sockaddr_ll){
	    .sll_family = AF_PACKET,
	    .sll_protocol = htons(ETH_P_ARP),
	    .sll_ifindex = (int)if_nametoindex(name),
	    .sll_halen = ETH_ALEN,
	    .sll_addr = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	    };
	if (bind(probe->socket, (struct sockaddr *)&probe->broadcast, sizeof(probe->broadcast)) < 0) {
		perror("bind");
		exit(1);
	}
	struct ether_arp *question = &probe->question;
	question->arp_hrd = htons(ARPHRD_ETHER);
	question->arp_pro = htons(ETHERTYPE_IP);
	question->arp_hln = ETH_ALEN;
	question->arp_pln = 4;
	question->arp_op = htons(ARPOP_REQUEST);
	memcpy(question->arp_sha, hardware.ifr_hwaddr.sa_data, ETH_ALEN);
	memcpy(question->arp_spa, &((struct sockaddr_in *)&inet.ifr_addr)->sin_addr, 4);
	memcpy(question->arp_tpa, &probe->options.address, 4);
}

static size_t station_of(struct probe *probe, const uint8_t mac[ETH_ALEN])
{
	for (size_t i = 0; i < probe->station_count; i++)
		if (memcmp(probe->stations[i].mac, mac, ETH_ALEN) == 0)
			return i;
	if (probe->station_count == MAX_STATIONS) {
		fprintf(stderr, "more than %d stations answer\n", MAX_STATIONS);
		exit(1);
	}
	memcpy(probe->stations[probe->station_count].mac, mac, ETH_ALEN);
	return probe->station_count++;
}

/* Takes every answer that has come; gratuitous requests are no answers. */
static void probe_receive(struct probe *probe)
{
	struct ether_arp arp;
	while (recv(probe->socket, &arp, sizeof(arp), 0) >= (ssize_t)sizeof(arp)) {
		if (arp.arp_op == htons(ARPOP_REPLY) && memcmp(arp.arp_spa, &probe->options.address, 4) == 0)
			probe->answered |= 1U << station_of(probe, arp.arp_sha);
	}
}

static void print_mac(FILE *out, const uint8_t mac[ETH_ALEN])
{
	fprintf(out, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* A run is over: slots in a row in which the same stations answered. */
static void run_end(struct probe *probe, int64_t end)
{
	int64_t length = end - probe->run_start;
	if (probe->run_answered == 0 && length > probe->longest_none) {
		probe->longest_none = length;
		probe->longest_none_start = probe->run_start;
	}
	bool both = (probe->run_answered & (probe->run_answered - 1)) != 0;
	if (both && length > probe->longest_both) {
		probe->longest_both = length;
		probe->longest_both_start = probe->run_start;
	}
	if (probe->run_answered == 0)
		probe->none += length;
	else if (both)
		probe->both += length;
}

/* Writes the line that opens a new run, at once, so that a reader can follow the owner. */
static void run_start(struct probe *probe)
{
	probe->run_start = probe->slot_start;
	probe->run_answered = probe->answered;
	if (probe->records == NULL)
		return;
	fprintf(probe->records, "%.6f ", seconds(probe->run_start));
	const char *comma = "";
	for (size_t i = 0; i < probe->station_count; i++) {
		if ((probe->answered & 1U << i) == 0)
			continue;
		fputs(comma, probe->records);
		print_mac(probe->records, probe->stations[i].mac);
		comma = ",";
	}
	fputs(probe->answered == 0 ? "-\n" : "\n", probe->records);
}

/* The slot is over: judge it, and ask again. */
static void slot_turn(struct probe *probe)
{
	int64_t now = clock_ns(CLOCK_MONOTONIC);
	if (probe->slot_start != 0) {
		probe->slots++;
		for (size_t i = 0; i < probe->station_count; i++)
			probe->stations[i].slots += probe->answered >> i & 1;
		if (probe->run_start != 0 && probe->answered != probe->run_answered)
			run_end(probe, probe->slot_start);
		if (probe->run_start == 0 || probe->answered != probe->run_answered)
			run_start(probe);
	}
	probe->answered = 0;
	probe->slot_start = now;
	sendto(probe->socket, &probe->question, sizeof(probe->question), 0, (struct sockaddr *)&probe->broadcast,
	       sizeof(probe->broadcast));
}

static void run(struct probe *probe)
{
	int tick = ticker(probe->options.interval);
	struct pollfd files[] = {
	    {.fd = probe->socket, .events = POLLIN},
	    {.fd = tick,		 .events = POLLIN},
	    {.fd = end_signal(),	 .events = POLLIN}
	  };
	int64_t began = clock_ns(CLOCK_MONOTONIC);
	while (probe->options.duration == 0 || clock_ns(CLOCK_MONOTONIC) - began < probe->options.duration) {
		if (poll(files, 3, 1000) < 0)
			continue;
		if (files[0].revents != 0)
			probe_receive(probe);
		uint64_t ticks;
		if (files[1].revents != 0 && read(tick, &ticks, sizeof(ticks)) > 0)
			slot_turn(probe);
		if (files[2].revents != 0)
			break;
	}
	if (probe->run_start != 0)
		run_end(probe, probe->slot_start);
}

static void print_summary(const struct probe *probe)
{
	printf("{\"slots\": %lu, \"interval_ms\": %.3f, \"none_ms\": %.3f, \"longest_none_ms\": %.3f", probe->slots,
	       milliseconds(probe->options.interval), milliseconds(probe->none), milliseconds(probe->longest_none));
	printf(", \"longest_none_start\": %.6f, \"both_ms\": %.3f, \"longest_both_ms\": %.3f",
	       seconds(probe->longest_none_start), milliseconds(probe->both), milliseconds(probe->longest_both));
	printf(", \"longest_both_start\": %.6f, \"stations\": {", seconds(probe->longest_both_start));
	for (size_t i = 0; i < probe->station_count; i++) {
		printf("%s\"", i > 0 ? ", " : "");
		print_mac(stdout, probe->stations[i].mac);
		printf("\": %lu", probe->stations[i].slots);
	}
	printf("}}\n");
}

static void usage(FILE *out)
{
	fputs("usage: arpprobe [-i MS] [-t SECONDS] [-o RECORDS] INTERFACE IPV4-ADDRESS\n"
	      "  -i  ask every MS milliseconds (10)\n"
	      "  -t  stop after SECONDS (on SIGTERM or SIGINT)\n"
	      "RECORDS gets a line at each change: CLOCK_MONOTONIC and the stations that answer from then on, or -.\n",
	      out);
}

static struct options parse_options(int argc, char **argv)
{
	struct options options = {.interval = 10 * NSEC_PER_MSEC};
	int option;
	while ((option = getopt(argc, argv, "i:t:o:h")) != -1) {
		switch (option) {
		case 'i':
			options.interval = (int64_t)(positive(optarg) * 1e6);
			break;
		case 't':
			options.duration = (int64_t)(positive(optarg) * 1e9);
			break;
		case 'o':
			options.records = optarg;
			break;
		default:
			usage(option == 'h' ? stdout : stderr);
			exit(option == 'h' ? 0 : 2);
		}
	}
	if (argc - optind != 2 || inet_pton(AF_INET, argv[optind + 1], &options.address) != 1) {
		usage(stderr);
		exit(2);
	}
	options.interface = argv[optind];
	return options;
}

int main(int argc, char **argv)
{
	static struct probe probe;
	probe.options = parse_options(argc, argv);
	probe.records = records_open(probe.options.records);
	probe_open(&probe);
	run(&probe);
	print_summary(&probe);
	if (probe.records != NULL)
		fclose(probe.records);
	return 0;
}
