/*
 * The listening sockets of every service, one per worker, held by the keeper for as long as the configuration names
 * them: they outlive any proxy, so a SYN is queued and never refused while the proxy restarts. Under systemd they
 * outlive the keeper, too.
 */
#ifndef KEEPER_LISTENERS_H
#define KEEPER_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/conf.h>
#include <lb/err.h>

#include "daemon/ipc/ipc.h"
#include "daemon/keeper/resume.h"

struct listener {
	struct ipc_listener what; /* generation is filled when it is sent */
	int fd;
	bool fresh;  /* bound by the latest prepare; closed again on rollback */
	bool wanted; /* named by the latest prepare */
	bool kept;   /* a copy outlives this process */
};

struct listeners {
	struct listener *list;
	size_t count, capacity;
	uint32_t workers;
	struct resume *resume;
};

/* How many workers this configuration means on this host. */
uint32_t listeners_workers(const struct lb_conf *conf);
/* resume holds sockets of a former process and keeps those that are bound; borrowed. */
void listeners_init(struct listeners *l, uint32_t workers, struct resume *resume);

/*
 * Bind what conf names and is not bound yet. Nothing is closed. On failure everything bound by this call is closed
 * again and *err says which one could not be bound.
 */
bool listeners_prepare(struct listeners *l, const struct lb_conf *conf, struct lb_err *err);
/* After prepare: close what is no longer wanted, have the others kept. */
void listeners_commit(struct listeners *l);
/* After prepare: close what it bound. */
void listeners_rollback(struct listeners *l);

/* Send every wanted socket over the channel as generation. */
bool listeners_send(const struct listeners *l, struct ipc *ipc, uint32_t generation);

void listeners_close(struct listeners *l);

#endif
