/*
 * Sessions that move to another node with the VIP, or arrive from one. The keeper says each step (ipc_move_step); the
 * workers freeze, tell and adopt; move_stream carries the records between the proxies. Control thread only.
 *
 *   owner:  CONNECT  stream, handshake            SEND  freeze -> repair on -> dump -> stream -> RESULT     THAW
 *   peer:   EXPECT   HELLO, records -> sockets -> adopt -> RESULT            REVIVE  repair off -> relay    DROP
 */
#ifndef CONTROL_MOVE_H
#define CONTROL_MOVE_H

#include "daemon/proxy/control/channel.h"
#include "daemon/proxy/control/crew.h"

struct move;
struct move_stream;

struct move *move_new(struct ev_loop *loop, struct crew *crew);
/* Before anything else, once the channel is there. */
void move_set_channel(struct move *m, struct channel *channel);
void move_free(struct move *m);

/* Another node's proxy has begun (peer_door.h) with HELLO; the stream becomes move's. */
void move_greeted(struct move *m, struct move_stream *stream, const uint8_t *hello, size_t len);
/* Sessions are under way: their sockets are in the middle of something that only this keeper can finish. */
bool move_busy(const struct move *m);
/* The sessions that left are gone from the workers, too. */
void move_ended(struct move *m);

/* What the keeper says; descriptors become move's. */
void move_setup(struct move *m, const struct ipc_move_setup *setup);
void move_step(struct move *m, const struct ipc_move *what);
void move_repaired(struct move *m, const struct ipc_repair *answer);
void move_sockets(struct move *m, const struct ipc_sockets *answer, const int *fds);

#endif
