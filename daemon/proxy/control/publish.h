/*
 * What workers know: one immutable view for each, made from the roster, at most once a loop round. Views come back when
 * a newer one has taken their place; counters that nothing names any more are freed once no view and no session uses
 * them. Control thread only.
 */
#ifndef CONTROL_PUBLISH_H
#define CONTROL_PUBLISH_H

#include <ev.h>

#include "daemon/proxy/control/crew.h"
#include "daemon/proxy/control/listen_set.h"
#include "daemon/proxy/control/roster.h"

struct publisher;

struct publisher_params {
	struct ev_loop *loop;
	struct crew *crew; /* borrowed, like everything here */
	const struct roster *roster;
	const struct listen_set *listeners;
};

struct publisher *publisher_new(const struct publisher_params *params);
/* Views point into set from now on; call after roster and listeners were changed to it. Publishes at once. */
void publisher_set_conf(struct publisher *p, struct conf_set *set);
/* Something changed: publish at the end of this loop round (of thousands of servers: some ms later). Ramping weights
 * are published again by themselves. */
void publisher_request(struct publisher *p);
/* A worker gave a view back. */
void publisher_on_retired(struct publisher *p, struct pool_view *view);
/* Free these as soon as nothing uses them. */
void publisher_retire_server(struct publisher *p, struct server_block *block);
void publisher_retire_service(struct publisher *p, struct service_block *block);
/* After every worker has stopped: frees what is still out. */
void publisher_free(struct publisher *p);

#endif
