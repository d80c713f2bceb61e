/*
 * Sessions that go on in another process of this node, with the same sockets and pipes. In the order of an upgrade:
 *
 *   former process                          its heir
 *   hold: accepts nothing, all stand still  hold, from its start
 *   tell: some at a time, records and       take: parked
 *         descriptors
 *                                           resume: they relay, connections are accepted
 *   ends by exit alone, or resume: everything goes on here
 *
 * Nothing is done to a socket or a pipe before the heir resumes, so until then the former can. Each takes an order of
 * control and fills the answer.
 */
#ifndef WORKER_SUCCESSION_H
#define WORKER_SUCCESSION_H

#include "daemon/proxy/share/message.h"

struct worker;

void succession_hold(struct worker *w, const struct message *order, struct message *answer);
void succession_tell(struct worker *w, const struct message *order, struct message *answer);
/* Bytes and descriptors of the order are used up. */
void succession_take(struct worker *w, const struct message *order, struct message *answer);
void succession_resume(struct worker *w, const struct message *order, struct message *answer);

#endif
