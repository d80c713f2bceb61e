/*
 * Ethernet frames that announce or watch an IPv4 address: gratuitous ARP, ARP probe, and their decoding.
 */
#ifndef LB_ARP_FRAME_H
#define LB_ARP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>

#define ARP_FRAME_BYTES 42

/* Gratuitous ARP in request form, broadcast: sender and target are vip, target hardware address broadcast. */
void arp_announce(const uint8_t mac[6], const struct lb_addr *vip, uint8_t out[static ARP_FRAME_BYTES]);

/* ARP request for target from mac with sender address sender (family 0: the RFC 5227 probe with sender 0.0.0.0). */
void arp_request(const uint8_t mac[6], const struct lb_addr *sender, const struct lb_addr *target,
		 uint8_t out[static ARP_FRAME_BYTES]);

struct arp_packet {
	uint16_t operation; /* 1 request, 2 reply */
	uint8_t sender_mac[6], target_mac[6];
	struct lb_addr sender, target;
};

/* Decode an Ethernet frame; false when it is not a whole Ethernet/IPv4 ARP packet. */
bool arp_decode(const uint8_t *frame, size_t len, struct arp_packet *out);

#endif
