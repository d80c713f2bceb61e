/*
 * Handing a configuration to the proxy: begin, listeners, end, prepared, then commit or abort (ipc.h). One at a time.
 */
#ifndef KEEPER_CONF_PUSH_H
#define KEEPER_CONF_PUSH_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/ipc/ipc.h"
#include "daemon/keeper/listeners.h"

enum conf_push_result {
	CONF_PUSH_PREPARED, /* the proxy can apply it: commit or abort now */
	CONF_PUSH_REFUSED,  /* it cannot; text says why */
	CONF_PUSH_LOST,	    /* no answer in time, or the channel ended; text says which */
	CONF_PUSH_APPLIED,  /* after a commit */
};

/* Called from the loop, once for each step; text is valid during the call. */
typedef void conf_push_done(void *ctx, enum conf_push_result result, const char *text);

struct conf_push {
	struct ev_loop *loop;
	ev_timer timeout;
	enum { CONF_PUSH_IDLE, CONF_PUSH_PREPARING, CONF_PUSH_DECIDING, CONF_PUSH_APPLYING } state;
	uint32_t generation;
	struct ipc *ipc;
	conf_push_done *done;
	void *ctx;
};

void conf_push_init(struct conf_push *p, struct ev_loop *loop, conf_push_done *done, void *ctx);
bool conf_push_busy(const struct conf_push *p);
/* Send memfd and every wanted listener; false when busy or the channel is gone (nothing will be called). */
bool conf_push_begin(struct conf_push *p, struct ipc *ipc, int memfd, const struct listeners *listeners);
/* Answer to CONF_PUSH_PREPARED. After a commit CONF_PUSH_APPLIED follows; after an abort nothing. */
void conf_push_commit(struct conf_push *p);
void conf_push_abort(struct conf_push *p);
/* From the keeper's dispatch: the proxy's two answers, and the loss of the channel. */
void conf_push_on_prepared(struct conf_push *p, const struct ipc_conf_result *result);
void conf_push_on_applied(struct conf_push *p, const struct ipc_conf *applied);
void conf_push_on_lost(struct conf_push *p, const char *why);
/* Forget a running conversation without a word. */
void conf_push_cancel(struct conf_push *p);

#endif
