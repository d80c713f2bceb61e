/*
 * TCP connections at rest (TCP_REPAIR): told by one kernel, set up again in another. Entering and leaving repair needs
 * CAP_NET_ADMIN, everything between does not. Source of the order of calls: Linux net/ipv4/tcp.c, CRIU's libsoccr.
 */
#ifndef SYS_TCP_REPAIR_H
#define SYS_TCP_REPAIR_H

#include <lb/session_state.h>

/* What waits in the two queues of a socket, in one allocation; tcp_repair_queues_free releases. */
struct tcp_repair_queues {
	uint8_t *data;
	struct lb_bytes unacked, unsent, received;
	bool fin_sent, fin_received;
};

/* --- privileged --- */

/* Stop the connection: nothing is sent, close is silent. False with errno. */
bool tcp_repair_enter(int fd);
/* Let it go on; the other end is asked where it stands (window probe), which tells it who answers now. */
bool tcp_repair_leave(int fd);
/* A non-blocking socket under repair, bound to an address and port that a listener may hold as well; -1 with errno. */
int tcp_repair_socket(const struct lb_endpoint *local);

/* --- of a socket under repair --- */

/*
 * Tell everything. image->unacked points into queues. False with errno: the connection is in no state that could be
 * moved, or memory is short; the socket is as it was.
 */
bool tcp_repair_dump(int fd, struct tcp_image *image, struct tcp_repair_queues *queues);
/*
 * A connection of which both FINs have passed is no connection any more (the kernel keeps what is left of it); bytes
 * that came may still be unread. False: it is none of these, or memory is short.
 */
bool tcp_repair_rest(int fd, struct tcp_repair_queues *queues);
void tcp_repair_queues_free(struct tcp_repair_queues *queues);

/*
 * Be that connection, on a socket of tcp_repair_socket(&image->local). The local address must be on this host. False
 * with errno; the socket is of no use then.
 */
bool tcp_repair_restore(int fd, const struct tcp_image *image);

#endif
