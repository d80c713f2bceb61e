/*
 * The daemon's doors for people and collectors: runtime directory, admin socket, metrics listener. Made by the keeper,
 * passed to every proxy.
 */
#ifndef KEEPER_ADMIN_H
#define KEEPER_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include <lb/conf.h>
#include <lb/err.h>

#include "daemon/keeper/resume.h"

struct admin {
	char socket_path[LB_PATH_MAX];
	int socket_fd, metrics_fd; /* -1 = none */
	uint32_t gid;		   /* group that may change things; (uint32_t)-1 = root only */
};

/*
 * Create the directory (0750) and the sockets, or take those of a former process, in which people may wait; resume
 * keeps them. False with a sentence; then nothing is left behind.
 */
bool admin_open(struct admin *a, const struct lb_conf *conf, const char *runtime_dir, struct resume *resume,
		struct lb_err *err);
/* Close both and remove the socket file; what was kept is worthless then. */
void admin_close(struct admin *a);

#endif
