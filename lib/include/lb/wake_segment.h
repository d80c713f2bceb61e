/*
 * The segment that wakes one end of a connection whose other end is gone: a bare ACK with numbers that cannot be right.
 * RFC 9293 3.10.7.4: an unacceptable segment is answered by an ACK with the right ones; the host that now has the
 * address knows of no such connection and resets it.
 */
#ifndef LB_WAKE_SEGMENT_H
#define LB_WAKE_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>

/* IPv6 header, TCP header. */
#define WAKE_SEGMENT_MAX 60

/* The IP packet from -> to, of one family; its length. 0: the families differ, or there is none. */
size_t wake_segment_encode(const struct lb_endpoint *from, const struct lb_endpoint *to, uint8_t out[WAKE_SEGMENT_MAX]);

#endif
