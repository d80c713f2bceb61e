/*
 * Ethernet frames: announcing the VIPs, and hearing who else announces them.
 */
#ifndef SYS_PACKET_SOCK_H
#define SYS_PACKET_SOCK_H

#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>
#include <lb/err.h>

/* A socket for sending alone. The descriptor or -1 with a sentence. */
int packet_sock_open(struct lb_err *err);
/* Put a whole frame on the interface. 0 or -errno. */
int packet_sock_send(int fd, unsigned ifindex, const uint8_t *frame, size_t len);

/*
 * A non-blocking socket that receives ARP packets (AF_INET) whose sender is one of the addresses, or neighbour
 * advertisements (AF_INET6) whose target may be one of them, from no interface yet. -1 with a sentence.
 */
int packet_sock_watch(uint8_t family, const struct lb_addr *addresses, size_t count, struct lb_err *err);
/* Receive from that interface from now on. 0 or -errno. */
int packet_sock_bind(int fd, uint8_t family, unsigned ifindex);
/* Length of one frame; 0: there is none; -errno. */
int packet_sock_receive(int fd, uint8_t *frame, size_t cap);

#endif
