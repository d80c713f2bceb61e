/*
 * Whole IP packets of our own making, with the VIP as source.
 */
#ifndef SYS_RAW_SOCK_H
#define SYS_RAW_SOCK_H

#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>

#define RAW_SOCK_BATCH	64
#define RAW_SOCK_PACKET 60

struct raw_sock_packet {
	size_t len;
	struct lb_addr to;
	uint8_t bytes[RAW_SOCK_PACKET];
};

/* A non-blocking socket for sending packets of this family, headers included; -1 with errno. Needs CAP_NET_RAW. */
int raw_sock_open(uint8_t family);
/* Send up to RAW_SOCK_BATCH packets of the socket's family; one that cannot be is skipped. Returns how many went. */
size_t raw_sock_send(int fd, const struct raw_sock_packet *packets, size_t count);

#endif
