/*
 * How many servers are ready, as the keeper and the other nodes want to know it.
 */
#ifndef CONTROL_READINESS_H
#define CONTROL_READINESS_H

#include "daemon/ipc/ipc.h"
#include "daemon/proxy/control/roster.h"

/* Services beyond the message's array are in the sums only. */
void readiness_fill(const struct roster *roster, struct ipc_health *out);

#endif
