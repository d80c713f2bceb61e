/*
 * Messages by way of a third host that answers pings (lb/echo_packet.h): one socket that sends requests in the name of
 * others, and one that receives the replies.
 */
#ifndef SYS_ECHO_SOCK_H
#define SYS_ECHO_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>
#include <lb/echo_packet.h>
#include <lb/time.h>

struct echo_sock {
	int out, in;
};

/* Both sockets, non-blocking; false with errno, and both are -1. Needs CAP_NET_RAW. */
bool echo_sock_open(struct echo_sock *s);
void echo_sock_close(struct echo_sock *s);
/* From now on only by way of that interface, in both directions. 0 or -errno. */
int echo_sock_bind(const struct echo_sock *s, unsigned ifindex);

/* One packet that echo_packet_encode made, to the host that is to answer it. 0 or -errno. */
int echo_sock_send(const struct echo_sock *s, const struct lb_addr *by, const uint8_t *packet, size_t len);
/*
 * One packet that looks like a reply of ours, with when the kernel received it: its length; 0: there is none now;
 * -errno: try the next.
 */
int echo_sock_receive(const struct echo_sock *s, uint8_t packet[ECHO_PACKET_MAX], lb_time *at);

#endif
