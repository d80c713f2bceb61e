/*
 * What a proxy is told before anything else: who and where it is, its page, its doors. Keeper's thread only.
 */
#ifndef KEEPER_GREETING_H
#define KEEPER_GREETING_H

#include <lb/conf.h>

#include "daemon/ipc/ipc.h"
#include "daemon/keeper/admin.h"
#include "daemon/keeper/election.h"

/* All borrowed. */
struct greeting {
	const char *conf_path;
	const struct lb_conf *conf;
	size_t own_node;
	uint32_t workers;
	int page_fd;
	const struct admin *admin;
	bool heir; /* it will take over from the running proxy */
};

/* False: the channel is closed. */
bool greeting_send(struct ipc *ipc, const struct greeting *g);
/* To one that was adopted: where this node does not own the VIP, what is left of sessions on it ends. */
void greeting_end_orphans(struct ipc *ipc, struct election *election);

#endif
