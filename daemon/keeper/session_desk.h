/*
 * Where the proxy is served while sessions move, and where their clients are woken: the stream's listener and keys,
 * repair, sockets, segments. Keeper's thread only.
 */
#ifndef KEEPER_SESSION_DESK_H
#define KEEPER_SESSION_DESK_H

#include <lb/conf.h>

#include "daemon/ipc/ipc.h"
#include "daemon/keeper/wake.h"

struct election;

struct session_desk {
	int listener; /* -1: sessions of other nodes cannot come */
	struct wake_sender wake;
};

/* Listen for other nodes' proxies at this node's address; what fails is only told. */
/* Nothing is open yet; session_desk_close is fine. */
void session_desk_init(struct session_desk *d);
void session_desk_open(struct session_desk *d, const struct lb_conf *conf, size_t own_node);
void session_desk_close(struct session_desk *d);
/* Give a proxy the listener and the keys: when it starts, and after they may have changed. */
void session_desk_equip(const struct session_desk *d, struct ipc *ipc, const struct election *election);

/* What the proxy says, and in what situation; all borrowed. */
struct session_desk_message {
	struct ipc *ipc;
	const struct lb_conf *conf;
	const struct election *election;
	enum ipc_type type;
	const void *body;
	const int *fds;
	size_t nfds;
};

/* True when it was for here. */
bool session_desk_on_message(struct session_desk *d, const struct session_desk_message *m);

#endif
