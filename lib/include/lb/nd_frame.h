/*
 * Unsolicited neighbour advertisement for an IPv6 VIP as a whole Ethernet frame, and decoding of received ones.
 */
#ifndef LB_ND_FRAME_H
#define LB_ND_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>

#define ND_FRAME_BYTES 86

/* Unsolicited NA to all nodes: override set, solicited clear, router as given, target link-layer option = mac. */
void nd_announce(const uint8_t mac[6], const struct lb_addr *vip, bool router, uint8_t out[static ND_FRAME_BYTES]);

/*
 * Decode an Ethernet frame that is a neighbour advertisement valid by RFC 4861 section 7.1.2 (hop limit 255, right
 * checksum, sane options). mac is the target link-layer option or, without one, the sender of the frame.
 */
bool nd_decode(const uint8_t *frame, size_t len, struct lb_addr *target, uint8_t mac[6]);

#endif
