/*
 * The first part of a planned hand-over: the sessions go to the successor before the VIP does. Keeper's thread only.
 *
 *   successor                        owner
 *      |         OFFER_SESSIONS        |
 *      |<------------------------------|
 *      |  the VIP's addresses, fenced  |
 *      |        EXPECT_SESSIONS        |
 *      |------------------------------>|  the proxies connect; new connections held back; the VIP fenced here, too
 *      |     records, then RESULT      |
 *      |<=============================>|  (proxy to proxy)
 *      |                               |  the hand-over itself: handover.h
 *
 * An EXPECT that comes too late, as from a node that stood still, is refused, so that the addresses go again at once;
 * so is what was expected when the hand-over comes to nothing.
 *
 * Every step has a limit; where one fails the sessions are thawed and the hand-over goes on without them. Nothing of it
 * touches the election: the owner advertises all the time.
 */
#ifndef KEEPER_SESSION_MOVE_H
#define KEEPER_SESSION_MOVE_H

#include <ev.h>

#include <lb/peer_msg.h>
#include <lb/time.h>

#include "daemon/ipc/ipc.h"

#define SESSION_MOVE_OFFER LB_MSEC(100)
#define SESSION_MOVE_AGAIN LB_MSEC(20)
/*
 * The owner serves all the while: the stream opens, the successor makes the sockets, long queues get shorter, sessions
 * on which nothing moves go ahead.
 */
#define SESSION_MOVE_CONNECT LB_SEC(3)
/* Connections that a client just began to make are finished before the fence closes. */
#define SESSION_MOVE_CLOSING LB_MSEC(3)
#define SESSION_MOVE_SEND    LB_SEC(1)
#define SESSION_MOVE_THAW    LB_MSEC(300)
/* The successor forgets what it was given if the VIP does not follow. */
#define SESSION_MOVE_EXPECT LB_SEC(5)
/* Or does not wait so long for the owner's word once the VIP is here. */
#define SESSION_MOVE_INHERIT LB_MSEC(300)

struct session_move_hooks {
	/* Can sessions move at all: keys, fence, proxy? */
	bool (*possible)(void *ctx);
	/* Could this node take the VIP now? text is for peer's people. */
	bool (*can_take)(void *ctx, char text[64]);
	void (*send)(void *ctx, size_t node, enum peer_msg_kind kind, uint64_t id, const char *text);
	/* Is the VIP here? */
	bool (*owns)(void *ctx);
	/* Owner: hold new connections back / let them pass. */
	void (*close_to_new)(void *ctx, bool on);
	/* Owner: end the lease although adverts go on / renew it again. */
	void (*fence)(void *ctx, bool on);
	/* Successor: put the VIP's addresses here behind the fence / take them away unless it owns the VIP. */
	void (*prepare)(void *ctx, bool on);
	/* To the proxy. */
	void (*order)(void *ctx, const struct ipc_move *what, size_t node);
	/* Owner: over, with the sessions at the successor or thawed here. */
	void (*done)(void *ctx, bool moved);
	void *ctx;
};

enum session_move_phase {
	SESSION_MOVE_IDLE,
	SESSION_MOVE_OFFERING,
	SESSION_MOVE_CONNECTING,
	SESSION_MOVE_HOLDING_BACK,
	SESSION_MOVE_SENDING,
	SESSION_MOVE_SENT, /* until the hand-over ends one way or the other */
	SESSION_MOVE_THAWING,
};

struct session_move {
	struct ev_loop *loop;
	struct session_move_hooks hooks;
	enum session_move_phase phase;
	size_t node;
	uint64_t id;
	lb_time deadline, started;
	ev_timer timer;
	/* The other side: whose sessions may come, 0 nobody's. */
	uint64_t expected_id;
	size_t expected_node;
	bool expect_told; /* the owner has our word for it; said again when it asks again */
	ev_timer expiry;
};

void session_move_init(struct session_move *m, struct ev_loop *loop, const struct session_move_hooks *hooks);
void session_move_stop(struct session_move *m);

/* Owner: begin; done follows, possibly before this returns. */
void session_move_begin(struct session_move *m, size_t node, uint64_t id);
/* Owner: the hand-over came to nothing: what was sent goes on here, and the successor hears of it. */
void session_move_take_back(struct session_move *m);
/* Owner: the VIP leaves: nothing of it can be taken back. */
void session_move_settle(struct session_move *m);

/* Successor: the VIP is here; sessions: the owner said that they came with it. */
void session_move_arrived(struct session_move *m, uint64_t id, bool sessions);
/*
 * Successor: the VIP came here, but not by the hand-over. Its last word may still be under way; without it the sessions
 * are reset and counted as lost, as the former owner may have gone on with them after it told of them.
 */
void session_move_inherited(struct session_move *m);

/* OFFER_SESSIONS, EXPECT_SESSIONS, and a REFUSE of either. True when it was meant for here. */
bool session_move_on_message(struct session_move *m, size_t node, const struct peer_msg *msg);
/* The proxy's answer. */
void session_move_on_moved(struct session_move *m, const struct ipc_moved *moved);

#endif
