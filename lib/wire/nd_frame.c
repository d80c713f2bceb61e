#include <lb/nd_frame.h>

#include <string.h>

#include <lb/bytes.h>
#include <lb/vrrp_packet.h>

enum {
	ETHERTYPE_IPV6 = 0x86dd,
	NEXT_HEADER_ICMPV6 = 58,
	TYPE_NEIGHBOUR_ADVERTISEMENT = 136,
	OPTION_TARGET_LINK_LAYER = 2,
	ETHER_BYTES = 14,
	IPV6_BYTES = 40,
	NA_BYTES = 24, /* without options */
	OFFSET_ICMP = ETHER_BYTES + IPV6_BYTES,
	FLAG_ROUTER = 0x80,
	FLAG_SOLICITED = 0x40,
	FLAG_OVERRIDE = 0x20,
};

/* Checksum of the ICMPv6 payload of a frame over the IPv6 pseudo header; 0 when the field in it is right. */
static uint16_t icmp_checksum(const uint8_t *frame, size_t payload)
{
	uint32_t sum = vrrp_checksum_add((uint32_t)payload + NEXT_HEADER_ICMPV6, frame + ETHER_BYTES + 8, 32);

	return vrrp_checksum_fold(vrrp_checksum_add(sum, frame + OFFSET_ICMP, payload));
}

void nd_announce(const uint8_t mac[6], const struct lb_addr *vip, bool router, uint8_t out[static ND_FRAME_BYTES])
{
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
	uint8_t *ip = out + ETHER_BYTES, *na = out + OFFSET_ICMP;

	memset(out, 0, ND_FRAME_BYTES);
	memcpy(out, all_nodes_mac, 6);
	memcpy(out + 6, mac, 6);
	lb_put16(out + 12, ETHERTYPE_IPV6);

	ip[0] = 0x60;
	lb_put16(ip + 4, ND_FRAME_BYTES - OFFSET_ICMP);
	ip[6] = NEXT_HEADER_ICMPV6;
	ip[7] = 255;
	memcpy(ip + 8, vip->bytes, 16);
	memcpy(ip + 24, all_nodes, 16);

	na[0] = TYPE_NEIGHBOUR_ADVERTISEMENT;
	na[4] = (uint8_t)(FLAG_OVERRIDE | (router ? FLAG_ROUTER : 0));
	memcpy(na + 8, vip->bytes, 16);
	na[NA_BYTES] = OPTION_TARGET_LINK_LAYER;
	na[NA_BYTES + 1] = 1;
	memcpy(na + NA_BYTES + 2, mac, 6);
	lb_put16(na + 2, icmp_checksum(out, ND_FRAME_BYTES - OFFSET_ICMP));
}

/* Walk the options; false when one is malformed. mac is overwritten by a target link-layer address, if there is one. */
static bool read_options(const uint8_t *options, size_t len, uint8_t mac[6])
{
	while (len > 0) {
		/* RFC 4861 section 7.1.2: all included options have a length that is greater than zero. */
		size_t option = len >= 8 ? (size_t)options[1] * 8 : 0;
		if (option == 0 || option > len)
			return false;
		if (options[0] == OPTION_TARGET_LINK_LAYER && option == 8)
			memcpy(mac, options + 2, 6);
		options += option;
		len -= option;
	}
	return true;
}

bool nd_decode(const uint8_t *frame, size_t len, struct lb_addr *target, uint8_t mac[6])
{
	if (len < OFFSET_ICMP + NA_BYTES)
		return false;
	const uint8_t *ip = frame + ETHER_BYTES, *na = frame + OFFSET_ICMP;
	size_t payload = lb_get16(ip + 4);
	uint8_t found[6];

	if (lb_get16(frame + 12) != ETHERTYPE_IPV6 || ip[0] >> 4 != 6 || ip[6] != NEXT_HEADER_ICMPV6)
		return false;
	/* RFC 4861 section 7.1.2: hop limit 255, valid checksum, code 0, length of 24 or more octets. */
	if (ip[7] != 255 || payload < NA_BYTES || payload > len - OFFSET_ICMP)
		return false;
	if (na[0] != TYPE_NEIGHBOUR_ADVERTISEMENT || na[1] != 0 || icmp_checksum(frame, payload) != 0)
		return false;
	/* ... the target is not a multicast address; a multicast destination means the solicited flag is zero. */
	if (na[8] == 0xff || (ip[24] == 0xff && (na[4] & FLAG_SOLICITED)))
		return false;
	memcpy(found, frame + 6, 6);
	if (!read_options(na + NA_BYTES, payload - NA_BYTES, found))
		return false;

	*target = (struct lb_addr){.family = AF_INET6};
	memcpy(target->bytes, na + 8, 16);
	memcpy(mac, found, 6);
	return true;
}
