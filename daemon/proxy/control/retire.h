/*
 * Counter blocks of servers and services that the configuration does not name any more. A worker may count on one for
 * as long as a view that names it or a session on it lives.
 */
#ifndef CONTROL_RETIRE_H
#define CONTROL_RETIRE_H

#include <stdbool.h>
#include <stdint.h>

#include <lb/list.h>

#include "daemon/proxy/share/counters.h"

struct retired {
	struct lb_list list;
};

void retire_init(struct retired *r);
/* Take the block; views up to generation `last` may name it. */
void retire_server(struct retired *r, struct server_block *block, uint64_t last);
void retire_service(struct retired *r, struct service_block *block, uint64_t last);
/* Free what no view (oldest: the oldest generation that is out) and no session uses. */
void retire_sweep(struct retired *r, uint64_t oldest);
bool retire_empty(const struct retired *r);
/* Free everything, after all workers have stopped. */
void retire_free(struct retired *r);

#endif
