/*
 * Asks who has an address in every time slot, by ARP or by neighbour solicitation, and notes which stations answered in
 * that slot, so that one sees for how long nobody and for how long two owned the address. Run it on a host of its own:
 * an answer also teaches the kernel that asked.
 */
#include <getopt.h>
#include <ifaddrs.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <unistd.h>

#include "probe.h"

#define MAX_STATIONS 16

struct options {
	const char *interface;
	const char *records;
	int family;
	struct in_addr address;
	struct in6_addr address6;
	int64_t interval;
	int64_t duration; /* 0 = until a signal */
};

struct station {
	uint8_t mac[ETH_ALEN];
	uint64_t slots;
};

/* A neighbour solicitation (RFC 4861 section 4.3) with the asker's hardware address. */
struct solicitation {
	struct ip6_hdr ip;
	struct nd_neighbor_solicit icmp;
	uint8_t option[2], mac[ETH_ALEN];
};

struct probe {
	struct options options;
	int socket;
	struct sockaddr_ll everybody;
	union {
		struct ether_arp arp;
		struct solicitation nd;
	} question;
	size_t question_size;
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

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Who asks: the hardware address and the first address of the family that is valid on the whole segment. */
struct asker {
	uint8_t mac[ETH_ALEN];
	struct in_addr address;
	struct in6_addr address6;
};

static struct asker find_asker(const struct options *options)
{
	struct asker asker = {0};
	struct ifaddrs *list;
	bool found = false;
	if (getifaddrs(&list) < 0)
		fail("getifaddrs");
	for (const struct ifaddrs *entry = list; entry != NULL; entry = entry->ifa_next) {
		if (entry->ifa_addr == NULL || strcmp(entry->ifa_name, options->interface) != 0)
			continue;
		const struct sockaddr_in6 *inet6 = (const void *)entry->ifa_addr;
		if (entry->ifa_addr->sa_family == AF_PACKET)
			memcpy(asker.mac, ((const struct sockaddr_ll *)(const void *)entry->ifa_addr)->sll_addr,
			       ETH_ALEN);
		if (entry->ifa_addr->sa_family != options->family || found)
			continue;
		if (options->family == AF_INET)
			asker.address = ((const struct sockaddr_in *)(const void *)entry->ifa_addr)->sin_addr;
		else if (!IN6_IS_ADDR_LINKLOCAL(&inet6->sin6_addr))
			asker.address6 = inet6->sin6_addr;
		else
			continue;
		found = true;
	}
	freeifaddrs(list);
	if (!found) {
		fprintf(stderr, "%s has no address to ask from\n", options->interface);
		exit(1);
	}
	return asker;
}

static void prepare_arp(struct probe *probe, const struct asker *asker)
{
	struct ether_arp *question = &probe->question.arp;
	question->arp_hrd = htons(ARPHRD_ETHER);
	question->arp_pro = htons(ETHERTYPE_IP);
	question->arp_hln = ETH_ALEN;
	question->arp_pln = 4;
	question->arp_op = htons(ARPOP_REQUEST);
	memcpy(question->arp_sha, asker->mac, ETH_ALEN);
	memcpy(question->arp_spa, &asker->address, 4);
	memcpy(question->arp_tpa, &probe->options.address, 4);
	probe->question_size = sizeof(*question);
	memset(probe->everybody.sll_addr, 0xff, ETH_ALEN);
}

/* The Internet checksum over 16-bit words in network order. */
static uint32_t sum_words(const void *bytes, size_t size)
{
	uint32_t sum = 0;
	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)(((const uint8_t *)bytes)[i] << 8 | ((const uint8_t *)bytes)[i + 1]);
	return sum;
}

