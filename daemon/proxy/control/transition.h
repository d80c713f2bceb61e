/*
 * What follows when a server changes: it is recorded with its reason, workers are told, sessions of a dead server are
 * reset, the keeper learns how many are ready. One place for health, administrators and agents. Control thread only.
 */
#ifndef CONTROL_TRANSITION_H
#define CONTROL_TRANSITION_H

#include "daemon/proxy/control/checker.h"
#include "daemon/proxy/control/crew.h"
#include "daemon/proxy/control/order_book.h"
#include "daemon/proxy/control/publish.h"
#include "daemon/proxy/control/recorder.h"
#include "daemon/proxy/control/roster.h"

/* Borrowed parts; `changed` is called when the counts of ready servers may have changed. */
struct transition {
	struct checker *checker;
	struct publisher *publisher;
	struct recorder *recorder;
	struct crew *crew;
	struct order_book *orders;
	void (*changed)(void *ctx);
	void *ctx;
};

/* The health machine changed its state. */
void transition_health(struct transition *t, struct server *server);
/* An administrator wants another state (who: for the record). Nothing happens when it is that already. */
void transition_admin(struct transition *t, struct server *server, enum lb_admin_state admin, const char *who);
/* An administrator wants another weight, 1..256. */
void transition_weight(struct transition *t, struct server *server, uint16_t weight, const char *who);
/* An administrator wants another max_connections, 0: none. */
void transition_limit(struct transition *t, struct server *server, uint32_t limit, const char *who);
/* The answers of a server began to mean no more than "alive", or ceased to (server->report.warning is new). */
void transition_warning(struct transition *t, struct server *server);
/* An agent wants another share of the weight or another limit (server->agent is new). */
void transition_agent(struct transition *t, struct server *server);

#endif
