/*
 * Planned hand-over of the VIP between two lbd nodes, acknowledged step by step. Keeper's thread only.
 *
 *   backup                         owner
 *      |  <REQUEST_VIP>  (failback, failover on a backup)
 *      |------------------------------>|  the sessions go ahead where they can (session_move.h)
 *      |           ASK_TAKE            |  will you?
 *      |<------------------------------|
 *      |            READY              |  (or REFUSE)
 *      |------------------------------>|  new connections held back, sessions ended; last advert, address, lease
 *      |           RELEASED            |
 *      |<------------------------------|
 *   advert, address, lease, announcements; its next heartbeat says active
 *
 * Between two nodes the last advert has priority 0. Among more it is an ordinary one: all others wait an
 * Active_Down_Interval after it, so that the node that agreed takes first, however long its way. Priority 0 would let
 * them follow after Skew_Time, 0.2 ms at an interval of 10 ms.
 *
 * Whatever fails before the release leaves the owner as it was; after it, the ordinary election decides.
 */
#ifndef KEEPER_HANDOVER_H
#define KEEPER_HANDOVER_H

#include <ev.h>

#include <lb/peer_msg.h>
#include <lb/time.h>

#include "daemon/keeper/election.h"

/* More than the limits of all steps of session_move.h together. */
#define HANDOVER_SEND_TIMEOUT	 LB_SEC(5)
#define HANDOVER_ASK_TIMEOUT	 LB_MSEC(200)
#define HANDOVER_ASK_AGAIN	 LB_MSEC(20)
#define HANDOVER_SESSIONS_MAX	 LB_MSEC(50)
#define HANDOVER_RELEASED_AGAIN	 LB_MSEC(5)
#define HANDOVER_CONFIRM_TIMEOUT LB_MSEC(500)
#define HANDOVER_REQUEST_TIMEOUT LB_SEC(6)
/*
 * For how long after READY a release is still taken. The former owner takes the VIP back 3 intervals and its Skew_Time
 * after its release, so that later than this two would own it.
 */
#define HANDOVER_PROMISE_INTERVALS 2

/* What the steps need of the election. */
struct handover_hooks {
	/* Could this node take the VIP now? False with the reason in text. */
	bool (*can_take)(void *ctx, char text[64]);
	/* This node owns the VIP. */
	bool (*is_owner)(void *ctx);
	/* That node says that it owns the VIP. */
	bool (*node_owns)(void *ctx, size_t node);
	void (*send)(void *ctx, size_t node, enum peer_msg_kind kind, uint64_t id, const char *text);
	/* Hold new connections back / let them pass again. */
	void (*close_to_new)(void *ctx, bool on);
	void (*end_sessions)(void *ctx, uint32_t id);
	/* The shortest advert interval that this node or the owner may go by. */
	lb_duration (*interval)(void *ctx);
	/* Owner: send the sessions ahead; handover_on_sessions_sent follows, possibly at once. */
	void (*send_sessions)(void *ctx, size_t node, uint64_t id);
	/* Owner: the hand-over ends, released or not: sessions that were sent stay away, or go on here. */
	void (*settle_sessions)(void *ctx, bool released);
	/* Successor: the VIP is here, and maybe sessions that came ahead of it. */
	void (*revive_sessions)(void *ctx, uint64_t id, bool sent);
	/* Leave the VIP now / take it now from that node, unless a third one has it. */
	void (*yield)(void *ctx);
	void (*take)(void *ctx, size_t node);
	void *ctx;
};

enum handover_phase {
	HANDOVER_IDLE,
	HANDOVER_SENDING,    /* owner: the sessions go ahead */
	HANDOVER_ASKING,     /* owner: waiting for READY */
	HANDOVER_ENDING,     /* owner: sessions are being ended */
	HANDOVER_RELEASED,   /* former owner: waiting until the peer says active */
	HANDOVER_REQUESTING, /* backup: waiting until the owner acts and this node is active */
};

struct handover {
	struct ev_loop *loop;
	struct handover_hooks hooks;
	enum handover_phase phase;
	size_t node; /* the other one */
	uint64_t id, next_id;
	lb_time started, deadline;
	lb_duration again; /* repeat the phase's message that often; 0 = no more */
	ev_timer timer;
	bool sessions_sent;
	election_done *done; /* NULL: nobody waits */
	void *done_ctx;
	/* The other side: whom this node promised to take from, and until when. */
	size_t promised_node;
	uint64_t promised_id; /* 0: nobody, or it is kept already */
	lb_time promised_at;
	lb_time promised_at_boot; /* the same on the clock that runs while the machine sleeps */
};

/* seed makes the ids of this process differ from those of others. */
void handover_init(struct handover *h, struct ev_loop *loop, uint64_t seed, const struct handover_hooks *hooks);

bool handover_busy(const struct handover *h);

/* Owner: give the VIP to that node. Backup: ask that node, the owner, for it. Not while busy. done may be NULL. */
void handover_give(struct handover *h, size_t node, election_done *done, void *ctx);
void handover_request(struct handover *h, size_t node, election_done *done, void *ctx);

/* Every message of the peer link other than a heartbeat. */
void handover_on_message(struct handover *h, size_t node, const struct peer_msg *msg);
void handover_on_sessions_ended(struct handover *h, uint32_t id);
/* The answer to send_sessions: they are at the peer, or still here. */
void handover_on_sessions_sent(struct handover *h, bool sent);
/* The role of this node or of another one changed. */
void handover_on_roles(struct handover *h);

/* This process stood still for that long: a promise that it gave before may be too old to be kept. */
void handover_on_stall(struct handover *h, lb_duration stall);

/* End what is under way; whoever waits is told. */
void handover_cancel(struct handover *h, const char *code, const char *text);

#endif
