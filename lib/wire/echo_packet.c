#include <lb/echo_packet.h>

#include <string.h>

#include <lb/bytes.h>
#include <lb/vrrp_packet.h>

enum {
	PROTOCOL_ICMP = 1,
	ECHO_REPLY = 0,
	ECHO_REQUEST = 8,
	HOPS = 64,
	NETWORK_CONTROL = 0xc0,
	IPV4_BYTES = 20,
	ICMP_BYTES = 8,
};

size_t echo_packet_encode(const struct lb_addr *from, const struct lb_addr *by, const uint8_t *data, size_t len,
			  uint8_t out[ECHO_PACKET_MAX])
{
	uint8_t *icmp = out + IPV4_BYTES;

	if (from->family != AF_INET || by->family != AF_INET || len > ECHO_PACKET_MAX - ECHO_PACKET_HEAD)
		return 0;
	memset(out, 0, ECHO_PACKET_HEAD);
	out[0] = 0x45;
	out[1] = NETWORK_CONTROL;
	lb_put16(out + 2, (uint16_t)(ECHO_PACKET_HEAD + len));
	out[8] = HOPS;
	out[9] = PROTOCOL_ICMP;
	memcpy(out + 12, from->bytes, 4);
	memcpy(out + 16, by->bytes, 4);
	lb_put16(out + 10, vrrp_checksum_fold(vrrp_checksum_add(0, out, IPV4_BYTES)));
	icmp[0] = ECHO_REQUEST;
	lb_put16(icmp + 4, ECHO_PACKET_ID);
	memcpy(icmp + ICMP_BYTES, data, len);
	lb_put16(icmp + 2, vrrp_checksum_fold(vrrp_checksum_add(0, icmp, ICMP_BYTES + len)));
	return ECHO_PACKET_HEAD + len;
}

const uint8_t *echo_packet_decode(const uint8_t *packet, size_t size, size_t *len)
{
	size_t head;

	if (size < ECHO_PACKET_HEAD || packet[0] >> 4 != 4 || packet[9] != PROTOCOL_ICMP)
		return NULL;
	head = (size_t)(packet[0] & 0xf) * 4;
	if (head < IPV4_BYTES || size < head + ICMP_BYTES || lb_get16(packet + 2) != size)
		return NULL;
	packet += head;
	size -= head;
	if (packet[0] != ECHO_REPLY || packet[1] != 0 || lb_get16(packet + 4) != ECHO_PACKET_ID ||
	    vrrp_checksum_fold(vrrp_checksum_add(0, packet, size)) != 0)
		return NULL;
	*len = size - ICMP_BYTES;
	return packet + ICMP_BYTES;
}
