/*
 * The listening sockets that the keeper passed in: which service, which worker, which address.
 *
 * A descriptor belongs to the set until a view that lists it was published; from then on the worker owns it and the set
 * only remembers its number.
 */
#ifndef CONTROL_LISTEN_SET_H
#define CONTROL_LISTEN_SET_H

#include <stddef.h>

#include "daemon/ipc/ipc.h"

struct listen_item {
	struct ipc_listener what;
	int fd;
};

struct listen_set {
	struct listen_item *list;
	size_t count, capacity;
};

/* Takes fd. */
void listen_set_add(struct listen_set *set, const struct ipc_listener *what, int fd);
/*
 * next becomes the running set: a socket that the running one has already keeps its number and the second descriptor
 * is closed; what next does not name, or names with another socket, is forgotten (its worker closes it). next is left
 * empty.
 */
void listen_set_replace(struct listen_set *running, struct listen_set *next);
/* Close what was never published and forget everything. */
void listen_set_close(struct listen_set *set);
/* Forget everything without closing. */
void listen_set_forget(struct listen_set *set);

#endif
