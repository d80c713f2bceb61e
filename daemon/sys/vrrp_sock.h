/*
 * The raw socket of IP protocol 112: adverts out with the header that VRRP wants, datagrams in with the kernel's
 * receive time.
 */
#ifndef SYS_VRRP_SOCK_H
#define SYS_VRRP_SOCK_H

#include <lb/err.h>
#include <lb/vrrp_accept.h>

/*
 * Open for one address of this host: unicast adverts to it, or the VRRP group. Non-blocking. Returns the descriptor or
 * -1 with a sentence.
 */
int vrrp_sock_open(const struct lb_addr *own, bool multicast, struct lb_err *err);

/* Send to and listen to the VRRP group on that interface; again after it was made anew. 0 or -errno. */
int vrrp_sock_join(int fd, const struct lb_addr *own, unsigned ifindex);

/* The group of a family: 224.0.0.18 or ff02::12. */
struct lb_addr vrrp_sock_group(uint8_t family);

/* Hand one message from source (an address of this host) to the kernel, which builds the IP header. 0 or -errno. */
int vrrp_sock_send(int fd, const struct lb_addr *source, const struct lb_addr *destination, const uint8_t *bytes,
		   size_t len);

struct vrrp_received {
	struct vrrp_datagram datagram; /* bytes point to buf */
	lb_time at;		       /* when the kernel received it, on the monotonic clock */
	uint8_t buf[2048];
};

/* Take one datagram: 1; 0 there is none; -errno. */
int vrrp_sock_receive(int fd, uint8_t family, struct vrrp_received *out);

#endif
