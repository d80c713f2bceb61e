/*
 * The keeper: puts the election, the listeners and the proxy's supervisor together, and answers what the proxy's API
 * asks of it. One thread, one loop.
 */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include <ev.h>

#include <lb/err.h>

#include "daemon/keeper/conf_file.h"
#include "daemon/keeper/resume.h"

struct keeper;

struct keeper_params {
	struct ev_loop *loop; /* not libev's default loop (proxy_child.h) */
	const char *conf_path, *runtime_dir;
	char **argv;		/* of this program; borrowed, as is resume, until keeper_free */
	struct conf_file *conf; /* taken over on success */
	size_t own_node;
	struct resume *resume; /* what a former process left; borrowed until keeper_free */
};

/*
 * Open and bind everything that needs a privilege; starts nothing. NULL with one sentence, unless there is a way back
 * to the program before this one (retreat.h).
 */
struct keeper *keeper_new(const struct keeper_params *params, struct lb_err *err);

/* After privileges were dropped: start the election and the proxy. */
bool keeper_start(struct keeper *k, struct lb_err *err);

/* Run until the end; returns the exit code of the program (see enum keeper_exit). */
int keeper_run(struct keeper *k);

void keeper_free(struct keeper *k);

enum keeper_exit { KEEPER_EXIT_OK = 0, KEEPER_EXIT_FAILURE = 1, KEEPER_EXIT_USAGE = 2, KEEPER_EXIT_CONFIG = 3 };

#endif
