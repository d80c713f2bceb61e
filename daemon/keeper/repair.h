/*
 * What the proxy may not do itself: turn sockets of the VIP into repair and back, and make bound ones. Keeper's thread
 * only; a proxy that is not what it should be gets nothing here but connections of the VIP.
 */
#ifndef KEEPER_REPAIR_H
#define KEEPER_REPAIR_H

#include <lb/conf.h>

#include "daemon/ipc/ipc.h"

/* Turn each descriptor that is a connection from one of the VIPs; answer on ipc. The descriptors stay the caller's. */
void repair_turn(struct ipc *ipc, const struct lb_conf *conf, const struct ipc_repair *question, const int *fds,
		 size_t nfds);
/* Make sockets under repair, bound to what is asked for where that is on one of the VIPs; answer on ipc. */
void repair_sockets(struct ipc *ipc, const struct lb_conf *conf, const struct ipc_sockets *question);

#endif
