/*
 * Where other nodes' proxies come in: TCP on peer_port, only from the nodes' addresses, only with the cluster's key.
 * The first frame says what for; whoever does not get so far in time is shut out. Control thread only.
 */
#ifndef CONTROL_PEER_DOOR_H
#define CONTROL_PEER_DOOR_H

#include <lb/conf.h>

#include "daemon/proxy/control/move_stream.h"

struct peer_door_hooks {
	/* The first frame of a node (index into conf->nodes); the stream becomes the callee's, its hooks are to be set.
	 */
	void (*greeted)(void *ctx, uint32_t node, struct move_stream *stream, enum move_frame type, const uint8_t *data,
			size_t len);
	void *ctx;
};

struct peer_door;

struct peer_door *peer_door_new(struct ev_loop *loop, const struct peer_door_hooks *hooks);
/* conf is borrowed until the next one. */
void peer_door_set_conf(struct peer_door *d, const struct lb_conf *conf);
/* Open for who has these keys (borrowed until the next ones); listener becomes the door's. NULL and -1: closed. */
void peer_door_open(struct peer_door *d, struct move_keys *keys, int listener);
void peer_door_free(struct peer_door *d);

#endif
