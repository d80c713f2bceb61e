/*
 * ICMP echoes that carry a message by way of a third host (IPv4): a request in the name of whom it is meant for, sent
 * to any host that answers pings, comes to that one as a reply with the same data.
 */
#ifndef LB_ECHO_PACKET_H
#define LB_ECHO_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>

/* IPv4 header, ICMP header. */
#define ECHO_PACKET_HEAD 28
#define ECHO_PACKET_MAX	 1500
/* The identifier of our echoes, by which the others that a host receives are told apart. */
#define ECHO_PACKET_ID 0x6c62

/*
 * The whole IP packet of a request from -> by, which `by` will answer to `from`. Its length; 0: it does not fit, or an
 * address is not IPv4.
 */
size_t echo_packet_encode(const struct lb_addr *from, const struct lb_addr *by, const uint8_t *data, size_t len,
			  uint8_t out[ECHO_PACKET_MAX]);

/* What an IP packet carries that is a reply of ours; NULL: it is none. */
const uint8_t *echo_packet_decode(const uint8_t *packet, size_t size, size_t *len);

#endif