static void prepare_solicitation(struct probe *probe, const struct asker *asker)
{
	struct solicitation *question = &probe->question.nd;
	const struct in6_addr *target = &probe->options.address6;
	const size_t payload = sizeof(*question) - sizeof(question->ip);
	/* Asked are those who might have it: ff02::1:ff and the last three bytes. */
	static const uint8_t group[13] = {0xff, 0x02, [11] = 1, 0xff};
	question->ip.ip6_vfc = 6 << 4;
	question->ip.ip6_plen = htons((uint16_t)payload);
	question->ip.ip6_nxt = IPPROTO_ICMPV6;
	question->ip.ip6_hlim = 255;
	question->ip.ip6_src = asker->address6;
	memcpy(question->ip.ip6_dst.s6_addr, group, sizeof(group));
	memcpy(question->ip.ip6_dst.s6_addr + 13, target->s6_addr + 13, 3);
	question->icmp.nd_ns_type = ND_NEIGHBOR_SOLICIT;
	question->icmp.nd_ns_target = *target;
	question->option[0] = ND_OPT_SOURCE_LINKADDR;
	question->option[1] = 1;
	memcpy(question->mac, asker->mac, ETH_ALEN);
	uint32_t sum = sum_words(&question->ip.ip6_src, 32) + sum_words(&question->icmp, payload);
	sum += (uint32_t)payload + IPPROTO_ICMPV6;
	sum = (sum & 0xffff) + (sum >> 16);
	question->icmp.nd_ns_cksum = htons((uint16_t) ~(sum + (sum >> 16)));
	probe->question_size = sizeof(*question);
	probe->everybody.sll_addr[0] = probe->everybody.sll_addr[1] = 0x33;
	memcpy(probe->everybody.sll_addr + 2, question->ip.ip6_dst.s6_addr + 12, 4);
}

/* Opens the packet socket and prepares the question in the name of the interface's own addresses. */
static void probe_open(struct probe *probe)
{
	const struct options *options = &probe->options;
	uint16_t protocol = htons(options->family == AF_INET ? ETH_P_ARP : ETH_P_IPV6);
	struct asker asker = find_asker(options);
	probe->socket = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	if (probe->socket < 0)
		fail("socket");
	probe->everybody = (struct sockaddr_ll){
	    .sll_family = AF_PACKET,
	    .sll_protocol = protocol,
	    .sll_ifindex = (int)if_nametoindex(options->interface),
	    .sll_halen = ETH_ALEN,
	};
	if (bind(probe->socket, (struct sockaddr *)&probe->everybody, sizeof(probe->everybody)) < 0)
		fail("bind");
	if (options->family == AF_INET)
		prepare_arp(probe, &asker);
	else
		prepare_solicitation(probe, &asker);
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

/* Announcements are no answers. */
static bool is_answer(const struct probe *probe, const uint8_t *packet, size_t size)
{
	const struct ether_arp *arp = (const void *)packet;
	const struct ip6_hdr *ip = (const void *)packet;
	const struct nd_neighbor_advert *advert = (const void *)(packet + sizeof(*ip));
	if (probe->options.family == AF_INET)
		return size >= sizeof(*arp) && arp->arp_op == htons(ARPOP_REPLY) &&
		       memcmp(arp->arp_spa, &probe->options.address, 4) == 0;
	return size >= sizeof(*ip) + sizeof(*advert) && ip->ip6_nxt == IPPROTO_ICMPV6 &&
	       advert->nd_na_type == ND_NEIGHBOR_ADVERT && (advert->nd_na_flags_reserved & ND_NA_FLAG_SOLICITED) &&
	       IN6_ARE_ADDR_EQUAL(&advert->nd_na_target, &probe->options.address6);
}

/* Takes every answer that has come, by the station that it came from. */
static void probe_receive(struct probe *probe)
{
	_Alignas(8) uint8_t packet[256];
	struct sockaddr_ll from;
	socklen_t from_size = sizeof(from);
	ssize_t size;
	while ((size = recvfrom(probe->socket, packet, sizeof(packet), 0, (struct sockaddr *)&from, &from_size)) >= 0) {
		if (is_answer(probe, packet, (size_t)size))
			probe->answered |= 1U << station_of(probe, from.sll_addr);
		from_size = sizeof(from);
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
	sendto(probe->socket, &probe->question, probe->question_size, 0, (struct sockaddr *)&probe->everybody,
	       sizeof(probe->everybody));
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
	fputs("usage: arpprobe [-i MS] [-t SECONDS] [-o RECORDS] INTERFACE ADDRESS\n"
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
	if (argc - optind == 2 && inet_pton(AF_INET, argv[optind + 1], &options.address) == 1)
		options.family = AF_INET;
	else if (argc - optind == 2 && inet_pton(AF_INET6, argv[optind + 1], &options.address6) == 1)
		options.family = AF_INET6;
	if (options.family == 0) {
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
