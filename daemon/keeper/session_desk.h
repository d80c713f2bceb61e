/*
 * Where the proxy is served while sessions move: the stream's listener and keys, repair, sockets. Keeper's thread only.
 */
#ifndef KEEPER_SESSION_DESK_H
#define KEEPER_SESSION_DESK_H

#include <lb/conf.h>

#include "daemon/ipc/ipc.h"

struct election;

struct session_desk {
	int listener; /* -1: sessions of other nodes cannot come */
};

/* Listen for other nodes' proxies at this node's address; what fails is only told. */
void session_desk_open(struct session_desk *d, const struct lb_conf *conf, size_t own_node);
void session_desk_close(struct session_desk *d);
/* Give a proxy the listener and the keys: when it starts, and after they may have changed. */
void session_desk_equip(const struct session_desk *d, struct ipc *ipc, const struct election *election);
/* True when it was for here. fds stay the caller's. */
bool session_desk_on_message(struct ipc *ipc, const struct lb_conf *conf, enum ipc_type type, const void *body,
			     const int *fds, size_t nfds);

#endif
