/*
 * Sessions that go to another node, and sessions that come from one. In the order of a hand-over:
 *
 *   here                                   there
 *   preview: which sockets will be needed  made ahead
 *   narrow: long queues get shorter
 *   freeze: nothing moves any more
 *   dump: each session as a record
 *                                          adopt: two sockets that are those connections, parked
 *   twice: those on which nothing moved for a while, while the VIP serves the others, and then these
 *   end (FLOW_END_HANDOVER): silent        revive: they relay
 *   or thaw: everything goes on here       or end: silent
 *
 * Entering and leaving repair is the keeper's; control carries descriptors and records. Each takes an order of control
 * and fills the answer.
 */
#ifndef WORKER_MOVE_H
#define WORKER_MOVE_H

#include "daemon/proxy/share/message.h"

struct worker;

void move_preview(struct worker *w, const struct message *order, struct message *answer);
/*
 * What waits in long queues would have to be carried while nothing moves: their senders are slowed down. Told is how
 * much it is, so that control can wait a moment for less.
 */
void move_narrow(struct worker *w, const struct message *order, struct message *answer);
/*
 * MOVE_IDLE: the keeper has to make these deaf. MOVE_ALL: sessions that cannot move (their server does not see
 * the VIP as its client) are ended first. Told are the descriptors of those that were frozen and not dumped.
 */
void move_freeze(struct worker *w, const struct message *order, struct message *answer);
/* What cannot be told stays frozen. */
void move_dump(struct worker *w, const struct message *order, struct message *answer);
void move_thaw(struct worker *w, const struct message *order, struct message *answer);

void move_adopt(struct worker *w, const struct message *order, struct message *answer);
/* The descriptors of the part's sessions that do not run. */
void move_list(struct worker *w, const struct message *order, struct message *answer);
void move_revive(struct worker *w, const struct message *order, struct message *answer);

#endif
