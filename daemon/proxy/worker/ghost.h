/*
 * Services and servers that the configuration does not name any more, and whose sessions go on all the same: records
 * for those that another process had when they were taken out. Nobody looks at their counters.
 */
#ifndef WORKER_GHOST_H
#define WORKER_GHOST_H

#include <lb/addr.h>

struct worker;
struct worker_service;
struct worker_server;
struct ghost; /* what must outlive the last session */

/* For one more session: the record that a session uses already, or a new one. NULL: memory is short. */
struct worker_service *ghost_service(struct worker *w, const char *name);
struct worker_server *ghost_server(struct worker *w, const char *service, const char *name,
				   const struct lb_endpoint *address);
/* The thread ends; there are no sessions any more. */
void ghost_free(struct worker *w);

#endif
