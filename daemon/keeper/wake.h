/*
 * Segments to the clients and servers of an owner that died, for the proxy, which may not send them itself. Keeper's
 * thread only; a proxy that is not what it should be gets nothing here but bare ACKs from the VIP that this node owns,
 * and those at a limited rate.
 */
#ifndef KEEPER_WAKE_H
#define KEEPER_WAKE_H

#include <lb/conf.h>

#include "daemon/ipc/ipc.h"

/* A takeover without a hand-over is rare, so that its sockets are opened for each message and kept no longer. */
struct wake_sender {
	double tokens;
	lb_time refilled;
	bool told; /* that a socket cannot be opened */
};

void wake_sender_init(struct wake_sender *w);
/* Send what is asked for where it is from one of the VIPs; owns: they are this node's. The answer goes to ipc. */
void wake_sender_send(struct wake_sender *w, struct ipc *ipc, const struct lb_conf *conf, bool owns,
		      const struct ipc_wake *question);

#endif
