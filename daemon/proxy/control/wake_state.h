/* What wake.c (the node's role, its life), wake_out.c (telling) and wake_in.c (being told, waking) share. */
#ifndef CONTROL_WAKE_STATE_H
#define CONTROL_WAKE_STATE_H

#include <lb/tuple_table.h>

#include "daemon/proxy/control/wake.h"

/* Another node. */
struct wake_peer {
	struct wake *wake;
	/* To it, while this node owns the VIP. */
	struct move_stream *out;
	bool out_ready;
	lb_time out_deadline; /* out: until it must be ready; NULL: not before it is tried again */
	/* From it; what it has told stays when the stream ends. */
	struct move_stream *in;
	struct tuple_table table;
};

/* Changes that wait for each other: they share a batch. */
struct wake_pending {
	struct tuple_change *list;
	uint32_t count, size;
	uint64_t workers; /* bit i: worker i has a share in it */
	ev_timer timer;
};

/* Waking under way. */
struct wake_round {
	struct ipc_wake_target *targets; /* clients, then servers; NULL: none under way */
	uint32_t count, clients, next;
	unsigned pass;
	bool unanswered; /* the keeper has a message */
	lb_time began;
	ev_timer timer;
};

struct wake {
	struct wake_params params;
	struct channel *channel;
	const struct lb_conf *conf;
	uint32_t own_node;
	struct move_keys *keys;
	enum vrrp_state role;
	struct wake_peer peers[LB_NODES_MAX];

	uint32_t token; /* of what the workers tell; what came before it is void */
	struct wake_pending pending;
	ev_timer connect; /* looks after the streams to the others */
	ev_timer linger;  /* the last word leaves before the streams close */
	uint32_t told;
	uint64_t untold[IPC_WORKERS_MAX];

	struct wake_round round;
	uint64_t woken_clients, woken_servers, sent, failed, dropped;
};

/* wake_out.c */
void wake_out_init(struct wake *w);
/* This node owns the VIP / does not any more. */
void wake_out_begin(struct wake *w);
void wake_out_end(struct wake *w);
/* Without a word. */
void wake_out_close(struct wake *w);
void wake_out_free(struct wake *w);

/* wake_in.c */
void wake_in_init(struct wake *w);
/* This node has taken over from a dead one. */
void wake_in_wake(struct wake *w);
void wake_in_stop(struct wake *w);
/* Whatever was told is not true any more. */
void wake_in_forget(struct wake *w);

#endif
