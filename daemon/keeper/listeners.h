/*
 * The listening sockets of every service, one per worker, held by the keeper for as long as the configuration names
 * them: they outlive any proxy, so a SYN is queued and never refused while the proxy restarts.
 */
#ifndef KEEPER_LISTENERS_H
#define KEEPER_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/conf.h>
#include <lb/err.h>

#include "daemon/ipc/ipc.h"

struct listener {
	struct ipc_listener what; /* generation is filled when it is sent */
	int fd;
	bool fresh;  /* bound by the latest prepare; closed again on rollback */
	bool wanted; /* named by the latest prepare */
};

struct listeners {
	struct listener *list;
	size_t count, capacity;
	uint32_t workers;
};

void listeners_init(struct listeners *l, uint32_t workers);

/*
 * Bind what conf names and is not bound yet. Nothing is closed. On failure everything bound by this call is closed
 * again and *err says which one could not be bound.
 */
bool listeners_prepare(struct listeners *l, const struct lb_conf *conf, struct lb_err *err);
/* After prepare: close what is no longer wanted. */
void listeners_commit(struct listeners *l);
/* After prepare: close what it bound. */
void listeners_rollback(struct listeners *l);

/* Send every wanted socket over the channel as generation. */
bool listeners_send(const struct listeners *l, struct ipc *ipc, uint32_t generation);

void listeners_close(struct listeners *l);

#endif
