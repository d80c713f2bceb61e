#include <lb/wake_segment.h>

#include <string.h>

#include <lb/bytes.h>
#include <lb/vrrp_packet.h>

enum {
	PROTOCOL_TCP = 6,
	HOPS = 64,
	FLAG_ACK = 0x10,
	TCP_BYTES = 20,
	IPV4_BYTES = 20,
	IPV6_BYTES = 40,
};

/*
 * Sequence and acknowledgement 0, no window, no options: with an old timestamp Linux 6.13 and later drop an ACK whose
 * sequence is old as well, without an answer. No data, so that whatever it meets it changes nothing.
 */
static void put_tcp(uint8_t *tcp, const struct lb_endpoint *from, const struct lb_endpoint *to)
{
	size_t size = lb_addr_size(&from->addr);
	uint32_t sum = PROTOCOL_TCP + TCP_BYTES;

	memset(tcp, 0, TCP_BYTES);
	lb_put16(tcp, from->port);
	lb_put16(tcp + 2, to->port);
	tcp[12] = TCP_BYTES / 4 << 4;
	tcp[13] = FLAG_ACK;
	sum = vrrp_checksum_add(sum, from->addr.bytes, size);
	sum = vrrp_checksum_add(sum, to->addr.bytes, size);
	lb_put16(tcp + 16, vrrp_checksum_fold(vrrp_checksum_add(sum, tcp, TCP_BYTES)));
}

static size_t encode_ipv4(const struct lb_endpoint *from, const struct lb_endpoint *to, uint8_t *out)
{
	memset(out, 0, IPV4_BYTES);
	out[0] = 0x45;
	lb_put16(out + 2, IPV4_BYTES + TCP_BYTES);
	out[8] = HOPS;
	out[9] = PROTOCOL_TCP;
	memcpy(out + 12, from->addr.bytes, 4);
	memcpy(out + 16, to->addr.bytes, 4);
	lb_put16(out + 10, vrrp_checksum_fold(vrrp_checksum_add(0, out, IPV4_BYTES)));
	put_tcp(out + IPV4_BYTES, from, to);
	return IPV4_BYTES + TCP_BYTES;
}

static size_t encode_ipv6(const struct lb_endpoint *from, const struct lb_endpoint *to, uint8_t *out)
{
	memset(out, 0, IPV6_BYTES);
	out[0] = 0x60;
	lb_put16(out + 4, TCP_BYTES);
	out[6] = PROTOCOL_TCP;
	out[7] = HOPS;
	memcpy(out + 8, from->addr.bytes, 16);
	memcpy(out + 24, to->addr.bytes, 16);
	put_tcp(out + IPV6_BYTES, from, to);
	return IPV6_BYTES + TCP_BYTES;
}

size_t wake_segment_encode(const struct lb_endpoint *from, const struct lb_endpoint *to, uint8_t out[WAKE_SEGMENT_MAX])
{
	if (from->addr.family != to->addr.family)
		return 0;
	if (from->addr.family == AF_INET)
		return encode_ipv4(from, to, out);
	return from->addr.family == AF_INET6 ? encode_ipv6(from, to, out) : 0;
}
