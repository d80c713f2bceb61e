/*
 * What the proxy does while no keeper is there: it goes on for a few seconds, in which another keeper may come over the
 * link (ipc_link.h). When nobody can come any more, or the time is over, that is told, once. Control thread only.
 */
#ifndef CONTROL_KEEPER_LINK_H
#define CONTROL_KEEPER_LINK_H

#include <ev.h>
#include <stdbool.h>

struct keeper_link {
	struct ev_loop *loop;
	ev_io reader; /* fd -1: nobody can come */
	ev_timer patience;
	/* A keeper is here: take its channel. */
	void (*come)(void *ctx, int channel);
	/* Nobody comes. */
	void (*alone)(void *ctx, const char *why);
	void *ctx;
};

/* Takes fd; -1: nobody can ever come. Fields beside the callbacks and ctx are filled in. */
void keeper_link_open(struct keeper_link *l, struct ev_loop *loop, int fd);
/* The keeper is gone: wait for another one. False: nobody can come (alone is not called). */
bool keeper_link_wait(struct keeper_link *l);
void keeper_link_close(struct keeper_link *l);

#endif
