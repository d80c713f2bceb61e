/*
 * The UDP socket of the peer link.
 */
#ifndef SYS_UDP_SOCK_H
#define SYS_UDP_SOCK_H

#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>
#include <lb/err.h>
#include <lb/time.h>

/* A non-blocking socket bound to the endpoint. The descriptor or -1 with a sentence. */
int udp_sock_open(const struct lb_endpoint *local, struct lb_err *err);

/* 0 or -errno. */
int udp_sock_send(int fd, const struct lb_endpoint *to, const void *data, size_t len);

/*
 * Length of one datagram (cut at cap), its sender and when the kernel received it; 0: there is none; -errno, also what
 * ICMP reported.
 */
int udp_sock_receive(int fd, void *data, size_t cap, struct lb_endpoint *from, lb_time *at);

#endif
