/*
 * The control thread: owner of configuration, servers, checks, workers, API and the channel to the keeper. It does no
 * data-path work and never blocks.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <ev.h>

#include "daemon/proxy/control/crew.h"

struct control;

struct control_params {
	struct ev_loop *loop;
	int channel_fd; /* taken */
	int link_fd;	/* taken; -1: no other keeper can come */
	struct crew_ops workers;
};

/* NULL when memory is short. Everything else begins with the keeper's first message. */
struct control *control_new(const struct control_params *params);
/*
 * Run the loop until the keeper says stop. The process exits at once when nothing can start, or the keeper is gone and
 * no other comes.
 */
void control_run(struct control *c);
void control_free(struct control *c);

#endif
