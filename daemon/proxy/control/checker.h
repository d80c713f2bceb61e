/*
 * When each server is checked and what its health machine makes of the answers: at most one check at a time for each
 * server, due times from the machine. Control thread only.
 */
#ifndef CONTROL_CHECKER_H
#define CONTROL_CHECKER_H

#include <ev.h>

#include "daemon/proxy/control/roster.h"

struct checker;

/* The state of the server has just changed (server->health, since and report are up to date). */
typedef void checker_on_transition(void *ctx, struct server *server);
/* A check gave another weight share (agent_percent) without a change of state. */
typedef void checker_on_weight(void *ctx, struct server *server);

struct checker_params {
	struct ev_loop *loop;
	checker_on_transition *on_transition;
	checker_on_weight *on_weight;
	void *ctx;
};

struct checker *checker_new(const struct checker_params *params);
/* Checks that begin from now on use set; call before the roster is changed to it. */
void checker_set_conf(struct checker *c, struct conf_set *set);

/* A new server: unknown, checked at once unless it is in maint. */
void checker_add(struct checker *c, struct server *server);
/* A reload kept the server; a changed check starts again with the state that is known. */
void checker_keep(struct checker *c, struct server *server, bool changed);
void checker_remove(struct checker *c, struct server *server);

/* maint: no checks. Afterwards the server is unknown until its first answer. */
void checker_pause(struct checker *c, struct server *server);
void checker_resume(struct checker *c, struct server *server);

/* What the data path met. */
void checker_connect_failed(struct checker *c, struct server *server);
void checker_connect_ok(struct checker *c, struct server *server);
/* A session went to another server because this one was silent: look at it soon. */
void checker_connect_silent(struct checker *c, struct server *server);

/* After every server was removed. */
void checker_free(struct checker *c);

#endif
