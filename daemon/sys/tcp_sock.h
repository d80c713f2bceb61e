/*
 * The TCP sockets of the data path: accepting, connecting, options, resetting. Nothing here blocks.
 */
#ifndef SYS_TCP_SOCK_H
#define SYS_TCP_SOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <lb/addr.h>
#include <lb/time.h>

/* What finds out that the other end is gone; 0 leaves the kernel's default. */
struct tcp_sock_options {
	lb_duration keepalive_idle, keepalive_interval;
	uint8_t keepalive_count;
	lb_duration user_timeout;
};

/* Next connection of a listener, non-blocking and close-on-exec; -1 with errno set. */
int tcp_sock_accept(int listener, struct lb_endpoint *peer);

/* Where the client came to; false when the socket is not connected any more. */
bool tcp_sock_local(int fd, struct lb_endpoint *local);
/* Where it came from, likewise. */
bool tcp_sock_remote(int fd, struct lb_endpoint *remote);

/*
 * Begin connecting to a server, TCP_NODELAY set. source is the local address to come from, even one that this host does
 * not have at the moment; NULL or one of another family lets the kernel choose. Returns the descriptor of a connection
 * under way, or -1 with errno set. The outcome is known when the socket gets writable: tcp_sock_error.
 *
 * The acknowledgement that ends the handshake is kept back until something is sent, which saves a packet; who has
 * nothing to send calls tcp_sock_acknowledge once the socket is writable, as the server's program may wait for it.
 */
int tcp_sock_connect(const struct lb_endpoint *server, const struct lb_addr *source);
/* Acknowledge at once what was kept back, and what comes next. */
void tcp_sock_acknowledge(int fd);

/* A socket that asks servers whether they take connections, one after the other; -1 with errno set. */
int tcp_sock_knocker(uint8_t family);
/*
 * Begin to ask; false with errno set. The kernel finishes the handshake only with the first data that is sent: cut the
 * socket as soon as it gets writable, then the server's program sees nothing of it.
 */
bool tcp_sock_knock(int fd, const struct lb_endpoint *server);
/* End the connection with RST; the socket is as good as new. False when it is not. */
bool tcp_sock_cut(int fd);

/* Connections that the kernel has dropped at this listener since it was made, mostly as its accept queue was full. */
uint32_t tcp_sock_queue_dropped(int listener);

/* Why the socket failed (an errno value), 0 when it did not. Reading clears it. */
int tcp_sock_error(int fd);

/*
 * TCP_NODELAY, keepalive and TCP_USER_TIMEOUT. Sockets accepted later from a listener inherit what was set on it.
 * A socket that is already dead is not an error.
 */
void tcp_sock_set_options(int fd, const struct tcp_sock_options *options);

/*
 * Bytes in the receive queue. Where they are many the peer is told to send less from now on: what is in flight is still
 * taken, and the queue gets shorter as it is read. tcp_sock_widen ends that.
 */
uint32_t tcp_sock_narrow(int fd);
void tcp_sock_widen(int fd);

/*
 * Nothing that comes reaches the socket, as if it were lost on the way, until tcp_sock_hear: what is read of its state
 * stays true. False where the kernel does not do that, or not for this process.
 */
bool tcp_sock_deafen(int fd);
void tcp_sock_hear(int fd);

/* Close with RST, what was not sent yet is thrown away. */
void tcp_sock_reset(int fd);

#endif
