/*
 * A session at rest: it stands still, it is told as a plain record, and one is made from such a record. What becomes of
 * its sockets in the meantime differs for another node (move.h) and for another process here (succession.h).
 */
#ifndef WORKER_REST_H
#define WORKER_REST_H

#include <lb/session_state.h>

#include "daemon/proxy/worker/session.h"

/* Nothing moves any more; a connection attempt under way is given up. */
void rest_freeze(struct session *s);
/* From rest to work: without a server it chooses one, else it relays. It may have ended when this returns. */
void rest_go_on(struct session *s);

/* What the balancer knows of it, without the halves, the sockets and the bytes. */
void rest_describe(const struct session *s, struct session_state *state);

/* By name, among those of the configuration in force; NULL: there is none. */
struct worker_service *rest_service(struct worker *w, const char *name);
struct worker_server *rest_server(const struct worker_service *service, const char *name);
/*
 * What the record tells, into a session that is in the set and has entered its service; its client is not counted yet.
 * False: memory is short.
 */
bool rest_assume(struct session *s, const struct session_state *state);

#endif
