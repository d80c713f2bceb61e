/*
 * When each server is checked and what its health machine makes of the answers. One check at a time for each server,
 * due times from the machine; while one in use does not answer, further checks begin beside it, and have failed with it
 * when it has had its whole budget. Connections of HTTP checks stay open for the next ones. Control thread only.
 */
#ifndef CONTROL_CHECKER_H
#define CONTROL_CHECKER_H

#include <ev.h>

#include "daemon/proxy/control/roster.h"

struct checker;

/* The state of the server has just changed (server->health, since and report are up to date). */
typedef void checker_on_transition(void *ctx, struct server *server);
/* An agent's orders (server->agent) changed another way: weight or limit. */
typedef void checker_on_orders(void *ctx, struct server *server);
/* What an answer that only means "alive" says began, ended or changed (server->report.warning). */
typedef void checker_on_warning(void *ctx, struct server *server);

struct checker_params {
	struct ev_loop *loop;
	checker_on_transition *on_transition;
	checker_on_orders *on_orders;
	checker_on_warning *on_warning;
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

/* While it sleeps no check begins; waking plans those of every server of the roster. */
void checker_sleep(struct checker *c);
void checker_wake(struct checker *c, const struct roster *roster);

/* maint: no checks. Afterwards the server is unknown until its first answer. */
void checker_pause(struct checker *c, struct server *server);
void checker_resume(struct checker *c, struct server *server);

/* What the data path met. */
void checker_connect_failed(struct checker *c, struct server *server);
void checker_connect_ok(struct checker *c, struct server *server);
/* A session went to another server because this one was silent: look at it soon. */
void checker_connect_silent(struct checker *c, struct server *server);

/* How checks went since the start. */
struct checker_stats {
	uint64_t results[HEALTH_RESULT_COUNT_];
	lb_duration delay_max; /* longest that a check began after it was due; since it was forgotten */
};
const struct checker_stats *checker_stats(const struct checker *c);
void checker_forget_delay(struct checker *c);

/* After every server was removed. */
void checker_free(struct checker *c);

#endif
