/*
 * An upgrade of the proxy: the installed program is started beside the running one, is given the configuration and
 * everything that the running one has, and takes its place. Whatever goes wrong before that ends the new one and is an
 * error; the running one goes on as if nothing had been. At most two run at a time. Keeper's thread only.
 *
 *   STARTING  (<= 2 s)  hello, configuration          MOVING  (<= 2 s)  GIVE, TAKE, the running one answers
 *   LEAVING   (<= 1 s)  the former one exits          FAILING (50 ms)   the running one goes on; is the new one dead?
 *   ENDING              the new one was given up and dies
 */
#ifndef KEEPER_SUCCESSION_H
#define KEEPER_SUCCESSION_H

#include <ev.h>
#include <stdbool.h>

#include "daemon/ipc/ipc.h"
#include "daemon/keeper/conf_push.h"
#include "daemon/keeper/proxy_child.h"
#include "daemon/keeper/supervise.h"

/* asker: the channel of the proxy that ran before, which may still answer a request; NULL: it is gone. */
typedef void succession_done(void *ctx, bool ok, const char *text, struct ipc *asker);

struct succession_hooks {
	/* A new proxy runs: say hello to an heir and begin push. False: it could not be told. */
	bool (*greet)(void *ctx, struct ipc *ipc, int page_fd, struct conf_push *push);
	/* It is the proxy now, and what only one may have is its. */
	void (*equip)(void *ctx, struct ipc *ipc);
	/* Once for each succession_begin that returned true, from the loop. */
	succession_done *done;
	void *ctx;
};

struct succession {
	struct ev_loop *loop;
	struct supervise *supervise;
	struct succession_hooks hooks;
	enum {
		SUCCESSION_IDLE,
		SUCCESSION_STARTING,
		SUCCESSION_MOVING,
		SUCCESSION_FAILING,
		SUCCESSION_LEAVING,
		SUCCESSION_ENDING
	} phase;
	struct proxy_child *other; /* the one that supervise does not know: heir, later the former */
	struct conf_push push;
	ev_timer limit;
	lb_time moving_since;
	char reason[192]; /* FAILING: what the running one says */
};

void succession_init(struct succession *s, struct ev_loop *loop, struct supervise *supervise,
		     const struct succession_hooks *hooks);
/* False: one is under way, or there is no proxy that could be succeeded; *why says which. */
bool succession_begin(struct succession *s, const char **why);
/* The new proxy is not the one that serves yet, and the running one may stand still. */
bool succession_busy(const struct succession *s);
/* Something more important comes: give it up where it is under way. */
void succession_abort(struct succession *s, const char *why);
/* What the running proxy answered. */
void succession_on_succeeded(struct succession *s, const struct ipc_succeeded *outcome);
/* Give up, forget. */
void succession_close(struct succession *s);

#endif
