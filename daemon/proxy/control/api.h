/*
 * The HTTP API on the admin socket, and the read-only page for Prometheus. Routes are one table; what they do is in
 * api_read, api_events, api_why, api_sessions and api_change. Control thread only.
 */
#ifndef CONTROL_API_H
#define CONTROL_API_H

#include <ev.h>

#include "daemon/proxy/control/channel.h"
#include "daemon/proxy/control/collect.h"
#include "daemon/proxy/control/succession.h"
#include "daemon/proxy/control/transition.h"

struct api;

/* Everything is borrowed except the descriptors. */
struct api_params {
	struct ev_loop *loop;
	int listen_fd;	/* admin socket */
	int metrics_fd; /* -1: none */
	uint32_t admin_gid;
	const char *conf_path; /* the file that the daemon reads */
	const struct roster *roster;
	struct recorder *recorder;
	struct crew *crew;
	struct channel *channel;
	struct transition *transition;
	const struct succession *succession;
	struct collect_source *picture;
};

/* NULL with a sentence. */
struct api *api_new(const struct api_params *params, struct lb_err *err);
/* Answer what was asked already; who comes now is another process's. */
void api_quiesce(struct api *a);
void api_free(struct api *a);

#endif
