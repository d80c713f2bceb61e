/*
 * Clients learn at once when the owner of the VIP has died. The owner tells the other nodes its connections as they
 * open and close (wake_out.c); a node that takes over without a hand-over wakes both ends of those it knows
 * (wake_in.c): one segment makes them answer, and as nobody here has that connection, the kernel resets it. To an end
 * whose connection lives, or is gone, the segment means nothing. Control thread only.
 */
#ifndef CONTROL_WAKE_H
#define CONTROL_WAKE_H

#include "daemon/proxy/control/channel.h"
#include "daemon/proxy/control/crew.h"
#include "daemon/proxy/control/move_stream.h"
#include "daemon/proxy/control/recorder.h"

struct wake;

struct wake_params {
	struct ev_loop *loop;
	struct crew *crew;
	struct recorder *recorder;
};

struct wake *wake_new(const struct wake_params *params);
/* Before anything else, once the channel is there. */
void wake_set_channel(struct wake *w, struct channel *channel);
/* conf is borrowed until the next one. */
void wake_set_conf(struct wake *w, const struct lb_conf *conf, uint32_t own_node);
/* Keys for the other nodes, borrowed until the next ones; NULL: nothing is told. Streams are opened anew. */
void wake_set_keys(struct wake *w, struct move_keys *keys);
void wake_free(struct wake *w);

/* The keeper's picture: whether this node owns the VIP, and how it came to. */
void wake_keeper_status(struct wake *w, const struct lb_snapshot_keeper *keeper);
/* MESSAGE_TUPLES of a worker; stays the caller's. */
void wake_on_news(struct wake *w, const struct message *m);
/* A node that owns the VIP begins to tell, with its first batch; the stream becomes wake's. */
void wake_greeted(struct wake *w, uint32_t node, struct move_stream *stream, const uint8_t *batch, size_t len);
/* The keeper has sent some of what was asked for. */
void wake_woken(struct wake *w, const struct ipc_woken *woken);

void wake_fill(const struct wake *w, struct lb_snapshot_wake *out);

#endif
