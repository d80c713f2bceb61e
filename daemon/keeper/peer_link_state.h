/*
 * The peer link's state and what its files share; private to peer_link*.c.
 *
 *   peer_link.c        datagrams out and in, what is known of each node
 *   peer_link_round.c  the way round by the servers, to an owner of which nothing comes directly
 */
#ifndef KEEPER_PEER_LINK_STATE_H
#define KEEPER_PEER_LINK_STATE_H

#include <lb/ratelimit.h>

#include "daemon/keeper/detour.h"
#include "daemon/keeper/peer_link.h"

#define PEER_LINK_INTERVAL_MAX LB_SEC(1)

struct peer {
	struct peer_session session;
	struct peer_facts facts;
	lb_time direct_at; /* last advert or message that came directly; 0 never */
};

struct peer_link {
	struct peer_link_params params;
	int fd;
	ev_io io;
	ev_timer timer, urgent, ask;
	struct detour *detour;
	bool owner;
	lb_time paced_at; /* last time an advert set the pace; 0 never */
	unsigned repeats; /* of the news that this node is the owner, still to be sent */
	struct peer peers[LB_NODES_MAX];
	struct peer_link_counters counters;
	struct ratelimit log, drop_log[PEER_DROP_COUNT_], drops_log; /* drops: each reason, and all together */
	struct peer_msg out, in; /* too large for the stack of a small process, and never used by two at once */
	uint8_t buf[PEER_MSG_MAX];
};

/* What this node says of itself into l->out. */
void peer_link_fill(struct peer_link *l, enum peer_msg_kind kind, uint64_t handover, const char *text);
/* l->out for that node into l->buf; its length, 0 with a line in the log. */
size_t peer_link_stamp(struct peer_link *l, size_t node);
/* Bytes into l->in. */
enum peer_drop peer_link_decode(struct peer_link *l, const uint8_t *bytes, size_t len);
/* Follow l->in, which says that it is of that node. */
enum peer_drop peer_link_take(struct peer_link *l, int node, lb_time at, bool detoured);

bool peer_link_round_open(struct peer_link *l, struct lb_err *err);
void peer_link_round_close(struct peer_link *l);
/* Something was heard: is there anybody to be asked for from now on? */
void peer_link_round_look(struct peer_link *l);
/* From when on it will be too long ago that something of that node came directly. */
lb_time peer_link_round_silent_from(const struct peer_link *l, size_t node);

#endif
